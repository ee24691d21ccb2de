"""The shape of published tables: what is missing or differs from the contracts, and changing it.

Here: schemas, tables, months and additive changes, each in a transaction of its own before the release, because DDL is
seen at once by every reader. Not here: breaking changes, which the release itself makes (`rebuild`), rows
(`difference`), views (`views`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.ddl import (
    PARTITIONS,
    TableName,
    checks,
    comments,
    create_partition,
    create_table,
    fingerprint,
    partition_name,
    table_name,
)
from cxa_pipeline.contracts.shape import ShapeDifference, difference
from cxa_pipeline.errors import WarehouseError
from cxa_pipeline.warehouse import ledger, roles
from cxa_pipeline.warehouse.catalog import existing_tables, read_months, read_shapes
from cxa_pipeline.warehouse.connection import blockers, explained
from cxa_pipeline.warehouse.ledger import Definition, Held
from cxa_pipeline.warehouse.stage import prepare_staging

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

LOCK_TIMEOUT = "2s"
"""Short, because readers queue behind whoever waits for a lock."""
Done = TypeVar("Done")


@dataclass(frozen=True)
class SchemaPlan:
    """What has to be done before the rows of contracts can come."""

    missing: tuple[Contract, ...] = ()
    additive: tuple[tuple[Contract, ShapeDifference], ...] = ()
    breaking: tuple[tuple[Contract, ShapeDifference], ...] = ()

    @property
    def words(self) -> list[str]:
        """Every change of a table that exists, in words."""
        found = [f"{c.key}: {word}" for c, d in self.additive for word in d.additive]
        return found + [f"{c.key}: made anew, {word}" for c, d in self.breaking for word in d.breaking]


def prepare(connection: psycopg.Connection[Any], contracts: Iterable[Contract]) -> None:
    """Have the schemas, the ledger, the staging area and the reader's role."""
    schemas = sorted({contract.schema for contract in contracts} | {"ops"})
    with explained("to prepare the schemas"):
        have = {row[0] for row in connection.execute("select nspname from pg_namespace").fetchall()}
        for schema in [s for s in (*schemas, PARTITIONS) if s not in have]:
            connection.execute(f'create schema if not exists "{schema}"'.encode())
        roles.ensure_reader(connection)
        roles.open_schemas(connection, schemas)
        if not ledger.exists(connection):
            with connection.transaction():
                for statement in ledger.PREPARE:
                    connection.execute(statement.encode())
        prepare_staging(connection)


def plan_schema(connection: psycopg.Connection[Any], contracts: Iterable[Contract]) -> SchemaPlan:
    """Compare tables that exist with their contracts; views are left out.

    Raises:
        WarehouseError: a table of that name exists and was not published by us.
    """
    wanted = [c for c in contracts if c.kind != "view"]
    known = ledger.read_definitions(connection)
    shapes = read_shapes(connection, {c.key: known[c.key].checks for c in wanted if c.key in known})
    there = existing_tables(connection, [c.key for c in wanted])
    missing, additive, breaking = [], [], []
    for contract in wanted:
        if contract.key in shapes:
            found = difference(shapes[contract.key], contract)
            if found.breaking:
                breaking.append((contract, found))
            elif found.before or found.after:
                additive.append((contract, found))
        elif contract.key in there:
            raise WarehouseError(
                f"{contract.key} exists already, and was not published by this pipeline",
                where="PostgreSQL",
                advice="rename or drop it; if it is a view over our tables, keep it in a schema of your own",
            )
        else:
            missing.append(contract)
    return SchemaPlan(tuple(missing), tuple(additive), tuple(breaking))


def held(connection: psycopg.Connection[Any], contracts: Iterable[Contract] = ()) -> Held:
    """What PostgreSQL shows, without the tables that have to be made anew to fit their contract."""
    found = ledger.read_held(connection)
    anew = {contract.key for contract, _ in plan_schema(connection, contracts).breaking}
    return replace(found, tables={table: parts for table, parts in found.tables.items() if table not in anew})


def check_versions(connection: psycopg.Connection[Any], plan: SchemaPlan) -> None:
    """Refuse a breaking change that its contract does not announce.

    Raises:
        WarehouseError: the contract's major version was not raised.
    """
    known = ledger.read_definitions(connection)
    for contract, found in plan.breaking:
        old = known[contract.key]
        if contract.major_version <= old.major_version:
            raise WarehouseError(
                f"A change of {contract.key} breaks what reads it, and its contract does not say so",
                where=str(contract.yaml_path),
                evidence=found.breaking,
                advice=f"if it is meant, write version: {old.major_version + 1}.0.0 (published is"
                f" {old.contract_version})",
            )


def create_missing(connection: psycopg.Connection[Any], contracts: Collection[Contract]) -> None:
    """Create tables, empty, with what readers may see of them."""
    with connection.transaction():
        for contract in contracts:
            connection.execute(create_table(contract).encode())
            describe(connection, contract)
        roles.grant_reading(connection, contracts)


def describe(connection: psycopg.Connection[Any], contract: Contract, text_hash: str = "") -> None:
    """Comment a table or view and its columns, and note what it was made from."""
    statements = comments(contract)
    for statement in statements:
        connection.execute(statement.encode())
    definition = Definition(contract.kind, contract.version, checks(contract), text_hash, fingerprint(*statements))
    ledger.write_definition(connection, contract.key, definition)


def alter(connection: psycopg.Connection[Any], plan: SchemaPlan, patience: float) -> None:
    """Make the additive changes that the new rows need."""
    for contract, found in plan.additive:
        if found.before:
            log.info("%s: %s", contract.key, "; ".join(found.additive))

            def change(contract: Contract = contract, statements: tuple[str, ...] = found.before) -> None:
                for statement in statements:
                    connection.execute(statement.encode())
                describe(connection, contract)

            patiently(connection, [table_name(contract)], change, f"to change {contract.key}", patience)


def tighten(connection: psycopg.Connection[Any], contracts: Iterable[Contract]) -> None:
    """Once the new rows are in: NOT NULL and validated CHECKs, and comments that changed.

    What old rows of a table that is held back do not satisfy stays as it is until they are replaced.
    """
    import psycopg

    contracts = list(contracts)
    plan = plan_schema(connection, contracts)
    for contract, found in plan.additive:
        for statement in found.after:
            try:
                with connection.transaction():
                    connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'".encode())
                    connection.execute(statement.encode())
            except (psycopg.errors.IntegrityError, psycopg.errors.LockNotAvailable) as error:
                log.info("%s: not yet possible: %s (%s)", contract.key, statement, error.diag.message_primary)
    known = ledger.read_definitions(connection)
    old_shape = {contract.key for contract, _ in plan.breaking}
    for contract in contracts:
        old = known.get(contract.key)
        said = (fingerprint(*comments(contract)), contract.version)
        if old and contract.key not in old_shape and said != (old.comments_hash, old.contract_version):
            with connection.transaction():
                describe(connection, contract, old.text_hash)


def add_months(connection: psycopg.Connection[Any], contract: Contract, months: Iterable[date]) -> None:
    """Add months to a monthly table, empty."""
    name = table_name(contract)
    new = sorted(set(months) - set(read_months(connection, name)))
    if new:
        with connection.transaction():
            for month in new:
                for statement in create_partition(name, partition_name(contract, month), month):
                    connection.execute(statement.encode())


def patiently(
    connection: psycopg.Connection[Any],
    tables: Collection[TableName],
    work: Callable[[], Done],
    doing: str,
    patience: float,
) -> Done:
    """Do work in a transaction that waits for locks only shortly, again and again until it gets them.

    Raises:
        WarehouseError: somebody still blocks it; names the sessions.
    """
    import psycopg

    deadline = time.monotonic() + patience
    while True:
        try:
            with explained(doing), connection.transaction():
                connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'".encode())
                return work()
        except WarehouseError as error:
            waited = isinstance(error.__cause__, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected)
            if not waited:
                raise
            sessions = blockers(connection, list(tables))
            if time.monotonic() > deadline:
                raise WarehouseError(
                    f"Somebody blocks PostgreSQL from {doing.removeprefix('to ')}",
                    where=", ".join(name.key for name in tables),
                    evidence=sessions,
                    advice="end that session (select pg_terminate_backend(<its number>)), then run again",
                ) from None
            log.info("waiting %s: %s", doing, "; ".join(sessions) or "another session was in the way")
            time.sleep(0.2)
