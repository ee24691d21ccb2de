"""Every cell of the tables of customer against an independent recomputation, on awkward shops, a synthetic one and a drawn one."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.independent import (
    customers_audiences,
    customers_campaigns,
    customers_interest,
    customers_loyalty,
    customers_orders,
    customers_rfm,
    customers_satisfaction,
    shop,
    synthetic,
)
from tests.independent.agreement import assert_cells_agree
from tests.independent.customers import Customers
from tests.independent.customers_drawn import Drawn
from tests.independent.shop import sale
from tests.independent.tables import OnEngine, Row, Rows, project

pytestmark = pytest.mark.slow
"""Minutes; run by .ci/run."""

SHOPS: dict[str, Row] = {
    "awkward": {"min_group_size": 3},
    "dressed": {"min_group_size": 4, "loyal_above_orders": 6},
    "busy, in a window": {"min_group_size": 5, "rfm_window_days": 120},
    "synthetic": {},
    "drawn": {},
    "drawn, as of a month's end and in a window": {
        "as_of_date": date(2024, 5, 31),
        "rfm_window_days": 150,
        "min_group_size": 5,
        "loyal_above_orders": 4,
        "high_value_share": Decimal("0.07"),
    },
    "few": {},
    "few, in a window that ends with an order": {"rfm_window_days": 111},
    "empty": {},
}
TABLES: dict[str, Callable[[Customers], Rows]] = {
    "customer.rfm": customers_rfm.rfm,
    "customer.rfm_segments": customers_rfm.rfm_segments,
    "customer.segment_history": customers_rfm.segment_history,
    "customer.segment_migration": customers_rfm.segment_migration,
    "customer.profile": customers_audiences.profile,
    "customer.loyalty": customers_loyalty.loyalty,
    "customer.loyalty_segments": customers_loyalty.loyalty_segments,
    "customer.purchase_frequency": customers_orders.purchase_frequency,
    "customer.repeat_purchase": customers_orders.repeat_purchase,
    "customer.order_counts": customers_orders.order_counts,
    "customer.order_intervals": customers_orders.order_intervals,
    "customer.second_products": customers_orders.second_products,
    "customer.spending": customers_loyalty.spending,
    "customer.high_value": customers_loyalty.high_value,
    "customer.engagement": customers_audiences.engagement,
    "customer.audiences": customers_audiences.audiences,
    "customer.audience_matches": customers_audiences.audience_matches,
    "customer.audience_members": customers_audiences.audience_members,
    "customer.audience_overlaps": customers_audiences.audience_overlaps,
    "customer.groups": customers_interest.groups,
    "customer.group_profiles": customers_interest.group_profiles,
    "customer.category_features": customers_interest.category_features,
    "customer.satisfaction": customers_satisfaction.satisfaction,
    "customer.frequency_agreement": customers_orders.frequency_agreement,
    "recommendation.campaign_targets": customers_campaigns.campaign_targets,
}
KEYS = {
    "customer.purchase_frequency": ("customer_id",),
    "customer.audience_members": ("audience_id", "customer_id"),
}
"""Of views, whose contracts name none."""
Both = tuple[OnEngine, Customers]


@pytest.fixture(scope="module", params=SHOPS, ids=list(SHOPS))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """The tables of customer on the engine, and the rows of core from which they came for the recomputation."""
    parameters = {**shop.PARAMETERS, **SHOPS[request.param]}
    landed = _landed(request.param, tmp_path_factory.mktemp("files"))
    built = OnEngine(project(), tmp_path_factory.mktemp("built")).build(landed, parameters, *TABLES)
    return built, Customers(built.rows, parameters)


def dressed() -> shop.Landed:
    """The awkward shop with ratings, subscriptions, consent and declared orders, drawn for every row."""
    draw = random.Random(8)
    landed = shop.nasty()
    for row in landed["sales"]:
        row["review_rating"] = draw.choice([None, Decimal("1"), Decimal("2"), Decimal("3"), Decimal("4.5")])
    for row in landed["customers"]:
        row["subscription_status"] = draw.choice([None, True, False, False])
        row["marketing_consent"] = draw.choice([None, True, False])
        row["previous_purchases"] = draw.choice([None, 0, 1, 7])
        row["declared_purchase_frequency"] = draw.choice([None, "monthly", "quarterly", "annually"])
    return landed


def few() -> shop.Landed:
    """Three customers of equal net sales; one of them ordered twice and rated, and nothing came back."""
    lines = [
        sale("a1", "2024-03-05 10:00", price="5", customer="a", review_rating=Decimal("4")),
        sale("a2", "2024-04-20 10:00", price="5", customer="a"),
        sale("b1", "2024-01-10 10:00", customer="b", review_rating=Decimal("2")),
        sale("c1", "2024-04-30 10:00", customer="c"),
    ]
    return {**shop.empty(), "sales": lines}


def _landed(name: str, folder: Path) -> shop.Landed:
    if name == "synthetic":
        return synthetic.landed_rows(synthetic.SMALL, folder)
    if name.startswith("drawn"):
        return (Drawn() if name == "drawn" else Drawn(named_returns=0.3, seed=22)).landed()
    return {"awkward": shop.nasty, "dressed": dressed, "few": few, "empty": shop.empty}.get(
        name.split(",")[0], shop.busy
    )()


def same(ours: Any, theirs: Any, column: str) -> bool:
    """Equal, up to the last digit of money and to twelve digits."""
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if isinstance(ours, (bool, str, date)):
        return bool(ours == theirs)
    if isinstance(ours, Decimal):
        return abs(ours - Decimal(theirs)) <= Decimal("0.0001")
    return float(ours) == pytest.approx(float(theirs), rel=1e-11, abs=1e-11)


@pytest.mark.parametrize("table", TABLES)
def test_every_cell_agrees_with_the_independent_recomputation(both: Both, table: str) -> None:
    built, customers = both
    made = customers.once(TABLES[table])
    assert assert_cells_agree(built, table, made, same, KEYS.get(table, ())) == set()
