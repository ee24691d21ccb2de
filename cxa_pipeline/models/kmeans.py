"""k-means (Lloyd 1982; starts by k-means++, Arthur & Vassilvitskii 2007): centroids, distances, silhouettes.

Here: what one fit is and how well each row sits in its cluster. Not here: how features become points
(`kmeans_scaling`), how many clusters there are (`kmeans_choice`), which numbers they have from run to run
(`kmeans_identity`) and what they are called (`kmeans_names`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Labels = NDArray[np.int64]
Measure = Callable[[Points], NDArray[np.floating[Any]]]

SEED = 0
STARTS = 20
WORSE_BY = 0.02
"""Part by which the sum of squares of continued centroids may exceed that of fresh ones."""
FIT_ROWS = 100_000
"""With more rows the centroids are fitted to a sample of this many, and all rows are assigned to them."""
START_ROWS = 10_000
"""With more rows the starts are tried on a sample of this many, and the best one goes on over all rows."""
EXACT_SILHOUETTE_ROWS = 10_000
REFERENCE_ROWS = 2_000
CHUNK_ROWS = 50_000
CHUNK_DISTANCES = 1_000_000
QUICK_CHUNK_DISTANCES = 200_000
"""Distances measured at a time; few enough to stay in the processor's cache."""


def fit(
    points: Points, k: int, starts: int = STARTS, seed: int = SEED, weights: Points | Labels | None = None
) -> Points:
    """Centroids of the best of several starts, as scikit-learn gives them by default.

    The last digits depend on the number of threads, as those of all sums of doubles do; models run on one.

    Args:
        points: (n, d), n >= k.
        k: Number of clusters. With fewer distinct points some centroids coincide or have no point.
        starts: Number of starts; the one with the least sum of squared distances wins.
        seed: Of the random numbers.
        weights: (n,), how often each point counts; None counts each once.

    Returns:
        (k, d), in no particular order.
    """
    return _best(points, k, starts, seed, weights)[0]


def fit_near(points: Points, before: Points, seed: int = SEED) -> Points:
    """Centroids that continue earlier ones, unless a fresh fit is better by more than WORSE_BY.

    Where customers form no sharp clusters, quite different centroids are almost equally good, and which of them
    wins changes with every few rows.

    Args:
        points: (n, d), n >= k.
        before: (k, d), the earlier centroids on the scale of the points; the iteration starts from them.
        seed: Of the random numbers of the fresh fit.

    Returns:
        (k, d); in the order of `before` if they continue them.
    """
    fresh, least = _best(points, len(before), STARTS, seed)
    continued, inertia = _fitted(points, len(before), before, 1, seed)
    return continued if inertia <= (1 + WORSE_BY) * least else fresh


def _best(
    points: Points, k: int, starts: int, seed: int, weights: Points | Labels | None = None
) -> tuple[Points, float]:
    if len(points) <= START_ROWS:
        return _fitted(points, k, "k-means++", starts, seed, weights)
    rows = sample(len(points), START_ROWS, seed)
    begun, _ = _fitted(points[rows], k, "k-means++", starts, seed, None if weights is None else weights[rows])
    return _fitted(points, k, begun, 1, seed, weights)


def _fitted(
    points: Points, k: int, init: Any, starts: int, seed: int, weights: Points | Labels | None = None
) -> tuple[Points, float]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = KMeans(k, init=init, n_init=starts, random_state=seed).fit(points, sample_weight=weights)
    return fitted.cluster_centers_, float(fitted.inertia_)


def sample(n: int, size: int, seed: int = SEED) -> Labels:
    """Ascending positions of `size` of n rows, drawn without replacement; all of them if there are no more."""
    if n <= size:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, size, replace=False))


def distances(points: Points, centroids: Points) -> Points:
    """Euclidean distances, (n, k)."""
    from scipy.spatial.distance import cdist

    found: Points = cdist(points, centroids)
    return found


def nearest(points: Points, centroids: Points) -> Labels:
    """Position of the nearest centroid of each point, the first of equally near ones."""
    labels = np.empty(len(points), dtype=np.int64)
    for rows in chunks(len(points)):
        labels[rows] = distances(points[rows], centroids).argmin(axis=1)
    return labels


def chunks(n: int, size: int = CHUNK_ROWS) -> Iterator[slice]:
    """Consecutive slices of at most `size` of n rows: what bounds the memory of everything that is n x k."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def silhouettes(points: Points, labels: Labels, exact_rows: int = EXACT_SILHOUETTE_ROWS) -> Points:
    """Silhouette of every point (Rousseeuw 1987, eq. 1): (b - a) / max(a, b), from -1 to 1.

    a is the mean distance to the other points of the point's own cluster, b the least mean distance to the points of
    another one; 0 for the only point of a cluster, and where a = b = 0. Up to `exact_rows` points all distances
    count. With more, the means are over a sample of REFERENCE_ROWS points, drawn from each cluster by its size.

    Args:
        points: (n, d).
        labels: (n,), any integers.
        exact_rows: Up to this many rows all distances are measured.

    Returns:
        (n,); NaN everywhere if there is one cluster alone.
    """
    if len(points) <= exact_rows:
        return silhouettes_of_each(points, [labels])[0]
    found, codes = np.unique(labels, return_inverse=True)
    if len(found) < 2:
        return np.full(len(points), np.nan)
    chosen = _reference(codes, len(found))
    return _against(points, chosen, [codes], _quick_distances(points[chosen]), QUICK_CHUNK_DISTANCES)[0]


def silhouettes_of_each(points: Points, labelings: Sequence[Labels]) -> list[Points]:
    """Silhouettes of the same points in several clusterings; all distances count, and are measured once.

    Args:
        points: (n, d).
        labelings: (n,) any integers, for each clustering.

    Returns:
        (n,) for each; NaN everywhere where there is one cluster alone.
    """
    codes = [np.unique(labels, return_inverse=True)[1] for labels in labelings]
    return _against(points, np.arange(len(points)), codes, lambda some: distances(some, points), CHUNK_DISTANCES)


def _against(
    points: Points,
    chosen: Labels,
    labelings: Sequence[Labels],
    measure: Measure,
    chunk: int,
) -> list[Points]:
    """Silhouettes with the chosen points alone as the others, whose distances to some points `measure` gives."""
    is_chosen = np.zeros(len(points), dtype=np.int64)
    is_chosen[chosen] = 1
    members = [np.eye(codes.max(initial=0) + 1)[codes[chosen]] for codes in labelings]
    found = [np.full(len(points), np.nan) for _ in labelings]
    for rows in chunks(len(points), max(1, chunk // len(chosen)) if len(chosen) else 1):
        measured = measure(points[rows])
        for silhouette, codes, of in zip(found, labelings, members, strict=True):
            if of.shape[1] > 1:
                totals = (measured @ of.astype(measured.dtype, copy=False)).astype(np.float64, copy=False)
                silhouette[rows] = _silhouette(totals, codes[rows], of.sum(axis=0), is_chosen[rows])
    return found


def _quick_distances(others: Points) -> Measure:
    """Measures distances by one product of matrices in single precision.

    Squares are |x|² - 2xy + |y|². Six digits are enough for a mean over a sample, whose own error is in the second.
    """
    right = np.vstack([-2 * others.T, (others**2).sum(axis=1), np.ones(len(others))]).astype(np.float32)
    # New memory for every product would take longer than the product.
    kept = np.empty(QUICK_CHUNK_DISTANCES, dtype=np.float32)

    def measure(points: Points) -> NDArray[np.float32]:
        left = np.column_stack([points, np.ones(len(points)), (points**2).sum(axis=1)]).astype(np.float32)
        room = kept if kept.size >= len(points) * len(others) else np.empty(len(points) * len(others), dtype=np.float32)
        found = room[: len(points) * len(others)].reshape(len(points), len(others))
        np.matmul(left, right, out=found)
        np.maximum(found, 0, out=found)
        return np.sqrt(found, out=found)

    return measure


def _reference(codes: Labels, k: int) -> Labels:
    share = REFERENCE_ROWS / len(codes)
    drawn = []
    for cluster in range(k):
        members = np.flatnonzero(codes == cluster)
        # Two at least: the mean distance of one that was drawn itself needs another one.
        drawn.append(members[sample(len(members), max(2, round(share * len(members))))])
    return np.sort(np.concatenate(drawn))


def _silhouette(totals: Points, own: Labels, sizes: Points, is_chosen: Labels) -> Points:
    at = np.arange(len(own))
    others = sizes[own] - is_chosen
    inside = totals[at, own] / np.maximum(others, 1)
    means = totals / sizes
    means[at, own] = np.inf
    outside = means.min(axis=1)
    widest = np.maximum(inside, outside)
    is_defined = (others > 0) & (widest > 0)
    return np.where(is_defined, (outside - inside) / np.where(widest > 0, widest, 1), 0.0)


def ordered_groups(values: Points, k: int = 4, seed: int = SEED) -> Labels:
    """k-means of one number alone, groups counted from 0 by ascending mean.

    Args:
        values: (n,), without NaN.
        k: Number of groups; with fewer distinct values each value is a group.
        seed: Of the random numbers.

    Returns:
        (n,) numbers of groups, 0 to k - 1.
    """
    distinct = np.unique(values)
    if len(distinct) <= k:
        return np.searchsorted(distinct, values).astype(np.int64)
    fitted = values[sample(len(values), FIT_ROWS, seed)]
    centroids = np.sort(fit(fitted[:, None], k, seed=seed), axis=0)
    return nearest(values[:, None], centroids)
