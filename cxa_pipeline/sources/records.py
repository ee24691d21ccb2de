"""The exact readers: record by record in Python, for files that an engine cannot read in one stroke.

Here: CSV with line breaks in fields or broken rows, JSON Lines, Excel. Each gives `Record`s with true line numbers;
`stage` writes them as Parquet. Not here: clean CSV, which DuckDB reads itself (`read`).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from cxa_pipeline.errors import SourceError
from cxa_pipeline.lake import writing

MAX_FIELD = 64 << 20
MAX_SPAN = 2000
"""Lines that one record may span; a quote that is still open then was never meant as one."""
_BATCH = 50_000
_SHOWN = 2000


@dataclass(frozen=True)
class Record:
    """One row: its first line, and its values as text, or why it is none and how it reads."""

    line: int
    values: Sequence[str | None] = ()
    problem: str | None = None
    raw: str = ""


@dataclass(frozen=True)
class Staged:
    """Rows as Parquet with the columns `line` and the file's own, and those that were no rows."""

    path: Path
    rows: int
    malformed: tuple[Record, ...]


def csv_records(lines: Iterator[str], delimiter: str, width: int, first_line: int) -> Iterator[Record]:
    """The records of CSV lines, the header left out.

    A row with too few or too many fields is a record with a problem; so is a line whose quote never closes,
    and reading goes on with the line after it. Empty lines are not records.
    """
    csv.field_size_limit(MAX_FIELD)
    feed = _Feed(lines, first_line)
    while feed.more():
        start = feed.line
        reader = csv.reader(feed, delimiter=delimiter, strict=True)
        try:
            values = next(reader)
            problem = None
        except StopIteration:
            return
        except csv.Error as error:
            values, problem = [], _csv_problem(str(error), feed)
            feed.rewind_to(start + 1)
        raw = feed.take()
        if problem is None and not values:
            continue
        if problem is None and len(values) != width:
            problem = f"{len(values)} fields instead of {width}"
        if problem is not None:
            yield Record(start, problem=problem, raw=raw.rstrip("\r\n")[:_SHOWN])
        else:
            yield Record(start, values)


def _csv_problem(message: str, feed: _Feed) -> str:
    if "unexpected end of data" in message or feed.overrun:
        return "a quote is opened and never closed"
    return message


class _Feed:
    """Lines for the csv module that can be taken back."""

    def __init__(self, lines: Iterator[str], first_line: int) -> None:
        self._lines = lines
        self._taken: list[str] = []
        self._waiting: list[str] = []
        self.line = first_line
        self.overrun = False

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if len(self._taken) > MAX_SPAN:
            self.overrun = True
            raise StopIteration
        line = self._waiting.pop() if self._waiting else next(self._lines)
        self._taken.append(line)
        self.line += 1
        return line

    def more(self) -> bool:
        """Whether a line is left."""
        self.overrun = False
        if not self._waiting:
            following = next(self._lines, None)
            if following is None:
                return False
            self._waiting.append(following)
        return True

    def rewind_to(self, line: int) -> None:
        """Give lines back, so that the next one is `line`."""
        while self.line > line and len(self._taken) > 1:
            self._waiting.append(self._taken.pop())
            self.line -= 1

    def take(self) -> str:
        """The lines since the last call, as one text."""
        raw = "".join(self._taken)
        self._taken.clear()
        return raw


def text_lines(paths: Iterable[Path]) -> Iterator[str]:
    """The lines of UTF-8 files one after the other, ends kept; lone carriage returns end lines if nothing else does."""
    for path in paths:
        with path.open("rb") as file:
            for raw in file:
                line = raw.decode()
                if "\r" in line.rstrip("\r\n") and "\n" not in line:
                    yield from (part + "\n" for part in line.rstrip("\r").split("\r"))
                else:
                    yield line


def json_columns(paths: Iterable[Path]) -> list[str]:
    """All keys of a JSON Lines file, in the order in which they first appear."""
    keys: dict[str, None] = {}
    for _, document in _json_lines(paths):
        if isinstance(document, dict):
            keys.update(dict.fromkeys(document))
    return list(keys)


def json_records(paths: Iterable[Path], keys: Sequence[str]) -> Iterator[Record]:
    """The records of JSON Lines: numbers as they are written, nested values as JSON."""
    for line, document in _json_lines(paths):
        if isinstance(document, dict):
            yield Record(line, [_json_text(document.get(key)) for key in keys])
        else:
            yield Record(line, problem="not a JSON object", raw=str(document)[:_SHOWN])


def _json_lines(paths: Iterable[Path]) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text_lines(paths), 1):
        if line.strip():
            try:
                yield number, json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
            except (ValueError, RecursionError):
                yield number, line.rstrip("\r\n")


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def excel_rows(path: Path) -> list[list[Any]]:
    """The rows of the first sheet of an Excel file.

    Raises:
        SourceError: it is no Excel file, or a damaged one.
    """
    import python_calamine

    try:
        book = python_calamine.load_workbook(str(path))
        return book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (python_calamine.CalamineError, OSError, IndexError) as error:
        raise SourceError(
            "The Excel file cannot be read", evidence=str(error), advice="save it again as .xlsx, or export CSV"
        ) from None


def excel_records(rows: Sequence[Sequence[Any]], width: int) -> Iterator[Record]:
    """The records below the header row; `line` is the row in the sheet."""
    for number, row in enumerate(rows[1:], 2):
        values = [_cell_text(value) for value in row]
        if any(value is not None for value in values):
            yield Record(number, (values + [None] * width)[:width])


def _cell_text(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return str(value.total_seconds()) if isinstance(value, timedelta) else str(value)


def stage(records: Iterator[Record], columns: Sequence[str], path: Path) -> Staged:
    """Write records as Parquet, all columns as text, in bounded memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("line", pa.int64()), *((name, pa.string()) for name in columns)])
    malformed: list[Record] = []
    rows = 0
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(path, schema, compression="lz4") as writer:
            for batch in _batches(records, malformed):
                arrays: Mapping[str, Any] = {
                    "line": pa.array([record.line for record in batch], pa.int64()),
                    **{
                        name: pa.array([record.values[i] for record in batch], pa.string())
                        for i, name in enumerate(columns)
                    },
                }
                writer.write_table(pa.table(arrays, schema=schema))
                rows += len(batch)
    return Staged(path, rows, tuple(malformed))


def _batches(records: Iterator[Record], malformed: list[Record]) -> Iterator[list[Record]]:
    """Well-formed records in lists of bounded size; the others go to `malformed`."""
    batch: list[Record] = []
    size = 0
    for record in records:
        if record.problem is not None:
            malformed.append(record)
            continue
        batch.append(record)
        size += sum(len(value) for value in record.values if value) if len(batch) % 64 == 0 else 0
        if len(batch) >= _BATCH or size > MAX_FIELD:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
