"""The tables of recommendation on shops small enough to know who must get what."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxa_pipeline.models.tables import recommendations, recommendations_evaluation
from cxa_pipeline.models.tables.recommendations_plots import ndcg
from tests.independent.shop import sale
from tests.independent.tables import OnEngine, Rows
from tests.integration.conftest import Built
from tests.integration.customer_shop import AS_OF, build, by, days_ago, failing, own, recomputed, visit
from tests.integration.test_models_identities import changed

TABLES = (
    "recommendation.interactions",
    "recommendation.model_choice",
    "recommendation.evaluation",
    "recommendation.reason_evaluation",
    "recommendation.for_customer",
    "recommendation.similar_products",
    "recommendation.for_customer_wide",
    "recommendation.personalization",
    "recommendation.bias_audit",
    "questions.offers_for_customers",
    "questions.products_to_show_with",
)
IDENTITIES = ("recommendations_are_allowed", "recommendations_are_complete")


def bought(customer: str, days: int, *products: str, **given: Any) -> Rows:
    """One order of some products so many days before the as-of date."""
    order = f"{customer}-{days}-{'-'.join(products)}"
    return [sale(f"{order}/{p}", days_ago(days), 1, "10", p, customer=customer, order=order, **given) for p in products]


def broken(built: OnEngine) -> list[str]:
    """What is wrong in any table by its own rules, or by the identities."""
    rules = [f"{table}: {rule}" for table in TABLES[1:6] for rule in failing(built, table)]
    return rules + [row["item"] for name in IDENTITIES for row in built.identity(name) if row["difference"] != 0]


def listed(built: OnEngine) -> dict[str, list[str]]:
    """Products of each customer in the order of their ranks."""
    rows = sorted(built.rows("recommendation.for_customer"), key=lambda row: (row["customer_id"], row["rank"]))
    found = defaultdict(list)
    for row in rows:
        found[row["customer_id"]].append(row["product_id"])
    return found


def goods(*names: str, **given: Any) -> Rows:
    return [
        {"product_id": p, "product_name": f"The {p}", "category": "C", "price": Decimal(10), **given} for p in names
    ]


@pytest.fixture(scope="module")
def corner(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    """A corner shop: a few buyers, a newcomer, a browser, and products that must not be offered."""
    products = [
        *goods("A", "B", "D", "E"),
        *goods("GONE", is_active=False),
        *goods("SOLD OUT", stock_quantity=0),
        *goods("POST", product_type="service"),
        *goods("CARD", product_type="voucher"),
        *goods("MILK", category="Groceries"),
    ]
    lines = [
        *(
            line
            for n in range(6)
            for line in bought(f"c{n}", 100 + n, "A", "B", "GONE", "SOLD OUT", "POST", "CARD", "MILK")
        ),
        *bought("edge", 364, "D"),
        *bought("edge", 365, "E"),
        *bought("unpaid", 10, "D", status="pending"),
        *bought("counter", 5, "D", store_id="counter"),
    ]
    landed = {
        "sales": lines,
        "products": products,
        "interactions": [*visit("looks", 3, "view:A", "view:A", "cart:A", "view:GONE"), *visit("c0", 2, "view:D")],
        "customers": [{"customer_id": "new", "age": 30, "location": "Berlin"}, {"customer_id": "looks"}],
        "stores": [{"store_id": "counter", "channel": "store"}],
    }
    return build(tmp_path_factory.mktemp("corner"), landed, *TABLES, recommendations_per_customer=3)


def test_every_rule_and_identity_holds(corner: OnEngine) -> None:
    assert broken(corner) == []


def test_every_customer_has_a_full_list(corner: OnEngine) -> None:
    found = listed(corner)
    assert set(found) == {row["customer_id"] for row in corner.rows("core.customers")} >= {"new", "looks", "unpaid"}
    # Those who bought A and B are left with D, E and milk.
    assert {len(products) for products in found.values()} == {3}


def test_only_goods_that_are_sold_and_in_stock_are_offered(corner: OnEngine) -> None:
    offered = {product for products in listed(corner).values() for product in products}
    assert offered == {"A", "B", "D", "E", "MILK"}
    similar = {row["similar_product_id"] for row in corner.rows("recommendation.similar_products")}
    assert similar and similar <= {"A", "B", "D", "E", "MILK"}
    of = {row["product_id"] for row in corner.rows("recommendation.similar_products")}
    assert "GONE" in of and not of & {"POST", "CARD"}


def test_what_was_bought_lately_waits_and_groceries_do_not(corner: OnEngine) -> None:
    found = listed(corner)
    for n in range(6):
        assert set(found[f"c{n}"]) == {"D", "E", "MILK"}
    assert "D" not in found["counter"]  # bought at the counter, 5 days ago
    wide = {row["customer_id"]: set(row.values()) for row in corner.rows("recommendation.for_customer_wide")}
    assert "D" not in wide["counter"]


def test_the_repurchase_window_ends_after_its_last_day(tmp_path: Path) -> None:
    lines = [*bought("edge", 364, "D"), *bought("past", 365, "D"), *bought("x", 1, "D", "E")]
    built = build(tmp_path, {"sales": lines, "products": goods("D", "E")}, "recommendation.for_customer")
    assert listed(built) == {"edge": ["E"], "past": ["D", "E"]}
    again = build(
        tmp_path, {"sales": lines, "products": goods("D", "E")}, "recommendation.for_customer", repurchase_days=0
    )
    assert all(set(products) == {"D", "E"} for products in listed(again).values())


def test_how_many_customers_are_served_at_once_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [row for n in range(7) for row in bought(f"c{n}", n, "A", "BCDE"[n % 4])]
    shop = {"sales": lines, "products": goods(*"ABCDE")}
    whole = build(tmp_path, shop, "recommendation.for_customer").rows("recommendation.for_customer")
    monkeypatch.setattr(recommendations, "CUSTOMERS", 2)
    parts = build(tmp_path, shop, "recommendation.for_customer").rows("recommendation.for_customer")
    assert by(parts, "customer_id", "rank") == by(whole, "customer_id", "rank") and len(whole) > 7


def test_a_day_counts_once_by_its_strongest_event(corner: OnEngine) -> None:
    rows = by(corner.rows("recommendation.interactions"), "customer_id", "product_id", "interaction_date")
    day = AS_OF - timedelta(days=3)
    looked = rows["looks", "A", day]
    assert [looked[n] for n in ("weight", "views", "carts", "purchases")] == [3, 2, 1, 0]
    assert rows["counter", "D", AS_OF - timedelta(days=5)]["purchases"] == 1
    assert not [key for key in rows if key[0] == "unpaid" or key[1] in ("POST", "CARD")]


def test_new_customers_get_what_sells_and_are_told_so(corner: OnEngine) -> None:
    rows = [row for row in corner.rows("recommendation.for_customer") if row["customer_id"] in ("new", "unpaid")]
    assert len(rows) == 6
    assert all(row["is_fallback"] and row["model"].startswith("popularity") for row in rows)
    assert {row["reason_type"] for row in rows} <= {"popular", "popular_in_segment"}
    first = next(row for row in rows if row["customer_id"] == "new" and row["rank"] == 1)
    assert first["reason_product_id"] is None and 0 < first["evidence_customers"] <= first["evidence_of_customers"]


def test_few_customers_prove_nothing_so_popularity_is_served(corner: OnEngine) -> None:
    assert {row["model"] for row in corner.rows("recommendation.for_customer")} <= {
        "popularity_7", "popularity_28", "popularity_all", "popularity_segment_28", "popularity_segment_all",
    }  # fmt: skip


def test_the_wide_view_shows_the_same_lists_by_name(corner: OnEngine) -> None:
    found = listed(corner)
    for row in corner.rows("recommendation.for_customer_wide"):
        products = found[row["customer_id"]]
        assert [row[f"rec_{n}_product_id"] for n in range(1, 11)] == products + [None] * (10 - len(products))
        assert row["rec_1"] == f"The {products[0]}"
    new = by(corner.rows("recommendation.for_customer_wide"), "customer_id")["new"]
    assert (new["location"], new["recommendations"], new["is_fallback"]) == ("Berlin", 3, True)


def test_the_feed_of_a_site_tells_tastes_and_next_products(corner: OnEngine) -> None:
    rows = by(corner.rows("recommendation.personalization"), "customer_id")
    assert set(rows) == {row["customer_id"] for row in corner.rows("core.customers")}
    looks, new, buyer = rows["looks"], rows["new"], rows["c1"]
    assert (looks["top_categories"], looks["visits"], looks["best_daypart"]) == ("C", 1, "morning")
    assert [new[n] for n in ("top_categories", "price_band", "preferred_device", "best_daypart", "visits")] == [
        None
    ] * 4 + [0]
    assert buyer["best_daypart"] == "afternoon"  # ordered at noon
    assert new["next_products"] == " | ".join(listed(corner)["new"])


def test_the_audit_counts_what_was_offered_and_bought(corner: OnEngine) -> None:
    rows = corner.rows("recommendation.bias_audit")
    offered = Counter(row["category"] for row in corner.rows("recommendation.for_customer"))
    everybody = {row["value"]: row for row in rows if (row["dimension"], row["group_kind"]) == ("category", "all")}
    assert {value: row["recommendations"] for value, row in everybody.items()} == {
        "C": offered["C"],
        "Groceries": offered["Groceries"],
    }
    # Within 365 days: six times A, B, GONE, SOLD OUT; D by two; E was a day earlier. Milk six times.
    assert (everybody["C"]["purchases"], everybody["Groceries"]["purchases"]) == (26, 6)
    assert everybody["Groceries"]["bought_share"] == pytest.approx(6 / 32)
    assert (everybody["C"]["products"], everybody["C"]["all_products"]) == (4, 5)
    for kind in ("age_group", "gender"):
        parts = [row for row in rows if row["dimension"] == "category" and row["group_kind"] == kind]
        assert sum(row["purchases"] for row in parts) == 32
        assert sum(row["recommendations"] for row in parts) == sum(offered.values())


def test_the_question_says_why_in_words(corner: OnEngine) -> None:
    rows = by(corner.rows("questions.offers_for_customers"), "customer_id", "rank")
    assert rows["new", 1]["why"].startswith("Bought by ") and rows["new", 1]["why"].endswith(" buyers")


@pytest.mark.parametrize("change", ["service", "inactive", "stock", "bought", "short"])
def test_the_identities_find_what_must_not_be(corner: OnEngine, change: str) -> None:
    mine = own(corner)
    rows = corner.rows("recommendation.for_customer")
    wrong = {
        "service": ("new", "POST"),
        "inactive": ("new", "GONE"),
        "stock": ("new", "SOLD OUT"),
        "bought": ("c0", "A"),
    }
    if change == "short":
        rows = [row for row in rows if (row["customer_id"], row["rank"]) != ("new", 3)]
    else:
        customer, product = wrong[change]
        rows = [
            {**row, "product_id": product} if (row["customer_id"], row["rank"]) == (customer, 1) else row
            for row in rows
        ]
    mine.folder = mine.folder / change
    mine.folder.mkdir()
    mine._store(mine.project.catalog["recommendation.for_customer"], rows)
    found = [row for name in IDENTITIES for row in mine.identity(name) if row["difference"] != 0]
    words = {
        "service": "services",
        "inactive": "inactive",
        "stock": "out of stock",
        "bought": "bought lately",
        "short": "shorter",
    }
    assert any(words[change] in row["item"] for row in found), found


def two_tastes(customers: int = 240, seed: int = 11) -> dict[str, Rows]:
    """Half of the customers buy tea things and half tools, some of both; each thing at most once."""
    rng = np.random.default_rng(seed)
    tea, tools = [f"TEA{n:02}" for n in range(15)], [f"TOOL{n:02}" for n in range(15)]
    lines = []
    for n in range(customers):
        own_, other = (tea, tools) if n % 2 else (tools, tea)
        bag = [*rng.permutation(own_)[:8], *rng.permutation(other)[:1]]
        days = np.sort(rng.integers(0, 200, len(bag)))[::-1]
        lines += [
            line
            for product, day in zip(rng.permutation(bag), days, strict=True)
            for line in bought(f"c{n:03}", int(day), product)
        ]
    products = [*goods(*tea), *goods(*tools)]
    return {"sales": lines, "products": products}


@pytest.fixture(scope="module")
def tastes(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    return build(tmp_path_factory.mktemp("tastes"), two_tastes(), *TABLES)


def test_where_tastes_differ_the_hybrid_is_served_and_knows_them(tastes: OnEngine) -> None:
    assert broken(tastes) == []
    rows = tastes.rows("recommendation.for_customer")
    assert {row["model"] for row in rows} == {"hybrid"}
    lately = defaultdict(set)
    for row in tastes.rows("recommendation.interactions"):
        lately[row["customer_id"]].add(row["product_id"])
    first = [row for row in rows if row["rank"] <= 5]
    own_taste = [row["product_id"].startswith("TEA" if int(row["customer_id"][1:]) % 2 else "TOOL") for row in first]
    assert sum(own_taste) / len(own_taste) > 0.95
    assert not [row for row in rows if row["product_id"] in lately[row["customer_id"]]]
    for row in rows:
        if row["reason_product_id"]:
            assert row["reason_product_id"] in lately[row["customer_id"]]


def test_evidence_is_what_one_counts_by_hand(tastes: OnEngine) -> None:
    has = defaultdict(set)
    for row in tastes.rows("recommendation.interactions"):
        has[row["product_id"]].add(row["customer_id"])
    checked = 0
    for row in tastes.rows("recommendation.for_customer"):
        if row["reason_product_id"]:
            both = has[row["product_id"]] & has[row["reason_product_id"]]
            assert (row["evidence_customers"], row["evidence_of_customers"]) == (
                len(both),
                len(has[row["reason_product_id"]]),
            )
            checked += 1
    assert checked > 100
    for row in tastes.rows("recommendation.similar_products"):
        a, b = has[row["product_id"]], has[row["similar_product_id"]]
        both = len(a & b)
        assert (row["customers_both"], row["customers"], row["similar_customers"]) == (both, len(a), len(b))
        assert row["similarity"] == pytest.approx(both / (len(a) * len(b)) ** 0.5 * both / (both + 20))


def test_the_evaluation_is_a_plain_recomputation(tastes: OnEngine) -> None:
    """Popularity of all time: lists, wanted products and nDCG@10 again, with dictionaries."""
    cutoff, before, after = AS_OF - timedelta(days=28), defaultdict(set), defaultdict(set)
    for row in tastes.rows("recommendation.interactions"):
        part = before if row["interaction_date"] <= cutoff else after
        part[row["customer_id"]].add(row["product_id"])
    sold = Counter(product for products in before.values() for product in products)
    ranked = sorted(sold, key=lambda product: (-sold[product], product))
    values = []
    for customer, products in after.items():
        wanted = {p for p in products - before[customer] if p in sold}
        if before[customer] and wanted:
            shown = [p for p in ranked if p not in before[customer]][:10]
            gain = sum(1 / np.log2(n + 2) for n, p in enumerate(shown) if p in wanted)
            values.append(gain / sum(1 / np.log2(n + 2) for n in range(min(len(wanted), 10))))
    rows = by(tastes.rows("recommendation.evaluation"), "model", "metric", "k", "audience")
    found = rows["popularity_all", "ndcg", 10, "warm"]
    assert (found["n"], found["value"]) == (len(values), pytest.approx(np.mean(values)))
    assert found["ci_low"] < found["value"] < found["ci_high"] and found["is_baseline"]
    hybrid = rows["hybrid", "ndcg", 10, "warm"]
    assert hybrid["is_served"] and hybrid["difference_ci_low"] > 0
    best = max(
        (r for r in rows.values() if r["is_baseline"] and r["metric"] == "ndcg" and r["k"] == 10),
        key=lambda r: r["value"],
    )
    assert hybrid["difference"] == pytest.approx(hybrid["value"] - best["value"])


def test_what_happens_after_the_cut_off_cannot_change_what_was_recommended(tastes: OnEngine, tmp_path: Path) -> None:
    """Sales of the test window moved to other customers: choice and weights stay, to the last digit."""
    landed = two_tastes()
    customers = sorted({row["customer_id"] for row in landed["sales"]})
    cutoff = AS_OF - timedelta(days=28)
    following = dict(zip(customers, [*customers[1:], customers[0]], strict=True))
    moved = [
        {**row, "customer_id": following[row["customer_id"]]} if row["sold_date"] > cutoff else row
        for row in landed["sales"]
    ]
    changed = build(tmp_path, {**landed, "sales": moved}, "recommendation.model_choice")
    assert changed.rows("recommendation.model_choice") == tastes.rows("recommendation.model_choice")


def test_the_held_out_estimate_of_reasons_adds_up_to_the_precision(tastes: OnEngine) -> None:
    rows = tastes.rows("recommendation.reason_evaluation")
    evaluated = by(tastes.rows("recommendation.evaluation"), "model", "metric", "k", "audience")
    precision = evaluated["hybrid", "precision", 10, "warm"]
    assert sum(row["recommendations"] for row in rows) == 10 * precision["n"]
    assert sum(row["hits"] for row in rows) / (10 * precision["n"]) == pytest.approx(precision["value"])


def test_the_picture_has_a_bar_for_every_recommender(tastes: OnEngine) -> None:
    rows = pd.DataFrame(tastes.rows("recommendation.evaluation"))
    axes = ndcg(rows).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert sorted(names) == sorted(rows["model"].unique()) and len(axes.patches) == len(names)


def test_a_second_run_gives_equal_rows(tastes: OnEngine, tmp_path: Path) -> None:
    again = build(tmp_path, two_tastes(), "recommendation.for_customer", "recommendation.evaluation")
    for table in ("recommendation.for_customer", "recommendation.evaluation"):
        assert again.rows(table) == tastes.rows(table)


@pytest.mark.parametrize(
    "landed",
    [
        {},
        {"customers": [{"customer_id": "c"}]},
        {"products": goods("A")},
        {"customers": [{"customer_id": "c"}], "products": goods("A")},
        {"sales": bought("c", 3, "A")},
        {"sales": [sale("r", days_ago(3), -1, "10", "A", customer="c")]},
        {"interactions": visit("c", 3, "view:A")},
        {"interactions": [{**act, "customer_id": None} for act in visit("c", 3, "view:A")]},
        {"sales": bought("c", 40, "A") + bought("d", 70, "A", "B") + bought("c", 2, "B")},
    ],
)
def test_next_to_nothing_works(tmp_path: Path, landed: dict[str, Rows]) -> None:
    built = build(tmp_path, landed, *TABLES)
    assert broken(built) == []
    offered = sum(p["is_recommendable"] for p in built.rows("recommendation.products"))
    assert set(listed(built)) <= {row["customer_id"] for row in built.rows("core.customers")}
    if offered and not landed.get("sales"):
        assert set(listed(built)) == {row["customer_id"] for row in built.rows("core.customers")}


def test_the_awkward_shop_breaks_no_rule(built_shop: Built) -> None:
    assert broken(built_shop(None)[0]) == []


def test_rules_notice_a_hole_in_the_ranks(corner: OnEngine) -> None:
    mine = own(corner)
    mine.folder = corner.folder / "hole"
    mine.folder.mkdir()
    rows = [row for row in corner.rows("recommendation.for_customer") if row["rank"] != 2]
    mine._store(mine.project.catalog["recommendation.for_customer"], rows)
    assert "ranks_are_dense" in failing(mine, "recommendation.for_customer")
    assert recomputed(mine, "recommendation.personalization")


def test_a_drop_against_the_release_before_is_told(tastes: OnEngine) -> None:
    rows = tastes.rows("recommendation.evaluation")
    assert {row["served_before"] for row in rows} == {None}
    frame = pd.DataFrame(rows)
    served = {(row["metric"], row["k"], row["audience"]): row["value"] for row in rows if row["is_served"]}
    expected = [served[row["metric"], row["k"], row["audience"]] for row in rows]
    assert recommendations_evaluation._before(frame, frame) == pytest.approx(expected, nan_ok=True)
    for before, told in ((0.0, []), (1.0, ["quality_does_not_drop"])):
        mine = own(tastes)
        changed(mine, "recommendation.evaluation", lambda rows, to=before: [{**r, "served_before": to} for r in rows])
        assert failing(mine, "recommendation.evaluation") == told
