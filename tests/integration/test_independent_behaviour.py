"""Every cell of the tables of visits against an independent recomputation, on awkward shops, a synthetic one and a drawn one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.independent import (
    shop,
    synthetic,
    visits_behaviour,
    visits_drawn,
    visits_effects,
    visits_friction,
    visits_paths,
)
from tests.independent.agreement import assert_cells_agree
from tests.independent.tables import OnEngine, Row, Rows, project
from tests.independent.visits_behaviour import Behaviour
from tests.integration.given import given

pytestmark = pytest.mark.slow
"""Minutes; run by .ci/run."""

SYNTHETIC = replace(
    synthetic.SMALL,
    start=date(2024, 11, 1),
    end=date(2025, 2, 10),
    new_customers_per_day=0.5,
    history_days=100,
    view_rate=0.6,
)
SHOPS: dict[str, Row] = {
    "awkward": {},
    "busy": {"min_group_size": 2},
    "busy, as of a day in the middle": {"min_group_size": 3, "as_of_date": date(2024, 8, 22)},
    "synthetic": {"min_group_size": 5},
    "drawn": {"min_group_size": 20},
    "drawn, few": {"min_group_size": 20},
    "empty": {},
}
TABLES: dict[str, Callable[[Behaviour], Rows]] = {
    "daily": visits_behaviour.daily,
    "customers": visits_behaviour.customers,
    "sessions_daily": visits_behaviour.sessions_daily,
    "peak_times": visits_behaviour.peak_times,
    "visitors": visits_behaviour.visitors,
    "visit_frequency": visits_behaviour.visit_frequency,
    "visit_classes": visits_behaviour.visit_classes,
    "page_dwell": visits_behaviour.page_dwell,
    "customer_dwell": visits_behaviour.customer_dwell,
    "distributions": visits_behaviour.distributions,
    "transitions": visits_paths.transitions,
    "top_paths": visits_paths.top_paths,
    "entry_exit_pages": visits_paths.entry_exit_pages,
    "device_effect": visits_effects.device_effect,
    "location_effect": visits_effects.location_effect,
    "effect_sizes": visits_effects.effect_sizes,
    "friction": visits_friction.friction,
}
KEYS = {"visit_frequency": ("visitor_id",)}
LABELS = {"currency", "bucket"}
"""Columns that say no more than others of the row."""
Both = tuple[OnEngine, Behaviour]


@pytest.fixture(scope="module", params=SHOPS, ids=list(SHOPS))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """The tables of behavior on the engine, and the rows of core from which they came for the recomputation."""
    name, folder = request.param, tmp_path_factory.mktemp("built")
    parameters, keys = {**shop.PARAMETERS, **SHOPS[name]}, [f"behavior.{table}" for table in TABLES]
    if name.startswith("drawn"):
        tables = visits_drawn.Drawn(1800 if name == "drawn" else 700).tables()
        return given(folder, tables, *keys, as_of=visits_drawn.AS_OF, **parameters), Behaviour(
            tables.__getitem__, parameters
        )
    built = OnEngine(project(), folder).build(_landed(name, tmp_path_factory.mktemp("files")), parameters, *keys)
    return built, Behaviour(built.rows, parameters)


def _landed(name: str, folder: Path) -> shop.Landed:
    if name == "synthetic":
        return synthetic.landed_rows(SYNTHETIC, folder)
    return {"awkward": shop.nasty, "empty": shop.empty}.get(name, shop.busy)()


def same(ours: Any, theirs: Any, column: str) -> bool:
    """Equal, up to the last digit of money, twelve digits, and the accuracy of normal tails."""
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if isinstance(ours, (bool, str, date)):
        return bool(ours == theirs)
    if isinstance(ours, Decimal):
        return abs(float(ours) - float(theirs)) <= 1.01e-4
    is_probability = column.endswith(("p_value", "q_value"))
    return float(ours) == pytest.approx(float(theirs), rel=1e-6 if is_probability else 1e-9, abs=1e-11)


@pytest.mark.parametrize("table", TABLES)
def test_every_cell_agrees_with_the_independent_recomputation(both: Both, table: str) -> None:
    built, behaviour = both
    made = TABLES[table](behaviour)
    assert assert_cells_agree(built, f"behavior.{table}", made, same, KEYS.get(table, ())) <= LABELS


@pytest.mark.parametrize("both", ["drawn"], indirect=True)
def test_the_drawn_visits_show_every_kind_of_finding(both: Both) -> None:
    rows = both[0].rows
    assert {row["problem"] for row in rows("behavior.friction")} == {
        *("high_exit", "cart_then_exit", "search_without_view"),
        *("long_dwell_no_cart", "repeat_view_loops", "device_gap"),
    }
    assert all(row["visitors"] for row in rows("behavior.visit_classes"))
    effects = [*rows("behavior.device_effect"), *rows("behavior.location_effect")]
    assert {row["conversion_verdict"] for row in effects} == {"higher", "lower", "not distinguishable", None}
    assert {row["degrees_of_freedom"] for row in rows("behavior.effect_sizes")} == {2, 3}
    assert "other" in {row["to_state"] for row in rows("behavior.transitions")}
    assert max(row["rank"] for row in rows("behavior.top_paths")) == 100
