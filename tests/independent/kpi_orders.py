"""What orders are like and what discounts go with, recomputed."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from statistics import median
from typing import Any

from tests.independent.kpi import Kpi, Row, money, ratio, total
from tests.independent.metrics import ZERO, Order
from tests.independent.statistics import Z, corrected, mann_whitney, median_variance, standardised

DEPTHS = ("none", "up to 10 %", "up to 20 %", "up to 30 %", "over 30 %", "unknown")


# --- orders --------------------------------------------------------------------------------------------------


class Traits:
    """What the lines and the visit of each order say of it as a whole."""

    def __init__(self, kpi: Kpi) -> None:
        self.kpi = kpi
        found: dict[str, list[tuple[Any, str, str]]] = defaultdict(list)
        for event in kpi.visits.events if not kpi.is_empty else ():
            order = event.line.order_id if event.line else event.order
            counts = event.day <= kpi.as_of and not kpi.visits.is_bot(event.device)
            if event.kind == "purchase" and order and event.session and counts:
                found[order].append((event.at, event.event_id, kpi.visits._device_type(event.device)))
        known = {order: [event for event in events if event[2] != "unknown"] for order, events in found.items()}
        self.devices = {order: min(events)[2] for order, events in known.items() if events}

    def main_category(self, order: Order) -> str:
        values: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for line in order.lines:
            values[self.kpi.category(line.product_id)] += line.gross - line.discounts
        return min(values, key=lambda name: (-values[name], name))

    def shipping(self, order: Order) -> str:
        named = [x for x in order.lines if self.kpi.raw[x.sale_id].get("shipping_type")]
        if named:
            first = min(named, key=lambda line: (line.at, line.sale_id))
            return str(self.kpi.raw[first.sale_id]["shipping_type"])
        return "In store" if self.kpi.channel(order.first.store_id) == "store" else "Unknown"

    def is_discounted(self, order: Order) -> bool:
        return any(self.kpi.is_discounted(line) for line in order.lines)

    def depth(self, order: Order) -> str:
        gross, discounts = total(order.lines, "gross"), total(order.lines, "discounts")
        if discounts == 0:
            return "unknown" if self.is_discounted(order) else "none"
        discounts -= self.kpi.parameters["amount_tolerance"] * len(order.lines)
        for percent in (10, 20, 30):
            if discounts * 100 <= gross * percent:
                return f"up to {percent} %"
        return "over 30 %"

    def device(self, order: Order) -> str:
        return self.devices.get(order.order_id, "unknown")


def order_traits(kpi: Kpi) -> list[Row]:
    """kpi.order_traits."""
    traits = Traits(kpi)
    return [
        {
            "order_id": order.order_id,
            "customer_id": order.customer,
            "order_date": order.day,
            "main_category": traits.main_category(order),
            "shipping_type": traits.shipping(order),
            "is_discounted": traits.is_discounted(order),
            "discount_depth_band": traits.depth(order),
            "device_type": traits.device(order),
        }
        for order in kpi.orders.values()
    ]


# --- discounts -----------------------------------------------------------------------------------------------


def habit(kpi: Kpi, traits: Traits, customer: str | None) -> str:
    """How a customer buys: on discount only, never, or sometimes."""
    orders = kpi.by_customer[customer] if customer else []
    if not customer or len(orders) < 3:
        return "Guest" if not customer else "fewer than 3 orders"
    discounted = sum(traits.is_discounted(order) for order in orders)
    if discounted * 10 >= len(orders) * 9:
        return "only on discount"
    return "sometimes on discount" if discounted else "never on discount"


def discount_effect(kpi: Kpi) -> list[Row]:
    """kpi.discount_effect."""
    traits, orders = Traits(kpi), list(kpi.orders.values())
    if not orders:
        return []
    rows = []
    without = [o for o in orders if not traits.is_discounted(o)]
    members: dict[str, tuple[tuple[str, ...], Callable[[Order], str]]] = {
        "discount": (
            ("without discount", "with discount"),
            lambda o: "with discount" if traits.is_discounted(o) else "without discount",
        ),
        "depth": (DEPTHS, traits.depth),
        "habit": (
            ("only on discount", "sometimes on discount", "never on discount", "fewer than 3 orders", "Guest"),
            lambda o: habit(kpi, traits, o.customer),
        ),
    }
    for breakdown, (names, member) in members.items():
        for name in names:
            own = [o for o in orders if member(o) == name]
            row = {"breakdown": breakdown, "member": name, **_sums(kpi, own)}
            compared = breakdown != "habit" and name not in ("without discount", "none")
            rows.append(row | _against(kpi, traits, own, without, compared))
    for row, q in zip(rows, corrected([row["p_value"] for row in rows]), strict=True):
        row["q_value"] = q
    return rows


def _sums(kpi: Kpi, own: list[Order]) -> Row:
    lines = [line for order in own for line in order.lines]
    gross, discounts, units = total(lines, "gross"), total(lines, "discounts"), sum((x.quantity for x in lines), ZERO)
    kept = gross - discounts - sum((o.returned for o in own), ZERO)
    customers = {o.customer for o in own} - {None}
    return {
        "orders": len(own),
        "order_share": ratio(len(own), len(kpi.orders)),
        "customers": len(customers),
        "customer_share": ratio(len(customers), len(kpi.by_customer)),
        "first_orders": sum(o.number == 1 for o in own),
        "units": units,
        "units_per_order": ratio(units, len(own)),
        "gross_sales": gross,
        "discounts": discounts,
        "discount_rate": ratio(discounts, gross),
        "ordered_value": gross - discounts,
        "aov": money(gross - discounts, len(own)),
        "ordered_net_value": kept,
        "aov_net": money(kept, len(own)),
        "median_order_value": money(median(o.value for o in own)) if own else None,
        "low_n": len(own) < kpi.small,
    }


def _against(kpi: Kpi, traits: Traits, own: list[Order], without: list[Order], compared: bool) -> Row:
    names = ("median_difference", "median_difference_low", "median_difference_high", "probability_of_more", "p_value")
    names += ("standard_orders", "standardised_aov", "standardised_aov_without")
    row: Row = dict.fromkeys(names)
    if not compared:
        return row
    a, b = [o.value for o in own], [o.value for o in without]
    if min(len(a), len(b)) >= 5:
        gap = float(median(a) - median(b))
        error = math.sqrt(median_variance(a) + median_variance(b))
        row |= dict(zip(names[:3], (gap, gap - Z * error, gap + Z * error), strict=True))
    if min(len(a), len(b)) >= 8:
        row["probability_of_more"], row["p_value"] = mann_whitney(a, b)
    weights = Counter(traits.main_category(o) for o in kpi.orders.values())
    members, means = standardised([_by_category(traits, own), _by_category(traits, without)], weights)
    return row | dict(zip(names[5:], (members, *means), strict=True))


def _by_category(traits: Traits, orders: Iterable[Order]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for order in orders:
        found[traits.main_category(order)].append(float(order.value))
    return found
