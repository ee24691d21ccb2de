"""A source's SELECT from its own columns to the canonical ones, made ready for many files at once.

Here: parsing `sql/sources/<source>/<dataset>.sql` and carrying `file_id` through it, so that windows and groups
never reach beyond a file. Not here: types and rules, which come from the contract (`cast`).
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping as Types
from dataclasses import dataclass
from pathlib import Path

from sqlglot import exp, parse_one

from cxa_pipeline.engine.dialect import to_duckdb
from cxa_pipeline.engine.sql import parse_model
from cxa_pipeline.errors import ContractError

FILE = "file"


@dataclass(frozen=True)
class Mapping:
    """One mapping: its path, its syntax tree, and what it reads and gives.

    `reads` are the columns of `file` that it names, `gives` those of its result,
    without `line`. `fingerprint` ignores comments and format.
    """

    path: Path
    tree: exp.Query
    fingerprint: str
    reads: frozenset[str]
    gives: tuple[str, ...]

    @property
    def by_row(self) -> bool:
        """Whether each row of the result depends on one row of the file alone."""
        return next(self.tree.find_all(exp.Window, exp.AggFunc, exp.Distinct), None) is None

    def duckdb(self, relation: str, columns: Collection[str]) -> str:
        """The SELECT for DuckDB over `relation` (`schema.table`), giving `file_id` with the rest.

        Args:
            relation: It has `file_id`, `line` and `columns`.
            columns: Names of the file's columns, all of them text.

        Raises:
            DialectError: the mapping leaves the checked subset.
        """
        tree = self.tree.copy()
        names = {cte.alias for cte in tree.find_all(exp.CTE)}
        for select in list(tree.find_all(exp.Select)):
            _carry_file(select)
        for table in list(tree.find_all(exp.Table)):
            if table.name == FILE and table.name not in names:
                table.replace(exp.alias_(exp.to_table(relation), table.alias or FILE, table=True))
        types = {**dict.fromkeys(columns, "text"), "file_id": "text", "line": "bigint"}
        return to_duckdb(tree.sql(dialect="postgres", comments=False), {relation: types}, str(self.path))[0]


def load_mapping(path: Path, canonical: Collection[str]) -> Mapping:
    """Read a mapping and see that it can be run for many files in one query.

    Raises:
        ContractError: it gives unknown columns, leaves out `line`, or reads anything but `file`.
        DialectError: it is no SELECT.
    """
    model = parse_model(path.read_text(encoding="utf-8"), str(path))
    ctes = {cte.alias for cte in model.tree.find_all(exp.CTE)}
    if others := {t.sql() for t in model.tree.find_all(exp.Table) if t.name not in {FILE, *ctes} or t.db}:
        raise ContractError("A mapping reads nothing but `file`", str(path), sorted(others))
    if next(model.tree.find_all(exp.Join, exp.SetOperation, exp.Exists), None) or _inner_queries(model.tree):
        raise ContractError(
            "A mapping has no joins, unions or inner queries",
            str(path),
            advice="use CTEs one after the other, and window functions",
        )
    gives = tuple(model.tree.named_selects)
    unknown = set(gives) - set(canonical) - {"line"}
    if unknown or "line" not in gives:
        raise ContractError(
            "A mapping gives `line` and columns of its data set's contract",
            str(path),
            [f"unknown: {name}" for name in sorted(unknown)] or "line is missing",
            f"the columns are {', '.join(canonical)}",
        )
    reads = {
        column.name
        for select in model.tree.find_all(exp.Select)
        if _reads_file(select)
        for column in select.find_all(exp.Column)
    } - {"line"}
    gives = tuple(name for name in gives if name != "line")
    return Mapping(path, model.tree, model.fingerprint, frozenset(reads), gives)


def translate_condition(sql: str, types: Types[str, str], where: str) -> str:
    """The text that DuckDB runs for a condition over columns of these types.

    Raises:
        DialectError: it is no condition of the checked subset.
    """
    text, _ = to_duckdb(f"select {sql} as holds from landed.row", {"landed.row": types}, where)
    tree = parse_one(text, dialect="duckdb")
    for column in tree.find_all(exp.Column):
        column.set("table", None)
    holds = tree.find(exp.Alias)
    return holds.this.sql(dialect="duckdb") if holds else "true"


def columns_of_condition(sql: str) -> frozenset[str]:
    """The columns that a condition names."""
    return frozenset(column.name for column in parse_one(sql, dialect="postgres").find_all(exp.Column))


def _reads_file(select: exp.Select) -> bool:
    source = select.args.get("from_")
    return source is not None and isinstance(source.this, exp.Table) and source.this.name == FILE


def _inner_queries(tree: exp.Query) -> bool:
    return any(not isinstance(select.parent, exp.CTE) for select in tree.find_all(exp.Select) if select is not tree)


def _carry_file(select: exp.Select) -> None:
    """Give `file_id` with the columns, and keep windows, groups and DISTINCT within one file."""
    file_id = exp.column("file_id")
    own = [node for node in select.find_all(exp.Window, exp.AggFunc) if node.parent_select is select]
    for window in (node for node in own if isinstance(node, exp.Window)):
        window.set("partition_by", [file_id.copy(), *(window.args.get("partition_by") or [])])
    group = select.args.get("group")
    if group is not None:
        group.set("expressions", [*group.expressions, file_id.copy()])
    elif any(isinstance(node, exp.AggFunc) and not node.find_ancestor(exp.Window) for node in own):
        select.set("group", exp.Group(expressions=[file_id.copy()]))
    distinct = select.args.get("distinct")
    if distinct is not None and distinct.args.get("on"):
        on = distinct.args["on"]
        on.set("expressions", [file_id.copy(), *on.expressions])
        order = select.args.get("order")
        if order is not None:
            order.set("expressions", [exp.Ordered(this=file_id.copy()), *order.expressions])
    select.set("expressions", [file_id.copy(), *select.expressions])
