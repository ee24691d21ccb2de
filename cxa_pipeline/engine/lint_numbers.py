"""Which SQL a model may contain: checks on rounding, sums, quotients and comparisons of numbers.

Here: what would round differently, or differ from run to run. Not here: casts (`lint_types`), moments and
intervals (`lint_moments`).
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from cxa_pipeline.engine.infer import Kinds
from cxa_pipeline.engine.kinds import (
    ARRAY,
    BOOLEAN,
    DOUBLE,
    INTERVAL,
    TEXT,
    Kind,
)
from cxa_pipeline.engine.lint import Problem, TypedCheck

COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.In)
_AGGREGATES: tuple[type[exp.Expr], ...] = (
    *(exp.Sum, exp.Avg, exp.Stddev, exp.StddevSamp, exp.StddevPop, exp.Variance, exp.VariancePop),
    *(exp.Corr, exp.CovarSamp, exp.CovarPop, exp.RegrSlope, exp.RegrIntercept, exp.RegrR2),
)


def compared(node: exp.Expr, kinds: Kinds) -> list[Kind]:
    """The kinds of what a comparison compares."""
    sides = [node.this, *(node.args.get(part) for part in ("expression", "low", "high")), *node.expressions]
    return [kinds.of(side) for side in sides if isinstance(side, exp.Expr)]


def _is_rough(kind: Kind) -> bool:
    return kind.name == "numeric" and kind.error > 1


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
    if any(kind.name == "numeric" and kind.error > 1 for kind in compared(node, kinds)):
        advice = "divide last, compare round(…, 9), or compute in double precision"
        yield node, "a comparison of a quotient's further arithmetic", advice


def _after_quotient(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if any(kinds.of(side).name == "numeric" and kinds.of(side).error for side in (node.this, node.expression)):
        advice = "divide last: 100 * a / b; or round() the quotient; or cast it: x::double precision"
        yield node, "multiplying or dividing a quotient", advice


def _remainder(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    both = [kinds.of(node.this), kinds.of(node.expression)]
    if any(kind.name == "numeric" and kind.error for kind in both):
        yield node, "the remainder of a quotient", "round() it first"
    if DOUBLE in both:
        yield node, "the remainder of double precision, which PostgreSQL does not have", "cast to numeric(p,s) first"


def _exponential(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    argument = node.this.unnest()
    falls = any(isinstance(part, (exp.Neg, exp.Sub)) for part in argument.walk())
    if kinds.of(argument) == DOUBLE and falls and not isinstance(argument, exp.Greatest):
        yield node, "exp() of a double fails in PostgreSQL where it comes near zero", "write exp(greatest(x, -700))"


def _median_kind(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    kind = kinds.of(node.expression.expressions[0].this)
    if isinstance(node.this, exp.PercentileCont) and kind in (INTERVAL, ARRAY):
        yield node, f"percentile_cont() of {kind.name}", "use extract(epoch from …)"


CHECKS: dict[type[exp.Expr], TypedCheck] = {
    **dict.fromkeys(_AGGREGATES, _aggregate),
    **dict.fromkeys(COMPARISONS, _comparison),
    **dict.fromkeys((exp.Round, exp.Floor, exp.Ceil, exp.Trunc), _round),
    **dict.fromkeys((exp.Mul, exp.Div), _after_quotient),
    exp.Exp: _exponential,
    exp.Mod: _remainder,
    exp.WithinGroup: _median_kind,
}
