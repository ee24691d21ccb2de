"""The answers of business questions, computed anew in plain Python from sales lines and from the tables of the project.

Here: for each question the rows that its view must give, in order, written from its comment and not from its SQL. Not
here: whether those tables are right (their own tests), the eleven questions that are answered from lines alone
(`tests/integration/test_models_questions.py`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from tests.independent import metrics
from tests.independent.metrics import Line
from tests.independent.tables import OnEngine, Row, Rows

ZERO = Decimal(0)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass
class Known:
    """The tables of a shop, its sales lines, and the parameters with which they were computed."""

    built: OnEngine
    shop: metrics.Shop
    parameters: Row

    def rows(self, key: str, **having: Any) -> Rows:
        """Rows of a table, or those with these values."""
        return [row for row in self.built.rows(key) if all(row[name] == value for name, value in having.items())]

    def by(self, key: str, name: str) -> dict[Any, Row]:
        """Rows of a table by a column."""
        return {row[name]: row for row in self.rows(key)}

    @property
    def enough(self) -> int:
        return int(self.parameters["min_group_size"])


def only(rows: Iterable[Row], names: str) -> Rows:
    """These columns; `new=old` takes the column `old` under another name."""
    pairs = [(name.split("=")[0], name.split("=")[-1]) for name in names.split()]
    return [{new: row[old] for new, old in pairs} for row in rows]


def ranked(rows: Iterable[Row], key: Callable[[Row], Any], most: int | None = None) -> Rows:
    """Sorted, cut and numbered."""
    return [{**row, "rank": n} for n, row in enumerate(sorted(rows, key=key)[:most], start=1)]


def quotient(part: Any, whole: Any) -> float | None:
    return None if part is None or not whole else float(part) / float(whole)


def months_before(day: date, count: int) -> date:
    number = day.year * 12 + day.month - 1 - count
    return date(number // 12, number % 12 + 1, 1)


def net(lines: Iterable[Line]) -> Decimal:
    return sum((line.net for line in lines), ZERO)


# --- sales


def yesterday(known: Known) -> Rows:
    return only(
        sorted(known.rows("kpi.yesterday"), key=lambda r: r["sort_order"]),
        "figure unit day amount amount_week_before change_to_week_before amount_year_before change_to_year_before",
    )


def last_month(known: Known) -> Rows:
    complete = [row for row in known.rows("kpi.monthly") if row["is_complete"]]
    if not complete:
        return []
    month = max(complete, key=lambda row: row["period"])
    lines = [line for line in known.shop.lines if line.day.replace(day=1) == month["period"]]
    assert month["net_sales"] == net(lines)
    figures = ("net_sales", "orders", "aov", "units", "active_customers", "new_customers")
    return [
        {
            "figure": figure,
            "period_name": f"{month['period']:%Y-%m}",
            "amount": month[figure],
            "amount_month_before": month[f"{figure}_prev"],
            "growth": month[f"{figure}_growth"],
            "amount_year_before": month[f"{figure}_year_ago"],
            "yoy": month[f"{figure}_yoy"],
        }
        for figure in figures
    ]


def why_sales_changed(known: Known) -> Rows:
    factors = known.rows("kpi.growth_drivers")
    if not factors:
        return []
    month = max(row["period"] for row in factors)
    before = months_before(month, 1)
    total = [net(x for x in known.shop.lines if x.day.replace(day=1) == m) for m in (before, month)]
    found = [
        {"breakdown": "factors", "driver": r["driver"], "effect": r["effect"], "value_after": r["value_after"]}
        for r in factors
        if r["period"] == month
    ]
    for breakdown, member_of in (("category", category_of(known)), ("channel", channel_of(known))):
        sums: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
        for line in known.shop.lines:
            if line.day < months_before(month, -1):
                both = sums[member_of(line)]
                for n, m in enumerate((before, month)):
                    both[n] += line.net if line.day.replace(day=1) == m else ZERO
        found += [
            {"breakdown": breakdown, "driver": name, "effect": after - was, "value_after": float(after)}
            for name, (was, after) in sums.items()
        ]
    rows = []
    for breakdown in ("factors", "category", "channel"):
        mine = [row for row in found if row["breakdown"] == breakdown]
        rows += ranked(mine, lambda r: (-abs(r["effect"]), r["driver"]))
    change = total[1] - total[0]
    return [
        {
            **row,
            "net_sales_prev": total[0],
            "net_sales": total[1],
            "net_sales_change": change,
            "share_of_change": quotient(row["effect"], change),
        }
        for row in rows
    ]


def category_of(known: Known) -> Callable[[Line], str]:
    products = known.by("core.products", "product_id")
    return lambda line: str(products[line.product_id]["category"])


def channel_of(known: Known) -> Callable[[Line], str]:
    stores = known.by("core.stores", "store_id")
    return lambda line: str(stores[line.store_id]["channel"])


def by_member(known: Known, member_of: Callable[[Line], str]) -> Rows:
    """All lines by member, with the last complete month and the one before beside."""
    complete = [row["period"] for row in known.rows("kpi.monthly") if row["is_complete"]]
    month = max(complete, default=None)
    total = net(known.shop.lines)
    grouped = defaultdict(list)
    for line in known.shop.lines:
        grouped[member_of(line)].append(line)
    rows = []
    for member, lines in grouped.items():
        sold = [line for line in lines if line.is_sale]
        orders = len({line.order_id for line in sold})
        paid = sum((line.gross - line.discounts for line in lines), ZERO)
        begun = month is not None and min(line.day for line in lines).replace(day=1) <= month
        rows.append(
            {
                "member": member,
                "net_sales": net(lines),
                "share": quotient(net(lines), total) if total > 0 else None,
                "orders": orders,
                "customers": len({line.customer_id for line in sold} - {None}),
                "gross_less_discounts": paid,
                "aov": paid / orders if orders else None,
                "last_month_net_sales": net(x for x in lines if x.day.replace(day=1) == month) if begun else None,
            }
        )
    return rows


def sales_by_category(known: Known) -> Rows:
    rows = ranked(by_member(known, category_of(known)), lambda r: (-r["net_sales"], r["member"]))
    names = "rank category=member net_sales share orders customers gross_less_discounts aov last_month_net_sales"
    return only(rows, names)


def stores_and_channels(known: Known) -> Rows:
    rows = []
    for breakdown, member_of in (("channel", channel_of(known)), ("store", lambda line: str(line.store_id))):
        found = ranked(by_member(known, member_of), lambda r: (-r["net_sales"], r["member"]))
        rows += [{"breakdown": breakdown, **row} for row in found]
    return rows


def returned_products(known: Known) -> Rows:
    products = known.by("core.products", "product_id")
    rated = {row["member"]: row for row in known.rows("customer.satisfaction", breakdown="product")}
    grouped = defaultdict(list)
    for line in known.shop.lines:
        grouped[line.product_id].append(line)
    rows = []
    for product, lines in grouped.items():
        returns = sum((line.returns for line in lines), ZERO)
        paid = sum((line.gross - line.discounts for line in lines), ZERO)
        if returns > 0:
            rows.append(
                {
                    "product_id": product,
                    "product_name": products[product]["product_name"],
                    "category": products[product]["category"],
                    "gross_less_discounts": paid,
                    "returns": returns,
                    "return_rate": quotient(returns, paid),
                    "ratings": rated[product]["ratings"],
                    "rating_average": rated[product]["rating_average"],
                }
            )
    return ranked(rows, lambda r: (-r["returns"], r["product_id"]), 20)


# --- products


def converting_products(known: Known) -> Rows:
    seen = [
        row for row in known.rows("behavior.product_conversion", scope="product", period_name="all") if not row["low_n"]
    ]
    best = {row["product_id"]: row["rank"] for row in ranked(seen, lambda r: (-r["ci_low"], r["product_id"]))}
    worst = {row["product_id"]: row["rank"] for row in ranked(seen, lambda r: (r["ci_high"], r["product_id"]))}
    rows = []
    for side, own, other in (("best", best, worst), ("worst", worst, best)):
        mine = [
            row
            for row in seen
            if own[row["product_id"]] <= 10
            and (
                other[row["product_id"]] > min(10, own[row["product_id"]])
                or (side == "best" and other[row["product_id"]] == own[row["product_id"]])
            )
        ]
        rows += [{**row, "side": side} for row in ranked(mine, lambda r, own=own: own[r["product_id"]])]
    return only(rows, "side rank product_id product_name viewers buyers view_to_purchase_rate ci_low ci_high")


def time_to_purchase(known: Known) -> Rows:
    rows = [
        {**row, "member": row["key"]}
        for row in known.rows("behavior.time_to_purchase")
        if row["scope"] == "all" or (row["scope"], row["clock"]) == ("category", "first_view")
    ]
    rows.sort(key=lambda r: (r["scope"], r["clock"], r["member"]))
    return only(rows, "scope member clock purchases purchases_without_view n median_seconds mean_seconds low_n")


def popular_products(known: Known) -> Rows:
    rows = known.rows("behavior.product_popularity", period_name="last 28 days")
    found = ranked(rows, lambda r: (-r["score"], r["product_id"]), 20)
    return only(found, "rank product_id product_name category score rank_change unique_viewers orders units net_sales")


def rising_products(known: Known) -> Rows:
    rows = [r for r in known.rows("behavior.product_popularity", period_name="last 28 days") if r["trend"]]
    found = []
    for direction, sign in (("rising", 1), ("falling", -1)):
        mine = [{**row, "direction": direction} for row in rows if row["trend"] * sign > 0]
        found += ranked(mine, lambda r: (-abs(r["trend"]), -max(r["score"], r["score_prev"]), r["product_id"]), 10)
    return only(found, "direction rank product_id product_name trend score score_prev rank_score net_sales")


def viewed_not_bought(known: Known) -> Rows:
    prices = known.by("core.products", "product_id")
    rows = []
    for row in known.rows("behavior.product_conversion", scope="product", period_name="all"):
        if not row["low_n"] and row["ci_high"] < row["category_rate"]:
            missing = Decimal(row["viewers"] * row["category_rate"]).quantize(Decimal("0.0001")) - row["buyers"]
            price = prices[row["product_id"]]["price"]
            rows.append({**row, "missing_buyers": missing, "missed_sales": None if price is None else missing * price})
    found = ranked(rows, lambda r: (-r["missing_buyers"], r["product_id"]), 20)
    return only(found, "rank product_id product_name viewers buyers missing_buyers missed_sales ci_high category_rate")


def products_to_work_on(known: Known) -> Rows:
    rows = known.rows("behavior.product_opportunities")
    found: Rows = []
    for reason in sorted({row["reason"] for row in rows}):
        mine = [row for row in rows if row["reason"] == reason]
        found += ranked(mine, lambda r: (r["rank"], r["product_id"]), 10)
    return only(found, "reason rank product_id product_name viewers conversion stock_quantity days_of_cover price")


def assortment_gaps(known: Known) -> Rows:
    order = ("under_supplied", "over_supplied", "balanced", "not_enough_data")
    rows = ranked(
        known.rows("behavior.assortment_fit"),
        lambda r: (order.index(r["verdict"]), -abs(r["products_gap"] or 0), -r["interested"], r["category"]),
    )
    figures = "demand_index ci_low ci_high active_products products_gap products_out_of_stock products_without_demand"
    shares = "demand_share product_share net_sales_share interested orders orders_per_interested"
    return only(rows, f"rank category verdict {figures} {shares}")


def competing_products(known: Known) -> Rows:
    rows = known.rows("basket.substitutes", verdict="substitutes")
    found = ranked(
        rows, lambda r: (r["orders_both"] - r["expected_orders"], r["product_id"], r["other_product_id"]), 20
    )
    names = "rank product_id product_name other_product_id other_product_name category price other_price"
    visits = "visits_both visits_product_bought visits_other_bought visits_both_bought"
    return only(found, f"{names} {visits} orders_both expected_orders lift q_value")


def tastes_of_groups(known: Known) -> Rows:
    rows = known.rows("customer.assortment_preferences", verdict="preferred")
    found = sorted(
        (row for row in rows if row["rank"] <= 5), key=lambda r: (r["level"], r["breakdown"], r["member"], r["rank"])
    )
    figures = "customers buyers share rest_share preference_index ci_low ci_high q_value"
    return only(found, f"level breakdown member rank item item_name {figures}")


def second_products(known: Known) -> Rows:
    pairs = known.rows("customer.second_products")
    overall = {
        p["second_product_id"]: {
            "after": "any product",
            "first_product_id": None,
            "second_product_id": p["second_product_id"],
            "second_product_name": p["second_product_name"],
            "customers": p["second_customers"],
            "first_customers": p["all_customers"],
            "share": quotient(p["second_customers"], p["all_customers"]),
            "lift": None,
            "low_n": p["all_customers"] < known.enough,
        }
        for p in pairs
    }
    first = ranked(overall.values(), lambda r: (-r["customers"], r["second_product_id"]), 10)
    named = [{**p, "after": p["first_product_name"]} for p in pairs]
    second = ranked(named, lambda r: (-r["customers"], -r["lift"], r["first_product_id"], r["second_product_id"]), 20)
    names = "after first_product_id rank second_product_id second_product_name customers first_customers share lift"
    return only([*first, *second], f"{names} low_n")


def time_on_product_pages(known: Known) -> Rows:
    found: Rows = []
    for scope in ("all", "category", "product"):
        mine = [
            {**row, "name": row["product_name"] or row["key"]}
            for row in known.rows("behavior.page_dwell", scope=scope)
            if scope != "product" or not row["low_n"]
        ]
        found += ranked(
            mine,
            lambda r: (r["median_seconds"] is None, -(r["median_seconds"] or 0), -r["measured_views"], r["key"]),
            10 if scope == "product" else None,
        )
    return only(found, "scope rank key name views measured_views coverage total_seconds mean_seconds median_seconds")


def products_sold_on_discount(known: Known) -> Rows:
    rows = [
        row
        for row in known.rows("kpi.product_discounts", product_type="goods", low_n=False)
        if row["discounted_lines"] > 0
    ]
    found = ranked(rows, lambda r: (-r["discounted_unit_share"], -r["discounted_units"], r["product_id"]), 20)
    names = "rank product_id product_name orders units discounted_units discounted_unit_share discounts discount_depth"
    return only(found, names)


# --- customers


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


def wilson(part: int, whole: int) -> tuple[float, float]:
    z, share = 1.959964, part / whole
    centre = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z / (1 + z * z / whole) * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    return max(0.0, centre - half), min(1.0, centre + half)


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


# --- cohorts


def best_cohorts(known: Known) -> Rows:
    found = []
    for metric in ("retention_rate", "cum_net_sales_per_customer"):
        for age in (1, 3, 6, 12):
            mine = [
                row
                for row in known.rows("cohort.ranking", metric=metric, period_index=age)
                if row["dense_rank"] is not None
            ]
            if mine:
                best = min(mine, key=lambda r: (-r["value"], r["cohort"]))
                worst = min(mine, key=lambda r: (r["value"], r["cohort"]))
                found.append({**best, "side": "best"})
                if worst["cohort"] != best["cohort"]:
                    found.append({**worst, "side": "worst"})
    names = "metric period_index side cohort cohort_size numerator value baseline_value difference q_value verdict"
    return only(found, names)


def why_cohorts_differ(known: Known) -> Rows:
    drivers = [
        row
        for row in known.rows("cohort.drivers", baseline="earlier", metric="cum_net_sales_per_customer")
        if row["dimension"] != "six factors"
    ]
    explained = {(row["cohort"], row["period_index"]) for row in drivers}
    ranking = [
        row
        for row in known.rows("cohort.ranking", metric="cum_net_sales_per_customer")
        if row["dense_rank"] is not None and (row["cohort"], row["period_index"]) in explained
    ]
    if not ranking:
        return []
    age = max(row["period_index"] for row in ranking)
    mine = [row for row in ranking if row["period_index"] == age]
    best = min(mine, key=lambda r: (-r["value"], r["cohort"]))["cohort"]
    worst = min(mine, key=lambda r: (r["value"], r["cohort"]))["cohort"]
    rows: Rows = []
    for side, cohort in (("best", best), ("worst", worst)) if best != worst else (("best", best),):
        of = [row for row in drivers if (row["cohort"], row["period_index"]) == (cohort, age)]
        factors = [{**row, "side": side} for row in of if row["level"] == "factor"]
        mixes = []
        for dimension in {row["dimension"] for row in of if row["level"] == "mix"}:
            parts = [row for row in of if row["level"] == "mix" and row["dimension"] == dimension]
            whole = math.fsum(row["effect"] for row in parts)
            mixes.append({**parts[0], "side": side, "member_name": "all groups", "effect": whole})
        for some in (factors, mixes):
            rows += ranked(some, lambda r: (-abs(r["effect"]), r["dimension"], r["member_name"]))
    return only(rows, "side cohort period_index level dimension member_name effect value baseline_value rank")


def retention_by_cohort(known: Known) -> Rows:
    months = defaultdict(set)
    for customer, mine in known.shop.orders_by_customer().items():
        for order in mine:
            months[customer].add(order.day.replace(day=1))
    cells = known.rows("cohort.retention", variant="all")
    complete = {(r["cohort"], r["period_index"]) for r in cells if r["is_complete"]}
    sizes = {r["cohort"]: r["cohort_size"] for r in cells if r["period_index"] == 0 and r["cohort_month"]}
    rows = []
    for cohort in sorted(sizes)[-24:]:
        start = date(int(cohort[:4]), int(cohort[5:]), 1)
        members = [customer for customer, found in months.items() if min(found) == start]
        row: Row = {"cohort": cohort, "cohort_size": len(members)}
        for age in (1, 3, 6, 12):
            kept = sum(months_before(start, -age) in months[c] for c in members)
            ended = (cohort, age) in complete
            row[f"retained_{age}"] = kept if ended else None
            row[f"retention_rate_{age}"] = quotient(kept, len(members)) if ended else None
        rows.append(row)
    for every in (r for r in cells if r["cohort"] == "ALL" and r["period_index"] == 0):
        row = {"cohort": every["cohort"], "cohort_size": None}
        for age in (1, 3, 6, 12):
            ready = [c for c in sizes if (c, age) in complete]
            kept = sum(
                months_before(min(found), -age) in found for found in months.values() if f"{min(found):%Y-%m}" in ready
            )
            size = sum(sizes[c] for c in ready)
            row[f"retained_{age}"] = kept if ready else None
            row[f"retention_rate_{age}"] = quotient(kept, size) if ready else None
            if age == 1:
                row["cohort_size"] = size if ready else None
        rows.append(row)
    return rows


# --- visits


def funnel(known: Known) -> Rows:
    rows: Rows = []
    for scope, breakdown in (("session", "all"), ("visitor", "all"), ("visitor", "device_type")):
        mine = known.rows("behavior.funnel", scope=scope, breakdown=breakdown, period_name="all", cart_optional=False)
        rows += sorted(mine, key=lambda r: (r["breakdown_value"], r["step_number"]))
    names = "scope device=breakdown_value step units_reached units_previous dropped step_conversion units_started"
    return only(rows, f"{names} overall_conversion median_seconds units_open direct_purchases")


def busiest_times(known: Known) -> Rows:
    rows: Rows = []
    for measure in ("all", "orders"):
        mine = [
            {**row, "measure": measure, "weekday": WEEKDAYS[row["iso_weekday"] - 1]}
            for row in known.rows("behavior.peak_times", event_type=measure)
            if row["total"] > 0
        ]
        rows += ranked(mine, lambda r: (-r["per_hour"], r["iso_weekday"], r["hour"]), 10)
    return only(rows, "measure rank weekday hour total share hours per_hour")


EFFECTS = (
    "sessions share visitors converted_sessions session_conversion rest_conversion conversion_difference q_value"
    " conversion_verdict standardised_conversion orders net_sales aov low_n"
)


def devices(known: Known) -> Rows:
    rows = sorted(known.rows("behavior.device_effect"), key=lambda r: (-r["session_conversion"], r["device_type"]))
    return only(rows, f"device_type {EFFECTS}")


def locations_of_visitors(known: Known) -> Rows:
    most = ranked(known.rows("behavior.location_effect"), lambda r: (-r["sessions"], r["location"]), 20)
    return only(sorted(most, key=lambda r: (-r["session_conversion"], r["location"])), f"location {EFFECTS}")


def pages_losing_visitors(known: Known) -> Rows:
    rows: Rows = []
    for level in ("page_type", "page_url"):
        mine = [r for r in known.rows("behavior.entry_exit_pages", level=level) if r["exits_without_purchase"] > 0]
        mine = [r for r in mine if not r["low_n"]]
        rows += ranked(mine, lambda r: (-r["exits_without_purchase"], r["page"]), 10)
    return only(rows, "level rank page sessions entries exits exits_without_purchase exit_rate ci_low ci_high")


def usability_problems(known: Known) -> Rows:
    rows = [
        {**row, "name": row["product_name"] or row["subject"]}
        for row in sorted(known.rows("behavior.friction"), key=lambda r: r["rank"])[:20]
    ]
    return only(rows, "rank problem subject name device_type sessions cases affected_cases rate benchmark difference")


def paths_through_the_shop(known: Known) -> Rows:
    rows: Rows = []
    for level in ("event_type", "page_type"):
        rows += ranked(known.rows("behavior.top_paths", level=level), lambda r: (-r["sessions"], r["path"]), 10)
    return only(rows, "level rank path sessions all_sessions share converted_sessions session_conversion")


def cart_abandonment(known: Known) -> Rows:
    carts = known.rows("behavior.cart_abandonment")
    shop = [r for r in carts if r["scope"] == "all"]
    months = sorted((r for r in shop if r["month"]), key=lambda r: r["month"])[-13:]
    kinds = sorted((r for r in carts if r["scope"] == "device_type" and r["month"] is None), key=lambda r: r["key"])
    rows = [{**r, "breakdown": "all", "member": "all"} for r in shop if r["month"] is None]
    rows += [{**r, "breakdown": "device", "member": r["key"]} for r in kinds]
    rows += [{**r, "breakdown": "month", "member": f"{r['month']:%Y-%m}"} for r in months]
    return only(rows, "breakdown member cart_count abandoned_count abandonment_rate mature_count abandoned_value")


def carts_abandoned_yesterday(known: Known) -> Rows:
    if known.shop.as_of is None:
        return []
    zone = ZoneInfo(known.parameters["timezone"])
    end = datetime.combine(known.shop.as_of + timedelta(days=1), datetime.min.time(), zone).astimezone(ZoneInfo("UTC"))
    judged = (end - timedelta(hours=known.parameters["cart_grace_hours"])).astimezone(zone).date() - timedelta(days=1)
    carts = defaultdict(list)
    for row in known.rows("behavior.abandoned_carts"):
        if row["ended_at"].astimezone(zone).date() == judged:
            carts[row["session_id"]].append(row)
    rows = []
    for session, left in carts.items():
        values = [r["value"] for r in left if r["value"] is not None]
        customer = left[0]["customer_id"]
        consent = known.shop.customers[customer].get("marketing_consent") if customer else None
        rows.append(
            {
                "day": judged,
                "session_id": session,
                "customer_id": customer,
                "products": ", ".join(r["product_name"] for r in sorted(left, key=by_name)),
                "quantity": sum((r["quantity"] for r in left), ZERO),
                "value": sum(values, ZERO) if values else None,
                "may_be_contacted": consent is True,
                "is_recovered": any(r["is_recovered"] for r in left),
            }
        )
    return ranked(rows, lambda r: (r["value"] is None, -(r["value"] or 0), r["session_id"]))


def by_name(row: Row) -> Any:
    return row["product_name"], row["product_id"]


def how_often_visitors_come(known: Known) -> Rows:
    grouped = defaultdict(list)
    for row in known.rows("behavior.visitors"):
        grouped[row["visit_class"]].append(row)
    everybody = sum(map(len, grouped.values()))
    rows = []
    for class_ in ("single", "lapsed", "occasional", "regular", "frequent", "heavy"):
        mine = grouped[class_]
        rows.append(
            {
                "visit_class": class_,
                "visitors": len(mine),
                "share": quotient(len(mine), everybody),
                "sessions": sum(r["sessions"] for r in mine),
                "buyers": sum(r["converted_sessions"] > 0 for r in mine),
                "buyer_rate": quotient(sum(r["converted_sessions"] > 0 for r in mine), len(mine)),
            }
        )
    return sorted(rows, key=lambda r: known.by("behavior.visit_classes", "visit_class")[r["visit_class"]]["sort_order"])


def visits_by_week(known: Known) -> Rows:
    weeks = defaultdict(list)
    for row in known.rows("behavior.sessions_daily"):
        weeks[row["day"] - timedelta(days=row["day"].weekday())].append(row)
    rows = []
    for week in sorted(weeks)[-13:]:
        days = weeks[week]
        sums = {n: sum(d[n] for d in days) for n in ("sessions", "bounces", "engaged_sessions", "pages", "orders")}
        bought = sum(d["converted_sessions"] for d in days)
        rows.append(
            {
                "week": week,
                "is_complete": len(days) == 7 and all(d["is_complete"] for d in days),
                **sums,
                "bounce_rate": quotient(sums["bounces"], sums["sessions"]),
                "pages_per_session": quotient(sums["pages"], sums["sessions"]),
                "session_conversion": quotient(bought, sums["sessions"]),
                "net_sales": sum((d["net_sales"] for d in days), ZERO),
            }
        )
    return rows


def visit_channels(known: Known) -> Rows:
    sold, orders = defaultdict(lambda: ZERO), defaultdict(set)
    for row in known.rows("behavior.visit_orders"):
        sold[row["channel"]] += row["net_sales"]
        orders[row["channel"]].add(row["order_id"])
    steps = {
        row["breakdown_value"]: row
        for row in known.rows("behavior.funnel", scope="session", cart_optional=True, period_name="all")
        if (row["breakdown"], row["step"]) == ("channel", "purchase")
    }
    total = sum(sold.values(), ZERO)
    rows = []
    for channel in {*sold, *steps}:
        step = steps.get(channel, {"units_started": 0, "units_reached": 0})
        if step["units_started"] or orders[channel]:
            rows.append(
                {
                    "channel": channel,
                    "sessions_with_view": step["units_started"],
                    "sessions_with_purchase": step["units_reached"],
                    "conversion": quotient(step["units_reached"], step["units_started"]),
                    "orders": len(orders[channel]),
                    "net_sales": sold[channel],
                    "share": quotient(sold[channel], total),
                    "aov": sold[channel] / len(orders[channel]) if orders[channel] else None,
                }
            )
    return sorted(rows, key=lambda r: (-r["net_sales"], r["channel"]))


# --- marketing


def discounts_and_baskets(known: Known) -> Rows:
    rows = []
    for row in sorted(known.rows("kpi.discount_effect"), key=lambda r: r["sort_order"]):
        verdict = None
        if row["q_value"] is not None:
            verdict = "not distinguishable"
            if row["q_value"] < 0.05 and row["probability_of_more"] != 0.5:
                verdict = "larger" if row["probability_of_more"] > 0.5 else "smaller"
        rows.append({**row, "verdict": verdict})
    return only(rows, "breakdown member orders order_share customers aov median_order_value median_difference verdict")


def promo_codes(known: Known) -> Rows:
    orders = known.shop.orders
    average = sum((order.value for order in orders), ZERO) / len(orders) if orders else None
    rows = [{**row, "shop_aov": average} for row in known.rows("kpi.promo_codes")]
    found = ranked(rows, lambda r: (-r["orders"], -r["ordered_value"], r["promo_code"]), 20)
    return only(found, "rank promo_code orders customers new_customers aov shop_aov discounts unpaid_orders")


def reachable_audiences(known: Known) -> Rows:
    consent = {customer: row.get("marketing_consent") for customer, row in known.shop.customers.items()}
    members = defaultdict(list)
    for row in known.rows("customer.audience_matches"):
        members[row["audience_id"]].append(consent[row["customer_id"]])
    rows = [
        {
            "audience_id": row["audience_id"],
            "customers": len(members[row["audience_id"]]),
            "customer_share": quotient(len(members[row["audience_id"]]), len(consent)),
            "reachable": members[row["audience_id"]].count(True),
            "reachable_share": quotient(members[row["audience_id"]].count(True), len(members[row["audience_id"]])),
            "refused": members[row["audience_id"]].count(False),
            "never_asked": members[row["audience_id"]].count(None),
        }
        for row in {r["audience_id"]: r for r in known.rows("core.audience_rules")}.values()
    ]
    return sorted(rows, key=lambda r: (-r["reachable"], -r["customers"], r["audience_id"]))


def products_to_offer(known: Known) -> Rows:
    offers = [r for r in known.rows("basket.cross_sell") if r["rank"] <= 3]
    names = "product_id product_name rank recommended_product_id recommended_product_name recommended_category"
    found = only(offers, f"{names} product_orders orders confidence lift price replicates currency")
    for row, offer in zip(found, offers, strict=True):
        row["gain_per_1000_orders"] = Decimal(offer["expected_gain"] * 1000) if offer["price"] is not None else None
    return sorted(found, key=lambda r: (-r["product_orders"], r["product_id"], r["rank"]))


def bundles(known: Known) -> Rows:
    shown: Rows = []
    for row in sorted(known.rows("basket.bundles"), key=lambda r: r["rank"]):
        if sum(r["added_product_id"] == row["added_product_id"] for r in shown) < 2:
            gain = Decimal(row["expected_gain"] * 1000) if row["expected_gain"] is not None else None
            names = "bundle_names size orders expected_orders lift price margin added_product_id added_product_name"
            (copied,) = only([row], f"{names} confidence replicates currency")
            shown.append({"rank": len(shown) + 1, **copied, "gain_per_1000_orders": gain})
    return shown[:20]


def future_best_customers(known: Known) -> Rows:
    names = "customer_id clv_12m clv_12m_low clv_12m_high expected_orders_365d historic_value p_alive method currency"
    found = only(known.rows("customer.lifetime_value"), names)
    segments = known.by("customer.rfm", "customer_id")
    whole, so_far = sum(row["clv_12m"] for row in found), ZERO
    for row in (rows := ranked(found, lambda r: (-r["clv_12m"], r["customer_id"]))):
        so_far += row["clv_12m"]
        row["cumulative_share"] = float(so_far / whole) if whole else None
        row["segment"] = segments[row["customer_id"]]["segment"]
    return rows


def value_at_risk(known: Known) -> Rows:
    segments = known.by("customer.rfm", "customer_id")
    groups: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in known.rows("customer.lifetime_value"):
        groups[row["churn_risk_band"], segments[row["customer_id"]]["segment"]].append(row)
    (clock,) = known.rows("core.clock")

    def at_risk(row: Row) -> Decimal:
        days = max((clock["as_of_date"] - row["first_occasion_date"]).days, 90)
        usual = float(row["historic_value"]) * 90 / days
        lost = max(usual - row["expected_orders_90d"] * float(row["expected_order_value"]), 0.0)
        return Decimal(lost).quantize(Decimal("0.0001"))

    found = [
        {
            "churn_risk_band": band,
            "segment": segment,
            "customers": len(rows),
            "historic_value": sum(r["historic_value"] for r in rows),
            "clv_12m": sum(r["clv_12m"] for r in rows),
            "value_at_risk": sum(map(at_risk, rows)),
            "currency": clock["currency"],
        }
        for (band, segment), rows in groups.items()
    ]
    whole = sum(row["value_at_risk"] for row in found)
    for row in found:
        row["share_of_value_at_risk"] = float(row["value_at_risk"] / whole) if whole else None
    return sorted(found, key=lambda r: (-r["value_at_risk"], r["churn_risk_band"], r["segment"]))


def won_back_first(known: Known) -> Rows:
    names = "customer_id segment value_at_stake expected_value currency"
    chosen = known.rows("customer.next_best_action", best_action="win_back")
    segments, ahead = known.by("customer.rfm", "customer_id"), known.by("customer.lifetime_value", "customer_id")
    found = [
        {
            **row,
            "last_order_date": segments[row["customer_id"]]["last_order_date"],
            "orders": segments[row["customer_id"]]["frequency"],
            "historic_value": ahead[row["customer_id"]]["historic_value"],
            "churn_risk_90d": ahead[row["customer_id"]]["churn_risk_90d"],
            "may_be_contacted": action["action"] != "none",
        }
        for row, action in zip(only(chosen, names), chosen, strict=True)
        if row["customer_id"] in ahead
    ]
    return ranked(found, lambda r: (-r["expected_value"], r["customer_id"]))


def what_to_do_next(known: Known) -> Rows:
    groups: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in known.rows("customer.next_best_action"):
        name = row["reason"] if row["action"] == "none" else row["best_action_name"]
        groups[row["action"], name].append(row)
    found = []
    for (action, name), rows in groups.items():
        acts = action != "none"
        first = min(rows, key=lambda r: (-(r["expected_value"] if acts else ZERO), r["customer_id"]))
        found.append(
            {
                "action": action,
                "action_name": name,
                "contact_channel": first["contact_channel"] if acts else None,
                "customers": len(rows),
                "high_priority_customers": sum(r["priority"] == "high" for r in rows),
                "expected_value": sum(r["expected_value"] for r in rows) if acts else None,
                "example_customer_id": first["customer_id"],
                "currency": first["currency"],
            }
        )
    return sorted(
        found, key=lambda r: (r["expected_value"] is None, -(r["expected_value"] or 0), r["action"], r["action_name"])
    )


def offers_for_customers(known: Known) -> Rows:
    names = "customer_id rank product_id product_name category price reason_type reason_product_name"
    rows = known.rows("recommendation.for_customer")
    segments = known.by("customer.rfm", "customer_id")
    found = only(rows, names)
    for row, offer in zip(found, rows, strict=True):
        have, of = offer["evidence_customers"], offer["evidence_of_customers"]
        beside = f": of {of} customers with it, {have} have this too"
        because = offer["reason_product_name"]
        row["why"] = {
            "because_you_bought": f"Bought {because}{beside}",
            "bought_together": f"Often bought on one day with {because}{beside}",
            "because_you_viewed": "Looked at it and has not bought it"
            if offer["reason_product_id"] == offer["product_id"]
            else f"Looked at {because}{beside}",
            "popular_in_category": f"Likes {offer['category']}: bought by {have} of {of} buyers there",
            "popular_in_segment": f"Bought by {have} of {of} buyers of the same age and place",
        }.get(offer["reason_type"], f"Bought by {have} of {of} buyers")
        row["rfm_segment"] = segments[row["customer_id"]]["segment"] if row["customer_id"] in segments else None
    return sorted(found, key=lambda r: (r["customer_id"], r["rank"]))


def products_to_show_with(known: Known) -> Rows:
    names = "product_id product_name rank similar_product_id similar_product_name similar_category similar_price"
    rows = known.rows("recommendation.similar_products")
    found = only(rows, f"{names} customers_both customers lift")
    for row in found:
        row["share"] = row["customers_both"] / row["customers"] if row["customers"] else None
    return sorted(found, key=lambda r: (r["product_id"], r["rank"]))


_FOUND: Sequence[Callable[[Known], Rows]] = (
    *(yesterday, last_month, why_sales_changed, sales_by_category, stores_and_channels, returned_products),
    *(converting_products, time_to_purchase, popular_products, rising_products, viewed_not_bought),
    *(products_to_work_on, assortment_gaps, competing_products, tastes_of_groups),
    *(second_products, time_on_product_pages, products_sold_on_discount),
    *(revenue_by_customer_decile, high_value_customers, shipping_of_high_value_customers, customer_segments),
    *(customer_loyalty, customers_to_win_back, slipped_champions, segment_moves, customers_coming_back),
    *(how_often_customers_buy, overdue_customers, one_time_buyers, subscribers, several_channels, customer_base),
    *(months_with_orders, satisfaction, customer_groups, best_cohorts, why_cohorts_differ, retention_by_cohort),
    *(funnel, busiest_times, devices, locations_of_visitors, pages_losing_visitors, usability_problems),
    *(paths_through_the_shop, cart_abandonment, carts_abandoned_yesterday, how_often_visitors_come),
    *(visits_by_week, visit_channels, discounts_and_baskets, promo_codes, reachable_audiences),
    *(products_to_offer, bundles, offers_for_customers, products_to_show_with),
    *(future_best_customers, value_at_risk, won_back_first, what_to_do_next),
)
ANSWERS = {found.__name__: found for found in _FOUND}
"""By question."""
