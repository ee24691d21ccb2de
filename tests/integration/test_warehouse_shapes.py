"""Publication of other shapes: views that change, columns that come, contracts that break."""

from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest

from cxa_pipeline.contracts import Rule
from cxa_pipeline.errors import WarehouseError
from cxa_pipeline.warehouse.schema import held
from cxa_pipeline.warehouse.verify import verify
from tests.integration.publications import TOTAL, ask, counts, expected_hashes, held_hashes
from tests.integration.shop_tables import DAILY, SALES, column, days, sales, view

# --- views -----------------------------------------------------------------------------------------------------


def test_views_are_replaced_when_their_query_changes_and_not_else(shop, user):
    assert shop.publish([(DAILY, days(3))], [TOTAL]).views == ("questions.total",)
    assert ask(user, "select total from questions.total") == [(Decimal("31.5000"),)]
    assert ask(user, "select obj_description('questions.total'::regclass)") == [("One row per total.",)]
    reworded = replace(TOTAL, sql="-- Other words\n" + TOTAL.sql)
    assert shop.publish([], [reworded], [DAILY]).views == ()
    doubled = replace(TOTAL, sql=TOTAL.sql.replace("sum(", "2 * sum("), fingerprint="doubled")
    assert shop.publish([], [doubled], [DAILY]).views == ("questions.total",)
    assert ask(user, "select total from questions.total") == [(Decimal("63.0000"),)]
    user.execute("drop view questions.total")
    assert shop.publish([], [doubled], [DAILY]).views == ("questions.total",)


def test_a_view_with_other_columns_is_made_anew_with_its_readers_and_grants(shop, user):
    twice = view(
        "questions.twice", "select total * 2 as twice from questions.total", [column("twice", "numeric(18,4)")]
    )
    shop.publish([(DAILY, days(2))], [TOTAL, twice])
    user.execute("grant select on questions.twice to pg_monitor")
    narrower = view(
        "questions.total",
        "select count(*) as days, sum(net_sales) as total from kpi.daily",
        [column("days", "bigint"), column("total", "numeric(18,4)")],
    )
    assert set(shop.publish([], [narrower, twice], [DAILY]).views) == {"questions.total", "questions.twice"}
    assert ask(user, "select * from questions.total, questions.twice") == [(2, Decimal(21), Decimal(42))]
    assert ask(user, "select has_table_privilege('pg_monitor', 'questions.twice', 'select')") == [(True,)]


def test_a_view_that_postgresql_refuses_is_named(shop):
    broken = view("questions.broken", "select nothing from kpi.daily", [column("nothing", "text")])
    with pytest.raises(WarehouseError, match=r"refuses the view questions\.broken") as caught:
        shop.publish([(DAILY, days(2))], [broken])
    assert 'column "nothing" does not exist' in caught.value.evidence


# --- shapes ----------------------------------------------------------------------------------------------------


WIDER = replace(
    DAILY,
    version="1.1.0",
    columns=(*DAILY.columns, column("visits", "bigint", required=True)),
    rules=(Rule("visits_are_counted", "Visits are counted.", "error", "check", "visits >= 0"),),
)


def wide(count):
    return [row | {"visits": 5} for row in days(count)]


def test_an_additive_change_keeps_the_table_and_ends_strict(shop, user):
    shop.publish([(DAILY, days(3))])
    user.execute("create view public.mine as select * from kpi.daily")
    result = shop.publish([(WIDER, wide(3))])
    assert counts(result, "kpi.daily") == (3, 0, 3, 0, 3)
    assert "kpi.daily: new column visits bigint" in result.schema_changes
    assert ask(
        user, "select attnotnull from pg_attribute where attrelid = 'kpi.daily'::regclass and attname = 'visits'"
    ) == [(True,)]
    checks = (
        "select conname::text, convalidated from pg_constraint where conrelid = 'kpi.daily'::regclass and contype = 'c'"
    )
    assert ask(user, checks) == [("visits_are_counted", True)]
    assert ask(user, "select col_description('kpi.daily'::regclass, 4)") == [("The visits.",)]
    assert ask(user, "select count(*) from public.mine") == [(3,)]
    assert shop.publish([(WIDER, wide(4))]).schema_changes == ()


def test_an_additive_change_of_a_monthly_table_reaches_all_months(shop, user):
    shop.publish([(SALES, sales(1, 3) + sales(2, 3))])
    wider = replace(SALES, columns=(*SALES.columns, column("channel", "text", required=True, allowed=("web",))))
    rows = [row | {"channel": "web"} for row in sales(1, 3) + sales(2, 3) + sales(3, 3)]
    shop.publish([(wider, rows)])
    assert verify(shop.url, shop.engine, [wider]) == []
    with pytest.raises(psycopg.errors.CheckViolation):
        user.execute("update partitions.core_sales_2011_01 set channel = 'fax'")
    with pytest.raises(psycopg.errors.NotNullViolation):
        user.execute("update partitions.core_sales_2011_03 set channel = null")


def test_a_held_back_table_keeps_its_rows_under_an_additive_contract(shop, user):
    shop.publish([(DAILY, days(3))])
    shop.publish([], contracts=[WIDER])
    assert ask(user, "select count(*), count(visits) from kpi.daily") == [(3, 0)]
    shop.publish([(WIDER, wide(3))])
    assert ask(user, "select count(*), count(visits) from kpi.daily") == [(3, 3)]


def test_words_that_change_in_a_contract_change_in_postgresql_without_its_rows(shop, user):
    shop.publish([(DAILY, days(3))])
    before = ask(user, "select ctid, xmin from kpi.daily")
    shop.publish([], contracts=[replace(DAILY, description="One row per local day.")])
    assert ask(user, "select obj_description('kpi.daily'::regclass)") == [("One row per local day.",)]
    assert ask(user, "select ctid, xmin from kpi.daily") == before


BROKEN = replace(DAILY, columns=(DAILY.columns[0], column("net_sales", "numeric(20,2)", required=True)), rules=())


def test_a_breaking_change_needs_a_new_major_version(shop, user):
    shop.publish([(DAILY, days(3))])
    with pytest.raises(WarehouseError, match="breaks what reads it") as caught:
        shop.publish([(BROKEN, days(3))])
    assert "column orders removed" in caught.value.evidence
    assert "version: 2.0.0" in str(caught.value)
    assert ask(user, "select count(orders) from kpi.daily") == [(3,)]


def test_a_breaking_change_makes_table_and_our_views_anew_and_keeps_grants(shop, user):
    shop.publish([(DAILY, days(3)), (SALES, sales(1, 2))], [TOTAL])
    user.execute("grant select on kpi.daily to pg_monitor")
    user.execute("grant select on questions.total to pg_monitor")
    new = replace(BROKEN, version="2.0.0")
    with psycopg.connect(shop.url) as session:
        assert set(held(session, [new]).tables) == {"core.sales"}
    result = shop.publish([(new, days(4, "10.50"))], [TOTAL])
    assert counts(result, "kpi.daily") == (3, 4, 0, 3, 4)
    assert ask(user, "select * from questions.total") == [(Decimal("42.00"),)]
    assert ask(user, "select has_table_privilege('pg_monitor', 'kpi.daily', 'select')") == [(True,)]
    assert ask(user, "select has_table_privilege('pg_monitor', 'questions.total', 'select')") == [(True,)]
    assert verify(shop.url, shop.engine, [new, SALES]) == []


def test_a_breaking_change_of_a_monthly_table(shop):
    shop.publish([(SALES, sales(1, 3) + sales(2, 3))])
    new = replace(SALES, version="2.0.0", columns=SALES.columns[:3])
    shop.last.clear()
    assert counts(shop.publish([(new, sales(1, 3) + sales(2, 4))]), "core.sales") == (6, 7, 0, 6, 7)
    assert verify(shop.url, shop.engine, [new]) == []
    assert held_hashes(shop) == expected_hashes(shop)


def test_a_breaking_change_names_views_of_users_first_and_changes_nothing(shop, user):
    shop.publish([(DAILY, days(3))], [TOTAL])
    user.execute("create view public.mine as select orders from kpi.daily")
    user.execute("create materialized view public.kept as select total from questions.total")
    with pytest.raises(WarehouseError, match="views of yours read it") as caught:
        shop.publish([(replace(BROKEN, version="2.0.0"), days(3))], [TOTAL])
    assert set(caught.value.evidence) == {"view public.mine", "materialized view public.kept"}
    assert ask(user, "select count(orders) from kpi.daily") == [(3,)]


def test_a_breaking_contract_of_a_table_that_is_held_back_waits(shop, user):
    shop.publish([(DAILY, days(3)), (SALES, sales(1, 3))])
    shop.publish([(SALES, sales(2, 3))], contracts=[replace(BROKEN, version="2.0.0")])
    assert ask(user, "select count(orders) from kpi.daily") == [(3,)]
    shop.publish([(replace(BROKEN, version="2.0.0"), days(3))])
    assert ask(user, "select count(*) from kpi.daily") == [(3,)]


def test_a_table_that_the_project_no_longer_has_goes(shop, user):
    shop.publish([(DAILY, days(3)), (SALES, sales(1, 2))], [TOTAL])
    user.execute("create view public.mine as select day from kpi.daily")
    with pytest.raises(WarehouseError, match="views of yours read it"):
        shop.publish([], removed=["kpi.daily", "questions.total"])
    user.execute("drop view public.mine")
    shop.publish([], removed=["kpi.daily", "questions.total"])
    assert ask(user, "select to_regclass('kpi.daily'), to_regclass('questions.total')") == [(None, None)]
    assert set(held_hashes(shop)) == {"core.sales"}


def test_a_table_of_somebody_else_is_not_overwritten(shop, user):
    user.execute("create schema kpi")
    user.execute("create table kpi.daily (mine text)")
    with pytest.raises(WarehouseError, match="exists already"):
        shop.publish([(DAILY, days(3))])
