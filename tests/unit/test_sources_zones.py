"""Zone tables against zoneinfo, which knows nothing of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cxa_pipeline.sources.zones import ZoneDay, local_days, utc_days

LAST = date(2030, 1, 1)
ZONES = [
    "Europe/Berlin", "Europe/London", "America/New_York", "America/Sao_Paulo", "Africa/Casablanca", "Asia/Kolkata",
    "Australia/Lord_Howe", "Pacific/Auckland", "Africa/Cairo", "Asia/Tehran", "Atlantic/Azores", "America/Havana",
]  # fmt: skip


def times() -> list[datetime]:
    start = datetime(1990, 1, 1, 0, 7, 30)
    return [start + timedelta(minutes=37 * i) for i in range(0, 560_000, 61)]


def found(days: tuple[ZoneDay, ...], moment: datetime) -> ZoneDay:
    day = days[(moment.date() - days[0].day).days]
    assert day.day == moment.date()
    return day


@pytest.mark.parametrize("zone", ZONES)
def test_moments_have_the_local_time_that_zoneinfo_gives(zone: str):
    days = utc_days(zone, LAST)
    for moment in times():
        day = found(days, moment)
        offset = day.before if moment < day.switch else day.after
        local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        assert moment + timedelta(seconds=offset) == local, moment


@pytest.mark.parametrize("zone", ZONES)
def test_local_times_take_the_first_occurrence_and_move_forward_over_gaps(zone: str):
    days = local_days(zone, LAST)
    info = ZoneInfo(zone)
    for moment in times():
        day = found(days, moment)
        offset = day.before if moment < day.switch else day.after
        # fold=0 is the first of two, and in a gap the offset before it: both as METRICS §2.2 wants them.
        expected = moment.replace(tzinfo=info, fold=0).astimezone(UTC).replace(tzinfo=None)
        assert moment - timedelta(seconds=offset) == expected, moment
        again = moment.replace(tzinfo=info, fold=1).astimezone(UTC).replace(tzinfo=None)
        assert (day.doubtful <= moment < day.switch) == (expected != again), moment


def test_the_hours_of_a_change_in_berlin():
    days = {day.day: day for day in local_days("Europe/Berlin", LAST)}
    spring = days[date(2024, 3, 31)]
    assert (spring.before, spring.after) == (3600, 7200)
    assert (spring.doubtful, spring.switch) == (datetime(2024, 3, 31, 2), datetime(2024, 3, 31, 3))
    autumn = days[date(2023, 10, 29)]
    assert (autumn.doubtful, autumn.switch) == (datetime(2023, 10, 29, 2), datetime(2023, 10, 29, 3))
    assert days[date(2024, 4, 1)] == ZoneDay(date(2024, 4, 1), 7200, 7200, *[datetime(2024, 4, 2)] * 2)


def test_a_zone_that_never_changes_has_one_offset():
    assert {day.before for day in utc_days("Asia/Tokyo", LAST)} == {32400}
