"""Funnels, product conversion and times to purchase, computed anew in plain Python from landed rows.

Here: a second implementation, written from the definitions and not from the SQL; it looks at every view by itself.
Not here: which events and sessions there are (`visits`), popularity, carts and opportunities (`demand`), the comparison
(`tests/integration/test_independent_funnel.py`).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from statistics import median
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.independent.drivers import Kpi
from tests.independent.visits import Visits

Row = dict[str, Any]
Z = 1.959964
DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Act:
    """An event of a visitor, with what is known of it."""

    event_id: str
    kind: str
    at: datetime
    day: date
    visitor: str | None
    session: str | None
    product: str | None
    category: str | None
    is_goods: bool
    sale: str | None
    order: str | None
    quantity: Decimal | None
    value: Decimal | None
    device_type: str
    location: str
    channel: str
    own_device_type: str
    own_location: str

    @property
    def month(self) -> date:
        return self.day.replace(day=1)


class Visit(NamedTuple):
    """A session of a visitor who is no robot."""

    session_id: str
    visitor: str
    customer: str | None
    device_type: str
    location: str
    channel: str
    day: date
    month: date
    ended_at: datetime
    started_at: datetime
    purchases: int


class Behaviour:
    """Events and sessions up to the as-of date, and the spans of time in which they are counted.

    Args:
        landed: Rows of the landed tables.
        parameters: The row of core.parameters.
    """

    def __init__(self, landed: dict[str, list[Row]], parameters: Row) -> None:
        self.kpi = Kpi(landed, parameters)
        self.parameters = parameters
        self.source = Visits(landed, parameters)
        self.small: int = parameters["min_group_size"]
        self.as_of: date | None = self.source.shop.as_of
        self.first: date | None = min((row["occurred_date"] for row in landed["interactions"]), default=None)
        self.is_empty = self.as_of is None or self.first is None or self.first > self.as_of
        self.window = timedelta(hours=24 * parameters["funnel_window_days"])

    @cached_property
    def end(self) -> datetime:
        """Local midnight after the as-of date."""
        assert self.as_of is not None
        zone = ZoneInfo(self.parameters["timezone"])
        return datetime.combine(self.as_of + timedelta(days=1), time(), zone).astimezone(UTC)

    @cached_property
    def visits(self) -> dict[str, Visit]:
        sessions = {row["session_id"]: row for row in self.source.session_rows()}
        found = {}
        for row in self.source.visit_rows():
            s = sessions[row["session_id"]]
            found[row["session_id"]] = Visit(
                row["session_id"],
                row["visitor_id"],
                row["customer_id"],
                row["device_type"],
                row["location"],
                row["channel"],
                self._day(s["started_at"]),
                s["session_month"],
                s["ended_at"],
                s["started_at"],
                s["purchases"],
            )
        return found

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.parameters["timezone"])).date()

    @cached_property
    def every_act(self) -> list[Act]:
        """All events of core.activity."""
        events = {row["event_id"]: row for row in self.source.event_rows()}
        found = []
        for row in self.source.activity_rows():
            e = events[row["event_id"]]
            visit = self.visits.get(e["session_id"] or "")
            found.append(
                Act(
                    e["event_id"],
                    e["event_type"],
                    e["occurred_at"],
                    e["occurred_date"],
                    visit.visitor if visit else row["visitor_id"],
                    e["session_id"],
                    e["product_id"],
                    row["category"],
                    bool(e["product_id"]) and self.kpi.product_type(e["product_id"]) == "goods",
                    e["sale_id"],
                    e["order_id"],
                    e["quantity"],
                    e["value"],
                    visit.device_type if visit else row["device_type"],
                    visit.location if visit else row["location"],
                    visit.channel if visit else "unknown",
                    row["device_type"],
                    row["location"],
                )
            )
        return found

    @cached_property
    def acts(self) -> list[Act]:
        """Those since interactions are recorded."""
        return [] if self.is_empty else [a for a in self.every_act if self.first and a.day >= self.first]

    @cached_property
    def months(self) -> list[date]:
        """First days of the months from the first interaction to the as-of date."""
        if self.is_empty or self.first is None or self.as_of is None:
            return []
        found, month = [], self.first.replace(day=1)
        while month <= self.as_of:
            found.append(month)
            month = (month + timedelta(days=32)).replace(day=1)
        return found

    def is_young(self, moment: datetime) -> bool:
        """Whether the window from a moment on is not over."""
        return moment + self.window > self.end


# --- statistics ----------------------------------------------------------------------------------------------


def ratio(part: float, whole: float) -> float | None:
    """NULL where there is nothing to divide by."""
    return float(part) / float(whole) if whole else None


def wilson(k: int, n: int) -> tuple[float | None, float | None]:
    """95 % score interval of k of n."""
    if not n:
        return None, None
    p, z2 = k / n, Z * Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return (0.0 if k == 0 else centre - half), (1.0 if k == n else centre + half)


def quantile(values: Iterable[float], share: float) -> float | None:
    """Linear interpolation between the two nearest places."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def seconds(span: timedelta) -> float:
    return span.total_seconds()


def grouped(items: Iterable[Any], key: Callable[[Any], Hashable]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return found


def first_since(moments: Sequence[datetime], since: datetime) -> datetime | None:
    """The first of sorted moments at or after one."""
    place = bisect_left(moments, since)
    return moments[place] if place < len(moments) else None


# --- behavior.funnel -----------------------------------------------------------------------------------------


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


# --- behavior.product_conversion -----------------------------------------------------------------------------


class Span(NamedTuple):
    """A period of days."""

    name: str
    month: date | None
    first: date
    last: date

    def holds(self, day: date) -> bool:
        return self.first <= day <= self.last


def spans(found: Behaviour) -> list[Span]:
    """Months, the last 28 days, all time."""
    if found.is_empty or found.as_of is None or found.first is None:
        return []
    months = [
        Span(f"{m:%Y-%m}", m, m, (m + timedelta(days=32)).replace(day=1) - timedelta(days=1)) for m in found.months
    ]
    last = Span("last 28 days", None, found.as_of - timedelta(days=27), found.as_of)
    return [*months, last, Span("all", None, found.first, found.as_of)]


class Pair(NamedTuple):
    """What a visitor's views of one product in a period led to."""

    visitor: str
    product: str
    adds: bool
    cart_buys: bool
    buys: bool
    is_open: bool


def product_conversion(found: Behaviour) -> list[Row]:
    """behavior.product_conversion."""
    goods = [a for a in found.acts if a.is_goods]
    streams = grouped((a for a in goods if a.visitor), lambda a: (a.visitor, a.product))
    rows: list[Row] = []
    categories = {a.category for a in goods if a.kind in ("view", "cart", "purchase")}
    for span in spans(found):
        pairs = [p for key, acts in streams.items() if (p := _pair(found, span, key, acts))]
        own = [a for a in goods if a.kind in ("view", "cart", "purchase") and span.holds(a.day)]
        visits = [v for v in found.visits.values() if _visit_in(span, v)]
        viewed = {a.product for a in own if a.kind == "view"}
        products = grouped((a for a in own if a.product in viewed), lambda a: a.product)
        seen = _seen(found, visits)
        of_category = {p: found.kpi.category(p) for p in {*products, *(pair.product for pair in pairs)}}
        shrunk = _shrunk(pairs, of_category)
        for product, acts in products.items():
            mine = [p for p in pairs if p.product == product]
            sessions = [s for s, (looked_at, _) in seen.items() if product in looked_at]
            with_purchase = [s for s in sessions if product in seen[s][1]]
            row = _converted(found, span, "product", product, mine, acts, len(sessions), len(with_purchase))
            rate, mean, prior = shrunk.get(product, (None, None, None))
            row |= {"product_id": product, "product_name": found.kpi.product_name(product)}
            row |= {
                "category": of_category[product],
                "rate_shrunk": rate,
                "category_rate": mean,
                "prior_viewers": prior,
            }
            rows.append(row)
        for category in categories:
            mine = [p for p in pairs if of_category[p.product] == category]
            acts = [a for a in own if a.category == category]
            sessions = [s for s, sets in seen.items() if any(found.kpi.category(p) == category for p in sets[0])]
            with_purchase = [
                s for s in sessions if any(found.kpi.category(p) == category for p in seen[s][0] & seen[s][1])
            ]
            row = _converted(found, span, "category", str(category), mine, acts, len(sessions), len(with_purchase))
            rows.append({**row, "category": category})
        bought = sum(v.purchases > 0 for v in visits)
        rows.append(_converted(found, span, "all", "all", pairs, own, len(visits), bought))
    _rank_conversions(rows)
    return rows


def _visit_in(span: Span, visit: Visit) -> bool:
    return visit.month == span.month if span.month else span.holds(visit.day)


def _seen(found: Behaviour, visits: list[Visit]) -> dict[str, tuple[set[str], set[str]]]:
    """Goods viewed and goods bought in each of some sessions."""
    wanted = {v.session_id for v in visits}
    seen: dict[str, tuple[set[str], set[str]]] = {}
    for act in found.acts:
        if act.is_goods and act.session in wanted and act.kind in ("view", "purchase"):
            sets = seen.setdefault(str(act.session), (set(), set()))
            sets[act.kind == "purchase"].add(str(act.product))
    return seen


def _pair(found: Behaviour, span: Span, key: tuple[str, str], acts: list[Act]) -> Pair | None:
    views = [a.at for a in acts if a.kind == "view" and span.holds(a.day)]
    if not views:
        return None
    carts = sorted(a.at for a in acts if a.kind == "cart")
    purchases = sorted(a.at for a in acts if a.kind == "purchase")
    adds = cart_buys = buys = False
    for view in views:
        until = view + found.window
        cart = first_since(carts, view)
        if cart and cart <= until:
            adds = True
            bought = first_since(purchases, cart)
            cart_buys |= bool(bought and bought <= until)
        bought = first_since(purchases, view)
        buys |= bool(bought and bought <= until)
    return Pair(*key, adds, cart_buys, buys, any(found.is_young(view) for view in views))


def _converted(
    found: Behaviour, span: Span, scope: str, key: str, pairs: list[Pair], acts: list[Act], sessions: int, bought: int
) -> Row:
    viewers = {p.visitor for p in pairs}
    adders = {p.visitor for p in pairs if p.adds}
    cart_buyers = {p.visitor for p in pairs if p.cart_buys}
    buyers = {p.visitor for p in pairs if p.buys}
    kinds = [a.kind for a in acts]
    low, high = wilson(len(buyers), len(viewers))
    return {
        "scope": scope,
        "key": key,
        "period_name": span.name,
        "month": span.month,
        "product_id": None,
        "product_name": None,
        "category": None,
        "viewers": len(viewers),
        "cart_adders": len(adders),
        "cart_buyers": len(cart_buyers),
        "buyers": len(buyers),
        "viewers_open": len({p.visitor for p in pairs if p.is_open} - buyers),
        "view_to_cart_rate": ratio(len(adders), len(viewers)),
        "cart_to_purchase_rate": ratio(len(cart_buyers), len(adders)),
        "view_to_purchase_rate": ratio(len(buyers), len(viewers)),
        "ci_low": low,
        "ci_high": high,
        "rate_shrunk": None,
        "category_rate": None,
        "prior_viewers": None,
        "rank": None,
        "views": kinds.count("view"),
        "carts": kinds.count("cart"),
        "purchases": kinds.count("purchase"),
        "purchases_per_view": ratio(kinds.count("purchase"), kinds.count("view")),
        "sessions": sessions,
        "sessions_with_purchase": bought,
        "session_conversion": ratio(bought, sessions),
        "low_n": len(viewers) < found.small,
    }


def _shrunk(pairs: list[Pair], of_category: dict[str, str]) -> dict[str, tuple[float, float, float | None]]:
    """Shrunken rate, rate of the category and size of the prior of each product with viewers."""
    counts = {
        product: (len(own), sum(p.buys for p in own)) for product, own in grouped(pairs, lambda p: p.product).items()
    }
    result: dict[str, tuple[float, float, float | None]] = {}
    for products in grouped(counts, lambda product: of_category[product]).values():
        sizes = [counts[p][0] for p in products]
        bought = [counts[p][1] for p in products]
        many, total = len(products), sum(sizes)
        mean = sum(bought) / total
        spread = sum(k * k / n for n, k in zip(sizes, bought, strict=True)) - sum(bought) ** 2 / total
        divisor = total - sum(n * n for n in sizes) / total - (many - 1)
        rho = 0.0
        if divisor > 0 and 0 < mean < 1:
            rho = min(1.0, max(0.0, (spread / (mean * (1 - mean)) - (many - 1)) / divisor))
        for product in products:
            n, k = counts[product]
            rate = (rho * k + (1 - rho) * mean) / (rho * n + 1 - rho)
            result[product] = rate, mean, 1 / rho - 1 if rho else None
    return result


def _rank_conversions(rows: list[Row]) -> None:
    ranked = [r for r in rows if not r["low_n"] and r["ci_low"] is not None and r["scope"] != "all"]
    for own in grouped(ranked, lambda r: (r["scope"], r["period_name"])).values():
        own.sort(key=lambda r: (-float(f"{r['ci_low']:.12g}"), r["category"] or "", r["key"]))
        for place, row in enumerate(own, start=1):
            row["rank"] = place


# --- behavior.time_to_purchase, behavior.purchase_survival -----------------------------------------------------


def time_to_purchase(found: Behaviour) -> list[Row]:
    """behavior.time_to_purchase."""
    goods = [a for a in found.acts if a.is_goods]
    streams = grouped((a for a in goods if a.visitor), lambda a: (a.visitor, a.product))
    lookback = timedelta(hours=24 * found.parameters["purchase_lookback_days"])
    measured = []
    for purchase in (a for a in goods if a.kind == "purchase"):
        acts = streams.get((purchase.visitor, purchase.product), []) if purchase.visitor else []
        earlier = [a.at for a in acts if a.kind == "purchase" and a.at < purchase.at]
        since = max([purchase.at - lookback, *earlier])
        views = [a for a in acts if a.kind == "view" and since < a.at <= purchase.at]
        measured.append((purchase, views))
    scopes: dict[str, Callable[[Act], str | None]] = {
        "all": lambda a: "all",
        "product": lambda a: a.product,
        "category": lambda a: a.category,
        "device_type": lambda a: a.own_device_type,
        "location": lambda a: a.own_location,
    }
    rows = []
    for scope, value_of in scopes.items():
        by_key: dict[str, list[tuple[Act, list[Act]]]] = defaultdict(list)
        for item in measured:
            by_key[str(value_of(item[0]))].append(item)
        for key, own in by_key.items():
            rows += [_timed(found, scope, key, clock, own) for clock in ("first_view", "last_view", "session_start")]
    return rows


def _timed(found: Behaviour, scope: str, key: str, clock: str, own: list[tuple[Act, list[Act]]]) -> Row:
    times = []
    for purchase, views in own:
        if clock == "session_start":
            visit = found.visits.get(purchase.session or "")
            if visit:
                times.append(max(0.0, seconds(purchase.at - visit.started_at)))
        elif views:
            moments = [v.at for v in views]
            times.append(seconds(purchase.at - (min(moments) if clock == "first_view" else max(moments))))
    with_views = [views for _, views in own if views] if clock != "session_start" else []
    row: Row = {
        "scope": scope,
        "key": key,
        "clock": clock,
        "product_id": key if scope == "product" else None,
        "product_name": found.kpi.product_name(key) if scope == "product" else None,
        "category": found.kpi.category(key) if scope == "product" else key if scope == "category" else None,
        "purchases": len(own),
        "purchases_without_view": sum(not views for _, views in own),
        "n": len(times),
        "mean_seconds": sum(times) / len(times) if times else None,
        "mean_views_before": ratio(sum(map(len, with_views)), len(with_views)),
        "mean_sessions_before": ratio(sum(len({v.session for v in views}) for views in with_views), len(with_views)),
        "low_n": len(times) < found.small,
    }
    for name, share in (("p25", 0.25), ("median", 0.5), ("p75", 0.75), ("p90", 0.9)):
        row[f"{name}_seconds"] = quantile(times, share)
    return row


def purchase_survival(found: Behaviour) -> list[Row]:
    """behavior.purchase_survival."""
    last: int = found.parameters["purchase_lookback_days"]
    streams = grouped((a for a in found.acts if a.is_goods and a.visitor), lambda a: (a.visitor, a.product))
    viewers: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    for acts in streams.values():
        views = [a.at for a in acts if a.kind == "view"]
        if not views:
            continue
        start = min(views)
        followed = min(last, (found.end - start) // DAY)
        bought = first_since(sorted(a.at for a in acts if a.kind == "purchase"), start)
        day = (bought - start) // DAY + 1 if bought else None
        counts = day is not None and day <= followed
        for key in ("", str(acts[0].category)):
            viewers[key].append((day if counts and day else followed, counts))
    rows = []
    for key, own in viewers.items():
        rows += _curve(found, "category" if key else "all", key or "all", own, last)
    return rows


def _curve(found: Behaviour, scope: str, key: str, own: list[tuple[int, bool]], last: int) -> list[Row]:
    rows: list[Row] = []
    survival, spread = 1.0, 0.0
    for day in range(last + 1):
        at_risk = sum(until >= day for until, _ in own)
        buyers = sum(bought and until == day for until, bought in own) if day else 0
        if day and at_risk:
            survival *= 1 - buyers / at_risk
            if at_risk > buyers:
                spread += buyers / (at_risk * (at_risk - buyers))
        known = at_risk > 0
        low = high = None
        if known and 0 < survival < 1:
            half = Z * math.sqrt(spread) / abs(math.log(survival))
            low, high = survival ** math.exp(half), survival ** math.exp(-half)
        rows.append(
            {
                "scope": scope,
                "key": key,
                "days_since_view": day,
                "viewers": len(own),
                "at_risk": at_risk,
                "buyers": buyers,
                "survival": survival if known else None,
                "ci_low": low,
                "ci_high": high,
                "share_bought": 1 - survival if known else None,
                "low_n": len(own) < found.small,
            }
        )
    half_bought = [r["days_since_view"] for r in rows if r["survival"] is not None and r["survival"] <= 0.5]
    return [{**row, "median_days": min(half_bought, default=None)} for row in rows]
