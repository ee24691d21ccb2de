"""Asset and check specifications, derived from contracts and SQL.

Here: what Dagster shows of a table before anything runs. Not here: running (`refresh`), triggers (`automation`).
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from cxa_pipeline.contracts import Column, Contract
from cxa_pipeline.pipeline.audit import check_names
from cxa_pipeline.pipeline.project import Project

KINDS = {
    "landed": {"file"},
    "settings": {"postgres"},
    "seed": {"csv", "postgres"},
    "table": {"duckdb", "postgres"},
    "monthly": {"duckdb", "postgres"},
    "view": {"view", "postgres"},
    "model": {"python", "postgres"},
    "record": {"postgres"},
}


def asset_key(table: str) -> dg.AssetKey:
    """`kpi.daily` → kpi/daily."""
    return dg.AssetKey(table.split("."))


def table_name(key: dg.AssetKey) -> str:
    """kpi/daily → `kpi.daily`."""
    return ".".join(key.path)


def asset_specs(project: Project) -> list[dg.AssetSpec]:
    """One specification per table."""
    return [_spec(project, contract) for contract in project.catalog]


def _spec(project: Project, contract: Contract) -> dg.AssetSpec:
    reads = project.dependencies(contract.key) or contract.drawn_from
    kinds = KINDS[contract.kind] if contract.published or contract.kind == "landed" else {"duckdb"}
    return dg.AssetSpec(
        key=asset_key(contract.key),
        deps=[asset_key(read) for read in reads],
        description=contract.description,
        group_name=contract.schema,
        kinds=kinds,
        owners=[f"team:{contract.owner}"],
        tags={tag: "" for tag in contract.tags},
        code_version=project.code_version(contract.key),
        skippable=True,
        metadata={
            "dagster/column_schema": column_schema(contract),
            "dagster/table_name": contract.key,
            "contract": f"sql/{contract.schema}/{contract.yaml_path.name}",
        },
    )


def column_schema(contract: Contract) -> dg.TableSchema:
    """Columns as Dagster shows them."""
    return dg.TableSchema(columns=[_column(contract, column) for column in contract.columns])


def _column(contract: Contract, column: Column) -> dg.TableColumn:
    description = column.description + (f" ({column.unit})" if column.unit else "")
    key = ["primary key"] if column.name in contract.primary_key else []
    tags = {"classification": column.classification} if column.classification else {}
    return dg.TableColumn(
        name=column.name,
        type=column.type,
        description=description,
        constraints=dg.TableColumnConstraints(nullable=not column.required, other=key),
        tags=tags,
    )


def column_lineage(project: Project, table: str) -> dg.TableColumnLineage | None:
    """Which columns each column is made of; None for tables that no SQL file makes."""
    found: dict[str, list[dg.TableColumnDep]] = {}
    for from_table, from_column, to_column in project.lineage(table):
        dep = dg.TableColumnDep(asset_key=asset_key(from_table), column_name=from_column)
        found.setdefault(to_column, []).append(dep)
    return dg.TableColumnLineage(found) if found else None


def check_specs(project: Project) -> Iterator[dg.AssetCheckSpec]:
    """One specification per check of each table; a check of severity error blocks what reads the table."""
    for contract in project.catalog:
        for name, severity, description in check_names(project, contract):
            yield dg.AssetCheckSpec(
                name=name,
                asset=asset_key(contract.key),
                description=description,
                blocking=severity == "error",
            )
