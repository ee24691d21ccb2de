"""Arithmetic of PostgreSQL on DuckDB: division, rounding, casts, averages and deviations.

Here: the rewrites that depend on the kinds of numbers. Not here: everything else (`rewrites`).

Where PostgreSQL has a numeric and DuckDB a double, 15 significant digits are what both agree on: a value is
brought to them before it is rounded, cast or compared.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from cxa_pipeline.engine.formats import interval_parts
from cxa_pipeline.engine.infer import Kinds, is_exact_power
from cxa_pipeline.engine.kinds import BIGINT, Kind, common_scale

_PAIRS = (exp.Corr, exp.CovarSamp, exp.CovarPop, exp.RegrSlope, exp.RegrIntercept, exp.RegrR2)
_SPREADS = (exp.Stddev, exp.StddevSamp, exp.StddevPop, exp.Variance, exp.VariancePop)
_SAMPLE = (exp.Stddev, exp.StddevSamp, exp.Variance, exp.CovarSamp)


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """A call of a DuckDB function, exactly as named."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def decimal(value: exp.Expr, scale: int, precision: int = 38) -> exp.Expr:
    """A cast to DuckDB's decimal."""
    return cast(value, f"DECIMAL({precision},{scale})")


def cast(value: exp.Expr, to: str) -> exp.Expr:
    """A cast to a type of DuckDB; sqlglot's own leaves one out if only precision and scale differ."""
    return exp.Cast(this=value, to=exp.DataType.build(to, dialect="duckdb"))


def digits15(value: exp.Expr) -> exp.Expr:
    """A double as text of 15 significant digits, which is how PostgreSQL makes a numeric of it."""
    return call("PRINTF", exp.Literal.string("%.15g"), value)


def agreed(value: exp.Expr) -> exp.Expr:
    """A double brought to 15 significant digits."""
    return cast(digits15(value), "DOUBLE")


def quotient(dividend: exp.Expr, divisor: exp.Expr) -> exp.Expr:
    """A numeric quotient to 15 significant digits."""
    return agreed(exp.Div(this=_double(dividend), expression=_double(divisor)))


def _double(value: exp.Expr) -> exp.Expr:
    return cast(value, "DOUBLE")


def _divide(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    left, right = kinds.of(node.this), kinds.of(node.expression)
    for side, kind in ((node.this, left), (node.expression, right)):
        if not kind.is_number and kind.name not in ("null", "literal", "interval"):
            raise ValueError(f"the type of {side.sql('postgres')[:60]} is not known, which decides how / divides")
    if left.is_integer and right.is_integer:
        return exp.IntDiv(this=node.this, expression=node.expression)
    if kinds.of(node).name == "numeric":
        return quotient(node.this, node.expression)
    return node


def _multiply(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    left, right, product = kinds.of(node.this), kinds.of(node.expression), kinds.of(node)
    if product.name == "numeric" and product.error == 0 and left.digits + right.digits > 18:
        node.set("this", _wide(node.this, left))
    return node


def _wide(value: exp.Expr, kind: Kind) -> exp.Expr:
    """An exact number as a decimal of 38 digits, so that its products do not overflow."""
    if kind.is_integer or kind.scale is not None:
        return decimal(value.copy(), kind.scale or 0)
    return exp.paren(exp.Mul(this=exp.paren(value.copy(), copy=False), expression=cast(_one(), "HUGEINT")), copy=False)


def _power(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    base = kinds.of(node.this)
    if not is_exact_power(node, base):
        return node
    product: exp.Expr = exp.paren(_wide(node.this, base), copy=False)
    for _ in range(node.expression.to_py() - 1):
        product = exp.Mul(this=product, expression=exp.paren(node.this.copy(), copy=False))
    return exp.paren(product, copy=False)


def _remainder(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    """Modulo of decimals over integers of their smallest unit: DuckDB's own turns large ones into doubles."""
    both = [kinds.of(node.this), kinds.of(node.expression)]
    if all(kind.is_integer for kind in both) or not all(kind.is_exact for kind in both):
        return node
    scale = max(kind.scale or 0 for kind in both)
    unit = exp.Literal.number(10**scale)
    units = [
        cast(exp.Mul(this=exp.paren(_wide(side, kind), copy=False), expression=unit.copy()), "HUGEINT")
        for side, kind in zip((node.this, node.expression), both, strict=True)
    ]
    rest = decimal(exp.paren(exp.Mod(this=units[0], expression=units[1]), copy=False), 0)
    step = exp.Literal.number(f"0.{'1'.zfill(scale)}") if scale else exp.Literal.number(1)
    return exp.paren(exp.Mul(this=rest, expression=step), copy=False)


def _alternatives(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    """CASE, COALESCE and their like: one scale, where DuckDB's common type would drop decimals."""
    if isinstance(node, exp.Case):
        branches = [branch.args["true"] for branch in node.args["ifs"]] + [node.args.get("default")]
    elif isinstance(node, (exp.Lag, exp.Lead)):
        branches = [node.this, node.args.get("default")]
    else:
        branches = [node.this, *node.expressions]
    present = [branch for branch in branches if isinstance(branch, exp.Expr)]
    found = [kinds.of(branch) for branch in present]
    scale = common_scale(found)
    for branch, kind in zip(present, found, strict=True):
        if scale is not None and kind.is_exact:
            branch.replace(decimal(branch.copy(), scale))
    return node


def _round(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    kind, decimals = kinds.of(node.this), node.args.get("decimals")
    if kind.name != "numeric" or kind.error == 0:
        return node
    places = int(decimals.to_py()) if decimals is not None else 0
    if decimals is None or places >= 0:
        return decimal(digits15(node.this), places)
    return call("ROUND", decimal(digits15(node.this), 10), decimals)


def _whole(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    kind = kinds.of(node.this)
    return decimal(node.copy(), 0) if kind.name == "numeric" and kind.error else node


def _cast(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    source, target, to = kinds.of(node.this), kinds.of(node), node.args["to"]
    if to.is_type("interval") and node.this.is_string:
        return _interval_of(node.this.name)
    rough = source.name == "double precision" or (source.name == "numeric" and source.error > 0)
    if to.is_type("decimal") and not to.expressions:
        return _to_numeric(node, source, rough)
    if target.name == "numeric" and rough:
        return decimal(digits15(node.this), target.scale or 0, target.precision or 38)
    if target.is_integer and source.name == "numeric" and rough:
        return exp.Cast(this=decimal(digits15(node.this), 0), to=to.copy())
    return node


def _interval_of(text: str) -> exp.Expr:
    terms = [f"INTERVAL ({number}) {unit}" for number, unit in interval_parts(text)]
    return exp.paren(exp.maybe_parse(" + ".join(terms), dialect="duckdb"), copy=False)


def _to_numeric(node: exp.Expr, source: Kind, rough: bool) -> exp.Expr:
    value: exp.Expr = node.this
    if source.name == "literal":
        return exp.Literal.number(value.name.strip())
    if source.is_integer:
        return decimal(value, 0, source.digits)
    return agreed(value) if rough else exp.paren(value, copy=False)


def _literal(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    if node.is_string or "e" not in node.name.lower():
        return node
    return exp.Literal.number(format(node.to_py(), "f"))


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


Wrap = Callable[[exp.Expr], exp.Expr]


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
    value = _wide(core.this, kinds.of(core.this))
    count = wrap(exp.Count(this=core.this.copy()))
    spread = _co_moment(count, value, value, wrap)
    pairs = _pairs_of(count, sample=isinstance(core, _SAMPLE))
    variance = exp.Div(this=_double(spread), expression=pairs)
    deviation = isinstance(core, (exp.Stddev, exp.StddevSamp, exp.StddevPop))
    return agreed(call("SQRT", variance) if deviation else variance)


def _exact_pair(core: exp.Expr, wrap: Wrap, kinds: Kinds) -> exp.Expr:
    """Corr(y, x) and its like from exact sums over the rows where both are known."""
    known = exp.and_(core.this.copy().is_(exp.null()).not_(), core.expression.copy().is_(exp.null()).not_())
    y, x = (exp.Case().when(known.copy(), _wide(side, kinds.of(side))) for side in (core.this, core.expression))
    count = wrap(exp.Count(this=x.copy()))
    xy = _double(_co_moment(count, x, y, wrap))
    if isinstance(core, (exp.CovarSamp, exp.CovarPop)):
        return agreed(exp.Div(this=xy, expression=_pairs_of(count, isinstance(core, exp.CovarSamp))))
    xx, yy = (call("NULLIF", _double(_co_moment(count, side, side, wrap)), exp.Literal.number(0)) for side in (x, y))
    slope = exp.Paren(this=exp.Div(this=xy.copy(), expression=xx.copy()))
    if isinstance(core, exp.RegrSlope):
        return slope
    if isinstance(core, exp.RegrIntercept):
        sums = [_double(wrap(exp.Sum(this=side.copy()))) for side in (y, x)]
        rise = exp.Paren(this=exp.Sub(this=sums[0], expression=exp.Mul(this=slope, expression=sums[1])))
        return exp.Paren(this=exp.Div(this=rise, expression=_double(count.copy())))
    both = exp.Mul(this=call("SQRT", xx.copy()), expression=call("SQRT", yy.copy()))
    correlation = exp.Div(this=xy.copy(), expression=exp.Paren(this=both))
    if isinstance(core, exp.Corr):
        return exp.Paren(this=correlation)
    square = exp.Div(
        this=exp.Mul(this=xy.copy(), expression=xy.copy()),
        expression=exp.Paren(this=exp.Mul(this=xx.copy(), expression=yy.copy())),
    )
    constant = exp.EQ(this=_double(_co_moment(count, y, y, wrap)), expression=exp.Literal.number(0))
    flat = exp.and_(constant, exp.Not(this=exp.Is(this=xx.copy(), expression=exp.null())))
    return exp.Case().when(flat, _double(_one())).else_(square)


def _one() -> exp.Expr:
    return exp.Literal.number(1)


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
    product = exp.Mul(this=_double(count.copy()), expression=exp.Paren(this=other))
    return call("NULLIF", product, exp.Literal.number(0))


REWRITES: dict[type[exp.Expr], Callable[[exp.Expr, Kinds], exp.Expr]] = {
    **{kind: _aggregate for kind in (exp.Avg, exp.Sum, exp.Filter, exp.Window, *_SPREADS, *_PAIRS)},
    exp.Cast: _cast,
    exp.Ceil: _whole,
    exp.Div: _divide,
    exp.Floor: _whole,
    exp.Literal: _literal,
    **{kind: _alternatives for kind in (exp.Case, exp.Coalesce, exp.Greatest, exp.Least, exp.Lag, exp.Lead, exp.Array)},
    exp.Mod: _remainder,
    exp.Mul: _multiply,
    exp.Pow: _power,
    exp.Round: _round,
    exp.Trunc: _whole,
}
