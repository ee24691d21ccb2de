"""Rejected rows: each once, with the first rule it broke, its column, its value and how it stood in the file.

Here: writing them for a batch. Not here: deciding which rules there are (`cast`) or which files are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cxa_pipeline.lake import Lake, Stored
from cxa_pipeline.sources.cast import Cast
from cxa_pipeline.sources.reader import Reader
from cxa_pipeline.sources.reasons import MALFORMED, REFUSED
from cxa_pipeline.sources.sql import name_, path_list, text_

if TYPE_CHECKING:
    from cxa_pipeline.sources.batch import BatchPlan

COLUMNS = (
    ("file_id", "varchar"),
    ("dataset", "varchar"),
    ("line", "bigint"),
    ("reason", "varchar"),
    ("column_name", "varchar"),
    ("value", "varchar"),
    ("raw_json", "varchar"),
)
_SHOWN = 2000


def write_rejected(
    plan: BatchPlan,
    cast: Cast,
    mapped: str,
    bad: Mapping[int, Sequence[Path]],
    accepted: Mapping[str, int],
    target: Path,
    reader: Reader,
) -> tuple[dict[str, Counter[str]], dict[str, str]]:
    """Write the rejected rows of a batch; how many for which reason, by file, and why files are refused.

    Args:
        plan: The batch; `landing.batch` still gives the rows of its files.
        cast: The rules.
        mapped: The mapping as DuckDB runs it.
        bad: Parquet files with the rejected rows, by the number of the broken rule.
        accepted: Rows that broke no rule, by file.
        target: Where to write; no file is written if nothing was rejected.
        reader: The connection.
    """
    where = str(plan.mapping.path)
    reader.run(f"create or replace table landing.rejected ({_definition()})", where)
    if bad:
        reader.run(f"insert into landing.rejected {_broken(plan, cast, mapped, bad)}", where)
    if not plan.derived:
        _insert_malformed(plan, reader)
    counts = _counts(reader, where)
    refused = {}
    for file_id, reasons in counts.items():
        rejected = sum(reasons.values())
        read = accepted.get(file_id, 0) + rejected
        if plan.limits.refuses(read, rejected):
            worst = ", ".join(f"{reason} {rows}" for reason, rows in reasons.most_common(3))
            refused[file_id] = f"{rejected} of {read} rows were rejected ({worst})"
    if refused:
        reader.run(f"insert into landing.rejected {_rest(plan, mapped, refused)}", where)
        counts = _counts(reader, where)
    if counts:
        reader.run(
            f"copy (select * from landing.rejected order by file_id, line) to {text_(str(target))} "
            "(format parquet, compression zstd)",
            where,
        )
    reader.run("drop table landing.rejected", where)
    return counts, refused


def _counts(reader: Reader, where: str) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for file_id, reason, rows in reader.rows(
        "select file_id, reason, count(*) from landing.rejected group by 1, 2 order by 1, 2", where
    ):
        counts.setdefault(file_id, Counter())[reason] = rows
    return counts


def _rest(plan: BatchPlan, mapped: str, refused: Iterable[str]) -> str:
    """The rows of refused files that broke no rule themselves."""
    files = ", ".join(text_(file_id) for file_id in refused)
    return (
        f"select f.file_id, {text_(plan.contract.table)}, f.line, {text_(REFUSED)}, null, null, {raw_json(plan)} "
        f"from landing.batch f semi join (select file_id, line from ({mapped})) m "
        f"on m.file_id = f.file_id and m.line = f.line "
        f"anti join landing.rejected r on r.file_id = f.file_id and r.line = f.line "
        f"where f.file_id in ({files})"
    )


def write_refused(batch: Stored, file_id: str, columns: Sequence[str], lake: Lake, reader: Reader) -> Stored:
    """Good rows of a file that is refused for another reason than its rows, as rejected rows; a result of the lake.

    Args:
        batch: The batch that holds the file.
        file_id: The file.
        columns: The columns to show, as typed.
        lake: Where the result is kept.
        reader: The connection.
    """
    dataset = str(batch.manifest["dataset"])
    parts = ("resolved", dataset, f"refused-{file_id}-{batch.parts[-1][:16]}")
    if found := lake.find(parts):
        return found
    months = batch.manifest["files"][file_id]["months"]
    paths = [batch.path / name for month in months for name in batch.manifest["paths"][month]]
    shown = ", ".join(f"{text_(column)}, {name_(column)}::varchar" for column in columns)
    folder = lake.begin(parts)
    reader.run(
        f"copy (select file_id, {text_(dataset)} as dataset, line, {text_(REFUSED)} as reason, "
        f"null::varchar as column_name, null::varchar as value, json_object({shown})::varchar as raw_json "
        f"from read_parquet({path_list(paths)}) where file_id = {text_(file_id)} order by line) "
        f"to {text_(str(folder / 'rejected.parquet'))} (format parquet, compression zstd)",
        f"landed.{dataset}",
    )
    return lake.finish(parts, folder, {"rejected": "rejected.parquet"})


def _definition() -> str:
    return ", ".join(f"{name} {kind}" for name, kind in COLUMNS)


def _broken(plan: BatchPlan, cast: Cast, mapped: str, bad: Mapping[int, Sequence[Path]]) -> str:
    reasons = " ".join(f"when {check.code} then {text_(check.reason)}" for check in cast.checks)
    columns = " ".join(f"when {check.code} then {text_(check.column)}" for check in cast.checks if check.column)
    values = " ".join(
        f"when {check.code} then b.{name_(check.column)}" for check in cast.checks if check.column in plan.mapping.gives
    )
    lines = " union all ".join(
        f"select file_id, line, {code} as code from read_parquet({path_list(paths)}, hive_partitioning = false)"
        for code, paths in bad.items()
    )
    value = f"left(case b.code {values} end, {_SHOWN})" if values else "null"
    column = f"case b.code {columns} end" if columns else "null"
    return (
        f"with bad as ({lines}) select b.file_id, {text_(plan.contract.table)}, b.line, "
        f"case b.code {reasons} end, {column}, {value}, {raw_json(plan)} "
        f"from landing.batch f join (select m.*, bad.code from ({mapped}) m join bad using (file_id, line)) b "
        f"on b.file_id = f.file_id and b.line = f.line"
    )


def raw_json(plan: BatchPlan) -> str:
    """The SQL for a row of `landing.batch` (as `f`) as it stood in the file."""
    pairs = ", ".join(f"{text_(column)}, left(f.{name_(column)}, {_SHOWN})" for column in plan.files[0].columns)
    return f"json_object({pairs})::varchar"


def _insert_malformed(plan: BatchPlan, reader: Reader) -> None:
    rows = [
        (file.file_id, plan.contract.table, record.line, MALFORMED, None, record.problem, record.raw)
        for file in plan.files
        for record in file.malformed
    ]
    if not rows:
        return
    import pyarrow as pa

    arrays = [pa.array(values) for values in zip(*rows, strict=True)]
    reader.connection.register("malformed", pa.table(arrays, names=[name for name, _ in COLUMNS]))
    reader.run(
        "insert into landing.rejected select file_id, dataset, line, reason, column_name, value, "
        "json_object('text', raw_json)::varchar from malformed",
        str(plan.mapping.path),
    )
    reader.connection.unregister("malformed")
