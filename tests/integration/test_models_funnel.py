"""Funnels, conversion, times to purchase, popularity, carts and opportunities: one hand-made case for each rule."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cxa_pipeline.contracts.ddl import create_table, create_view
from tests.independent import shop
from tests.independent.tables import OnEngine, normal, project, seed_rows, values

Row = dict[str, Any]
TABLES = (
    "behavior.funnel",
    "behavior.product_conversion",
    "behavior.time_to_purchase",
    "behavior.purchase_survival",
    "behavior.product_popularity",
    "behavior.abandoned_carts",
    "behavior.cart_abandonment",
    "behavior.product_opportunities",
)
HOUR, DAY = 3600, 86_400


def case(name: str, *steps: str, **given: Any) -> list[Row]:
    """Events of a case from words such as `05-02 10:00 view A device=phone`, of 2024 and in local time.

    The case has a device, a place and a category of its name, and products `<name>-A` and so on, so that its figures
    can be found in every table.
    """
    rows = []
    for number, step in enumerate(steps, start=1):
        day, clock, kind, *rest = step.split()
        items = [word for word in rest if "=" not in word]
        row: Row = {"device_id": name, "product_id": f"{name}-{items[0]}" if items else None, **given}
        for word in (word for word in rest if "=" in word):
            column, _, value = word.partition("=")
            column = {"customer": "customer_id", "device": "device_id", "session": "session_id"}.get(column, column)
            row[column] = Decimal(value) if column in ("quantity", "value") else value or None
        rows.append(shop.event(f"{name}-{number:03}", f"2024-{day} {clock}", kind, **row))
    return rows


def landed(events: Sequence[Row], **given: list[Row]) -> shop.Landed:
    """A shop of these events: a device, a place and products for each case."""
    devices = sorted({row["device_id"] for row in events if row["device_id"]})
    products = sorted({row["product_id"] for row in events if row["product_id"]})
    found: shop.Landed = {
        **shop.empty(),
        "interactions": list(events),
        "devices": [{"device_id": d, "device_type": "desktop", "location": d.title()} for d in devices],
        "products": [
            {"product_id": p, "product_name": p, "category": p.split("-")[0], "price": Decimal("10")} for p in products
        ],
    }
    for name, rows in given.items():
        key = f"{name[:-1]}_id"
        replaced = {row.get(key) for row in rows}
        found[name] = [row for row in found[name] if name == "sales" or row[key] not in replaced] + rows
    return found


CASES = [
    # the order of steps
    *case("Equal", "05-02 10:00 purchase A", "05-02 10:00 cart A", "05-02 10:00 view A"),
    *case("Backward", "05-02 10:00 purchase A", "05-02 10:01 cart A", "05-02 10:02 view A"),
    *case("Blind", "05-02 10:00 cart A", "05-02 10:01 purchase A"),
    *case("Direct", "05-02 10:00 view A", "05-02 10:05 purchase A"),
    *case("Unfit", "05-02 10:00 view A", "05-02 10:01 cart B", "05-02 10:02 purchase C"),
    *case("Nextmonth", "05-30 10:00 view A", "05-31 10:00 cart A", "06-03 10:00 purchase A"),
    *case("Again", "05-02 10:00 view A", "05-02 10:01 cart A", "05-02 10:05 purchase A", "05-09 10:00 view A"),
    *case(
        "Deepest",
        "05-01 10:00 view A",
        "05-16 10:00 view A",
        "05-17 10:00 view A",
        "05-18 10:00 cart A",
        "05-18 11:00 purchase A",
    ),
    *case("Between", "05-02 10:00 view A", "05-02 10:01 purchase A", "05-02 10:02 cart A", "05-02 10:07 purchase A"),
    # fourteen days and a second, over the spring change of the clocks
    *case("Dstin", "03-20 12:00 view A", "03-21 12:00 cart A", "04-03 13:00 purchase A"),
    *case("Dstout", "03-20 12:00 view A", "03-21 12:00 cart A", "04-03 13:00:01 purchase A"),
    # two sessions; two devices of one customer, the first touch of whom is a phone
    *case("Later", "05-02 10:00 view A", "05-03 10:00 cart A", "05-03 10:05 purchase A"),
    *case(
        "Touch",
        "05-02 10:00 view A device=Phone customer=toucher",
        "05-03 10:00 view A customer=toucher",
        "05-04 10:00 cart A customer=toucher",
        "05-04 10:02 purchase A customer=toucher",
    ),
    # attempts at the end of the data: just over, and still open
    *case("Mature", "06-17 00:00 view A"),
    *case("Open", "06-17 00:00:01 view A"),
    *case("Ripe", "06-17 00:00:01 view A", "06-18 10:00 cart A"),
    # carts
    *case("Removed", "05-02 10:00 view A", "05-02 10:01 cart A", "05-02 10:02 remove_from_cart A"),
    *case("Sameday", "05-02 10:00 cart A", "05-03 10:00 purchase B"),
    *case("Nextday", "05-02 10:00 cart A", "05-03 10:00:01 purchase B"),
    *case("Regained", "05-02 10:00 cart A", "05-02 10:29 visit", "05-09 10:29 purchase A"),
    *case("Lost", "05-02 10:00 cart A", "05-09 10:00:01 purchase A"),
    *case("Other", "05-02 10:00 cart A", "05-05 10:00 purchase B"),
    *case("Running", "06-30 00:00:01 cart A"),
    *case("Young", "06-29 23:59:59 cart A"),
    *case("Priced", "05-02 10:00 cart A quantity=3 value=36", "05-02 10:01 remove_from_cart A", "05-02 10:02 cart B"),
    *case("Partly", "05-02 10:00 cart A", "05-02 10:01 cart B", "05-02 10:02 purchase A"),
    *case("Earlier", "05-02 10:00 cart A", "05-02 10:01 purchase A", "05-02 10:02 cart B", "05-02 10:03 visit"),
    *case("Twice", "05-02 10:00 cart A", "05-02 10:01 purchase A quantity=1", "05-02 10:02 cart A quantity=2"),
    *case(
        "Undone", "05-02 10:00 cart A", "05-02 10:01 purchase A", "05-02 10:02 cart B", "05-02 10:03 remove_from_cart B"
    ),
    # times to purchase
    *case(
        "Series",
        "05-01 10:00 view A",
        "05-03 10:00 view A",
        "05-03 11:00 purchase A",
        "05-04 11:00 view A",
        "05-04 11:10 view A",
        "05-04 12:00 purchase A",
        "05-06 12:00 purchase A",
    ),
    *case("Stale", "04-01 10:00 view A", "04-05 10:00 view A", "05-01 10:00 purchase A", "05-05 10:00 view A"),
    *case("Double", "05-02 10:00 view A", "05-02 10:10 purchase A", "05-02 10:10 purchase A"),
    # what names no product or is no product of the shelf
    *case("Nameless", "05-02 10:00 view", "05-02 10:01 cart", "05-02 10:02 purchase"),
    *case("Postage", "05-02 10:00 view A", "05-02 10:01 cart A", "05-02 10:02 purchase A"),
]

SALES = [
    # of a guest, in no session; in a store; of a customer who was there; before anything was tracked
    shop.sale("g1", "2024-05-02 10:00", product="Guest-A", store_id="web"),
    shop.sale("s1", "2024-05-02 10:00", product="Shelf-A", customer="toucher", store_id="S1"),
    shop.sale("t1", "2024-05-04 10:04", product="Touch-B", customer="toucher", store_id="web"),
    shop.sale("o1", "2024-03-19 10:00", product="Past-A", customer="past", store_id="web"),
]
SHOP = landed(
    CASES,
    sales=SALES,
    stores=[{"store_id": "S1", "channel": "store"}, {"store_id": "web", "channel": "online"}],
    devices=[
        {"device_id": "Touch", "device_type": "desktop", "location": "Touch"},
        {"device_id": "Phone", "device_type": "mobile", "location": "Touch"},
    ],
    customers=[{"customer_id": "toucher", "location": "Touch"}],
    products=[
        {"product_id": f"{name}-A", "product_name": f"{name}-A", "category": name, "price": Decimal("10")}
        for name in ("Guest", "Shelf", "Past")
    ]
    + [
        {"product_id": "Touch-B", "product_name": "Touch-B", "category": "Touch"},
        {"product_id": "Postage-A", "product_name": "Postage", "category": "Postage", "product_type": "service"},
    ],
)
PARAMETERS = {**shop.PARAMETERS, "as_of_date": date(2024, 6, 30), "min_group_size": 3}


def build(folder: Path, given: shop.Landed, *only: str, **parameters: Any) -> OnEngine:
    return OnEngine(project(), folder).build(given, {**PARAMETERS, **parameters}, *(only or TABLES))


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    return build(tmp_path_factory.mktemp("cases"), SHOP)


def found(built: OnEngine, table: str, **wanted: Any) -> list[Row]:
    """Rows of a table with these values."""
    return [row for row in built.rows(f"behavior.{table}") if all(row[name] == v for name, v in wanted.items())]


def only(built: OnEngine, table: str, **wanted: Any) -> Row:
    rows = found(built, table, **wanted)
    assert len(rows) == 1, (table, wanted, len(rows))
    return rows[0]


class Funnel:
    """The funnel of a case: one scope, one variant, one period."""

    def __init__(
        self, built: OnEngine, name: str, scope: str, period: str = "all", cart_optional: bool = False
    ) -> None:
        breakdown = "category" if scope == "visitor_product" else "location"
        wanted = {"scope": scope, "breakdown": breakdown, "breakdown_value": name, "period_name": period}
        rows = found(built, "funnel", cart_optional=cart_optional, **wanted)
        self.steps = {row["step"]: row for row in rows}

    @property
    def units(self) -> list[int]:
        """Units that reached each step."""
        return [row["units_reached"] for _, row in sorted(self.steps.items(), key=lambda i: i[1]["step_number"])]

    @property
    def purchases(self) -> tuple[int, int, int]:
        """All purchases, those without a view, those without a cart."""
        row = self.steps["purchase"]
        return row["purchases"], row["orphan_purchases"], row["direct_purchases"]


SCOPES = ("session", "visitor", "visitor_product")


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


# --- conversion


def conversion(built: OnEngine, key: str, period: str = "all") -> Row:
    return only(built, "product_conversion", key=key, period_name=period)


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


# --- time to purchase


def times(built: OnEngine, key: str, clock: str, scope: str = "product") -> Row:
    return only(built, "time_to_purchase", scope=scope, key=key, clock=clock)


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


# --- carts


def carts(built: OnEngine, name: str, period: str = "all") -> tuple[int, int]:
    """Carts of a case, and how many were abandoned."""
    row = only(built, "cart_abandonment", scope="location", key=name, period_name=period)
    return row["cart_count"], row["abandoned_count"]


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


# --- shelves: products of a few categories with many visitors


def crowd(product: str, viewers: int, carted: int, bought: int, day: str = "06-10") -> list[Row]:
    """Visitors who look at a product; the first ones put it in the cart, the first of those buy it."""
    rows = []
    for n in range(viewers):
        steps = [f"{day} 10:00 view", f"{day} 10:01 cart", f"{day} 10:02 purchase"]
        steps = steps[: 1 + (n < carted) + (n < bought)]
        rows += [{**row, "product_id": product} for row in case(f"{product}{day}v{n}", *steps)]
    return rows


COUNTS = {
    "Wilson-A": (50, 8, 5),
    "Wilson-B": (10, 0, 0),
    "Wilson-C": (10, 10, 10),
    "Lamp-A": (40, 20, 0),
    "Lamp-B": (10, 6, 6),
    "Lamp-C": (10, 5, 5),
    "Lamp-D": (8, 4, 4),
    "Even-A": (20, 4, 4),
    "Even-B": (10, 2, 2),
    "Lonely-A": (4, 2, 1),
}


def shelf_sales() -> list[Row]:
    lines = [shop.sale(f"d{n}", f"2024-06-{3 + n:02} 12:00", 1, product="Stock-short", customer="c") for n in range(28)]
    return [
        *lines,
        shop.sale("d-back", "2024-06-30 13:00", -7, product="Stock-short", customer="c", order="back"),
        shop.sale("d-long", "2024-06-30 12:00", 4, product="Stock-long", customer="c"),
        shop.sale("d-none", "2024-06-30 12:00", 4, product="Stock-none", customer="c"),
        shop.sale("d-first", "2024-05-02 12:00", 1, product="Stock-idle", customer="c"),
        shop.sale("d-edge", "2024-05-01 12:00", 1, product="Stock-edge", customer="c"),
        shop.sale("r-1", "2024-06-20 12:00", 10, product="Rise-A", customer="c"),
        shop.sale("r-2", "2024-06-20 12:00", 9, product="Rise-B", customer="c"),
    ]


def stocked(name: str, stock: int | None, **given: Any) -> Row:
    row = {"product_id": name, "product_name": name, "category": name.split("-")[0], "price": Decimal("10")}
    return {**row, "stock_quantity": stock, **given}


SHELVES = landed(
    [row for product, counts in COUNTS.items() for row in crowd(product, *counts)]
    + crowd("Rise-A", 13, 0, 0)
    + crowd("Rise-B", 13, 0, 0)
    + crowd("Rise-A", 4, 0, 0, "05-10")
    + crowd("Rise-B", 4, 0, 0, "05-10"),
    sales=shelf_sales(),
    products=[
        stocked("Stock-short", 5),
        stocked("Stock-long", 5),
        stocked("Stock-none", None),
        stocked("Stock-idle", 3),
        stocked("Stock-edge", 3),
        stocked("Stock-gone", 3, is_active=False),
        stocked("Stock-empty", 0),
        stocked("Lamp-A", None, price=Decimal("12.5")),
    ],
)


@pytest.fixture(scope="module")
def shelves(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    return build(tmp_path_factory.mktemp("shelves"), SHELVES)


@pytest.mark.parametrize(
    ("product", "low", "high"),
    [("Wilson-A", 0.043476, 0.213602), ("Wilson-B", 0.0, 0.277533), ("Wilson-C", 0.722467, 1.0)],
)
def test_intervals_are_wilsons(shelves: OnEngine, product: str, low: float, high: float) -> None:
    """5 of 50, 0 of 10 and 10 of 10, computed independently of this project."""
    row = conversion(shelves, product)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high), abs=5e-7)


def test_funnels_have_the_same_intervals(shelves: OnEngine) -> None:
    def row(step: str, name: str) -> Row:
        given = {"scope": "visitor_product", "breakdown": "category", "breakdown_value": name, "period_name": "all"}
        return only(shelves, "funnel", cart_optional=False, step=step, **given)

    lonely = row("purchase", "Lonely")
    assert (lonely["step_conversion"], lonely["overall_conversion"]) == (0.5, 0.25)
    assert (lonely["ci_low"], lonely["ci_high"]) == pytest.approx(wilson(1, 4), abs=1e-11)
    assert (lonely["step_ci_low"], lonely["step_ci_high"]) == pytest.approx(wilson(1, 2), abs=1e-11)
    assert (lonely["units_previous"], lonely["dropped"]) == (2, 1)
    lamps = row("purchase", "Lamp")
    assert lamps["step_conversion"] == pytest.approx(15 / 35)
    assert row("cart", "Lamp")["overall_conversion"] * lamps["step_conversion"] == pytest.approx(15 / 68)


def wilson(k: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval as it is usually written."""
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def shrunken(products: dict[str, tuple[int, int]]) -> dict[str, float]:
    """Rates drawn to the common one: beta-binomial by the method of moments, weights n (Kleinman 1973)."""
    total, bought = sum(n for n, _ in products.values()), sum(k for _, k in products.values())
    mean = bought / total
    spread = sum(n * (k / n - mean) ** 2 for n, k in products.values())
    free = sum(1 - n / total for n, _ in products.values())
    within = sum((n - 1) * (1 - n / total) for n, _ in products.values())
    rho = (spread / (mean * (1 - mean)) - free) / within if within else 0.0
    rho = min(max(rho, 0.0), 1.0)
    if rho == 0:
        return dict.fromkeys(products, mean)
    alpha = 1 / rho - 1
    return {name: (k + alpha * mean) / (n + alpha) for name, (n, k) in products.items()}


@pytest.mark.parametrize("category", ["Wilson", "Lamp", "Even", "Lonely"])
def test_rates_are_drawn_to_that_of_the_category(shelves: OnEngine, category: str) -> None:
    products = {name: (n, k) for name, (n, _, k) in COUNTS.items() if name.startswith(category)}
    ours = {name: conversion(shelves, name)["rate_shrunk"] for name in products}
    assert ours == pytest.approx(shrunken(products), rel=1e-10)
    common = sum(k for _, k in products.values()) / sum(n for n, _ in products.values())
    for name in products:
        assert conversion(shelves, name)["category_rate"] == pytest.approx(common)


def test_equal_rates_leave_no_spread_and_unequal_ones_do(shelves: OnEngine) -> None:
    assert conversion(shelves, "Even-A")["prior_viewers"] is None
    assert conversion(shelves, "Even-A")["rate_shrunk"] == pytest.approx(0.2)
    lamp = conversion(shelves, "Lamp-B")
    assert 0 < lamp["prior_viewers"] < 10
    assert 15 / 68 < lamp["rate_shrunk"] < 0.6


def test_ranks_go_by_the_lower_end_of_the_interval_and_leave_out_small_groups(shelves: OnEngine) -> None:
    rows = found(shelves, "product_conversion", scope="product", period_name="all")
    ranked = sorted((row for row in rows if row["rank"]), key=lambda row: row["rank"])
    assert [row["rank"] for row in ranked] == list(range(1, len(ranked) + 1))
    assert [row["ci_low"] for row in ranked] == sorted((row["ci_low"] for row in ranked), reverse=True)
    assert ranked[0]["product_id"] == "Wilson-C"
    assert all(row["low_n"] == (row["viewers"] < 3) == (row["rank"] is None) for row in rows)
    assert found(shelves, "product_conversion", scope="all", period_name="all")[0]["rank"] is None


def reason(built: OnEngine, product: str, why: str) -> Row | None:
    rows = found(built, "product_opportunities", product_id=product, reason=why)
    return rows[0] if rows else None


def test_products_much_viewed_and_little_bought_are_found(shelves: OnEngine) -> None:
    """Of the lamps, A has four fifths of the viewers and no buyer; half of those of the others buy."""
    row = reason(shelves, "Lamp-A", "viewed_not_bought")
    assert row and (row["benchmark"], row["conversion"]) == (0.5, 0)
    assert row["conversion_ci_high"] == pytest.approx(wilson(0, 40)[1])
    assert row["estimated_lost_sales"] == 40 * Decimal("0.5") * Decimal("12.5")
    carted = reason(shelves, "Lamp-A", "carted_not_bought")
    assert carted and (carted["benchmark"], carted["estimated_lost_sales"]) == (1, 250)
    assert carted["conversion_ci_high"] == pytest.approx(wilson(0, 20)[1])
    others = [row["product_id"] for row in found(shelves, "product_opportunities", reason="viewed_not_bought")]
    assert others == ["Lamp-A"]


def test_stock_is_compared_with_the_net_sale_of_28_days(shelves: OnEngine) -> None:
    row = reason(shelves, "Stock-short", "demand_exceeds_stock")
    assert row and row["net_units"] == 21
    assert row["days_of_cover"] == pytest.approx(5 / (21 / 28))
    assert row["estimated_lost_sales"] == (Decimal("10.5") - 5) * 10
    short = [row["product_id"] for row in found(shelves, "product_opportunities", reason="demand_exceeds_stock")]
    assert short == ["Stock-short"]


def test_stock_without_a_sale_in_60_days_is_found_also_of_products_no_longer_sold(shelves: OnEngine) -> None:
    """2 May is the first of the 60 days up to 30 June; the sale of 1 May is older."""
    idle = {row["product_id"] for row in found(shelves, "product_opportunities", reason="stock_without_demand")}
    assert idle == {"Stock-edge", "Stock-gone"}


def test_rising_products_have_doubled_and_sell(shelves: OnEngine) -> None:
    rising = {row["product_id"] for row in found(shelves, "product_opportunities", reason="rising")}
    assert rising == {"Rise-A", "Stock-short"}
    row = only(shelves, "product_popularity", product_id="Rise-A", period_name="last 28 days")
    assert (row["score"], row["score_prev"], row["units"]) == (18, 4, 10)
    assert row["trend"] == pytest.approx(math.log2(23 / 9))


def test_opportunities_are_ordered_by_money(shelves: OnEngine) -> None:
    rows = sorted(shelves.rows("behavior.product_opportunities"), key=lambda row: row["rank"])
    money = [row["estimated_lost_sales"] for row in rows if row["estimated_lost_sales"] is not None]
    assert money == sorted(money, reverse=True)
    assert all(row["estimated_lost_sales"] is None for row in rows[len(money) :])
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))


def test_a_short_history_says_nothing_about_idle_stock(tmp_path: Path) -> None:
    lines = [shop.sale("1", "2024-06-01 12:00", product="Stock-long", customer="c")]
    given = landed([], sales=lines, products=[stocked("Stock-idle", 3)])
    built = build(tmp_path, given, "behavior.product_opportunities")
    assert found(built, "product_opportunities", reason="stock_without_demand") == []


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


# --- both engines


@pytest.fixture
def in_postgres(database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("set timezone = 'UTC'")
        yield session


@pytest.mark.parametrize(("name", "given"), [("cases", SHOP), ("shelves", SHELVES)], ids=["cases", "shelves"])
def test_postgresql_gives_the_same_rows_and_finds_every_rule_kept(
    name: str, given: shop.Landed, in_postgres: psycopg.Connection[Any], request: pytest.FixtureRequest
) -> None:
    """The files as they are, tables with their constraints, and the failing rows of every rule."""
    built: OnEngine = request.getfixturevalue(name)
    fill(in_postgres, given)
    for key in TABLES:
        contract = project().catalog[key]
        cursor = in_postgres.execute(f"select {', '.join(contract.column_names)} from {key}".encode())
        theirs = sorted(([normal(value) for value in row] for row in cursor), key=str)
        ours = sorted(([normal(row[c]) for c in contract.column_names] for row in built.rows(key)), key=str)
        assert ours == theirs, key
        for rule in (rule for rule in contract.rules if rule.kind == "failing_rows"):
            assert in_postgres.execute(str(rule.sql).encode()).fetchall() == [], rule.name


def fill(session: psycopg.Connection[Any], given: shop.Landed) -> None:
    """The tables of this module, and what they read, as PostgreSQL computes them."""
    found = project()
    needed = found.ancestors(TABLES)
    for schema in ("landed", "core", "behavior"):
        session.execute(f"create schema {schema}".encode())
    for contract in (c for c in found.catalog.of_kind("landed", "settings", "seed") if c.schema in ("landed", "core")):
        rows = [PARAMETERS] if contract.kind == "settings" else seed_rows(contract)
        rows = given[contract.table] if contract.kind == "landed" else rows
        session.execute(create_table(replace(contract, month=None, rules=())).encode())
        marks = ", ".join(["%s"] * len(contract.columns))
        with session.cursor() as cursor:
            cursor.executemany(f"insert into {contract.key} values ({marks})".encode(), values(contract, rows))
    for key in (key for key in found.order if key in found.models and key in needed):
        contract, sql = found.catalog[key], found.sql[key]
        if contract.kind == "view":
            session.execute(create_view(contract, sql).encode())
            continue
        names = ", ".join(contract.column_names)
        session.execute(create_table(replace(contract, month=None)).encode())
        session.execute(f"insert into {key} ({names})\nselect {names} from (\n{sql}\n) as result".encode())
