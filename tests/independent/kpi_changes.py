"""Why sales changed and what came back, recomputed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise, permutations
from typing import Any

from tests.independent.kpi import GRAINS, Kpi, Row, ratio, total
from tests.independent.metrics import ZERO, Line


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
