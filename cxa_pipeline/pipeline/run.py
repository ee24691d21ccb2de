"""A run: ingest, build, stage, audit, reconcile, release, publish. What the CLI and Dagster both call.

Here: the order of the steps, and what is reported of them. Each step finds what an earlier run finished and goes on
from there, so a killed run is continued by the next one. Not here: how a step works (`build`, `audit`, `reconcile`,
`release`, `publication`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime

from cxa_pipeline.contracts.expectations import CheckResult
from cxa_pipeline.errors import RunError
from cxa_pipeline.lake import run_lock
from cxa_pipeline.pipeline.audit import accounts_balance, audit_parts, could_not_be_computed, known
from cxa_pipeline.pipeline.build import Builder
from cxa_pipeline.pipeline.checking import Checker
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.landing import pending, read_landing
from cxa_pipeline.pipeline.parameters import parameters
from cxa_pipeline.pipeline.profile import Profiles
from cxa_pipeline.pipeline.project import digest
from cxa_pipeline.pipeline.publication import Publisher, TableReport
from cxa_pipeline.pipeline.reconcile import Outcome, outcome_parts, reconcile
from cxa_pipeline.pipeline.records import Telling, landed_file, records, release_records
from cxa_pipeline.pipeline.release import (
    Release,
    compose,
    held_back,
    latest_release,
    read_release,
    write_release,
)
from cxa_pipeline.pipeline.result import Refusal, RunResult
from cxa_pipeline.sources.ingest import IngestResult

log = logging.getLogger(__name__)

PATIENCE = 5
"""How often a run waits for files that are still being written, each time until they could be still."""


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
        work = _Run(home)
        with closing(work.publisher):
            return work.go(selection, force or {}, repair, publish)


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
        self.now = datetime.now(UTC)
        self.engine = home.engine()
        self.publisher = Publisher(home, self.engine)
        self.profiles = Profiles(self.project, home.lake, self.engine)

    def go(
        self,
        selection: Collection[str] | None,
        force: Mapping[str, Collection[date]],
        repair: bool,
        publish: bool,
    ) -> RunResult:
        """All the steps."""
        tables = self._tables(selection)
        waiting = pending(self.home)
        with Checker(self.publisher, busy=bool(tables and (waiting.settled or waiting.unsettled))) as checker:
            with self._stage("read"):
                self._wait_for_files()
                ingested = self._ingest()
            if not tables:
                self._report_landed(ingested, self.previous)
                return self.result
            builder = self._builder(ingested)
            with self._stage("compute"):
                builder.build(tables, force, checker.begin)
                builder.carry_over({t: r.versions for t, r in self.previous.tables.items() if r.versions is not None})
            self.result.computed = builder.computed
            with self._stage("check"):
                if publish:
                    self.profiles.make(builder.versions)  # while PostgreSQL checks
                checker.finish(builder)
                outcomes = reconcile(builder)
        release = self._release(builder, ingested, outcomes, write=publish)
        if publish:
            with self._stage("publish"):
                self._publish(release, builder, ingested, outcomes, repair)
                self.publisher.clean(release)
            self._collect_garbage(builder, ingested, outcomes)
        return self.result

    def look(self) -> RunResult | None:
        """The result where everything is computed, checked, released and published; else None."""
        ingested = self._ingest()
        builder = self._builder(ingested)
        if builder.stale(t for t in self.project.order if self.project.catalog[t].kind != "landed"):
            return None
        versions = [v for months in builder.versions.values() for v in months.values()]
        if any(known(self.home.lake, self.project, v) is None for v in versions):
            return None
        if any(self.home.lake.find(outcome_parts(builder, i)) is None for i in self.project.identities):
            return None
        release = self._release(builder, ingested, reconcile(builder), write=False)
        if release is not self.previous or not self.publisher.shows(release):
            return None
        self.result.nothing_to_do = True
        self.result.published = True
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

    def _wait_for_files(self) -> None:
        for _ in range(PATIENCE):
            waiting = pending(self.home)
            if not waiting.unsettled:
                return
            log.info("waiting for files that are still being written: %s", ", ".join(waiting.unsettled[:5]))
            time.sleep(self.home.settle_seconds)

    def _ingest(self) -> IngestResult:
        found = read_landing(self.home, self.engine)
        self.result.refused = [Refusal(name, reason) for name, reason in _refusals(found).items()]
        self.result.findings = [f"{f.what} ({f.where}): {f.advice}" for f in found.findings]
        self.result.findings += [f"{p} is still being written: it is left for the next run" for p in found.unsettled]
        for landing in found.landed:
            log.info("landed %s/%s (%s bytes)", landing.source, landing.name, f"{landing.size:,}")
        return found

    def _builder(self, ingested: IngestResult) -> Builder:
        before = {table: held.versions or {} for table, held in self.previous.tables.items()}
        return Builder(self.project, self.home.lake, self.engine, ingested.datasets, parameters(self.home), before)

    def _release(self, builder: Builder, ingested: IngestResult, outcomes: Collection[Outcome], write: bool) -> Release:
        """The release that the versions make; the newest one where it shows the same."""
        checks = self._checks(builder, ingested, outcomes)
        held = held_back(self.project, checks)
        accounts = digest([landed_file(account) for account in ingested.files])
        said = digest({t: [(r.rule, r.passed, r.failed_rows) for r in rs] for t, rs in sorted(checks.items())})
        now = self.now.isoformat(timespec="seconds")
        landed = {name: dataset.whole.input_hash for name, dataset in ingested.datasets.items()}
        built = {t: builder.versions[t] for t in builder.built} | {t: {} for t in builder.lost}
        release = compose(self.project, self.previous, built, held, now, landed, accounts, said)
        if release.same_as(self.previous):
            release = self.previous
        elif write:
            release = write_release(self.home.lake, release)
        self.result.checks = checks
        self.result.release = release
        return release

    def _checks(
        self, builder: Builder, ingested: IngestResult, outcomes: Collection[Outcome]
    ) -> dict[str, list[CheckResult]]:
        checks = {f"landed.{name}": [accounts_balance(dataset)] for name, dataset in ingested.datasets.items()}
        for table in self.project.order:
            found: dict[str, CheckResult] = {}
            for version in builder.versions.get(table, {}).values():
                for result in known(self.home.lake, self.project, version) or ():
                    if result.rule not in found or found[result.rule].passed:
                        found[result.rule] = result
            if found:
                checks[table] = list(found.values())
        for table, error in builder.failed.items():
            checks.setdefault(table, []).append(could_not_be_computed(error))
        for outcome in outcomes:
            for table in outcome.identity.derived:
                checks.setdefault(table, []).append(outcome.check(table))
        return checks

    def _publish(
        self,
        release: Release,
        builder: Builder,
        ingested: IngestResult,
        outcomes: Collection[Outcome],
        repair: bool,
    ) -> None:
        hold = self.home.lake.fact("hold")
        if hold:
            self.result.hold = hold["release"]
            log.warning("a rollback holds PostgreSQL at release %d: nothing is published", hold["release"])
            return
        before = self.publisher.shown()
        if not repair and self.publisher.shows(release):
            self.result.nothing_to_do = True
        else:
            told = Telling(self.project, self.home.lake, self.engine, release, ingested, self.result.checks, outcomes)
            done = self.publisher.publish(release, records(told), repair)
            self.result.reports = self.publisher.reports(before, release, done, builder.seconds)
        self.result.published = True
        self.result.current = self.publisher.current(release)
        self._report_landed(ingested, before)

    def _report_landed(self, ingested: IngestResult, before: Release) -> None:
        """Tell of data sets whose rows changed since the release before."""
        for name, dataset in ingested.datasets.items():
            table, whole = f"landed.{name}", dataset.whole
            report = TableReport(table, whole.input_hash, whole.rows)
            self.result.current[table] = report
            if before.landed.get(name) != whole.input_hash:
                self.result.reports[table] = report

    def back(self, number: int | None) -> RunResult:
        """Publish an earlier release, and hold PostgreSQL there."""
        lake = self.home.lake
        before = self.publisher.shown()
        if number is None:
            earlier = [n for n in lake.documents("releases") if n < before.number]
            if not earlier:
                raise RunError("There is no earlier release to go back to", advice="`cxa releases` lists them all")
            number = max(earlier)
        release = read_release(lake, number)
        lake.set_fact("hold", {"release": number, "since": self.now.isoformat(timespec="seconds")})
        with self._stage("publish"):
            done = self.publisher.publish(release, release_records(self.project, lake, release))
        self.result.release = release
        self.result.published = True
        self.result.reports = self.publisher.reports(before, release, done, {})
        self.result.current = self.publisher.current(release)
        return self.result

    def _collect_garbage(self, builder: Builder, ingested: IngestResult, outcomes: Collection[Outcome]) -> None:
        """Forget releases beyond those to keep, and every result that neither they nor this run name."""
        lake = self.home.lake
        shown = self.publisher.held().release_id
        for number in sorted(lake.documents("releases"))[: -self.home.keep_releases]:
            if number != shown:
                lake.remove_document("releases", number)
        tables = [t.versions or {} for n in lake.documents("releases") for t in read_release(lake, n).tables.values()]
        versions = [v for months in (*tables, *builder.versions.values()) for v in months.values()]
        live = {audit_parts(self.project, v) for v in versions if v.table in self.project.catalog}
        live |= {v.parts for v in versions} | {outcome.parts for outcome in outcomes} | ingested.live
        live |= builder.without_rows
        live |= self.profiles.live({t: r.versions or {} for t, r in self.result.release.tables.items()})
        if gone := lake.collect_garbage(live):
            log.debug("deleted %d results that no kept release names", len(gone))

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        spent = self.result.seconds.get(name, 0.0) + time.monotonic() - begun
        self.result.seconds[name] = round(spent, 2)


def _refusals(found: IngestResult) -> dict[str, str]:
    return {f"{a.landing.source}/{a.landing.name}": a.error or "" for a in found.refused}


def roll_back(home: Home, number: int | None) -> RunResult:
    """Publish an earlier release and hold PostgreSQL there until a run by hand.

    Args:
        home: The home.
        number: The release; None for the one before the published one.

    Raises:
        RunError: there is no earlier release, or it was made under other contracts.
        LakeError: the lake does not have it any more.
    """
    with run_lock(home.lake, "cxa rollback", datetime.now(UTC)):
        work = _Run(home)
        with closing(work.publisher):
            return work.back(number)
