"""Funnels, conversion, times to purchase, carts and popularity, on one shop with a case for each rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.independent import shop
from tests.independent.tables import OnEngine
from tests.integration.funnel_cases import (
    DAY,
    HOUR,
    SCOPES,
    SHOP,
    TABLES,
    Funnel,
    Row,
    build,
    carts,
    case,
    conversion,
    found,
    landed,
    only,
    times,
)
from tests.integration.funnel_postgres import agree


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    return build(tmp_path_factory.mktemp("cases"), SHOP)


# --- funnel


@pytest.mark.parametrize("scope", SCOPES)
def test_steps_of_one_moment_count_as_in_order(cases: OnEngine, scope: str) -> None:
    funnel = Funnel(cases, "Equal", scope)
    assert funnel.units == [1, 1, 1]
    assert funnel.purchases == (1, 0, 0)
    assert [funnel.steps[step]["median_seconds"] for step in ("view", "cart", "purchase")] == [None, 0, 0]


@pytest.mark.parametrize("scope", SCOPES)
def test_steps_in_the_wrong_order_do_not_count(cases: OnEngine, scope: str) -> None:
    assert Funnel(cases, "Backward", scope).units == [1, 0, 0]
    assert Funnel(cases, "Backward", scope, cart_optional=True).units == [1, 0]
    assert Funnel(cases, "Backward", scope).purchases == (1, 1, 0)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_purchase_without_a_view_is_an_orphan_and_no_unit(cases: OnEngine, scope: str) -> None:
    assert Funnel(cases, "Blind", scope).units == [0, 0, 0]
    assert Funnel(cases, "Blind", scope).purchases == (1, 1, 0)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_purchase_without_a_cart_is_direct_and_counts_where_the_cart_is_optional(cases: OnEngine, scope: str) -> None:
    assert Funnel(cases, "Direct", scope).units == [1, 0, 0]
    direct = Funnel(cases, "Direct", scope, cart_optional=True)
    assert direct.units == [1, 1]
    assert direct.purchases == Funnel(cases, "Direct", scope).purchases == (1, 0, 1)
    assert direct.steps["purchase"]["mean_seconds"] == 300


def test_all_steps_concern_one_product_where_the_unit_names_it(cases: OnEngine) -> None:
    assert Funnel(cases, "Unfit", "session").units == [1, 1, 1]
    assert Funnel(cases, "Unfit", "visitor").units == [1, 1, 1]
    assert Funnel(cases, "Unfit", "visitor_product").units == [1, 0, 0]
    assert Funnel(cases, "Unfit", "visitor_product").purchases == (1, 1, 0)


@pytest.mark.parametrize("scope", ["visitor", "visitor_product"])
def test_a_unit_stands_in_the_month_of_its_view_and_a_purchase_in_its_own(cases: OnEngine, scope: str) -> None:
    may, june = (Funnel(cases, "Nextmonth", scope, month) for month in ("2024-05", "2024-06"))
    assert (may.units, june.units) == ([1, 1, 1], [0, 0, 0])
    assert (may.purchases, june.purchases) == ((0, 0, 0), (1, 0, 0))
    assert june.steps["purchase"]["overall_conversion"] is None
    assert may.steps["purchase"]["month"] == date(2024, 5, 1)
    assert Funnel(cases, "Nextmonth", "session").units == [1, 0, 0]


@pytest.mark.parametrize("scope", ["visitor", "visitor_product"])
def test_a_unit_counts_once_with_its_deepest_attempt(cases: OnEngine, scope: str) -> None:
    again = Funnel(cases, "Again", scope)
    assert again.units == [1, 1, 1]
    assert again.steps["cart"]["median_seconds"] == 60


@pytest.mark.parametrize("scope", ["visitor", "visitor_product"])
def test_of_equally_deep_attempts_the_earliest_counts(cases: OnEngine, scope: str) -> None:
    """The view of 1 May is too old for the cart of the 18th; those of the 16th and 17th are not."""
    deepest = Funnel(cases, "Deepest", scope)
    assert deepest.units == [1, 1, 1]
    assert deepest.steps["cart"]["median_seconds"] == 2 * DAY
    assert deepest.steps["purchase"]["median_seconds"] == HOUR
    assert Funnel(cases, "Deepest", scope, cart_optional=True).steps["purchase"]["median_seconds"] == 2 * DAY + HOUR


@pytest.mark.parametrize("scope", SCOPES)
def test_the_purchase_of_the_funnel_comes_after_the_cart(cases: OnEngine, scope: str) -> None:
    between = Funnel(cases, "Between", scope)
    assert between.steps["purchase"]["median_seconds"] == 300
    assert between.purchases == (2, 0, 1)
    assert Funnel(cases, "Between", scope, cart_optional=True).steps["purchase"]["median_seconds"] == 60


@pytest.mark.parametrize("scope", ["visitor", "visitor_product"])
def test_the_window_is_fourteen_times_24_hours_also_when_the_clocks_change(cases: OnEngine, scope: str) -> None:
    assert Funnel(cases, "Dstin", scope, "2024-03").units == [1, 1, 1]
    assert Funnel(cases, "Dstout", scope, "2024-03").units == [1, 1, 0]
    assert Funnel(cases, "Dstin", scope, "2024-04").purchases == (1, 0, 0)
    assert Funnel(cases, "Dstout", scope, "2024-04").purchases == (1, 1, 0)


def test_the_steps_of_a_session_lie_within_it(cases: OnEngine) -> None:
    assert Funnel(cases, "Later", "session").units == [1, 0, 0]
    assert Funnel(cases, "Later", "session").purchases == (1, 1, 0)
    assert Funnel(cases, "Later", "visitor").units == [1, 1, 1]


@pytest.mark.parametrize("scope", ["visitor", "visitor_product"])
def test_breakdowns_take_the_value_at_the_view(cases: OnEngine, scope: str) -> None:
    wanted = {"scope": scope, "breakdown": "device_type", "period_name": "2024-05", "cart_optional": False}
    phone = {row["step"]: row for row in found(cases, "funnel", breakdown_value="mobile", **wanted)}
    assert [phone[step]["units_reached"] for step in ("view", "cart", "purchase")] == [1, 1, 1]
    assert phone["cart"]["median_seconds"] == 2 * DAY
    assert phone["purchase"]["purchases"] == 0
    assert {row["attribution"] for row in phone.values()} == {"first_touch"}


def test_attempts_within_the_window_are_open_and_older_ones_mature(cases: OnEngine) -> None:
    for name, mature, opened in (("Mature", 1, 0), ("Open", 0, 1)):
        steps = Funnel(cases, name, "visitor").steps
        assert [steps[step]["units_open"] for step in ("view", "cart", "purchase")] == [0, opened, opened]
        assert {row["units_mature"] for row in steps.values()} == {mature}
    ripe = Funnel(cases, "Ripe", "visitor_product").steps
    assert [ripe[step]["units_open"] for step in ("view", "cart", "purchase")] == [0, 0, 1]
    assert ripe["cart"]["overall_conversion_mature"] is None
    assert Funnel(cases, "Open", "session").steps["purchase"]["units_open"] == 0


def test_sales_outside_sessions_are_orphans_and_stores_do_not_count(cases: OnEngine) -> None:
    assert Funnel(cases, "Guest", "visitor_product").purchases == (1, 1, 0)
    assert Funnel(cases, "Shelf", "visitor_product").steps == {}
    assert Funnel(cases, "Past", "visitor_product").steps == {}
    unknown = {"breakdown": "channel", "breakdown_value": "unknown", "period_name": "all", "step": "purchase"}
    assert only(cases, "funnel", scope="session", cart_optional=True, **unknown)["orphan_purchases"] == 1


def test_what_names_no_product_counts_for_visitors_only_and_services_name_none(cases: OnEngine) -> None:
    for name in ("Nameless", "Postage"):
        assert Funnel(cases, name, "session").units == Funnel(cases, name, "visitor").units == [1, 1, 1]
        assert Funnel(cases, name, "visitor_product").steps == {}


def test_every_purchase_stands_in_every_scope_once(cases: OnEngine) -> None:
    total = {
        row["scope"]: row["purchases"]
        for row in found(cases, "funnel", breakdown="all", period_name="all", cart_optional=False, step="purchase")
    }
    tracked = [row for row in cases.rows("core.activity") if row["event_type"] == "purchase"]
    tracked = [row for row in tracked if row["occurred_date"] >= date(2024, 3, 20)]
    assert total["session"] == total["visitor"] == len(tracked)
    assert total["visitor_product"] == len([row for row in tracked if row["product_type"] == "goods"])


def test_months_without_visits_have_rows(cases: OnEngine) -> None:
    rows = found(cases, "funnel", breakdown="all", scope="visitor", cart_optional=False)
    assert {row["period_name"] for row in rows} == {"2024-03", "2024-04", "2024-05", "2024-06", "all"}
    quiet = Funnel(cases, "Equal", "visitor", "2024-06").steps["cart"]
    assert (quiet["units_started"], quiet["step_conversion"], quiet["ci_low"], quiet["low_n"]) == (0, None, None, True)


def test_a_viewer_becomes_a_buyer_by_an_ordered_purchase_in_the_window(cases: OnEngine) -> None:
    counts = ("viewers", "cart_adders", "cart_buyers", "buyers")
    expected = {
        "Equal-A": (1, 1, 1, 1),
        "Backward-A": (1, 0, 0, 0),
        "Direct-A": (1, 0, 0, 1),
        "Unfit-A": (1, 0, 0, 0),
        "Dstin-A": (1, 1, 1, 1),
        "Dstout-A": (1, 1, 0, 0),
        "Touch-A": (1, 1, 1, 1),
        "Removed-A": (1, 1, 0, 0),
    }
    assert {name: tuple(conversion(cases, name)[c] for c in counts) for name in expected} == expected


def test_views_convert_in_the_period_of_the_view(cases: OnEngine) -> None:
    assert conversion(cases, "Nextmonth-A", "2024-05")["buyers"] == 1
    assert found(cases, "product_conversion", key="Nextmonth-A", period_name="2024-06") == []
    assert conversion(cases, "Nextmonth")["category"] == "Nextmonth"
    assert conversion(cases, "Nextmonth", "2024-06")["viewers"] == 0
    assert conversion(cases, "Nextmonth", "2024-06")["purchases"] == 1
    assert found(cases, "product_conversion", key="Nextmonth-A", period_name="last 28 days") == []
    assert conversion(cases, "Open-A", "last 28 days")["viewers_open"] == 1
    assert conversion(cases, "Mature-A", "last 28 days")["viewers_open"] == 0


def test_events_and_sessions_are_counted_beside_the_visitors(cases: OnEngine) -> None:
    series = conversion(cases, "Series-A")
    assert (series["views"], series["purchases"], series["purchases_per_view"]) == (4, 3, 0.75)
    assert (series["sessions"], series["sessions_with_purchase"], series["session_conversion"]) == (3, 0, 0)
    assert (series["viewers"], series["buyers"]) == (1, 1)
    assert conversion(cases, "Equal-A")["session_conversion"] == 1
    every = conversion(cases, "all")
    visits = cases.rows("core.visits")
    assert every["sessions"] == len(visits)
    assert every["sessions_with_purchase"] == len([row for row in visits if row["purchases"]])


def test_services_have_no_conversion(cases: OnEngine) -> None:
    assert found(cases, "product_conversion", key="Postage-A") == []


def test_times_count_from_views_since_the_purchase_before(cases: OnEngine) -> None:
    first, last = times(cases, "Series-A", "first_view"), times(cases, "Series-A", "last_view")
    assert (first["purchases"], first["purchases_without_view"], first["n"]) == (3, 1, 2)
    assert first["mean_seconds"] == (2 * DAY + HOUR + HOUR) / 2
    assert last["mean_seconds"] == (HOUR + 50 * 60) / 2
    assert (first["mean_views_before"], first["mean_sessions_before"]) == (2, 1.5)
    assert [first[f"{name}_seconds"] for name in ("p25", "median", "p75", "p90")] == pytest.approx(
        [HOUR + part * 2 * DAY for part in (0.25, 0.5, 0.75, 0.9)]
    )


def test_views_before_the_look_back_and_after_the_purchase_do_not_count(cases: OnEngine) -> None:
    """The view of 1 April is 30 days old to the second on 1 May, which is too old."""
    row = times(cases, "Stale-A", "first_view")
    assert (row["n"], row["mean_seconds"], row["mean_views_before"]) == (1, 26 * DAY, 1)


def test_the_clock_of_the_session_starts_with_its_first_event(cases: OnEngine) -> None:
    assert times(cases, "Later-A", "session_start")["mean_seconds"] == 300
    assert times(cases, "Later-A", "first_view")["mean_seconds"] == DAY + 300
    assert times(cases, "Series-A", "session_start")["mean_seconds"] == 0
    guest = times(cases, "Guest-A", "session_start")
    assert (guest["purchases"], guest["purchases_without_view"], guest["n"], guest["mean_seconds"]) == (1, 1, 0, None)


def test_two_purchases_of_one_moment_have_the_same_views(cases: OnEngine) -> None:
    row = times(cases, "Double-A", "last_view")
    assert (row["purchases"], row["n"], row["mean_seconds"], row["mean_views_before"]) == (2, 2, 600, 1)


def test_purchases_without_a_view_are_counted_and_not_measured(cases: OnEngine) -> None:
    assert times(cases, "Blind-A", "first_view")["purchases_without_view"] == 1
    assert times(cases, "Equal-A", "first_view")["mean_seconds"] == 0
    assert found(cases, "time_to_purchase", scope="product", key="Past-A") == []
    every = times(cases, "all", "first_view", "all")
    assert every["purchases"] == sum(
        r["purchases"] for r in found(cases, "time_to_purchase", clock="first_view", scope="category")
    )


# --- survival


def kaplan_meier(ends: Sequence[tuple[int, bool]], days: int) -> list[float]:
    """Share who have not bought by each day, from (last day watched, whether it was the purchase)."""
    curve = [1.0]
    for day in range(1, days + 1):
        at_risk = sum(end >= day for end, _ in ends)
        bought = sum(end == day and event for end, event in ends)
        curve.append(curve[-1] * (1 - bought / at_risk))
    return curve


WATCHED = {
    # first view, purchase: the last day of 24 hours that was watched, and whether it brought the purchase
    "w1": ("05-01 10:00", "05-01 10:00", (1, True)),
    "w2": ("05-01 10:00", "05-02 09:59:59", (1, True)),
    "w3": ("05-01 10:00", "05-02 10:00", (2, True)),
    "w4": ("05-01 10:00", "05-31 09:59:59", (30, True)),
    "w5": ("05-01 10:00", "05-31 10:00", (30, False)),
    "w6": ("05-01 10:00", None, (30, False)),
    "w7": ("06-29 00:00", "06-30 23:59", (2, True)),
    "w8": ("06-29 00:00:01", "06-30 00:00:02", (1, False)),
    "w9": ("06-30 12:00", "06-30 13:00", (0, False)),
}


def test_the_curve_of_purchases_is_that_of_kaplan_and_meier(tmp_path: Path) -> None:
    events = []
    for name, (view, bought, _) in WATCHED.items():
        steps = [f"{view} view", *([f"{bought} purchase"] if bought else [])]
        events += [{**row, "product_id": "Lamp-A", "device_id": name} for row in case(name, *steps)]
        events += (
            [] if bought else [{**row, "product_id": "Lamp-A"} for row in case(name + "x", "04-30 10:00 purchase")]
        )
    built = build(tmp_path, landed(events), "behavior.purchase_survival")
    rows = sorted(found(built, "purchase_survival", scope="all"), key=lambda row: row["days_since_view"])
    ends = [end for _, _, end in WATCHED.values()]
    assert [row["days_since_view"] for row in rows] == list(range(31))
    assert [row["survival"] for row in rows] == pytest.approx(kaplan_meier(ends, 30), rel=1e-11)
    assert [row["at_risk"] for row in rows[:4]] == [9, 8, 5, 3]
    assert [row["buyers"] for row in rows[:3]] == [0, 2, 2]
    assert {row["median_days"] for row in rows} == {2}
    assert rows[0]["ci_low"] is None
    variance = 2 / (8 * 6) + 2 / (5 * 3)
    log = math.log(rows[2]["survival"])
    half = 1.959964 * math.sqrt(variance) / -log
    assert rows[2]["ci_low"] == pytest.approx(math.exp(log * math.exp(half)), rel=1e-10)
    assert rows[2]["ci_high"] == pytest.approx(math.exp(log * math.exp(-half)), rel=1e-10)


def test_where_all_have_bought_the_curve_is_zero_and_where_few_have_there_is_no_median(tmp_path: Path) -> None:
    events = case("All", "05-01 10:00 view A", "05-01 11:00 purchase A") + case("None", "05-01 10:00 view A")
    built = build(tmp_path, landed(events), "behavior.purchase_survival")
    bought = found(built, "purchase_survival", key="All")
    assert {row["survival"] for row in bought if row["days_since_view"]} == {0}
    assert {(row["median_days"], row["ci_low"]) for row in bought} == {(1, None)}
    kept = found(built, "purchase_survival", key="None")
    assert {(row["survival"], row["median_days"], row["ci_low"]) for row in kept} == {(1, None, None)}
    assert all(row["low_n"] for row in kept)


def test_a_cart_is_abandoned_if_nothing_is_bought_until_24_hours_after_the_session(cases: OnEngine) -> None:
    assert carts(cases, "Sameday") == (1, 0)
    assert carts(cases, "Nextday") == (1, 1)
    assert carts(cases, "Nextday", "2024-05") == (1, 1)
    assert carts(cases, "Nextday", "2024-06") == (0, 0)


def test_what_was_taken_out_again_is_no_cart(cases: OnEngine) -> None:
    assert found(cases, "cart_abandonment", scope="location", key="Removed") == []


def test_a_purchase_after_the_last_cart_event_keeps_the_cart_from_being_abandoned(cases: OnEngine) -> None:
    assert carts(cases, "Partly") == (1, 0)
    assert carts(cases, "Equal") == (1, 0)
    assert carts(cases, "Undone") == (1, 0)
    assert found(cases, "abandoned_carts", category="Partly") == []


def test_what_was_bought_before_is_not_left(cases: OnEngine) -> None:
    assert carts(cases, "Earlier") == (1, 1)
    assert [row["product_id"] for row in found(cases, "abandoned_carts", category="Earlier")] == ["Earlier-B"]
    assert only(cases, "abandoned_carts", category="Twice")["quantity"] == 2


def test_what_is_left_has_the_price_of_the_cart_or_else_the_list_price(cases: OnEngine) -> None:
    left = {row["product_id"]: row for row in found(cases, "abandoned_carts", category="Priced")}
    assert {name: (row["quantity"], row["value"]) for name, row in left.items()} == {
        "Priced-A": (2, 24),
        "Priced-B": (1, 10),
    }
    row = only(cases, "cart_abandonment", scope="category", key="Priced", period_name="all")
    assert (row["cart_count"], row["abandoned_count"], row["abandoned_value"]) == (2, 2, 34)
    assert [row[f"{name}_units"] for name in ("carted", "removed", "purchased", "left")] == [4, 1, 0, 3]
    assert carts(cases, "Priced") == (1, 1)


def test_a_cart_is_recovered_by_a_purchase_of_its_product_within_seven_days_of_the_session(cases: OnEngine) -> None:
    """The session of `Regained` ends 29 minutes after the cart; its purchase is seven days later to the second."""
    regained, lost = (only(cases, "abandoned_carts", category=name) for name in ("Regained", "Lost"))
    assert (regained["is_recovered"], regained["recovered_at"]) == (True, datetime(2024, 5, 9, 8, 29, tzinfo=UTC))
    assert (lost["is_recovered"], lost["recovered_at"]) == (False, None)
    assert only(cases, "abandoned_carts", category="Other")["is_recovered"] is False
    row = only(cases, "cart_abandonment", scope="location", key="Regained", period_name="all")
    assert (row["mature_count"], row["recovered_count"], row["recovery_rate"]) == (1, 1, 1)


def test_carts_of_the_last_day_are_open_and_of_the_last_week_not_mature(cases: OnEngine) -> None:
    running = only(cases, "cart_abandonment", scope="location", key="Running", period_name="all")
    assert (running["cart_count"], running["carts_open"], running["abandonment_rate"]) == (0, 1, None)
    young = only(cases, "cart_abandonment", scope="location", key="Young", period_name="all")
    assert (young["abandoned_count"], young["mature_count"], young["recovery_rate"]) == (1, 0, None)
    assert only(cases, "abandoned_carts", category="Young")["is_mature"] is False


def test_carts_of_all_scopes_and_their_rows_agree(cases: OnEngine) -> None:
    every = only(cases, "cart_abandonment", scope="all", period_name="all")
    rows = cases.rows("behavior.abandoned_carts")
    assert every["abandoned_count"] == len({row["session_id"] for row in rows})
    assert every["abandoned_value"] == sum(row["value"] for row in rows)
    products = found(cases, "cart_abandonment", scope="product", period_name="all")
    assert sum(row["abandoned_count"] for row in products) == len(rows)


# --- popularity


def test_a_visitor_counts_once_a_day_with_the_weightiest_act(tmp_path: Path) -> None:
    events = [
        *case("One", "06-30 10:00 view A", "06-30 10:01 view A", "06-30 10:02 wishlist A", "06-30 23:59 cart A"),
        *[{**row, "interaction_id": "x1"} for row in case("One", "06-24 00:00 view A")],
        *[{**row, "interaction_id": "x2"} for row in case("One", "06-23 23:59 purchase A")],
        *[{**row, "product_id": "One-A"} for row in case("Two", "06-30 10:00 view A", "06-30 11:00 wishlist A")],
        *[{**row, "product_id": "One-B"} for row in case("Three", "06-17 10:00 cart A", "05-05 10:00 view A")],
    ]
    built = build(tmp_path, landed(events), "behavior.product_popularity")

    def row(product: str, period: str) -> Row:
        return only(built, "product_popularity", product_id=product, period_name=period)

    week, month, every = (row("One-A", p) for p in ("last 7 days", "last 28 days", "all"))
    assert (week["score"], month["score"], every["score"]) == (3 + 1 + 2, 11, 11)
    assert (week["views"], week["unique_viewers"], week["carts"]) == (4, 2, 1)
    assert (week["score_prev"], week["trend"]) == (5, pytest.approx(math.log2(11 / 10)))
    assert (month["score_prev"], every["score_prev"], every["rank_change"]) == (0, None, None)
    assert row("One-B", "all")["score"] == 4
    assert found(built, "product_popularity", product_id="One-B", period_name="last 7 days") == []


def test_ranks_break_ties_by_the_smaller_id_and_show_places_gained(tmp_path: Path) -> None:
    events = [
        *[{**row, "product_id": "P-b"} for row in case("One", "06-30 10:00 view", "06-20 10:00 view")],
        *[{**row, "product_id": "P-a"} for row in case("Two", "06-30 10:00 view", "06-20 10:00 cart")],
        *[{**row, "product_id": "P-c"} for row in case("Three", "06-30 10:00 cart", "06-01 10:00 view")],
    ]
    built = build(tmp_path, landed(events), "behavior.product_popularity")
    week = {row["product_id"]: row for row in found(built, "product_popularity", period_name="last 7 days")}
    assert {name: row["rank_score"] for name, row in week.items()} == {"P-c": 1, "P-a": 2, "P-b": 3}
    assert {name: row["rank_change"] for name, row in week.items()} == {"P-c": None, "P-a": -1, "P-b": -1}
    assert {name: row["rank_views"] for name, row in week.items()} == {"P-a": 1, "P-b": 2, "P-c": 3}


def test_money_of_popular_products_is_that_of_all_shops(cases: OnEngine) -> None:
    row = only(cases, "product_popularity", product_id="Shelf-A", period_name="all")
    assert (row["orders"], row["units"], row["net_sales"], row["score"]) == (1, 1, 10, 0)
    assert only(cases, "product_popularity", product_id="Guest-A", period_name="all")["score"] == 5
    assert found(cases, "product_popularity", product_id="Postage-A") == []


# --- empty shops


SALES_ALONE = {**shop.empty(), "sales": shop.awkward_sales()}


@pytest.mark.parametrize(
    ("given", "as_of"),
    [(shop.empty(), None), (SALES_ALONE, None), (SHOP, date(2020, 1, 1))],
    ids=["nothing", "sales alone", "before the visits"],
)
def test_without_interactions_the_tables_of_visitors_are_empty(
    tmp_path: Path, given: shop.Landed, as_of: date | None
) -> None:
    built = build(tmp_path, given, as_of_date=as_of)
    popular = {"behavior.product_popularity", "behavior.product_opportunities"}
    assert [table for table in TABLES if table not in popular and built.rows(table)] == []
    assert bool(built.rows("behavior.product_popularity")) == (given is SALES_ALONE and as_of is None)


def test_visits_that_look_at_nothing_give_zeros(tmp_path: Path) -> None:
    built = build(tmp_path, landed(case("Idle", "06-30 10:00 visit")))
    rows = built.rows("behavior.funnel")
    assert {row["units_reached"] for row in rows} == {0}
    assert {(row["period_name"], row["breakdown"]) for row in rows} == {("2024-06", "all"), ("all", "all")}
    assert conversion(built, "all")["sessions"] == 1
    assert only(built, "cart_abandonment", period_name="all")["cart_count"] == 0
    for table in ("time_to_purchase", "purchase_survival", "product_popularity", "abandoned_carts"):
        assert built.rows(f"behavior.{table}") == []


def test_postgresql_gives_the_same_rows_and_finds_every_rule_kept(cases: OnEngine, database: str) -> None:
    agree(database, SHOP, cases)
