"""The shop's calendar: how busy each day and hour is, and the local wall clock. Who buys is decided elsewhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from cxa_pipeline.synthetic.config import ShopConfig
from cxa_pipeline.synthetic.draws import Draws, Floats, Ints, Keys

DAY = 86_400
EPOCH = date(1970, 1, 1)
LOOKAHEAD_DAYS = 32
"""Orders up to so many days after the end are drawn too: the visits that led to them lie before it."""

_MONTHS = np.array([0.86, 0.84, 0.93, 0.97, 1.0, 0.95, 0.92, 0.90, 0.97, 1.03, 1.24, 1.39])
_WEEKDAYS = np.array([0.95, 0.93, 0.96, 1.02, 1.06, 1.13, 0.95])
_ONLINE_WORKDAY = (8, 5, 3, 2, 2, 3, 7, 16, 26, 32, 36, 40, 44, 40, 36, 36, 38, 44, 54, 68, 78, 70, 46, 20)
_ONLINE_WEEKEND = (12, 8, 5, 3, 2, 2, 4, 10, 22, 40, 54, 58, 54, 52, 56, 60, 58, 54, 54, 62, 68, 62, 42, 22)
_STORE_HOURS = (0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 8, 10, 12, 10, 9, 10, 12, 14, 12, 7, 0, 0, 0, 0)
PEAK = (4, 20, 1.45)
"""ISO weekday, hour and factor of the planted peak of visits: Thursday evening."""


def day_number(day: date) -> int:
    """Return days since 1970-01-01."""
    return (day - EPOCH).days


def weekday(days: Ints) -> Ints:
    """Return 0 for Monday … 6 for Sunday."""
    return (days + 3) % 7


def month_number(days: Ints) -> Ints:
    """Return months since January 1970."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def hour_weights() -> Floats:
    """Return the 7 × 24 weights of online activity, each weekday summing to 1."""
    rows = [_ONLINE_WORKDAY] * 5 + [_ONLINE_WEEKEND] * 2
    weights = np.array(rows, dtype=np.float64)
    weights /= weights.sum(axis=1, keepdims=True)
    weights[PEAK[0] - 1, PEAK[1]] *= PEAK[2]
    result: Floats = weights / weights.sum(axis=1, keepdims=True)
    return result


class Calendar:
    """Busy and quiet days from the shop's first day to a little after the last one delivered."""

    def __init__(self, config: ShopConfig) -> None:
        self.start = day_number(config.start)
        self.end = day_number(config.end)
        self.end_date = config.end
        self.first = self.start - config.history_days
        self.last = self.end + LOOKAHEAD_DAYS
        self.days: Ints = np.arange(self.first, self.last + 1)
        months = 1.0 + config.seasonality * (_MONTHS - 1.0)
        weekdays = 1.0 + config.weekday_effect * (_WEEKDAYS - 1.0)
        self.weights: Floats = months[month_number(self.days) % 12] * weekdays[weekday(self.days)]
        self._ends = np.cumsum(self.weights)
        self._gaps = _missing_hours(config.timezone, self.first, self.last)

    def busy_time(self, days: Ints, fraction: Floats) -> Floats:
        """Return the time of a process that runs faster on busy days; one unit is an average day."""
        position = days - self.first
        return self._ends[position] - (1.0 - fraction) * self.weights[position]

    def day_at(self, busy: Floats) -> Ints:
        """Return the day of a busy time; one after the calendar's last day where it lies beyond."""
        return self.first + np.searchsorted(self._ends, busy, side="right")

    def days_before(self, draws: Draws, purpose: str, keys: Keys, days: Ints, window: int, power: float) -> Ints:
        """Return a day at most `window` days before each given one, busy days more often; a power above 1 is nearer."""
        high = self._ends[days - self.first]
        low = self._ends[np.maximum(days - window - self.first, 0)]
        return np.minimum(self.day_at(high - (high - low) * draws.uniform(purpose, keys) ** power), days)

    def second_online(self, draws: Draws, purpose: str, keys: Keys, days: Ints) -> Ints:
        """Return local seconds since 1970 at an hour at which people are online."""
        edges = np.cumsum(hour_weights().ravel())
        week = weekday(days)
        hours = np.searchsorted(edges, week + draws.uniform(f"{purpose}/hour", keys), side="right") - 24 * week
        seconds = draws.integer(f"{purpose}/second", keys, 0, 3599)
        return self.existing(days * DAY + np.clip(hours, 0, 23) * 3600 + seconds)

    def second_in_store(self, draws: Draws, purpose: str, keys: Keys, days: Ints) -> Ints:
        """Return local seconds since 1970 within opening hours."""
        hours = draws.choice(f"{purpose}/hour", keys, _STORE_HOURS)
        return self.existing(days * DAY + hours * 3600 + draws.integer(f"{purpose}/second", keys, 0, 3599))

    def existing(self, seconds: Ints) -> Ints:
        """Move times of an hour that the clocks skip in spring forward by it."""
        for begin, end in self._gaps:
            seconds = np.where((seconds >= begin) & (seconds < end), seconds + (end - begin), seconds)
        return seconds

    def follow(self, anchors: Ints, seconds: Ints) -> Ints:
        """Return wall-clock times of moments given by their distance from an existing wall-clock time."""
        for begin, end in self._gaps:
            before = (anchors >= end) & (seconds < end) & (seconds > begin - DAY)
            after = (anchors < begin) & (seconds >= begin) & (seconds < end + DAY)
            seconds = seconds + (end - begin) * (after.astype(np.int64) - before.astype(np.int64))
        return seconds


def _missing_hours(timezone: str, first: int, last: int) -> list[tuple[int, int]]:
    """Return local seconds [begin, end) that the clocks of a zone skip between two days."""
    zone = ZoneInfo(timezone)
    gaps: list[tuple[int, int]] = []
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=first - 1)
    stop = moment + timedelta(days=last - first + 2)
    while moment < stop:
        before, after = (_offset(zone, at) for at in (moment, moment + timedelta(days=1)))
        if after > before:
            low, high = moment, moment + timedelta(days=1)
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
            change = round(high.timestamp())
            gaps.append((change + before, change + after))
        moment += timedelta(days=1)
    return gaps


def _offset(zone: ZoneInfo, moment: datetime) -> int:
    offset = moment.astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0
