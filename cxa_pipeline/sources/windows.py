"""Deliveries that replace a span of days: which days, and whether that would empty a month.

Here: the spans. Not here: taking the rows out (`resolve`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

from cxa_pipeline.contracts import Contract
from cxa_pipeline.sources.inforce import Content
from cxa_pipeline.sources.resolve import Span, batch_paths
from cxa_pipeline.sources.sql import path_list, text_
from cxa_pipeline.sources.work import Work

Days = Counter[date]


def window_spans(
    work: Work, contract: Contract, standing: Sequence[Content], force: frozenset[str]
) -> tuple[list[Span], dict[tuple[str, str], str]]:
    """The spans that files of `window` deliveries replace, and the files refused because of theirs.

    A file that would take more than half of a month's rows away without bringing as many is refused, unless its
    name (`source/name`) is in `force`.

    Args:
        work: The ingest.
        contract: The landed contract of the data set.
        standing: The contents in force, older ones first.
        force: Names that may do so.
    """
    spans: list[Span] = []
    refused: dict[tuple[str, str], str] = {}
    for source in dict.fromkeys(content.landing.source for content in standing):
        column = work.sources[source].rules(contract.table).window_column
        if column is None:
            continue
        column = _day_column(contract, column)
        kept: Days = Counter()
        days = _days(work, [c for c in standing if c.landing.source == source], column)
        for rank, content in enumerate(standing):
            mine = days.get(content.landing.file_id) if content.landing.source == source else None
            if not mine:
                continue
            first, last = min(mine), max(mine)
            gone: Days = Counter({day: rows for day, rows in kept.items() if first <= day <= last})
            month = _emptied(kept, gone, mine)
            if month and f"{source}/{content.landing.name}" not in force:
                refused[(content.landing.name, content.landing.sha256)] = (
                    f"it would take more than half of the rows of {month:%Y-%m} away and not bring them back; "
                    f"if that is meant: cxa run --allow-window {source}/{content.landing.name}"
                )
                return [], refused
            if gone:
                spans.append(Span(content.landing.file_id, rank, source, column, f"{first}", f"{last}"))
            kept = kept - gone + mine
    return spans, refused


def _day_column(contract: Contract, column: str) -> str:
    day = f"{column.removesuffix('_at')}_date"
    return day if day in contract.column_names else column


def _days(work: Work, contents: Sequence[Content], column: str) -> dict[str, Days]:
    """Accepted rows of each file by local day."""
    paths, _ = batch_paths(contents)
    if not paths:
        return {}
    files = ", ".join(text_(content.landing.file_id) for content in contents)
    found = work.reader.rows(
        f"select file_id, {column}::date, count(*) from read_parquet({path_list(paths)}) "
        f"where file_id in ({files}) and {column} is not null group by 1, 2",
        f"landed.{column}",
    )
    days: dict[str, Days] = {}
    for file_id, day, rows in found:
        days.setdefault(file_id, Counter())[day] = rows
    return days


def _emptied(kept: Days, gone: Days, mine: Days) -> date | None:
    """The first month that would lose more than half of its rows."""
    before, lost, brought = (_by_month(days) for days in (kept, gone, mine))
    for month in sorted(lost):
        if 2 * (lost[month] - brought[month]) > before[month]:
            return month
    return None


def _by_month(days: Days) -> Days:
    months: Days = Counter()
    for day, rows in days.items():
        months[day.replace(day=1)] += rows
    return months
