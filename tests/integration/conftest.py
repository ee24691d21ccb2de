"""The awkward shop with its tables for tests of the models, landing folders for those of ingest, databases to publish to."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest

from tests.independent import metrics, shop
from tests.independent.tables import OnEngine
from tests.integration import visits_shop
from tests.integration.shop_tables import Shop
from tests.support.built import BuiltShops
from tests.support.drops import Drops

Built = Callable[[date | None], tuple[OnEngine, metrics.Shop]]


@pytest.fixture(scope="session")
def built_shop(shops: BuiltShops) -> Built:
    """Gives the tables of the awkward shop as of a date, and the independent figures; its tables may be replaced."""
    return lambda as_of=None: (shops.get("nasty", as_of), metrics.Shop(shop.nasty(), as_of))


@pytest.fixture(scope="session")
def busy(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    """The tables of visits of the busy shop."""
    return visits_shop.build(tmp_path_factory.mktemp("busy"), shop.busy())


@pytest.fixture(name="shop")
def empty_warehouse(database: str) -> Iterator[Shop]:
    """An empty database and what is published to it."""
    shop = Shop(database)
    yield shop
    shop.close()


@pytest.fixture
def user(shop: Shop) -> Iterator[psycopg.Connection]:
    """A session of somebody else."""
    with psycopg.connect(shop.url, autocommit=True) as session:
        yield session


@pytest.fixture(scope="session")
def make_drops(scratch: Path) -> Callable[[], Drops]:
    """Makes empty landing folders with their lakes; in memory, since a lake syncs every file."""
    return lambda: Drops(Path(tempfile.mkdtemp(prefix="drops-", dir=scratch)))


@pytest.fixture
def drops(make_drops: Callable[[], Drops]) -> Drops:
    """An empty landing folder with its lake."""
    return make_drops()
