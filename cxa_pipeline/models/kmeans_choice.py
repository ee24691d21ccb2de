"""How many clusters: figures for each number, and the rule that picks one.

Here: diagnostics and the choice. Not here: the fit itself (`kmeans`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cxa_pipeline.models.kmeans import SEED, Labels, Points, fit, nearest, sample, silhouettes_of_each

CANDIDATES = (3, 4, 5, 6, 7, 8)
LEAST_ROWS = 20
SAMPLE_ROWS = 10_000
RESAMPLES = 20
RESAMPLE_STARTS = 5


@dataclass(frozen=True)
class Diagnostics:
    """What speaks for and against one number of clusters.

    Args:
        k: Number of clusters.
        inertia: Sum of the squared distances to the centroids; the less, the closer.
        silhouette: Mean silhouette (Rousseeuw 1987) of a sample, -1 to 1; the more, the better apart.
        davies_bouldin: Index of Davies & Bouldin (1979), from 0; the less, the better apart.
        calinski_harabasz: Variance ratio of Calinski & Harabasz (1974), from 0; the more, the better apart.
        smallest_share: Part of the points that the smallest cluster has.
        stability: Mean adjusted Rand index (Hubert & Arabie 1985, eq. 5) between these clusters and those that
            RESAMPLES bootstrap resamples give, at most 1.
    """

    k: int
    inertia: float
    silhouette: float
    davies_bouldin: float
    calinski_harabasz: float
    smallest_share: float
    stability: float


@dataclass(frozen=True)
class Limits:
    """What a number of clusters must keep to be taken.

    Args:
        smallest_share: Every cluster has at least this part of the points.
        stability: Least stability.
        silhouette_gap: The silhouette is at most this much below the best.
    """

    smallest_share: float
    stability: float
    silhouette_gap: float


TO_BE_TAKEN = Limits(smallest_share=0.02, stability=0.8, silhouette_gap=0.03)
TO_BE_KEPT = Limits(smallest_share=0.01, stability=0.6, silhouette_gap=0.05)


@dataclass(frozen=True)
class Verdict:
    """Whether one number of clusters is taken, and why."""

    k: int
    is_chosen: bool
    reason: str


def candidates(points: Points, fixed: int | None = None) -> tuple[int, ...]:
    """The numbers of clusters that come into question, ascending; none if there can be one cluster alone.

    Args:
        points: (n, d).
        fixed: A number that somebody has set; as many clusters as distinct points are the most there can be.
    """
    distinct = len(np.unique(points, axis=0)) if points.size else 0
    if len(points) < LEAST_ROWS or distinct < 2:
        return ()
    wanted = {*CANDIDATES, fixed or CANDIDATES[0]}
    return tuple(sorted({k for k in wanted if k <= distinct})) or (distinct,)


def diagnose(points: Points, numbers: Sequence[int], seed: int = SEED) -> list[Diagnostics]:
    """The figures of each number of clusters.

    Args:
        points: (n, d) with at least as many distinct points as the greatest number.
        numbers: Numbers of clusters.
        seed: Of the samples and starts.
    """
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

    centroids = [fit(points, k, seed=seed) for k in numbers]
    labels = [nearest(points, found) for found in centroids]
    rows = sample(len(points), SAMPLE_ROWS, seed)
    silhouettes = silhouettes_of_each(points[rows], [found[rows] for found in labels])
    return [
        Diagnostics(
            k=k,
            inertia=float(((points - centroids[at][labels[at]]) ** 2).sum()),
            silhouette=float(silhouettes[at].mean()),
            davies_bouldin=float(davies_bouldin_score(points, labels[at])),
            calinski_harabasz=float(calinski_harabasz_score(points, labels[at])),
            smallest_share=float(np.bincount(labels[at], minlength=k).min() / len(points)),
            stability=stability(points[rows], labels[at][rows], k, seed),
        )
        for at, k in enumerate(numbers)
    ]


def stability(points: Points, labels: Labels, k: int, seed: int = SEED) -> float:
    """Mean adjusted Rand index between given clusters and those of bootstrap resamples.

    Each resample (as many points, drawn with replacement) is clustered by itself; its centroids are then asked for
    the cluster of every given point, which is compared with the given one.

    Args:
        points: (n, d).
        labels: (n,), the given clusters.
        k: Number of clusters.
        seed: Of the resamples.
    """
    from sklearn.metrics import adjusted_rand_score

    draws = np.random.default_rng(seed)
    found = []
    for at in range(RESAMPLES):
        times = np.bincount(draws.integers(0, len(points), len(points)), minlength=len(points))
        drawn = np.flatnonzero(times)
        # Few customers: fewer distinct rows than clusters may have been drawn.
        rows, weights = (drawn, times[drawn]) if len(drawn) >= k else (np.repeat(drawn, times[drawn]), None)
        centroids = fit(points[rows], k, RESAMPLE_STARTS, seed + at, weights)
        found.append(adjusted_rand_score(labels, nearest(points, centroids)))
    return float(np.mean(found))


def choose(found: Sequence[Diagnostics], fixed: int | None = None, before: int | None = None) -> list[Verdict]:
    """Which number of clusters is taken.

    In this order: the number that somebody has set (the greatest that the points allow, if they are fewer); that of
    the run before, as long as it keeps TO_BE_KEPT; the smallest that keeps TO_BE_TAKEN; if there is none, again that
    of the run before; the most stable one among those whose clusters are all large enough; the most stable one. The
    best silhouette is that of the numbers whose clusters are all large enough: one that splits off a handful of
    points outbids the others by that alone.

    Args:
        found: Diagnostics in the order of k, at least one.
        fixed: A number that somebody has set.
        before: The number that the run before took.

    Returns:
        A verdict for each of `found`, of which one is chosen.
    """
    failings = {d.k: _failing(d, found, TO_BE_TAKEN) for d in found}
    k, reason = _choice(found, failings, fixed, before)
    return [Verdict(d.k, d.k == k, reason if d.k == k else failings[d.k] or "another one is taken") for d in found]


def _choice(
    found: Sequence[Diagnostics], failings: dict[int, str | None], fixed: int | None, before: int | None
) -> tuple[int, str]:
    known = {d.k: d for d in found}
    if fixed is not None:
        k = max((k for k in known if k <= fixed), default=min(known))
        return k, "set" if k == fixed else f"{fixed} was set, and there are fewer distinct customers"
    if before in known and _failing(known[before], found, TO_BE_KEPT) is None:
        return before, "kept from the run before"
    for d in found:
        if failings[d.k] is None:
            return d.k, "the smallest that is stable, well apart and has no tiny cluster"
    if before in known:
        return before, "kept from the run before: none keeps all limits"
    large = [d for d in found if d.smallest_share >= TO_BE_TAKEN.smallest_share] or list(found)
    return max(large, key=lambda d: (d.stability, -d.k)).k, "none keeps all limits: the most stable one"


def _failing(judged: Diagnostics, found: Sequence[Diagnostics], limits: Limits) -> str | None:
    """The first limit that is not kept."""
    if judged.smallest_share < limits.smallest_share:
        return f"a cluster has less than {limits.smallest_share:.0%} of the customers"
    best = max(d.silhouette for d in found if d.smallest_share >= limits.smallest_share)
    if not judged.silhouette >= best - limits.silhouette_gap:
        return f"silhouette more than {limits.silhouette_gap} below the best"
    return None if judged.stability >= limits.stability else f"stability below {limits.stability}"
