"""Loyalty and value of customers, computed anew in pandas.

Here: `customer.loyalty`, `loyalty_segments`, `spending` and `high_value`, written from the definitions and not from the
SQL. Not here: the rows (`customers`), the comparison with the SQL (`tests/integration`).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from tests.independent.customers import Customers, by_customer, money, total
from tests.independent.kpi import ratio
from tests.independent.statistics import wilson
from tests.independent.tables import Row, Rows

LOYALTY = ("Prospect", "New", "Returning", "Loyal")

# --- loyalty -------------------------------------------------------------------------------------------------


def loyalty(shop: Customers) -> Rows:
    """customer.loyalty."""
    rows = []
    for customer, person in shop.people.items():
        dates = shop.dates.get(customer, [None])
        orders = shop.count(customer) + (person["previous_purchases"] or 0)
        word = "Prospect" if orders <= 0 else "New" if orders == 1 else "Returning"
        rows.append(
            {
                "customer_id": customer,
                "loyalty_segment": "Loyal" if orders > shop.parameters["loyal_above_orders"] else word,
                "orders_observed": shop.count(customer),
                "previous_declared": person["previous_purchases"],
                "total_orders": orders,
                "subscription_status": person["subscription_status"],
                "first_order_date": dates[0],
                "last_order_date": dates[-1],
            }
        )
    return rows


def loyalty_segments(shop: Customers) -> Rows:
    """customer.loyalty_segments."""
    everybody = by_customer(shop, loyalty)
    rows = []
    for place, name in enumerate(LOYALTY, start=1):
        members = [c for c, row in everybody.items() if row["loyalty_segment"] == name]
        known = [c for c in members if everybody[c]["subscription_status"] is not None]
        yes = sum(everybody[c]["subscription_status"] for c in known)
        low, high = wilson(yes, len(known))
        orders, value = sum(map(shop.count, members)), total(shop.ordered[c] for c in members)
        net = total(shop.net[c] for c in members)
        rows.append(
            {
                "loyalty_segment": name,
                "sort_order": place,
                "customers": len(members),
                "customer_share": ratio(len(members), len(everybody)),
                "subscribers": yes,
                "customers_of_known_subscription": len(known),
                "subscriber_share": ratio(yes, len(known)),
                "ci_low": low,
                "ci_high": high,
                "low_n": len(known) < shop.small,
                "orders": orders,
                "previous_declared": sum(everybody[c]["previous_declared"] or 0 for c in members),
                "net_sales": net,
                "net_sales_share": ratio(net, total(shop.net.values())),
                "ordered_value": value,
                "aov": money(value, orders),
                "currency": shop.currency,
            }
        )
    return rows


# --- value ---------------------------------------------------------------------------------------------------


def top_revenue(shop: Customers) -> set[str]:
    """Customers among the highest net sales, ties with the last included."""
    net = pd.Series({c: float(shop.net[c]) for c in shop.dates}, dtype="float64")
    most = math.ceil(shop.parameters["high_value_share"] * len(net))
    places = net.rank(method="min", ascending=False)
    return {str(c) for c, place in places.items() if place <= most and shop.net[str(c)] > 0}


def spending(shop: Customers) -> Rows:
    """customer.spending."""
    if not len(shop.all_orders):
        return []
    aov = money(total(shop.all_orders["order_value"]), len(shop.all_orders))
    lower = shop.orders[shop.orders["is_discounted"].astype(bool)]
    value, top = shop.sums(lower, "order_value"), top_revenue(shop)
    whole = total(shop.net[c] for c in shop.dates)
    return [
        {
            "customer_id": customer,
            "orders": shop.count(customer),
            "net_sales": shop.net[customer],
            "all_net_sales": whole,
            "share": ratio(shop.net[customer], whole),
            "is_top_revenue": customer in top,
            "is_discount_above_average": value[customer] > shop.discounted_orders[customer] * (aov or 0),
            "discounted_orders": shop.discounted_orders[customer],
            "discounted_order_value": value[customer],
            "average_discounted_order_value": money(value[customer], shop.discounted_orders[customer]),
            "aov": aov,
        }
        for customer in shop.dates
    ]


def high_value(shop: Customers) -> Rows:
    """customer.high_value; who is predicted to spend much is taken from customer.value_prediction as built."""
    predicted = {row["customer_id"]: row for row in shop.rows("customer.value_prediction")}
    said = ("predicted_segment", "p_high", "expected_value", "horizon_days", "model_used")
    bases: dict[str, Callable[[Row], bool]] = {
        "top_revenue": lambda row: bool(row["is_top_revenue"]),
        "discount_above_average": lambda row: bool(row["is_discount_above_average"]),
        "predicted": lambda row: bool(predicted[row["customer_id"]]["predicted_segment"] == "High"),
    }
    rows = []
    for basis, belongs in bases.items():
        members = sorted(filter(belongs, spending(shop)), key=lambda row: (-row["net_sales"], row["customer_id"]))
        for place, member in enumerate(members, start=1):
            ahead = {name: predicted[member["customer_id"]][name] for name in said}
            row = {**member, **ahead, "basis": basis, "rank": place, "currency": shop.currency}
            del row["is_discount_above_average"]
            rows.append(row)
    return rows
