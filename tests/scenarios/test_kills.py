"""SIGKILL at any moment, then run again: every cell is as if nothing had happened."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.databases import Dump, differences
from tests.support.processes import DONE, start_run
from tests.support.reader import Reader
from tests.support.shops import LAST_DAY, Shop, copy_shop

BOUNDARIES = {
    "read": r"^interactions: read 0 of",
    "landed": r"^landed native/interactions",
    "computed": r"^core\.interactions .*computed",
    "staged": r"^kpi\.daily: .*rows staged",
    "released": r"^release \d+: \d+ tables",
    "published in part": r"^kpi\.daily: \d+ rows, ",
    "published": r"^release \d+ published",
}
"""The lines of a run after which it is killed, in their order."""

DAYS = [LAST_DAY + timedelta(days=n) for n in range(1, len(BOUNDARIES) + 1)]
"""One more day for each run that is killed, so that each has everything to do; they go over a month's end."""

KILLS, SEED = 5, 2024


@pytest.fixture(scope="module")
def undisturbed(first_shop: Shop, scratch: Path) -> Dump:
    """What readers see after all the days, by one run that nobody killed."""
    shop = copy_shop(first_shop, scratch / "undisturbed")
    try:
        for day in DAYS:
            shop.drop_days(day)
        shop.run()
        return shop.dump()
    finally:
        shop.remove()


def test_runs_killed_at_each_boundary_end_as_if_undisturbed(shop: Shop, undisturbed: Dump):
    with Reader(shop) as reader:
        for day, (name, pattern) in zip(DAYS, BOUNDARIES.items(), strict=True):
            shop.drop_days(day)
            child = start_run(shop)
            line = child.wait_for(pattern)
            child.kill()
            assert line, f"{name} was never reached: {child.said}"
        last = start_run(shop).finish()
        assert last.startswith(DONE), last
        assert len(reader.stop()) >= 2
    assert differences(undisturbed, shop.dump()) == []
    assert shop.idle().nothing_to_do


def test_runs_killed_at_random_moments_end_as_if_undisturbed(shop: Shop, undisturbed: Dump):
    moments = random.Random(SEED)
    with Reader(shop) as reader:
        for number, day in enumerate(DAYS):
            shop.drop_days(day)
            if number < KILLS:
                start_run(shop).kill_after(moments.uniform(0.1, 4.0))
        last = start_run(shop).finish()
        assert last.startswith(DONE), last
        reader.stop()
    assert differences(undisturbed, shop.dump()) == []
    assert shop.idle().nothing_to_do
