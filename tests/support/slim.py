"""A part of `sql/` that most scenarios run on: what they show of files, kills and releases does not need every table."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from cxa_pipeline.pipeline.project import load_project

KEPT = (
    *("kpi.daily", "kpi.weekly", "kpi.monthly", "kpi.quarterly", "kpi.yearly"),
    *("kpi.by_product", "kpi.by_category", "kpi.by_store", "kpi.by_location"),
    *("questions.total_customers", "questions.customers_by_gender", "questions.customers_by_age_group"),
    *("questions.top5_customers", "questions.repeat_customers", "questions.average_order_value"),
    *("questions.sales_by_location", "questions.revenue_by_gender", "questions.top5_products_18_25"),
    *("questions.inactive_customers", "questions.yoy_growth"),
    *("core.sales", "core.interactions", "core.devices", "core.stores"),
)
"""Tables that are kept, with all that they read."""


def slim_sql(sql_root: Path, target: Path) -> Path:
    """Copy `sql/` without tables that are not kept and identities that speak of them; gives the copy.

    Args:
        sql_root: The whole.
        target: A folder that does not exist yet, named sql.
    """
    project = load_project(sql_root)
    kept = project.ancestors(KEPT) | {c.key for c in project.catalog.of_kind("landed", "record", "settings", "seed")}
    shutil.copytree(sql_root, target)
    for contract in project.catalog:
        if contract.key not in kept:
            for path in (target / contract.schema).glob(f"{contract.table}.*"):
                path.unlink()
    for identity in project.identities:
        judged = yaml.safe_load(identity.path.with_suffix(".yaml").read_text(encoding="utf-8"))["derived"]
        named = {table for table in judged if not table.endswith(".*")}
        if not {*identity.reference, *named, *identity.model.dependencies} <= kept:
            for path in (target / "identities").glob(f"{identity.name}.*"):
                path.unlink()
    return target
