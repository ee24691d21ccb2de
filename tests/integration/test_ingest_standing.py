"""Which rows stand: files that arrive, correct, replace and disappear, and the account of every row."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxa_pipeline.lake import Lake
from cxa_pipeline.sources.discover import pending
from tests.support.drops import SALES, Drops, copied_sql, sale

MARCH, APRIL, MAY = date(2024, 3, 1), date(2024, 4, 1), date(2024, 5, 1)
KEYED = "sale_id,product_id,quantity,total_price,sold_at,updated_at"


def prices(drops: Drops) -> dict[str, str]:
    return {name: f"{price:.2f}" for name, price in drops.standing("sales", "d.sale_id, d.total_price")}


def counts(drops: Drops, name: str) -> tuple[str, int, int, int, int, int]:
    a = drops.account(name)
    return a.status, a.rows_read, a.rows_accepted, a.rows_rejected, a.rows_duplicate, a.rows_superseded


def test_nothing_is_read_again_when_nothing_is_new(drops: Drops):
    drops.sales("sales.csv", [sale(1), sale(2, "2024-04-05")])
    first = drops.ingest()
    hashes = drops.hashes()
    again = drops.ingest()
    assert (first.batches_read, again.batches_read) == (1, 0)
    assert again.landed == () and drops.hashes() == hashes and again.live == first.live


def test_the_same_file_again_under_its_name_changes_nothing(drops: Drops):
    path = drops.sales("sales.csv", [sale(1)])
    drops.ingest()
    hashes = drops.hashes()
    os.utime(path, (1, 1))
    assert drops.ingest().landed == () and drops.hashes() == hashes
    assert len(drops.lake.landings()) == 1


def test_the_same_bytes_under_another_name_are_duplicates(drops: Drops):
    drops.sales("sales_a.csv", [sale(1), sale(2)])
    drops.ingest()
    hashes = drops.hashes()
    drops.sales("sales_b.csv", [sale(1), sale(2)])
    result = drops.ingest()
    assert len(result.landed) == 1 and result.batches_read == 0 and drops.hashes() == hashes
    assert counts(drops, "sales_a.csv") == ("in_force", 2, 2, 0, 0, 0)
    assert counts(drops, "sales_b.csv") == ("in_force", 2, 0, 0, 2, 0)


def test_new_content_under_a_name_takes_the_place_of_the_old(drops: Drops):
    drops.sales("sales.csv", [sale(1), sale(2)])
    drops.ingest()
    drops.sales("sales.csv", [sale(1, price="12.00")])
    drops.ingest()
    assert prices(drops) == {"s1": "12.00"}
    states = [(a.status, a.rows_superseded) for a in drops.result.files if a.landing.name == "sales.csv"]
    assert states == [("superseded", 2), ("in_force", 0)]


def test_a_name_that_goes_back_to_an_earlier_content_costs_nothing(drops: Drops):
    drops.sales("sales.csv", [sale(1)])
    drops.ingest()
    before = drops.hashes()
    drops.sales("sales.csv", [sale(1, price="12.00")])
    drops.ingest()
    drops.sales("sales.csv", [sale(1)])
    result = drops.ingest()
    assert len(result.landed) == 1 and result.batches_read == 0
    assert drops.hashes() == before and prices(drops) == {"s1": "10.00"}
    assert [a.status for a in result.files] == ["superseded", "superseded", "in_force"]


def test_a_file_deleted_from_landing_stays_landed(drops: Drops):
    path = drops.sales("sales.csv", [sale(1)])
    drops.ingest()
    path.unlink()
    drops.ingest()
    assert prices(drops) == {"s1": "10.00"}


def test_a_refused_content_leaves_the_earlier_one_in_force(drops: Drops):
    drops.sales("sales.csv", [sale(1)])
    drops.ingest()
    drops.drop("sales.csv", b"\x00\x01 broken upload")
    result = drops.ingest()
    assert prices(drops) == {"s1": "10.00"} and [a.status for a in result.refused] == ["refused"]
    assert [a.status for a in result.files] == ["in_force", "refused"]
    assert drops.ingest().batches_read == 0


def test_a_correction_that_moves_a_line_to_another_month_leaves_one_line(drops: Drops):
    drops.sales("sales_2024-03-31.csv", [sale(1, "2024-03-31"), sale(2, "2024-03-30")])
    drops.sales("sales_2024-05-01.csv", [sale(9, "2024-05-01")])
    drops.ingest()
    before = drops.hashes()
    drops.sales("sales_2024-04-01.csv", [sale(1, "2024-04-01")])
    drops.ingest()
    after = drops.hashes()
    assert drops.standing("sales", "d.sale_id, d.sold_date::text as day") == [
        ("s1", "2024-04-01"),
        ("s2", "2024-03-30"),
        ("s9", "2024-05-01"),
    ]
    assert before[MARCH] != after[MARCH] and before[MAY] == after[MAY] and APRIL in after
    assert counts(drops, "sales_2024-03-31.csv") == ("in_force", 2, 1, 0, 0, 1)


def test_one_more_day_changes_one_month(drops: Drops):
    for day in ("2024-03-30", "2024-03-31", "2024-04-01"):
        drops.sales(f"sales_{day}.csv", [sale(int(day[-2:]), day)])
    drops.ingest()
    before = drops.hashes()
    drops.sales("sales_2024-04-02.csv", [sale(50, "2024-04-02")])
    drops.ingest()
    after = drops.hashes()
    assert before[MARCH] == after[MARCH] and before[APRIL] != after[APRIL]


def test_between_names_updated_at_decides_then_the_date_in_the_name(drops: Drops):
    line = "s{},p1,1,{},2024-03-05,{}"
    newest = [line.format(1, 30, "2024-03-09T10:00:00Z"), line.format(2, 30, ""), line.format(3, 30, "")]
    oldest = [line.format(1, 10, "2024-03-09T11:00:00Z"), line.format(2, 10, "2024-03-06"), line.format(3, 10, "")]
    drops.sales("sales_2024-03-09.csv", newest, KEYED)
    drops.sales("sales_2024-03-05.csv", oldest, KEYED)
    drops.ingest()
    assert prices(drops) == {"s1": "10.00", "s2": "10.00", "s3": "30.00"}


def test_without_dates_the_file_with_the_newest_row_decides(drops: Drops):
    drops.sales("sales_x.csv", [sale(1, price="10.00"), sale(2, "2024-03-20")])
    drops.sales("sales_y.csv", [sale(1, price="20.00"), sale(3, "2024-03-10")])
    drops.ingest()
    assert prices(drops)["s1"] == "10.00"


def test_a_key_that_stands_twice_in_one_file_is_a_duplicate_or_the_later_line_wins(drops: Drops):
    drops.sales("sales.csv", [sale(1), sale(1), sale(2, price="10.00"), sale(2, price="20.00"), sale(3)])
    drops.ingest()
    assert prices(drops) == {"s1": "10.00", "s2": "20.00", "s3": "10.00"}
    assert counts(drops, "sales.csv") == ("in_force", 5, 3, 0, 1, 1)


def test_dimensions_keep_the_newest_row_of_a_key(drops: Drops):
    drops.drop("customers_2024-01.csv", "customer_id,location\nc1,Berlin\nc2,Bonn\n")
    drops.drop("customers_2024-02.csv", "customer_id,location\nc1,Hamburg\nc2,Bonn\n")
    drops.ingest()
    assert drops.standing("customers", "d.customer_id, d.location") == [("c1", "Hamburg"), ("c2", "Bonn")]
    account = drops.account("customers_2024-01.csv", "customers")
    assert (account.rows_accepted, account.rows_duplicate, account.rows_superseded) == (0, 1, 1)


def with_delivery(tmp_path: Path, delivery: str, dataset: str = "sales") -> Drops:
    sql = copied_sql(tmp_path)
    path = sql / "sources" / "native" / "source.yaml"
    path.write_text(path.read_text() + f"datasets:\n  {dataset}: {{delivery: {delivery}}}\n")
    return Drops(tmp_path, sql)


def test_a_full_delivery_in_which_rows_are_gone_removes_them(tmp_path: Path):
    drops = with_delivery(tmp_path, "full", "products")
    drops.drop("products_2024-01-01.csv", "product_id,price\np1,1\np2,2\n")
    drops.ingest()
    drops.drop("products_2024-02-01.csv", "product_id,price\np2,2\np3,3\n")
    drops.drop("products_2023-12-01.csv", "product_id,price\np0,0\n")
    drops.ingest()
    assert drops.standing("products", "d.product_id") == [("p2",), ("p3",)]
    assert drops.account("products_2024-01-01.csv", "products").status == "superseded"


def test_full_deliveries_without_an_order_are_pointed_out(tmp_path: Path):
    drops = with_delivery(tmp_path, "full", "products")
    drops.drop("products_a.csv", "product_id,price\np1,1\n")
    drops.drop("products_b.csv", "product_id,price\np2,1\n")
    assert any("bear no date" in finding.what for finding in drops.ingest().findings)
    assert len(drops.standing("products", "d.product_id")) == 1


def test_a_window_delivery_replaces_the_days_that_it_covers(tmp_path: Path):
    drops = with_delivery(tmp_path, "window(sold_at)")
    days = [f"2024-03-{day:02}" for day in range(1, 11)]
    drops.sales("sales_2024-03-10.csv", [sale(i, day) for i, day in enumerate(days)])
    drops.ingest()
    # The 9th and 10th again: one line is gone, one is corrected, one is new.
    drops.sales("sales_2024-03-11.csv", [sale(8, "2024-03-09", price="11.00"), sale(20, "2024-03-10")])
    drops.ingest()
    found = prices(drops)
    assert "s9" not in found and found["s8"] == "11.00" and found["s20"] == "10.00" and len(found) == 10
    assert counts(drops, "sales_2024-03-10.csv") == ("in_force", 10, 8, 0, 0, 2)


def test_a_window_delivery_that_would_empty_a_month_is_refused_unless_forced(tmp_path: Path):
    drops = with_delivery(tmp_path, "window(sold_at)")
    days = [f"2024-03-{day:02}" for day in range(1, 11)]
    drops.sales("sales_2024-03-10.csv", [sale(i, day) for i, day in enumerate(days)])
    drops.ingest()
    drops.sales("sales_2024-04-01.csv", [sale(100, "2024-03-02"), sale(101, "2024-04-01")])
    result = drops.ingest()
    assert len(prices(drops)) == 10
    assert "more than half of the rows of 2024-03" in (result.refused[0].error or "")
    assert counts(drops, "sales_2024-04-01.csv") == ("refused", 2, 0, 2, 0, 0)
    assert sorted(drops.rejected("line, reason")) == [(2, "file_refused"), (3, "file_refused")]
    drops.ingest(force=frozenset({"native/sales_2024-04-01.csv"}))
    assert sorted(prices(drops)) == ["s0", "s100", "s101"]


def test_rejected_rows_are_replayed_when_the_mapping_changed(tmp_path: Path):
    sql = copied_sql(tmp_path)
    drops = Drops(tmp_path, sql)
    drops.sales("sales.csv", [sale(1), sale(2).replace(",1,10.00,", ",one,10.00,")])
    drops.ingest()
    before = drops.hashes()
    assert prices(drops) == {"s1": "10.00"} and drops.rejected("value") == [("one",)]
    path = sql / "sources" / "native" / "sales.sql"
    text = path.read_text()
    path.write_text("-- A comment more.\n" + text.replace("\n    f.", "\n      f."))
    drops.reload()
    assert drops.ingest().batches_read == 0 and drops.hashes() == before
    path.write_text(text.replace("f.quantity", "case f.quantity when 'one' then '1' else f.quantity end as quantity"))
    drops.reload()
    assert drops.ingest().batches_read == 1
    assert prices(drops) == {"s1": "10.00", "s2": "10.00"} and drops.rejected() == []


def test_a_changed_mapping_with_equal_rows_gives_equal_hashes(tmp_path: Path):
    sql = copied_sql(tmp_path)
    drops = Drops(tmp_path, sql)
    drops.sales("sales.csv", [sale(1), sale(2)])
    drops.ingest()
    before = drops.hashes()
    path = sql / "sources" / "native" / "sales.sql"
    path.write_text(path.read_text().replace("f.quantity", "coalesce(f.quantity, '') as quantity"))
    drops.reload()
    assert drops.ingest().batches_read == 1 and drops.hashes() == before


def test_a_mapping_that_loses_rows_is_an_error(tmp_path: Path):
    sql = copied_sql(tmp_path)
    path = sql / "sources" / "native" / "sales.sql"
    path.write_text(path.read_text().rstrip() + "\nwhere f.quantity <> '7'\n")
    drops = Drops(tmp_path, sql)
    drops.sales("sales.csv", [sale(1), sale(2, quantity="7")])
    with pytest.raises(Exception, match="one row for each row of the file"):
        drops.ingest()


def test_unknown_folders_and_stray_files_are_pointed_out_and_partial_ones_are_left_alone(drops: Drops):
    drops.sales("sales.csv", [sale(1)])
    drops.drop("x.csv", "a", source="shopify")
    (drops.landing / "sales.csv").write_text("a")
    (drops.landing / "empty").mkdir()
    for name in (".hidden.csv", "sales_2.csv.part", "sales_3.csv.crdownload", "sales_4.csv~", "~$sales.xlsx"):
        drops.drop(name, "a")
    drops.drop("notes.txt", "hello")
    result = drops.ingest()
    said = {Path(finding.where).name: finding for finding in result.findings}
    assert set(said) == {"shopify", "sales.csv", "notes.txt"}
    assert "native, online_retail" in said["shopify"].advice
    assert sorted(entry.name for entry in result.landed) == ["notes.txt", "sales.csv"]
    assert [entry.name for entry in result.ignored] == ["notes.txt"]


def test_a_file_that_is_still_written_is_left_for_later(drops: Drops):
    path = drops.sales("sales.csv", [sale(1)])
    now = (drops.now + timedelta(minutes=1)).timestamp()
    os.utime(path, (now - 1, now - 1))
    result = drops.ingest(settle=2.0)
    assert result.landed == () and result.unsettled == (path,)
    assert len(drops.ingest(settle=2.0).landed) == 1


def test_what_waits_is_known_without_reading_it(drops: Drops):
    path = drops.sales("sales.csv", [sale(1)])
    names = list(drops.sources.definitions)
    assert pending(drops.lake, drops.landing, names, drops.now).settled == ("native/sales.csv",)
    drops.ingest()
    assert pending(drops.lake, drops.landing, names, drops.now) == pending(Lake(path), path, names, drops.now)
    drops.sales("sales.csv", [sale(2)])
    assert pending(drops.lake, drops.landing, names, drops.now).settled == ("native/sales.csv",)


def test_many_files_of_one_drop_are_read_in_one_batch(drops: Drops):
    for i in range(40):
        drops.sales(f"sales_{i:02}.csv", [sale(i), sale(1000 + i)])
    drops.drop("sales_40.csv", f"{SALES},status\n{sale(40)},completed\n")
    assert drops.ingest().batches_read == 2
    assert len(prices(drops)) == 81
    assert len({row[0] for row in drops.standing("sales", "d.file_id")}) == 41


def test_garbage_collection_keeps_what_stands(drops: Drops):
    drops.sales("sales.csv", [sale(1)])
    drops.ingest()
    drops.sales("sales.csv", [sale(1), sale(2)])
    result = drops.ingest()
    drops.lake.collect_garbage(result.live)
    assert drops.ingest().batches_read == 0 and len(prices(drops)) == 2


def test_the_zone_and_currency_of_the_first_source_are_fixed(tmp_path: Path):
    drops = Drops(tmp_path, timezone=None)
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    line = "1,a,b,1,2011-01-05 10:00:00,1,17850.0,Germany"
    drops.drop("invoices.csv", f"{header}\n{line}\n", source="online_retail")
    first = drops.ingest()
    assert (first.home.timezone, first.home.currency) == ("Europe/London", "GBP")
    drops.drop("products.csv", "product_id\n1\n", source="completejourney")
    assert drops.ingest().home == first.home
    assert drops.ingest(timezone="Asia/Tokyo").home.timezone == "Asia/Tokyo"
    assert drops.ingest().home.timezone == "Asia/Tokyo"


def test_equal_lines_of_one_invoice_are_different_lines_and_come_again_as_duplicates(drops: Drops):
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    line = "1,85123a,b,1,2011-01-05 10:00:00,1,17850.0,Germany"
    drops.drop("a.csv", "\n".join([header, line, line]), source="online_retail")
    drops.drop("b.csv", "\n".join([header, line, line.replace("17850", "17851")]), source="online_retail")
    drops.ingest()
    found = drops.standing("sales", "d.customer_id, d.product_id")
    assert found == [("or:17850", "or:85123A")] * 2 + [("or:17851", "or:85123A")]
    assert counts(drops, "a.csv")[4] + counts(drops, "b.csv")[4] == 1


lines_of_sales = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from(["2024-03-31", "2024-04-01", "2024-04-02"])),
    min_size=1,
    max_size=25,
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=lines_of_sales, cuts=st.lists(st.integers(0, 4), min_size=25, max_size=25), order=st.randoms())
def test_files_in_any_order_and_any_split_give_the_same_rows(make_drops, lines, cuts, order):
    distinct = {number: sale(number, day) for number, day in lines}
    parts: dict[int, list[str]] = {}
    for (_, line), cut in zip(sorted(distinct.items()), cuts, strict=False):
        parts.setdefault(cut, []).append(line)
    whole = make_drops()
    whole.sales("sales_all.csv", list(distinct.values()))
    whole.ingest()
    split = make_drops()
    names = list(parts)
    order.shuffle(names)
    for name in names:
        split.sales(f"sales_{name}.csv", parts[name])
        if order.random() < 0.5:
            split.ingest()
    split.ingest()
    columns = "d.sale_id, d.sold_at, d.sold_date, d.total_price, d.customer_id, d.row_hash"
    assert whole.standing("sales", columns) == split.standing("sales", columns)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    files=st.lists(
        st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=6),
        min_size=2,
        max_size=4,
    ),
    order=st.randoms(),
)
def test_the_order_of_landing_never_decides_between_names(make_drops, files, order):
    def content(rows: list[tuple[int, int, int]]) -> list[str]:
        return [f"s{k},p1,1,{p},2024-03-05,{f'2024-03-0{u}' if u else ''}" for k, p, u in rows]

    together = make_drops()
    for i, rows in enumerate(files):
        together.sales(f"sales_{i}.csv", content(rows), KEYED)
    together.ingest()
    apart = make_drops()
    numbers = list(range(len(files)))
    order.shuffle(numbers)
    for i in numbers:
        apart.sales(f"sales_{i}.csv", content(files[i]), KEYED)
        apart.ingest()
    columns = "d.sale_id, d.total_price, d.updated_at, d.file_id, d.line"
    assert together.standing("sales", columns) == apart.standing("sales", columns)
    assert together.hashes() == apart.hashes()
