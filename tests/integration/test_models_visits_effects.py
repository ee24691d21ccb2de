"""behavior.effects and behavior.effect_sizes against published numbers, scipy, and sums written out in numpy."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.independent.tables import OnEngine, Row, Rows
from tests.integration.given import given, order, visit

EFFECTS = ("behavior.device_effect", "behavior.location_effect", "behavior.effect_sizes")


def compare(folder: Path, visits: Rows, orders: Sequence[Row] = (), **parameters: Any) -> OnEngine:
    """The tables of effects from given visits and orders; every group is large enough unless said otherwise."""
    tables: dict[str, Rows] = {"core.visits": visits, "behavior.visit_orders": list(orders)}
    more: dict[str, Any] = {"min_group_size": 1, **parameters}
    return given(folder, tables, *EFFECTS, **more)


def devices(found: OnEngine) -> dict[str, Row]:
    return {row["device_type"]: row for row in found.rows("behavior.device_effect")}


def size(found: OnEngine, dimension: str, outcome: str) -> Row:
    rows = found.rows("behavior.effect_sizes")
    return next(row for row in rows if (row["dimension"], row["outcome"]) == (dimension, outcome))


def single(mobile: tuple[int, int], desktop: tuple[int, int]) -> Rows:
    """Visits of one visitor each: (converted, visits) on both devices."""
    return [
        visit(f"{device}-{n}", device_type=device, purchases=int(n < bought))
        for device, (bought, visits) in (("mobile", mobile), ("desktop", desktop))
        for n in range(visits)
    ]


@pytest.mark.parametrize(
    ("mobile", "desktop", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_of_a_difference_is_newcombe_1998_table_2_method_10(
    tmp_path: Path, mobile: tuple[int, int], desktop: tuple[int, int], low: float, high: float
) -> None:
    row = devices(compare(tmp_path, single(mobile, desktop)))["mobile"]
    assert (row["difference_ci_low"], row["difference_ci_high"]) == (
        pytest.approx(low, abs=5.1e-5),
        pytest.approx(high, abs=5.1e-5),
    )
    assert row["design_effect"] == 1, "one visit per visitor"


def test_visits_of_one_visitor_widen_the_error_as_the_cluster_robust_variance_says(tmp_path: Path) -> None:
    """Least squares of the purchase on a dummy, clustered by visitor with the factors of CR1, written out."""
    draw = random.Random(5)
    rows = []
    for visitor in range(80):
        liking = draw.random()
        for n in range(draw.randint(1, 9)):
            device = draw.choice(["mobile", "desktop", "desktop", "tablet", "unknown"])
            buys = int(draw.random() < liking * (0.4 if device == "mobile" else 0.7))
            rows.append(visit(f"{visitor}-{n}", visitor_id=f"v{visitor}", device_type=device, purchases=buys))
    found = devices(compare(tmp_path, rows))
    known = [row for row in rows if row["device_type"] != "unknown"]
    for device in ("mobile", "desktop", "tablet"):
        dummy = np.array([float(row["device_type"] == device) for row in known])
        bought = np.array([float(row["purchases"]) for row in known])
        design = np.column_stack([np.ones(len(known)), dummy])
        bread = np.linalg.inv(design.T @ design)
        residual = bought - design @ (bread @ design.T @ bought)
        scores: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))
        for row, line, error in zip(known, design, residual, strict=True):
            scores[row["visitor_id"]] += line * error
        meat = np.sum([np.outer(score, score) for score in scores.values()], axis=0)
        g, n = len(scores), len(known)
        variance = (bread @ meat @ bread)[1, 1] * g / (g - 1) * (n - 1) / (n - 2)
        row = found[device]
        assert row["standard_error"] == pytest.approx(math.sqrt(variance), rel=1e-9)
        z = abs(row["conversion_difference"]) / math.sqrt(variance)
        assert row["p_value"] == pytest.approx(2 * stats.norm.sf(z), rel=2e-7)
    assert found["desktop"]["design_effect"] > 1.2
    tested = ["mobile", "desktop", "tablet"]
    corrected = stats.false_discovery_control([found[device]["p_value"] for device in tested])
    assert [found[device]["q_value"] for device in tested] == pytest.approx(list(corrected), rel=1e-9)


def test_unknown_is_shown_and_takes_part_in_no_comparison(tmp_path: Path) -> None:
    visits = [*single((20, 60), (30, 60)), *[visit(f"u{n}", device_type="unknown", purchases=1) for n in range(40)]]
    orders = [order(f"u{n}", 1000, device_type="unknown") for n in range(40)]
    orders += [order(f"mobile-{n}", n, device_type="mobile") for n in range(20)]
    orders += [order(f"desktop-{n}", n) for n in range(30)]
    found = compare(tmp_path, visits, orders)
    rows = devices(found)
    unknown = rows["unknown"]
    assert (unknown["sessions"], unknown["session_conversion"], unknown["median_order_value"]) == (40, 1.0, 1000)
    empty = (
        "rest_sessions",
        "conversion_difference",
        "p_value",
        "conversion_verdict",
        "superiority",
        "median_difference",
    )
    assert [unknown[name] for name in empty] == [None] * len(empty)
    assert (rows["mobile"]["rest_sessions"], rows["mobile"]["rest_orders"]) == (60, 30)
    assert (size(found, "device_type", "conversion")["n"], size(found, "device_type", "order_value")["n"]) == (120, 50)
    assert sum(row["share"] for row in rows.values()) == pytest.approx(1)


def test_with_one_known_value_there_is_nothing_to_compare(tmp_path: Path) -> None:
    visits = [visit(f"a{n}", purchases=n % 2) for n in range(40)] + [visit("u", device_type="unknown")]
    found = compare(tmp_path, visits, [order(f"a{n}", n) for n in range(1, 40, 2)])
    row = devices(found)["desktop"]
    assert (row["rest_sessions"], row["p_value"], row["rest_orders"], row["low_n"]) == (None, None, None, False)
    for outcome in ("conversion", "order_value"):
        whole = size(found, "device_type", outcome)
        assert (whole["members"], whole["statistic"], whole["p_value"], whole["effect_size"]) == (0, None, None, None)


def test_few_visitors_or_few_expected_visits_are_shown_and_not_tested(tmp_path: Path) -> None:
    visits = [*single((20, 60), (30, 60)), *[visit(f"t{n}", device_type="tablet", purchases=1) for n in range(6)]]
    visits += [visit(f"o{n}", visitor_id="one", device_type="other", purchases=1) for n in range(60)]
    rows = devices(compare(tmp_path, visits, min_group_size=10))
    assert {name: row["low_n"] for name, row in rows.items()} == {
        "mobile": False,
        "desktop": False,
        "tablet": True,
        "other": True,
    }
    assert (rows["tablet"]["p_value"], rows["tablet"]["difference_ci_low"] is not None) == (None, True)
    rows = devices(compare(tmp_path / "rare", single((1, 60), (3, 60))))
    assert (rows["mobile"]["low_n"], rows["mobile"]["q_value"]) == (True, None), "two of four expected cells are 2"


def test_verdicts_follow_the_corrected_probability(tmp_path: Path) -> None:
    rows = devices(compare(tmp_path, single((30, 300), (90, 300))))
    assert (rows["mobile"]["conversion_verdict"], rows["desktop"]["conversion_verdict"]) == ("lower", "higher")
    assert rows["mobile"]["conversion_difference"] == pytest.approx(-0.2)
    rows = devices(compare(tmp_path / "same", single((30, 300), (33, 300))))
    assert rows["mobile"]["conversion_verdict"] == "not distinguishable"


def test_mann_whitney_on_the_example_of_scipy(tmp_path: Path) -> None:
    """scipy.stats.mannwhitneyu's page: males 19 22 16 29 24, females 20 11 17 12; U = 17, p = 0.1113 (asymptotic)."""
    orders = [order(f"m{n}", value, device_type="mobile") for n, value in enumerate((19, 22, 16, 29, 24))]
    orders += [order(f"d{n}", value) for n, value in enumerate((20, 11, 17, 12))]
    visits = [visit(f"m{n}", device_type="mobile", purchases=1) for n in range(5)]
    visits += [visit(f"d{n}", purchases=1) for n in range(4)]
    row = devices(compare(tmp_path, visits, orders))["mobile"]
    assert row["superiority"] * 20 == pytest.approx(17)
    assert row["order_value_p_value"] == pytest.approx(0.11134688653314041, rel=2e-7)
    assert (row["order_value_design_effect"], row["median_difference"]) == (1, 22 - 14.5)


def shop_orders(clustered: bool) -> tuple[Rows, Rows]:
    """Three hundred orders with ties, of one visitor each or of five, on three devices."""
    draw = random.Random(3)
    visits, orders = [], []
    for n in range(300):
        device = ("mobile", "desktop", "tablet")[n % 3]
        visitor = f"v{n % 3}-{n // 15}" if clustered else f"v{n}"
        level = 10 * (hash_of(visitor) % 7) if clustered else 0
        value = round(draw.expovariate(1 / 30) + (8 if device == "mobile" else 0)) + level
        visits.append(visit(f"s{n}", visitor_id=visitor, device_type=device, purchases=1))
        orders.append(order(f"s{n}", value, visitor_id=visitor, device_type=device))
    return visits, orders


def hash_of(text: str) -> int:
    return sum(map(ord, text))


def test_order_values_of_independent_orders_are_compared_as_scipy_does(tmp_path: Path) -> None:
    visits, orders = shop_orders(clustered=False)
    found = compare(tmp_path, visits, orders)
    values = defaultdict(list)
    for row in orders:
        values[row["device_type"]].append(float(row["net_sales"]))
    for device, row in devices(found).items():
        rest = [value for other, found_values in values.items() if other != device for value in found_values]
        test = stats.mannwhitneyu(values[device], rest, method="asymptotic")
        assert row["superiority"] == pytest.approx(test.statistic / (100 * 200))
        assert row["order_value_p_value"] == pytest.approx(test.pvalue, rel=2e-7)
        assert row["order_value_design_effect"] == 1
        assert (row["median_order_value"], row["rest_median_order_value"]) == (
            np.median(values[device]),
            np.median(rest),
        )
        low, high = price_bonett(values[device], rest)
        assert float(row["median_difference_ci_low"]) == pytest.approx(low, abs=1e-4)
        assert float(row["median_difference_ci_high"]) == pytest.approx(high, abs=1e-4)
    whole = size(found, "device_type", "order_value")
    test = stats.kruskal(*values.values())
    assert whole["statistic"] == pytest.approx(test.statistic)
    assert whole["p_value"] == pytest.approx(test.pvalue, rel=1e-9), "exact for two degrees of freedom"
    assert (whole["effect_size"], whole["design_effect"]) == (pytest.approx(test.statistic / 299), 1)


def price_bonett(first: list[float], second: list[float]) -> tuple[float, float]:
    """Price and Bonett (2002) with the normal approximation of the binomial's quantile."""
    middle, variance = 0.0, 0.0
    for values, sign in ((sorted(first), 1), (sorted(second), -1)):
        n = len(values)
        cut = max(1, math.floor((n + 1) / 2 - math.sqrt(n) + 0.5))
        middle += sign * float(np.median(values))
        variance += ((values[n - cut] - values[cut - 1]) * math.sqrt(n) / (2 * (n + 1 - 2 * cut))) ** 2
    return middle - 1.959964 * math.sqrt(variance), middle + 1.959964 * math.sqrt(variance)


def test_the_interval_of_medians_is_close_to_the_exact_one_of_price_and_bonett(tmp_path: Path) -> None:
    """With the exact binomial quantile, as in statpsych's ci.median2: less than 2 % apart from n = 40 on."""
    draw = random.Random(9)
    first = [round(draw.lognormvariate(3, 1), 2) for _ in range(40)]
    second = [round(draw.lognormvariate(3.2, 1), 2) for _ in range(90)]
    variance = 0.0
    for values in (sorted(first), sorted(second)):
        n = len(values)
        cut = max(1, round((n + 1) / 2 - math.sqrt(n)))
        quantile = stats.norm.isf(stats.binom.cdf(cut - 1, n, 0.5))
        variance += ((values[n - cut] - values[cut - 1]) / (2 * quantile)) ** 2
    visits = [visit(f"m{n}", device_type="mobile", purchases=1) for n in range(40)]
    visits += [visit(f"d{n}", purchases=1) for n in range(90)]
    orders = [order(f"m{n}", value, device_type="mobile") for n, value in enumerate(first)]
    orders += [order(f"d{n}", value) for n, value in enumerate(second)]
    row = devices(compare(tmp_path, visits, orders))["mobile"]
    half = float(row["median_difference_ci_high"] - row["median_difference_ci_low"]) / 2
    assert half == pytest.approx(1.959964 * math.sqrt(variance), rel=0.02)


def test_several_orders_of_one_visitor_weaken_the_comparison_of_order_values(tmp_path: Path) -> None:
    visits, orders = shop_orders(clustered=True)
    row = devices(compare(tmp_path, visits, orders))["mobile"]
    ranks = stats.rankdata([float(o["net_sales"]) for o in orders])
    sides: dict[bool, list[tuple[str, float]]] = {True: [], False: []}
    for o, rank in zip(orders, ranks, strict=True):
        sides[o["device_type"] == "mobile"].append((o["visitor_id"], rank))
    alone = 0.0
    sums: dict[str, float] = defaultdict(float)
    for is_mobile, members in sides.items():
        mean = float(np.mean([rank for _, rank in members]))
        for visitor, rank in members:
            sums[visitor] += (1 if is_mobile else -1) * (rank - mean) / len(members)
            alone += ((rank - mean) / len(members)) ** 2
    clustered = sum(value**2 for value in sums.values())
    assert clustered / alone > 1.5
    assert row["order_value_design_effect"] == pytest.approx(clustered / alone, rel=1e-9)
    mobile, rest = (
        [float(o["net_sales"]) for o in orders if (o["device_type"] == "mobile") is side] for side in (True, False)
    )
    _, plain = stats.mannwhitneyu(mobile, rest, method="asymptotic")
    z = stats.norm.isf(plain / 2) / math.sqrt(clustered / alone)
    assert row["order_value_p_value"] == pytest.approx(2 * stats.norm.sf(z), rel=1e-6)
    low, high = price_bonett(mobile, rest)
    assert float(row["median_difference_ci_high"] - row["median_difference_ci_low"]) == pytest.approx(
        (high - low) * math.sqrt(clustered / alone), rel=1e-4
    )


def test_one_buyer_with_many_orders_is_no_sample(tmp_path: Path) -> None:
    visits = [visit(f"m{n}", visitor_id="one", device_type="mobile", purchases=1) for n in range(40)]
    visits += [visit(f"d{n}", purchases=1) for n in range(40)]
    orders = [order(f"m{n}", 10 + n, visitor_id="one", device_type="mobile") for n in range(40)]
    orders += [order(f"d{n}", 50 + n) for n in range(40)]
    row = devices(compare(tmp_path, visits, orders, min_group_size=30))["mobile"]
    assert (row["buyers"], row["orders"], row["order_value_p_value"], row["median_difference_ci_low"]) == (
        1,
        0,
        None,
        None,
    )
    assert row["median_difference"] == -40


@pytest.mark.parametrize("values", [[[5] * 10, [5] * 10], [[1], [2]], [[3, 3], [3]]])
def test_constant_or_single_order_values_give_no_error(tmp_path: Path, values: list[list[int]]) -> None:
    orders = [order(f"m{n}", v, device_type="mobile") for n, v in enumerate(values[0])]
    orders += [order(f"d{n}", v) for n, v in enumerate(values[1])]
    visits = [visit(f"m{n}", device_type="mobile", purchases=1) for n in range(len(values[0]))]
    visits += [visit(f"d{n}", purchases=1) for n in range(len(values[1]))]
    row = devices(compare(tmp_path, visits, orders))["mobile"]
    assert row["superiority"] == (0.5 if values[0][0] == values[1][0] else 0.0)
    assert row["p_value"] is None, "everybody bought"


def test_the_whole_dimension_by_chi_square_and_cramers_v(tmp_path: Path) -> None:
    table = {"mobile": (30, 170), "desktop": (60, 140), "tablet": (45, 155)}
    visits = [
        visit(f"{device}-{n}", device_type=device, purchases=int(n < bought))
        for device, (bought, not_bought) in table.items()
        for n in range(bought + not_bought)
    ]
    whole = size(compare(tmp_path, visits), "device_type", "conversion")
    test = stats.chi2_contingency(list(table.values()), correction=False)
    assert (whole["statistic"], whole["degrees_of_freedom"]) == (pytest.approx(test.statistic), 2)
    assert whole["p_value"] == pytest.approx(test.pvalue, rel=1e-9), "exact for two degrees of freedom"
    assert whole["effect_size"] == pytest.approx(math.sqrt(test.statistic / 600))
    assert (whole["members"], whole["n"], whole["design_effect"], whole["effect_measure"]) == (3, 600, 1, "Cramer's V")
    two = size(compare(tmp_path / "two", single((30, 200), (60, 200))), "device_type", "conversion")
    test = stats.chi2_contingency([(30, 170), (60, 140)], correction=False)
    assert two["p_value"] == pytest.approx(test.pvalue, rel=2e-7), "one degree of freedom is a square of a normal"


@pytest.mark.parametrize("members", [4, 9, 15])
def test_more_degrees_of_freedom_are_close_to_the_chi_square(tmp_path: Path, members: int) -> None:
    """Wilson and Hilferty (1931): within 3 % where it matters, between 0.001 and 0.9."""
    for spread in (0.2, 1.0, 1.4):
        table = [(round(60 + spread * 9 * math.sin(place)), 240) for place in range(members)]
        visits = [
            visit(f"{place}-{n}", location=f"Town {place}", purchases=int(n < bought))
            for place, (bought, count) in enumerate(table)
            for n in range(count)
        ]
        whole = size(compare(tmp_path / f"{spread}", visits), "location", "conversion")
        test = stats.chi2_contingency([(b, n - b) for b, n in table], correction=False)
        assert whole["statistic"] == pytest.approx(test.statistic)
        assert whole["p_value"] == pytest.approx(test.pvalue, rel=0.03), test.pvalue


def test_the_same_visits_of_fewer_visitors_weigh_less_for_the_whole_dimension(tmp_path: Path) -> None:
    visits = single((30, 200), (60, 200))
    twice = [{**row, "session_id": f"{row['session_id']}-{n}"} for row in visits for n in (1, 2)]
    once, doubled = (
        size(compare(tmp_path / name, rows), "device_type", "conversion")
        for name, rows in (("a", visits), ("b", twice))
    )
    assert doubled["statistic"] == pytest.approx(2 * once["statistic"])
    assert (doubled["design_effect"], doubled["p_value"]) == (pytest.approx(2), pytest.approx(once["p_value"]))


def test_standardised_conversion_takes_the_mix_of_all_visits(tmp_path: Path) -> None:
    """Graz converts like Wien on each device and has more mobile visits; Linz has no desktop visits at all."""
    cells = {
        ("Wien", "desktop"): (40, 100),
        ("Wien", "mobile"): (10, 100),
        ("Graz", "desktop"): (8, 20),
        ("Graz", "mobile"): (18, 180),
        ("Linz", "mobile"): (20, 100),
    }
    visits = [
        visit(f"{place}-{device}-{n}", location=place, device_type=device, purchases=int(n < bought))
        for (place, device), (bought, count) in cells.items()
        for n in range(count)
    ]
    found = compare(tmp_path, visits)
    places = {row["location"]: row for row in found.rows("behavior.location_effect")}
    expected = 0.4 * 120 / 500 + 0.1 * 380 / 500
    assert places["Graz"]["session_conversion"] == pytest.approx(0.13)
    assert places["Graz"]["standardised_conversion"] == pytest.approx(expected)
    assert places["Wien"]["standardised_conversion"] == pytest.approx(expected)
    linz = places["Linz"]
    assert (linz["standardised_conversion"], linz["standardised_coverage"]) == (pytest.approx(0.2), pytest.approx(0.76))


def test_visitors_with_two_devices_are_counted_for_both(tmp_path: Path) -> None:
    visits = [
        visit("a1", visitor_id="a", customer_id="a", device_type="mobile", orders=1, net_sales=30, purchases=1),
        visit("a2", visitor_id="a", customer_id="a", device_type="desktop"),
        visit("b1", visitor_id="b", customer_id="b", device_type="desktop", orders=2, net_sales=30, purchases=2),
        visit("c1", device_type="desktop", orders=1, net_sales=10, purchases=1),
        visit("c2", visitor_id="a", customer_id="a", device_type="unknown"),
    ]
    rows = devices(compare(tmp_path, visits))
    desktop = rows["desktop"]
    names = ("sessions", "visitors", "customers", "shared_visitors", "converted_sessions", "orders", "net_sales", "aov")
    assert [float(desktop[name]) for name in names] == [3, 3, 2, 1, 2, 3, 40, 13.3333]
    assert (desktop["customer_net_sales"], desktop["net_sales_per_customer"]) == (30, 15)
    assert float(desktop["net_sales_per_session"]) == 13.3333
    assert (rows["unknown"]["shared_visitors"], rows["mobile"]["shared_visitors"]) == (0, 1)
