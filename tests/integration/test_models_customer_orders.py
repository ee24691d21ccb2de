"""How often customers order: classes of frequency, loyalty, and who comes back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.independent.shop import sale
from tests.independent.tables import Rows
from tests.integration.customer_shop import AS_OF, by, days_ago, one, orders

# --- purchase frequency -------------------------------------------------------------------------------------------


def test_the_class_follows_from_the_median_gap_with_its_upper_edge_included(tmp_path: Path) -> None:
    edges = {"weekly": (1, 10), "fortnightly": (11, 21), "monthly": (22, 45), "quarterly": (46, 135)}
    edges |= {"annual": (136, 450), "rare": (451, 900)}
    expected = {f"gap-{gap}": (name, gap) for name, gaps in edges.items() for gap in gaps}
    lines = [line for customer, (_, gap) in expected.items() for line in orders(customer, 0, gap)]
    found = by(one(tmp_path, "customer.purchase_frequency", lines), "customer_id")
    assert {c: (r["frequency_class"], r["median_days_between_orders"]) for c, r in found.items()} == expected


def test_orders_of_one_day_are_no_interval(tmp_path: Path) -> None:
    lines = [*orders("one", 3), *orders("day", 3, 3), *orders("both", 25, 15, 15, 4)]
    found = by(one(tmp_path, "customer.purchase_frequency", lines), "customer_id")
    assert [(found[c]["orders"], found[c]["frequency_class"]) for c in ("one", "day", "both")] == [
        (1, "single"),
        (2, "single"),
        (4, "fortnightly"),
    ]
    assert [found["day"][n] for n in ("median_days_between_orders", "overdue_ratio", "next_order_due_date")] == [
        None,
        None,
        None,
    ]
    assert found["day"]["is_frequent"] is False
    assert found["both"]["median_days_between_orders"] == 10.5  # of 10 and 11; 10.5 is above 10
    assert found["both"]["next_order_due_date"] == AS_OF - timedelta(days=4) + timedelta(days=11)
    assert found["both"]["overdue_ratio"] == pytest.approx(4 / 10.5)


def test_frequent_is_who_ordered_within_three_usual_intervals(tmp_path: Path) -> None:
    lines = [*orders("in", 60, 40), *orders("out", 61, 41, 81), *orders("slow", 0, 46)]
    found = by(one(tmp_path, "customer.purchase_frequency", lines), "customer_id")
    assert {c: (r["frequency_class"], r["is_frequent"], r["overdue_ratio"]) for c, r in found.items()} == {
        "in": ("fortnightly", True, 2.0),
        "out": ("fortnightly", True, 2.05),
        "slow": ("quarterly", False, 0.0),
    }
    late = [*orders("in", 80, 60), *orders("out", 81, 61)]
    (tmp_path / "late").mkdir()
    found = by(one(tmp_path / "late", "customer.purchase_frequency", late), "customer_id")
    assert (found["in"]["is_frequent"], found["out"]["is_frequent"]) == (True, False)


def test_declared_and_observed_classes_are_compared(tmp_path: Path) -> None:
    declared = {"a": "weekly", "b": "weekly", "c": "annually", "d": "monthly", "e": "now and then", "f": "weekly"}
    lines = [*orders("a", 0, 7), *orders("b", 0, 30), *orders("c", 0, 200), *orders("d", 9), *orders("e", 0, 5)]
    customers = [{"customer_id": c, "declared_purchase_frequency": word} for c, word in declared.items()]
    rows = one(tmp_path, "customer.frequency_agreement", [*lines, *orders("g", 3)], customers=customers)
    found = by(rows, "declared_frequency", "frequency_class")
    assert len(found) == 6 * 7
    assert {key: (r["customers"], r["classes_apart"], r["agrees"]) for key, r in found.items() if r["customers"]} == {
        ("weekly", "weekly"): (1, 0, True),
        ("weekly", "monthly"): (1, 2, False),
        ("annually", "annual"): (1, 0, True),
        ("monthly", "single"): (1, None, None),
        ("Unknown", "weekly"): (1, None, None),
        ("Unknown", "single"): (1, None, None),
    }
    assert (found["weekly", "weekly"]["share"], found["weekly", "weekly"]["declared_customers"]) == (0.5, 2)
    assert (found["fortnightly", "weekly"]["share"], found["fortnightly", "weekly"]["low_n"]) == (None, True)


# --- loyalty ------------------------------------------------------------------------------------------------------


def test_loyalty_counts_observed_and_declared_orders_together(tmp_path: Path) -> None:
    declared = {"a": None, "b": 0, "c": 1, "d": 9, "e": 10, "idle": None, "old": 11, "told": 1}
    lines = [line for c in "abcde" for line in orders(c, 3)]
    customers = [{"customer_id": c, "previous_purchases": n} for c, n in declared.items()]
    found = by(one(tmp_path, "customer.loyalty", lines, customers=customers), "customer_id")
    assert {c: (r["loyalty_segment"], r["total_orders"], r["orders_observed"]) for c, r in found.items()} == {
        "a": ("New", 1, 1),
        "b": ("New", 1, 1),
        "c": ("Returning", 2, 1),
        "d": ("Returning", 10, 1),
        "e": ("Loyal", 11, 1),
        "idle": ("Prospect", 0, 0),
        "old": ("Loyal", 11, 0),
        "told": ("New", 1, 0),
    }
    assert (found["a"]["previous_declared"], found["b"]["previous_declared"]) == (None, 0)


def test_the_edge_of_loyal_is_a_parameter(tmp_path: Path) -> None:
    found = by(
        one(tmp_path, "customer.loyalty", [*orders("a", 1, 2), *orders("b", 1, 2, 3)], loyal_above_orders=2),
        "customer_id",
    )
    assert (found["a"]["loyalty_segment"], found["b"]["loyalty_segment"]) == ("Returning", "Loyal")


def test_the_subscriber_share_is_of_those_of_whom_it_is_known_with_the_golden_intervals(tmp_path: Path) -> None:
    def members(prefix: str, count: int, yes: int, declared: int) -> Rows:
        return [
            {"customer_id": f"{prefix}{n}", "subscription_status": n < yes, "previous_purchases": declared}
            for n in range(count)
        ]

    customers = [*members("n", 50, 5, 1), *members("r", 10, 0, 2), *members("l", 10, 10, 11)]
    customers.append({"customer_id": "unknown", "previous_purchases": 1})
    rows = one(tmp_path, "customer.loyalty_segments", [], customers=customers)
    found = by(rows, "loyalty_segment")
    expected = {"New": (0.1, 0.043476, 0.213602), "Returning": (0, 0, 0.277533), "Loyal": (1, 0.722467, 1)}
    for segment, numbers in expected.items():
        row = found[segment]
        shown = [row["subscriber_share"], row["ci_low"], row["ci_high"]]
        assert shown == pytest.approx(list(numbers), abs=1e-6)
    assert (found["New"]["customers"], found["New"]["customers_of_known_subscription"], found["New"]["low_n"]) == (
        51,
        50,
        False,
    )
    empty = found["Prospect"]
    assert [empty[n] for n in ("customers", "subscriber_share", "ci_low", "ci_high", "aov")] == [0, *[None] * 4]


# --- repeat purchase ----------------------------------------------------------------------------------------------


def test_a_window_counts_mature_customers_and_its_last_day(tmp_path: Path) -> None:
    lines = [
        *orders("in", 30, 0),  # first order 30 days ago, second after exactly 30
        *orders("late", 100, 69),  # after 31 days
        *orders("young", 29, 28),  # came back, but has not had 30 days yet
        *orders("once", 200),
        *orders("same", 50, 50),
        sale("g1", days_ago(90)),
        sale("g2", days_ago(80)),
    ]
    found = by(one(tmp_path, "customer.repeat_purchase", lines), "window_name")
    counts = {name: (r["repeat_customers"], r["mature_customers"]) for name, r in found.items()}
    assert counts == {
        "30 days": (2, 4),
        "60 days": (1, 2),
        "90 days": (1, 2),
        "180 days": (0, 1),
        "365 days": (0, 0),
        "all time": (4, 5),
    }
    month, year, ever = found["30 days"], found["365 days"], found["all time"]
    assert (month["repeat_rate"], month["same_day_customers"], month["median_days_to_second"]) == (0.5, 1, 30)
    assert [year[n] for n in ("repeat_rate", "ci_low", "ci_high", "mean_days_to_second")] == [None] * 4
    assert (ever["repeat_rate"], ever["mean_days_to_second"]) == (0.8, pytest.approx((30 + 31 + 1) / 3))
    assert [ever[f"{n}_days_to_second"] for n in ("p25", "median", "p75", "p90")] == pytest.approx(
        [15.5, 30, 30.5, 30.8]
    )


def test_order_counts_end_with_ten_or_more(tmp_path: Path) -> None:
    lines = [
        *orders("a", 1),
        *orders("b", 2),
        *orders("c", *range(3)),
        *orders("d", *range(10)),
        *orders("e", *range(13)),
    ]
    found = by(one(tmp_path, "customer.order_counts", lines), "orders")
    assert {n: row["customers"] for n, row in found.items()} == {**dict.fromkeys(range(1, 11), 0), 1: 2, 3: 1, 10: 2}
    assert [found[n]["customers_with_at_least"] for n in (1, 2, 3, 4, 10)] == [5, 3, 3, 2, 2]
    assert [found[n]["next_order_rate"] for n in (1, 2, 3, 10)] == [0.6, 1.0, pytest.approx(2 / 3), None]
    assert (found[10]["orders_name"], found[10]["net_sales"], found[1]["share"]) == ("10+", 230, 0.4)


def test_the_second_order_is_looked_at_after_the_first_product(tmp_path: Path) -> None:
    products = [{"product_id": "POST", "product_type": "service"}, {"product_id": "P1", "product_name": "Lamp"}]
    lines = [
        sale("a1", days_ago(50), 1, "5", "P1", order="A1", customer="a"),
        sale("a2", days_ago(50), 1, "5", "POST", order="A1", customer="a"),
        sale("a3", days_ago(40), 1, "5", "P1", order="A2", customer="a"),
        sale("a4", days_ago(40), 1, "5", "P2", order="A2", customer="a"),
        sale("a5", days_ago(40), 1, "5", "POST", order="A2", customer="a"),
        sale("a6", days_ago(30), 1, "5", "P3", order="A3", customer="a"),
        sale("b1", days_ago(50), 1, "5", "P1", order="B1", customer="b"),
        sale("b2", days_ago(20), 1, "5", "P2", order="B2", customer="b"),
        sale("c1", days_ago(50), 1, "5", "P9", order="C1", customer="c"),
        sale("c2", days_ago(20), 1, "5", "P2", order="C2", customer="c"),
        sale("d1", days_ago(50), 1, "5", "P1", order="D1", customer="d"),
    ]
    rows = one(tmp_path, "customer.second_products", lines, products=products, min_group_size=2)
    found = by(rows, "first_product_id", "second_product_id")
    assert {key: (r["customers"], r["first_customers"], r["median_days"]) for key, r in found.items()} == {
        ("P1", "P1"): (1, 2, 10),
        ("P1", "P2"): (2, 2, 20),
        ("P9", "P2"): (1, 1, 30),
    }
    lamp = found["P1", "P1"]
    assert (lamp["first_product_name"], lamp["is_same_product"], lamp["share"], lamp["lift"]) == (
        "Lamp",
        True,
        0.5,
        1.5,
    )
    assert [found[key]["rank"] for key in (("P1", "P2"), ("P1", "P1"), ("P9", "P2"))] == [1, 2, None]
    assert (found["P1", "P2"]["lift"], found["P9", "P2"]["low_n"]) == (1.0, True)
