"""Every cell of the tables of kpi against an independent recomputation, on awkward shops and on a synthetic one."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from cxa_pipeline.synthetic import ShopConfig
from tests.independent import comparisons, drivers, shop, synthetic
from tests.independent.drivers import Kpi, Row
from tests.independent.tables import OnEngine, project

pytestmark = pytest.mark.slow
"""Minutes; run by .ci/run."""

SYNTHETIC = ShopConfig(
    start=date(2024, 11, 20),
    end=date(2025, 4, 20),
    new_customers_per_day=0.7,
    history_days=200,
    products=48,
    affinities=4,
    bots=1,
    bot_views=6,
    view_rate=0.5,
    cart_rate=0.6,
    purchase_rate=0.68,
    dirt=0.0,
    split="single",
)
SHOPS: dict[str, Row] = {
    "awkward": {},
    "awkward, as of a leap day": {"as_of_date": date(2024, 2, 29)},
    "dressed": {"loyal_above_orders": 3},
    "busy": {"min_group_size": 5, "data_begin_is_shop_begin": True},
    "synthetic": {},
    "empty": {},
}
TABLES: dict[str, Callable[[Kpi], list[Row]]] = {
    "periods": drivers.periods,
    "lifecycle": drivers.lifecycle,
    "stickiness": drivers.stickiness,
    "growth_drivers": drivers.growth_drivers,
    "return_rates": drivers.return_rates,
    "revenue_concentration": drivers.revenue_concentration,
    "revenue_concentration_summary": drivers.revenue_concentration_summary,
    "yesterday": drivers.yesterday,
    "by_channel": drivers.by_channel,
    "by_store": drivers.by_store,
    "cross_channel": drivers.cross_channel,
    "product_discounts": drivers.product_discounts,
    "promo_codes": drivers.promo_codes,
    "order_traits": comparisons.order_traits,
    "discount_effect": comparisons.discount_effect,
    "subscription_effect": comparisons.subscription_effect,
    "shipping_preferences": comparisons.shipping_preferences,
    "purchases": comparisons.purchases,
    "revenue_drivers": comparisons.revenue_drivers,
}
LABELS = {"currency", "sort_order", "period_name"}
"""Columns that say no more than others of the row."""


def dressed() -> shop.Landed:
    """The awkward shop with codes, ways of shipping and payment, ratings and subscriptions, drawn for every line."""
    draw = random.Random(5)
    landed = shop.busy()
    for row in landed["sales"]:
        row["promo_code"] = draw.choice([None, None, None, "ONE", "TWO", "NEVER"])
        row["shipping_type"] = draw.choice([None, None, "express", "standard"])
        row["payment_method"] = draw.choice([None, "cash", "card"])
        row["review_rating"] = draw.choice([None, None, Decimal("3.5"), Decimal("5")])
        row["status"] = row.get("status") or draw.choice([*[None] * 9, "pending", "failed", "cancelled", "test"])
        row["discount_applied"] = row.get("discount_applied") or draw.choice([None, None, None, True])
        if row["promo_code"] == "NEVER":
            row["status"] = draw.choice(["pending", "cancelled", "adjustment"])
    for row in landed["customers"]:
        row["subscription_status"] = draw.choice([None, True, True, False, False])
        row["previous_purchases"] = draw.choice([None, 0, 1, 12])
        row["join_date"] = row.get("join_date") or draw.choice([None, date(2023, 1, 31), date(2024, 2, 29)])
    for row in landed["products"]:
        row["season"] = draw.choice([None, "winter", "summer"])
    return landed


@pytest.fixture(scope="module", params=SHOPS, ids=list(SHOPS))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[OnEngine, Kpi]:
    """The tables of kpi on the engine, and the same shop for the recomputation."""
    name = request.param
    folder = tmp_path_factory.mktemp("files")
    landed = {
        "busy": shop.busy,
        "dressed": dressed,
        "empty": shop.empty,
        "synthetic": lambda: synthetic.landed_rows(SYNTHETIC, folder),
    }.get(name, shop.nasty)()
    parameters = {**shop.PARAMETERS, **SHOPS[name]}
    keys = [f"kpi.{table}" for table in TABLES]
    built = OnEngine(project(), tmp_path_factory.mktemp("built")).build(landed, parameters, *keys)
    return built, Kpi(landed, parameters)


def same(ours: Any, theirs: Any, of_money: bool) -> bool:
    """Equal, up to the last digit of money (or of what it divides) and the accuracy of normal tails."""
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if isinstance(ours, (bool, str, date)):
        return bool(ours == theirs)
    if isinstance(ours, Decimal):
        return abs(float(ours) - float(theirs)) <= 1.01e-4
    return float(ours) == pytest.approx(float(theirs), rel=1e-4 if of_money else 3e-7, abs=1e-5 if of_money else 1e-12)


@pytest.mark.parametrize("table", TABLES)
def test_every_cell_agrees_with_the_independent_recomputation(both: tuple[OnEngine, Kpi], table: str) -> None:
    built, kpi = both
    contract = built.project.catalog[f"kpi.{table}"]
    ours = {tuple(row[name] for name in contract.primary_key): row for row in built.rows(contract.key)}
    rows = TABLES[table](kpi)
    expected = {tuple(row[name] for name in contract.primary_key): row for row in rows}
    assert set(ours) == set(expected)
    assert len(rows) == len(expected)
    wrong = {
        (key, name): (ours[key][name], value)
        for key, row in expected.items()
        for name, value in row.items()
        if not same(ours[key][name], value, name == "share_of_change")
    }
    assert wrong == {}
    for row in rows[:1]:
        assert set(contract.column_names) - set(row) <= LABELS
