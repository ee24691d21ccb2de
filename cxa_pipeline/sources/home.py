"""The facts of a home that its first ingest fixes: the zone of its days and the currency of its reports.

Here: choosing and keeping them. Not here: reading settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from cxa_pipeline.lake import Lake, Landing
from cxa_pipeline.sources.definition import Sources
from cxa_pipeline.sources.discover import Finding


@dataclass(frozen=True)
class HomeFacts:
    """Zone of the home's days and currency of its reports; the currency is None while no source names one."""

    timezone: str
    currency: str | None


def fix_home(
    lake: Lake, landings: Sequence[Landing], sources: Sources, timezone: str | None, currency: str | None
) -> tuple[HomeFacts, list[Finding]]:
    """The facts in force: as set, else as fixed before, else those of the first source that landed a file."""
    kept = lake.fact("home") or {}
    first = next((sources.definitions[e.source] for e in landings if e.source in sources.definitions), None)
    zone = timezone or kept.get("timezone") or (first.timezone if first else None) or "UTC"
    money = currency or kept.get("currency") or (first.currency if first else None)
    facts = HomeFacts(zone, money)
    if landings and asdict(facts) != kept:
        lake.set_fact("home", asdict(facts))
    findings = []
    if landings and not kept and timezone is None and (first is None or first.timezone is None):
        findings.append(Finding("home", "Days are counted in UTC", "set CXA_TIMEZONE to the shop's zone, once"))
    return facts, findings
