"""Questions about who comes back and when, answered in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from tests.independent.answers_known import ZERO, Known, quotient, ranked, wilson
from tests.independent.tables import Row, Rows


def customers_to_win_back(known: Known) -> Rows:
    lapsing = {row["segment"] for row in known.rows("core.rfm_grid") if row["is_lapsing"]}
    found = [row for row in known.rows("customer.rfm") if row["segment"] in lapsing and row["recency_days"] is not None]
    orders, sums = known.shop.orders_by_customer(), known.shop.net_by_customer()
    rows = []
    for row in found:
        customer = row["customer_id"]
        last = max(order.day for order in orders[customer])
        rows.append(
            {
                "customer_id": customer,
                "segment": row["segment"],
                "last_order_date": last,
                "days_since_last_order": (known.shop.as_of - last).days,
                "orders": len(orders[customer]),
                "net_sales": sums[customer],
                "may_be_contacted": known.shop.customers[customer].get("marketing_consent") is True,
                "customers_in_segment": sum(r["segment"] == row["segment"] for r in found),
            }
        )
    return ranked(rows, lambda r: (-r["net_sales"], r["customer_id"]))


def slipped_champions(known: Known) -> Rows:
    grid = [row for row in known.rows("core.rfm_grid") if row["segment_rank"] is not None]
    best = max(grid, key=lambda row: row["segment_rank"])["segment"]
    sums = known.shop.net_by_customer()
    rows = [
        {
            "customer_id": row["customer_id"],
            "segment": row["segment"],
            "snapshot_date": known.shop.as_of,
            "net_sales": sums[row["customer_id"]],
            "may_be_contacted": known.shop.customers[row["customer_id"]].get("marketing_consent") is True,
        }
        for row in known.rows("customer.segment_history")
        if row["previous_segment"] == best and row["valid_from"] == known.shop.as_of
    ]
    return ranked(rows, lambda r: (-r["net_sales"], r["customer_id"]))


def segment_moves(known: Known) -> Rows:
    """From the history of each customer: the segments at the last month's end and at the as-of date."""
    end, history = known.shop.as_of, known.rows("customer.segment_history")
    snapshots = [row["snapshot_date"] for row in known.rows("customer.segment_migration")]
    if end is None or not snapshots:
        return []
    before = end.replace(day=1) - timedelta(days=1)

    def at(day: date) -> dict[str, str]:
        return {
            r["customer_id"]: r["segment"]
            for r in history
            if r["valid_from"] <= day and (r["valid_to"] is None or day <= r["valid_to"])
        }

    was, now = at(before), at(end)
    moves: dict[tuple[str, str], int] = defaultdict(int)
    for customer, segment in now.items():
        moves[was.get(customer, "Not yet a customer"), segment] += 1
    leaving: dict[str, int] = defaultdict(int)
    for (origin, _), count in moves.items():
        leaving[origin] += count
    rows = [
        {
            "from_segment": origin,
            "to_segment": target,
            "customers": count,
            "from_customers": leaving[origin],
            "share": quotient(count, leaving[origin]),
            "previous_snapshot_date": before,
            "snapshot_date": end,
        }
        for (origin, target), count in moves.items()
        if origin != target
    ]
    return ranked(rows, lambda r: (-r["customers"], r["from_segment"], r["to_segment"]), 20)


def customers_coming_back(known: Known) -> Rows:
    rows = []
    histories = [sorted(o.first.at for o in orders) for orders in known.shop.orders_by_customer().values()]
    zone = ZoneInfo(known.parameters["timezone"])
    days = [[at.astimezone(zone).date() for at in moments] for moments in histories]
    for window in (30, 60, 90, 180, 365, None):
        mature = [d for d in days if window is None or d[0] + timedelta(days=window) <= known.shop.as_of]
        back = [d for d in mature if len(d) > 1 and (window is None or (d[1] - d[0]).days <= window)]
        waits = [(d[1] - d[0]).days for d in back if d[1] > d[0]]
        rows.append(
            {
                "window_days": window,
                "mature_customers": len(mature),
                "repeat_customers": len(back),
                "repeat_rate": quotient(len(back), len(mature)),
                "median_days_to_second": median(waits) if waits else None,
            }
        )
    return rows


def how_often_customers_buy(known: Known) -> Rows:
    orders, sums = known.shop.orders_by_customer(), known.shop.net_by_customer()
    grouped = defaultdict(list)
    for row in known.built.ordered("customer.purchase_frequency"):
        grouped[row["frequency_class"]].append(row)
    total = sum((sums[c] for c in orders), ZERO)
    rows = []
    for row in sorted(known.rows("customer.frequency_classes"), key=lambda r: r["sort_order"]):
        members = grouped[row["frequency_class"]]
        usual = [m["median_days_between_orders"] for m in members if m["median_days_between_orders"] is not None]
        count = sum(len(orders[m["customer_id"]]) for m in members)
        brought = sum((sums[m["customer_id"]] for m in members), ZERO)
        rows.append(
            {
                "frequency_class": row["frequency_class"],
                "customers": len(members),
                "customer_share": quotient(len(members), len(orders)),
                "frequent_customers": sum(m["is_frequent"] for m in members),
                "median_days_between_orders": median(usual) if usual else None,
                "orders": count,
                "orders_per_customer": quotient(count, len(members)),
                "net_sales": brought,
                "net_sales_share": quotient(brought, total),
            }
        )
    return rows


def overdue_customers(known: Known) -> Rows:
    frequent = {row["frequency_class"] for row in known.rows("customer.frequency_classes") if row["is_frequent"]}
    sums, rows = known.shop.net_by_customer(), []
    for customer, orders in known.shop.orders_by_customer().items():
        days = sorted({order.day for order in orders})
        if len(days) < 2:
            continue
        usual = median((b - a).days for a, b in pairwise(days))
        since = (known.shop.as_of - days[-1]).days
        class_ = known.by("customer.order_intervals", "customer_id")[customer]["frequency_class"]
        if class_ in frequent and usual < since <= 3 * usual:
            rows.append(
                {
                    "customer_id": customer,
                    "median_days_between_orders": usual,
                    "last_order_date": days[-1],
                    "days_since_last_order": since,
                    "overdue_ratio": since / usual,
                    "orders": len(orders),
                    "net_sales": sums[customer],
                    "may_be_contacted": known.shop.customers[customer].get("marketing_consent") is True,
                }
            )
    return ranked(rows, lambda r: (-r["net_sales"], r["customer_id"]))


def one_time_buyers(known: Known) -> Rows:
    orders, profiles = known.shop.orders_by_customer(), known.by("customer.profile", "customer_id")
    told = {True: "subscriber", False: "not subscriber", None: "unknown"}
    members = [
        row for row in known.rows("cohort.members") if row["first_order_date"] + timedelta(days=90) <= known.shop.as_of
    ]
    once = {row["customer_id"] for row in members if len(orders[row["customer_id"]]) == 1}
    traits: list[tuple[str, Callable[[Row, Row], Any]]] = [
        ("first category", lambda member, profile: member["first_category"]),
        (
            "first discount",
            lambda member, profile: "with discount" if member["first_has_discount"] else "without discount",
        ),
        ("first store", lambda member, profile: member["first_store_name"]),
        ("first device", lambda member, profile: member["first_device_type"]),
        ("age group", lambda member, profile: profile["age_group"]),
        ("gender", lambda member, profile: profile["gender"]),
        ("location", lambda member, profile: profile["location"]),
        ("subscription", lambda member, profile: told[profile["subscription_status"]]),
    ]
    rows: Rows = []
    for trait, member_of in traits:
        grouped = defaultdict(list)
        for row in members:
            found = member_of(row, profiles[row["customer_id"]])
            grouped["Unknown" if found is None else found].append(row["customer_id"])
        largest = sorted(grouped.items(), key=lambda item: (-len(item[1]), item[0]))[:10]
        mine = []
        for member, customers in largest:
            if len(customers) >= known.enough:
                low, high = wilson(len(once & set(customers)), len(customers))
                mine.append(
                    {
                        "breakdown": trait,
                        "member": member,
                        "customers": len(customers),
                        "one_time_customers": len(once & set(customers)),
                        "one_time_rate": quotient(len(once & set(customers)), len(customers)),
                        "ci_low": low,
                        "ci_high": high,
                        "all_customers": len(members),
                        "all_one_time_customers": len(once),
                        "all_one_time_rate": quotient(len(once), len(members)),
                    }
                )
        rows += sorted(mine, key=lambda r: (-r["one_time_rate"], r["member"]))
    return rows
