"""SIGKILL at any moment, then run again: every cell is as if nothing had happened."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.support.databases import Dump, differences
from tests.support.processes import DONE, FAILED, kill_postgres, start_run
from tests.support.reader import Reader
from tests.support.shops import LAST_DAY, Shop

BOUNDARIES = {
    "read": r"^sales: read 0 of",
    "landed": r"^landed native/sales",
    "computed": r"^core\.sales .*computed",
    "staged": r"^core\.customers: .*rows staged",
    "released": r"^release 2: \d+ tables",
    "published in part": r"^kpi\.monthly: \d+ rows, ",
    "published": r"^release 2 published",
}
"""The lines of a run after which it is killed, in their order."""

KILLS, SEED = 5, 2024


def drop_week(shop: Shop) -> None:
    shop.drop_days(LAST_DAY + timedelta(days=7), since=LAST_DAY + timedelta(days=1))


@pytest.fixture(scope="module")
def undisturbed(first_shop: Shop, scratch) -> Dump:
    """What readers see after one more week, over a month's end, by a run that nobody killed."""
    from tests.support.shops import copy_shop

    shop = copy_shop(first_shop, scratch / "undisturbed")
    try:
        drop_week(shop)
        shop.run()
        return shop.dump()
    finally:
        shop.remove()


def test_a_run_killed_at_every_boundary_in_turn_ends_as_if_undisturbed(shop: Shop, undisturbed: Dump):
    drop_week(shop)
    with Reader(shop) as reader:
        for name, pattern in BOUNDARIES.items():
            child = start_run(shop)
            line = child.wait_for(pattern)
            child.kill()
            assert line or name in ("read", "landed", "computed"), f"{name} was never reached: {child.said[-3:]}"
        last = start_run(shop).finish()
        assert last.startswith(DONE), last
        assert reader.stop() <= {1, 2}
    assert differences(undisturbed, shop.dump()) == []
    assert shop.idle().nothing_to_do


def test_runs_killed_at_random_moments_end_as_if_undisturbed(shop: Shop, undisturbed: Dump):
    moments = random.Random(SEED)
    with Reader(shop) as reader:
        for day in range(1, 8):
            shop.drop_days(LAST_DAY + timedelta(days=day))
            if day <= KILLS:
                start_run(shop).kill_after(moments.uniform(0.1, 4.0))
        last = start_run(shop).finish()
        assert last.startswith(DONE), last
        reader.stop()
    assert differences(undisturbed, shop.dump(), set(undisturbed)) == []
