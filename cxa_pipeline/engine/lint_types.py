"""Which SQL a model may contain: checks that depend on types, beginning with names and casts.

Here: tables that are not known, casts, and the list of all such checks. Not here: names (`lint_queries`), operands
(`lint_operands`), numbers (`lint_numbers`), moments (`lint_moments`), texts (`lint_texts`), checks on form (`lint`),
the types themselves (`infer`).
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from cxa_pipeline.engine import lint_moments, lint_numbers, lint_operands, lint_queries, lint_texts
from cxa_pipeline.engine.formats import interval_parts
from cxa_pipeline.engine.infer import Kinds
from cxa_pipeline.engine.kinds import (
    DOUBLE,
    INTERVAL,
    LITERAL,
    NULL,
    TEXT,
    TIMESTAMPTZ,
    UNKNOWN,
    Kind,
)
from cxa_pipeline.engine.lint import Problem, TypedCheck
from cxa_pipeline.engine.lint_moments import LOCAL
from cxa_pipeline.engine.lint_texts import has_fixed_scale
from cxa_pipeline.engine.scopes import is_table_function

_CAST_TARGETS = {"smallint", "integer", "bigint", "numeric", "double precision", "text", "boolean", "date"}
_CAST_TARGETS |= {"timestamp", "timestamptz", "interval"}


def problems(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    """What is wrong with one expression, given the kinds of its operands."""
    for checks in _ALL:
        if check := checks.get(type(node)):
            yield from check(node, kinds)


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
        try:
            interval_parts(text or "")
        except ValueError as error:
            yield node, f"{error}", "write whole numbers with units, such as '1 month - 1 day'"
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
    if target == TEXT and source.name == "numeric" and not has_fixed_scale(node.this, kinds):
        return "a numeric of no fixed scale as text", "cast to numeric(p,s) first"
    if target == TEXT and source.name in ("timestamp", "interval", "row", "array"):
        return f"a cast of {source.name} to text", "use to_char(), or extract()"
    if TIMESTAMPTZ in (source, target) and source != target:
        return f"a cast of {source.name} to {target.name} depends on the session's time zone", LOCAL
    if target == INTERVAL and source != INTERVAL:
        return "a cast to interval", "write n * interval '1 day'"
    return None


CHECKS: dict[type[exp.Expr], TypedCheck] = {exp.Cast: _cast, exp.Table: _table}
_ALL = (
    CHECKS,
    lint_queries.CHECKS,
    lint_operands.CHECKS,
    lint_numbers.CHECKS,
    lint_moments.CHECKS,
    lint_texts.CHECKS,
)
