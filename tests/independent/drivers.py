"""The tables of kpi about growth, returns, channels and codes, computed anew in plain Python from landed rows.

Here: a second implementation, written from the definitions and not from the SQL, slow and simple; each function gives
the rows of one table. Not here: periods and members (`metrics`), visits (`visits`), comparisons of groups of orders
and customers (`comparisons`), the comparison with the SQL (`tests/integration`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import pairwise, permutations
from statistics import median
from typing import Any

import pandas as pd

from tests.independent import metrics, visits
from tests.independent.metrics import ZERO, Line, Order

Row = dict[str, Any]
GRAINS = ("day", "week", "month", "quarter", "year")
CENT = Decimal("0.0001")


def ratio(part: Any, whole: Any) -> float | None:
    """Their quotient; None without a whole."""
    return float(part) / float(whole) if whole else None


def share(part: Any, whole: Any) -> float | None:
    """Part of a total, which must be positive."""
    return float(part) / float(whole) if whole > 0 else None


def money(part: Any, whole: Any = 1) -> Decimal | None:
    """A quotient as money; None without a whole."""
    return (Decimal(part) / Decimal(whole)).quantize(CENT) if whole else None


def total(lines: Iterable[Line], figure: str) -> Decimal:
    """The sum of an amount over lines."""
    return sum((getattr(line, figure) for line in lines), ZERO)


class Kpi:
    """A shop with what these tables need to know of it.

    Args:
        landed: Rows of the landed tables.
        parameters: The row of core.parameters.
    """

    def __init__(self, landed: dict[str, list[Row]], parameters: Row) -> None:
        self.landed, self.parameters = landed, parameters
        self.shop = metrics.Shop(landed, parameters["as_of_date"])
        self.raw = {row["sale_id"]: row for row in landed["sales"]}
        self.products = {row["product_id"]: row for row in landed["products"]}
        self.stores = {row["store_id"]: row for row in landed["stores"]}
        self.small: int = parameters["min_group_size"]

    @property
    def as_of(self) -> date:
        assert self.shop.as_of is not None
        return self.shop.as_of

    @property
    def is_empty(self) -> bool:
        return self.shop.as_of is None or self.shop.begin > self.shop.as_of

    @cached_property
    def last_complete_day(self) -> date:
        """The as-of date where it was set, else the day before."""
        return self.as_of if self.parameters["as_of_date"] else self.as_of - timedelta(days=1)

    @cached_property
    def lines(self) -> list[Line]:
        return self.shop.lines

    @cached_property
    def orders(self) -> dict[str, Order]:
        return {order.order_id: order for order in self.shop.orders}

    @cached_property
    def by_customer(self) -> dict[str, list[Order]]:
        return self.shop.orders_by_customer()

    @cached_property
    def net_by_customer(self) -> dict[str, Decimal]:
        return {c: net for c, net in self.shop.net_by_customer().items() if c is not None}

    @cached_property
    def visits(self) -> visits.Visits:
        return visits.Visits(self.landed, self.parameters)

    @cached_property
    def order_of_sale(self) -> dict[str, Order]:
        return {line.sale_id: order for order in self.orders.values() for line in order.lines}

    def order_of_return(self, line: Line) -> Order | None:
        """The order of the line that a return names, else the order whose number it bears."""
        return self.order_of_sale.get(line.original or "") or self.orders.get(line.order_id)

    @cached_property
    def outliers(self) -> set[str]:
        """Orders of an unusual value."""
        return {row["row_key"] for row in self.visits.outlier_rows() if row["variable"] == "order_value"}

    def is_reactivating(self, order: Order, first: date) -> bool:
        """Whether a customer who is not new in the period comes back with it after long."""
        if not order.customer or order.number == 1:
            return False
        orders = sorted(self.by_customer[order.customer], key=lambda o: o.number or 0)
        before = orders[(order.number or 0) - 2].day
        months = metrics.shifted("month", before.replace(day=1), self.parameters["inactive_after_months"])
        last = (metrics.shifted("month", months, 1) - timedelta(days=1)).day
        return orders[0].day < first and order.day > months.replace(day=min(before.day, last))

    def category(self, product_id: str) -> str:
        return (self.products.get(product_id, {}).get("category") or "").split("/")[0].strip() or "Unknown"

    def product_name(self, product_id: str) -> str:
        return self.products.get(product_id, {}).get("product_name") or product_id

    def product_type(self, product_id: str) -> str:
        return self.products.get(product_id, {}).get("product_type") or "goods"

    def channel(self, store_id: str) -> str:
        given = self.stores.get(store_id, {}).get("channel")
        return "online" if store_id == "__online__" else given or "store"

    def store_name(self, store_id: str) -> str:
        if store_id == "__online__":
            return "Online shop"
        return self.stores.get(store_id, {}).get("store_name") or store_id

    def said(self, line: Line, name: str) -> Any:
        """What a line says; a return that does not say it takes it from the line that it gives back."""
        given = self.raw[line.sale_id].get(name)
        if given is None and not line.is_sale and line.original in self.order_of_sale:
            given = self.raw[line.original or ""].get(name)
        return given

    def is_discounted(self, line: Line) -> bool:
        """Something was taken off, or the source says so without the amount."""
        return line.discount > 0 or self.discount_is_unknown(line)

    def discount_is_unknown(self, line: Line) -> bool:
        raw = self.raw[line.sale_id]
        return raw.get("discount_amount") is None and bool(raw.get("discount_applied"))

    def is_censored(self, first: date) -> bool:
        """Whether a period begins in the first month of the sales, or before."""
        days = [metrics.complete(row) for row in self.landed["sales"]]
        begin = min((line.day for line in days if line.valid), default=None)
        if begin is None or self.parameters["data_begin_is_shop_begin"]:
            return False
        return first < metrics.shifted("month", begin.replace(day=1), 1)

    def periods(self, grain: str) -> list[tuple[date, date]]:
        """First and last day of every period from the first day of the data to the as-of date."""
        if self.is_empty:
            return []
        found, first = [], metrics.start_of(grain, self.shop.begin)
        while first <= self.as_of:
            following = metrics.shifted(grain, first, 1)
            found.append((first, following - timedelta(days=1)))
            first = following
        return found


# --- periods -------------------------------------------------------------------------------------------------


def periods(kpi: Kpi) -> list[Row]:
    """kpi.periods."""
    return [row for grain in GRAINS for row in _periods(kpi, grain)]


def _periods(kpi: Kpi, grain: str) -> list[Row]:
    if kpi.is_empty:
        return []
    returned = {
        row["period"]: {name: value for name, value in row.items() if "unit" not in name}
        for row in return_rates(kpi)
        if row["grain"] == grain
    }
    rows = {}
    for first, row in metrics.periods(kpi.shop, grain).to_dict("index").items():
        plain = {name: None if pd.isna(value) else value for name, value in row.items()}
        rows[first] = {"grain": grain, "period": first, **plain, **_more(kpi, first, plain), **returned[first]}
    for first, row in rows.items():
        _compare_new(row, rows.get(metrics.shifted(grain, first, -1)), "prev", "growth")
        _compare_new(row, rows.get(metrics.year_ago(grain, first)), "year_ago", "yoy")
    return list(rows.values())


def _more(kpi: Kpi, first: date, row: Row) -> Row:
    orders = [o for o in kpi.orders.values() if first <= o.day <= row["period_end"]]
    usual = [o for o in orders if o.order_id not in kpi.outliers]
    value = row["gross_sales"] - row["discounts"]
    joined = [c["join_date"] for c in kpi.landed["customers"] if c.get("join_date")]
    days = [day.date() if isinstance(day, datetime) else day for day in joined]
    return {
        "is_left_censored": kpi.is_censored(first),
        "discount_rate": ratio(row["discounts"], row["gross_sales"]),
        "units_per_order": ratio(row["units"], row["orders"]),
        "price_per_unit": money(value, row["units"]),
        "outlier_orders": len(orders) - len(usual),
        "aov_ex_outliers": money(sum((o.value for o in usual), ZERO), len(usual)),
        "reactivated_customers": len({o.customer for o in orders if kpi.is_reactivating(o, first)}),
        "registrations": sum(first <= day <= min(row["period_end"], kpi.as_of) for day in days) if days else None,
        "orders_per_customer": ratio(row["orders"] - row["guest_orders"], row["active_customers"]),
    }


def _compare_new(row: Row, base: Row | None, value: str, change: str) -> None:
    before = base["new_customers"] if base else None
    row[f"new_customers_{value}"] = before
    if value == "prev":
        row["new_customers_change"] = None if before is None else row["new_customers"] - before
    usable = base and before and base["is_complete"] and row["is_complete"] and not base["is_left_censored"]
    row[f"new_customers_{change}"] = (row["new_customers"] - before) / before if usable and before else None


# --- customers over time -------------------------------------------------------------------------------------


def lifecycle(kpi: Kpi) -> list[Row]:
    """kpi.lifecycle."""
    rows = []
    for grain in ("week", "month"):
        before: set[str] = set()
        ever: set[str] = set()
        for first, last in kpi.periods(grain):
            now = {o.customer for o in kpi.orders.values() if o.customer and first <= o.day <= last}
            new, kept, gone = now - ever, now & before, before - now
            back = now - new - kept
            rows.append(
                {
                    "grain": grain,
                    "period": first,
                    "period_end": last,
                    "is_complete": kpi.shop.is_complete(first, last),
                    "is_left_censored": kpi.is_censored(first),
                    "active_customers_prev": len(before),
                    "new_customers": len(new),
                    "retained_customers": len(kept),
                    "resurrecting_customers": len(back),
                    "dormant_customers": -len(gone),
                    "active_customers": len(now),
                    "retained_share": ratio(len(kept), len(before)),
                    "quick_ratio": ratio(len(new) + len(back), len(gone)),
                }
            )
            before, ever = now, ever | now
    return rows


def stickiness(kpi: Kpi) -> list[Row]:
    """kpi.stickiness."""
    if kpi.is_empty:
        return []
    day_after = kpi.last_complete_day + timedelta(days=1)
    month_end = day_after.replace(day=1) - timedelta(days=1)
    year_begin = metrics.shifted("month", month_end.replace(day=1), -11)
    months: dict[str, set[date]] = defaultdict(set)
    for order in kpi.orders.values():
        if order.customer and year_begin <= order.day <= month_end:
            months[order.customer].add(order.day.replace(day=1))
    first = kpi.last_complete_day - timedelta(days=27)
    days: dict[str, set[date]] = defaultdict(set)
    dates = {session.session_id: session.first.day for session in kpi.visits.sessions}
    for row in kpi.visits.visit_rows():
        day = dates[row["session_id"]]
        if first <= day <= kpi.last_complete_day:
            days[row["visitor_id"]].add(day)
    return [
        *_stuck(kpi, "customers", "month", 12, (year_begin, month_end), months),
        *_stuck(kpi, "visitors", "day", 28, (first, kpi.last_complete_day), days),
    ]


def _stuck(
    kpi: Kpi, audience: str, length: str, most: int, window: tuple[date, date], active: dict[str, set[date]]
) -> list[Row]:
    counts = Counter(len(found) for found in active.values())
    rows = []
    for number in range(1, most + 1) if active else ():
        at_least = sum(n for times, n in counts.items() if times >= number)
        rows.append(
            {
                "audience": audience,
                "active_periods": number,
                "period_length": length,
                "window_begin": window[0],
                "window_end": window[1],
                "members": counts[number],
                "audience_size": len(active),
                "share": ratio(counts[number], len(active)),
                "members_at_least": at_least,
                "share_at_least": ratio(at_least, len(active)),
                "low_n": len(active) < kpi.small,
            }
        )
    return rows


# --- why sales changed ---------------------------------------------------------------------------------------


def shapley(before: Sequence[float], after: Sequence[float]) -> list[float]:
    """Effects of the factors of a product: their mean change of it over all orders of switching."""
    effects = [0.0] * len(before)
    orders = list(permutations(range(len(before))))
    for order in orders:
        state = list(before)
        for place in order:
            old = math.prod(state)
            state[place] = after[place]
            effects[place] += (math.prod(state) - old) / len(orders)
    return effects


def growth_drivers(kpi: Kpi) -> list[Row]:
    """kpi.growth_drivers."""
    rows = []
    months = kpi.periods("month")
    for (before, before_end), (now, now_end) in pairwise(months):
        if kpi.shop.is_complete(before, before_end) and kpi.shop.is_complete(now, now_end):
            rows += _change(kpi, (before, before_end), (now, now_end))
    return rows


def _change(kpi: Kpi, before: tuple[date, date], now: tuple[date, date]) -> list[Row]:
    (active0, factors0, guests0, lost0, net0), (active1, factors1, guests1, lost1, net1) = (
        _factors(kpi, *month) for month in (before, now)
    )
    known0, known1 = factors0 or factors1 or (0.0, 0.0), factors1 or factors0 or (0.0, 0.0)
    effects = shapley([active0, *known0], [active1, *known1])
    drivers: list[tuple[str, Any, Any, float]] = [
        ("active_customers", active0, active1, effects[0]),
        ("orders_per_customer", factors0 and factors0[0], factors1 and factors1[0], effects[1]),
        ("net_value_per_order", factors0 and factors0[1], factors1 and factors1[1], effects[2]),
        ("guests", float(guests0), float(guests1), float(guests1 - guests0)),
    ]
    if lost0 or lost1:
        drivers.append(("returns_without_orders", float(lost0), float(lost1), float(lost1 - lost0)))
    return [
        {
            "period": now[0],
            "driver": name,
            "previous_period": before[0],
            "value_before": value0,
            "value_after": value1,
            "effect": effect,
            "share_of_change": ratio(effect, net1 - net0),
            "net_sales_prev": net0,
            "net_sales": net1,
            "net_sales_change": net1 - net0,
        }
        for name, value0, value1, effect in drivers
    ]


def _factors(kpi: Kpi, first: date, last: date) -> tuple[int, tuple[float, float] | None, Decimal, Decimal, Decimal]:
    """Active customers, orders of each and net value of these; net of guests; net without orders; net of all."""
    lines = [line for line in kpi.lines if first <= line.day <= last]
    orders = [o for o in kpi.orders.values() if o.customer and first <= o.day <= last]
    guests = total((line for line in lines if line.customer_id is None), "net")
    net = total(lines, "net")
    active = len({o.customer for o in orders})
    if not active:
        return 0, None, guests, net - guests, net
    return active, (len(orders) / active, float(net - guests) / len(orders)), guests, ZERO, net


def return_rates(kpi: Kpi) -> list[Row]:
    """kpi.return_rates."""
    returned = [line for line in kpi.lines if not line.is_sale]
    return [_returned(kpi, grain, *period, returned) for grain in GRAINS for period in kpi.periods(grain)]


def _returned(kpi: Kpi, grain: str, first: date, last: date, returned: list[Line]) -> Row:
    booked = [line for line in returned if first <= line.day <= last + timedelta(days=60)]
    traced = [line for line in booked if kpi.order_of_return(line)]
    known = total(traced, "returns") * 2 >= total(booked, "returns")
    row: Row = {
        "grain": grain,
        "period": first,
        "period_end": last,
        "returns_to_link": total(booked, "returns"),
        "returns_linked": total(traced, "returns"),
        "linked_return_share": ratio(total(traced, "returns"), total(booked, "returns")),
    }
    orders = {o.order_id: o for o in kpi.orders.values() if first <= o.day <= last}
    for suffix, within in (("", None), ("_30d", 30), ("_60d", 60)):
        old = [o for o in orders.values() if within is None or o.day + timedelta(days=within) <= kpi.as_of]
        ripe = known and (within is None or last + timedelta(days=within) <= kpi.as_of)
        ids = {o.order_id for o in old}
        came = []
        for line in returned:
            order = kpi.order_of_return(line)
            if order and order.order_id in ids and (within is None or (line.day - order.day).days <= within):
                came.append(line)
        value, units = sum((o.value for o in old), ZERO), sum((x.quantity for o in old for x in o.lines), ZERO)
        back = sum((-x.quantity for x in came), ZERO)
        row |= {
            f"ordered_value{suffix}": value,
            f"returned_value{suffix}": total(came, "returns"),
            f"return_rate{suffix}": ratio(total(came, "returns"), value) if ripe else None,
            f"ordered_units{suffix}": units,
            f"returned_units{suffix}": back,
            f"unit_return_rate{suffix}": ratio(back, units) if ripe else None,
        }
    return row


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
