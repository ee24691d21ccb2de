"""The kind of every expression of a query.

Here: `Kinds`, which follows names through the query and keeps what it found. Not here: the rule for each expression
(`rules`), the algebra of kinds (`kinds`).
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from cxa_pipeline.engine import kinds as k
from cxa_pipeline.engine.kinds import Kind
from cxa_pipeline.engine.rules import NAMED_FUNCTIONS, RULES
from cxa_pipeline.engine.scopes import Base, Names, Origin


class Kinds:
    """The kinds of one query's expressions.

    Args:
        names: The query's names, which know the types of the tables' columns.
    """

    def __init__(self, names: Names) -> None:
        self.names = names
        self._kinds: dict[int, Kind] = {}
        self._kept: list[exp.Expr] = []

    def adopt(self, new: exp.Expr, old: exp.Expr) -> None:
        """Let an expression that takes the place of another have its kind."""
        self._kinds[id(new)] = self.of(old)
        self._kept.append(new)

    def of(self, expression: exp.Expr | None) -> Kind:
        """The kind of an expression, unknown if it cannot be told."""
        if expression is None:
            return k.NULL
        key = id(expression)
        if key not in self._kinds:
            self._kinds[key] = k.NULL  # met again only inside a recursive CTE, where the first branch decides
            self._kept.append(expression)
            self._kinds[key] = self._infer(expression)
        return self._kinds[key]

    def of_origins(self, origins: Iterable[Origin]) -> Kind:
        """The common kind of what an output column is made of."""
        return k.unify(self._of_base(item) if isinstance(item, Base) else self.of(item) for item in origins)

    def outputs(self) -> dict[str, Kind]:
        """The kinds of the query's output columns."""
        return {name: self.of_origins(origins) for name, origins in self.names.root_outputs().items()}

    def of_query(self, query: exp.Query) -> Kind:
        """The kind of a scalar subquery."""
        scope = self.names.scope_of(query)
        outputs = list(self.names.outputs(scope).values()) if scope else []
        return self.of_origins(outputs[0]) if outputs else k.UNKNOWN

    def _of_base(self, base: Base) -> Kind:
        text = self.names.schemas.get(base.table, {}).get(base.column)
        return k.kind_of_type(text) if text else k.UNKNOWN

    def _infer(self, node: exp.Expr) -> Kind:
        if isinstance(node, exp.Column):
            origins = self.names.resolve(node)
            found = self.of_origins(origins) if origins else k.UNKNOWN
            return k.TEXT if found == k.LITERAL else found  # a query's output is never of unknown type
        if isinstance(node, exp.Anonymous):
            return NAMED_FUNCTIONS.get(node.name.lower(), k.UNKNOWN)
        rule = RULES.get(type(node))
        return rule(node, self) if rule else k.UNKNOWN
