"""The list of expressions that models may use, each with the rule for the kind of its value.

Here: one rule for each allowed expression; without one, the lint refuses it. Not here: conditions on how an allowed
expression is used (`lint`), the algebra of kinds (`kinds`), the walk over a query (`infer`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from cxa_pipeline.engine import kinds as k
from cxa_pipeline.engine.kinds import Kind

if TYPE_CHECKING:
    from cxa_pipeline.engine.infer import Kinds

Rule = Callable[[exp.Expr, "Kinds"], Kind]


def _always(kind: Kind) -> Rule:
    return lambda node, kinds: kind


def _as_argument(node: exp.Expr, kinds: Kinds) -> Kind:
    return kinds.of(node.this)


def _common(node: exp.Expr, kinds: Kinds) -> Kind:
    return k.unify(kinds.of(item) for item in [node.this, *node.expressions] if isinstance(item, exp.Expr))


def _applied(function: Callable[[Kind], Kind]) -> Rule:
    return lambda node, kinds: function(kinds.of(node.this))


def _combined(function: Callable[[Kind, Kind], Kind]) -> Rule:
    return lambda node, kinds: function(kinds.of(node.this), kinds.of(node.expression))


def _literal(node: exp.Expr, kinds: Kinds) -> Kind:
    if node.is_string:
        return k.LITERAL
    text = node.name.lower()
    if text.isdigit():
        return k.INTEGER if int(text) < 2**31 else k.BIGINT if int(text) < 2**63 else k.WHOLE
    mantissa, _, exponent = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    shift = int(exponent or 0)
    scale = max(0, len(fraction) - shift)
    return Kind("numeric", max(1, len(whole) + shift) + scale, scale)


def _case(node: exp.Expr, kinds: Kinds) -> Kind:
    results = [branch.args["true"] for branch in node.args["ifs"]]
    return k.unify(kinds.of(result) for result in [*results, node.args.get("default")])


def _cast(node: exp.Expr, kinds: Kinds) -> Kind:
    target = k.kind_of_type(node.args["to"].sql("postgres"))
    if target != Kind("numeric"):
        return target
    source = kinds.of(node.this)
    if source.is_integer:
        return Kind("numeric", source.digits, 0)
    return source if source.name == "numeric" else k.QUOTIENT


def _difference(node: exp.Expr, kinds: Kinds) -> Kind:
    return k.add(kinds.of(node.this), kinds.of(node.expression), minus=True)


def _remainder(node: exp.Expr, kinds: Kinds) -> Kind:
    common = k.unify([kinds.of(node.this), kinds.of(node.expression)])
    return replace(common, precision=38) if common.name == "numeric" else common


def _power(node: exp.Expr, kinds: Kinds) -> Kind:
    both = [kinds.of(node.this), kinds.of(node.expression)]
    if is_exact_power(node, both[0]):
        scale = both[0].scale
        return Kind("numeric", 38, scale * int(node.expression.to_py()) if scale is not None else None)
    return k.DOUBLE if k.DOUBLE in both or all(kind.is_integer for kind in both) else k.ROUGH


def is_exact_power(node: exp.Expr, base: Kind) -> bool:
    """Whether a power is a square or cube of a decimal, which is a product."""
    exact = base.name == "numeric" and base.error == 0
    return exact and bool(node.expression.is_int) and node.expression.to_py() in (2, 3)


def _round(node: exp.Expr, kinds: Kinds) -> Kind:
    kind, decimals = kinds.of(node.this), node.args.get("decimals")
    if kind.name != "numeric" and not decimals:
        return k.DOUBLE
    scale = 0 if decimals is None else decimals.to_py() if decimals.is_number else None
    if scale is None:
        return Kind("numeric", 38, kind.scale)
    whole = min(38, kind.digits + 1) if kind.error == 0 and kind.name == "numeric" else 38
    return Kind("numeric", whole, max(0, int(scale)))


def _variance(node: exp.Expr, kinds: Kinds) -> Kind:
    return k.DOUBLE if kinds.of(node.this) == k.DOUBLE else k.ROUGH


def _log(node: exp.Expr, kinds: Kinds) -> Kind:
    return k.ROUGH if node.expression else k.real(kinds.of(node.this))


def _sign(kind: Kind) -> Kind:
    return k.WHOLE if kind.name == "numeric" else k.DOUBLE


def _truncated(kind: Kind) -> Kind:
    return k.TIMESTAMP if kind == k.DATE else kind


def _zoned(kind: Kind) -> Kind:
    return {k.TIMESTAMPTZ: k.TIMESTAMP, k.TIMESTAMP: k.TIMESTAMPTZ}.get(kind, k.UNKNOWN)


def _extract(node: exp.Expr, kinds: Kinds) -> Kind:
    return Kind("numeric", 38, 6) if node.name.upper() in ("EPOCH", "SECOND") else Kind("numeric", 19, 0)


def _series(node: exp.Expr, kinds: Kinds) -> Kind:
    return _truncated(kinds.of(node.args["start"]))


def _within_group(node: exp.Expr, kinds: Kinds) -> Kind:
    if isinstance(node.this.this, exp.Array):
        return k.ARRAY
    return k.DOUBLE if isinstance(node.this, exp.PercentileCont) else kinds.of(node.expression.expressions[0].this)


def _shifted(node: exp.Expr, kinds: Kinds) -> Kind:
    return k.unify([kinds.of(node.this), kinds.of(node.args.get("default"))])


def _exploded(node: exp.Expr, kinds: Kinds) -> Kind:
    array = node.this
    return k.unify(map(kinds.of, array.expressions)) if isinstance(array, exp.Array) else k.UNKNOWN


def _element(node: exp.Expr, kinds: Kinds) -> Kind:
    inner = node.this.unnest()
    while isinstance(inner, exp.Filter):
        inner = inner.this
    if isinstance(inner, exp.Array):
        return k.unify(map(kinds.of, inner.expressions))
    if isinstance(inner, exp.ArrayAgg):
        return kinds.of(inner.this)
    if isinstance(inner, exp.WithinGroup):
        return k.DOUBLE if isinstance(inner.this, exp.PercentileCont) else kinds.of(inner.expression.expressions[0])
    is_match = isinstance(inner, exp.Anonymous) and inner.name.lower() == "regexp_match"
    return k.TEXT if is_match else k.UNKNOWN


def _scalar_query(node: exp.Expr, kinds: Kinds) -> Kind:
    query = node.unnest() if isinstance(node, exp.Subquery) else node
    return kinds.of_query(query) if isinstance(query, exp.Query) else kinds.of(query)


_DOUBLE: tuple[type[exp.Expr], ...] = (
    *(exp.Corr, exp.CovarSamp, exp.CovarPop, exp.RegrSlope, exp.RegrIntercept, exp.RegrR2, exp.PercentRank),
    *(exp.CumeDist, exp.Cbrt, exp.Pi, exp.Degrees, exp.Radians, exp.Sin, exp.Cos, exp.Tan, exp.Asin, exp.Acos),
    *(exp.Atan, exp.Atan2),
)
_BOOLEAN: tuple[type[exp.Expr], ...] = (
    exp.And,
    exp.Or,
    exp.Not,
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.Is,
    exp.In,
)
_BOOLEAN += (exp.Between, exp.Like, exp.ILike, exp.Escape, exp.RegexpLike, exp.RegexpILike, exp.Exists)
_BOOLEAN += (exp.NullSafeEQ, exp.NullSafeNEQ, exp.StartsWith, exp.Boolean, exp.LogicalOr, exp.LogicalAnd, exp.Any)
_TEXT: tuple[type[exp.Expr], ...] = (
    exp.Lower,
    exp.Upper,
    exp.Trim,
    exp.Substring,
    exp.Left,
    exp.Right,
    exp.Pad,
    exp.SplitPart,
    exp.Replace,
)
_TEXT += (exp.RegexpReplace, exp.Concat, exp.ConcatWs, exp.DPipe, exp.MD5, exp.Encode, exp.Translate, exp.Repeat)
_TEXT += (exp.GroupConcat,)
_ARGUMENT: tuple[type[exp.Expr], ...] = (
    exp.Neg,
    exp.Paren,
    exp.Alias,
    exp.Min,
    exp.Max,
    exp.FirstValue,
    exp.LastValue,
    exp.NthValue,
    exp.Abs,
)
_ARGUMENT += (exp.Nullif, exp.Window, exp.Filter, exp.Ordered, exp.Order)

RULES: dict[type[exp.Expr], Rule] = {
    **{kind: _always(k.BOOLEAN) for kind in _BOOLEAN},
    **{kind: _always(k.TEXT) for kind in _TEXT},
    **{kind: _as_argument for kind in _ARGUMENT},
    **{kind: _common for kind in (exp.Coalesce, exp.Greatest, exp.Least)},
    **{kind: _scalar_query for kind in (exp.Subquery, exp.Select, exp.Union, exp.Except, exp.Intersect)},
    **{kind: _applied(k.real) for kind in (exp.Sqrt, exp.Exp, exp.Ln)},
    **{kind: _variance for kind in (exp.Stddev, exp.StddevSamp, exp.StddevPop, exp.Variance, exp.VariancePop)},
    **{kind: _always(k.DOUBLE) for kind in _DOUBLE},
    **{kind: _always(k.BIGINT) for kind in (exp.Count, exp.RowNumber, exp.Rank, exp.DenseRank, exp.RegrCount)},
    **{kind: _always(k.INTEGER) for kind in (exp.Ntile, exp.Length, exp.StrPosition, exp.Grouping, exp.ArraySize)},
    exp.WidthBucket: _always(k.INTEGER),
    **{kind: _always(k.INTERVAL) for kind in (exp.Interval, exp.MakeInterval)},
    **{kind: _shifted for kind in (exp.Lag, exp.Lead)},
    **{kind: _applied(_sign) for kind in (exp.Sign,)},
    **{kind: _round for kind in (exp.Round, exp.Ceil, exp.Floor, exp.Trunc)},
    **{kind: _series for kind in (exp.GenerateSeries, exp.ExplodingGenerateSeries)},
    exp.Add: _combined(k.add),
    exp.Array: _always(k.ARRAY),
    exp.ArrayAgg: _always(k.ARRAY),
    exp.ArrayToString: _always(k.TEXT),
    exp.AtTimeZone: _applied(_zoned),
    exp.Avg: _applied(k.mean),
    exp.Bracket: _element,
    exp.ByteString: _always(k.LITERAL),
    exp.Case: _case,
    exp.Cast: _cast,
    exp.Distinct: lambda node, kinds: kinds.of(node.expressions[0]) if node.expressions else k.UNKNOWN,
    exp.Div: _combined(k.divide),
    exp.Explode: _exploded,
    exp.Extract: _extract,
    exp.IntDiv: _always(k.WHOLE),
    exp.Literal: _literal,
    exp.Log: _log,
    exp.Mod: _remainder,
    exp.Mul: _combined(k.multiply),
    exp.Null: _always(k.NULL),
    exp.Pow: _power,
    exp.SHA2Digest: _always(Kind("bytea")),
    exp.Sub: _difference,
    exp.Sum: _applied(k.total),
    exp.TimestampTrunc: _applied(_truncated),
    exp.Tuple: _always(Kind("row")),
    exp.UnixToTime: _always(k.TIMESTAMPTZ),
    exp.WithinGroup: _within_group,
}

NAMED_FUNCTIONS: dict[str, Kind] = {
    "age": k.INTERVAL,
    "cardinality": k.INTEGER,
    "convert_to": Kind("bytea"),
    "div": k.WHOLE,
    "every": k.BOOLEAN,
    "make_date": k.DATE,
    "octet_length": k.INTEGER,
    "regexp_match": k.ARRAY,
    "to_char": k.TEXT,
}
