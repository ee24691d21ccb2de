"""Which SQL a model may contain: the checks that need no types.

Here: the list of refused expressions with what to write instead, and checks on the form of queries, windows and
aggregates. Not here: the list of allowed expressions (`rules`), functions by name (`functions`), divisors
(`lint_divisors`), checks on types (`lint_types`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqlglot import exp

from cxa_pipeline.engine import functions, lint_divisors
from cxa_pipeline.engine.functions import ANY_ROW, CLOCK, RANDOM
from cxa_pipeline.engine.infer import Kinds
from cxa_pipeline.engine.rules import NAMED_FUNCTIONS, RULES
from cxa_pipeline.engine.scopes import is_table_function

Problem = tuple[exp.Expr, str, str]
"""The expression, what is wrong with it, and what to write instead."""

TypedCheck = Callable[[exp.Expr, Kinds], Iterator[Problem]]
"""A check that needs the kinds of operands."""

REFUSED: dict[type[exp.Expr], tuple[str, str]] = {
    **{kind: CLOCK for kind in (exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDatetime)},
    **{kind: CLOCK for kind in (exp.Localtime, exp.Localtimestamp)},
    **{kind: RANDOM for kind in (exp.Rand, exp.Uuid, exp.TableSample)},
    exp.AnyValue: ANY_ROW,
    exp.Placeholder: ("a parameter", "read the value from core.parameters"),
    exp.Parameter: ("a parameter", "read the value from core.parameters"),
    exp.Explode: ("unnest() in SELECT", "write it in FROM: cross join unnest(…) as t(x)"),
    exp.StrToDate: (
        "to_date() reads impossible dates differently",
        "write date '2024-02-29', or make_date(); texts of files are typed by the contract of the landed table",
    ),
    exp.StrToTime: ("to_timestamp(text) reads texts differently", "let the contract of the landed table type it"),
    exp.Reverse: functions.REFUSED["reverse"],
    exp.JSONExtract: functions.refusal("json"),
    exp.JSONExtractScalar: functions.refusal("json"),
    exp.SimilarTo: ("SIMILAR TO", "use ~ with a regular expression"),
    exp.ArrayContainsAll: ("array operators", "write x = any(array[…]), or join the elements: unnest(…) in FROM"),
    exp.ArrayOverlaps: ("array operators", "write x = any(array[…]), or join the elements: unnest(…) in FROM"),
    exp.IgnoreNulls: ("IGNORE NULLS", "count(x) over (…) numbers the runs; take first_value(x) of each run"),
    exp.Qualify: ("QUALIFY", "number the rows in a CTE and filter in the next"),
}

STRUCTURE: tuple[type[exp.Expr], ...] = (
    *(exp.Select, exp.Union, exp.Except, exp.Intersect, exp.Subquery, exp.With, exp.CTE, exp.From, exp.Join),
    *(exp.Table, exp.TableAlias, exp.Identifier, exp.Column, exp.Star, exp.Where, exp.Group, exp.Having),
    *(exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Fetch, exp.Distinct, exp.Lateral, exp.Unnest),
    *(exp.Values, exp.Tuple, exp.WindowSpec, exp.Cube, exp.Rollup, exp.GroupingSets, exp.DataType),
    *(exp.DataTypeParam, exp.Var, exp.Kwarg, exp.If, exp.PercentileCont, exp.PercentileDisc, exp.Mode),
    *(exp.LimitOptions, exp.JSONPath, exp.JSONPathRoot, exp.JSONPathKey, exp.JSONPathSubscript),
)
_SELECT_PARTS = {"expressions", "from_", "joins", "laterals", "where", "group", "having", "windows", "distinct"}
_SELECT_PARTS |= {"with_", "order", "limit", "offset", "operation_modifiers"}
_RANKING: tuple[type[exp.Expr], ...] = (
    exp.RowNumber,
    exp.Rank,
    exp.DenseRank,
    exp.Ntile,
    exp.PercentRank,
    exp.CumeDist,
    exp.Lag,
    exp.Lead,
)
_RANKING += (exp.FirstValue, exp.LastValue, exp.NthValue)


def problems(node: exp.Expr) -> Iterator[Problem]:
    """What is wrong with one expression, whatever the types."""
    if refusal := _refusal(node):
        yield node, *refusal
        return
    for checks in (CHECKS, lint_divisors.CHECKS):
        for check in checks.get(type(node), ()):
            yield from check(node)


def _refusal(node: exp.Expr) -> tuple[str, str] | None:
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        if name == "age" and isinstance(node.parent, exp.Extract) and len(node.expressions) == 2:
            return None if node.parent.name.upper() in ("YEAR", "MONTH") else functions.REFUSED[name]
        return None if name in NAMED_FUNCTIONS and name != "age" else functions.refusal(name)
    kind = type(node)
    if kind in REFUSED:
        return REFUSED[kind]
    if kind is exp.If and not isinstance(node.parent, exp.Case):
        return "if() is not PostgreSQL's", "write case when … then … else … end"
    if kind in RULES or kind in STRUCTURE or kind in (exp.GenerateSeries, exp.ExplodingGenerateSeries):
        return None
    shown = node.sql("postgres").split("(")[0].strip()[:40] or kind.__name__
    return f"{shown} ({kind.__name__}) is not in the checked subset", functions.refusal(shown.lower())[1]


def _select(node: exp.Expr) -> Iterator[Problem]:
    for part, value in node.args.items():
        if value and part not in _SELECT_PARTS:
            yield node, f"{part.strip('_').upper()} in a query", "write plain SELECT … FROM … WHERE … GROUP BY"
    distinct = node.args.get("distinct")
    if distinct and distinct.args.get("on") and not node.args.get("order"):
        yield distinct, "DISTINCT ON without ORDER BY takes any row", "add ORDER BY with the key at its end"
    if _names_matter(node):
        yield from _output_names(node)


def _names_matter(node: exp.Expr) -> bool:
    return (
        node.parent is None
        or isinstance(node.parent, (exp.CTE, exp.Lateral))
        or (isinstance(node.parent, exp.Subquery) and isinstance(node.parent.parent, (exp.From, exp.Join, exp.Lateral)))
    )


def _output_names(node: exp.Expr) -> Iterator[Problem]:
    seen: set[str] = set()
    renamed = isinstance(node.parent, exp.CTE) and node.parent.alias_column_names
    for item in node.expressions:
        name = item.alias_or_name if isinstance(item, (exp.Alias, exp.Column)) else ""
        if not name and not item.is_star and not renamed:
            yield item, "an output column without a name", "name it: … as name"
        if name in seen and name != "*":
            yield item, f"two output columns are named {name}", "give each its own name"
        seen.add(name)


def _query_limit(node: exp.Expr) -> Iterator[Problem]:
    query = node.parent
    if query is not None and not query.args.get("order"):
        yield node, "LIMIT or OFFSET without ORDER BY takes any rows", "order by a key"
    if isinstance(node, exp.Fetch) and "with_ties" in str(node.args.get("limit_options") or "").lower():
        yield node, "WITH TIES", "number the rows with rank() and filter"


def _star(node: exp.Expr) -> Iterator[Problem]:
    holder = node.parent
    if isinstance(holder, exp.Count):
        return
    column = holder if isinstance(holder, exp.Column) else None
    select = node.find_ancestor(exp.Select)
    for table in _tables(select) if select is not None and node.find_ancestor(exp.Where) is None else []:
        if table.db and (column is None or column.table == table.alias_or_name):
            yield node, f"* over the table {table.db}.{table.name}", "name the columns"


def _tables(select: exp.Select) -> Iterator[exp.Table]:
    items = [select.args.get("from_"), *select.args.get("joins", [])]
    for item in items:
        if item is not None and isinstance(item.this, exp.Table):
            yield item.this


def _table(node: exp.Expr) -> Iterator[Problem]:
    assert isinstance(node, exp.Table)
    if is_table_function(node):
        if not isinstance(node.this, (exp.GenerateSeries, exp.ExplodingGenerateSeries)):
            yield node, "this function in FROM", "only generate_series() and unnest() stand in FROM"
        return
    if node.catalog:
        yield node, "a database before the schema", "write schema.table"


def _join(node: exp.Expr) -> Iterator[Problem]:
    if node.args.get("method"):
        yield node, f"a {node.args['method']} join", "join … on …"
    if (node.args.get("kind") or "").upper() in ("SEMI", "ANTI", "POSITIONAL"):
        yield node, f"a {node.args['kind']} join", "use exists (…) or not exists (…)"


def _window(node: exp.Expr) -> Iterator[Problem]:
    function = node.this.this if isinstance(node.this, exp.Filter) else node.this
    order = _window_order(node)
    if isinstance(function, _RANKING) and order is None:
        yield node, "this window function needs an order", "add ORDER BY with the key at its end"
    spec = node.args.get("spec")
    if spec is None:
        return
    if spec.args.get("exclude"):
        yield node, "EXCLUDE in a window's frame", "subtract the current row's value instead"
    if (spec.args.get("kind") or "").upper() == "ROWS" and order is None:
        yield node, "ROWS without an order takes any rows", "add ORDER BY with the key at its end"


def _window_order(node: exp.Expr) -> exp.Expr | None:
    if node.args.get("order"):
        return node.args["order"]  # type: ignore[no-any-return]
    select = node.find_ancestor(exp.Select)
    for window in (select.args.get("windows") or []) if select else []:
        if window is not node and window.name and window.name == node.alias:
            return window.args.get("order")  # type: ignore[no-any-return]
    return None


def _ordered_aggregate(node: exp.Expr) -> Iterator[Problem]:
    if not isinstance(node.this, exp.Order):
        yield node, "the order of what is joined together is not determined", "add ORDER BY inside the aggregate"


def _percentile(node: exp.Expr) -> Iterator[Problem]:
    ordered = node.expression.expressions[0]
    fraction = node.this.this
    literal = fraction is None or all(item.is_number for item in getattr(fraction, "expressions", None) or [fraction])
    if isinstance(node.this, (exp.PercentileCont, exp.PercentileDisc)):
        if not literal:
            yield node, "a fraction that is not a number", "write the fraction as a number"
        if ordered.args.get("desc"):
            yield node, "a percentile in descending order", "order ascending and take 1 - fraction"


def _any(node: exp.Expr) -> Iterator[Problem]:
    if not isinstance(node.this.unnest(), exp.Array) or not isinstance(node.parent, exp.EQ):
        yield node, "ANY over anything but = any(array[…])", "use IN (…) or EXISTS (…)"


def _between(node: exp.Expr) -> Iterator[Problem]:
    if node.args.get("symmetric"):
        yield node, "BETWEEN SYMMETRIC", "use least() and greatest()"


def _row(node: exp.Expr) -> Iterator[Problem]:
    allowed = (exp.Values, exp.Distinct, exp.GroupingSets, exp.Cube, exp.Rollup, exp.Group)
    if not isinstance(node.parent, allowed):
        yield node, "comparing rows treats NULL differently", "compare column by column"


def _buckets(node: exp.Expr) -> Iterator[Problem]:
    bounds = [node.args.get(part) for part in ("min_value", "max_value", "num_buckets")]
    numbers = [bound.to_py() for bound in bounds if bound is not None and bound.is_number]
    if len(numbers) < 3 or numbers[0] >= numbers[1] or numbers[2] < 1:
        advice = "write the bounds and the number as numbers, the lower bound first; or a CASE"
        yield node, "width_bucket() in this form", advice


Check = Callable[[exp.Expr], Iterator[Problem]]

CHECKS: dict[type[exp.Expr], tuple[Check, ...]] = {
    exp.Any: (_any,),
    exp.ArrayAgg: (_ordered_aggregate,),
    exp.Between: (_between,),
    exp.Fetch: (_query_limit,),
    exp.GroupConcat: (_ordered_aggregate,),
    exp.Join: (_join,),
    exp.Limit: (_query_limit,),
    exp.Offset: (_query_limit,),
    exp.Select: (_select,),
    exp.Star: (_star,),
    exp.Table: (_table,),
    exp.Tuple: (_row,),
    exp.Window: (_window,),
    exp.WidthBucket: (_buckets,),
    exp.WithinGroup: (_percentile,),
}
