"""Events, sessions, identities, outliers and the views over them: a row test for each rule, and every cell twice."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxa_pipeline.engine.protocol import Relation
from cxa_pipeline.synthetic import ShopConfig, generate
from tests.independent import shop, tables, visits
from tests.independent.tables import OnEngine, normal, project

Row = dict[str, Any]
Landed = dict[str, list[Row]]
TABLES = ("core.events", "core.sessions", "core.identities", "core.visits", "core.activity")
TABLES += ("core.outliers", "core.visit_outliers")
KEYS = {
    "core.events": ("event_id",),
    "core.sessions": ("session_id",),
    "core.identities": ("identity_type", "identity_value"),
    "core.visits": ("session_id",),
    "core.activity": ("event_id",),
    "core.outliers": ("variable", "row_key"),
    "core.visit_outliers": ("variable", "row_key"),
}
IDENTITIES = [i.name for i in project().identities if i.name.startswith("sessions_")]


def build(folder: Path, landed: Landed, *only: str, **parameters: Any) -> OnEngine:
    folder.mkdir(exist_ok=True)
    return OnEngine(project(), folder).build(landed, {**shop.PARAMETERS, **parameters}, *(only or TABLES))


def by_key(rows: list[Row], *key: str) -> dict[Any, Row]:
    found = {tuple(row[name] for name in key) if len(key) > 1 else row[key[0]]: row for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    return build(tmp_path_factory.mktemp("busy"), shop.busy())


@pytest.fixture(scope="module")
def events(busy: OnEngine) -> Mapping[str, Row]:
    return by_key(busy.rows("core.events"), "event_id")


@pytest.fixture(scope="module")
def sessions(busy: OnEngine) -> Mapping[str, Row]:
    return by_key(busy.rows("core.sessions"), "session_id")


@pytest.fixture(scope="module")
def visited(busy: OnEngine) -> Mapping[str, Row]:
    return by_key(busy.rows("core.visits"), "session_id")


@pytest.fixture(scope="module")
def activity(busy: OnEngine) -> Mapping[str, Row]:
    return by_key(busy.rows("core.activity"), "event_id")


def parts(events: Mapping[str, Row], *prefixes: str) -> list[list[str]]:
    """The interactions of a case by session, in order of time."""
    found: dict[str, list[Row]] = defaultdict(list)
    for key, row in events.items():
        if key.rpartition("-")[0] in prefixes:
            found[row["session_id"]].append(row)
    ordered = [sorted(rows, key=lambda r: r["session_position"]) for rows in found.values()]
    return [[r["event_id"] for r in rows] for rows in sorted(ordered, key=lambda rows: rows[0]["occurred_at"])]


# --- where a session begins ---------------------------------------------------------------------------------


def test_events_of_one_moment_are_in_the_order_of_the_steps(
    events: Mapping[str, Row], sessions: Mapping[str, Row]
) -> None:
    assert parts(events, "eq") == [["eq-3", "eq-2", "eq-1"]]
    session = sessions[events["eq-1"]["session_id"]]
    assert [session[f"reached_{step}"] for step in ("view", "cart", "purchase")] == [True, True, True]
    assert (session["duration_seconds"], session["is_bounce"], session["events"]) == (0, False, 3)


@pytest.mark.parametrize(
    ("case", "reached"),
    [
        ("wrong", (True, False, False)),
        ("blind", (False, False, False)),
        ("early", (True, False, False)),
        ("login", (True, True, False)),
    ],
)
def test_steps_in_another_order_are_not_reached(
    events: Mapping[str, Row], sessions: Mapping[str, Row], case: str, reached: tuple[bool, ...]
) -> None:
    session = sessions[events[f"{case}-1"]["session_id"]]
    assert tuple(session[f"reached_{step}"] for step in ("view", "cart", "purchase")) == reached


def test_a_pause_of_the_timeout_ends_a_session_and_one_of_a_second_less_does_not(events: Mapping[str, Row]) -> None:
    assert parts(events, "pause") == [["pause-1", "pause-2"], ["pause-3"]]


def test_midnight_does_not_end_a_session_which_belongs_to_the_day_of_its_first_event(
    events: Mapping[str, Row], sessions: Mapping[str, Row]
) -> None:
    assert parts(events, "night", "night2") == [["night-1", "night-2", "night2-1"]]
    session = sessions[events["night-1"]["session_id"]]
    assert (session["session_date"], session["duration_seconds"]) == (date(2024, 5, 10), 1200)
    assert events["night2-1"]["occurred_date"] == date(2024, 5, 11)


def test_the_end_of_the_local_month_ends_a_session(events: Mapping[str, Row], sessions: Mapping[str, Row]) -> None:
    assert parts(events, "month", "month2") == [["month-1", "month-2"], ["month2-1", "month2-2"]]
    first, second = (sessions[events[key]["session_id"]] for key in ("month-1", "month2-1"))
    assert (first["session_month"], second["session_month"]) == (date(2024, 5, 1), date(2024, 6, 1))
    assert not first["reached_purchase"] and not second["reached_view"]


def test_changes_of_the_clocks_are_no_pauses_and_hide_none(events: Mapping[str, Row]) -> None:
    assert parts(events, "spring") == [["spring-1", "spring-2"]]  # 01:50 to 03:05 is a quarter of an hour
    assert parts(events, "autumn") == [["autumn-1"], ["autumn-2"]]  # 02:50 to 03:10 is an hour and twenty minutes


def test_a_login_does_not_split_and_names_the_whole_session(
    events: Mapping[str, Row], sessions: Mapping[str, Row]
) -> None:
    assert parts(events, "login") == [["login-1", "login-2", "login-3"]]
    assert sessions[events["login-1"]["session_id"]]["customer_id"] == "c1"
    assert [events[f"login-{n}"]["customer_id"] for n in (1, 2, 3)] == [None, "c1", None]
    assert {events[f"login-{n}"]["session_customer_id"] for n in (1, 2, 3)} == {"c1"}


def test_another_customer_splits_also_after_events_without_one(events: Mapping[str, Row]) -> None:
    assert parts(events, "other") == [["other-1", "other-2"], ["other-3", "other-4"]]


def test_after_a_pause_a_customer_is_forgotten(events: Mapping[str, Row], sessions: Mapping[str, Row]) -> None:
    assert parts(events, "again") == [["again-1"], ["again-2", "again-3"]]
    assert sessions[events["again-2"]["session_id"]]["customer_id"] == "c2"


def test_customers_in_turn_have_a_session_each_also_within_one_second(events: Mapping[str, Row]) -> None:
    assert sorted(parts(events, "turns")) == [["turns-1"], ["turns-2"], ["turns-3"], ["turns-4"]]


def test_events_without_a_device_are_a_stream_of_the_customer(
    events: Mapping[str, Row], sessions: Mapping[str, Row]
) -> None:
    assert parts(events, "bare") == [["bare-1", "bare-2"], ["bare-3"]]
    assert events["bare-1"]["actor_id"] == "c4"
    assert sessions[events["bare-1"]["session_id"]]["device_id"] is None
    assert parts(events, "beside") == [["beside-1"]]


def test_a_delivered_session_is_the_session_whatever_its_pauses_and_customers(
    events: Mapping[str, Row], sessions: Mapping[str, Row]
) -> None:
    assert parts(events, "given") == [["given-1", "given-2", "given-3", "given-4"]]
    session = sessions[events["given-1"]["session_id"]]
    assert (session["customer_id"], session["source_session_id"], session["events"]) == ("c6", "s1", 4)


def test_events_beside_delivered_sessions_are_found_by_the_rules(
    events: Mapping[str, Row], sessions: Mapping[str, Row]
) -> None:
    assert parts(events, "plain") == [["plain-1", "plain-2"], ["plain-3"]]
    assert parts(events, "tab") == [["tab-1", "tab-2"]]
    assert sessions[events["plain-1"]["session_id"]]["source_session_id"] is None


def test_a_delivered_session_of_two_devices_is_that_of_the_first(
    events: Mapping[str, Row], sessions: Mapping[str, Row]
) -> None:
    assert parts(events, "two", "two2", "two3") == [["two-1", "two2-1", "two3-1"]]
    session = sessions[events["two-1"]["session_id"]]
    assert (session["actor_id"], session["device_id"], session["customer_id"]) == ("device:two-b", "two-b", "c7")


def test_a_delivered_session_that_begins_without_device_has_the_one_that_follows(
    events: Mapping[str, Row], sessions: Mapping[str, Row]
) -> None:
    session = sessions[events["server-1"]["session_id"]]
    assert (session["actor_id"], session["device_id"], session["events"]) == ("c8", "server", 2)


def test_a_delivered_session_ends_with_the_month(events: Mapping[str, Row], sessions: Mapping[str, Row]) -> None:
    assert parts(events, "long", "long2") == [["long-1"], ["long2-1"]]
    assert {sessions[events[key]["session_id"]]["source_session_id"] for key in ("long-1", "long2-1")} == {"s5"}


def test_what_never_pauses_is_cut_every_day(events: Mapping[str, Row], sessions: Mapping[str, Row]) -> None:
    found = parts(events, "robot")
    assert [len(part) for part in found] == [73, 72, 6]  # the event a whole day after the first is still its
    assert {sessions[events[part[0]]["session_id"]]["duration_seconds"] for part in found} == {86400, 85200, 6000}
    assert [events[part[0]]["session_position"] for part in found] == [1, 1, 1]


def test_the_id_of_a_session_is_made_of_its_actor_moment_and_first_event(events: Mapping[str, Row]) -> None:
    import hashlib

    expected = hashlib.sha256(b"device:pause|2024-04-03 08:00:00|pause-1").hexdigest()[:32]
    assert {events["pause-1"]["session_id"], events["pause-2"]["session_id"]} == {expected}


# --- purchases and sales lines ------------------------------------------------------------------------------


def test_an_event_and_a_line_of_one_order_and_product_are_one_purchase(events: Mapping[str, Row]) -> None:
    row = events["b-1"]
    assert [row[n] for n in ("sale_id", "quantity", "value", "store_id")] == ["v1", 2, 20, "__online__"]
    assert row["occurred_at"] == datetime(2024, 8, 1, 8, 0, tzinfo=UTC)
    assert "sale:v1" not in events


def test_an_event_without_product_is_the_first_line_of_its_order(events: Mapping[str, Row]) -> None:
    assert [events["b-2"][n] for n in ("sale_id", "product_id", "value")] == ["v2b", "P3", 10]
    assert events["sale:v2a"]["session_id"] == events["b-2"]["session_id"]


def test_a_line_joins_the_session_of_its_order_however_late_it_was_booked(
    events: Mapping[str, Row], sessions: Mapping[str, Row]
) -> None:
    assert events["b-3"]["sale_id"] == "v3a"
    joined = events["sale:v3b"]
    assert (joined["session_id"], joined["device_id"]) == (events["b-3"]["session_id"], "b3")
    session = sessions[joined["session_id"]]
    assert [session[n] for n in ("events", "purchases", "orders", "net_sales", "duration_seconds")] == [2, 2, 1, 20, 0]


def test_another_order_number_matches_by_customer_and_product_within_the_tolerance(events: Mapping[str, Row]) -> None:
    assert (events["b-4"]["sale_id"], events["b-4"]["order_id"]) == ("v4", "V4")
    assert (events["b-5"]["sale_id"], events["b-5"]["order_id"], events["b-5"]["value"]) == (None, "W5", None)
    assert events["sale:v5"]["session_id"] is None


def test_a_line_between_two_events_matches_one_of_them(events: Mapping[str, Row]) -> None:
    assert [events[key]["sale_id"] for key in ("b-6", "b-6b")] == ["v6", None]


@pytest.mark.parametrize(("first", "repeated"), [("b-70", ("b-71", "b-72")), ("b-80", ("b-81",)), ("b-9b", ("b-9a",))])
def test_repeated_purchase_events_are_one(events: Mapping[str, Row], first: str, repeated: tuple[str, ...]) -> None:
    assert events[first]["sale_id"] is not None
    assert not set(repeated) & set(events)


def test_each_line_and_each_event_are_matched_once(events: Mapping[str, Row]) -> None:
    assert events["b-10"]["sale_id"] == "v10a"
    assert events["sale:v10b"]["session_id"] == events["b-10"]["session_id"]
    assert [events[key]["sale_id"] for key in ("b-11a", "b-11b")] == ["v11", None]
    assert max(Counter(row["sale_id"] for row in events.values() if row["sale_id"]).values()) == 1


def test_a_purchase_names_the_visitor_and_the_device(
    events: Mapping[str, Row], activity: Mapping[str, Row], busy: OnEngine
) -> None:
    assert (events["b-12"]["customer_id"], events["b-12"]["session_customer_id"]) == ("c20", "c20")
    owners = by_key(busy.rows("core.identities"), "identity_type", "identity_value")
    assert owners["device", "b12"]["customer_id"] == "c20"
    assert (events["b-12v-1"]["session_customer_id"], activity["b-12v-1"]["visitor_id"]) == (None, "c20")


def test_a_guest_is_matched_by_the_order_and_stays_a_guest(events: Mapping[str, Row]) -> None:
    assert (events["b-14"]["sale_id"], events["b-14"]["customer_id"]) == ("v14", None)


@pytest.mark.parametrize("key", ["b-15", "b-16", "b-17", "b-18", "b-19"])
def test_a_purchase_without_a_line_that_counts_in_its_month_stays_alone(events: Mapping[str, Row], key: str) -> None:
    row = events[key]
    assert (row["sale_id"], row["store_id"]) == (None, None)
    assert row["value"] == {"b-15": 5, "b-17": 7}.get(key)


def test_lines_that_do_not_count_and_returns_are_no_purchases(events: Mapping[str, Row]) -> None:
    assert not {"sale:v15", "sale:v16"} & set(events)
    assert events["sale:v19b"]["session_id"] is None  # its event is in the month before


def test_a_sale_that_the_tracker_missed_joins_the_visit_it_falls_into(events: Mapping[str, Row]) -> None:
    assert events["sale:v20a"]["session_id"] == events["b-20-1"]["session_id"]  # not the bare visit that has ended
    assert events["sale:v20b"]["session_id"] == events["b-20-1"]["session_id"]  # five minutes after its end
    assert events["sale:v20c"]["session_id"] is None  # and a second more
    assert events["sale:v20d"]["session_id"] == events["b-20-1"]["session_id"]  # five minutes before, a shop online


@pytest.mark.parametrize("key", ["sale:v22", "sale:v22b"])
def test_a_sale_of_a_shop_with_a_door_belongs_to_no_visit(
    events: Mapping[str, Row], activity: Mapping[str, Row], key: str
) -> None:
    assert (events[key]["session_id"], events[key]["device_id"]) == (None, None)
    assert key not in activity


def test_a_purchase_that_the_tracker_saw_is_a_visit_also_where_a_shop_with_a_door_booked_it(
    events: Mapping[str, Row], activity: Mapping[str, Row]
) -> None:
    assert (events["b-23"]["sale_id"], activity["b-23"]["store_channel"]) == ("v23", "store")
    assert events["sale:v23b"]["session_id"] is None


def test_an_order_in_two_visits_counts_in_both(events: Mapping[str, Row], sessions: Mapping[str, Row]) -> None:
    assert events["sale:v24"]["session_id"] == events["b-24"]["session_id"]
    assert (events["b-24b"]["sale_id"], events["b-24b"]["order_id"]) == (None, "V24")
    assert sessions[events["b-24b"]["session_id"]]["orders"] == 0


# --- what a session and an event say ------------------------------------------------------------------------


def test_pages_and_campaign_are_the_first_known_and_referrer_that_of_the_first_event(
    events: Mapping[str, Row], sessions: Mapping[str, Row]
) -> None:
    session = sessions[events["page-1"]["session_id"]]
    pages = [session[n] for n in ("entry_page_url", "exit_page_url", "entry_page_type", "exit_page_type")]
    assert pages == ["/s", "/p", "search", "product"]
    assert [session[n] for n in ("utm_source", "utm_medium", "referrer")] == [None, "cpc", "https://www.google.de/"]
    counts = ("visits", "views", "searches", "carts", "removes", "wishlists", "checkouts", "purchases", "events")
    assert [session[n] for n in counts] == [1, 2, 1, 0, 1, 1, 0, 0, 6]
    assert session["distinct_products_viewed"] == 1  # the second view names none
    assert events["page-4"]["is_product_missing"]


def test_channels(events: Mapping[str, Row], visited: Mapping[str, Row]) -> None:
    found = [visited[events[f"from-{n}"]["session_id"]]["channel"] for n in range(9)]
    assert found == [
        "direct", "social", "referral", "email", "other campaign", "organic search", "direct", "referral", "referral",
    ]  # fmt: skip
    assert visited[events["page-1"]["session_id"]]["channel"] == "paid search"


def test_time_on_products(events: Mapping[str, Row]) -> None:
    found = [(events[f"dwell-{n}"]["dwell_seconds"], events[f"dwell-{n}"]["dwell_is_capped"]) for n in range(1, 9)]
    assert found == [
        (Decimal("7.5"), False), (600, False), (600, True), (0, False), (59, False), (600, True), (None, False),
        (None, False),
    ]  # fmt: skip


def test_a_sale_that_joined_ends_the_look_at_the_product_before(events: Mapping[str, Row]) -> None:
    assert events["b-20-1"]["dwell_seconds"] == 360  # viewed at 10:00, sold at 10:06
    assert events["b-20-2"]["dwell_seconds"] == 300  # viewed at 10:10, sold at 10:15


def test_a_bounce_is_one_event_that_is_no_purchase(events: Mapping[str, Row], sessions: Mapping[str, Row]) -> None:
    found = {key: sessions[events[key]["session_id"]] for key in ("pause-3", "b-1", "b-17", "pause-1")}
    assert {key: row["is_bounce"] for key, row in found.items()} == {
        "pause-3": True, "b-1": False, "b-17": False, "pause-1": False,
    }  # fmt: skip
    assert {key: row["is_engaged"] for key, row in found.items()} == {
        "pause-3": False, "b-1": True, "b-17": True, "pause-1": True,
    }  # fmt: skip


@pytest.mark.parametrize(("seconds", "engaged"), [(10, False), (11, True)])
def test_a_session_is_engaged_beyond_ten_seconds(tmp_path: Path, seconds: int, engaged: bool) -> None:
    rows = shop.acts("e", "2024-01-01", f"10:00:00 search 10:00:{seconds} cart:P1", device_id="d")
    built = build(tmp_path, {**shop.empty(), "interactions": rows}, "core.sessions")
    assert [row["is_engaged"] for row in built.rows("core.sessions")] == [engaged]


# --- visitors -----------------------------------------------------------------------------------------------


def test_robots_stay_in_core_and_out_of_the_views(
    events: Mapping[str, Row], visited: Mapping[str, Row], activity: Mapping[str, Row]
) -> None:
    assert {"i1", "i2", "bot-1", "bot-2"} <= set(events)
    assert not {"i1", "i2", "bot-1", "bot-2"} & set(activity)
    assert not {events[key]["session_id"] for key in ("i1", "bot-1")} & set(visited)


def test_a_device_is_that_of_the_only_customer_who_used_it_or_of_its_owner(busy: OnEngine) -> None:
    found = {
        row["identity_value"]: row["customer_id"]
        for row in busy.rows("core.identities")
        if row["identity_type"] == "device"
    }
    assert found["login"] == "c1"  # the source says c4, the events know better
    assert (found["night"], found["d-idle"]) == ("c3", "c2")
    assert not {"other", "turns", "again", "pause"} & set(found)


def test_an_email_of_guests_is_that_of_the_only_customer_who_has_it(busy: OnEngine) -> None:
    found = [row for row in busy.rows("core.identities") if row["identity_type"] == "email"]
    assert [(row["identity_value"], row["customer_id"]) for row in found] == [("known@example.org", "idle-undated")]


def test_a_visitor_is_a_customer_where_known_and_a_device_otherwise(
    events: Mapping[str, Row], visited: Mapping[str, Row]
) -> None:
    found = {key: visited[events[key]["session_id"]] for key in ("login-1", "night-1", "pause-1", "bare-1")}
    assert {key: (row["visitor_id"], row["is_known"]) for key, row in found.items()} == {
        "login-1": ("c1", True),
        "night-1": ("c3", False),
        "pause-1": ("device:pause", False),
        "bare-1": ("c4", True),
    }
    assert (found["night-1"]["device_type"], found["pause-1"]["device_type"]) == ("desktop", "unknown")


def test_the_place_is_that_of_the_customer_or_else_of_the_device(
    events: Mapping[str, Row], visited: Mapping[str, Row]
) -> None:
    places = {key: visited[events[key]["session_id"]]["location"] for key in ("login-1", "night-1", "eq-1", "pause-1")}
    assert places == {"login-1": "Köln", "night-1": "Berlin", "eq-1": "Bremen", "pause-1": "Unknown"}


def test_all_events_of_a_session_have_its_visitor(activity: Mapping[str, Row], visited: Mapping[str, Row]) -> None:
    for row in activity.values():
        if row["session_id"]:
            assert row["visitor_id"] == visited[row["session_id"]]["visitor_id"], row["event_id"]


def test_what_lies_after_the_as_of_date_is_in_core_and_not_in_the_views(tmp_path: Path) -> None:
    rows = shop.acts("e", "2024-01-01", "10:00 visit 23:59 visit", device_id="d")
    rows += shop.acts("f", "2024-01-02", "00:01 visit 10:00 visit", device_id="d")
    built = build(tmp_path, {**shop.empty(), "interactions": rows}, as_of_date=date(2024, 1, 1))
    assert len(built.rows("core.sessions")) == 3
    assert len(built.rows("core.visits")) == 2  # the second goes on past midnight and belongs to the first day
    assert {row["event_id"] for row in built.rows("core.activity")} == {"e-1", "e-2"}


# --- outliers -----------------------------------------------------------------------------------------------


def orders_of(*amounts: str) -> Landed:
    lines = [shop.sale(f"s{n}", "2024-01-01 10:00", 1, price, f"P{n}") for n, price in enumerate(amounts)]
    return {**shop.empty(), "sales": lines}


def test_scores_agree_with_iglewicz_and_hoaglin_by_hand(tmp_path: Path) -> None:
    amounts = ("10", "11", "9", "10", "12", "10", "11", "100")
    found = build(tmp_path, orders_of(*amounts, *amounts), "core.outliers").rows("core.outliers")
    orders = [row for row in found if row["variable"] == "order_value"]
    assert {(row["row_key"], round(row["outlier_score"], 2), row["outlier_method"]) for row in orders} == {
        ("s7", 33.70, "mad"),
        ("s15", 33.70, "mad"),
    }


def test_where_half_of_the_values_are_equal_the_far_fence_decides(tmp_path: Path) -> None:
    amounts = ["10"] * 6 + ["12"] * 4 + ["1000"]
    found = build(tmp_path, orders_of(*amounts), "core.outliers").rows("core.outliers")
    orders = [row for row in found if row["variable"] == "order_value"]
    assert [(row["row_key"], row["outlier_method"], row["compared_with"]) for row in orders] == [
        ("s10", "tukey", "all orders")
    ]


@pytest.mark.parametrize("amounts", [["10"] * 8 + ["9999"], ["10"] * 19 + ["9999"]])
def test_no_value_is_marked_among_few_or_without_spread(tmp_path: Path, amounts: list[str]) -> None:
    assert build(tmp_path, orders_of(*amounts), "core.outliers").rows("core.outliers") == []


def test_a_price_is_compared_with_its_product_or_else_with_the_category(tmp_path: Path) -> None:
    prices = [("P1", n, f"{100 + n}") for n in range(10)] + [("P1", 10, "1"), ("P2", 11, "105"), ("P2", 12, "9999")]
    lines = [shop.sale(f"s{n}", "2024-01-01 10:00", 1, price, product) for product, n, price in prices]
    found = build(tmp_path, {**shop.empty(), "sales": lines}, "core.outliers").rows("core.outliers")
    assert {(r["row_key"], r["compared_with"], r["sample_size"]) for r in found if r["variable"] == "unit_price"} == {
        ("s10", "product P1", 11),
        ("s12", "category Unknown", 13),
    }


# --- every cell twice, and together ---------------------------------------------------------------------------


def compare(built: OnEngine, landed: Landed, parameters: Row) -> None:
    expected = visits.Visits(landed, parameters)
    rows = {
        "core.events": expected.event_rows(),
        "core.sessions": expected.session_rows(),
        "core.identities": expected.identity_rows(),
        "core.visits": expected.visit_rows(),
        "core.activity": expected.activity_rows(),
        "core.outliers": [row for row in expected.outlier_rows() if row["dataset"] != "core.sessions"],
        "core.visit_outliers": [row for row in expected.outlier_rows() if row["dataset"] == "core.sessions"],
    }
    for table, theirs in rows.items():
        ours, wanted = by_key(built.rows(table), *KEYS[table]), by_key(theirs, *KEYS[table])
        assert set(ours) == set(wanted), table
        for key, row in wanted.items():
            wrong = {n: (ours[key][n], v) for n, v in row.items() if not same(ours[key][n], v)}
            assert not wrong, (table, key)
    whole = {"core.visits": "core.sessions", "core.activity": "core.events"}
    for view, table in whole.items():
        of_table = by_key(built.rows(table), *KEYS[table])
        own = set(rows[view][0]) - {*KEYS[view]} if rows[view] else set()
        for row in built.rows(view):
            taken = set(row) & set(of_table[row[KEYS[view][0]]]) - own
            assert {n: row[n] for n in taken} == {n: of_table[row[KEYS[view][0]]][n] for n in taken}


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float):
        return ours == pytest.approx(theirs, rel=1e-9)
    return bool(normal(ours) == normal(theirs))


@pytest.mark.parametrize("as_of", [None, date(2024, 8, 31)])
def test_the_busy_shop_agrees_with_the_independent_recomputation(as_of: date | None, tmp_path: Path) -> None:
    parameters = {**shop.PARAMETERS, "as_of_date": as_of}
    compare(build(tmp_path, shop.busy(), as_of_date=as_of), shop.busy(), parameters)


@pytest.mark.parametrize("seed", range(4))
def test_crowds_agree_with_the_independent_recomputation_under_other_parameters(seed: int, tmp_path: Path) -> None:
    changed = {
        "session_timeout_minutes": (5, 30)[seed % 2],
        "session_max_hours": (1, 24)[seed // 2],
        "session_match_minutes": (20, 5)[seed % 2],
        "purchase_match_minutes": (60, 1)[seed % 2],
        "dwell_cap_seconds": 100,
    }
    landed = {
        **shop.busy(),
        "interactions": shop.visiting_crowd(900, seed),
        "sales": shop.buying_crowd(150, seed),
    }
    compare(build(tmp_path, landed, **changed), landed, {**shop.PARAMETERS, **changed})


def synthetic(folder: Path, **changes: Any) -> Landed:
    """A shop of the generator as landed rows, read without the pipeline."""
    config = ShopConfig(
        start=date(2024, 2, 20), end=date(2024, 4, 20), new_customers_per_day=1.0, products=60, affinities=4, **changes
    )
    generate(config, folder)
    zone = ZoneInfo(config.timezone)
    landed = shop.empty()
    for dataset in landed:
        types = {c.name: c.type for c in project().catalog[f"landed.{dataset}"].columns}
        for path in sorted(folder.glob(f"{dataset}_*.csv")):
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    landed[dataset].append({n: _typed(v, types[n], zone) for n, v in row.items() if n in types})
    for dataset, moment, day in (("sales", "sold_at", "sold"), ("interactions", "occurred_at", "occurred")):
        for row in landed[dataset]:
            row[f"{day}_date"] = row[moment].astimezone(zone).date()
            row[f"{day}_month"] = row[f"{day}_date"].replace(day=1)
    return landed


def _typed(text: str, type_: str, zone: ZoneInfo) -> Any:
    if text == "":
        return None
    if type_ == "boolean":
        return text.lower() in ("true", "yes", "1")
    if type_ == "date":
        return date.fromisoformat(text[:10])
    if type_ == "timestamptz":
        return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
    if type_.startswith("numeric"):
        return Decimal(text)
    return int(text) if type_ in ("smallint", "integer", "bigint") else text


@pytest.mark.parametrize("session_ids", [False, True])
def test_a_synthetic_shop_agrees_with_the_independent_recomputation(session_ids: bool, tmp_path: Path) -> None:
    landed = synthetic(tmp_path / "files", session_ids=session_ids)
    assert len(landed["interactions"]) > 1000
    parameters = {**shop.PARAMETERS, "timezone": "Europe/Berlin"}
    built = build(tmp_path / "built", landed)
    compare(built, landed, parameters)
    missed = [row for row in built.rows("core.events") if row["event_source"] == "interaction" and not row["sale_id"]]
    assert all(row["event_type"] != "purchase" for row in missed)  # the generator's purchases all have their sale


def test_months_computed_alone_are_the_months_computed_together(busy: OnEngine, tmp_path: Path) -> None:
    months = [date(2024, month, 1) for month in range(5, 11)]
    landed = shop.busy()
    for table, column in (("core.events", "occurred_month"), ("core.sessions", "session_month")):
        together = Counter(_cells(row) for row in busy.rows(table) if row[column] in months)
        alone: Counter[Any] = Counter()
        for month in months:
            own = {
                **landed,
                "interactions": [row for row in landed["interactions"] if row["occurred_month"] == month],
                "sales": [row for row in landed["sales"] if row["sold_month"] == month],
            }
            alone.update(map(_cells, build(tmp_path / f"{table}-{month}", own, table).rows(table)))
        assert alone == together
        assert len(together) > 100


def _cells(row: Row) -> tuple[str, ...]:
    return tuple(str(normal(value)) for value in row.values())


@pytest.mark.parametrize("name", ["busy", "empty", "no interactions", "no sales"])
def test_duckdb_and_postgresql_give_the_same_rows(
    name: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed = {
        "busy": shop.busy(),
        "empty": shop.empty(),
        "no interactions": {**shop.busy(), "interactions": []},
        "no sales": {**shop.busy(), "sales": []},
    }[name]
    on_engine = build(tmp_path, landed)
    wanted = project().ancestors(TABLES)
    monkeypatch.setattr(tables, "models", lambda found: [c for c in _every_model(found) if c.key in wanted])
    with psycopg.connect(database, autocommit=True) as postgres:
        postgres.execute("set timezone = 'UTC'")
        tables.build_in_postgres(postgres, landed, shop.PARAMETERS)
        for table in (*TABLES, "core.online_stores"):
            names = project().catalog[table].column_names
            cursor = postgres.execute(f"select {', '.join(names)} from {table}".encode())
            theirs = sorted(([normal(value) for value in row] for row in cursor), key=str)
            ours = sorted(([normal(row[n]) for n in names] for row in on_engine.rows(table)), key=str)
            assert ours == theirs, table


_every_model = tables.models


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("empty", {table: 0 for table in TABLES}),
        ("no interactions", {"core.sessions": 0, "core.visits": 0}),
        ("no sales", {}),
    ],
)
def test_what_is_missing_gives_empty_tables_and_no_errors(name: str, rows: dict[str, int], tmp_path: Path) -> None:
    landed = {"empty": shop.empty(), "no interactions": {**shop.busy(), "interactions": []}}.get(
        name, {**shop.busy(), "sales": []}
    )
    built = build(tmp_path, landed)
    assert {table: len(built.rows(table)) for table in rows} == rows
    if name == "no sales":
        assert built.rows("core.sessions")
        assert {row["net_sales"] for row in built.rows("core.sessions")} == {0}
    for identity in IDENTITIES:
        assert [row for row in built.identity(identity) if row["difference"] != 0] == []


# --- what the checks find -----------------------------------------------------------------------------------


def replaced(built: OnEngine, table: str, rows: list[Row]) -> None:
    """Give a table other rows."""
    path = built.relations[table].paths[0]
    schema = pq.read_schema(path)
    target = path.with_suffix(".replaced.parquet")
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), target)
    built.relations[table] = Relation((target,), columns=built.relations[table].columns)


def broken(built: OnEngine, name: str) -> set[str]:
    return {row["item"] for row in built.identity(name) if row["difference"] != 0}


@pytest.mark.parametrize("identity", IDENTITIES)
def test_identities_hold_on_the_busy_shop(busy: OnEngine, identity: str) -> None:
    assert broken(busy, identity) == set()


def test_identities_find_what_they_are_there_for(tmp_path: Path) -> None:
    rows = shop.acts("e", "2024-01-01", "10:00 visit 10:01 view:P1 10:02 purchase:P1@c1", device_id="d", order_id="O")
    lines = [shop.sale("s", "2024-01-01 10:03", order="O", customer="c1")]
    landed = {**shop.empty(), "interactions": rows, "sales": lines}
    built = build(tmp_path, landed)
    found, (session,) = built.rows("core.events"), built.rows("core.sessions")
    key = session["session_id"]
    replaced(built, "core.sessions", [{**session, "events": 2, "net_sales": Decimal(9)}])
    assert broken(built, "sessions_hold_their_events") == {"2024-01 events", f"{key} events", f"{key} net sales"}
    replaced(built, "core.sessions", [session, {**session, "session_month": date(2024, 2, 1)}])
    assert broken(built, "sessions_keys_stand_once") == {"all keys", key}
    replaced(built, "core.events", [row for row in found if row["event_type"] == "visit"])
    assert broken(built, "sessions_miss_no_sale") == {
        "2024-01 interactions", "2024-01 sales lines", "2024-01 net sales",
    }  # fmt: skip
    replaced(built, "core.activity", built.rows("core.activity") * 2)
    assert "rows" in broken(built, "sessions_keep_their_rows")


def failing(built: OnEngine, table: str) -> set[str]:
    """Names of the rules of a table that rows break."""
    found = set()
    for rule in project().catalog[table].rules:
        if rule.kind == "check":
            query = f"select 1 as x from {table} where not ({rule.sql})"
        elif rule.kind == "failing_rows":
            query = str(rule.sql)
        else:
            continue
        if built.engine.fetch(query, {table: built.relations[table]}).num_rows:
            found.add(rule.name)
    return found


@pytest.mark.parametrize("table", ["core.events", "core.sessions", "core.identities", "core.outliers"])
def test_rules_hold_on_the_busy_shop(busy: OnEngine, table: str) -> None:
    assert failing(busy, table) <= {
        "purchases_have_sales",
        "sales_have_purchases",
        "delivered_sessions_have_one_device",
    }


@pytest.mark.parametrize(
    ("table", "change", "rule"),
    [
        ("core.events", {"sale_id": "v1", "event_type": "purchase", "order_id": "V1", "value": Decimal(1)},
         "sales_lines_stand_once"),
        ("core.events", {"sale_id": "new"}, "sale_is_a_purchase"),
        ("core.events", {"session_position": None}, "interactions_have_a_session"),
        ("core.events", {"occurred_month": date(2020, 1, 1)}, "month_is_that_of_the_day"),
        ("core.events", {"event_type": "visit", "dwell_seconds": Decimal(1)}, "dwell_is_that_of_views"),
        ("core.sessions", {"views": 99}, "events_are_their_kinds"),
        ("core.sessions", {"ended_at": datetime(2020, 1, 1, tzinfo=UTC)}, "ends_after_it_starts"),
        ("core.sessions", {"reached_purchase": True, "reached_cart": False}, "steps_are_ordered"),
        ("core.sessions", {"orders": 0, "net_sales": Decimal(1)}, "money_comes_with_orders"),
        ("core.sessions", {"session_date": date(2020, 1, 1)}, "month_is_that_of_the_day"),
        ("core.outliers", {"outlier_score": 1.0}, "outliers_lie_beyond_the_fence"),
    ],
)  # fmt: skip
def test_rules_find_what_they_are_there_for(busy: OnEngine, table: str, change: Row, rule: str) -> None:
    kept = busy.relations[table]
    rows = sorted(busy.rows(table), key=_cells)
    place = next(n for n, row in enumerate(rows) if row.get("event_source", "interaction") == "interaction")
    rows[place] = {**rows[place], **change}
    try:
        replaced(busy, table, rows)
        assert rule in failing(busy, table)
    finally:
        busy.relations[table] = kept


def test_sessions_of_an_actor_that_overlap_are_found(busy: OnEngine) -> None:
    kept = busy.relations["core.sessions"]
    rows = busy.rows("core.sessions")
    events = by_key(busy.rows("core.events"), "event_id")
    first = events["pause-1"]["session_id"]
    late = events["pause-3"]["occurred_at"].replace(second=59, microsecond=999_999)
    try:
        replaced(busy, "core.sessions", [{**r, "ended_at": late} if r["session_id"] == first else r for r in rows])
        assert "sessions_of_an_actor_follow_each_other" in failing(busy, "core.sessions")
    finally:
        busy.relations["core.sessions"] = kept
