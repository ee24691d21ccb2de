"""Which table or expression a name in a query stands for.

Here: resolution of column names through CTEs, subqueries, set operations and table functions, each name once.
Not here: types (`kinds`), parsing (`sql`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, ScopeType, traverse_scope


class Base(NamedTuple):
    """A column of a table that is read."""

    table: str
    column: str


Origin = exp.Expr | Base
"""What an output column is: an expression, or a table's column taken over by a star."""

Source = exp.Expr | Scope

Place = Literal["table", "output", "nowhere", "unknown"]
"""Of a name: a column of FROM, an output of the same SELECT, neither; or that cannot be told."""


def table_key(table: exp.Table) -> str:
    """`schema.table`, or the bare name of a CTE."""
    return f"{table.db}.{table.name}" if table.db else table.name


def is_table_function(table: exp.Table) -> bool:
    """Whether a FROM item is a call such as generate_series(…)."""
    return not isinstance(table.this, exp.Identifier)


def unnamed(number: int) -> str:
    """What an output is called that has no name of its own, as in the later branches of a UNION."""
    return f"?column{number}?"


class Names:
    """The names of one query.

    Args:
        tree: The query.
        schemas: Columns and their types, by `schema.table`; tables that are missing have no known columns.
    """

    def __init__(self, tree: exp.Query, schemas: Mapping[str, Mapping[str, str]]) -> None:
        self.tree = tree
        self.schemas = schemas
        self.scopes = traverse_scope(tree)
        self._scope_by_node = {id(scope.expression): scope for scope in self.scopes}
        self._outputs: dict[int, dict[str, list[Origin]]] = {}
        self._bases: dict[int, frozenset[Base]] = {}

    def scope_of(self, node: exp.Expr) -> Scope | None:
        """The innermost query around a node."""
        found: exp.Expr | None = node
        while found is not None:
            if scope := self._scope_by_node.get(id(found)):
                return scope
            found = found.parent
        return None

    def root_outputs(self) -> dict[str, list[Origin]]:
        """The output columns of the whole query."""
        return self.outputs(self.scopes[-1])

    def resolve(self, column: exp.Column) -> list[Origin]:
        """What a column reference stands for; empty if that cannot be told."""
        scope = self.scope_of(column)
        if not column.table and _is_output_name(column) and scope is not None:
            named = self._aliases(scope).get(column.name)
            if named is not None:
                return [named]
        while scope is not None:
            source = self._source(scope, column)
            if source is not None:
                return self._column_of(source, column.name)
            scope = scope.parent
        inner = self.scope_of(column)
        named = self._aliases(inner).get(column.name) if inner and not column.table else None
        return [named] if named is not None else []

    def place(self, column: exp.Column) -> Place:
        """Where a column's name is found, searching outwards as PostgreSQL does."""
        scope = own = self.scope_of(column)
        while scope is not None:
            sources = self.sources(scope)
            if column.table:
                source = sources.get(column.table) or _lateral_source(scope, column.table)
                candidates = [source] if source is not None else []
            else:
                candidates = list(sources.values())
            known = [self.columns_of(source) for source in candidates]
            if any(column.name in names for names in known):
                return "table"
            if not all(known) or (column.table and candidates):
                return "nowhere" if all(known) else "unknown"
            scope = scope.parent
        if own is None or column.table or column.name in self._visible_names(own):
            return "unknown"
        return "output" if column.name in self._aliases(own) else "nowhere"

    def outputs(self, scope: Scope) -> dict[str, list[Origin]]:
        """The output columns of a query in order, each with what it is made of (one per branch of a UNION)."""
        key = id(scope.expression)
        if key not in self._outputs:
            self._outputs[key] = {}
            self._outputs[key] = self._compute_outputs(scope)
        found = self._outputs[key]
        renamed = scope.outer_columns
        if not renamed:
            return found
        names = list(renamed) + list(found)[len(renamed) :]
        return dict(zip(names, found.values(), strict=False))

    def direct_bases(self, column: exp.Column) -> Iterator[Base]:
        """The table column that a reference names itself, without following CTEs."""
        for origin in self.resolve(column):
            if isinstance(origin, Base):
                yield origin

    def bases(self, origins: Iterable[Origin]) -> frozenset[Base]:
        """All table columns from which values are computed, followed to the end."""
        found: set[Base] = set()
        for origin in origins:
            if isinstance(origin, Base):
                found.add(origin)
                continue
            key = id(origin)
            if key not in self._bases:
                self._bases[key] = frozenset()
                columns = _columns_of_value(origin)
                self._bases[key] = frozenset().union(*(self.bases(self.resolve(column)) for column in columns))
            found |= self._bases[key]
        return frozenset(found)

    def starred(self) -> Iterator[Base]:
        """Table columns that a star takes over."""
        for scope in self.scopes:
            if isinstance(scope.expression, exp.Select) and scope.expression.is_star:
                for origins in self.outputs(scope).values():
                    yield from (origin for origin in origins if isinstance(origin, Base))

    def sources(self, scope: Scope) -> dict[str, Source]:
        """What stands in FROM, by alias."""
        return {name: source for name, (_, source) in scope.selected_sources.items()}

    def columns_of(self, source: Source) -> list[str]:
        """The column names of a FROM item."""
        if isinstance(source, Scope):
            return list(self._outputs_of_source(source))
        if isinstance(source, exp.Table) and not is_table_function(source):
            return list(self.schemas.get(table_key(source), {}))
        return list(source.alias_column_names) or [source.alias_or_name or "generate_series"]

    def _aliases(self, scope: Scope) -> dict[str, exp.Expr]:
        if not isinstance(scope.expression, exp.Query):
            return {}
        return {item.alias: item.this for item in scope.expression.selects if isinstance(item, exp.Alias)}

    def _visible_names(self, scope: Scope) -> set[str]:
        """Names of tables in FROM, which stand for whole rows."""
        return {*scope.sources, *self.sources(scope)}

    def _source(self, scope: Scope, column: exp.Column) -> Source | None:
        sources = self.sources(scope)
        if column.table:
            return sources.get(column.table) or _lateral_source(scope, column.table)
        for source in sources.values():
            if column.name in self.columns_of(source):
                return source
        unknown = [source for source in sources.values() if self._is_unknown_table(source)]
        return unknown[0] if len(unknown) == 1 and len(sources) == 1 else None

    def _is_unknown_table(self, source: Source) -> bool:
        return isinstance(source, exp.Table) and not is_table_function(source) and not self.columns_of(source)

    def _column_of(self, source: Source, name: str) -> list[Origin]:
        if isinstance(source, Scope):
            return self._outputs_of_source(source).get(name, [])
        if isinstance(source, exp.Table) and not is_table_function(source):
            return [Base(table_key(source), name)]
        if source.args.get("ordinality") and name in source.alias_column_names[1:]:
            return [_number_of_row()]
        return [source.this] if isinstance(source, exp.Table) else [source]

    def _outputs_of_source(self, scope: Scope) -> dict[str, list[Origin]]:
        node = scope.expression
        if isinstance(node, exp.Values):
            rows = [row.expressions for row in node.expressions if isinstance(row, exp.Tuple)]
            names = list(node.alias_column_names) or [f"column{n}" for n in range(1, len(rows[0]) + 1)]
            return {name: [row[n] for row in rows] for n, name in enumerate(names)}
        if isinstance(node, exp.Unnest):
            if id(node) not in self._outputs:
                self._outputs[id(node)] = _unnest_outputs(node)
            return self._outputs[id(node)]
        if isinstance(node, exp.Lateral):
            inner = self._scope_by_node.get(id(node.this.unnest()))
            if inner is None:
                return {name: [node.this] for name in node.alias_column_names or [node.alias]}
            found = self.outputs(inner)
            names = list(node.alias_column_names) or list(found)
            return dict(zip(names, found.values(), strict=False))
        return self.outputs(scope)

    def _compute_outputs(self, scope: Scope) -> dict[str, list[Origin]]:
        node = scope.expression
        if isinstance(node, exp.SetOperation):
            left, right = (list(self.outputs(part).items()) for part in scope.set_operation_scopes)
            return {name: origins + (right[n][1] if n < len(right) else []) for n, (name, origins) in enumerate(left)}
        if not isinstance(node, exp.Select):
            return {}
        found: dict[str, list[Origin]] = {}
        for number, item in enumerate(node.expressions):
            if item.is_star:
                self._expand_star(scope, item, found)
            else:
                name = item.alias_or_name
                found[name if name and name not in found else unnamed(number)] = [item.unalias()]
        return found

    def _expand_star(self, scope: Scope, star: exp.Expr, found: dict[str, list[Origin]]) -> None:
        sources = self.sources(scope)
        chosen = [star.args["table"].name] if isinstance(star, exp.Column) and star.table else list(sources)
        for alias in chosen:
            source = sources.get(alias)
            for name in self.columns_of(source) if source is not None else []:
                found.setdefault(name, self._column_of(source, name) if source is not None else [])


def _is_output_name(column: exp.Column) -> bool:
    """ORDER BY sees the output's names first (GROUP BY those of the input)."""
    ordered = column.parent
    return isinstance(ordered, exp.Ordered) and isinstance(ordered.parent and ordered.parent.parent, exp.Query)


def _lateral_source(scope: Scope, name: str) -> Source | None:
    lateral = scope.scope_type == ScopeType.UDTF or scope.is_subquery
    return scope.sources.get(name) if lateral and name in scope.sources else None


def _unnest_outputs(node: exp.Unnest) -> dict[str, list[Origin]]:
    alias = node.args.get("alias")
    names = list(node.alias_column_names) or ([alias.name] if alias else ["unnest"])
    found: dict[str, list[Origin]] = {}
    for name, array in zip(names, node.expressions, strict=False):
        element = exp.Explode(this=array.copy())
        element.parent = node  # so that names in the array are resolved where it stands
        found[name] = [element]
    if isinstance(offset := node.args.get("offset"), exp.Identifier):
        found[offset.name] = [_number_of_row()]
    return found


def _number_of_row() -> exp.Expr:
    """A value of the type of what WITH ORDINALITY adds."""
    return exp.cast(exp.Literal.number(1), "bigint")


def _columns_of_value(expression: exp.Expr) -> Iterator[exp.Column]:
    """The columns in an expression; of a subquery only those it selects."""
    if isinstance(expression, exp.Column):
        if not isinstance(expression.this, exp.Star):
            yield expression
        return
    if isinstance(expression, exp.Exists):
        return
    if isinstance(expression, exp.Select):
        for item in expression.expressions:
            yield from _columns_of_value(item)
        return
    for child in expression.iter_expressions():
        yield from _columns_of_value(child)
