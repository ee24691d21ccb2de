"""Every cell of the tables of funnels, times, popularity, carts and opportunities against an independent recomputation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from cxa_pipeline.synthetic import ShopConfig
from tests.independent import demand, funnels, shop, synthetic
from tests.independent.funnels import Behaviour, Row
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
    "product_conversion": funnels.product_conversion,
    "time_to_purchase": funnels.time_to_purchase,
    "purchase_survival": funnels.purchase_survival,
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


def same(ours: Any, theirs: Any) -> bool:
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
    contract = built.project.catalog[f"behavior.{table}"]
    key = contract.primary_key
    ours = {tuple(row[name] for name in key): row for row in built.rows(contract.key)}
    made = TABLES[table](found)
    theirs = {tuple(row[name] for name in key): row for row in made}
    assert len(theirs) == len(made), "a key stands twice in the recomputation"
    assert sorted(map(str, ours.keys() - theirs.keys())) == [], "only in the table"
    assert sorted(map(str, theirs.keys() - ours.keys())) == [], "only in the recomputation"
    columns = [name for name in contract.column_names if name not in LABELS]
    assert made == [] or set(made[0]) >= set(columns), "every column is computed anew"
    wrong = {
        (k, name): (row[name], theirs[k][name])
        for k, row in ours.items()
        for name in columns
        if not same(row[name], theirs[k][name])
    }
    assert dict(list(wrong.items())[:10]) == {}, f"{len(wrong)} cells differ"
