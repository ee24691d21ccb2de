"""The PostgreSQL type of each expression, and how exactly DuckDB can hold its value.

Here: `Kind` and how kinds combine. Not here: the kinds of a query's expressions (`infer`) and what follows from
them, that is findings (`lint`) and translation (`rewrites`).

PostgreSQL's numeric has no limit; DuckDB divides decimals as doubles. So a numeric carries `error`: 0 if
DuckDB holds it as a decimal or integer, 1 if it is one correctly rounded quotient, 2 if more was done with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

_INTEGERS = {"smallint": 5, "integer": 10, "bigint": 19}
_ALIASES = {
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "decimal": "numeric",
    "double": "double precision",
    "float8": "double precision",
    "float": "double precision",
    "tinyint": "smallint",
    "varchar": "text",
    "char": "text",
    "bpchar": "text",
    "nchar": "text",
    "nvarchar": "text",
    "hugeint": "numeric",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "bool": "boolean",
    "varbinary": "bytea",
    "blob": "bytea",
}
_TYPE = re.compile(r"([a-z0-9 ]+?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*(\[\])?$")


@dataclass(frozen=True, slots=True)
class Kind:
    """A PostgreSQL type; `precision` and `scale` where a numeric's are known."""

    name: str
    precision: int | None = None
    scale: int | None = None
    error: int = 0

    @property
    def is_integer(self) -> bool:
        """Smallint, integer or bigint."""
        return self.name in _INTEGERS

    @property
    def is_exact(self) -> bool:
        """An integer, or a numeric that DuckDB holds as a decimal."""
        return self.is_integer or (self.name == "numeric" and self.error == 0)

    @property
    def is_number(self) -> bool:
        """Any number, also a double."""
        return self.is_integer or self.name in ("numeric", "double precision")

    @property
    def is_moment(self) -> bool:
        """A date or a timestamp."""
        return self.name in ("date", "timestamp", "timestamptz")

    @property
    def digits(self) -> int:
        """Digits that DuckDB's type for it has at most."""
        return _INTEGERS.get(self.name) or self.precision or 38


UNKNOWN = Kind("unknown")
NULL = Kind("null")
LITERAL = Kind("literal")
TEXT = Kind("text")
BOOLEAN = Kind("boolean")
INTEGER = Kind("integer")
BIGINT = Kind("bigint")
DOUBLE = Kind("double precision")
WHOLE = Kind("numeric", 38, 0)
QUOTIENT = Kind("numeric", error=1)
ROUGH = Kind("numeric", error=2)
DATE = Kind("date")
TIMESTAMP = Kind("timestamp")
TIMESTAMPTZ = Kind("timestamptz")
INTERVAL = Kind("interval")
ARRAY = Kind("array")


def kind_of_type(text: str) -> Kind:
    """The kind of PostgreSQL's (or DuckDB's) word for a type."""
    match = _TYPE.match(text.strip().lower())
    if match is None:
        return UNKNOWN
    if match.group(4):
        return ARRAY
    name = _ALIASES.get(match.group(1), match.group(1))
    if match.group(1) == "hugeint":
        return WHOLE
    if name == "numeric" and match.group(2):
        return Kind("numeric", int(match.group(2)), int(match.group(3) or 0))
    return Kind(name)


def unify(kinds: Iterable[Kind]) -> Kind:
    """The common type of alternatives (CASE, COALESCE, UNION)."""
    result = NULL
    for kind in kinds:
        result = _unify_two(result, kind)
    return result


def _unify_two(a: Kind, b: Kind) -> Kind:
    if a == b or b == NULL:
        return a
    if a == NULL or (a == LITERAL and b != NULL):
        return b
    if b == LITERAL:
        return a
    if a.is_number and b.is_number:
        return _unify_numbers(a, b)
    if a.is_moment and b.is_moment:
        return TIMESTAMPTZ if TIMESTAMPTZ in (a, b) else TIMESTAMP
    return UNKNOWN


def _unify_numbers(a: Kind, b: Kind) -> Kind:
    if DOUBLE in (a, b):
        return DOUBLE
    if a.is_integer and b.is_integer:
        return max(a, b, key=lambda kind: kind.digits)
    if not (a.is_exact and b.is_exact):
        return Kind("numeric", error=max(a.error, b.error))
    return _numeric(max(_whole(a), _whole(b)), _scales(a, b, max))


def _whole(kind: Kind) -> int:
    return kind.digits - (kind.scale or 0)


def common_scale(kinds: Iterable[Kind]) -> int | None:
    """The scale to cast alternatives to, where DuckDB's common type would lose decimals; else None.

    DuckDB's decimals have 38 digits: where whole digits and decimals need more, it drops decimals silently.
    """
    exact = [kind for kind in kinds if kind.is_exact]
    scales = {kind.scale or 0 for kind in exact}
    lost = len(scales) > 1 and max(map(_whole, exact)) + max(scales) > 38
    return max(scales) if lost else None


def _scales(a: Kind, b: Kind, join: Callable[[int, int], int]) -> int | None:
    first = 0 if a.is_integer else a.scale
    second = 0 if b.is_integer else b.scale
    return None if first is None or second is None else join(first, second)


def _numeric(whole: int, scale: int | None) -> Kind:
    return Kind("numeric", min(38, whole + scale) if scale is not None else None, scale)


def add(a: Kind, b: Kind, minus: bool = False) -> Kind:
    """The kind of a sum or difference."""
    if a.is_number and b.is_number:
        if DOUBLE in (a, b) or (a.is_integer and b.is_integer):
            return _unify_numbers(a, b)
        return _numeric(max(_whole(a), _whole(b)) + 1, _scales(a, b, max)) if a.is_exact and b.is_exact else ROUGH
    if a.is_moment and (b == INTERVAL or b.is_integer):
        return DATE if b.is_integer else (TIMESTAMP if a == DATE else a)
    if minus and a.is_moment and b.is_moment:
        return INTEGER if a == b == DATE else INTERVAL
    if b.is_moment and not minus:
        return add(b, a)
    return INTERVAL if INTERVAL in (a, b) else UNKNOWN


def multiply(a: Kind, b: Kind) -> Kind:
    """The kind of a product."""
    if INTERVAL in (a, b):
        return INTERVAL
    if not (a.is_number and b.is_number):
        return UNKNOWN
    if DOUBLE in (a, b) or (a.is_integer and b.is_integer):
        return _unify_numbers(a, b)
    if not (a.is_exact and b.is_exact):
        return ROUGH
    digits = a.digits + b.digits
    return Kind("numeric", digits if digits <= 18 else 38, _scales(a, b, int.__add__))


def divide(a: Kind, b: Kind) -> Kind:
    """The kind of a quotient."""
    if a == INTERVAL and b.is_number:
        return INTERVAL
    if not (a.is_number and b.is_number):
        return UNKNOWN
    if DOUBLE in (a, b) or (a.is_integer and b.is_integer):
        return _unify_numbers(a, b)
    return QUOTIENT if a.is_exact and b.is_exact else ROUGH


def total(kind: Kind) -> Kind:
    """The kind of a sum over rows."""
    if kind.is_integer:
        return WHOLE if kind == BIGINT else BIGINT
    if kind.name == "numeric":
        return replace(kind, precision=38) if kind.error == 0 else ROUGH
    return kind if kind in (DOUBLE, INTERVAL) else UNKNOWN


def mean(kind: Kind) -> Kind:
    """The kind of an average over rows."""
    if kind.is_exact:
        return QUOTIENT
    return ROUGH if kind.name == "numeric" else kind


def real(kind: Kind) -> Kind:
    """The kind of sqrt, ln and their like: numeric stays numeric, everything else becomes double."""
    return ROUGH if kind.name == "numeric" else DOUBLE
