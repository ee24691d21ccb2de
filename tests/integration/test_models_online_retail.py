"""The models on Online Retail, mapped in pandas, give the figures of the reference sheet to the last decimal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from tests.independent import online_retail, shop
from tests.independent.tables import OnEngine, by_sql_alone, project

Row = dict[str, Any]
D = Decimal

MONTHS = """
2010-12  810204.810  22004.71  788200.100 1558  885 885
2011-01  691364.560  98022.57  593341.990 1086  741 417
2011-02  523631.890  14735.19  508896.700 1100  758 380
2011-03  717419.600  23234.44  694185.160 1453  974 452
2011-04  537808.621  44601.50  493207.121 1246  856 300
2011-05  770536.020  34319.28  736216.740 1681 1056 284
2011-06  761739.900  60291.36  701448.540 1533  991 242
2011-07  719221.191  27039.99  692181.201 1475  949 188
2011-08  748076.320  31844.98  716231.340 1360  935 169
2011-09 1058590.172  24815.01 1033775.162 1837 1266 299
2011-10 1154979.300  67903.82 1087075.480 2040 1364 358
2011-11 1509496.330  30183.35 1479312.980 2769 1664 323
2011-12  638792.680 174601.27  464191.410  819  615  41
"""


@pytest.fixture(scope="module")
def lines() -> Iterator[pd.DataFrame]:
    yield online_retail.sales(online_retail.reference_data())


@pytest.fixture(scope="module")
def retail(lines: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    found = project()
    landed = online_retail.landed(lines, found.catalog)
    parameters = {**shop.PARAMETERS, "timezone": "Europe/London", "currency": "GBP"}
    return OnEngine(found, tmp_path_factory.mktemp("retail")).build(landed, parameters, *by_sql_alone(found))


def one(retail: OnEngine, sql: str, *tables: str) -> Row:
    """The only row of a query."""
    needed = {table: retail.relations[table] for table in tables}
    (row,) = retail.engine.fetch(sql, needed).to_pylist()
    return row  # type: ignore[no-any-return]


def test_lines_by_kind_and_sums(retail: OnEngine) -> None:
    found = one(
        retail,
        """select
            count(*) as lines,
            count(*) filter (where s.is_valid and s.line_type = 'sale') as sales,
            count(*) filter (where s.is_valid and s.line_type = 'return') as returned,
            count(*) filter (where not s.is_valid) as adjustments,
            sum(s.gross_sales) as gross_sales, sum(s.returns) as returns, sum(s.net_sales) as net_sales
        from core.sales as s""",
        "core.sales",
    )
    assert [found[name] for name in ("lines", "sales", "returned", "adjustments")] == [541907, 530101, 9240, 2566]
    sums = [found[name] for name in ("gross_sales", "returns", "net_sales")]
    assert sums == [D("10641861.394"), D("653597.470"), D("9988263.924")]


def test_every_month(retail: OnEngine) -> None:
    ours = [
        (row["period_name"], *(row[n] for n in ("gross_sales", "returns", "net_sales")), row["orders"],
         row["active_customers"], row["new_customers"])
        for row in sorted(retail.rows("kpi.monthly"), key=lambda row: row["period"])
    ]  # fmt: skip
    expected = [line.split() for line in MONTHS.strip().splitlines()]
    assert ours == [(m, D(g), D(r), D(n), int(o), int(a), int(w)) for m, g, r, n, o, a, w in expected]


def test_orders_of_customers_and_guests(retail: OnEngine, lines: pd.DataFrame) -> None:
    orders = retail.rows("core.orders")
    assert (len(orders), sum(order["is_guest"] for order in orders)) == (19957, 1425)
    counts = Counter(order["customer_id"] for order in orders if not order["is_guest"])
    frequency = Counter(min(n, 3) for n in counts.values())
    assert (frequency, max(counts.values())) == ({1: 1493, 2: 835, 3: 2010}, 209)
    moments = lines[(lines["status"] == "completed") & (lines["line_type"] == "sale")].groupby("order_id")["sold"]
    assert int((moments.nunique() > 1).sum()) == 42
    assert sum(order["linked_returns"] for order in orders) == 0  # no return shares an invoice with a sale
    assert sum(D(order["order_value"]) for order in orders) == D("10641861.394")


def test_the_orders_of_12347_and_the_returned_one_of_12346(retail: OnEngine) -> None:
    orders = [order for order in retail.rows("core.orders") if order["customer_id"] in ("12346", "12347")]
    mine = [order for order in orders if order["customer_id"] == "12347"]
    assert (len(mine), sum(o["lines"] for o in mine), sum(o["order_value"] for o in mine)) == (7, 182, D("4310.00"))
    (other,) = [order for order in orders if order["customer_id"] == "12346"]
    assert (other["order_value"], other["units"]) == (D("77183.60"), 74215)


def test_the_questions(retail: OnEngine) -> None:
    (totals,) = retail.ordered("questions.total_customers")
    assert [totals[n] for n in ("customers", "purchasing_customers", "guest_orders")] == [4372, 4338, 1425]
    (repeat,) = retail.ordered("questions.repeat_customers")
    assert repeat["customers_with_2plus"] == 835 + 2010
    top = [(row["customer_id"], row["net_sales"]) for row in retail.ordered("questions.top5_customers")]
    assert top == [
        ("14646", D("279489.02")),
        ("18102", D("256438.49")),
        ("17450", D("187482.17")),
        ("14911", D("132572.62")),
        ("12415", D("123725.45")),
    ]
    statuses = Counter(row["status"] for row in retail.ordered("questions.inactive_customers"))
    assert statuses == {"inactive": 74, "never_purchased": 34}
    guests = {row["gender"]: row["net_sales"] for row in retail.ordered("questions.revenue_by_gender")}["guest"]
    assert guests == D("1680264.68")
    growth = retail.ordered("questions.yoy_growth")
    assert [(row["year"], row["yoy"], row["ytd_yoy"]) for row in growth] == [(2010, None, None), (2011, None, None)]


def test_recency_at_the_as_of_date(retail: OnEngine) -> None:
    last: dict[str, date] = {}
    for order in retail.rows("core.orders"):
        if order["customer_id"]:
            last[order["customer_id"]] = max(order["order_date"], last.get(order["customer_id"], date.min))
    (clock,) = retail.rows("core.clock")
    assert clock["as_of_date"] == date(2011, 12, 9)
    recency = pd.Series([(clock["as_of_date"] - day).days for day in last.values()])
    assert (recency.sum(), recency.median(), recency.min(), recency.max()) == (399354, 50, 0, 373)


COHORTS = {
    "2010-12": [885, 324, 286, 340, 321, 352, 321, 309, 313, 350, 331, 445, 235],
    "2011-01": [417, 92, 111, 96, 134, 120, 103, 101, 125, 136, 152, 49],
    "2011-06": [242, 42, 38, 64, 56, 81, 23],
}


def test_cohorts_come_back_as_the_reference_says(retail: OnEngine) -> None:
    cells = [row for row in retail.rows("cohort.retention") if row["variant"] == "all"]
    ours = {(row["cohort"], row["period_index"]): row["retained_customers"] for row in cells}
    for cohort, counts in COHORTS.items():
        assert [ours[cohort, k] for k in range(len(counts))] == counts
    assert sum(row["cohort_size"] for row in cells if row["cohort_month"] and row["period_index"] == 0) == 4338
    assert sum(row["net_sales"] for row in cells if row["cohort"] != "ALL") == D("8318410.484") - D("10411.24")
    nobody = [row for row in retail.rows("cohort.customer_months") if row["cohort_month"] is None]
    assert (len({row["customer_id"] for row in nobody}), sum(row["net_sales"] for row in nobody)) == (
        33,
        D("-10411.24"),
    )
    last = {row["cohort"]: row for row in cells if row["activity_month"] == date(2011, 12, 1)}
    assert {row["is_complete"] for row in last.values()} == {False}
    assert [last["2010-12"][name] for name in ("is_left_censored", "retention_rate")] == [True, None]


def test_all_identities_of_sql_tables_hold(retail: OnEngine) -> None:
    known = [i for i in retail.project.identities if i.model.dependencies <= set(retail.relations)]
    assert len(known) > 10
    for identity in known:
        assert [row for row in retail.identity(identity.name) if row["difference"] != 0] == [], identity.name
