"""One batch: files of one source and data set with equal columns, read in one query into Parquet.

Here: the query, its result in the lake, and the manifest that accounts for every row. Not here: which files need
reading (`ingest`), what another file says about the same keys (`resolve`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.errors import ContractError
from cxa_pipeline.lake import Lake, Parts, Stored
from cxa_pipeline.sources.cast import Cast, build_cast, canonical_columns
from cxa_pipeline.sources.definition import FileKind, SourceDefinition, Values
from cxa_pipeline.sources.mapping import Mapping as FileMapping
from cxa_pipeline.sources.query import NOWHERE, batch_query
from cxa_pipeline.sources.read import Readable, relation_sql
from cxa_pipeline.sources.reader import Reader
from cxa_pipeline.sources.rejects import write_rejected
from cxa_pipeline.sources.sql import path_list, text_


@dataclass(frozen=True)
class Limits:
    """When a file is refused as a whole: more than `share` of its rows rejected, and at least `rows`."""

    share: float = 0.05
    rows: int = 10

    def refuses(self, read: int, rejected: int) -> bool:
        """Whether so many rejected rows are too many."""
        return rejected >= self.rows and rejected > self.share * read


@dataclass(frozen=True)
class BatchPlan:
    """What a batch is made from.

    `files` have equal columns; `zone` is that of naive times, `home_zone` that of local days; `arrival` the
    day on which the files arrived; `definition` the hash of all that decides how they are read.
    """

    source: SourceDefinition
    kind: FileKind
    contract: Contract
    values: Values
    mapping: FileMapping
    files: tuple[Readable, ...]
    zone: str
    home_zone: str
    arrival: date
    definition: str
    limits: Limits

    @property
    def derived(self) -> bool:
        """Whether the data set has rows of its own rather than one for each line of the file."""
        return self.kind.feeds[0] != self.contract.table


def build_batch(plan: BatchPlan, parts: Parts, lake: Lake, reader: Reader) -> Stored:
    """Read, map, type and check the files, and store the batch.

    Raises:
        ContractError: the mapping loses or multiplies rows.
        DialectError: the mapping leaves the checked subset.
        LakeError: the lake cannot be written.
    """
    folder = lake.begin(parts)
    try:
        manifest = _Build(plan, folder, reader).run()
        return lake.finish(parts, folder, manifest)
    except BaseException:
        lake.abandon(folder)
        raise


class _Build:
    def __init__(self, plan: BatchPlan, folder: Path, reader: Reader) -> None:
        self._plan = plan
        self._folder = folder
        self._reader = reader
        self._where = str(plan.mapping.path)
        self._latest = plan.arrival + timedelta(days=1)
        self._cast: Cast = build_cast(
            plan.contract,
            plan.source,
            plan.kind,
            plan.values,
            plan.mapping.gives,
            self._latest,
            any(file.odd_spaces for file in plan.files),
        )

    def run(self) -> dict[str, Any]:
        plan = self._plan
        columns = sorted({*plan.files[0].columns, *plan.mapping.reads})
        self._reader.run(f"create or replace view landing.batch as {relation_sql(plan.files, columns)}", self._where)
        mapped = plan.mapping.duckdb("landing.batch", columns)
        if not plan.mapping.by_row:
            self._reader.run(f"create or replace table landing.mapped as {mapped}", self._where)
            mapped = "select * from landing.mapped"
        built = self._folder / "built"
        self._reader.run(
            f"copy ({batch_query(plan, self._cast, mapped, self._latest, self._reader)}) to {text_(str(built))} "
            # Dictionaries pay for words, not for ids; the small limit makes DuckDB give up early on the latter.
            "(format parquet, compression snappy, string_dictionary_page_size_limit 20000, partition_by (part))",
            self._where,
        )
        paths = self._move(built)
        files = self._account(paths)
        bad = self._bad(built)
        accepted = {file_id: entry["rows_accepted"] for file_id, entry in files.items()}
        target = self._folder / "rejected.parquet"
        counts, refused = write_rejected(plan, self._cast, mapped, bad, accepted, target, self._reader)
        self._reader.run("drop view landing.batch; drop table if exists landing.mapped", self._where)
        _remove_tree(built)
        return self._manifest(files, paths, counts, refused)

    def _move(self, built: Path) -> dict[str, list[str]]:
        """The accepted rows' files, out of the partitions' folders: month (or "") to names."""
        paths: dict[str, list[str]] = {}
        for path in sorted(built.rglob("*.parquet")):
            part = path.parent.name.removeprefix("part=")
            if self._code(part) == 0:
                names = paths.setdefault(part if self._cast.moment else "", [])
                name = f"{part[:7] if self._cast.moment else 'rows'}-{len(names)}.parquet"
                path.rename(self._folder / name)
                names.append(name)
        return paths

    def _bad(self, built: Path) -> dict[int, list[Path]]:
        """The rejected rows' files by the number of the rule that was broken."""
        bad: dict[int, list[Path]] = {}
        for path in sorted(built.rglob("*.parquet")):
            bad.setdefault(self._code(path.parent.name.removeprefix("part=")), []).append(path)
        return bad

    def _code(self, part: str) -> int:
        """The number of the broken rule that a partition's name says; 0 for accepted rows."""
        if not self._cast.moment:
            return int(part)
        day = date.fromisoformat(part)
        return (day - NOWHERE).days if day.year == NOWHERE.year else 0

    def _account(self, paths: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
        """What was accepted, by file: rows and hash of each month, first and last moment."""
        files: dict[str, dict[str, Any]] = {
            file.file_id: {"rows_accepted": 0, "first_at": None, "last_at": None, "months": {}}
            for file in self._plan.files
        }
        every = [str(self._folder / name) for names in paths.values() for name in names]
        if not every:
            return files
        moment = self._cast.moment or "updated_at"
        month = f"{moment.removesuffix('_at')}_month::varchar" if self._cast.moment else "''"
        found = self._reader.rows(
            f"select file_id, {month} as month, count(*), sum(hash(row_hash, file_id, line))::varchar, "
            f"min({moment})::timestamp, max({moment})::timestamp "
            f"from read_parquet({path_list(every)}) group by 1, 2 order by 1, 2",
            self._where,
        )
        for file_id, month, rows, digest, first, last in found:
            entry = files[file_id]
            entry["rows_accepted"] += rows
            entry["months"][month] = {"rows": rows, "hash": f"{rows}-{digest}"}
            for key, value, better in (("first_at", first, min), ("last_at", last, max)):
                if value is not None:
                    text = value.isoformat()
                    entry[key] = text if entry[key] is None else better(entry[key], text)
        return files

    def _manifest(
        self,
        files: dict[str, dict[str, Any]],
        paths: dict[str, list[str]],
        counts: Mapping[str, Counter[str]],
        refused: Mapping[str, str],
    ) -> dict[str, Any]:
        plan = self._plan
        known = plan.mapping.reads
        mixed = any(entry["rows_accepted"] for file_id, entry in files.items() if file_id in refused)
        for file in plan.files:
            entry = files[file.file_id]
            if file.file_id in refused:
                entry |= {"rows_accepted": 0, "months": {}}
            reasons = counts.get(file.file_id, Counter())
            rejected = sum(reasons.values())
            read = entry["rows_accepted"] + rejected
            if not plan.derived and read != file.rows_read:
                raise ContractError(
                    "The mapping does not give one row for each row of the file",
                    where=self._where,
                    evidence=f"{file.rows_read} rows in, {read} out",
                    advice="select every row of `file` once; leave the choice of rows to rules and to core",
                )
            entry |= {"rows_read": read, "rows_rejected": rejected, "reasons": dict(sorted(reasons.items()))}
            entry["refused"] = refused.get(file.file_id)
            entry["unknown"] = sorted(set(file.columns) - known)
            entry["missing"] = sorted(known - set(file.columns))
        return {
            "dataset": plan.contract.table,
            "source": plan.source.name,
            "definition": plan.definition,
            "derived": plan.derived,
            "mixed": mixed,
            "files": files,
            "paths": paths,
            "rejected": "rejected.parquet" if any(counts.values()) else None,
        }


def _remove_tree(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def given_columns(contract: Contract) -> Sequence[str]:
    """The columns that a mapping of this data set may give."""
    return [column.name for column in canonical_columns(contract)]
