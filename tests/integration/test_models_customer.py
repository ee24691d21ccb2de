"""Every table of customer keeps its rules on awkward shops."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.independent import shop
from tests.independent.shop import sale
from tests.independent.tables import Row, Rows
from tests.integration.customer_shop import IDENTITIES, TABLES, build, days_ago, failing, orders
from tests.integration.test_models_identities import broken

SHOPS: dict[str, tuple[dict[str, Rows], Row]] = {
    "everything": (shop.nasty(), {}),
    "everything, with a window": (shop.nasty(), {"rfm_window_days": 200}),
    "nothing": (shop.empty(), {}),
    "one customer": ({**shop.empty(), "sales": orders("a", 3)}, {}),
    "only returns": ({**shop.empty(), "sales": [sale("r", days_ago(3), -1, "5", customer="a", order="R")]}, {}),
    "only guests": ({**shop.empty(), "sales": [sale("g", days_ago(3))]}, {}),
    "only visits": ({**shop.empty(), "interactions": shop.interactions()}, {}),
    "before the data": (shop.nasty(), {"as_of_date": date(2020, 1, 1)}),
}


@pytest.mark.parametrize("name", SHOPS)
def test_rules_and_identities_hold_in_awkward_shops(tmp_path: Path, name: str) -> None:
    landed, changes = SHOPS[name]
    built = build(tmp_path, landed, *(c.key for c in TABLES if c.kind != "seed"), **{"as_of_date": None, **changes})
    assert {c.key: failing(built, c.key) for c in TABLES} == {c.key: [] for c in TABLES}
    assert {i: broken(built, i) for i in IDENTITIES} == {i: {} for i in IDENTITIES}


def test_an_empty_shop_has_rows_where_the_definition_lists_them(tmp_path: Path) -> None:
    built = build(tmp_path, {}, *(c.key for c in TABLES if c.kind != "seed"), as_of_date=None)
    assert {c.table: n for c in TABLES if c.kind != "seed" and (n := len(built.rows(c.key)))} == {
        "audience_overlaps": 90,
        "audiences": 10,
        "frequency_agreement": 42,
        "loyalty_segments": 4,
        "order_counts": 10,
        "repeat_purchase": 6,
        "rfm_segments": 12,
        "satisfaction": 1,
    }
