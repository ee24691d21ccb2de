"""How the answer of a question looks: values as people read them, in a table that fits the terminal.

Here: from rows to lines of text, without a terminal. Not here: which question, where its rows come from
(`pipeline.questions`), the command (`ask`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from cxa_pipeline.contracts import Column
from cxa_pipeline.pipeline.questions import Answer, Question

GAP = 2
NARROWEST, NARROWEST_HEADING, LONGEST_WORD = 16, 10, 24
"""Texts are wrapped to the first, headings folded to the second, words cut beyond the third, before columns go into a
second table."""
COMFORTABLE = 36
"""Where there is a second table in any case, texts have this width."""
HIDDEN = ("sort_order",)
"""Columns that only tell an order, which the rows already have."""
CHANGES = ("growth", "yoy", "change_to_week_before", "change_to_year_before")
"""Endings of columns whose ratio is a relative change: 0.1 is shown as +10.0 %."""
_NUMBERS = ("smallint", "integer", "bigint", "double precision", "numeric")


@dataclass(frozen=True)
class Grid:
    """Cells of an answer as texts; `right` says for each column whether it is aligned to the right."""

    columns: tuple[str, ...]
    right: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    currency: str | None = None


def grid(question: Question, answer: Answer, zone: tzinfo, limit: int | None = None) -> Grid:
    """The answer as texts, without columns that say nothing: orders, and a currency that is the same in all rows.

    Args:
        question: Knows units and types of the columns.
        answer: The rows.
        zone: In which moments are shown.
        limit: At most so many rows.
    """
    known = {column.name: column for column in question.columns}
    columns = [known.get(name, Column(name, "text", "")) for name in answer.columns]
    place = answer.columns.index("currency") if "currency" in answer.columns else None
    currencies = {row[place] for row in answer.rows} - {None} if place is not None else set()
    hidden = {*HIDDEN, *(["currency"] if len(currencies) < 2 else [])}
    kept = [i for i, column in enumerate(columns) if column.name not in hidden]
    return Grid(
        columns=tuple(columns[i].name for i in kept),
        right=tuple(columns[i].type.startswith(_NUMBERS) for i in kept),
        rows=tuple(tuple(shown(columns[i], row[i], zone) for i in kept) for row in answer.rows[:limit]),
        currency=currencies.pop() if len(currencies) == 1 else None,
    )


def shown(column: Column, value: Any, zone: tzinfo) -> str:
    """A value as people read it: shares as percent, seconds as minutes and hours, "-" for nothing."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(zone):%Y-%m-%d %H:%M}"
    if not column.type.startswith(_NUMBERS) or isinstance(value, str):
        return str(value)
    if column.name in ("p_value", "q_value"):
        return f"{value:.4f}" if value >= 0.0001 else "<0.0001"
    if column.unit == "share 0-1":
        return f"{100 * value:,.1f} %"
    if column.unit == "seconds":
        return duration(float(value))
    if column.unit == "ratio" and column.name.endswith(CHANGES):
        percent = round(100 * float(value), 1)
        return f"{percent:+,.1f} %" if percent else "0.0 %"
    return _number(column, value)


def _number(column: Column, value: Any) -> str:
    if column.name == "year":
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.{1 if column.unit == 'days' else 3 if abs(value) < 1 else 2}f}"
    return f"{value:,.0f}" if column.unit != "shop currency" and value == int(value) else f"{value:,.2f}"


def duration(seconds: float) -> str:
    """Seconds in the two largest units that they have.

    >>> duration(42.4), duration(329), duration(233717.25)
    ('42 s', '5 min 29 s', '2 d 17 h')
    """
    sign = "-" if round(seconds) < 0 else ""
    for size, unit, part, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        whole, left = divmod(round(abs(seconds) / part) * part, size)
        if whole:
            return f"{sign}{whole} {unit}" + (f" {left // part} {smaller}" if left else "")
    return f"{sign}{round(abs(seconds))} s"


def lay_out(cells: Grid, width: int) -> list[str]:
    """Lines of a table that is no wider than `width`.

    One row stands upright, a line per column. Of several rows first the headings are folded at their underscores,
    then long texts are wrapped, then the columns that do not fit go into a table below, beside the first ones again.
    """
    if len(cells.rows) == 1:
        return _upright(cells, width)
    heads = [[name] for name in cells.columns]
    sizes = _sizes(cells, heads)
    if _total(sizes) <= width:
        return _table(cells, heads, sizes, range(len(sizes)))
    heads = [_folded(name, size) for name, size in zip(cells.columns, _sizes(cells, [()] * len(heads)), strict=True)]
    sizes = _sizes(cells, heads)
    base = _least(cells, heads, sizes)
    if _total(base) > width:
        base = [max(low, min(size, COMFORTABLE)) for low, size in zip(base, sizes, strict=True)]
    lines: list[str] = []
    for block in _blocks(cells, base, width):
        lines += [""] * bool(lines) + _table(cells, heads, _grown(base, sizes, block, width), block)
    return lines


def _upright(cells: Grid, width: int) -> list[str]:
    longest = max(map(len, cells.columns))
    room = max(NARROWEST, width - longest - GAP)
    digits = max((len(value) for value, right in zip(cells.rows[0], cells.right, strict=True) if right), default=0)
    lines = []
    for name, value, right in zip(cells.columns, cells.rows[0], cells.right, strict=True):
        for n, part in enumerate(_wrapped(value, room)):
            lines.append(f"{'' if n else name:{longest + GAP}}{part.rjust(digits) if right else part}")
    return lines


def _sizes(cells: Grid, heads: Sequence[Sequence[str]]) -> list[int]:
    columns = zip(*cells.rows, strict=True) if cells.rows else [()] * len(heads)
    return [max((len(text) for text in (*head, *texts)), default=0) for head, texts in zip(heads, columns, strict=True)]


def _total(sizes: Sequence[int]) -> int:
    return sum(sizes) + GAP * (len(sizes) - 1)


def _folded(name: str, size: int) -> list[str]:
    """The heading in lines, broken after underscores, hardly wider than its column or its longest part."""
    parts = [f"{part}_" for part in name.split("_")]
    parts[-1] = parts[-1][:-1]
    room = max(size, NARROWEST_HEADING, *map(len, parts))
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines[-1] + part) > room:
            lines.append("")
        lines[-1] += part
    return lines


def _least(cells: Grid, heads: Sequence[Sequence[str]], sizes: Sequence[int]) -> list[int]:
    """To which width each column can go: numbers stay, texts are wrapped, their words only where they are long."""
    least = []
    for i, right in enumerate(cells.right):
        words = [len(word) for row in cells.rows for word in row[i].split()]
        wanted = max(NARROWEST, *map(len, heads[i]), min(LONGEST_WORD, max(words, default=0)))
        least.append(sizes[i] if right else min(sizes[i], wanted))
    return least


def _grown(base: Sequence[int], sizes: Sequence[int], block: Sequence[int], width: int) -> list[int]:
    """Widths in one table: what is left of its line goes to the texts that need it, the narrowest first."""
    grown = list(base)
    while _total([grown[i] for i in block]) < width:
        short = [i for i in block if grown[i] < sizes[i]]
        if not short:
            break
        grown[min(short, key=lambda i: grown[i])] += 1
    return grown


def _blocks(cells: Grid, sizes: Sequence[int], width: int) -> list[list[int]]:
    """Columns of each table; all but the first begin with the columns that tell what a row is about."""
    first_number = next((i for i, right in enumerate(cells.right) if right and cells.columns[i] != "rank"), 1)
    lead = list(range(min(max(first_number, 1), 3)))
    while len(lead) > 1 and _total([sizes[i] for i in lead]) > max(width // 3, NARROWEST):
        lead.pop()
    blocks = [lead]
    for i in range(len(lead), len(sizes)):
        if _total([sizes[k] for k in (*blocks[-1], i)]) > width and len(blocks[-1]) > len(lead):
            blocks.append(lead)
        blocks[-1] = [*blocks[-1], i]
    return blocks


def _table(cells: Grid, heads: Sequence[Sequence[str]], sizes: Sequence[int], block: Sequence[int]) -> list[str]:
    tall = max(len(heads[i]) for i in block)
    top = [[""] * (tall - len(heads[i])) + list(heads[i]) for i in block]
    rows = [top, *([_wrapped(row[i], sizes[i]) for i in block] for row in cells.rows)]
    return [line for row in rows for line in _row_lines(row, [(sizes[i], cells.right[i]) for i in block])]


def _row_lines(row: Sequence[Sequence[str]], places: Sequence[tuple[int, bool]]) -> list[str]:
    lines = []
    for n in range(max(map(len, row))):
        texts = [cell[n] if n < len(cell) else "" for cell in row]
        padded = [f"{t:>{size}}" if right else f"{t:<{size}}" for t, (size, right) in zip(texts, places, strict=True)]
        lines.append((" " * GAP).join(padded).rstrip())
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 1), break_on_hyphens=False) or [""]


def as_markdown(question: Question, cells: Grid) -> str:
    """The question as a heading, the cells as a table, how to read it below."""
    lines = [f"## {question.text}", "", f"| {' | '.join(cells.columns)} |"]
    lines.append("|" + "|".join(" ---: " if right else " --- " for right in cells.right) + "|")
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in cells.rows]
    money = [f"Money in {cells.currency}."] if cells.currency else []
    lines += ["", " ".join([*money, question.notes])]
    return "\n".join(lines).rstrip() + "\n"
