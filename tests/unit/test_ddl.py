"""From contracts to DDL, and what it takes to change a table that exists."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from cxa_pipeline.contracts import Column, Contract, Rule
from cxa_pipeline.contracts.ddl import (
    TableName,
    add_key,
    checks,
    comments,
    create_partition,
    create_table,
    create_view,
    partition_name,
    short_name,
    table_name,
)
from cxa_pipeline.contracts.shape import canonical_type, difference, shape

DAILY = Contract(
    schema="kpi",
    table="daily",
    version="1.0.0",
    kind="table",
    description="One row per day; a shop's day.",
    columns=(
        Column("day", "date", "The local day.", required=True),
        Column("net_sales", "numeric(18,4)", "Net sales.", required=True, unit="shop currency"),
        Column("weather", "text", "The weather.", allowed=("dry", "don't know"), max_length=10),
    ),
    primary_key=("day",),
    rules=(
        Rule("net_is_small", "Nobody sells more.", "error", "check", "net_sales\n  < 1000000"),
        Rule("net_is_positive", "Odd, but it happens.", "warn", "check", "net_sales > 0"),
        Rule("days_follow", "No gaps.", "error", "failing_rows", "select 1"),
    ),
    yaml_path=Path("sql/kpi/daily.yaml"),
)
SALES = replace(
    DAILY,
    schema="core",
    table="sales",
    kind="monthly",
    month="sold_month",
    columns=(Column("sale_id", "text", "The line."), Column("sold_month", "date", "Its month.")),
    primary_key=("sold_month", "sale_id"),
    rules=(),
)


def test_a_table_has_types_not_null_checks_and_key():
    assert create_table(DAILY) == (
        'create table "kpi"."daily" (\n'
        '    "day" date not null,\n'
        '    "net_sales" numeric(18,4) not null,\n'
        '    "weather" text,\n'
        "    constraint \"weather_is_allowed\" check (\"weather\" in ('dry', 'don''t know')),\n"
        '    constraint "weather_is_short" check (length("weather") <= 10),\n'
        '    constraint "net_is_small" check (net_sales < 1000000),\n'
        '    constraint "daily_pkey" primary key ("day")\n'
        ")"
    )


def test_only_error_rules_that_a_row_can_break_alone_are_checks():
    assert set(checks(DAILY)) == {"weather_is_allowed", "weather_is_short", "net_is_small"}


def test_columns_of_the_key_are_required():
    assert '"sale_id" text not null' in create_table(SALES)


def test_a_monthly_table_is_partitioned_by_its_month():
    assert create_table(SALES).endswith('partition by list ("sold_month")')


def test_a_month_is_attached_empty_and_lies_out_of_sight():
    name = partition_name(SALES, date(2011, 2, 1))
    assert name == TableName("partitions", "core_sales_2011_02")
    create, attach = create_partition(table_name(SALES), name, date(2011, 2, 1))
    assert create == 'create table "partitions"."core_sales_2011_02" (like "core"."sales" including all)'
    assert attach.endswith("for values in ('2011-02-01')")


def test_a_staging_table_gets_its_key_after_its_rows():
    name = TableName("staging", "kpi__daily__1")
    assert "primary key" not in create_table(DAILY, name, keyed=False)
    assert add_key(DAILY, name) == (
        'alter table "staging"."kpi__daily__1" add constraint "kpi__daily__1_pkey" primary key ("day")'
    )


def test_a_table_for_broken_rows_has_types_only():
    text = create_table(SALES, TableName("staging", "broken"), enforced=False)
    assert not any(word in text for word in ("not null", "constraint", "partition"))


def test_comments_name_meaning_and_unit():
    assert comments(DAILY) == [
        "comment on table \"kpi\".\"daily\" is 'One row per day; a shop''s day.'",
        'comment on column "kpi"."daily"."day" is \'The local day.\'',
        'comment on column "kpi"."daily"."net_sales" is \'Net sales. [shop currency]\'',
        'comment on column "kpi"."daily"."weather" is \'The weather.\'',
    ]


def test_a_view_is_the_text_of_its_file_and_commented_as_a_view():
    made = replace(DAILY, kind="view")
    assert create_view(made, "-- Days.\nselect 1;\n") == 'create or replace view "kpi"."daily" as\n-- Days.\nselect 1'
    assert comments(made)[0].startswith("comment on view")


def test_long_names_are_cut_and_stay_different():
    one, other = short_name("x" * 80), short_name("x" * 79)
    assert len(one) == 63 and one != other
    assert short_name("short") == "short"
    assert len(short_name("ä" * 60).encode()) <= 63


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("timestamp with time zone", "timestamptz"),
        ("NUMERIC( 18, 4 )", "numeric(18,4)"),
        ("int", "integer"),
        ("double  precision", "double precision"),
        ("character varying(10)", "varchar(10)"),
    ],
)
def test_types_have_one_spelling(written, canonical):
    assert canonical_type(written) == canonical


def test_an_equal_table_needs_nothing():
    found = difference(shape(DAILY), DAILY)
    assert not (found.additive or found.breaking or found.before or found.after)


def test_a_new_required_column_is_added_empty_and_closed_once_filled():
    new = replace(DAILY, columns=(*DAILY.columns, Column("visits", "bigint", "Visits.", required=True)))
    found = difference(shape(DAILY), new)
    assert found.before == ('alter table "kpi"."daily" add column "visits" bigint',)
    assert found.after == ('alter table "kpi"."daily" alter column "visits" set not null',)
    assert found.additive == ("new column visits bigint", "column visits may not be NULL")
    assert not found.breaking


def test_a_changed_check_binds_new_rows_at_once_and_old_ones_later():
    rule = Rule("net_is_small", "Nobody sells more.", "error", "check", "net_sales < 10")
    found = difference(shape(DAILY), replace(DAILY, rules=(rule,)))
    assert found.before == (
        'alter table "kpi"."daily" drop constraint if exists "net_is_small"',
        'alter table "kpi"."daily" add constraint "net_is_small" check (net_sales < 10) not valid',
    )
    assert found.after == ('alter table "kpi"."daily" validate constraint "net_is_small"',)


def test_a_check_that_was_never_validated_is_validated_later():
    found = difference(replace(shape(DAILY), unvalidated=frozenset({"net_is_small"})), DAILY)
    assert found.before == () and found.after == ('alter table "kpi"."daily" validate constraint "net_is_small"',)


def test_a_removed_check_and_a_column_that_may_be_null_are_additive():
    columns = (DAILY.columns[0], replace(DAILY.columns[1], required=False), replace(DAILY.columns[2], allowed=()))
    found = difference(shape(DAILY), replace(DAILY, columns=columns))
    assert found.additive == ("column net_sales may be NULL", "check weather_is_allowed removed")
    assert not found.after


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"columns": DAILY.columns[:2]}, "column weather removed"),
        (
            {"columns": (DAILY.columns[0], replace(DAILY.columns[1], type="numeric(20,4)"), DAILY.columns[2])},
            "column net_sales is numeric(18,4), wanted numeric(20,4)",
        ),
        ({"primary_key": ("day", "net_sales")}, "key is (day), wanted (day, net_sales)"),
        ({"month": "day"}, "split by nothing, wanted day"),
    ],
)
def test_what_breaks_readers_is_breaking(change, words):
    found = difference(shape(DAILY), replace(DAILY, **change))
    assert found.breaking == (words,) and not found.before
