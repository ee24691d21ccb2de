"""The checked subset of PostgreSQL: what is refused, and what the rest is on DuckDB.

Here: the two entry points, `lint` and `to_duckdb`. Not here: the checks (`lint`, `lint_types`), the rewrites
(`rewrites`), the list of allowed expressions (`rules`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sqlglot import exp

from cxa_pipeline.engine import lint as form
from cxa_pipeline.engine import lint_types as types
from cxa_pipeline.engine.infer import Kinds
from cxa_pipeline.engine.kinds import Kind
from cxa_pipeline.engine.rewrites import rewrite
from cxa_pipeline.engine.scopes import Names
from cxa_pipeline.engine.sql import Model, parse_query
from cxa_pipeline.errors import DialectError


class Finding(NamedTuple):
    """One thing in a model that would not give equal results everywhere.

    `where` is the model and the line, `what` the fault, `seen` the SQL, `advice` what to write instead.
    """

    where: str
    what: str
    seen: str
    advice: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}: {self.seen} -> {self.advice}"


def lint(model: Model, schemas: Mapping[str, Mapping[str, str]] | None = None) -> list[Finding]:
    """Everything in a model that leaves the checked subset, in the order of its lines.

    Args:
        model: The parsed model.
        schemas: Types of the columns of the tables it reads; without them, checks on types see less.
    """
    kinds = Kinds(Names(model.tree, schemas or {}))
    found = {
        (*_position(node), what, node.sql("postgres", comments=False)[:120], advice)
        for node, what, advice in _problems(model.tree, kinds)
    }
    return [
        Finding(f"{model.name}:{line}" if line else model.name, what, seen, advice)
        for line, _, what, seen, advice in sorted(found)
    ]


def check(model: Model, schemas: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Raise if the model leaves the checked subset.

    Raises:
        DialectError: With the first findings.
    """
    if found := lint(model, schemas):
        first = found[0]
        more = f" ({len(found)} findings)" if len(found) > 1 else ""
        evidence = [f"{finding.what}: {finding.seen}" for finding in found]
        raise DialectError(
            f"Not in the checked subset of PostgreSQL: {first.what}{more}.", first.where, evidence, first.advice
        )


def to_duckdb(sql: str, schemas: Mapping[str, Mapping[str, str]], name: str = "query") -> tuple[str, dict[str, Kind]]:
    """DuckDB's text for a query of the checked subset, and the kinds of its output columns.

    Args:
        sql: One SELECT in PostgreSQL's dialect.
        schemas: Types of the columns of the tables it reads.
        name: What errors call it.

    Raises:
        DialectError: The query is not understood, or a type that decides its meaning is not known.
    """
    tree, outputs = rewrite(parse_query(sql, name), schemas)
    return tree.sql(dialect="duckdb", copy=False, identify=True, comments=False), outputs


def _problems(tree: exp.Expr, kinds: Kinds) -> Iterator[form.Problem]:
    for node in tree.walk():
        yield from form.problems(node)
        yield from types.problems(node, kinds)


def _position(node: exp.Expr) -> tuple[int, int]:
    """Line and column where an expression, or else what is around it, begins."""
    around: exp.Expr | None = node
    while around is not None:
        found = [(part.meta["line"], part.meta["col"]) for part in around.walk() if "line" in part.meta]
        if found:
            return min(found)
        around = around.parent
    return 0, 0
