"""Each file of `sql/` whose inputs PostgreSQL has gives, pasted there as it is, the rows that were released."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cxa_pipeline.contracts import Contract
from cxa_pipeline.pipeline.project import Project, load_project
from tests.support.shops import LAST_DAY, SQL_ROOT, Shop, new_shop

pytestmark = pytest.mark.slow

SESSION = ("set timezone = 'Pacific/Auckland'", "set datestyle = 'ISO, DMY'", "set intervalstyle = 'sql_standard'")
"""As far from the engine's session as can be: what a file gives must not depend on who pastes it."""

QUICKLY = "set enable_nestloop = off"
"""PostgreSQL expects few rows of a CTE, and without this takes half a minute for some files."""

PROJECT = load_project(SQL_ROOT)


def can_be_pasted(project: Project, contract: Contract) -> bool:
    """Whether PostgreSQL has a table and everything that its file reads."""
    read = [project.catalog[table] for table in project.dependencies(contract.key)]
    return contract.published and all(c.published and c.kind != "landed" for c in read)


PASTED = [c for c in PROJECT.catalog if c.key in PROJECT.models and can_be_pasted(PROJECT, c)]


@pytest.fixture(scope="module")
def whole_shop(scratch: Path, postgres_url: str) -> Iterator[Shop]:
    """The synthetic shop with every table."""
    shop = new_shop(scratch / "whole", postgres_url)
    shop.drop_days(LAST_DAY, shop.config.start)
    result = shop.run()
    assert result.published and not result.held_back
    yield shop
    shop.remove()


@pytest.fixture(scope="module")
def session(whole_shop: Shop) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(whole_shop.url, autocommit=True) as session:
        for setting in (*SESSION, QUICKLY):
            session.execute(setting.encode())
        yield session


@pytest.mark.parametrize("contract", PASTED, ids=lambda contract: contract.key)
def test_a_file_pasted_into_psql_gives_the_released_rows(contract: Contract, session: psycopg.Connection[Any]):
    text = PROJECT.sql[contract.key]
    typed = ", ".join(f'cast(pasted."{c.name}" as {c.type}) as "{c.name}"' for c in contract.columns)
    names = ", ".join(f'"{name}"' for name in contract.column_names)
    pasted = session.execute(f"select {typed} from (\n{text}\n) as pasted".encode()).fetchall()
    released = session.execute(f"select {names} from {contract.key}".encode()).fetchall()
    assert len(pasted) == len(released)
    mine, theirs = by_key(contract, pasted), by_key(contract, released)
    assert mine.keys() == theirs.keys()
    different = [key for key, row in mine.items() if not all(map(alike, row, theirs[key]))]
    assert not different, [(mine[key], theirs[key]) for key in different[:2]]


def test_only_what_reads_the_lake_cannot_be_pasted():
    for key in {c.key for c in PROJECT.catalog if c.published and c.key in PROJECT.models} - {c.key for c in PASTED}:
        read = [PROJECT.catalog[table] for table in PROJECT.dependencies(key)]
        assert any(c.kind == "landed" or not c.published for c in read), key


def by_key(contract: Contract, rows: list[tuple[Any, ...]]) -> Mapping[Any, tuple[Any, ...]]:
    """Rows by their primary key; those of a view, which has none, in an order of their own."""
    places = [contract.column_names.index(name) for name in contract.primary_key]
    if places:
        return {tuple(plain(row[place]) for place in places): row for row in rows}
    return dict(enumerate(sorted(rows, key=lambda row: [str(plain(v)) for v in row if not isinstance(v, float)])))


def plain(value: Any) -> Any:
    """A value in the one form in which both sides are compared."""
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return value.normalize() if isinstance(value, Decimal) else value


def alike(mine: Any, theirs: Any) -> bool:
    """Equal; doubles to the twelve digits that are published."""
    if isinstance(mine, float) and isinstance(theirs, float):
        return math.isclose(mine, theirs, rel_tol=1e-11, abs_tol=1e-14)
    return bool(plain(mine) == plain(theirs))
