"""Cohorts compared: intervals, verdicts, and what makes one better than another."""

from __future__ import annotations

import math
from datetime import date
from itertools import permutations
from pathlib import Path

import pytest

from tests.independent import shop
from tests.independent.tables import OnEngine
from tests.integration.cohort_shop import Row, cohorts, orders


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
