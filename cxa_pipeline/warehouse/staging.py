"""What lies in the schema `staging`: names, completion marks, and clearing up.

Here: the values that describe a staged table. Not here: loading it (`stage`), publishing it (`publish`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.ddl import TableName, create_table, fingerprint, literal, short_name

if TYPE_CHECKING:
    import psycopg

STAGING = "staging"
MARKS = "staging.marks"

MONTHLY_STATISTICS = 20
"""Detail of the statistics of monthly tables, PostgreSQL's default being 100: each month is sampled, and all of them
once more, which with full samples costs more than a release."""

PREPARE = (
    f"create schema if not exists {STAGING}",
    f"comment on schema {STAGING} is 'Tables on their way to be published, and those that failed a check'",
    f"""create table if not exists {MARKS} (
        table_name text primary key, contract text not null, parts text not null, row_count bigint not null,
        staged_at timestamptz not null default now())""",
    f"comment on table {MARKS} is 'One row per completely loaded staging table'",
)


@dataclass(frozen=True)
class Part:
    """One version of a table, or of one month of a monthly table.

    `key` names what made it, `content_hash` its rows.
    """

    month: date | None
    key: str
    content_hash: str
    rows: int


@dataclass(frozen=True)
class StagedTable:
    """A completely loaded staging table; of a monthly table it holds the months of `parts` alone."""

    contract: Contract
    name: TableName
    parts: tuple[Part, ...]
    rows: int
    seconds: float
    reused: bool = False


def staged_name(contract: Contract, parts: Sequence[Part]) -> TableName:
    """The name of the staging table for these versions under this contract."""
    made_of = [f"{part.month} {part.key} {part.content_hash}" for part in parts]
    digest = fingerprint(create_table(contract), *sorted(made_of))[:16]
    return TableName(STAGING, f"{short_name(f'{contract.schema}__{contract.table}')[:40]}__{digest}")


def staged_month(name: TableName, month: date) -> TableName:
    """The partition of a staging table."""
    return TableName(STAGING, f"{name.table}_{month:%Y%m}")


def mark(name: TableName, contract: Contract, parts: Sequence[Part], rows: int) -> str:
    """The statement that says, as the last one of the load, that it is complete."""
    text = json.dumps([[str(part.month), part.key, part.content_hash, part.rows] for part in parts])
    return (
        f"insert into {MARKS} (table_name, contract, parts, row_count)"
        f" values ({literal(name.table)}, {literal(contract.key)}, {literal(text)}, {rows})"
    )


def marked_rows(connection: psycopg.Connection[Any], name: TableName) -> int | None:
    """Rows of a completely loaded staging table; None if there is none of that name."""
    row = connection.execute(
        f"select row_count from {MARKS} where table_name = %s and to_regclass(%s) is not null",
        [name.table, name.sql],
    ).fetchone()
    return int(row[0]) if row else None


def analyze(connection: psycopg.Connection[Any], contract: Contract, name: TableName) -> None:
    """Gather the planner's statistics of a table under that name, staged or published."""
    target = MONTHLY_STATISTICS if contract.month else "default"
    connection.execute(f"set default_statistics_target = {target}".encode())
    connection.execute(f"analyze {name.sql}".encode())


def drop_staged(connection: psycopg.Connection[Any], names: Collection[TableName]) -> None:
    """Drop staging tables together with their marks."""
    for name in names:
        connection.execute(f"drop table if exists {name.sql}".encode())
        connection.execute(f"delete from {MARKS} where table_name = %s", [name.table])


def clean(connection: psycopg.Connection[Any], keep: Collection[TableName] = ()) -> list[str]:
    """Drop every staging table but those to keep; gives the names of the dropped.

    A staging table of a failed check is worth keeping until its table is mended.
    """
    rows = connection.execute(
        "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = %s and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'marks'",
        [STAGING],
    ).fetchall()
    kept = {name.table for name in keep}
    gone = sorted(row[0] for row in rows if row[0] not in kept)
    drop_staged(connection, [TableName(STAGING, table) for table in gone])
    return gone
