"""Cohorts and their retention: what a shop of a few orders must give."""

from __future__ import annotations

import gzip
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cxa_pipeline.engine.protocol import Relation
from tests.independent import online_retail, shop
from tests.integration.cohort_shop import QUOTIENTS, TABLES, cells, cohorts, orders, rule_breakers
from tests.integration.conftest import Built


def test_a_cohort_is_the_month_of_the_first_order_and_age_counts_calendar_months(tmp_path: Path) -> None:
    lines = orders("a", "2024-01-31", "2024-02-01", "2024-04-10") + orders("b", "2024-01-02", "2024-01-20")
    found = cells(cohorts(tmp_path, lines, as_of_date=date(2024, 4, 30)))
    retained = [found["2024-01", k]["retained_customers"] for k in range(4)]
    assert (retained, [found["2024-01", k]["orders"] for k in range(4)]) == ([2, 1, 0, 1], [3, 1, 0, 1])
    assert [found["2024-01", k]["retention_rate"] for k in range(4)] == [1, 0.5, 0, 0.5]
    assert [found["2024-01", k]["retained_at_least_once_since"] for k in range(4)] == [2, 1, 1, 1]
    assert [found["2024-01", k]["cum_net_sales"] for k in range(4)] == [30, 40, 40, 50]
    assert found["2024-01", 3]["cum_net_sales_per_customer"] == 25
    assert found["2024-01", 1]["revenue_retention"] == pytest.approx(1 / 3)
    assert found["2024-01", 2]["activity_month"] == date(2024, 3, 1)


def test_wilson_intervals_of_retention_are_the_golden_ones(tmp_path: Path) -> None:
    lines = [line for n in range(50) for line in orders(f"c{n}", "2024-01-05", *["2024-02-05"] * (n < 5))]
    found = cells(cohorts(tmp_path, lines, as_of_date=date(2024, 2, 29)))["2024-01", 1]
    assert (round(found["ci_low"], 6), round(found["ci_high"], 6)) == (0.043476, 0.213602)


def test_the_first_cohort_is_left_censored_unless_the_data_begin_with_the_shop(tmp_path: Path) -> None:
    lines = orders("a", "2024-01-10") + orders("b", "2024-02-10")
    for begin, expected in ((False, [True, False]), (True, [False, False])):
        folder = tmp_path / str(begin)
        folder.mkdir()
        built = cohorts(folder, lines, data_begin_is_shop_begin=begin)
        members = sorted(built.rows("cohort.members"), key=lambda row: row["cohort_month"])
        found = cells(built)
        assert [row["is_left_censored"] for row in members] == expected
        assert [found[cohort, 0]["is_left_censored"] for cohort in ("2024-01", "2024-02")] == expected


def test_returns_before_the_cohort_and_of_people_who_never_ordered_belong_to_none(tmp_path: Path) -> None:
    lines = [
        shop.sale("r1", "2024-01-10 10:00", -1, "4", customer="early", order="R1"),
        *orders("early", "2024-02-10"),
        shop.sale("r2", "2024-02-11 10:00", -1, "3", customer="only-returns", order="R2"),
        shop.sale("g", "2024-02-12 10:00", 1, "100"),
    ]
    built = cohorts(tmp_path, lines, as_of_date=date(2024, 2, 29))
    found = cells(built)
    assert {key: row["net_sales"] for key, row in found.items()} == {
        ("2024-02", 0): 10, ("ALL", 0): 10, ("none", 0): -4, ("none", 1): -3,
    }  # fmt: skip
    none = found["none", 1]
    assert (none["cohort_month"], none["activity_month"], none["cohort_size"]) == (None, date(2024, 2, 1), 0)
    assert (none["retention_rate"], none["cum_net_sales"], none["is_complete"]) == (None, -7, True)
    assert [row["difference"] for row in built.identity("cohorts_add_up")] == [0] * 5
    assert [row["customer_id"] for row in built.rows("cohort.members")] == ["early"]


def test_returns_of_later_months_are_negative_sales_without_retention(tmp_path: Path) -> None:
    lines = orders("a", "2024-01-10", price="30")
    lines.append(shop.sale("r", "2024-02-10 10:00", -1, "30", customer="a", original_sale_id="a-2024-01-10-0"))
    found = cells(cohorts(tmp_path, lines, as_of_date=date(2024, 2, 29)))["2024-01", 1]
    assert (found["net_sales"], found["returns"], found["retained_customers"]) == (-30, 30, 0)
    assert (found["retention_rate"], found["aov"], found["average_sales_per_retained"]) == (0, None, None)
    assert (found["cum_net_sales_per_customer"], found["revenue_retention"]) == (0, -1)


def test_a_month_that_has_not_ended_has_sums_but_no_quotients(tmp_path: Path) -> None:
    lines = orders("a", "2024-01-10", "2024-02-20")
    found = cells(cohorts(tmp_path, lines))
    running = found["2024-01", 1]
    assert (running["is_complete"], running["retained_customers"], running["net_sales"]) == (False, 1, 10)
    assert [running[name] for name in QUOTIENTS] == [None] * 6
    assert ("ALL", 1) not in found
    assert found["ALL", 0]["retention_rate"] == 1


def test_all_adds_up_the_cohorts_whose_month_has_ended(tmp_path: Path) -> None:
    lines = (
        [line for n in range(4) for line in orders(f"a{n}", "2024-01-05", *["2024-02-05"] * (n < 3))]
        + [line for n in range(2) for line in orders(f"b{n}", "2024-02-05", *["2024-03-05"] * (n < 1))]
        + orders("c", "2024-03-05", "2024-04-01")
    )
    found = cells(cohorts(tmp_path, lines, as_of_date=date(2024, 4, 1)))
    every = found["ALL", 1]
    assert (every["cohorts"], every["cohort_size"], every["retained_customers"]) == (2, 6, 4)
    assert every["retention_rate"] == pytest.approx(4 / 6)
    assert (every["net_sales"], every["first_net_sales"], every["cum_net_sales"]) == (40, 60, 100)
    assert (every["is_left_censored"], every["cohort_month"]) == (True, None)
    assert [found["ALL", k]["cohorts"] for k in range(3)] == [3, 2, 1]


def test_a_month_in_which_nobody_was_won_is_a_cohort_of_nobody(tmp_path: Path) -> None:
    lines = orders("a", "2024-01-10", "2024-04-01") + orders("b", "2024-03-10")
    built = cohorts(tmp_path, lines, as_of_date=date(2024, 4, 30))
    found = cells(built)
    empty = found["2024-02", 1]
    assert (empty["cohort_size"], empty["retention_rate"], empty["net_sales"], empty["low_n"]) == (0, None, 0, True)
    assert (empty["cohorts"], found["2024-01", 1]["cohorts"]) == (0, 1)
    quiet = found["2024-01", 1]
    assert (quiet["retained_customers"], quiet["retention_rate"], quiet["orders"], quiet["aov"]) == (0, 0, 0, None)
    assert len(found) == (4 + 3 + 2) + 4
    assert ("2024-02", 0) not in cells(built, "category", "Unknown")
    assert found["ALL", 1]["cohorts"] == 2


def test_one_customer_and_an_empty_shop(tmp_path: Path) -> None:
    built = cohorts(tmp_path, orders("a", "2024-01-31"))
    found = cells(built)
    assert (list(found), found["2024-01", 0]["retained_customers"]) == ([("2024-01", 0)], 1)
    (tmp_path / "empty").mkdir()
    built = cohorts(tmp_path / "empty", [], None, *TABLES)
    assert {table: built.rows(f"cohort.{table}") for table in TABLES} == {table: [] for table in TABLES}


def test_the_first_product_is_of_the_earliest_goods_and_then_of_most_money(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-10 10:00", 1, "5", "POST", order="A", customer="a"),
        shop.sale("2", "2024-01-10 10:01", 1, "5", "P1", order="A", customer="a"),
        shop.sale("3", "2024-01-10 10:01", 1, "50", "P2", order="A", customer="a", discount="1"),
        shop.sale("4", "2024-01-10 10:02", 1, "500", "P3", order="A", customer="a", store_id="S1"),
        shop.sale("5", "2024-01-11 10:02", 1, "5", "POST", order="B", customer="b", store_id="S1"),
    ]
    given = {"products": shop.products(), "customers": [{"customer_id": "a", "location": "oslo"}]}
    a, b = sorted(cohorts(tmp_path, lines, given, "members").rows("cohort.members"), key=lambda row: row["customer_id"])
    assert (a["first_product_id"], a["first_product_name"], a["first_category"]) == ("P2", "Mug", "Kitchen")
    assert (a["first_store_id"], a["first_has_discount"], a["first_order_value"]) == ("__online__", True, 559)
    assert (a["location"], b["location"], b["first_product_id"]) == ("Oslo", "Unknown", "POST")
    assert (b["first_store_name"], b["first_has_discount"], b["first_device_type"]) == ("S1", False, "unknown")


def test_device_and_campaign_are_those_of_the_session_of_the_first_order(tmp_path: Path) -> None:
    lines = [
        *orders("a", "2024-01-10", "2024-02-10", product="P1"),
        *orders("b", "2024-01-11", product="P1"),
        *orders("c", "2024-01-12", product="P1"),
    ]
    events = [
        shop.event("1", "2024-01-10 09:50", "view", device_id="d", product_id="P1", utm_campaign="spring"),
        shop.event("2", "2024-01-10 10:00", "purchase", device_id="d", customer_id="a", product_id="P1"),
        shop.event("3", "2024-02-10 10:00", "purchase", device_id="e", customer_id="a", product_id="P1"),
        shop.event("4", "2024-01-11 09:58", "view", device_id="e", customer_id="b", product_id="P1"),
    ]
    devices = [{"device_id": "d", "device_type": "mobile"}, {"device_id": "e", "device_type": "desktop"}]
    built = cohorts(tmp_path, lines, {"interactions": events, "devices": devices}, "members")
    members = built.rows("cohort.members")
    found = {row["customer_id"]: (row["first_device_type"], row["first_campaign"]) for row in members}
    assert found == {"a": ("mobile", "spring"), "b": ("desktop", "No campaign"), "c": ("unknown", "Unknown")}


def test_of_several_visits_that_bought_the_order_the_earliest_counts_and_robots_never(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-10 10:00", 1, "5", "P1", order="A", customer="a"),
        shop.sale("2", "2024-01-10 10:20", 1, "5", "P2", order="A", customer="a"),
    ]
    bought = [("1", "09:50", "robot", "P3"), ("3", "10:00", "phone", "P1"), ("2", "10:20", "desk", "P2")]
    events = [
        shop.event(key, f"2024-01-10 {clock}", "purchase", device_id=device, product_id=product, order_id="A", utm_campaign=device)
        for key, clock, device, product in bought
    ]  # fmt: skip
    devices = [
        {"device_id": "robot", "device_type": "tv", "is_bot": True},
        {"device_id": "phone", "device_type": "mobile"},
    ]
    built = cohorts(tmp_path, lines, {"interactions": events, "devices": devices}, "members")
    (member,) = built.rows("cohort.members")
    assert (member["first_device_type"], member["first_campaign"]) == ("mobile", "phone")


def test_small_groups_of_products_and_locations_are_other(tmp_path: Path) -> None:
    lines = [line for n in range(3) for line in orders(f"a{n}", "2024-01-05", product="P1")]
    lines += orders("b", "2024-01-05", product="P2") + orders("c", "2024-01-05", product="P3")
    customers = [{"customer_id": f"a{n}", "location": "Oslo"} for n in range(2)]
    given = {"customers": customers, "products": shop.products()}
    built = cohorts(tmp_path, lines, given, "groups", min_group_size=3)
    groups = {(r["variant"], r["customer_id"]): (r["dimension_value"], r["dimension_name"])
              for r in built.rows("cohort.groups")}  # fmt: skip
    assert [groups["product", c] for c in ("a0", "b", "c")] == [("P1", "Lamp"), ("Other", "Other"), ("Other", "Other")]
    assert [groups["location", c][0] for c in ("a0", "a1", "a2", "b")] == ["Other", "Other", "Unknown", "Unknown"]
    assert [groups["category", c][0] for c in ("a0", "b")] == ["Home", "Kitchen"]


def test_the_fifty_products_that_won_most_customers_are_groups_of_their_own(tmp_path: Path) -> None:
    lines = [line for n in range(52) for line in orders(f"a{n}", "2024-01-05", product=f"P{n:02d}")]
    lines += orders("b", "2024-01-05", product="P51")
    built = cohorts(tmp_path, lines, None, "groups", min_group_size=1)
    groups = {r["customer_id"]: r["dimension_value"] for r in built.rows("cohort.groups") if r["variant"] == "product"}
    assert [groups[c] for c in ("a0", "a48", "a49", "a50", "a51")] == ["P00", "P48", "Other", "Other", "P51"]


@pytest.mark.parametrize("as_of", [None, date(2024, 2, 29)])
def test_the_awkward_shop_keeps_all_rules(built_shop: Built, as_of: date | None) -> None:
    built, found = built_shop(as_of)
    assert {name: n for name, n in rule_breakers(built).items() if n} == {}
    sizes: dict[str, int] = {}
    for row in built.rows("cohort.retention"):
        if row["cohort_month"] and row["period_index"] == 0:
            sizes[row["variant"]] = sizes.get(row["variant"], 0) + row["cohort_size"]
    assert set(sizes.values()) == {len(found.orders_by_customer())}
    assert len(sizes) == 9


def test_a_lost_cohort_and_money_counted_twice_are_found(built_shop: Built) -> None:
    built, _ = built_shop(None)
    path = built.relations["cohort.retention"].paths[0]
    table = pq.read_table(path)
    rows = [row for row in table.to_pylist() if (row["variant"], row["cohort"]) != ("all", "2023-04")]
    target = path.with_suffix(".changed.parquet")
    pq.write_table(table.from_pylist(rows, schema=table.schema), target)
    built.relations["cohort.retention"] = Relation((target,), columns=built.relations["cohort.retention"].columns)
    wrong = [row["item"] for row in built.identity("cohorts_add_up") if row["difference"] != 0]
    assert {"customers", "net sales all", "net sales 2023-04"} <= set(wrong)


def test_cohorts_of_cdnow_come_back_as_the_reference_says(tmp_path: Path) -> None:
    path = online_retail.reference_data() / "cdnow" / "CDNOW_master.txt.gz"
    rows = [line.split() for line in gzip.decompress(path.read_bytes()).decode().splitlines()[1:]]
    lines = [
        shop.sale(str(n), f"{row[1][:4]}-{row[1][4:6]}-{row[1][6:]} 12:00", row[2], None, customer=row[0], total=row[3])
        for n, row in enumerate(rows)
    ]
    found = cells(cohorts(tmp_path, lines, as_of_date=date(1998, 6, 30)))
    january = [7846, 1157, 964, 810, 679, 736, 720, 582, 559, 594, 673, 634, 528, 511, 664, 472, 497, 498]
    assert [found["1997-01", k]["retained_customers"] for k in range(18)] == january
    assert [found[cohort, 0]["cohort_size"] for cohort in ("1997-02", "1997-03")] == [8476, 7248]
    assert sum(row["net_sales"] for (cohort, _), row in found.items() if cohort != "ALL") == Decimal("2500315.63")
