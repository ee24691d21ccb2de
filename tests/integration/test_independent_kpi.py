"""Every cell of the tables of kpi against an independent recomputation, on awkward shops and on a synthetic one."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.independent import (
    kpi_attributes,
    kpi_changes,
    kpi_groups,
    kpi_orders,
    kpi_periods,
    kpi_subscribers,
    shop,
    synthetic,
)
from tests.independent.agreement import assert_cells_agree
from tests.independent.kpi import Kpi, Row
from tests.independent.tables import OnEngine, project

pytestmark = pytest.mark.slow
"""Minutes; run by .ci/run."""

SHOPS: dict[str, Row] = {
    "awkward": {},
    "awkward, as of a leap day": {"as_of_date": date(2024, 2, 29)},
    "dressed": {"loyal_above_orders": 3},
    "busy": {"min_group_size": 5, "data_begin_is_shop_begin": True},
    "synthetic": {},
    "empty": {},
}
TABLES: dict[str, Callable[[Kpi], list[Row]]] = {
    "periods": kpi_periods.periods,
    "lifecycle": kpi_periods.lifecycle,
    "stickiness": kpi_periods.stickiness,
    "growth_drivers": kpi_changes.growth_drivers,
    "return_rates": kpi_changes.return_rates,
    "revenue_concentration": kpi_groups.revenue_concentration,
    "revenue_concentration_summary": kpi_groups.revenue_concentration_summary,
    "yesterday": kpi_groups.yesterday,
    "by_channel": kpi_groups.by_channel,
    "by_store": kpi_groups.by_store,
    "cross_channel": kpi_groups.cross_channel,
    "product_discounts": kpi_groups.product_discounts,
    "promo_codes": kpi_groups.promo_codes,
    "order_traits": kpi_orders.order_traits,
    "discount_effect": kpi_orders.discount_effect,
    "subscription_effect": kpi_subscribers.subscription_effect,
    "shipping_preferences": kpi_subscribers.shipping_preferences,
    "purchases": kpi_subscribers.purchases,
    "revenue_drivers": kpi_attributes.revenue_drivers,
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
        "synthetic": lambda: synthetic.landed_rows(synthetic.SMALL, folder),
    }.get(name, shop.nasty)()
    parameters = {**shop.PARAMETERS, **SHOPS[name]}
    keys = [f"kpi.{table}" for table in TABLES]
    built = OnEngine(project(), tmp_path_factory.mktemp("built")).build(landed, parameters, *keys)
    return built, Kpi(landed, parameters)


def same(ours: Any, theirs: Any, column: str) -> bool:
    """Equal, up to the last digit of money (or of what it divides) and the accuracy of normal tails."""
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if isinstance(ours, (bool, str, date)):
        return bool(ours == theirs)
    if isinstance(ours, Decimal):
        return abs(float(ours) - float(theirs)) <= 1.01e-4
    of_money = column == "share_of_change"
    return float(ours) == pytest.approx(float(theirs), rel=1e-4 if of_money else 3e-7, abs=1e-5 if of_money else 1e-12)


@pytest.mark.parametrize("table", TABLES)
def test_every_cell_agrees_with_the_independent_recomputation(both: tuple[OnEngine, Kpi], table: str) -> None:
    built, kpi = both
    assert assert_cells_agree(built, f"kpi.{table}", TABLES[table](kpi), same) <= LABELS
