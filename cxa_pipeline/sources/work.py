"""One ingest at work: what is shared between its data sets, and the reading of what was not read yet.

Here: definitions and their hashes, the index of finished batches, grouping files into batches, kept accounts.
Not here: what stands in the end (`landed`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any

from cxa_pipeline.contracts import Catalog, Contract
from cxa_pipeline.errors import ContractError, EngineError, SourceError
from cxa_pipeline.lake import Lake, Landing, Parts, Stored
from cxa_pipeline.sources.batch import BatchPlan, Limits, build_batch, given_columns
from cxa_pipeline.sources.definition import DATASETS, FileKind, SourceDefinition, Sources
from cxa_pipeline.sources.discover import Finding
from cxa_pipeline.sources.inforce import Content
from cxa_pipeline.sources.mapping import Mapping, load_mapping
from cxa_pipeline.sources.read import Readable, prepare
from cxa_pipeline.sources.reader import Reader

INGEST_VERSION = 1
BATCH_BYTES = 2 << 30
BATCH_FILES = 200


@dataclass
class Work:
    """The state of one ingest; see `ingest`."""

    lake: Lake
    reader: Reader
    engine_version: str
    sources: Sources
    catalog: Catalog
    zone: str
    limits: Limits
    landings: Sequence[Landing]
    progress: Callable[[str, int, int], None] | None = None
    findings: list[Finding] = field(default_factory=list)
    batches_read: int = 0
    _mappings: dict[tuple[str, str], Mapping] = field(default_factory=dict)
    _definitions: dict[tuple[str, str, tuple[str, ...]], str] = field(default_factory=dict)
    _readable: dict[tuple[str, str], Readable | SourceError] = field(default_factory=dict)
    _index: dict[str, dict[tuple[str, str], Stored]] = field(default_factory=dict)

    def contract(self, dataset: str) -> Contract:
        """The landed contract of a data set."""
        return self.catalog[f"landed.{dataset}"]

    def source_zone(self, source: SourceDefinition) -> str:
        """The zone of a source's naive times."""
        return source.timezone or self.zone

    def mapping(self, source: SourceDefinition, dataset: str) -> Mapping:
        """The mapping of a source to a data set."""
        key = (source.name, dataset)
        if key not in self._mappings:
            path = source.mapping_path(dataset)
            self._mappings[key] = load_mapping(path, given_columns(self.contract(dataset)))
        return self._mappings[key]

    def definition(self, source: SourceDefinition, kind: FileKind, dataset: str) -> str:
        """The hash of everything but the bytes that decides what a batch holds."""
        key = (source.name, dataset, kind.patterns)
        if key not in self._definitions:
            contract = self.contract(dataset)
            made_of = [
                INGEST_VERSION,
                self.engine_version,
                source.name,
                [self.source_zone(source), self.zone, source.id_prefix, source.currency],
                [source.prices_include_tax, source.tax_rate],
                kind.model_dump(mode="json", exclude={"patterns", "date_in_name"}),
                source.rules(dataset).model_dump(mode="json", exclude={"delivery"}),
                self.sources.values.model_dump(mode="json"),
                self.mapping(source, dataset).fingerprint,
                [[c.name, c.type, c.required, c.max_length] for c in contract.columns],
                [[r.name, r.sql] for r in contract.rules if r.kind == "reject"],
                [self.limits.share, self.limits.rows],
            ]
            text = json.dumps(made_of, sort_keys=True)
            self._definitions[key] = hashlib.sha256(text.encode()).hexdigest()[:32]
        return self._definitions[key]

    # finished batches

    def batch_of(self, landing: Landing, kind: FileKind, dataset: str) -> Stored | None:
        """The finished batch with a content, under the definition in force."""
        if dataset not in self._index:
            index = self._index[dataset] = {}
            for stored in self.lake.results("landed", dataset):
                self._remember(index, stored)
        definition = self.definition(self.sources[landing.source], kind, dataset)
        return self._index[dataset].get((definition, landing.file_id))

    @staticmethod
    def _remember(index: dict[tuple[str, str], Stored], stored: Stored) -> None:
        for file_id in stored.manifest["files"]:
            index[(stored.manifest["definition"], file_id)] = stored

    def refusal(self, landing: Landing, kind: FileKind) -> str | None:
        """Why a content is refused: by any of the data sets that it feeds."""
        for dataset in kind.feeds:
            batch = self.batch_of(landing, kind, dataset)
            if batch and (reason := batch.manifest["files"][landing.file_id]["refused"]):
                return str(reason)
        return None

    def read(self, contents: Sequence[Content]) -> None:
        """Read contents for every data set that they feed, in as few batches as size and columns allow."""
        for source_name in dict.fromkeys(c.landing.source for c in contents):
            source = self.sources[source_name]
            mine = list({c.landing.sha256: c for c in contents if c.landing.source == source_name}.values())
            done = 0
            for chunk in _chunks(mine):
                for dataset in DATASETS:
                    todo = [
                        c for c in chunk if dataset in c.kind.feeds and not self.batch_of(c.landing, c.kind, dataset)
                    ]
                    if todo and self.progress:
                        self.progress(f"{source_name}/{dataset}", done, len(mine))
                    self._read_dataset(source, dataset, todo)
                done += len(chunk)
                self._readable.clear()
                shutil.rmtree(self.reader.files, ignore_errors=True)

    def _read_dataset(self, source: SourceDefinition, dataset: str, contents: Sequence[Content]) -> None:
        groups: dict[Any, list[tuple[Content, Readable | None]]] = {}
        for content in contents:
            outcome = self._prepare(content)
            readable = outcome if isinstance(outcome, Readable) else None
            key = (content.kind.patterns, readable and readable.columns, self.arrival(content.landing))
            groups.setdefault(key, []).append((content, readable))
        for (_, columns, arrival), members in groups.items():
            self._read_batch(source, members[0][0].kind, dataset, arrival, members, readable=columns is not None)

    def _prepare(self, content: Content, careful: bool = False) -> Readable | SourceError:
        landing = content.landing
        key = (landing.source, landing.sha256)
        if key not in self._readable or careful:
            folder = self.reader.files / landing.file_id
            raw = self.lake.raw_path(landing.sha256)
            try:
                self._readable[key] = prepare(
                    raw, landing.file_id, landing.name, content.kind, folder, self.reader.connection, careful
                )
            except SourceError as error:
                self._readable[key] = error
        return self._readable[key]

    def arrival(self, landing: Landing) -> date:
        """The day on which a content first arrived."""
        return self._arrivals[landing.sha256]

    @cached_property
    def _arrivals(self) -> dict[str, date]:
        first: dict[str, str] = {}
        for landing in self.landings:
            first[landing.sha256] = min(landing.landed_at, first.get(landing.sha256, landing.landed_at))
        return {sha256: datetime.fromisoformat(at).date() for sha256, at in first.items()}

    def _read_batch(
        self,
        source: SourceDefinition,
        kind: FileKind,
        dataset: str,
        arrival: date,
        members: Sequence[tuple[Content, Readable | None]],
        readable: bool,
    ) -> None:
        definition = self.definition(source, kind, dataset)
        hashes = sorted(content.landing.sha256 for content, _ in members)
        key = hashlib.sha256(json.dumps([definition, str(arrival), hashes]).encode()).hexdigest()[:32]
        parts = ("landed", dataset, key)
        if not readable:
            stored = self._unreadable(parts, source, dataset, definition, members)
        else:
            plan = BatchPlan(
                source=source,
                kind=kind,
                contract=self.contract(dataset),
                values=self.sources.values,
                mapping=self.mapping(source, dataset),
                files=tuple(file for _, file in members if file is not None),
                zone=self.source_zone(source),
                home_zone=self.zone,
                arrival=arrival,
                definition=definition,
                limits=self.limits,
            )
            stored = self._build(plan, parts, [content for content, _ in members])
        self.batches_read += 1
        self._remember(self._index[dataset], stored)
        for content, _ in members:
            entry = stored.manifest["files"][content.landing.file_id]
            names = ("rows_read", "rows_accepted", "rows_rejected", "refused", "first_at", "last_at")
            self.accounts[f"{source.name}|{dataset}|{content.landing.file_id}"] = {n: entry[n] for n in names}

    def _build(self, plan: BatchPlan, parts: Parts, contents: Sequence[Content]) -> Stored:
        """Build a batch; if a file that looked clean is not, once more with every file looked at closely."""
        try:
            return build_batch(plan, parts, self.lake, self.reader)
        except (EngineError, ContractError):
            if all(file.checked for file in plan.files):
                raise
        files = [self._prepare(content, careful=True) for content in contents]
        plan = replace(plan, files=tuple(file for file in files if isinstance(file, Readable)))
        return build_batch(plan, parts, self.lake, self.reader)

    def _unreadable(
        self,
        parts: Parts,
        source: SourceDefinition,
        dataset: str,
        definition: str,
        members: Sequence[tuple[Content, Readable | None]],
    ) -> Stored:
        files = {}
        for content, _ in members:
            error = self._prepare(content)
            seen = f": {'; '.join(error.evidence)}" if isinstance(error, SourceError) and error.evidence else ""
            what = error.what if isinstance(error, SourceError) else ""
            files[content.landing.file_id] = {
                "rows_read": 0, "rows_accepted": 0, "rows_rejected": 0, "reasons": {}, "months": {},
                "first_at": None, "last_at": None, "unknown": [], "missing": [], "refused": f"{what}{seen}",
                "advice": error.advice if isinstance(error, SourceError) else None,
            }  # fmt: skip
        manifest = {
            "dataset": dataset, "source": source.name, "definition": definition, "derived": False,
            "mixed": False, "files": files, "paths": {}, "rejected": None,
        }  # fmt: skip
        return self.lake.finish(parts, self.lake.begin(parts), manifest)

    # accounts of contents that no longer stand

    @cached_property
    def accounts(self) -> dict[str, dict[str, Any]]:
        """The last known counts of every content: `source|dataset|file_id`."""
        fact = self.lake.fact("accounts")
        return dict(fact["files"]) if fact else {}

    def save_accounts(self) -> None:
        """Keep the counts for later runs."""
        if self.batches_read:
            self.lake.set_fact("accounts", {"files": self.accounts})


def _chunks(contents: Sequence[Content]) -> list[list[Content]]:
    """Contents in their order, in pieces of bounded size."""
    chunks: list[list[Content]] = []
    size = BATCH_BYTES
    for content in contents:
        if not chunks or size + content.landing.size > BATCH_BYTES or len(chunks[-1]) >= BATCH_FILES:
            chunks.append([])
            size = 0
        chunks[-1].append(content)
        size += content.landing.size
    return chunks
