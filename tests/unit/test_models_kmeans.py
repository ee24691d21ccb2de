"""k-means: centroids, silhouettes, groups of one number, and scaling."""

from __future__ import annotations

import os

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_samples
from threadpoolctl import threadpool_limits

from cxa_pipeline.models import kmeans
from cxa_pipeline.models.kmeans_choice import choose, diagnose
from cxa_pipeline.models.kmeans_scaling import learn, points
from tests.independent import online_retail
from tests.unit.blobs import blobs, uniform

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
