"""Read what was not read yet: contents into as few batches as their size and columns allow.

Here: grouping files, and what happens to those that cannot be read. Not here: one batch (`batch`), one file (`read`).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from cxa_pipeline.errors import ContractError, EngineError, SourceError
from cxa_pipeline.lake import Parts, Stored
from cxa_pipeline.sources.batch import BatchPlan, build_batch
from cxa_pipeline.sources.definition import DATASETS, FileKind, SourceDefinition
from cxa_pipeline.sources.inforce import Content
from cxa_pipeline.sources.read import Readable, prepare
from cxa_pipeline.sources.work import Work

BATCH_BYTES = 2 << 30
BATCH_FILES = 200


class Reading:
    """Reads contents for one ingest."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._readable: dict[tuple[str, str], Readable | SourceError] = {}

    def read(self, contents: Sequence[Content]) -> None:
        """Read contents for every data set that they feed, in as few batches as size and columns allow."""
        for source_name in dict.fromkeys(c.landing.source for c in contents):
            source = self._work.sources[source_name]
            mine = list({c.landing.sha256: c for c in contents if c.landing.source == source_name}.values())
            done = 0
            for chunk in _chunks(mine):
                for dataset in DATASETS:
                    todo = [
                        c
                        for c in chunk
                        if dataset in c.kind.feeds and not self._work.batch_of(c.landing, c.kind, dataset)
                    ]
                    if todo and self._work.progress:
                        self._work.progress(f"{source_name}/{dataset}", done, len(mine))
                    self._read_dataset(source, dataset, todo)
                done += len(chunk)
                self._readable.clear()
                shutil.rmtree(self._work.reader.files, ignore_errors=True)

    def _read_dataset(self, source: SourceDefinition, dataset: str, contents: Sequence[Content]) -> None:
        groups: dict[Any, list[tuple[Content, Readable | None]]] = {}
        for content in contents:
            outcome = self._prepare(content)
            readable = outcome if isinstance(outcome, Readable) else None
            key = (content.kind.patterns, readable and readable.columns, self._work.arrival(content.landing))
            groups.setdefault(key, []).append((content, readable))
        for (_, columns, arrival), members in groups.items():
            self._read_batch(source, members[0][0].kind, dataset, arrival, members, readable=columns is not None)

    def _prepare(self, content: Content, careful: bool = False) -> Readable | SourceError:
        landing = content.landing
        key = (landing.source, landing.sha256)
        if key not in self._readable or careful:
            folder = self._work.reader.files / landing.file_id
            raw = self._work.lake.raw_path(landing.sha256)
            try:
                self._readable[key] = prepare(
                    raw, landing.file_id, landing.name, content.kind, folder, self._work.reader.connection, careful
                )
            except SourceError as error:
                self._readable[key] = error
        return self._readable[key]

    def _read_batch(
        self,
        source: SourceDefinition,
        kind: FileKind,
        dataset: str,
        arrival: date,
        members: Sequence[tuple[Content, Readable | None]],
        readable: bool,
    ) -> None:
        definition = self._work.definition(source, kind, dataset)
        hashes = sorted(content.landing.sha256 for content, _ in members)
        key = hashlib.sha256(json.dumps([definition, str(arrival), hashes]).encode()).hexdigest()[:32]
        parts = ("landed", dataset, key)
        if not readable:
            stored = self._unreadable(parts, source, dataset, definition, members)
        else:
            plan = BatchPlan(
                source=source,
                kind=kind,
                contract=self._work.contract(dataset),
                values=self._work.sources.values,
                mapping=self._work.mapping(source, dataset),
                files=tuple(file for _, file in members if file is not None),
                zone=self._work.source_zone(source),
                home_zone=self._work.zone,
                arrival=arrival,
                definition=definition,
                limits=self._work.limits,
            )
            stored = self._build(plan, parts, [content for content, _ in members])
        self._work.finished(source.name, dataset, stored)

    def _build(self, plan: BatchPlan, parts: Parts, contents: Sequence[Content]) -> Stored:
        """Build a batch; if a file that looked clean is not, once more with every file looked at closely."""
        try:
            return build_batch(plan, parts, self._work.lake, self._work.reader)
        except (EngineError, ContractError):
            if all(file.checked for file in plan.files):
                raise
        files = [self._prepare(content, careful=True) for content in contents]
        if broken := next((file for file in files if isinstance(file, SourceError)), None):
            raise broken
        plan = replace(plan, files=tuple(file for file in files if isinstance(file, Readable)))
        return build_batch(plan, parts, self._work.lake, self._work.reader)

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
        return self._work.lake.finish(parts, self._work.lake.begin(parts), manifest)


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
