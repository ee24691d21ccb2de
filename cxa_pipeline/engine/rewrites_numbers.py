"""Arithmetic of PostgreSQL on DuckDB: division, rounding, casts, and alternatives of different scale.

Here: the rewrites that depend on the kinds of numbers. Not here: aggregates (`rewrites_statistics`), everything
else (`rewrites`).
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from cxa_pipeline.engine.formats import interval_parts
from cxa_pipeline.engine.fragments import agreed, call, cast, decimal, digits15, double, one, quotient, wide
from cxa_pipeline.engine.infer import Kinds
from cxa_pipeline.engine.kinds import Kind, common_scale
from cxa_pipeline.engine.rules import is_exact_power


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
        node.set("this", wide(node.this, left))
    return node


def _power(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    base = kinds.of(node.this)
    if not is_exact_power(node, base):
        return node
    product: exp.Expr = exp.paren(wide(node.this, base), copy=False)
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
        cast(exp.Mul(this=exp.paren(wide(side, kind), copy=False), expression=unit.copy()), "HUGEINT")
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
    places = int(decimals.to_py()) if decimals is not None else 0
    if kind.name == "numeric" and kind.error == 0 and kind.scale is not None and places > kind.scale:
        return decimal(node.this.copy(), places)
    if kind.name != "numeric" or kind.error == 0:
        return node
    if decimals is None or places >= 0:
        return decimal(digits15(node.this), places)
    return call("ROUND", decimal(digits15(node.this), 10), decimals)


def _whole(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    kind = kinds.of(node.this)
    return decimal(node.copy(), 0) if kind.name == "numeric" and kind.error else node


def _width_bucket(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    """The number of the bucket, by the arithmetic of PostgreSQL: of doubles, or exact for a numeric."""
    value, count = node.this, node.args["num_buckets"]
    low, high = (double(node.args[bound]) for bound in ("min_value", "max_value"))
    width = exp.paren(exp.Sub(this=high, expression=low), copy=False)
    above = exp.paren(exp.Sub(this=double(value.copy()), expression=low.copy()), copy=False)
    if _is_exact_bucket(node, kinds):
        share = agreed(exp.Div(this=exp.Mul(this=above, expression=double(count.copy())), expression=width))
    else:
        part = exp.paren(exp.Div(this=above, expression=width), copy=False)
        share = exp.Mul(this=double(count.copy()), expression=part)
    last = exp.Sub(this=count.copy(), expression=one())
    inner = exp.Add(this=call("LEAST", call("FLOOR", share), last), expression=one())
    buckets = exp.Case().when(exp.LT(this=double(value.copy()), expression=low.copy()), exp.Literal.number(0))
    buckets = buckets.when(
        exp.GTE(this=double(value.copy()), expression=high.copy()), exp.Add(this=count.copy(), expression=one())
    )
    known = exp.Not(this=exp.Is(this=exp.paren(value.copy(), copy=False), expression=exp.null()))
    return exp.Case().when(known, cast(buckets.else_(inner), "INTEGER"))


def _is_exact_bucket(node: exp.Expr, kinds: Kinds) -> bool:
    """Whether PostgreSQL takes the width_bucket of numerics rather than that of doubles."""
    given = [kinds.of(side) for side in (node.this, node.args["min_value"], node.args["max_value"])]
    return any(kind.name == "numeric" for kind in given) and not any(kind.name == "double precision" for kind in given)


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


REWRITES: dict[type[exp.Expr], Callable[[exp.Expr, Kinds], exp.Expr]] = {
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
    exp.WidthBucket: _width_bucket,
}
