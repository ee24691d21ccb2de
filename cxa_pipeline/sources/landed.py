"""A data set as it stands: its rows by month as relations, and what became of every file's rows.

Here: putting `inforce` and `resolve` together for one data set. Not here: reading (`work`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.engine.protocol import OutputColumn, Relation
from cxa_pipeline.lake import Landing, Parts
from cxa_pipeline.sources.books import Books, FileAccount
from cxa_pipeline.sources.definition import SourceDefinition
from cxa_pipeline.sources.discover import Finding
from cxa_pipeline.sources.inforce import Content, by_name, full_delivery, wanted, without_copies
from cxa_pipeline.sources.reading import Reading
from cxa_pipeline.sources.resolve import Losers, Span, batch_paths, resolve_keys
from cxa_pipeline.sources.windows import window_spans
from cxa_pipeline.sources.work import Work

__all__ = ["FileAccount", "LandedDataset", "LandedMonth", "land_dataset"]


@dataclass(frozen=True)
class LandedMonth:
    """The rows of one month that stand; `input_hash` changes only if they may have changed."""

    relation: Relation
    input_hash: str
    rows: int


@dataclass(frozen=True)
class LandedDataset:
    """A data set as it stands.

    `months` has one entry for each local month, or the entry None for a data set without months; `rejected`
    are Parquet files of rejected rows, `batches` the manifests in use by key, `live` results it needs, `standing`
    the files whose rows stand.
    """

    name: str
    columns: tuple[OutputColumn, ...]
    months: Mapping[date | None, LandedMonth]
    files: tuple[FileAccount, ...]
    rejected: tuple[Path, ...]
    batches: Mapping[str, Mapping[str, Any]]
    live: frozenset[Parts]
    standing: tuple[str, ...]

    @property
    def whole(self) -> LandedMonth:
        """All rows that stand, as one relation."""
        if not self.months:
            return LandedMonth(Relation((), columns=self.columns), "empty", 0)
        parts = list(self.months.values())
        merged = Relation(
            paths=tuple(path for part in parts for path in part.relation.paths),
            files=None if all(part.relation.files is None for part in parts) else self.standing,
            without=tuple(dict.fromkeys(path for part in parts for path in part.relation.without)),
            columns=self.columns,
        )
        digest = _digest([[str(month), part.input_hash] for month, part in self.months.items()])
        return LandedMonth(merged, digest, sum(part.rows for part in parts))


def land_dataset(work: Work, dataset: str, force: frozenset[str]) -> LandedDataset:
    """Read what a data set needs and decide which of its rows stand."""
    contract = work.contract(dataset)
    sources = [source for source in work.sources.definitions.values() if dataset in source.fed]
    standing: list[Content] = []
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
    books = Books(work, dataset, refused)
    files = books.accounts(sources, standing, copies, losers)
    return LandedDataset(
        name=dataset,
        columns=tuple(OutputColumn(c.name, c.type) for c in contract.columns),
        months=_months(contract, standing, losers),
        files=tuple(files),
        rejected=tuple(books.rejected),
        batches={parts[-1]: stored.manifest for parts, stored in books.batches.items()},
        live=frozenset({*books.live, losers.parts}),
        standing=tuple(sorted(content.landing.file_id for content in standing)),
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
        Reading(work).read(unread)


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


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:32]
