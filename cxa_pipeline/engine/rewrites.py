"""From PostgreSQL's syntax tree to one that gives equal results on DuckDB.

Here: the rewrites that keep meaning where the two differ; each is one function, `REWRITES` says for which
expression. Not here: numbers (`rewrites_numbers`), aggregates (`rewrites_statistics`), set operations
(`rewrites_sets`), what cannot be made equal and is refused (`lint`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from cxa_pipeline.engine import rewrites_numbers, rewrites_statistics
from cxa_pipeline.engine.formats import interval_parts, re2_pattern, strftime_pattern
from cxa_pipeline.engine.fragments import call, cast, decimal, quotient
from cxa_pipeline.engine.infer import Kinds
from cxa_pipeline.engine.kinds import Kind
from cxa_pipeline.engine.rewrites_sets import align_branches
from cxa_pipeline.engine.scopes import Names
from cxa_pipeline.errors import DialectError

VERSION = 1
"""Part of every result's key: raise it when a rewrite changes results."""

Rewrite = Callable[[exp.Expr, Kinds], exp.Expr]


def rewrite(tree: exp.Query, schemas: Mapping[str, Mapping[str, str]]) -> tuple[exp.Query, dict[str, Kind]]:
    """A copy of the tree for DuckDB, and the kinds of its output columns.

    Args:
        tree: A query that the lint accepts.
        schemas: Types of the columns of every table that it reads.

    Raises:
        DialectError: The kind of an operand that decides the meaning cannot be told.
    """
    copy = tree.copy()
    names = Names(copy, schemas)
    kinds = Kinds(names)
    nodes = list(copy.walk())
    for node in nodes:
        kinds.of(node)
    outputs = kinds.outputs()
    align_branches(copy, kinds)
    for node in reversed(nodes):
        rule = REWRITES.get(type(node))
        if rule is None or (node.parent is None and node is not copy):
            continue
        new = _apply(rule, node, kinds)
        if new is not node:
            kinds.adopt(new, node)
            node.replace(new)
    return copy, outputs


def _apply(rule: Rewrite, node: exp.Expr, kinds: Kinds) -> exp.Expr:
    try:
        return rule(node, kinds)
    except ValueError as error:
        seen = node.sql("postgres")[:200]
        raise DialectError(f"Not in the checked subset of PostgreSQL: {error}.", evidence=seen) from None


def _regexp_like(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    flags = "si" if isinstance(node, exp.RegexpILike) else "s"
    return call("REGEXP_MATCHES", node.this, _pattern(node.expression), _text(flags))


def _regexp_replace(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    flags = "s" + (node.args["modifiers"].name if node.args.get("modifiers") else "")
    pattern = _pattern(node.expression, extracting=True)
    return call("REGEXP_REPLACE", node.this, pattern, node.args["replacement"], _text(flags))


def _bracket(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    match = node.this.unnest()
    if not (isinstance(match, exp.Anonymous) and match.name.lower() == "regexp_match"):
        return node
    value, pattern = match.expressions[0], _pattern(match.expressions[1], extracting=True)
    group = int(node.expressions[0].to_py()) + 1 if "(" in pattern.name else 0
    found = call("REGEXP_EXTRACT", value.copy(), pattern.copy(), exp.Literal.number(group), _text("s"))
    return exp.Case().when(call("REGEXP_MATCHES", value, pattern, _text("s")), found)


def _pattern(node: exp.Expr, extracting: bool = False) -> exp.Literal:
    if not (isinstance(node, exp.Literal) and node.is_string):
        raise ValueError("a regular expression that is not a literal")
    return _text(re2_pattern(node.name, extracting))


def _like(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    if isinstance(node.parent, exp.Escape):
        return node
    pattern = node.expression
    if isinstance(pattern, exp.Literal) and "\\" not in pattern.name:
        return node
    return exp.Escape(this=node.copy(), expression=_text("\\"))


def _trim(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    if not node.expression:
        node.set("expression", _text(" "))
    return node


def _upper(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    """The one letter whose upper case differs is kept from it, as PostgreSQL does."""
    mark, letter = _text("\x01"), _text("ß")
    raised = call("UPPER", call("REPLACE", node.this, letter, mark))
    return call("REPLACE", raised, mark.copy(), letter.copy())


def _pad(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    if not node.args.get("fill_pattern"):
        node.set("fill_pattern", _text(" "))
    return node


def _substring(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    start, length = node.args.get("start"), node.args.get("length")
    if start is None or (start.is_number and int(start.to_py()) > 0):
        return node
    before = call("LEAST", exp.Sub(this=exp.Paren(this=start.copy()), expression=exp.Literal.number(1)), _number(0))
    node.set("start", call("GREATEST", start.copy(), _number(1)))
    if length is not None:
        shown = exp.Add(this=exp.Paren(this=length.copy()), expression=before)
        node.set("length", call("GREATEST", shown, _number(0)))
    return node


def _encode(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    digest = node.this
    inner = digest.this if isinstance(digest, exp.SHA2Digest) else None
    if not (isinstance(inner, exp.Anonymous) and inner.name.lower() == "convert_to"):
        raise ValueError("encode() of anything but sha256(convert_to(…, 'UTF8'))")
    return call("SHA256", inner.expressions[0])


def _anonymous(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    name, given = node.name.lower(), node.expressions
    if name == "every":
        return call("BOOL_AND", *given)
    if name == "octet_length":
        return call("STRLEN", *given)
    if name == "cardinality":
        return call("LEN", *given)
    if name == "to_char":
        return call("STRFTIME", given[0], _text(strftime_pattern(given[1].name)))
    if name == "div":
        whole = quotient(given[0], given[1])
        return decimal(call("TRUNC", whole), 0)
    return node


def _interval(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    if node.this is None or not node.this.is_string:
        raise ValueError("an interval that is not a literal")
    parts = interval_parts(node.this.name, node.args["unit"].name if node.args.get("unit") else None)
    return _sum_of_intervals([(_number(number), unit) for number, unit in parts])


def _make_interval(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    parts = []
    for unit, value in node.args.items():
        if value is not None:
            parts.append((value.expression if isinstance(value, exp.Kwarg) else value, unit))
    return _sum_of_intervals(parts)


def _sum_of_intervals(parts: list[tuple[exp.Expr, str]]) -> exp.Expr:
    names = {"min": "MINUTES", "sec": "SECONDS"}
    calls = [call("TO_" + names.get(unit, unit.upper() + "S"), value.copy()) for value, unit in parts]
    total: exp.Expr = calls[0]
    for part in calls[1:]:
        total = exp.Add(this=total, expression=part)
    return exp.Paren(this=total) if len(calls) > 1 else total


def _extract(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    if node.name.upper() != "EPOCH":
        return node
    microseconds = decimal(call("EPOCH_US", node.expression), 0)
    return exp.Paren(this=exp.Mul(this=microseconds, expression=exp.Literal.number("0.000001")))


def _within_group(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    ordered = node.expression.expressions[0]
    value, function = ordered.this, node.this
    if isinstance(function, exp.PercentileCont):
        return call("QUANTILE_CONT", cast(value, "DOUBLE"), function.this)
    if isinstance(function, exp.PercentileDisc):
        return call("QUANTILE_DISC", value, function.this)
    order = exp.Order(this=value, expressions=[exp.Ordered(**{**ordered.args, "this": value.copy()})])
    return call("MODE", order)


def _table(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    series = node.this
    if not isinstance(series, (exp.GenerateSeries, exp.ExplodingGenerateSeries)):
        return node
    alias = node.alias or "generate_series"
    columns = [exp.to_identifier(name) for name in node.alias_column_names or [alias]]
    given = [series.args[part] for part in ("start", "end", "step") if series.args.get(part)]
    return exp.Unnest(
        expressions=[call("GENERATE_SERIES", *given)],
        alias=exp.TableAlias(this=exp.to_identifier(alias), columns=columns),
    )


def _text(value: str) -> exp.Literal:
    return exp.Literal.string(value)


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value) if value >= 0 else exp.Neg(this=exp.Literal.number(-value))


REWRITES: dict[type[exp.Expr], Rewrite] = {
    **rewrites_numbers.REWRITES,
    **rewrites_statistics.REWRITES,
    exp.Anonymous: _anonymous,
    exp.Bracket: _bracket,
    exp.Encode: _encode,
    exp.Extract: _extract,
    exp.ILike: _like,
    exp.Interval: _interval,
    exp.Like: _like,
    exp.MakeInterval: _make_interval,
    exp.Pad: _pad,
    exp.RegexpILike: _regexp_like,
    exp.RegexpLike: _regexp_like,
    exp.RegexpReplace: _regexp_replace,
    exp.Substring: _substring,
    exp.Table: _table,
    exp.Trim: _trim,
    exp.Upper: _upper,
    exp.WithinGroup: _within_group,
}
