"""The shape of a table, as its contract wants it and as the database has it, and the way from one to the other.

Here: values and text. Not here: reading the shape from PostgreSQL and changing it (`warehouse.schema`), a new table's
DDL (`ddl`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cxa_pipeline.contracts.ddl import TableName, checks, identifier, is_required, table_name
from cxa_pipeline.contracts.model import Contract

_TYPE_WORDS = {
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "character varying": "varchar",
    "decimal": "numeric",
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float8": "double precision",
    "bool": "boolean",
}


@dataclass(frozen=True)
class Shape:
    """What of a table the database enforces: types and NOT NULL by column, the key, CHECKs by name.

    `unvalidated` names CHECKs that hold for new rows only.
    """

    columns: Mapping[str, str]
    required: frozenset[str]
    primary_key: tuple[str, ...]
    checks: Mapping[str, str]
    month: str | None = None
    unvalidated: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ShapeDifference:
    """What differs between a table as it is and as its contract wants it, in words and as statements.

    `before` runs before the new rows come (and is safe with the old ones there), `after` tightens once they are in.
    A breaking difference has no statements: the table is made anew.
    """

    additive: tuple[str, ...] = ()
    breaking: tuple[str, ...] = ()
    before: tuple[str, ...] = field(default=(), repr=False)
    after: tuple[str, ...] = field(default=(), repr=False)


def canonical_type(type_: str) -> str:
    """One spelling for each type, whether a person or PostgreSQL wrote it.

    >>> canonical_type("timestamp with time zone"), canonical_type("NUMERIC(18, 4)")
    ('timestamptz', 'numeric(18,4)')
    """
    words = re.sub(r"\s*([(),])\s*", r"\1", " ".join(type_.lower().split()))
    base, bracket, rest = words.partition("(")
    return _TYPE_WORDS.get(base, base) + bracket + rest


def shape(contract: Contract) -> Shape:
    """The shape that the contract wants."""
    return Shape(
        columns={c.name: canonical_type(c.type) for c in contract.columns},
        required=frozenset(c.name for c in contract.columns if is_required(contract, c)),
        primary_key=contract.primary_key,
        checks=checks(contract),
        month=contract.month,
    )


def difference(old: Shape, contract: Contract, name: TableName | None = None) -> ShapeDifference:
    """What it takes to get from a table as it is to its contract.

    Additive are new columns, columns that need no longer be filled, and every change of a CHECK. Breaking are a
    changed type, key or partition, and a removed column.
    """
    new = shape(contract)
    table = (name or table_name(contract)).sql
    breaking = _breaking(old, new)
    if breaking:
        return ShapeDifference(breaking=tuple(breaking))
    parts = (_column_changes(old, new, table), _check_changes(old, new, table))
    words, before, after = (tuple(text for part in parts for text in part[i]) for i in range(3))
    return ShapeDifference(additive=words, before=before, after=after)


_Changes = tuple[list[str], list[str], list[str]]
"""Words, statements before, statements after."""


def _column_changes(old: Shape, new: Shape, table: str) -> _Changes:
    words, before, after = [], [], []
    for column in [c for c in new.columns if c not in old.columns]:
        words.append(f"new column {column} {new.columns[column]}")
        before.append(f"alter table {table} add column {identifier(column)} {new.columns[column]}")
    for column in sorted(old.required - new.required):
        words.append(f"column {column} may be NULL")
        before.append(f"alter table {table} alter column {identifier(column)} drop not null")
    for column in sorted(new.required - old.required):
        words.append(f"column {column} may not be NULL")
        after.append(f"alter table {table} alter column {identifier(column)} set not null")
    return words, before, after


def _check_changes(old: Shape, new: Shape, table: str) -> _Changes:
    words, before, after = [], [], []
    for check in sorted(old.checks.keys() | new.checks.keys()):
        had, wanted = old.checks.get(check), new.checks.get(check)
        if had != wanted:
            words.append(f"check {check} {'removed' if wanted is None else 'changed' if had else 'added'}")
            if had is not None:
                before.append(f"alter table {table} drop constraint if exists {identifier(check)}")
            if wanted is not None:
                # Not valid: the old rows need not satisfy it, the new ones must.
                before.append(f"alter table {table} add constraint {identifier(check)} check ({wanted}) not valid")
        if wanted is not None and (had != wanted or check in old.unvalidated):
            after.append(f"alter table {table} validate constraint {identifier(check)}")
    return words, before, after


def _breaking(old: Shape, new: Shape) -> list[str]:
    found = [f"column {column} removed" for column in old.columns if column not in new.columns]
    for column, type_ in new.columns.items():
        if column in old.columns and old.columns[column] != type_:
            found.append(f"column {column} is {old.columns[column]}, wanted {type_}")
    if old.primary_key != new.primary_key:
        found.append(f"key is ({', '.join(old.primary_key)}), wanted ({', '.join(new.primary_key)})")
    if old.month != new.month:
        found.append(f"split by {old.month or 'nothing'}, wanted {new.month or 'nothing'}")
    return found
