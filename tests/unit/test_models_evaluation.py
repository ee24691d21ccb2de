"""Measures of ranked lists, against figures worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.sparse import csr_array

from cxa_pipeline.models.evaluation import PER_USER, gini, intervals, is_relevant, of_all_lists, per_user, resamples

A, B, C, D, E, Z = range(6)


def relevant(*sets: set[int], items: int = 6) -> csr_array:
    made = np.zeros((len(sets), items))
    for user, wanted in enumerate(sets):
        made[user, list(wanted)] = 1
    return csr_array(made)


def lists(*rows: list[int]) -> np.ndarray:
    return np.array(rows, dtype=np.int64)


def test_the_list_abcde_for_b_e_and_z_has_the_golden_figures():
    found = per_user(lists([A, B, C, D, E]), relevant({B, E, Z}), 5)
    assert found["recall"][0] == pytest.approx(2 / 3)
    assert found["precision"][0] == pytest.approx(0.4)
    assert found["map"][0] == pytest.approx(0.3)
    assert found["mrr"][0] == pytest.approx(0.5)
    assert found["ndcg"][0] == pytest.approx(0.477624, abs=5e-7)
    assert found["hit_rate"][0] == 1


def test_only_the_first_k_places_count():
    found = per_user(lists([A, B, C, D, E]), relevant({B, E, Z}), 2)
    assert found["recall"][0] == pytest.approx(1 / 3)
    assert found["precision"][0] == pytest.approx(0.5)
    assert found["map"][0] == pytest.approx(0.5 / 2)
    assert found["ndcg"][0] == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))


def test_wanted_items_at_the_top_give_one_and_none_gives_zero():
    found = per_user(lists([B, E, Z, A, C], [A, C, D, -1, -1]), relevant({B, E, Z}, {B}), 5)
    for name in set(PER_USER) - {"precision"}:
        assert found[name].tolist() == [1.0, 0.0], name
    assert found["precision"].tolist() == [0.6, 0.0]


def test_a_list_that_ends_early_keeps_k_in_precision():
    assert per_user(lists([B, -1, -1, -1, -1]), relevant({B}), 5)["precision"][0] == pytest.approx(0.2)
    assert per_user(lists([B]), relevant({B}), 5)["precision"][0] == pytest.approx(0.2)


def test_more_wanted_items_than_places_can_still_reach_one():
    found = per_user(lists([A, B]), relevant({A, B, C, D}), 2)
    assert found["ndcg"][0] == found["map"][0] == 1
    assert found["recall"][0] == pytest.approx(0.5)


def test_items_that_nobody_could_know_lower_the_pessimistic_figures():
    plain = per_user(lists([A, B, C, D, E]), relevant({B}), 5)
    strict = per_user(lists([A, B, C, D, E]), relevant({B}), 5, np.array([1]))
    assert (plain["recall"][0], strict["recall"][0]) == (1.0, 0.5)
    assert strict["ndcg"][0] == pytest.approx((1 / math.log2(3)) / (1 + 1 / math.log2(3)))
    assert strict["mrr"][0] == plain["mrr"][0]


def test_an_empty_place_is_never_relevant():
    assert is_relevant(lists([-1, A]), relevant({A, Z})).tolist() == [[False, True]]
    assert is_relevant(lists([-1, A], [B, -1]), relevant({A, Z}, {B})).tolist() == [[False, True], [True, False]]


def test_users_without_lists_or_without_users_give_no_error():
    assert per_user(np.empty((0, 5), dtype=np.int64), csr_array((0, 6)), 5)["ndcg"].shape == (0,)
    assert per_user(np.empty((1, 0), dtype=np.int64), relevant({A}), 5)["ndcg"].tolist() == [0.0]


def test_coverage_novelty_and_diversity_are_those_worked_out_by_hand():
    catalogue, category = np.arange(5), np.array([0, 0, 1, 1, 1, 2])
    customers = np.array([8, 4, 2, 1, 1, 0])
    found = of_all_lists(lists([A, B], [A, C]), 2, catalogue, customers, 8, category)
    assert found["coverage"] == pytest.approx(3 / 5)
    assert found["novelty"] == pytest.approx(((0 + 1) / 2 + (0 + 2) / 2) / 2)
    assert found["category_diversity"] == pytest.approx((0 + 1) / 2)
    # Sorted counts 0, 0, 1, 1, 2: sum of (2i - 6)·x = 0 + 2 + 8, divided by 5·4.
    assert found["gini"] == pytest.approx(10 / 20)


def test_gini_is_zero_for_equal_counts_and_near_one_for_a_single_item():
    assert gini(np.array([3, 3, 3])) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 9])) == pytest.approx(3 / 4)
    assert math.isnan(gini(np.array([0, 0])))


def test_nothing_recommended_has_no_figures():
    found = of_all_lists(lists([-1, -1]), 2, np.arange(6), np.ones(6, dtype=np.int64), 1, np.zeros(6, dtype=np.int64))
    assert all(math.isnan(value) for value in found.values())


def test_bootstrap_intervals_hold_the_mean_and_shrink_with_the_root_of_n():
    rng = np.random.default_rng(5)
    wide, narrow = (intervals({"x": rng.normal(0, 1, n)}, resamples(n))["x"] for n in (100, 10_000))
    assert wide[1] < wide[0] < wide[2]
    assert (wide[2] - wide[1]) / (narrow[2] - narrow[1]) == pytest.approx(10, rel=0.25)
    # 2 · 1.96 / sqrt(n) for a standard normal.
    assert narrow[2] - narrow[1] == pytest.approx(2 * 1.959964 / 100, rel=0.1)


def test_a_paired_difference_is_surer_than_its_two_sides():
    rng = np.random.default_rng(6)
    hard = rng.normal(0, 1, 300)
    better = hard + 0.1 + rng.normal(0, 0.05, 300)
    weights = resamples(300)
    difference = intervals({"d": better - hard}, weights)["d"]
    sides = intervals({"a": better, "b": hard}, weights)
    assert difference[1] > 0.08 and difference[2] < 0.12
    assert sides["a"][1] < sides["b"][2]


def test_equal_seeds_give_equal_intervals():
    values = {"x": np.arange(50.0)}
    assert intervals(values, resamples(50)) == intervals(values, resamples(50))
