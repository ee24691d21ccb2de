"""The tables of kpi that compare groups of orders and customers, computed anew in plain Python from landed rows.

Here: traits of orders, discounts, subscriptions, shipping, key figures of purchasing and what brings net sales,
with their statistics; each function gives the rows of one table. Not here: growth, returns and channels (`drivers`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from statistics import mean, median, variance
from typing import Any

from tests.independent import metrics
from tests.independent.drivers import Kpi, Row, money, ratio, share, total
from tests.independent.metrics import ZERO, Line, Order

Z = 1.959964
DEPTHS = ("none", "up to 10 %", "up to 20 %", "up to 30 %", "over 30 %", "unknown")


# --- statistics ----------------------------------------------------------------------------------------------


def wilson(k: float, n: int) -> tuple[float, float] | tuple[None, None]:
    """95 % score interval of k of n."""
    if not n:
        return None, None
    p, z2 = k / n, Z * Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def two_sided(z: float) -> float:
    """Probability of a normal value at least as far from 0."""
    return math.erfc(abs(z) / math.sqrt(2))


def corrected(values: Sequence[float | None]) -> list[float | None]:
    """Benjamini and Hochberg's q of those that are there."""
    there = sorted((p, place) for place, p in enumerate(values) if p is not None)
    result: list[float | None] = [None] * len(values)
    smallest = 1.0
    for rank in range(len(there), 0, -1):
        p, place = there[rank - 1]
        smallest = min(smallest, p * len(there) / rank)
        result[place] = smallest
    return result


def median_variance(values: Sequence[Decimal]) -> float:
    """Variance of a median from order statistics (Price and Bonett 2002)."""
    n, ordered = len(values), sorted(values)
    place = max(1, round((n + 1) / 2 - math.sqrt(n)))
    z = (n - 2 * place + 1) / math.sqrt(n)
    return (float(ordered[n - place] - ordered[place - 1]) / (2 * z)) ** 2


def mann_whitney(own: Sequence[Decimal], others: Sequence[Decimal]) -> tuple[float, float | None]:
    """Probability of more, ties counted half; p by the normal approximation with ties and continuity."""
    counts = Counter([*own, *others])
    ordered = sorted(others)
    wins = Counter(others)
    below = {value: sum(n for other, n in wins.items() if other < value) for value in set(own)}
    score = sum(below[value] + wins[value] / 2 for value in own)
    m, n = len(own), len(ordered)
    ties = sum(t**3 - t for t in counts.values())
    spread = m * n / 12 * ((m + n + 1) - ties / ((m + n) * (m + n - 1)))
    away = max(0.0, abs(score - m * n / 2) - 0.5)
    return score / (m * n), two_sided(away / math.sqrt(spread)) if spread else None


def standardised(
    groups: Sequence[Mapping[str, Sequence[float]]], weights: Mapping[str, int]
) -> tuple[int | None, list[float | None]]:
    """Members of the strata that all groups have, and the mean of each group at their mix."""
    common = [name for name in weights if all(group.get(name) for group in groups)]
    members = sum(weights[name] for name in common)
    if not members:
        return None, [None] * len(groups)
    return members, [sum(weights[name] * mean(group[name]) for name in common) / members for group in groups]


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


# --- what brings net sales -----------------------------------------------------------------------------------


class Attributes:
    """The member of each dimension in which a line stands."""

    def __init__(self, kpi: Kpi) -> None:
        self.kpi, self.traits = kpi, Traits(kpi)

    def of(self, line: Line, dimension: str) -> str:
        return str(getattr(self, f"_{dimension}")(line))

    def _attribute(self, line: Line, name: str) -> str:
        return self.kpi.products.get(line.product_id, {}).get(name) or "Unknown"

    def _product(self, line: Line) -> str:
        return line.product_id

    def _category(self, line: Line) -> str:
        return self.kpi.category(line.product_id)

    def _season(self, line: Line) -> str:
        return self._attribute(line, "season")

    def _size(self, line: Line) -> str:
        return self._attribute(line, "size")

    def _color(self, line: Line) -> str:
        return self._attribute(line, "color")

    def _brand(self, line: Line) -> str:
        return self._attribute(line, "brand")

    def _payment_method(self, line: Line) -> str:
        return self.kpi.said(line, "payment_method") or "Unknown"

    def _promo_code(self, line: Line) -> str:
        return self.kpi.said(line, "promo_code") or "No code"

    def _shipping_type(self, line: Line) -> str:
        counter = self.kpi.channel(line.store_id) == "store"
        return self.kpi.said(line, "shipping_type") or ("In store" if counter else "Unknown")

    def _store(self, line: Line) -> str:
        return line.store_id

    def _channel(self, line: Line) -> str:
        return self.kpi.channel(line.store_id)

    def _device_type(self, line: Line) -> str:
        order = self.kpi.orders.get(line.order_id) if line.is_sale else self.kpi.order_of_return(line)
        return self.traits.device(order) if order else "unknown"

    def _location(self, line: Line) -> str:
        return metrics.location(self.kpi.shop.customers[line.customer_id]) if line.customer_id else "Guest"

    def _gender(self, line: Line) -> str:
        given = self.kpi.shop.customers[line.customer_id].get("gender") if line.customer_id else "Guest"
        return given or "unknown"

    def _age_group(self, line: Line) -> str:
        return (
            metrics.age_group(self.kpi.shop, self.kpi.shop.customers[line.customer_id]) if line.customer_id else "Guest"
        )


DIMENSIONS = (
    *("product", "category", "season", "size", "color", "brand", "payment_method", "promo_code", "shipping_type"),
    *("store", "channel", "device_type", "location", "gender", "age_group"),
)


def revenue_drivers(kpi: Kpi) -> list[Row]:
    """kpi.revenue_drivers."""
    attributes, months = Attributes(kpi), kpi.periods("month")
    rows = []
    for dimension in DIMENSIONS:
        grouped: dict[str, list[Line]] = defaultdict(list)
        for line in kpi.lines:
            grouped[attributes.of(line, dimension)].append(line)
        for member, lines in grouped.items():
            rows.append(_driver(kpi, dimension, member, None, lines, None))
            begin = min(line.day for line in lines).replace(day=1)
            for first, last in months:
                own = [line for line in lines if first <= line.day <= last]
                if first >= begin and (own or dimension != "product"):
                    rows.append(_driver(kpi, dimension, member, (first, last), own, lines))
    return rows


def _driver(
    kpi: Kpi, dimension: str, member: str, month: tuple[date, date] | None, own: list[Line], every: list[Line] | None
) -> Row:
    sold = [line for line in own if line.is_sale]
    orders = {x.order_id for x in sold}
    customers = {x.customer_id for x in sold} - {None}
    value, net = total(own, "gross") - total(own, "discounts"), total(own, "net")
    whole = [x for x in kpi.lines if month is None or month[0] <= x.day <= month[1]]
    names: dict[str, Callable[[str], str]] = {"product": kpi.product_name, "store": kpi.store_name}
    return {
        "dimension": dimension,
        "member": member,
        "period_name": f"{month[0]:%Y-%m}" if month else "all",
        "member_name": names.get(dimension, str)(member),
        "period": month[0] if month else None,
        "is_complete": kpi.shop.is_complete(*month) if month else True,
        "net_sales": net,
        "share": share(net, total(whole, "net")),
        "orders": len(orders),
        "customers": len(customers),
        "units": sum((x.quantity for x in sold), ZERO),
        "gross_less_discounts": value,
        "aov": money(value, len(orders)),
        **_growth(kpi, month, net, every),
        "low_n": len(orders) < kpi.small,
    }


def _growth(kpi: Kpi, month: tuple[date, date] | None, net: Decimal, every: list[Line] | None) -> Row:
    row: Row = dict.fromkeys(("net_sales_prev", "net_sales_change", "net_sales_growth", "growth_note"))
    if month is None or every is None:
        return row
    before = metrics.shifted("month", month[0], -1)
    before_end = month[0] - timedelta(days=1)
    if before < kpi.shop.begin.replace(day=1):
        return row | {"growth_note": "no_base"}
    base = total((x for x in every if before <= x.day <= before_end), "net")
    row |= {"net_sales_prev": base, "net_sales_change": net - base}
    if not (kpi.shop.is_complete(*month) and kpi.shop.is_complete(before, before_end)):
        return row | {"growth_note": "incomplete"}
    if base <= 0:
        return row | {"growth_note": "non_positive_base"}
    return row | {"net_sales_growth": float((net - base) / base)}
