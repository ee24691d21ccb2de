"""Staging: whole or absent, exact, found again, and with evidence when rows break their contract."""

from datetime import UTC, date, datetime
from decimal import Decimal

import psycopg
import pyarrow as pa
import pytest

from cxa_pipeline.contracts import Rule
from cxa_pipeline.errors import ConstraintError, ContractError, WarehouseError
from cxa_pipeline.warehouse.stage import Stager, stage
from cxa_pipeline.warehouse.staging import Part, clean
from cxa_pipeline.warehouse.violations import StagedRowsError
from tests.integration.shop_tables import CUSTOMERS, DAILY, SALES, column, contract, days, output, sales

EVERY_TYPE = contract(
    "core.every_type",
    [
        column("id", "smallint", required=True),
        column("whole", "integer"),
        column("big", "bigint"),
        column("money", "numeric(18,4)"),
        column("wide", "numeric(38,10)"),
        column("ratio", "double precision"),
        column("yes", "boolean"),
        column("day", "date"),
        column("moment", "timestamptz"),
        column("words", "text"),
    ],
    ["id"],
)
VALUES = [
    {
        "id": 1,
        "whole": -(2**31),
        "big": 2**63 - 1,
        "money": Decimal("-12345678901234.5678"),
        "wide": Decimal("9999999999999999999999999999.9999999999"),
        "ratio": 0.1,
        "yes": True,
        "day": date(1900, 2, 28),
        "moment": datetime(2011, 3, 27, 1, 2, 3, 456789, tzinfo=UTC),
        "words": 'Grüße, "quoted"\n\ttab \\ \' ☂',
    },
    {"id": 2, "money": Decimal("0.0001"), "wide": Decimal("-0.0000000001"), "ratio": 1e-300, "yes": False, "words": ""},
    {"id": 3},
]


def rows_of(url, query):
    with psycopg.connect(url) as session:
        session.execute("set timezone = 'UTC'")
        return session.execute(query).fetchall()


def marks(shop):
    return rows_of(shop.url, "select table_name, row_count from staging.marks")


def test_every_type_goes_in_and_comes_back_exactly(shop):
    staged = shop.change(EVERY_TYPE, VALUES).staged
    names = [c.name for c in EVERY_TYPE.columns]
    found = rows_of(shop.url, f"select * from {staged.name.key} order by id")
    assert found == [tuple(row.get(name) for name in names) for row in VALUES]


def test_values_are_cast_exactly_to_the_types_of_the_contract(shop):
    narrow = {"orders": pa.array([5], pa.int16()), "net_sales": pa.array([Decimal("2.5")], pa.decimal128(5, 1))}
    table = pa.table(narrow | {"day": [date(2011, 1, 1)]})
    staged = stage(shop.database, DAILY, [Part(None, "k", "h", 1)], table.to_reader)
    assert rows_of(shop.url, f"select * from {staged.name.key}") == [(date(2011, 1, 1), Decimal("2.5000"), 5)]


def test_a_value_that_does_not_fit_its_type_is_refused(shop):
    table = pa.table({"day": [date(2011, 1, 1)], "net_sales": [Decimal("0.00001")], "orders": [1]})
    with pytest.raises(ContractError, match=r"does not fit its column"):
        stage(shop.database, DAILY, [Part(None, "k", "h", 1)], table.to_reader)
    with pytest.raises(ContractError, match=r"lacks columns"):
        stage(shop.database, DAILY, [Part(None, "k", "h", 1)], table.select(["day"]).to_reader)


def test_what_is_staged_already_is_not_loaded_again(shop):
    first = shop.change(DAILY, days(3)).staged
    read = []
    again = stage(shop.database, DAILY, first.parts, lambda: read.append(1))
    assert again.reused and again.name == first.name and again.rows == 3 and not read


def test_other_content_or_another_contract_is_another_staging_table(shop):
    first = shop.change(DAILY, days(3)).staged
    other = shop.change(DAILY, days(4)).staged
    looser = shop.change(shop.replace(DAILY, rules=()), days(3)).staged
    assert len({first.name, other.name, looser.name}) == 3
    described = shop.change(shop.replace(DAILY, description="Other words."), days(3)).staged
    assert described.name == first.name and described.reused


def test_a_load_that_breaks_off_leaves_nothing(shop):
    def breaking():
        yield pa.RecordBatch.from_pylist([dict(r) for r in days(5)], schema=schema)
        raise OSError("the disk is gone")

    from cxa_pipeline.warehouse.arrow import arrow_schema

    schema = arrow_schema(DAILY)
    parts = [Part(None, "k", "h", 10)]
    with pytest.raises(OSError, match="the disk is gone"):
        stage(shop.database, DAILY, parts, lambda: pa.RecordBatchReader.from_batches(schema, breaking()))
    assert marks(shop) == []
    assert rows_of(shop.url, "select count(*) from pg_tables where schemaname = 'staging'") == [(1,)]


def test_what_postgresql_cannot_store_is_said_without_quoting_rows(shop):
    rows = [{"customer_id": "private\0", "email": None, "segment": None}]
    with pytest.raises(WarehouseError, match=r"core\.customers cannot be staged") as caught:
        shop.change(CUSTOMERS, rows)
    assert "invalid byte sequence" in caught.value.evidence[0] and "private" not in str(caught.value)


def test_fewer_rows_than_announced_are_refused(shop):
    _, table = shop.parts(DAILY, days(3))
    with pytest.raises(WarehouseError, match="3 rows came, 4 were announced"):
        stage(shop.database, DAILY, [Part(None, "k", "h", 4)], table.to_reader)
    assert marks(shop) == []


def test_a_staging_table_is_logged(shop):
    name = shop.change(DAILY, days(3)).staged.name.table
    assert rows_of(shop.url, f"select relpersistence::text from pg_class where relname = '{name}'") == [("p",)]


def test_a_monthly_staging_table_holds_the_changed_months_only(shop):
    staged = shop.change(SALES, sales(2, 4) + sales(3, 5)).staged
    months = rows_of(shop.url, f"select sold_month, count(*) from {staged.name.key} group by 1 order by 1")
    assert months == [(date(2011, 2, 1), 4), (date(2011, 3, 1), 5)]
    assert [part.rows for part in staged.parts] == [4, 5]


def test_a_month_that_was_not_announced_is_refused(shop):
    parts, _ = shop.parts(SALES, sales(2, 4))
    _, table = shop.parts(SALES, sales(3, 4))
    with pytest.raises(WarehouseError, match="lie in months that were not announced"):
        shop.stager.stage(SALES, parts, table.to_reader)


def test_an_empty_table_is_staged(shop):
    assert shop.change(DAILY, []).staged.rows == 0


def test_broken_constraints_are_named_with_counts_examples_and_a_query(shop):
    made = shop.replace(
        CUSTOMERS,
        rules=(Rule("email_has_an_at", "Mail needs an address.", "error", "check", "email like '%@%'"),),
    )
    rows = [
        {"customer_id": "a", "email": "a@x", "segment": "new"},
        {"customer_id": "a", "email": "nowhere", "segment": "new"},
        {"customer_id": "b", "email": None, "segment": "gone"},
        {"customer_id": None, "email": "secret", "segment": "loyal"},
    ]
    with pytest.raises(StagedRowsError) as caught:
        shop.change(made, rows)
    error = caught.value
    assert isinstance(error, ConstraintError)
    found = {v.constraint: v for v in error.violations}
    assert {name: v.rows for name, v in found.items()} == {
        "customer_id is missing": 1,
        "segment_is_allowed": 1,
        "email_has_an_at": 2,
        "key is not unique": 2,
    }
    assert found["email_has_an_at"].rule == "email_has_an_at" and found["key is not unique"].rule is None
    assert found["segment_is_allowed"].examples == ("customer_id=b, segment=gone",)
    assert found["email_has_an_at"].examples == ("customer_id=a, email=***", "customer_id=NULL, email=***")
    assert "secret" not in str(error) and "nowhere" not in str(error)
    # The rows stay for inspection, and the query finds them.
    assert len(rows_of(shop.url, found["key is not unique"].query)) == 2
    assert marks(shop) == []


def test_rows_that_were_refused_are_asked_again_and_their_table_replaced(shop):
    for _ in range(2):
        with pytest.raises(StagedRowsError):
            shop.change(DAILY, [{"day": date(2011, 1, 1), "net_sales": None, "orders": -1}])
    assert shop.change(DAILY, days(2)).staged.rows == 2


def test_one_stager_goes_on_after_refused_rows_and_after_a_lost_session(shop):
    asked = []

    def database():
        asked.append(1)
        return shop.url

    with Stager(database) as stager:
        for count in (1, 2):
            parts, table = shop.parts(DAILY, days(count))
            stager.stage(DAILY, parts, table.to_reader)
        parts, table = shop.parts(DAILY, [{"day": date(2011, 1, 1), "net_sales": None, "orders": 1}])
        with pytest.raises(StagedRowsError):
            stager.stage(DAILY, parts, table.to_reader)
        assert len(asked) == 1
        with psycopg.connect(shop.url, autocommit=True) as session:
            session.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
            )
        parts, table = shop.parts(DAILY, days(7))
        assert stager.stage(DAILY, parts, table.to_reader).rows == 7
        assert len(asked) == 2


def test_cleaning_keeps_what_is_named(shop):
    keep, gone = shop.change(DAILY, days(1)).staged, shop.change(SALES, sales(1, 2)).staged
    with psycopg.connect(shop.url, autocommit=True) as session:
        assert clean(session, [keep.name]) == [gone.name.table]
    assert marks(shop) == [(keep.name.table, 1)]


def test_the_engine_reads_a_version_straight_into_staging(shop, tmp_path):
    from cxa_pipeline.engine.protocol import Relation

    target = tmp_path / "data.parquet"
    columns = output(DAILY)
    sql = "select date '2011-01-01' as day, 1.5 as net_sales, 3 as orders"
    result = shop.engine.run(sql, {}, columns, target)
    part = Part(None, "key", result.content_hash, result.rows)
    staged = stage(shop.database, DAILY, [part], lambda: shop.engine.reader(Relation((target,)), columns, ("day",)))
    assert rows_of(shop.url, f"select * from {staged.name.key}") == [(date(2011, 1, 1), Decimal("1.5000"), 3)]
