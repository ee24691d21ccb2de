"""Which SQL a model may contain: the checks that depend on types.

Here: casts, texts, dates and moments, sums and comparisons whose result would differ between engines or
sessions. Not here: checks on form (`lint`), the types themselves (`infer`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp

from cxa_pipeline.engine.formats import ELAPSED_UNITS, interval_parts, re2_pattern, strftime_pattern
from cxa_pipeline.engine.infer import Kinds
from cxa_pipeline.engine.kinds import (
    ARRAY,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTERVAL,
    LITERAL,
    NULL,
    TEXT,
    TIMESTAMP,
    TIMESTAMPTZ,
    UNKNOWN,
    Kind,
)
from cxa_pipeline.engine.lint import Problem
from cxa_pipeline.engine.scopes import is_table_function

_LOCAL = "make it local first: (x at time zone parameters.timezone)"
_ELAPSED = "add elapsed time: interval '24 hours', or make it local first"
_ELAPSED_ARGUMENTS = {"hour", "minute", "min", "second", "sec"}
_CAST_TARGETS = {"smallint", "integer", "bigint", "numeric", "double precision", "text", "boolean", "date"}
_CAST_TARGETS |= {"timestamp", "timestamptz", "interval"}
_EXTRACT = {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "QUARTER", "WEEK", "ISOYEAR", "ISODOW", "DOW", "DOY", "EPOCH"}
_TRUNC = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"}
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ)


def problems(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    """What is wrong with one expression, given the kinds of its operands."""
    for check in CHECKS.get(type(node), ()):
        yield from check(node, kinds)


def _is_rough(kind: Kind) -> bool:
    return kind.name == "numeric" and kind.error > 1


def _table(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    assert isinstance(node, exp.Table)
    known = is_table_function(node) or node.db or node.name in kinds.names.schemas
    if not known and node.name not in _visible_ctes(node):
        yield node, f"the name {node.name} is neither schema.table nor a CTE above", "write schema.table"


def _visible_ctes(node: exp.Expr) -> set[str]:
    found: set[str] = set()
    parent = node.parent
    while parent is not None:
        if with_ := parent.args.get("with_"):
            found |= {cte.alias for cte in with_.expressions}
        parent = parent.parent
    return found


def _cast(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    source, target, to = kinds.of(node.this), kinds.of(node), node.args["to"]
    bare = bool(to.expressions) and target.name != "numeric"
    if target.name not in _CAST_TARGETS or bare:
        advice = (
            "use left(x, n) for a length" if target == TEXT else f"cast to one of {', '.join(sorted(_CAST_TARGETS))}"
        )
        yield node, f"a cast to {to.sql('postgres')}", advice
    elif source in (LITERAL, NULL, UNKNOWN):
        yield from _cast_of_literal(node, source, target)
    elif problem := _cast_problem(node, source, target, kinds):
        yield node, *problem


def _cast_of_literal(node: exp.Expr, source: Kind, target: Kind) -> Iterator[Problem]:
    text = node.this.name if source == LITERAL and isinstance(node.this, exp.Literal) else None
    if target == INTERVAL and text is None:
        yield node, "a cast to interval", "write n * interval '1 day'"
    elif target == INTERVAL:
        yield from _check_text(node, interval_parts, text)
    elif target == TIMESTAMPTZ and text is not None and not _has_offset(text):
        yield node, "a timestamptz without offset depends on the session's time zone", "write +00 at its end"


def _has_offset(text: str) -> bool:
    clock = text.strip()[10:]
    return clock.endswith(("Z", "z")) or "+" in clock or "-" in clock


def _cast_problem(node: exp.Expr, source: Kind, target: Kind, kinds: Kinds) -> tuple[str, str] | None:
    if source.name == "text" and target != TEXT:
        return (
            f"a cast of text to {target.name} reads texts differently",
            "let the contract of the landed table type it",
        )
    if source == DOUBLE and (target.is_integer or target == TEXT):
        return f"a cast of double precision to {target.name}", "cast to numeric(p,s) first"
    if target == TEXT and source.name == "numeric" and not _has_fixed_scale(node.this, kinds):
        return "a numeric of no fixed scale as text", "cast to numeric(p,s) first"
    if target == TEXT and source.name in ("timestamp", "interval", "row", "array"):
        return f"a cast of {source.name} to text", "use to_char(), or extract()"
    if TIMESTAMPTZ in (source, target) and source != target:
        return f"a cast of {source.name} to {target.name} depends on the session's time zone", _LOCAL
    if target == INTERVAL and source != INTERVAL:
        return "a cast to interval", "write n * interval '1 day'"
    return None


def _has_fixed_scale(node: exp.Expr, kinds: Kinds) -> bool:
    """Whether PostgreSQL, too, shows all values of a numeric with the decimals of its type."""
    if isinstance(node, (exp.Paren, exp.Neg, exp.Abs)):
        return _has_fixed_scale(node.this, kinds)
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul)):
        return _has_fixed_scale(node.this, kinds) and _has_fixed_scale(node.expression, kinds)
    if isinstance(node, exp.Cast):
        return bool(node.args["to"].expressions) or kinds.of(node).is_integer
    kind = kinds.of(node)
    return isinstance(node, (exp.Column, exp.Literal, exp.Round)) and (kind.is_integer or kind.scale is not None)


def _round(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    kind, decimals = kinds.of(node.this), node.args.get("decimals")
    name = type(node).__name__.lower()
    if isinstance(node, exp.Round) and kind == DOUBLE:
        yield node, "round() of double precision rounds halves to even", "write round(x::numeric, n)"
    if decimals is not None and not (decimals.is_int or decimals.is_number):
        yield node, f"{name}() to a number of digits that is not written out", "write the number of digits"
    steps = isinstance(node, (exp.Floor, exp.Ceil)) or (isinstance(node, exp.Trunc) and decimals is None)
    if _is_rough(kind) and not isinstance(node, exp.Round):
        yield node, f"{name}() of a quotient's further arithmetic", f"write {name}(round(…, 9)), or divide last"
    if isinstance(node, exp.Trunc) and not steps and kind.name == "numeric" and kind.error:
        yield node, "trunc() of a quotient to digits", "round() it, or cast to numeric(p,s) first"


def _aggregate(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    arguments = [node.this, node.expression] if node.expression else [node.this]
    ordered = any(isinstance(argument, exp.Order) for argument in arguments)
    windowed = isinstance(node.parent, exp.Window) or isinstance(node.parent and node.parent.parent, exp.Window)
    name = node.key
    for argument in arguments:
        kind = kinds.of(argument)
        if kind.name == "numeric" and kind.error:
            yield node, f"{name}() of quotients is a sum of doubles on DuckDB", "round() each quotient first"
        elif kind == DOUBLE and (not ordered or windowed):
            advice = "sum a numeric(p,s)" + ("" if windowed else f", or write {name}(x order by key)")
            yield node, f"{name}() of double precision differs from run to run", advice
        elif kind in (INTERVAL, TEXT, BOOLEAN):
            yield node, f"{name}() of {kind.name}", "sum numbers: extract(epoch from …), or a cast"


def _comparison(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    sides = [node.this, *(node.args.get(part) for part in ("expression", "low", "high")), *node.expressions]
    found = [kinds.of(side) for side in sides if isinstance(side, exp.Expr)]
    for kind in found:
        if _is_rough(kind):
            advice = "divide last, compare round(…, 9), or compute in double precision"
            yield node, "a comparison of a quotient's further arithmetic", advice
            break
    if TIMESTAMPTZ in found and (DATE in found or TIMESTAMP in found):
        yield node, "comparing timestamptz with a local date or time depends on the session's time zone", _LOCAL


def _arithmetic(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    left, right = kinds.of(node.this), kinds.of(node.expression)
    if TIMESTAMPTZ in (left, right) and INTERVAL in (left, right):
        interval = node.expression if right == INTERVAL else node.this
        if not _is_elapsed(interval):
            yield node, "days and months after a timestamptz depend on the session's time zone", _ELAPSED
    if TIMESTAMPTZ in (left, right) and (DATE in (left, right) or TIMESTAMP in (left, right)):
        yield node, "subtracting a local time from a timestamptz depends on the session's time zone", _LOCAL


def _is_elapsed(interval: exp.Expr) -> bool:
    found = list(interval.find_all(exp.Interval))
    try:
        units = {unit for item in found for _, unit in _interval_units(item)}
    except ValueError:
        return True  # reported where the interval stands
    made = [unit for item in interval.find_all(exp.MakeInterval) for unit, value in item.args.items() if value]
    return bool(units or made) and units <= set(ELAPSED_UNITS) and set(made) <= _ELAPSED_ARGUMENTS


def _interval_units(item: exp.Expr) -> list[tuple[int, str]]:
    return interval_parts(item.this.name, item.args["unit"].name if item.args.get("unit") else None)


def _scaled_interval(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    both = [kinds.of(node.this), kinds.of(node.expression)]
    if INTERVAL in both and not any(kind.is_integer or kind == UNKNOWN for kind in both):
        yield node, "an interval times a fraction", "multiply by an integer, or take a smaller unit"


def _after_quotient(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if any(kinds.of(side).name == "numeric" and kinds.of(side).error for side in (node.this, node.expression)):
        advice = "divide last: 100 * a / b; or round() the quotient; or compute in double precision"
        yield node, "multiplying or dividing a quotient", advice


def _quotient(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if kinds.of(node.this) == INTERVAL:
        yield node, "dividing an interval", "divide extract(epoch from …)"


def _remainder(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    both = [kinds.of(node.this), kinds.of(node.expression)]
    if any(kind.name == "numeric" and kind.error for kind in both):
        yield node, "the remainder of a quotient", "round() it first"
    if DOUBLE in both:
        yield node, "the remainder of double precision, which PostgreSQL does not have", "cast to numeric(p,s) first"


def _extract(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    unit, kind = node.name.upper(), kinds.of(node.expression)
    if unit not in _EXTRACT:
        yield node, f"extract({unit.lower()} …)", f"use one of {', '.join(sorted(_EXTRACT)).lower()}"
    elif kind == TIMESTAMPTZ and unit != "EPOCH":
        yield node, f"the {unit.lower()} of a timestamptz depends on the session's time zone", _LOCAL
    elif kind == INTERVAL and unit not in ("EPOCH", "DAY", "YEAR", "MONTH"):
        yield node, f"the {unit.lower()} of an interval", "use extract(epoch from …) / 3600 or the like"


def _trunc(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    unit = node.args["unit"].name.upper() if node.args.get("unit") is not None else "?"
    if unit not in _TRUNC or node.args.get("zone"):
        yield node, f"date_trunc('{unit.lower()}', …) in this form", f"use one of {', '.join(sorted(_TRUNC)).lower()}"
    elif kinds.of(node.this) == TIMESTAMPTZ:
        yield node, "date_trunc() of a timestamptz depends on the session's time zone", _LOCAL


def _at_time_zone(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if kinds.of(node.this) == DATE:
        yield node, "a date AT TIME ZONE depends on the session's time zone", "write x::timestamp at time zone …"


def _named(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if node.name.lower() == "to_char":
        yield from _to_char(node, kinds)
    if node.name.lower() == "regexp_match" and not isinstance(node.find_ancestor(exp.Bracket), exp.Bracket):
        yield node, "regexp_match() without [n]", "write (regexp_match(x, 'pattern'))[1]"
    if node.name.lower() == "regexp_match":
        yield from _pattern(node, node.expressions[1], extracting=True)


def _to_char(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    value, pattern = node.expressions[0], node.expressions[-1]
    kind = kinds.of(value)
    if kind == TIMESTAMPTZ:
        yield node, "to_char() of a timestamptz depends on the session's time zone", _LOCAL
    elif kind not in (DATE, TIMESTAMP, UNKNOWN):
        yield node, f"to_char() of {kind.name}", "use lpad(x::text, n, '0'), or cast to numeric(p,s) and text"
    elif not pattern.is_string:
        yield node, "to_char() with a pattern that is not a literal", "write the pattern"
    else:
        yield from _check_text(node, strftime_pattern, pattern.name)


def _check_text(node: exp.Expr, read: Callable[[str], object], text: str | None) -> Iterator[Problem]:
    try:
        read(text or "")
    except ValueError as error:
        yield node, f"{error}", "engine/formats.py lists what is understood"


def _interval(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if node.this is None or not node.this.is_string:
        yield node, "an interval that is not a literal", "write n * interval '1 day'"
        return
    try:
        _interval_units(node)
    except ValueError as error:
        yield node, f"{error}", "write whole numbers with units, such as '1 month - 1 day'"


def _regexp(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    extracting = isinstance(node, exp.RegexpReplace)
    yield from _pattern(node, node.expression, extracting)
    if not extracting:
        return
    flags, replacement = node.args.get("modifiers"), node.args.get("replacement")
    if flags is not None and not set(flags.name) <= {"g", "i"}:
        yield node, f"the flags {flags.name!r}", "use g and i"
    if replacement is not None and (not replacement.is_string or "\\&" in replacement.name):
        yield node, "this replacement", "write a literal with \\1 … \\9"


def _pattern(node: exp.Expr, pattern: exp.Expr, extracting: bool) -> Iterator[Problem]:
    if not pattern.is_string:
        yield node, "a regular expression that is not a literal", "write the pattern"
        return
    try:
        re2_pattern(pattern.name, extracting)
    except ValueError as error:
        yield node, f"{error}", "use what PostgreSQL and RE2 share: [a-z], \\d, \\s, ^, $, *, +, ?, {n,m}, groups"


def _joined_text(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    parts = [node.this, node.expression] if isinstance(node, exp.DPipe) else node.expressions
    for part in parts:
        kind = kinds.of(part)
        fixed = kind.name == "numeric" and _has_fixed_scale(part, kinds)
        if kind not in (TEXT, LITERAL, NULL, UNKNOWN, DATE) and not kind.is_integer and not fixed:
            yield node, f"{kind.name} joined to text", "cast it to text in the way you want to see it"


def _substring(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    start = node.args.get("start")
    if start is not None and (start.is_string or kinds.of(start) == TEXT):
        yield node, "substring() with a regular expression", "use (regexp_match(x, 'pattern'))[1]"


def _median_kind(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    kind = kinds.of(node.expression.expressions[0].this)
    if isinstance(node.this, exp.PercentileCont) and kind in (INTERVAL, ARRAY):
        yield node, f"percentile_cont() of {kind.name}", "use extract(epoch from …)"


def _encode(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    inner = node.this.this if isinstance(node.this, exp.SHA2Digest) else None
    text = isinstance(inner, exp.Anonymous) and inner.name.lower() == "convert_to"
    charset = node.args.get("charset")
    if not text or charset is None or charset.name != "hex":
        yield node, "encode() of anything but a hash", "write encode(sha256(convert_to(x, 'UTF8')), 'hex'), or md5(x)"


def _window_frame(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    order = node.args.get("order")
    spec = node.args.get("spec")
    if spec is None or order is None:
        return
    for bound in (spec.args.get("start"), spec.args.get("end")):
        moment = isinstance(bound, exp.Expr) and kinds.of(order.expressions[0].this) == TIMESTAMPTZ
        if moment and bound.find(exp.Interval) and not _is_elapsed(bound):
            yield node, "a frame of days over timestamptz depends on the session's time zone", _ELAPSED


def _series(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    kind, step = kinds.of(node.args["start"]), node.args.get("step")
    if kind.name in ("numeric", "double precision"):
        yield node, "generate_series() of fractions", "generate integers and compute from them"
    if kind == TIMESTAMPTZ and step is not None and not _is_elapsed(step):
        yield node, "generate_series() of timestamptz by days depends on the session's time zone", _LOCAL


Check = Callable[[exp.Expr, Kinds], Iterator[Problem]]
_AGGREGATES: tuple[type[exp.Expr], ...] = (
    exp.Sum,
    exp.Avg,
    exp.Stddev,
    exp.StddevSamp,
    exp.StddevPop,
    exp.Variance,
    exp.VariancePop,
)
_AGGREGATES += (exp.Corr, exp.CovarSamp, exp.CovarPop, exp.RegrSlope, exp.RegrIntercept, exp.RegrR2)

CHECKS: dict[type[exp.Expr], tuple[Check, ...]] = {
    **{kind: (_aggregate,) for kind in _AGGREGATES},
    **{kind: (_comparison,) for kind in (*_COMPARISONS, exp.Between, exp.In)},
    **{kind: (_round,) for kind in (exp.Round, exp.Floor, exp.Ceil, exp.Trunc)},
    **{kind: (_regexp,) for kind in (exp.RegexpLike, exp.RegexpILike, exp.RegexpReplace)},
    **{kind: (_joined_text,) for kind in (exp.DPipe, exp.Concat, exp.ConcatWs)},
    **{kind: (_series,) for kind in (exp.GenerateSeries, exp.ExplodingGenerateSeries)},
    exp.Add: (_arithmetic,),
    exp.Anonymous: (_named,),
    exp.AtTimeZone: (_at_time_zone,),
    exp.Cast: (_cast,),
    exp.Div: (_quotient, _after_quotient),
    exp.Encode: (_encode,),
    exp.Extract: (_extract,),
    exp.Interval: (_interval,),
    exp.Mod: (_remainder,),
    exp.Mul: (_scaled_interval, _after_quotient),
    exp.Sub: (_arithmetic,),
    exp.Substring: (_substring,),
    exp.Table: (_table,),
    exp.TimestampTrunc: (_trunc,),
    exp.Window: (_window_frame,),
    exp.WithinGroup: (_median_kind,),
}
