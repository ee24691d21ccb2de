"""The tables of kpi against an independent recomputation, and one test for each rule of periods and growth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxa_pipeline.engine.protocol import Relation
from tests.independent import metrics, shop
from tests.independent.tables import OnEngine, project
from tests.integration.conftest import Built
from tests.support.built import BuiltShops

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


def test_an_empty_home_has_empty_tables(shops: BuiltShops) -> None:
    built = shops.get("empty")
    tables = [key for key in built.project.models if key.startswith("kpi.")]
    assert tables
    assert {key: built.rows(key) for key in tables} == {key: [] for key in tables}


def test_visits_without_sales_give_days_without_sales(tmp_path: Path) -> None:
    landed = {**shop.empty(), "interactions": shop.interactions()}
    built = OnEngine(project(), tmp_path).build(landed, shop.PARAMETERS, "kpi.daily")
    days = built.rows("kpi.daily")
    assert len(days) == 715
    assert {row["net_sales"] for row in days} == {0}


def test_a_customer_is_reactivated_after_more_than_twelve_months_without_an_order(tmp_path: Path) -> None:
    lines = [
        *(shop.sale(f"a{n}", day, customer="after the limit") for n, day in enumerate(["2023-01-10", "2024-01-11"])),
        *(shop.sale(f"b{n}", day, customer="on the limit") for n, day in enumerate(["2023-01-10", "2024-01-10"])),
        *(
            shop.sale(f"c{n}", day, customer="twice")
            for n, day in enumerate(["2023-01-10", "2024-01-20", "2024-01-21"])
        ),
        shop.sale("d", "2024-01-15", customer="new"),
        shop.sale("e", "2024-02-15", customer="new"),
    ]
    found = months(tmp_path, lines)
    assert (found["2024-01"]["reactivated_customers"], found["2024-01"]["returning_customers"]) == (2, 3)
    assert {m: row["reactivated_customers"] for m, row in found.items() if row["reactivated_customers"]} == {
        "2024-01": 2
    }


def test_who_is_new_in_a_year_is_not_reactivated_in_it(tmp_path: Path) -> None:
    lines = [shop.sale("1", "2024-01-10", customer="c"), shop.sale("2", "2024-12-10", customer="c")]
    landed, parameters = {**shop.empty(), "sales": lines}, {**shop.PARAMETERS, "inactive_after_months": 2}
    built = OnEngine(project(), tmp_path).build(landed, parameters, "kpi.yearly", "kpi.monthly")
    assert [row["reactivated_customers"] for row in built.rows("kpi.yearly")] == [0]
    assert {row["period_name"] for row in built.rows("kpi.monthly") if row["reactivated_customers"]} == {"2024-12"}


def test_registrations_are_unknown_without_any_day_and_zero_in_months_without_one(tmp_path: Path) -> None:
    lines = [shop.sale("1", "2024-01-10", customer="c"), shop.sale("2", "2024-03-10", customer="d")]
    assert {row["registrations"] for row in months(tmp_path, lines).values()} == {None}
    members = [
        {"customer_id": "c", "join_date": date(2024, 1, 9)},
        {"customer_id": "idle", "join_date": date(2024, 3, 10)},
        {"customer_id": "later", "join_date": date(2024, 3, 11)},
        {"customer_id": "long ago", "join_date": date(2020, 1, 1)},
    ]
    landed = {**shop.empty(), "sales": lines, "customers": members}
    built = OnEngine(project(), tmp_path).build(landed, shop.PARAMETERS, "kpi.monthly")
    assert {row["period_name"]: row["registrations"] for row in built.rows("kpi.monthly")} == {
        "2024-01": 1,
        "2024-02": 0,
        "2024-03": 1,
    }


def test_new_customers_do_not_grow_against_the_first_month_of_the_data(tmp_path: Path) -> None:
    days = ["2024-01-01", "2024-02-10", "2024-02-11", "2024-03-10", "2024-03-11", "2024-03-12", "2024-04-01"]
    lines = [shop.sale(f"{n}", day, customer=f"c{n}") for n, day in enumerate(days)]
    found = months(tmp_path, lines)
    assert [found[m]["is_left_censored"] for m in ("2024-01", "2024-02")] == [True, False]
    growth = ("new_customers_prev", "new_customers_change", "new_customers_growth")
    assert [found["2024-02"][name] for name in growth] == [1, 1, None]
    assert [found["2024-03"][name] for name in growth] == [2, 1, 0.5]
    assert found["2024-02"]["active_customers_growth"] == 1.0
    found = months(tmp_path, lines, data_begin_is_shop_begin=True)
    assert (found["2024-01"]["is_left_censored"], found["2024-02"]["new_customers_growth"]) == (False, 1.0)


def returning_shop() -> list[Row]:
    """Ten units for 100 in January, of which three come back after 30, 31 and 61 days; one unit for 10 in April."""
    back = [("r30", "2024-02-09", "o"), ("r31", "2024-02-10", "o"), ("r61", "2024-03-11", "o")]
    return [
        shop.sale("o", "2024-01-10 12:00", 10, "10", order="O", customer="c"),
        *(
            shop.sale(k, f"{day} 12:00", -1, "10", order=f"R{k}", customer="c", original_sale_id=o)
            for k, day, o in back
        ),
        shop.sale("p", "2024-04-05 12:00", 1, "10", order="P", customer="c"),
    ]


def test_return_rates_follow_the_order_and_those_of_30_and_60_days_wait_for_it_to_be_old_enough(tmp_path: Path) -> None:
    found = months(tmp_path, returning_shop())
    january, april = found["2024-01"], found["2024-04"]
    assert [january[n] for n in ("ordered_value", "returned_value", "return_rate")] == [100, 30, 0.3]
    assert [january[n] for n in ("returned_value_30d", "return_rate_30d")] == [10, 0.1]
    assert [january[n] for n in ("returned_value_60d", "return_rate_60d")] == [20, 0.2]
    assert [april[n] for n in ("ordered_value", "return_rate", "ordered_value_30d", "return_rate_30d")] == [
        10, 0.0, 0, None,
    ]  # fmt: skip
    assert (found["2024-02"]["returns"], found["2024-02"]["return_rate"]) == (20, None)


def test_a_month_has_no_mature_return_rate_before_its_last_order_is_old_enough(tmp_path: Path) -> None:
    january = months(tmp_path, [*returning_shop(), shop.sale("q", "2024-01-31 12:00")], as_of_date=date(2024, 3, 30))
    assert [january["2024-01"][n] for n in ("ordered_value_60d", "return_rate_60d")] == [100, None]
    assert january["2024-01"]["return_rate_30d"] == pytest.approx(10 / 110)


def test_units_that_come_back_are_rated_like_their_value(tmp_path: Path) -> None:
    landed = {**shop.empty(), "sales": returning_shop()}
    built = OnEngine(project(), tmp_path).build(landed, shop.PARAMETERS, "kpi.return_rates")
    january = next(
        r for r in built.rows("kpi.return_rates") if (r["grain"], str(r["period"])) == ("month", "2024-01-01")
    )
    assert [january[f"unit_return_rate{age}"] for age in ("", "_30d", "_60d")] == [0.3, 0.1, 0.2]
    assert [january[f"returned_units{age}"] for age in ("", "_30d", "_60d")] == [3, 1, 2]


@pytest.mark.parametrize(("unlinked", "rate"), [("20", 0.2), ("20.01", None)])
def test_a_return_rate_needs_half_of_the_returns_to_be_traced(
    tmp_path: Path, unlinked: str, rate: float | None
) -> None:
    lines = [
        shop.sale("o", "2024-01-10 12:00", 1, "100", order="O", customer="c"),
        shop.sale("r", "2024-01-20 12:00", -1, "20", order="O", customer="c"),
        shop.sale("u", "2024-01-25 12:00", -1, unlinked, order="U", customer="c"),
        shop.sale("n", "2024-02-25 12:00", 1, "1", order="N", customer="c"),
    ]
    january = months(tmp_path, lines)["2024-01"]
    assert (january["return_rate"], january["returns_linked"]) == (rate, 20)
    assert january["linked_return_share"] == pytest.approx(20 / (20 + float(unlinked)))


def test_averages_per_order_and_unit_and_without_the_outlier(tmp_path: Path) -> None:
    lines = [
        shop.sale(f"{n}", "2024-01-10 12:00", 2, f"{10 + n % 3}", order=f"O{n}", customer="c", discount="1")
        for n in range(12)
    ]
    lines.append(shop.sale("big", "2024-01-11 12:00", 1, "5000", order="big", customer="d"))
    january = months(tmp_path, lines)["2024-01"]
    usual = [2 * (10 + n % 3) - 1 for n in range(12)]
    assert (january["outlier_orders"], january["aov_ex_outliers"]) == (1, Decimal(sum(usual)) / 12)
    assert january["aov"] == pytest.approx(Decimal(sum(usual) + 5000) / 13, abs=Decimal("0.0001"))
    assert january["units_per_order"] == pytest.approx(25 / 13)
    assert january["price_per_unit"] == Decimal(sum(usual) + 5000) / 25
    assert january["discount_rate"] == pytest.approx(12 / (sum(usual) + 12 + 5000))
    assert january["orders_per_customer"] == 6.5


def test_returns_alone_are_no_order_and_no_customer_of_any_table(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-05 10:00", -1, "4", customer="c", order="R"),
        shop.sale("2", "2024-02-05 10:00", -1, "4", customer="c", order="R2"),
    ]
    drawn_from = ("monthly", "cross_channel", "revenue_concentration_summary", "revenue_drivers")
    without = ("order_traits", "product_discounts", "promo_codes", "discount_effect")
    keys = [f"kpi.{table}" for table in (*drawn_from, *without)]
    built = OnEngine(project(), tmp_path).build({**shop.empty(), "sales": lines}, shop.PARAMETERS, *keys)
    january = next(row for row in built.rows("kpi.monthly") if row["period_name"] == "2024-01")
    assert [january[n] for n in ("net_sales", "orders", "active_customers", "ordered_value")] == [-4, 0, 0, 0]
    assert january["linked_return_share"] == 0
    assert {t: built.rows(f"kpi.{t}") for t in without} == {t: [] for t in without}
    assert [row["net_sales"] for row in built.rows("kpi.cross_channel")] == [-8]
    summary = built.rows("kpi.revenue_concentration_summary")[0]
    assert [summary[n] for n in ("customers", "gini", "share_of_customers_for_80_percent", "share_of_top_20_percent")] == [
        1, None, None, None,
    ]  # fmt: skip
    assert {row["share"] for row in built.rows("kpi.revenue_drivers")} == {None}


def lifecycle(built: OnEngine, grain: str = "month") -> dict[str, list[int]]:
    """New, retained, resurrecting, dormant and active customers by the name of the period."""
    names = ("new", "retained", "resurrecting", "dormant", "active")
    return {
        row["period_name"]: [row[f"{name}_customers"] for name in names]
        for row in built.rows("kpi.lifecycle")
        if row["grain"] == grain
    }


def test_customers_come_stay_away_and_come_back(tmp_path: Path) -> None:
    lines = [
        *(
            shop.sale(f"s{n}", day, customer="stays")
            for n, day in enumerate(["2024-01-05", "2024-02-05", "2024-03-05"])
        ),
        *(shop.sale(f"b{n}", day, customer="back") for n, day in enumerate(["2024-01-05", "2024-01-06", "2024-03-05"])),
        shop.sale("l", "2024-02-29", customer="late"),
        shop.sale("g", "2024-02-29"),
    ]
    built = OnEngine(project(), tmp_path).build({**shop.empty(), "sales": lines}, shop.PARAMETERS, "kpi.lifecycle")
    assert lifecycle(built) == {"2024-01": [2, 0, 0, 0, 2], "2024-02": [1, 1, 0, -1, 2], "2024-03": [0, 1, 1, -1, 2]}
    weeks = lifecycle(built, "week")
    assert weeks["2024-W01"] == [2, 0, 0, 0, 2]
    assert weeks["2024-W02"] == [0, 0, 0, -2, 0]
    assert weeks["2024-W10"] == [0, 0, 2, -1, 2]
    rates = {row["period_name"]: (row["retained_share"], row["quick_ratio"]) for row in built.rows("kpi.lifecycle")}
    assert (rates["2024-01"], rates["2024-02"]) == ((None, None), (0.5, 1.0))


def test_a_customer_who_is_forgotten_in_the_lifecycle_is_found(built_shop: Built) -> None:
    built, _ = built_shop(None)
    assert {row["difference"] for row in built.identity("lifecycle_adds_up")} == {0}
    rows = built.rows("kpi.lifecycle")
    changed = [{**row, "new_customers": row["new_customers"] + (n == 0)} for n, row in enumerate(rows)]
    _replace(built, "kpi.lifecycle", changed)
    wrong = [row["item"] for row in built.identity("lifecycle_adds_up") if row["difference"] != 0]
    assert wrong == [f"change {rows[0]['grain']} {rows[0]['period']}"]


def _replace(built: OnEngine, key: str, rows: list[Row]) -> None:
    path = built.relations[key].paths[0]
    target = path.with_suffix(".replaced.parquet")
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), target)
    built.relations[key] = Relation((target,), columns=built.relations[key].columns)


def test_stickiness_counts_complete_months_and_days_only(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2023-05-31 12:00", customer="too early"),
        *(shop.sale(f"e{n}", f"2024-{n:02d}-10 12:00", customer="every") for n in range(1, 7)),
        shop.sale("2", "2023-06-01 12:00", customer="once"),
        shop.sale("3", "2023-06-02 12:00", customer="once"),
        shop.sale("4", "2024-06-15 12:00", customer="running month"),
    ]
    events = [
        shop.event("v1", "2024-05-17 12:00", "visit", device_id="d1"),
        shop.event("v2", "2024-05-19 12:00", "visit", device_id="d1"),
        shop.event("v3", "2024-06-14 12:00", "visit", device_id="d1"),
        shop.event("v4", "2024-06-14 18:00", "visit", device_id="d1"),
        shop.event("v5", "2024-06-14 18:00", "visit", device_id="d2"),
        shop.event("v6", "2024-06-15 18:00", "visit", device_id="d3"),
    ]
    landed = {**shop.empty(), "sales": lines, "interactions": events}
    built = OnEngine(project(), tmp_path).build(landed, shop.PARAMETERS, "kpi.stickiness")
    rows = {(row["audience"], row["active_periods"]): row for row in built.rows("kpi.stickiness")}
    assert len(rows) == 12 + 28
    assert {k: row["members"] for k, row in rows.items() if row["members"]} == {
        ("customers", 1): 1,
        ("customers", 5): 1,
        ("visitors", 1): 1,
        ("visitors", 2): 1,
    }
    first = rows["customers", 1]
    assert (first["window_begin"], first["window_end"]) == (date(2023, 6, 1), date(2024, 5, 31))
    assert (first["members_at_least"], first["share"], first["low_n"]) == (2, 0.5, True)
    assert rows["visitors", 1]["window_begin"] == date(2024, 5, 18)


def test_yesterday_is_the_last_complete_day(tmp_path: Path) -> None:
    lines = [
        shop.sale("y", "2023-03-14 12:00", 1, "40", customer="c"),
        shop.sale("w", "2024-03-05 12:00", 1, "10", customer="c"),
        shop.sale("n", "2024-03-12 12:00", 1, "25", customer="c"),
        shop.sale("cut off", "2024-03-13 06:00", 1, "7", customer="d"),
    ]
    landed = {**shop.empty(), "sales": lines}
    built = OnEngine(project(), tmp_path).build(landed, shop.PARAMETERS, "kpi.yesterday")
    rows = {row["figure"]: row for row in built.rows("kpi.yesterday")}
    sales = rows["net_sales"]
    assert (sales["day"], sales["amount"], sales["currency"]) == (date(2024, 3, 12), 25, "EUR")
    assert [sales[n] for n in ("amount_week_before", "difference_to_week_before", "change_to_week_before")] == [
        10,
        15,
        1.5,
    ]
    assert [sales[n] for n in ("year_before", "amount_year_before", "change_to_year_before")] == [
        date(2023, 3, 14), 40, -0.375,
    ]  # fmt: skip
    assert (rows["new_customers"]["amount"], rows["new_customers"]["change_to_week_before"]) == (0, None)
    assert len(rows) == 8


def test_one_day_of_data_has_no_yesterday_and_one_set_by_hand_is_its_own(tmp_path: Path) -> None:
    landed = {**shop.empty(), "sales": [shop.sale("1", "2024-03-12 12:00", 1, "25", customer="c")]}
    keys = ("kpi.yesterday", "kpi.stickiness", "kpi.growth_drivers", "kpi.lifecycle")
    built = OnEngine(project(), tmp_path).build(landed, shop.PARAMETERS, *keys)
    assert [built.rows(key) for key in keys[:3]] == [[], [], []]
    assert lifecycle(built) == {"2024-03": [1, 0, 0, 0, 1]}
    parameters = {**shop.PARAMETERS, "as_of_date": date(2024, 3, 12)}
    built = OnEngine(project(), tmp_path).build(landed, parameters, "kpi.yesterday")
    assert {row["figure"]: row["amount"] for row in built.rows("kpi.yesterday")}["net_sales"] == 25
