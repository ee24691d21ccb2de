"""The tables of basket: one test for each rule and edge on small shops, and all figures against plain Python."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cxa_pipeline.models.tables import baskets_plots as plots
from cxa_pipeline.synthetic import ShopConfig
from tests.independent import metrics, shop, synthetic
from tests.independent.baskets import Baskets
from tests.independent.baskets_groups import pairs_by_group
from tests.independent.shop import sale
from tests.independent.tables import OnEngine, Row, Rows, project
from tests.integration.customer_shop import AS_OF, by, days_ago, failing

TABLES = ["basket.items", *(f"basket.{name}" for name in ("mining", "itemsets", "rules", "sequences"))]
TABLES += [
    "basket.cross_sell",
    "basket.bundles",
    "recommendation.pairs_by_group",
    "questions.products_to_offer",
    "questions.bundles",
]


def build(folder: Path, lines: Rows, *tables: str, products: Rows | None = None, **parameters: Any) -> OnEngine:
    """Tables of a shop as of AS_OF, in which two orders are enough and all are mined unless said otherwise."""
    given: Row = {**shop.PARAMETERS, "as_of_date": AS_OF, "basket_min_count": 2, "basket_holdout_days": 0, **parameters}
    folder.mkdir(exist_ok=True)
    return OnEngine(project(), folder).build(
        {**shop.empty(), "sales": lines, "products": products or []}, given, *tables
    )


def order(order_id: str, items: str, days: int = 10, customer: str | None = None, **given: Any) -> Rows:
    """One order of one of each of some products, whose ids are letters."""
    return [
        sale(f"{order_id}-{p}", days_ago(days), 1, "10", p, order=order_id, customer=customer, **given) for p in items
    ]


def many(baskets: str, **given: Any) -> Rows:
    """One order for each word."""
    return [line for n, items in enumerate(baskets.split()) for line in order(f"o{n}", items, **given)]


def held(built: OnEngine) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in built.rows("basket.order_items"):
        found.setdefault(row["order_id"], set()).add(row["product_id"])
    return found


# --- What a basket is ------------------------------------------------------------------------------------------------


def test_a_basket_holds_goods_of_which_more_was_bought_than_came_back(tmp_path: Path) -> None:
    lines = [
        *order("kept", "AB", customer="c"),
        sale("r1", days_ago(9), -1, "10", "B", order="kept", customer="c"),
        *order("linked", "AB"),
        sale("r2", days_ago(5), -1, "10", "A", order="R2", original_sale_id="linked-A"),
        sale("r3", days_ago(5), Decimal("-0.5"), "10", "B", order="linked"),
        *order("empty", "A"),
        sale("r4", days_ago(9), -2, "10", "A", order="empty"),
        *order("late return", "A"),
        sale("r5", f"{AS_OF + timedelta(days=1)} 12:00", -1, "10", "A", order="late return"),
        *order("unpaid", "AB", status="pending"),
        *order("services", "AS"),
        *order("later", "AB", days=-1),
    ]
    built = build(tmp_path, lines, "basket.order_items", products=[{"product_id": "S", "product_type": "service"}])
    assert held(built) == {"kept": {"A"}, "linked": {"B"}, "late return": {"A"}, "services": {"A"}}
    found = by(built.rows("basket.order_items"), "order_id")
    assert found["linked"]["quantity"] == Decimal("0.5") and found["linked"]["net_sales"] == 5
    assert (found["kept"]["customer_id"], found["linked"]["customer_id"]) == ("c", None)


def test_lines_of_one_product_are_one_item_and_an_order_of_one_item_is_a_basket(tmp_path: Path) -> None:
    lines = [sale(str(n), days_ago(9), 1, "10", "A", order="twice") for n in range(2)] + order("one", "A")
    built = build(tmp_path, lines, "basket.mining", "basket.itemsets")
    run = by(built.rows("basket.mining"), "level")["product"]
    assert [run[n] for n in ("baskets", "items", "basket_items", "single_item_baskets")] == [2, 1, 2, 2]
    assert [(r["itemset"], r["orders"]) for r in built.rows("basket.itemsets")] == [("A", 2)]


def test_the_price_of_a_product_is_its_list_price_or_the_median_paid(tmp_path: Path) -> None:
    paid = [sale(str(n), days_ago(9), 2, price, "B", order=f"o{n}") for n, price in enumerate(("3", "4", "9999"))]
    goods = [
        {"product_id": "A", "price": Decimal(20), "cost": Decimal(15), "category": "X/Y"},
        {"product_id": "B", "category": "X"},
        {"product_id": "C", "price": Decimal(20), "cost": Decimal(5), "category": "Z", "is_active": False},
        {"product_id": "D"},
    ]
    rows = by(
        build(tmp_path, [*paid, *order("o1", "A")], "basket.items", products=goods).rows("basket.items"),
        "level",
        "item",
    )
    assert [rows["product", p]["price"] for p in "ABCD"] == [20, 4, 20, None]
    assert [rows["product", p]["margin_rate"] for p in "ABC"] == pytest.approx([0.25, 0.5, 0.75])
    assert [rows["product", p]["is_offered"] for p in "ABCD"] == [True, True, False, True]
    assert set(rows) == {("product", p) for p in "ABCD"} | {("category", c) for c in "XZ"}
    # Category X: 6 + 8 + 19998 for B at a margin of one half and 10 for A at a quarter, in three orders.
    assert rows["category", "X"]["price"] == pytest.approx(Decimal(20022) / 3, abs=Decimal("0.0001"))
    assert rows["category", "X"]["margin_rate"] == pytest.approx((20012 * 0.5 + 10 * 0.25) / 20022)
    assert (rows["category", "Z"]["price"], rows["category", "Z"]["is_offered"]) == (None, False)


def test_without_any_cost_the_price_counts_in_full(tmp_path: Path) -> None:
    rows = build(tmp_path, order("o", "A"), "basket.items").rows("basket.items")
    assert [r["margin_rate"] for r in rows] == [1.0]


# --- Mining ----------------------------------------------------------------------------------------------------------


def test_too_many_itemsets_raise_the_fewest_orders_and_the_run_says_to_what(tmp_path: Path) -> None:
    baskets = "ABC " * 2 + "AB " * 2 + "A"
    run = by(build(tmp_path, many(baskets), "basket.mining", basket_max_itemsets=3).rows("basket.mining"), "level")
    # 2 orders: ABC and all its parts, 7 itemsets; 3 and 4 orders: A, B and AB.
    found = [run["product"][n] for n in ("asked_count", "min_count", "is_raised", "itemsets", "candidates")]
    assert found == [2, 3, True, 3, 2]


def test_five_orders_are_asked_for_or_one_in_two_thousand(tmp_path: Path) -> None:
    few = build(tmp_path / "few", many("A"), "basket.mining", basket_min_count=None)
    assert by(few.rows("basket.mining"), "level")["product"]["asked_count"] == 5
    many_orders = [sale(str(n), days_ago(9), 1, "1", "A", order=f"o{n}") for n in range(10_001)]
    lots = build(tmp_path / "many", many_orders, "basket.mining", basket_min_count=None)
    assert by(lots.rows("basket.mining"), "level")["product"]["asked_count"] == 6


def test_giant_baskets_are_told_of_and_count(tmp_path: Path) -> None:
    giant = [sale(f"g{n}", days_ago(9), 1, "1", f"P{n:03}", order="giant") for n in range(51)]
    run = by(build(tmp_path, [*giant, *many("A A")], "basket.mining").rows("basket.mining"), "level")["product"]
    found = [run[n] for n in ("baskets", "largest_basket", "giant_baskets", "giant_item_share")]
    assert found == [3, 51, 1, pytest.approx(51 / 53)]


def test_the_last_days_are_kept_back_if_data_go_back_three_times_as_long(tmp_path: Path) -> None:
    for first_day, expected in ((84, (AS_OF - timedelta(days=28), 2, 2)), (83, (AS_OF, 4, 0))):
        lines = [*order("a", "A", first_day), *order("b", "A", 28), *order("c", "A", 27), *order("d", "A", 0)]
        built = build(tmp_path / str(first_day), lines, "basket.mining", basket_holdout_days=28)
        run = by(built.rows("basket.mining"), "level")["product"]
        assert (run["mined_until"], run["baskets"], run["holdout_baskets"]) == expected
        assert run["holdout_from"] == (AS_OF - timedelta(days=27) if expected[2] else None)


def test_orders_that_were_kept_back_are_looked_up_and_not_mined(tmp_path: Path) -> None:
    old = [order(f"o{n}", items, 100) for n, items in enumerate(("AB", "AB", "AB", "C", "C", "D", "E", "E"))]
    new = [order(f"n{n}", items, 3) for n, items in enumerate(("AB", "AB", "A", "C", "C", "CE", "C", "C"))]
    lines = [line for lines in (*old, *new) for line in lines]
    rule = by(
        build(tmp_path, lines, "basket.rules", basket_holdout_days=28).rows("basket.rules"), "antecedent", "consequent"
    )
    names = [
        "baskets",
        "orders",
        "holdout_baskets",
        "holdout_antecedent_orders",
        "holdout_consequent_orders",
        "holdout_orders",
    ]
    assert [rule["A", "B"][n] for n in names] == [8, 3, 8, 3, 2, 2]
    assert rule["A", "B"]["holdout_lift"] == pytest.approx(2 * 8 / 6)
    assert rule["A", "B"]["holdout_p_value"] == pytest.approx(3 / 28) and not rule["A", "B"]["replicates"]
    assert set(rule) == {("A", "B"), ("B", "A")}


def test_keys_of_ids_with_bars_are_told_apart(tmp_path: Path) -> None:
    baskets = [("a|b", "c"), ("a", "b|c"), ("a\\", "b")]
    lines = [
        sale(f"{n}-{k}-{p}", days_ago(9), 1, "10", p, order=f"o{n}-{k}") for n, b in enumerate(baskets) for p in b for k in range(9)
    ]  # fmt: skip
    built = build(tmp_path, lines, "basket.itemsets", "basket.cross_sell")
    keys = {r["itemset"] for r in built.rows("basket.itemsets") if r["size"] == 2}
    assert keys == {"a\\|b|c", "a|b\\|c", "a\\\\|b"}
    pairs = {(r["product_id"], r["recommended_product_id"]) for r in built.rows("basket.cross_sell")}
    assert pairs == {pair for b in baskets for pair in (b, b[::-1])}


# --- What is offered -------------------------------------------------------------------------------------------------


def test_only_what_can_be_sold_is_offered(tmp_path: Path) -> None:
    goods: Rows = [{"product_id": p, "price": Decimal(10)} for p in "ABC"]
    goods[1]["is_active"], goods[2]["stock_quantity"] = False, 0
    built = build(tmp_path, many("ABC " * 9 + "D " * 9 + "E"), "basket.cross_sell", "basket.bundles", products=goods)
    pairs = {(r["product_id"], r["recommended_product_id"]) for r in built.rows("basket.cross_sell")}
    assert pairs == {("B", "A"), ("C", "A")} and built.rows("basket.bundles") == []


def test_offers_are_ranked_by_gain_and_bundles_need_every_rule(tmp_path: Path) -> None:
    # A and B belong together, as do A and C; B and C meet only where A is, so that ABC is no bundle of its own.
    baskets = "AB " * 20 + "AC " * 20 + "ABC " * 2 + "D " * 60 + "B C "
    goods = [
        {"product_id": p, "product_name": f"Name {p}", "price": Decimal(v)}
        for p, v in zip("ABCD", (5, 1, 9, 4), strict=True)
    ]
    built = build(tmp_path, many(baskets), "questions.products_to_offer", "questions.bundles", products=goods)
    ranked = by(built.rows("basket.cross_sell"), "product_id", "rank")
    assert [ranked["A", n]["recommended_product_id"] for n in (1, 2)] == ["C", "B"]
    # 104 orders; A in 42, C in 23, both in 22.
    assert ranked["A", 1]["expected_gain"] == pytest.approx((22 / 104 - 42 * 23 / 104**2) * 9)
    assert ranked["A", 1]["recommended_product_name"] == "Name C"
    bundles = by(built.rows("basket.bundles"), "bundle")
    assert set(bundles) == {"A|B", "A|C"}
    assert [bundles["A|C"][n] for n in ("rank", "price", "added_product_id")] == [1, 14, "C"]
    assert bundles["A|C"]["expected_orders"] == pytest.approx(42 * 23 / 104)
    (first, *_) = built.ordered("questions.bundles")
    assert first["gain_per_1000_orders"] == pytest.approx(
        Decimal(1000 * bundles["A|C"]["expected_gain"]), abs=Decimal("0.001")
    )


def test_categories_are_items_of_their_own_level_and_unknown_is_none(tmp_path: Path) -> None:
    goods = [{"product_id": p, "category": c} for p, c in zip("ABC", ("X/1", "X/2", "Y"), strict=True)]
    built = build(tmp_path, many("ABC AB CD D"), "basket.mining", "basket.itemsets", products=goods)
    found = {r["itemset"]: r["orders"] for r in built.rows("basket.itemsets") if r["level"] == "category"}
    assert found == {"X": 2, "Y": 2}
    run = by(built.rows("basket.mining"), "level")["category"]
    assert [run[n] for n in ("baskets", "items", "basket_items")] == [4, 2, 4]


# --- What comes next -------------------------------------------------------------------------------------------------


def test_the_next_purchase_is_that_of_the_customers_next_day_within_the_window(tmp_path: Path) -> None:
    lines = [
        *(x for c in ("c1", "c2") for x in (*order(f"{c}1", "A", 100, c), *order(f"{c}2", "B", 90, c), *order(f"{c}3", "C", 80, c))),
        *(x for c in ("c3", "c4") for x in (*order(f"{c}1", "A", 100, c), *order(f"{c}2", "B", 9, c))),
        *(x for c in ("c5", "c6") for x in (*order(f"{c}1", "A", 100, c), *order(f"{c}2", "B", 100, c))),
        *order("g1", "A", 50), *order("g2", "B", 40),
    ]  # fmt: skip
    found = by(build(tmp_path, lines, "basket.sequences").rows("basket.sequences"), "kind", "first_item", "then_item")
    assert set(found) == {("next", "A", "B"), ("next", "B", "C"), ("second", "A", "B")}
    row = found["next", "A", "B"]
    names = ["steps", "first_steps", "then_steps", "both_steps", "step_customers", "customers", "median_days"]
    assert [row[n] for n in names] == [4, 2, 2, 2, 2, 2, 10.0]
    assert (row["confidence"], row["base_rate"], row["lift"], row["support"]) == (1.0, 0.5, 2.0, 1.0)


# --- Everything --------------------------------------------------------------------------------------------------------


def test_a_shop_without_orders_has_empty_tables_and_a_warning(tmp_path: Path) -> None:
    built = build(tmp_path, [], *TABLES)
    assert {table: len(built.rows(table)) for table in TABLES if built.rows(table)} == {"basket.mining": 2}
    assert failing(built, "basket.mining") == ["there_are_baskets"]


def test_one_order_and_returns_alone_are_no_trouble(tmp_path: Path) -> None:
    for name, lines in (("one", order("o", "ABC")), ("returns", [sale("r", days_ago(3), -1, "10", "A", order="r")])):
        built = build(tmp_path / name, lines, *TABLES, basket_min_count=None)
        assert [r["itemsets"] for r in built.rows("basket.mining")] == [0, 0]
        assert built.rows("basket.rules") == built.rows("basket.sequences") == []


SMALL = ShopConfig(
    start=date(2024, 3, 1), end=date(2025, 2, 10), new_customers_per_day=0.8, history_days=200, products=48, affinities=4,
    bots=1, view_rate=0.1, dirt=0.0, split="single",
)  # fmt: skip
SHOPS: dict[str, Row] = {
    "awkward": {"basket_min_count": 2},
    "synthetic": {"basket_min_count": 3},
    "synthetic, few itemsets of three at most": {"basket_max_itemsets": 60, "basket_max_length": 3},
    "synthetic, as of a day in the middle": {"as_of_date": date(2024, 11, 17), "basket_holdout_days": 60},
}


QUICK = ("awkward", "synthetic")


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in SHOPS]
)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[OnEngine, Baskets]]:
    """The tables of a shop, and the same in plain Python."""
    parameters = {**shop.PARAMETERS, **SHOPS[request.param]}
    is_small = request.param.startswith("synthetic")
    landed = synthetic.landed_rows(SMALL, tmp_path_factory.mktemp("files")) if is_small else shop.nasty()
    landed = {**landed, "interactions": []}
    built = OnEngine(project(), tmp_path_factory.mktemp("built")).build(landed, parameters, *TABLES)
    yield built, Baskets(metrics.Shop(landed, parameters["as_of_date"]), parameters)


def same(ours: Any, theirs: Any) -> bool:
    if theirs is None or isinstance(theirs, str | bool):
        return ours is None if theirs is None else ours == theirs
    return bool(ours is not None and float(ours) == pytest.approx(float(theirs), rel=1e-8, abs=1e-10))


def differing(row: Row, expected: Row) -> Row:
    return {name: (row[name], value) for name, value in expected.items() if not same(row[name], value)}


def test_all_rules_of_the_contracts_hold(both: tuple[OnEngine, Baskets]) -> None:
    assert {table: failing(both[0], table) for table in TABLES[:-2] if failing(both[0], table)} == {}


def test_itemsets_are_those_that_plain_python_counts(both: tuple[OnEngine, Baskets]) -> None:
    built, plain = both
    runs = by(built.rows("basket.mining"), "level")
    for level in ("product", "category"):
        expected, least = plain.itemsets(level)
        rows = [r for r in built.rows("basket.itemsets") if r["level"] == level]
        assert {r["itemset"]: r["orders"] for r in rows} == {"|".join(items): n for items, n in expected.items()}
        assert (runs[level]["min_count"], runs[level]["mined_until"]) == (least, plain.mined_until)
        assert [runs[level][n] for n in ("baskets", "holdout_baskets")] == [len(part) for part in plain.parts(level)]


def test_items_are_worth_what_plain_python_finds(both: tuple[OnEngine, Baskets]) -> None:
    built, plain = both
    for row in built.rows("basket.items"):
        if row["orders"]:
            expected = {
                "price": plain.price(row["level"], row["item"]),
                "margin_rate": plain.margin_rate(row["level"], row["item"]),
            }
            assert all(float(row[n]) == pytest.approx(v, rel=1e-4, abs=1e-4) for n, v in expected.items()), row


def test_rules_are_those_of_plain_python_in_every_figure(both: tuple[OnEngine, Baskets]) -> None:
    built, plain = both
    rules = by(built.rows("basket.rules"), "level", "antecedent", "consequent")
    expected = {
        (level, r["antecedent"], r["consequent"]): r for level in ("product", "category") for r in plain.rules(level)
    }
    assert set(rules) == set(expected) and len(rules) >= 4
    money = ("price", "margin_rate", "expected_gain")
    for at, row in expected.items():
        assert not differing(rules[at], {n: v for n, v in row.items() if n not in money}), at
        for name in money:
            ours, theirs = rules[at][name], row[name]
            assert (ours is None) == (theirs is None) and (
                ours is None or float(ours) == pytest.approx(theirs, rel=1e-3, abs=1e-6)
            )


def test_offers_and_bundles_are_chosen_from_the_rules(both: tuple[OnEngine, Baskets]) -> None:
    built, plain = both
    rules = [r for r in plain.rules("product") if r["is_recommended"]]
    offers = {
        (r["antecedent"], r["consequent"])
        for r in rules
        if r["antecedent_size"] == 1 and plain.is_offered(r["consequent"])
    }
    rows = built.rows("basket.cross_sell")
    assert {(r["product_id"], r["recommended_product_id"]) for r in rows} == offers
    for product_id in {r["product_id"] for r in rows}:
        ordered = sorted((r for r in rows if r["product_id"] == product_id), key=lambda r: r["rank"])
        gains = [r["expected_gain"] for r in ordered]
        assert [r["rank"] for r in ordered] == list(range(1, len(ordered) + 1)) and gains == sorted(gains, reverse=True)
    complete = {
        i for i in {r["itemset"] for r in rules} if i.count("|") + 1 == sum(r["itemset"] == i for r in rules) <= 3
    }
    assert {r["bundle"] for r in built.rows("basket.bundles")} == {
        i for i in complete if all(plain.is_offered(p) for p in i.split("|"))
    }


def test_pairs_hold_in_the_groups_in_which_plain_python_finds_them(both: tuple[OnEngine, Baskets]) -> None:
    built, plain = both
    segments = {row["customer_id"]: row["segment"] for row in built.rows("customer.rfm")}
    offers = by(built.rows("basket.cross_sell"), "product_id", "recommended_product_id")
    expected = pairs_by_group(plain, list(offers.values()), segments)
    rows = by(
        built.rows("recommendation.pairs_by_group"), "product_id", "recommended_product_id", "dimension", "member"
    )
    assert set(rows) == set(expected)
    assert {at[2] for at in rows} == ({"season", "store", "segment"} if offers else set())
    for at, row in expected.items():
        chances = {name: row.pop(name) for name in ("p_value", "q_value")}
        assert str(rows[at]["both_since"]) == row.pop("both_since")
        assert not differing(rows[at], row), at
        for name, value in chances.items():  # The normal tail of the table is good to seven digits.
            ours = rows[at][name]
            assert (ours is None) == (value is None) and (value is None or ours == pytest.approx(value, rel=1e-5)), at


def test_a_pair_that_sells_in_winter_is_stronger_there(tmp_path: Path) -> None:
    """In January A and B go together, in July they do not; what was sold before there was a B says nothing."""
    january, july = (AS_OF - date(AS_OF.year - 1, month, 15) for month in (1, 7))
    lines = [
        line
        for n in range(60)
        for days, baskets in ((january.days, ("AB", "C")), (july.days, ("AC", "B")))
        for i, items in enumerate(baskets)
        for line in order(f"{days}-{n}-{i}", items, days)
    ]
    lines += [line for n in range(30) for line in order(f"x{n}", "AB", january.days - 1)]
    lines += [line for n in range(200) for line in order(f"y{n}", "D", july.days)]
    lines += [line for n in range(40) for line in order(f"z{n}", "A", january.days + 60)]
    built = build(tmp_path, lines, "recommendation.pairs_by_group", "questions.where_pairs_hold")
    verdicts = {
        row["member"]: row["verdict"]
        for row in built.rows("recommendation.pairs_by_group")
        if (row["product_id"], row["recommended_product_id"], row["dimension"]) == ("A", "B", "season")
    }
    assert verdicts == {"December to February": "stronger", "June to August": "weaker"}
    asked = built.ordered("questions.where_pairs_hold")
    assert {(row["dimension"], row["group_name"]) for row in asked if row["recommended_product_id"] == "B"} == {
        ("season", "December to February")
    }
    (tmp_path / "one").mkdir()
    one = build(tmp_path / "one", lines, "recommendation.pairs_by_group", pairs_by_group=1)
    assert len({(r["product_id"], r["recommended_product_id"]) for r in one.rows("recommendation.pairs_by_group")}) == 1


def test_sequences_are_those_of_plain_python(both: tuple[OnEngine, Baskets]) -> None:
    built, plain = both
    rows = built.rows("basket.sequences")
    if plain.parameters["basket_max_itemsets"] == 60:
        assert max(r["min_customers"] for r in rows) > 5
        return
    for level in ("product", "category"):
        for kind in ("next", "second"):
            ours = by([r for r in rows if (r["level"], r["kind"]) == (level, kind)], "first_item", "then_item")
            expected = plain.sequences(level, kind)
            assert set(ours) == set(expected)
            assert not [at for at in expected if differing(ours[at], expected[at])]


def test_the_picture_of_the_rules_has_a_point_for_each_recommended_one(both: tuple[OnEngine, Baskets]) -> None:
    import pandas as pd

    rules = pd.DataFrame(both[0].rows("basket.rules"))
    figure = plots.rules(rules)
    drawn = [len(points.get_offsets()) for axes in figure.axes for points in axes.collections if axes.get_xlabel()]
    assert sum(drawn) == rules["is_recommended"].sum()
