"""Which SQL a model may contain: checks on dates, moments and intervals.

Here: what would depend on the session's time zone, and units that are not understood. Not here: casts
(`lint_types`), how intervals and patterns are read (`formats`).
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from cxa_pipeline.engine import to_char
from cxa_pipeline.engine.formats import ELAPSED_UNITS, interval_parts
from cxa_pipeline.engine.infer import Kinds
from cxa_pipeline.engine.kinds import (
    DATE,
    INTERVAL,
    TIMESTAMP,
    TIMESTAMPTZ,
    UNKNOWN,
)
from cxa_pipeline.engine.lint import Problem, TypedCheck
from cxa_pipeline.engine.lint_numbers import COMPARISONS, compared

LOCAL = "make it local first: (x at time zone parameters.timezone)"
_ELAPSED = "add elapsed time: interval '24 hours', or make it local first"
_ELAPSED_ARGUMENTS = {"hour", "minute", "min", "second", "sec"}
_EXTRACT = {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "QUARTER", "WEEK", "ISOYEAR", "ISODOW", "DOW", "DOY"}
_EXTRACT |= {"EPOCH"}
_MIDNIGHT = "date_trunc() or generate_series() of dates is a timestamptz of the session's zone in PostgreSQL"
_TRUNC = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"}


def _comparison(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    found = compared(node, kinds)
    if TIMESTAMPTZ in found and (DATE in found or TIMESTAMP in found):
        yield node, "comparing timestamptz with a local date or time depends on the session's time zone", LOCAL


def _arithmetic(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    left, right = kinds.of(node.this), kinds.of(node.expression)
    if TIMESTAMPTZ in (left, right) and INTERVAL in (left, right):
        interval = node.expression if right == INTERVAL else node.this
        if not _is_elapsed(interval, kinds):
            yield node, "days and months after a timestamptz depend on the session's time zone", _ELAPSED
    if TIMESTAMPTZ in (left, right) and (DATE in (left, right) or TIMESTAMP in (left, right)):
        yield node, "subtracting a local time from a timestamptz depends on the session's time zone", LOCAL


def _is_elapsed(interval: exp.Expr, kinds: Kinds) -> bool:
    found = list(_intervals(interval, kinds, set()))
    try:
        units = {unit for item in found if isinstance(item, exp.Interval) for _, unit in _interval_units(item)}
    except ValueError:
        return True  # reported where the interval stands
    made = {unit for item in found if isinstance(item, exp.MakeInterval) for unit, value in item.args.items() if value}
    return bool(units or made) and units <= set(ELAPSED_UNITS) and made <= _ELAPSED_ARGUMENTS


def _intervals(node: exp.Expr, kinds: Kinds, seen: set[int]) -> Iterator[exp.Expr]:
    """What an interval is written as, here or where its column is made."""
    for part in node.walk():
        if isinstance(part, (exp.Interval, exp.MakeInterval)):
            yield part
        elif isinstance(part, exp.Column) and kinds.of(part) == INTERVAL and id(part) not in seen:
            seen.add(id(part))
            for origin in kinds.names.resolve(part):
                if isinstance(origin, exp.Expr):
                    yield from _intervals(origin, kinds, seen)


def _interval_units(item: exp.Expr) -> list[tuple[int, str]]:
    return interval_parts(item.this.name, item.args["unit"].name if item.args.get("unit") else None)


def _scaled_interval(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    both = [kinds.of(node.this), kinds.of(node.expression)]
    if INTERVAL in both and not any(kind.is_integer or kind == UNKNOWN for kind in both):
        yield node, "an interval times a fraction", "multiply by an integer, or take a smaller unit"


def _quotient(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if kinds.of(node.this) == INTERVAL:
        yield node, "dividing an interval", "divide extract(epoch from …)"


def _extract(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    unit, kind = node.name.upper(), kinds.of(node.expression)
    if unit not in _EXTRACT:
        yield node, f"extract({unit.lower()} …)", f"use one of {', '.join(sorted(_EXTRACT)).lower()}"
    elif kind == TIMESTAMPTZ and unit != "EPOCH":
        yield node, f"the {unit.lower()} of a timestamptz depends on the session's time zone", LOCAL
    elif unit == "EPOCH" and _is_midnight(node.expression, kinds, set()):
        yield node, _MIDNIGHT, "cast it first: extract(epoch from date_trunc('month', d)::timestamp)"
    elif kind == INTERVAL and unit not in ("EPOCH", "DAY", "YEAR", "MONTH"):
        yield node, f"the {unit.lower()} of an interval", "use extract(epoch from …) / 3600 or the like"


def _trunc(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    unit = node.args["unit"].name.upper() if node.args.get("unit") is not None else "?"
    if unit not in _TRUNC or node.args.get("zone"):
        advice = f"use one of {', '.join(sorted(_TRUNC)).lower()}"
        if node.args.get("zone"):
            advice = "write date_trunc(unit, x at time zone z)"
        yield node, f"date_trunc('{unit.lower()}', …) in this form", advice
    elif kinds.of(node.this) == TIMESTAMPTZ:
        yield node, "date_trunc() of a timestamptz depends on the session's time zone", LOCAL


def _at_time_zone(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if kinds.of(node.this) == DATE:
        yield node, "a date AT TIME ZONE depends on the session's time zone", "write x::timestamp at time zone …"
    elif _is_midnight(node.this, kinds, set()):
        yield node, _MIDNIGHT, "cast it first: date_trunc('month', d)::timestamp at time zone …"


def _outputs(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if node is not kinds.names.tree:
        return
    for name, origins in kinds.names.root_outputs().items():
        if any(_is_midnight(origin, kinds, set()) for origin in origins if isinstance(origin, exp.Expr)):
            yield node, f"the column {name}: {_MIDNIGHT}", "cast it: date_trunc('month', d)::date"


def _is_midnight(node: exp.Expr, kinds: Kinds, seen: set[int]) -> bool:
    """Whether PostgreSQL has a timestamptz, of midnight in the session's zone, where DuckDB has a local time."""
    node = node.unnest()
    if id(node) in seen or kinds.of(node) != TIMESTAMP:
        return False
    seen.add(id(node))
    if isinstance(node, exp.Column):
        return any(_is_midnight(o, kinds, seen) for o in kinds.names.resolve(node) if isinstance(o, exp.Expr))
    if isinstance(node, (exp.GenerateSeries, exp.ExplodingGenerateSeries)):
        return kinds.of(node.args["start"]) == DATE or _is_midnight(node.args["start"], kinds, seen)
    if isinstance(node, exp.TimestampTrunc) and kinds.of(node.this) == DATE:
        return True
    if isinstance(node, (exp.Cast, exp.AtTimeZone)):
        return False
    return any(_is_midnight(part, kinds, seen) for part in node.iter_expressions())


def _to_char(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if node.name.lower() != "to_char":
        return
    value, pattern = node.expressions[0], node.expressions[-1]
    kind = kinds.of(value)
    if kind == TIMESTAMPTZ:
        yield node, "to_char() of a timestamptz depends on the session's time zone", LOCAL
    elif kind not in (DATE, TIMESTAMP, UNKNOWN):
        yield node, f"to_char() of {kind.name}", "use lpad(x::text, n, '0'), or cast to numeric(p,s) and text"
    elif not pattern.is_string:
        yield node, "to_char() with a pattern that is not a literal", "write the pattern"
    else:
        try:
            to_char.parts(pattern.name)
        except ValueError as error:
            yield node, f"{error}", to_char.ADVICE


def _interval(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if node.this is None or not node.this.is_string:
        yield node, "an interval that is not a literal", "write n * interval '1 day'"
        return
    try:
        _interval_units(node)
    except ValueError as error:
        yield node, f"{error}", "write whole numbers with units, such as '1 month - 1 day'"


def _window_frame(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    order = node.args.get("order")
    spec = node.args.get("spec")
    if spec is None or order is None:
        return
    ordered, by_value = kinds.of(order.expressions[0].this), (spec.args.get("kind") or "").upper() == "RANGE"
    for bound in (spec.args.get("start"), spec.args.get("end")):
        moment = isinstance(bound, exp.Expr) and ordered == TIMESTAMPTZ
        if moment and bound.find(exp.Interval) and not _is_elapsed(bound, kinds):
            yield node, "a frame of days over timestamptz depends on the session's time zone", _ELAPSED
        if isinstance(bound, exp.Expr) and by_value and kinds.of(bound).is_number and ordered.is_moment:
            yield node, "a frame of numbers over dates", "write interval '30 days' preceding"


def _series(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    kind, step = kinds.of(node.args["start"]), node.args.get("step")
    if kind.name in ("numeric", "double precision"):
        yield node, "generate_series() of fractions", "generate integers and compute from them"
    if kind == TIMESTAMPTZ and step is not None and not _is_elapsed(step, kinds):
        yield node, "generate_series() of timestamptz by days depends on the session's time zone", LOCAL


CHECKS: dict[type[exp.Expr], TypedCheck] = {
    **dict.fromkeys(COMPARISONS, _comparison),
    **dict.fromkeys((exp.Add, exp.Sub), _arithmetic),
    **dict.fromkeys((exp.GenerateSeries, exp.ExplodingGenerateSeries), _series),
    exp.Anonymous: _to_char,
    exp.AtTimeZone: _at_time_zone,
    exp.Div: _quotient,
    exp.Extract: _extract,
    exp.Interval: _interval,
    exp.Mul: _scaled_interval,
    **dict.fromkeys((exp.Select, exp.Union, exp.Except, exp.Intersect), _outputs),
    exp.TimestampTrunc: _trunc,
    exp.Window: _window_frame,
}
