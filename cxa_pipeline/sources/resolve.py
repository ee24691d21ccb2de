"""Which of several rows with one key stands, and which rows a newer file has replaced.

Here: keys across files and months, spans of `window` deliveries; the result is a small Parquet file of rows that
do not stand, named by what it was made from. Not here: names and whole files (`inforce`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.lake import Lake, Parts, Stored
from cxa_pipeline.sources.inforce import Content
from cxa_pipeline.sources.reader import Reader
from cxa_pipeline.sources.sql import path_list, text_

RESOLVE_VERSION = 1
DUPLICATE, SUPERSEDED = "duplicate", "superseded"


@dataclass(frozen=True)
class Span:
    """Days that a file of a `window` delivery replaces in the older files of its source."""

    file_id: str
    rank: int
    source: str
    column: str
    first: str
    last: str


@dataclass(frozen=True)
class Losers:
    """Rows that do not stand: their Parquet file, and how many and which by month and by file.

    `months` maps a month ("" for dimensions) to rows and a hash of them, `files` a file to its rows by reason.
    """

    parts: Parts
    path: Path | None
    months: Mapping[str, Mapping[str, Any]]
    files: Mapping[str, Mapping[str, int]]


def resolve_keys(
    contract: Contract, contents: Sequence[Content], spans: Sequence[Span], lake: Lake, reader: Reader, version: str
) -> Losers:
    """Decide between the rows of the contents in force.

    Args:
        contract: The landed contract: its primary key is the key.
        contents: Each content once; the order of files follows from them, that of landing does not count.
        spans: What files of a `window` delivery replace.
        lake: Where the result is kept.
        reader: The connection.
        version: The engine's version, part of the result's key.
    """
    ordered = sorted(contents, key=lambda c: c.order)
    parts = ("resolved", contract.table, _key(contract, ordered, spans, version))
    stored = lake.find(parts) or _Resolution(contract, ordered, spans, lake, reader).build(parts)
    name = stored.manifest["losers"]
    return Losers(parts, stored.path / name if name else None, stored.manifest["months"], stored.manifest["files"])


def _key(contract: Contract, ordered: Sequence[Content], spans: Sequence[Span], version: str) -> str:
    made_of = [
        RESOLVE_VERSION,
        version,
        contract.primary_key,
        [[c.landing.source, c.landing.sha256, c.batch.parts[-1] if c.batch else ""] for c in ordered],
        [list(vars(span).values()) for span in spans],
    ]
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:32]


class _Resolution:
    def __init__(
        self,
        contract: Contract,
        ordered: Sequence[Content],
        spans: Sequence[Span],
        lake: Lake,
        reader: Reader,
    ) -> None:
        self._contract = contract
        self._ordered = ordered
        self._spans = spans
        self._lake = lake
        self._reader = reader
        self._where = contract.key
        self._month = f"{contract.month}::varchar" if contract.month else "''"

    def build(self, parts: Parts) -> Stored:
        folder = self._lake.begin(parts)
        try:
            self._rows_view()
            self._run(
                "create or replace table landing.losers (file_id varchar, line bigint, month varchar, why varchar)"
            )
            if self._spans:
                self._replaced()
            if self._ordered:
                self._conflicts()
            manifest = self._write(folder)
            return self._lake.finish(parts, folder, manifest)
        except BaseException:
            self._lake.abandon(folder)
            raise

    def _run(self, sql: str) -> None:
        self._reader.run(sql, self._where)

    def _rows_view(self) -> None:
        paths, exact = batch_paths(self._ordered)
        source = f"select * from read_parquet({path_list(paths)})" if paths else "select null where false"
        if paths and not exact:
            files = ", ".join(text_(content.landing.file_id) for content in self._ordered)
            source += f" where file_id in ({files})"
        self._run(f"create or replace view landing.standing as {source}")
        ranks = ", ".join(f"({text_(c.landing.file_id)}, {rank})" for rank, c in enumerate(self._ordered))
        self._run("create or replace table landing.ranks (file_id varchar, rank bigint)")
        if ranks:
            self._run(f"insert into landing.ranks values {ranks}")

    def _replaced(self) -> None:
        for span in self._spans:
            self._run(
                f"insert into landing.losers select r.file_id, r.line, {self._month}, {text_(SUPERSEDED)} "
                f"from landing.standing r join landing.ranks k on k.file_id = r.file_id "
                f"anti join landing.losers l on l.file_id = r.file_id and l.line = r.line "
                f"where k.rank < {span.rank} and r.source_id = {text_(span.source)} "
                f"and r.{span.column} between date {text_(span.first)} and date {text_(span.last)}"
            )

    def _conflicts(self) -> None:
        key = ", ".join(f"r.{name}" for name in self._contract.primary_key)
        standing = "landing.standing r"
        if self._spans:
            standing += " anti join landing.losers l on l.file_id = r.file_id and l.line = r.line"
        if not batch_paths(self._ordered)[0]:
            return
        self._run(
            f"create or replace table landing.twice as select hash({key}) as k from {standing} "
            "group by 1 having count(*) > 1"
        )
        if not self._reader.rows("select 1 from landing.twice limit 1", self._where):
            return
        self._run(
            f"insert into landing.losers with candidates as (select {key}, r.file_id, r.line, r.row_hash, "
            f"{self._month} as month, r.updated_at, n.rank from {standing} "
            f"semi join landing.twice t on t.k = hash({key}) join landing.ranks n on n.file_id = r.file_id), "
            f"placed as (select r.*, row_number() over w as place, first_value(r.row_hash) over w as winner "
            f"from candidates r window w as (partition by {key} "
            f"order by r.updated_at desc nulls last, r.rank desc, r.line desc)) "
            f"select file_id, line, month, case when row_hash = winner then {text_(DUPLICATE)} "
            f"else {text_(SUPERSEDED)} end from placed where place > 1"
        )

    def _write(self, folder: Path) -> dict[str, Any]:
        months = self._reader.rows(
            "select month, count(*), sum(hash(file_id, line))::varchar from landing.losers group by 1 order by 1",
            self._where,
        )
        files: dict[str, dict[str, int]] = {}
        for file_id, why, rows in self._reader.rows(
            "select file_id, why, count(*) from landing.losers group by 1, 2 order by 1, 2", self._where
        ):
            files.setdefault(file_id, {})[why] = rows
        if months:
            self._run(
                "copy (select file_id, line from landing.losers order by file_id, line) to "
                f"{text_(str(folder / 'losers.parquet'))} (format parquet, compression zstd)"
            )
        return {
            "losers": "losers.parquet" if months else None,
            "months": {month: {"rows": rows, "hash": f"{rows}-{digest}"} for month, rows, digest in months},
            "files": files,
        }


def batch_paths(contents: Collection[Content], month: str | None = None) -> tuple[list[Path], bool]:
    """The Parquet files that hold accepted rows of these contents, and whether they hold no others.

    Args:
        contents: Contents with their batches.
        month: Only files of this month; None means all.
    """
    wanted = {content.landing.file_id for content in contents}
    batches = {content.batch.path: content.batch for content in contents if content.batch}
    paths, exact = [], True
    for folder in sorted(batches):
        manifest = batches[folder].manifest
        for part, names in manifest["paths"].items():
            holders = {file_id for file_id, entry in manifest["files"].items() if part in entry["months"]}
            if (month is None or part == month) and holders & wanted:
                paths += [folder / name for name in names]
                exact = exact and not manifest["mixed"] and holders <= wanted
    return paths, exact
