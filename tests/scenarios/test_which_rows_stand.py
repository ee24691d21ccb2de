"""Which of the rows that arrived stand: corrections, deliveries that replace, copies, names, replayed rejects."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path

import pytest

from cxa_pipeline.pipeline.landing import allow_windows
from tests.support.databases import differences
from tests.support.shops import Shop, copy_shop, csv_text, sale

ERP = """\
description: Exports of the warehouse, for the scenarios.
timezone: Europe/Berlin
currency: EUR
id_prefix: "erp:"
files:
  customers:
    patterns: ["customers_*"]
    feeds: [customers]
    required: [customer_id]
    date_in_name: '\\d{4}-\\d{2}-\\d{2}'
  sales:
    patterns: ["sales_*"]
    feeds: [sales]
    required: [sale_id]
    date_in_name: '\\d{4}-\\d{2}-\\d{2}'
datasets:
  customers: {delivery: full}
  sales: {delivery: window(sold_date)}
"""


def with_erp(shop: Shop) -> None:
    """Add a source whose customers come in full and whose sales replace their days."""
    sources = shop.own_sql() / "sources"
    (sources / "erp").mkdir()
    (sources / "erp" / "source.yaml").write_text(ERP)
    for dataset in ("customers", "sales"):
        shutil.copy(sources / "native" / f"{dataset}.sql", sources / "erp")
    shop.reload()


def member(number: int, name: str) -> dict[str, object]:
    return {"customer_id": f"K{number}", "customer_name": name, "gender": "female", "join_date": "2023-05-01"}


def erp_sale(number: str, day: str, price: str = "10.00") -> dict[str, object]:
    return sale(f"W{number}", f"{day} 10:00:00", customer_id="K1", unit_price=price, total_price=price)


# --- corrections -----------------------------------------------------------------------------------------------


def test_a_correction_that_moves_a_line_to_another_month_leaves_one_line_in_the_new_month(shop: Shop):
    lines = [
        sale("S1", "2024-01-31 22:00:00"),
        sale("S2", "2024-01-31 22:05:00", total_price="20.00", unit_price="20.00"),
    ]
    shop.drop_rows("sales_2024-01-31_till.csv", lines)
    shop.run()
    net = dict(shop.rows("select period, net_sales from kpi.monthly"))
    moved = sale("S1", "2024-02-01 08:00:00", total_price="12.00", unit_price="12.00")
    shop.drop_rows("sales_2024-02-01_till.csv", [moved])
    result = shop.run()
    assert result.computed["core.sales"] == [date(2024, 1, 1), date(2024, 2, 1)]
    assert shop.rows("select sold_month, net_sales from core.sales where sale_id = 'S1'") == [(date(2024, 2, 1), 12)]
    after = dict(shop.rows("select period, net_sales from kpi.monthly"))
    assert after[date(2024, 1, 1)] == net[date(2024, 1, 1)] - 10
    assert after[date(2024, 2, 1)] == net[date(2024, 2, 1)] + 12
    assert shop.files()["sales_2024-01-31_till.csv"] == ("in_force", 2, 1, 0, 0, 1)


# --- deliveries that replace -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def replaced(first_shop: Shop, scratch: Path) -> Iterator[Shop]:
    """A shop after two deliveries of `full` customers and of sales that replace their days."""
    shop = copy_shop(first_shop, scratch / "replaced")
    with_erp(shop)
    shop.drop_rows("customers_2024-02-01.csv", [member(1, "Ada"), member(2, "Bea"), member(3, "Cleo")], "erp")
    first = [erp_sale(f"{n}", f"2024-02-{n:02}") for n in range(1, 13)]
    shop.drop_rows("sales_2024-02-12.csv", first, "erp")
    shop.run()
    assert shop.rows("select count(*) from core.sales where source_id = 'erp'") == [(12,)]
    assert shop.rows("select count(*) from core.customers where customer_id like 'erp:%'") == [(3,)]
    shop.drop_rows("customers_2024-03-01.csv", [member(1, "Ada Byron"), member(3, "Cleo")], "erp")
    again = [erp_sale("5", "2024-02-05", "99.00"), erp_sale("6", "2024-02-06"), erp_sale("7b", "2024-02-08")]
    shop.drop_rows("sales_2024-03-01.csv", again, "erp")
    result = shop.run()
    assert not result.refused and not result.held_back
    yield shop
    shop.remove()


def test_a_full_delivery_removes_the_rows_that_are_gone(replaced: Shop):
    found = replaced.rows(
        "select customer_id, customer_name from core.customers where customer_id like 'erp:%' order by 1"
    )
    assert found == [("erp:K1", "Ada Byron"), ("erp:K3", "Cleo")]
    assert replaced.files()["customers_2024-02-01.csv"] == ("superseded", 3, 0, 0, 0, 3)
    assert replaced.rows("select count(*) > 100 from core.customers where customer_id not like 'erp:%'") == [(True,)]


def test_a_window_delivery_replaces_the_days_from_its_first_to_its_last_row(replaced: Shop):
    found = replaced.rows(
        "select sale_id, extract(day from sold_date)::int, net_sales::float from core.sales where source_id = 'erp'"
        " order by sold_date"
    )
    kept = [(f"erp:W{n}", n, 10.0) for n in (1, 2, 3, 4)]
    later = [(f"erp:W{n}", n, 10.0) for n in (9, 10, 11, 12)]
    assert found == [*kept, ("erp:W5", 5, 99.0), ("erp:W6", 6, 10.0), ("erp:W7b", 8, 10.0), *later]
    status, read, accepted, rejected, duplicate, superseded = replaced.files()["sales_2024-02-12.csv"]
    assert (status, read, accepted, rejected, duplicate + superseded) == ("in_force", 12, 8, 0, 4)


def test_a_window_delivery_that_would_empty_a_month_is_refused_until_it_is_forced(replaced: Shop, scratch: Path):
    shop = copy_shop(replaced, scratch / "emptied")
    try:
        ends = [erp_sale("1", "2024-02-01"), erp_sale("12", "2024-02-12")]
        shop.drop_rows("sales_2024-03-05.csv", ends, "erp")
        result = shop.run()
        assert [r.name for r in result.refused] == ["erp/sales_2024-03-05.csv"]
        assert "2024-02" in result.refused[0].reason and "--allow-window erp/sales" in result.refused[0].reason
        assert shop.rows("select count(*) from core.sales where source_id = 'erp'") == [(11,)]
        allow_windows(shop.home, ["erp/sales_2024-03-05.csv"])
        assert not shop.run().refused
        assert shop.rows("select count(*) from core.sales where source_id = 'erp'") == [(2,)]
    finally:
        shop.remove()


# --- names and bytes -------------------------------------------------------------------------------------------


def test_the_same_bytes_again_change_nothing_and_another_name_counts_them_as_duplicates(shop: Shop):
    landing = shop.home.landing / "native"
    before, results = shop.dump(), shop.results()
    later = datetime.now().timestamp() - 5
    for path in landing.iterdir():
        os.utime(path, (later, later))
    touched = shop.run()
    assert touched.nothing_to_do and shop.results() == results
    shutil.copy(landing / "sales_2024-01.csv", landing / "sales_2024-01_again.csv")
    result = shop.run()
    assert result.computed == {} and differences(before, shop.dump()) == []
    status, read, accepted, rejected, duplicate, superseded = shop.files()["sales_2024-01_again.csv"]
    assert (status, accepted, rejected, superseded) == ("in_force", 0, 0, 0) and read == duplicate > 100


def test_new_content_under_a_name_replaces_the_old_and_going_back_reads_nothing(shop: Shop):
    path = shop.home.landing / "native" / "sales_2024-02.csv"
    old, before = path.read_bytes(), shop.dump()
    shop.drop(path.name, b"\n".join(old.splitlines()[:-5]) + b"\n")
    shop.run()
    assert shop.rows("select count(*) from core.sales where sold_month = '2024-02-01'") == [
        (len(old.splitlines()) - 6,)
    ]
    assert shop.rows(
        "select file_status, rows_accepted, rows_superseded from ops.landed_files where file_name = %s order by landing_id",
        path.name,
    )[0] == ("superseded", 0, len(old.splitlines()) - 1)
    results = shop.results()
    shop.drop(path.name, old)
    result = shop.run()
    assert differences(before, shop.dump()) == []
    written = {name for name in shop.results() if results.get(name) != shop.results()[name]}
    assert not [name for name in written if name.startswith("landed/")], "the kept bytes were read again"
    assert result.computed == {}


def test_what_is_deleted_from_landing_stays_landed(shop: Shop):
    before = shop.dump()
    for path in (shop.home.landing / "native").iterdir():
        path.unlink()
    assert shop.idle().nothing_to_do
    assert shop.run().nothing_to_do
    assert differences(before, shop.dump()) == []


def test_rejected_rows_are_replayed_when_the_mapping_changed(shop: Shop):
    good = [sale(f"R{n}", f"2024-03-0{n} 12:00:00") for n in range(1, 5)]
    shop.drop_rows("sales_2024-03_shop.csv", [*good, sale("R5", "2024-03-05 12:00:00", status="billed")])
    shop.run()
    assert shop.rows("select reason, line from ops.rejected_rows") == [("status_unknown", 6)]
    for path in (shop.home.landing / "native").glob("sales_2024-03_shop.csv"):
        path.unlink()
    shop.edit(
        "sources/native/sales.sql",
        r"f\.status,",
        "case when f.status = 'billed' then 'completed' else f.status end as status,",
    )
    result = shop.run()
    assert not result.refused
    assert shop.rows("select count(*) from ops.rejected_rows") == [(0,)]
    assert shop.rows("select net_sales::float from core.sales where sale_id = 'R5'") == [(10.0,)]
    assert result.computed["core.sales"] == [date(2024, 3, 1)]


# --- order and split -------------------------------------------------------------------------------------------


def test_conflicting_keys_are_decided_by_updated_at_then_business_time_then_hash_then_row_never_by_arrival(
    shop: Shop, first_shop: Shop, scratch: Path
):
    def line(sale_id: str, price: str, updated: str | None = None) -> dict[str, object]:
        return sale(sale_id, "2024-03-03 09:00:00", unit_price=price, total_price=price, updated_at=updated)

    newer, older = "2024-03-10 00:00:00", "2024-03-09 00:00:00"
    drops = {
        "sales_2024-03-04_a.csv": [line("T1", "1.00", newer), line("T2", "2.00"), line("T3", "3.00", older)],
        "sales_2024-03-05_b.csv": [line("T1", "4.00", older), line("T2", "5.00"), line("T3", "6.00")],
        "sales_2024-03-06_c.csv": [line("T4", "7.00"), line("T5", "8.00"), line("T5", "9.00")],
        "sales_2024-03-06_d.csv": [line("T4", "10.00")],
    }
    hashes = {name: hashlib.sha256(csv_text(records).encode()).hexdigest() for name, records in drops.items()}
    by_hash = 7.0 if hashes["sales_2024-03-06_c.csv"] > hashes["sales_2024-03-06_d.csv"] else 10.0
    for name, records in drops.items():
        shop.drop_rows(name, records)
    shop.run()
    assert shop.rows("select sale_id, net_sales::float from core.sales where sale_id ~ '^T' order by 1") == [
        *(("T1", 1.0), ("T2", 5.0), ("T3", 3.0), ("T4", by_hash), ("T5", 9.0)),
    ]
    other = copy_shop(first_shop, scratch / "reverse")
    try:
        for names in (list(drops)[2:], list(drops)[:2]):
            for name in reversed(names):
                other.drop_rows(name, drops[name])
            other.run()
        assert differences(shop.dump(), other.dump()) == []
    finally:
        other.remove()


def test_files_in_any_order_and_in_any_split_between_orders_give_the_same_tables(
    make_shop: Callable[..., Shop], first_shop: Shop
):
    hidden = {"core.sales": ("file_id", "line")}
    landing = first_shop.home.landing / "native"
    members = [
        path for path in landing.iterdir() if path.name.startswith(("customers", "products", "stores", "devices"))
    ]
    sales_header, sales = merged(sorted(landing.glob("sales_*")))
    events_header, events = merged(sorted(landing.glob("interactions_*")))
    place = sales_header.split(",").index("order_id")
    orders = sorted({row.split(",")[place] for row in sales})
    random.Random(6).shuffle(orders)
    part_of = {order: number % 3 for number, order in enumerate(orders)}
    parts = [[row for row in sales if part_of[row.split(",")[place]] == part] for part in range(3)]

    shop = make_shop()
    shop.drop("sales_z.csv", "\n".join([sales_header, *parts[2]]) + "\n")
    shop.drop("interactions_late.csv", "\n".join([events_header, *reversed(events)]) + "\n")
    shop.run()
    for path in members:
        shop.drop(path.name, path.read_bytes())
    shop.drop("sales_a.csv", "\n".join([sales_header, *parts[0]]) + "\n")
    shop.drop("sales_m.csv", "\n".join([sales_header, *reversed(parts[1])]) + "\n")
    shop.run()
    assert differences(first_shop.dump(hidden), shop.dump(hidden)) == []


def merged(paths: list[Path]) -> tuple[str, list[str]]:
    """The header of CSV files and all their rows."""
    texts = [path.read_text(encoding="utf-8").splitlines() for path in paths]
    return texts[0][0], [row for text in texts for row in text[1:]]
