"""The embedded engine: DuckDB with bounded memory, spilling to disk, without network.

Here: running a model's SQL on Parquet files, reading results as Arrow, hashing content. Not here: casts and hash
expressions (`output`), translation (`rewrites`), where results are kept (`lake`).
"""

from __future__ import annotations

import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from cxa_pipeline.engine import rewrites
from cxa_pipeline.engine.dialect import to_duckdb
from cxa_pipeline.engine.kinds import Kind, kind_of_type
from cxa_pipeline.engine.output import duckdb_type, enforced, hash_text, hashed, literal, quote
from cxa_pipeline.engine.protocol import OutputColumn, Relation, Result
from cxa_pipeline.errors import CxaError, EngineError, LakeError

if TYPE_CHECKING:
    import pyarrow as pa

Culprit = Callable[[], str | None]
"""Finds the column whose values do not fit, once a query has failed."""

Schemas = Mapping[str, Mapping[str, str]]
"""Types of columns, by relation."""

FrozenSchemas = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]

_OUTPUT_VERSION = 1
_BATCH = 122_880


class DuckDBEngine:
    """Runs models with DuckDB in this process.

    Args:
        memory: DuckDB's limit, such as "2GB"; beyond it queries spill.
        threads: Threads for one query.
        temp_directory: Where queries spill; created when needed, by default below the system's.
    """

    name = "duckdb"

    def __init__(self, memory: str = "2GB", threads: int = 2, temp_directory: Path | None = None) -> None:
        self.connection = duckdb.connect(
            ":memory:",
            config={
                "threads": threads,
                "memory_limit": memory,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "temp_directory": str(temp_directory or Path(tempfile.gettempdir()) / f"cxa-spill-{os.getpid()}"),
            },
        )
        self._kinds: dict[tuple[str, FrozenSchemas], dict[str, Kind]] = {}
        # Divided by zero is an error, as in PostgreSQL; sessions are in UTC; no progress bar on stderr.
        for setting in ("TimeZone = 'UTC'", "ieee_floating_point_ops = false", "enable_progress_bar = false"):
            self.connection.execute(f"SET {setting}")

    @property
    def version(self) -> str:
        """Versions of DuckDB, of the parser, and of the translation and casts."""
        return f"duckdb-{duckdb.__version__}-sqlglot-{_parser_version()}-{rewrites.VERSION}.{_OUTPUT_VERSION}"

    def close(self) -> None:
        """Give back memory and temporary files."""
        self.connection.close()

    def run(self, sql: str, relations: Mapping[str, Relation], columns: Sequence[OutputColumn], target: Path) -> Result:
        """Write the result of one SELECT as one Parquet file; see `protocol.Engine.run`."""
        started = time.perf_counter()
        with self._relations(relations) as schemas:
            query = self._enforced(sql, schemas, columns)
            # Row order carries no meaning in a result; not keeping it lets DuckDB write as it goes.
            with self._setting("preserve_insertion_order", "false"):
                self._execute(_copy(query, target), lambda: self._culprit(sql, schemas, columns))
        rows, content = self._hash_of(_parquet([target]), columns)
        return Result(rows, content, time.perf_counter() - started)

    def fetch(
        self, sql: str, relations: Mapping[str, Relation], columns: Sequence[OutputColumn] | None = None
    ) -> pa.Table:
        """Give the result of one SELECT as an Arrow table; see `protocol.Engine.fetch`."""
        with self._relations(relations) as schemas:
            if columns is None:
                return self._arrow(_translated(sql, _frozen(schemas)))
            query = self._enforced(sql, schemas, columns)
            return self._arrow(query, lambda: self._culprit(sql, schemas, columns))

    def reader(
        self, relation: Relation, columns: Sequence[OutputColumn], order_by: Sequence[str] = ()
    ) -> pa.RecordBatchReader:
        """Stream a relation for PostgreSQL's COPY; see `protocol.Engine.reader`."""
        items = ", ".join(f"CAST({quote(c.name)} AS {duckdb_type(c)}) AS {quote(c.name)}" for c in columns)
        order = f" ORDER BY {', '.join(quote(name) for name in order_by)}" if order_by else ""
        query = f"SELECT {items} FROM ({_select(relation)}){order}"
        # A cursor of its own, so that the stream stays open while this engine runs other queries.
        cursor = self.connection.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        with _explaining():
            return cursor.sql(query).to_arrow_reader(_BATCH)

    def content_hash(self, data: pa.RecordBatchReader | pa.Table, columns: Sequence[OutputColumn]) -> tuple[int, str]:
        """Count rows and hash their content; see `protocol.Engine.content_hash`."""
        self.connection.register("content", data)
        try:
            return self._hash_of("content", columns)
        finally:
            self.connection.unregister("content")

    def _hash_of(self, source: str, columns: Sequence[OutputColumn]) -> tuple[int, str]:
        rows = self._rows(f"SELECT {hashed(columns)} FROM {source}")
        return rows[0][0], hash_text(*rows[0])

    def _enforced(self, sql: str, schemas: Schemas, columns: Sequence[OutputColumn]) -> str:
        query = _translated(sql, _frozen(schemas))
        found = self._kinds_of(query, schemas)
        _check_names(list(found), columns)
        items = ", ".join(f"{enforced(column, found[column.name])} AS {quote(column.name)}" for column in columns)
        return f"SELECT {items} FROM ({query}) AS result"

    def _kinds_of(self, query: str, schemas: Schemas) -> dict[str, Kind]:
        """The kinds of a query's columns; asked once for all months of a table."""
        known = (query, _frozen(schemas))
        if known not in self._kinds:
            self._kinds[known] = {name: kind_of_type(text) for name, text, *_ in self._rows(f"DESCRIBE {query}")}
        return self._kinds[known]

    @contextmanager
    def _relations(self, relations: Mapping[str, Relation]) -> Iterator[dict[str, dict[str, str]]]:
        """Views under the relations' names for the time of a query; gives the types of their columns."""
        schemas = sorted({name.split(".")[0] for name in relations})
        try:
            for schema in schemas:
                self._execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
            yield {name: self._view(name, relation) for name, relation in relations.items()}
        finally:
            for schema in schemas:
                self.connection.execute(f"DROP SCHEMA IF EXISTS {quote(schema)} CASCADE")

    def _view(self, name: str, relation: Relation) -> dict[str, str]:
        view = ".".join(quote(part) for part in name.split(".", 1))
        self._execute(f"CREATE OR REPLACE VIEW {view} AS {_select(relation)}")
        if relation.columns:
            return {column.name: column.type for column in relation.columns}
        return {column: text for column, text, *_ in self._rows(f"DESCRIBE {view}")}

    @contextmanager
    def _setting(self, name: str, value: str) -> Iterator[None]:
        self.connection.execute(f"SET {name} = {value}")
        try:
            yield
        finally:
            self.connection.execute(f"RESET {name}")

    def _execute(self, query: str, culprit: Culprit | None = None) -> None:
        with _explaining(culprit):
            self.connection.execute(query).fetchall()

    def _rows(self, query: str) -> list[Any]:
        with _explaining():
            return self.connection.execute(query).fetchall()

    def _arrow(self, query: str, culprit: Culprit | None = None) -> pa.Table:
        with _explaining(culprit):
            return self.connection.sql(query).to_arrow_table()

    def _culprit(self, sql: str, schemas: Schemas, columns: Sequence[OutputColumn]) -> str | None:
        """The first column whose values do not fit its type, found by computing each alone."""
        query = _translated(sql, _frozen(schemas))
        found = self._kinds_of(query, schemas)
        for column in columns:
            value = enforced(column, found[column.name])
            try:
                self.connection.execute(f"SELECT count({value}) FROM (SELECT {quote(column.name)} FROM ({query}))")
            except duckdb.Error:
                return column.name
        return None


@cache
def _parser_version() -> str:
    """Read once: every table's version asks for it, and it stands in a file of its package."""
    return version("sqlglot")


@lru_cache(maxsize=1024)
def _translated(sql: str, schemas: FrozenSchemas) -> str:
    """DuckDB's text for a query; the months of a table, and a test's many small shops, share one translation."""
    return to_duckdb(sql, {name: dict(columns) for name, columns in schemas})[0]


def _frozen(schemas: Schemas) -> FrozenSchemas:
    return tuple((name, tuple(columns.items())) for name, columns in sorted(schemas.items()))


@contextmanager
def _explaining(culprit: Culprit | None = None) -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise _explained(error, culprit() if culprit else None) from error


def _select(relation: Relation) -> str:
    if not relation.paths:
        if not relation.columns:
            raise EngineError("A relation without files needs its columns.")
        items = ", ".join(f"CAST(NULL AS {duckdb_type(c)}) AS {quote(c.name)}" for c in relation.columns)
        return f"SELECT {items} WHERE false"
    items = ", ".join(f"CAST({quote(c.name)} AS {duckdb_type(c)}) AS {quote(c.name)}" for c in relation.columns)
    query = f"SELECT {items or '*'} FROM {_parquet(relation.paths)} AS rows"
    if relation.without:
        query += f" ANTI JOIN {_parquet(relation.without)} AS gone USING (file_id, line)"
    conditions = []
    if relation.files is not None:
        wanted = ", ".join(literal(file) for file in relation.files)
        conditions.append(f"rows.file_id IN ({wanted})" if wanted else "false")
    if relation.sampled_by and relation.one_in > 1:
        key = ", ".join(f"rows.{quote(name)}" for name in relation.sampled_by)
        conditions.append(f"hash({key}) % {relation.one_in} = 0")
    return f"{query} WHERE {' AND '.join(conditions)}" if conditions else query


def _parquet(paths: Sequence[Path]) -> str:
    # A path is a pattern to DuckDB: brackets keep its special characters from being one.
    names = ", ".join(literal(re.sub(r"([*?\[])", r"[\1]", str(path))) for path in paths)
    return f"read_parquet([{names}])"


def _copy(query: str, target: Path) -> str:
    # Version 2 has delta encodings: a sixth of the bytes for keys and times, and faster to write. Dictionaries only
    # for few values and the first level of zstd write a quarter faster, in files of the same size.
    options = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION v2, DICTIONARY_SIZE_LIMIT 5000"
    return f"COPY ({query}) TO {literal(str(target))} ({options})"


def _check_names(found: list[str], columns: Sequence[OutputColumn]) -> None:
    wanted = [column.name for column in columns]
    missing, extra = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    if missing or extra:
        evidence = [f"missing in the SQL: {', '.join(missing)}"] if missing else []
        evidence += [f"not in the contract: {', '.join(extra)}"] if extra else []
        raise EngineError("The columns of the SQL are not those of the contract.", None, evidence, "Make them equal.")


def _explained(error: duckdb.Error, column: str | None) -> CxaError:
    text = str(error).strip().split("\n\nLINE ")[0]
    if any(sign in text for sign in ("No space left", "quota exceeded")):
        file = re.search(r'"(/[^"]+?)\\*"', text)
        return LakeError(
            "No space is left for computing",
            file.group(1) if file else None,
            text.splitlines()[0],
            "free some space or move the home to a larger disk (CXA_HOME), then run again",
        )
    named = re.search(r"column (\w+): (.*)", text)
    if named:
        return EngineError(
            f"The {named.group(0)}.", f"column {named.group(1)}", advice="Use nullif() in divisors; see METRICS §2.4."
        )
    if isinstance(error, duckdb.OutOfMemoryException):
        return EngineError("The query needs more memory than allowed.", None, text, "Raise CXA_MEMORY or free disk.")
    if "Division by zero" in text:
        return EngineError("A division by zero.", column and f"column {column}", text, "Write nullif(divisor, 0).")
    if column:
        advice = "Make the contract's type larger, or correct the SQL."
        return EngineError(f"A value does not fit the type of column {column}.", f"column {column}", text, advice)
    return EngineError("The query failed on DuckDB.", None, text, "Run the same SQL in psql to compare.")
