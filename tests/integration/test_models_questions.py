"""The business questions against an independent recomputation: first the eleven from lines, then all others."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.independent import metrics, shop, synthetic
from tests.independent.answers import ANSWERS
from tests.independent.answers_known import Known
from tests.independent.tables import OnEngine, project
from tests.integration.conftest import Built
from tests.support.built import BuiltShops

Row = dict[str, Any]
ZERO = Decimal(0)
GENDERS = ("female", "male", "other", "unknown")
AS_OF = {"by default": None, "on a leap day": date(2024, 2, 29)}


class Both:
    """The tables of the shop and the shop itself."""

    def __init__(self, built: OnEngine, found: metrics.Shop) -> None:
        self.built = built
        self.shop = found

    def ask(self, question: str) -> list[Row]:
        """Rows of a question, in the order of its view."""
        return self.built.ordered(f"questions.{question}")


@pytest.fixture(scope="module", params=AS_OF, ids=list(AS_OF))
def both(request: pytest.FixtureRequest, built_shop: Built) -> Both:
    return Both(*built_shop(AS_OF[request.param]))


def answers(folder: Path, landed: dict[str, list[Row]], question: str, **parameters: Any) -> list[Row]:
    built = OnEngine(project(), folder).build(landed, {**shop.PARAMETERS, **parameters}, f"questions.{question}")
    return Both(built, metrics.Shop(landed)).ask(question)


def money(value: Decimal | None) -> Decimal | None:
    return None if value is None else Decimal(value).quantize(Decimal("0.0001"))


def near(ours: Any, theirs: Any) -> bool:
    if ours is None or theirs is None:
        return ours is theirs
    return abs(Decimal(str(ours)) - Decimal(str(theirs))) <= Decimal("0.0001")


def test_every_question_begins_with_a_question_and_an_empty_home_answers_all(shops: BuiltShops) -> None:
    built = shops.get("empty")
    both = Both(built, metrics.Shop(shop.empty()))
    asked = [c for c in built.project.catalog if c.schema == "questions"]
    assert len(asked) == 11 + len(ANSWERS)
    for contract in asked:
        assert "?" in contract.description.split(". ")[0]
        both.ask(contract.table)


def test_1_total_customers(both: Both) -> None:
    (row,) = both.ask("total_customers")
    buyers = both.shop.orders_by_customer()
    assert row["customers"] == len(both.shop.customers)
    assert row["purchasing_customers"] == len(buyers)
    assert row["customers_without_order"] == len(both.shop.customers) - len(buyers)
    assert row["guest_orders"] == sum(order.customer is None for order in both.shop.orders)


def test_2_customers_by_gender(both: Both) -> None:
    rows = both.ask("customers_by_gender")
    expected = Counter(row.get("gender") or "unknown" for row in both.shop.customers.values())
    assert [row["gender"] for row in rows] == list(GENDERS)
    assert {row["gender"]: row["customers"] for row in rows} == {g: expected[g] for g in GENDERS}
    assert sum(row["share"] for row in rows) == pytest.approx(1)


def test_3_customers_by_age_group(both: Both) -> None:
    rows = both.ask("customers_by_age_group")
    expected = Counter(metrics.age_group(both.shop, row) for row in both.shop.customers.values())
    assert [row["age_group"] for row in rows] == [*metrics.GROUPS, "66+", "Unknown"]
    assert {row["age_group"]: row["customers"] for row in rows if row["customers"]} == expected
    assert sum(row["share"] for row in rows) == pytest.approx(1)


def test_4_top5_customers(both: Both) -> None:
    rows = both.ask("top5_customers")
    net, orders = both.shop.net_by_customer(), both.shop.orders_by_customer()
    expected = sorted(((-net[key], -len(found), key) for key, found in orders.items()))[:5]
    ours = [(-row["net_sales"], -row["orders"], row["customer_id"]) for row in rows]
    assert ours == expected
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]


def test_4_equal_customers_are_ranked_by_orders_and_then_by_id(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2024-01-01 10:00", 1, "10", customer="b"),
        shop.sale("2", "2024-01-01 10:00", 1, "10", customer="a"),
        shop.sale("3", "2024-01-01 10:00", 1, "4", customer="z"),
        shop.sale("4", "2024-01-02 10:00", 1, "6", customer="z"),
        shop.sale("5", "2024-01-02 10:00", 1, "99"),
        shop.sale("6", "2024-01-02 10:00", -1, "1", customer="returns-only", order="R"),
    ]
    rows = answers(tmp_path, {**shop.empty(), "sales": lines}, "top5_customers")
    assert [(row["rank"], row["dense_rank"], row["customer_id"]) for row in rows] == [
        (1, 1, "z"),
        (2, 1, "a"),
        (3, 1, "b"),
    ]


def test_5_repeat_customers(both: Both) -> None:
    (row,) = both.ask("repeat_customers")
    counts = Counter(min(len(found), 5) for found in both.shop.orders_by_customer().values())
    assert [row[f"customers_with_{n}"] for n in ("1", "2", "3", "4", "5plus")] == [counts[n] for n in range(1, 6)]
    assert row["purchasing_customers"] == counts.total()
    assert row["customers_with_2plus"] == counts.total() - counts[1]
    assert row["repeat_rate"] == pytest.approx(1 - counts[1] / counts.total())


def test_5_two_lines_of_one_order_are_no_repeat(tmp_path: Path) -> None:
    lines = [shop.sale(str(n), "2024-01-01 10:00", order="O", customer="c") for n in range(2)]
    (row,) = answers(tmp_path, {**shop.empty(), "sales": lines}, "repeat_customers")
    assert (row["customers_with_2plus"], row["repeat_rate"]) == (0, 0)


def test_6_average_order_value(both: Both) -> None:
    first, *months = both.ask("average_order_value")
    values = [order.value for order in both.shop.orders]
    net = [order.value - order.returned for order in both.shop.orders]
    assert (first["period"], first["orders"], first["gross_less_discounts"]) == ("all", len(values), sum(values))
    assert near(first["aov"], sum(values) / len(values))
    assert near(first["aov_net"], sum(net) / len(net))
    assert near(first["median_order_value"], median(values))
    returns = sum(line.returns for line in both.shop.lines)
    assert first["linked_return_share"] == pytest.approx(float((sum(values) - sum(net)) / returns))
    expected = metrics.periods(both.shop, "month")
    assert [row["period"] for row in months] == [f"{day:%Y-%m}" for day in expected.index]
    assert all(near(row["aov"], value) for row, value in zip(months, expected["aov"], strict=True))


def test_7_sales_by_location(both: Both) -> None:
    rows = both.ask("sales_by_location")
    net: dict[str, Decimal] = defaultdict(lambda: ZERO)
    orders: Counter[str] = Counter()
    buyers = defaultdict(set)
    for line in both.shop.lines:
        net[place(both.shop, line.customer_id)] += line.net
    for order in both.shop.orders:
        orders[place(both.shop, order.customer)] += 1
        buyers[place(both.shop, order.customer)].add(order.customer)
    assert {row["location"]: row["net_sales"] for row in rows} == dict(net)
    assert {row["location"]: row["orders"] for row in rows} == {key: orders[key] for key in net}
    customers = {key: len(buyers[key] - {None}) for key in net}
    assert {row["location"]: row["customers"] for row in rows} == customers
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert [row["net_sales"] for row in rows] == sorted(net.values(), reverse=True)


def place(found: metrics.Shop, customer_id: str | None) -> str:
    return metrics.location(found.customers[customer_id]) if customer_id else "Guest"


def test_8_revenue_by_gender(both: Both) -> None:
    rows = {row["gender"]: row for row in both.ask("revenue_by_gender")}
    assert list(rows) == [*GENDERS, "guest"]
    found = both.shop
    total = sum(line.net for line in found.lines)
    for gender, row in rows.items():
        net = sum((x.net for x in found.lines if gender_of(found, x.customer_id) == gender), ZERO)
        orders = [o for o in found.orders if gender_of(found, o.customer) == gender]
        buyers = {o.customer for o in orders} - {None}
        assert (row["net_sales"], row["orders"], row["customers"]) == (net, len(orders), len(buyers))
        assert row["share"] == pytest.approx(float(net / total))
        assert near(row["aov"], sum(o.value for o in orders) / len(orders) if orders else None)
        assert near(row["net_sales_per_customer"], net / len(buyers) if buyers else None)


def gender_of(found: metrics.Shop, customer_id: str | None) -> str:
    return found.customers[customer_id].get("gender") or "unknown" if customer_id else "guest"


def test_9_top5_products_18_25(both: Both) -> None:
    rows = both.ask("top5_products_18_25")
    found = both.shop
    young = {key for key, row in found.customers.items() if metrics.age_group(found, row) == "18-25"}
    services = {row["product_id"] for row in found.landed["products"] if row.get("product_type") == "service"}
    lines = [line for line in found.lines if line.customer_id in young and line.product_id not in services]
    sums = []
    for product in {line.product_id for line in lines}:
        mine = [line for line in lines if line.product_id == product]
        sold = [line for line in mine if line.is_sale]
        if sold:
            units, net = sum(line.quantity for line in mine), sum(line.net for line in mine)
            sums.append((-units, -net, product, len({x.order_id for x in sold}), len({x.customer_id for x in sold})))
    ours = [(-r["units"], -r["net_sales"], r["product_id"], r["orders"], r["customers"]) for r in rows]
    assert ours == sorted(sums)[:5]
    assert "POST" not in {row["product_id"] for row in rows}


def test_10_inactive_customers(both: Both) -> None:
    rows = {row["customer_id"]: row for row in both.ask("inactive_customers")}
    found = both.shop
    limit = metrics.twelve_months_before(found.as_of)
    net, orders = found.net_by_customer(), found.orders_by_customer()
    expected = {}
    for key, customer in found.customers.items():
        last = max((order.day for order in orders.get(key, [])), default=None)
        joined = customer.get("join_date")
        if last is not None and last <= limit:
            expected[key] = ("inactive", last, net.get(key, ZERO))
        elif last is None and (joined is None or joined <= limit):
            expected[key] = ("never_purchased", None, net.get(key, ZERO))
    ours = {key: (row["status"], row["last_order_date"], row["historic_value"]) for key, row in rows.items()}
    assert ours == expected
    counts = Counter(status for status, *_ in expected.values())
    assert all(row["customers_in_status"] == counts[row["status"]] for row in rows.values())


@pytest.mark.parametrize(
    ("ordered", "as_of", "months"),
    [
        ("2023-02-28 12:00", date(2024, 2, 29), 12),  # 29 February less a year is the 28th
        ("2023-03-01 00:00", date(2024, 2, 29), None),
        ("2023-02-28 23:59", date(2024, 2, 28), 12),
        ("2022-12-31 12:00", date(2024, 2, 29), 13),
    ],
)
def test_10_the_limit_is_twelve_calendar_months(tmp_path: Path, ordered: str, as_of: date, months: int | None) -> None:
    landed = {**shop.empty(), "sales": [shop.sale("1", ordered, customer="c")]}
    rows = answers(tmp_path, landed, "inactive_customers", as_of_date=as_of)
    assert [row["months_inactive"] for row in rows] == ([] if months is None else [months])


def test_11_yoy_growth(both: Both) -> None:
    rows = {row["year"]: row for row in both.ask("yoy_growth")}
    expected = metrics.periods(both.shop, "year")
    assert list(rows) == [day.year for day in expected.index]
    for day, year in expected.to_dict("index").items():
        row = rows[day.year]
        assert (row["net_sales"], row["orders"], row["is_complete"]) == (
            year["net_sales"],
            year["orders"],
            year["is_complete"],
        )


def test_11_the_running_year_compares_equally_many_days(tmp_path: Path) -> None:
    lines = [
        shop.sale("1", "2022-01-01 10:00", 1, "50", customer="c"),
        shop.sale("2", "2023-01-01 10:00", 1, "100", customer="c"),
        shop.sale("3", "2023-03-01 10:00", 1, "20", customer="c"),  # day 60
        shop.sale("4", "2023-03-02 10:00", 1, "900", customer="c"),
        shop.sale("5", "2024-02-29 10:00", 1, "150", customer="c"),  # day 60
    ]
    rows = answers(tmp_path, {**shop.empty(), "sales": lines}, "yoy_growth")
    shown = [(row["year"], row["yoy"], row["ytd_yoy"], row["prev_net_sales_to_date"], row["note"]) for row in rows]
    assert shown == [
        (2022, None, None, None, "no_base"),
        (2023, pytest.approx(19.4), None, None, None),  # 1020 / 50 - 1
        (2024, None, 0.25, 120, None),
    ]


def test_11_a_complete_year_after_one_that_is_not_covered_says_incomplete(tmp_path: Path) -> None:
    days = ("2022-07-01 10:00", "2023-07-01 10:00", "2024-01-01 10:00")
    lines = [shop.sale(str(n), day, customer="c") for n, day in enumerate(days)]
    rows = answers(tmp_path, {**shop.empty(), "sales": lines}, "yoy_growth")
    assert [row["yoy"] for row in rows] == [None] * 3
    assert [row["note"] for row in rows] == ["no_base", "incomplete", "non_positive_base"]


def test_11_a_year_before_that_is_not_covered_is_no_base(tmp_path: Path) -> None:
    lines = [shop.sale("1", "2023-01-02 10:00", customer="c"), shop.sale("2", "2024-02-29 10:00", customer="c")]
    rows = answers(tmp_path, {**shop.empty(), "sales": lines}, "yoy_growth")
    assert [(row["yoy"], row["ytd_yoy"], row["note"]) for row in rows] == [(None, None, "no_base")] * 2


SMALL = replace(
    synthetic.SMALL,
    start=date(2024, 3, 1),
    end=date(2025, 2, 10),
    new_customers_per_day=0.5,
    view_rate=0.8,
    cart_rate=0.4,
    purchase_rate=0.5,
)
SHOPS: dict[str, Row] = {
    "awkward": {},
    "busy": {"min_group_size": 2},
    "synthetic": {"min_group_size": 5},
    "synthetic, as of a day in the middle": {"min_group_size": 3, "as_of_date": date(2024, 11, 17)},
}


@pytest.fixture(scope="module", params=SHOPS)
def known(request: pytest.FixtureRequest, built_shop: Built, tmp_path_factory: pytest.TempPathFactory) -> Known:
    if request.param == "awkward":
        return Known(*built_shop(None), shop.PARAMETERS)
    parameters = {**shop.PARAMETERS, **SHOPS[request.param]}
    files = tmp_path_factory.mktemp("files")
    landed = shop.busy() if request.param == "busy" else synthetic.landed_rows(SMALL, files)
    questions = [f"questions.{name}" for name in ANSWERS]
    built = OnEngine(project(), tmp_path_factory.mktemp("built")).build(landed, parameters, *questions)
    return Known(built, metrics.Shop(landed, parameters["as_of_date"]), parameters)


@pytest.mark.parametrize("question", ANSWERS)
def test_an_answer_is_what_plain_python_finds(known: Known, question: str) -> None:
    expected = ANSWERS[question](known)
    ours = known.built.ordered(f"questions.{question}")
    names = names_of_keys(expected)
    assert [[str(row[name]) for name in names] for row in ours] == [
        [str(row[name]) for name in names] for row in expected
    ]
    for mine, theirs in zip(ours, expected, strict=True):
        differing = {name: (mine[name], value) for name, value in theirs.items() if not same(mine[name], value)}
        assert not differing, [mine[name] for name in names]


@pytest.mark.parametrize("question", ANSWERS)
def test_what_must_hold_of_an_answer_holds(known: Known, question: str) -> None:
    key = f"questions.{question}"
    relation = {key: known.built.relations[key]}
    for rule in known.built.project.catalog[key].rules:
        assert known.built.engine.fetch(str(rule.sql), relation).to_pylist() == [], rule.description


def names_of_keys(rows: list[Row]) -> list[str]:
    """Columns that tell rows apart: texts and dates."""
    return sorted({name for row in rows for name, value in row.items() if isinstance(value, str | date)})


def same(ours: Any, theirs: Any) -> bool:
    """Equal, money up to its last digit, ratios up to nine."""
    if isinstance(ours, float) or isinstance(theirs, float):
        return theirs is not None and ours == pytest.approx(float(theirs), rel=1e-9, abs=1e-9)
    return near(ours, theirs) if isinstance(ours, Decimal) else bool(ours == theirs)


def test_the_carts_of_yesterday_are_those_of_the_last_day_that_can_be_judged(tmp_path: Path) -> None:
    landed = {
        **shop.empty(),
        "customers": [
            {"customer_id": "yes", "marketing_consent": True},
            {"customer_id": "no", "marketing_consent": False},
        ],
        "products": [
            {"product_id": "P1", "product_name": "Lamp", "category": "Home", "price": Decimal("10")},
            {"product_id": "P2", "product_name": "Mug", "category": "Home", "price": Decimal("5")},
        ],
        "interactions": [
            *shop.acts("two", "2024-05-09", "10:00 view:P1@yes 10:01 cart:P2@yes 10:02 cart:P1@yes", device_id="a"),
            *shop.acts("late", "2024-05-09", "23:50 cart:P1", device_id="b"),
            *shop.acts("earlier", "2024-05-08", "23:59 cart:P1@no", device_id="c"),
            *shop.acts("today", "2024-05-10", "09:00 cart:P1@no", device_id="d"),
            *shop.acts("bought", "2024-05-09", "12:00 cart:P2@late", device_id="e"),
            *shop.acts("then", "2024-05-10", "11:00 purchase:P2@late", device_id="e"),
        ],
    }
    rows = answers(tmp_path, landed, "carts_abandoned_yesterday", as_of_date=date(2024, 5, 10))
    shown = [(r["day"], r["customer_id"], r["products"], r["value"], r["may_be_contacted"]) for r in rows]
    day = date(2024, 5, 9)
    assert shown == [(day, "yes", "Lamp, Mug", 15, True), (day, None, "Lamp", 10, False)]


def test_a_champion_who_slips_is_named_with_what_may_be_done(tmp_path: Path) -> None:
    days = [f"2024-{month:02}-{day:02} 10:00" for month in range(1, 7) for day in (1, 15)]
    lines = [shop.sale(f"best-{n}", day, 1, "90", customer="best") for n, day in enumerate(days[:-1])]
    lines += [shop.sale(f"c{n}", f"2024-0{1 + n}-10 10:00", 1, "10", customer=f"c{n}") for n in range(5)]
    lines += [shop.sale(f"d{n}", f"2024-07-{2 + n:02} 10:00", 1, "10", customer=f"d{n}") for n in range(9)]
    landed = {**shop.empty(), "customers": [{"customer_id": "best", "marketing_consent": True}], "sales": lines}
    (row,) = answers(tmp_path, landed, "slipped_champions", as_of_date=date(2024, 7, 20))
    assert (row["customer_id"], row["previous_segment"], row["may_be_contacted"]) == ("best", "Champions", True)
    assert row["segment"] != "Champions" and row["last_order_date"] == date(2024, 6, 1)
