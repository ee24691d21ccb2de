"""Rates of products drawn to those of their category, opportunities: shops of many visitors."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.independent import shop
from tests.independent.tables import OnEngine
from tests.integration.funnel_cases import Row, build, case, conversion, found, landed, only
from tests.integration.funnel_postgres import agree


def crowd(product: str, viewers: int, carted: int, bought: int, day: str = "06-10") -> list[Row]:
    """Visitors who look at a product; the first ones put it in the cart, the first of those buy it."""
    rows = []
    for n in range(viewers):
        steps = [f"{day} 10:00 view", f"{day} 10:01 cart", f"{day} 10:02 purchase"]
        steps = steps[: 1 + (n < carted) + (n < bought)]
        rows += [{**row, "product_id": product} for row in case(f"{product}{day}v{n}", *steps)]
    return rows


COUNTS = {
    "Wilson-A": (50, 8, 5),
    "Wilson-B": (10, 0, 0),
    "Wilson-C": (10, 10, 10),
    "Lamp-A": (40, 20, 0),
    "Lamp-B": (10, 6, 6),
    "Lamp-C": (10, 5, 5),
    "Lamp-D": (8, 4, 4),
    "Even-A": (20, 4, 4),
    "Even-B": (10, 2, 2),
    "Lonely-A": (4, 2, 1),
}


def shelf_sales() -> list[Row]:
    lines = [shop.sale(f"d{n}", f"2024-06-{3 + n:02} 12:00", 1, product="Stock-short", customer="c") for n in range(28)]
    return [
        *lines,
        shop.sale("d-back", "2024-06-30 13:00", -7, product="Stock-short", customer="c", order="back"),
        shop.sale("d-long", "2024-06-30 12:00", 4, product="Stock-long", customer="c"),
        shop.sale("d-none", "2024-06-30 12:00", 4, product="Stock-none", customer="c"),
        shop.sale("d-first", "2024-05-02 12:00", 1, product="Stock-idle", customer="c"),
        shop.sale("d-edge", "2024-05-01 12:00", 1, product="Stock-edge", customer="c"),
        shop.sale("r-1", "2024-06-20 12:00", 10, product="Rise-A", customer="c"),
        shop.sale("r-2", "2024-06-20 12:00", 9, product="Rise-B", customer="c"),
    ]


def stocked(name: str, stock: int | None, **given: Any) -> Row:
    row = {"product_id": name, "product_name": name, "category": name.split("-")[0], "price": Decimal("10")}
    return {**row, "stock_quantity": stock, **given}


SHELVES = landed(
    [row for product, counts in COUNTS.items() for row in crowd(product, *counts)]
    + crowd("Rise-A", 13, 0, 0)
    + crowd("Rise-B", 13, 0, 0)
    + crowd("Rise-A", 4, 0, 0, "05-10")
    + crowd("Rise-B", 4, 0, 0, "05-10"),
    sales=shelf_sales(),
    products=[
        stocked("Stock-short", 5),
        stocked("Stock-long", 5),
        stocked("Stock-none", None),
        stocked("Stock-idle", 3),
        stocked("Stock-edge", 3),
        stocked("Stock-gone", 3, is_active=False),
        stocked("Stock-empty", 0),
        stocked("Lamp-A", None, price=Decimal("12.5")),
    ],
)


@pytest.fixture(scope="module")
def shelves(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    return build(tmp_path_factory.mktemp("shelves"), SHELVES)


@pytest.mark.parametrize(
    ("product", "low", "high"),
    [("Wilson-A", 0.043476, 0.213602), ("Wilson-B", 0.0, 0.277533), ("Wilson-C", 0.722467, 1.0)],
)
def test_intervals_are_wilsons(shelves: OnEngine, product: str, low: float, high: float) -> None:
    """5 of 50, 0 of 10 and 10 of 10, computed independently of this project."""
    row = conversion(shelves, product)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=5e-7)


def test_funnels_have_the_same_intervals(shelves: OnEngine) -> None:
    def row(step: str, name: str) -> Row:
        given = {"scope": "visitor_product", "breakdown": "category", "breakdown_value": name, "period_name": "all"}
        return only(shelves, "funnel", cart_optional=False, step=step, **given)

    lonely = row("purchase", "Lonely")
    assert (lonely["step_conversion"], lonely["overall_conversion"]) == (0.5, 0.25)
    assert (lonely["ci_low"], lonely["ci_high"]) == pytest.approx(wilson(1, 4), abs=1e-11)
    assert (lonely["step_ci_low"], lonely["step_ci_high"]) == pytest.approx(wilson(1, 2), abs=1e-11)
    assert (lonely["units_previous"], lonely["dropped"]) == (2, 1)
    lamps = row("purchase", "Lamp")
    assert lamps["step_conversion"] == pytest.approx(15 / 35)
    assert row("cart", "Lamp")["overall_conversion"] * lamps["step_conversion"] == pytest.approx(15 / 68)


def wilson(k: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval as it is usually written."""
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def shrunken(products: dict[str, tuple[int, int]]) -> dict[str, float]:
    """Rates drawn to the common one: beta-binomial by the method of moments, weights n (Kleinman 1973)."""
    total, bought = sum(n for n, _ in products.values()), sum(k for _, k in products.values())
    mean = bought / total
    spread = sum(n * (k / n - mean) ** 2 for n, k in products.values())
    free = sum(1 - n / total for n, _ in products.values())
    within = sum((n - 1) * (1 - n / total) for n, _ in products.values())
    rho = (spread / (mean * (1 - mean)) - free) / within if within else 0.0
    rho = min(max(rho, 0.0), 1.0)
    if rho == 0:
        return dict.fromkeys(products, mean)
    alpha = 1 / rho - 1
    return {name: (k + alpha * mean) / (n + alpha) for name, (n, k) in products.items()}


@pytest.mark.parametrize("category", ["Wilson", "Lamp", "Even", "Lonely"])
def test_rates_are_drawn_to_that_of_the_category(shelves: OnEngine, category: str) -> None:
    products = {name: (n, k) for name, (n, _, k) in COUNTS.items() if name.startswith(category)}
    ours = {name: conversion(shelves, name)["rate_shrunk"] for name in products}
    assert ours == pytest.approx(shrunken(products), rel=1e-10)
    common = sum(k for _, k in products.values()) / sum(n for n, _ in products.values())
    for name in products:
        assert conversion(shelves, name)["category_rate"] == pytest.approx(common)


def test_equal_rates_leave_no_spread_and_unequal_ones_do(shelves: OnEngine) -> None:
    assert conversion(shelves, "Even-A")["prior_viewers"] is None
    assert conversion(shelves, "Even-A")["rate_shrunk"] == pytest.approx(0.2)
    lamp = conversion(shelves, "Lamp-B")
    assert 0 < lamp["prior_viewers"] < 10
    assert 15 / 68 < lamp["rate_shrunk"] < 0.6


def test_ranks_go_by_the_lower_end_of_the_interval_and_leave_out_small_groups(shelves: OnEngine) -> None:
    rows = found(shelves, "product_conversion", scope="product", period_name="all")
    ranked = sorted((row for row in rows if row["rank"]), key=lambda row: row["rank"])
    assert [row["rank"] for row in ranked] == list(range(1, len(ranked) + 1))
    assert [row["ci_low"] for row in ranked] == sorted((row["ci_low"] for row in ranked), reverse=True)
    assert ranked[0]["product_id"] == "Wilson-C"
    assert all(row["low_n"] == (row["viewers"] < 3) == (row["rank"] is None) for row in rows)
    assert found(shelves, "product_conversion", scope="all", period_name="all")[0]["rank"] is None


def reason(built: OnEngine, product: str, why: str) -> Row | None:
    rows = found(built, "product_opportunities", product_id=product, reason=why)
    return rows[0] if rows else None


def test_products_much_viewed_and_little_bought_are_found(shelves: OnEngine) -> None:
    """Of the lamps, A has four fifths of the viewers and no buyer; half of those of the others buy."""
    row = reason(shelves, "Lamp-A", "viewed_not_bought")
    assert row and (row["benchmark"], row["conversion"]) == (0.5, 0)
    assert row["conversion_ci_high"] == pytest.approx(wilson(0, 40)[1])
    assert row["estimated_lost_sales"] == 40 * Decimal("0.5") * Decimal("12.5")
    carted = reason(shelves, "Lamp-A", "carted_not_bought")
    assert carted and (carted["benchmark"], carted["estimated_lost_sales"]) == (1, 250)
    assert carted["conversion_ci_high"] == pytest.approx(wilson(0, 20)[1])
    others = [row["product_id"] for row in found(shelves, "product_opportunities", reason="viewed_not_bought")]
    assert others == ["Lamp-A"]


def test_stock_is_compared_with_the_net_sale_of_28_days(shelves: OnEngine) -> None:
    row = reason(shelves, "Stock-short", "demand_exceeds_stock")
    assert row and row["net_units"] == 21
    assert row["days_of_cover"] == pytest.approx(5 / (21 / 28))
    assert row["estimated_lost_sales"] == (Decimal("10.5") - 5) * 10
    short = [row["product_id"] for row in found(shelves, "product_opportunities", reason="demand_exceeds_stock")]
    assert short == ["Stock-short"]


def test_stock_without_a_sale_in_60_days_is_found_also_of_products_no_longer_sold(shelves: OnEngine) -> None:
    """2 May is the first of the 60 days up to 30 June; the sale of 1 May is older."""
    idle = {row["product_id"] for row in found(shelves, "product_opportunities", reason="stock_without_demand")}
    assert idle == {"Stock-edge", "Stock-gone"}


def test_rising_products_have_doubled_and_sell(shelves: OnEngine) -> None:
    rising = {row["product_id"] for row in found(shelves, "product_opportunities", reason="rising")}
    assert rising == {"Rise-A", "Stock-short"}
    row = only(shelves, "product_popularity", product_id="Rise-A", period_name="last 28 days")
    assert (row["score"], row["score_prev"], row["units"]) == (18, 4, 10)
    assert row["trend"] == pytest.approx(math.log2(23 / 9))


def test_opportunities_are_ordered_by_money(shelves: OnEngine) -> None:
    rows = sorted(shelves.rows("behavior.product_opportunities"), key=lambda row: row["rank"])
    money = [row["estimated_lost_sales"] for row in rows if row["estimated_lost_sales"] is not None]
    assert money == sorted(money, reverse=True)
    assert all(row["estimated_lost_sales"] is None for row in rows[len(money) :])
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))


def test_a_short_history_says_nothing_about_idle_stock(tmp_path: Path) -> None:
    lines = [shop.sale("1", "2024-06-01 12:00", product="Stock-long", customer="c")]
    given = landed([], sales=lines, products=[stocked("Stock-idle", 3)])
    built = build(tmp_path, given, "behavior.product_opportunities")
    assert found(built, "product_opportunities", reason="stock_without_demand") == []


def test_postgresql_gives_the_same_rows_and_finds_every_rule_kept(shelves: OnEngine, database: str) -> None:
    agree(database, SHELVES, shelves)
