"""Parsing of models: description, dependencies, fingerprint, columns read, column lineage."""

from __future__ import annotations

import time

import pytest

from cxa_pipeline.engine.sql import Lineage, column_lineage, columns_read, describe, parse_model, read_model
from cxa_pipeline.errors import DialectError

SCHEMAS = {
    "core.sales": {
        "sale_id": "text",
        "order_id": "text",
        "store_id": "text",
        "total_price": "numeric(18,4)",
        "sold_at": "timestamptz",
    },
    "core.stores": {"store_id": "text", "location": "text"},
    "core.parameters": {"timezone": "text", "currency": "text"},
}

DAILY = """
-- One row per local day and location.
-- Days without sales are absent.
--
-- Returns count on their own day.
with parameters as (select p.timezone as zone from core.parameters as p),
sales as (select * from core.sales),
joined as (
    select (s.sold_at at time zone p.zone)::date as day, t.location, s.total_price
    from sales as s cross join parameters as p left join core.stores as t on t.store_id = s.store_id
),
final as (
    select j.day, j.location, sum(j.total_price) as net_sales, count(*) as lines
    from joined as j group by j.day, j.location
)
select * from final
"""


def test_the_leading_comment_is_the_description_in_paragraphs() -> None:
    model = parse_model(DAILY, "kpi.daily")
    assert model.description == (
        "One row per local day and location. Days without sales are absent.\n\nReturns count on their own day."
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1 as x -- not this", ""),
        ("/* One row\n * per day. */\nselect 1 as x", "One row per day."),
        ("-- One.\n/* Two. */ select 1 as x", "One. Two."),
        ("", ""),
    ],
)
def test_a_description_ends_where_the_sql_begins(sql: str, expected: str) -> None:
    assert describe(sql) == expected


def test_dependencies_are_the_tables_and_not_the_ctes() -> None:
    assert parse_model(DAILY, "kpi.daily").dependencies == {"core.sales", "core.stores", "core.parameters"}


def test_comments_case_and_format_leave_the_fingerprint_and_a_changed_word_does_not() -> None:
    first = parse_model(DAILY, "a").fingerprint
    other = DAILY.replace("One row", "A row").replace("\n", "\n\n  ").replace("select", "SELECT -- why\n")
    assert parse_model(other, "b").fingerprint == first
    assert parse_model(DAILY.replace("sum(", "max("), "a").fingerprint != first
    assert parse_model(DAILY.replace("left join", "join"), "a").fingerprint != first


def test_a_model_reads_only_the_columns_that_it_names_or_takes_by_star() -> None:
    read = columns_read(parse_model(DAILY, "kpi.daily"), SCHEMAS)
    assert read["core.parameters"] == {"timezone"}
    assert read["core.stores"] == {"store_id", "location"}
    assert read["core.sales"] == set(SCHEMAS["core.sales"])


def test_columns_are_found_in_conditions_subqueries_and_laterals() -> None:
    sql = """
    select s.sale_id, l.location from core.sales s
    cross join lateral (select t.location from core.stores t where t.store_id = s.store_id) l
    where exists (select 1 from core.parameters p where p.currency = 'EUR') and order_id is not null
    """
    read = columns_read(parse_model(sql.replace("order_id is", "s.order_id is"), "x"), SCHEMAS)
    assert read == {
        "core.sales": {"sale_id", "store_id", "order_id"},
        "core.stores": {"location", "store_id"},
        "core.parameters": {"currency"},
    }


def test_lineage_follows_values_through_ctes_stars_and_joins() -> None:
    assert column_lineage(parse_model(DAILY, "kpi.daily"), SCHEMAS) == [
        Lineage("core.parameters", "timezone", "day"),
        Lineage("core.sales", "sold_at", "day"),
        Lineage("core.sales", "total_price", "net_sales"),
        Lineage("core.stores", "location", "location"),
    ]


def test_lineage_of_a_union_a_subquery_and_a_series() -> None:
    sql = """
    with recursive n(k) as (select 1 union all select k + 1 from n where k < 3)
    select s.store_id as id, (select max(t.location) from core.stores t) as place, null::date as day from core.sales s
    union all
    select u.x, 'none', g.d::date from core.sales s
    cross join unnest(array[s.sale_id]) as u(x)
    cross join lateral generate_series(s.sold_at, s.sold_at, interval '1 hour') as g(d)
    """
    assert column_lineage(parse_model(sql, "x"), SCHEMAS) == [
        Lineage("core.sales", "sale_id", "id"),
        Lineage("core.sales", "sold_at", "day"),
        Lineage("core.sales", "store_id", "id"),
        Lineage("core.stores", "location", "place"),
    ]


def test_lineage_of_six_hundred_columns_takes_less_than_two_seconds() -> None:
    columns = {f"c{n}": "numeric(18,4)" for n in range(60)}
    chain = "with a as (select * from core.wide)"
    for step in range(10):
        items = ", ".join(f"t.c{n} + t.c{(n + 1) % 60} as c{n}" for n in range(60))
        chain += f", s{step} as (select {items} from {'a' if step == 0 else f's{step - 1}'} as t)"
    started = time.perf_counter()
    found = column_lineage(parse_model(chain + " select * from s9", "x"), {"core.wide": columns})
    assert time.perf_counter() - started < 2
    assert len(found) == 60 * 11


@pytest.mark.parametrize(
    ("sql", "where", "seen"),
    [
        ("select 1 as x,\nfrom (", "kpi/daily.sql:2", "Expected table name"),
        ("select 1 as x; select 2 as x", "kpi/daily.sql", "exactly one SELECT"),
        ("update core.sales set x = 1", "kpi/daily.sql", "exactly one SELECT"),
        ("-- nothing", "kpi/daily.sql", "exactly one SELECT"),
    ],
)
def test_what_is_not_one_select_is_refused_with_file_and_line(sql: str, where: str, seen: str) -> None:
    with pytest.raises(DialectError) as caught:
        parse_model(sql, "kpi/daily.sql")
    assert caught.value.where == where
    assert seen in str(caught.value)
    assert caught.value.advice


def test_what_a_model_reads_is_known_before_it_is_parsed():
    sql = """-- from core.comment
    select extract(day from s.day) as d, 'from core.text' as t, trim(both from s.x) as x
    from core.sales as s inner join kpi.daily as k on s.day = k.day where exists (select 1 from core.orders)"""
    read = read_model(sql, "kpi.x", {"core", "kpi"})
    assert read.dependencies == parse_model(sql, "kpi.x").dependencies == {"core.sales", "kpi.daily", "core.orders"}
    assert read.tree == parse_model(sql, "kpi.x").tree


@pytest.mark.parametrize("reads", ["cor.sales", "core.sales, core.orders"])
def test_a_table_that_was_overlooked_is_an_error_once_the_model_is_parsed(reads):
    model = read_model(f"select 1 as one from {reads}", "kpi.x", {"core"})
    with pytest.raises(DialectError, match="cannot be told from its text"):
        _ = model.tree
