"""Small contracts and rows for tests of the warehouse, and one call that stages and publishes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from cxa_pipeline.contracts import Column, Contract, Rule
from cxa_pipeline.engine.duckdb import DuckDBEngine
from cxa_pipeline.engine.protocol import OutputColumn
from cxa_pipeline.warehouse.arrow import arrow_schema
from cxa_pipeline.warehouse.publication import Publication, PublicationResult, Records, TableChange
from cxa_pipeline.warehouse.publish import publish
from cxa_pipeline.warehouse.stage import Stager
from cxa_pipeline.warehouse.staging import Part
from cxa_pipeline.warehouse.views import View

Row = Mapping[str, Any]


def contract(key: str, columns: Sequence[Column], primary_key: Sequence[str], **more: Any) -> Contract:
    schema, table = key.split(".")
    given = {"version": "1.0.0", "kind": "table", "description": f"One row per {table}.", "rules": ()} | more
    return Contract(
        schema=schema,
        table=table,
        columns=tuple(columns),
        primary_key=tuple(primary_key),
        yaml_path=Path(f"sql/{schema}/{table}.yaml"),
        **given,
    )


def column(name: str, type_: str, **more: Any) -> Column:
    return Column(name, type_, more.pop("description", f"The {name}."), **more)


DAILY = contract(
    "kpi.daily",
    [
        column("day", "date", required=True),
        column("net_sales", "numeric(18,4)", required=True, unit="shop currency"),
        column("orders", "bigint"),
    ],
    ["day"],
    rules=(Rule("orders_are_not_negative", "Orders are counted.", "error", "check", "orders >= 0"),),
)

SALES = contract(
    "core.sales",
    [
        column("sale_id", "text", required=True),
        column("sold_month", "date", required=True),
        column("customer_id", "text", classification="confidential"),
        column("net_amount", "numeric(18,4)", required=True),
    ],
    ["sold_month", "sale_id"],
    kind="monthly",
    month="sold_month",
)

CUSTOMERS = contract(
    "core.customers",
    [
        column("customer_id", "text", required=True),
        column("email", "text", classification="confidential"),
        column("segment", "text", allowed=("new", "loyal")),
    ],
    ["customer_id"],
)


def view(key: str, sql: str, columns: Sequence[Column], **more: Any) -> View:
    made = contract(key, columns, (), kind="view", **more)
    return View(made, sql, sql)


def days(count: int, net: str = "10.5000", first: int = 1) -> list[Row]:
    return [{"day": date(2011, 1, first + i), "net_sales": Decimal(net), "orders": i} for i in range(count)]


def sales(month: int, count: int, net: str = "2.5000") -> list[Row]:
    return [
        {
            "sale_id": f"S{month}-{i}",
            "sold_month": date(2011, month, 1),
            "customer_id": f"C{i % 3}",
            "net_amount": Decimal(net),
        }
        for i in range(count)
    ]


def output(made: Contract) -> list[OutputColumn]:
    return [OutputColumn(c.name, c.type) for c in made.columns]


class Shop:
    """A database and the releases that a test publishes to it, the way the pipeline does.

    `last` is the latest table → month → part, as a release's manifest would name them.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = DuckDBEngine()
        self.stager = Stager(self.database)
        self.last: dict[str, dict[date | None, Part]] = {}
        self.release = 0

    def database(self) -> str:
        return self.url

    def close(self) -> None:
        self.stager.close()
        self.engine.close()

    def parts(self, made: Contract, rows: Iterable[Row]) -> tuple[list[Part], pa.Table]:
        by_month: dict[date | None, list[Row]] = defaultdict(list)
        for row in rows:
            by_month[row[made.month] if made.month else None].append(row)
        if not made.month:
            by_month.setdefault(None, [])
        schema = arrow_schema(made)
        tables = {m: pa.Table.from_pylist([dict(r) for r in found], schema=schema) for m, found in by_month.items()}
        parts = []
        for month, table in sorted(tables.items(), key=str):
            count, content = self.engine.content_hash(table, output(made))
            parts.append(Part(month, content, content, count))
        return parts, pa.concat_tables([schema.empty_table(), *(t for _, t in sorted(tables.items(), key=str))])

    def change(self, made: Contract, rows: Iterable[Row], removed: Sequence[date] = ()) -> TableChange:
        parts, table = self.parts(made, rows)
        months = {part.month: part for part in parts}
        self.last[made.key] = (self.last.get(made.key, {}) if made.month else {}) | months
        for month in removed:
            del self.last[made.key][month]
        staged = self.stager.stage(made, parts, table.to_reader) if parts else None
        return TableChange(made, staged, tuple(removed))

    def publish(
        self,
        changes: Sequence[tuple[Contract, Iterable[Row]] | TableChange] = (),
        views: Sequence[View] = (),
        contracts: Sequence[Contract] = (),
        records: Records | None = None,
        removed: Sequence[str] = (),
        patience: float = 5.0,
    ) -> PublicationResult:
        self.release += 1
        made = [c if isinstance(c, TableChange) else self.change(*c) for c in changes]
        known = {c.contract.key: c.contract for c in made}
        known |= {v.contract.key: v.contract for v in views} | {c.key: c for c in contracts}
        release = Publication(self.release, tuple(known.values()), made, views, records, removed)
        return publish(self.database, release, patience=patience)

    def replace(self, made: Contract, **fields: Any) -> Contract:
        return replace(made, **fields)
