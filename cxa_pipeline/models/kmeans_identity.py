"""Clusters that stay the same from run to run: their numbers, and the customers in them.

Here: which centroid takes the number of which earlier one, and when a customer changes its cluster. Not here: the
centroids (`kmeans`), the names (`kmeans_names`).
"""

from __future__ import annotations

import numpy as np

from cxa_pipeline.models.kmeans import Labels, Points, distances

SWITCH_RATIO = 0.9
NOWHERE = 0


def number(centroids: Points, means: Points, before: Points, numbers_before: Labels) -> tuple[Labels, Labels]:
    """Numbers of the clusters, 1 and up.

    Without a run before, 1 is the cluster with the greatest mean, 2 the next and so on. With one, centroids are
    paired with the earlier ones so that the sum of the distances is least (the assignment problem, Kuhn 1955), and a
    paired cluster takes the earlier number. The others take, by descending mean, the smallest numbers that the run
    before did not use.

    Args:
        centroids: (k, d).
        means: (k,), what a first run sorts by.
        before: (m, d), the earlier centroids on the present scale; m = 0 if there are none.
        numbers_before: (m,), their numbers.

    Returns:
        (k,) numbers, and (k,) the earlier number that each was paired with, NOWHERE for none.
    """
    from scipy.optimize import linear_sum_assignment

    taken = np.full(len(centroids), NOWHERE, dtype=np.int64)
    if len(before):
        rows, columns = linear_sum_assignment(distances(centroids, before))
        taken[rows] = numbers_before[columns]
    numbers = taken.copy()
    used = set(numbers_before.tolist())
    free = (n for n in range(1, len(used) + len(centroids) + 1) if n not in used)
    for at in np.lexsort((*centroids.T[::-1], -means)):
        if numbers[at] == NOWHERE:
            numbers[at] = next(free)
    return numbers, taken


def settle(
    measured: Points, numbers: Labels, before: Labels, switch_ratio: float = SWITCH_RATIO
) -> tuple[Labels, Labels]:
    """The cluster of each customer: the nearest, or the earlier one as long as the nearest is not clearly nearer.

    A customer leaves its cluster if the distance to the nearest centroid is less than `switch_ratio` times the
    distance to its own; at 1 it always goes to the nearest, at 0 it never leaves. Who sits on the border of two
    clusters is not moved to and fro by what one day changes.

    Args:
        measured: (n, k), distances to the centroids.
        numbers: (k,), numbers of the clusters, ascending.
        before: (n,), the number of each customer's earlier cluster, NOWHERE for none.
        switch_ratio: Between 0 and 1.

    Returns:
        (n,) positions of the cluster that each customer has, and of the nearest one.
    """
    closest = measured.argmin(axis=1)
    was = np.minimum(np.searchsorted(numbers, before), len(numbers) - 1)
    is_known = numbers[was] == before
    at = np.arange(len(measured))
    stays = is_known & (measured[at, closest] >= switch_ratio * measured[at, was])
    return np.where(stays, was, closest), closest
