"""What a run reports to whoever asked for it: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field

from cxa_pipeline.contracts.expectations import CheckResult
from cxa_pipeline.pipeline.publication import TableReport
from cxa_pipeline.pipeline.release import EMPTY, Release
from cxa_pipeline.pipeline.versions import Month


@dataclass(frozen=True)
class Refusal:
    """A file that was refused as a whole."""

    name: str
    reason: str


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
