"""One ingest at work: what its data sets share.

Here: definitions and their hashes, the index of finished batches, kept accounts. Not here: reading what was not
read yet (`reading`), what stands in the end (`landed`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any

from cxa_pipeline.contracts import Catalog, Contract
from cxa_pipeline.lake import Lake, Landing, Stored
from cxa_pipeline.sources.batch import Limits, given_columns
from cxa_pipeline.sources.definition import FileKind, SourceDefinition, Sources
from cxa_pipeline.sources.discover import Finding
from cxa_pipeline.sources.mapping import Mapping, load_mapping
from cxa_pipeline.sources.reader import Reader

INGEST_VERSION = 1
COUNTS = ("rows_read", "rows_accepted", "rows_rejected", "refused", "first_at", "last_at")


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
                _remember(index, stored)
        definition = self.definition(self.sources[landing.source], kind, dataset)
        return self._index[dataset].get((definition, landing.file_id))

    def finished(self, source: str, dataset: str, stored: Stored) -> None:
        """Remember a batch that was built just now, and the counts of its files."""
        self.batches_read += 1
        _remember(self._index[dataset], stored)
        for file_id, entry in stored.manifest["files"].items():
            self.accounts[f"{source}|{dataset}|{file_id}"] = {name: entry[name] for name in COUNTS}

    def refusal(self, landing: Landing, kind: FileKind) -> str | None:
        """Why a content is refused: by any of the data sets that it feeds."""
        for dataset in kind.feeds:
            batch = self.batch_of(landing, kind, dataset)
            if batch and (reason := batch.manifest["files"][landing.file_id]["refused"]):
                return str(reason)
        return None

    def arrival(self, landing: Landing) -> date:
        """The day on which a content first arrived."""
        return self._arrivals[landing.sha256]

    @cached_property
    def _arrivals(self) -> dict[str, date]:
        first: dict[str, str] = {}
        for landing in self.landings:
            first[landing.sha256] = min(landing.landed_at, first.get(landing.sha256, landing.landed_at))
        return {sha256: datetime.fromisoformat(at).date() for sha256, at in first.items()}

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


def _remember(index: dict[tuple[str, str], Stored], stored: Stored) -> None:
    for file_id in stored.manifest["files"]:
        index[(stored.manifest["definition"], file_id)] = stored
