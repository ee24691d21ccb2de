"""From a release to PostgreSQL: staging what differs, and handing one publication to the warehouse.

Here: which versions PostgreSQL lacks, staging and auditing them, and what a publication did to each table. Not here:
SQL (`warehouse`), the rows of `ops` (`records`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.ddl import TableName
from cxa_pipeline.contracts.expectations import CheckResult, Expectations
from cxa_pipeline.engine.protocol import Engine, Relation
from cxa_pipeline.errors import WarehouseError
from cxa_pipeline.pipeline.audit import constraints_broken, constraints_hold
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.project import digest
from cxa_pipeline.pipeline.release import EMPTY, Release, read_release
from cxa_pipeline.pipeline.versions import PICTURE, Month, Version
from cxa_pipeline.warehouse.address import sqlalchemy_url
from cxa_pipeline.warehouse.connection import connect, is_lost, unreachable
from cxa_pipeline.warehouse.ledger import Held
from cxa_pipeline.warehouse.publication import Publication, PublicationResult, Records, TableChange
from cxa_pipeline.warehouse.publish import publish
from cxa_pipeline.warehouse.schema import held, prepare
from cxa_pipeline.warehouse.stage import Stager
from cxa_pipeline.warehouse.staging import Part, StagedTable, clean
from cxa_pipeline.warehouse.verify import verify
from cxa_pipeline.warehouse.views import View
from cxa_pipeline.warehouse.violations import StagedRowsError

log = logging.getLogger(__name__)

IN_POSTGRES = ("settings", "seed", "table", "monthly", "model")
PREVIEW_ROWS = 5


@dataclass
class TableReport:
    """What a run did to one table, and what it holds now; `seconds` is by stage, `picture` its plot as PNG."""

    table: str
    content_hash: str
    rows: int
    rows_before: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    preview: str = ""
    picture: bytes | None = None


def prepare_database(home: Home) -> None:
    """Create schemas and the reader's role, as every publication does."""
    contracts = [c for c in home.project.catalog if c.published]
    with closing(connect(home.database(), autocommit=True)) as connection:
        prepare(connection, contracts)


class Publisher:
    """Brings versions of one home into its PostgreSQL.

    Args:
        home: The home.
        engine: Reads versions from the lake.
    """

    def __init__(self, home: Home, engine: Engine) -> None:
        self.home = home
        self.project = home.project
        self.engine = engine
        self.seconds: dict[str, dict[str, float]] = {}
        self._staged: dict[tuple[str, tuple[str, ...]], StagedTable] = {}
        self._refused: dict[str, TableName] = {}

    @cached_property
    def contracts(self) -> list[Contract]:
        """Everything that PostgreSQL shows."""
        return [c for c in self.project.catalog if c.published]

    def held(self) -> Held:
        """What PostgreSQL shows now; asked once more if the session is lost."""
        import psycopg

        for attempt in (1, 2):
            url = self.home.database()
            try:
                with closing(connect(url, autocommit=True)) as connection:
                    return held(connection, self.contracts)
            except psycopg.Error as error:
                if attempt == 2 or not is_lost(error):
                    raise unreachable(error, url) from error
        raise AssertionError("unreachable")

    def shown(self) -> Release:
        """The release that PostgreSQL shows; `EMPTY` where it shows none that the lake knows."""
        number = self.held().release_id
        known = self.home.lake.documents("releases")
        return read_release(self.home.lake, number) if number in known else EMPTY

    # --- staging and audit ---------------------------------------------------------------------------------

    def warm_up(self) -> None:
        """Load what checks need; it takes seconds."""
        self._expectations.prepare()

    def audit(self, table: str, versions: Collection[Version]) -> list[CheckResult]:
        """Stage versions of a table and evaluate its checks on the staging table."""
        contract = self.project.catalog[table]
        begun = time.monotonic()
        try:
            staged = self._stage(contract, versions)
        except StagedRowsError as error:
            self._refused[table] = error.staged
            return constraints_broken(contract, error)
        self._spent(table, "stage", begun)
        begun = time.monotonic()
        found = self._evaluate(contract, staged)
        self._spent(table, "audit", begun)
        return constraints_hold(contract) + found

    def _evaluate(self, contract: Contract, staged: StagedTable) -> list[CheckResult]:
        """Evaluate the suite; once more, on a server that was started again, if the first was lost meanwhile."""
        try:
            return self._expectations.evaluate(contract, staged.name.schema, staged.name.table)
        except WarehouseError as error:
            log.warning("%s: PostgreSQL was lost during the checks, asking again: %s", contract.key, error.what)
            del self._expectations
            return self._expectations.evaluate(contract, staged.name.schema, staged.name.table)

    def close(self) -> None:
        """Give the sessions back."""
        if "_expectations" in self.__dict__:
            self._expectations.close()
        if "_stager" in self.__dict__:
            self._stager.close()

    def clean(self, release: Release) -> None:
        """Drop staging tables that nobody needs; those of tables that are held back stay for inspection."""
        keep = [staged.name for (table, _), staged in self._staged.items() if table in release.held_back]
        keep += [name for table, name in self._refused.items() if table in release.held_back]
        with closing(connect(self.home.database(), autocommit=True)) as connection:
            clean(connection, keep)

    @cached_property
    def _stager(self) -> Stager:
        return Stager(self.home.database)

    @cached_property
    def _expectations(self) -> Expectations:
        return Expectations(sqlalchemy_url(self.home.database()))

    def _stage(self, contract: Contract, versions: Collection[Version]) -> StagedTable:
        ordered = sorted(versions, key=lambda v: str(v.month))
        key = (contract.key, tuple(v.key for v in ordered))
        if key not in self._staged:
            parts = [Part(v.month, v.key, v.content_hash, v.rows) for v in ordered]
            columns = self.project.output_columns(contract.key)
            relation = Relation(tuple(v.path for v in ordered), columns=columns)
            self._staged[key] = self._stager.stage(
                contract,
                parts,
                lambda: self.engine.reader(relation, columns, contract.primary_key),
            )
        return self._staged[key]

    def _spent(self, table: str, stage_name: str, begun: float) -> None:
        spent = self.seconds.setdefault(table, {})
        spent[stage_name] = spent.get(stage_name, 0.0) + time.monotonic() - begun

    # --- publishing ----------------------------------------------------------------------------------------

    def shows(self, release: Release) -> bool:
        """Whether PostgreSQL shows this release."""
        now = self.held()
        return now.release_id == release.number and not any(self._differing(release, now))

    def repairs(self) -> list[tuple[str, str, str]]:
        """Tables whose rows are not those of their release: table, hash in PostgreSQL, hash in the release."""
        return [
            (f"{d.table} {d.month or ''}".strip(), d.found or "empty", d.expected or "absent")
            for d in verify(self.home.database(), self.engine, self.contracts)
        ]

    def publish(self, release: Release, records: Records, repair: bool = False) -> PublicationResult:
        """Make PostgreSQL equal to a release.

        Args:
            release: The release.
            records: Gives the rows of `ops`.
            repair: Take nothing for granted: publish every table whose rows differ from the release's.
        """
        now = self.held()
        if repair:
            wrong = {d.table for d in verify(self.home.database(), self.engine, self.contracts)}
            now = replace(now, tables={t: p for t, p in now.tables.items() if t not in wrong})
        changes = []
        for contract, changed, removed in self._differing(release, now):
            begun = time.monotonic()
            staged = self._stage(contract, changed) if changed else None
            self._spent(contract.key, "stage", begun)
            changes.append(TableChange(contract, staged, tuple(removed), complete=contract.key not in now.tables))
        in_release = [c for c in self.contracts if c.kind == "record" or self._is_shown(release, c)]
        views = [
            View(self.project.catalog[table], self.project.sql[table], self.project.models[table].fingerprint)
            for table in self.project.order
            if self.project.catalog[table].kind == "view" and self._is_shown(release, self.project.catalog[table])
        ]
        gone = [name for name in (*now.views, *now.tables) if name not in self.project.catalog]
        return publish(
            self.home.database, Publication(release.number, in_release, changes, views, records, tuple(gone))
        )

    def _is_shown(self, release: Release, contract: Contract) -> bool:
        released = release.tables.get(contract.key)
        return released is not None and released.versions is not None

    def _differing(self, release: Release, now: Held) -> Iterable[tuple[Contract, list[Version], list[Any]]]:
        """Tables that PostgreSQL must change, with the versions that it lacks and the months that go."""
        for table, released in release.tables.items():
            contract = self.project.catalog.contracts.get(table)
            if contract is None or contract.kind not in IN_POSTGRES or not contract.published:
                continue
            if released.versions is None:
                continue
            parts: Mapping[Month, Part] = now.tables.get(table, {})
            changed = [
                v
                for month, v in released.versions.items()
                if month not in parts or parts[month].content_hash != v.content_hash
            ]
            removed = sorted(m for m in parts if m is not None and m not in released.versions)
            if changed or removed or table not in now.tables:
                yield contract, changed, removed

    # --- reports -------------------------------------------------------------------------------------------

    def current(self, release: Release) -> dict[str, TableReport]:
        """Every table of a release, as it stands."""
        return {
            table: TableReport(table, released.content_hash or "", released.rows)
            for table, released in release.tables.items()
            if released.versions is not None and table in self.project.catalog
        }

    def reports(
        self, before: Release, release: Release, result: PublicationResult, computed: Mapping[str, float]
    ) -> dict[str, TableReport]:
        """The tables that a publication changed; `before` is the release that PostgreSQL showed until then."""
        found = {}
        for table, report in self.current(release).items():
            done = result.tables.get(table)
            was = before.tables.get(table)
            if done is None and was is not None and was.content_hash == report.content_hash:
                continue
            report.rows_before = was.rows if was else 0
            if done:
                report.inserted, report.updated, report.deleted = done.inserted, done.updated, done.deleted
                report.rows_before = done.rows_before
                self.seconds.setdefault(table, {})["publish"] = done.seconds
            if table in computed:
                self.seconds.setdefault(table, {})["compute"] = computed[table]
            report.seconds = self.seconds.get(table, {})
            report.preview = self._preview(release, table)
            report.picture = self._picture(release, table)
            found[table] = report
        for table, done in result.tables.items():
            if self.project.catalog[table].kind == "record":
                found[table] = TableReport(
                    table,
                    digest([release.number, done.rows, done.inserted, done.updated, done.deleted]),
                    done.rows,
                    done.rows_before,
                    done.inserted,
                    done.updated,
                    done.deleted,
                    {"publish": done.seconds},
                )
        return found

    def _relation(self, release: Release, table: str) -> Relation:
        """The rows of a table; of a monthly one, those of its last month."""
        versions = list((release.tables[table].versions or {}).values())[-1:]
        return Relation(tuple(v.path for v in versions), columns=self.project.output_columns(table))

    def _picture(self, release: Release, table: str) -> bytes | None:
        """The plot that a Python model's version has, if it has one."""
        pictures = [v.path.with_name(PICTURE) for v in (release.tables[table].versions or {}).values()]
        return next((picture.read_bytes() for picture in pictures if picture.exists()), None)

    def _preview(self, release: Release, table: str) -> str:
        contract = self.project.catalog[table]
        hidden = set(contract.confidential)
        names = [c.name for c in contract.columns if c.name not in hidden][:12]
        relation = self._relation(release, table)
        order = ", ".join(contract.primary_key or names)
        sql = f"select {', '.join(names)} from {table} order by {order} limit {PREVIEW_ROWS}"
        rows = self.engine.fetch(sql, {table: relation}).to_pylist()
        lines = [f"| {' | '.join(names)} |", f"|{'|'.join(' --- ' for _ in names)}|"]
        lines += [f"| {' | '.join(str(row[n]).replace('|', '/') for n in names)} |" for row in rows]
        return "\n".join(lines)
