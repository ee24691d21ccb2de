"""What customers like and the groups made of it, computed anew in pandas.

Here: `customer.category_features`, `groups` and `group_profiles`, written from the definitions and not
from the SQL. Not here: the rows (`customers`), the comparison with the SQL (`tests/integration`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal

import pandas as pd

from tests.independent.customers import Customers, average, by_customer, money, total
from tests.independent.customers_orders import order_intervals
from tests.independent.kpi import ratio
from tests.independent.statistics import wilson
from tests.independent.tables import Row, Rows

PRIOR = 5
"""Points of everybody's interest that are added to that of a customer."""

# --- categories ----------------------------------------------------------------------------------------------


def months_between(first: date, last: date) -> int:
    """Whole calendar months."""
    return (last.year - first.year) * 12 + last.month - first.month - (last.day < first.day)


def category_features(shop: Customers) -> Rows:
    """customer.category_features."""
    acts = shop.activity[shop.activity["product_id"].notna()]
    acts = acts[acts["event_type"].isin(["view", "cart", "wishlist"])]
    lines = shop.lines[shop.lines["customer_id"].notna()]
    of_acts = {(str(c), str(name)): of for (c, name), of in acts.groupby(["customer_id", "category"])}
    of_lines = {(str(c), str(name)): of for (c, name), of in lines.groupby(["customer_id", "category"])}
    rows = [
        _category(shop, key, of_acts.get(key, acts.iloc[:0]), of_lines.get(key, lines.iloc[:0]))
        for key in of_acts.keys() | of_lines.keys()
    ]
    months = _months_observed(shop, lines)
    own, members = Counter[str](), Counter[str]()
    for row in rows:
        own[row["customer_id"]] += row["interest_score"]
        members[row["category"]] += row["interest_score"]
    for row in rows:
        score, whole = row["interest_score"], own[row["customer_id"]]
        part = ratio(members[row["category"]], members.total())
        row |= {
            "months_observed": months[row["customer_id"]],
            "orders_per_month": row["orders"] / months[row["customer_id"]],
            "customer_interest_score": whole,
            "interest_share": ratio(score, whole),
            "population_interest_share": part,
            "affinity_lift": ((score + PRIOR * part) / (whole + PRIOR)) / part if part else None,
            "currency": shop.currency,
        }
    _rank(rows)
    return rows


def _category(shop: Customers, key: tuple[str, str], acts: pd.DataFrame, lines: pd.DataFrame) -> Row:
    weight = {name: shop.parameters[f"weight_{name}"] for name in ("view", "wishlist", "cart", "purchase")}
    kinds, sold = Counter(acts["event_type"]), lines[lines["is_sale"]]
    goods = Counter(acts.loc[acts["product_type"] == "goods", "event_type"])
    bought = sold[sold["product_type"] == "goods"].drop_duplicates(["order_id", "product_id"])
    dwell = [float(value) for value in acts.loc[acts["event_type"] == "view", "dwell_seconds"] if value is not None]
    return {
        "customer_id": key[0],
        "category": key[1],
        "views": kinds["view"],
        "carts": kinds["cart"],
        "wishlists": kinds["wishlist"],
        "orders": sold["order_id"].nunique(),
        "units": total(sold["quantity"]),
        "net_sales": total(lines["net_sales"]),
        "measured_views": len(dwell),
        "mean_dwell_seconds": average(dwell),
        "last_purchase_date": max(sold["sold_date"], default=None),
        "interest_score": sum(weight[kind] * number for kind, number in goods.items())
        + weight["purchase"] * len(bought),
    }


def _months_observed(shop: Customers, lines: pd.DataFrame) -> dict[str, int]:
    first: dict[str, date] = {}
    for days, of in (("occurred_date", shop.activity), ("sold_date", lines)):
        for customer, day in of.groupby("customer_id")[days].min().items():
            first[str(customer)] = min(day, first.get(str(customer), day))
    return {customer: max(1, months_between(day, shop.as_of)) for customer, day in first.items()}


def _rank(rows: Rows) -> None:
    places: Counter[str] = Counter()
    never = date(1, 1, 1)
    rows.sort(key=lambda row: row["category"])
    rows.sort(key=lambda row: row["last_purchase_date"] or never, reverse=True)
    rows.sort(key=lambda row: row["interest_score"], reverse=True)
    for row in rows:
        places[row["customer_id"]] += 1
        row["rank"] = places[row["customer_id"]]
        row["is_top_category"] = row["rank"] == 1 and row["interest_score"] > 0


def top_categories(shop: Customers) -> dict[str, Row]:
    """The category that a customer likes most."""
    return {row["customer_id"]: row for row in shop.once(category_features) if row["is_top_category"]}


# --- groups --------------------------------------------------------------------------------------------------


def groups(shop: Customers) -> Rows:
    """customer.groups."""
    tops, intervals = top_categories(shop), by_customer(shop, order_intervals)
    places = Counter(person["location"] for person in shop.people.values())
    rows = []
    for customer, person in shop.people.items():
        top, place = tops.get(customer), person["location"]
        liking = "Unknown"
        if top:
            liking = top["category"] if top["affinity_lift"] >= 1.2 else "Mixed"
        frequent = place == "Unknown" or places[place] / len(shop.people) >= 0.01
        orders, lower = shop.count(customer), shop.discounted_orders[customer]
        only = orders >= 3 and Decimal(lower) / orders >= Decimal("0.9")
        habit = intervals[customer]["frequency_class"] if customer in intervals else "no order"
        names = [liking, place if frequent else "Other", f"{habit}, discount only" if only else habit]
        rows.append(
            {
                "customer_id": customer,
                **dict(zip(("preference_group", "location_group", "habit_group"), names, strict=True)),
                "combined_group": " / ".join(names),
                "orders": orders,
                "discounted_orders": lower,
                "is_discount_only": only,
            }
        )
    return rows


def group_profiles(shop: Customers) -> Rows:
    """customer.group_profiles."""
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    for customer, row in by_customer(shop, groups).items():
        for breakdown in ("preference", "location", "habit", "combined"):
            members[breakdown, row[f"{breakdown}_group"]].append(customer)
    rows = []
    for (breakdown, member), customers in members.items():
        buyers = [c for c in customers if shop.count(c)]
        again = sum(shop.count(c) > 1 for c in buyers)
        orders, value = sum(map(shop.count, buyers)), total(shop.ordered[c] for c in customers)
        net, (low, high) = total(shop.net[c] for c in customers), wilson(again, len(buyers))
        rows.append(
            {
                "breakdown": breakdown,
                "member": member,
                "customers": len(customers),
                "customer_share": ratio(len(customers), len(shop.people)),
                "purchasing_customers": len(buyers),
                "repeat_customers": again,
                "repeat_rate": ratio(again, len(buyers)),
                "ci_low": low,
                "ci_high": high,
                "orders": orders,
                "orders_per_customer": ratio(orders, len(buyers)),
                "net_sales": net,
                "net_sales_share": ratio(net, total(shop.net.values())),
                "ordered_value": value,
                "aov": money(value, orders),
                "low_n": len(customers) < shop.small,
                "currency": shop.currency,
            }
        )
    return rows
