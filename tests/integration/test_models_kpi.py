"""The tables of kpi against an independent recomputation, and one test for each rule of periods and growth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.independent import metrics, shop
from tests.independent.tables import OnEngine, project
from tests.integration.conftest import Built

Row = dict[str, Any]
GRAINS = {"daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter", "yearly": "year"}
AS_OF = {"by default": None, "on a leap day": date(2024, 2, 29), "after the data": date(2025, 6, 30)}


@pytest.fixture(scope="module", params=AS_OF, ids=list(AS_OF))
def both(request: pytest.FixtureRequest, built_shop: Built) -> tuple[OnEngine, metrics.Shop]:
    return built_shop(AS_OF[request.param])


def months(folder: Path, lines: list[Row], **parameters: Any) -> Mapping[str, Row]:
    """kpi.monthly of a few lines, by the name of the month."""
    landed = {**shop.empty(), "sales": lines}
    built = OnEngine(project(), folder).build(landed, {**shop.PARAMETERS, **parameters}, "kpi.monthly")
    return {row["period_name"]: row for row in built.rows("kpi.monthly")}


def same(ours: Any, theirs: Any) -> bool:
    """Equal, up to the last published digit."""
    if ours is None or theirs is None or pd.isna(theirs):
        return ours is None and (theirs is None or bool(pd.isna(theirs)))
    if isinstance(ours, Decimal):
        return abs(ours - Decimal(str(theirs))) <= Decimal("0.0001")
    return bool(ours == theirs) if not isinstance(ours, float) else ours == pytest.approx(theirs, rel=1e-11)


@pytest.mark.parametrize("table", GRAINS)
def test_periods_agree_with_the_independent_recomputation(both: tuple[OnEngine, metrics.Shop], table: str) -> None:
    built, found = both
    expected = metrics.periods(found, GRAINS[table])
    ours = {row["period"]: row for row in built.rows(f"kpi.{table}")}
    assert sorted(ours) == sorted(expected.index)
    for period, row in expected.to_dict("index").items():
        wrong = {
            name: (ours[period][name], value) for name, value in row.items() if not same(ours[period][name], value)
        }
        assert not wrong, period


MEMBERS: dict[str, tuple[str, Callable[[metrics.Shop, metrics.Line], str]]] = {
    "by_product": ("product_id", lambda _, line: line.product_id),
    "by_category": ("category", lambda found, line: category(found, line.product_id)),
    "by_store": ("store_id", lambda _, line: line.store_id),
    "by_location": ("location", lambda found, line: place(found, line.customer_id)),
}


def category(found: metrics.Shop, product_id: str) -> str:
    paths = {row["product_id"]: row.get("category") for row in found.landed["products"]}
    return (paths.get(product_id) or "").split("/")[0].strip() or "Unknown"


def place(found: metrics.Shop, customer_id: str | None) -> str:
    return metrics.location(found.customers[customer_id]) if customer_id else "Guest"


@pytest.mark.parametrize("table", MEMBERS)
def test_members_agree_with_the_independent_recomputation(both: tuple[OnEngine, metrics.Shop], table: str) -> None:
    built, found = both
    column, member = MEMBERS[table]
    expected = metrics.by_member(found, lambda line: member(found, line)).set_index(["month", "member"])
    ours = {(row["month"], row[column]): row for row in built.rows(f"kpi.{table}")}
    assert set(ours) == set(expected.index)
    for key, row in expected.to_dict("index").items():
        assert {name: ours[key][name] for name in row} == row, key


def test_every_slice_is_its_part_of_all_periods(both: tuple[OnEngine, metrics.Shop]) -> None:
    built, _ = both
    every = built.rows("kpi.periods")
    for table, grain in GRAINS.items():
        part = [{k: v for k, v in row.items() if k != "grain"} for row in every if row["grain"] == grain]
        ours = sorted(built.rows(f"kpi.{table}"), key=lambda row: row["period"])
        assert ours == sorted(part, key=lambda row: row["period"])


def test_money_over_midnight_stands_on_its_own_day_and_the_order_where_it_began(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-03-31 23:59", 1, "10", order="O", customer="c"),
        shop.sale("2", "2024-04-01 00:01", 1, "5", order="O", customer="c"),
    ]
    found = months(tmp_path, lines)
    assert [(found[m]["orders"], found[m]["net_sales"]) for m in ("2024-03", "2024-04")] == [(1, 10), (0, 5)]
    assert found["2024-04"]["aov"] is None


def test_a_month_of_returns_alone_is_negative_and_never_a_base(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-01 10:00", 1, "10", customer="c"),
        shop.sale("2", "2024-02-05 10:00", -1, "4", customer="c", order="R"),
        shop.sale("3", "2024-03-05 10:00", 1, "6", customer="c"),
        shop.sale("4", "2024-04-01 10:00", 1, "6", customer="c"),
    ]
    found = months(tmp_path, lines)
    february, march = found["2024-02"], found["2024-03"]
    assert (february["net_sales"], february["gross_sales"], february["returns"]) == (-4, 0, 4)
    assert (february["orders"], february["active_customers"], february["aov"]) == (0, 0, None)
    assert february["net_sales_growth"] == pytest.approx(-1.4)
    assert (march["net_sales_growth"], march["growth_note"], march["net_sales_change"]) == (
        None,
        "non_positive_base",
        10,
    )
    assert march["orders_growth"] is None


def test_a_single_order_on_the_last_day_is_incomplete_without_growth(tmp_path: Path) -> None:
    found = months(tmp_path, [shop.sale("1", "2024-01-31 10:00", customer="c")])
    assert (found["2024-01"]["is_complete"], found["2024-01"]["growth_note"]) == (False, "no_base")
    assert (found["2024-01"]["new_customers"], found["2024-01"]["acquisition_rate"]) == (1, 1.0)
    assert found["2024-01"]["new_to_returning_ratio"] is None


def test_an_as_of_date_set_by_hand_completes_its_month(tmp_path: Path) -> None:
    lines = [shop.sale("1", "2024-01-01 10:00", customer="c"), shop.sale("2", "2024-02-20 10:00", 3, customer="c")]
    found = months(tmp_path, lines, as_of_date=date(2024, 2, 29))
    assert (found["2024-02"]["is_complete"], found["2024-02"]["net_sales_growth"]) == (True, 2.0)
    assert found["2024-02"]["to_date_growth"] is None


def test_the_running_month_compares_equally_many_days(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-02-01 10:00", 1, "10", customer="c"),
        shop.sale("2", "2024-02-10 10:00", 1, "10", customer="c"),
        shop.sale("3", "2024-02-11 10:00", 1, "80", customer="c"),
        shop.sale("4", "2024-03-10 10:00", 1, "30", customer="c"),
    ]
    march = months(tmp_path, lines)["2024-03"]
    assert (march["net_sales_prev_to_date"], march["to_date_growth"], march["net_sales_growth"]) == (20, 0.5, None)


def test_day_31_compares_with_the_whole_shorter_month_before(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2023-02-01 10:00", 1, "10", customer="c"),
        shop.sale("2", "2023-02-28 10:00", 1, "10", customer="c"),
        shop.sale("3", "2023-03-31 10:00", 1, "30", customer="c"),
    ]
    march = months(tmp_path, lines)["2023-03"]
    assert (march["net_sales_prev_to_date"], march["to_date_growth"]) == (20, 0.5)


def test_two_orders_in_the_first_month_are_one_new_customer_and_none_returning(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-01 10:00", customer="c"),
        shop.sale("2", "2024-01-20 10:00", customer="c"),
        shop.sale("3", "2024-02-20 10:00", customer="c"),
    ]
    found = months(tmp_path, lines)
    counts = ("new_customers", "returning_customers", "first_orders", "repeat_orders")
    assert [found["2024-01"][name] for name in counts] == [1, 0, 1, 1]
    assert [found["2024-02"][name] for name in counts] == [0, 1, 0, 1]


def test_guests_bring_orders_and_sales_but_are_no_customers(tmp_path: Path) -> None:
    lines = [shop.sale("1", "2024-01-01 10:00", 1, "7"), shop.sale("2", "2024-01-02 10:00", 1, "5", customer="c")]
    january = months(tmp_path, lines)["2024-01"]
    assert [january[n] for n in ("orders", "guest_orders", "active_customers", "net_sales", "guest_net_sales")] == [
        2, 1, 1, 12, 7,
    ]  # fmt: skip


def test_days_without_sales_are_there_with_zeros(tmp_path: Path) -> None:
    lines = [shop.sale("1", "2024-02-27 10:00", customer="c"), shop.sale("2", "2024-03-02 10:00", customer="c")]
    built = OnEngine(project(), tmp_path).build({**shop.empty(), "sales": lines}, shop.PARAMETERS, "kpi.daily")
    days = {row["period"]: row for row in built.rows("kpi.daily")}
    assert len(days) == 5
    leap = days[date(2024, 2, 29)]
    assert (leap["orders"], leap["net_sales"], leap["aov"], leap["is_complete"]) == (0, 0, None, True)


def test_an_empty_home_has_empty_tables(tmp_path: Path) -> None:
    built = OnEngine(project(), tmp_path).build(shop.empty(), shop.PARAMETERS)
    tables = [key for key in built.project.models if key.startswith("kpi.")]
    assert tables
    assert {key: built.rows(key) for key in tables} == {key: [] for key in tables}


def test_visits_without_sales_give_days_without_sales(tmp_path: Path) -> None:
    landed = {**shop.empty(), "interactions": shop.interactions()}
    built = OnEngine(project(), tmp_path).build(landed, shop.PARAMETERS, "kpi.daily")
    days = built.rows("kpi.daily")
    assert len(days) == 715
    assert {row["net_sales"] for row in days} == {0}
