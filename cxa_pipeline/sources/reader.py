"""The DuckDB that ingest reads with: bounded memory, spilling to disk, times in UTC.

Here: its connection, zone tables, and errors in plain words. Not here: which queries run (`batch`, `resolve`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxa_pipeline.errors import EngineError, LakeError
from cxa_pipeline.sources.zones import local_days, utc_days

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

UTC_NAMES = ("UTC", "Etc/UTC", "Etc/GMT", "GMT", "Etc/UCT", "UCT", "Zulu", "Etc/Zulu")


class Reader:
    """One connection for one ingest.

    Args:
        memory: What it may use before it spills, such as "2GB".
        threads: Threads it may use.
        temporary: Folder for what it spills and, below `files`, for files made readable; its owner removes it.
    """

    def __init__(self, memory: str, threads: int, temporary: Path) -> None:
        import duckdb

        self.files = temporary / "files"
        self._zones: set[str] = set()
        self.connection: duckdb.DuckDBPyConnection = duckdb.connect(
            config={
                "memory_limit": memory,
                "threads": threads,
                "temp_directory": str(temporary / "spill"),
                "preserve_insertion_order": False,
                # By default a COPY by month holds half a million rows of each month: ten million rows would spill.
                "partitioned_write_flush_threshold": 20_000,
                "autoinstall_known_extensions": False,
            }
        )
        self.connection.execute("set TimeZone = 'UTC'")
        # Rows of CSV files are many more than DuckDB guesses: joins stay as written, the small table on the right.
        self.connection.execute("set disabled_optimizers = 'join_order,build_side_probe_side'")
        self.connection.execute("create schema landing")

    def close(self) -> None:
        """Give the memory back."""
        self.connection.close()

    def run(self, sql: str, where: str) -> None:
        """Execute a statement for its effect; `where` is what an error names."""
        with _plain_errors(where):
            self.connection.execute(sql)

    def rows(self, sql: str, where: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with _plain_errors(where):
            return self.connection.execute(sql).fetchall()

    def zone_table(self, zone: str, kind: str, last: date) -> str | None:
        """The name of a table of days for a zone, "local" or "utc"; None if the zone is UTC."""
        if zone in UTC_NAMES:
            return None
        name = f'landing."{zone}|{kind}|{last}"'
        if name not in self._zones:
            self.connection.register("zone_days", _zone_days(zone, kind, last))
            self.connection.execute(f"create table {name} as select * from zone_days")
            self.connection.unregister("zone_days")
            self._zones.add(name)
        return name


@lru_cache(maxsize=16)
def _zone_days(zone: str, kind: str, last: date) -> pa.Table:
    """The days of a zone in columns; one for all connections, since it takes longer to make than to load."""
    import pyarrow as pa

    days = list((local_days if kind == "local" else utc_days)(zone, last + timedelta(days=2)))
    columns = list(zip(*days, strict=True))
    fields = ("day", "before", "after", "doubtful", "switch")
    return pa.table({field: pa.array(values) for field, values in zip(fields, columns, strict=True)})


@contextmanager
def _plain_errors(where: str) -> Iterator[None]:
    import duckdb

    try:
        yield
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        text = str(error)
        full = "space" in text.lower() or "quota" in text.lower() or "max_temp_directory_size" in text
        raise LakeError(
            "No space is left for reading the files" if full else "Reading the files failed",
            where=f"while reading by {where}",
            evidence=text.splitlines()[0],
            advice="free some space, raise CXA_MEMORY, or move the home to a larger disk, then run again",
        ) from error
    except duckdb.Error as error:
        raise EngineError(
            "The query that reads files failed",
            where=where,
            evidence=str(error).splitlines()[:3],
            advice="correct the mapping or the contract that it is made of",
        ) from error
