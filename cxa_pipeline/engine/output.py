"""How a result becomes what its contract says: casts to PostgreSQL's types, and the hash of the content.

Here: SQL expressions of DuckDB for one column or row, and the words for types. Not here: running them (`duckdb`).
"""

from __future__ import annotations

from collections.abc import Sequence

from cxa_pipeline.engine.kinds import Kind, kind_of_type
from cxa_pipeline.engine.protocol import OutputColumn
from cxa_pipeline.errors import EngineError

_DUCKDB = {
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "double precision": "DOUBLE",
    "boolean": "BOOLEAN",
    "text": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
}
PUBLISHED_DIGITS = 12
"""Significant digits of a published double (METRICS §2.3)."""


def quote(name: str) -> str:
    """An identifier for DuckDB."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text for DuckDB."""
    return "'" + text.replace("'", "''") + "'"


def duckdb_type(column: OutputColumn) -> str:
    """DuckDB's type for a column.

    Raises:
        EngineError: The contract has a type that no engine writes.
    """
    kind = kind_of_type(column.type)
    if kind.name == "numeric" and kind.precision:
        return f"DECIMAL({kind.precision},{kind.scale})"
    if kind.name in _DUCKDB and not kind.precision:
        return _DUCKDB[kind.name]
    known = ", ".join(["numeric(p,s)", *_DUCKDB])
    raise EngineError(f"{column.type!r} is no type for a column.", column.name, advice=f"Use one of {known}.")


def enforced(column: OutputColumn, source: Kind) -> str:
    """The expression that casts an output column to its contract's type.

    Args:
        column: The column; its value stands in a column of the same name.
        source: The kind that DuckDB gives for the value.
    """
    name, target = quote(column.name), duckdb_type(column)
    if source.name == "double precision":
        return _from_double(column, name, target)
    if target == "DOUBLE":
        return _from_double(column, f"CAST({name} AS DOUBLE)", target)
    return f"CAST({name} AS {target})"


def _from_double(column: OutputColumn, value: str, target: str) -> str:
    failure = literal(f"column {column.name}: a value is infinite or not a number")
    finite = f"CASE WHEN NOT isfinite({value}) THEN error({failure}) ELSE {{}} END"
    if target == "DOUBLE":
        return finite.format(f"CAST(printf('%.{PUBLISHED_DIGITS}g', {value}) AS DOUBLE)")
    if target.startswith("DECIMAL"):
        return finite.format(f"CAST(printf('%.15g', {value}) AS {target})")
    if target.endswith("INT") or target == "INTEGER":
        return finite.format(f"CAST(CAST(printf('%.15g', {value}) AS DECIMAL(38,0)) AS {target})")
    return f"CAST({value} AS {target})"


def hashed(columns: Sequence[OutputColumn]) -> str:
    """The aggregate expressions that count rows and hash their content, whatever their order."""
    row = ", ".join(_hashable(column) for column in columns)
    return f"count(*), coalesce(sum(hash({row})), 0), coalesce(bit_xor(hash({row})), 0)"


def _hashable(column: OutputColumn) -> str:
    value = f"CAST({quote(column.name)} AS {duckdb_type(column)})"
    return f"epoch_us({value})" if column.type == "timestamptz" else value


def hash_text(count: int, total: int, mixed: int) -> str:
    """A content hash as text."""
    return f"{count}-{total % 2**64:016x}-{mixed:016x}"
