"""Time zones as tables of days: what an engine joins instead of converting every row by itself.

Here: for each day the offset before and after the moment at which it changes. DuckDB's own conversion is slower
by row and says nothing about times that occur twice or never. Not here: parsing of times (`cast`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

FIRST = date(1970, 1, 1)
_DAY = timedelta(days=1)


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


def local_days(zone: str, last: date) -> Iterator[ZoneDay]:
    """Every local day from `FIRST` to `last`, to bring local times to UTC.

    A time that occurs twice takes its first occurrence, one that never occurs moves forward by the gap: both
    have the offset that was in force before the change.
    """
    for day in _days(last):
        moments = [(switch, low, a, b) for switch, low, a, b in _changes(zone, day, local=True)]
        yield _zone_day(zone, day, moments)


def utc_days(zone: str, last: date) -> Iterator[ZoneDay]:
    """Every UTC day from `FIRST` to `last`, to bring moments to local time."""
    for day in _days(last):
        yield _zone_day(zone, day, _changes(zone, day, local=False))


def _zone_day(zone: str, day: date, changes: list[tuple[datetime, datetime, int, int]]) -> ZoneDay:
    if changes:
        switch, low, before, after = changes[0]
        return ZoneDay(day, before, after, low, switch)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    offset = _offset(zone, noon)
    end = datetime(day.year, day.month, day.day) + _DAY
    return ZoneDay(day, offset, offset, end, end)


def _changes(zone: str, day: date, local: bool) -> list[tuple[datetime, datetime, int, int]]:
    """Changes that touch the day: switch, start of the doubtful span (both as the day counts), offsets."""
    start = datetime(day.year, day.month, day.day)
    found = []
    for moment, before, after in _transitions(zone, day):
        shift = timedelta(seconds=max(before, after) if local else 0)
        low = timedelta(seconds=min(before, after) if local else 0)
        if start < moment + shift and moment + low < start + _DAY:
            found.append((moment + shift, moment + low, before, after))
    return found


def _transitions(zone: str, day: date) -> list[tuple[datetime, int, int]]:
    """Moments (UTC) within a day and a half of a day's noon at which the offset changes, with both offsets."""
    low = datetime(day.year, day.month, day.day, tzinfo=UTC) - _DAY
    high = low + 3 * _DAY
    before, after = _offset(zone, low), _offset(zone, high)
    if before == after:
        return []
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return [(high.replace(tzinfo=None), before, after)]


def _offset(zone: str, moment: datetime) -> int:
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _days(last: date) -> Iterator[date]:
    day = FIRST
    while day <= last:
        yield day
        day += _DAY
