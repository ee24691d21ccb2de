"""The translation to DuckDB, as text: a change of it shows here. That it gives equal rows is shown in conformance."""

from __future__ import annotations

import pytest
from sqlglot import exp

from cxa_pipeline.engine import to_char
from cxa_pipeline.engine.dialect import to_duckdb
from cxa_pipeline.engine.formats import interval_parts, re2_pattern
from cxa_pipeline.engine.kinds import Kind
from cxa_pipeline.errors import DialectError

SCHEMAS = {
    "core.t": {
        "i": "integer",
        "b": "bigint",
        "n": "numeric(18,4)",
        "f": "double precision",
        "s": "text",
        "d": "date",
        "at": "timestamptz",
    }
}


def duckdb(expression: str) -> str:
    sql, _ = to_duckdb(f"select {expression} as x from core.t", SCHEMAS)
    return sql.removeprefix("SELECT ").removesuffix(' AS "x" FROM "core"."t"')


@pytest.mark.parametrize(
    ("postgres", "expected"),
    [
        ("i / 2", '"i" // 2'),
        ("f / 2", '"f" / 2'),
        ("n / 3", "CAST(PRINTF('%.15g', CAST(\"n\" AS DOUBLE) / CAST(3 AS DOUBLE)) AS DOUBLE)"),
        ("sum(b) / 2", "CAST(PRINTF('%.15g', CAST(SUM(\"b\") AS DOUBLE) / CAST(2 AS DOUBLE)) AS DOUBLE)"),
        ("sum(i)", 'CAST(SUM("i") AS BIGINT)'),
        ("avg(n)", "CAST(PRINTF('%.15g', AVG(\"n\")) AS DOUBLE)"),
        ("n * n", 'CAST("n" AS DECIMAL(38, 4)) * "n"'),
        ("0.5 * 0.25", "0.5 * 0.25"),
        ("round(n / 3, 2)", None),
        ("(n / 3)::numeric(12,2)", None),
        ("i::numeric", 'CAST("i" AS DECIMAL(10, 0))'),
        ("n::numeric", '("n")'),
        ("f::numeric", "CAST(PRINTF('%.15g', \"f\") AS DOUBLE)"),
        ("f::numeric(9,2)", "CAST(PRINTF('%.15g', \"f\") AS DECIMAL(9, 2))"),
        ("1e3", "1000"),
        ("s ~ '^a\\d$'", "REGEXP_MATCHES(\"s\", '^a\\d$', 's')"),
        ("s like 'a\\_b'", "\"s\" LIKE 'a\\_b' ESCAPE '\\'"),
        ("s like 'ab%'", "\"s\" LIKE 'ab%'"),
        ("trim(s)", "TRIM(\"s\", ' ')"),
        ("to_char(d, 'IYYY-\"W\"IW')", "STRFTIME(\"d\", '%G-W%V')"),
        ("extract(epoch from at)", '(CAST(EPOCH_US("at") AS DECIMAL(38, 0)) * 0.000001)'),
        ("d + interval '1 month - 1 day'", '"d" + (TO_MONTHS(1) + TO_DAYS(-1))'),
        ("make_interval(days => i)", 'TO_DAYS("i")'),
        ("encode(sha256(convert_to(s, 'UTF8')), 'hex')", 'SHA256("s")'),
        ("percentile_cont(0.5) within group (order by n)", 'QUANTILE_CONT(CAST("n" AS DOUBLE), 0.5)'),
        ("every(i > 0)", 'BOOL_AND("i" > 0)'),
        ("octet_length(s)", 'STRLEN("s")'),
        ("(at at time zone 'UTC')::date", "CAST((\"at\" AT TIME ZONE 'UTC') AS DATE)"),
    ],
)
def test_an_expression_becomes(postgres: str, expected: str | None) -> None:
    found = duckdb(postgres)
    assert found == expected or (expected is None and "PRINTF('%.15g'" in found and "DECIMAL(" in found)


def test_the_order_of_nulls_is_postgresqls() -> None:
    sql, _ = to_duckdb("select t.i from core.t order by t.i desc, t.n", SCHEMAS)
    assert sql.endswith('ORDER BY "t"."i" DESC NULLS FIRST, "t"."n"')


def test_names_are_quoted_so_that_no_word_is_reserved() -> None:
    assert duckdb("i") == '"i"'
    sql, _ = to_duckdb("select I as Pivot from core.t", SCHEMAS)
    assert sql == 'SELECT "i" AS "pivot" FROM "core"."t"'


def test_output_kinds_are_those_of_postgresql() -> None:
    items = "i / 2 as a, n / 2 as b, count(*) as c, sum(b) as d, sum(i) as e, avg(f order by s) as f, max(d) as g, at"
    _, kinds = to_duckdb(f"select {items} from core.t group by at", SCHEMAS)
    names = ["integer", "numeric", "bigint", "numeric", "bigint", "double precision", "date", "timestamptz"]
    assert [kind.name for kind in kinds.values()] == names
    assert kinds["b"] == Kind("numeric", error=1)


def test_alternatives_of_many_digits_keep_their_decimals() -> None:
    assert duckdb("coalesce(sum(n), 0)") == 'COALESCE(SUM("n"), 0)'
    assert duckdb("coalesce(sum(n), 0.00001)") == (
        'COALESCE(CAST(SUM("n") AS DECIMAL(38, 5)), CAST(0.00001 AS DECIMAL(38, 5)))'
    )


def test_a_division_of_unknown_types_is_refused_rather_than_guessed() -> None:
    with pytest.raises(DialectError, match="type of"):
        to_duckdb("select t.y / 2 as x from core.unknown as t", {})


def test_deviations_of_decimals_are_exact_sums() -> None:
    found = duckdb("stddev_samp(n) over (partition by s)")
    assert 'SUM(CAST("n" AS DECIMAL(38, 4)) * CAST("n" AS DECIMAL(38, 4))) OVER (PARTITION BY "s")' in found
    assert duckdb("stddev_samp(f order by s)") == 'STDDEV_SAMP("f" ORDER BY "s")'


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("YYYY-MM-DD", "%Y-%m-%d"), ('"100%" MI', "100%% %M"), ("FMMonth YYYY", "%B %Y"), ("HH24:MI:SS", "%H:%M:%S")],
)
def test_date_patterns(pattern: str, expected: str) -> None:
    assert to_char.as_text(exp.column("d"), pattern).sql("duckdb") == f"STRFTIME(d, '{expected}')"


def test_parts_of_date_patterns_that_strftime_does_not_have_are_joined() -> None:
    found = to_char.as_text(exp.column("d"), 'YYYY-"Q"Q').sql("duckdb")
    assert found == "STRFTIME(d, '%Y-Q') || CAST((QUARTER(d)) AS TEXT)"
    padded = to_char.as_text(exp.column("d"), "MONTH").sql("duckdb")
    assert padded == "RPAD(UPPER(STRFTIME(d, '%B')), 9, ' ')"


@pytest.mark.parametrize(
    "pattern", ["YYYYth", "FM999", "FMYYYY", "AD", "SSSS", "IDDD", "YYY", "J", "CC", "RM", "TZ", "A.M.", "DDth", "\\d"]
)
def test_other_date_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        to_char.parts(pattern)


def test_intervals_are_sums_of_whole_units() -> None:
    assert interval_parts("1 month - 1 day") == [(1, "month"), (-1, "day")]
    assert interval_parts("3", "DAYS") == [(3, "day")]
    assert interval_parts("2 hrs 30 mins") == [(2, "hour"), (30, "minute")]
    for text in ("01:00:00", "1.5 hours", "", "a day", "1 fortnight"):
        with pytest.raises(ValueError, match="interval"):
            interval_parts(text)


def test_regular_expressions_keep_what_both_engines_share() -> None:
    assert re2_pattern(r"^[a-z]+-\d{2,3}$") == r"^[a-z]+-\d{2,3}$"
    assert re2_pattern(r"a\sb").startswith(r"a[\t\n\v\f\r \x{1680}")
    assert re2_pattern("a|b") == "a|b"
    for pattern in (r"\bx", r"\w", "a*?", "(?=a)", "[[:digit:]]", r"(a)\1", "***=a"):
        with pytest.raises(ValueError):
            re2_pattern(pattern)
    with pytest.raises(ValueError, match="alternatives"):
        re2_pattern("a|ab", extracting=True)
