"""Time zones as tables of days: what an engine joins instead of converting every row by itself.

Here: for each day the offset before and after the moment at which it changes. DuckDB's own conversion is slower
by row and says nothing about times that occur twice or never. Not here: parsing of times (`cast`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

FIRST = date(1970, 1, 1)
_DAY = timedelta(days=1)
_STEP = timedelta(days=10)
"""No zone changes its clock twice within so few days (Morocco does so within a month)."""


class Change(NamedTuple):
    """A zone changes its clock: the moment in UTC, and the seconds east of UTC before and after."""

    moment: datetime
    before: int
    after: int


class ZoneDay(NamedTuple):
    """One day of a zone.

    Times of the day before `switch` have the offset `before`, later ones `after` (seconds east of UTC). Local
    times from `doubtful` to before `switch` occur twice or never.
    """

    day: date
    before: int
    after: int
    doubtful: datetime
    switch: datetime


@lru_cache(maxsize=64)
def local_days(zone: str, last: date) -> tuple[ZoneDay, ...]:
    """Every local day from `FIRST` to `last`, to bring local times to UTC.

    A time that occurs twice takes its first occurrence, one that never occurs moves forward by the gap: both
    have the offset that was in force before the change.
    """
    return tuple(_days(zone, last, local=True))


@lru_cache(maxsize=64)
def utc_days(zone: str, last: date) -> tuple[ZoneDay, ...]:
    """Every UTC day from `FIRST` to `last`, to bring moments to local time."""
    return tuple(_days(zone, last, local=False))


def _days(zone: str, last: date, local: bool) -> Iterator[ZoneDay]:
    changes = list(_changes(zone, last))
    offset = changes[0].before if changes else _offset(zone, _midnight(FIRST))
    waiting = iter([*changes, None])
    change = next(waiting)
    day = FIRST
    while day <= last:
        start = datetime(day.year, day.month, day.day)
        end = start + _DAY
        switch = doubtful = end
        if change:
            switch, doubtful = _local_times(change) if local else (change.moment, change.moment)
        if change is None or doubtful >= end:
            yield ZoneDay(day, offset, offset, end, end)
        else:
            yield ZoneDay(day, change.before, change.after, doubtful, switch)
        if change and switch <= end:
            offset = change.after
            change = next(waiting)
        day += _DAY


def _local_times(change: Change) -> tuple[datetime, datetime]:
    """When the local clock is past the change for sure, and since when it is in doubt."""
    late = timedelta(seconds=max(change.before, change.after))
    early = timedelta(seconds=min(change.before, change.after))
    return change.moment + late, change.moment + early


def _changes(zone: str, last: date) -> Iterator[Change]:
    moment = _midnight(FIRST)
    before = _offset(zone, moment)
    while moment.date() <= last:
        following = moment + _STEP
        after = _offset(zone, following)
        if after != before:
            yield Change(_between(zone, moment, following, before).replace(tzinfo=None), before, after)
        moment, before = following, after


def _between(zone: str, low: datetime, high: datetime, before: int) -> datetime:
    """The moment between two at which the offset `before` ends."""
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _offset(zone: str, moment: datetime) -> int:
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    return int(offset.total_seconds()) if offset else 0
