"""From a contract to PostgreSQL's data definition language.

Here: text only. Not here: what it takes to change a table that exists (`shape`), running any of it (`warehouse`),
checks that no constraint can express (`expectations`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from cxa_pipeline.contracts.model import Column, Contract

PARTITIONS = "partitions"
"""Schema of the months of monthly tables, out of sight of those who list tables."""
LONGEST_NAME = 63
"""Bytes; PostgreSQL cuts longer names silently."""


@dataclass(frozen=True, order=True)
class TableName:
    """Schema and name of a table."""

    schema: str
    table: str

    @property
    def key(self) -> str:
        """As people write it."""
        return f"{self.schema}.{self.table}"

    @property
    def sql(self) -> str:
        """As SQL wants it."""
        return f"{identifier(self.schema)}.{identifier(self.table)}"


def identifier(name: str) -> str:
    """The name, quoted.

    >>> identifier("day")
    '"day"'
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """The text as a string constant.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def identifiers(names: Iterable[str], prefix: str = "") -> str:
    """The names, quoted and separated by commas, each after `prefix`."""
    return ", ".join(prefix + identifier(name) for name in names)


def short_name(name: str) -> str:
    """The name, cut to what PostgreSQL keeps, in a way that two names stay two."""
    if len(name.encode()) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return name.encode()[: LONGEST_NAME - 9].decode(errors="ignore") + "_" + digest


def table_name(contract: Contract) -> TableName:
    """Where the table is published."""
    return TableName(contract.schema, contract.table)


def partition_name(contract: Contract, month: date) -> TableName:
    """Where one month of a monthly table lies."""
    return TableName(PARTITIONS, short_name(f"{contract.schema}_{contract.table}_{month:%Y_%m}"))


def checks(contract: Contract) -> dict[str, str]:
    """The conditions that every row must satisfy, by the name of their constraint."""
    found: dict[str, str] = {}
    for column in contract.columns:
        found |= _column_checks(column)
    for rule in contract.rules:
        if rule.kind == "check" and rule.severity == "error":
            found[short_name(rule.name)] = " ".join(str(rule.sql).split())
    return found


def _column_checks(column: Column) -> dict[str, str]:
    name, found = identifier(column.name), {}
    if column.allowed:
        values = ", ".join(map(literal, column.allowed))
        found[short_name(f"{column.name}_is_allowed")] = f"{name} in ({values})"
    if column.max_length is not None:
        found[short_name(f"{column.name}_is_short")] = f"length({name}) <= {column.max_length}"
    return found


def create_table(contract: Contract, name: TableName | None = None, keyed: bool = True, enforced: bool = True) -> str:
    """CREATE TABLE with types, NOT NULL, CHECK and key; a monthly table is partitioned by its month.

    Args:
        contract: The contract.
        name: Where, instead of under the contract's own name.
        keyed: False leaves the primary key out: making it after the load is faster (`add_key`).
        enforced: False leaves every constraint and the partitions out, to look at rows that break them.
    """
    name = name or table_name(contract)
    lines = [_column_line(column, enforced and is_required(contract, column)) for column in contract.columns]
    if enforced:
        lines += [f"constraint {identifier(check)} check ({sql})" for check, sql in checks(contract).items()]
    if enforced and keyed and contract.primary_key:
        lines.append(f"constraint {_key_name(name)} primary key ({identifiers(contract.primary_key)})")
    body = ",\n    ".join(lines)
    split = f" partition by list ({identifier(contract.month)})" if contract.month and enforced else ""
    return f"create table {name.sql} (\n    {body}\n){split}"


def is_required(contract: Contract, column: Column) -> bool:
    """Whether the column may not be NULL: because the contract says so, or because it is part of the key."""
    return column.required or column.name in contract.primary_key


def _column_line(column: Column, required: bool) -> str:
    return f"{identifier(column.name)} {column.type}" + (" not null" if required else "")


def _key_name(name: TableName) -> str:
    return identifier(short_name(f"{name.table}_pkey"))


def add_key(contract: Contract, name: TableName) -> str | None:
    """ALTER TABLE that adds the primary key; None for a table without one."""
    if not contract.primary_key:
        return None
    columns = identifiers(contract.primary_key)
    return f"alter table {name.sql} add constraint {_key_name(name)} primary key ({columns})"


def create_partition(parent: TableName, partition: TableName, month: date) -> tuple[str, str]:
    """The statements that add an empty month to a monthly table.

    Attached rather than created in place: CREATE … PARTITION OF waits behind every open reader, and all later ones
    behind it.
    """
    return (
        f"create table {partition.sql} (like {parent.sql} including all)",
        f"alter table {parent.sql} attach partition {partition.sql} for values in ({literal(month.isoformat())})",
    )


def comments(contract: Contract, name: TableName | None = None) -> list[str]:
    """COMMENT ON the table or view and each of its columns."""
    name = name or table_name(contract)
    what = "view" if contract.kind == "view" else "table"
    found = [f"comment on {what} {name.sql} is {literal(contract.description)}"]
    for column in contract.columns:
        unit = f" [{column.unit}]" if column.unit else ""
        text = literal(column.description + unit)
        found.append(f"comment on column {name.sql}.{identifier(column.name)} is {text}")
    return found


def view_query(sql: str) -> str:
    """The text of a view's file as it goes into CREATE VIEW: without a closing semicolon."""
    return sql.strip().rstrip(";").rstrip()


def create_view(contract: Contract, sql: str, name: TableName | None = None) -> str:
    """CREATE OR REPLACE VIEW."""
    name = name or table_name(contract)
    return f"create or replace view {name.sql} as\n{view_query(sql)}"


def fingerprint(*texts: str) -> str:
    """A short hash of texts, to see whether they changed."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]
