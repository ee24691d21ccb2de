"""How good the models were, release by release: what `ops.model_evaluations` shows.

Here: taking the figures of the evaluation tables of a release into a document of the lake, which stays when the release
itself is forgotten. Not here: how a model is evaluated (`cxa_pipeline.models`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from cxa_pipeline.engine.protocol import Engine, Relation
from cxa_pipeline.lake import Lake
from cxa_pipeline.pipeline.project import Project
from cxa_pipeline.pipeline.release import Release

TABLE = "ops.model_evaluations"
KIND = "evaluations"
FIGURES = ("model", "metric", "value", "ci_low", "ci_high", "n", "is_served", "is_baseline")
"""Columns that every evaluation table has; what else is in its key is told in one text."""


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
    contract, released = project.catalog[table], release.tables.get(table)
    if released is None or not released.versions:
        return
    more = [name for name in contract.primary_key if name not in FIGURES]
    paths = tuple(version.path for version in released.versions.values())
    relation = Relation(paths, columns=project.output_columns(table))
    names = ", ".join([*FIGURES, *more])
    order = ", ".join(contract.primary_key)
    for row in engine.fetch(f"select {names} from {table} order by {order}", {table: relation}).to_pylist():
        detail = ", ".join(f"{name} {row.pop(name)}" for name in more)
        yield {"table_name": table, "detail": detail, **row}
