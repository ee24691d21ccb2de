"""A data set as it stands: its rows by month as relations, and what became of every file's rows.

Here: putting `inforce` and `resolve` together for one data set. Not here: reading (`work`).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.engine.protocol import OutputColumn, Relation
from cxa_pipeline.lake import Landing, Parts
from cxa_pipeline.sources.definition import SourceDefinition
from cxa_pipeline.sources.discover import Finding
from cxa_pipeline.sources.inforce import Content, by_name, full_delivery, wanted, without_copies
from cxa_pipeline.sources.resolve import Losers, Span, batch_paths, resolve_keys
from cxa_pipeline.sources.windows import window_spans
from cxa_pipeline.sources.work import Work


@dataclass(frozen=True)
class LandedMonth:
    """The rows of one month that stand; `input_hash` changes only if they may have changed."""

    relation: Relation
    input_hash: str
    rows: int


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


@dataclass(frozen=True)
class LandedDataset:
    """A data set as it stands.

    `months` has one entry for each local month, or the entry None for a data set without months; `rejected`
    are Parquet files of rejected rows, `batches` the manifests in use by key, `live` results it needs.
    """

    name: str
    columns: tuple[OutputColumn, ...]
    months: Mapping[date | None, LandedMonth]
    files: tuple[FileAccount, ...]
    rejected: tuple[Path, ...]
    batches: Mapping[str, Mapping[str, Any]]
    live: frozenset[Parts]

    @property
    def whole(self) -> LandedMonth:
        """All rows that stand, as one relation."""
        if not self.months:
            return LandedMonth(Relation((), columns=self.columns), "empty", 0)
        parts = list(self.months.values())
        merged = Relation(
            paths=tuple(path for part in parts for path in part.relation.paths),
            files=_merged_files(parts),
            without=tuple(dict.fromkeys(path for part in parts for path in part.relation.without)),
            columns=self.columns,
        )
        digest = _digest([[str(month), part.input_hash] for month, part in self.months.items()])
        return LandedMonth(merged, digest, sum(part.rows for part in parts))


def _merged_files(parts: Sequence[LandedMonth]) -> tuple[str, ...] | None:
    chosen = [part.relation.files for part in parts]
    if all(files is None for files in chosen):
        return None
    named = {file for part in parts for file in (part.relation.files or ())}
    return tuple(sorted(named))


def land_dataset(work: Work, dataset: str, force: frozenset[str]) -> LandedDataset:
    """Read what a data set needs and decide which of its rows stand."""
    contract = work.contract(dataset)
    sources = [source for source in work.sources.definitions.values() if dataset in source.fed]
    standing: list[Content] = []
    accounts: dict[int, str] = {}
    refused: dict[tuple[str, str], str] = {}
    spans: list[Span] = []
    while True:
        standing, copies, replaced = [], [], []
        for source in sources:
            in_force = _read_until_known(work, source, dataset, refused)
            originals, again = without_copies(in_force)
            copies += again
            if source.rules(dataset).delivery == "full":
                originals, old, ordered = full_delivery(originals)
                replaced += old
                if not ordered:
                    _warn_order(work, source, dataset)
            standing += originals
        standing.sort(key=lambda c: c.order)
        spans, emptied = window_spans(work, contract, standing, force)
        if not emptied:
            break
        refused |= emptied
    losers = resolve_keys(contract, standing, spans, work.lake, work.reader, work.engine_version)
    del accounts
    books = _Books(work, dataset, refused)
    files = books.accounts(sources, standing, copies, losers)
    return LandedDataset(
        name=dataset,
        columns=tuple(OutputColumn(c.name, c.type) for c in contract.columns),
        months=_months(contract, standing, losers),
        files=tuple(files),
        rejected=tuple(books.rejected),
        batches={parts[-1]: stored.manifest for parts, stored in books.batches.items()},
        live=frozenset({*books.batches, losers.parts}),
    )


def _read_until_known(
    work: Work, source: SourceDefinition, dataset: str, refused: Mapping[tuple[str, str], str]
) -> list[Content]:
    """The contents of a source in force, with their batches; what is not read yet is read."""
    names = by_name(work.landings, source, dataset)

    def state(landing: Landing) -> bool | None:
        kind = source.kind_of(landing.name)
        if kind is None or (landing.name, landing.sha256) in refused:
            return True
        if any(work.batch_of(landing, kind, name) is None for name in kind.feeds):
            return None
        return work.refusal(landing, kind) is not None

    while True:
        in_force, unread = wanted(names, state)
        if not unread:
            return [replace(c, batch=work.batch_of(c.landing, c.kind, dataset)) for c in in_force]
        work.read(unread)


def _warn_order(work: Work, source: SourceDefinition, dataset: str) -> None:
    what = f"Several full deliveries of {dataset} bear no date: which is the newest is not known"
    work.findings.append(Finding(source.name, what, "put the date into the file's name, or use one name"))


def _months(contract: Contract, standing: Sequence[Content], losers: Losers) -> dict[date | None, LandedMonth]:
    columns = tuple(OutputColumn(c.name, c.type) for c in contract.columns)
    by_month: dict[str, list[Content]] = {}
    for content in standing:
        for month in content.entry["months"]:
            by_month.setdefault(month, []).append(content)
    months: dict[date | None, LandedMonth] = {}
    for month in sorted(by_month):
        contents = by_month[month]
        paths, exact = batch_paths(contents, month)
        lost = losers.months.get(month, {})
        parts = sorted([c.landing.file_id, c.entry["months"][month]["hash"]] for c in contents)
        rows = sum(c.entry["months"][month]["rows"] for c in contents) - lost.get("rows", 0)
        if rows == 0:
            continue
        relation = Relation(
            paths=tuple(paths),
            files=None if exact else tuple(sorted(c.landing.file_id for c in contents)),
            without=(losers.path,) if lost and losers.path else (),
            columns=columns,
        )
        digest = _digest([contract.table, parts, lost.get("hash")])
        months[date.fromisoformat(month) if month else None] = LandedMonth(relation, digest, rows)
    return months


class _Books:
    """The accounts of a data set, landing by landing."""

    def __init__(self, work: Work, dataset: str, refused: Mapping[tuple[str, str], str]) -> None:
        self._work = work
        self._dataset = dataset
        self._refused = refused
        self.batches: dict[Parts, Any] = {}
        self.rejected: list[Path] = []

    def accounts(
        self,
        sources: Iterable[SourceDefinition],
        standing: Sequence[Content],
        copies: Sequence[Content],
        losers: Losers,
    ) -> list[FileAccount]:
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
        counts = Counter({n: entry.get(n, 0) for n in ("rows_read", "rows_accepted", "rows_rejected")})
        error = self._refused.get((landing.name, landing.sha256)) or self._work.refusal(landing, content.kind)
        if batch:
            self.batches[batch.parts] = batch
            if batch.manifest["rejected"] and batch.path / batch.manifest["rejected"] not in self.rejected:
                self.rejected.append(batch.path / batch.manifest["rejected"])
        accepted, rejected = counts["rows_accepted"], counts["rows_rejected"]
        duplicate = superseded = 0
        if lost is not None:
            duplicate, superseded = lost.get("duplicate", 0), lost.get("superseded", 0)
            status = "in_force"
        elif copy:
            duplicate, status = accepted, "in_force"
        elif error:
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


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]
