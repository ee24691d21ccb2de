"""The tables of customer on Online Retail give the figures of the reference sheet, and hold their own rules there."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from cxa_pipeline.pipeline.audit import audit_on_engine
from tests.independent import online_retail, shop
from tests.independent.tables import OnEngine, project

pytestmark = pytest.mark.slow

D = Decimal
TABLES = [c.key for c in project().catalog if c.schema == "customer" and c.kind != "seed"]


@pytest.fixture(scope="module")
def retail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnEngine]:
    lines = online_retail.sales(online_retail.reference_data())
    found = project()
    landed = online_retail.landed(lines, found.catalog)
    parameters = {**shop.PARAMETERS, "timezone": "Europe/London", "currency": "GBP"}
    yield OnEngine(found, tmp_path_factory.mktemp("retail")).build(landed, parameters, *TABLES)


def test_recency_frequency_and_monetary_values(retail: OnEngine) -> None:
    customers = retail.rows("customer.rfm")
    scored = [row for row in customers if row["is_scored"]]
    assert (len(customers), len(scored)) == (4372, 4338)
    recency = [row["recency_days"] for row in scored]
    assert (sum(recency), statistics.median(recency), min(recency), max(recency)) == (399354, 50, 0, 373)
    counts = Counter(min(row["frequency"], 3) for row in scored)
    assert (counts, max(row["frequency"] for row in scored)) == ({1: 1493, 2: 835, 3: 2010}, 209)
    assert sum(row["frequency"] for row in scored) == 18532
    assert sum(row["monetary"] for row in scored) == D("8318410.484")
    assert sum(row["monetary"] <= 0 for row in scored) == 21
    assert sum(row["monetary"] for row in customers if not row["is_scored"]) == D("-10411.24")


def test_a_mass_of_one_time_buyers_has_one_score_and_the_others_begin_above(retail: OnEngine) -> None:
    scores = {(row["frequency"], row["frequency_score"]) for row in retail.rows("customer.rfm") if row["is_scored"]}
    by_frequency = dict(scores)
    assert len(by_frequency) == len(scores)
    # 1493 of 4338 are strictly below 2 orders, 1493 + 835 below 3
    assert [by_frequency[n] for n in (1, 2, 3)] == [1, 1 + 5 * 1493 // 4338, 1 + 5 * 2328 // 4338]


def test_segments_partition_the_customers(retail: OnEngine) -> None:
    found = {row["segment"]: row for row in retail.rows("customer.rfm_segments")}
    assert (len(found), found["Prospects"]["customers"]) == (12, 34)
    assert sum(row["customers"] for row in found.values()) == 4372
    assert sum(row["net_sales"] for row in found.values()) == D("8318410.484") - D("10411.24")
    assert sum(row["ordered_value"] for row in found.values()) == D("8911407.904")


def test_snapshots_begin_with_the_first_month_and_end_with_the_last_day(retail: OnEngine) -> None:
    history, flows = retail.rows("customer.segment_history"), retail.rows("customer.segment_migration")
    assert sum(row["valid_from"] == date(2010, 12, 31) for row in history) == 885  # active in the first month
    days = sorted({row["snapshot_date"] for row in flows})
    assert (len(days), days[0], days[-1]) == (12, date(2011, 1, 31), date(2011, 12, 9))
    joined = {
        day: sum(r["customers"] for r in flows if r["snapshot_date"] == day and r["movement"] == "joined")
        for day in days
    }
    assert list(joined.values()) == [417, 380, 452, 300, 284, 242, 188, 169, 299, 358, 323, 41]  # new customers


def test_repeat_purchase_and_order_counts(retail: OnEngine) -> None:
    windows = {row["window_name"]: row for row in retail.rows("customer.repeat_purchase")}
    ever = windows["all time"]
    assert (ever["repeat_customers"], ever["mature_customers"]) == (835 + 2010, 4338)
    counts = {row["orders"]: row for row in retail.rows("customer.order_counts")}
    assert [counts[n]["customers"] for n in (1, 2)] == [1493, 835]
    assert [counts[n]["customers_with_at_least"] for n in (1, 2, 3)] == [4338, 2845, 2010]
    assert sum(row["net_sales"] for row in counts.values()) == D("8318410.484")


def test_the_top_fifth_and_the_five_highest(retail: OnEngine) -> None:
    top = sorted(
        (r for r in retail.rows("customer.high_value") if r["basis"] == "top_revenue"), key=lambda r: r["rank"]
    )
    assert len(top) == 868  # ⌈0.2 · 4338⌉, and nobody equals the last
    assert [(row["customer_id"], row["net_sales"]) for row in top[:5]] == [
        ("14646", D("279489.02")),
        ("18102", D("256438.49")),
        ("17450", D("187482.17")),
        ("14911", D("132572.62")),
        ("12415", D("123725.45")),
    ]


def test_profiles_of_single_customers(retail: OnEngine) -> None:
    found = {row["customer_id"]: row for row in retail.rows("customer.profile")}
    assert (found["12347"]["orders"], found["12347"]["net_sales"]) == (7, D("4310.00"))
    returned = found["12346"]
    assert [returned[n] for n in ("orders", "ordered_value", "returns", "net_sales")] == [
        1,
        D("77183.60"),
        D("77183.60"),
        0,
    ]
    assert (returned["loyalty_segment"], returned["frequency_class"]) == ("New", "single")


def test_rules_and_identities_hold(retail: OnEngine) -> None:
    for key in TABLES:
        found = audit_on_engine(retail.engine, retail.project.catalog[key], retail.relations[key])
        assert [result.rule for result in found if not result.passed] == [], key
    for name in ("segments_add_up", "profiles_add_up"):
        assert [row for row in retail.identity(name) if row["difference"] != 0] == [], name
