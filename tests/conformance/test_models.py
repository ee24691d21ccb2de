"""Every SQL model gives the same rows on DuckDB and, pasted as it is, in PostgreSQL."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import psycopg
import pytest

from tests.independent import shop
from tests.independent.tables import OnEngine, Row, build_in_postgres, models, normal, project
from tests.support.built import LANDED, BuiltShops

SHOPS = {"everything": "nasty", "visits": "busy"}
MORE_SHOPS = {
    "nothing": (shop.empty(), {}),
    "nothing, but an as-of date": (shop.empty(), {"as_of_date": date(2024, 2, 29)}),
    "sales alone": ({**shop.empty(), "sales": shop.nasty()["sales"]}, {}),
    "interactions alone": ({**shop.empty(), "interactions": shop.interactions()}, {}),
    "as of a leap day": (shop.nasty(), {"as_of_date": date(2024, 2, 29)}),
    "as of a day after the data": (shop.nasty(), {"as_of_date": date(2025, 6, 30)}),
    "as of a day before the data": (shop.nasty(), {"as_of_date": date(2020, 1, 1)}),
}


@pytest.mark.parametrize("name", SHOPS)
def test_models_give_the_same_rows_on_duckdb_and_in_postgresql(name: str, database: str, shops: BuiltShops) -> None:
    compare(database, LANDED[SHOPS[name]](), shop.PARAMETERS, shops.get(SHOPS[name]))


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE_SHOPS)
def test_models_give_the_same_rows_for_shops_with_little_and_as_of_any_day(
    name: str, database: str, tmp_path: Path
) -> None:
    landed, changed = MORE_SHOPS[name]
    parameters: Row = {**shop.PARAMETERS, **changed}
    compare(database, landed, parameters, OnEngine(project(), tmp_path).build(landed, parameters))


def compare(database: str, landed: shop.Landed, parameters: Row, on_engine: OnEngine) -> None:
    """Every table in PostgreSQL is what the engine gave."""
    with psycopg.connect(database, autocommit=True) as postgres:
        postgres.execute("set timezone = 'UTC'")
        build_in_postgres(postgres, landed, parameters, on_engine)
        for contract in models(on_engine.project):
            columns = contract.column_names
            cursor = postgres.execute(f"select {', '.join(columns)} from {contract.key}".encode())
            theirs = [[normal(value) for value in row] for row in cursor]
            ours = [[normal(row[c]) for c in columns] for row in on_engine.ordered(contract.key)]
            if not on_engine.project.models[contract.key].tree.args.get("order"):
                ours, theirs = sorted(ours, key=str), sorted(theirs, key=str)
            assert ours == theirs, contract.key
