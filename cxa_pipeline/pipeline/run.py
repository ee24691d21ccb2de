"""A run: ingest, build, stage, audit, reconcile, release, publish. What the CLI and Dagster both call.

Here: the order of the steps, and what is reported of them. Each step finds what an earlier run finished and goes on
from there, so a killed run is continued by the next one. Not here: how a step works (`build`, `audit`, `reconcile`,
`release`, `publication`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from cxa_pipeline.contracts.expectations import CheckResult
from cxa_pipeline.engine.protocol import Engine
from cxa_pipeline.errors import RunError
from cxa_pipeline.lake import run_lock
from cxa_pipeline.pipeline.audit import accounts_balance, audit_on_engine, known, remember
from cxa_pipeline.pipeline.build import Builder, Month, Version, content
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.parameters import parameters
from cxa_pipeline.pipeline.project import digest
from cxa_pipeline.pipeline.publication import Publisher, TableReport
from cxa_pipeline.pipeline.reconcile import Outcome, outcome_parts, reconcile
from cxa_pipeline.pipeline.release import (
    EMPTY,
    Release,
    compose,
    held_back,
    latest_release,
    read_release,
    write_release,
)
from cxa_pipeline.sources.ingest import IngestResult, Pending, Refusal, ingest
from cxa_pipeline.sources.ingest import pending as pending_files

log = logging.getLogger(__name__)

__all__ = ["Refusal", "RunResult", "TableReport", "list_releases", "pending", "roll_back", "run", "up_to_date"]


@dataclass
class RunResult:
    """What a run did.

    `reports` tells of each table that this run published, `current` of every table of the published release;
    `checks` holds the results for every table that was looked at; `hold` is the release at which a rollback holds
    PostgreSQL; `seconds` is by stage.
    """

    release: Release = EMPTY
    published: bool = False
    nothing_to_do: bool = False
    hold: int | None = None
    reports: dict[str, TableReport] = field(default_factory=dict)
    current: dict[str, TableReport] = field(default_factory=dict)
    checks: dict[str, list[CheckResult]] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    computed: dict[str, list[Month]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def held_back(self) -> dict[str, str]:
        """Tables that are held back, with the reason."""
        return self.release.held_back

    @property
    def landed_only(self) -> bool:
        """Whether the run registered files and built nothing."""
        return not self.published and not self.nothing_to_do and self.hold is None


def pending(home: Home) -> Pending:
    """Files in landing that the lake does not know, without reading them: what the sensor asks."""
    return pending_files(home.lake, home.sources, home.landing, home.settle_seconds)


def run(
    home: Home,
    command: str,
    selection: Collection[str] | None = None,
    force: Mapping[str, Collection[date]] | None = None,
    repair: bool = False,
    by_hand: bool = True,
    publish: bool = True,
) -> RunResult:
    """Ingest what is new, build and check what it changes, release, publish.

    Args:
        home: The home.
        command: What runs, for whoever has to wait for it.
        selection: Tables to publish, with what they need; None for all. `landed.*` alone only registers files.
        force: Tables to compute anew, with the first days of months (empty: all months).
        repair: Compare PostgreSQL with its release and mend what differs.
        by_hand: Lift the hold that a rollback sets.
        publish: False stops before the release: what `cxa plan` does.

    Raises:
        CxaError: the run cannot go on; what was finished stays.
    """
    with run_lock(home.lake, command, datetime.now(UTC)):
        if by_hand and publish:
            home.lake.clear_fact("hold")
        return _Run(home).go(selection, force or {}, repair, publish)


def up_to_date(home: Home) -> RunResult | None:
    """The result of a run that would have nothing to do; None if there is, or may be, something to do."""
    waiting = pending(home)
    if waiting.settled or waiting.unsettled or home.lake.fact("hold") or not home.lake.documents("releases"):
        return None
    with run_lock(home.lake, "cxa run", datetime.now(UTC)):
        return _Run(home).look()


class _Run:
    """One run: its parts and what it has found so far."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.project = home.project
        self.result = RunResult()
        self.previous = latest_release(home.lake)
        self.now = datetime.now(UTC).isoformat(timespec="seconds")
        self.engine: Engine = home.engine()

    def go(
        self,
        selection: Collection[str] | None,
        force: Mapping[str, Collection[date]],
        repair: bool,
        publish: bool,
    ) -> RunResult:
        """All the steps."""
        tables = self._tables(selection)
        with self._stage("ingest"):
            ingested = self._ingest()
        if not tables:
            self._report_landed(ingested)
            return self.result
        builder = self._builder(ingested)
        with self._stage("compute"):
            builder.build(tables, force)
        self.result.computed = builder.built
        publisher = Publisher(self.home, builder)
        with self._stage("audit"):
            self._audit(builder, publisher, ingested)
            outcomes = reconcile(builder)
        release = self._release(builder, ingested, outcomes, write=publish)
        if publish:
            with self._stage("publish"):
                self._publish(release, publisher, ingested, outcomes, repair)
            self._report_landed(ingested)
            self._collect_garbage(ingested)
        return self.result

    def look(self) -> RunResult | None:
        """Whether everything is computed, checked, released and published."""
        ingested = self._ingest(read=False)
        if ingested is None:
            return None
        builder = self._builder(ingested)
        if builder.stale(t for t in self.project.order if self.project.catalog[t].kind != "landed"):
            return None
        versions = [v for months in builder.versions.values() for v in months.values()]
        if any(known(self.home.lake, self.project, v) is None for v in versions):
            return None
        if any(self.home.lake.find(outcome_parts(builder, i)) is None for i in self.project.identities):
            return None
        self._recall(builder, ingested)
        release = self._release(builder, ingested, reconcile(builder), write=False)
        publisher = Publisher(self.home, builder)
        if not release.same_as(self.previous) or not publisher.shows(self.previous):
            return None
        self.result.release = self.previous
        self.result.nothing_to_do = True
        self.result.published = True
        self.result.current = publisher.reports(self.previous, {})
        return self.result

    # --- steps ---------------------------------------------------------------------------------------------

    def _tables(self, selection: Collection[str] | None) -> frozenset[str]:
        built = {t for t in self.project.order if self.project.catalog[t].kind != "landed"}
        if selection is None:
            return frozenset(built)
        wanted = set(selection)
        if any(t.startswith("ops.") for t in wanted):
            wanted |= {t for t in self.project.order if self.project.catalog[t].published}
        return self.project.selection(wanted & set(self.project.order)) & built if wanted & built else frozenset()

    def _ingest(self, read: bool = True) -> IngestResult | None:
        raise NotImplementedError

    def _builder(self, ingested: IngestResult) -> Builder:
        row = parameters(self.home)
        return Builder(self.project, self.home.lake, self.engine, ingested.datasets, row)

    def _audit(self, builder: Builder, publisher: Publisher, ingested: IngestResult) -> None:
        """Check every version that was not checked yet; PostgreSQL's staging tables for what it will hold."""
        lake, project = self.home.lake, self.project
        for table, versions in builder.versions.items():
            contract = project.catalog[table]
            unchecked = [v for v in versions.values() if known(lake, project, v) is None]
            if not unchecked:
                continue
            begun = time.monotonic()
            if contract.kind == "view" or not contract.published:
                for version in unchecked:
                    results = audit_on_engine(self.engine, contract, builder.relation(table, version.month))
                    remember(lake, project, version, results)
            else:
                results = publisher.audit(table, unchecked)
                for version in unchecked:
                    remember(lake, project, version, results)
            log.debug("%s: checked in %.2f s", table, time.monotonic() - begun)
        self._recall(builder, ingested)

    def _recall(self, builder: Builder, ingested: IngestResult) -> None:
        checks = self.result.checks
        checks.update({f"landed.{c.dataset}": [c.result] for c in accounts_balance(ingested)})
        for table, versions in builder.versions.items():
            found: dict[str, CheckResult] = {}
            for version in versions.values():
                for result in known(self.home.lake, self.project, version) or ():
                    worse = found.get(result.rule)
                    found[result.rule] = result if worse is None or worse.passed else worse
            checks[table] = list(found.values())

    def _release(
        self, builder: Builder, ingested: IngestResult, outcomes: Collection[Outcome], write: bool
    ) -> Release:
        for outcome in outcomes:
            for table in outcome.identity.derived:
                self.result.checks.setdefault(table, []).append(outcome.check(table))
        held = held_back(self.project, self.result.checks)
        accounts = digest([account.as_row() for account in ingested.accounts])
        checks = digest({t: [(r.rule, r.passed, r.failed_rows) for r in rs] for t, rs in self.result.checks.items()})
        release = compose(self.project, self.previous, builder.versions, held, self.now, accounts, checks)
        if write and not release.same_as(self.previous):
            release = write_release(self.home.lake, release)
        elif release.same_as(self.previous):
            release = self.previous
        self.result.release = release
        return release

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.result.seconds[name] = round(time.monotonic() - begun, 2)
