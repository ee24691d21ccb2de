"""From PostgreSQL's syntax tree to one that gives equal results on DuckDB.

Here: the rewrites that keep meaning where the two differ; each is one function, `REWRITES` says for which
expression. Not here: numbers (`rewrites_numbers`), texts (`rewrites_texts`), aggregates (`rewrites_statistics`), set
operations (`rewrites_sets`), what cannot be made equal and is refused (`lint`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from cxa_pipeline.engine import rewrites_numbers, rewrites_statistics, rewrites_texts, to_char
from cxa_pipeline.engine.formats import interval_parts
from cxa_pipeline.engine.fragments import call, cast, decimal, quotient
from cxa_pipeline.engine.infer import Kinds
from cxa_pipeline.engine.kinds import Kind
from cxa_pipeline.engine.rewrites_sets import align_branches
from cxa_pipeline.engine.scopes import Names
from cxa_pipeline.errors import DialectError

VERSION = 2
"""Part of every result's key: raise it when a rewrite changes results."""

Rewrite = Callable[[exp.Expr, Kinds], exp.Expr]


def rewrite(tree: exp.Query, schemas: Mapping[str, Mapping[str, str]]) -> tuple[exp.Query, dict[str, Kind]]:
    """The tree made DuckDB's, and the kinds of its output columns.

    Args:
        tree: A query that the lint accepts; it is changed.
        schemas: Types of the columns of every table that it reads.

    Raises:
        DialectError: The kind of an operand that decides the meaning cannot be told.
    """
    names = Names(tree, schemas)
    kinds = Kinds(names)
    nodes = list(tree.walk())
    for node in nodes:
        kinds.of(node)
    outputs = kinds.outputs()
    align_branches(tree, kinds)
    for node in reversed(nodes):
        rule = REWRITES.get(type(node))
        if rule is None or (node.parent is None and node is not tree):
            continue
        new = _apply(rule, node, kinds)
        if new is not node:
            kinds.adopt(new, node)
            node.replace(new)
    return tree, outputs


def _apply(rule: Rewrite, node: exp.Expr, kinds: Kinds) -> exp.Expr:
    try:
        return rule(node, kinds)
    except ValueError as error:
        seen = node.sql("postgres")[:200]
        raise DialectError(f"Not in the checked subset of PostgreSQL: {error}.", evidence=seen) from None


def _anonymous(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    name, given = node.name.lower(), node.expressions
    if name == "every":
        return call("BOOL_AND", *given)
    if name == "octet_length":
        return call("STRLEN", *given)
    if name == "cardinality":
        return call("LEN", *given)
    if name == "to_char":
        return to_char.as_text(given[0], given[1].name)
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
    name = {"EPOCH": "EPOCH_US", "SECOND": "MICROSECOND"}.get(node.name.upper())
    if name is None:
        return node
    microseconds = decimal(call(name, node.expression), 0)
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
    offset = columns.pop() if node.args.get("ordinality") and len(columns) > 1 else None
    given = [series.args[part] for part in ("start", "end", "step") if series.args.get(part)]
    return exp.Unnest(
        expressions=[call("GENERATE_SERIES", *given)],
        alias=exp.TableAlias(this=exp.to_identifier(alias), columns=columns),
        offset=offset,
    )


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value) if value >= 0 else exp.Neg(this=exp.Literal.number(-value))


REWRITES: dict[type[exp.Expr], Rewrite] = {
    **rewrites_numbers.REWRITES,
    **rewrites_statistics.REWRITES,
    **rewrites_texts.REWRITES,
    exp.Anonymous: _anonymous,
    exp.Extract: _extract,
    exp.Interval: _interval,
    exp.MakeInterval: _make_interval,
    exp.Table: _table,
    exp.WithinGroup: _within_group,
}
