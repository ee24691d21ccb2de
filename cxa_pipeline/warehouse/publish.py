"""Make PostgreSQL equal to one release, in one transaction that changes only the rows that differ.

Here: the order of things, and starting over when the session is lost. Not here: rows (`difference`), shapes (`schema`,
`rebuild`), views (`views`), grants (`roles`), what the lake says (`pipeline`).

    additive DDL, empty new months     own transactions, each waiting for locks only shortly
    advisory lock ─┬─ one transaction: breaking DDL, rows, views, records, ledger, grants
                   └─ NOT NULL, validated CHECKs, comments, statistics, used staging tables dropped
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Collection
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.ddl import TableName, table_name
from cxa_pipeline.errors import WarehouseError
from cxa_pipeline.warehouse import ledger, rebuild, roles, schema
from cxa_pipeline.warehouse.catalog import read_months
from cxa_pipeline.warehouse.changes import apply_staged, check_rows, load_records, months, target
from cxa_pipeline.warehouse.connection import check_server, connect, is_lost, publication_lock
from cxa_pipeline.warehouse.difference import Counts, empty, make_equal, upsert
from cxa_pipeline.warehouse.publication import (
    Publication,
    PublicationResult,
    RecordRows,
    TableChange,
    TableResult,
)
from cxa_pipeline.warehouse.schema import SchemaPlan
from cxa_pipeline.warehouse.stage import Database
from cxa_pipeline.warehouse.staging import analyze, drop_staged
from cxa_pipeline.warehouse.views import changed_views, replace_views, restore_grants

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

ATTEMPTS = 5
PATIENCE = 60.0
"""Seconds to wait for other sessions' locks."""
Progress = Callable[[TableResult], None]


def publish(
    database: Database,
    publication: Publication,
    progress: Progress | None = None,
    patience: float = PATIENCE,
) -> PublicationResult:
    """Publish a release.

    Args:
        database: Gives the URL; asked again when the session is lost.
        publication: What to publish.
        progress: Told of each table whose rows were changed, before the release is committed.
        patience: Seconds to wait for other sessions' locks.

    Raises:
        WarehouseError: PostgreSQL refuses, or cannot be reached for good; nothing is changed then but additive DDL.
    """
    import psycopg

    publication_id = uuid.uuid4().hex
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with closing(connect(database(), autocommit=True)) as connection, publication_lock(connection):
                return _publish(connection, publication, publication_id, progress, patience)
        except psycopg.Error as error:
            if not is_lost(error) or attempt == ATTEMPTS:
                raise WarehouseError(
                    "The release cannot be published",
                    where=f"release {publication.release_id}",
                    evidence=str(error).strip().splitlines()[:2],
                    advice="see the log of PostgreSQL, then run again",
                ) from error
            log.warning("the session was lost while publishing, starting over")
            time.sleep(0.2 * attempt)
    raise AssertionError("unreachable")


def _publish(
    connection: psycopg.Connection[Any],
    publication: Publication,
    publication_id: str,
    progress: Progress | None,
    patience: float,
) -> PublicationResult:
    begun = time.monotonic()
    check_server(connection)
    schema.prepare(connection, publication.contracts)
    if done := ledger.read_publication(connection, publication_id):
        result = PublicationResult.from_json(done)  # committed, but the answer was lost with the session
        _finish(connection, publication, result)
        return result
    release = _Release(connection, publication, publication_id, progress)
    release.prepare(patience)
    doing = f"to publish release {publication.release_id}"
    result = schema.patiently(connection, release.names(), lambda: release.run(begun), doing, patience)
    _finish(connection, publication, result, analyzed=release.taken_over)
    log.info(
        "release %d published in %.2f s: %d tables changed",
        publication.release_id,
        result.seconds,
        len([t for t in result.tables.values() if t.inserted or t.updated or t.deleted]),
    )
    return result


class _Release:
    """One attempt to publish, with what it finds out on the way."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        publication: Publication,
        publication_id: str,
        progress: Progress | None,
    ) -> None:
        self.connection = connection
        self.publication = publication
        self.publication_id = publication_id
        self.progress = progress
        self.plan = SchemaPlan()
        self.taken_over: set[str] = set()
        self.results: dict[str, TableResult] = {}

    def prepare(self, patience: float) -> None:
        """Everything that may be seen before the release is: additive DDL and empty new months."""
        contracts = self.publication.contracts
        plan = schema.plan_schema(self.connection, contracts)
        staged = {change.contract.key for change in self.publication.changes if change.staged}
        # A table that is held back keeps its old shape until a version of it is released.
        breaking = tuple((c, d) for c, d in plan.breaking if c.key in staged or c.kind == "record")
        self.plan = SchemaPlan(plan.missing, plan.additive, breaking)
        schema.check_versions(self.connection, self.plan)
        if ledger.read_held(self.connection).release_id is None:
            self.taken_over = staged & {c.key for c in plan.missing}
        missing = [c for c in plan.missing if c.key not in self.taken_over]
        schema.create_missing(self.connection, missing)
        schema.alter(self.connection, self.plan, patience)
        anew = {c.key for c, _ in breaking} | self.taken_over
        for change in self.publication.changes:
            if change.contract.key not in anew:
                schema.add_months(self.connection, change.contract, months(change))

    def names(self) -> list[TableName]:
        """Tables and views that the transaction may have to wait for."""
        views = [view.contract for view in changed_views(self.connection, self.publication.views)]
        contracts = [c for c, _ in self.plan.breaking] + views + [c.contract for c in self.publication.changes]
        removed = [TableName(*key.split(".", 1)) for key in self.publication.removed]
        return [table_name(contract) for contract in contracts] + removed

    def run(self, begun: float) -> PublicationResult:
        """The release itself, within one transaction."""
        connection, publication = self.connection, self.publication
        connection.execute("set local work_mem = '128MB'")
        self.results = {}
        grants: list[str] = []
        before = {contract.key: self._make_anew(contract, grants) for contract, _ in self.plan.breaking}
        for change in publication.changes:
            self._change(change, before.get(change.contract.key))
        rebuild.remove(connection, publication.removed)
        views = replace_views(connection, publication.views, grants)
        for record in publication.records(dict(self.results)) if publication.records else ():
            self._record(record)
        restore_grants(connection, grants)
        roles.grant_reading(connection, publication.contracts)
        result = PublicationResult(
            publication.release_id, self.results, tuple(views), tuple(self.plan.words), time.monotonic() - begun
        )
        ledger.write_publication(connection, self.publication_id, publication.release_id, result.to_json())
        return result

    def _make_anew(self, contract: Contract, grants: list[str]) -> int:
        held = ledger.read_held(self.connection).tables.get(contract.key, {})
        rebuild.make_anew(self.connection, contract, grants)
        return sum(part.rows for part in held.values())

    def _change(self, change: TableChange, dropped: int | None) -> None:
        begun, contract, staged = time.monotonic(), change.contract, change.staged
        counts = Counts()
        if staged:
            check_rows(self.connection, staged)
        if staged and contract.key in self.taken_over:
            rebuild.take_over(self.connection, contract, staged)
            counts = Counts(inserted=staged.rows)
        elif staged:
            if dropped is not None:
                schema.add_months(self.connection, contract, months(change))
            counts = apply_staged(self.connection, contract, staged)
        removed = self._removed(change)
        for month in removed:
            counts += empty(self.connection, target(contract, month))
        if dropped is not None:
            counts = Counts(dropped, counts.inserted, 0, dropped)
        parts = staged.parts if staged else ()
        touched = {part.month for part in parts} | removed
        rest = self._rows_of_other_months(contract, touched) if dropped is None else 0
        ledger.write_parts(self.connection, contract.key, parts, removed, self.publication.release_id)
        self._tell(contract.key, counts, rest, begun)

    def _removed(self, change: TableChange) -> set[date]:
        """The months that lose their rows."""
        removed = set(change.removed_months)
        if change.complete and change.contract.month:
            removed |= read_months(self.connection, table_name(change.contract)).keys() - set(months(change))
        return removed

    def _rows_of_other_months(self, contract: Contract, touched: Collection[date | None]) -> int:
        held = ledger.read_held(self.connection).tables.get(contract.key, {})
        return sum(part.rows for month, part in held.items() if month is not None and month not in touched)

    def _record(self, record: RecordRows) -> None:
        begun = time.monotonic()
        source = load_records(self.connection, record)
        change = make_equal if record.complete else upsert
        counts = change(self.connection, target(record.contract), source)
        self.connection.execute(f"drop table {source.sql}".encode())
        self._tell(record.contract.key, counts, 0, begun)

    def _tell(self, table: str, counts: Counts, rest: int, begun: float) -> None:
        result = TableResult(
            table,
            rows_before=counts.before + rest,
            rows=counts.after + rest,
            inserted=counts.inserted,
            updated=counts.updated,
            deleted=counts.deleted,
            seconds=time.monotonic() - begun,
        )
        self.results[table] = result
        log.info(
            "%s: %d rows, %d inserted, %d updated, %d deleted in %.2f s",
            *(table, result.rows, result.inserted, result.updated, result.deleted, result.seconds),
        )
        if self.progress:
            self.progress(result)


def _finish(
    connection: psycopg.Connection[Any],
    publication: Publication,
    result: PublicationResult,
    analyzed: Collection[str] = (),
) -> None:
    """What makes a published release tidy; a failure here is no failure of the release."""
    import psycopg

    try:
        schema.tighten(connection, publication.contracts)
        contracts = {contract.key: contract for contract in publication.contracts}
        for key, table in result.tables.items():
            much = table.inserted + table.updated + table.deleted > 0.1 * table.rows
            if much and key not in analyzed:
                analyze(connection, contracts[key], table_name(contracts[key]))
        names = [change.staged.name for change in publication.changes if change.staged]
        connection.execute(f"set lock_timeout = '{schema.LOCK_TIMEOUT}'".encode())
        drop_staged(connection, names)
    except psycopg.Error as error:
        log.warning("the release is published, but not all is tidy: %s", str(error).strip().splitlines()[0])
