"""The models on the engine, beside the least that each must do: read its columns once and group them by its key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cxa_pipeline.contracts import Contract
from cxa_pipeline.engine.duckdb import DuckDBEngine
from cxa_pipeline.engine.protocol import OutputColumn
from cxa_pipeline.pipeline.build import Builder
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.landing import read_landing
from cxa_pipeline.pipeline.parameters import parameters
from cxa_pipeline.pipeline.release import latest_release
from cxa_pipeline.pipeline.versions import Month
from tests.benchmarks import data, measure, page
from tests.benchmarks.data import FULL, SHARE, Files
from tests.benchmarks.homes import cxa, new_home

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

TIMES_THE_FLOOR = 3.0
SLOWEST = 5
WHY = {
    "core.events": "three sorts of the events of each visitor, joins by text ids, 32 columns written",
    "core.sessions": "events grouped by a text id, twice, with some forty aggregates; distinct products and orders",
    "core.activity": "neither sort nor group: all events with 36 columns are written once more, with four joins",
    "core.visits": "as core.activity; the channel comes from regular expressions over addresses",
    "core.interactions": "typing and trimming of 30 columns, and a Parquet file for each month",
    "behavior.funnel_attempts": "one window over the views, carts and purchases of three kinds of units",
    "behavior.funnel": "every unit joined with how far it got, then counted by month and five breakdowns",
    "kpi.revenue_drivers": "every line under each dimension and month, with distinct orders and customers",
    "behavior.entry_exit_pages": "hits counted by visit and page before pages are counted",
    "behavior.event_sequences": "the one sort of all events within their visits that paths and transitions share",
    "behavior.abandoned_carts": "carts and purchases of the same visitor and product, a row for each cart",
    "behavior.daily": "distinct visitors by day, by text id",
}
"""What takes the time of the files that have been among the slowest."""


@dataclass
class Spent:
    """Seconds of one model, and of its floor."""

    table: str
    model: float = 0.0
    floor: float = 0.0
    rows: int = 0

    @property
    def times(self) -> float:
        """How many times the floor the model takes."""
        return self.model / self.floor


@dataclass
class Figures:
    """What was measured; `differing` are tables that came out otherwise than in the run."""

    files: Files
    spent: list[Spent]
    differing: list[str]

    @property
    def times(self) -> float:
        """All models against all floors."""
        return sum(s.model for s in self.spent) / sum(s.floor for s in self.spent)


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Figures]:
    files = data.shop(SHARE, next_day=False)
    with new_home() as home:
        data.drop(files.first.iterdir(), home.landing / "native")
        cxa(home, "run")
        busy = measure.load()
        found = _measure(home, files, tmp_path_factory.mktemp("models"))
    page.write(
        "models" if FULL else "models_small",
        f"Every model on {files.lines:,} sales lines and {files.interactions:,} interactions",
        _tell(found),
        busy,
    )
    yield found


def _measure(home: Home, files: Files, work: Path) -> Figures:
    project, engine = home.project, home.engine()
    builder = Builder(project, home.lake, engine, read_landing(home, engine).datasets, parameters(home), {})
    builder.carry_over({t: r.versions for t, r in latest_release(home.lake).tables.items() if r.versions is not None})
    found, differing = [], []
    for table in project.models:
        contract, spent = project.catalog[table], Spent(table)
        for month, version in builder.versions[table].items():
            relations = {read: builder.relation(read, month) for read in project.dependencies(table)}
            target = work / "model.parquet"
            done = engine.run(project.sql[table], relations, project.output_columns(table), target)
            spent.model += done.seconds
            spent.rows += done.rows
            spent.floor += sum(_floor(builder, engine, contract, read, month, work) for read in relations)
            if done.content_hash != version.content_hash:
                differing.append(table)
        found.append(spent)
    engine.close()
    return Figures(files, found, differing)


def _floor(builder: Builder, engine: DuckDBEngine, contract: Contract, read: str, month: Month, work: Path) -> float:
    """Seconds of reading the columns that a model reads of one table, grouped by those that its key is made of."""
    project, relation = builder.project, builder.relation(read, month)
    wanted = project.columns_read(contract.key).get(read, set())
    lineage = project.lineage(contract.key)
    made_of = {name for source, name, made in lineage if source == read and made in contract.primary_key}
    of_table = project.output_columns(read)
    key = [c for c in of_table if c.name in made_of]
    values = [c for c in of_table if c.name in wanted and c.name not in made_of]
    largest = [f"{'bool_or' if c.type == 'boolean' else 'max'}({c.name}) as {c.name}" for c in values]
    names = [c.name for c in key]
    grouped = f" group by {', '.join(names)}" if names else ""
    sql = f"select {', '.join([*names, *largest, 'count(*) as number_of_rows'])} from {read}{grouped}"
    columns = [*key, *values, OutputColumn("number_of_rows", "bigint")]
    return engine.run(sql, {read: relation}, columns, work / "floor.parquet").seconds


def _tell(found: Figures) -> list[str]:
    model, floor = sum(s.model for s in found.spent), sum(s.floor for s in found.spent)
    slowest = sorted(found.spent, key=lambda spent: -spent.model)[:SLOWEST]
    rows = [
        [f"`{s.table}`", f"{s.rows:,}", f"{s.model:.2f}", f"{s.floor:.2f}", f"{s.times:.1f}", WHY.get(s.table, "")]
        for s in slowest
    ]
    return [
        f"The {len(found.spent)} SQL files took the engine {model:.1f} s, {model / floor:.1f} × the {floor:.1f} s of",
        "their floors: for each table that a file reads, one query that reads the same columns and the number of rows,",
        "grouped by those columns of which the file's key is made. Both write Parquet and hash what they wrote; a",
        "monthly table is computed month by month. The slowest files:",
        "",
        *page.table(["", "rows", "seconds", "floor", "× the floor", "what takes the time"], rows),
    ]


def test_models_come_out_as_in_the_run(figures: Figures) -> None:
    assert figures.differing == []


@pytest.mark.skipif(not FULL, reason="the aim is for the full size: CXA_BENCH_FULL=1")
def test_models_take_at_most_three_times_their_floors(figures: Figures) -> None:
    slowest = sorted(figures.spent, key=lambda spent: spent.floor - spent.model)[:SLOWEST]
    assert figures.times <= TIMES_THE_FLOOR, [(s.table, round(s.model, 2), round(s.floor, 2)) for s in slowest]
