"""What was known of each customer on a day, counted line by line in plain Python.

Here: the features and labels of `customer.value_features`, from landed rows. Not here: sessions and how categories are
spelt, which the caller gives.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tests.independent import metrics, shop

ZERO = Decimal(0)


def at(
    landed: shop.Landed,
    sessions: Iterable[shop.Row],
    category: dict[str, str],
    cutoff: date,
    horizon: int,
    has_label: bool,
) -> list[shop.Row]:
    """One row per customer with an order up to the cut-off.

    Args:
        landed: All landed rows.
        sessions: Interactions with `session_id`, `customer_id` and `occurred_date`, robots and purchases left out.
        category: Of each product.
        cutoff: Last day that is known.
        horizon: Days of the label.
        has_label: Whether the future is known.
    """
    known, everything = metrics.Shop(landed, cutoff), metrics.Shop(landed)
    lines: dict[str, list[metrics.Line]] = defaultdict(list)
    for line in known.lines:
        if line.customer_id:
            lines[line.customer_id].append(line)
    bots = {row["device_id"] for row in landed["devices"] if row.get("is_bot")}
    events = [row for row in landed["interactions"] if row.get("device_id") not in bots]
    begun: dict[tuple[str, str], date] = {}
    for row in sessions:
        if row["customer_id"] and row["occurred_date"] <= cutoff:
            key = row["customer_id"], row["session_id"]
            begun[key] = min(begun.get(key, row["occurred_date"]), row["occurred_date"])
    found = []
    for customer, own in lines.items():
        if any(line.is_sale for line in own):
            row = _bought(own, cutoff, horizon, category)
            row |= _visited(customer, events, begun, cutoff)
            row |= _person(known, customer, row["orders"])
            row |= _came(everything, customer, cutoff, horizon) if has_label else {}
            found.append({"cutoff_date": cutoff, "customer_id": customer, **row})
    return found


def _bought(own: list[metrics.Line], cutoff: date, horizon: int, category: dict[str, Any]) -> shop.Row:
    orders: dict[str, list[metrics.Line]] = defaultdict(list)
    for line in own:
        if line.is_sale:
            orders[line.order_id].append(line)
    first = {order: min(line.day for line in lines) for order, lines in orders.items()}
    value = {order: sum(line.gross - line.discounts for line in lines) for order, lines in orders.items()}
    by_day: dict[date, Decimal] = defaultdict(lambda: ZERO)
    for line in own:
        if line.is_sale:
            by_day[line.day] += line.gross - line.discounts
    days = sorted(by_day)
    gaps = [(b - a).days for a, b in pairwise(days)]
    occasions = [day for day in days if by_day[day] >= 0]

    def count(last: int) -> int:
        return sum((cutoff - day).days < last for day in first.values())

    def net(last: int) -> Decimal:
        return sum((line.net for line in own if (cutoff - line.day).days < last), ZERO)

    ordered, gross = sum(value.values(), ZERO), sum((line.gross for line in own), ZERO)
    discounts, returns = (sum((getattr(line, name) for line in own), ZERO) for name in ("discounts", "returns"))
    before = count(180) - count(90)
    return {
        "recency_days": (cutoff - days[-1]).days,
        "tenure_days": (cutoff - days[0]).days,
        "orders": len(orders),
        **{f"orders_{last}": count(last) for last in (30, 90, 180)},
        "trend_ratio": count(90) / before if before else None,
        "net_sales": net(10**6),
        **{f"net_sales_{last}": net(last) for last in (30, 90, 180)},
        "past_net_sales": net(horizon),
        "ordered_value": ordered,
        "aov": ordered / len(orders),
        "median_order_value": float(statistics.median(value.values())),
        "order_intervals": len(gaps),
        "mean_days_between_orders": statistics.mean(gaps) if gaps else None,
        "deviation_days_between_orders": statistics.stdev(gaps) if len(gaps) > 1 else None,
        "categories": len({category[line.product_id] for line in own if line.is_sale}),
        "gross_sales": gross,
        "discounts": discounts,
        "discount_rate": float(discounts / gross) if gross else None,
        "returns": returns,
        "return_share": float(returns / ordered) if ordered else None,
        "repeat_orders": max(len(occasions) - 1, 0),
        "last_repeat_days": (occasions[-1] - occasions[0]).days,
        "observed_days": (cutoff - occasions[0]).days,
        "mean_repeat_value": statistics.mean(by_day[day] for day in occasions[1:]) if occasions[1:] else None,
        "first_value": by_day[occasions[0]],
    }


def _visited(customer: str, events: list[shop.Row], begun: dict[tuple[str, str], date], cutoff: date) -> shop.Row:
    own = [row for row in events if row.get("customer_id") == customer]
    row: shop.Row = {}
    for last in (30, 90):
        window = cutoff - timedelta(days=last), cutoff
        row[f"sessions_{last}"] = sum(
            who == customer and window[0] < day <= window[1] for (who, _), day in begun.items()
        )
        for name, type_ in (("views", "view"), ("carts", "cart")):
            days = [event["occurred_date"] for event in own if event["event_type"] == type_]
            row[f"{name}_{last}"] = sum(window[0] < day <= window[1] for day in days)
    return row


def _person(known: metrics.Shop, customer: str, orders: int) -> shop.Row:
    person = known.customers[customer]
    total = orders + (person.get("previous_purchases") or 0)
    gender = person.get("gender")
    return {
        "age_group": metrics.age_group(known, person),
        "gender": gender if gender in ("female", "male", "other") else "unknown",
        "location": metrics.location(person),
        "loyalty_segment": "Loyal" if total > 10 else "Returning" if total > 1 else "New",
    }


def _came(everything: metrics.Shop, customer: str, cutoff: date, horizon: int) -> shop.Row:
    ahead = [(line.net, (line.day - cutoff).days) for line in everything.lines if line.customer_id == customer]
    return {
        "future_net_sales": sum((net for net, days in ahead if 0 < days <= horizon), ZERO),
        "half_horizon_net_sales": sum((net for net, days in ahead if 0 < days <= horizon // 2), ZERO),
    }
