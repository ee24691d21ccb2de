"""Publication: PostgreSQL becomes equal to a release by the rows that differ, and what people built on it survives."""

import logging
import sys
import threading
from dataclasses import replace
from datetime import date
from decimal import Decimal

import psycopg
import pytest

from cxa_pipeline.errors import WarehouseError
from cxa_pipeline.warehouse.address import with_database
from cxa_pipeline.warehouse.connection import connect, publication_lock
from cxa_pipeline.warehouse.publication import Publication, RecordRows, TableChange
from cxa_pipeline.warehouse.publish import publish
from cxa_pipeline.warehouse.schema import held
from cxa_pipeline.warehouse.verify import snapshot, verify
from tests.integration.publications import RELEASE_TABLES, TOTAL, ask, counts, expected_hashes, held_hashes
from tests.integration.shop_tables import CUSTOMERS, DAILY, SALES, column, contract, days, sales
from tests.integration.test_warehouse_shapes import WIDER, wide

# --- rows ------------------------------------------------------------------------------------------------------


def test_the_first_release_takes_the_staging_tables_over(shop, user):
    change = shop.change(DAILY, days(3))
    oid = ask(user, "select %s::regclass::oid", change.staged.name.key)
    assert counts(shop.publish([change, (SALES, sales(1, 4) + sales(2, 2))]), "kpi.daily") == (0, 3, 0, 0, 3)
    assert ask(user, "select 'kpi.daily'::regclass::oid") == oid
    assert ask(user, "select count(*) from core.sales where sold_month = '2011-02-01'") == [(2,)]
    assert ask(user, "select to_regclass('partitions.core_sales_2011_01') is not null") == [(True,)]
    assert ask(
        user, "select conname::text from pg_constraint where conrelid = 'kpi.daily'::regclass and contype = 'p'"
    ) == [("daily_pkey",)]
    assert ask(user, "select obj_description('kpi.daily'::regclass)") == [("One row per daily.",)]
    assert ask(
        user, "select relname from pg_class c where relnamespace = 'staging'::regnamespace and relkind <> 'i'"
    ) == [("marks",)]
    assert held_hashes(shop) == expected_hashes(shop)


def test_a_release_changes_only_rows_that_differ_and_counts_them(shop, user):
    shop.publish([(DAILY, days(20))])
    before = dict(ask(user, "select day, xmin::text from kpi.daily"))
    new = days(20)
    new[3] = new[3] | {"net_sales": Decimal("99.0000")}
    new[4] = new[4] | {"orders": None}
    del new[7]
    new.append({"day": date(2011, 3, 1), "net_sales": Decimal(1), "orders": 0})
    assert counts(shop.publish([(DAILY, new)]), "kpi.daily") == (20, 1, 2, 1, 20)
    after = dict(ask(user, "select day, xmin::text from kpi.daily"))
    assert {day for day in after if after[day] != before.get(day)} == {
        date(2011, 1, 4),
        date(2011, 1, 5),
        date(2011, 3, 1),
    }
    assert verify(shop.url, shop.engine, [DAILY]) == []


def test_many_changes_are_written_anew_and_counted_the_same(shop, user):
    shop.publish([(DAILY, days(20))])
    assert counts(shop.publish([(DAILY, days(21, net="11.0000"))]), "kpi.daily") == (20, 1, 20, 0, 21)
    assert counts(shop.publish([(DAILY, days(5, net="11.0000"))]), "kpi.daily") == (21, 0, 0, 16, 5)
    assert verify(shop.url, shop.engine, [DAILY]) == []


def test_equal_rows_are_not_touched(shop, user):
    shop.publish([(DAILY, days(5))])
    before = ask(user, "select ctid, xmin from kpi.daily")
    assert counts(shop.publish([(DAILY, days(5))]), "kpi.daily") == (5, 0, 0, 0, 5)
    assert ask(user, "select ctid, xmin from kpi.daily") == before


def test_a_table_may_become_empty_and_full_again(shop):
    shop.publish([(DAILY, days(5))])
    assert counts(shop.publish([(DAILY, [])]), "kpi.daily") == (5, 0, 0, 5, 0)
    assert counts(shop.publish([(DAILY, days(5))]), "kpi.daily") == (0, 5, 0, 0, 5)


def test_a_table_without_key_is_compared_as_a_bag(shop):
    clock = contract("core.clock", [column("as_of_date", "date"), column("shop", "text")], (), one_row=True)
    first, second = {"as_of_date": date(2011, 1, 1)}, {"as_of_date": date(2011, 1, 2)}
    shop.publish([(clock, [first])])
    assert counts(shop.publish([(clock, [first])]), "core.clock") == (1, 0, 0, 0, 1)
    assert counts(shop.publish([(clock, [second])]), "core.clock") == (1, 1, 0, 1, 1)
    assert verify(shop.url, shop.engine, [clock]) == []


def test_only_changed_months_are_touched_and_a_new_month_is_added(shop, user):
    shop.publish([(SALES, sales(1, 10) + sales(2, 10))])
    january = ask(user, "select ctid, xmin from core.sales where sold_month = '2011-01-01'")
    changed = sales(2, 10)
    changed[0] = changed[0] | {"net_amount": Decimal(7)}
    assert counts(shop.publish([(SALES, changed + sales(3, 4))]), "core.sales") == (20, 4, 1, 0, 24)
    assert ask(user, "select ctid, xmin from core.sales where sold_month = '2011-01-01'") == january
    assert held_hashes(shop) == expected_hashes(shop)
    assert verify(shop.url, shop.engine, [SALES]) == []


def test_a_month_that_goes_loses_its_rows(shop):
    shop.publish([(SALES, sales(1, 10) + sales(2, 5))])
    gone = shop.change(SALES, [], removed=[date(2011, 1, 1)])
    assert counts(shop.publish([gone]), "core.sales") == (15, 0, 0, 10, 5)
    assert held_hashes(shop) == expected_hashes(shop)
    assert counts(shop.publish([(SALES, sales(1, 3))]), "core.sales") == (5, 3, 0, 0, 8)


def test_a_new_database_holds_nothing_and_gets_everything(shop, user):
    with psycopg.connect(shop.url) as session:
        found = held(session)
    assert found.release_id is None and not found.tables
    shop.publish([(DAILY, days(3)), (SALES, sales(1, 4))])
    with psycopg.connect(shop.url) as session:
        assert held(session).release_id == 1
    shop.publish([], [TOTAL], [DAILY])
    with psycopg.connect(shop.url) as session:
        assert held(session).views == ("questions.total",) and set(held(session).tables) == {"kpi.daily", "core.sales"}


def test_a_table_dropped_by_hand_is_not_held_and_comes_back(shop, user):
    shop.publish([(DAILY, days(3)), (SALES, sales(1, 4))])
    user.execute("drop table kpi.daily")
    assert set(held_hashes(shop)) == {"core.sales"}
    assert counts(shop.publish([(DAILY, days(3))]), "kpi.daily") == (0, 3, 0, 0, 3)


def test_rows_changed_by_hand_are_found_and_mended(shop, user):
    shop.publish([(DAILY, days(10)), (SALES, sales(1, 4) + sales(2, 4))])
    user.execute("update kpi.daily set orders = 77 where day = '2011-01-02'")
    user.execute("delete from core.sales where sold_month = '2011-02-01'")
    found = verify(shop.url, shop.engine, [DAILY, SALES])
    assert [(d.table, d.month) for d in found] == [("kpi.daily", None), ("core.sales", date(2011, 2, 1))]
    assert found[1].found is None
    result = shop.publish([(DAILY, days(10)), (SALES, sales(2, 4))])
    assert counts(result, "kpi.daily") == (10, 0, 1, 0, 10)
    assert counts(result, "core.sales")[1:4] == (4, 0, 0)
    assert verify(shop.url, shop.engine, [DAILY, SALES]) == []


def test_a_complete_change_removes_months_that_the_ledger_does_not_know(shop, user):
    shop.publish([(SALES, sales(1, 4) + sales(2, 4))])
    shop.last.clear()
    user.execute("delete from ops.published_parts")
    change = replace(shop.change(SALES, sales(2, 5)), complete=True)
    assert counts(shop.publish([change]), "core.sales") == (8, 1, 0, 4, 5)
    assert verify(shop.url, shop.engine, [SALES]) == []


def test_a_staging_table_without_its_rows_is_not_published(shop, user):
    shop.publish([(DAILY, days(3))])
    change = shop.change(DAILY, days(9))
    user.execute(f"delete from {change.staged.name.key}")
    with pytest.raises(WarehouseError, match="holds 0 rows, not 9"):
        shop.publish([change])
    assert ask(user, "select count(*) from kpi.daily") == [(3,)]


# --- records ---------------------------------------------------------------------------------------------------


def test_records_tell_of_their_own_publication_in_its_own_transaction(shop, user):
    def records(results):
        rows = [{"table_name": t, "release_id": shop.release, "inserted": r.inserted} for t, r in results.items()]
        yield RecordRows(RELEASE_TABLES, rows)

    shop.publish([(DAILY, days(3))], contracts=[RELEASE_TABLES], records=records)
    assert ask(user, "select * from ops.release_tables") == [("kpi.daily", 1, 3)]
    result = shop.publish([(DAILY, days(5))], contracts=[RELEASE_TABLES], records=records)
    assert ask(user, "select * from ops.release_tables") == [("kpi.daily", 2, 2)]
    assert counts(result, "ops.release_tables") == (1, 0, 1, 0, 1)


def test_records_that_are_not_complete_add_to_those_there(shop, user):
    def publish_record(name, complete):
        row = {"table_name": name, "release_id": shop.release, "inserted": None}
        shop.publish([], contracts=[RELEASE_TABLES], records=lambda _: [RecordRows(RELEASE_TABLES, [row], complete)])
        return [name for (name,) in ask(user, "select table_name from ops.release_tables order by 1")]

    assert publish_record("a", True) == ["a"]
    assert publish_record("b", False) == ["a", "b"]
    assert publish_record("b", True) == ["b"]


def test_records_that_break_their_contract_stop_the_release(shop, user):
    shop.publish([(DAILY, days(3))])
    row = {"table_name": None, "release_id": 2, "inserted": None}
    with pytest.raises(WarehouseError, match="refuses to publish release 2") as caught:
        shop.publish(
            [(DAILY, days(9))],
            contracts=[RELEASE_TABLES],
            records=lambda _: [RecordRows(RELEASE_TABLES, [row])],
        )
    assert caught.value.where == "ops.release_tables"
    assert ask(user, "select count(*) from kpi.daily") == [(3,)]


# --- what people built on it -----------------------------------------------------------------------------------


def test_views_grants_and_open_cursors_of_users_survive_ten_releases(shop, user):
    shop.publish([(DAILY, days(20)), (SALES, sales(1, 5))], [TOTAL])
    user.execute("create schema mine")
    user.execute("create view mine.best as select day from kpi.daily order by net_sales desc limit 1")
    user.execute("create role analyst_of_test")
    try:
        user.execute("grant select on kpi.daily to analyst_of_test")
        with psycopg.connect(shop.url) as reader, reader.cursor("open") as cursor:
            cursor.execute("select * from core.sales")
            first = cursor.fetchone()
            oids = ask(user, "select 'kpi.daily'::regclass::oid, 'core.sales'::regclass::oid")
            for release in range(10):
                rows = days(20, net="10.5000" if release % 2 else "12.0000")
                shop.publish([(DAILY, rows), (SALES, sales(2 + release, 3))], [TOTAL])
            assert len(cursor.fetchall()) == 4 and first
        assert ask(user, "select 'kpi.daily'::regclass::oid, 'core.sales'::regclass::oid") == oids
        assert ask(user, "select count(*) from mine.best") == [(1,)]
        assert ask(user, "select has_table_privilege('analyst_of_test', 'kpi.daily', 'select')") == [(True,)]
    finally:
        user.execute("drop owned by analyst_of_test")
        user.execute("drop role analyst_of_test")


def test_a_repeatable_read_reader_sees_one_release_while_others_are_published(shop):
    shop.publish([(DAILY, days(10)), (SALES, sales(1, 10))])
    stop, wrong, seen = threading.Event(), [], set()

    def read():
        from cxa_pipeline.engine.duckdb import DuckDBEngine

        engine = DuckDBEngine()
        while not stop.is_set():
            with snapshot(shop.url, engine) as moment:
                parts = moment.parts()
                seen.add(moment.fetch("select max(release_id) as r from ops.publications")[0]["r"])
                for made in (DAILY, SALES):
                    for month, content in parts[made.key].items():
                        if moment.content_hash(made, month)[1] != content:
                            wrong.append((made.key, month))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for release in range(8):
            net = f"{release + 3}.0000"
            shop.publish([(DAILY, days(10 + release, net)), (SALES, sales(1, 10, net) + sales(2 + release, 5))])
    finally:
        stop.set()
        reader.join()
    assert not wrong and len(seen) > 1


def test_a_foreign_key_of_a_user_is_named_when_a_row_goes(shop, user):
    shop.publish([(CUSTOMERS, [{"customer_id": c, "segment": "new"} for c in "abcdefgh"])])
    user.execute("create schema mine")
    user.execute("create table mine.notes (customer_id text constraint of_customer references core.customers)")
    user.execute("insert into mine.notes values ('a')")
    # All rows but the key change: written by difference, although that is more than a quarter.
    changed = [{"customer_id": c, "segment": "loyal"} for c in "abcdefgh"]
    assert counts(shop.publish([(CUSTOMERS, changed)]), "core.customers") == (8, 0, 8, 0, 8)
    with pytest.raises(WarehouseError) as caught:
        shop.publish([(CUSTOMERS, changed[1:])])
    assert any("foreign key of_customer of mine.notes" in line for line in caught.value.evidence)
    assert ask(user, "select count(*) from core.customers") == [(8,)]


# --- others in the way -----------------------------------------------------------------------------------------


def test_a_session_that_blocks_a_schema_change_is_named(shop, user):
    shop.publish([(DAILY, days(3))])
    with psycopg.connect(shop.url, application_name="Tableau") as reader:
        reader.execute("select count(*) from kpi.daily")
        with pytest.raises(WarehouseError, match=r"blocks PostgreSQL from change kpi\.daily") as caught:
            shop.publish([(WIDER, wide(3))], patience=0.1)
    assert "Tableau" in caught.value.evidence[0] and "count(*)" in caught.value.evidence[0]
    assert shop.publish([(WIDER, wide(3))]).tables["kpi.daily"].updated == 3


def test_an_open_reader_does_not_hold_up_rows_and_new_months(shop):
    shop.publish([(DAILY, days(3)), (SALES, sales(1, 3))])
    with psycopg.connect(shop.url) as reader:
        reader.execute("select count(*) from kpi.daily, core.sales")
        result = shop.publish([(DAILY, days(9)), (SALES, sales(1, 5) + sales(2, 3))], patience=0.1)
    assert result.seconds < 2


def test_another_publication_is_waited_for_and_named(shop):
    with (
        psycopg.connect(shop.url, autocommit=True, application_name="other home") as other,
        publication_lock(other),
        connect(shop.url, autocommit=True) as session,
        pytest.raises(WarehouseError, match="Another publication") as caught,
        publication_lock(session, patience=0.2),
    ):
        pass
    assert "other home" in caught.value.evidence[0]


def test_a_release_whose_session_is_lost_starts_over(shop, user, caplog):
    shop.publish([(DAILY, days(3))])
    change = shop.change(DAILY, days(12))
    killed = []

    def records(_):
        if not killed:
            killed.append(
                ask(
                    user,
                    "select pg_terminate_backend(a.pid) from pg_locks l join pg_stat_activity a on a.pid = l.pid"
                    " where l.locktype = 'advisory' and a.datname = current_database()",
                )
            )
        return []

    with caplog.at_level(logging.WARNING):
        result = shop.publish([change], records=records)
    assert killed and "starting over" in caplog.text
    assert counts(result, "kpi.daily") == (3, 9, 0, 0, 12)
    assert verify(shop.url, shop.engine, [DAILY]) == []


def test_a_release_whose_commit_was_not_answered_is_not_published_twice(shop, user, monkeypatch):
    module = sys.modules[publish.__module__]
    finish, lost = module._finish, []

    def lose_the_session(connection, *arguments, **named):
        if not lost:
            lost.append(1)
            ask(user, "select pg_terminate_backend(%s)", connection.info.backend_pid)
            connection.execute("select 1")
        finish(connection, *arguments, **named)

    shop.publish([(DAILY, days(3))])
    monkeypatch.setattr(module, "_finish", lose_the_session)
    result = shop.publish([(DAILY, days(5))])
    assert lost and counts(result, "kpi.daily") == (3, 2, 0, 0, 5)
    assert ask(user, "select count(*) from ops.publications") == [(2,)]


def test_a_database_that_cannot_be_reached_is_explained_without_its_password(shop):
    change = TableChange(DAILY, shop.change(DAILY, days(1)).staged)
    with pytest.raises(WarehouseError, match="cannot be reached") as caught:
        publish(lambda: "postgresql://cxa:hidden@127.0.0.1:1/cxa", Publication(1, [DAILY], [change]))
    assert "hidden" not in str(caught.value)
    with pytest.raises(WarehouseError, match="database does not exist"):
        connect(with_database(shop.url, "nowhere"))
