"""How many clusters there are, which numbers and names they keep, and who moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from cxa_pipeline.models import kmeans
from cxa_pipeline.models.kmeans_choice import Diagnostics, candidates, choose, diagnose, stability
from cxa_pipeline.models.kmeans_identity import number, settle
from cxa_pipeline.models.kmeans_names import AVERAGE, Trait, distinct, name_all, still_true, text, traits
from tests.unit.blobs import CORNERS, NOBODY, Floats, blobs, uniform

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
