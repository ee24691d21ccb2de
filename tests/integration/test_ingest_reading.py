"""Bad and odd input, as shops really export it: what is read, what is rejected, what is refused."""

from __future__ import annotations

import gzip
import io
import random
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.drops import SALES, Drops, copied_sql, sale

MINIMAL = "sale_id,product_id,quantity,total_price,sold_at"


def ids(drops: Drops) -> list[str]:
    return [row[0] for row in drops.standing("sales", "d.sale_id")]


def refusal(drops: Drops, name: str) -> str:
    account = drops.account(name)
    assert account.status == "refused" and account.rows_accepted == 0
    return account.error or ""


def test_an_empty_file_is_refused_and_the_others_go_on(drops: Drops):
    drops.drop("sales_empty.csv", "")
    drops.sales("sales_good.csv", [sale(1)])
    drops.ingest()
    assert "empty" in refusal(drops, "sales_empty.csv") and ids(drops) == ["s1"]


def test_a_file_of_white_space_is_refused_because_it_lacks_its_columns(drops: Drops):
    drops.drop("sales_blank.csv", "\n\n \n")
    drops.ingest()
    assert "lacks the column" in refusal(drops, "sales_blank.csv")


def test_a_header_alone_is_accepted_with_no_rows(drops: Drops):
    drops.drop("sales_a.csv", SALES)
    drops.drop("sales_b.csv", SALES + "\n")
    drops.ingest()
    for name in ("sales_a.csv", "sales_b.csv"):
        account = drops.account(name)
        assert (account.status, account.rows_read) == ("in_force", 0)
    assert drops.standing("sales", "d.sale_id") == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_by_the_columns_that_are_known(drops: Drops, delimiter: str):
    lines = [SALES, sale(1), sale(2)]
    drops.drop("sales.csv", "\n".join(lines).replace(",", delimiter))
    drops.ingest()
    assert ids(drops) == ["s1", "s2"]


def test_an_unknown_delimiter_is_refused_with_the_header_as_it_was_read(drops: Drops):
    drops.drop("sales.csv", f"{SALES}\n{sale(1)}\n".replace(",", "~"))
    drops.ingest()
    assert "lacks the column sale_id" in refusal(drops, "sales.csv")
    assert "sale_id~order_id" in refusal(drops, "sales.csv")


def test_a_missing_required_column_is_named(drops: Drops):
    drops.drop("sales.csv", "sale_id,product_id,quantity,total_price\ns1,p1,1,10\n")
    drops.ingest()
    assert "lacks the column sold_at" in refusal(drops, "sales.csv")


def test_extra_columns_never_fail_a_load_and_are_reported(drops: Drops):
    drops.drop("sales.csv", f"{MINIMAL},Favourite Colour,line\ns1,p1,1,10,2024-03-05,blue,7\n")
    drops.ingest()
    account = drops.account("sales.csv")
    assert ids(drops) == ["s1"] and account.unknown == ("favourite_colour", "line_")
    assert "customer_id" in account.missing and "sale_id" not in account.missing


def test_headers_are_matched_by_meaning(drops: Drops):
    header = "Sale ID, Product-Id ,QTY,Amount,sale_date,User_ID"
    drops.drop("sales.csv", f"{header}\ns1,p1,2,10,2024-03-05,c9\n")
    drops.ingest()
    row = drops.standing("sales", "d.sale_id, d.product_id, d.quantity, d.total_price, d.customer_id")
    assert row == [("s1", "p1", Decimal("2.0000"), Decimal("10.0000"), "c9")]


def test_a_column_that_stands_twice_is_refused(drops: Drops):
    drops.drop("sales.csv", f"{MINIMAL},total_price\ns1,p1,1,10,2024-03-05,11\n")
    drops.ingest()
    assert "twice: total_price" in refusal(drops, "sales.csv")


def test_invalid_bytes_are_refused_with_their_position_and_what_to_do(drops: Drops):
    head = f"{MINIMAL}\ns1,".encode()
    drops.drop("sales.csv", head + b"caf\xe9,1,10,2024-03-05\n")
    drops.ingest()
    assert f"byte {len(head) + 3} is 0xe9" in refusal(drops, "sales.csv")
    assert "encoding" in (drops.account("sales.csv").advice or "")


@pytest.mark.parametrize("encoding", ["latin-1", "windows-1252"])
def test_a_declared_encoding_is_read(tmp_path: Path, encoding: str):
    sql = copied_sql(tmp_path)
    path = sql / "sources" / "native" / "source.yaml"
    path.write_text(path.read_text().replace("    feeds: [sales]\n", f"    feeds: [sales]\n    encoding: {encoding}\n"))
    drops = Drops(tmp_path, sql)
    drops.drop("sales.csv", f"{MINIMAL}\ns1,café,1,10,2024-03-05\n".encode(encoding))
    drops.ingest()
    assert drops.standing("sales", "d.product_id") == [("café",)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(drops: Drops, encoding: str):
    text = f"{MINIMAL}\ns1,日本,1,10,2024-03-05\n"
    bom = "\ufeff" if encoding == "utf-16-be" else ""
    drops.drop("sales.csv", (bom + text).encode(encoding))
    drops.ingest()
    assert drops.standing("sales", "d.product_id, d.line") == [("日本", 2)]


def test_a_compressed_file_that_was_cut_off_is_refused(drops: Drops):
    whole = gzip.compress(("\n".join([SALES, *(sale(i) for i in range(5000))])).encode())
    drops.drop("sales.csv.gz", whole[: len(whole) // 2])
    drops.ingest()
    assert "damaged or cut off" in refusal(drops, "sales.csv.gz")


def test_a_compressed_file_with_a_flipped_byte_is_refused(drops: Drops):
    whole = bytearray(gzip.compress(("\n".join([SALES, *(sale(i) for i in range(5000))])).encode()))
    whole[len(whole) // 2] ^= 0xFF
    drops.drop("sales.csv.gz", bytes(whole))
    drops.ingest()
    assert refusal(drops, "sales.csv.gz")


@pytest.mark.parametrize("name", ["sales.csv", "sales.csv.gz", "sales.xlsx", "sales.parquet", "sales.jsonl"])
@pytest.mark.parametrize("start", [b"", b"PK\x03\x04", b"PAR1", b"\x1f\x8b"])
def test_binary_junk_is_refused_whatever_it_pretends_to_be(drops: Drops, name: str, start: bytes):
    drops.drop(name, start + random.Random(7).randbytes(3000))
    drops.sales("sales_good.csv", [sale(1)])
    drops.ingest()
    assert refusal(drops, name) and ids(drops) == ["s1"]


def test_quotes_and_line_breaks_in_fields_are_read_with_true_line_numbers(drops: Drops):
    drops.drop(
        "products.csv",
        'product_id,product_name,price\np1,"two\nlines, and a ""quote""",1.5\np2,plain 12" pipe,2\n\np3,"x",3\n',
    )
    drops.ingest()
    assert drops.standing("products", "d.product_id, d.product_name, d.line") == [
        ("p1", 'two\nlines, and a "quote"', 2),
        ("p2", 'plain 12" pipe', 4),
        ("p3", "x", 6),
    ]


def test_rows_that_are_no_rows_are_rejected_with_their_text_and_the_next_ones_are_read(drops: Drops):
    lines = ["s1,p1,1,10,2024-03-05", "s2,p1,1", "s3,p1,1,10,2024-03-05,7", 's4,"open,1,10,2024-03-05']
    lines += ['s5,"a"b,1,10,2024-03-05', "s6,p1,1,10,2024-03-05"]
    drops.drop("sales.csv", "\n".join([MINIMAL, *lines]))
    drops.ingest()
    assert ids(drops) == ["s1", "s6"]
    assert drops.rejected("line, reason, value") == [
        (3, "malformed_row", "3 fields instead of 5"),
        (4, "malformed_row", "6 fields instead of 5"),
        (5, "malformed_row", "',' expected after '\"'"),
        (6, "malformed_row", "',' expected after '\"'"),
    ]
    assert drops.rejected("raw_json")[0] == ('{"text":"s2,p1,1"}',)


@pytest.mark.parametrize("broken", ["s2,p1,1", "s2,p1,1,10,2024-03-05,7", "", "  ", "x" * 3_000_000])
def test_a_file_that_looks_clean_and_is_not_is_read_once_more_with_care(drops: Drops, broken: str):
    good = "{},p1,1,10,2024-03-05"
    drops.drop("sales_a.csv", "\n".join([MINIMAL, good.format("s1"), broken, good.format("s3")]))
    drops.drop("sales_b.csv", "\n".join([MINIMAL, good.format("s4"), good.format("s5")]))
    drops.ingest()
    assert drops.standing("sales", "d.sale_id, d.line") == [("s1", 2), ("s3", 4), ("s4", 2), ("s5", 3)]
    rejected = [] if broken == "" else [(3, "malformed_row")]
    assert drops.rejected("line, reason") == rejected


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(drops: Drops, ending: str):
    drops.drop("sales.csv", ending.join([SALES, sale(1), sale(2), ""]))
    drops.ingest()
    assert drops.standing("sales", "d.sale_id, d.line") == [("s1", 2), ("s2", 3)]


def test_lines_that_end_in_different_ways_are_read(drops: Drops):
    drops.drop("sales.csv", f"{SALES}\r\n{sale(1)}\n{sale(2)}\r\n{sale(3)}")
    drops.ingest()
    assert drops.standing("sales", "d.sale_id, d.line") == [("s1", 2), ("s2", 3), ("s3", 4)]


def test_a_field_of_ten_megabytes_costs_its_row_only(drops: Drops):
    long = "x" * 10_000_000
    drops.drop("sales.csv", f"{MINIMAL}\ns1,p1,1,10,2024-03-05\ns2,{long},1,10,2024-03-05\ns3,p1,1,10,2024-03-05\n")
    drops.ingest()
    assert ids(drops) == ["s1", "s3"]
    line, reason, column, value = drops.rejected()[0]
    assert (line, reason, column, len(value)) == (3, "too_long", "product_id", 2000)


def test_an_unclosed_quote_does_not_swallow_the_rest_of_the_file(drops: Drops):
    lines = [sale(i) for i in range(1, 3001)]
    lines[1000] = 's-bad,"oops,c1,p1,1,1,1,2024-03-05 10:00:00'
    drops.sales("sales.csv", lines)
    drops.ingest()
    account = drops.account("sales.csv")
    assert (account.rows_read, account.rows_accepted, account.rows_rejected) == (3000, 2999, 1)
    assert drops.rejected("line, reason") == [(1002, "malformed_row")]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("quantity", "0", "quantity_zero"),
        ("quantity", "NaN", "not_a_number"),
        ("quantity", "inf", "not_a_number"),
        ("quantity", "-Infinity", "not_a_number"),
        ("quantity", "two", "not_a_number"),
        ("quantity", "1,5", "not_a_number"),
        ("quantity", "1_000", "not_a_number"),
        ("quantity", "0x10", "not_a_number"),
        ("quantity", "99999999999999999999", "not_a_number"),
        ("quantity", "", "missing"),
        ("unit_price", "-1", "negative_price"),
        ("discount_amount", "-1", "negative_discount"),
        ("status", "sent by owl", "status_unknown"),
        ("review_rating", "5.5", "rating_out_of_range"),
        ("discount_applied", "perhaps", "not_a_boolean"),
        ("sale_id", "x" * 65, "too_long"),
        ("sale_id", "  ", "missing"),
        ("currency", "EURO", "too_long"),
    ],
)
def test_a_row_is_rejected_once_with_its_first_broken_rule(drops: Drops, column: str, value: str, reason: str):
    good = {
        "sale_id": "s1", "product_id": "p1", "quantity": "1", "unit_price": "2", "discount_amount": "0",
        "total_price": "2", "sold_at": "2024-03-05", "status": "completed", "review_rating": "4",
        "discount_applied": "no", "currency": "EUR",
    }  # fmt: skip
    rows = [good, {**good, "sale_id": "s2", column: value}, {**good, "sale_id": "s3"}]
    text = "\n".join([",".join(good), *(",".join(f'"{v}"' for v in row.values()) for row in rows)])
    drops.drop("sales.csv", text)
    drops.ingest()
    assert ids(drops) == ["s1", "s3"]
    assert drops.rejected() == [(3, reason, column, value or None)]


def test_money_that_cannot_be_known_is_rejected(drops: Drops):
    drops.drop("sales.csv", "sale_id,product_id,quantity,unit_price,sold_at\ns1,p1,1,,2024-03-05\ns2,p1,1,5,2024-03-05")
    drops.ingest()
    assert ids(drops) == ["s2"] and drops.rejected() == [(2, "amount_missing", None, None)]


@pytest.mark.parametrize(
    ("written", "utc", "adjusted"),
    [
        ("2024-03-05", "2024-03-04 23:00:00", False),
        ("2024-03-05 10:30", "2024-03-05 09:30:00", False),
        ("2024-03-05T10:30:15", "2024-03-05 09:30:15", False),
        ("2024-03-05T10:30:15Z", "2024-03-05 10:30:15", False),
        ("2024-03-05T10:30:15.25+02:00", "2024-03-05 08:30:15.25", False),
        ("2024-03-05 10:30:15-0500", "2024-03-05 15:30:15", False),
        ("2024-03-05T10:30:15+02", "2024-03-05 08:30:15", False),
        ("2024-03-31 02:30:00", "2024-03-31 01:30:00", True),
        ("2024-03-31 03:00:00", "2024-03-31 01:00:00", False),
        ("2023-10-29 02:30:00", "2023-10-29 00:30:00", True),
        ("2023-10-29 03:00:00", "2023-10-29 02:00:00", False),
        ("2023-10-29T02:30:00+01:00", "2023-10-29 01:30:00", False),
    ],
)
def test_times_are_read_in_the_zone_of_the_source(drops: Drops, written: str, utc: str, adjusted: bool):
    drops.drop("sales.csv", f"{MINIMAL}\ns1,p1,1,10,{written}\n")
    drops.ingest()
    assert drops.rejected() == []
    assert drops.standing("sales", "d.sold_at::timestamp::text as t, d.ts_adjusted") == [(utc, adjusted)]


def test_days_and_months_are_those_of_the_home(drops: Drops):
    drops.drop("sales.csv", f"{MINIMAL}\ns1,p1,1,10,2024-03-31T22:30:00Z\ns2,p1,1,10,2024-03-31T21:30:00Z\n")
    drops.ingest()
    assert drops.standing("sales", "d.sale_id, d.sold_date::text as day, d.sold_month::text as month") == [
        ("s1", "2024-04-01", "2024-04-01"),
        ("s2", "2024-03-31", "2024-03-01"),
    ]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("03/04/2011", "ambiguous_date"),
        ("25/12/2011", "not_a_date"),
        ("2011-02-30", "not_a_date"),
        ("2011-13-01 10:00", "not_a_date"),
        ("yesterday", "not_a_date"),
        ("1989-12-31", "out_of_range"),
        ("2024-07-03", "out_of_range"),
        ("infinity", "not_a_date"),
        ("-infinity", "not_a_date"),
        ("epoch", "not_a_date"),
        ("20110105", "not_a_date"),
    ],
)
def test_ambiguous_impossible_and_far_dates_are_rejected(drops: Drops, written: str, reason: str):
    drops.drop("sales.csv", f"{MINIMAL}\ns1,p1,1,10,{written}\n")
    drops.ingest()
    assert drops.rejected() == [(2, reason, "sold_at", written)]


def test_dates_in_formats_that_the_source_lists_are_read(tmp_path: Path):
    sql = copied_sql(tmp_path)
    path = sql / "sources" / "native" / "source.yaml"
    listed = 'datasets:\n  sales: {timestamp_formats: ["%d/%m/%Y %H:%M", "%d/%m/%Y"]}\n'
    path.write_text(path.read_text() + listed)
    drops = Drops(tmp_path, sql)
    drops.drop("sales.csv", f"{MINIMAL}\ns1,p1,1,10,03/04/2011 08:26\ns2,p1,1,10,04/03/2011\ns3,p1,1,10,31/02/2011\n")
    drops.ingest()
    assert drops.standing("sales", "d.sale_id, d.sold_at::timestamp::text as t") == [
        ("s1", "2011-04-03 06:26:00"),
        ("s2", "2011-03-03 23:00:00"),
    ]
    assert drops.rejected() == [(4, "not_a_date", "sold_at", "31/02/2011")]


def test_a_file_that_rejects_too_many_rows_is_refused_as_a_whole_and_the_others_go_on(drops: Drops):
    bad = [sale(i, quantity="1").replace(",1,10.00", ",0,10.00") if i % 10 == 0 else sale(i) for i in range(1, 201)]
    drops.sales("sales_bad.csv", bad)
    drops.sales("sales_good.csv", [sale(i) for i in range(500, 510)])
    drops.ingest()
    assert refusal(drops, "sales_bad.csv") == "20 of 200 rows were rejected (quantity_zero 20)"
    account = drops.account("sales_bad.csv")
    assert (account.rows_read, account.rows_rejected) == (200, 200)
    assert dict(account.reasons or {}) == {"quantity_zero": 20, "file_refused": 180}
    assert len(drops.rejected()) == 200 and len(ids(drops)) == 10


def test_nine_bad_rows_never_refuse_a_file(drops: Drops):
    lines = [sale(i).replace(",1,10.00", ",0,10.00") if i < 10 else sale(i) for i in range(1, 30)]
    drops.sales("sales.csv", lines)
    drops.ingest()
    account = drops.account("sales.csv")
    assert (account.status, account.rows_accepted, account.rows_rejected) == ("in_force", 20, 9)


def test_excel_json_lines_and_parquet_give_the_rows_that_csv_gives(drops: Drops):
    rows = [
        {"sale_id": "s1", "product_id": "p1", "quantity": 2, "total_price": 10.25, "sold_at": "2024-03-05T10:00:00"},
        {"sale_id": "s2", "product_id": "00123", "quantity": 1, "total_price": 7, "sold_at": "2024-03-06T11:30:00"},
    ]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    lines = [
        '{"sale_id": "s1", "product_id": "p1", "quantity": 2, "total_price": 10.25, "sold_at": "2024-03-05T10:00:00"}',
        '{"total_price": 7, "sale_id": "s2", "product_id": "00123", "quantity": 1, "sold_at": "2024-03-06T11:30:00"}',
    ]
    csv = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    found = []
    for name, content in [
        ("sales.csv", "\n".join(csv)),
        ("sales.jsonl", "\n".join(lines)),
        ("sales.jsonl.gz", "\n".join(lines)),
        ("sales.parquet", buffer.getvalue()),
        ("sales.xlsx", workbook(rows)),
    ]:
        one = Drops(drops.folder / name)
        one.drop(name, content)
        one.ingest()
        found.append(one.standing("sales", "d.sale_id, d.product_id, d.quantity, d.total_price, d.sold_at"))
        assert one.rejected() == []
    assert len(found[0]) == 2 and found[1:] == found[:1] * 4


def test_json_lines_that_are_no_objects_are_rejected(drops: Drops):
    good = '{"sale_id": "s1", "product_id": "p1", "quantity": 1, "total_price": 1e1, "sold_at": "2024-03-05"}'
    drops.drop("sales.jsonl", f'{good}\n{{"sale_id": \n[1, 2]\n\n{good.replace("s1", "s2")}\n')
    drops.ingest()
    assert drops.standing("sales", "d.sale_id, d.line") == [("s1", 1), ("s2", 5)]
    assert drops.rejected("line, reason") == [(2, "malformed_row"), (3, "malformed_row")]


def test_words_and_spaces_are_written_alike(drops: Drops):
    header = "customer_id,gender,subscription_status,declared_purchase_frequency,email,country_code"
    drops.drop(
        "customers.csv",
        f"{header}\n c1 ,W,Yes,Bi-Weekly,Ann@Example.ORG,de\nc2,\u00a0non-binary\t,0,Every 3 months,,\n",
    )
    drops.ingest()
    columns = ", ".join(f"d.{name}" for name in header.split(","))
    assert drops.standing("customers", columns) == [
        ("c1", "female", True, "fortnightly", "ann@example.org", "DE"),
        ("c2", "other", False, "quarterly", None, None),
    ]


def test_a_place_is_spelt_with_one_character_for_a_letter_and_its_accent(drops: Drops):
    drops.drop("customers.csv", "customer_id,location\nc1,Mu\u0308nchen\nc2,M\u00fcnchen\n")
    drops.ingest()
    assert drops.standing("customers", "d.customer_id, d.location") == [("c1", "M\u00fcnchen"), ("c2", "M\u00fcnchen")]


def test_events_without_an_id_get_one_from_what_they_say(drops: Drops):
    header = "event_type,event_ts,customer_id,device_id,product_id,page_url"
    lines = [
        "add_to_cart,2024-03-05T10:00:00Z,c1,,p1,/p?q=1#x",
        "view,2024-03-05T10:00:00Z,,c1,p1,/p",
        "dance,2024-03-05,c1,,,",
    ]
    drops.drop("interactions.csv", "\n".join([header, *lines, "view,2024-03-05,,,p1,"]))
    drops.ingest()
    rows = drops.standing("interactions", "d.event_type, d.page_url, length(d.interaction_id) as n, d.interaction_id")
    assert [row[:3] for row in rows] == [("cart", "/p", 32), ("view", "/p", 32)] and rows[0][3] != rows[1][3]
    assert drops.rejected() == [(4, "event_type_unknown", "event_type", "dance"), (5, "no_actor", None, None)]
    drops.drop("interactions_again.csv", "\n".join([header, lines[0]]))
    drops.ingest()
    assert (
        drops.account("interactions_again.csv", "interactions").rows_duplicate
        + drops.account("interactions.csv", "interactions").rows_duplicate
        == 1
    )


def test_prices_with_tax_and_decimal_commas_are_read_as_declared(tmp_path: Path):
    sql = copied_sql(tmp_path)
    path = sql / "sources" / "native" / "source.yaml"
    text = path.read_text().replace("    feeds: [sales]\n", "    feeds: [sales]\n    decimal: ','\n")
    path.write_text(text + "prices_include_tax: true\ntax_rate: 0.19\ncurrency: EUR\n")
    drops = Drops(tmp_path, sql)
    drops.drop("sales.csv", f"{MINIMAL}\n".replace(",", ";") + "s1;p1;1,5;1.190,00;2024-03-05\n")
    drops.ingest()
    assert drops.standing("sales", "d.quantity, d.total_price, d.currency") == [
        (Decimal("1.5000"), Decimal("1000.0000"), "EUR")
    ]


def test_a_large_file_is_read_in_pieces_with_true_line_numbers(drops: Drops, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cxa_pipeline.sources.text._WHOLE", 10_000)
    monkeypatch.setattr("cxa_pipeline.sources.text._PIECE", 5_000)
    monkeypatch.setattr("cxa_pipeline.sources.text._CHUNK", 1_000)
    drops.sales("sales.csv", [sale(i) for i in range(2, 3000)])
    drops.ingest()
    rows = drops.standing("sales", "d.sale_id, d.line")
    assert len(rows) == 2998 and all(name == f"s{line}" for name, line in rows)


def workbook(rows: list[dict[str, object]]) -> bytes:
    """A minimal Excel file with inline texts and numbers."""
    import zipfile

    def cell(value: object) -> str:
        if isinstance(value, str):
            return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
        return f"<c><v>{value}</v></c>"

    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    sheet = "".join(f"<row>{''.join(cell(value) for value in line)}</row>" for line in lines)
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    kinds = "http://schemas.openxmlformats.org/package/2006/content-types"
    office_types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{kinds}"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{office_types}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{office_types}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" Type="{office}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}"><Relationship Id="r1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{sheet}</sheetData></worksheet>',
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()
