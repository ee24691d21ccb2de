"""Fresh databases on a running server, and everything that readers see in one, cell by cell."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence

import psycopg

from cxa_pipeline.warehouse.address import with_database

Dump = dict[str, list[str]]
"""Table or view → its rows as text, sorted."""

NOT_DATA = ("ops", "dagster", "information_schema", "pg_catalog", "staging")


def create_database(url: str, template: str | None = None) -> str:
    """URL of a new database on the server of `url`, empty or a copy of the database `template`."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    copied = f" template {database_name(template)}" if template else ""
    with psycopg.connect(with_database(url, "postgres"), autocommit=True) as session:
        if template:
            session.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [database_name(template)]
            )
        session.execute(f"create database {name}{copied}".encode())
    return with_database(url, name)


def drop_database(url: str) -> None:
    """Drop a database that `create_database` made, open sessions included."""
    with psycopg.connect(with_database(url, "postgres"), autocommit=True) as session:
        session.execute(f"drop database if exists {database_name(url)} with (force)".encode())


def database_name(url: str) -> str:
    """The database that a URL names."""
    return url.split("?")[0].rsplit("/", 1)[1]


def rows(url: str, query: str, *values: object) -> list[tuple]:
    """Rows of a query in a session of its own."""
    with psycopg.connect(url, autocommit=True) as session:
        return session.execute(query.encode(), values or None).fetchall()


def execute(url: str, *statements: str) -> None:
    """Statements in a session of its own, each committed."""
    with psycopg.connect(url, autocommit=True) as session:
        for statement in statements:
            session.execute(statement.encode())


def dump(url: str, hidden: Mapping[str, Sequence[str]] | None = None) -> Dump:
    """Every table and view of every schema but `ops`, cell by cell in one snapshot.

    Args:
        url: The database.
        hidden: Columns to leave out, by table.
    """
    found: Dump = {}
    with psycopg.connect(url) as session:
        session.execute("set transaction isolation level repeatable read, read only")
        session.execute("set local timezone = 'UTC'")
        tables = session.execute(
            "select n.nspname::text, c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where c.relkind in ('r', 'p', 'v') and not c.relispartition and n.nspname <> all(%s)"
            " and n.nspname !~ '^pg_' order by 1, 2",
            [list(NOT_DATA)],
        ).fetchall()
        for schema, table in tables:
            left_out = set((hidden or {}).get(f"{schema}.{table}", ()))
            columns = session.execute(
                "select attname::text from pg_attribute where attrelid = %s::regclass and attnum > 0"
                " and not attisdropped order by attnum",
                [f"{schema}.{table}"],
            ).fetchall()
            names = ", ".join(f'"{name}"' for (name,) in columns if name not in left_out)
            query = f'select row({names})::text from "{schema}"."{table}"'
            found[f"{schema}.{table}"] = sorted(text for (text,) in session.execute(query.encode()))
    return found


def versions_of_rows(url: str, table: str) -> dict[str, str]:
    """The rows of a table as text, each with the transaction that wrote it."""
    return dict(rows(url, f"select t::text, t.xmin::text from {table} t"))


def differences(left: Dump, right: Dump, tables: Collection[str] | None = None) -> list[str]:
    """Where two dumps differ, one line per table with an example; empty if they are equal."""
    found = []
    for table in sorted({*left, *right} if tables is None else tables):
        if table not in left or table not in right:
            found.append(f"{table} is only on the {'left' if table in left else 'right'}")
        elif left[table] != right[table]:
            gone, new = set(left[table]) - set(right[table]), set(right[table]) - set(left[table])
            example = f"{sorted(gone)[:1]} against {sorted(new)[:1]}"
            found.append(
                f"{table}: {len(left[table])} and {len(right[table])} rows, {len(gone)} and {len(new)}: {example}"
            )
    return found
