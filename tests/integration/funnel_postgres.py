"""The tables of funnels in PostgreSQL: their files as they are, compared with what the engine gave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg

from cxa_pipeline.contracts.ddl import create_table, create_view
from tests.independent import shop
from tests.independent.tables import OnEngine, project, seed_rows, values
from tests.integration.funnel_cases import PARAMETERS, TABLES
from tests.integration.in_postgres import assert_same_in_postgres


def agree(database: str, given: shop.Landed, built: OnEngine) -> None:
    """Every table of funnels has the rows that the engine gave and keeps its constraints and rules."""
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("set timezone = 'UTC'")
        fill(session, given)
        assert_same_in_postgres(session, built, TABLES)


def fill(session: psycopg.Connection[Any], given: shop.Landed) -> None:
    """The tables of funnels, and what they read, as PostgreSQL computes them."""
    found = project()
    needed = found.ancestors(TABLES)
    for schema in ("landed", "core", "behavior"):
        session.execute(f"create schema {schema}".encode())
    for contract in (c for c in found.catalog.of_kind("landed", "settings", "seed") if c.schema in ("landed", "core")):
        rows = [PARAMETERS] if contract.kind == "settings" else seed_rows(contract)
        rows = given[contract.table] if contract.kind == "landed" else rows
        session.execute(create_table(replace(contract, month=None, rules=())).encode())
        marks = ", ".join(["%s"] * len(contract.columns))
        with session.cursor() as cursor:
            cursor.executemany(f"insert into {contract.key} values ({marks})".encode(), values(contract, rows))
    for key in (key for key in found.order if key in found.models and key in needed):
        contract, sql = found.catalog[key], found.sql[key]
        if contract.kind == "view":
            session.execute(create_view(contract, sql).encode())
            continue
        names = ", ".join(contract.column_names)
        session.execute(create_table(replace(contract, month=None)).encode())
        session.execute(f"insert into {key} ({names})\nselect {names} from (\n{sql}\n) as result".encode())
