"""Every model of the project, run from landed rows: on the engine, or the SQL files inside PostgreSQL.

Here: the shortest way from rows to tables, once through DuckDB and once by pasting the files into PostgreSQL as they
are. Not here: ingest, versions, releases (the pipeline), and what the rows should be (`shop`, `metrics`).
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.ddl import create_table, create_view
from cxa_pipeline.engine.duckdb import DuckDBEngine
from cxa_pipeline.engine.protocol import OutputColumn, Relation
from cxa_pipeline.pipeline.project import Project, load_project
from cxa_pipeline.pipeline.python_model import inputs, run_model

SQL_ROOT = Path(__file__).parents[2] / "sql"
SCHEMAS = ("landed", "core", "kpi", "cohort", "behavior", "basket", "customer", "recommendation", "questions")
SYSTEM = {"source_id": "native", "file_id": "0" * 16, "line": 1, "row_hash": 0, "ts_adjusted": False}

Row = dict[str, Any]
Rows = list[Row]


@cache
def project() -> Project:
    """The project of this checkout."""
    return load_project(SQL_ROOT)


def models(found: Project) -> list[Contract]:
    """Contracts of the tables that a SQL file makes, each after what it reads."""
    return [found.catalog[key] for key in found.order if key in found.models]


def by_sql_alone(found: Project) -> list[str]:
    """Tables that need no Python model, directly or not; those take most of the time on a small shop."""
    modelled = found.dependents(c.key for c in found.catalog.of_kind("model"))
    return [key for key in found.models if key not in modelled]


def output_columns(contract: Contract) -> tuple[OutputColumn, ...]:
    """Names and types of a contract as the engine wants them."""
    return tuple(OutputColumn(column.name, column.type) for column in contract.columns)


def values(contract: Contract, rows: Rows) -> list[list[Any]]:
    """Rows as lists in the order of the columns, with system columns filled in."""
    return [[row.get(c.name, SYSTEM.get(c.name)) for c in contract.columns] for row in rows]


class OnEngine:
    """The models on DuckDB; results are Parquet files below `folder`.

    Args:
        found: The project.
        folder: An empty folder.
    """

    def __init__(self, found: Project, folder: Path) -> None:
        self.project = found
        self.folder = folder
        self.engine = DuckDBEngine(memory="1GB", threads=1, temp_directory=folder / "temp")
        self.relations: dict[str, Relation] = {}

    def build(self, landed: Mapping[str, Rows | pa.Table], parameters: Row, *only: str) -> OnEngine:
        """Compute every model, or `only` some and what they read."""
        for contract in self.project.catalog.of_kind("landed", "settings", "seed"):
            given: Rows | pa.Table = [parameters] if contract.kind == "settings" else seed_rows(contract)
            if contract.kind == "landed":
                given = landed[contract.table]
            self._store(contract, given)
        wanted = self.project.ancestors(only) if only else set(self.project.computed)
        for key in self.project.computed:
            if key in wanted:
                self._compute(self.project.catalog[key])
        return self

    def read(self) -> OnEngine:
        """Take the tables that another process computed in the same folder."""
        for contract in self.project.catalog:
            for path in (self._given_path(contract), self._path(contract)):
                if path.exists():
                    self.relations[contract.key] = Relation((path,), columns=output_columns(contract))
        return self

    def _path(self, contract: Contract) -> Path:
        return self.folder / f"{contract.key}.parquet"

    def _given_path(self, contract: Contract) -> Path:
        return self.folder / f"{contract.key}.text.parquet"

    def _store(self, contract: Contract, given: Rows | pa.Table) -> None:
        path = self._given_path(contract)
        if isinstance(given, list):
            columns = zip(*values(contract, given), strict=True) if given else [()] * len(contract.columns)
            types = [arrow_type(c.type) for c in contract.columns]
            arrays = [pa.array(list(v), t) for v, t in zip(columns, types, strict=True)]
            given = pa.table(arrays, names=list(contract.column_names))
        pq.write_table(given, path)
        self.relations[contract.key] = Relation((path,), columns=output_columns(contract))

    def _compute(self, contract: Contract) -> None:
        path = self._path(contract)
        if contract.model:
            needed = {contract.key: self._modelled(contract)}
            sql = f"select {', '.join(contract.column_names)} from {contract.key}"
        else:
            needed = {key: self.relations[key] for key in self.project.dependencies(contract.key)}
            sql = self.project.sql[contract.key]
        self.engine.run(sql, needed, output_columns(contract), path)
        self.relations[contract.key] = Relation((path,), columns=output_columns(contract))

    def _modelled(self, contract: Contract) -> Relation:
        """What a Python model gives where no release came before."""
        known, path = self.project.catalog.contracts, self.folder / f"{contract.key}.made.parquet"
        frames = inputs(contract, self.engine, self.relations.__getitem__, self._nothing, known)
        run_model(contract, frames, path)
        return Relation((path,))

    def _nothing(self, key: str) -> Relation:
        return Relation((), columns=output_columns(self.project.catalog[key]))

    def rows(self, key: str) -> Rows:
        """Rows of a table."""
        paths = self.relations[key].paths
        return pq.read_table(paths[0]).to_pylist()  # type: ignore[no-any-return]

    def ordered(self, key: str) -> Rows:
        """Rows of a view in the order in which its SQL gives them; those of a table as they come."""
        if self.project.catalog[key].kind != "view":
            return self.rows(key)
        needed = {table: self.relations[table] for table in self.project.dependencies(key)}
        columns = output_columns(self.project.catalog[key])
        return self.engine.fetch(self.project.sql[key], needed, columns).to_pylist()  # type: ignore[no-any-return]

    def identity(self, name: str) -> Rows:
        """Rows of an identity."""
        found = next(i for i in self.project.identities if i.name == name)
        needed = {key: self.relations[key] for key in found.model.dependencies}
        return self.engine.fetch(found.sql, needed).to_pylist()  # type: ignore[no-any-return]


def build_in_postgres(
    connection: psycopg.Connection[Any], landed: Mapping[str, Rows], parameters: Row, modelled: OnEngine | None = None
) -> None:
    """Create every table from its contract and fill it with the text of its file, views as views.

    Tables of Python models are filled with what they are in `modelled`, by default not at all.
    """
    found = project()
    for schema in SCHEMAS:
        connection.execute(f"drop schema if exists {schema} cascade".encode())
        connection.execute(f"create schema {schema}".encode())
    for contract in found.catalog.of_kind("landed", "settings", "seed"):
        rows = [parameters] if contract.kind == "settings" else seed_rows(contract)
        rows = landed[contract.table] if contract.kind == "landed" else rows
        connection.execute(create_table(dataclasses.replace(contract, month=None, rules=())).encode())
        _insert(connection, contract, rows)
    for contract in map(found.catalog.__getitem__, found.computed):
        if contract.kind == "view":
            connection.execute(create_view(contract, found.sql[contract.key]).encode())
            continue
        connection.execute(create_table(dataclasses.replace(contract, month=None)).encode())
        if contract.kind == "model":
            _insert(connection, contract, modelled.rows(contract.key) if modelled else [])
        else:
            connection.execute(f"insert into {contract.key}\n{found.sql[contract.key]}".encode())


def _insert(connection: psycopg.Connection[Any], contract: Contract, rows: Rows) -> None:
    marks = ", ".join(["%s"] * len(contract.columns))
    with connection.cursor() as cursor:
        cursor.executemany(f"insert into {contract.key} values ({marks})".encode(), values(contract, rows))


def seed_rows(contract: Contract) -> Rows:
    """Rows of a seed's CSV file, typed."""
    if contract.seed_path is None:
        return []
    with contract.seed_path.open(encoding="utf-8", newline="") as file:
        return [{c.name: _typed(row[c.name], c.type) for c in contract.columns} for row in csv.DictReader(file)]


def _typed(text: str, type_: str) -> Any:
    if text == "":
        return None
    if type_ == "boolean":
        return text == "true"
    if type_ == "date":
        return date.fromisoformat(text)
    if type_.startswith("numeric"):
        return Decimal(text)
    return int(text) if type_ in ("smallint", "integer", "bigint") else text


def arrow_type(type_: str) -> pa.DataType:
    """Arrow's type for PostgreSQL's word."""
    simple = {
        "text": pa.string(),
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "double precision": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamptz": pa.timestamp("us", "UTC"),
    }
    if type_ in simple:
        return simple[type_]
    precision, scale = type_.removeprefix("numeric(").removesuffix(")").split(",")
    return pa.decimal128(int(precision), int(scale))


def normal(value: Any) -> Any:
    """A value in the one form in which both sides are compared."""
    if isinstance(value, float):
        return float(f"{value:.12g}")
    if isinstance(value, Decimal):
        return value.quantize(Decimal("0.0001")).normalize()
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return value
