"""Homes on the disk for benchmarks, and commands that are measured in them."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from cxa_pipeline.pipeline.home import Home
from tests.benchmarks import measure
from tests.benchmarks.data import ZONE
from tests.benchmarks.measure import Measured
from tests.support.slim import slim_sql

ROOT = Path(__file__).parents[2]
CXA = Path(sys.executable).with_name("cxa")


@contextmanager
def new_home(zone: str | None = ZONE, slim: bool = False) -> Iterator[Home]:
    """An empty home, removed afterwards with all that it holds; `slim` has only core and the tables of periods."""
    folder = Path(tempfile.mkdtemp(prefix="cxa-bench-"))
    sql = slim_sql(ROOT / "sql", folder / "project" / "sql") if slim else ROOT / "sql"
    home = Home(folder, sql, folder / "landing", folder / "lake", timezone=zone)
    try:
        yield home
    finally:
        home.server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def cxa(home: Home, *arguments: str) -> Measured:
    """A command as a user calls it, measured."""
    environment = {"CXA_HOME": str(home.folder), "CXA_PROJECT": str(home.sql_root.parent)}
    if home.timezone:
        environment["CXA_TIMEZONE"] = home.timezone
    if home.as_of:
        environment["CXA_AS_OF"] = home.as_of.isoformat()
    return measure.run([str(CXA), *arguments], environment)


def stages(done: Measured) -> dict[str, float]:
    """Seconds by stage that `cxa run` tells, and `start` for the rest: the interpreter, the plan, Dagster."""
    told = re.search(r"tables\s+changed\s+\(([^)]*)\)", done.output)
    assert told, done.output
    found = {name: float(seconds) for name, seconds in re.findall(r"(\w+)\s+([\d.]+)\s+s", told[1])}
    return {**found, "start": max(done.seconds - sum(found.values()), 0.0)}


def rows_of(home: Home, query: str) -> list[tuple[object, ...]]:
    """Rows of a query on the home's database."""
    with psycopg.connect(home.database()) as session:
        return session.execute(query.encode()).fetchall()
