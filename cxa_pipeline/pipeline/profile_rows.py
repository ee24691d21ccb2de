"""The rows of `ops` that profiles make: column_profile, column_top_values, column_correlations, missing_values.

Here: from profiles to rows. Not here: making profiles (`profile`), the other records (`records`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.engine.protocol import Engine
from cxa_pipeline.lake import Lake
from cxa_pipeline.pipeline.figures import QUANTILES
from cxa_pipeline.pipeline.profile import Profile, Profiles, profiled
from cxa_pipeline.pipeline.project import Project
from cxa_pipeline.pipeline.release import Release

Row = dict[str, Any]

_FIGURES = ("minimum", "maximum", "mean", "standard_deviation", *QUANTILES)


def profile_rows(project: Project, lake: Lake, engine: Engine, release: Release) -> dict[str, list[Row]]:
    """The rows by table; profiles that are missing are made."""
    profiles = Profiles(project, lake, engine)
    found: dict[str, list[Row]] = {
        name: []
        for name in ("ops.missing_values", "ops.column_profile", "ops.column_top_values", "ops.column_correlations")
    }
    for contract in profiled(project):
        released = release.tables.get(contract.key)
        if not released:
            continue
        profile = profiles.of(contract, released.versions or {})
        found["ops.missing_values"] += _missing_values(contract, profile)
        if contract.published:
            found["ops.column_profile"] += _columns(contract, profile)
            found["ops.column_top_values"] += _top_values(contract, profile)
            found["ops.column_correlations"] += _pairs(contract, profile)
    return found


def _missing_values(contract: Contract, profile: Profile) -> Iterator[Row]:
    for column in contract.columns:
        held = profile["columns"][column.name]
        missing = held["nulls"] + held["unknown"]
        yield {
            "table_name": contract.key,
            "column_name": column.name,
            "row_count": held["rows"],
            "missing": missing,
            "missing_share": _share(missing, held["rows"]),
            "treatment": "unknown" if missing and column.required else "required" if column.required else "null",
        }


def _columns(contract: Contract, profile: Profile) -> Iterator[Row]:
    for column in contract.columns:
        held = profile["columns"][column.name]
        yield {
            "table_name": contract.key,
            "column_name": column.name,
            "column_type": column.type,
            "is_confidential": column.classification == "confidential",
            "row_count": held["rows"],
            "null_count": held["nulls"],
            "null_share": _share(held["nulls"], held["rows"]),
            "profiled_rows": profile["profiled_rows"],
            "distinct_count": held.get("distinct"),
            **{name: held.get(name) for name in _FIGURES},
        }


def _top_values(contract: Contract, profile: Profile) -> Iterator[Row]:
    for column, values in profile["top"].items():
        present = profile["columns"][column]["present"]
        for rank, (value, rows) in enumerate(values, start=1):
            yield {
                "table_name": contract.key,
                "column_name": column,
                "value_rank": rank,
                "column_value": value,
                "value_count": rows,
                "rows_with_value": present,
                "value_share": _share(rows, present),
            }


def _pairs(contract: Contract, profile: Profile) -> Iterator[Row]:
    for column, other, rows, pearson, spearman in profile["pairs"]:
        yield {
            "table_name": contract.key,
            "column_name": column,
            "other_column_name": other,
            "row_count": rows,
            "pearson": pearson,
            "spearman": spearman,
        }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
