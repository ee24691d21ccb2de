"""Customers of high value, their interests and groups, and what they say."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.independent import shop
from tests.independent.shop import sale
from tests.independent.tables import Rows, project
from tests.integration.customer_shop import AS_OF, build, by, days_ago, one, orders, recomputed
from tests.integration.test_models_identities import changed

# --- high value ---------------------------------------------------------------------------------------------------


def test_who_equals_the_last_of_the_top_is_in_too(tmp_path: Path) -> None:
    prices = {"a": "50", "b": "30", "c": "30", "d": "30", "e": "5", "f": "4"}
    lines = [line for c, price in prices.items() for line in orders(c, 3, price=price)]
    rows = one(tmp_path, "customer.high_value", lines, high_value_share=Decimal("0.3"))  # ⌈1.8⌉ = 2
    found = by([row for row in rows if row["basis"] == "top_revenue"], "customer_id")
    assert {c: r["rank"] for c, r in found.items()} == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert (found["a"]["share"], found["a"]["all_net_sales"]) == (pytest.approx(50 / 149), 149)


def test_nobody_is_of_high_value_without_net_sales(tmp_path: Path) -> None:
    lines = [*orders("a", 5), sale("r", days_ago(1), -1, "10", customer="a", order="R"), *orders("b", 5, price="0")]
    assert one(tmp_path, "customer.high_value", lines) == []


def test_discounted_orders_above_the_average_order(tmp_path: Path) -> None:
    lines = [
        sale("1", days_ago(9), 1, "60", customer="big", discount="10"),  # 50
        sale("2", days_ago(8), 1, "10", customer="small", discount="5"),  # 5
        sale("3", days_ago(7), 1, "40", customer="told", discount_applied=True),  # 40, discount of unknown amount
        sale("4", days_ago(6), 1, "90", customer="plain"),
        sale("5", days_ago(5), 1, "15"),  # a guest's order counts in the average
        sale("6", days_ago(4), 1, "41", customer="just", discount="0.99"),
    ]
    rows = one(tmp_path, "customer.high_value", lines, high_value_share=Decimal("0.01"))
    found = by([row for row in rows if row["basis"] != "predicted"], "customer_id", "basis")
    assert set(found) == {
        ("plain", "top_revenue"),
        ("big", "discount_above_average"),
        ("just", "discount_above_average"),  # 40.01; the average of all is 40.0017
    }
    big = found["big", "discount_above_average"]
    assert (big["is_top_revenue"], big["average_discounted_order_value"], big["aov"]) == (False, 50, Decimal("40.0017"))


def test_who_is_predicted_to_spend_much_is_of_high_value_and_ranked_by_what_was_spent(tmp_path: Path) -> None:
    prices = {"a": "50", "b": "30", "c": "20", "d": "20", "e": "5"}
    lines = [line for c, price in prices.items() for line in orders(c, 3, price=price)]
    lines.append(sale("r", days_ago(1), -1, "9", customer="e", order="R"))  # e returned more than was bought
    built = build(tmp_path, {"sales": lines}, "customer.high_value", high_value_share=Decimal("0.2"))
    said = {
        "a": {"predicted_segment": "Low", "p_high": 0.1},
        "b": {"predicted_segment": "Mid", "p_high": 0.3},
        **{c: {"predicted_segment": "High", "p_high": 0.8, "expected_value": 70.0} for c in "cde"},
    }
    served = {"model_used": "logistic", "model_status": "promoted"}
    changed(
        built,
        "customer.value_prediction",
        lambda rows: [{**row, **served, **said[row["customer_id"]]} for row in rows],
    )
    rows = recomputed(built, "customer.high_value")
    assert [(r["customer_id"], r["basis"], r["rank"]) for r in sorted(rows, key=lambda r: (r["basis"], r["rank"]))] == [
        ("c", "predicted", 1),
        ("d", "predicted", 2),
        ("e", "predicted", 3),
        ("a", "top_revenue", 1),
    ]
    found = by(rows, "customer_id")
    assert (found["e"]["net_sales"], found["e"]["is_top_revenue"], found["e"]["expected_value"]) == (-4, False, 70)
    assert (found["a"]["predicted_segment"], found["a"]["p_high"]) == (
        "Low",
        pytest.approx(0.1),
    )  # likely to spend less


def test_where_the_data_are_few_the_past_predicts_and_it_says_so(tmp_path: Path) -> None:
    lines = [line for c, price in {"a": "50", "b": "1"}.items() for line in orders(c, 3, price=price)]
    rows = by(one(tmp_path, "customer.high_value", lines), "customer_id", "basis")
    assert {(r["model_used"], r["p_high"], r["expected_value"]) for r in rows.values()} == {
        ("past_segment", None, None)
    }
    assert {c for c, basis in rows if basis == "predicted"} == {
        c for (c, _), r in rows.items() if r["predicted_segment"] == "High"
    }


def test_the_profile_and_the_question_about_shipping_do_not_wait_for_a_model() -> None:
    modelled = project().dependents(c.key for c in project().catalog.of_kind("model"))
    assert "customer.high_value" in modelled
    assert not {"customer.spending", "customer.profile", "questions.shipping_of_high_value_customers"} & set(modelled)


# --- categories and groups ----------------------------------------------------------------------------------------

PRODUCTS: Rows = [
    {"product_id": "L", "category": "Light"},
    {"product_id": "L2", "category": "Light"},
    {"product_id": "M", "category": "Mugs"},
    {"product_id": "S", "category": "Post", "product_type": "service"},
]


def test_interest_is_weighted_and_money_is_complete(tmp_path: Path) -> None:
    lines = [
        sale("1", "2024-04-15 10:00", 2, "10", "L", order="O1", customer="a"),
        sale("2", "2024-04-15 10:00", 1, "10", "L", order="O1", customer="a"),
        sale("3", "2024-04-15 10:00", 1, "10", "L2", order="O1", customer="a"),
        sale("4", "2024-04-15 10:00", 1, "4", "S", order="O1", customer="a"),
        sale("5", "2024-05-20 10:00", -1, "10", "L", order="R", customer="a"),
        sale("6", "2024-05-21 10:00", 1, "7", "M", order="O2", customer="b"),
    ]
    acts = [
        *shop.acts(
            "a", "2024-03-31", "10:00 view:M@a 10:00:40 view:L@a 10:01 cart:M@a 10:02 wishlist:M@a", device_id="d"
        ),
        *shop.acts("x", "2024-03-31", "10:00 view:M", device_id="nobody"),
    ]
    rows = one(tmp_path, "customer.category_features", lines, interactions=acts, products=PRODUCTS)
    found = by(rows, "customer_id", "category")
    assert set(found) == {("a", "Light"), ("a", "Mugs"), ("a", "Post"), ("b", "Mugs")}
    light, mugs, post = found["a", "Light"], found["a", "Mugs"], found["a", "Post"]
    # Light: one view, two products bought in one order; Mugs: view 1, cart 3, wish 2
    assert [r["interest_score"] for r in (light, mugs, post, found["b", "Mugs"])] == [11, 6, 0, 5]
    assert [(r["rank"], r["is_top_category"]) for r in (light, mugs, post)] == [(1, True), (2, False), (3, False)]
    assert [light[n] for n in ("orders", "units", "net_sales", "views", "carts")] == [1, 4, 30, 1, 0]
    assert [mugs[n] for n in ("orders", "views", "carts", "wishlists", "last_purchase_date")] == [0, 1, 1, 1, None]
    assert [post[n] for n in ("orders", "net_sales", "units")] == [1, 4, 1]
    assert (mugs["measured_views"], mugs["mean_dwell_seconds"]) == (1, 40)
    # three whole months from 31 March to 30 June are two: 30 June is the day before 31 June would be
    assert (light["months_observed"], light["orders_per_month"]) == (2, 0.5)
    assert found["b", "Mugs"]["months_observed"] == 1
    share = 11 / 22
    assert light["population_interest_share"] == pytest.approx(share)
    assert light["affinity_lift"] == pytest.approx(((11 + 5 * share) / (17 + 5)) / share)
    assert post["affinity_lift"] is None


def test_equal_interest_goes_to_the_later_purchase_and_then_to_the_name(tmp_path: Path) -> None:
    lines = [
        sale("1", days_ago(9), 1, "1", "M", customer="a"),
        sale("2", days_ago(8), 1, "1", "L", customer="a"),
        sale("3", days_ago(8), 1, "1", "M", customer="b"),
        sale("4", days_ago(8), 1, "1", "L", customer="b"),
        sale("5", days_ago(8), 1, "1", "L", customer="c"),
        sale("6", days_ago(7), 1, "1", "M", customer="c"),
    ]
    rows = one(tmp_path, "customer.category_features", lines, products=PRODUCTS)
    assert {r["customer_id"]: r["category"] for r in rows if r["is_top_category"]} == {
        "a": "Light",
        "b": "Light",
        "c": "Mugs",
    }


def test_groups_by_preference_location_and_habit(tmp_path: Path) -> None:
    lines = [
        *orders("light", 1, 11, 21, product="L"),
        *[sale(f"x{n}", days_ago(n), 1, "1", p, customer="mixed") for n, p in enumerate(("L", "M"))],
        *orders("mugs", 3, product="M"),
        *orders("post", 3, product="S"),
        *[sale(f"k{n}", days_ago(7 * n), 1, "9", "L", customer="keen", discount="1" if n else None) for n in range(10)],
        *[
            sale(f"n{n}", days_ago(7 * n), 1, "9", "L", customer="nine", discount="1" if n > 1 else None)
            for n in range(10)
        ],
        *[sale(f"t{n}", days_ago(7 * n), 1, "9", "L", customer="two", discount="1") for n in range(2)],
    ]
    named = ("light", "mixed", "mugs", "post", "keen", "nine", "two")
    customers = [{"customer_id": c, "location": "Berlin"} for c in named]
    customers += [{"customer_id": f"i{n}", "location": "Wien"} for n in range(3)]
    customers += [{"customer_id": f"z{n}", "location": "Berlin"} for n in range(289)]
    customers += [{"customer_id": "odd", "location": "Graz"}, {"customer_id": "nowhere"}]
    built = build(tmp_path, {"sales": lines, "customers": customers, "products": PRODUCTS}, "customer.group_profiles")
    found = by(built.rows("customer.groups"), "customer_id")
    assert {c: found[c]["preference_group"] for c in ("light", "mixed", "mugs", "post", "odd")} == {
        "light": "Mixed",  # everybody likes light: the lift is below 1.2
        "mixed": "Mixed",
        "mugs": "Mugs",
        "post": "Unknown",
        "odd": "Unknown",
    }
    assert {c: found[c]["location_group"] for c in ("light", "i0", "odd", "nowhere")} == {
        "light": "Berlin",
        "i0": "Other",  # 3 of 301 are less than one in a hundred
        "odd": "Other",
        "nowhere": "Unknown",
    }
    assert {c: found[c]["habit_group"] for c in ("light", "mugs", "keen", "nine", "two", "odd")} == {
        "light": "weekly",
        "mugs": "single",
        "keen": "weekly, discount only",  # nine of ten
        "nine": "weekly",  # eight of ten
        "two": "weekly",  # two orders are too few to tell
        "odd": "no order",
    }
    assert found["mugs"]["combined_group"] == "Mugs / Berlin / single"
    profiles = by(built.rows("customer.group_profiles"), "breakdown", "member")
    assert profiles["location", "Other"]["customers"] == 4
    weekly = profiles["habit", "weekly"]
    assert [weekly[n] for n in ("customers", "orders", "repeat_customers", "repeat_rate")] == [4, 17, 4, 1.0]
    for breakdown in ("preference", "location", "habit", "combined"):
        assert sum(r["customer_share"] for key, r in profiles.items() if key[0] == breakdown) == pytest.approx(1)


# --- satisfaction -------------------------------------------------------------------------------------------------


def test_ratings_have_a_mean_with_an_interval_and_low_ones_a_rate_of_return(tmp_path: Path) -> None:
    lines = [
        sale("1", days_ago(200), 1, "10", "L", customer="a", review_rating=Decimal("5")),
        sale("2", days_ago(110), 1, "10", "L", customer="a"),  # 90 days later
        sale("3", days_ago(200), 1, "10", "L", customer="b", review_rating=Decimal("2")),
        sale("4", days_ago(109), 1, "10", "L", customer="b", review_rating=Decimal("4")),  # 91 days later
        sale("5", days_ago(89), 1, "10", "M", customer="c", review_rating=Decimal("2.5")),  # too young to ask
        sale("6", days_ago(50), -1, "10", "L", customer="b", order="R", original_sale_id="3"),
        sale("7", days_ago(90), 1, "30", "M", review_rating=Decimal("4")),  # a guest rates, and cannot come back
    ]
    rows = one(tmp_path, "customer.satisfaction", lines, products=PRODUCTS)
    found = by(rows, "breakdown", "member")
    light = found["category", "Light"]
    assert (light["ratings"], light["rating_average"]) == (3, pytest.approx(11 / 3))
    half = 1.959964 * (7 / 3) ** 0.5 / 3**0.5
    assert (light["rating_low"], light["rating_high"]) == (pytest.approx(11 / 3 - half), 5)  # cut at 5
    assert (light["returns"], light["gross_less_discounts"], light["return_rate"]) == (10, 40, 0.25)
    assert [light[n] for n in ("mature_customers", "retained_customers", "retention_rate_90d")] == [2, 1, 0.5]
    bands = {member: row for (breakdown, member), row in found.items() if breakdown == "rating"}
    assert {m: (r["ratings"], r["mature_customers"], r["retained_customers"]) for m, r in bands.items()} == {
        "low": (1, 1, 0),
        "middle": (1, 0, 0),
        "high": (3, 1, 1),
    }
    assert [bands[m]["return_rate"] for m in ("low", "middle", "high")] == [1.0, 0.0, 0.0]
    alone = found["product", "M"]
    assert (alone["ratings"], found["gender", "guest"]["rating_low"]) == (2, None)
    assert [alone[n] for n in ("mature_customers", "retention_rate_90d", "ci_low")] == [0, None, None]


def test_without_ratings_there_is_no_mean_and_returns_that_name_no_line_tell_nothing_of_ratings(tmp_path: Path) -> None:
    lines = [*orders("a", 9), sale("r", days_ago(3), -1, "4", customer="a", order="R")]
    (tmp_path / "none").mkdir()
    found = by(one(tmp_path / "none", "customer.satisfaction", lines), "breakdown", "member")
    whole = found["all", "all"]
    assert [whole[n] for n in ("ratings", "rating_average", "rating_low", "retention_rate_90d")] == [
        0,
        None,
        None,
        None,
    ]
    assert (whole["return_rate"], whole["low_n"]) == (0.4, True)
    lines[0]["review_rating"] = Decimal("4")
    found = by(one(tmp_path, "customer.satisfaction", lines), "breakdown", "member")
    assert (found["rating", "high"]["returns"], found["rating", "high"]["return_rate"]) == (None, None)


def test_a_customer_answers_once_with_the_first_order_they_rated(tmp_path: Path) -> None:
    lines = [
        sale("1", days_ago(300), 1, "10", "L", order="A", customer="a", review_rating=Decimal("5")),
        sale("2", days_ago(300), 1, "10", "M", order="A", customer="a", review_rating=Decimal("1")),
        sale("3", days_ago(290), 1, "10", "L2", order="B", customer="a", review_rating=Decimal("5")),
    ]
    found = by(one(tmp_path, "customer.satisfaction", lines, products=PRODUCTS), "breakdown", "member")
    asked = {key: row["mature_customers"] for key, row in found.items() if row["mature_customers"]}
    assert {key for key in asked if key[0] in ("product", "rating")} == {
        ("product", "L"),
        ("product", "M"),
        ("rating", "low"),
    }
    assert set(asked.values()) == {1}


def test_the_answer_is_that_of_the_customer_of_the_order_whoever_its_rated_line_names(tmp_path: Path) -> None:
    five = Decimal("5")
    lines = [
        sale("1", days_ago(300), 1, "10", "L", order="A", review_rating=five),  # nobody is named yet
        sale("2", days_ago(300), 1, "10", "L", order="A", customer="a"),
        sale("3", days_ago(280), 1, "10", "L", order="B", customer="a"),
        sale("4", days_ago(300), 1, "10", "M", order="C", customer="b"),
        sale("5", f"{AS_OF - timedelta(days=300)} 13:00", 1, "10", "M", order="C", customer="a", review_rating=five),
    ]
    people = [{"customer_id": "a", "gender": "female"}, {"customer_id": "b", "gender": "male"}]
    rows = one(tmp_path, "customer.satisfaction", lines, products=PRODUCTS, customers=people)
    found = by(rows, "breakdown", "member")
    assert {member: row["mature_customers"] for (breakdown, member), row in found.items() if breakdown == "gender"} == {
        "female": 1,
        "male": 1,
        "guest": 0,
    }
    assert (found["gender", "female"]["retained_customers"], found["gender", "male"]["retained_customers"]) == (1, 0)
    assert found["gender", "female"]["ratings"] == 1  # money and ratings stay with whom the line names


def test_where_nothing_came_back_nothing_of_what_was_rated_did(tmp_path: Path) -> None:
    lines = orders("a", 9, review_rating=Decimal("4"))
    found = by(one(tmp_path, "customer.satisfaction", lines), "breakdown", "member")
    assert [found["rating", "high"][n] for n in ("returns", "return_rate")] == [0, 0]
