"""The tables of cohort: one test for each rule, on rows made by hand, and golden numbers of the formulas."""

from __future__ import annotations

import gzip
import math
from datetime import date
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cxa_pipeline.contracts import Contract
from cxa_pipeline.engine.protocol import Relation
from tests.independent import online_retail, shop
from tests.independent.tables import OnEngine, project
from tests.integration.conftest import Built

Row = dict[str, Any]
TABLES = ("members", "customer_months", "groups", "retention", "ranking", "drivers")
QUOTIENTS = ("retention_rate", "ci_low", "ci_high", "aov", "average_sales_per_retained", "revenue_retention")


class WithoutVisits(OnEngine):
    """The models for shops without interactions: no sessions, so that nothing of them need be computed."""

    def _compute(self, contract: Contract) -> None:
        if contract.key in ("core.events", "core.visits"):
            self._store(contract, [])
        elif contract.key not in ("core.sessions", "core.identities", "core.online_stores"):
            super()._compute(contract)


def cohorts(
    folder: Path, lines: list[Row], given: dict[str, list[Row]] | None = None, *tables: str, **parameters: Any
) -> OnEngine:
    """Tables of cohort for a few lines, by default those up to cohort.retention."""
    landed = {**shop.empty(), "sales": lines, **(given or {})}
    engine = OnEngine if landed["interactions"] else WithoutVisits
    wanted = [f"cohort.{table}" for table in tables or ("retention",)]
    return engine(project(), folder).build(landed, {**shop.PARAMETERS, **parameters}, *wanted)


def cells(built: OnEngine, variant: str = "all", value: str | None = None) -> dict[tuple[str, int], Row]:
    """Rows of cohort.retention of one variant and group by cohort and age."""
    return {
        (row["cohort"], row["period_index"]): row
        for row in built.rows("cohort.retention")
        if row["variant"] == variant and row["dimension_value"] == (value or variant)
    }


def orders(customer: str, *days: str, price: str = "10", **given: Any) -> list[Row]:
    """One order of one line per day."""
    return [shop.sale(f"{customer}-{day}-{n}", f"{day} 10:00", 1, price, customer=customer, **given)
            for n, day in enumerate(days)]  # fmt: skip


def rule_breakers(built: OnEngine) -> dict[str, int]:
    """How many rows break each rule of the contracts of cohort."""
    found = {}
    for table in TABLES:
        contract = built.project.catalog[f"cohort.{table}"]
        needed = {contract.key: built.relations[contract.key]}
        for rule in contract.rules:
            query = rule.sql if rule.kind == "failing_rows" else f"select * from {contract.key} where not ({rule.sql})"
            (row,) = built.engine.fetch(f"select count(*) as n from ({query}) as failing", needed).to_pylist()
            found[f"{table}.{rule.name}"] = row["n"]
    return found


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


def ranked_shop(retained: dict[str, tuple[int, int, str]]) -> list[Row]:
    """Cohorts by month: customers, how many of them come back a month later, and what they pay then."""
    lines = []
    for month, (size, back, price) in retained.items():
        following = f"{month[:5]}{int(month[5:]) + 1:02d}"
        for n in range(size):
            lines += orders(f"{month}-{n}", f"{month}-10")
            lines += orders(f"{month}-{n}", f"{following}-10", price=price) if n < back else []
    return lines


SIZES = {"2024-01": (30, 30, "1"), "2024-02": (70, 56, "10"), "2024-03": (40, 24, "10"), "2024-04": (40, 24, "10")}


def ranking(built: OnEngine, metric: str, age: int = 1) -> dict[str, Row]:
    """Rows of cohort.ranking by cohort."""
    rows = built.rows("cohort.ranking")
    return {row["cohort"]: row for row in rows if (row["metric"], row["period_index"]) == (metric, age)}


def test_newcombe_interval_of_56_of_70_less_48_of_80_is_that_of_newcombe_1998_table_ii(tmp_path: Path) -> None:
    built = cohorts(tmp_path, ranked_shop(SIZES), None, "ranking", as_of_date=date(2024, 5, 31))
    found = ranking(built, "retention_rate")
    assert sorted(found) == ["2024-02", "2024-03", "2024-04"]  # the first cohort of the data is left out
    row = found["2024-02"]
    assert (row["value"], row["baseline_value"], row["baseline_cohorts"]) == (0.8, 0.6, 2)
    assert round(row["difference"], 12) == 0.2
    assert (round(row["difference_ci_low"], 4), round(row["difference_ci_high"], 4)) == (0.0524, 0.3339)
    z = 0.2 / math.sqrt(104 / 150 * 46 / 150 * (1 / 70 + 1 / 80))
    assert row["p_value"] == pytest.approx(math.erfc(z / math.sqrt(2)), rel=2e-7)
    assert (row["dense_rank"], found["2024-03"]["dense_rank"], found["2024-04"]["dense_rank"]) == (1, 2, 2)
    p = sorted(r["p_value"] for r in found.values())
    assert row["q_value"] == pytest.approx(min(p[0] * 3, p[1] * 3 / 2, p[2]))
    assert [found[c]["verdict"] for c in sorted(found)] == ["better", *["not distinguishable"] * 2]
    assert built.rows("cohort.ranking") and not [r for r in built.rows("cohort.ranking") if r["period_index"] != 1]


def test_money_is_compared_by_welch_over_customers(tmp_path: Path) -> None:
    built = cohorts(
        tmp_path, ranked_shop({**SIZES, "2024-02": (70, 56, "90")}), None, "ranking", as_of_date=date(2024, 5, 31)
    )
    row = ranking(built, "cum_net_sales_per_customer")["2024-02"]
    own, others = [100] * 56 + [10] * 14, [20] * 48 + [10] * 32

    def mean_and_variance(values: list[int]) -> tuple[float, float]:
        mean = sum(values) / len(values)
        return mean, sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values)

    (mean, variance), (other_mean, other_variance) = mean_and_variance(own), mean_and_variance(others)
    error = math.sqrt(variance + other_variance)
    assert (row["value"], row["baseline_value"]) == (pytest.approx(mean), pytest.approx(other_mean))
    assert row["difference_ci_low"] == pytest.approx(mean - other_mean - 1.959964 * error)
    assert row["difference_ci_high"] == pytest.approx(mean - other_mean + 1.959964 * error)
    assert row["p_value"] == pytest.approx(math.erfc((mean - other_mean) / error / math.sqrt(2)), rel=1e-6)
    assert row["verdict"] == "better"
    total = ranking(built, "net_sales")["2024-02"]
    assert (total["value"], total["baseline_value"], total["denominator"]) == (56 * 90, 24 * 10, 1)
    mean, variance = mean_and_variance([90] * 56 + [0] * 14)
    other_mean, other_variance = mean_and_variance([10] * 48 + [0] * 32)
    error = math.sqrt(variance * 70**2 + other_variance * 80**2 / 2**2)
    assert total["difference_ci_low"] == pytest.approx(56 * 90 - 240 - 1.959964 * error)


def test_sales_per_retained_customer_are_a_ratio_and_judged_by_how_many_came_back(tmp_path: Path) -> None:
    lines = ranked_shop({**SIZES, "2024-02": (70, 56, "90"), "2024-03": (40, 29, "10")})
    lines.append(shop.sale("r", "2024-03-20 10:00", -1, "7", customer="2024-02-69", order="R"))
    built = cohorts(tmp_path, lines, None, "ranking", as_of_date=date(2024, 5, 31))
    found = ranking(built, "average_sales_per_retained")
    row = found["2024-02"]
    value = (56 * 90 - 7) / 56
    assert (row["value"], row["numerator"], row["denominator"]) == (pytest.approx(value), 56 * 90 - 7, 56)
    residuals = 56 * (90 - value) ** 2 + 49 + 0
    assert row["difference_ci_high"] - row["difference"] == pytest.approx(
        1.959964 * math.sqrt(residuals / 69 * 70 / 56**2)
    )
    assert row["p_value"] is not None and row["dense_rank"] == 1
    few = found["2024-03"]
    assert (few["low_n"], few["dense_rank"], few["p_value"], few["verdict"]) == (False, 2, None, "not distinguishable")


def test_a_cohort_of_which_nobody_came_back_has_no_place_in_sales_per_retained_customer(tmp_path: Path) -> None:
    lines = ranked_shop({**SIZES, "2024-02": (70, 56, "90"), "2024-03": (40, 0, "10")})
    built = cohorts(tmp_path, lines, None, "ranking", as_of_date=date(2024, 5, 31))
    found = ranking(built, "average_sales_per_retained")
    assert {cohort: (row["value"], row["dense_rank"], row["ranked_cohorts"]) for cohort, row in found.items()} == {
        "2024-02": (90, 1, 2), "2024-03": (None, None, None), "2024-04": (10, 2, 2),
    }  # fmt: skip
    assert ranking(built, "net_sales")["2024-03"]["dense_rank"] == 3


def test_small_cohorts_are_shown_but_neither_ranked_nor_judged(tmp_path: Path) -> None:
    built = cohorts(
        tmp_path, ranked_shop({**SIZES, "2024-04": (29, 20, "10")}), None, "ranking", as_of_date=date(2024, 5, 31)
    )
    for metric in ("retention_rate", "cum_net_sales_per_customer", "average_sales_per_retained", "net_sales"):
        row = ranking(built, metric)["2024-04"]
        assert (row["low_n"], row["dense_rank"], row["q_value"], row["verdict"]) == (True, None, None, None)
        assert row["value"] is not None and ranking(built, metric)["2024-02"]["ranked_cohorts"] == 2


def test_a_rate_with_fewer_than_five_expected_is_not_judged(tmp_path: Path) -> None:
    sizes = {"2024-01": (30, 0, "1"), "2024-02": (40, 1, "1"), "2024-03": (40, 2, "1"), "2024-04": (40, 1, "1")}
    row = ranking(
        cohorts(tmp_path, ranked_shop(sizes), None, "ranking", as_of_date=date(2024, 5, 31)), "retention_rate"
    )["2024-03"]
    assert (row["low_n"], row["p_value"], row["verdict"], row["value"]) == (True, None, None, 0.05)


def test_two_cohorts_are_not_ranked_and_running_months_neither(tmp_path: Path) -> None:
    built = cohorts(tmp_path, ranked_shop(SIZES), None, "ranking", as_of_date=date(2024, 5, 30))
    assert ranking(built, "retention_rate") == {}
    (tmp_path / "shop").mkdir()
    built = cohorts(
        tmp_path / "shop",
        ranked_shop(SIZES),
        None,
        "ranking",
        as_of_date=date(2024, 5, 30),
        data_begin_is_shop_begin=True,
    )
    assert sorted(ranking(built, "retention_rate")) == ["2024-01", "2024-02", "2024-03"]


def drivers(built: OnEngine, baseline: str, cohort: str, age: int) -> dict[tuple[str, str, str], Row]:
    """Rows of cohort.drivers of one comparison by level, dimension and member."""
    return {
        (row["level"], row["dimension"], row["member"]): row
        for row in built.rows("cohort.drivers")
        if (row["baseline"], row["cohort"], row["period_index"]) == (baseline, cohort, age)
    }


def test_factors_are_the_golden_shapley_values(tmp_path: Path) -> None:
    lines = []
    for n in range(10):  # active 3.0, orders per active month 1.2, 50 per order
        days = ["2024-01-05", "2024-02-05", "2024-03-05", *["2024-01-06"] * (n < 6)]
        lines += orders(f"b{n}", *days, price="50")
    for n in range(50):  # active 3.6, orders per active month 1.1, 55 per order
        days = ["2024-02-05", "2024-03-05", "2024-04-05", *["2024-05-05"] * (n < 30), *["2024-02-06"] * (n < 18)]
        lines += orders(f"c{n}", *days, price="55")
    built = cohorts(tmp_path, lines, None, "drivers", as_of_date=date(2024, 5, 31), data_begin_is_shop_begin=True)
    found = drivers(built, "earlier", "2024-02", 3)
    three = {member: row for (_, dimension, member), row in found.items() if dimension == "three factors"}
    golden = {"active_months_per_customer": 36.20, "orders_per_active_month": -17.35, "net_sales_per_order": 18.95}
    assert {member: row["effect"] for member, row in three.items()} == pytest.approx(golden, abs=1e-9)
    assert three["orders_per_active_month"]["member_value"] == pytest.approx(1.1)
    row = three["net_sales_per_order"]
    assert (row["value"], row["baseline_value"], row["difference"]) == pytest.approx((217.8, 180, 37.8))
    assert row["share_of_change"] == pytest.approx(18.95 / 37.8)
    assert (row["n_cohort"], row["n_baseline"], row["low_n"]) == (50, 10, True)
    six = {member: row["effect"] for (_, dimension, member), row in found.items() if dimension == "six factors"}
    assert six == pytest.approx(
        {
            "active_months_per_customer": 36.20,
            "orders_per_active_month": -17.35,
            "units_per_order": 0,
            "gross_price_per_unit": 18.95,
            "paid_share_of_gross": 0,
            "kept_share_of_paid": 0,
        },
        abs=1e-9,
    )


def test_six_factors_are_the_mean_over_all_orders_of_switching(tmp_path: Path) -> None:
    lines = orders("b0", "2024-01-05", "2024-02-07", price="50") + orders("b1", "2024-01-05", price="20")
    lines += [
        shop.sale("c0", "2024-02-05 10:00", 3, "25", customer="c", discount="5"),
        shop.sale("c1", "2024-03-05 10:00", 2, "40", customer="c"),
        shop.sale("c2", "2024-03-06 10:00", 1, "40", customer="c", discount="8"),
        shop.sale("c3", "2024-03-09 10:00", -1, "11", customer="c", order="R"),
    ]
    built = cohorts(tmp_path, lines, None, "drivers", as_of_date=date(2024, 3, 31), data_begin_is_shop_begin=True)
    found = drivers(built, "previous", "2024-02", 1)
    factors = {member: row for (_, dimension, member), row in found.items() if dimension == "six factors"}
    after = {member: row["member_value"] for member, row in factors.items()}
    before = {member: row["member_baseline_value"] for member, row in factors.items()}
    assert after == pytest.approx(
        {
            "active_months_per_customer": 2,
            "orders_per_active_month": 1.5,
            "units_per_order": 2,
            "gross_price_per_unit": (75 + 80 + 40) / 6,
            "paid_share_of_gross": 182 / 195,
            "kept_share_of_paid": 171 / 182,
        }
    )
    effects = dict.fromkeys(factors, 0.0)
    every = list(permutations(factors))
    for order in every:
        state = dict(before)
        for member in order:
            old = math.prod(state.values())
            state[member] = after[member]
            effects[member] += (math.prod(state.values()) - old) / len(every)
    assert {member: row["effect"] for member, row in factors.items()} == pytest.approx(effects)
    assert sum(row["effect"] for row in factors.values()) == pytest.approx(171 - 60)


def test_mix_and_rate_are_the_golden_ones_of_kitagawa(tmp_path: Path) -> None:
    groups = {"2024-01": ((6, "0.20"), (4, "0.40")), "2024-02": ((5, "0.25"), (5, "0.38"))}
    lines = [
        line
        for month, parts in groups.items()
        for product, (customers, price) in zip(("P1", "P2"), parts, strict=True)
        for n in range(customers)
        for line in orders(f"{month}-{product}-{n}", f"{month}-10", price=price, product=product)
    ]
    given = {"products": shop.products()}
    built = cohorts(tmp_path, lines, given, "drivers", as_of_date=date(2024, 3, 31), data_begin_is_shop_begin=True)
    found = drivers(built, "earlier", "2024-02", 1)
    effects = [found[level, "category", m]["effect"] for level in ("mix", "rate") for m in ("Home", "Kitchen")]
    assert effects == pytest.approx([0.00725, 0.00925, 0.0275, -0.009], abs=1e-12)
    row = found["mix", "category", "Home"]
    assert (row["member_share"], row["member_baseline_share"], row["member_value"]) == (0.5, 0.6, 0.25)
    assert row["difference"] == pytest.approx(0.035)
    assert not any(dimension in ("store", "location") for _, dimension, _ in found)  # one group says nothing


def test_a_group_that_one_side_lacks_is_mix_alone(tmp_path: Path) -> None:
    lines = orders("a", "2024-01-10", product="P1") + orders("b", "2024-02-10", product="P1", price="20")
    lines += orders("c", "2024-02-11", product="P2", price="60")
    given = {"products": shop.products()}
    built = cohorts(tmp_path, lines, given, "drivers", as_of_date=date(2024, 3, 31), data_begin_is_shop_begin=True)
    found = drivers(built, "earlier", "2024-02", 1)
    assert found["mix", "category", "Kitchen"]["effect"] == 0.5 * (60 - (10 + 40) / 2)
    assert found["mix", "category", "Home"]["effect"] == -0.5 * (15 - 25)
    assert found["rate", "category", "Home"]["effect"] == 10 * 0.75
    assert ("rate", "category", "Kitchen") not in found
    assert found["mix", "category", "Kitchen"]["member_baseline_value"] is None


def test_baselines_are_the_earlier_cohorts_the_one_before_and_that_of_last_year(tmp_path: Path) -> None:
    months = ["2023-01", "2023-02", "2023-03", "2023-05", "2024-02", "2024-03"]
    lines = [line for n, m in enumerate(months) for line in orders(f"c{n}", f"{m}-10", price=str(10 * (n + 1)))]
    built = cohorts(tmp_path, lines, None, "drivers", as_of_date=date(2024, 4, 30))
    found = {
        (row["cohort"], row["baseline"]): (row["baseline_cohorts"], row["baseline_value"])
        for row in built.rows("cohort.drivers")
        if row["period_index"] == 1
    }
    assert found == {
        ("2023-03", "earlier"): (1, 20), ("2023-03", "previous"): (1, 20),
        ("2023-05", "earlier"): (2, 25), ("2023-05", "previous"): (1, 30),
        ("2024-02", "earlier"): (3, 30), ("2024-02", "previous"): (1, 40), ("2024-02", "year_ago"): (1, 20),
        ("2024-03", "earlier"): (4, 35), ("2024-03", "previous"): (1, 50), ("2024-03", "year_ago"): (1, 30),
    }  # fmt: skip


def test_the_longer_chain_is_absent_where_nothing_was_paid(tmp_path: Path) -> None:
    lines = orders("a", "2024-01-10", price="0") + orders("b", "2024-02-10", price="20")
    built = cohorts(tmp_path, lines, None, "drivers", as_of_date=date(2024, 3, 31), data_begin_is_shop_begin=True)
    found = drivers(built, "earlier", "2024-02", 1)
    assert {dimension for _, dimension, _ in found} == {"three factors"}
    assert found["factor", "three factors", "net_sales_per_order"]["effect"] == 20


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
