"""k-means: planted clusters are found, the number is chosen by rule, numbers and names stay, degenerate data fall back."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_samples
from threadpoolctl import threadpool_limits

from cxa_pipeline.models import kmeans
from cxa_pipeline.models.kmeans_choice import Diagnostics, candidates, choose, diagnose, stability
from cxa_pipeline.models.kmeans_identity import number, settle
from cxa_pipeline.models.kmeans_names import AVERAGE, Trait, distinct, name_all, still_true, text, traits
from cxa_pipeline.models.kmeans_scaling import learn, points
from tests.independent import online_retail

Floats = NDArray[np.float64]
CORNERS = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0], [5.0, 20.0]])
NOBODY = np.empty((0, 2)), np.empty(0, dtype=np.int64)


def blobs(k: int, each: int = 60, seed: int = 1) -> tuple[Floats, NDArray[np.int64]]:
    """Points around k corners that lie ten standard deviations apart, and which corner each belongs to."""
    planted = np.repeat(np.arange(k), each)
    noise = np.random.default_rng(seed).normal(0, 0.8, (k * each, 2))
    return CORNERS[planted] + noise, planted


def uniform(n: int, d: int = 2, seed: int = 3) -> Floats:
    return np.random.default_rng(seed).random((n, d))


# --- centroids and silhouettes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3, 4, 5])
def test_separate_blobs_are_found_exactly(k: int) -> None:
    given, planted = blobs(k)
    assert adjusted_rand_score(planted, kmeans.nearest(given, kmeans.fit(given, k))) == 1


def test_centroids_are_the_means_of_their_points() -> None:
    given, planted = blobs(4)
    found = kmeans.fit(given, 4)
    means = np.array([given[planted == at].mean(axis=0) for at in range(4)])
    assert np.allclose(found[np.lexsort(found.T)], means[np.lexsort(means.T)], rtol=0, atol=1e-12)


def test_starts_that_are_tried_on_a_sample_find_as_good_centroids() -> None:
    given = uniform(kmeans.START_ROWS + 5_000)
    least = KMeans(5, n_init=20, random_state=1).fit(given).inertia_
    centres = kmeans.fit(given, 5)
    assert ((given - centres[kmeans.nearest(given, centres)]) ** 2).sum() <= 1.01 * least


def test_centroids_are_continued_where_a_fresh_fit_is_hardly_better() -> None:
    given = uniform(400)
    before = kmeans.fit(given, 5, starts=1, seed=4)
    found = kmeans.fit_near(given, before)
    assert np.abs(found - before).max() < 0.01
    fresh = kmeans.fit(given, 5)
    assert np.abs(np.sort(fresh, axis=0) - np.sort(before, axis=0)).max() > 0.01


def test_centroids_are_fitted_afresh_where_that_is_clearly_better() -> None:
    given, planted = blobs(4)
    stuck = np.array([[0.0, 0.0], [10.0, -0.5], [10.0, 0.5], [5.0, 10.0]])
    found = kmeans.fit_near(given, stuck)
    assert adjusted_rand_score(planted, kmeans.nearest(given, found)) == 1


def test_one_and_two_threads_give_the_same_clusters() -> None:
    given = uniform(1000, 3)
    with threadpool_limits(1):
        one = kmeans.fit(given, 5, starts=3)
        again = kmeans.fit(given, 5, starts=3)
    with threadpool_limits(2):
        two = kmeans.fit(given, 5, starts=3)
    assert again.tobytes() == one.tobytes()
    assert np.allclose(two, one, rtol=0, atol=1e-12)
    assert kmeans.nearest(given, two).tolist() == kmeans.nearest(given, one).tolist()


def test_equally_near_points_go_to_the_first_centroid() -> None:
    assert kmeans.nearest(np.array([[1.0], [1.1]]), np.array([[0.0], [2.0]])).tolist() == [0, 1]


def test_chunks_cover_every_row_once() -> None:
    rows = [n for part in kmeans.chunks(25, 10) for n in range(25)[part]]
    assert rows == list(range(25))
    assert list(kmeans.chunks(0)) == []


def test_silhouettes_are_those_of_scikit_learn() -> None:
    given = uniform(300)
    labels = np.random.default_rng(5).integers(2, 6, 300) * 7
    assert np.allclose(kmeans.silhouettes(given, labels), silhouette_samples(given, labels), rtol=0, atol=1e-12)


def test_silhouette_of_four_points_is_that_computed_by_hand() -> None:
    # a = 1 for each pair; b of the outer points 10.5, of the inner ones 9.5
    found = kmeans.silhouettes(np.array([[0.0], [1.0], [10.0], [11.0]]), np.array([1, 1, 2, 2]))
    assert found == pytest.approx([9.5 / 10.5, 8.5 / 9.5, 8.5 / 9.5, 9.5 / 10.5], abs=1e-15)


def test_silhouette_of_a_lonely_point_and_of_coinciding_ones_is_zero() -> None:
    assert kmeans.silhouettes(np.array([[0.0], [5.0], [6.0]]), np.array([1, 2, 2]))[0] == 0
    assert kmeans.silhouettes(np.zeros((4, 1)), np.array([1, 1, 2, 2])).tolist() == [0, 0, 0, 0]


def test_silhouettes_of_one_cluster_are_undefined() -> None:
    assert np.isnan(kmeans.silhouettes(uniform(5), np.ones(5, dtype=np.int64))).all()


def test_silhouettes_by_a_sample_are_near_the_exact_ones() -> None:
    given, planted = blobs(3, each=2000)
    given = np.vstack([given, [[50.0, 50.0]]])
    labels = np.append(planted, 9)
    sampled, exact = kmeans.silhouettes(given, labels, exact_rows=100), kmeans.silhouettes(given, labels)
    assert np.abs(sampled - exact).max() < 0.03
    assert abs(sampled.mean() - exact.mean()) < 0.003
    assert sampled[-1] == 0


def test_silhouettes_by_a_sample_are_those_of_the_distances_to_it() -> None:
    given, planted = blobs(3, each=500)
    given += 20.0  # squares far from 0 have fewer digits left for the distance
    chosen = kmeans._reference(planted, 3)
    exact = kmeans._against(given, chosen, [planted], lambda some: kmeans.distances(some, given[chosen]), 10_000)[0]
    assert np.abs(kmeans.silhouettes(given, planted, exact_rows=100) - exact).max() < 1e-3


def test_sample_is_sorted_without_repetition_and_always_the_same() -> None:
    drawn = kmeans.sample(1000, 100)
    assert len(set(drawn.tolist())) == 100
    assert drawn.tolist() == sorted(drawn.tolist())
    assert drawn.tolist() == kmeans.sample(1000, 100).tolist()
    assert kmeans.sample(3, 100).tolist() == [0, 1, 2]


# --- one dimension ------------------------------------------------------------------------------------------------


def test_groups_of_one_number_are_in_the_order_of_their_means() -> None:
    values = np.array([100.0, 1.0, 52.0, 2.0, 1000.0, 50.0, 103.0, 0.0, 1010.0])
    assert kmeans.ordered_groups(values).tolist() == [2, 0, 1, 0, 3, 1, 2, 0, 3]


@pytest.mark.parametrize(
    ("values", "groups"),
    [([5.0, 5.0, 5.0], [0, 0, 0]), ([3.0, 1.0, 3.0, 2.0], [2, 0, 2, 1]), ([7.0], [0]), ([], [])],
)
def test_few_distinct_values_are_a_group_each(values: list[float], groups: list[int]) -> None:
    assert kmeans.ordered_groups(np.array(values)).tolist() == groups


def test_thirty_orders_of_magnitude_are_grouped() -> None:
    values = np.array([1e-15, 2e-15, 1e15, 1.0, 1.1e15, 5.0e14, 5.1e14, 1e14, -1e3])
    assert kmeans.ordered_groups(values).tolist() == [0, 0, 3, 0, 3, 2, 2, 1, 0]


# --- scaling ------------------------------------------------------------------------------------------------------


def test_points_have_mean_zero_and_deviation_one() -> None:
    values = {"days": uniform(500)[:, 0] * 300, "share": uniform(500)[:, 1]}
    found = points(values, learn(values, {"days"}))
    assert np.allclose(found.mean(axis=0), 0, atol=1e-12)
    assert np.allclose(found.std(axis=0), 1, atol=1e-12)


def test_a_logged_feature_is_the_standardised_logarithm_of_one_plus_its_value_and_negative_counts_as_zero() -> None:
    money = np.array([-50.0, 0.0, *np.expm1(np.tile([0.0, 1.0, 2.0], 200))])
    (scale,) = learn({"money": money}, {"money"})
    found = scale.coordinate(money)
    assert found[0] == found[1]
    logs = np.log1p(np.maximum(money, 0))
    assert found == pytest.approx((logs - logs.mean()) / logs.std(), abs=1e-12)


def test_values_beyond_the_first_and_the_last_percentile_are_moved_there() -> None:
    values = np.arange(101.0)
    values[100] = 1e9
    (scale,) = learn({"x": values}, set())
    assert (scale.lower, scale.upper) == (1, 99)
    found = scale.coordinate(values)
    assert (found[0], found[100]) == (found[1], found[99])


def test_a_missing_value_is_the_median_and_has_an_indicator() -> None:
    values = {"rate": np.array([np.nan, np.nan, 1.0, 2.0, 6.0] * 10)}
    rate, indicator = learn(values, set())
    assert (rate.fill, indicator.feature) == (2.0, "rate_missing")
    found = points(values, [rate, indicator])
    assert found[0, 0] == found[3, 0]
    assert [z > 0 for z in found[:5, 1]] == [True, True, False, False, False]


def test_what_says_nothing_is_dropped_with_the_reason() -> None:
    gaps = np.array([np.nan, 1.0, 3.0, 4.0] * 10)
    values = {"flat": np.full(40, 7.0), "none": np.full(40, np.nan), "one": gaps, "two": gaps**2}
    found = {scale.feature: scale.dropped_because for scale in learn(values, {"flat"})}
    assert found == {
        "flat": "one value",
        "none": "no values",
        "one": None,
        "one_missing": None,
        "two": None,
        "two_missing": "the same as one_missing",
    }
    assert points(values, learn(values, {"flat"})).shape == (40, 3)


def test_a_feature_whose_lack_another_one_tells_has_no_indicator() -> None:
    gaps = np.array([np.nan, 1.0, 3.0, 4.0] * 10)
    assert [scale.feature for scale in learn({"rate": gaps, "gap": gaps}, set(), {"rate"})] == [
        "rate",
        "gap",
        "gap_missing",
    ]


def test_a_feature_that_one_in_a_thousand_has_is_dropped_and_does_not_make_a_cluster() -> None:
    rare = np.zeros(1000)
    rare[0] = 1
    (scale,) = learn({"rare": rare}, set())
    assert scale.dropped_because == "one value"


def test_coordinates_of_thirty_orders_of_magnitude_are_finite_and_turn_back_into_values() -> None:
    values = {"money": 10.0 ** np.linspace(-15, 15, 301)}
    (scale,) = learn(values, {"money"})
    found = points(values, [scale])
    assert np.isfinite(found).all()
    assert scale.value(float(found[150, 0])) == pytest.approx(1.0)
    assert scale.value(float(found[270, 0])) == pytest.approx(1e12)


# --- how many -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("planted", [3, *(pytest.param(k, marks=pytest.mark.slow) for k in (4, 5))])
def test_the_number_that_was_planted_is_chosen(planted: int) -> None:
    given, _ = blobs(planted)
    found = diagnose(given, candidates(given))
    assert [d.k for d in found] == [3, 4, 5, 6, 7, 8]
    assert [v.k for v in choose(found) if v.is_chosen] == [planted]
    right = found[planted - 3]
    assert (right.stability, right.smallest_share) == (1, 1 / planted)


def test_inertia_is_the_sum_of_squared_distances_to_the_means_of_the_clusters() -> None:
    given, planted = blobs(4)
    means = np.array([given[planted == at].mean(axis=0) for at in range(4)])
    assert diagnose(given, [4])[0].inertia == pytest.approx(((given - means[planted]) ** 2).sum(), rel=1e-12)


def test_the_figures_of_a_number_do_not_depend_on_the_other_numbers() -> None:
    given, _ = blobs(4)
    assert diagnose(given, (3, 4, 5))[1] == diagnose(given, [4])[0]


def test_a_resample_counts_a_customer_as_often_as_it_was_drawn() -> None:
    """The fit of distinct rows with weights is that of repeated rows."""
    given = uniform(300)
    times = np.bincount(np.random.default_rng(3).integers(0, 300, 300), minlength=300)
    drawn = np.flatnonzero(times)
    weighted = kmeans.fit(given[drawn], 4, weights=times[drawn])
    repeated = kmeans.fit(np.repeat(given, times, axis=0), 4)
    inertia = [
        ((given - centres[kmeans.nearest(given, centres)]) ** 2).sum(axis=1) @ times for centres in (weighted, repeated)
    ]
    assert inertia[0] == pytest.approx(inertia[1], rel=1e-3)


def test_noise_is_less_stable_than_clusters() -> None:
    given = uniform(240)
    assert stability(given, kmeans.nearest(given, kmeans.fit(given, 7)), 7) < 0.8


def test_nobody_one_nineteen_and_equal_customers_have_no_clusters() -> None:
    for few in (np.empty((0, 2)), np.ones((1, 2)), uniform(19), np.ones((500, 3)), np.empty((50, 0))):
        assert candidates(few) == ()


def test_no_more_clusters_than_distinct_points() -> None:
    assert candidates(uniform(20)) == (3, 4, 5, 6, 7, 8)
    assert candidates(np.repeat(uniform(5), 10, axis=0)) == (3, 4, 5)
    assert candidates(np.repeat(uniform(2), 10, axis=0)) == (2,)


def test_as_many_clusters_as_distinct_points_have_figures() -> None:
    (found,) = diagnose(np.repeat(uniform(3), 20, axis=0), [3])
    assert (found.silhouette, found.stability) == (1, 1)
    assert found.inertia == pytest.approx(0, abs=1e-20)


def test_a_number_that_was_set_is_a_candidate_unless_there_are_fewer_distinct_points() -> None:
    assert candidates(uniform(50), 2) == (2, 3, 4, 5, 6, 7, 8)
    assert candidates(uniform(50), 12) == (3, 4, 5, 6, 7, 8, 12)
    assert candidates(np.repeat(uniform(5), 10, axis=0), 12) == (3, 4, 5)


GOOD = Diagnostics(3, 100.0, 0.40, 1.0, 50.0, 0.2, 0.9)
"""A number of clusters with nothing against it; the tests below change what they are about."""


def taken(*found: Diagnostics, fixed: int | None = None, before: int | None = None) -> tuple[int, str]:
    (verdict,) = [v for v in choose(found, fixed, before) if v.is_chosen]
    return verdict.k, verdict.reason


def test_the_smallest_that_keeps_all_limits_is_taken() -> None:
    assert taken(GOOD, replace(GOOD, k=4, silhouette=0.43))[0] == 3
    assert taken(GOOD, replace(GOOD, k=4, silhouette=0.44))[0] == 4
    assert taken(replace(GOOD, stability=0.79), replace(GOOD, k=4))[0] == 4
    assert taken(replace(GOOD, smallest_share=0.019), replace(GOOD, k=4))[0] == 4


def test_a_number_with_a_tiny_cluster_does_not_set_the_best_silhouette() -> None:
    assert taken(GOOD, replace(GOOD, k=4, silhouette=0.9, smallest_share=0.001))[0] == 3


def test_every_other_number_says_why_it_is_not_taken() -> None:
    found = [
        GOOD,
        replace(GOOD, k=4),
        replace(GOOD, k=5, stability=0.5),
        replace(GOOD, k=6, silhouette=0.1),
        replace(GOOD, k=7, smallest_share=0.0),
    ]
    assert [v.reason for v in choose(found)[1:]] == [
        "another one is taken",
        "stability below 0.8",
        "silhouette more than 0.03 below the best",
        "a cluster has less than 2% of the customers",
    ]


def test_where_none_keeps_all_limits_the_most_stable_without_a_tiny_cluster_is_taken() -> None:
    shaky = replace(GOOD, stability=0.6), replace(GOOD, k=4, stability=0.7), replace(GOOD, k=5, stability=0.7)
    tiny = replace(GOOD, k=6, stability=0.99, smallest_share=0.01)
    assert taken(*shaky, tiny) == (4, "none keeps all limits: the most stable one")
    assert taken(tiny, replace(tiny, k=7))[0] == 6
    assert taken(*shaky, tiny, before=3) == (3, "kept from the run before")
    assert taken(replace(shaky[0], stability=0.1), *shaky[1:], before=3)[1] == (
        "kept from the run before: none keeps all limits"
    )


def test_a_set_number_is_taken_whatever_its_figures() -> None:
    bad = replace(GOOD, k=4, stability=0.0)
    assert taken(GOOD, bad, fixed=4) == (4, "set")
    assert taken(GOOD, bad, fixed=9) == (4, "9 was set, and there are fewer distinct customers")
    assert taken(GOOD, bad, fixed=2)[0] == 3


def test_the_number_of_the_run_before_is_kept_while_it_is_nearly_good_enough() -> None:
    nearly = replace(GOOD, k=4, stability=0.65, silhouette=0.36, smallest_share=0.015)
    assert taken(GOOD, nearly, before=4) == (4, "kept from the run before")
    assert taken(GOOD, replace(nearly, stability=0.59), before=4)[0] == 3
    assert taken(GOOD, nearly, before=11)[0] == 3


# --- numbers and moves --------------------------------------------------------------------------------------------


def numbered(centroids: Floats, means: Floats, before: tuple[Floats, NDArray[np.int64]] = NOBODY) -> list[int]:
    return number(centroids, means, *before)[0].tolist()


def test_a_first_run_numbers_clusters_by_descending_mean() -> None:
    assert numbered(CORNERS[:3], np.array([5.0, 900.0, 70.0])) == [3, 1, 2]


def test_a_cluster_keeps_its_number_when_centroids_come_in_another_order_and_means_change() -> None:
    before = CORNERS[:3], np.array([2, 1, 3])
    assert numbered(CORNERS[[2, 0, 1]] + 0.3, np.array([1.0, 2.0, 3.0]), before) == [3, 2, 1]


def test_centroids_are_paired_for_the_least_total_distance() -> None:
    # Each for itself, both would take 1; the least sum of distances is 2 + 1, against 1 + 9 the other way round.
    found, earlier = number(np.array([[2.0], [0.0]]), np.ones(2), np.array([[1.0], [4.0]]), np.array([1, 2]))
    assert found.tolist() == earlier.tolist() == [2, 1]


def test_a_new_cluster_takes_a_number_that_the_run_before_did_not_use() -> None:
    before = CORNERS[:2], np.array([1, 3])
    found, earlier = number(CORNERS[[3, 1, 4, 0]], np.array([1.0, 5.0, 9.0, 5.0]), *before)
    assert found.tolist() == [4, 3, 2, 1]
    assert earlier.tolist() == [0, 3, 0, 1]


def test_numbers_survive_a_permutation_and_new_rows() -> None:
    given, planted = blobs(4)
    centres = kmeans.fit(given, 4)
    first, _ = number(centres, np.arange(4.0), *NOBODY)
    labels = first[kmeans.nearest(given, centres)]
    order = np.random.default_rng(8).permutation(len(given))
    grown = np.vstack([given[order], blobs(4, each=9, seed=2)[0]])
    again = kmeans.fit(grown, 4)
    second, _ = number(again, np.zeros(4), centres, first)
    assert second[kmeans.nearest(grown, again)][: len(given)].tolist() == labels[order].tolist()
    assert adjusted_rand_score(planted, labels) == 1


BETWEEN = np.array([[10.0, 9.5], [10.0, 8.9], [10.0, 9.0], [1.0, 9.0]])
"""Distances of four customers to the clusters 1 and 4."""


def settled(measured: Floats, before: list[int], **more: float) -> list[int]:
    numbers = np.array([1, 4])
    return numbers[settle(measured, numbers, np.array(before), **more)[0]].tolist()  # type: ignore[no-any-return]


def test_a_customer_moves_only_to_a_centroid_that_is_clearly_nearer() -> None:
    assert settled(BETWEEN, [1, 1, 1, 1]) == [1, 4, 1, 1]
    assert settled(BETWEEN, [4, 4, 4, 4]) == [4, 4, 4, 1]


def test_a_customer_without_an_earlier_cluster_or_whose_cluster_is_gone_goes_to_the_nearest() -> None:
    assert settled(BETWEEN, [0, 0, 3, 9]) == [4, 4, 4, 1]


def test_at_ratio_one_everybody_goes_to_the_nearest_and_at_zero_nobody_moves() -> None:
    assert settled(BETWEEN, [1, 1, 1, 4], switch_ratio=1) == [4, 4, 4, 1]
    assert settled(BETWEEN, [1, 1, 1, 4], switch_ratio=0) == [1, 1, 1, 4]


def test_small_noise_moves_nobody_with_the_rule_and_somebody_without() -> None:
    given = uniform(2000)
    centres = kmeans.fit(given, 4)
    numbers = np.arange(1, 5)
    was = numbers[kmeans.nearest(given, centres)]
    noisy = kmeans.distances(given, centres + np.random.default_rng(2).normal(0, 0.01, centres.shape))
    kept, closest = settle(noisy, numbers, was)
    assert (numbers[closest] != was).sum() > 0
    assert (numbers[kept] != was).sum() == 0


# --- names --------------------------------------------------------------------------------------------------------

WORDS = (
    ("now", "recently", "long ago", "very long ago"),
    ("once", "seldom", "often", "very often"),
    ("a", "b", "c", "d"),
)


def names(*centroids: list[float], before: dict[int, list[Trait]] | None = None) -> list[str]:
    return [text(said, WORDS) for said in name_all(np.array(centroids), before or {})]


def test_a_cluster_is_named_by_the_two_features_that_are_furthest_from_the_average() -> None:
    assert names([-0.5, 1.4, 0.4], [1.1, -0.2, -0.9]) == ["Very often, recently", "Very long ago, b"]


def test_a_cluster_near_the_average_says_so() -> None:
    assert names([0.1, -0.29, 0.0], [0.1, -0.31, 0.0]) == [AVERAGE, "Seldom"]


def test_equal_names_get_a_third_trait_or_the_number() -> None:
    assert names([-0.5, 0.8, 0.4], [-0.6, 0.7, -0.4]) == ["Often, recently, c", "Often, recently, b"]
    assert names([-0.7, 0.8, 0.4], [-0.8, 0.7, -0.4]) == ["Often, recently, c", "Recently, often, b"]
    assert distinct(["x", "y", "x"], [1, 2, 3]) == ["x (1)", "y", "x (3)"]


def test_a_name_stays_while_it_is_still_true() -> None:
    said = {0: traits(np.array([-0.5, 1.05, 0.4]))}
    assert names([-0.45, 0.9, 0.6], before=said) == ["Very often, recently"]
    assert names([-0.45, 0.8, 0.6], before=said) == ["Often, c"]
    assert names([-0.1, 1.0, 0.6], before=said) == ["Very often, c"]
    assert not still_true([Trait(0, 1)], np.array([1.2]))
    assert still_true([Trait(0, -1)], np.array([-1.1]))


# --- reference data -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif("CXA_REFERENCE_DATA" not in os.environ, reason="no reference data on this machine")
def test_silhouettes_of_online_retail() -> None:
    """Those that scikit-learn gives for the winsorised, standardised logarithms, whatever the starts: to 3 digits."""
    lines = online_retail.sales(online_retail.reference_data())
    lines = lines[(lines["status"] == "completed") & lines["customer_id"].notna()]
    orders = (
        lines[lines["line_type"] == "sale"]
        .groupby("customer_id")
        .agg(last=("sold", "max"), frequency=("order_id", "nunique"))
    )
    last_day = lines["sold"].dt.normalize().max()
    values = {
        "recency_days": (last_day - orders["last"].dt.normalize()).dt.days.to_numpy(dtype=np.float64),
        "frequency": orders["frequency"].to_numpy(dtype=np.float64),
        "monetary": lines.groupby("customer_id")["total_milli"].sum().reindex(orders.index).to_numpy() / 1000,
    }
    assert len(orders) == 4338
    found = points(values, learn(values, set(values)))
    diagnostics = diagnose(found, range(2, 9))
    assert [round(d.silhouette, 3) for d in diagnostics[:3]] == [0.436, 0.340, 0.339]
    assert [v.k for v in choose(diagnostics[1:]) if v.is_chosen] == [3]
