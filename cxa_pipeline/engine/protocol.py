"""What an engine is: relations by name in, Parquet and Arrow out.

Here: the values that go in and come out, and the protocol. Not here: an engine (`duckdb`), the SQL (`sql`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


class OutputColumn(NamedTuple):
    """A column of a result: its name and PostgreSQL's word for its type."""

    name: str
    type: str


@dataclass(frozen=True)
class Relation:
    """Rows of Parquet files, as a query sees them under a table's name.

    Args:
        paths: Parquet files; none gives an empty relation and needs `columns`.
        files: If given, only rows whose `file_id` is one of these.
        without: Parquet files of `(file_id, line)`; those rows are left out.
        columns: The columns and their types; needed for an empty relation, else those of the files.
        sampled_by: If given, only the rows of a sample: those of which a hash of these columns, the key, is divisible
            by `one_in`. The same rows are taken every time, and those of 2n are among those of n.
        one_in: How many rows stand for one of the sample.
    """

    paths: tuple[Path, ...]
    files: tuple[str, ...] | None = None
    without: tuple[Path, ...] = ()
    columns: tuple[OutputColumn, ...] = ()
    sampled_by: tuple[str, ...] = ()
    one_in: int = 1


@dataclass(frozen=True)
class Result:
    """What a run wrote: its rows, the hash of their content, and the seconds it took."""

    rows: int
    content_hash: str
    seconds: float


class Engine(Protocol):
    """Runs models on Parquet files."""

    @property
    def name(self) -> str:
        """The engine's name, as in the setting CXA_ENGINE."""

    @property
    def version(self) -> str:
        """Changes whenever results might: version of the engine, of the translation and of the casts."""

    def run(self, sql: str, relations: Mapping[str, Relation], columns: Sequence[OutputColumn], target: Path) -> Result:
        """Write the result of one SELECT of the dialect as one Parquet file.

        Args:
            sql: PostgreSQL's dialect, naming relations as `schema.table`.
            relations: What each of those names stands for.
            columns: Names, order and types of the output, enforced exactly.
            target: The file to write.

        Raises:
            DialectError: The query cannot be translated to equal results.
            EngineError: The query failed, or a value does not fit its column.
        """

    def fetch(
        self, sql: str, relations: Mapping[str, Relation], columns: Sequence[OutputColumn] | None = None
    ) -> pa.Table:
        """Give the result of one SELECT as an Arrow table, cast to `columns` if they are given."""

    def reader(
        self, relation: Relation, columns: Sequence[OutputColumn], order_by: Sequence[str] = ()
    ) -> pa.RecordBatchReader:
        """Stream a relation with the Arrow types that PostgreSQL's COPY needs for `columns`."""

    def content_hash(self, data: pa.RecordBatchReader | pa.Table, columns: Sequence[OutputColumn]) -> tuple[int, str]:
        """Count rows and hash their content, whatever their order; equal to that of `run` for equal rows."""
