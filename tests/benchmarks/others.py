"""What the pipeline is compared with on the same data: the models inside PostgreSQL, and the floor.

Here: both, timed by stage, on the server and the rows that a finished run left. Not here: the pandas script
(`script_pandas`), which runs in a process of its own.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.ddl import add_key, create_table, table_name
from cxa_pipeline.lake import run_lock
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.landing import read_landing
from cxa_pipeline.warehouse.address import with_database
from tests.benchmarks.data import Files

DATASETS = ("customers", "products", "stores", "devices", "sales", "interactions")
KEYED = ("table", "monthly", "seed", "settings")
SCHEMAS = ("core", "kpi")
Seconds = dict[str, float]


@contextmanager
def stage(seconds: Seconds, name: str) -> Iterator[None]:
    """Add the time of a block to a stage."""
    begun = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - begun


@contextmanager
def database(home: Home, name: str) -> Iterator[psycopg.Connection[Any]]:
    """A session of a new database beside the home's own, with memory for large joins; dropped afterwards."""
    url = home.database()
    with psycopg.connect(url, autocommit=True) as session:
        session.execute(f"create database {name}".encode())
    try:
        with psycopg.connect(with_database(url, name), autocommit=True) as session:
            session.execute("set work_mem = '256MB'; set maintenance_work_mem = '512MB'")
            yield session
    finally:
        with psycopg.connect(url, autocommit=True) as session:
            session.execute(f"drop database {name} with (force)".encode())


def export_landed(home: Home, folder: Path) -> None:
    """Write the typed rows of the canonical columns as CSV, one file for each data set."""
    folder.mkdir()
    with run_lock(home.lake, "benchmark", datetime.now(UTC)):
        landed = read_landing(home, home.engine()).datasets
    with duckdb.connect() as connection:
        for name in DATASETS:
            relation = landed[name].whole.relation
            assert not relation.without and relation.files is None
            columns = ", ".join(column.name for column in relation.columns)
            paths = ", ".join(f"'{path}'" for path in relation.paths)
            query = f"select {columns} from read_parquet([{paths}])"
            connection.execute(f"copy ({query}) to '{folder / name}.csv' (format csv, header)")
    _let_the_server_read(folder)


def export_published(home: Home, folder: Path) -> list[Contract]:
    """Write the rows of every published core and KPI table as CSV; their contracts."""
    folder.mkdir()
    found = [c for c in home.project.catalog.of_kind(*KEYED) if c.published and c.schema in SCHEMAS]
    with psycopg.connect(home.database()) as session, session.cursor() as cursor:
        for contract in found:
            with (
                cursor.copy(f"copy (select * from {contract.key}) to stdout (format csv, header)".encode()) as rows,
                (folder / f"{contract.key}.csv").open("wb") as file,
            ):
                for block in rows:
                    file.write(block)
    _let_the_server_read(folder)
    return found


def in_postgres(home: Home, folder: Path) -> Seconds:
    """COPY the landed rows, then every core and KPI model as CREATE TABLE AS, then the keys of published tables."""
    seconds: Seconds = {}
    catalog, project = home.project.catalog, home.project
    with database(home, "in_postgres") as session:
        session.execute("create schema landed; create schema core; create schema kpi")
        for name in DATASETS:
            with stage(seconds, "copy"), session.transaction():
                session.execute(create_table(_plain(catalog[f"landed.{name}"]), keyed=False).encode())
                _copy(session, f"landed.{name}", folder / f"{name}.csv")
            with stage(seconds, "copy"):
                session.execute(f"analyze landed.{name}".encode())
        _copy_small(home, session)
        for key in project.order:
            contract = catalog[key]
            if key not in project.models or contract.schema not in SCHEMAS:
                continue
            assert contract.sql_path is not None
            sql = contract.sql_path.read_text(encoding="utf-8")
            with stage(seconds, "interactions" if key == "core.interactions" else "models"):
                session.execute(f"create table {key} as\n{sql}".encode())
                session.execute(f"analyze {key}".encode())
            if contract.published and contract.kind != "view":
                with stage(seconds, "keys"):
                    session.execute((add_key(contract, table_name(contract)) or "").encode())
        _check_equal(home, session)
    return seconds


def floor(home: Home, files: Files, contracts: list[Contract], folder: Path, work: Path) -> Seconds:
    """DuckDB reads each CSV once into Parquet; PostgreSQL copies the published rows into tables with keys."""
    seconds: Seconds = {}
    with duckdb.connect(config={"memory_limit": "2GB", "threads": home.threads}) as connection:
        for name in DATASETS:
            with stage(seconds, "read"):
                source = f"read_csv('{files.first}/{name}_*.csv', header = true, union_by_name = false)"
                connection.execute(f"copy (from {source}) to '{work / name}.parquet' (format parquet)")
    with database(home, "floor") as session:
        session.execute("create schema core; create schema kpi")
        for contract in contracts:
            with stage(seconds, "publish"), session.transaction():
                session.execute(create_table(_plain(contract), keyed=False).encode())
                _copy(session, contract.key, folder / f"{contract.key}.csv")
                session.execute((add_key(contract, table_name(contract)) or "select").encode())
    return seconds


def _plain(contract: Contract) -> Contract:
    """The table without partitions and checks."""
    columns = tuple(dataclasses.replace(column, allowed=(), max_length=None) for column in contract.columns)
    return dataclasses.replace(contract, month=None, rules=(), columns=columns)


def _copy(session: psycopg.Connection[Any], table: str, path: Path) -> None:
    session.execute(f"copy {table} from '{path}' (format csv, header)".encode())


def _copy_small(home: Home, session: psycopg.Connection[Any]) -> None:
    """Settings and seeds, as the home's release has them."""
    with psycopg.connect(home.database()) as published:
        for contract in home.project.catalog.of_kind("settings", "seed"):
            if contract.schema not in SCHEMAS:
                continue
            rows = published.execute(f"select {', '.join(contract.column_names)} from {contract.key}".encode())
            session.execute(create_table(_plain(contract)).encode())
            marks = ", ".join(["%s"] * len(contract.columns))
            with session.cursor() as cursor:
                cursor.executemany(f"insert into {contract.key} values ({marks})".encode(), rows.fetchall())


def _check_equal(home: Home, session: psycopg.Connection[Any]) -> None:
    """What was computed is what the home shows."""
    sums = "select count(*), sum(net_sales), sum(orders), sum(active_customers) from kpi.periods"
    with psycopg.connect(home.database()) as published:
        assert published.execute(sums).fetchall() == session.execute(sums).fetchall()


def _let_the_server_read(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)
