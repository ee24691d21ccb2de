"""What a run would change: candidate versions against the newest release, by table and headline figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from cxa_pipeline.contracts import Contract
from cxa_pipeline.engine.protocol import Engine, OutputColumn, Relation
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.project import Project
from cxa_pipeline.pipeline.release import latest_release
from cxa_pipeline.pipeline.result import RunResult
from cxa_pipeline.pipeline.run import run
from cxa_pipeline.pipeline.versions import Month, Version, content

FIGURES = {
    "net sales": "select sum(net_sales) as figure from kpi.yearly",
    "orders": "select sum(orders) as figure from kpi.yearly",
    "guest orders": "select sum(guest_orders) as figure from kpi.yearly",
    "returns": "select sum(returns) as figure from kpi.yearly",
    "customers": "select count(*) as figure from core.customers",
    "products": "select count(*) as figure from core.products",
}


@dataclass(frozen=True)
class Change:
    """How many rows of a table would change."""

    table: str
    rows_before: int
    rows_after: int
    inserted: int
    updated: int
    deleted: int


@dataclass(frozen=True)
class Figure:
    """A headline figure now and then."""

    name: str
    before: Decimal | None
    after: Decimal | None

    @property
    def difference(self) -> Decimal | None:
        """After minus before; None where one is missing."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class Plan:
    """The changes that a run would publish, and what the run up to there found."""

    result: RunResult
    changes: list[Change]
    figures: list[Figure]


def plan_run(home: Home, command: str) -> Plan:
    """Ingest, compute and check without releasing, and compare with the newest release."""
    before = latest_release(home.lake)
    result = run(home, command, publish=False)
    engine, project = home.engine(), home.project
    changes = []
    old = {t: r.versions or {} for t, r in before.tables.items()}
    new = {t: r.versions or {} for t, r in result.release.tables.items()}
    for table, versions in new.items():
        contract = project.catalog[table]
        was = old.get(table, {})
        if contract.kind == "view" or not contract.published or _same(was, versions):
            continue
        changes.append(_change(engine, project, contract, was, versions))
    figures = [
        Figure(name, _figure(engine, project, old, sql), _figure(engine, project, new, sql))
        for name, sql in FIGURES.items()
    ]
    return Plan(result, changes, [f for f in figures if f.difference])


def _same(was: Mapping[Month, Version], now: Mapping[Month, Version]) -> bool:
    return (content(was) if was else None) == (content(now) if now else None)


def _change(
    engine: Engine, project: Project, contract: Contract, was: Mapping[Month, Version], now: Mapping[Month, Version]
) -> Change:
    columns = project.output_columns(contract.key)
    kept = {v.content_hash for v in was.values()} & {v.content_hash for v in now.values()}
    relations = {
        "plan.was": Relation(tuple(v.path for v in was.values() if v.content_hash not in kept), columns=columns),
        "plan.now": Relation(tuple(v.path for v in now.values() if v.content_hash not in kept), columns=columns),
    }
    key = contract.primary_key or (contract.column_names[0],)
    on = " and ".join(f"w.{name} = n.{name}" for name in key)
    differs = " or ".join(f"w.{name} is distinct from n.{name}" for name in contract.column_names) or "false"
    row = engine.fetch(
        f"select count(*) filter (where w.{key[0]} is null) as inserted,"
        f" count(*) filter (where n.{key[0]} is null) as deleted,"
        f" count(*) filter (where w.{key[0]} is not null and n.{key[0]} is not null and ({differs})) as updated"
        f" from plan.was as w full join plan.now as n on {on}",
        relations,
        tuple(OutputColumn(name, "bigint") for name in ("inserted", "deleted", "updated")),
    ).to_pylist()[0]
    before, after = sum(v.rows for v in was.values()), sum(v.rows for v in now.values())
    return Change(contract.key, before, after, row["inserted"], row["updated"], row["deleted"])


def _figure(
    engine: Engine, project: Project, tables: Mapping[str, Mapping[Month, Version]], sql: str
) -> Decimal | None:
    table = sql.rsplit(" ", 1)[-1]
    versions = tables.get(table)
    if not versions:
        return None
    relation = Relation(tuple(v.path for v in versions.values()), columns=project.output_columns(table))
    found = engine.fetch(sql, {table: relation}, (OutputColumn("figure", "numeric(38,4)"),))
    value: Decimal | None = found.column("figure")[0].as_py()
    return value
