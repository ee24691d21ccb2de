"""Subscribers against others, shipping and purchasing, recomputed."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from statistics import mean, variance
from typing import Any

from tests.independent import metrics
from tests.independent.kpi import Kpi, Row, money, ratio, total
from tests.independent.kpi_orders import Traits
from tests.independent.metrics import ZERO, Line, Order
from tests.independent.statistics import Z, corrected, standardised, two_sided, wilson

# --- subscribers ---------------------------------------------------------------------------------------------


def subscription_effect(kpi: Kpi) -> list[Row]:
    """kpi.subscription_effect."""
    if not kpi.shop.customers:
        return []
    traits = Traits(kpi)
    words = {True: "subscriber", False: "not subscriber", None: "unknown"}
    groups: dict[str, list[str]] = {word: [] for word in words.values()}
    for customer, row in kpi.shop.customers.items():
        groups[words[row.get("subscription_status")]].append(customer)
    rows: list[Row] = []
    for figure, (unit, values, strata) in _figures(kpi, traits).items():
        found = {word: [values[key] for key in _keys(values, customers)] for word, customers in groups.items()}
        rows += _compared(kpi, figure, unit, found)
        if figure != "purchasing_share":
            by_stratum = [_strata(values, strata, groups[w]) for w in ("subscriber", "not subscriber")]
            weights = Counter(strata[key] for key in values)
            members, means = standardised(by_stratum, weights)
            for row, value in zip(rows[-3:], [*means, None], strict=True):
                row["standardised_estimate"] = value
                row["standard_members"] = members if row["subscription"] != "unknown" else None
    for row, q in zip(rows, corrected([row["p_value"] for row in rows]), strict=True):
        row["q_value"] = q
    return rows


Key = tuple[str, str]
Figure = tuple[str, dict[Key, float], dict[Key, str]]


def _figures(kpi: Kpi, traits: Traits) -> dict[str, Figure]:
    """Each figure: its unit, its value by customer (and order), and the main category of each."""
    everybody = {(c, ""): float(c in kpi.by_customer) for c in kpi.shop.customers}
    buyers = {(c, ""): orders for c, orders in kpi.by_customer.items()}
    first = {key: min(orders, key=lambda o: o.number or 0) for key, orders in buyers.items()}
    category = {key: _customer_category(traits, orders) for key, orders in buyers.items()}
    old = [key for key, order in first.items() if order.day + timedelta(days=90) <= kpi.as_of]
    soon = {k: any((o.number or 0) > 1 and (o.day - first[k].day).days <= 90 for o in buyers[k]) for k in old}
    every = {(o.customer, o.order_id): o for o in kpi.orders.values() if o.customer}
    return {
        "purchasing_share": ("share", everybody, {}),
        "repeat_rate": ("share", {k: float(len(o) > 1) for k, o in buyers.items()}, category),
        "repeat_rate_90d": ("share", {k: float(v) for k, v in soon.items()}, category),
        "orders_per_customer": ("orders", {k: float(len(o)) for k, o in buyers.items()}, category),
        "net_sales_per_customer": (
            "money",
            {k: float(kpi.net_by_customer.get(k[0], ZERO)) for k in buyers},
            category,
        ),
        "aov": (
            "money",
            {k: float(o.value) for k, o in every.items()},
            {k: traits.main_category(o) for k, o in every.items()},
        ),
    }


def _customer_category(traits: Traits, orders: Sequence[Order]) -> str:
    """Main category of most orders; of several, that with the most value, then by name."""
    counts = Counter(traits.main_category(order) for order in orders)
    values = {name: sum((o.value for o in orders if traits.main_category(o) == name), ZERO) for name in counts}
    return min(counts, key=lambda name: (-counts[name], -values[name], name))


def _keys(values: Mapping[Key, float], customers: Iterable[str]) -> list[Key]:
    wanted = set(customers)
    return [key for key in values if key[0] in wanted]


def _strata(values: Mapping[Key, float], strata: Mapping[Key, str], customers: Iterable[str]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for key in _keys(values, customers):
        found[strata[key]].append(values[key])
    return found


def _compared(kpi: Kpi, figure: str, unit: str, found: Mapping[str, list[float]]) -> list[Row]:
    rows: list[Row] = []
    for word, values in found.items():
        n = len(values)
        low, high = _interval(unit, values)
        rows.append(
            {
                "figure": figure,
                "subscription": word,
                "unit": unit,
                "numerator": sum(values),
                "denominator": n,
                "estimate": ratio(sum(values), n),
                "estimate_low": low,
                "estimate_high": high,
                "standard_members": None,
                "standardised_estimate": None,
                **dict.fromkeys(("difference", "difference_low", "difference_high", "p_value")),
                "low_n": n < kpi.small,
            }
        )
    own, others = found["subscriber"], found["not subscriber"]
    if own and others:
        rows[0] |= _difference(kpi, unit, own, others)
    return rows


def _interval(unit: str, values: list[float]) -> tuple[float | None, float | None]:
    n = len(values)
    if unit == "share":
        return wilson(sum(values), n)
    if n < 2:
        return None, None
    half = Z * math.sqrt(variance(values) / n)
    return mean(values) - half, mean(values) + half


def _difference(kpi: Kpi, unit: str, own: list[float], others: list[float]) -> Row:
    a, b = mean(own), mean(others)
    row: Row = {"difference": a - b}
    if unit == "share":
        (l1, u1), (l2, u2) = wilson(sum(own), len(own)), wilson(sum(others), len(others))
        assert None not in (l1, u1, l2, u2)
        row["difference_low"] = a - b - math.hypot(a - l1, u2 - b)  # type: ignore[operator]
        row["difference_high"] = a - b + math.hypot(u1 - a, b - l2)  # type: ignore[operator]
        pooled = (sum(own) + sum(others)) / (len(own) + len(others))
        expected = min(pooled, 1 - pooled) * min(len(own), len(others))
        spread = math.sqrt(pooled * (1 - pooled) * (1 / len(own) + 1 / len(others)))
        row["p_value"] = two_sided((a - b) / spread) if expected >= 5 else None
    elif min(len(own), len(others)) > 1:
        error = math.sqrt(variance(own) / len(own) + variance(others) / len(others))
        row["difference_low"], row["difference_high"] = a - b - Z * error, a - b + Z * error
        enough = min(len(own), len(others)) >= 8
        row["p_value"] = two_sided((a - b) / error) if error and enough else None
    return row


# --- shipping and purchasing ---------------------------------------------------------------------------------


def loyalty(kpi: Kpi, customer: str) -> str:
    """Loyalty segment by all orders, declared ones included."""
    declared = kpi.shop.customers[customer].get("previous_purchases") or 0
    orders = len(kpi.by_customer.get(customer, [])) + declared
    if orders > kpi.parameters["loyal_above_orders"]:
        return "Loyal"
    return "Prospect" if not orders else "New" if orders == 1 else "Returning"


def shipping_preferences(kpi: Kpi) -> list[Row]:
    """kpi.shipping_preferences."""
    traits = Traits(kpi)
    members: dict[str, Callable[[str], str]] = {
        "all": lambda _: "all",
        "loyalty": lambda customer: loyalty(kpi, customer),
        "location": lambda customer: metrics.location(kpi.shop.customers[customer]),
    }
    rows = []
    for breakdown, member in members.items():
        orders: dict[tuple[str, str], list[Order]] = defaultdict(list)
        of_member: Counter[str] = Counter()
        lines: dict[tuple[str, str], list[Line]] = defaultdict(list)

        def name(customer: str | None, breakdown: str = breakdown, member: Any = member) -> str:
            return str(member(customer)) if customer or breakdown == "all" else "Guest"

        for order in kpi.orders.values():
            orders[name(order.customer), traits.shipping(order)].append(order)
            of_member[name(order.customer)] += 1
        for line in kpi.lines:
            order_of = kpi.orders.get(line.order_id) if line.is_sale else kpi.order_of_return(line)
            if order_of:
                lines[name(order_of.customer), traits.shipping(order_of)].append(line)
            else:
                lines[name(line.customer_id), _own_shipping(kpi, line)].append(line)
        for key in orders.keys() | lines.keys():
            rows.append(_shipped(kpi, breakdown, key, orders[key], of_member[key[0]], lines[key]))
    return rows


def _own_shipping(kpi: Kpi, line: Line) -> str:
    given = kpi.raw[line.sale_id].get("shipping_type")
    return given or ("In store" if kpi.channel(line.store_id) == "store" else "Unknown")


def _shipped(
    kpi: Kpi, breakdown: str, key: tuple[str, str], orders: list[Order], of_member: int, lines: list[Line]
) -> Row:
    counts = Counter(o.customer for o in orders if o.customer)
    value = sum((o.value for o in orders), ZERO)
    return {
        "breakdown": breakdown,
        "member": key[0],
        "shipping_type": key[1],
        "orders": len(orders),
        "orders_of_member": of_member,
        "share": ratio(len(orders), of_member),
        "customers": len(counts),
        "repeat_customers": sum(n > 1 for n in counts.values()),
        "repeat_rate": ratio(sum(n > 1 for n in counts.values()), len(counts)),
        "gross_less_discounts": value,
        "aov": money(value, len(orders)),
        "net_sales": total(lines, "net"),
        "shipping": total((x for x in lines if x.is_sale), "shipping"),
        "low_n": len(orders) < kpi.small,
    }


def purchases(kpi: Kpi) -> list[Row]:
    """kpi.purchases."""
    members: dict[str, Callable[[Line], str]] = {
        "all": lambda _: "all",
        "month": lambda line: f"{line.day:%Y-%m}",
        "season": lambda line: kpi.products.get(line.product_id, {}).get("season") or "Unknown",
        "category": lambda line: kpi.category(line.product_id),
    }
    rows = []
    for breakdown, member in members.items():
        grouped: dict[str, list[Line]] = defaultdict(list)
        if breakdown == "month":
            grouped |= {f"{first:%Y-%m}": [] for first, _ in kpi.periods("month")}
        for line in kpi.lines:
            grouped[member(line)].append(line)
        for name, lines in grouped.items():
            rows.append({"breakdown": breakdown, "member": name, **_purchased(kpi, breakdown, name, lines)})
    return rows


def _purchased(kpi: Kpi, breakdown: str, name: str, lines: list[Line]) -> Row:
    sold = [line for line in lines if line.is_sale]
    orders = {x.order_id for x in sold}
    counts = Counter(kpi.orders[o].customer for o in orders if kpi.orders[o].customer)
    known = [c for c in counts if kpi.shop.customers[str(c)].get("subscription_status") is not None]
    subscribers = [c for c in known if kpi.shop.customers[str(c)]["subscription_status"]]
    ratings = [kpi.raw[x.sale_id]["review_rating"] for x in sold if kpi.raw[x.sale_id].get("review_rating") is not None]
    lower = {x.order_id for x in sold if kpi.is_discounted(x)}
    units, value = sum((x.quantity for x in sold), ZERO), total(lines, "gross") - total(lines, "discounts")
    months = {f"{first:%Y-%m}": kpi.shop.is_complete(first, last) for first, last in kpi.periods("month")}
    return {
        "is_complete": months[name] if breakdown == "month" else True,
        "orders": len(orders),
        "customers": len(counts),
        "units": units,
        "gross_sales": total(lines, "gross"),
        "discounts": total(lines, "discounts"),
        "returns": total(lines, "returns"),
        "net_sales": total(lines, "net"),
        "aov": money(value, len(orders)),
        "units_per_order": ratio(units, len(orders)),
        "repeat_customers": sum(n > 1 for n in counts.values()),
        "repeat_rate": ratio(sum(n > 1 for n in counts.values()), len(counts)),
        "ratings": len(ratings),
        "rating_average": float(mean(ratings)) if ratings else None,
        "subscribers": len(subscribers),
        "customers_of_known_subscription": len(known),
        "subscriber_share": ratio(len(subscribers), len(known)),
        "discounted_orders": len(lower),
        "discounted_order_share": ratio(len(lower), len(orders)),
        "low_n": len(orders) < kpi.small,
    }
