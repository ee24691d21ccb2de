"""How good the models were, release by release: what `ops.model_evaluations` shows.

Here: taking the figures of the evaluation tables of a release into a document of the lake, which stays when the release
itself is forgotten. Not here: how a model is evaluated (`cxa_pipeline.models`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.engine.protocol import Engine, Relation
from cxa_pipeline.lake import Lake
from cxa_pipeline.pipeline.project import Project
from cxa_pipeline.pipeline.release import Release

TABLE = "ops.model_evaluations"
KIND = "evaluations"
FIGURES = ("model", "metric", "value", "ci_low", "ci_high", "n", "is_served", "is_baseline")
"""Columns of an evaluation table with a row for each metric. What else is in its key is told in one text."""


def evaluation_rows(project: Project, lake: Lake, engine: Engine, release: Release) -> Iterator[dict[str, Any]]:
    """Rows of `ops.model_evaluations`: of this release, and of every earlier one whose figures were others."""
    known = lake.documents(KIND)
    figures = [row for table in project.catalog[TABLE].drawn_from for row in _figures(project, engine, release, table)]
    before = known[max(known)]["figures"] if known else []
    if figures != before:
        known[release.number] = {
            "as_of_date": release.as_of_date and release.as_of_date.isoformat(),
            "figures": figures,
        }
        lake.write_document(KIND, release.number, known[release.number])
    newest = max(known, default=0)
    for number, document in known.items():
        as_of = date.fromisoformat(document["as_of_date"]) if document["as_of_date"] else None
        for row in document["figures"]:
            yield {"release_id": number, "as_of_date": as_of, "is_current": number == newest, **row}


def _figures(project: Project, engine: Engine, release: Release, table: str) -> Iterator[dict[str, Any]]:
    released = release.tables.get(table)
    if released is None or not released.versions:
        return
    contract = project.catalog[table]
    paths = tuple(version.path for version in released.versions.values())
    names, order = ", ".join(contract.column_names), ", ".join(contract.primary_key)
    relation = Relation(paths, columns=project.output_columns(table))
    rows = engine.fetch(f"select {names} from {table} order by {order}", {table: relation}).to_pylist()
    more = [name for name in contract.primary_key if name not in FIGURES]
    for row in rows:
        detail = ", ".join(f"{name} {row[name]}" for name in more)
        for figures in [row] if "metric" in row else _by_metric(contract, row):
            yield {"table_name": table, "detail": detail, **{name: figures[name] for name in FIGURES}}


def _by_metric(contract: Contract, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of a row that has a column for each metric: those of type double precision."""
    for column in contract.columns:
        if column.type == "double precision":
            value = {"metric": column.name, "value": row[column.name], "ci_low": None, "ci_high": None}
            yield {**row, **value, "n": row["customers"]}
