"""SIGKILL at any moment, then run again: every cell is as if nothing had happened."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cxa_pipeline.warehouse.server import EmbeddedServer
from tests.support.databases import Dump, differences, drop_database
from tests.support.processes import DONE, FAILED, kill_postgres, start_cxa, start_run
from tests.support.reader import Reader
from tests.support.shops import LAST_DAY, SMALL, Shop, copy_shop

BOUNDARIES = {
    "read": r"interactions: read 0 of",
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

SEED = 2024
KILLS, MANY_KILLS = 5, 30
LARGE = replace(SMALL, new_customers_per_day=32.0, products=240)
"""About 20,000 sales lines."""


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


def test_a_postgres_that_is_killed_in_mid_run_is_started_again_and_nothing_is_lost(
    make_shop: Callable[..., Shop], undisturbed: Dump
):
    shop = make_shop(embedded=True)
    shop.drop_days(LAST_DAY, shop.config.start)
    for day in DAYS[:3]:
        shop.drop_days(day)
    run_and_kill_postgres(shop, r"rows staged")
    with Reader(shop, may_lose_server=True) as reader:
        for day in DAYS[3:]:
            shop.drop_days(day)
        run_and_kill_postgres(shop, BOUNDARIES["published in part"])
        reader.stop()
    assert differences(undisturbed, shop.dump()) == []
    assert shop.idle().nothing_to_do


def run_and_kill_postgres(shop: Shop, pattern: str) -> None:
    """Kill PostgreSQL in mid-run; the run goes on, or says what happened and the next one goes on."""
    child = start_run(shop)
    assert child.wait_for(pattern)
    postmaster = shop.home.server.status().pid
    assert postmaster
    kill_postgres(postmaster)
    last = child.finish()
    if last.startswith(FAILED):
        assert "WarehouseError" in last and "  do:    " in last
        last = start_run(shop).finish()
    assert last.startswith(DONE), last


def test_a_server_that_stops_while_a_check_runs_gives_a_clear_error_and_no_failed_check(
    first_shop: Shop, first_dump: Dump, scratch: Path
):
    def add_slow_rule(document: dict) -> None:
        rule = {
            "name": "takes_its_time",
            "description": "A rule that every row keeps, after a while.",
            "severity": "error",
            "type": "sql",
            "query": "select order_id from core.orders where order_id is null or (select pg_sleep(1.5)) is null",
            "mustBe": 0,
        }
        document["schema"][0].setdefault("quality", []).append(rule)

    server = EmbeddedServer(scratch / "other" / "postgres")
    shop = copy_shop(first_shop, scratch / "other-home")
    try:
        shop.others.append(scratch / "other")
        drop_database(shop.url)
        shop.home = replace(shop.home, postgres_url=server.ensure_started())
        shop.edit_yaml("core/orders.yaml", add_slow_rule)
        child = start_run(shop)
        assert child.wait_for(r"core\.orders: .*rows staged")
        time.sleep(0.7)
        server.stop()
        said = child.finish()
        assert said.startswith(FAILED) and "WarehouseError" in said
        assert "  seen:  " in said and "  do:    " in said and "password" not in said
        server.ensure_started()
        assert start_run(shop).finish().startswith(f"{DONE} release 2, 0 tables")
        assert shop.rows("select count(*) from ops.release_tables where held_back_since is not null") == [(0,)]
        assert differences(first_dump, shop.dump()) == []
    finally:
        server.stop()
        shop.home = replace(shop.home, postgres_url=None)
        shop.remove()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thirty_kills_on_twenty_thousand_lines_end_as_if_undisturbed(make_shop: Callable[..., Shop], scratch: Path):
    shop = make_shop(config=LARGE)
    shop.drop_days(LAST_DAY, LARGE.start)
    shop.run()
    assert shop.rows("select count(*) > 18000 from core.sales") == [(True,)]
    days = [LAST_DAY + timedelta(days=n) for n in range(1, MANY_KILLS + 2)]
    other = copy_shop(shop, scratch / "large")
    try:
        for day in days:
            other.drop_days(day)
        other.run()
        undisturbed = other.dump()
    finally:
        other.remove()
    shop.drop_days(days[0])
    begun = time.monotonic()
    assert start_run(shop).finish().startswith(DONE)
    usual = time.monotonic() - begun
    moments, boundaries = random.Random(SEED), list(BOUNDARIES.values())
    with Reader(shop) as reader:
        for number, day in enumerate(days[1:]):
            shop.drop_days(day)
            child = start_cxa(shop, "run") if number % 4 == 0 else start_run(shop)
            if number < 2 * len(boundaries):
                assert child.wait_for(boundaries[number % len(boundaries)]), child.said
                child.kill()
            else:
                child.kill_after(moments.uniform(0.1, 1.2 * usual))
        assert start_cxa(shop, "run").finish() == f"{DONE} 0"
        assert len(reader.stop()) >= 3
    assert differences(undisturbed, shop.dump()) == []
    assert shop.idle().nothing_to_do
