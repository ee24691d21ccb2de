"""DDL that a release makes in its own transaction: tables made anew, dropped, or taken over into an empty database.

Here: what only a breaking change, a removed table or the first release may do. Not here: additive changes (`schema`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.ddl import TableName, create_table, identifier, partition_name, short_name, table_name
from cxa_pipeline.errors import WarehouseError
from cxa_pipeline.warehouse import ledger
from cxa_pipeline.warehouse.catalog import existing_tables, read_foreign_keys, read_grants
from cxa_pipeline.warehouse.schema import describe
from cxa_pipeline.warehouse.staging import MARKS, StagedTable, staged_month
from cxa_pipeline.warehouse.views import drop_dependents

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)


def make_anew(connection: psycopg.Connection[Any], contract: Contract, grants: list[str]) -> None:
    """Drop a table whose shape no longer fits and create it, empty, for the rows to come in this transaction.

    Our views that read it are dropped, to be created again; `grants` is given what others may do with table and views.

    Raises:
        WarehouseError: views or foreign keys of users hold it; names them all.
    """
    log.info("%s is made anew", contract.key)
    _drop_table(connection, table_name(contract), grants)
    connection.execute(create_table(contract).encode())
    ledger.forget_parts(connection, contract.key)
    describe(connection, contract)


def remove(connection: psycopg.Connection[Any], keys: Sequence[str]) -> None:
    """Drop tables and views that the project no longer has.

    Raises:
        WarehouseError: views or foreign keys of users hold one; names them all.
    """
    kinds = existing_tables(connection, list(keys))
    for key in sorted(keys, key=lambda key: kinds.get(key) != "v"):
        schema, _, table = key.partition(".")
        name = TableName(schema, table)
        if kinds.get(key) == "v":
            drop_dependents(connection, name, [])
            connection.execute(f"drop view if exists {name.sql}".encode())
        elif key in kinds:
            _drop_table(connection, name, [])
        ledger.forget(connection, key)
        log.info("%s is no longer published", key)


def _drop_table(connection: psycopg.Connection[Any], name: TableName, grants: list[str]) -> None:
    if keys := read_foreign_keys(connection, name):
        raise WarehouseError(
            f"{name.key} has to be made anew or dropped, and foreign keys of yours point to it",
            where="PostgreSQL",
            evidence=keys,
            advice="drop those foreign keys, then run again",
        )
    drop_dependents(connection, name, grants)
    grants += read_grants(connection, name)
    connection.execute(f"drop table {name.sql}".encode())


def take_over(connection: psycopg.Connection[Any], contract: Contract, staged: StagedTable) -> None:
    """Make the staging table the published one by renaming it: only before the first release, when nobody reads.

    A reader whose snapshot is older would see an empty table.
    """
    target = table_name(contract)
    _move(connection, staged.name, target)
    for part in staged.parts:
        if part.month is not None:
            _move(connection, staged_month(staged.name, part.month), partition_name(contract, part.month))
    if contract.primary_key:
        old, new = (identifier(short_name(f"{name.table}_pkey")) for name in (staged.name, target))
        connection.execute(f"alter table {target.sql} rename constraint {old} to {new}".encode())
    connection.execute(f"delete from {MARKS} where table_name = %s", [staged.name.table])
    describe(connection, contract)


def _move(connection: psycopg.Connection[Any], source: TableName, target: TableName) -> None:
    connection.execute(f"alter table {source.sql} rename to {identifier(target.table)}".encode())
    there = TableName(source.schema, target.table)
    connection.execute(f"alter table {there.sql} set schema {identifier(target.schema)}".encode())
