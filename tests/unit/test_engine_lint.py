"""The lint's findings: where they point, what they say, what they need to know; the corpus is in conformance."""

from __future__ import annotations

import pytest

from cxa_pipeline.engine.dialect import check, lint
from cxa_pipeline.engine.sql import parse_model
from cxa_pipeline.errors import DialectError

SCHEMAS = {
    "core.sales": {
        "sale_id": "text",
        "quantity": "integer",
        "total_price": "numeric(18,4)",
        "weight": "double precision",
    }
}


def findings(sql: str, schemas: dict[str, dict[str, str]] | None = SCHEMAS) -> list[str]:
    return [finding.what for finding in lint(parse_model(sql, "core/x.sql"), schemas)]


def test_a_finding_names_file_and_line_the_sql_and_what_to_write() -> None:
    sql = "select\n    s.sale_id,\n    s.total_price / s.quantity as unit_price\nfrom core.sales as s"
    (finding,) = lint(parse_model(sql, "sql/core/x.sql"), SCHEMAS)
    assert finding.where == "sql/core/x.sql:3"
    assert finding.seen == "s.total_price / s.quantity"
    assert finding.advice == "write nullif(s.quantity, 0)"


def test_findings_come_in_the_order_of_lines() -> None:
    sql = "select\n now() as a,\n random() as b,\n s.quantity / s.quantity as c\nfrom core.sales as s\nlimit 1"
    lines = [finding.where for finding in lint(parse_model(sql, "x"), SCHEMAS)]
    assert lines == sorted(lines) and len(lines) == 4


def test_check_raises_the_first_finding_and_shows_the_others() -> None:
    with pytest.raises(DialectError) as caught:
        check(parse_model("select now() as a, random() as b from core.sales", "sql/core/x.sql"), SCHEMAS)
    assert caught.value.where == "sql/core/x.sql:1"
    assert len(caught.value.evidence) == 2
    assert caught.value.advice == "read core.clock (as_of_date, last_at)"


def test_clean_sql_has_no_findings_with_and_without_schemas() -> None:
    sql = """
    with sales as (select s.sale_id, s.quantity, s.total_price from core.sales as s where s.quantity > 0),
    final as (select sales.*, row_number() over (order by sales.total_price desc, sales.sale_id) as place from sales)
    select f.sale_id, f.place, f.total_price / nullif(f.quantity, 0) as unit_price from final as f
    """
    assert findings(sql) == []
    assert findings(sql, None) == []


def test_without_schemas_a_sum_of_unknown_type_is_not_blamed() -> None:
    sql = "select sum(s.weight) as weight from core.sales as s"
    assert findings(sql, None) == []
    assert findings(sql) == ["sum() of double precision differs from run to run"]


def test_types_are_followed_through_ctes() -> None:
    sql = """
    with a as (select s.total_price / nullif(s.quantity, 0) as price from core.sales as s),
    b as (select a.* from a union all select 1.5 as price)
    select avg(b.price) as mean from b
    """
    assert findings(sql) == ["avg() of quotients is a sum of doubles on DuckDB"]
    assert findings(sql.replace("avg(b.price)", "avg(round(b.price, 6))")) == []


@pytest.mark.parametrize(
    "divisor",
    [
        *("2", "-0.5", "nullif(s.quantity, 0)", "(4 * nullif(s.quantity, 0))::numeric"),
        *("greatest(s.quantity, 1)", "(1 + s.quantity * s.quantity)", "(1 + 0.5 * abs(s.weight))"),
        *("(count(*) over () + 1)", "sqrt(2)", "(exp(s.weight) + 1)"),
    ],
)
def test_a_divisor_that_cannot_be_zero_is_accepted(divisor: str) -> None:
    assert findings(f"select s.total_price / {divisor} as x from core.sales as s") == []


@pytest.mark.parametrize(
    "divisor", ["0", "0.0", "nullif(s.quantity, 1)", "s.quantity", "greatest(s.quantity, 0)", "count(*)"]
)
def test_any_other_divisor_is_refused(divisor: str) -> None:
    assert any("may be zero" in what for what in findings(f"select 1.0 / {divisor} as x from core.sales as s"))


def test_a_relation_without_schema_is_accepted_where_the_caller_knows_it() -> None:
    model = parse_model("select upper(f.sale_id) as sale_id from file as f", "x")
    assert [finding.what for finding in lint(model)] == ["the name file is neither schema.table nor a CTE above"]
    assert lint(model, {"file": {"sale_id": "text"}}) == []


def test_an_unlisted_function_is_refused_by_name() -> None:
    assert findings("select soundex(s.sale_id) as x from core.sales as s") == ["soundex() is not in the checked subset"]
    assert findings("select my_function(s.sale_id) as x from core.sales as s") == [
        "my_function() is not in the checked subset"
    ]


@pytest.mark.parametrize(
    ("sql", "advice"),
    [
        ("select median(s.quantity) as x from core.sales as s", "write percentile_cont(0.5) within group (order by x)"),
        ("select s.total_prize from core.sales as s", "did you mean total_price?"),
        ("select s.quantity * 2 as a, a + 1 as b from core.sales as s", "compute it in a CTE and read it in the next"),
        ("select date '2024-01-31' + count(*) as x from core.sales", "cast the number of days: d + n::int"),
        ("select max(s.quantity > 1) as x from core.sales as s", "write bool_or(x) for max, bool_and(x) for min"),
    ],
)
def test_advice_says_what_to_write_instead(sql: str, advice: str) -> None:
    (finding,) = lint(parse_model(sql, "x"), SCHEMAS)
    assert finding.advice.startswith(advice)
