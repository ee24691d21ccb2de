"""Words of PostgreSQL: functions that the parser takes for its own, what to write instead of others, reserved words.

Here: names. The parser would accept those of thirty other databases too and quietly make PostgreSQL's of them; what
is not listed here stays as written and is refused. Not here: the kinds of values (`rules`), operators and clauses
that are refused (`lint`).
"""

from __future__ import annotations

_NUMBERS = """abs acos asin atan atan2 cbrt ceil ceiling cos degrees exp floor ln log log10 mod pi pow power radians
    round sign sin sqrt tan trunc width_bucket"""
_TEXTS = """btrim char_length character_length concat concat_ws encode left length lower lpad ltrim md5 regexp_like
    regexp_replace repeat replace right rpad rtrim sha256 split_part starts_with strpos substr substring translate trim
    upper"""
_OTHERS = """array array_length array_to_string coalesce date_trunc generate_series greatest least make_interval nullif
    to_timestamp unnest"""
_AGGREGATES = """array_agg avg bool_and bool_or corr count covar_pop covar_samp grouping max min mode percentile_cont
    percentile_disc regr_count regr_intercept regr_r2 regr_slope stddev stddev_pop stddev_samp string_agg sum var_pop
    var_samp variance"""
_WINDOWS = """cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number"""
_REFUSED_BY_MEANING = """any_value gen_random_uuid now random to_date"""
_SYNTAX = """cast ceil date_part extract floor overlay position string_agg substring trim"""

UNDERSTOOD = frozenset(" ".join((_NUMBERS, _TEXTS, _OTHERS, _AGGREGATES, _WINDOWS, _REFUSED_BY_MEANING)).split())
"""Names that the parser gives a meaning; all others stay as written."""

SYNTAX = frozenset(_SYNTAX.split())
"""Functions with a syntax of their own, such as `extract(… from …)`."""

_RESERVED = """all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
    current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc
    distinct do else end except false fetch for foreign from grant group having in initially intersect into lateral
    leading limit localtime localtimestamp not null offset on only or order placing primary references returning select
    session_user some symmetric system_user table then to trailing true union unique user using variadic when where
    window with authorization binary collation concurrently cross current_schema freeze full ilike inner is isnull join
    left like natural notnull outer overlaps right similar tablesample verbose"""

RESERVED = frozenset(_RESERVED.split())
"""Words that name nothing in PostgreSQL unless they are quoted, or follow a dot or AS."""

CLOCK = ("the wall clock is not read by a query", "read core.clock (as_of_date, last_at)")
RANDOM = ("the result would differ from run to run", "derive the value from the row's key, e.g. by md5")
ANY_ROW = ("which row it takes is not determined", "use min() or max(), or first_value() over a total order")

_FOREIGN = {
    ("ifnull", "nvl"): "coalesce(x, y)",
    ("nvl2", "iff", "iif", "decode"): "case when … then … else … end",
    ("len",): "length(x)",
    ("instr", "locate", "charindex"): "strpos(x, 'part')",
    ("ucase",): "upper(x)",
    ("lcase",): "lower(x)",
    ("median",): "percentile_cont(0.5) within group (order by x)",
    ("quantile", "quantile_cont", "approx_quantile", "percentile"): "percentile_cont(0.9) within group (order by x)",
    ("quantile_disc",): "percentile_disc(0.9) within group (order by x)",
    ("count_if", "countif"): "count(*) filter (where …)",
    ("sum_if", "sumif"): "sum(x) filter (where …)",
    ("approx_count_distinct", "approx_distinct", "hll"): "count(distinct x)",
    ("list", "collect_list", "arrayagg"): "array_agg(x order by key)",
    ("listagg", "group_concat"): "string_agg(x, ',' order by key)",
    ("date_add", "dateadd", "add_months"): "d + interval '1 month'",
    ("date_sub", "datesub"): "d - interval '1 month'",
    ("date_diff", "datediff", "timestampdiff"): "d1 - d2 for days, extract(epoch from a - b) for seconds",
    ("last_day",): "(date_trunc('month', d) + interval '1 month - 1 day')::date",
    ("year", "month", "day", "hour", "minute", "quarter", "week", "dayofweek"): "extract(year from d) and the like",
    ("strftime", "date_format", "format_date"): "to_char(d, 'YYYY-MM-DD')",
    ("logical_or", "boolor_agg"): "bool_or(x)",
    ("logical_and", "booland_agg"): "bool_and(x)",
    ("range",): "generate_series(first, last)",
    ("try_cast", "safe_cast", "convert"): "cast(x as type); what may fail is typed by the contract of the landed table",
    ("safe_divide",): "a / nullif(b, 0)",
    ("log2",): "log(2, x)",
    ("round_even",): "round(x::numeric, n)",
}

_OWN: dict[tuple[str, ...], tuple[str, str]] = {
    ("clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday"): CLOCK,
    ("random_normal", "setseed", "nextval", "uuidv7", "uuidv4"): RANDOM,
    ("first", "last", "arg_min", "arg_max", "min_by", "max_by"): ANY_ROW,
    ("initcap",): (
        "initcap() splits words differently",
        "raise the first letter of a text: upper(left(x, 1)) || lower(substr(x, 2))",
    ),
    ("reverse",): ("reverse() treats combined characters differently", "use split_part() or right()"),
    ("to_number",): ("to_number() reads texts differently", "let the contract of the landed table type it"),
    ("age",): ("age() counts days of months differently", "subtract dates, or take extract(year|month from age(…))"),
    ("timezone",): ("timezone()", "write: x at time zone z"),
    ("justify_days", "justify_hours", "justify_interval"): (
        "intervals are justified differently",
        "work with dates or with elapsed seconds",
    ),
    ("regr_avgx", "regr_avgy"): ("regr_avgx() and regr_avgy()", "write avg(x) filter (where y is not null)"),
    ("regr_sxx", "regr_syy", "regr_sxy"): (
        "sums of squares of a regression",
        "write regr_count(y, x) * covar_pop(y, x), or var_pop()",
    ),
    ("array_position", "array_contains"): ("positions in arrays", "write x = any(array[…])"),
    ("string_to_array", "regexp_split_to_table", "regexp_split_to_array", "string_to_table"): (
        "splitting a text into many",
        "take the parts with split_part(x, ',', n)",
    ),
    ("regexp_substr",): ("regexp_substr()", "write (regexp_match(x, 'pattern'))[1]"),
    ("regexp_count", "regexp_instr", "regexp_matches"): (
        "repeated matches of a pattern",
        "write (length(x) - length(replace(x, 'part', ''))) / length('part')",
    ),
    ("date_bin",): ("date_bin()", "compute floor(extract(epoch from x - origin) / seconds)"),
    ("make_timestamp", "make_timestamptz", "make_time"): (
        "times made of parts",
        "write make_date(y, m, d) + interval '1 hour' * h",
    ),
    ("isfinite",): ("infinite dates", "they do not pass the contract of a landed table; leave the condition out"),
    ("erf", "erfc"): ("erf() is missing on DuckDB", "write the Chebyshev fit with exp() in a CTE of its own"),
    ("format", "quote_literal", "quote_ident"): ("texts made by a format", "join texts with ||"),
    ("chr", "ascii", "unistr"): ("characters by number", "write the character itself"),
    ("hashtext", "sha224", "sha384", "sha512", "crc32"): ("this hash", "use md5(x), or encode(sha256(…), 'hex')"),
    ("current_setting", "set_config", "pg_sleep", "version"): (
        "the session is not read by a query",
        "read the value from core.parameters",
    ),
}

REFUSED: dict[str, tuple[str, str]] = {
    **{n: (f"{n}() is not in the checked subset", f"write {it}") for names, it in _FOREIGN.items() for n in names},
    **{name: refusal for names, refusal in _OWN.items() for name in names},
}
"""Name → what is wrong with it, and what to write instead."""

_JSON = ("JSON differs between engines", "let the source's mapping take the values out")
_GENERAL = "see the list of allowed functions in engine/rules.py; compose it from those"


def refusal(name: str) -> tuple[str, str]:
    """What is wrong with a function that is not in the checked subset, and what to write instead."""
    if name.startswith(("json", "to_json", "row_to_json")):
        return _JSON
    return REFUSED.get(name, (f"{name}() is not in the checked subset", _GENERAL))
