"""The tables of core: one row test for each rule, and orders against an independent recomputation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.independent import metrics, shop
from tests.independent.tables import OnEngine, project
from tests.integration.conftest import Built

AS_OF = date(2025, 1, 15)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def built(built_shop: Built) -> OnEngine:
    return built_shop(None)[0]


@pytest.fixture(scope="module")
def sales(built: OnEngine) -> Mapping[str, Row]:
    return {row["sale_id"]: row for row in built.rows("core.sales")}


@pytest.fixture(scope="module")
def orders(built: OnEngine) -> Mapping[str, Row]:
    return {row["order_id"]: row for row in built.rows("core.orders")}


@pytest.fixture(scope="module")
def customers(built: OnEngine) -> Mapping[str, Row]:
    return {row["customer_id"]: row for row in built.rows("core.customers")}


def test_a_line_without_order_and_shop_is_an_order_of_its_own_sold_online(sales: Mapping[str, Row]) -> None:
    assert (sales["d1"]["order_id"], sales["d1"]["store_id"], sales["d1"]["status"]) == (
        "d1",
        "__online__",
        "completed",
    )


def test_missing_money_is_derived(sales: Mapping[str, Row]) -> None:
    assert sales["d2"]["unit_price"] == Decimal("5.0000")  # 19.9999 / 4 = 4.999975
    assert sales["d3"]["total_price"] == Decimal("8.5")
    assert sales["da"]["total_price"] == Decimal("0.9957")  # 0.333 · 2.99 = 0.99567
    assert sales["d9"]["total_price"] == Decimal(0)  # a discount above the price gives nothing back
    assert not any(sales[key]["amount_mismatch"] for key in ("d2", "d3", "da", "d9"))


@pytest.mark.parametrize(("line", "total"), [("d4", "-5"), ("d5", "5")])
def test_the_amount_takes_the_sign_of_the_quantity(sales: Mapping[str, Row], line: str, total: str) -> None:
    assert (sales[line]["total_price"], sales[line]["sign_fixed"]) == (Decimal(total), True)
    assert not sales[line]["amount_mismatch"]


def test_the_delivered_amount_wins_over_quantity_times_price(sales: Mapping[str, Row]) -> None:
    assert (sales["d6"]["net_sales"], sales["d6"]["amount_mismatch"]) == (Decimal("4.98"), False)  # within 0.5 %
    assert (sales["d7"]["net_sales"], sales["d7"]["amount_mismatch"]) == (Decimal("4980"), False)


def test_an_amount_beyond_the_tolerance_is_flagged(tmp_path: Path) -> None:
    lines = [
        shop.sale("cent", "2024-01-01 10:00", 1, "1.00", total="0.99"),
        shop.sale("more", "2024-01-01 10:00", 1, "1.00", total="0.98"),
        shop.sale("half a percent", "2024-01-01 10:00", 1, "1005", total="1000"),
        shop.sale("beyond", "2024-01-01 10:00", 1, "1005.01", total="1000"),
    ]
    built = OnEngine(project(), tmp_path).build({**shop.empty(), "sales": lines}, shop.PARAMETERS, "core.sales")
    flags = {row["sale_id"]: row["amount_mismatch"] for row in built.rows("core.sales")}
    assert flags == {"cent": False, "more": True, "half a percent": False, "beyond": True}


def test_a_discount_of_unknown_size_counts_as_zero_and_is_flagged(sales: Mapping[str, Row]) -> None:
    assert (sales["d8"]["discount_amount"], sales["d8"]["discount_unknown"]) == (0, True)
    assert not sales["d3"]["discount_unknown"]


@pytest.mark.parametrize("line", ["s1", "s2", "s3", "s5"])
def test_lines_that_do_not_count_have_no_sales_but_keep_their_amount(sales: Mapping[str, Row], line: str) -> None:
    row = sales[line]
    assert not row["is_valid"]
    assert [row[name] for name in ("gross_sales", "discounts", "returns", "net_sales")] == [0, 0, 0, 0]
    assert row["total_price"] > 0


def test_orders_agree_with_the_independent_recomputation(orders: Mapping[str, Row]) -> None:
    expected = {order.order_id: order for order in metrics.Shop(shop.nasty()).orders}
    assert set(orders) == set(expected)
    for key, order in expected.items():
        ours = orders[key]
        wanted = {
            "customer_id": order.customer,
            "customer_conflict": order.conflict,
            "order_date": order.day,
            "ordered_at": order.first.at,
            "store_id": order.first.store_id,
            "lines": len(order.lines),
            "products": len({line.product_id for line in order.lines}),
            "units": sum(line.quantity for line in order.lines),
            "order_value": order.value,
            "linked_returns": order.returned,
            "order_net_value": order.value - order.returned,
            "order_number": order.number,
            "is_first_order": order.number == 1,
        }
        assert {name: ours[name] for name in wanted} == wanted


def test_an_order_over_midnight_begins_before_it(orders: Mapping[str, Row]) -> None:
    order = orders["O-midnight"]
    assert (order["order_date"], order["order_month"], order["lines"]) == (date(2023, 3, 31), date(2023, 3, 1), 2)
    assert order["order_value"] == Decimal("25")


def test_returns_alone_are_no_order(orders: Mapping[str, Row]) -> None:
    assert not {"R-alone", "R-guest", "R-linked", "R-sign"} & set(orders)


def test_a_full_return_leaves_the_order_counted(orders: Mapping[str, Row]) -> None:
    assert (orders["O-full"]["order_value"], orders["O-full"]["order_net_value"]) == (20, 0)


def test_a_return_is_linked_by_its_line_before_its_order_number(orders: Mapping[str, Row]) -> None:
    linked = orders["O-linked"]
    assert (linked["linked_returns"], linked["linked_units_returned"], linked["order_net_value"]) == (15, 3, 0)


def test_the_customer_of_an_order_is_the_earliest_named_one(orders: Mapping[str, Row]) -> None:
    assert (orders["O-conflict"]["customer_id"], orders["O-conflict"]["customer_conflict"]) == ("c1", True)
    assert (orders["O-late-name"]["customer_id"], orders["O-late-name"]["is_guest"]) == ("c5", False)


def test_orders_of_the_same_second_are_numbered_by_their_id(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2023-08-01 08:00", order="O-b", customer="c"),
        shop.sale("2", "2023-08-01 08:00", order="O-a", customer="c"),
        shop.sale("3", "2023-08-20 08:00", order="O-c", customer="c"),
    ]
    built = OnEngine(project(), tmp_path).build({**shop.empty(), "sales": lines}, shop.PARAMETERS, "core.orders")
    found = {r["order_id"]: (r["order_number"], r["days_since_previous_order"]) for r in built.rows("core.orders")}
    assert found == {"O-a": (1, None), "O-b": (2, 0), "O-c": (3, 19)}


def test_returns_after_the_as_of_date_are_not_linked_yet(tmp_path: Path) -> None:
    parameters = {**shop.PARAMETERS, "as_of_date": date(2023, 7, 3)}
    built = OnEngine(project(), tmp_path).build(shop.nasty(), parameters, "core.orders")
    (order,) = [row for row in built.rows("core.orders") if row["order_id"] == "O-linked"]
    assert order["linked_returns"] == 10


def test_customers_are_all_that_any_file_names(customers: Mapping[str, Row]) -> None:
    landed = shop.nasty()
    delivered = {row["customer_id"] for row in landed["customers"]}
    assert set(customers) == set(metrics.Shop(landed).customers)
    assert {key for key, row in customers.items() if row["is_inferred"]} == set(customers) - delivered
    assert customers["visitor-only"]["customer_name"] == "visitor-only"
    assert customers["c10"]["is_inferred"]  # has nothing but a line that does not count


def test_age_groups_and_locations_agree_with_the_independent_recomputation(customers: Mapping[str, Row]) -> None:
    found = metrics.Shop(shop.nasty())
    for key, row in found.customers.items():
        wanted = (metrics.age_group(found, row), metrics.location(row))
        assert (customers[key]["age_group"], customers[key]["location"]) == wanted, key


@pytest.mark.parametrize(
    ("customer", "age", "invalid"),
    [
        ("young1", 18, False),
        ("young2", 25, False),  # turns 26 on 10 February
        ("c4", 20, False),  # born on 29 February 2004; the birth date wins over the age
        ("c2", None, True),  # 130
        ("unborn", None, True),
        ("idle-old", 0, False),
        ("band", None, False),
    ],
)
def test_age_is_counted_in_full_years_at_the_as_of_date(
    customers: Mapping[str, Row], customer: str, age: int | None, invalid: bool
) -> None:
    assert (customers[customer]["age"], customers[customer]["age_invalid"]) == (age, invalid)


@pytest.mark.parametrize(("as_of", "age"), [(date(2025, 2, 28), 20), (date(2025, 3, 1), 21), (date(2024, 2, 29), 20)])
def test_who_was_born_on_a_leap_day_turns_older_on_the_first_of_march(tmp_path: Path, as_of: date, age: int) -> None:
    born = [{"customer_id": "leap", "birth_date": date(2004, 2, 29)}]
    parameters = {**shop.PARAMETERS, "as_of_date": as_of}
    built = OnEngine(project(), tmp_path).build({**shop.empty(), "customers": born}, parameters, "core.customers")
    assert [row["age"] for row in built.rows("core.customers")] == [age]


@pytest.mark.parametrize(
    ("delivered", "shown"),
    [
        (["new york", "NEW  YORK", " New York "], "New York"),
        (["new york", "New york", "NEW YORK"], "New York"),
        (["nyc"], "New York"),
        (["USA"], "United States"),
        (["NY"], "NY"),
        (["Stoke-on-Trent", "STOKE-ON-TRENT"], "Stoke-on-Trent"),
        (["Frankfurt am Main", "FRANKFURT AM MAIN", "Frankfurt am Main"], "Frankfurt am Main"),
        (["são paulo"], "São Paulo"),
        (["ÅLBORG"], "Ålborg"),
        (["None"], "Unknown"),
        (["-"], "Unknown"),
        ([None], "Unknown"),
    ],
)
def test_locations_are_shown_in_one_spelling(tmp_path: Path, delivered: list[str | None], shown: str) -> None:
    rows = [{"customer_id": f"c{n}", "location": text} for n, text in enumerate(delivered)]
    built = OnEngine(project(), tmp_path).build({**shop.empty(), "customers": rows}, shop.PARAMETERS, "core.customers")
    assert {row["location"] for row in built.rows("core.customers")} == {shown}


def test_the_category_is_the_first_level_of_its_path(built: OnEngine) -> None:
    found = {row["product_id"]: row for row in built.rows("core.products")}
    categories = {key: row["category"] for key, row in found.items()}
    assert categories == {
        "P1": "Home", "P2": "Kitchen", "P3": "Kitchen", "P4": "Unknown", "P5": "Unknown", "P6": "Unknown",
        "P7": "Unknown", "P8": "Unknown", "POST": "Unknown", "UNSOLD": "Home",
    }  # fmt: skip
    assert {key for key, row in found.items() if row["is_inferred"]} == {"P6", "P7", "P8"}
    assert (found["P4"]["product_name"], found["POST"]["product_type"], found["P1"]["product_type"]) == (
        "P4",
        "service",
        "goods",
    )


def test_the_online_shop_exists_in_an_empty_home(tmp_path: Path) -> None:
    built = OnEngine(project(), tmp_path).build(shop.empty(), shop.PARAMETERS, "core.stores")
    assert [(row["store_id"], row["channel"]) for row in built.rows("core.stores")] == [("__online__", "online")]


def test_devices_known_from_events_alone_are_added(built: OnEngine) -> None:
    found = {
        row["device_id"]: (row["device_type"], row["is_bot"], row["is_inferred"]) for row in built.rows("core.devices")
    }
    assert found == {"d1": ("mobile", True, False), "d-unknown": ("unknown", False, True)}


def test_events_that_need_a_product_and_have_none_are_flagged(tmp_path: Path) -> None:
    events = [
        shop.event("a", "2024-01-01 10:00", "view", device_id="d"),
        shop.event("b", "2024-01-01 10:00", "view", device_id="d", product_id="P"),
        shop.event("c", "2024-01-01 10:00", "search", device_id="d"),
    ]
    built = OnEngine(project(), tmp_path).build(
        {**shop.empty(), "interactions": events}, shop.PARAMETERS, "core.interactions"
    )
    found = {row["interaction_id"]: row["is_product_missing"] for row in built.rows("core.interactions")}
    assert found == {"a": True, "b": False, "c": False}


def test_the_clock_spans_sales_that_count_and_interactions(built: OnEngine) -> None:
    (clock,) = built.rows("core.clock")
    assert (clock["data_begin_date"], clock["data_end_date"]) == (date(2023, 2, 1), AS_OF)  # s5 of 2026 does not count
    assert (clock["as_of_date"], clock["as_of_is_set"], clock["currency"]) == (AS_OF, False, "EUR")


def test_the_calendar_has_every_day_up_to_a_later_as_of_date(tmp_path: Path) -> None:
    parameters = {**shop.PARAMETERS, "as_of_date": date(2025, 1, 31)}
    built = OnEngine(project(), tmp_path).build(shop.nasty(), parameters, "core.calendar")
    days = {row["day"]: row for row in built.rows("core.calendar")}
    assert (min(days), max(days), len(days)) == (date(2023, 2, 1), date(2025, 1, 31), 731)
    assert days[date(2025, 1, 31)]["is_complete"]  # the as-of date was set by hand
    new_year = days[date(2024, 12, 30)]
    names = ("week_name", "month_name", "quarter_name", "year_name", "iso_weekday")
    assert [new_year[name] for name in names] == ["2025-W01", "2024-12", "2024-Q4", "2024", 1]
