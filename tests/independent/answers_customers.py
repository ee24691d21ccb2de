"""Questions about who the customers are and what they bring, answered in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict
from decimal import Decimal

from tests.independent.answers_known import ZERO, Known, months_before, only, quotient, ranked
from tests.independent.metrics import Order
from tests.independent.tables import Rows


def revenue_by_customer_decile(known: Known) -> Rows:
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for line in known.shop.lines:
        if line.customer_id:
            sums[line.customer_id] += line.net
    order = sorted(sums, key=lambda customer: (-sums[customer], customer))
    total, rows = sum(sums.values(), ZERO), []
    for decile in range(1, 11) if order else []:
        members = [c for n, c in enumerate(order, start=1) if math.ceil(10 * n / len(order)) == decile]
        so_far = [c for n, c in enumerate(order, start=1) if math.ceil(10 * n / len(order)) <= decile]
        brought = sum((sums[c] for c in members), ZERO)
        rows.append(
            {
                "decile": decile,
                "customers": len(members),
                "net_sales": brought,
                "share": quotient(brought, total) if total > 0 else None,
                "cum_customers": len(so_far),
                "cum_share": quotient(sum((sums[c] for c in so_far), ZERO), total) if total > 0 else None,
            }
        )
    return rows


def top_revenue(known: Known) -> dict[str, Decimal]:
    """Net sales of the customers of high value: the top part of those with an order, ties included, above 0."""
    sums = known.shop.net_by_customer()
    order = sorted((sums[c] for c in known.shop.orders_by_customer()), reverse=True)
    places = math.ceil(len(order) * Decimal(known.parameters["high_value_share"]))
    least = order[places - 1] if places else ZERO
    return {c: sums[c] for c in known.shop.orders_by_customer() if sums[c] >= least and sums[c] > 0}


def high_value_customers(known: Known) -> Rows:
    members, orders = top_revenue(known), known.shop.orders_by_customer()
    total = sum((known.shop.net_by_customer()[c] for c in orders), ZERO)
    together = sum(members.values(), ZERO)
    predicted = known.by("customer.value_prediction", "customer_id")
    high = {customer for customer, row in predicted.items() if row["predicted_segment"] == "High"}
    rows = [
        {
            **only([predicted[customer]], "predicted_segment expected_value horizon_days")[0],
            "customer_id": customer,
            "net_sales": sales,
            "share": quotient(sales, total),
            "orders": len(orders[customer]),
            "last_order_date": max(order.day for order in orders[customer]),
            "marketing_consent": known.shop.customers[customer].get("marketing_consent"),
            "group_customers": len(members),
            "group_net_sales": together,
            "group_share": quotient(together, total),
            "group_predicted_high": len(high & set(members)),
            "rising_customers": len(high - set(members)),
        }
        for customer, sales in members.items()
    ]
    return ranked(rows, lambda r: (-r["net_sales"], r["customer_id"]), 20)


def shipping_of_high_value_customers(known: Known) -> Rows:
    members = top_revenue(known)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    customers = defaultdict(set)
    for order in known.rows("kpi.order_traits"):
        if order["customer_id"]:
            counts[order["shipping_type"]][order["customer_id"] not in members] += 1
            if order["customer_id"] in members:
                customers[order["shipping_type"]].add(order["customer_id"])
    mine, others = (sum(pair[n] for pair in counts.values()) for n in (0, 1))
    rows = [
        {
            "shipping_type": way,
            "customers": len(customers[way]),
            "orders": ours,
            "all_orders": mine,
            "share": quotient(ours, mine),
            "other_orders": theirs,
            "all_other_orders": others,
            "other_share": quotient(theirs, others),
            "difference": ours / mine - theirs / others if mine and others else None,
        }
        for way, (ours, theirs) in counts.items()
    ]
    return sorted(rows, key=lambda r: (-r["orders"], -r["other_orders"], r["shipping_type"]))


def customer_segments(known: Known) -> Rows:
    rows = known.rows("customer.rfm_segments")
    rows.sort(key=lambda r: (r["segment_rank"] is None, -(r["segment_rank"] or 0), r["segment"]))
    counted: dict[str, int] = defaultdict(int)
    for row in known.rows("customer.rfm"):
        counted[row["segment"]] += 1
    return [
        {
            "segment": row["segment"],
            "customers": counted[row["segment"]],
            "customer_share": quotient(counted[row["segment"]], len(known.shop.customers)),
            "net_sales": row["net_sales"],
            "recommended_action": row["recommended_action"],
        }
        for row in rows
    ]


def customer_loyalty(known: Known) -> Rows:
    orders = known.shop.orders_by_customer()
    segments: dict[str, list[str]] = {"Prospect": [], "New": [], "Returning": [], "Loyal": []}
    for customer, row in known.shop.customers.items():
        count = len(orders.get(customer, [])) + (row.get("previous_purchases") or 0)
        above = known.parameters["loyal_above_orders"]
        segments[
            "Prospect" if count == 0 else "New" if count == 1 else "Loyal" if count > above else "Returning"
        ].append(customer)
    rows = []
    for segment, members in segments.items():
        told = [known.shop.customers[c].get("subscription_status") for c in members]
        rows.append(
            {
                "loyalty_segment": segment,
                "customers": len(members),
                "customer_share": quotient(len(members), len(known.shop.customers)),
                "subscribers": told.count(True),
                "customers_of_known_subscription": len(told) - told.count(None),
                "subscriber_share": quotient(told.count(True), len(told) - told.count(None)),
                "orders": sum(len(orders.get(c, [])) for c in members),
            }
        )
    return rows


def subscribers(known: Known) -> Rows:
    figures = defaultdict(dict)
    for row in known.rows("kpi.subscription_effect"):
        figures[row["figure"]][row["subscription"]] = row
    order = ("net_sales_per_customer", "aov", "orders_per_customer", "repeat_rate", "repeat_rate_90d")
    rows = []
    for figure in (*order, "purchasing_share"):
        if not figures[figure]:
            continue
        ours, theirs = figures[figure]["subscriber"], figures[figure]["not subscriber"]
        sure = ours["q_value"] is not None and ours["q_value"] < 0.05 and ours["difference"]
        rows.append(
            {
                "figure": figure,
                "numerator": ours["numerator"],
                "estimate": quotient(ours["numerator"], ours["denominator"]),
                "other_denominator": theirs["denominator"],
                "other_estimate": quotient(theirs["numerator"], theirs["denominator"]),
                "verdict": ("more" if ours["difference"] > 0 else "less")
                if sure
                else ("not distinguishable" if ours["q_value"] is not None else None),
                "low_n": ours["low_n"] or theirs["low_n"],
            }
        )
    return rows


def several_channels(known: Known) -> Rows:
    stores = known.by("core.stores", "store_id")
    used: dict[str, set[str]] = defaultdict(set)
    orders, sums = known.shop.orders_by_customer(), known.shop.net_by_customer()
    for customer, mine in orders.items():
        used[customer] = {stores[order.first.store_id]["channel"] for order in mine}
    grouped = defaultdict(list)
    for customer in {c for c in sums if c is not None}:
        grouped[" + ".join(sorted(used[customer])) if used.get(customer) else "none"].append(customer)
    rows = [
        {
            "channels": channels,
            "channel_count": 0 if channels == "none" else channels.count("+") + 1,
            "customers": 0 if channels == "none" else len(members),
            "orders": sum(len(orders.get(c, [])) for c in members),
            "net_sales": sum((sums[c] for c in members), ZERO),
        }
        for channels, members in grouped.items()
    ]
    return sorted(rows, key=lambda r: (-r["channel_count"], -r["customers"], r["channels"]))


def customer_base(known: Known) -> Rows:
    orders = known.shop.orders_by_customer()
    active = defaultdict(set)
    for customer, mine in orders.items():
        for order in mine:
            active[order.day.replace(day=1)].add(customer)
    first = {customer: min(order.day for order in mine).replace(day=1) for customer, mine in orders.items()}
    months = sorted(row["period"] for row in known.rows("kpi.lifecycle", grain="month"))[-13:]
    rows = []
    for month in months:
        before, now = active[months_before(month, 1)], active[month]
        rows.append(
            {
                "period_name": f"{month:%Y-%m}",
                "active_customers_prev": len(before),
                "new_customers": sum(first[c] == month for c in now),
                "resurrecting_customers": sum(first[c] < month and c not in before for c in now),
                "dormant_customers": -len(before - now),
                "active_customers": len(now),
                "retained_customers": len(before & now),
                "retained_share": quotient(len(before & now), len(before)),
            }
        )
    return rows


def months_with_orders(known: Known) -> Rows:
    found = sorted(known.rows("kpi.stickiness", audience="customers"), key=lambda r: r["active_periods"])
    if not found:
        return []
    begin, end = found[0]["window_begin"], found[0]["window_end"]
    counts = [
        len({order.day.replace(day=1) for order in mine if begin <= order.day <= end})
        for mine in known.shop.orders_by_customer().values()
    ]
    counts = [count for count in counts if count]
    return [
        {
            "months": months,
            "customers": counts.count(months),
            "share": quotient(counts.count(months), len(counts)),
            "customers_at_least": sum(count >= months for count in counts),
            "all_customers": len(counts),
        }
        for months in range(1, 13)
    ]


def orders_as_guest(known: Known) -> Rows:
    owner = {row["identity_value"]: row["customer_id"] for row in known.rows("core.identities", identity_type="order")}
    guests: dict[str, list[Order]] = {}
    for order in known.shop.orders:
        if order.order_id in owner:
            guests.setdefault(owner[order.order_id], []).append(order)
    own = known.shop.orders_by_customer()
    rows = [
        {
            "customer_id": customer,
            "guest_orders": len(orders),
            "guest_order_value": sum(order.value for order in orders),
            "last_guest_order_date": max(order.day for order in orders),
            "orders": len(own.get(customer, [])),
            "currency": known.rows("core.clock")[0]["currency"],
        }
        for customer, orders in guests.items()
    ]
    return sorted(rows, key=lambda r: (-r["guest_orders"], -r["guest_order_value"], r["customer_id"]))


def satisfaction(known: Known) -> Rows:
    rows: Rows = []
    for breakdown in ("all", "rating", "category"):
        mine = known.rows("customer.satisfaction", breakdown=breakdown)
        rows += sorted(mine, key=lambda r: (r["rating_average"] is None, r["rating_average"] or 0, r["member"]))
    return only(rows, "breakdown member ratings rating_average mature_customers retained_customers return_rate low_n")


def customer_groups(known: Known) -> Rows:
    rows: Rows = []
    sums = known.shop.net_by_customer()
    for breakdown in ("preference", "location", "habit"):
        grouped = defaultdict(list)
        for row in known.rows("customer.groups"):
            grouped[row[f"{breakdown}_group"]].append(row["customer_id"])
        mine = [
            {
                "breakdown": breakdown,
                "member": member,
                "customers": len(customers),
                "customer_share": quotient(len(customers), len(known.shop.customers)),
                "net_sales": sum((sums[c] for c in customers if c in sums), ZERO),
            }
            for member, customers in grouped.items()
        ]
        rows += ranked(mine, lambda r: (-r["customers"], -r["net_sales"], r["member"]), 10)
    return rows
