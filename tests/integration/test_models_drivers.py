"""What brings net sales and what moves them: tables of kpi beyond the periods, on shops that one can solve by hand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from math import erfc, sqrt
from pathlib import Path
from typing import Any

import pytest

from tests.independent import shop
from tests.independent.tables import OnEngine, project

Row = dict[str, Any]
Z = 1.959964


def built(
    folder: Path, lines: Iterable[Row], *keys: str, parameters: Row | None = None, **landed: list[Row]
) -> OnEngine:
    """Tables of a shop of few lines."""
    rows = {**shop.empty(), "sales": list(lines), **landed}
    return OnEngine(project(), folder).build(rows, {**shop.PARAMETERS, **(parameters or {})}, *keys)


def drivers(found: OnEngine, dimension: str, period: str = "all") -> dict[str, Row]:
    """Rows of kpi.revenue_drivers of a dimension and a period, by member."""
    return {
        row["member"]: row
        for row in found.rows("kpi.revenue_drivers")
        if (row["dimension"], row["period_name"]) == (dimension, period)
    }


# Growth


def effects(found: OnEngine, month: str) -> dict[str, Decimal]:
    rows = [row for row in found.rows("kpi.growth_drivers") if row["period_name"] == month]
    assert sum(row["effect"] for row in rows) == rows[0]["net_sales_change"]
    return {row["driver"]: row["effect"] for row in rows}


def month_of(day: str, customers: int, orders: int, value: str) -> list[Row]:
    """As many orders of `value`, spread over as many customers."""
    return [
        shop.sale(f"{day}-{n}", f"{day} 12:00", 1, value, order=f"{day}-{n}", customer=f"c{n % customers}")
        for n in range(orders)
    ]


def test_growth_is_split_over_its_factors_without_a_rest(tmp_path: Path) -> None:
    # Customers 300 to 360, orders per customer 1.2 to 1.1, value 50 to 55: effects by Shapley's rule, worked out apart.
    lines = [*month_of("2024-01-01", 300, 360, "50"), *month_of("2024-02-10", 360, 396, "55")]
    found = built(tmp_path, [*lines, shop.sale("end", "2024-03-05 12:00")], "kpi.growth_drivers")
    assert effects(found, "2024-02") == {
        "active_customers": 3620,
        "orders_per_customer": -1735,
        "net_value_per_order": 1895,
        "guests": 0,
    }
    row = next(row for row in found.rows("kpi.growth_drivers") if row["driver"] == "orders_per_customer")
    assert (row["value_before"], row["value_after"], row["net_sales_change"]) == (1.2, 1.1, 3780)
    assert row["share_of_change"] == pytest.approx(-1735 / 3780)
    assert {row["period_name"] for row in found.rows("kpi.growth_drivers")} == {"2024-02"}


def test_growth_from_and_to_a_month_without_orders_is_that_of_customers_and_guests(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-01 12:00", 1, "10", customer="a"),
        shop.sale("2", "2024-01-20 12:00", 1, "7"),
        shop.sale("3", "2024-02-20 12:00", -1, "4", customer="a"),
        shop.sale("4", "2024-03-20 12:00", 1, "30", customer="b"),
        shop.sale("5", "2024-04-01 12:00", 1, "1", customer="b"),
    ]
    found = built(tmp_path, lines, "kpi.growth_drivers")
    nothing_else = {"orders_per_customer": 0, "net_value_per_order": 0}
    assert effects(found, "2024-02") == {
        "active_customers": -10, "guests": -7, "returns_without_orders": -4, **nothing_else,
    }  # fmt: skip
    assert effects(found, "2024-03") == {
        "active_customers": 30, "guests": 0, "returns_without_orders": 4, **nothing_else,
    }  # fmt: skip


# Concentration


def test_concentration_of_four_customers_and_a_guest(tmp_path: Path) -> None:
    lines = [
        *(
            shop.sale(c, "2024-01-10 12:00", 1, price, customer=c)
            for c, price in (("b", "50"), ("a", "30"), ("c", "20"))
        ),
        shop.sale("r", "2024-01-11 12:00", -1, "5", customer="d"),
        shop.sale("g", "2024-01-11 12:00", 1, "1000"),
    ]
    found = built(tmp_path, lines, "kpi.revenue_concentration", "kpi.revenue_concentration_summary")
    summary = found.rows("kpi.revenue_concentration_summary")[0]
    assert (summary["customers"], summary["net_sales"], summary["customers_without_net_sales"]) == (4, 95, 1)
    # 50 + 30 are 84 % of 95; Gini of (50, 30, 20, 0): mean absolute difference 24.375 over twice the mean 25.
    assert (summary["customers_for_80_percent"], summary["share_of_customers_for_80_percent"]) == (2, 0.5)
    assert summary["gini"] == pytest.approx(0.4)
    rows = {row["decile"]: row for row in found.rows("kpi.revenue_concentration")}
    assert sorted(rows) == list(range(1, 11))
    assert {decile: row["net_sales"] for decile, row in rows.items() if row["customers"]} == {
        3: 50,
        5: 30,
        8: 20,
        10: -5,
    }
    assert [rows[8][name] for name in ("cum_customers", "cum_net_sales", "share")] == [3, 100, pytest.approx(20 / 95)]
    assert (rows[8]["cum_share"], rows[10]["cum_share"]) == (pytest.approx(100 / 95), 1.0)
    assert (rows[9]["share"], rows[9]["smallest_net_sales"], rows[9]["net_sales_per_customer"]) == (0.0, None, None)


def test_one_customer_is_everybody_and_stands_last(tmp_path: Path) -> None:
    found = built(
        tmp_path,
        [shop.sale("1", "2024-01-10 12:00", 1, "5", customer="c")],
        "kpi.revenue_concentration",
        "kpi.revenue_concentration_summary",
    )
    assert [row["decile"] for row in found.rows("kpi.revenue_concentration") if row["customers"]] == [10]
    summary = found.rows("kpi.revenue_concentration_summary")[0]
    assert (summary["gini"], summary["share_of_customers_for_80_percent"]) == (0.0, 1.0)
    assert (summary["net_sales_of_top_20_percent"], summary["share_of_top_20_percent"]) == (0, 0.0)


# Drivers


def test_every_dimension_splits_the_same_net_sales(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-10 12:00", 1, "10", "P1", order="O", customer="young1", promo_code="X", store_id="S1"),
        shop.sale("2", "2024-01-10 12:00", 1, "20", "P2", order="O", customer="young1", shipping_type="express"),
        shop.sale("3", "2024-01-11 12:00", 1, "5", "P2", order="G", payment_method="cash"),
    ]
    stores = [{"store_id": "S1", "store_name": "Main Street"}]
    members = [row for row in shop.customers() if row["customer_id"] == "young1"]
    found = built(tmp_path, lines, "kpi.revenue_drivers", products=shop.products(), stores=stores, customers=members)
    assert {row["dimension"] for row in found.rows("kpi.revenue_drivers")} == {
        "product", "category", "season", "size", "color", "brand", "payment_method", "promo_code", "shipping_type",
        "store", "channel", "device_type", "location", "gender", "age_group",
    }  # fmt: skip

    def net(dimension: str) -> dict[str, int]:
        return {member: row["net_sales"] for member, row in drivers(found, dimension).items()}

    assert net("category") == {"Home": 10, "Kitchen": 25}
    assert net("gender") == {"female": 30, "Guest": 5}
    assert net("location") == {"New York": 30, "Guest": 5}
    assert net("promo_code") == {"X": 10, "No code": 25}
    assert net("shipping_type") == {"In store": 10, "express": 20, "Unknown": 5}
    assert net("channel") == {"store": 10, "online": 25}
    assert net("payment_method") == {"Unknown": 30, "cash": 5}
    assert (net("season"), net("device_type")) == ({"Unknown": 35}, {"unknown": 35})
    kitchen = drivers(found, "category")["Kitchen"]
    assert [kitchen[n] for n in ("orders", "customers", "aov", "share", "low_n")] == [
        2, 1, Decimal("12.5"), pytest.approx(25 / 35), True,
    ]  # fmt: skip
    assert {m: row["member_name"] for m, row in drivers(found, "store").items()} == {
        "S1": "Main Street",
        "__online__": "Online shop",
    }


def test_a_return_bears_what_the_line_bore_that_it_gives_back(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-10 12:00", 1, "10", order="O", promo_code="X", shipping_type="express"),
        shop.sale("r", "2024-02-10 12:00", -1, "10", order="R", original_sale_id="1"),
        shop.sale("u", "2024-02-10 12:00", -1, "3", order="U"),
    ]
    found = built(tmp_path, lines, "kpi.revenue_drivers")
    assert {m: r["net_sales"] for m, r in drivers(found, "promo_code").items()} == {"X": 0, "No code": -3}
    assert {m: r["net_sales"] for m, r in drivers(found, "shipping_type").items()} == {"express": 0, "Unknown": -3}
    assert drivers(found, "promo_code", "2024-02")["X"]["net_sales"] == -10


def test_the_device_is_that_of_the_visit_in_which_it_was_bought(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-10 12:00", 1, "10", order="O", customer="c"),
        shop.sale("2", "2024-01-10 12:00", 1, "7", order="no visit", customer="d"),
    ]
    events = [
        shop.event("v", "2024-01-10 11:50", "view", device_id="phone", customer_id="c", product_id="P1"),
        shop.event(
            "p", "2024-01-10 12:00", "purchase", device_id="phone", customer_id="c", product_id="P1", order_id="O"
        ),
    ]
    devices = [{"device_id": "phone", "device_type": "mobile"}]
    found = built(tmp_path, lines, "kpi.revenue_drivers", interactions=events, devices=devices)
    assert {m: r["net_sales"] for m, r in drivers(found, "device_type").items()} == {"mobile": 10, "unknown": 7}


def test_members_grow_vanish_and_come_up(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-01 12:00", 1, "10", "P1"),
        shop.sale("2", "2024-02-10 12:00", 1, "15", "P1"),
        shop.sale("3", "2024-02-10 12:00", 1, "5", "P2"),
        shop.sale("4", "2024-04-01 12:00", 1, "1", "P2"),
    ]
    found = built(tmp_path, lines, "kpi.revenue_drivers", products=shop.products())
    names = ("net_sales", "net_sales_prev", "net_sales_growth", "growth_note")
    home = [[drivers(found, "category", f"2024-0{m}")["Home"][n] for n in names] for m in (1, 2, 3, 4)]
    assert home == [
        [10, None, None, "no_base"],
        [15, 10, 0.5, None],
        [0, 15, -1.0, None],
        [0, 0, None, "incomplete"],
    ]
    kitchen = [[drivers(found, "category", f"2024-0{m}")["Kitchen"][n] for n in names] for m in (2, 3)]
    assert kitchen == [[5, 0, None, "non_positive_base"], [0, 5, -1.0, None]]
    assert "Kitchen" not in drivers(found, "category", "2024-01")
    assert drivers(found, "category")["Home"]["growth_note"] is None
    # Products have rows only where a line counts; the month before is 0, not the last row.
    assert "P2" not in drivers(found, "product", "2024-03")
    assert [drivers(found, "product", "2024-04")["P2"][n] for n in names] == [1, 0, None, "incomplete"]


# Discounts


def test_discounts_are_compared_as_scipy_and_price_and_bonett_do(tmp_path: Path) -> None:
    with_discount = [10, 10, 12, 15, 20, 22, 30, 41, 41, 50]
    without = [8, 9, 10, 10, 11, 14, 16, 18, 21, 40]
    lines = [
        *(
            shop.sale(f"w{n}", "2024-01-10 12:00", 1, f"{v + 1}", customer="c", discount="1")
            for n, v in enumerate(with_discount)
        ),
        *(shop.sale(f"o{n}", "2024-01-10 12:00", 1, f"{v}", customer="d") for n, v in enumerate(without)),
    ]
    found = built(tmp_path, lines, "kpi.discount_effect")
    rows = {(row["breakdown"], row["member"]): row for row in found.rows("kpi.discount_effect")}
    row = rows["discount", "with discount"]
    assert (row["median_order_value"], row["median_difference"]) == (21, Decimal("8.5"))
    # The 2nd and the 9th of ten values: 10 and 41, 9 and 21; normal quantile (n - 2c + 1) / √n.
    half = Z * sqrt((31 * sqrt(10) / 14) ** 2 + (12 * sqrt(10) / 14) ** 2)
    assert float(row["median_difference_low"]) == pytest.approx(8.5 - half, abs=1e-4)
    assert float(row["median_difference_high"]) == pytest.approx(8.5 + half, abs=1e-4)
    # scipy.stats.mannwhitneyu(with_discount, without, method="asymptotic"): 73, p = 0.08765163113198096
    assert row["probability_of_more"] == 0.73
    assert row["p_value"] == pytest.approx(0.08765163113198096, rel=2e-7)
    assert row["q_value"] >= row["p_value"]
    other = rows["discount", "without discount"]
    assert (other["p_value"], other["median_difference"], other["standardised_aov"]) == (None, None, None)
    assert rows["depth", "up to 30 %"]["p_value"] is None
    assert (rows["depth", "over 30 %"]["orders"], rows["depth", "over 30 %"]["aov"]) == (0, None)


def test_discounts_are_compared_at_one_mix_of_categories(tmp_path: Path) -> None:
    def orders(name: str, times: int, value: int, product: str, discount: str | None) -> list[Row]:
        price = str(value + int(discount or 0))
        return [shop.sale(f"{name}{n}", "2024-01-10 12:00", 1, price, product, discount=discount) for n in range(times)]

    lines = [
        *orders("a", 3, 100, "P1", "5"),
        *orders("b", 1, 10, "P2", "5"),
        *orders("c", 1, 100, "P1", None),
        *orders("d", 3, 10, "P2", None),
        *orders("e", 2, 1000, "P4", None),
    ]
    found = built(tmp_path, lines, "kpi.discount_effect", products=shop.products())
    rows = {row["member"]: row for row in found.rows("kpi.discount_effect")}
    assert (rows["with discount"]["aov"], rows["without discount"]["aov"]) == (Decimal("77.5"), Decimal("355"))
    row = rows["with discount"]
    assert [row[n] for n in ("standard_orders", "standardised_aov", "standardised_aov_without")] == [8, 55, 55]


def test_depths_of_discounts_forgive_rounding_and_unknown_amounts_are_no_zero(tmp_path: Path) -> None:
    given = {
        "o10": ("9.95", "1.00"),
        "o11": ("10", "1.02"),
        "o20": ("10", "2"),
        "o30": ("10", "3"),
        "o99": ("10", "10"),
    }
    lines = [
        *(shop.sale(k, "2024-01-10 12:00", 1, p, order=k, discount=d) for k, (p, d) in given.items()),
        shop.sale("o0", "2024-01-10 12:00", order="o0"),
        shop.sale("hint", "2024-01-10 12:00", order="hint", discount_applied=True),
    ]
    found = built(tmp_path, lines, "kpi.order_traits", "kpi.product_discounts")
    bands = {row["order_id"]: row["discount_depth_band"] for row in found.rows("kpi.order_traits")}
    assert bands == {
        "o0": "none", "o10": "up to 10 %", "o11": "up to 20 %", "o20": "up to 20 %", "o30": "up to 30 %",
        "o99": "over 30 %", "hint": "unknown",
    }  # fmt: skip
    product = found.rows("kpi.product_discounts")[0]
    counts = ("lines", "discounted_lines", "lines_of_unknown_discount", "discounted_gross_sales")
    assert [product[n] for n in counts] == [7, 6, 1, Decimal("49.95")]
    assert product["discount_depth"] == pytest.approx(17.02 / 49.95)
    assert product["price_per_unit_full"] == 10


def test_customers_have_habits_of_discounts_from_three_orders_on(tmp_path: Path) -> None:
    wanted = {"only": 10, "nearly": 9, "sometimes": 8, "never": 0}
    lines = [
        shop.sale(f"{c}{n}", "2024-01-10 12:00", order=f"{c}{n}", customer=c, discount="1" if n < times else None)
        for c, times in wanted.items()
        for n in range(10)
    ]
    lines += [shop.sale(f"few{n}", "2024-01-10 12:00", order=f"few{n}", customer="few", discount="1") for n in range(2)]
    found = built(tmp_path, lines, "kpi.discount_effect")
    habits = {r["member"]: r for r in found.rows("kpi.discount_effect") if r["breakdown"] == "habit"}
    assert {m: (r["customers"], r["orders"]) for m, r in habits.items()} == {
        "only on discount": (2, 20), "sometimes on discount": (1, 10), "never on discount": (1, 10),
        "fewer than 3 orders": (1, 2), "Guest": (0, 0),
    }  # fmt: skip
    assert habits["only on discount"]["customer_share"] == 0.4


# Subscriptions


@pytest.fixture(scope="module")
def subscribers(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Row]:
    """56 of 70 subscribers bought twice, 48 of 80 others; one of unknown status, one who never bought."""
    lines, members = [], []
    for status, count, repeating in ((True, 70, 56), (False, 80, 48), (None, 1, 0)):
        for n in range(count):
            customer = f"{status}{n}"
            members.append({"customer_id": customer, "subscription_status": status})
            lines.append(shop.sale(f"{customer}-1", "2024-01-10 12:00", 1, "10", customer=customer))
            if n < repeating:
                lines.append(shop.sale(f"{customer}-2", "2024-04-10 12:00", 1, "20", customer=customer))
    members.append({"customer_id": "idle", "subscription_status": True})
    found = built(tmp_path_factory.mktemp("s"), lines, "kpi.subscription_effect", customers=members)
    return {(row["figure"], row["subscription"]): row for row in found.rows("kpi.subscription_effect")}


def test_subscribers_differ_by_newcombes_interval(subscribers: dict[tuple[str, str], Row]) -> None:
    row = subscribers["repeat_rate", "subscriber"]
    assert (row["numerator"], row["denominator"], row["estimate"]) == (56, 70, 0.8)
    # Newcombe 1998, Statistics in Medicine 17, table II, case (a), method 10: 56/70 - 48/80.
    assert [round(row[n], 4) for n in ("difference", "difference_low", "difference_high")] == [0.2, 0.0524, 0.3339]
    pooled = 104 / 150
    z = 0.2 / sqrt(pooled * (1 - pooled) * (1 / 70 + 1 / 80))
    assert row["p_value"] == pytest.approx(erfc(z / sqrt(2)), rel=2e-7)
    assert subscribers["purchasing_share", "subscriber"]["numerator"] == 70
    assert subscribers["purchasing_share", "subscriber"]["denominator"] == 71


def test_subscribers_differ_by_welchs_interval(subscribers: dict[tuple[str, str], Row]) -> None:
    row = subscribers["orders_per_customer", "subscriber"]
    error = sqrt(0.16 / 69 + 0.24 / 79)
    assert (row["estimate"], row["difference"]) == (1.8, pytest.approx(0.2))
    assert row["difference_low"] == pytest.approx(0.2 - Z * error)
    assert row["estimate_high"] == pytest.approx(1.8 + Z * sqrt(0.16 / 69))
    assert subscribers["aov", "subscriber"]["estimate"] == pytest.approx((70 * 10 + 56 * 20) / 126)
    assert subscribers["aov", "subscriber"]["currency"] == "EUR"


def test_only_known_subscribers_are_compared(subscribers: dict[tuple[str, str], Row]) -> None:
    unknown = subscribers["repeat_rate", "unknown"]
    assert (unknown["estimate"], unknown["difference"], unknown["low_n"]) == (0.0, None, True)
    assert subscribers["repeat_rate", "not subscriber"]["difference"] is None
    # The second order came on the 91st day; the share of purchasers differs too little to be tested.
    assert subscribers["repeat_rate_90d", "subscriber"]["numerator"] == 0
    assert subscribers["purchasing_share", "subscriber"]["p_value"] is None


# Shipping, codes, channels, purchases


def test_shipping_is_that_of_the_order_and_repeat_customers_chose_it_twice(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-10 12:01", 1, "10", order="A", customer="c", shipping_type="express"),
        shop.sale("2", "2024-01-10 12:00", 1, "5", order="A", customer="c"),
        shop.sale("3", "2024-02-10 12:00", 1, "20", order="B", customer="c", shipping_type="express"),
        shop.sale("4", "2024-03-10 12:00", 1, "30", order="C", customer="c", shipping_type="pickup"),
        shop.sale("5", "2024-03-10 12:00", 1, "7", order="D", customer="d", shipping_type="express"),
        shop.sale("6", "2024-03-10 12:00", 1, "9", order="E"),
        shop.sale("r", "2024-03-20 12:00", -1, "10", order="R", customer="c", original_sale_id="1"),
    ]
    members = [{"customer_id": "c", "previous_purchases": 8, "location": "Berlin"}, {"customer_id": "d"}]
    found = built(tmp_path, lines, "kpi.shipping_preferences", customers=members)
    rows = {(r["breakdown"], r["member"], r["shipping_type"]): r for r in found.rows("kpi.shipping_preferences")}
    express = rows["all", "all", "express"]
    names = ("orders", "customers", "repeat_customers", "gross_less_discounts", "net_sales")
    assert [express[n] for n in names] == [3, 2, 1, 42, 32]
    assert (express["share"], express["aov"]) == (0.6, 14)
    assert {k[1:]: r["orders"] for k, r in rows.items() if k[0] == "loyalty"} == {
        ("Loyal", "express"): 2, ("Loyal", "pickup"): 1, ("New", "express"): 1, ("Guest", "Unknown"): 1,
    }  # fmt: skip
    assert {k[1] for k in rows if k[0] == "location"} == {"Berlin", "Unknown", "Guest"}


def test_a_code_that_was_tried_and_not_bought_with_is_unpaid(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-10 12:00", 1, "10", order="A", customer="c", promo_code="X", discount="2"),
        shop.sale("2", "2024-01-10 12:00", 1, "30", order="A", customer="c"),
        shop.sale("3", "2024-01-11 12:00", 1, "10", order="B", customer="c", promo_code="X", status="cancelled"),
        shop.sale("4", "2024-01-11 12:00", 1, "10", order="C", customer="c", promo_code="X", status="test"),
        shop.sale("5", "2024-01-12 12:00", 1, "10", order="D", promo_code="X", status="failed"),
        shop.sale("6", "2024-01-12 12:00", 1, "10", order="A", promo_code="Y", status="cancelled"),
        shop.sale("7", "2024-01-12 12:00", 1, "10", order="E", customer="d"),
    ]
    found = built(tmp_path, lines, "kpi.promo_codes")
    rows = {row["promo_code"]: row for row in found.rows("kpi.promo_codes")}
    assert set(rows) == {"X"}
    row = rows["X"]
    assert [row[n] for n in ("orders", "unpaid_orders", "customers", "new_customers")] == [1, 2, 1, 1]
    assert [row[n] for n in ("ordered_value", "aov", "discounts", "net_sales")] == [38, 38, 2, 8]
    assert (row["unpaid_share"], row["last_used_date"]) == (pytest.approx(2 / 3), date(2024, 1, 10))


def test_customers_of_several_channels_stand_once(tmp_path: Path) -> None:
    stores = [{"store_id": "S", "channel": "store"}, {"store_id": "M", "channel": "marketplace"}]
    lines = [
        shop.sale("1", "2024-01-10 12:00", 1, "10", customer="both", store_id="S"),
        shop.sale("2", "2024-02-10 12:00", 1, "20", customer="both"),
        shop.sale("3", "2024-02-10 12:00", 1, "20", customer="net"),
        shop.sale("4", "2024-02-10 12:00", 1, "4", customer="market", store_id="M"),
        shop.sale("5", "2024-02-11 12:00", -1, "5", order="R", customer="market", store_id="S"),
        shop.sale("6", "2024-02-11 12:00", 1, "5", store_id="S"),
    ]
    found = built(tmp_path, lines, "kpi.cross_channel", "kpi.by_channel", "kpi.by_store", stores=stores)
    rows = {row["channels"]: row for row in found.rows("kpi.cross_channel")}
    assert {c: (r["customers"], r["orders"], r["net_sales"]) for c, r in rows.items()} == {
        "marketplace": (1, 1, -1),
        "online": (1, 1, 20),
        "online + store": (1, 2, 30),
    }
    assert rows["online + store"]["share"] == pytest.approx(30 / 49)
    channels = {(str(r["month"])[:7], r["channel"]): r for r in found.rows("kpi.by_channel")}
    february = channels["2024-02", "online"]
    assert [february[n] for n in ("customers", "new_customers", "aov", "units_per_order")] == [2, 1, 20, 1.0]
    assert channels["2024-02", "store"]["net_sales"] == 0
    assert channels["2024-02", "store"]["new_customers"] == 0
    assert {r["store_id"]: r["new_customers"] for r in found.rows("kpi.by_store") if r["month"].month == 1} == {"S": 1}


def test_purchases_count_repeat_customers_ratings_and_subscribers_within_their_row(tmp_path: Path) -> None:
    rating = {"review_rating": Decimal("4")}
    lines = [
        shop.sale("1", "2024-01-10 12:00", 2, "10", "P1", order="A", customer="c", **rating),
        shop.sale("2", "2024-01-10 12:00", 1, "5", "P2", order="A", customer="c", review_rating=Decimal("1.5")),
        shop.sale("3", "2024-01-20 12:00", 1, "8", "P1", order="B", customer="c", discount="2"),
        shop.sale("4", "2024-02-10 12:00", 1, "10", "P1", order="C", customer="d"),
        shop.sale("5", "2024-02-11 12:00", -1, "10", "P1", order="R", customer="d", **rating),
        shop.sale("6", "2024-03-01 12:00", 1, "10", "P1", order="D"),
    ]
    products = [
        {"product_id": "P1", "category": "Home/Light", "season": "winter"},
        {"product_id": "P2", "category": "Kitchen"},
    ]
    members = [{"customer_id": "c", "subscription_status": True}, {"customer_id": "d"}]
    found = built(tmp_path, lines, "kpi.purchases", products=products, customers=members)
    rows = {(row["breakdown"], row["member"]): row for row in found.rows("kpi.purchases")}
    names = ("orders", "customers", "repeat_customers", "net_sales", "returns", "discounted_orders", "ratings")
    assert {key: [row[n] for n in names] for key, row in rows.items()} == {
        ("all", "all"): [4, 2, 1, 41, 10, 1, 2],
        ("month", "2024-01"): [2, 1, 1, 31, 0, 1, 2],
        ("month", "2024-02"): [1, 1, 0, 0, 10, 0, 0],
        ("month", "2024-03"): [1, 0, 0, 10, 0, 0, 0],
        ("season", "winter"): [4, 2, 1, 36, 10, 1, 1],
        ("season", "Unknown"): [1, 1, 0, 5, 0, 0, 1],
        ("category", "Home"): [4, 2, 1, 36, 10, 1, 1],
        ("category", "Kitchen"): [1, 1, 0, 5, 0, 0, 1],
    }
    everything = rows["all", "all"]
    assert (everything["rating_average"], everything["subscriber_share"]) == (2.75, 1.0)
    assert (everything["customers_of_known_subscription"], everything["repeat_rate"]) == (1, 0.5)
    assert (rows["month", "2024-03"]["is_complete"], rows["month", "2024-03"]["repeat_rate"]) == (False, None)
