"""Sessions, purchases in them and their visitors: one test for each rule, on the busy shop."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.independent import shop
from tests.independent.tables import OnEngine
from tests.integration.visits_shop import Landed, Row, build, by_key


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


def test_a_guests_order_is_that_of_the_only_customer_who_has_its_email(busy: OnEngine) -> None:
    found = [row for row in busy.rows("core.identities") if row["identity_type"] == "order"]
    assert [(row["identity_value"], row["customer_id"]) for row in found] == [("V14", "idle-undated")]


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
