"""Read landed files as relations of text: one branch of SQL per piece of a file.

Here: which way a file is read, and the SQL that gives its rows with their line numbers. Not here: bytes
(`text`), headers (`header`), records one by one (`records`), mapping and types.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cxa_pipeline.errors import SourceError
from cxa_pipeline.sources import records
from cxa_pipeline.sources.definition import FileKind
from cxa_pipeline.sources.header import columns_of, split_header
from cxa_pipeline.sources.records import Record, Staged
from cxa_pipeline.sources.sql import name_, text_
from cxa_pipeline.sources.text import CleanText, Piece, clean, magic

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Readable:
    """A file made ready: its columns, and branches of SQL that give `line` and these columns as text.

    `rows` is the number of rows that the branches give, `malformed` what could not be read as a row; `odd_spaces`
    says whether values may be wrapped in other white space than blanks; `checked` whether the engine is known to
    find these rows: without quotes each line is a row or an error.
    """

    file_id: str
    columns: tuple[str, ...]
    branches: tuple[str, ...]
    rows: int
    malformed: tuple[Record, ...] = ()
    odd_spaces: bool = False
    checked: bool = True

    @property
    def rows_read(self) -> int:
        """Rows in the file, the malformed ones included."""
        return self.rows + len(self.malformed)


def prepare(
    raw: Path,
    file_id: str,
    name: str,
    kind: FileKind,
    folder: Path,
    connection: duckdb.DuckDBPyConnection,
    careful: bool = False,
) -> Readable:
    """Make one file readable; what has to be written goes below `folder`.

    Args:
        raw: The kept bytes.
        file_id: What its rows carry.
        name: The name it arrived under, which says the format where the bytes do not.
        kind: Its layout.
        folder: An empty place of its own.
        connection: For reading.
        careful: Count the rows of a CSV file first, also where nothing speaks against reading it at once.

    Raises:
        SourceError: the file cannot be read as a whole, with the reason.
    """
    form = magic(raw)
    lower = name.lower().removesuffix(".gz")
    if form == "parquet":
        return _parquet(raw, file_id, kind, connection)
    if form == "zip" or lower.endswith((".xlsx", ".xls")):
        return _excel(raw, file_id, kind, folder)
    text = clean(raw, kind.encoding, folder / "text")
    if lower.endswith((".jsonl", ".ndjson", ".json")):
        return _json(text, file_id, kind, folder)
    return _csv(text, file_id, kind, folder, connection, careful)


def _csv(
    text: CleanText,
    file_id: str,
    kind: FileKind,
    folder: Path,
    connection: duckdb.DuckDBPyConnection,
    careful: bool,
) -> Readable:
    delimiter, names = split_header(text.first.split("\r")[0], kind)
    columns = columns_of(names, kind)
    rows = text.lines - 1
    if rows == 0 and "\r" not in text.first:
        return Readable(file_id, columns, (), 0)
    simple = not (text.blank or text.mixed) and text.first.count('"') % 2 == 0
    branches = tuple(_csv_branch(piece, columns, delimiter) for piece in text.pieces)
    checked = careful or text.quoted
    if simple and (not checked or _counted(branches, connection) == rows):
        odd = text.wide_spaces or (text.tabs and delimiter != "\t")
        return Readable(file_id, columns, branches, rows, odd_spaces=odd, checked=checked)
    lines = records.text_lines(piece.path for piece in text.pieces)
    next(lines)
    found = records.csv_records(lines, delimiter, len(columns), first_line=2)
    return _staged(file_id, columns, records.stage(found, columns, folder / "rows.parquet"))


def _csv_branch(piece: Piece, columns: Sequence[str], delimiter: str) -> str:
    skip = 1 if piece.first_line == 1 else 0
    types = ", ".join(f"{text_(name)}: 'VARCHAR'" for name in columns)
    before = piece.first_line - 1 + skip
    return (
        f"select row_number() over () + {before} as line, * from read_csv({text_(str(piece.path))}, "
        f"auto_detect = false, header = false, skip = {skip}, delim = {text_(delimiter)}, quote = '\"', "
        f"escape = '\"', strict_mode = true, null_padding = false, columns = {{{types}}})"
    )


def _counted(branches: Sequence[str], connection: duckdb.DuckDBPyConnection) -> int | None:
    """The rows that the engine finds, or None if it cannot read the file."""
    import duckdb

    try:
        counts = " union all ".join(f"select count(*) as n from ({branch})" for branch in branches)
        found = connection.execute(f"select sum(n)::bigint from ({counts})").fetchone()
    except duckdb.Error:
        return None
    return int(found[0]) if found else None


def _parquet(raw: Path, file_id: str, kind: FileKind, connection: duckdb.DuckDBPyConnection) -> Readable:
    import duckdb

    source = f"read_parquet({text_(str(raw))}, file_row_number = true)"
    try:
        described = connection.execute(f"describe select * from read_parquet({text_(str(raw))})").fetchall()
        counted = connection.execute(f"select count(*) from {source}").fetchone()
    except duckdb.Error as error:
        raise SourceError(
            "The Parquet file cannot be read", evidence=str(error).splitlines()[0], advice="write it again"
        ) from None
    names = [row[0] for row in described]
    columns = columns_of(names, kind)
    chosen = ", ".join(f"{name_(a)}::varchar as {name_(b)}" for a, b in zip(names, columns, strict=True))
    branch = f"select file_row_number + 1 as line, {chosen} from {source}"
    rows = int(counted[0]) if counted else 0
    return Readable(file_id, columns, (branch,) if rows else (), rows, odd_spaces=True)


def _excel(raw: Path, file_id: str, kind: FileKind, folder: Path) -> Readable:
    rows = records.excel_rows(raw)
    names = [str(value or "") for value in rows[0]] if rows else []
    columns = columns_of(names, kind)
    found = records.excel_records(rows, len(columns))
    return _staged(file_id, columns, records.stage(found, columns, folder / "rows.parquet"))


def _json(text: CleanText, file_id: str, kind: FileKind, folder: Path) -> Readable:
    paths = [piece.path for piece in text.pieces]
    keys = records.json_columns(paths)
    columns = columns_of(keys, kind)
    found = records.json_records(paths, keys)
    return _staged(file_id, columns, records.stage(found, columns, folder / "rows.parquet"))


def _staged(file_id: str, columns: tuple[str, ...], staged: Staged) -> Readable:
    branch = f"select * from read_parquet({text_(str(staged.path))})"
    return Readable(file_id, columns, (branch,) if staged.rows else (), staged.rows, staged.malformed, odd_spaces=True)


def relation_sql(files: Sequence[Readable], wanted: Sequence[str]) -> str:
    """All rows of files with equal columns: `file_id`, `line`, their columns, and those in `wanted` as NULL."""
    columns = files[0].columns
    absent = "".join(f", null::varchar as {name_(name)}" for name in wanted if name not in columns)
    chosen = ", ".join(name_(name) for name in columns)
    parts = [
        f"select {text_(file.file_id)} as file_id, line, {chosen}{absent} from ({branch})"
        for file in files
        for branch in file.branches
    ]
    if parts:
        return "\nunion all ".join(parts)
    empty = "".join(f", null::varchar as {name_(name)}" for name in columns)
    return f"select null::varchar as file_id, null::bigint as line{empty}{absent} where false"


def branches_of(files: Sequence[Readable]) -> Iterator[str]:
    """Every branch of every file."""
    for file in files:
        yield from file.branches
