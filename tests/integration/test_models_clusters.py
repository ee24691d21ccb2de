"""The tables of customer clusters: planted groups are found and named, and stay from release to release."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import pytest

from cxa_pipeline.engine.protocol import Relation
from cxa_pipeline.models.tables.clusters import clusters as assign
from cxa_pipeline.pipeline.audit import audit_on_engine
from cxa_pipeline.pipeline.python_model import inputs, plotted
from tests.independent import shop
from tests.independent.shop import event, sale
from tests.independent.tables import OnEngine, Row, Rows, project
from tests.integration.test_models_identities import broken, changed

AS_OF = date(2024, 6, 30)
TABLES = (
    "customer.cluster_features",
    "customer.cluster_selection",
    "customer.cluster_centroids",
    "customer.clusters",
    "customer.cluster_profiles",
    "customer.cluster_traits",
    "customer.cluster_stability",
    "customer.rfm_kmeans",
)
EACH = 30


class After(OnEngine):
    """The tables of a shop after a release that held `before`."""

    before: OnEngine | None = None

    def _nothing(self, key: str) -> Relation:
        return self.before.relations[key] if self.before else super()._nothing(key)


def build(folder: Path, landed: dict[str, Rows], before: OnEngine | None = None, **parameters: Any) -> OnEngine:
    given: Row = {**shop.PARAMETERS, "as_of_date": AS_OF, **parameters}
    folder.mkdir(exist_ok=True)
    built = After(project(), folder)
    built.before = before
    return built.build({**shop.empty(), **landed}, given, *TABLES)


def ago(days: int, hour: int = 12) -> str:
    return f"{AS_OF - timedelta(days=days)} {hour:02}:00"


def orders(customer: str, days: list[int], price: float, **given: Any) -> Rows:
    return [
        sale(f"{customer}-{n}", ago(day), 1, f"{price:.2f}", customer=customer, **given) for n, day in enumerate(days)
    ]


def planted(seed: int = 1, each: int = EACH) -> dict[str, Rows]:
    """Thirty who buy often and much, thirty who bought a little just now, thirty who left long ago."""
    draw = np.random.default_rng(seed)
    lines: Rows = []
    events: Rows = []
    for n in range(each):
        day = int(draw.integers(4, 9))
        lines += orders(f"best{n:02}", [day + 20 * i for i in range(int(draw.integers(14, 18)))], draw.uniform(90, 110))
        lines += orders(f"new{n:02}", [int(draw.integers(4, 9))], draw.uniform(18, 22))
        lines += orders(f"gone{n:02}", [int(draw.integers(380, 420))], draw.uniform(45, 55), discount="1")
        for i in range(6):
            name = f"best{n:02}"
            events.append(event(f"v-{name}-{i}", ago(3 + 11 * i, 9), "view", customer_id=name, product_id="P1"))
            if i % 2:
                events.append(event(f"k-{name}-{i}", ago(3 + 11 * i, 10), "cart", customer_id=name, product_id="P1"))
    return {"sales": lines, "interactions": events}


def of_set(rows: Rows, feature_set: str = "rfm") -> Rows:
    """Rows of one set of features, in the order of clusters or of their number."""
    found = [row for row in rows if row["feature_set"] == feature_set]
    return sorted(found, key=lambda row: row.get("cluster", row.get("k", 0)))


def clusters(built: OnEngine, feature_set: str = "rfm") -> dict[str, int]:
    return {row["customer_id"]: row["cluster"] for row in of_set(built.rows("customer.clusters"), feature_set)}


def failing(built: OnEngine) -> dict[str, list[str]]:
    """Rules that rows of the tables break."""
    found = {t: audit_on_engine(built.engine, built.project.catalog[t], built.relations[t]) for t in TABLES}
    return {table: broken for table, results in found.items() if (broken := [r.rule for r in results if not r.passed])}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnEngine]:
    yield build(tmp_path_factory.mktemp("first"), planted())


@pytest.fixture(scope="module")
def second(first: OnEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnEngine]:
    """The shop a day later: everybody is a day older, one of the best has left a year ago, one is new."""
    landed = planted()
    landed["sales"] = [row for row in landed["sales"] if row["customer_id"] != "best03"]
    landed["sales"] += orders("best03", [401], 50) + orders("zoe", [5], 20)
    yield build(tmp_path_factory.mktemp("second"), landed, first, as_of_date=AS_OF + timedelta(days=1))


# --- features -----------------------------------------------------------------------------------------------------


def test_features_of_a_customer_are_those_counted_by_hand(tmp_path: Path) -> None:
    lines = orders("a", [100, 60, 60, 10], 30, discount="10")
    lines[0]["discount_amount"] = None
    lines += [sale("r", ago(9), -1, "5", customer="a"), *orders("b", [3], 8)]
    seen = [
        event("1", ago(119), "view", customer_id="a", product_id="P1"),
        event("2", ago(50), "cart", customer_id="a", product_id="P1"),
        event("3", ago(20), "visit", customer_id="a"),
        event("4", ago(20), "visit", customer_id="nobody"),
    ]
    products = [{"product_id": "P1", "category": "Tea"}]
    built = build(tmp_path, {"sales": lines, "interactions": seen, "products": products})
    a, b = sorted(built.rows("customer.cluster_features"), key=lambda row: row["customer_id"])
    assert a == {
        "customer_id": "a",
        "recency_days": 10,
        "frequency": 4,
        "monetary": Decimal("85.0000"),
        "sessions": 3,
        "seen_days": 120,
        "sessions_per_30_days": 0.75,
        "cart_sessions": 1,
        "cart_rate": pytest.approx(1 / 3),
        "categories": 1,
        "orders": 4,
        "discounted_orders": 3,
        "discount_share": 0.75,
        "tenure_days": 100,
        "median_days_between_orders": 45,
        "ordered_value": Decimal("90.0000"),
        "aov": Decimal("22.5000"),
    }
    assert (b["seen_days"], b["sessions_per_30_days"], b["cart_rate"]) == (30, 0, None)
    assert (b["median_days_between_orders"], b["discount_share"], b["tenure_days"]) == (None, 0, 3)


# --- a first release ----------------------------------------------------------------------------------------------


def test_the_groups_that_were_planted_are_the_clusters(first: OnEngine) -> None:
    found = clusters(first)
    assert Counter((customer[:-2], cluster) for customer, cluster in found.items()) == {
        ("best", 1): EACH,
        ("gone", 2): EACH,
        ("new", 3): EACH,
    }


def test_clusters_are_numbered_by_mean_net_sales_and_named_by_what_is_special(first: OnEngine) -> None:
    rows = of_set(first.rows("customer.cluster_profiles"))
    assert [row["cluster"] for row in rows] == [1, 2, 3]
    money = [row["mean_monetary"] for row in rows]
    assert money == sorted(money, reverse=True)
    names = [row["cluster_name"] for row in rows]
    assert names[0].startswith("Buys very often, spends very much")
    assert "has not bought for very long" in names[1].lower()
    assert "bought recently" in names[2].lower() or "spends" in names[2].lower()
    assert len(set(names)) == 3


def test_the_chosen_number_and_why_not_the_others(first: OnEngine) -> None:
    rows = of_set(first.rows("customer.cluster_selection"))
    assert [row["k"] for row in rows] == [3, 4, 5, 6, 7, 8]
    chosen, *others = rows
    assert (chosen["is_chosen"], chosen["stability"], chosen["smallest_share"]) == (True, 1, pytest.approx(1 / 3))
    assert not any(row["is_chosen"] for row in others)
    assert all("silhouette" in row["reason"] for row in others)
    assert (chosen["features"], chosen["dropped_features"]) == ("recency_days, frequency, monetary", "")


def test_profiles_are_the_means_and_medians_of_the_members(first: OnEngine) -> None:
    features = {row["customer_id"]: row for row in first.rows("customer.cluster_features")}
    members = [features[customer] for customer, cluster in clusters(first).items() if cluster == 1]
    profile = of_set(first.rows("customer.cluster_profiles"))[0]
    assert (profile["customers"], profile["customer_share"]) == (EACH, pytest.approx(1 / 3))
    assert profile["net_sales"] == sum(row["monetary"] for row in members)
    assert profile["mean_monetary"] == round(profile["net_sales"] / EACH, 4)
    assert profile["median_recency_days"] == median(row["recency_days"] for row in members)
    traits = {row["feature"]: row for row in of_set(first.rows("customer.cluster_traits")) if row["cluster"] == 1}
    assert traits["frequency"]["mean_value"] == pytest.approx(fmean(row["frequency"] for row in members))
    assert traits["frequency"]["median_value"] == median(row["frequency"] for row in members)
    assert traits["frequency"]["overall_mean_value"] == pytest.approx(fmean(r["frequency"] for r in features.values()))


def test_traits_are_the_words_of_the_name(first: OnEngine) -> None:
    rows = [row for row in first.rows("customer.cluster_traits") if row["trait_rank"]]
    names = {(row["feature_set"], row["cluster"]): row["cluster_name"] for row in rows}
    for key, name in names.items():
        said = [r for r in rows if (r["feature_set"], r["cluster"]) == key]
        words = ", ".join(r["trait"] for r in sorted(said, key=lambda r: r["trait_rank"]))
        assert name.lower().startswith(words)
        assert abs(said[0]["z_score"]) >= 0.3


def test_behaviour_tells_visitors_from_those_who_never_come(first: OnEngine) -> None:
    found = clusters(first, "behaviour")
    best = {found[f"best{n:02}"] for n in range(EACH)}
    others = {cluster for customer, cluster in found.items() if not customer.startswith("best")}
    assert not best & others


def test_features_that_say_nothing_are_dropped_with_the_reason(first: OnEngine) -> None:
    (row, *_) = of_set(first.rows("customer.cluster_selection"), "behaviour")
    assert "categories (one value)" in row["dropped_features"]
    assert "cart_rate_missing" not in row["features"]
    traits = of_set(first.rows("customer.cluster_traits"), "behaviour")
    dropped = {row["feature"] for row in traits if row["dropped_because"]}
    assert "categories" in dropped
    assert all((row["z_score"] is None) == (row["feature"] in dropped) for row in traits)
    assert all(row["mean_value"] == 1 for row in traits if row["feature"] == "categories")


def test_distance_is_that_to_the_centre_in_standard_deviations(first: OnEngine) -> None:
    centre = {r["feature"]: r for r in of_set(first.rows("customer.cluster_centroids")) if r["cluster"] == 2}
    features = next(row for row in first.rows("customer.cluster_features") if row["customer_id"] == "gone07")
    squares = 0.0
    for name, row in centre.items():
        value = min(max(np.log1p(float(features[name])), row["lower_bound"]), row["upper_bound"])
        squares += ((value - row["scale_mean"]) / row["scale_deviation"] - row["z_score"]) ** 2
    (found,) = [r for r in of_set(first.rows("customer.clusters")) if r["customer_id"] == "gone07"]
    assert found["distance_to_centroid"] == pytest.approx(np.sqrt(squares), abs=1e-9)
    assert 0.5 < found["silhouette"] <= 1


def test_a_first_release_compares_nobody(first: OnEngine) -> None:
    for row in first.rows("customer.cluster_stability"):
        assert (row["customers"], row["compared_customers"], row["flapping_rate"]) == (3 * EACH, 0, None)
    assert not any(row["is_continued"] for row in first.rows("customer.cluster_profiles"))


def test_scores_of_single_figures_add_up_and_the_best_have_the_most(first: OnEngine) -> None:
    rows = {row["customer_id"]: row for row in first.rows("customer.rfm_kmeans")}
    assert len(rows) == 3 * EACH
    best = [row for customer, row in rows.items() if customer.startswith("best")]
    gone = [row for customer, row in rows.items() if customer.startswith("gone")]
    assert min(row["overall_score"] for row in best) > max(row["overall_score"] for row in gone)
    assert {row["frequency_cluster"] for row in gone} == {0}
    assert max(row["recency_cluster"] for row in gone) < min(row["recency_cluster"] for row in best)


# --- the next release ---------------------------------------------------------------------------------------------


def test_clusters_keep_their_numbers_and_names(first: OnEngine, second: OnEngine) -> None:
    before, after = clusters(first), clusters(second)
    assert {c for c in before if before[c] != after[c]} == {"best03"}
    assert (after["best03"], after["zoe"]) == (before["gone00"], before["new00"])
    for feature_set in ("rfm", "behaviour"):
        names = [
            {
                row["cluster"]: row["cluster_name"]
                for row in of_set(built.rows("customer.cluster_profiles"), feature_set)
            }
            for built in (first, second)
        ]
        assert names[0] == names[1]
    assert all(row["is_continued"] for row in second.rows("customer.cluster_profiles"))
    (chosen,) = [row for row in of_set(second.rows("customer.cluster_selection")) if row["is_chosen"]]
    assert (chosen["k"], chosen["reason"]) == (3, "kept from the run before")


def test_who_moved_is_said_and_counted(second: OnEngine) -> None:
    rows = {row["customer_id"]: row for row in of_set(second.rows("customer.clusters"))}
    moved = [customer for customer, row in rows.items() if row["has_moved"]]
    assert moved == ["best03"]
    assert rows["best03"]["previous_cluster"] == 1
    assert rows["zoe"]["previous_cluster"] is None
    (row,) = of_set(second.rows("customer.cluster_stability"))
    assert (row["customers"], row["compared_customers"], row["moved_customers"]) == (91, 90, 1)
    assert row["flapping_rate"] == pytest.approx(1 / 90)
    assert (row["ci_low"], row["ci_high"]) == (pytest.approx(0.001964, abs=1e-6), pytest.approx(0.060284, abs=1e-6))


def test_a_ratio_of_nought_holds_everybody(first: OnEngine, second: OnEngine) -> None:
    contract = second.project.catalog["customer.clusters"]
    frames = inputs(
        contract,
        second.engine,
        second.relations.__getitem__,
        first.relations.__getitem__,
        second.project.catalog.contracts,
    )
    for ratio, moved, held in ((1.0, 1, 0), (0.0, 0, 1)):
        rows = assign(**{**frames, "parameters": frames["parameters"].assign(cluster_switch_ratio=ratio)})
        rfm = rows[rows["feature_set"] == "rfm"]
        assert (rfm["has_moved"].sum(), rfm["is_held"].sum()) == (moved, held)


def test_a_set_number_of_clusters_is_taken_and_the_new_ones_have_new_numbers(first: OnEngine, tmp_path: Path) -> None:
    built = build(tmp_path, planted(), first, cluster_count=5)
    rows = of_set(built.rows("customer.cluster_profiles"))
    assert [row["cluster"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["is_continued"] for row in rows] == [True, True, True, False, False]
    assert len({row["cluster_name"] for row in rows}) == 5
    (chosen,) = [row for row in of_set(built.rows("customer.cluster_selection")) if row["is_chosen"]]
    assert (chosen["k"], chosen["reason"]) == (5, "set")
    assert failing(built) == {"customer.cluster_stability": ["few_customers_move"]}


# --- too little to go by ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "customers", "reason"),
    [
        (orders("only", [3, 9], 10), 1, "fewer than 20 customers"),
        ([row for n in range(19) for row in orders(f"c{n}", [n * 7], 10 + n)], 19, "fewer than 20 customers"),
        ([row for n in range(40) for row in orders(f"c{n}", [5], 10)], 40, "all customers are alike"),
        ([row for n in range(40) for row in orders(f"c{n}", [], 10)], 0, ""),
    ],
    ids=["one", "nineteen", "all alike", "none"],
)
def test_without_differences_there_is_one_cluster(lines: Rows, customers: int, reason: str, tmp_path: Path) -> None:
    built = build(tmp_path, {"sales": lines})
    rows = built.rows("customer.clusters")
    assert len(rows) == 2 * customers
    assert {(r["cluster"], r["cluster_name"], r["is_fallback"]) for r in rows} <= {(1, "All customers", True)}
    assert {row["reason"] for row in built.rows("customer.cluster_selection")} == ({reason} if reason else set())
    assert [row["customers"] for row in built.rows("customer.cluster_profiles")] == [customers] * 2 * bool(customers)
    assert len(built.rows("customer.rfm_kmeans")) == customers
    assert failing(built) == {}
    assert broken(built, "clusters_add_up") == {}


def test_what_follows_a_fallback_is_a_first_release_and_the_order_of_rows_makes_no_difference(
    first: OnEngine, tmp_path: Path
) -> None:
    landed = planted()
    few = build(tmp_path / "few", {"sales": landed["sales"][:30]})
    landed["sales"] = landed["sales"][::-1]
    built = build(tmp_path / "many", landed, few)
    for table in TABLES:
        key = project().catalog[table].primary_key
        found = [sorted(each.rows(table), key=lambda row: [row[name] for name in key]) for each in (built, first)]
        assert found[0] == found[1]


def test_only_returns_and_money_of_any_size_are_clustered(tmp_path: Path) -> None:
    lines = [row for n in range(30) for row in orders(f"c{n}", [n * 3 + 1], 10.0 ** (n % 15 - 2))]
    lines += [sale(f"r{n}", ago(n), -1, "999", customer=f"c{n}") for n in range(5)]
    lines += [sale("r-only", ago(9), -1, "20", customer="returner")]
    built = build(tmp_path, {"sales": lines})
    assert len(clusters(built)) == 30
    assert failing(built) == {}


# --- rules and pictures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shop_name", ["first", "second"])
def test_the_tables_keep_their_own_rules(shop_name: str, request: pytest.FixtureRequest) -> None:
    built = request.getfixturevalue(shop_name)
    assert failing(built) == {}
    assert broken(built, "clusters_add_up") == {}


@pytest.mark.parametrize(
    ("table", "change", "rule"),
    [
        ("customer.clusters", {"has_moved": True}, "moves_and_stays_are_what_they_say"),
        ("customer.clusters", {"silhouette": 1.5}, "figures_are_in_their_ranges"),
        ("customer.cluster_selection", {"is_chosen": True}, "one_number_is_chosen"),
        ("customer.cluster_selection", {"stability": 1.5}, "figures_are_in_their_ranges"),
        ("customer.cluster_centroids", {"cluster_name": "x"}, "names_are_different"),
        ("customer.cluster_centroids", {"z_score": None}, "a_centre_has_a_coordinate_for_every_feature_that_is_used"),
        ("customer.cluster_profiles", {"customer_share": 0.3}, "shares_sum_to_one"),
        ("customer.cluster_profiles", {"customers": 0}, "means_need_customers"),
        ("customer.cluster_traits", {"known_customers": 0}, "figures_need_customers"),
        ("customer.cluster_stability", {"moved_customers": 9}, "parts_are_no_larger_than_their_wholes"),
        ("customer.cluster_features", {"cart_sessions": 99}, "ratios_are_those_of_their_counts"),
        ("customer.cluster_features", {"recency_days": 999}, "days_are_in_order"),
        ("customer.rfm_kmeans", {"overall_score": 9}, "the_score_is_the_sum_of_its_parts"),
    ],
)
def test_a_broken_rule_is_found(first: OnEngine, table: str, change: Row, rule: str) -> None:
    built = own(first)
    changed(built, table, lambda rows: [{**row, **change} for row in rows])
    assert rule in failing(built)[table]


def test_clusters_in_another_order_than_their_value_are_found(first: OnEngine) -> None:
    built = own(first)
    changed(built, "customer.cluster_profiles", lambda rows: [{**row, "mean_monetary": row["cluster"]} for row in rows])
    assert "first_clusters_are_numbered_by_value" in failing(built)["customer.cluster_profiles"]


def test_many_moves_are_warned_of(second: OnEngine) -> None:
    built = own(second)
    changed(built, "customer.cluster_stability", lambda rows: [{**row, "flapping_rate": 0.11} for row in rows])
    assert failing(built)["customer.cluster_stability"] == ["few_customers_move"]


def test_a_lost_customer_is_found(first: OnEngine) -> None:
    for table in ("customer.clusters", "customer.cluster_profiles", "customer.rfm_kmeans"):
        built = own(first)
        changed(built, table, lambda rows: rows[1:])
        assert table in broken(built, "clusters_add_up")
    assert "every_customer_is_in_every_set" in _failing_after_loss(first)


def _failing_after_loss(built: OnEngine) -> list[str]:
    mine = own(built)
    changed(mine, "customer.clusters", lambda rows: rows[1:])
    return failing(mine)["customer.clusters"]


def own(built: OnEngine) -> OnEngine:
    """The same tables, for a test that changes some."""
    mine = OnEngine.__new__(OnEngine)
    mine.__dict__.update(built.__dict__)
    mine.relations = dict(built.relations)
    return mine


@pytest.mark.parametrize("table", ["customer.cluster_selection", "customer.cluster_traits"])
def test_tables_are_drawn(first: OnEngine, table: str, tmp_path: Path) -> None:
    alone = build(tmp_path, {"sales": orders("only", [3], 10)})
    for built in (first, alone):
        picture = plotted(built.project.catalog[table], built.engine, built.relations[table])
        assert picture is not None
        assert picture.startswith(b"\x89PNG")
