"""The figures of core.orders, kpi and questions, computed anew in plain Python and pandas from landed rows.

Here: a second implementation, written from the definitions and not from the SQL, slow and simple. Not here: the
rows (`shop`), the comparison (`tests/integration`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from statistics import median
from typing import Any

import pandas as pd

Row = dict[str, Any]
ZERO = Decimal(0)
COUNTED = {None, "completed", "refunded"}
GROUPS = {"<18": (0, 17), "18-25": (18, 25), "26-35": (26, 35), "36-45": (36, 45), "46-55": (46, 55), "56-65": (56, 65)}


@dataclass
class Line:
    """A sales line after the rules for what is missing."""

    sale_id: str
    order_id: str
    customer_id: str | None
    product_id: str
    store_id: str
    quantity: Decimal
    discount: Decimal
    total: Decimal
    day: date
    at: Any
    valid: bool
    original: str | None
    shipping: Decimal
    tax: Decimal

    @property
    def is_sale(self) -> bool:
        return self.quantity > 0

    @property
    def gross(self) -> Decimal:
        return self.total + self.discount if self.valid and self.is_sale else ZERO

    @property
    def discounts(self) -> Decimal:
        return self.discount if self.valid and self.is_sale else ZERO

    @property
    def returns(self) -> Decimal:
        return -self.total if self.valid and not self.is_sale else ZERO

    @property
    def net(self) -> Decimal:
        return self.gross - self.discounts - self.returns


@dataclass
class Order:
    """Valid sale lines of one order number."""

    order_id: str
    lines: list[Line]
    returned: Decimal = ZERO
    number: int | None = None

    @property
    def first(self) -> Line:
        return min(self.lines, key=lambda line: (line.at, line.sale_id))

    @property
    def customer(self) -> str | None:
        named = [line for line in self.lines if line.customer_id]
        return min(named, key=lambda line: (line.at, line.sale_id)).customer_id if named else None

    @property
    def conflict(self) -> bool:
        return len({line.customer_id for line in self.lines if line.customer_id}) > 1

    @property
    def day(self) -> date:
        return self.first.day

    @property
    def value(self) -> Decimal:
        return sum((line.gross - line.discounts for line in self.lines), ZERO)


@dataclass
class Shop:
    """Everything that figures are made of, up to the as-of date."""

    landed: dict[str, list[Row]]
    as_of_setting: date | None = None
    lines: list[Line] = field(init=False)
    orders: list[Order] = field(init=False)

    def __post_init__(self) -> None:
        every = [complete(row) for row in self.landed["sales"]]
        days = [line.day for line in every if line.valid]
        days += [row["occurred_date"] for row in self.landed["interactions"]]
        self.begin = min(days, default=None)
        self.end = max(days, default=None)
        self.as_of = self.as_of_setting or self.end
        self.excluded = [line for line in every if not line.valid and self.as_of and line.day <= self.as_of]
        self.lines = [line for line in every if line.valid and self.as_of and line.day <= self.as_of]
        self.orders = orders_of(self.lines)
        self.customers = {row["customer_id"]: row for row in self.landed["customers"]}
        mentioned = {line.customer_id for line in every} | {r.get("customer_id") for r in self.landed["interactions"]}
        for customer_id in sorted(mentioned - {None} - set(self.customers)):
            self.customers[customer_id] = {"customer_id": customer_id}

    def is_complete(self, first: date, last: date) -> bool:
        ended = last < self.as_of or (last == self.as_of and self.as_of_setting is not None)
        return ended and self.begin <= first

    def orders_by_customer(self) -> dict[str, list[Order]]:
        found = defaultdict(list)
        for order in self.orders:
            if order.customer:
                found[order.customer].append(order)
        return found

    def net_by_customer(self) -> dict[str | None, Decimal]:
        found: dict[str | None, Decimal] = defaultdict(lambda: ZERO)
        for line in self.lines:
            found[line.customer_id] += line.net
        return found


def complete(row: Row) -> Line:
    """Apply the rules for missing values to one landed line."""
    quantity, price, given = row["quantity"], row.get("unit_price"), row.get("total_price")
    discount = row.get("discount_amount") or ZERO
    amount = abs(given) if given is not None else max(abs(quantity) * price - discount, ZERO)
    amount = amount.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return Line(
        sale_id=row["sale_id"],
        order_id=row.get("order_id") or row["sale_id"],
        customer_id=row.get("customer_id"),
        product_id=row["product_id"],
        store_id=row.get("store_id") or "__online__",
        quantity=quantity,
        discount=discount,
        total=amount if quantity > 0 else -amount,
        day=row["sold_date"],
        at=row["sold_at"],
        valid=row.get("status") in COUNTED,
        original=row.get("original_sale_id"),
        shipping=row.get("shipping_amount") or ZERO,
        tax=row.get("tax_amount") or ZERO,
    )


def orders_of(lines: Iterable[Line]) -> list[Order]:
    """Orders with their linked returns and their number in the sequence of the customer."""
    grouped: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if line.is_sale:
            grouped[line.order_id].append(line)
    orders = {key: Order(key, found) for key, found in grouped.items()}
    order_of_line = {line.sale_id: order for order in orders.values() for line in order.lines}
    for line in lines:
        if not line.is_sale:
            order = order_of_line.get(line.original or "") or orders.get(line.order_id)
            if order:
                order.returned += line.returns
    counts: Counter[str] = Counter()
    for order in sorted(orders.values(), key=lambda order: (order.first.at, order.order_id)):
        if order.customer:
            counts[order.customer] += 1
            order.number = counts[order.customer]
    return list(orders.values())


def start_of(grain: str, day: date) -> date:
    """First day of the period that holds `day`."""
    return {
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "quarter": day.replace(month=3 * ((day.month - 1) // 3) + 1, day=1),
        "year": day.replace(month=1, day=1),
    }[grain]


def shifted(grain: str, first: date, steps: int) -> date:
    """First day of the period `steps` periods later."""
    if grain in ("day", "week"):
        return first + timedelta(days=steps * (1 if grain == "day" else 7))
    months = first.year * 12 + first.month - 1 + steps * {"month": 1, "quarter": 3, "year": 12}[grain]
    return date(months // 12, months % 12 + 1, 1)


def year_ago(grain: str, first: date) -> date:
    """The period that `_yoy` compares with."""
    if grain in ("day", "week"):
        return first - timedelta(days=364)
    return first.replace(year=first.year - 1)


def periods(shop: Shop, grain: str) -> pd.DataFrame:
    """One row per period from the first day of the data to the as-of date."""
    if shop.as_of is None or shop.begin > shop.as_of:
        return pd.DataFrame()
    rows, first = {}, start_of(grain, shop.begin)
    while first <= shop.as_of:
        rows[first] = _period(shop, grain, first)
        first = shifted(grain, first, 1)
    for first, row in rows.items():
        _compare(row, rows.get(shifted(grain, first, -1)), "prev", "growth", "growth_note")
        _compare(row, rows.get(year_ago(grain, first)), "year_ago", "yoy", "yoy_note")
        _to_date(shop, grain, row, rows.get(shifted(grain, first, -1)))
    return pd.DataFrame(list(rows.values())).set_index("period")


COMPARED = ("net_sales", "orders", "units", "aov", "active_customers")


def _period(shop: Shop, grain: str, first: date) -> Row:
    last = shifted(grain, first, 1) - timedelta(days=1)
    lines = [line for line in shop.lines if first <= line.day <= last]
    orders = [order for order in shop.orders if first <= order.day <= last]
    gross, discounts = sum((x.gross for x in lines), ZERO), sum((x.discounts for x in lines), ZERO)
    active = {order.customer for order in orders if order.customer}
    new = {order.customer for order in orders if order.number == 1}
    net = sum((x.net for x in lines), ZERO)
    shipping, tax = sum((x.shipping for x in lines), ZERO), sum((x.tax for x in lines), ZERO)
    return {
        "period": first,
        "period_end": last,
        "is_complete": shop.is_complete(first, last),
        "gross_sales": gross,
        "discounts": discounts,
        "returns": sum((x.returns for x in lines), ZERO),
        "net_sales": net,
        "shipping": shipping,
        "tax": tax,
        "total_sales": net + shipping + tax,
        "orders": len(orders),
        "units": sum((x.quantity for x in lines if x.is_sale), ZERO),
        "units_returned": sum((-x.quantity for x in lines if not x.is_sale), ZERO),
        "aov": (gross - discounts) / len(orders) if orders else None,
        "aov_net": sum((o.value - o.returned for o in orders), ZERO) / len(orders) if orders else None,
        "median_order_value": median(o.value for o in orders) if orders else None,
        "active_customers": len(active),
        "new_customers": len(new),
        "returning_customers": len(active - new),
        "acquisition_rate": len(new) / len(active) if active else None,
        "new_to_returning_ratio": len(new) / len(active - new) if active - new else None,
        "first_orders": sum(order.number == 1 for order in orders),
        "repeat_orders": sum((order.number or 0) > 1 for order in orders),
        "guest_orders": sum(order.customer is None for order in orders),
        "guest_net_sales": sum((x.net for x in lines if x.customer_id is None), ZERO),
        "excluded_lines": sum(first <= x.day <= last for x in shop.excluded),
    }


def _compare(row: Row, base: Row | None, value: str, change: str, note: str) -> None:
    comparable = bool(base and base["is_complete"] and row["is_complete"])
    for name in COMPARED:
        before = base[name] if base else None
        row[f"{name}_{value}"] = before
        if value == "prev":
            row[f"{name}_change"] = row[name] - before if None not in (row[name], before) else None
        usable = comparable and before is not None and before > 0 and row[name] is not None
        row[f"{name}_{change}"] = float((row[name] - before) / before) if usable else None
    if base is None:
        row[note] = "no_base"
    elif not comparable:
        row[note] = "incomplete"
    else:
        row[note] = "non_positive_base" if base["net_sales"] <= 0 else None


def _to_date(shop: Shop, grain: str, row: Row, base: Row | None) -> None:
    row["net_sales_prev_to_date"] = row["to_date_growth"] = None
    ended = row["period_end"] < shop.as_of or (row["period_end"] == shop.as_of and shop.as_of_setting)
    if ended or base is None or not base["is_complete"]:
        return
    last = min(base["period"] + (shop.as_of - row["period"]), base["period_end"])
    before = sum((x.net for x in shop.lines if base["period"] <= x.day <= last), ZERO)
    row["net_sales_prev_to_date"] = before
    row["to_date_growth"] = float((row["net_sales"] - before) / before) if before > 0 else None


def by_member(shop: Shop, member: Callable[[Line], str]) -> pd.DataFrame:
    """Month and member: sums and distinct counts of their lines."""
    grouped: dict[tuple[date, str], list[Line]] = defaultdict(list)
    for line in shop.lines:
        grouped[line.day.replace(day=1), member(line)].append(line)
    rows = [
        {
            "month": month,
            "member": name,
            "orders": len({x.order_id for x in lines if x.is_sale}),
            "customers": len({x.customer_id for x in lines if x.is_sale and x.customer_id}),
            "units": sum((x.quantity for x in lines if x.is_sale), ZERO),
            "gross_sales": sum((x.gross for x in lines), ZERO),
            "discounts": sum((x.discounts for x in lines), ZERO),
            "returns": sum((x.returns for x in lines), ZERO),
            "net_sales": sum((x.net for x in lines), ZERO),
        }
        for (month, name), lines in grouped.items()
    ]
    return pd.DataFrame(rows)


def age_of(shop: Shop, customer: Row) -> int | None:
    """Full years at the as-of date, else the age as delivered, else the middle of the band."""
    birth, age = customer.get("birth_date"), customer.get("age")
    if birth and shop.as_of:
        age = shop.as_of.year - birth.year - ((shop.as_of.month, shop.as_of.day) < (birth.month, birth.day))
    if age is not None:
        return age if 0 <= age <= 120 else None
    return {"19-24": 21, "65+": 92, "<18": 9}.get(customer.get("age_band") or "")


def age_group(shop: Shop, customer: Row) -> str:
    """Name of the age group."""
    age = age_of(shop, customer)
    if age is None:
        return "Unknown"
    return next((name for name, (low, high) in GROUPS.items() if low <= age <= high), "66+")


def location(customer: Row) -> str:
    """Place of a customer: in small letters or capitals alone (and no code) it gets capitals at its words."""
    text = " ".join((customer.get("location") or "").split())
    aliases = {"nyc": "New York", "n/a": "Unknown", "": "Unknown", "none": "Unknown"}
    if text.lower() in aliases:
        return aliases[text.lower()]
    if text.islower() or (text.isupper() and len(text) > 3):
        return " ".join(word.capitalize() for word in text.split())
    return text


def twelve_months_before(day: date) -> date:
    """The same day a year earlier; 29 February becomes the 28th."""
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)
