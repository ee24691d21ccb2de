"""Days, customers, hours and visitors of the tables of behavior, on shops of a few visits."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.independent import shop
from tests.independent.tables import OnEngine, Row
from tests.integration.behaviour_shop import built, by
from tests.integration.given import given, visit

# --- behavior.daily, behavior.customers --------------------------------------------------------------------------


def test_days_without_events_stand_with_zeros_and_every_kind(tmp_path: Path) -> None:
    events = [
        shop.event("a", "2024-03-01 10:00", "view", device_id="d1", product_id="P1"),
        shop.event("b", "2024-03-01 10:01", "view", device_id="d1", product_id="P1"),
        shop.event("c", "2024-03-01 10:02", "view", device_id="d2", customer_id="c1", product_id="P2"),
        shop.event("d", "2024-03-03 10:00", "search", device_id="d1"),
        shop.event("e", "2024-03-01 09:00", "view", device_id="d-bot", product_id="P9"),
    ]
    rows = by(built(tmp_path, events, tables=("behavior.daily",)).rows("behavior.daily"), "day", "event_type")
    assert len(rows) == 3 * 8
    first = rows[date(2024, 3, 1), "view"]
    assert (first["events"], first["visitors"], first["customers"], first["products"]) == (3, 2, 1, 2)
    assert rows[date(2024, 3, 2), "view"] | {"events": 0} == rows[date(2024, 3, 2), "view"]
    assert (rows[date(2024, 3, 3), "search"]["events"], rows[date(2024, 3, 3), "search"]["products"]) == (1, 0)


def test_sales_are_purchases_once_and_only_where_the_web_shop_could_see_them(tmp_path: Path) -> None:
    events = [
        shop.event("a", "2024-03-02 10:00", "view", customer_id="c1", device_id="d1", product_id="P1"),
        shop.event(
            "b", "2024-03-02 10:05", "purchase", customer_id="c1", device_id="d1", product_id="P1", order_id="O1"
        ),
    ]
    sales = [
        shop.sale("s1", "2024-03-02 10:05", order="O1", customer="c1"),
        shop.sale("s2", "2024-03-02 15:00", order="O2", customer="c2", product="P2"),
        shop.sale("s3", "2024-03-02 16:00", order="O3", customer="c3", store_id="S1"),
        shop.sale("s4", "2024-03-01 16:00", order="O4", customer="c4"),
        shop.sale("s5", "2024-03-02 17:00", order="O5"),
    ]
    found = built(tmp_path, events, sales)
    purchases = by(found.rows("behavior.daily"), "day", "event_type")[date(2024, 3, 2), "purchase"]
    assert (purchases["events"], purchases["visitors"], purchases["customers"]) == (3, 2, 2), "s1=b, s2, s5 of a guest"
    assert min(row["day"] for row in found.rows("behavior.daily")) == date(2024, 3, 2), "no tracker the day before"
    customers = by(found.rows("behavior.customers"), "customer_id")
    assert set(customers) == {"c1", "c2"}
    assert (customers["c1"]["purchases"], customers["c1"]["sessions"], customers["c1"]["products_bought"]) == (1, 1, 1)
    assert (customers["c2"]["purchases"], customers["c2"]["sessions"], customers["c2"]["active_days"]) == (1, 0, 0)


def test_events_before_the_login_are_those_of_the_only_customer_of_the_device(tmp_path: Path) -> None:
    events = [
        shop.event("a", "2024-03-01 10:00", "view", device_id="d1", product_id="P1"),
        shop.event("b", "2024-03-05 10:00", "cart", device_id="d1", customer_id="c1", product_id="P1"),
        shop.event("c", "2024-03-05 10:01", "remove_from_cart", device_id="d1", product_id="P1"),
        shop.event("d", "2024-03-05 10:02", "wishlist", device_id="d1", product_id="P2"),
    ]
    row = by(built(tmp_path, events, tables=("behavior.customers",)).rows("behavior.customers"), "customer_id")["c1"]
    counts = ("sessions", "active_days", "events", "views", "carts", "removes", "wishlists", "products_viewed")
    assert [row[name] for name in counts] == [2, 2, 4, 1, 1, 1, 1, 1]
    assert (row["first_event_at"].hour, row["last_event_at"].minute) == (9, 2)


# --- behavior.sessions_daily --------------------------------------------------------------------------------------


def test_a_visit_over_midnight_belongs_to_the_day_of_its_first_event(tmp_path: Path) -> None:
    events = [
        shop.event("a", "2024-03-01 23:55", "visit", device_id="d1"),
        shop.event("b", "2024-03-02 00:05", "view", device_id="d1", product_id="P1"),
        shop.event("c", "2024-03-04 12:00", "visit", device_id="d1"),
        shop.event("d", "2024-03-04 12:00:07", "search", device_id="d2"),
        shop.event("e", "2024-03-04 12:00:27", "search", device_id="d2"),
    ]
    rows = by(built(tmp_path, events, tables=("behavior.sessions_daily",)).rows("behavior.sessions_daily"), "day")
    assert sorted(rows) == [date(2024, 3, day) for day in (1, 2, 3, 4)]
    first, empty, last = rows[date(2024, 3, 1)], rows[date(2024, 3, 2)], rows[date(2024, 3, 4)]
    assert (first["sessions"], first["pages"], first["pages_per_session"], first["total_seconds"]) == (1, 2, 2.0, 600)
    assert (empty["sessions"], empty["bounce_rate"], empty["median_duration_seconds"], empty["ci_low"]) == (
        0,
        None,
        None,
        None,
    )
    assert (last["sessions"], last["visitors"], last["new_visitors"], last["bounces"]) == (2, 2, 1, 1)
    assert (last["median_duration_seconds"], last["engaged_sessions"], last["engaged_rate"]) == (10.0, 1, 0.5)
    assert [rows[day]["is_complete"] for day in sorted(rows)] == [True, True, True, False]


@pytest.mark.parametrize(
    ("bought", "visits", "low", "high"),
    [(5, 50, 0.043476, 0.213602), (0, 10, 0.0, 0.277533), (10, 10, 0.722467, 1.0)],
)
def test_session_conversion_has_the_interval_of_wilson(
    tmp_path: Path, bought: int, visits: int, low: float, high: float
) -> None:
    """Wilson (1927): 5/50, 0/10 and 10/10 with z = 1.959964, as in the tables of Newcombe (1998)."""
    rows = [visit(f"s{n}", purchases=int(n < bought)) for n in range(visits)]
    (row,) = given(tmp_path, {"core.visits": rows}, "behavior.sessions_daily").rows("behavior.sessions_daily")
    assert (row["converted_sessions"], row["sessions"]) == (bought, visits)
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(low, abs=5e-7), pytest.approx(high, abs=5e-7))


# --- behavior.peak_times ------------------------------------------------------------------------------------------


def cells(found: OnEngine, event_type: str) -> dict[Any, Row]:
    rows = [row for row in found.rows("behavior.peak_times") if row["event_type"] == event_type]
    return by(rows, "iso_weekday", "hour")


def test_every_measure_has_168_cells_and_holds_every_event(tmp_path: Path) -> None:
    events = [
        shop.event("a", "2024-03-04 10:00", "view", device_id="d1", product_id="P1"),
        shop.event("b", "2024-03-04 10:59:59", "view", device_id="d1", product_id="P1"),
        shop.event("c", "2024-03-10 23:59", "cart", device_id="d1", product_id="P1"),
    ]
    found = built(tmp_path, events, tables=("behavior.peak_times",))
    assert {row["event_type"] for row in found.rows("behavior.peak_times")} == {
        *("all", "visit", "view", "search", "cart", "remove_from_cart", "wishlist", "checkout", "purchase")
    }
    every, views = cells(found, "all"), cells(found, "view")
    assert len(every) == len(views) == 168
    assert {key: row["total"] for key, row in every.items() if row["total"]} == {(1, 10): 2, (7, 23): 1}
    assert (views[1, 10]["share"], views[1, 10]["per_hour"], views[1, 10]["is_peak"]) == (1.0, 2.0, True)
    assert cells(found, "visit")[1, 0]["share"] is None
    assert not any(row["is_peak"] for row in cells(found, "visit").values())
    # one of 24 hours has 2: mean 1/12, population deviation sqrt(4/24 - 1/144)
    assert views[1, 10]["z_score"] == pytest.approx((2 - 1 / 12) / (4 / 24 - 1 / 144) ** 0.5)
    assert (views[1, 11]["z_score"], views[2, 11]["z_score"]) == (pytest.approx(-0.208514414), None)


def test_of_equally_busy_hours_the_earliest_of_the_week_is_the_peak(tmp_path: Path) -> None:
    events = [
        shop.event("a", "2024-03-09 08:00", "visit", device_id="d1"),
        shop.event("b", "2024-03-06 09:00", "visit", device_id="d1"),
        shop.event("c", "2024-03-06 22:00", "visit", device_id="d1"),
    ]
    found = cells(built(tmp_path, events, tables=("behavior.peak_times",)), "visit")
    assert [key for key, row in found.items() if row["is_peak"]] == [(3, 9)]


@pytest.mark.parametrize(("sunday", "hours"), [("2024-03-31", 0), ("2024-10-27", 2), ("2024-06-02", 1)])
def test_an_hour_that_the_clocks_skip_or_repeat_counts_so_often(tmp_path: Path, sunday: str, hours: int) -> None:
    monday = date.fromisoformat(sunday).toordinal() - 6
    events = [
        shop.event("a", f"{date.fromordinal(monday)} 02:00", "visit", device_id="d1"),
        shop.event("b", f"{sunday} 04:00", "visit", device_id="d1"),
    ]
    found = cells(built(tmp_path, events, tables=("behavior.peak_times",)), "visit")
    assert (found[7, 2]["hours"], found[7, 3]["hours"], found[1, 2]["hours"]) == (hours, 1, 1)
    assert found[7, 2]["per_hour"] == (None if hours == 0 else 0.0)


def test_an_hour_that_did_not_occur_has_no_rate_and_takes_part_in_no_mean(tmp_path: Path) -> None:
    events = [shop.event("a", "2024-03-05 08:00", "visit", device_id="d1")]
    found = cells(built(tmp_path, events, tables=("behavior.peak_times",)), "visit")
    assert (found[2, 8]["hours"], found[2, 8]["per_hour"], found[2, 8]["is_peak"]) == (1, 1.0, True)
    assert (found[3, 8]["hours"], found[3, 8]["per_hour"], found[3, 8]["z_score"]) == (0, None, None)


def test_orders_and_money_stand_at_their_own_hours_for_all_shops_and_online(tmp_path: Path) -> None:
    sales = [
        shop.sale("1", "2024-03-04 09:30", 1, "10", order="O1", customer="c1", store_id="S1"),
        shop.sale("2", "2024-03-04 20:30", 2, "10", order="O2", customer="c1"),
        shop.sale("3", "2024-03-05 21:00", -1, "10", order="O2", customer="c1"),
        shop.sale("4", "2024-03-05 21:00", 1, "99", order="O3", status="cancelled"),
    ]
    found = built(tmp_path, [], sales, ("behavior.peak_times", "behavior.daily"))
    assert {row["event_type"] for row in found.rows("behavior.peak_times")} == {
        *("orders", "online_orders", "net_sales", "online_net_sales")
    }
    assert found.rows("behavior.daily") == []
    totals = {
        name: {key: row["total"] for key, row in cells(found, name).items() if row["total"]}
        for name in ("orders", "online_orders", "net_sales", "online_net_sales")
    }
    assert totals == {
        "orders": {(1, 9): 1, (1, 20): 1},
        "online_orders": {(1, 20): 1},
        "net_sales": {(1, 9): 10, (1, 20): 20, (2, 21): -10},
        "online_net_sales": {(1, 20): 20, (2, 21): -10},
    }
    money = cells(found, "net_sales")
    assert (money[2, 21]["share"], money[1, 20]["is_peak"]) == (-0.5, True)


# --- behavior.visitors, visit_frequency, visit_classes -----------------------------------------------------------


def test_classes_of_visitors_by_their_days_among_the_last_28(tmp_path: Path) -> None:
    """The as-of date is 31 March, so that 4 March is the first of 28 days and 3 March lies before."""
    days = {
        "single": [31],
        "single-old": [-60],
        "lapsed": [-10, 3],
        "occasional": [3, 4],
        "regular": [1, 4, 31],
        "regular-3": [10, 11, 12],
        "frequent": [5, 6, 7, 8],
        "frequent-11": range(10, 21),
        "heavy": range(10, 22),
    }
    rows = [
        visit(f"{visitor}-{day}-{twice}", visitor_id=visitor, started=f"{date.fromordinal(BEFORE + day)} 12:00")
        for visitor, numbers in days.items()
        for day in numbers
        for twice in (1, 2)
    ]
    tables = ("behavior.visit_frequency", "behavior.visit_classes")
    found = given(tmp_path, {"core.visits": rows}, *tables, as_of=date(2024, 3, 31))
    visitors = by(found.rows("behavior.visit_frequency"), "visitor_id")
    assert {name: row["visit_class"] for name, row in visitors.items()} == {
        name: name.split("-", maxsplit=1)[0] for name in days
    }
    regular = visitors["regular"]
    assert (regular["sessions"], regular["active_days"], regular["recent_active_days"]) == (6, 3, 2)
    assert regular["median_days_between"] == 15.0, "3 and 27 days apart, the second visit of a day is none"
    assert (visitors["single"]["median_days_between"], visitors["single"]["observed_days"]) == (None, 1)
    assert (visitors["single"]["sessions_per_30_days"], visitors["single"]["days_since_last_visit"]) == (2.0, 0)
    old = visitors["single-old"]
    assert (old["observed_days"], old["sessions_per_30_days"]) == (92, pytest.approx(2 / (92 / 30)))
    classes = by(found.rows("behavior.visit_classes"), "visit_class")
    assert {name: row["visitors"] for name, row in classes.items()} == {
        "single": 2,
        "lapsed": 1,
        "occasional": 1,
        "regular": 2,
        "frequent": 2,
        "heavy": 1,
    }
    assert sum(row["share"] for row in classes.values()) == pytest.approx(1)
    assert [row["low_n"] for row in classes.values()] == [True] * 6


BEFORE = date(2024, 2, 29).toordinal()


def test_modes_take_the_earliest_of_equals(tmp_path: Path) -> None:
    moments = ["2024-03-05 23:00", "2024-03-05 05:59", "2024-03-04 12:00", "2024-03-04 13:00", "2024-03-09 06:00"]
    rows = [visit(f"s{n}", visitor_id="v", started=moment) for n, moment in enumerate(moments)]
    (row,) = given(tmp_path, {"core.visits": rows}, "behavior.visitors").rows("behavior.visitors")
    assert (row["mode_weekday"], row["mode_hour"], row["mode_day_part"]) == (1, 5, "afternoon")
    assert (row["weekend_sessions"], row["weekend_share"]) == (1, 0.2)
    rows = [visit(f"s{n}", visitor_id="v", started=f"2024-03-05 {hour:02}:30") for n, hour in enumerate((18, 0, 11))]
    (row,) = given(tmp_path, {"core.visits": rows}, "behavior.visitors").rows("behavior.visitors")
    assert (row["mode_hour"], row["mode_day_part"]) == (0, "night")


def test_a_class_of_visitors_shows_what_they_bring(tmp_path: Path) -> None:
    rows = [
        visit("a1", visitor_id="a", customer_id="a", purchases=2, orders=1, net_sales=30),
        visit("a2", visitor_id="a", customer_id="a", started="2024-03-01 15:00", purchases=1, orders=1, net_sales=5),
        visit("b1", visitor_id="b"),
    ]
    found = given(tmp_path, {"core.visits": rows}, "behavior.visit_classes").rows("behavior.visit_classes")
    single = by(found, "visit_class")["single"]
    names = ("visitors", "customers", "sessions", "buyers", "buyer_rate", "orders", "net_sales", "session_share")
    assert [single[name] for name in names] == [2, 1, 3, 1, 0.5, 2, 35, 1.0]
    assert [row["sort_order"] for row in sorted(found, key=lambda r: r["sort_order"])] == [1, 2, 3, 4, 5, 6]
