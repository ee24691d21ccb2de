"""Small parts of DuckDB's SQL, as syntax trees.

Here: casts and calls that several rewrites use. Not here: the rewrites.

Where PostgreSQL has a numeric and DuckDB a double, 15 significant digits are what both agree on: a value is
brought to them before it is rounded, cast or compared.
"""

from __future__ import annotations

from sqlglot import exp

from cxa_pipeline.engine.kinds import Kind


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
    return agreed(exp.Div(this=double(dividend), expression=double(divisor)))


def double(value: exp.Expr) -> exp.Expr:
    """A cast to double precision."""
    return cast(value, "DOUBLE")


def wide(value: exp.Expr, kind: Kind) -> exp.Expr:
    """An exact number as a decimal of 38 digits, so that its products do not overflow."""
    if kind.is_integer or kind.scale is not None:
        return decimal(value.copy(), kind.scale or 0)
    return exp.paren(exp.Mul(this=exp.paren(value.copy(), copy=False), expression=cast(one(), "HUGEINT")), copy=False)


def one() -> exp.Expr:
    """The number one."""
    return exp.Literal.number(1)
