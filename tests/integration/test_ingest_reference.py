"""The numbers of REFERENCES.md that ingest alone decides; the data sets come by CXA_REFERENCE_DATA."""

from __future__ import annotations

import os
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.drops import Drops

DATA = Path(os.environ.get("CXA_REFERENCE_DATA", "/nonexistent"))
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="CXA_REFERENCE_DATA names no folder with reference data")

ADJUSTMENT = "d.status = 'adjustment'"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Drops:
    drops = Drops(tmp_path_factory.mktemp("both"), timezone=None)
    for source, names in {
        "online_retail": ["online_retail.csv.gz"],
        "completejourney": ["transactions_sample.csv.gz", "products.csv.gz", "demographics.csv.gz"],
    }.items():
        (drops.landing / source).mkdir(parents=True)
        for name in names:
            shutil.copy(DATA / source / name, drops.landing / source / name)
    drops.ingest()
    return drops


def total(drops: Drops, what: str, where: str) -> object:
    return drops.standing_sum("sales", what, where)


def test_online_retail_accepts_all_but_two_lines(both: Drops):
    account = both.account("online_retail.csv.gz")
    assert (account.rows_read, account.rows_accepted, account.rows_rejected) == (541_909, 541_907, 2)
    assert both.rejected_of(account.landing.file_id) == [
        (299_985, "negative_price", "unit_price", "-11062.06"),
        (299_986, "negative_price", "unit_price", "-11062.06"),
    ]


def test_online_retail_lines_by_kind(both: Drops):
    ours = "d.source_id = 'online_retail'"
    assert total(both, "count(*)", f"{ours} and {ADJUSTMENT}") == 2_566
    assert total(both, "count(*)", f"{ours} and d.quantity > 0 and not {ADJUSTMENT}") == 530_101
    assert total(both, "count(*)", f"{ours} and d.quantity < 0 and not {ADJUSTMENT}") == 9_240
    money = "sum(d.quantity * d.unit_price)"
    gross = total(both, money, f"{ours} and d.quantity > 0 and not {ADJUSTMENT}")
    returns = total(both, money, f"{ours} and d.quantity < 0 and not {ADJUSTMENT}")
    assert (gross, returns) == (Decimal("10641861.394"), Decimal("-653597.470"))


def test_online_retail_customers_and_products(both: Drops):
    assert both.account("online_retail.csv.gz", "customers").rows_accepted == 4_372
    ids = {row[0] for row in both.standing("customers", "d.customer_id")}
    assert "or:17850" in ids and all("." not in name for name in ids)
    products = dict(both.standing("products", "d.product_id, d.product_type"))
    assert products["or:POST"] == "service" and products["or:85123A"] == "goods"
    assert products["or:GIFT_0001_20"] == "voucher" and "or:85123a" not in products


def test_complete_journey_rejects_the_lines_of_no_units(both: Drops):
    account = both.account("transactions_sample.csv.gz")
    assert (account.rows_read, account.rows_accepted, account.rows_rejected) == (75_000, 74_584, 416)
    assert dict(account.reasons or {}) == {"quantity_zero": 416}


def test_complete_journey_totals_in_new_york_time(both: Drops):
    ours = "d.source_id = 'completejourney'"
    assert total(both, "sum(d.total_price)", ours) == Decimal("233935.24")
    assert total(both, "sum(d.discount_amount)", ours) == Decimal("40422.15")
    for what, count in {"customer_id": 2_373, "order_id": 47_034, "product_id": 20_833, "store_id": 293}.items():
        assert total(both, f"count(distinct d.{what})", ours) == count
    assert both.account("products.csv.gz", "products").rows_accepted == 92_331
    assert both.account("demographics.csv.gz", "customers").rows_accepted == 801
    # Wall time of New York: the year of the data is whole there, and cut at both ends in UTC.
    assert total(both, "min(d.sold_date)::text || ' ' || max(d.sold_date)::text", ours) == "2017-01-01 2017-12-31"


def test_basket_ids_stay_as_they_are_written(both: Drops):
    # The one basket that was written as 4.0128e+10 has no units and is rejected with that very text.
    file_id = both.account("transactions_sample.csv.gz").landing.file_id
    rows = both.rejected("file_id, json_extract_string(raw_json, '$.basket_id'), line")
    assert [line for file, basket, line in rows if file == file_id and basket == "4.0128e+10"] == [37_995]
