"""The awkward shop, computed once for all tests of the models."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import date

import pytest

from tests.independent import metrics, shop
from tests.independent.tables import OnEngine, by_sql_alone, project

Built = Callable[[date | None], tuple[OnEngine, metrics.Shop]]


@pytest.fixture(scope="session")
def built_shop(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Gives the tables of the awkward shop as of a date, and the independent figures; its tables may be replaced.

    As of another date than that of the data they are those that need no Python model.
    """
    known: dict[date | None, OnEngine] = {}

    def build(as_of: date | None = None) -> tuple[OnEngine, metrics.Shop]:
        if as_of not in known:
            parameters = {**shop.PARAMETERS, "as_of_date": as_of}
            wanted = by_sql_alone(project()) if as_of else []
            built = OnEngine(project(), tmp_path_factory.mktemp("shop"))
            known[as_of] = built.build(shop.nasty(), parameters, *wanted)
        own = copy.copy(known[as_of])
        own.relations = dict(own.relations)
        return own, metrics.Shop(shop.nasty(), as_of)

    return build
