"""What a publication is told and what it tells: plain values.

Here: the dataclasses. Not here: publishing (`publish`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.warehouse.staging import StagedTable
from cxa_pipeline.warehouse.views import View


@dataclass(frozen=True)
class TableChange:
    """New rows for a table.

    Args:
        contract: The table.
        staged: Its new versions: all rows, or of a monthly table the changed months; None only for a monthly table
            that loses months and changes none.
        removed_months: Months of a monthly table that have no rows any more.
        complete: Whether `staged` holds all months of a monthly table, so that whatever else PostgreSQL has goes: for
            tables that `held` did not name, or whose rows were found to differ from what it says.
    """

    contract: Contract
    staged: StagedTable | None
    removed_months: tuple[date, ...] = ()
    complete: bool = False


@dataclass(frozen=True)
class RecordRows:
    """Rows of a table that tells of this very publication, by column.

    `complete`: whether they are all rows; if not, rows that are not given stay.
    """

    contract: Contract
    rows: Sequence[Mapping[str, Any]]
    complete: bool = True


@dataclass(frozen=True)
class TableResult:
    """What a publication did to the rows of one table."""

    table: str
    rows_before: int
    rows: int
    inserted: int
    updated: int
    deleted: int
    seconds: float


@dataclass(frozen=True)
class PublicationResult:
    """What a publication did; `schema_changes` in words, `views` those replaced."""

    release_id: int
    tables: Mapping[str, TableResult]
    views: tuple[str, ...] = ()
    schema_changes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> str:
        """As the ledger keeps it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> PublicationResult:
        """From the ledger."""
        found = json.loads(text)
        tables = {name: TableResult(**entry) for name, entry in found["tables"].items()}
        return cls(found["release_id"], tables, tuple(found["views"]), tuple(found["schema_changes"]), found["seconds"])


Records = Callable[[Mapping[str, TableResult]], Iterable[RecordRows]]
"""Gives the rows of records, told what was done to each changed table; called again if the release starts over."""


@dataclass(frozen=True)
class Publication:
    """A release on its way to PostgreSQL.

    Args:
        release_id: Number of the release.
        contracts: All published tables and views of the release, changed or not, records included.
        changes: Tables whose rows differ from what `held` said.
        views: All views of the release, each after those that it reads.
        records: Gives the rows of records.
        removed: Tables and views that PostgreSQL shows and the project no longer has.
    """

    release_id: int
    contracts: Sequence[Contract]
    changes: Sequence[TableChange] = ()
    views: Sequence[View] = ()
    records: Records | None = None
    removed: Sequence[str] = field(default=())
