"""A landing folder and its lake, without the rest of a home: drop files, ingest, look at what stands."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from cxa_pipeline.contracts import Catalog, load_catalog
from cxa_pipeline.engine.duckdb import DuckDBEngine
from cxa_pipeline.lake import Lake
from cxa_pipeline.sources.books import FileAccount
from cxa_pipeline.sources.definition import Sources, load_sources
from cxa_pipeline.sources.ingest import IngestOptions, IngestResult, ingest

SQL = Path(__file__).resolve().parents[2] / "sql"
ARRIVAL = datetime(2024, 7, 1, 12, 0, tzinfo=UTC)
SALES = "sale_id,order_id,customer_id,product_id,quantity,unit_price,total_price,sold_at"


@cache
def known_catalog() -> Catalog:
    """The contracts of this checkout, read once: that takes longer than a test."""
    return load_catalog(SQL)


class Drops:
    """One landing folder with its lake; time goes on by a minute with every ingest."""

    def __init__(self, folder: Path, sql: Path = SQL, **options: Any) -> None:
        self.folder = folder
        self.landing = folder / "landing"
        self.lake = Lake(folder / "lake")
        self.sql = sql
        self.options = IngestOptions(**{"settle": 0.0, "timezone": "Europe/Berlin", **options})
        self.now = ARRIVAL
        self.catalog: Catalog = known_catalog()
        self.sources: Sources = load_sources(sql)
        self.result: IngestResult | None = None

    def drop(self, name: str, content: str | bytes, source: str = "native") -> Path:
        """Put a file into a source's folder, gzip if its name says so and it is text."""
        path = self.landing / source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") and isinstance(content, str) else data)
        past = (self.now - timedelta(hours=1)).timestamp() + len(data) / 1000
        os.utime(path, (past, past))
        return path

    def sales(self, name: str, lines: Iterable[str], header: str = SALES) -> Path:
        """Put a CSV file of sales there."""
        return self.drop(name, "\n".join([header, *lines]) + "\n")

    def reload(self) -> None:
        """Read the sources' definitions again."""
        self.sources = load_sources(self.sql)

    def ingest(self, **options: Any) -> IngestResult:
        """One ingest, a minute after the last."""
        self.now += timedelta(minutes=1)
        engine = DuckDBEngine(memory="500MB", threads=2)
        try:
            chosen = IngestOptions(**{**vars(self.options), **options})
            self.result = ingest(self.lake, engine, self.sources, self.catalog, self.landing, self.now, chosen)
        finally:
            engine.close()
        for account in self.result.files:
            whole = account.rows_accepted + account.rows_rejected + account.rows_duplicate + account.rows_superseded
            assert account.rows_read == whole, account
        return self.result

    def standing(self, dataset: str, columns: str, order: str = "1") -> list[tuple[Any, ...]]:
        """Columns of the rows of a data set that stand."""
        assert self.result is not None
        landed = self.result.datasets[dataset]
        if not landed.months:
            return []
        engine = DuckDBEngine(memory="500MB", threads=2)
        try:
            sql = f"select {columns} from landed.{dataset} as d"
            table = engine.fetch(sql, {f"landed.{dataset}": landed.whole.relation})
            rows = [tuple(row.values()) for row in table.to_pylist()]
        finally:
            engine.close()
        counted = sum(month.rows for month in landed.months.values())
        assert counted == len(rows) == landed.whole.rows
        return sorted(rows, key=repr) if order else rows

    def rejected(self, columns: str = "line, reason, column_name, value") -> list[tuple[Any, ...]]:
        """Columns of the rejected rows, by file and line."""
        assert self.result is not None
        paths = [str(path) for path in self.result.rejected().paths]
        if not paths:
            return []
        with duckdb.connect() as session:
            return session.execute(
                f"select {columns} from read_parquet($1) order by dataset, file_id, line", [paths]
            ).fetchall()

    def standing_sum(self, dataset: str, what: str, where: str) -> Any:
        """An aggregate over the rows of a data set that stand."""
        assert self.result is not None
        engine = DuckDBEngine(memory="500MB", threads=2)
        try:
            sql = f"select {what} as found from landed.{dataset} as d where {where}"
            relation = self.result.datasets[dataset].whole.relation
            return engine.fetch(sql, {f"landed.{dataset}": relation}).to_pylist()[0]["found"]
        finally:
            engine.close()

    def rejected_of(self, file_id: str) -> list[tuple[Any, ...]]:
        """The rejected rows of one file."""
        return [row[1:] for row in self.rejected("file_id, line, reason, column_name, value") if row[0] == file_id]

    def account(self, name: str, dataset: str = "sales") -> FileAccount:
        """The latest account of a file."""
        assert self.result is not None
        return [a for a in self.result.files if a.landing.name == name and a.dataset == dataset][-1]

    def hashes(self, dataset: str = "sales") -> Mapping[Any, str]:
        """The input hash of each month."""
        assert self.result is not None
        return {month: part.input_hash for month, part in self.result.datasets[dataset].months.items()}


def copied_sql(folder: Path) -> Path:
    """A copy of the sources' definitions that a test may change."""
    shutil.copytree(SQL / "sources", folder / "sql" / "sources")
    return folder / "sql"


def sale(number: int, day: str = "2024-03-05", customer: str = "c1", price: str = "10.00", quantity: str = "1") -> str:
    """A line of a sales file."""
    total = f"{float(price) * float(quantity):.2f}"
    return f"s{number},o{number},{customer},p1,{quantity},{price},{total},{day} 10:00:00"
