"""Which SQL a model may contain: operands that PostgreSQL does not take, though DuckDB may.

Here: comparisons and alternatives of different types, conditions that are no booleans, arguments of the wrong type.
A model that passes runs in psql as it does on the engine. Not here: casts (`lint_types`), what would be computed
differently (`lint_numbers`, `lint_moments`, `lint_texts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sqlglot import exp

from cxa_pipeline.engine.infer import Kinds
from cxa_pipeline.engine.kinds import (
    BOOLEAN,
    DATE,
    INTERVAL,
    LITERAL,
    NULL,
    TEXT,
    TIMESTAMP,
    TIMESTAMPTZ,
    UNKNOWN,
    Kind,
)
from cxa_pipeline.engine.lint import Problem, TypedCheck
from cxa_pipeline.engine.lint_moments import LOCAL
from cxa_pipeline.engine.lint_numbers import COMPARISONS

_OPEN = (UNKNOWN, NULL, LITERAL)
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$|\s*(nan|[+-]?inf(inity)?)\s*$", re.IGNORECASE)
_MOMENT = re.compile(r"\s*\d{4,}-\d\d-\d\d")
_SMALL = ("smallint", "integer")

_TEXTS: dict[type[exp.Expr], tuple[str, ...]] = {
    **dict.fromkeys((exp.Lower, exp.Upper, exp.Trim, exp.Substring, exp.Left, exp.Right, exp.Length), ("this",)),
    **dict.fromkeys((exp.Pad, exp.SplitPart, exp.MD5, exp.Translate, exp.Repeat, exp.RegexpReplace), ("this",)),
    **dict.fromkeys((exp.Like, exp.ILike, exp.RegexpLike, exp.RegexpILike, exp.GroupConcat), ("this",)),
    **dict.fromkeys((exp.StartsWith,), ("this", "expression")),
    exp.Replace: ("this", "expression", "replacement"),
    exp.StrPosition: ("this", "substr"),
}
_COUNTS: dict[type[exp.Expr], tuple[str, ...]] = {
    **dict.fromkeys((exp.Left, exp.Right, exp.Pad), ("expression",)),
    **dict.fromkeys((exp.Lag, exp.Lead, exp.NthValue), ("offset",)),
    exp.MakeInterval: ("year", "month", "week", "day", "hour", "min"),
    exp.Ntile: ("this",),
    exp.Repeat: ("times",),
    exp.SplitPart: ("part_index",),
    exp.Substring: ("start", "length"),
}


def _family(kind: Kind) -> str | None:
    """What PostgreSQL compares and unites without a cast; None for what takes the type of its surroundings."""
    if kind in _OPEN:
        return None
    return "number" if kind.is_number else "date" if kind.is_moment else kind.name


def _mixed(kinds: Iterable[Kind]) -> tuple[Kind, Kind] | None:
    """Two kinds that PostgreSQL does not unite."""
    found: dict[str, Kind] = {}
    for kind in kinds:
        if family := _family(kind):
            found.setdefault(family, kind)
    return (*found.values(),)[:2] if len(found) > 1 else None  # type: ignore[return-value]


def _misread(nodes: Iterable[exp.Expr], kinds: Kinds) -> Iterator[Problem]:
    """Text literals that cannot be read as the type of what stands beside them."""
    nodes = [node for node in nodes if isinstance(node, exp.Expr)]
    families = {_family(kinds.of(node)) for node in nodes} - {None}
    for node in nodes:
        if not (isinstance(node, exp.Literal) and node.is_string):
            continue
        if ("number" in families and not _NUMBER.match(node.name)) or (
            "date" in families and not _MOMENT.match(node.name)
        ):
            yield node, f"{node.sql('postgres')} beside a {next(iter(families))}", "write a value of that type, or null"


def _comparison(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    sides = [node.this, *(node.args.get(part) for part in ("expression", "low", "high")), *node.expressions]
    if isinstance(node.expression, exp.Any):
        array = node.expression.this.unnest()
        sides = [node.this, *array.expressions]
    found = [side for side in sides if isinstance(side, exp.Expr)]
    query = node.args.get("query")
    compared = [kinds.of(side) for side in found] + ([kinds.of(query)] if query is not None else [])
    if mixed := _mixed(compared):
        yield node, f"{mixed[0].name} compared with {mixed[1].name}", "cast one of them, such as id::text"
    yield from _misread(found, kinds)


def _alternatives(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    yield from _united(node, _branches(node), kinds)


def _branches(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.Case):
        branches = [branch.args["true"] for branch in node.args["ifs"]] + [node.args.get("default")]
    elif isinstance(node, (exp.Lag, exp.Lead)):
        branches = [node.this, node.args.get("default")]
    elif isinstance(node, exp.Nullif):
        branches = [node.this, node.expression]
    else:
        branches = [node.this, *node.expressions]
    return [branch for branch in branches if isinstance(branch, exp.Expr)]


def _united(node: exp.Expr, branches: list[exp.Expr], kinds: Kinds) -> Iterator[Problem]:
    found = [kinds.of(branch) for branch in branches]
    if mixed := _mixed(found):
        yield node, f"{mixed[0].name} and {mixed[1].name} as alternatives", "cast them to one type"
    if TIMESTAMPTZ in found and (DATE in found or TIMESTAMP in found):
        yield node, "timestamptz and a local date or time as alternatives depend on the session's time zone", LOCAL
    yield from _misread(branches, kinds)


def _case(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    yield from _alternatives(node, kinds)
    conditions = [branch.this for branch in node.args["ifs"]]
    if node.this is None:
        for condition in conditions:
            yield from _is_condition(condition, kinds)
    elif mixed := _mixed(map(kinds.of, [node.this, *conditions])):
        yield node, f"{mixed[0].name} compared with {mixed[1].name}", "cast one of them, such as id::text"


def _set_operation(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    names = kinds.names
    scopes = [names.scope_of(side.unnest()) for side in (node.this, node.expression)]
    if any(scope is None for scope in scopes):
        return
    left, right = (list(names.outputs(scope).items()) for scope in scopes if scope is not None)
    for (name, origins), (_, others) in zip(left, right, strict=False):
        found = [kinds.of_origins(origins), kinds.of_origins(others)]
        if mixed := _mixed(found):
            yield node, f"the column {name} is {mixed[0].name} and {mixed[1].name}", "cast it in each branch"
        if TIMESTAMPTZ in found and (DATE in found or TIMESTAMP in found):
            yield node, f"the column {name} is timestamptz and local, by the session's time zone", LOCAL
        if found == [NULL, NULL]:
            yield node, f"the column {name} has no type in two branches", "write null::bigint or the like"


def _select(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    for part in ("where", "having"):
        if clause := node.args.get(part):
            yield from _is_condition(clause.this, kinds)
    if node.parent is None or isinstance(node.parent, (exp.SetOperation, exp.Exists)):
        return
    for item in node.expressions:
        if isinstance(item.unalias(), exp.Null):
            yield item, "a column of NULLs without a type is text in PostgreSQL", "write null::bigint or the like"


def _join(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if condition := node.args.get("on"):
        yield from _is_condition(condition, kinds)


def _filter(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    yield from _is_condition(node.expression.this, kinds)


def _connected(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    for side in (node.this, node.args.get("expression")):
        if side is not None:
            yield from _is_condition(side, kinds)


def _is_condition(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    kind = kinds.of(node)
    if kind != BOOLEAN and kind not in _OPEN:
        seen = node.sql("postgres", comments=False)[:40]
        yield node, f"a condition that is {kind.name}", f"compare it: {seen} <> 0, or the like"


def _arguments(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    name = "like" if isinstance(node, (exp.Like, exp.ILike)) else node.sql("postgres").split("(")[0].lower()
    for part in _TEXTS.get(type(node), ()):
        value = node.args.get(part)
        kind = kinds.of(value) if isinstance(value, exp.Expr) else NULL
        if kind != TEXT and kind not in _OPEN:
            advice = "write to_char(d, 'YYYY-MM-DD')" if kind.is_moment else "cast it: x::text"
            yield node, f"{name}() of {kind.name}", advice
    for part in _COUNTS.get(type(node), ()):
        value = node.args.get(part)
        value = value.expression if isinstance(value, exp.Kwarg) else value
        kind = kinds.of(value) if isinstance(value, exp.Expr) else NULL
        if kind.is_number and kind.name not in _SMALL:
            yield node, f"{name}() with a number that is {kind.name}", "cast it: n::int"


def _shifted(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    yield from _alternatives(node, kinds)
    yield from _arguments(node, kinds)


def _named(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if node.name.lower() != "make_date":
        return
    for kind in map(kinds.of, node.expressions):
        if kind.is_number and kind.name not in _SMALL:
            yield node, f"make_date() with a number that is {kind.name}", "cast it: extract(year from d)::int"


def _sum(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    left, right = kinds.of(node.this), kinds.of(node.expression)
    number = next((kind for kind in (left, right) if kind.is_number), None)
    if DATE in (left, right) and number is not None and number.name not in _SMALL:
        yield node, f"a date and {number.name}", "cast the number of days: d + n::int"
    elif number is not None and (left in (TIMESTAMP, TIMESTAMPTZ) or right in (TIMESTAMP, TIMESTAMPTZ)):
        yield node, "a time and a number", "write x + n * interval '1 hour', or the like"
    elif number is not None and INTERVAL in (left, right):
        yield node, "an interval and a number", "write n * interval '1 second', or take extract(epoch from …)"
    elif LITERAL in (left, right) and any(kind.is_moment or kind == INTERVAL for kind in (left, right)):
        yield node, "a text beside a date", "write date '2024-01-31' or interval '1 day'"
    else:
        yield from _numbers(node, kinds)


def _numbers(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    for side in (node.this, node.expression):
        if (kind := kinds.of(side)) in (TEXT, BOOLEAN):
            advice = "write flag::int, or count(*) filter (where flag)" if kind == BOOLEAN else "type it where it lands"
            yield node, f"arithmetic with {kind.name}", advice


def _joined(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    both = [kinds.of(node.this), kinds.of(node.expression)]
    if not any(kind in (TEXT, LITERAL, UNKNOWN, NULL) for kind in both):
        yield node, f"|| of {both[0].name} and {both[1].name}", "cast one of them to text: x::text || y"


def _extreme(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if kinds.of(node.this) == BOOLEAN:
        yield node, f"{node.key}() of boolean", "write bool_or(x) for max, bool_and(x) for min"


def _extract(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    kind = kinds.of(node.expression)
    if kind.is_number or kind in (TEXT, LITERAL):
        yield node, f"extract() from {kind.name}", "a difference of dates is a number of days already"


CHECKS: dict[type[exp.Expr], TypedCheck] = {
    **dict.fromkeys(COMPARISONS, _comparison),
    **dict.fromkeys((exp.Coalesce, exp.Greatest, exp.Least, exp.Nullif, exp.Array), _alternatives),
    **dict.fromkeys((exp.Union, exp.Except, exp.Intersect), _set_operation),
    **dict.fromkeys((exp.And, exp.Or, exp.Not), _connected),
    **dict.fromkeys((*_TEXTS, *_COUNTS), _arguments),
    **dict.fromkeys((exp.Lag, exp.Lead), _shifted),
    **dict.fromkeys((exp.Add, exp.Sub), _sum),
    **dict.fromkeys((exp.Mul, exp.Div, exp.Mod), _numbers),
    **dict.fromkeys((exp.Min, exp.Max), _extreme),
    exp.Anonymous: _named,
    exp.Case: _case,
    exp.DPipe: _joined,
    exp.Extract: _extract,
    exp.Filter: _filter,
    exp.Join: _join,
    exp.Select: _select,
}
