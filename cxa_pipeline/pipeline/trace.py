"""From a published row back to files and lines, and the rows that were not accepted.

Here: reading what the lake keeps. A row of core is followed by its key; a row of a later table by what its own row
says of the order lines behind it (order, product, store, customer, day, month).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.engine.protocol import Engine, Relation
from cxa_pipeline.errors import RunError
from cxa_pipeline.lake import run_lock
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.landing import read_landing
from cxa_pipeline.pipeline.release import latest_release
from cxa_pipeline.sources.ingest import IngestResult
from cxa_pipeline.sources.reasons import advice

SHOWN = 20
BEHIND = {"order_id": "order_id", "product_id": "product_id", "store_id": "store_id", "customer_id": "customer_id"}
SYSTEM = ("source_id", "file_id", "line", "row_hash")


@dataclass(frozen=True)
class Trace:
    """A published row, what its table is made of, and the landed rows behind it.

    `lines` are file, line, state ("in force", or why not) and the row as typed; `more` counts those not shown.
    """

    row: Mapping[str, Any]
    steps: list[str]
    lines: list[tuple[str, int, str, dict[str, Any]]]
    more: int


@dataclass(frozen=True)
class Rejected:
    """Rejected rows (file, line, data set, reason, column, value, row) and their reasons with advice."""

    rows: list[tuple[Any, ...]]
    reasons: list[tuple[str, int, str]]


def rejected_rows(home: Home, name: str | None = None, reason: str | None = None) -> Rejected:
    """The rejected rows of all files in force or refused, by file and line."""
    engine = home.engine()
    ingested = _landing(home, engine)
    columns = home.project.output_columns("ops.rejected_rows")
    table = engine.fetch(
        "select file_id, line, dataset, reason, column_name, value, raw_json from ops.rejected_rows",
        {"ops.rejected_rows": Relation(ingested.rejected().paths, columns=columns)},
    )
    names = _names(home)
    rows = sorted((names.get(r["file_id"], r["file_id"]), *list(r.values())[1:]) for r in table.to_pylist())
    rows = [r for r in rows if (name is None or name in r[0]) and (reason is None or reason == r[3])]
    counts: dict[str, int] = {}
    for row in rows:
        counts[row[3]] = counts.get(row[3], 0) + 1
    meanings = {r.name: r.description for c in home.project.catalog.of_kind("landed") for r in c.rules}
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Rejected(rows, [(reason, n, advice(reason, meanings.get(reason, ""))) for reason, n in ordered])


def trace_row(home: Home, table: str, key: Sequence[str]) -> Trace:
    """Follow one published row back to its lines.

    Raises:
        RunError: there is no such table or row, or the key has other columns.
    """
    project = home.project
    if table not in project.catalog or project.catalog[table].kind in ("landed", "record"):
        raise RunError(f"No table called {table} can be traced", advice="`cxa tables` lists all tables")
    contract = project.catalog[table]
    names = contract.primary_key or contract.column_names[:1]
    wanted = names if len(key) == len(names) else tuple(n for n in names if n != contract.month)
    if len(key) != len(wanted):
        raise RunError(f"The key of {table} has {len(wanted)} columns", where=", ".join(wanted))
    engine = home.engine()
    released = latest_release(home.lake).tables.get(table)
    versions = (released.versions or {}) if released else {}
    relation = Relation(tuple(v.path for v in versions.values()), columns=project.output_columns(table))
    condition = " and ".join(f"{name}::text = {_text(value)}" for name, value in zip(wanted, key, strict=True))
    rows = engine.fetch(f"select * from {table} where {condition}", {table: relation}).to_pylist()
    if not rows:
        raise RunError(f"{table} has no row {' '.join(key)}", where=", ".join(wanted))
    dataset, conditions = _behind(contract, rows[0])
    lines, count = _lines(home, engine, dataset, conditions)
    return Trace(rows[0], _steps(home, table), lines, count - len(lines))


def _behind(contract: Contract, row: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The landed data set behind a row, and the conditions that its rows meet."""
    if contract.schema == "core" and contract.table in (
        "customers",
        "products",
        "stores",
        "devices",
        "interactions",
        "sales",
    ):
        key = next(name for name in contract.primary_key if name != contract.month)
        return contract.table, [f"{key} = {_text(row[key])}"]
    conditions = [f"{column} = {_text(row[name])}" for name, column in BEHIND.items() if row.get(name) is not None]
    if row.get("period_end") is not None:
        conditions.append(f"sold_date between date '{row['period']}' and date '{row['period_end']}'")
    if row.get("month") is not None:
        conditions.append(f"sold_month = date '{row['month']}'")
    if row.get("day") is not None:
        conditions.append(f"sold_date = date '{row['day']}'")
    return "sales", conditions or ["false"]


def _lines(
    home: Home, engine: Engine, dataset: str, conditions: list[str]
) -> tuple[list[tuple[str, int, str, dict[str, Any]]], int]:
    landed = _landing(home, engine).datasets[dataset]
    relation = landed.whole.relation
    everything = Relation(relation.paths, columns=relation.columns)
    where = " and ".join(conditions)
    name = f"landed.{dataset}"
    count = engine.fetch(f"select count(*) as n from {name} where {where}", {name: everything}).to_pylist()[0]["n"]
    sql = f"select * from {name} where {where} order by file_id, line limit {SHOWN}"
    found = engine.fetch(sql, {name: everything}).to_pylist()
    standing = {
        (r["file_id"], r["line"])
        for r in engine.fetch(f"select file_id, line from {name} where {where}", {name: relation}).to_pylist()
    }
    names = _names(home)
    lines = []
    for row in found:
        state = "in force" if (row["file_id"], row["line"]) in standing else "duplicate or superseded"
        shown = {k: v for k, v in row.items() if k not in SYSTEM and v is not None}
        lines.append((names.get(row["file_id"], row["file_id"]), row["line"], state, shown))
    return lines, count


def _steps(home: Home, table: str) -> list[str]:
    project = home.project
    above = project.ancestors([table])
    return [
        f"{name} ← {', '.join(project.dependencies(name))}"
        for name in reversed(project.order)
        if name in above and project.dependencies(name)
    ]


def _landing(home: Home, engine: Engine) -> IngestResult:
    with run_lock(home.lake, "cxa trace", datetime.now(UTC), wait=60):
        return read_landing(home, engine)


def _names(home: Home) -> dict[str, str]:
    return {entry.file_id: f"{entry.source}/{entry.name}" for entry in home.lake.landings()}


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
