"""Every cell of the tables of funnels, times, popularity, carts and opportunities against an independent recomputation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from cxa_pipeline.synthetic import ShopConfig
from tests.independent import demand, funnels, funnels_conversion, funnels_times, shop, synthetic
from tests.independent.agreement import assert_cells_agree
from tests.independent.funnels_acts import Behaviour, Row
from tests.independent.tables import OnEngine, project

pytestmark = pytest.mark.slow
"""Minutes; run by .ci/run."""

SYNTHETIC = ShopConfig(
    seed=11,
    start=date(2025, 1, 10),
    end=date(2025, 4, 10),
    new_customers_per_day=0.8,
    history_days=200,
    products=48,
    affinities=2,
    bots=1,
    bot_views=6,
    split="single",
)
SHOPS: dict[str, Row] = {
    "awkward": {"min_group_size": 2},
    "awkward, as of a day in between": {"as_of_date": date(2024, 10, 1), "min_group_size": 3},
    "awkward, short windows": {"funnel_window_days": 1, "purchase_lookback_days": 2, "cart_grace_hours": 1},
    "sales and few visits": {},
    "before the data": {"as_of_date": date(2020, 1, 1)},
    "synthetic": {"min_group_size": 10},
    "synthetic, as of a day in between": {"as_of_date": date(2025, 3, 5), "min_group_size": 5},
    "sales alone": {},
    "empty": {},
}
TABLES: dict[str, Callable[[Behaviour], list[Row]]] = {
    "funnel": funnels.funnel,
    "product_conversion": funnels_conversion.product_conversion,
    "time_to_purchase": funnels_times.time_to_purchase,
    "purchase_survival": funnels_times.purchase_survival,
    "product_popularity": demand.product_popularity,
    "abandoned_carts": demand.abandoned_carts,
    "cart_abandonment": demand.cart_abandonment,
    "product_opportunities": demand.product_opportunities,
}
LABELS = {"currency"}


@pytest.fixture(scope="module", params=SHOPS, ids=list(SHOPS))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[OnEngine, Behaviour]:
    """The tables on the engine, and the same shop for the recomputation."""
    name = request.param.split(",")[0]
    folder = tmp_path_factory.mktemp("files")
    makers: dict[str, Callable[[], shop.Landed]] = {
        "awkward": shop.busy,
        "sales and few visits": shop.nasty,
        "sales alone": lambda: {**shop.nasty(), "interactions": []},
        "synthetic": lambda: synthetic.landed_rows(SYNTHETIC, folder),
        "empty": shop.empty,
    }
    landed = makers.get(name, shop.busy)()
    parameters = {**shop.PARAMETERS, **SHOPS[request.param]}
    keys = [f"behavior.{table}" for table in TABLES]
    built = OnEngine(project(), tmp_path_factory.mktemp("built")).build(landed, parameters, *keys)
    return built, Behaviour(landed, parameters)


def same(ours: Any, theirs: Any, column: str) -> bool:
    """Equal, up to the last digit of money and of published doubles."""
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if isinstance(ours, (bool, str, date, datetime)):
        return bool(ours == theirs)
    if isinstance(ours, Decimal):
        return abs(ours - Decimal(str(theirs))) <= Decimal("0.00011")
    return float(ours) == pytest.approx(float(theirs), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("table", TABLES)
def test_every_cell_agrees_with_the_independent_recomputation(both: tuple[OnEngine, Behaviour], table: str) -> None:
    built, found = both
    assert assert_cells_agree(built, f"behavior.{table}", TABLES[table](found), same) <= LABELS
