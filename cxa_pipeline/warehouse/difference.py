"""Make the rows of a table equal to those of another by changing only what differs.

Here: the statements, and what they counted. Not here: which tables (`publish`), their shape (`schema`).

Rows are matched by the primary key and compared with IS DISTINCT FROM. From a quarter of changed rows on, deleting all
and inserting all is faster, and only then if no foreign key of a user points to the table: it would refuse the delete,
or cascade.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from cxa_pipeline.contracts.ddl import TableName, identifier, identifiers, literal
from cxa_pipeline.warehouse.catalog import read_foreign_keys

if TYPE_CHECKING:
    import psycopg

REWRITE_SHARE = 0.25
_CHANGES = "pg_temp.cxa_changes"


@dataclass(frozen=True)
class Counts:
    """Rows of a table before, and what was done to them; `after` is what it holds now."""

    before: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def after(self) -> int:
        """Rows now."""
        return self.before + self.inserted - self.deleted

    @property
    def changed(self) -> int:
        """Rows that differ."""
        return self.inserted + self.updated + self.deleted

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.before + other.before,
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.deleted + other.deleted,
        )


@dataclass(frozen=True)
class Target:
    """The rows to change: a table, or one month of it."""

    name: TableName
    columns: tuple[str, ...]
    key: tuple[str, ...]
    month_column: str | None = None
    month: date | None = None

    def condition(self, alias: str = "t") -> str:
        """Which rows of the table are meant."""
        if self.month_column is None or self.month is None:
            return "true"
        return f"{alias}.{identifier(self.month_column)} = date {literal(self.month.isoformat())}"

    @property
    def rows(self) -> str:
        """A FROM item with those rows."""
        return f"(select {identifiers(self.columns)} from {self.name.sql} t where {self.condition()})"


def make_equal(connection: psycopg.Connection[Any], target: Target, source: TableName) -> Counts:
    """Make the target's rows those of `source`, within the caller's transaction."""
    before, after = _count(connection, target.rows), _count(connection, source.sql)
    if before == 0:
        return Counts(0, inserted=_insert_all(connection, target, source))
    if after == 0:
        return empty(connection, target)
    counts = _compare(connection, target, source, before)
    many = counts.changed > REWRITE_SHARE * max(before, after)
    if counts.changed and (not target.key or (many and not read_foreign_keys(connection, target.name))):
        empty(connection, target)
        _insert_all(connection, target, source)
    elif counts.changed:
        _change(connection, target, source, counts)
    _run(connection, f"drop table if exists {_CHANGES}")
    return counts


def upsert(connection: psycopg.Connection[Any], target: Target, source: TableName) -> Counts:
    """Insert and update rows from `source`; what it lacks stays. The target needs a key."""
    before = _count(connection, target.rows)
    counts = _compare(connection, target, source, before, keep=True)
    _change(connection, target, source, counts)
    _run(connection, f"drop table if exists {_CHANGES}")
    return counts


def empty(connection: psycopg.Connection[Any], target: Target) -> Counts:
    """Delete the target's rows."""
    deleted = _run(connection, f"delete from {target.name.sql} t where {target.condition()}")
    return Counts(before=deleted, deleted=deleted)


def _compare(
    connection: psycopg.Connection[Any], target: Target, source: TableName, before: int, keep: bool = False
) -> Counts:
    """Note keys of rows that differ in a temporary table, and count them by what has to happen."""
    if not target.key:
        return _compare_keyless(connection, target, source, before)
    first = identifier(target.key[0])
    values = [column for column in target.columns if column not in target.key]
    differs = f"({identifiers(values, 't.')}) is distinct from ({identifiers(values, 's.')})" if values else "false"
    join = "right join" if keep else "full join"
    keys = ", ".join(f"coalesce(t.{identifier(k)}, s.{identifier(k)}) as {identifier(k)}" for k in target.key)
    _run(connection, f"drop table if exists {_CHANGES}")
    _run(
        connection,
        f"create temporary table {_CHANGES.removeprefix('pg_temp.')} on commit drop as"
        f" select {keys},"
        f" case when t.{first} is null then 'i' when s.{first} is null then 'd' else 'u' end as cxa_change"
        f" from {target.rows} t {join} {source.sql} s on {_matches(target.key, 't', 's')}"
        f" where t.{first} is null or s.{first} is null or {differs}",
    )
    rows = connection.execute(f"select cxa_change, count(*) from {_CHANGES} group by 1".encode()).fetchall()
    found: dict[str, int] = dict(rows)
    return Counts(before, found.get("i", 0), found.get("u", 0), found.get("d", 0))


def _compare_keyless(connection: psycopg.Connection[Any], target: Target, source: TableName, before: int) -> Counts:
    ours, theirs = f"select * from {target.rows} t", f"select {identifiers(target.columns)} from {source.sql}"
    inserted = _count(connection, f"({theirs} except all {ours})")
    deleted = _count(connection, f"({ours} except all {theirs})")
    return Counts(before, inserted=inserted, deleted=deleted)


def _change(connection: psycopg.Connection[Any], target: Target, source: TableName, counts: Counts) -> None:
    name, columns = target.name.sql, identifiers(target.columns)
    changes = f"{_CHANGES} c"
    if counts.deleted:
        _run(
            connection,
            f"delete from {name} t using {changes} where c.cxa_change = 'd' and {_matches(target.key, 't', 'c')}"
            f" and {target.condition()}",
        )
    if counts.updated:
        values = [column for column in target.columns if column not in target.key]
        assignments = ", ".join(f"{identifier(c)} = s.{identifier(c)}" for c in values)
        _run(
            connection,
            f"update {name} t set {assignments} from {source.sql} s join {changes} on {_matches(target.key, 's', 'c')}"
            f" where c.cxa_change = 'u' and {_matches(target.key, 't', 's')}"
            f" and {target.condition()}",
        )
    if counts.inserted:
        _run(
            connection,
            f"insert into {name} ({columns}) select {identifiers(target.columns, 's.')} from {source.sql} s"
            f" join {changes} on c.cxa_change = 'i' and {_matches(target.key, 's', 'c')}",
        )


def _matches(key: Sequence[str], left: str, right: str) -> str:
    return " and ".join(f"{left}.{identifier(k)} = {right}.{identifier(k)}" for k in key)


def _insert_all(connection: psycopg.Connection[Any], target: Target, source: TableName) -> int:
    columns = identifiers(target.columns)
    return _run(connection, f"insert into {target.name.sql} ({columns}) select {columns} from {source.sql}")


def _count(connection: psycopg.Connection[Any], rows: str) -> int:
    row = connection.execute(f"select count(*) from {rows} t".encode()).fetchone()
    return int(row[0]) if row else 0


def _run(connection: psycopg.Connection[Any], statement: str) -> int:
    return connection.execute(statement.encode()).rowcount
