"""What a home holds and what readers see, for `cxa status` and the summary of `cxa demo`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from cxa_pipeline.lake import holder, run_lock
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.landing import pending, read_landing
from cxa_pipeline.pipeline.publication import Publisher
from cxa_pipeline.pipeline.release import latest_release, of_clock, read_release
from cxa_pipeline.pipeline.summary import Section, Summary
from cxa_pipeline.warehouse.address import redact


@dataclass(frozen=True)
class Status:
    """Facts of a home, and what needs a hand, as rows to print."""

    facts: list[tuple[str, str]]
    held_back: list[tuple[str, str, str]]
    failed: list[tuple[Any, ...]]
    refused: list[tuple[str, str]]


def inspect(home: Home) -> Status:
    """Look at a home; starts the embedded server if it was stopped."""
    release = latest_release(home.lake)
    timezone, currency = home.facts()
    waiting = pending(home)
    hold = home.lake.fact("hold")
    runs = holder(home.lake)
    facts = [
        ("home", str(home.folder)),
        ("landing", str(home.landing)),
        ("days in", timezone or "not fixed yet"),
        ("currency", currency or of_clock(release.tables, "currency") or "not known yet"),
        ("new files", str(len(waiting.settled) + len(waiting.unsettled))),
        ("running", f"{runs['command']} (process {runs['pid']}) since {runs['since']}" if runs else "nothing"),
    ]
    if not release.number:
        return Status([*facts, ("release", "none yet: drop files into landing, then `cxa run`")], [], [], [])
    shown = Publisher(home, home.engine()).held().release_id
    facts += [
        ("release", f"{release.number}, made {release.created_at}, data until {release.as_of_date}"),
        ("published", f"release {shown}" + (f", held there by a rollback since {hold['since']}" if hold else "")),
        ("database", redact(home.database())),
    ]
    held = [
        (table, released.held_back_since or "", released.held_back_reason or "")
        for table, released in release.tables.items()
        if released.held_back_since
    ]
    return Status(facts, held, *_from_database(home))


def _from_database(home: Home) -> tuple[list[tuple[Any, ...]], list[tuple[str, str]]]:
    from cxa_pipeline.warehouse.connection import connect

    with closing(connect(home.database(), autocommit=True)) as connection:
        if connection.execute("select to_regclass('ops.validations') is null").fetchone() == (True,):
            return [], []
        failed = connection.execute(
            "select table_name, rule, severity, failed_rows, observed from ops.validations where not passed"
            " order by severity, table_name, rule"
        ).fetchall()
        refused = connection.execute(
            "select distinct source_id || '/' || file_name, error from ops.landed_files"
            " where file_status = 'refused' and landing_id in"
            " (select max(landing_id) from ops.landed_files group by source_id, file_name) order by 1"
        ).fetchall()
    return failed, refused


def verify_release(home: Home) -> list[tuple[str, str, str]]:
    """Tables whose rows in PostgreSQL are not those of their release."""
    return Publisher(home, home.engine()).repairs()


def summarize(home: Home) -> list[Section]:
    """The shop in a page, from the newest release."""
    engine = home.engine()
    with run_lock(home.lake, "summary", datetime.now(UTC), wait=60):
        ingested = read_landing(home, engine)
    failed, _ = _from_database(home)
    warned = sum(severity == "warn" for _, _, severity, *_ in failed)
    with closing(_connect(home)) as connection:
        row = connection.execute("select count(*) from ops.validations").fetchone()
    checks = row[0] if row else 0
    return Summary(
        home.project, engine, latest_release(home.lake), ingested.files, (checks, len(failed) - warned, warned)
    ).sections()


def _connect(home: Home) -> Any:
    from cxa_pipeline.warehouse.connection import connect

    return connect(home.database(), autocommit=True)


@dataclass(frozen=True)
class ReleaseLine:
    """A release as `cxa releases` lists it."""

    number: int
    created_at: str
    as_of_date: date | None
    tables: int
    held_back: int
    published: bool


def list_releases(home: Home) -> list[ReleaseLine]:
    """The kept releases, newest first."""
    shown = Publisher(home, home.engine()).held().release_id if home.lake.documents("releases") else None
    found = [read_release(home.lake, number) for number in home.lake.documents("releases")]
    return [
        ReleaseLine(r.number, r.created_at, r.as_of_date, len(r.tables), len(r.held_back), r.number == shown)
        for r in reversed(found)
    ]
