"""The role cxa_reader: everything published, but nothing confidential."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from cxa_pipeline.warehouse import roles
from tests.integration.shop_tables import CUSTOMERS, DAILY, SALES, Shop, column, days, sales, view

PEOPLE = view(
    "questions.people",
    "select customer_id, email from core.customers",
    [column("customer_id", "text"), column("email", "text", classification="confidential")],
)
CUSTOMER_ROWS = [{"customer_id": "a", "email": "a@x", "segment": "new"}]


@pytest.fixture
def shop(database) -> Iterator[Shop]:
    shop = Shop(database)
    shop.publish([(DAILY, days(3)), (CUSTOMERS, CUSTOMER_ROWS), (SALES, sales(1, 2))], [PEOPLE])
    yield shop
    shop.close()


@pytest.fixture
def reader(shop) -> Iterator[psycopg.Connection]:
    with psycopg.connect(shop.url, autocommit=True) as session:
        session.execute("set role cxa_reader")
        yield session


def may(session, query):
    try:
        session.execute(query)
    except psycopg.errors.InsufficientPrivilege:
        return False
    return True


def test_the_reader_sees_tables_views_and_records(reader):
    assert may(reader, "select * from kpi.daily")
    assert may(reader, "select customer_id, segment from core.customers")
    assert may(reader, "select customer_id from questions.people")
    assert may(reader, "select sale_id, net_amount from core.sales")
    assert may(reader, "select * from ops.published_parts")


def test_the_reader_sees_nothing_confidential_and_no_staging(reader):
    assert not may(reader, "select email from core.customers")
    assert not may(reader, "select * from core.customers")
    assert not may(reader, "select email from questions.people")
    assert not may(reader, "select customer_id from core.sales")
    assert not may(reader, "select customer_id from partitions.core_sales_2011_01")
    assert not may(reader, "select * from staging.marks")
    assert not may(reader, "delete from kpi.daily")


def test_new_tables_and_columns_are_readable_at_once_unless_confidential(shop, reader):
    weekly = replace(DAILY, table="weekly")
    wider = replace(CUSTOMERS, columns=(*CUSTOMERS.columns, column("city", "text")))
    with_phone = replace(SALES, columns=(*SALES.columns, column("phone", "text", classification="confidential")))
    shop.publish([(weekly, days(2)), (wider, CUSTOMER_ROWS), (with_phone, sales(1, 2))], [PEOPLE])
    assert may(reader, "select * from kpi.weekly")
    assert may(reader, "select city from core.customers")
    assert not may(reader, "select phone from core.sales")


def test_a_column_that_becomes_confidential_is_taken_away(shop, reader):
    columns = (DAILY.columns[0], replace(DAILY.columns[1], classification="confidential"), DAILY.columns[2])
    shop.publish([], contracts=[replace(DAILY, columns=columns)])
    assert may(reader, "select day, orders from kpi.daily") and not may(reader, "select net_sales from kpi.daily")
    shop.publish([], contracts=[DAILY])
    assert may(reader, "select * from kpi.daily")


def test_the_grants_are_not_written_again_when_they_stand(shop):
    with psycopg.connect(shop.url) as session:
        assert roles.grant_reading(session, [DAILY, CUSTOMERS, SALES, PEOPLE.contract]) == []


def test_a_user_who_may_not_create_roles_is_warned_and_publishes_all_the_same(database, caplog):
    with psycopg.connect(database, autocommit=True) as session:
        name = session.info.dbname
        session.execute("create role plain_of_test login password 'x' nosuperuser nocreaterole")
        session.execute(f"grant create, temporary on database {name} to plain_of_test")
        standing = session.execute("select 1 from pg_roles where rolname = 'cxa_reader'").fetchone()
        session.execute("alter role cxa_reader rename to reader_set_aside") if standing else None
    plain = database.replace(database.split("@")[0], "postgresql://plain_of_test:x")
    shop = Shop(plain)
    try:
        with caplog.at_level(logging.WARNING):
            shop.publish([(DAILY, days(3))])
        assert "may not create roles" in caplog.text and "create role cxa_reader" in caplog.text
        with psycopg.connect(plain) as session:
            assert session.execute("select count(*) from kpi.daily").fetchone() == (3,)
        # An administrator makes the role later: the next publication grants, without ever showing too much.
        with psycopg.connect(database, autocommit=True) as session:
            session.execute("create role cxa_reader nologin")
        shop.publish([(CUSTOMERS, CUSTOMER_ROWS)], contracts=[DAILY])
        with psycopg.connect(database, autocommit=True) as session:
            session.execute("set role cxa_reader")
            assert may(session, "select * from kpi.daily") and may(session, "select * from ops.publications")
            assert may(session, "select customer_id from core.customers")
            assert not may(session, "select email from core.customers")
    finally:
        shop.close()
        with psycopg.connect(database, autocommit=True) as session:
            session.execute("drop owned by plain_of_test cascade")
            session.execute("drop role if exists cxa_reader")
            session.execute("drop role plain_of_test")
            session.execute("alter role reader_set_aside rename to cxa_reader") if standing else None
