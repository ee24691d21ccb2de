"""Small shops for tests of the tables of customer: their lines and visits, and the shortest way to a table."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cxa_pipeline.pipeline.audit import audit_on_engine
from tests.independent import shop
from tests.independent.shop import sale
from tests.independent.tables import OnEngine, Row, Rows, by_sql_alone, output_columns, project
from tests.integration.test_models_identities import changed

AS_OF = date(2024, 6, 30)
SEEDS = ("core.rfm_grid", "core.engagement_rules", "core.audience_rules")
TABLES = [
    project().catalog[key] for key in (*SEEDS, *by_sql_alone(project())) if key in SEEDS or key[:9] == "customer."
]
IDENTITIES = ("segments_add_up", "profiles_add_up", "audiences_name_known_segments")


def build(folder: Path, landed: dict[str, Rows], *tables: str, **parameters: Any) -> OnEngine:
    """The tables of a shop of which only some data sets are given, as of AS_OF."""
    given: Row = {**shop.PARAMETERS, "as_of_date": AS_OF, **parameters}
    return OnEngine(project(), folder).build({**shop.empty(), **landed}, given, *tables)


def one(folder: Path, table: str, lines: Iterable[Row], **more: Any) -> Rows:
    """Rows of one table of a shop; `more` are other data sets, or parameters."""
    data = {name: more.pop(name) for name in list(more) if name in shop.empty()}
    return build(folder, {"sales": list(lines), **data}, table, **more).rows(table)


def by(rows: Rows, *names: str) -> dict[Any, Row]:
    """Rows by one or several columns."""
    found = {row[names[0]] if len(names) == 1 else tuple(row[name] for name in names): row for row in rows}
    assert len(found) == len(rows)
    return found


def days_ago(days: int) -> str:
    return f"{AS_OF - timedelta(days=days)} 12:00"


def orders(customer: str, *days: int, price: str = "10", **given: Any) -> Rows:
    """One order of one line for each of the days before the as-of date."""
    return [sale(f"{customer}-{n}", days_ago(d), 1, price, customer=customer, **given) for n, d in enumerate(days)]


def recomputed(built: OnEngine, table: str) -> Rows:
    """A table computed anew from relations that a test has changed."""
    contract = built.project.catalog[table]
    needed = {key: built.relations[key] for key in built.project.dependencies(table)}
    return built.engine.fetch(built.project.sql[table], needed, output_columns(contract)).to_pylist()  # type: ignore[no-any-return]


def own(built: OnEngine) -> OnEngine:
    """The same tables, for a test that changes some."""
    mine = copy.copy(built)
    mine.relations = dict(built.relations)
    return mine


def failing(built: OnEngine, table: str) -> list[str]:
    """Rules that the rows of a table break, on the engine."""
    found = audit_on_engine(built.engine, built.project.catalog[table], built.relations[table])
    return [result.rule for result in found if not result.passed]


def grid(built: OnEngine, change: Callable[[Rows], Rows]) -> None:
    changed(built, "core.rfm_grid", change)


def visit(customer: str, days: int, *what: str) -> Rows:
    """One session of a customer so many days before the as-of date: `view:P1`, `cart:P1`, ... a minute apart."""
    words = " ".join(f"10:{minute:02} {act}@{customer}" for minute, act in enumerate(what))
    day = f"{AS_OF - timedelta(days=days)}"
    return shop.acts(f"{customer}-{days}", day, words, device_id=f"device of {customer}")


def bounces(customer: str, *days: int) -> Rows:
    return [act for d in days for act in visit(customer, d, "visit")]


VIEWS = [f"view:P{n}" for n in range(1, 6)]
CART = ("view:P1", "cart:P1")
