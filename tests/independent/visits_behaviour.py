"""The tables of behavior about days, hours, visitors and time on pages, computed anew in plain Python.

Here: a second implementation, written from the definitions and not from the SQL, which walks over the rows of
core.activity, core.visits, core.orders and core.sales as built (`visits` and `metrics` recompute those); each function
gives the rows of one table. Not here: paths and pages (`visits_paths`), comparisons of members (`visits_effects`),
what goes wrong (`visits_friction`), the comparison with the SQL (`tests/integration`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import median, pstdev
from typing import Any
from zoneinfo import ZoneInfo

from tests.independent.kpi import Row, ratio
from tests.independent.statistics import wilson

Rows = list[Row]
ZERO = Decimal(0)
KINDS = ("visit", "view", "search", "cart", "remove_from_cart", "wishlist", "checkout", "purchase")
CLASSES = ("single", "lapsed", "occasional", "regular", "frequent", "heavy")
DAY_PARTS = ("night", "morning", "afternoon", "evening")


class Behaviour:
    """The rows from which the tables are made.

    Args:
        rows: Gives the rows of a table of core.
        parameters: The row of core.parameters.
    """

    def __init__(self, rows: Callable[[str], Rows], parameters: Row) -> None:
        self.parameters = parameters
        self.small: int = parameters["min_group_size"]
        self.zone = ZoneInfo(parameters["timezone"])
        self.clock = rows("core.clock")[0]
        self.as_of: date | None = self.clock["as_of_date"]
        self.activity, self.visits = rows("core.activity"), rows("core.visits")
        self.sales, self.orders = rows("core.sales"), rows("core.orders")
        self.stores = {row["store_id"]: row for row in rows("core.stores")}
        self.products = {row["product_id"]: row for row in rows("core.products")}
        self.by_session = {row["session_id"]: row for row in self.visits}
        tracked = [row["occurred_date"] for row in self.activity if row["event_source"] == "interaction"]
        self.first_tracked: date | None = min(tracked, default=None)

    @property
    def tracked(self) -> Rows:
        """Events since the tracker was there."""
        first = self.first_tracked
        return [row for row in self.activity if first is not None and row["occurred_date"] >= first]

    def days(self, first: date | None) -> list[date]:
        """Every day up to the as-of date."""
        if first is None or self.as_of is None:
            return []
        return [first + timedelta(days=n) for n in range((self.as_of - first).days + 1)]

    def local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone)

    def has_counted(self, day: date) -> bool:
        return self.as_of is not None and day <= self.as_of


# --- helpers -------------------------------------------------------------------------------------------------


def grouped(rows: Iterable[Row], *names: str) -> dict[Any, Rows]:
    """Rows by the value of a column, or by the tuple of several."""
    found: dict[Any, Rows] = defaultdict(list)
    for row in rows:
        found[row[names[0]] if len(names) == 1 else tuple(row[name] for name in names)].append(row)
    return found


def known(rows: Iterable[Row], name: str) -> set[Any]:
    """Distinct values that are not NULL."""
    return {row[name] for row in rows if row[name] is not None}


def summed(rows: Iterable[Row], name: str) -> Any:
    return sum((row[name] for row in rows), 0 * ZERO if name in ("net_sales", "duration_seconds") else 0)


def quantile(values: Iterable[Any], part: float) -> float | None:
    """The quantile by linear interpolation between the values beside it."""
    ordered = sorted(float(value) for value in values)
    if not ordered:
        return None
    place = part * (len(ordered) - 1)
    low = math.floor(place)
    rest = place - low
    return ordered[low] + (rest * (ordered[low + 1] - ordered[low]) if rest else 0.0)


def interval(k: float, n: int, low: str = "ci_low", high: str = "ci_high") -> Row:
    return dict(zip((low, high), wilson(k, n), strict=True))


def converted(visits: Iterable[Row]) -> int:
    return sum(row["purchases"] > 0 for row in visits)


def most(values: Iterable[int]) -> int:
    """The most frequent value, the smallest among equals."""
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value))


# --- days and customers --------------------------------------------------------------------------------------


def daily(shop: Behaviour) -> Rows:
    """behavior.daily."""
    found = grouped(shop.tracked, "occurred_date", "event_type")
    return [
        {
            "day": day,
            "event_type": kind,
            "events": len(rows := found.get((day, kind), [])),
            "visitors": len(known(rows, "visitor_id")),
            "customers": len(known(rows, "customer_id")),
            "products": len(known(rows, "product_id")),
        }
        for day in shop.days(shop.first_tracked)
        for kind in KINDS
    ]


def customers(shop: Behaviour) -> Rows:
    """behavior.customers."""
    visits = grouped(shop.visits, "customer_id")
    names = ("visits", "views", "searches", "carts", "removes", "wishlists", "checkouts", "purchases")
    rows = []
    for customer, events in grouped(shop.tracked, "customer_id").items():
        if customer is None:
            continue
        counts = Counter(event["event_type"] for event in events)
        rows.append(
            {
                "customer_id": customer,
                "sessions": len(visits.get(customer, [])),
                "active_days": len(known(visits.get(customer, []), "session_date")),
                "events": len(events),
                **{name: counts[kind] for name, kind in zip(names, KINDS, strict=True)},
                "products_viewed": len(known((e for e in events if e["event_type"] == "view"), "product_id")),
                "products_bought": len(known((e for e in events if e["event_type"] == "purchase"), "product_id")),
                "first_event_at": min(event["occurred_at"] for event in events),
                "last_event_at": max(event["occurred_at"] for event in events),
            }
        )
    return rows


def sessions_daily(shop: Behaviour) -> Rows:
    """behavior.sessions_daily."""
    by_day = grouped(shop.visits, "session_date")
    first = {key: min(v["session_date"] for v in found) for key, found in grouped(shop.visits, "visitor_id").items()}
    rows = []
    for day in shop.days(min(by_day, default=None)):
        own = by_day.get(day, [])
        visitors = known(own, "visitor_id")
        bounces, engaged = (sum(visit[name] for visit in own) for name in ("is_bounce", "is_engaged"))
        pages, seconds = summed(own, "visits") + summed(own, "views"), summed(own, "duration_seconds")
        rows.append(
            {
                "day": day,
                "is_complete": day != shop.as_of or shop.clock["as_of_is_set"],
                "sessions": len(own),
                "visitors": len(visitors),
                "new_visitors": sum(first[visitor] == day for visitor in visitors),
                "customers": len(known(own, "customer_id")),
                "bounces": bounces,
                "bounce_rate": ratio(bounces, len(own)),
                "engaged_sessions": engaged,
                "engaged_rate": ratio(engaged, len(own)),
                "events": summed(own, "events"),
                "pages": pages,
                "pages_per_session": ratio(pages, len(own)),
                "views": summed(own, "views"),
                "carts": summed(own, "carts"),
                "total_seconds": seconds,
                "mean_duration_seconds": ratio(seconds, len(own)),
                "median_duration_seconds": quantile((visit["duration_seconds"] for visit in own), 0.5),
                "converted_sessions": converted(own),
                "session_conversion": ratio(converted(own), len(own)),
                **interval(converted(own), len(own)),
                "orders": summed(own, "orders"),
                "net_sales": summed(own, "net_sales"),
            }
        )
    return rows


# --- hours of the week ---------------------------------------------------------------------------------------

Cells = dict[tuple[int, int], Decimal]


def peak_times(shop: Behaviour) -> Rows:
    """behavior.peak_times."""
    events, sold = shop.first_tracked, shop.clock["first_sale_date"]
    rows = _measure(shop, "all", events, [(row["occurred_at"], 1) for row in shop.tracked])
    for kind in KINDS:
        own = [(row["occurred_at"], 1) for row in shop.tracked if row["event_type"] == kind]
        rows += _measure(shop, kind, events, own)
    orders = [row for row in shop.orders if shop.has_counted(row["order_date"])]
    lines = [row for row in shop.sales if row["is_valid"] and shop.has_counted(row["sold_date"])]
    for prefix, counts in (("", lambda _: True), ("online_", lambda row: _channel(shop, row) != "store")):
        ordered = [(row["ordered_at"], 1) for row in orders if counts(row)]
        rows += _measure(shop, f"{prefix}orders", sold, ordered)
        rows += _measure(
            shop, f"{prefix}net_sales", sold, [(row["sold_at"], row["net_sales"]) for row in lines if counts(row)]
        )
    return rows


def _channel(shop: Behaviour, row: Row) -> str | None:
    return shop.stores.get(row["store_id"], {}).get("channel")


def _measure(shop: Behaviour, name: str, first: date | None, found: Sequence[tuple[datetime, Any]]) -> Rows:
    if first is None or shop.as_of is None or first > shop.as_of:
        return []
    hours: Counter[tuple[int, int]] = Counter()
    at = datetime(first.year, first.month, first.day, tzinfo=shop.zone).astimezone(UTC)
    while shop.local(at).date() <= shop.as_of:
        hours[_cell(shop, at)] += 1
        at += timedelta(hours=1)
    totals: Cells = defaultdict(lambda: ZERO)
    for moment, amount in found:
        totals[_cell(shop, moment)] += amount
    rates = {
        (weekday, hour): ratio(totals[weekday, hour], hours[weekday, hour])
        for weekday in range(1, 8)
        for hour in range(24)
    }
    best = max((rate for rate in rates.values() if rate is not None), default=0.0)
    peak = min((cell for cell, rate in rates.items() if rate == best and best > 0), default=None)
    of_all = sum(totals.values(), ZERO)
    return [
        {
            "event_type": name,
            "iso_weekday": cell[0],
            "hour": cell[1],
            "total": totals[cell],
            "share": ratio(totals[cell], of_all),
            "hours": hours[cell],
            "per_hour": rate,
            "z_score": _z(rate, [r for other, r in rates.items() if other[0] == cell[0] and r is not None]),
            "is_peak": cell == peak,
        }
        for cell, rate in rates.items()
    ]


def _cell(shop: Behaviour, moment: datetime) -> tuple[int, int]:
    local = shop.local(moment)
    return local.isoweekday(), local.hour


def _z(rate: float | None, of_weekday: Sequence[float]) -> float | None:
    if rate is None or len(set(of_weekday)) < 2:
        return None
    return (rate - sum(of_weekday) / len(of_weekday)) / pstdev(of_weekday)


# --- visitors ------------------------------------------------------------------------------------------------


def visitors(shop: Behaviour) -> Rows:
    """behavior.visitors."""
    return [_visitor(shop, visitor, visits) for visitor, visits in grouped(shop.visits, "visitor_id").items()]


def _visitor(shop: Behaviour, visitor: str, visits: Rows) -> Row:
    assert shop.as_of is not None
    days = sorted(known(visits, "session_date"))
    recent = sum(day > shop.as_of - timedelta(days=28) for day in days)
    gaps = [(after - before).days for before, after in pairwise(days)]
    starts = [shop.local(visit["started_at"]).hour for visit in visits]
    weekend = sum(visit["session_date"].isoweekday() >= 6 for visit in visits)
    return {
        "visitor_id": visitor,
        "customer_id": next(iter(known(visits, "customer_id")), None),
        "sessions": len(visits),
        "active_days": len(days),
        "recent_active_days": recent,
        "first_visit_date": days[0],
        "last_visit_date": days[-1],
        "median_days_between": median(gaps) if gaps else None,
        "visit_class": _visit_class(len(days), recent),
        "mode_weekday": most(visit["session_date"].isoweekday() for visit in visits),
        "mode_hour": most(starts),
        "mode_day_part": DAY_PARTS[most(hour // 6 for hour in starts)],
        "weekend_sessions": weekend,
        "weekend_share": ratio(weekend, len(visits)),
        "converted_sessions": converted(visits),
        "orders": summed(visits, "orders"),
        "net_sales": summed(visits, "net_sales"),
    }


def _visit_class(days: int, recent: int) -> str:
    if days == 1:
        return "single"
    limits = ((1, "lapsed"), (2, "occasional"), (4, "regular"), (12, "frequent"))
    return next((name for below, name in limits if recent < below), "heavy")


def visit_frequency(shop: Behaviour) -> Rows:
    """behavior.visit_frequency."""
    rows = []
    for row in visitors(shop):
        assert shop.as_of is not None
        observed = (shop.as_of - row["first_visit_date"]).days + 1
        for name in ("converted_sessions", "orders", "net_sales"):
            del row[name]
        row |= {
            "days_since_last_visit": (shop.as_of - row["last_visit_date"]).days,
            "observed_days": observed,
            "sessions_per_30_days": row["sessions"] / max(1.0, observed / 30),
        }
        rows.append(row)
    return rows


def visit_classes(shop: Behaviour) -> Rows:
    """behavior.visit_classes."""
    every = visitors(shop)
    rows = []
    for number, name in enumerate(CLASSES, start=1):
        own = [row for row in every if row["visit_class"] == name]
        gaps = [row["median_days_between"] for row in own if row["median_days_between"] is not None]
        buyers = sum(row["converted_sessions"] > 0 for row in own)
        rows.append(
            {
                "visit_class": name,
                "sort_order": number,
                "visitors": len(own),
                "share": ratio(len(own), len(every)),
                "customers": len(known(own, "customer_id")),
                "sessions": summed(own, "sessions"),
                "session_share": ratio(summed(own, "sessions"), len(shop.visits)),
                "median_days_between": median(gaps) if gaps else None,
                "buyers": buyers,
                "buyer_rate": ratio(buyers, len(own)),
                **interval(buyers, len(own)),
                "orders": summed(own, "orders"),
                "net_sales": summed(own, "net_sales"),
                "low_n": len(own) < shop.small,
            }
        )
    return rows


# --- time on pages -------------------------------------------------------------------------------------------


def page_dwell(shop: Behaviour) -> Rows:
    """behavior.page_dwell."""
    views = [row for row in shop.activity if row["event_type"] == "view" and row["product_id"] is not None]
    rows = []
    for product, own in grouped(views, "product_id").items():
        names = {"product_name": own[0]["product_name"], "category": own[0]["category"]}
        rows.append({"scope": "product", "key": product, **names, **_dwell(own)})
    for category, own in grouped(views, "category").items():
        rows.append({"scope": "category", "key": category, "product_name": None, "category": category, **_dwell(own)})
    if views:
        rows.append({"scope": "all", "key": "all", "product_name": None, "category": None, **_dwell(views)})
    for row in rows:
        row["low_n"] = row["measured_views"] < shop.small
    return rows


def customer_dwell(shop: Behaviour) -> Rows:
    """behavior.customer_dwell."""
    views = [row for row in shop.activity if row["event_type"] == "view" and row["product_id"] is not None]
    found = grouped((row for row in views if row["customer_id"] is not None), "customer_id", "category")
    return [{"customer_id": customer, "category": name, **_dwell(own)} for (customer, name), own in found.items()]


def _dwell(views: Rows) -> Row:
    times = [row["dwell_seconds"] for row in views if row["dwell_seconds"] is not None]
    return {
        "views": len(views),
        "measured_views": len(times),
        "coverage": ratio(len(times), len(views)),
        "capped_views": sum(row["dwell_is_capped"] for row in views),
        "total_seconds": sum(times, ZERO),
        "mean_seconds": ratio(sum(times, ZERO), len(times)),
        "median_seconds": quantile(times, 0.5),
        "p90_seconds": quantile(times, 0.9),
    }


# --- how values are spread -----------------------------------------------------------------------------------

COUNTED = [0, 1, 2, 3, 4, 5, 6, 11, 21, 51, 101]
MINUTES = [0, 1, 2, 3, 5, 10, 20, 30, 60, 120]
MONEY = [0, *[digit * 10**power for power in range(7) for digit in (1, 2, 5)], 10**7]


def distributions(shop: Behaviour) -> Rows:
    """behavior.distributions."""
    orders = [row for row in shop.orders if shop.has_counted(row["order_date"])]
    sold = [row for row in shop.sales if row["is_valid"] and row["line_type"] == "sale"]
    goods = [row for row in shop.products.values() if row["is_active"] and row["product_type"] == "goods"]
    values: dict[str, tuple[list[int], list[Any]]] = {
        "events_per_session": (COUNTED, [row["events"] for row in shop.visits]),
        "pages_per_session": (COUNTED, [row["visits"] + row["views"] for row in shop.visits]),
        "session_minutes": (MINUTES, [row["duration_seconds"] / 60 for row in shop.visits]),
        "items_per_basket": (COUNTED, [row["units"] for row in orders]),
        "order_value": (MONEY, [row["order_value"] for row in orders]),
        "sold_price": (MONEY, [row["unit_price"] for row in sold if shop.has_counted(row["sold_date"])]),
        "product_price": (MONEY, [row["price"] for row in goods]),
    }
    rows = []
    for variable, (bounds, found) in values.items():
        cells = list(zip(bounds, [*bounds[1:], None], strict=True))
        there = [value for value in found if value is not None]
        counts = [sum(low <= value and (high is None or value < high) for value in there) for low, high in cells]
        filled = [place for place, count in enumerate(counts) if count]
        for place in range(filled[0], filled[-1] + 1) if filled else ():
            rows.append(
                {
                    "variable": variable,
                    "lower_bound": Decimal(cells[place][0]),
                    "upper_bound": None if cells[place][1] is None else Decimal(cells[place][1]),
                    "sort_order": place + 1,
                    "n": counts[place],
                    "all_n": sum(counts),
                    "share": ratio(counts[place], sum(counts)),
                }
            )
    return rows
