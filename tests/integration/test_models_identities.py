"""The identities: they hold on a shop full of awkward cases, and each one finds what it is there to find."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cxa_pipeline.engine.protocol import Relation
from tests.independent import shop
from tests.independent.tables import OnEngine, project
from tests.integration.conftest import Built
from tests.support.built import BuiltShops

Row = dict[str, Any]
NAMES = [identity.name for identity in project().identities]


def changed(built: OnEngine, key: str, change: Callable[[list[Row]], list[Row]]) -> None:
    """Replace the rows of a table by changed ones."""
    path = built.relations[key].paths[0]
    table = pq.read_table(path)
    rows = table.to_pylist()
    target = path.with_suffix(".changed.parquet")
    pq.write_table(table.from_pylist(change(rows), schema=table.schema), target)
    built.relations[key] = Relation((target,), columns=built.relations[key].columns)


def broken(built: OnEngine, name: str) -> dict[str, list[str]]:
    """Derived tables with a difference, and the items that differ."""
    found: dict[str, list[str]] = {}
    for row in built.identity(name):
        if row["difference"] != 0:
            found.setdefault(row["derived"], []).append(row["item"])
    return found


def first_changed(name: str, by: int) -> Callable[[list[Row]], list[Row]]:
    return lambda rows: [{**rows[0], name: rows[0][name] + by}, *rows[1:]]


@pytest.mark.parametrize("as_of", [None, date(2024, 2, 29), date(2025, 6, 30), date(2020, 1, 1)])
def test_all_identities_hold(built_shop: Built, as_of: date | None) -> None:
    built, _ = built_shop(as_of)
    known = {i.name for i in project().identities if i.model.dependencies <= set(built.relations)}
    assert known == set(NAMES) or as_of
    assert {name: broken(built, name) for name in known} == {name: {} for name in known}


def test_identities_hold_in_an_empty_home(shops: BuiltShops) -> None:
    built = shops.get("empty")
    assert {name: broken(built, name) for name in NAMES} == {name: {} for name in NAMES}


def test_an_identity_judges_the_tables_that_it_declares(shops: BuiltShops) -> None:
    built = shops.get("nasty")
    for identity in project().identities:
        judged = {row["derived"] for row in built.identity(identity.name)}
        if judged != {"*"} and judged != set(identity.derived):  # no visits there of which a table could tell
            judged |= {row["derived"] for row in shops.get("busy").identity(identity.name)}
        assert judged in ({"*"}, set(identity.derived)), identity.name


def test_money_that_was_counted_twice_is_found(built_shop: Built) -> None:
    built, _ = built_shop(None)
    changed(built, "kpi.by_store", first_changed("net_sales", 1))
    month = f"{built.rows('kpi.by_store')[0]['month']:%Y-%m}"
    assert broken(built, "net_sales_agree") == {"kpi.by_store": [month]}


def test_a_period_that_was_lost_is_found(built_shop: Built) -> None:
    built, _ = built_shop(None)
    lost = next(row for row in built.rows("kpi.daily") if row["net_sales"] != 0)
    changed(built, "kpi.daily", lambda rows: [row for row in rows if row["period"] != lost["period"]])
    assert broken(built, "net_sales_agree") == {"kpi.daily": [lost["period_name"]]}


def test_a_customer_who_is_new_twice_is_found(built_shop: Built) -> None:
    built, _ = built_shop(None)
    changed(built, "kpi.monthly", first_changed("new_customers", 1))
    assert list(broken(built, "new_customers_add_up")) == ["kpi.monthly"]


def test_an_order_that_is_not_its_lines_is_found(built_shop: Built) -> None:
    built, _ = built_shop(None)
    changed(built, "core.orders", first_changed("order_value", 1))
    order = built.rows("core.orders")[0]["order_id"]
    assert broken(built, "orders_are_their_lines") == {"core.orders": ["all orders", order]}


def test_a_key_in_two_months_is_found(built_shop: Built) -> None:
    built, _ = built_shop(None)
    moved = {"sold_month": date(2024, 12, 1), "sold_date": date(2024, 12, 1), "sale_id": "m1"}
    changed(built, "core.sales", lambda rows: [*rows, {**rows[0], **moved}])
    assert broken(built, "keys_stand_once") == {"core.sales": ["all keys", "m1"]}


def test_two_currencies_hold_back_every_table_of_money(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-01 10:00", customer="c"),
        shop.sale("2", "2024-01-01 10:00", customer="c", currency="USD"),
    ]
    keys = ("core.sales", "core.clock")
    built = OnEngine(project(), tmp_path).build({**shop.empty(), "sales": lines}, shop.PARAMETERS, *keys)
    assert broken(built, "one_currency") == {"*": ["currencies: EUR, USD"]}
    judged = next(i for i in built.project.identities if i.name == "one_currency").derived
    schemas = ("kpi", "cohort", "customer", "recommendation", "questions")
    assert set(judged) == {key for key in built.project.models if key.split(".")[0] in schemas}
    assert built.rows("core.clock")[0]["currency"] is None


def test_a_currency_of_lines_that_do_not_count_is_no_second_one(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-01 10:00", customer="c"),
        shop.sale("2", "2024-01-01 10:00", customer="c", currency="USD", status="test"),
    ]
    built = OnEngine(project(), tmp_path).build({**shop.empty(), "sales": lines}, shop.PARAMETERS, "core.sales")
    assert broken(built, "one_currency") == {}
