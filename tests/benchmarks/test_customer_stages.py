"""A million customers from sales files to released tables: seconds by stage, and of each table of customers.

The shop has sales alone: whoever has a million buyers and wants to know how long their values, segments and predictions
take finds it here. How long visits take is in `test_large_shop`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.benchmarks import buyers, data, measure, page
from tests.benchmarks.buyers import Buyers
from tests.benchmarks.data import FULL, SHARE
from tests.benchmarks.homes import cxa, new_home, rows_of, stages
from tests.benchmarks.measure import Measured

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

CUSTOMERS = 1_000_000
PEAK = 6144
"""MiB: the engine with its 2 GB, beside it a Python model with the features of a million customers at four cut-offs."""
SHOWN = 12
STAGES = ("start", "read", "compute", "check", "publish")
MODELS = ("lifetime_", "value_", "cluster", "rfm_kmeans")
EVERYBODY = {
    "customer.lifetime_value": "select count(*) from customer.lifetime_value",
    "customer.value_prediction": "select count(*) from customer.value_prediction",
    "customer.clusters": "select count(distinct customer_id) from customer.clusters",
}


@dataclass
class Figures:
    """What was measured: a first run, a run without new files, and seconds and rows by table of the first."""

    shop: Buyers
    first: Measured
    again: Measured
    tables: dict[str, tuple[float, int]]
    found: dict[str, int]

    def seconds(self, *begins: str) -> float:
        """Seconds of all tables whose names begin so."""
        return sum(seconds for table, (seconds, _) in self.tables.items() if table.startswith(begins))

    @property
    def models(self) -> dict[str, tuple[float, int]]:
        """The tables of value, lifetime and clusters of customers."""
        begins = tuple(f"customer.{name}" for name in MODELS)
        return {table: spent for table, spent in self.tables.items() if table.startswith(begins)}


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Figures]:
    shop = buyers.write(round(CUSTOMERS * SHARE), tmp_path_factory.mktemp("buyers"))
    with new_home() as home:
        data.drop(shop.files, home.landing / "native")
        busy = measure.load()
        first = cxa(home, "run")
        query = "select table_name, sum(computed_seconds), sum(row_count) from ops.versions group by table_name"
        tables = {str(name): (float(str(s)), int(str(n))) for name, s, n in rows_of(home, query)}
        counted = {table: int(str(rows_of(home, query)[0][0])) for table, query in EVERYBODY.items()}
        found = Figures(shop, first, cxa(home, "run"), tables, counted)
    page.write(
        "customers" if FULL else "customers_small",
        f"{shop.customers:,} customers, from sales files to released tables",
        _tell(found),
        busy,
    )
    yield found


def _tell(found: Figures) -> list[str]:
    shop, by_stage = found.shop, stages(found.first)
    schemas = sorted({table.split(".")[0] for table in found.tables})
    by_schema = sorted(((found.seconds(f"{schema}."), schema) for schema in schemas), reverse=True)
    models = sorted(found.models.items(), key=lambda item: -item[1][0])
    others = {t: s for t, s in found.tables.items() if t not in found.models}
    slowest = sorted(others.items(), key=lambda item: -item[1][0])[:SHOWN]
    return [
        f"{shop.lines:,} sales lines of {shop.orders:,} orders, {shop.megabytes:,.0f} MB of CSV, and no interactions. Seconds of",
        f"`cxa run` with all tables of the project by stage; one run each. The peak was {found.first.peak:,.0f} MiB",
        f"(proportional set size, without PostgreSQL), a second run without new files took {found.again.seconds:.1f} s:",
        "",
        *page.table(
            ["", *STAGES, "all"], [["seconds", *(f"{by_stage[n]:.1f}" for n in STAGES), f"{found.first.seconds:.1f}"]]
        ),
        "",
        "`compute` by schema, each table from what it reads to its Parquet file: "
        + ", ".join(f"{schema} {seconds:.1f}" for seconds, schema in by_schema if seconds >= 0.05)
        + f". The tables of value, lifetime and clusters took {sum(s for _, (s, _) in models):.1f}:",
        "",
        *page.table(["", "rows", "seconds"], [[f"`{t}`", f"{n:,}", f"{s:.1f}"] for t, (s, n) in models if s >= 0.5]),
        "",
        "The slowest of all others:",
        "",
        *page.table(["", "rows", "seconds"], [[f"`{t}`", f"{n:,}", f"{s:.1f}"] for t, (s, n) in slowest]),
    ]


def test_every_customer_has_a_value_a_prediction_and_a_cluster(figures: Figures) -> None:
    assert figures.found == dict.fromkeys(EVERYBODY, figures.shop.customers)


def test_a_run_stays_below_six_gibibytes(figures: Figures) -> None:
    assert 0 < figures.first.peak < PEAK
