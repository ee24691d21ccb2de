"""What is planted in the synthetic shop is found again in the published tables, within stated intervals.

The generator writes down the rates with which it lets visits go on (`ShopTruth`); the tables know only the files.
A rate p of n visits is found if it lies within four standard errors, sqrt(p (1 - p) / n), of the planted one.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from math import sqrt
from typing import Any

import pytest

from cxa_pipeline.synthetic import ShopConfig, ShopTruth, generate
from tests.independent import shop
from tests.independent.synthetic import landed_rows
from tests.independent.tables import OnEngine, project

pytestmark = pytest.mark.slow
"""Minutes; run by .ci/run."""

Row = dict[str, Any]
CONFIG = ShopConfig(
    seed=5, start=date(2024, 1, 1), end=date(2024, 12, 31), new_customers_per_day=2.5, split="single", session_ids=True
)
"""A year with 11,000 visits; they are delivered with their sessions, so that what is compared is the same visits."""
TABLES = ("behavior.funnel", "behavior.cart_abandonment", "behavior.time_to_purchase")
ERRORS = 4


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[OnEngine, ShopTruth]:
    """The tables of a shop, and what was planted in it."""
    truth = generate(CONFIG, tmp_path_factory.mktemp("truth"))
    landed = landed_rows(CONFIG, tmp_path_factory.mktemp("files"))
    built = OnEngine(project(), tmp_path_factory.mktemp("tables"))
    return built.build(landed, {**shop.PARAMETERS, "timezone": CONFIG.timezone}, *TABLES), truth


def funnel(built: OnEngine, **wanted: Any) -> dict[tuple[str, str], Row]:
    """Rows of the funnel of sessions over all time, by value of the breakdown and step."""
    wanted = {"scope": "session", "cart_optional": False, "period_name": "all", **wanted}
    rows = [row for row in built.rows("behavior.funnel") if all(row[name] == v for name, v in wanted.items())]
    return {(row["breakdown_value"], row["step"]): row for row in rows}


def is_found(rate: float, planted: float, n: int) -> bool:
    return abs(rate - planted) <= ERRORS * sqrt(planted * (1 - planted) / n)


@pytest.mark.parametrize(
    ("breakdown", "key"), [("device_type", "by_device"), ("location", "by_location")], ids=["devices", "locations"]
)
def test_the_steps_of_sessions_have_the_planted_rates(
    planted: tuple[OnEngine, ShopTruth], breakdown: str, key: str
) -> None:
    built, truth = planted
    steps = funnel(built, breakdown=breakdown)
    visits = Counter(row[breakdown] for row in built.rows("core.visits"))
    for value, rates in truth.funnel[key].items():
        view, cart, purchase = (steps[value, step] for step in ("view", "cart", "purchase"))
        assert visits[value] == pytest.approx(rates["visits"], rel=0.05), value
        assert is_found(view["units_reached"] / visits[value], rates["view_rate"], visits[value]), value
        assert is_found(cart["step_conversion"], rates["cart_rate"], cart["units_previous"]), value
        assert is_found(purchase["step_conversion"], rates["purchase_rate"], purchase["units_previous"]), value


def test_the_funnel_of_all_sessions_counts_the_visits_that_were_drawn(planted: tuple[OnEngine, ShopTruth]) -> None:
    built, truth = planted
    steps, drawn = funnel(built, breakdown="all"), truth.funnel["all"]
    assert len(built.rows("core.visits")) == pytest.approx(drawn["visits"], rel=0.01)
    for step in ("view", "cart", "purchase"):
        assert steps["all", step]["units_reached"] == pytest.approx(drawn[step], rel=0.01), step


def test_nine_of_ten_intervals_hold_the_planted_conversion(planted: tuple[OnEngine, ShopTruth]) -> None:
    """Of 95 % intervals; the conversion of visits with a view is the planted one divided by the rate of views."""
    built, truth = planted
    held = []
    for breakdown, key in (("device_type", "by_device"), ("location", "by_location")):
        steps = funnel(built, breakdown=breakdown)
        for value, rates in truth.funnel[key].items():
            row = steps[value, "purchase"]
            held.append(row["ci_low"] <= rates["conversion"] / rates["view_rate"] <= row["ci_high"])
    assert sum(held) >= 0.9 * len(held)


def test_devices_and_locations_differ_as_planted(planted: tuple[OnEngine, ShopTruth]) -> None:
    built, truth = planted
    by_device, by_location = (
        {value: row["overall_conversion"] for (value, step), row in steps.items() if step == "purchase"}
        for steps in (funnel(built, breakdown="device_type"), funnel(built, breakdown="location"))
    )
    order = sorted(truth.funnel["device_odds"], key=truth.funnel["device_odds"].__getitem__)
    assert sorted(order, key=by_device.__getitem__) == order
    odds = truth.funnel["location_odds"]
    plain = [rate for value, rate in by_location.items() if value not in odds and value != "Unknown"]
    mean = sum(plain) / len(plain)
    assert all((by_location[value] > mean) == (factor > 1) for value, factor in odds.items())


def test_carts_are_abandoned_where_the_planted_purchase_does_not_come(planted: tuple[OnEngine, ShopTruth]) -> None:
    """A visit with a cart does not buy with 1 - purchase_rate; some of these buy within a day or take all out again."""
    built, truth = planted
    rows = [row for row in built.rows("behavior.cart_abandonment") if row["period_name"] == "all"]
    every = next(row for row in rows if row["scope"] == "all")
    left = 1 - truth.funnel["all"]["purchase_rate"]
    assert left - 0.12 < every["abandonment_rate"] < left
    rates = {row["key"]: row["abandonment_rate"] for row in rows if row["scope"] == "device_type"}
    assert rates["desktop"] < rates["tablet"] < rates["mobile"]


def test_first_views_lie_before_last_ones_and_sessions_take_minutes(planted: tuple[OnEngine, ShopTruth]) -> None:
    built, _ = planted
    times = {row["clock"]: row for row in built.rows("behavior.time_to_purchase") if row["scope"] == "all"}
    assert times["first_view"]["mean_seconds"] > 10 * times["last_view"]["mean_seconds"]
    assert 60 < times["session_start"]["median_seconds"] < 1800
    assert times["first_view"]["mean_views_before"] > 1
