"""Which SQL a model may contain: checks on what it divides by.

Here: whether a divisor can be zero. DuckDB and PostgreSQL stop at a division by zero, and a night's run with them;
so it must show from the text that there is none. Not here: how quotients are rounded (`lint_numbers`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp

Check = Callable[[exp.Expr], Iterator[tuple[exp.Expr, str, str]]]


def _division(node: exp.Expr) -> Iterator[tuple[exp.Expr, str, str]]:
    yield from _divisor(node, node.expression)


def _div_function(node: exp.Expr) -> Iterator[tuple[exp.Expr, str, str]]:
    if node.name.lower() == "div":
        yield from _divisor(node, node.expressions[1])


def _divisor(node: exp.Expr, divisor: exp.Expr) -> Iterator[tuple[exp.Expr, str, str]]:
    if not never_zero(divisor):
        seen = divisor.sql("postgres", comments=False)
        seen = seen if len(seen) <= 60 else "…"
        yield node, f"the divisor {seen} may be zero", f"write nullif({seen}, 0)"


def never_zero(node: exp.Expr) -> bool:
    """Whether a value is NULL or not zero, as its text shows."""
    if isinstance(node, (exp.Paren, exp.Cast, exp.Neg, exp.Sqrt)):
        return never_zero(node.this)
    if isinstance(node, exp.Mul):
        return never_zero(node.this) and never_zero(node.expression)
    if isinstance(node, exp.Nullif):
        return bool(node.expression.is_number and node.expression.to_py() == 0)
    return bool(node.is_number and node.to_py() != 0) or _is_positive(node)


def _is_positive(node: exp.Expr) -> bool:
    """Whether a value is NULL or greater than zero."""
    if isinstance(node, (exp.Paren, exp.Sqrt, exp.Window)):
        return _is_positive(node.this)
    if isinstance(node, exp.Add):
        left, right = node.this, node.expression
        return (_is_positive(left) and _is_from_zero(right)) or (_is_from_zero(left) and _is_positive(right))
    if isinstance(node, exp.Mul):
        return _is_positive(node.this) and _is_positive(node.expression)
    if isinstance(node, exp.Greatest):
        return any(map(_is_positive, (node.this, *node.expressions)))
    if isinstance(node, exp.Coalesce):
        return all(map(_is_positive, (node.this, *node.expressions)))
    return isinstance(node, exp.Pi) or bool(node.is_number and node.to_py() > 0)


def _is_from_zero(node: exp.Expr) -> bool:
    """Whether a value is NULL, zero or greater."""
    if isinstance(node, exp.Sqrt):
        return True
    if isinstance(node, (exp.Paren, exp.Cast, exp.Window, exp.Filter)):
        return _is_from_zero(node.this)
    if isinstance(node, (exp.Add, exp.Mul, exp.Div)):
        square = isinstance(node, exp.Mul) and node.this == node.expression
        return square or (_is_from_zero(node.this) and _is_from_zero(node.expression))
    if isinstance(node, exp.Greatest):
        return any(map(_is_from_zero, (node.this, *node.expressions)))
    if isinstance(node, exp.Nullif):
        return _is_from_zero(node.this)
    counts = (exp.Count, exp.Abs, exp.Exp, exp.Length, exp.RowNumber, exp.Rank, exp.DenseRank)
    return isinstance(node, counts) or _is_positive(node) or bool(node.is_number and node.to_py() >= 0)


CHECKS: dict[type[exp.Expr], tuple[Check, ...]] = {
    exp.Anonymous: (_div_function,),
    exp.Div: (_division,),
    exp.Mod: (_division,),
}
