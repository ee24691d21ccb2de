"""Averages, sums, deviations and correlations of PostgreSQL on DuckDB.

Here: aggregates, rewritten together with their FILTER and OVER. Not here: arithmetic (`rewrites_numbers`).
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from cxa_pipeline.engine.fragments import agreed, call, cast, decimal, double, one, wide
from cxa_pipeline.engine.infer import Kinds
from cxa_pipeline.engine.kinds import BIGINT

_PAIRS = (exp.Corr, exp.CovarSamp, exp.CovarPop, exp.RegrSlope, exp.RegrIntercept, exp.RegrR2)
_SPREADS = (exp.Stddev, exp.StddevSamp, exp.StddevPop, exp.Variance, exp.VariancePop)
_SAMPLE = (exp.Stddev, exp.StddevSamp, exp.Variance, exp.CovarSamp)

Wrap = Callable[[exp.Expr], exp.Expr]


def _aggregate(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    """Rewrite an aggregate together with its FILTER and OVER, at the outermost of the three."""
    if isinstance(node.parent, (exp.Filter, exp.Window)) and node.arg_key == "this":
        return node
    core = node
    while isinstance(core, (exp.Filter, exp.Window)):
        core = core.this
    if isinstance(core, exp.Avg) and kinds.of(core).name == "numeric":
        return agreed(node.copy())
    if isinstance(core, exp.Sum) and kinds.of(core) == BIGINT:
        return cast(node.copy(), "BIGINT")
    if isinstance(core, _SPREADS) and kinds.of(core.this).is_exact:
        return _exact_spread(core, _rewrap(node, core), kinds)
    if isinstance(core, _PAIRS):
        if kinds.of(core.this).is_exact and kinds.of(core.expression).is_exact:
            return _exact_pair(core, _rewrap(node, core), kinds)
        nan = cast(exp.Literal.string("NaN"), "DOUBLE")
        return call("NULLIF", node.copy(), nan)
    return node


def _rewrap(node: exp.Expr, core: exp.Expr) -> Wrap:
    """How to put another aggregate under the same FILTER and OVER."""
    path = []
    outer = node
    while outer is not core:
        path.append(outer)
        outer = outer.this

    def wrap(aggregate: exp.Expr) -> exp.Expr:
        for wrapper in reversed(path):
            shell = wrapper.copy()
            shell.set("this", aggregate)
            aggregate = shell
        return aggregate

    return wrap


def _exact_spread(core: exp.Expr, wrap: Wrap, kinds: Kinds) -> exp.Expr:
    value = wide(core.this, kinds.of(core.this))
    count = wrap(exp.Count(this=core.this.copy()))
    spread = _co_moment(count, value, value, wrap)
    pairs = _pairs_of(count, sample=isinstance(core, _SAMPLE))
    variance = exp.Div(this=double(spread), expression=pairs)
    deviation = isinstance(core, (exp.Stddev, exp.StddevSamp, exp.StddevPop))
    return agreed(call("SQRT", variance) if deviation else variance)


def _exact_pair(core: exp.Expr, wrap: Wrap, kinds: Kinds) -> exp.Expr:
    """Corr(y, x) and its like from exact sums over the rows where both are known."""
    known = exp.and_(core.this.copy().is_(exp.null()).not_(), core.expression.copy().is_(exp.null()).not_())
    y, x = (exp.Case().when(known.copy(), wide(side, kinds.of(side))) for side in (core.this, core.expression))
    count = wrap(exp.Count(this=x.copy()))
    xy = double(_co_moment(count, x, y, wrap))
    if isinstance(core, (exp.CovarSamp, exp.CovarPop)):
        return agreed(exp.Div(this=xy, expression=_pairs_of(count, isinstance(core, exp.CovarSamp))))
    xx, yy = (call("NULLIF", double(_co_moment(count, side, side, wrap)), exp.Literal.number(0)) for side in (x, y))
    slope = exp.Paren(this=exp.Div(this=xy.copy(), expression=xx.copy()))
    if isinstance(core, exp.RegrSlope):
        return slope
    if isinstance(core, exp.RegrIntercept):
        sums = [double(wrap(exp.Sum(this=side.copy()))) for side in (y, x)]
        rise = exp.Paren(this=exp.Sub(this=sums[0], expression=exp.Mul(this=slope, expression=sums[1])))
        return exp.Paren(this=exp.Div(this=rise, expression=double(count.copy())))
    both = exp.Mul(this=call("SQRT", xx.copy()), expression=call("SQRT", yy.copy()))
    correlation = exp.Div(this=xy.copy(), expression=exp.Paren(this=both))
    if isinstance(core, exp.Corr):
        return exp.Paren(this=correlation)
    square = exp.Div(
        this=exp.Mul(this=xy.copy(), expression=xy.copy()),
        expression=exp.Paren(this=exp.Mul(this=xx.copy(), expression=yy.copy())),
    )
    constant = exp.EQ(this=double(_co_moment(count, y, y, wrap)), expression=exp.Literal.number(0))
    flat = exp.and_(constant, exp.Not(this=exp.Is(this=xx.copy(), expression=exp.null())))
    return exp.Case().when(flat, double(one())).else_(square)


def _co_moment(count: exp.Expr, x: exp.Expr, y: exp.Expr, wrap: Wrap) -> exp.Expr:
    """n Σxy - Σx Σy, exact in decimals."""
    products = wrap(exp.Sum(this=exp.Mul(this=x.copy(), expression=y.copy())))
    sums = [wrap(exp.Sum(this=side.copy())) for side in (x, y)]
    return exp.Paren(
        this=exp.Sub(
            this=exp.Mul(this=decimal(count.copy(), 0), expression=products),
            expression=exp.Mul(this=sums[0], expression=sums[1]),
        )
    )


def _pairs_of(count: exp.Expr, sample: bool) -> exp.Expr:
    """n (n - 1), or n²; NULL where the statistic has none."""
    other = exp.Sub(this=count.copy(), expression=exp.Literal.number(1)) if sample else count.copy()
    product = exp.Mul(this=double(count.copy()), expression=exp.Paren(this=other))
    return call("NULLIF", product, exp.Literal.number(0))


REWRITES: dict[type[exp.Expr], Callable[[exp.Expr, Kinds], exp.Expr]] = dict.fromkeys(
    (exp.Avg, exp.Sum, exp.Filter, exp.Window, *_SPREADS, *_PAIRS), _aggregate
)
