"""Ten releases in a row, seen by somebody who reads all the time and has built on the tables."""

from __future__ import annotations

from datetime import timedelta

import psycopg

from tests.support.reader import Reader
from tests.support.shops import LAST_DAY, Shop

DAYS = [LAST_DAY + timedelta(days=n) for n in range(1, 11)]
"""From 28 March to 6 April: over a month's end."""


def test_a_view_a_grant_and_open_cursors_survive_ten_releases_and_no_reader_sees_a_mixture(shop: Shop):
    role = shop.url.split("?")[0].rsplit("_", 1)[1]
    role = f"marketer_{role}"
    shop.execute(
        "create schema mine",
        "create view mine.revenue as select period, net_sales from kpi.monthly where is_complete",
        "create view mine.lines as select sold_month, count(*) as lines from core.sales group by 1",
        f"create role {role}",
        f"grant usage on schema kpi, core, mine to {role}",
        f"grant select on kpi.monthly, core.sales, mine.revenue to {role}",
    )
    lines = shop.rows("select count(*) from core.sales")[0][0]
    months = shop.rows("select count(*) from kpi.monthly")[0][0]
    identity = shop.rows(
        "select 'kpi.monthly'::regclass::oid, 'core.sales'::regclass::oid, 'mine.revenue'::regclass::oid"
    )
    try:
        with (
            Reader(shop) as reader,
            psycopg.connect(shop.url) as session,
            session.cursor("monthly") as monthly,
            session.cursor("sales") as sales,
        ):
            monthly.execute("select period from kpi.monthly order by period")
            sales.execute("select sale_id from core.sales")
            sales.itersize = 50
            read = len(sales.fetchmany(50))
            for number, day in enumerate(DAYS, 2):
                shop.drop_days(day)
                result = shop.run()
                assert result.release.number == number and result.published and not result.held_back
                read += len(sales.fetchmany(50))
            assert len(monthly.fetchall()) == months
            assert read + len(sales.fetchall()) == lines
            assert len(reader.stop()) >= 5
            assert reader.looks >= 10
        assert shop.rows("select count(*) from kpi.monthly") == [(months + 1,)]
        assert shop.rows("select count(*) from core.sales")[0][0] > lines
        assert identity == shop.rows(
            "select 'kpi.monthly'::regclass::oid, 'core.sales'::regclass::oid, 'mine.revenue'::regclass::oid"
        )
        shop.execute(
            f"set role {role}; select * from kpi.monthly; select * from core.sales; select * from mine.revenue"
        )
        assert shop.rows("select count(*) from mine.lines") == [(4,)]
    finally:
        shop.execute(f"drop owned by {role}", f"drop role {role}")
