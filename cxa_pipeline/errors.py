"""Every error that this project raises on purpose, as one tree.

    CxaError
    ├── SettingsError     a setting is missing, malformed or contradictory
    ├── ContractError     a contract, the dictionary or a source definition is wrong
    ├── DialectError      a SQL file leaves the checked subset of PostgreSQL
    ├── EngineError       a query could not be run, or its result does not fit the contract
    ├── SourceError       a landed file cannot be read or is refused as a whole
    ├── LakeError         the lake is damaged or cannot be written
    ├── LockedError       another run works on this home
    ├── WarehouseError    PostgreSQL cannot be reached, or refuses what is asked of it
    │   └── ConstraintError   staged rows break a constraint of their contract
    └── RunError          a run cannot go on

An error has four parts: what went wrong, where (file and line, or table and column), the evidence, and what
to do next. What belongs elsewhere: rows that are rejected, tables that are held back and files that are
refused are results of a run, not errors.
"""

from __future__ import annotations

from collections.abc import Sequence


class CxaError(Exception):
    """An expected failure, explained to the person who can mend it.

    Args:
        what: One sentence that says what went wrong.
        where: File and line, or table and column.
        evidence: Counts and up to five examples.
        advice: What to do next, if possible a command.
    """

    def __init__(
        self,
        what: str,
        where: str | None = None,
        evidence: Sequence[str] | str = (),
        advice: str | None = None,
    ) -> None:
        self.what = what
        self.where = where
        self.evidence = (evidence,) if isinstance(evidence, str) else tuple(evidence)
        self.advice = advice
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        lines += [f"  seen:  {item}" for item in self.evidence[:6]]
        if self.advice:
            lines.append(f"  do:    {self.advice}")
        return "\n".join(lines)


class SettingsError(CxaError):
    """A setting is missing, malformed or contradictory."""


class ContractError(CxaError):
    """A contract, the dictionary or a source definition is wrong."""


class DialectError(CxaError):
    """A SQL file leaves the checked subset of PostgreSQL."""


class EngineError(CxaError):
    """A query could not be run, or its result does not fit the contract."""


class SourceError(CxaError):
    """A landed file cannot be read or is refused as a whole."""


class LakeError(CxaError):
    """The lake is damaged or cannot be written."""


class LockedError(CxaError):
    """Another run works on this home."""


class WarehouseError(CxaError):
    """PostgreSQL cannot be reached, or refuses what is asked of it."""


class ConstraintError(WarehouseError):
    """Staged rows break a constraint of their contract."""


class RunError(CxaError):
    """A run cannot go on."""
