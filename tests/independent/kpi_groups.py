"""Who and what brings sales, recomputed: customers, shops, channels, products, codes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

import pandas as pd

from tests.independent import metrics
from tests.independent.kpi import Kpi, Row, money, ratio, share, total
from tests.independent.metrics import ZERO, Line

# --- who brings sales ----------------------------------------------------------------------------------------


def ranked_customers(kpi: Kpi) -> list[Decimal]:
    """Net sales of the customers with a line that counts, the best ones first."""
    ranked = sorted(kpi.net_by_customer.items(), key=lambda item: (-item[1], item[0]))
    return [net for _, net in ranked]


def revenue_concentration(kpi: Kpi) -> list[Row]:
    """kpi.revenue_concentration."""
    nets = ranked_customers(kpi)
    if not nets:
        return []
    rows, seen, so_far = [], 0, ZERO
    for decile in range(1, 11):
        own = [net for place, net in enumerate(nets, 1) if -(-10 * place // len(nets)) == decile]
        seen, so_far = seen + len(own), so_far + sum(own, ZERO)
        rows.append(
            {
                "decile": decile,
                "customers": len(own),
                "net_sales": sum(own, ZERO),
                "share": share(sum(own, ZERO), sum(nets)),
                "cum_customers": seen,
                "cum_customer_share": ratio(seen, len(nets)),
                "cum_net_sales": so_far,
                "cum_share": share(so_far, sum(nets)),
                "net_sales_per_customer": money(sum(own, ZERO), len(own)),
                "smallest_net_sales": min(own, default=None),
                "largest_net_sales": max(own, default=None),
            }
        )
    return rows


def revenue_concentration_summary(kpi: Kpi) -> list[Row]:
    """kpi.revenue_concentration_summary."""
    nets = ranked_customers(kpi)
    if not nets:
        return []
    whole = sum(nets, ZERO)
    positive = sorted(max(net, ZERO) for net in nets)
    gaps = sum((abs(a - b) for a in positive for b in positive), ZERO)
    enough = None
    if whole > 0:
        enough = next(n for n in range(1, len(nets) + 1) if sum(nets[:n]) >= Decimal("0.8") * whole)
    row: Row = {
        "customers": len(nets),
        "net_sales": whole,
        "gini": ratio(gaps, 2 * len(nets) * sum(positive)),
        "customers_for_80_percent": enough,
        "share_of_customers_for_80_percent": enough and ratio(enough, len(nets)),
        "customers_without_net_sales": sum(net <= 0 for net in nets),
    }
    for percent in (1, 10, 20):
        top = sum(nets[: len(nets) * percent // 100], ZERO)
        row[f"net_sales_of_top_{percent}_percent"] = top
        row[f"share_of_top_{percent}_percent"] = share(top, whole)
    return [row]


def yesterday(kpi: Kpi) -> list[Row]:
    """kpi.yesterday."""
    if kpi.is_empty or kpi.last_complete_day < kpi.shop.begin:
        return []
    day = kpi.last_complete_day
    days = metrics.periods(kpi.shop, "day").to_dict("index")
    units = dict.fromkeys(("net_sales", "aov", "discounts", "returns"), "money")
    units |= dict.fromkeys(("orders", "active_customers", "new_customers"), "count") | {"units": "units"}
    rows = []
    for figure, unit in units.items():
        row: Row = {"figure": figure, "unit": unit, "day": day, "amount": _figure(days, day, figure)}
        for name, back in (("week", 7), ("year", 364)):
            base = _figure(days, day - timedelta(days=back), figure)
            both = row["amount"] is not None and base is not None
            row |= {
                f"{name}_before": day - timedelta(days=back),
                f"amount_{name}_before": base,
                f"difference_to_{name}_before": row["amount"] - base if both else None,
                f"change_to_{name}_before": ratio(row["amount"] - base, base) if both and base > 0 else None,
            }
        rows.append(row)
    return rows


def _figure(days: dict[Any, Row], day: date, figure: str) -> Decimal | None:
    value = days[day][figure] if day in days else None
    return None if value is None or pd.isna(value) else money(value)


# --- shops and channels --------------------------------------------------------------------------------------


def by_group(kpi: Kpi, column: str, group: Callable[[str], str]) -> list[Row]:
    """kpi.by_store and kpi.by_channel: month and group of shops."""
    grouped: dict[tuple[date, str], list[Line]] = defaultdict(list)
    for line in kpi.lines:
        grouped[line.day.replace(day=1), group(line.store_id)].append(line)
    rows = []
    for (month, name), lines in grouped.items():
        sold = [line for line in lines if line.is_sale]
        orders, gross = {x.order_id for x in sold}, total(lines, "gross")
        discounts, units = total(lines, "discounts"), sum((x.quantity for x in sold), ZERO)
        of_month = sum((total(found, "net") for key, found in grouped.items() if key[0] == month), ZERO)
        new = [
            o
            for o in kpi.orders.values()
            if o.number == 1 and o.day.replace(day=1) == month and group(o.first.store_id) == name
        ]
        rows.append(
            {
                "month": month,
                column: name,
                "stores": len({x.store_id for x in lines}),
                "orders": len(orders),
                "customers": len({x.customer_id for x in sold} - {None}),
                "new_customers": len(new),
                "units": units,
                "units_returned": sum((-x.quantity for x in lines if not x.is_sale), ZERO),
                "gross_sales": gross,
                "discounts": discounts,
                "discount_rate": ratio(discounts, gross),
                "returns": total(lines, "returns"),
                "net_sales": total(lines, "net"),
                "share": share(total(lines, "net"), of_month),
                "aov": money(gross - discounts, len(orders)),
                "units_per_order": ratio(units, len(orders)),
            }
        )
    return rows


def by_channel(kpi: Kpi) -> list[Row]:
    """kpi.by_channel."""
    return by_group(kpi, "channel", kpi.channel)


def by_store(kpi: Kpi) -> list[Row]:
    """kpi.by_store."""
    rows = by_group(kpi, "store_id", lambda store: store)
    for row in rows:
        del row["stores"]
        store = row["store_id"]
        row |= {"store_name": kpi.store_name(store), "channel": kpi.channel(store)}
        row["location"] = metrics.location(kpi.stores.get(store, {}) if store != "__online__" else {})
    return rows


def cross_channel(kpi: Kpi) -> list[Row]:
    """kpi.cross_channel."""
    grouped: dict[str, list[str]] = defaultdict(list)
    for customer in kpi.net_by_customer.keys() | kpi.by_customer.keys():
        channels = {kpi.channel(o.first.store_id) for o in kpi.by_customer.get(customer, [])}
        grouped[" + ".join(sorted(channels)) or "none"].append(customer)
    rows = []
    for name, customers in grouped.items():
        counts = [len(kpi.by_customer.get(c, [])) for c in customers]
        value = sum((o.value for c in customers for o in kpi.by_customer.get(c, [])), ZERO)
        net = sum((kpi.net_by_customer.get(c, ZERO) for c in customers), ZERO)
        rows.append(
            {
                "channels": name,
                "channel_count": 0 if name == "none" else len(name.split(" + ")),
                "customers": len(customers),
                "repeat_customers": sum(n > 1 for n in counts),
                "repeat_rate": ratio(sum(n > 1 for n in counts), sum(n > 0 for n in counts)),
                "customer_share": ratio(sum(n > 0 for n in counts), len(kpi.by_customer)),
                "orders": sum(counts),
                "orders_per_customer": ratio(sum(counts), len(customers)),
                "ordered_value": value,
                "aov": money(value, sum(counts)),
                "net_sales": net,
                "share": share(net, sum(kpi.net_by_customer.values(), ZERO)),
                "net_sales_per_customer": money(net, len(customers)),
                "low_n": len(customers) < kpi.small,
            }
        )
    return rows


# --- products and codes --------------------------------------------------------------------------------------


def product_discounts(kpi: Kpi) -> list[Row]:
    """kpi.product_discounts."""
    grouped: dict[str, list[Line]] = defaultdict(list)
    for line in kpi.lines:
        if line.is_sale:
            grouped[line.product_id].append(line)
    return [_product(kpi, product, lines) for product, lines in grouped.items()]


def _product(kpi: Kpi, product: str, lines: list[Line]) -> Row:
    lower = [x for x in lines if kpi.is_discounted(x)]
    known = [x for x in lower if x.discount > 0]
    full = [x for x in lines if not kpi.is_discounted(x)]
    units, lower_units = (sum((x.quantity for x in found), ZERO) for found in (lines, lower))
    return {
        "product_id": product,
        "product_name": kpi.product_name(product),
        "category": kpi.category(product),
        "product_type": kpi.product_type(product),
        "orders": len({x.order_id for x in lines}),
        "lines": len(lines),
        "discounted_lines": len(lower),
        "discounted_line_share": ratio(len(lower), len(lines)),
        "lines_of_unknown_discount": sum(kpi.discount_is_unknown(x) for x in lines),
        "units": units,
        "discounted_units": lower_units,
        "discounted_unit_share": ratio(lower_units, units),
        "gross_sales": total(lines, "gross"),
        "discounts": total(lines, "discounts"),
        "discount_rate": ratio(total(lines, "discounts"), total(lines, "gross")),
        "discounted_gross_sales": total(known, "gross"),
        "discount_depth": ratio(total(known, "discounts"), total(known, "gross")),
        "price_per_unit_discounted": money(sum((x.total for x in lower), ZERO), lower_units),
        "price_per_unit_full": money(sum((x.total for x in full), ZERO), sum((x.quantity for x in full), ZERO)),
        "low_n": len(lines) < kpi.small,
    }


def promo_codes(kpi: Kpi) -> list[Row]:
    """kpi.promo_codes."""
    if kpi.is_empty:
        return []
    every = [line for row in kpi.landed["sales"] if (line := metrics.complete(row)).day <= kpi.as_of]
    bearing: dict[str, set[str]] = defaultdict(set)
    for line in every:
        code, status = kpi.raw[line.sale_id].get("promo_code"), kpi.raw[line.sale_id].get("status")
        if code and line.is_sale and (line.valid or status in ("pending", "failed", "cancelled")):
            bearing[code].add(line.order_id)
    rows = []
    for code, order_ids in bearing.items():
        lines = [x for x in kpi.lines if kpi.said(x, "promo_code") == code]
        sold = [x for x in lines if x.is_sale]
        orders = [kpi.orders[order_id] for order_id in {x.order_id for x in sold}]
        unpaid = order_ids - kpi.orders.keys()
        customers = {o.customer for o in orders} - {None}
        new = {o.customer for o in orders if o.number == 1}
        value = sum((o.value for o in orders), ZERO)
        rows.append(
            {
                "promo_code": code,
                "first_used_date": min((x.day for x in sold), default=None),
                "last_used_date": max((x.day for x in sold), default=None),
                "orders": len(orders),
                "guest_orders": sum(o.customer is None for o in orders),
                "customers": len(customers),
                "new_customers": len(new),
                "new_customer_share": ratio(len(new), len(customers)),
                "ordered_value": value,
                "aov": money(value, len(orders)),
                "median_order_value": median(o.value for o in orders) if orders else None,
                "gross_sales": total(lines, "gross"),
                "discounts": total(lines, "discounts"),
                "discount_rate": ratio(total(lines, "discounts"), total(lines, "gross")),
                "returns": total(lines, "returns"),
                "net_sales": total(lines, "net"),
                "unpaid_orders": len(unpaid),
                "unpaid_share": ratio(len(unpaid), len(orders) + len(unpaid)),
                "low_n": len(orders) < kpi.small,
            }
        )
    return rows
