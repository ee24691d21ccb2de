"""How long customers take to their second order: Kaplan and Meier's curve on customers whose weeks are known."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.independent import shop
from tests.independent.tables import OnEngine, Rows
from tests.integration.customer_shop import build, failing, orders

TABLE = "customer.repeat_survival"
FOLLOWED = {"a": (100, 98), "b": (100, 90), "c": (60, 47), "d": (30,), "e": (10,), "f": (3,), "g": (100, 0)}
"""Days before the as-of date of the orders of each customer.

Second order after 2, 10, 13 and 100 days: weeks 1, 2, 2 and 15. The others are watched for 4, 1 and 0 weeks.
"""


def curve(built: OnEngine, key: str = "all") -> Rows:
    return sorted((row for row in built.rows(TABLE) if row["key"] == key), key=lambda row: row["week"])


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    lines = [line for name, days in FOLLOWED.items() for line in orders(name, *days)]
    return build(tmp_path_factory.mktemp("followed"), {"sales": lines}, TABLE)


def test_the_curve_is_that_of_kaplan_and_meier(followed: OnEngine) -> None:
    rows = curve(followed)
    assert [row["week"] for row in rows] == list(range(1, 53))
    # Week 1: six are watched through it (f is not), a buys. Week 2: e is gone, b and c buy. Then d, g; at 15 g alone.
    assert [(row["at_risk"], row["buyers"]) for row in rows[:5]] == [(6, 1), (4, 2), (2, 0), (2, 0), (1, 0)]
    assert [row["survival"] for row in rows[:3]] == pytest.approx([5 / 6, 5 / 12, 5 / 12], rel=1e-11)
    assert [row["hazard"] for row in rows[:3]] == pytest.approx([1 / 6, 1 / 2, 0], abs=1e-12)
    assert [row["survival"] for row in rows[13:16]] == [pytest.approx(5 / 12), None, None]
    assert {row["median_weeks"] for row in rows} == {2}


def test_a_week_that_nobody_could_be_watched_through_is_unknown(followed: OnEngine) -> None:
    last = curve(followed)[-1]
    assert (last["at_risk"], last["hazard"], last["survival"], last["share_back"]) == (0, None, None, None)


def test_the_interval_is_greenwoods(followed: OnEngine) -> None:
    row = curve(followed)[1]
    log, variance = math.log(5 / 12), 1 / (6 * 5) + 2 / (4 * 2)
    half = 1.959964 * math.sqrt(variance) / -log
    assert row["ci_low"] == pytest.approx(math.exp(log * math.exp(half)), rel=1e-10)
    assert row["ci_high"] == pytest.approx(math.exp(log * math.exp(-half)), rel=1e-10)


def test_groups_are_those_of_the_first_order_and_add_up(tmp_path: Path) -> None:
    cheap = {"discount": "2"}
    lines = [*orders("a", 50, **cheap), *orders("a2", 50, 45), *orders("b", 60, 20, **cheap)]
    built = build(tmp_path, {"sales": lines}, TABLE)
    both = [curve(built, key)[0] for key in ("discounted", "full price")]
    assert [row["customers"] for row in both] == [2, 1]
    assert [row["buyers"] for row in both] == [0, 1]
    assert failing(built, TABLE) == []


def test_guests_and_an_empty_shop_have_no_curve(tmp_path: Path) -> None:
    guest = [shop.sale("g", "2024-05-01 10:00", 1, "10")]
    assert build(tmp_path, {"sales": guest}, TABLE).rows(TABLE) == []
    assert build(tmp_path, {}, TABLE).rows(TABLE) == []
