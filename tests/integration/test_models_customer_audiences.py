"""Behaviour, audiences and the profile, on one shop with a customer for each rule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.independent.shop import sale
from tests.independent.tables import OnEngine, Rows
from tests.integration.customer_shop import (
    AS_OF,
    CART,
    TABLES,
    VIEWS,
    bounces,
    build,
    by,
    days_ago,
    failing,
    grid,
    one,
    orders,
    own,
    recomputed,
    visit,
)
from tests.integration.test_models_identities import broken, changed


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda rows: rows[1:], "classes_follow_each_other"),
        (lambda rows: [{**rows[0], "days_up_to": 12}, *rows[1:]], "classes_follow_each_other"),
        (lambda rows: [{**rows[0], "days_above": 2}, *rows[1:]], "classes_follow_each_other"),
        (lambda rows: rows[:-1], "one_class_is_open_and_one_has_no_interval"),
    ],
)
def test_classes_with_a_gap_are_refused(visited: OnEngine, change: Callable[[Rows], Rows], rule: str) -> None:
    built = own(visited)
    assert failing(built, "customer.frequency_classes") == []
    changed(built, "customer.frequency_classes", change)
    assert failing(built, "customer.frequency_classes") == [rule]


STORE = {"store_id": "counter"}


def people() -> dict[str, tuple[str, Rows, Rows]]:
    """Customers with the segment by behaviour that they should have, their events and their sales."""
    return {
        "n-edge": ("new", visit("n-edge", 14, "visit"), []),
        "n-order": ("new", [], orders("n-order", 3)),
        "n-past": ("visitor", visit("n-past", 15, "visit"), []),
        "l-edge": ("lapsed", visit("l-edge", 90, *CART), orders("l-edge", 95, 100, 105)),
        "l-not": ("visitor", visit("l-not", 89, "visit"), []),
        "l-counter": ("one_shot", visit("l-counter", 200, "visit"), orders("l-counter", 89, **STORE)),
        "b-edge": ("buyer_loyal", [], orders("b-edge", 89, 100, 120)),
        "b-cart": (
            "buyer_loyal",
            [*visit("b-cart", 9, *CART), *visit("b-cart", 8, *CART)],
            orders("b-cart", 60, 61, 62),
        ),
        "b-not": ("occasional_buyer", visit("b-not", 1, "visit"), orders("b-not", 90, 100, 120)),
        "c-edge": ("cart_abandoner", [*visit("c-edge", 59, *CART), *visit("c-edge", 5, *CART)], orders("c-edge", 60)),
        "c-old": ("visitor", [*visit("c-old", 60, *CART), *visit("c-old", 5, *CART)], []),
        "c-bought": ("one_shot", [*visit("c-bought", 9, *CART), *visit("c-bought", 5, *CART)], orders("c-bought", 59)),
        "c-once": ("visitor", visit("c-once", 20, "cart:P1", "cart:P2"), []),
        "o-edge": ("one_shot", [], orders("o-edge", 31)),
        "o-not": ("occasional_buyer", [], orders("o-not", 30)),
        "r-edge": ("researcher", [*visit("r-edge", 20, *VIEWS), *visit("r-edge", 25, *VIEWS)], []),
        "r-two": ("researcher", [*visit("r-two", 20, *VIEWS), *visit("r-two", 25, *VIEWS)], orders("r-two", 16, 40)),
        "r-nine": ("browser", [*visit("r-nine", 20, *VIEWS), *visit("r-nine", 25, *VIEWS[:4])], []),
        "r-even": ("researcher", [*visit("r-even", 20, *VIEWS, *VIEWS), *visit("r-even", 25, "visit")], []),
        "r-half": ("browser", [*visit("r-half", 20, *VIEWS, *VIEWS), *bounces("r-half", 24, 25)], []),
        "w-edge": ("browser", visit("w-edge", 20, "view:P1"), []),
    }


CUSTOMERS: Rows = [
    {"customer_id": "o-edge", "marketing_consent": True, "age": 18, "subscription_status": False},
    {"customer_id": "o-not", "marketing_consent": False, "age": 26},
    {"customer_id": "c-edge", "marketing_consent": True, "age": 25},
    {"customer_id": "b-edge", "marketing_consent": True, "subscription_status": False, "age": 40},
    {"customer_id": "b-cart", "subscription_status": False},
    {"customer_id": "b-not", "subscription_status": True},
    {"customer_id": "nobody", "marketing_consent": True},
]


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    found = people().values()
    landed = {
        "interactions": [act for _, acts, _ in found for act in acts],
        "sales": [line for _, _, lines in found for line in lines],
        "customers": CUSTOMERS,
        "stores": [{"store_id": "counter", "channel": "store"}],
    }
    tables = [c.key for c in TABLES if c.kind != "seed"]
    return build(tmp_path_factory.mktemp("visited"), landed, *tables)


def test_the_first_rule_that_holds_names_the_behaviour(visited: OnEngine) -> None:
    found = {row["customer_id"]: row["engagement_segment"] for row in visited.rows("customer.engagement")}
    assert found == {customer: segment for customer, (segment, _, _) in people().items()}


def test_behaviour_is_told_with_its_numbers(visited: OnEngine) -> None:
    found = by(visited.rows("customer.engagement"), "customer_id")
    cart, even = found["c-edge"], found["r-even"]
    assert [cart[n] for n in ("sessions", "views", "carts", "abandoned_carts", "orders", "rule_order")] == [
        2,
        2,
        2,
        2,
        1,
        4,
    ]
    assert (cart["first_seen_date"], cart["last_seen_date"]) == (AS_OF - timedelta(days=60), AS_OF - timedelta(days=5))
    assert [even[n] for n in ("views", "median_views_per_session", "carts", "abandoned_carts")] == [10, 5.0, 0, 0]
    assert found["o-edge"]["median_views_per_session"] is None


def test_thresholds_come_from_the_seed(visited: OnEngine) -> None:
    built = own(visited)
    changed(built, "core.engagement_rules", lambda rows: [{**rows[0], "first_seen_within_days": 15}, *rows[1:]])
    found = by(recomputed(built, "customer.engagement"), "customer_id")
    assert found["n-past"]["engagement_segment"] == "new"
    swapped = {1: 2, 2: 1}
    changed(
        built,
        "core.engagement_rules",
        lambda rows: [{**row, "rule_order": swapped.get(row["rule_order"], row["rule_order"])} for row in rows],
    )
    found = by(recomputed(built, "customer.engagement"), "customer_id")
    assert (found["n-past"]["rule_order"], found["l-edge"]["rule_order"]) == (2, 1)


@pytest.mark.parametrize(
    ("table", "change", "rule"),
    [
        ("core.engagement_rules", lambda rows: rows[:-1], "the_last_rule_takes_everybody"),
        ("core.engagement_rules", lambda rows: [{**rows[-1], "rule_order": 0}, *rows], "the_last_rule_takes_everybody"),
        ("core.audience_rules", lambda rows: [{**rows[1], "definition": "?"}, *rows[2:]], "an_audience_is_one_thing"),
        (
            "core.audience_rules",
            lambda rows: [{**rows[0], "rfm_segment": None}, *rows[1:]],
            "an_audience_has_a_condition",
        ),
    ],
)
def test_rules_that_contradict_themselves_are_refused(
    visited: OnEngine, table: str, change: Callable[[Rows], Rows], rule: str
) -> None:
    built = own(visited)
    assert failing(built, table) == []
    changed(built, table, change)
    assert failing(built, table) == [rule]


def test_audiences_count_everybody_and_reach_those_who_agreed(visited: OnEngine) -> None:
    found = by(visited.rows("customer.audiences"), "audience_id")
    single = found["second_order"]  # o-edge, o-not, c-edge, c-bought and l-counter's 89 days are too many
    assert [single[n] for n in ("customers", "reachable", "refused", "never_asked")] == [4, 2, 1, 1]
    assert (single["reachable_share"], single["all_customers"]) == (0.5, len(people()) + 1)
    young = found["young_buyers"]  # 18 and 25 are in, 26 and an unknown age are not
    assert [young[n] for n in ("customers", "reachable", "net_sales")] == [2, 2, 20]
    assert found["discount_only"]["customers"] == 0 and found["discount_only"]["reachable_share"] is None
    assert found["first_order"]["customers"] == 5  # browsers and researchers without an order: two rows, once each


def test_members_are_those_who_agreed_and_an_unknown_attribute_fits_nothing(visited: OnEngine) -> None:
    members = visited.rows("customer.audience_members")
    found = {(row["audience_id"], row["customer_id"]) for row in members}
    assert len(found) == len(members)
    assert {c for a, c in found if a == "second_order"} == {"o-edge", "c-edge"}
    matches = visited.rows("customer.audience_matches")
    assert {m["customer_id"] for m in matches if m["audience_id"] == "offer_subscription"} == {"b-edge", "b-cart"}
    assert {(m["audience_id"], m["customer_id"]) for m in matches if m["marketing_consent"]} == found


def test_a_cart_reminder_goes_to_carts_of_a_week_without_an_order_since(visited: OnEngine) -> None:
    matches = visited.rows("customer.audience_matches")
    found = {m["customer_id"] for m in matches if m["audience_id"] == "cart_reminder"}
    assert found == {"c-edge", "c-old", "c-bought"}  # b-cart's is 8 days old


def test_overlaps_are_parts_of_both(visited: OnEngine) -> None:
    found = by(visited.rows("customer.audience_overlaps"), "audience_id", "other_audience_id")
    assert len(found) == 10 * 9
    one_way, other = found["second_order", "young_buyers"], found["young_buyers", "second_order"]
    assert [one_way[n] for n in ("customers", "audience_customers", "share", "reachable")] == [2, 4, 0.5, 2]
    assert [other[n] for n in ("customers", "audience_customers", "share")] == [2, 2, 1.0]


def test_a_rating_that_the_source_repeats_on_the_return_counts_once(tmp_path: Path) -> None:
    lines = [
        sale("1", days_ago(9), 1, "10", customer="a", review_rating=Decimal("1")),
        sale("2", days_ago(9), 1, "10", customer="a", review_rating=Decimal("4")),
        sale("3", days_ago(5), -1, "10", customer="a", original_sale_id="1", review_rating=Decimal("1")),
    ]
    (row,) = one(tmp_path, "customer.profile", lines)
    assert (row["ratings"], row["rating_average"]) == (2, Decimal("2.5"))


def test_the_profile_has_every_customer_once_with_what_other_tables_say(visited: OnEngine) -> None:
    found = by(visited.rows("customer.profile"), "customer_id")
    assert set(found) == {*people(), "nobody"}
    cart = found["c-edge"]
    assert [cart[n] for n in ("devices", "sessions", "views", "carts", "abandoned_carts", "orders")] == [
        1,
        2,
        2,
        2,
        2,
        1,
    ]
    assert (cart["last_abandoned_date"], cart["first_session_date"]) == tuple(
        AS_OF - timedelta(days=d) for d in (5, 59)
    )
    assert (cart["net_sales"], cart["aov"], cart["engagement_segment"], cart["loyalty_segment"]) == (
        10,
        10,
        "cart_abandoner",
        "New",
    )
    idle = found["nobody"]
    assert [idle[n] for n in ("sessions", "orders", "net_sales", "devices", "products")] == [0] * 5
    empty = ("main_device_type", "frequency_class", "engagement_segment", "aov", "top_category", "last_order_date")
    assert [idle[n] for n in empty] == [None] * 6
    assert (idle["rfm_segment"], idle["loyalty_segment"], idle["preference_group"]) == (
        "Prospects",
        "Prospect",
        "Unknown",
    )


def test_rows_that_were_doubled_or_lost_are_found(visited: OnEngine) -> None:
    built = own(visited)
    changed(built, "customer.profile", lambda rows: [*rows, next(r for r in rows if r["sessions"] and r["orders"])])
    assert broken(built, "profiles_add_up") == {"customer.profile": ["customers", "orders", "net sales", "sessions"]}
    for table in ("customer.loyalty", "customer.groups", "customer.engagement", "customer.order_intervals"):
        built = own(visited)
        changed(built, table, lambda rows: rows[1:])
        assert list(broken(built, "profiles_add_up")) == [table]


def test_a_segment_that_is_not_that_of_the_scores_is_found(visited: OnEngine) -> None:
    built = own(visited)
    last = "customers whose current segment is that of their scores"
    changed(
        built,
        "customer.segment_history",
        lambda rows: [{**row, "segment": "Lost" if row["is_current"] else row["segment"]} for row in rows],
    )
    assert last in broken(built, "segments_add_up")["customer.segment_history"]
    built = own(visited)
    changed(built, "customer.segment_migration", lambda rows: [{**rows[0], "customers": 99}, *rows[1:]])
    assert list(broken(built, "segments_add_up")) == ["customer.segment_migration"]
    built = own(visited)
    changed(built, "customer.rfm_segments", lambda rows: [{**r, "customers": r["customers"] + 1} for r in rows])
    assert len(broken(built, "segments_add_up")["customer.rfm_segments"]) == len(built.rows("customer.rfm_segments"))


def test_an_audience_of_a_segment_that_nobody_names_is_found(visited: OnEngine) -> None:
    built = own(visited)
    grid(built, lambda rows: [{**row, "segment": row["segment"].replace("Champions", "The best")} for row in rows])
    assert broken(built, "audiences_name_known_segments") == {"customer.audience_matches": ["best_customers"]}
