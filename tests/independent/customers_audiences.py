"""What customers do, whom to write to, and all that is known of a customer, computed anew in pandas.

Here: `customer.engagement`, `profile`, `audience_matches`, `audience_members`, `audiences` and `audience_overlaps`,
written from the definitions and not from the SQL. Not here: the rows (`customers`), the comparison with the SQL
(`tests/integration`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from itertools import permutations
from statistics import median
from typing import Any

import pandas as pd

from tests.independent.customers import Customers, by_customer, money, total
from tests.independent.customers_interest import groups, top_categories
from tests.independent.customers_loyalty import loyalty, top_revenue
from tests.independent.customers_orders import order_intervals
from tests.independent.customers_rfm import rfm
from tests.independent.kpi import ratio
from tests.independent.tables import Row, Rows

# --- engagement ----------------------------------------------------------------------------------------------


def engagement(shop: Customers) -> Rows:
    """customer.engagement."""
    rules = sorted(shop.seed("core.engagement_rules"), key=lambda rule: rule["rule_order"])
    seen: dict[str, list[date]] = defaultdict(list)
    for customer, day in zip(shop.activity["customer_id"], shop.activity["occurred_date"], strict=True):
        seen[customer].append(day)
    for customer, dates in shop.dates.items():
        seen[customer] += dates
    events = Counter(zip(shop.activity["customer_id"], shop.activity["event_type"], strict=True))
    views = {str(c): [int(n) for n in of] for c, of in shop.visits.groupby("customer_id")["views"]}
    rows = []
    for customer, days in seen.items():
        row = {
            "customer_id": customer,
            "first_seen_date": min(days),
            "last_seen_date": max(days),
            "sessions": len(views.get(customer, ())),
            "views": events[customer, "view"],
            "median_views_per_session": float(median(views[customer])) if customer in views else None,
            "carts": events[customer, "cart"],
            "abandoned_carts": len(shop.abandoned.get(customer, ())),
            "orders": shop.count(customer),
            "last_order_date": shop.dates.get(customer, [None])[-1],
        }
        rule = next(rule for rule in rules if _takes(shop, rule, row))
        rows.append(row | {name: rule[name] for name in ("engagement_segment", "rule_order")})
    return rows


def _takes(shop: Customers, rule: Row, row: Row) -> bool:
    def age(day: date) -> int:
        return (shop.as_of - day).days

    last, within = row["last_order_date"], rule["abandoned_within_days"]
    carts = [day for day in shop.abandoned.get(row["customer_id"], ()) if within is None or age(day) < within]
    usual = row["median_views_per_session"]
    conditions: dict[str, Callable[[int], bool]] = {
        "first_seen_within_days": lambda x: age(row["first_seen_date"]) <= x,
        "not_seen_for_days": lambda x: age(row["last_seen_date"]) >= x,
        "ordered_within_days": lambda x: last is not None and age(last) < x,
        "not_ordered_for_days": lambda x: last is None or age(last) >= x,
        "min_orders": lambda x: row["orders"] >= x,
        "max_orders": lambda x: row["orders"] <= x,
        "min_abandoned_carts": lambda x: len(carts) >= x,
        "min_views": lambda x: row["views"] >= x,
        "max_carts": lambda x: row["carts"] <= x,
        "min_median_views": lambda x: usual is not None and usual >= x,
    }
    known = {"rule_order", "engagement_segment", "description", "abandoned_within_days"}
    assert set(rule) == conditions.keys() | known
    return all(holds(rule[name]) for name, holds in conditions.items() if rule[name] is not None)


# --- profile -------------------------------------------------------------------------------------------------


def profile(shop: Customers) -> Rows:
    """customer.profile."""
    of_visits = {str(c): of for c, of in shop.visits.groupby("customer_id")}
    of_lines = {str(c): of for c, of in shop.lines[shop.lines["customer_id"].notna()].groupby("customer_id")}
    return [
        _person(shop, person)
        | _visited(shop, customer, of_visits.get(customer, shop.visits.iloc[:0]))
        | _ordered(shop, customer, of_lines.get(customer, shop.lines.iloc[:0]))
        | _classes(shop, customer)
        for customer, person in shop.people.items()
    ]


def _person(shop: Customers, person: Row) -> Row:
    names = ("customer_id", "gender", "age", "age_group", "location", "country_code", "join_date")
    more = ("subscription_status", "marketing_consent", "is_inferred", "source_id")
    return {name: person[name] for name in (*names, *more)} | {"currency": shop.currency}


def _visited(shop: Customers, customer: str, visits: pd.DataFrame) -> Row:
    kinds = Counter(visits["device_type"])
    carts = shop.abandoned.get(customer, [])
    return {
        "devices": visits["device_id"].dropna().nunique(),
        "main_device_type": min(kinds, key=lambda kind: (-kinds[kind], kind), default=None),
        "sessions": len(visits),
        "sessions_with_purchase": sum(number > 0 for number in visits["purchases"]),
        "first_session_date": min(visits["session_date"], default=None),
        "last_session_date": max(visits["session_date"], default=None),
        "views": sum(visits["views"]),
        "carts": sum(visits["carts"]),
        "abandoned_carts": len(carts),
        "last_abandoned_date": max(carts, default=None),
    }


def units(shop: Customers) -> dict[str, Decimal]:
    """Quantity of the orders of every customer."""
    return shop.sums(shop.orders, "units")


def _ordered(shop: Customers, customer: str, lines: pd.DataFrame) -> Row:
    sold = lines[lines["is_sale"].astype(bool)]
    ratings = [rating for rating in sold["review_rating"] if rating is not None]
    dates, value = shop.dates.get(customer, [None]), shop.ordered[customer]
    return {
        "orders": shop.count(customer),
        "discounted_orders": shop.discounted_orders[customer],
        "first_order_date": dates[0],
        "last_order_date": dates[-1],
        "units": shop.once(units)[customer],
        "ordered_value": value,
        "aov": money(value, shop.count(customer)),
        "returns": total(lines["returns"]),
        "net_sales": total(lines["net_sales"]),
        "products": sold["product_id"].nunique(),
        "categories": sold["category"].nunique(),
        "ratings": len(ratings),
        "rating_average": money(sum(ratings), len(ratings)),
    }


def _classes(shop: Customers, customer: str) -> Row:
    top, intervals = shop.once(top_categories).get(customer, {}), by_customer(shop, order_intervals).get(customer, {})
    scored, group = by_customer(shop, rfm)[customer], by_customer(shop, groups)[customer]
    names = ("preference_group", "location_group", "habit_group", "is_discount_only")
    rhythm = ("median_days_between_orders", "next_order_due_date", "frequency_class")
    return {
        "top_category": top.get("category"),
        "top_category_lift": top.get("affinity_lift"),
        **{name: intervals.get(name) for name in rhythm},
        "rfm_segment": scored["segment"],
        "rfm_score": scored["rfm_score"],
        "loyalty_segment": by_customer(shop, loyalty)[customer]["loyalty_segment"],
        "engagement_segment": by_customer(shop, engagement).get(customer, {}).get("engagement_segment"),
        **{name: group[name] for name in names},
        "is_top_revenue": customer in shop.once(top_revenue),
    }


# --- audiences -----------------------------------------------------------------------------------------------


def _fits(shop: Customers, rule: Row, row: Row) -> bool:
    def days_since(day: date | None) -> int | None:
        return None if day is None else (shop.as_of - day).days

    left, last = row["last_abandoned_date"], row["last_order_date"]
    is_open = left is not None and not any(day >= left for day in shop.dates.get(row["customer_id"], ()))
    values = {
        "orders": row["orders"],
        "days_since_order": days_since(last),
        "days_past_due": days_since(row["next_order_due_date"]),
        "days_since_open_cart": days_since(left) if is_open else None,
        "age": row["age"],
    }
    equal = {name: row[name] for name in ("rfm_segment", "loyalty_segment", "engagement_segment")}
    equal |= {name: row[name] for name in ("is_top_revenue", "is_discount_only")}
    equal["is_subscriber"] = row["subscription_status"]
    labels = {"audience_id", "condition_number", "audience_name", "definition"}

    def holds(name: str, asked: Any) -> bool:
        if name in equal:
            return equal[name] is not None and bool(equal[name] == asked)
        value = values[name[4:]]
        return value is not None and bool(value >= asked if name.startswith("min_") else value <= asked)

    return all(holds(name, asked) for name, asked in rule.items() if name not in labels and asked is not None)


def audience_matches(shop: Customers) -> Rows:
    """customer.audience_matches."""
    rules: dict[str, Rows] = defaultdict(list)
    for rule in shop.seed("core.audience_rules"):
        rules[rule["audience_id"]].append(rule)
    return [
        {
            "audience_id": audience,
            "customer_id": customer,
            "audience_name": own[0]["audience_name"],
            "marketing_consent": row["marketing_consent"],
            "is_reachable": row["marketing_consent"] is True,
            "net_sales": row["net_sales"],
        }
        for customer, row in by_customer(shop, profile).items()
        for audience, own in rules.items()
        if any(_fits(shop, rule, row) for rule in own)
    ]


def audience_members(shop: Customers) -> Rows:
    """customer.audience_members."""
    people = by_customer(shop, profile)
    names = ("rfm_segment", "last_order_date", "net_sales", "top_category", "currency")
    return [
        {name: match[name] for name in ("audience_id", "audience_name", "customer_id")}
        | {name: people[match["customer_id"]][name] for name in names}
        for match in shop.once(audience_matches)
        if match["is_reachable"]
    ]


def _audiences(shop: Customers) -> dict[str, tuple[Row, dict[str, bool | None]]]:
    """The first rule of every audience, and the consent of its customers."""
    found: dict[str, tuple[Row, dict[str, bool | None]]] = {}
    for rule in shop.seed("core.audience_rules"):
        found.setdefault(rule["audience_id"], (rule, {}))
    for match in shop.once(audience_matches):
        found[match["audience_id"]][1][match["customer_id"]] = match["marketing_consent"]
    return found


def audiences(shop: Customers) -> Rows:
    """customer.audiences."""
    return [
        {
            "audience_id": audience,
            "audience_name": rule["audience_name"],
            "definition": rule["definition"],
            "customers": len(members),
            "all_customers": len(shop.people),
            "customer_share": ratio(len(members), len(shop.people)),
            "reachable": sum(consent is True for consent in members.values()),
            "reachable_share": ratio(sum(consent is True for consent in members.values()), len(members)),
            "refused": sum(consent is False for consent in members.values()),
            "never_asked": sum(consent is None for consent in members.values()),
            "net_sales": total(shop.net[customer] for customer in members),
            "currency": shop.currency,
        }
        for audience, (rule, members) in _audiences(shop).items()
    ]


def audience_overlaps(shop: Customers) -> Rows:
    """customer.audience_overlaps."""
    rows = []
    for (one, (rule, members)), (other, (another, others)) in permutations(shop.once(_audiences).items(), 2):
        both = members.keys() & others.keys()
        rows.append(
            {
                "audience_id": one,
                "other_audience_id": other,
                "audience_name": rule["audience_name"],
                "other_audience_name": another["audience_name"],
                "customers": len(both),
                "reachable": sum(members[customer] is True for customer in both),
                "audience_customers": len(members),
                "share": ratio(len(both), len(members)),
            }
        )
    return rows
