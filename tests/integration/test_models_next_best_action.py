"""One action for each customer: what makes one the best, and that nobody is written to who did not agree."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.independent import shop
from tests.independent.tables import OnEngine, Row, Rows
from tests.integration.customer_shop import build, by, days_ago, failing, orders, own, recomputed
from tests.integration.test_models_identities import changed

TABLE = "customer.next_best_action"
RATES = {"cart_reminder": Decimal("0.08"), "replenish": Decimal("0.06"), "win_back": Decimal("0.02")}


def people(*names: str, **given: object) -> Rows:
    """Customers who agreed to be written to, unless said otherwise."""
    return [{"customer_id": name, "marketing_consent": True, **given} for name in names]


def carted(customer: str, days: int, value: str) -> Row:
    """A product of that value put into the cart, days before the as-of date."""
    return shop.event(
        f"cart-{customer}-{days}", days_ago(days), "cart", customer_id=customer, product_id="P1", quantity=1,
        value=Decimal(value), device_id=f"device of {customer}",
    )  # fmt: skip


@pytest.fixture(scope="module")
def shop_of_many(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    """Twenty customers with orders of 10 to 200, of whom the first fifth stays away."""
    lines = [line for n in range(4, 20) for line in orders(f"c{n:02}", 3 + n, 200 + n, price=f"{10 * (n + 1)}")]
    lines += [line for n in range(4) for line in orders(f"c{n:02}", 300 + n, 350 + n, 400 + n, price="1000")]
    names = [f"c{n:02}" for n in range(20)]
    members = people(*names[:-2], "new") + people("c18", marketing_consent=False)
    members += people("c19", marketing_consent=None)
    given = {"sales": lines, "customers": members, "products": shop.products()}
    return build(tmp_path_factory.mktemp("many"), given, TABLE)


def test_every_customer_has_one_row_and_the_rules_hold(shop_of_many: OnEngine) -> None:
    rows = shop_of_many.rows(TABLE)
    assert sorted(row["customer_id"] for row in rows) == [*(f"c{n:02}" for n in range(20)), "new"]
    assert failing(shop_of_many, TABLE) == []


def test_nobody_is_written_to_without_consent(shop_of_many: OnEngine) -> None:
    found = by(shop_of_many.rows(TABLE), "customer_id")
    assert found["c18"]["action"] == "none" and "does not want" in found["c18"]["reason"]
    assert found["c19"]["action"] == "none" and "not known" in found["c19"]["reason"]
    assert found["c18"]["best_action"] and found["c18"]["priority"] is found["c18"]["expires_on"] is None


def test_who_never_ordered_is_led_to_a_first_order_at_the_usual_value(shop_of_many: OnEngine) -> None:
    row = by(shop_of_many.rows(TABLE), "customer_id")["new"]
    orders_made = shop_of_many.rows("core.orders")
    usual = sum(order["order_value"] for order in orders_made) / len(orders_made)
    assert (row["segment"], row["action"]) == ("Prospects", "first_order")
    assert row["value_at_stake"] == pytest.approx(usual, rel=Decimal("1e-4"))
    assert row["expected_value"] == pytest.approx(row["value_at_stake"] * row["response_rate"], rel=Decimal("1e-3"))


def test_the_best_customers_who_are_unlikely_to_come_again_are_to_be_won_back(shop_of_many: OnEngine) -> None:
    unlikely = {"churn_risk_90d": 0.9, "churn_risk_band": "high"}
    mine = own(shop_of_many)
    changed(mine, "customer.lifetime_value", lambda rows: [{**row, **unlikely} for row in rows])
    found = by(recomputed(mine, TABLE), "customer_id")
    won = {name for name, row in found.items() if row["best_action"] == "win_back"}
    best = {"c00", "c01", "c02", "c03"}  # a fifth of the twenty with orders
    assert {name for name, row in found.items() if "best customers" in (row["best_action_reason"] or "")} <= best
    assert best <= won


def test_priorities_go_by_expected_value(shop_of_many: OnEngine) -> None:
    rows = [row for row in shop_of_many.rows(TABLE) if row["priority"]]
    rows.sort(key=lambda row: (-row["expected_value"], row["customer_id"]))
    assert len(rows) == 19
    assert [row["priority"] for row in rows] == ["high"] * 3 + ["medium"] * 6 + ["low"] * 10


def test_the_parameters_say_how_many_have_which_priority(shop_of_many: OnEngine) -> None:
    mine = own(shop_of_many)
    shares = {"priority_high_share": Decimal("0.5"), "priority_medium_share": Decimal("0.75")}
    changed(mine, "core.parameters", lambda rows: [{**row, **shares} for row in rows])
    rows = [row for row in recomputed(mine, TABLE) if row["priority"]]
    rows.sort(key=lambda row: (-row["expected_value"], row["customer_id"]))
    assert [row["priority"] for row in rows] == ["high"] * 9 + ["medium"] * 5 + ["low"] * 5


def test_an_open_cart_comes_before_the_segment_if_it_is_worth_more(tmp_path: Path) -> None:
    lines = [line for name in ("dear", "cheap", "old") for line in orders(name, 40, 20, price="100")]
    given = {
        "sales": lines,
        "customers": people("dear", "cheap", "old"),
        "products": shop.products(),
        "interactions": [carted("dear", 3, "500"), carted("cheap", 3, "1"), carted("old", 40, "500")],
    }
    built = build(tmp_path, given, TABLE)
    found = by(built.rows(TABLE), "customer_id")
    assert found["dear"]["action"] == "cart_reminder"
    assert found["dear"]["expected_value"] == 500 * RATES["cart_reminder"]
    assert found["dear"]["reason"].startswith("left a cart on 2024-06-27")
    assert str(found["dear"]["expires_on"]) == "2024-07-04"
    assert found["cheap"]["action"] != "cart_reminder"
    assert found["old"]["action"] != "cart_reminder"  # its recovery time is over


def test_an_order_that_is_due_is_offered_again(tmp_path: Path) -> None:
    lines = [*orders("due", 20, 40, 60, 80), *orders("early", 5, 25, 45, 65), *orders("late", 50, 70, 90)]
    built = build(tmp_path, {"sales": lines, "customers": people("due", "early", "late")}, TABLE)
    found = by(built.rows(TABLE), "customer_id")
    assert found["due"]["action"] == "replenish" and found["due"]["response_rate"] == RATES["replenish"]
    assert {found["early"]["action"], found["late"]["action"]}.isdisjoint({"replenish"})


def test_an_empty_shop_has_nobody_to_write_to(tmp_path: Path) -> None:
    assert build(tmp_path, {}, TABLE).rows(TABLE) == []
