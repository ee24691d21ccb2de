"""A shop that was run once, with some of the tables; scenarios work on copies of it, or begin with an empty one."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import Dump
from tests.support.shops import LAST_DAY, SQL_ROOT, Shop, copy_shop, new_shop
from tests.support.slim import slim_sql


@pytest.fixture(scope="session")
def slim(scratch: Path) -> Path:
    """The part of `sql/` on which scenarios run."""
    return slim_sql(SQL_ROOT, scratch / "project" / "sql")


@pytest.fixture(scope="session")
def first_shop(scratch: Path, slim: Path, postgres_url: str) -> Iterator[Shop]:
    """The synthetic shop up to LAST_DAY, run once; nobody changes it."""
    shop = new_shop(scratch / "first", postgres_url, sql_root=slim)
    shop.drop_days(LAST_DAY, shop.config.start)
    result = shop.run()
    assert result.published and not result.held_back and not result.refused
    yield shop
    shop.remove()


@pytest.fixture(scope="session")
def first_dump(first_shop: Shop) -> Dump:
    """What readers see of the first shop."""
    return first_shop.dump()


@pytest.fixture
def shop(first_shop: Shop, scratch: Path) -> Iterator[Shop]:
    """A copy of the first shop."""
    copy = copy_shop(first_shop, scratch / f"shop-{uuid.uuid4().hex[:8]}")
    yield copy
    copy.remove()


@pytest.fixture
def make_shop(scratch: Path, slim: Path, postgres_url: str) -> Iterator[Callable[..., Shop]]:
    """Makes empty shops, each with a database of its own."""
    made: list[Shop] = []

    def make(embedded: bool = False, **values: Any) -> Shop:
        folder, server = scratch / f"new-{uuid.uuid4().hex[:8]}", None if embedded else postgres_url
        shop = new_shop(folder, server, **{"sql_root": slim, **values})
        made.append(shop)
        return shop

    yield make
    for shop in made:
        if shop.home.postgres_url is None:
            shop.home.server.stop()
        shop.remove()
        shutil.rmtree(shop.home.folder, ignore_errors=True)
