"""How often customers order and what comes next, computed anew in pandas from their orders.

Here: `customer.order_intervals`, `purchase_frequency`, `frequency_agreement`, `repeat_purchase`,
`order_counts` and `second_products`, written from the definitions and not from the
SQL. Not here: the rows (`customers`), the comparison with the SQL (`tests/integration`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import pairwise
from statistics import median

import pandas as pd

from tests.independent.customers import Customers, average, by_customer, total
from tests.independent.kpi import ratio
from tests.independent.statistics import wilson
from tests.independent.tables import Row, Rows

WINDOWS = (30, 60, 90, 180, 365, None)

# --- how often -----------------------------------------------------------------------------------------------


def order_intervals(shop: Customers) -> Rows:
    """customer.order_intervals."""
    classes = shop.seed("customer.frequency_classes")
    rows = []
    for customer, dates in shop.dates.items():
        gaps = [(after - before).days for before, after in pairwise(dates) if after > before]
        usual = float(median(gaps)) if gaps else None
        found = next(row for row in classes if _is_of(row, usual))
        rows.append(
            {
                "customer_id": customer,
                "orders": len(dates),
                "first_order_date": dates[0],
                "last_order_date": dates[-1],
                "intervals": len(gaps),
                "median_days_between_orders": usual,
                "mean_days_between_orders": ratio((dates[-1] - dates[0]).days, len(gaps)),
                "frequency_class": found["frequency_class"],
                "has_frequent_class": found["is_frequent"],
                "next_order_due_date": None if usual is None else dates[-1] + timedelta(days=math.ceil(usual)),
            }
        )
    return rows


def _is_of(row: Row, usual: float | None) -> bool:
    if usual is None or row["days_above"] is None:
        return usual is None and row["days_above"] is None
    return bool(row["days_above"] < usual and (row["days_up_to"] is None or usual <= row["days_up_to"]))


def purchase_frequency(shop: Customers) -> Rows:
    """customer.purchase_frequency."""
    rows = []
    for customer, row in by_customer(shop, order_intervals).items():
        since, usual = (shop.as_of - row["last_order_date"]).days, row["median_days_between_orders"]
        kept = {name: value for name, value in row.items() if name not in ("intervals", "has_frequent_class")}
        rows.append(
            {
                **kept,
                "declared_purchase_frequency": shop.people[customer]["declared_purchase_frequency"],
                "is_frequent": row["has_frequent_class"] and usual is not None and since <= 3 * usual,
                "days_since_last_order": since,
                "overdue_ratio": None if usual is None else since / usual,
            }
        )
    return rows


def frequency_agreement(shop: Customers) -> Rows:
    """customer.frequency_agreement."""
    classes = shop.seed("customer.frequency_classes")
    places = {row["declared_as"]: row["sort_order"] for row in classes if row["declared_as"]}
    pairs: Counter[tuple[str, str]] = Counter()
    for customer, row in by_customer(shop, order_intervals).items():
        said = shop.people[customer]["declared_purchase_frequency"]
        pairs[said if said in places else "Unknown", row["frequency_class"]] += 1
    rows = []
    for said in [*places, "Unknown"]:
        number = sum(n for (declared, _), n in pairs.items() if declared == said)
        for found in classes:
            known = said in places and found["days_above"] is not None
            apart = found["sort_order"] - places[said] if known else None
            customers = pairs[said, found["frequency_class"]]
            rows.append(
                {
                    "declared_frequency": said,
                    "frequency_class": found["frequency_class"],
                    "declared_order": places.get(said),
                    "sort_order": found["sort_order"],
                    "customers": customers,
                    "declared_customers": number,
                    "share": ratio(customers, number),
                    "classes_apart": apart,
                    "agrees": None if apart is None else apart == 0,
                    "low_n": number < shop.small,
                }
            )
    return rows


# --- the next order ------------------------------------------------------------------------------------------


def repeat_purchase(shop: Customers) -> Rows:
    """customer.repeat_purchase."""
    rows = []
    for place, window in enumerate(WINDOWS, start=1):
        mature = [d for d in shop.dates.values() if window is None or (shop.as_of - d[0]).days >= window]
        days = [(d[1] - d[0]).days for d in mature if len(d) > 1 and (window is None or (d[1] - d[0]).days <= window)]
        later = pd.Series([n for n in days if n > 0], dtype="float64")
        shares = {"p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9}
        quantiles = {name: float(later.quantile(q)) if len(later) else None for name, q in shares.items()}
        low, high = wilson(len(days), len(mature))
        rows.append(
            {
                "window_name": "all time" if window is None else f"{window} days",
                "sort_order": place,
                "window_days": window,
                "mature_customers": len(mature),
                "repeat_customers": len(days),
                "repeat_rate": ratio(len(days), len(mature)),
                "ci_low": low,
                "ci_high": high,
                "low_n": len(mature) < shop.small,
                "same_day_customers": days.count(0),
                "mean_days_to_second": average(later),
                **{f"{name}_days_to_second": value for name, value in quantiles.items()},
            }
        )
    return rows


def order_counts(shop: Customers) -> Rows:
    """customer.order_counts."""
    whole = total(shop.net[c] for c in shop.dates)
    rows = []
    for number in range(1, 11):
        members = [c for c in shop.dates if min(shop.count(c), 10) == number]
        at_least = sum(shop.count(c) >= number for c in shop.dates)
        more = at_least - len(members) if number < 10 else None
        rows.append(
            {
                "orders": number,
                "orders_name": "10+" if number == 10 else str(number),
                "customers": len(members),
                "share": ratio(len(members), len(shop.dates)),
                "customers_with_at_least": at_least,
                "customers_with_more": more,
                "next_order_rate": None if more is None else ratio(more, at_least),
                "net_sales": total(shop.net[c] for c in members),
                "net_sales_share": ratio(total(shop.net[c] for c in members), whole),
                "low_n": at_least < shop.small,
                "currency": shop.currency,
            }
        )
    return rows


def second_products(shop: Customers) -> Rows:
    """customer.second_products."""
    of_order = {str(order): lines for order, lines in shop.sold.groupby("order_id")}
    numbered = shop.orders[shop.orders["order_number"].isin([1, 2])]
    pairs: dict[tuple[str, str], list[int]] = defaultdict(list)
    whole, firsts, seconds = 0, Counter[str](), Counter[str]()
    for customer, orders in numbered.groupby("customer_id"):
        if len(orders) < 2:
            continue
        first, second = orders.sort_values("order_number")["order_id"]
        goods = of_order[first].query("product_type == 'goods'")
        bought = set(of_order[second].query("product_type == 'goods'")["product_id"])
        if goods.empty or not bought:
            continue
        names = ["sold_at", "net_sales", "sale_id", "product_id"]
        lines = sorted((at, -net, sale, product) for at, net, sale, product in goods[names].to_numpy())
        product = lines[0][-1]
        whole, dates = whole + 1, shop.dates[str(customer)]
        firsts[product] += 1
        seconds.update(bought)
        for other in bought:
            pairs[product, other].append((dates[1] - dates[0]).days)
    rows = []
    for (product, other), days in pairs.items():
        peers = sorted((-len(d), b) for (a, b), d in pairs.items() if a == product)
        low_n = firsts[product] < shop.small
        rows.append(
            {
                "first_product_id": product,
                "first_product_name": shop.products[product]["product_name"],
                "second_product_id": other,
                "second_product_name": shop.products[other]["product_name"],
                "second_category": shop.products[other]["category"],
                "is_same_product": product == other,
                "customers": len(days),
                "first_customers": firsts[product],
                "share": ratio(len(days), firsts[product]),
                "second_customers": seconds[other],
                "all_customers": whole,
                "lift": len(days) * whole / (firsts[product] * seconds[other]),
                "median_days": float(median(days)),
                "rank": None if low_n else peers.index((-len(days), other)) + 1,
                "low_n": low_n,
            }
        )
    return rows
