"""Releases: the list table → audited version, and what a failed check holds back.

Here: composing a release from built versions and the release before, reading and writing it. Not here: making
PostgreSQL equal to it (`publication`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from cxa_pipeline.contracts.expectations import CheckResult, failing
from cxa_pipeline.errors import LakeError
from cxa_pipeline.lake import Lake
from cxa_pipeline.pipeline.project import Project
from cxa_pipeline.pipeline.versions import Month, Version, Versions, content

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReleasedTable:
    """A table in a release.

    `versions` is None where no version ever passed its checks; `held_back_since` says since when newer versions
    are held back (ISO 8601), `held_back_reason` why.
    """

    versions: Mapping[Month, Version] | None
    contract_version: str
    held_back_since: str | None = None
    held_back_reason: str | None = None

    @property
    def content_hash(self) -> str | None:
        """Hash of the rows; None where there is no version."""
        return None if self.versions is None else content(self.versions)

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return sum(v.rows for v in (self.versions or {}).values())


@dataclass(frozen=True)
class Release:
    """One list of audited versions.

    `number` is 0 before the first; `landed` names the rows of each data set that it was made from. `accounts` is the
    hash of what became of every landed row, `checks` of what the checks said: a change of either is a new release
    though no table changed.
    """

    number: int
    created_at: str
    as_of_date: date | None
    tables: Mapping[str, ReleasedTable] = field(default_factory=dict)
    landed: Mapping[str, str] = field(default_factory=dict)
    accounts: str = ""
    checks: str = ""

    @property
    def held_back(self) -> dict[str, str]:
        """Tables that are held back, with the reason."""
        return {t: r.held_back_reason or "" for t, r in self.tables.items() if r.held_back_since}

    def same_as(self, other: Release) -> bool:
        """Whether both show the same: number and time of the release do not count."""
        return _comparable(self) == _comparable(other)


def _comparable(release: Release) -> tuple[object, ...]:
    tables = {
        t: (r.content_hash, r.contract_version, r.held_back_since, r.held_back_reason)
        for t, r in release.tables.items()
    }
    return tables, release.accounts, release.checks, release.as_of_date


EMPTY = Release(0, "", None)


def held_back(project: Project, checks: Mapping[str, Iterable[CheckResult]]) -> dict[str, str]:
    """Tables that failed a check, and everything that reads them, with the reason in words."""
    reasons: dict[str, str] = {}
    for table, results in checks.items():
        if failed := failing(list(results)):
            first = failed[0]
            seen = first.observed or (f"{first.failed_rows} rows" if first.failed_rows else "")
            reasons[table] = f"{first.rule}: {first.description}" + (f" ({seen})" if seen else "")
    for table in list(reasons):
        for reader in sorted(project.dependents([table]) - {table}):
            reasons.setdefault(reader, f"reads {table}, which is held back")
    return reasons


def compose(
    project: Project,
    previous: Release,
    versions: Versions,
    held: Mapping[str, str],
    now: str,
    landed: Mapping[str, str],
    accounts: str,
    checks: str,
) -> Release:
    """The release that follows `previous`: what was built and passed, what is held back, what is carried over."""
    tables = {}
    for table in project.order:
        contract = project.catalog[table]
        if contract.kind == "landed":
            continue
        before = previous.tables.get(table)
        if table in held and table in versions:
            since = before.held_back_since if before and before.held_back_since else now
            old = before or ReleasedTable(None, contract.version)
            tables[table] = replace(old, held_back_since=since, held_back_reason=held[table])
        elif table in versions:
            tables[table] = ReleasedTable(dict(versions[table]), contract.version)
        elif before:
            tables[table] = before
    as_of = of_clock(tables, "as_of_date")
    as_of_date = date.fromisoformat(as_of) if as_of else None
    return Release(previous.number + 1, now, as_of_date, tables, landed, accounts, checks)


def of_clock(tables: Mapping[str, ReleasedTable], column: str) -> str | None:
    """What core.clock of a release says, as text."""
    clock = tables.get("core.clock")
    return clock.versions[None].values.get(column) if clock and clock.versions else None


# --- in the lake -----------------------------------------------------------------------------------------------


def write_release(lake: Lake, release: Release) -> Release:
    """Write a release to the lake under the next number."""
    tables = {
        name: {
            "versions": None if table.versions is None else [v.parts for v in table.versions.values()],
            "contract_version": table.contract_version,
            "held_back_since": table.held_back_since,
            "held_back_reason": table.held_back_reason,
        }
        for name, table in release.tables.items()
    }
    number = lake.append(
        "releases",
        {
            "created_at": release.created_at,
            "as_of_date": release.as_of_date,
            "landed": dict(release.landed),
            "accounts": release.accounts,
            "checks": release.checks,
            "tables": tables,
        },
    )
    log.info("release %d: %d tables, %d held back", number, len(tables), len(release.held_back))
    return replace(release, number=number)


def read_release(lake: Lake, number: int) -> Release:
    """A release of the lake.

    Raises:
        LakeError: the lake does not have it, or a version that it names is gone.
    """
    document = lake.document("releases", number)
    if document is None:
        kept = list(lake.documents("releases"))
        raise LakeError(
            f"The lake has no release {number}",
            evidence=f"kept: {', '.join(map(str, kept)) or 'none'}",
            advice="`cxa releases` lists the releases that can be published",
        )
    return _release(lake, number, document)


def latest_release(lake: Lake) -> Release:
    """The newest release of the lake; `EMPTY` where there is none."""
    numbers = lake.documents("releases")
    return _release(lake, max(numbers), numbers[max(numbers)]) if numbers else EMPTY


def _release(lake: Lake, number: int, document: Mapping[str, Any]) -> Release:
    tables = {}
    for name, entry in document["tables"].items():
        versions = [_version(lake, tuple(parts)) for parts in entry["versions"] or ()]
        tables[name] = ReleasedTable(
            None if entry["versions"] is None else {v.month: v for v in versions},
            entry["contract_version"],
            entry["held_back_since"],
            entry["held_back_reason"],
        )
    as_of = date.fromisoformat(document["as_of_date"]) if document["as_of_date"] else None
    return Release(
        number, document["created_at"], as_of, tables, document["landed"], document["accounts"], document["checks"]
    )


def _version(lake: Lake, parts: tuple[str, ...]) -> Version:
    stored = lake.find(parts)
    if stored is None:
        raise LakeError(
            "A version that a release names is gone",
            where="/".join(parts),
            advice="restore the folder from a backup of the home, or delete the release's file to forget it",
        )
    return Version.from_manifest(stored)
