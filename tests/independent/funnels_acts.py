"""A shop as the second implementation of the tables of funnels sees it: its acts and visits, one by one.

That implementation is written from the definitions and not from the SQL; it looks at every view by itself. Its tables are
in `funnels`, `funnels_conversion`, `funnels_times` and `demand`. Not here: which events and sessions there are (`visits`),
the comparison (`tests/integration/test_independent_funnel.py`).
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
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.independent.kpi import Kpi
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
