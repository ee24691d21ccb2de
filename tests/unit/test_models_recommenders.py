"""One behaviour that every recommender has, and what each adds to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from cxa_pipeline.models.recommender_data import History, Training, counts, training
from cxa_pipeline.models.recommender_factors import EASE, PureSVD
from cxa_pipeline.models.recommender_hybrid import Hybrid, explain, find_weights
from cxa_pipeline.models.recommender_items import Interest, Linear, Neighbours, nearest_of
from cxa_pipeline.models.recommender_popularity import CategoryPopularity, Popularity, SegmentPopularity
from cxa_pipeline.models.recommender_protocol import MODELS, choose, fallback_order, fitted, fold, lists
from cxa_pipeline.models.recommender_reasons import (
    BOUGHT,
    IN_CATEGORY,
    IN_SEGMENT,
    POPULAR,
    REASONS,
    TOGETHER,
    VIEWED,
    basket_rules,
    reasons,
)
from cxa_pipeline.models.recommenders import recommend, scaled, top_k

DAY = 200
Make = Callable[[], Any]


def hybrid() -> Hybrid:
    parts = {"svd_16": PureSVD(3), "popularity_28": Popularity(28), "popularity_category": CategoryPopularity()}
    return Hybrid(parts, {"svd_16": 0.5, "popularity_28": 0.25, "popularity_category": 0.25})


EVERY: dict[str, Make] = {**MODELS, "hybrid": hybrid, "wide": lambda: PureSVD(1000), "few_items": lambda: EASE(items=5)}


def history(rows: list[tuple[int, int, int, float, bool]], users: int, items: int) -> History:
    user, item, day, weight, bought = (np.array(column) for column in zip(*rows, strict=True)) if rows else [[]] * 5
    as_ints = (np.asarray(column, dtype=np.int64) for column in (user, item, day))
    return History(*as_ints, np.asarray(weight, dtype=np.float64), np.asarray(bought, dtype=np.bool_), users, items)


def drawn(users: int = 40, items: int = 25, seed: int = 1) -> History:
    """Two tastes: even users like even items, some items sell better; the last two users did nothing."""
    rng = np.random.default_rng(seed)
    rows = {}
    for user in range(users - 2):
        for _ in range(int(rng.integers(2, 12))):
            liked = rng.random() < 0.8
            item = int(rng.integers(0, items) ** 2 // items)
            item = item - item % 2 + user % 2 if liked else item
            weight = float(rng.choice([1.0, 2.0, 3.0, 5.0]))
            rows[user, min(item, items - 1), int(rng.integers(1, DAY + 1))] = (weight, weight == 5.0)
    return history([(*key, *value) for key, value in rows.items()], users, items)


def known(given: History, day: int = DAY) -> Training:
    category = np.arange(given.items) % 3
    finest = np.arange(given.users) % 4
    return training(given, day, category, {"finest": finest, "wider": finest // 2})


def shown(model: Any, given: Training, n: int = 10, allowed: Any = None, excluded: Any = None) -> np.ndarray:
    users, items = given.history.users, given.history.items
    allowed = np.ones(items, dtype=np.bool_) if allowed is None else allowed
    excluded = given.bought if excluded is None else excluded
    return recommend(model, np.arange(users), n, allowed, excluded, fallback_order(given)).items


@pytest.mark.parametrize("name", EVERY)
class TestEveryRecommender:
    def test_scores_lie_between_zero_and_one(self, name: str):
        scores = EVERY[name]().fit(known(drawn())).scores(np.arange(40))
        assert scores.shape == (40, 25)
        assert np.isfinite(scores).all() and scores.min() >= 0 and scores.max() <= 1 + 1e-12

    def test_equal_inputs_give_equal_lists(self, name: str):
        given = known(drawn())
        assert np.array_equal(shown(EVERY[name]().fit(given), given), shown(EVERY[name]().fit(given), given))

    def test_lists_are_full_dense_and_without_repetition(self, name: str):
        given = known(drawn())
        found = shown(EVERY[name]().fit(given), given, excluded=csr_array((40, 25)))
        assert (found >= 0).all()
        assert all(len(set(row)) == 10 for row in found.tolist())

    def test_what_was_bought_and_what_may_not_be_is_never_recommended(self, name: str):
        given = known(drawn())
        allowed = np.arange(25) % 5 != 0
        found = shown(EVERY[name]().fit(given), given, n=25, allowed=allowed)
        bought = given.bought.toarray() > 0
        for user, row in enumerate(found):
            items = row[row >= 0]
            assert allowed[items].all() and not bought[user, items].any()
            # Whatever is left is recommended: the list ends where nothing is.
            assert len(items) == (allowed & ~bought[user]).sum()
            assert (row[len(items) :] == -1).all()

    def test_the_order_of_users_and_rows_changes_nothing(self, name: str):
        given = drawn()
        before = shown(EVERY[name]().fit(known(given)), known(given))
        rng = np.random.default_rng(3)
        moved, rows = rng.permutation(given.users), rng.permutation(len(given))
        mixed = replace(given, user=moved[given.user]).where(np.ones(len(given), dtype=np.bool_))
        mixed = History(
            *(getattr(mixed, c)[rows] for c in ("user", "item", "day", "weight", "is_bought")), given.users, given.items
        )
        finest = np.empty(given.users, dtype=np.int64)
        finest[moved] = np.arange(given.users) % 4
        other = training(mixed, DAY, np.arange(25) % 3, {"finest": finest, "wider": finest // 2})
        assert np.array_equal(shown(EVERY[name]().fit(other), other)[moved], before)

    def test_other_names_of_the_items_change_nothing_but_names(self, name: str):
        given = drawn()
        before = EVERY[name]().fit(known(given)).scores(np.arange(40))
        moved = np.random.default_rng(4).permutation(given.items)
        category = np.empty(given.items, dtype=np.int64)
        category[moved] = np.arange(given.items) % 3
        finest = np.arange(given.users) % 4
        renamed = replace(given, item=moved[given.item])
        other = training(renamed, DAY, category, {"finest": finest, "wider": finest // 2})
        if name != "few_items":  # of equally frequent items the first by name are covered
            assert EVERY[name]().fit(other).scores(np.arange(40))[:, moved] == pytest.approx(before, abs=1e-7)

    def test_what_happens_after_the_cut_off_changes_nothing(self, name: str):
        given, cut = drawn(), 120
        later = given.day > cut
        assert later.any()
        changed = replace(
            given,
            item=np.where(later, (given.item + 7) % given.items, given.item),
            weight=np.where(later, 5.0, given.weight),
            is_bought=np.where(later, ~given.is_bought, given.is_bought),
        )
        one, two = known(given, cut), known(changed, cut)
        users = np.arange(given.users)
        assert np.array_equal(EVERY[name]().fit(one).scores(users), EVERY[name]().fit(two).scores(users))
        assert np.array_equal(
            EVERY[name]().fit(one).scores(users), EVERY[name]().fit(known(given.until(cut), cut)).scores(users)
        )

    def test_nothing_at_all_one_user_and_one_item_work(self, name: str):
        for users, items, rows in (
            (0, 0, []),
            (3, 0, []),
            (0, 4, []),
            (3, 4, []),
            (1, 1, [(0, 0, 5, 5.0, True)]),
            (1, 4, [(0, 2, 5, 1.0, False)]),
            (4, 1, [(0, 0, 5, 5.0, True), (2, 0, 6, 1.0, False)]),
        ):
            given = known(history(rows, users, items))
            found = shown(EVERY[name]().fit(given), given, n=3)
            assert found.shape == (users, 3)
            assert ((found >= 0).sum(axis=1) == [min(3, items - n) for n in np.diff(given.bought.indptr)]).all()

    def test_chunks_of_users_give_what_all_at_once_give(self, name: str, monkeypatch: pytest.MonkeyPatch):
        given = known(drawn())
        whole = shown(EVERY[name]().fit(given), given)
        monkeypatch.setattr("cxa_pipeline.models.recommenders.CELLS", 60)
        assert np.array_equal(shown(EVERY[name]().fit(given), given), whole)


# 0 and 1 bought A and B together, 2 bought A, 3 looked at A.
A, B, C, D = range(4)
SMALL = [
    (0, A, 10, 5.0, True), (0, B, 10, 5.0, True),
    (1, A, 11, 5.0, True), (1, B, 11, 5.0, True), (1, C, 40, 5.0, True),
    (2, A, 12, 5.0, True),
    (3, A, 13, 1.0, False),
    (4, C, 39, 5.0, True), (4, D, 20, 5.0, True),
]  # fmt: skip


def small(day: int = 40) -> Training:
    return training(history(SMALL, 6, 4), day, np.array([0, 0, 1, 1]), {"finest": np.array([0, 0, 0, 0, 1, 1])})


def test_strength_halves_in_ninety_days_and_is_capped():
    rows = [
        (0, A, 0, 5.0, True),
        (0, B, 90, 5.0, True),
        (1, A, 0, 1.0, False),
        (1, A, 90, 3.0, False),
        (0, B, 80, 5.0, True),
    ]
    strength = training(history(rows, 2, 2), 90, np.zeros(2, dtype=np.int64)).strength.toarray()
    assert strength == pytest.approx(np.array([[2.5, 5.0], [3.5, 0.0]]))


def test_popularity_counts_customers_of_the_window():
    assert Popularity().fit(small()).scores(np.array([5])).tolist() == [[1.0, 2 / 3, 2 / 3, 1 / 3]]
    assert Popularity(7).fit(small()).scores(np.array([5])).tolist() == [[0.0, 0.0, 1.0, 0.0]]
    assert Popularity(28).fit(small()).scores(np.array([5]))[0].tolist() == [0.0, 0.0, 1.0, 0.5]


def test_popularity_of_a_segment_is_drawn_to_everybodys():
    found = SegmentPopularity(prior=4.0).fit(small()).scores(np.array([0, 4]))
    # Everybody: 3, 2, 2, 1 of 8; segment 1 bought C and D: (0 + 4·3/8)/6, (4·2/8)/6, (1 + 4·2/8)/6, (1 + 4·1/8)/6.
    expected = np.array([1.5, 1.0, 2.0, 1.5])
    assert found[1] == pytest.approx(expected / expected.max())
    assert found[0] == pytest.approx(np.array([3 + 1.5, 2 + 1, 1 + 1, 0 + 0.5]) / 4.5)


def test_a_huge_prior_makes_every_segment_everybody():
    far = SegmentPopularity(prior=1e12).fit(small()).scores(np.array([0, 4]))
    assert far == pytest.approx(np.tile([1.0, 2 / 3, 2 / 3, 1 / 3], (2, 1)))


def test_cosine_with_shrinkage_is_that_worked_out_by_hand():
    found = Neighbours("cosine", shrinkage=2.0).fit(small())
    # A is had by 4 (0, 1, 2, 3), B by 2, both by 2: 2/sqrt(8) · 2/4.
    assert found.similarity(np.array([A]), np.array([B]))[0] == pytest.approx(2 / 8**0.5 * 2 / 4)
    assert found.similarity(np.array([A, A]), np.array([A, D])).tolist() == [0.0, 0.0]


def test_basket_rules_count_days_and_want_a_lift_above_one():
    found = Neighbours("basket", shrinkage=0.0).fit(small())
    # Baskets: {A,B}, {A,B}, {C}, {A}, {C}, {D}: A in 3, B in 2, both in 2.
    assert found.similarity(np.array([A, B]), np.array([B, A])) == pytest.approx([2 / 3, 1.0])
    assert found.similarity(np.array([A]), np.array([C]))[0] == 0


def test_the_nearest_neighbours_alone_are_kept():
    given = known(drawn())
    every, two = (Neighbours("cosine", neighbours=n).fit(given).similarity_.toarray() for n in (25, 2))
    for row in range(25):
        best = sorted(range(25), key=lambda item: (-round(every[row, item], 9), item))[:2]
        assert np.flatnonzero(two[row]).tolist() == sorted(item for item in best if every[row, item] > 0)


def test_nearest_items_are_the_allowed_ones():
    found = Neighbours("cosine").fit(small())
    near, value = nearest_of(found.similarity_, np.array([A, B]), 2, np.array([True, False, True, True]))
    assert near.tolist() == [[C, -1], [A, C]]
    assert np.isnan(value[0, 1])


def test_ease_solves_its_ridge_regression():
    given = known(drawn())
    found, rows = EASE(ridge=3.0).fit(given), given.seen.toarray()
    for item in range(25):
        others = [i for i in range(25) if i != item]
        x = rows[:, others]
        expected = np.linalg.solve(x.T @ x + 3.0 * np.eye(24), x.T @ rows[:, item])
        assert found.similarity(np.array(others), np.full(24, item)) == pytest.approx(expected)


def test_pure_svd_of_full_rank_gives_a_users_history_back():
    given = known(drawn())
    strength = given.strength.toarray()
    assert PureSVD(25).fit(given).scores(np.arange(40)) == pytest.approx(scaled(strength), abs=1e-9)


def test_sparse_and_dense_singular_vectors_agree(monkeypatch: pytest.MonkeyPatch):
    given = known(drawn(60, 30))
    dense = PureSVD(4).fit(given).scores(np.arange(60))
    monkeypatch.setattr("cxa_pipeline.models.recommender_factors.DENSE_ITEMS", 0)
    assert PureSVD(4).fit(given).scores(np.arange(60)) == pytest.approx(dense, abs=1e-9)


def test_a_truncated_decomposition_is_that_of_the_smaller_rank():
    given = known(drawn())
    users = np.arange(40)
    assert PureSVD(6).fit(given).truncated(2).scores(users) == pytest.approx(
        PureSVD(2).fit(given).scores(users), abs=1e-9
    )


@pytest.mark.parametrize("name", [n for n, make in MODELS.items() if isinstance(make(), Linear)])
def test_scores_of_linear_recommenders_are_sums_over_the_history(name: str):
    given = known(drawn())
    model, strength = MODELS[name]().fit(given), given.strength.toarray()
    of, to = (grid.ravel() for grid in np.meshgrid(np.arange(25), np.arange(25), indexing="ij"))
    similarity = model.similarity(of, to).reshape(25, 25)
    assert model.scores(np.arange(40)) == pytest.approx(scaled(strength @ similarity), abs=1e-9)


def test_weights_are_found_that_beat_every_part():
    truth = np.random.default_rng(8).random((50, 30))
    noise = np.random.default_rng(9).normal(size=(2, 50, 30))
    scores = {"a": truth + 0.5 * noise[0], "b": truth + 0.5 * noise[1], "c": 1.0 - truth}

    def measure(found: np.ndarray) -> float:
        return float(np.corrcoef(found.ravel(), truth.ravel())[0, 1])

    weights, reached = find_weights(scores, measure)
    assert set(weights) == {"a", "b"} and sum(weights.values()) == pytest.approx(1)
    assert reached > max(measure(found) for found in scores.values())
    assert reached == pytest.approx(measure(sum(w * scores[n] for n, w in weights.items())))


def test_a_single_best_part_needs_no_other():
    truth = np.random.default_rng(8).random((5, 6))
    assert find_weights({"a": truth, "b": truth * 0}, lambda found: float((found == truth).all())) == ({"a": 1.0}, 1.0)


def test_top_k_breaks_ties_by_position_and_leaves_out_what_is_not_finite():
    scores = np.array([[0.5, 0.9, 0.5 + 1e-12, -np.inf, 0.5], [-np.inf] * 5])
    items, values = top_k(scores, 3)
    assert items.tolist() == [[1, 0, 2], [-1, -1, -1]]
    assert np.isnan(values[1]).all()
    assert top_k(scores, 9)[0].tolist() == [[1, 0, 2, 4, -1, -1, -1, -1, -1], [-1] * 9]
    assert top_k(np.empty((2, 0)), 2)[0].tolist() == [[-1, -1]] * 2


def test_the_fold_asks_for_what_was_newly_bought_of_what_was_known():
    rows = [
        (0, A, 10, 5.0, True), (0, B, 12, 1.0, False), (2, C, 11, 5.0, True),
        (0, A, 30, 5.0, True),  # bought before
        (0, B, 30, 5.0, True),  # only looked at before: asked for
        (0, D, 30, 5.0, True),  # nobody knew it
        (0, C, 31, 1.0, False),  # not bought
        (1, A, 32, 5.0, True),  # without a history: cold
        (2, D, 33, 5.0, True),  # only what nobody knew
        (2, A, 99, 5.0, True),  # after the window
    ]  # fmt: skip
    given = history(rows, 4, 4)
    asked = fold(training(given, 20, np.zeros(4, dtype=np.int64)), given, 48, np.ones(4, dtype=np.bool_))
    assert asked.relevant.toarray().tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0] * 4, [0] * 4]
    assert asked.missed.tolist() == [1, 0, 1, 0]
    assert (asked.warm.tolist(), asked.cold.tolist()) == ([0], [1])
    assert asked.unreachable_share == pytest.approx(2 / 4)
    assert asked.allowed.tolist() == [True, True, True, False]
    found = lists(Popularity().fit(asked.known), asked, asked.warm, 4).items
    assert found.tolist() == [[C, B, -1, -1]]


def test_services_are_neither_asked_for_nor_recommended():
    given = history([(0, A, 10, 1.0, False), (1, B, 10, 5.0, True), (0, B, 30, 5.0, True), (0, C, 30, 5.0, True)], 2, 3)
    asked = fold(training(given, 20, np.zeros(3, dtype=np.int64)), given, 48, np.array([True, False, True]))
    assert asked.relevant.nnz == 0 and asked.allowed.tolist() == [True, False, False]


def test_tastes_are_found_and_the_choice_repeats_itself():
    given = drawn(200, 25)
    asked = fold(known(given, 150), given, DAY, np.ones(25, dtype=np.bool_))
    first, again = (choose(fitted(asked.known), asked) for _ in range(2))
    assert first == again
    assert sum(first.weights.values()) == pytest.approx(1)
    assert first.ndcg["hybrid"] >= max(value for name, value in first.ndcg.items())
    assert first.ndcg["hybrid"] > 1.1 * max(first.ndcg[name] for name in ("popularity_28", "popularity_all"))


def test_without_anybody_to_ask_popularity_is_chosen():
    given = known(history(SMALL, 6, 4))
    found = choose(fitted(given), fold(given, given.history, DAY + 28, np.ones(4, dtype=np.bool_)))
    assert found.weights == {"popularity_all": 1.0} and found.cold.startswith("popularity") and found.users == 0


def told(model: Hybrid, given: Training, user: int, n: int = 2) -> list[tuple[int, str, int, int, int]]:
    users, free = np.array([user]), np.ones(given.history.items, dtype=np.bool_)
    found = recommend(model, users, n, free, given.bought, fallback_order(given))
    why = reasons(model, given, basket_rules(model, given), users, found)
    columns = (found.items[0], why.kind[0], why.item[0], why.customers[0], why.of[0])
    return [(i, REASONS[k], r, c, o) for i, k, r, c, o in zip(*(c.tolist() for c in columns), strict=True)]


def test_reasons_name_the_product_that_speaks_most_and_how_many_stand_behind_it():
    model = Hybrid({"item_cosine": Neighbours("cosine")}, {"item_cosine": 1.0}).fit(small())
    assert told(model, small(), 2)[0] == (B, TOGETHER, A, 2, 4)
    assert told(model, small(), 3)[0] == (B, VIEWED, A, 2, 4)
    # Of A and B, which 1 of the customers of C has as well, fewer have B.
    assert told(model, small(), 4) == [(B, BOUGHT, C, 1, 2), (A, BOUGHT, C, 1, 2)]


def test_a_product_that_was_only_looked_at_is_its_own_reason():
    model = Hybrid({"interest": Interest()}, {"interest": 1.0}).fit(small())
    assert told(model, small(), 3)[0] == (A, VIEWED, A, 4, 4)


def test_popular_products_count_their_buyers():
    model = Hybrid({"popularity_all": Popularity()}, {"popularity_all": 1.0}).fit(small())
    assert told(model, small(), 5) == [(A, POPULAR, -1, 3, 4), (B, POPULAR, -1, 2, 4)]
    by_category = Hybrid({"popularity_category": CategoryPopularity()}, {"popularity_category": 1.0}).fit(small())
    assert told(by_category, small(), 3)[0] == (A, IN_CATEGORY, -1, 3, 3)


@pytest.mark.parametrize("pairs", [1, 50, 200_000])
def test_the_reason_is_the_item_of_the_history_with_the_largest_term(pairs: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("cxa_pipeline.models.recommender_hybrid.PAIRS", pairs)
    given = known(drawn())
    parts = {"svd": PureSVD(3).fit(given), "cosine": Neighbours("cosine").fit(given)}
    model, users = Hybrid(parts, {"svd": 0.7, "cosine": 0.3}), np.arange(40)
    found = recommend(model, users, 4, np.ones(25, dtype=np.bool_), given.bought, fallback_order(given))
    explained, strength = explain(model, given.strength, users, found.items), given.strength.toarray()
    for user in users:
        for place, item in enumerate(found.items[user]):
            added = np.zeros(25)
            for name, part in parts.items():
                term = np.maximum(strength[user] * part.similarity(np.arange(25), np.full(25, item)), 0)
                added += explained.shares[name][user, place] * term / max(term.sum(), 1e-300)
            expected = int(np.argmax(np.round(added, 9))) if added.max() > 1e-9 else -1
            assert explained.reason[user, place] == expected


def test_what_is_popular_in_a_segment_counts_its_buyers():
    model = Hybrid({"popularity_segment_all": SegmentPopularity(prior=0.01)}, {"popularity_segment_all": 1.0}).fit(
        small()
    )
    # 4 is the only buyer of segment 1 and bought C and D.
    assert told(model, small(), 5) == [(C, IN_SEGMENT, -1, 1, 1), (D, IN_SEGMENT, -1, 1, 1)]
    assert told(model, small(), 2)[0] == (B, IN_SEGMENT, -1, 2, 3)


def test_shares_of_the_parts_sum_to_the_score():
    given = known(drawn())
    model, users = hybrid().fit(given), np.arange(40)
    found = recommend(model, users, 5, np.ones(25, dtype=np.bool_), given.bought, fallback_order(given))
    explained = explain(model, given.strength, users, found.items)
    assert sum(explained.shares.values()) == pytest.approx(np.nan_to_num(found.scores), abs=1e-9)
    has = given.strength.toarray() > 0
    user, place = np.nonzero(explained.reason >= 0)
    assert len(user) and has[user, explained.reason[user, place]].all()


def test_counts_of_an_empty_matrix_are_doubles():
    assert counts(csr_array((0, 3))).tolist() == [0.0, 0.0, 0.0]
