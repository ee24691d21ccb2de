"""The accounts: what became of every row of every landed file, data set by data set.

Here: rows_read = rows_accepted + rows_rejected + rows_duplicate + rows_superseded. Not here: deciding it
(`inforce`, `resolve`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxa_pipeline.lake import Landing, Parts, Stored
from cxa_pipeline.sources.cast import canonical_columns
from cxa_pipeline.sources.definition import SourceDefinition
from cxa_pipeline.sources.inforce import Content, by_name
from cxa_pipeline.sources.rejects import write_refused
from cxa_pipeline.sources.resolve import Losers
from cxa_pipeline.sources.work import Work


@dataclass(frozen=True)
class FileAccount:
    """What became of the rows of one landed file in one data set.

    rows_read = rows_accepted + rows_rejected + rows_duplicate + rows_superseded, always. `status` is in_force,
    superseded or refused; `unknown` and `missing` are columns that nothing reads, and that were not there.
    """

    landing: Landing
    dataset: str
    status: str
    rows_read: int
    rows_accepted: int
    rows_rejected: int
    rows_duplicate: int
    rows_superseded: int
    error: str | None = None
    advice: str | None = None
    reasons: Mapping[str, int] | None = None
    first_at: str | None = None
    last_at: str | None = None
    unknown: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class Books:
    """The accounts of a data set, landing by landing."""

    def __init__(self, work: Work, dataset: str, refused: Mapping[tuple[str, str], str]) -> None:
        self._work = work
        self._dataset = dataset
        self._refused = refused
        self.batches: dict[Parts, Stored] = {}
        self.live: set[Parts] = set()
        self.rejected: list[Path] = []

    def accounts(
        self,
        sources: Iterable[SourceDefinition],
        standing: Sequence[Content],
        copies: Sequence[Content],
        losers: Losers,
    ) -> list[FileAccount]:
        """The accounts of every landing of these sources, and with them the batches that are in use."""
        stands = {content.landing.number for content in standing}
        copied = {content.landing.number for content in copies}
        found = []
        for source in sources:
            for contents in by_name(self._work.landings, source, self._dataset).values():
                for content in contents:
                    number = content.landing.number
                    lost = losers.files.get(content.landing.file_id, {}) if number in stands else None
                    found.append(self._account(content, lost, number in copied))
        return found

    def _account(self, content: Content, lost: Mapping[str, int] | None, copy: bool) -> FileAccount:
        landing = content.landing
        batch = self._work.batch_of(landing, content.kind, self._dataset)
        key = f"{landing.source}|{self._dataset}|{landing.file_id}"
        entry = batch.manifest["files"][landing.file_id] if batch else self._work.accounts.get(key, {})
        counts = {n: entry.get(n, 0) for n in ("rows_read", "rows_accepted", "rows_rejected")}
        error = self._refused.get((landing.name, landing.sha256)) or self._work.refusal(landing, content.kind)
        if batch:
            self._use(batch)
        accepted, rejected = counts["rows_accepted"], counts["rows_rejected"]
        duplicate = superseded = 0
        if lost is not None:
            duplicate, superseded = lost.get("duplicate", 0), lost.get("superseded", 0)
            status = "in_force"
        elif copy:
            duplicate, status = accepted, "in_force"
        elif error:
            if batch and accepted:
                self._keep_refused(batch, landing.file_id)
            rejected, accepted, status = counts["rows_read"], 0, "refused"
        else:
            superseded, status = accepted, "superseded"
        return FileAccount(
            landing=landing,
            dataset=self._dataset,
            status=status,
            rows_read=counts["rows_read"],
            rows_accepted=accepted - duplicate - superseded,
            rows_rejected=rejected,
            rows_duplicate=duplicate,
            rows_superseded=superseded,
            error=error if status == "refused" else None,
            advice=entry.get("advice"),
            reasons=entry.get("reasons", {}),
            first_at=entry.get("first_at"),
            last_at=entry.get("last_at"),
            unknown=tuple(entry.get("unknown", ())),
            missing=tuple(entry.get("missing", ())),
        )

    def _use(self, batch: Stored) -> None:
        self.batches[batch.parts] = batch
        self.live.add(batch.parts)
        if batch.manifest["rejected"] and batch.path / batch.manifest["rejected"] not in self.rejected:
            self.rejected.append(batch.path / batch.manifest["rejected"])

    def _keep_refused(self, batch: Stored, file_id: str) -> None:
        """Rows that broke no rule, of a file that is refused for another reason, are rejected rows too."""
        columns = [column.name for column in canonical_columns(self._work.contract(self._dataset))]
        kept = write_refused(batch, file_id, columns, self._work.lake, self._work.reader)
        self.live.add(kept.parts)
        if kept.path / kept.manifest["rejected"] not in self.rejected:
            self.rejected.append(kept.path / kept.manifest["rejected"])
