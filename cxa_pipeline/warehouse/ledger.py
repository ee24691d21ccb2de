"""What PostgreSQL holds, in its own words: written by each publication in its own transaction.

Here: the three tables of the ledger, and reading and writing them. Not here: the other tables of `ops`, which tell of
the lake and come as rows of the release (`publish`).

- `ops.published_parts`: one row per published table, and month of a monthly one: version, content hash, rows.
- `ops.published_tables`: one row per published table or view: contract version, checks, text.
- `ops.publications`: one row per publication, with what it changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from cxa_pipeline.warehouse.staging import Part

if TYPE_CHECKING:
    import psycopg

PARTS = "ops.published_parts"
TABLES = "ops.published_tables"
PUBLICATIONS = "ops.publications"

PREPARE = (
    "create schema if not exists ops",
    f"""create table if not exists {PARTS} (
        table_name text not null, month date, version_key text not null, content_hash text not null,
        row_count bigint not null, release_id integer not null, published_at timestamptz not null default now(),
        unique nulls not distinct (table_name, month))""",
    f"""create table if not exists {TABLES} (
        table_name text primary key, kind text not null, contract_version text not null,
        checks text not null, text_hash text not null, comments_hash text not null)""",
    f"""create table if not exists {PUBLICATIONS} (
        publication_id text primary key, release_id integer not null,
        published_at timestamptz not null default now(), changes text not null)""",
    f"comment on table {PARTS} is 'One row per published table, and per month of a monthly one: the version that it "
    "shows. Written by the publication itself.'",
    f"comment on table {TABLES} is 'One row per published table or view: the contract that it was made from. Written "
    "by the publication itself.'",
    f"comment on table {PUBLICATIONS} is 'One row per publication, and what it changed in each table, as JSON.'",
)


@dataclass(frozen=True)
class Held:
    """The versions that PostgreSQL shows: table → month (None: not monthly) → version.

    `release_id` is that of the last publication; None in a database that has none. `views` names the views.
    """

    release_id: int | None = None
    tables: Mapping[str, Mapping[date | None, Part]] = field(default_factory=dict)
    views: tuple[str, ...] = ()


@dataclass(frozen=True)
class Definition:
    """What a published table or view was made from."""

    kind: str
    contract_version: str
    checks: Mapping[str, str]
    text_hash: str
    comments_hash: str

    @property
    def major_version(self) -> int:
        """What a breaking change has to raise."""
        return int(self.contract_version.split(".")[0])


def exists(connection: psycopg.Connection[Any]) -> bool:
    """Whether the database has a ledger."""
    row = connection.execute("select to_regclass(%s) is not null", [PUBLICATIONS]).fetchone()
    return row == (True,)


def read_held(connection: psycopg.Connection[Any]) -> Held:
    """What the ledger says, leaving out tables that are no longer there."""
    if not exists(connection):
        return Held()
    last = connection.execute(
        f"select release_id from {PUBLICATIONS} order by published_at desc, publication_id limit 1"
    ).fetchone()
    kinds = dict(
        connection.execute(f"select table_name, kind from {TABLES} where {_REGCLASS} is not null order by 1").fetchall()
    )
    tables: dict[str, dict[date | None, Part]] = {name: {} for name, kind in kinds.items() if kind != "view"}
    rows = connection.execute(f"select table_name, month, version_key, content_hash, row_count from {PARTS}").fetchall()
    for table, month, key, content_hash, count in rows:
        if table in tables:
            tables[table][month] = Part(month, key, content_hash, count)
    views = tuple(name for name, kind in kinds.items() if kind == "view")
    return Held(last[0] if last else None, tables, views)


_REGCLASS = "to_regclass(format('%I.%I', split_part(table_name, '.', 1), split_part(table_name, '.', 2)))"


def read_definitions(connection: psycopg.Connection[Any]) -> dict[str, Definition]:
    """What each published table and view was made from, leaving out those that are no longer there."""
    if not exists(connection):
        return {}
    rows = connection.execute(
        f"select table_name, kind, contract_version, checks, text_hash, comments_hash from {TABLES}"
        f" where {_REGCLASS} is not null"
    ).fetchall()
    return {row[0]: Definition(row[1], row[2], json.loads(row[3]), row[4], row[5]) for row in rows}


def write_definition(connection: psycopg.Connection[Any], table: str, definition: Definition) -> None:
    """Note what a table or view is made from now."""
    connection.execute(
        f"insert into {TABLES} values (%s, %s, %s, %s, %s, %s) on conflict (table_name) do update set"
        " kind = excluded.kind, contract_version = excluded.contract_version, checks = excluded.checks,"
        " text_hash = excluded.text_hash, comments_hash = excluded.comments_hash",
        [
            table,
            definition.kind,
            definition.contract_version,
            json.dumps(definition.checks),
            definition.text_hash,
            definition.comments_hash,
        ],
    )


def write_parts(
    connection: psycopg.Connection[Any], table: str, parts: Iterable[Part], gone: Iterable[date], release_id: int
) -> None:
    """Note the versions that a table shows now; other months stay as they were."""
    for month in gone:
        connection.execute(f"delete from {PARTS} where table_name = %s and month = %s", [table, month])
    for part in parts:
        connection.execute(
            f"insert into {PARTS} (table_name, month, version_key, content_hash, row_count, release_id)"
            " values (%s, %s, %s, %s, %s, %s) on conflict (table_name, month) do update set"
            " version_key = excluded.version_key, content_hash = excluded.content_hash,"
            " row_count = excluded.row_count, release_id = excluded.release_id, published_at = now()",
            [table, part.month, part.key, part.content_hash, part.rows, release_id],
        )


def forget_parts(connection: psycopg.Connection[Any], table: str) -> None:
    """Note that a table shows no version."""
    connection.execute(f"delete from {PARTS} where table_name = %s", [table])


def forget(connection: psycopg.Connection[Any], table: str) -> None:
    """Note that a table or view is no longer published."""
    forget_parts(connection, table)
    connection.execute(f"delete from {TABLES} where table_name = %s", [table])


def write_publication(connection: psycopg.Connection[Any], publication_id: str, release_id: int, changes: str) -> None:
    """Note a publication; the rows of its transaction and this one are seen together."""
    connection.execute(
        f"insert into {PUBLICATIONS} (publication_id, release_id, changes) values (%s, %s, %s)",
        [publication_id, release_id, changes],
    )


def read_publication(connection: psycopg.Connection[Any], publication_id: str) -> str | None:
    """What a publication changed; None if it was not committed."""
    row = connection.execute(
        f"select changes from {PUBLICATIONS} where publication_id = %s", [publication_id]
    ).fetchone()
    return str(row[0]) if row else None
