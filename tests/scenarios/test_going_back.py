"""Rollback and a lost database: the lake is the truth, PostgreSQL shows one of its releases."""

from __future__ import annotations

from datetime import timedelta

from cxa_pipeline.warehouse.address import with_database
from tests.support.databases import database_name, differences, drop_database, execute
from tests.support.shops import LAST_DAY, Shop


def test_a_rollback_restores_the_earlier_release_and_holds_it_until_a_run_by_hand(shop: Shop):
    first = shop.dump()
    shop.drop_days(LAST_DAY + timedelta(days=1))
    shop.run()
    second = shop.dump()
    assert differences(first, second)

    said = shop.cxa("rollback").stdout
    assert "release 1" in said
    assert differences(first, shop.dump()) == []
    assert shop.rows("select release_id from ops.releases where is_published") == [(1,)]

    shop.drop_days(LAST_DAY + timedelta(days=2))
    nightly = shop.run(by_hand=False)
    assert nightly.hold == 1 and not nightly.published and nightly.computed
    assert differences(first, shop.dump()) == []
    assert "release 1" in shop.cxa("status").stdout

    results = shop.results()
    back = shop.run()
    assert back.computed == {} and back.published and back.release.number == 3
    assert set(shop.results()) <= set(results)
    third = shop.dump()
    assert differences(second, third)

    shop.roll_back(2)
    assert differences(second, shop.dump()) == []
    assert shop.run().computed == {}
    assert differences(third, shop.dump()) == []


def test_a_database_that_was_dropped_is_published_again_without_computing(shop: Shop):
    before, results, url = shop.dump(), shop.results(), shop.url
    drop_database(url)
    execute(with_database(url, "postgres"), f"create database {database_name(url)}")
    assert shop.idle() is None
    result = shop.run()
    assert result.computed == {} and result.published and result.release.number == 1
    assert shop.results() == results
    assert differences(before, shop.dump()) == []
