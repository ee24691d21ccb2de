"""Small shops for tests of cohorts, and the shortest way to their tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cxa_pipeline.contracts import Contract
from tests.independent import shop
from tests.independent.tables import OnEngine, project

Row = dict[str, Any]
TABLES = ("members", "customer_months", "groups", "retention", "ranking", "drivers")
QUOTIENTS = ("retention_rate", "ci_low", "ci_high", "aov", "average_sales_per_retained", "revenue_retention")


class WithoutVisits(OnEngine):
    """The models for shops without interactions: no sessions, so that nothing of them need be computed."""

    def _compute(self, contract: Contract) -> None:
        if contract.key in ("core.events", "core.visits"):
            self._store(contract, [])
        elif contract.key not in ("core.sessions", "core.identities", "core.online_stores"):
            super()._compute(contract)


def cohorts(
    folder: Path, lines: list[Row], given: dict[str, list[Row]] | None = None, *tables: str, **parameters: Any
) -> OnEngine:
    """Tables of cohort for a few lines, by default those up to cohort.retention."""
    landed = {**shop.empty(), "sales": lines, **(given or {})}
    engine = OnEngine if landed["interactions"] else WithoutVisits
    wanted = [f"cohort.{table}" for table in tables or ("retention",)]
    return engine(project(), folder).build(landed, {**shop.PARAMETERS, **parameters}, *wanted)


def cells(built: OnEngine, variant: str = "all", value: str | None = None) -> dict[tuple[str, int], Row]:
    """Rows of cohort.retention of one variant and group by cohort and age."""
    return {
        (row["cohort"], row["period_index"]): row
        for row in built.rows("cohort.retention")
        if row["variant"] == variant and row["dimension_value"] == (value or variant)
    }


def orders(customer: str, *days: str, price: str = "10", **given: Any) -> list[Row]:
    """One order of one line per day."""
    return [shop.sale(f"{customer}-{day}-{n}", f"{day} 10:00", 1, price, customer=customer, **given)
            for n, day in enumerate(days)]  # fmt: skip


def rule_breakers(built: OnEngine) -> dict[str, int]:
    """How many rows break each rule of the contracts of cohort."""
    found = {}
    for table in TABLES:
        contract = built.project.catalog[f"cohort.{table}"]
        needed = {contract.key: built.relations[contract.key]}
        for rule in contract.rules:
            query = rule.sql if rule.kind == "failing_rows" else f"select * from {contract.key} where not ({rule.sql})"
            (row,) = built.engine.fetch(f"select count(*) as n from ({query}) as failing", needed).to_pylist()
            found[f"{table}.{rule.name}"] = row["n"]
    return found
