"""behavior.funnel, recomputed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from datetime import date, datetime
from statistics import median
from typing import Any, NamedTuple

from tests.independent.funnels_acts import Act, Behaviour, Row, first_since, grouped, ratio, seconds, wilson


class Attempt(NamedTuple):
    """How far a view led: moments of the steps reached."""

    view: Act
    moments: tuple[datetime, ...]
    is_young: bool

    @property
    def order(self) -> tuple[Any, ...]:
        """The deepest first, then the earliest; equal moments by device, place and channel."""
        view = self.view
        return -len(self.moments), view.at, view.device_type, view.location, view.channel


SCOPES = ("session", "visitor", "visitor_product")
BREAKDOWNS: dict[str, Callable[[Act], str | None]] = {
    "all": lambda act: "all",
    "device_type": lambda act: act.device_type,
    "location": lambda act: act.location,
    "channel": lambda act: act.channel,
    "category": lambda act: act.category,
}


def unit_of(scope: str, act: Act) -> Hashable | None:
    """Within what an event finds the others of its way; None for one that belongs to no unit."""
    if scope == "session":
        return act.session
    if act.visitor is None:
        return None
    return act.visitor if scope == "visitor" else (act.visitor, act.product)


def funnel(found: Behaviour) -> list[Row]:
    """behavior.funnel."""
    rows = []
    for scope in SCOPES:
        acts = [a for a in found.acts if a.is_goods] if scope == "visitor_product" else found.acts
        streams = _streams(scope, acts)
        purchases = [(p, *_without(found, scope, p, streams)) for p in acts if p.kind == "purchase"]
        for cart_optional in (False, True):
            units = _units(found, scope, cart_optional, streams)
            rows += _funnel_rows(found, scope, cart_optional, units, purchases)
    return rows


def _streams(scope: str, acts: list[Act]) -> dict[Hashable, list[Act]]:
    return grouped((a for a in acts if unit_of(scope, a) is not None), lambda act: unit_of(scope, act))


def _units(
    found: Behaviour, scope: str, cart_optional: bool, streams: dict[Hashable, list[Act]]
) -> dict[date, list[Attempt]]:
    """The attempt of each unit that counts, by the month of its view."""
    result: dict[date, list[Attempt]] = defaultdict(list)
    for acts in streams.values():
        carts = sorted(a.at for a in acts if a.kind == "cart")
        buys = sorted(a.at for a in acts if a.kind == "purchase")
        views = [a for a in acts if a.kind == "view"]
        for month, own in grouped(views, lambda a: a.month).items():
            attempts = [_attempt(found, scope, cart_optional, view, carts, buys) for view in own]
            result[month].append(min(attempts, key=lambda attempt: attempt.order))
    return result


def _attempt(
    found: Behaviour, scope: str, cart_optional: bool, view: Act, carts: list[datetime], buys: list[datetime]
) -> Attempt:
    until = view.at + found.window
    young = scope != "session" and found.is_young(view.at)
    moments = [view.at]
    since: datetime | None = view.at
    for steps in (buys,) if cart_optional else (carts, buys):
        since = first_since(steps, since) if since else None
        if since is None or since > until:
            break
        moments.append(since)
    return Attempt(view, tuple(moments), young)


def _without(found: Behaviour, scope: str, purchase: Act, streams: dict[Hashable, list[Act]]) -> tuple[bool, bool]:
    """Whether a purchase has no view in the window before it, and whether it has one but no cart between."""
    unit = unit_of(scope, purchase)
    acts = streams[unit] if unit is not None else []
    since = purchase.at - found.window
    views = [a.at for a in acts if a.kind == "view" and since <= a.at <= purchase.at]
    if not views:
        return True, False
    carts = [a.at for a in acts if a.kind == "cart" and min(views) <= a.at <= purchase.at]
    return False, not carts


def _funnel_rows(
    found: Behaviour,
    scope: str,
    cart_optional: bool,
    units: dict[date, list[Attempt]],
    purchases: list[tuple[Act, bool, bool]],
) -> list[Row]:
    rows = []
    steps = ("view", "purchase") if cart_optional else ("view", "cart", "purchase")
    periods: list[tuple[date | None, list[date]]] = [(month, [month]) for month in found.months]
    if found.months:
        periods.append((None, found.months))
    for breakdown, value_of in BREAKDOWNS.items():
        if breakdown == "category" and scope != "visitor_product":
            continue
        by_value: dict[str | None, list[Attempt]] = defaultdict(list)
        for attempt in (a for attempts in units.values() for a in attempts):
            by_value[value_of(attempt.view)].append(attempt)
        bought: dict[str | None, list[tuple[Act, bool, bool]]] = defaultdict(list)
        for item in purchases:
            bought[value_of(item[0])].append(item)
        for value in {"all"} if breakdown == "all" else {*by_value, *bought}:
            for month, months in periods:
                own = [a for a in by_value.get(value, []) if a.view.month in months]
                theirs = [p for p in bought.get(value, []) if p[0].month in months]
                key = {
                    "scope": scope,
                    "cart_optional": cart_optional,
                    "period_name": f"{month:%Y-%m}" if month else "all",
                    "month": month,
                    "breakdown": breakdown,
                    "breakdown_value": value,
                }
                for number, step in enumerate(steps, start=1):
                    rows.append({**key, "step_number": number, "step": step, **_step(found, own, theirs, number, step)})
    return rows


def _step(
    found: Behaviour, units: list[Attempt], purchases: list[tuple[Act, bool, bool]], number: int, step: str
) -> Row:
    reached = [a for a in units if len(a.moments) >= number]
    before = sum(len(a.moments) >= number - 1 for a in units) if number > 1 else None
    times = [seconds(a.moments[number - 1] - a.moments[number - 2]) for a in reached] if number > 1 else []
    mature = [a for a in units if not a.is_young]
    low, high = wilson(len(reached), len(units))
    step_low, step_high = wilson(len(reached), before) if before is not None else (None, None)
    is_purchase = step == "purchase"
    return {
        "units_started": len(units),
        "units_previous": before,
        "units_reached": len(reached),
        "dropped": before - len(reached) if before is not None else None,
        "step_conversion": ratio(len(reached), before) if before is not None else None,
        "step_ci_low": step_low,
        "step_ci_high": step_high,
        "overall_conversion": ratio(len(reached), len(units)),
        "ci_low": low,
        "ci_high": high,
        "median_seconds": median(times) if times else None,
        "mean_seconds": sum(times) / len(times) if times else None,
        "units_open": sum(a.is_young for a in units if len(a.moments) < number),
        "units_mature": len(mature),
        "units_reached_mature": sum(len(a.moments) >= number for a in mature),
        "overall_conversion_mature": ratio(sum(len(a.moments) >= number for a in mature), len(mature)),
        "purchases": len(purchases) if is_purchase else None,
        "orphan_purchases": sum(p[1] for p in purchases) if is_purchase else None,
        "direct_purchases": sum(p[2] for p in purchases) if is_purchase else None,
        "attribution": "first_touch",
        "low_n": len(units) < found.small,
    }
