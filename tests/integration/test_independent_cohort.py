"""Every cell of the tables of cohort against an independent recomputation: awkward shops, a synthetic one, a real one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.independent import cohorts, cohorts_drivers, cohorts_retention, online_retail, shop, synthetic
from tests.independent.agreement import assert_cells_agree
from tests.independent.cohorts import SCALE, Cohorts
from tests.independent.kpi import Kpi, Row
from tests.independent.tables import OnEngine, project

pytestmark = pytest.mark.slow
"""Minutes; run by .ci/run."""

SYNTHETIC = replace(synthetic.SMALL, start=date(2023, 9, 10), history_days=60)
SHOPS: dict[str, Row] = {
    "awkward": {},
    "awkward, as of a leap day": {"as_of_date": date(2024, 2, 29)},
    "busy": {"min_group_size": 2, "data_begin_is_shop_begin": True},
    "bought in visits": {"min_group_size": 2, "data_begin_is_shop_begin": True},
    "synthetic": {"min_group_size": 12},
    "synthetic, as of the end of a month": {"min_group_size": 5, "as_of_date": date(2025, 2, 28)},
    "online retail": {"timezone": "Europe/London", "currency": "GBP"},
    "empty": {},
}
TABLES: dict[str, Callable[[Cohorts], list[Row]]] = {
    "members": cohorts.members,
    "groups": cohorts.groups,
    "customer_months": cohorts.customer_months,
    "retention": cohorts_retention.retention,
    "ranking": cohorts_drivers.ranking,
    "drivers": cohorts_drivers.drivers,
}
COUNTRIES = {"EIRE": "Ireland", "RSA": "South Africa", "USA": "United States", "Unspecified": "Unknown"}
Both = tuple[OnEngine, Cohorts]


@pytest.fixture(scope="module", params=SHOPS, ids=list(SHOPS))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """The tables of cohort on the engine, and the same shop for the recomputation."""
    name, folder = request.param, tmp_path_factory.mktemp("built")
    parameters, keys = {**shop.PARAMETERS, **SHOPS[name]}, [f"cohort.{table}" for table in TABLES]
    engine = OnEngine(project(), folder)
    if name == "online retail":
        sales = online_retail.sales(online_retail.reference_data())
        built = engine.build(online_retail.landed(sales, engine.project.catalog), parameters, *keys)
        return built, retail(sales, parameters)
    landed = _landed(name, tmp_path_factory.mktemp("files"))
    return engine.build(landed, parameters, *keys), Cohorts.of(Kpi(landed, parameters))


def _landed(name: str, folder: Path) -> shop.Landed:
    if name.startswith("synthetic"):
        return synthetic.landed_rows(SYNTHETIC, folder)
    if name == "bought in visits":
        return {**shop.busy(), "sales": [*shop.lines_of_visits(), *shop.buying_crowd()]}
    return {"busy": shop.busy, "empty": shop.empty}.get(name, shop.nasty)()


def retail(sales: pd.DataFrame, parameters: Row) -> Cohorts:
    """Online Retail for the recomputation."""
    counted = sales[sales["status"] == "completed"]
    is_sale = counted["quantity"] > 0
    money, zero = counted["total_milli"].abs() * (SCALE // 1000), 0
    moments = counted["sold"].dt.tz_localize("Europe/London", ambiguous=True, nonexistent="shift_forward")
    lines = counted.assign(
        store_id="__online__",
        at=moments.dt.tz_convert("UTC"),
        day=counted["sold_date"],
        is_sale=is_sale,
        units=(counted["quantity"] * SCALE).where(is_sale, zero),
        gross_sales=money.where(is_sale, zero),
        discounts=zero,
        returns=money.where(~is_sale, zero),
        net_sales=money.where(is_sale, -money),
    )[cohorts.COLUMNS]
    known = sales.dropna(subset="customer_id").drop_duplicates("customer_id", keep="last")
    places = known["country"].replace(COUNTRIES)
    customers = [{"customer_id": c, "location": p} for c, p in zip(known["customer_id"], places, strict=True)]
    kpi = Kpi({**shop.empty(), "customers": customers}, parameters)
    return Cohorts(kpi, lines, lines["day"].min(), lines["day"].max(), "GBP")


def same(ours: Any, theirs: Any, column: str) -> bool:
    """Equal; doubles up to their published digits and the accuracy of normal tails."""
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if isinstance(ours, (bool, str, date, datetime, Decimal, int)):
        return bool(ours == theirs)
    of_tail = column in ("p_value", "q_value")
    return float(ours) == pytest.approx(float(theirs), rel=3e-7 if of_tail else 1e-9, abs=1e-300 if of_tail else 1e-9)


@pytest.mark.parametrize("table", TABLES)
def test_every_cell_agrees_with_the_independent_recomputation(both: Both, table: str) -> None:
    built, found = both
    made = TABLES[table](found)
    missing = assert_cells_agree(built, f"cohort.{table}", made, same)
    assert missing == ({"member_name"} if table == "drivers" and made else set())  # what factors are called


@pytest.mark.parametrize("both", ["synthetic"], indirect=True)
def test_the_synthetic_shop_shows_every_kind_of_finding(both: Both) -> None:
    rows = both[0].rows
    members, ranking, drivers = rows("cohort.members"), rows("cohort.ranking"), rows("cohort.drivers")
    for column in ("first_device_type", "first_campaign", "first_store_id", "location", "subscription_status"):
        assert len({row[column] for row in members}) >= 3
    assert {row["period_index"] for row in ranking} == {1, 3, 6, 12} == {row["period_index"] for row in drivers}
    assert {row["verdict"] for row in ranking} == {"better", "worse", "not distinguishable", None}
    assert any(row["value"] is None for row in ranking)
    assert {(row["baseline"], row["level"]) for row in drivers} == {
        (baseline, level) for baseline in ("earlier", "previous", "year_ago") for level in ("factor", "mix", "rate")
    }
    assert {row["dimension"] for row in drivers} == {*cohorts_drivers.FACTORS, *cohorts_drivers.DIMENSIONS}
