"""From the CSV files of a large shop to released tables, beside three other ways on the same data in one run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.warehouse.address import sqlalchemy_url, with_database
from tests.benchmarks import data, measure, page
from tests.benchmarks.data import FULL, SCRIPT_SHARE, SHARE, Files
from tests.benchmarks.homes import cxa, new_home, rows_of, stages
from tests.benchmarks.measure import Measured
from tests.benchmarks.others import Seconds, database, export_landed, export_published, floor, in_postgres

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

SCRIPT = Path(__file__).with_name("script_pandas.py")
PEAK = 4096
"""MiB."""

FASTER_THAN_SCRIPT, FASTER_THAN_POSTGRES, SLOWER_THAN_FLOOR = 10.0, 1.0, 3.0

full_size = pytest.mark.skipif(not FULL, reason="the aims are for the full size: CXA_BENCH_FULL=1")


@dataclass
class Figures:
    """What was measured."""

    files: Files
    script_files: Files
    busy: float
    first: Measured
    next_day: Measured
    script: Measured
    in_postgres: Seconds = field(default_factory=dict)
    floor: Seconds = field(default_factory=dict)
    published: int = 0
    changed: tuple[object, ...] = ()

    @property
    def over_script(self) -> float:
        """How many times as fast as the script, per row."""
        return (self.script.seconds / self.script_files.rows) / (self.first.seconds / self.files.rows)

    @property
    def over_script_without_events(self) -> float:
        """The same, if the script left out what it writes of interactions."""
        events = float(self.script.output.split()[-1])
        return self.over_script * (1 - events / self.script.seconds)

    @property
    def over_postgres(self) -> float:
        """How many times as fast as the models inside PostgreSQL."""
        return sum(self.in_postgres.values()) / self.first.seconds

    @property
    def over_floor(self) -> float:
        """How many times as slow as the floor."""
        return self.first.seconds / sum(self.floor.values())


@pytest.fixture(scope="module")
def figures() -> Iterator[Figures]:
    files, script_files = data.shop(SHARE), data.shop(SCRIPT_SHARE, next_day=False)
    with new_home(slim=True) as home, TemporaryDirectory(prefix="cxa-bench-") as temporary:
        Path(temporary).chmod(0o755)
        busy = measure.load()
        found = _measure(home, files, script_files, Path(temporary), busy)
    page.write(
        "full" if FULL else "small",
        f"{files.lines:,} sales lines and {files.interactions:,} interactions, from CSV to released tables",
        _tell(found),
        busy,
    )
    yield found


def _measure(home: Home, files: Files, script_files: Files, work: Path, busy: float) -> Figures:
    native = home.landing / "native"
    data.drop(files.first.iterdir(), native)
    first = cxa(home, "run")
    assert rows_of(home, "select count(*) from core.sales") == [(files.lines,)]
    assert rows_of(home, "select sum(net_sales) from kpi.yearly") == [(_net_sales(files),)]
    contracts = export_published(home, work / "published")
    published = sum(int(str(rows_of(home, f"select count(*) from {c.key}")[0][0])) for c in contracts)
    export_landed(home, work / "landed")
    floor_seconds = floor(home, files, contracts, work / "published", work)
    postgres_seconds = in_postgres(home, work / "landed")
    with database(home, "script") as session:
        url = sqlalchemy_url(with_database(home.database(), "script"))
        script = measure.run([sys.executable, str(SCRIPT), str(script_files.first), url], {})
        total = session.execute("select sum(net_sales) from kpi.yearly").fetchone()
        assert total and total[0] == pytest.approx(float(_net_sales(script_files)), rel=1e-9)
    data.drop(files.next_day.iterdir(), native)
    next_day = cxa(home, "run")
    changed = rows_of(
        home,
        "select sum(rows_inserted), sum(rows_updated), sum(rows_deleted) from ops.release_tables where release_id = 2",
    )
    return Figures(
        files, script_files, busy, first, next_day, script, postgres_seconds, floor_seconds, published, changed[0]
    )


def _net_sales(files: Files) -> Decimal:
    return Decimal(files.truth["totals"]["net_sales"])


def _tell(found: Figures) -> list[str]:
    names = ("start", "read", "compute", "check", "publish")
    runs = (("everything", found.first), ("one more day", found.next_day))
    rows = [
        [name, *(f"{stages(run)[n]:.1f}" for n in names), f"{run.seconds:.1f}", f"{run.peak:,.0f}"]
        for name, run in runs
    ]
    inserted, updated, deleted = found.changed
    floor_parts, postgres_parts = (
        ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items())
        for parts in (found.floor, found.in_postgres)
    )
    script = found.script
    return [
        f"{found.files.megabytes:,.0f} MB of CSV in {len(list(found.files.first.iterdir()))} files become",
        f"{found.published:,} published rows. Seconds of `cxa run` by stage, and the peak memory of its processes",
        "(proportional set size, without PostgreSQL) in MiB; one run each:",
        "",
        *page.table(["", *names, "all", "MiB"], rows),
        "",
        "`start` is the interpreter, the plan, Dagster and its event log; `check` includes staging in PostgreSQL. One",
        f"more day inserted {inserted:,} rows, updated {updated:,} and deleted {deleted:,}.",
        "",
        *page.table(
            ["compared with", "seconds", "the pipeline is"],
            [
                [
                    f"a pandas and `to_sql` script on {found.script_files.rows:,} rows of the same kind ({script.output.strip().splitlines()[-1]})",
                    f"{script.seconds:.1f}",
                    f"{found.over_script:.1f} × faster per row",
                ],
                [
                    f"the same models inside PostgreSQL ({postgres_parts})",
                    f"{sum(found.in_postgres.values()):.1f}",
                    f"{found.over_postgres:.2f} × as fast",
                ],
                [
                    f"the floor ({floor_parts})",
                    f"{sum(found.floor.values()):.1f}",
                    f"{found.over_floor:.2f} × the time",
                ],
            ],
        ),
        "",
        "The script (`tests/benchmarks/script_pandas.py`) makes the same tables without history, checks or a release, and",
        f"took {script.peak:,.0f} MiB; without writing the interactions, which the pipeline keeps in its lake, the",
        f"pipeline would be {found.over_script_without_events:.1f} × faster per row. Inside PostgreSQL, the rows are",
        "loaded by COPY from CSV that is typed and clean already, and the files of `sql/` are run as CREATE TABLE AS. The",
        "floor is DuckDB reading each CSV file once into Parquet, and COPY of the published rows into tables with keys.",
    ]


def test_a_run_stays_below_four_gibibytes(figures: Figures) -> None:
    assert 0 < figures.first.peak < PEAK
    assert figures.next_day.peak < PEAK


@full_size
def test_a_row_is_faster_than_in_a_pandas_script(figures: Figures) -> None:
    assert figures.over_script >= FASTER_THAN_SCRIPT


@full_size
def test_a_run_is_faster_than_the_same_models_inside_postgresql(figures: Figures) -> None:
    assert figures.over_postgres >= FASTER_THAN_POSTGRES


@full_size
def test_a_run_takes_at_most_three_times_the_floor(figures: Figures) -> None:
    assert figures.over_floor <= SLOWER_THAN_FLOOR


def test_one_more_day_takes_less_than_everything(figures: Figures) -> None:
    assert figures.next_day.seconds < figures.first.seconds
