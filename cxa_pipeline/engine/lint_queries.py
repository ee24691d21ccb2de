"""Which SQL a model may contain: names and clauses that PostgreSQL reads otherwise than DuckDB, or not at all.

Here: names that stand nowhere, outputs used before they exist, DISTINCT with another order, what stands in a window.
Not here: operands (`lint_operands`), what needs no names (`lint`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from sqlglot import exp

from cxa_pipeline.engine.functions import RESERVED
from cxa_pipeline.engine.infer import Kinds
from cxa_pipeline.engine.lint import Problem, TypedCheck

_GROUPING = (exp.Rollup, exp.Cube, exp.GroupingSets, exp.Tuple, exp.Paren)
_AGGREGATES = (exp.AggFunc, exp.Anonymous, exp.LogicalAnd, exp.LogicalOr)


def _column(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    assert isinstance(node, exp.Column)
    if isinstance(node.this, exp.Star) or _names_an_output(node):
        return
    place = kinds.names.place(node)
    if place == "output":
        advice = "compute it in a CTE and read it in the next; GROUP BY and ORDER BY alone know it"
        yield node, f"{node.name} is an output of the same SELECT", advice
    elif place == "nowhere":
        yield node, f"{node.sql('postgres')} is no column of what FROM names", _meant(node, kinds)


def _names_an_output(node: exp.Expr) -> bool:
    """GROUP BY and ORDER BY see the names of outputs, but not within an expression."""
    holder = node.parent
    while isinstance(holder, _GROUPING):
        holder = holder.parent
    if isinstance(holder, exp.Ordered):
        return isinstance(holder.parent, exp.Order) and isinstance(holder.parent.parent, exp.Query)
    return isinstance(holder, exp.Group) or (isinstance(holder, exp.Distinct) and isinstance(node.parent, exp.Tuple))


def _meant(node: exp.Column, kinds: Kinds) -> str:
    scope = kinds.names.scope_of(node)
    sources = kinds.names.sources(scope) if scope else {}
    chosen = [sources[node.table]] if node.table in sources else list(sources.values())
    names = sorted({name for source in chosen for name in kinds.names.columns_of(source)})
    close = difflib.get_close_matches(node.name, names, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(names[:12])}"


def _select(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    order, distinct = node.args.get("order"), node.args.get("distinct")
    if distinct is not None and order is not None:
        yield from _distinct_order(node, distinct, [item.this for item in order.expressions])
    for clause, items in (("GROUP BY", node.args.get("group")), ("ORDER BY", order)):
        if items is not None and (items.args.get("all") or _is_all(items)):
            yield node, f"{clause} ALL", "name the columns, or write their numbers: 1, 2"


def _is_all(clause: exp.Expr) -> bool:
    items = [item.this if isinstance(item, exp.Ordered) else item for item in clause.expressions]
    return len(items) == 1 and isinstance(items[0], exp.Column) and items[0].name == "all" and not items[0].table


def _distinct_order(node: exp.Expr, distinct: exp.Expr, order: list[exp.Expr]) -> Iterator[Problem]:
    on = distinct.args.get("on")
    wanted = _meanings(node, on.expressions if isinstance(on, exp.Tuple) else [on.unnest()] if on else node.expressions)
    given = _meanings(node, order)
    if on is None and not set(given) <= set(wanted):
        yield node, "SELECT DISTINCT ordered by what it does not select", "select it, or order the query around it"
    leading = given[: len(wanted)]
    if on is not None and (set(leading) - set(wanted) or (len(given) < len(wanted))):
        yield node, "DISTINCT ON and ORDER BY begin differently", "order by the same columns first, then by the key"


def _meanings(select: exp.Expr, items: list[exp.Expr]) -> list[str]:
    """Expressions as text, names and numbers of outputs replaced by what they stand for."""
    outputs = [item.unalias() for item in select.expressions]
    aliases = {item.alias_or_name: item.unalias() for item in select.expressions}
    found = []
    for item in items:
        item = item.unalias()
        if item.is_int and 0 < int(item.to_py()) <= len(outputs):
            item = outputs[int(item.to_py()) - 1]
        elif isinstance(item, exp.Column) and item.name in aliases:
            item = aliases[item.name]
        found.append(item.name if isinstance(item, exp.Column) else item.sql("postgres", comments=False))
    return found


def _identifier(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if node.args.get("quoted") or node.name.lower() not in RESERVED:
        return
    holder = node.parent
    names_table = isinstance(holder, exp.TableAlias) or (isinstance(holder, exp.Table) and not holder.db)
    alone = isinstance(holder, exp.Column) and (node.arg_key == "table" or not holder.table)
    if names_table or alone:
        yield node, f"{node.name} is a reserved word of PostgreSQL", "choose another name"


def _star(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if any(node.args.get(part) for part in ("except_", "except", "replace", "rename")):
        yield node, "a star without some of its columns", "name the columns"


def _window(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    function, filtered = node.this, isinstance(node.this, exp.Filter)
    while isinstance(function, (exp.Filter, exp.IgnoreNulls, exp.RespectNulls)):
        function = function.this
    if isinstance(function, exp.WithinGroup):
        yield node, "a percentile or mode over a window", "compute it per group in a CTE and join it"
    elif isinstance(function.this, exp.Distinct):
        yield node, "DISTINCT in a window", "number the first rows with row_number() and sum those"
    elif any(isinstance(part, exp.Order) for part in (function.this, function.args.get("expression"))):
        yield node, "ORDER BY within an aggregate over a window", "aggregate per group in a CTE and join it"
    elif filtered and not isinstance(function, _AGGREGATES):
        yield node, f"FILTER on {function.sql_name().lower()}()", "filter the rows in a CTE first"


CHECKS: dict[type[exp.Expr], TypedCheck] = {
    exp.Column: _column,
    exp.Identifier: _identifier,
    exp.Select: _select,
    exp.Star: _star,
    exp.Window: _window,
}
