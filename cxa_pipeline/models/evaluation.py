"""How good ranked lists are against what was bought afterwards: measures per user, of all lists, and their intervals.

Here: lists and relevant sets in, figures out. Not here: who is trained on what and when (`recommender_protocol`), and
the recommenders themselves. Lists are (users, length) positions of items, best first, -1 where a list ends early;
relevant sets are a sparse matrix (users, items) whose stored entries are the relevant items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cxa_pipeline.models.sparse import has_entry

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SEED = 20_231
RESAMPLES = 1_000
PER_USER = ("ndcg", "recall", "precision", "hit_rate", "map", "mrr")
"""Measures that are a mean over users."""


def per_user(lists: Ints, relevant: csr_array, k: int, missed: Ints | None = None) -> dict[str, Floats]:
    """Measures of every user's list against a sparse matrix (users, items) of what is relevant; see `measures`."""
    return measures(is_relevant(lists, relevant), np.diff(relevant.indptr).astype(np.int64), k, missed)


def measures(is_hit: NDArray[np.bool_], relevant: Ints, k: int, missed: Ints | None = None) -> dict[str, Floats]:
    """Measures of every user's list, each in [0, 1]; their means over users are the published figures.

    With rel_i = 1 where the item at place i is relevant, G the relevant set and P(i) the precision of the first i:
    recall = hits/|G|; precision = hits/k, also for lists shorter than k; hit_rate = 1 with a hit, else 0;
    map = sum of P(i)·rel_i over i <= k, divided by min(|G|, k); mrr = 1/place of the first hit, 0 without one;
    ndcg = sum of rel_i/log2(i + 1), divided by its largest value, that of min(|G|, k) hits at the top (Järvelin &
    Kekäläinen 2002, binary gain).

    Args:
        is_hit: (users, length) whether a place holds a relevant item, from `is_relevant`.
        relevant: (users,) relevant items of each, at least one unless `missed` has one.
        k: Places that count.
        missed: (users,) further relevant items that no list can hold, counted in |G|.

    Returns:
        One array (users,) for each of PER_USER.
    """
    hits = is_hit[:, :k]
    length = hits.shape[1]
    wanted = relevant + (0 if missed is None else missed)
    place = np.arange(1, length + 1)
    reach = np.minimum(wanted, k)
    found = hits.sum(axis=1)
    first = np.where(found > 0, hits.argmax(axis=1) + 1, 1) if length else np.ones(len(hits))
    precision_at = np.cumsum(hits, axis=1) / place
    return {
        "ndcg": ndcg(hits, wanted, k),
        "recall": _ratio(found, wanted),
        "precision": found / k,
        "hit_rate": (found > 0).astype(np.float64),
        "map": _ratio((precision_at * hits).sum(axis=1), reach),
        "mrr": np.where(found > 0, 1 / first, 0.0),
    }


def ndcg(hits: NDArray[np.bool_], wanted: Ints, k: int) -> Floats:
    """Normalised discounted cumulative gain of each user's places, (users,); see `per_user`.

    Args:
        hits: (users, at most k) whether a place holds a relevant item.
        wanted: (users,) sizes of the relevant sets.
        k: Places that count.
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(wanted, k)]
    return _ratio(hits @ discount[: hits.shape[1]], ideal)


def is_relevant(lists: Ints, relevant: csr_array) -> NDArray[np.bool_]:
    """Which places of the lists hold a relevant item, (users, length)."""
    row = np.broadcast_to(np.arange(len(lists))[:, None], lists.shape)
    return has_entry(relevant, row, lists)


def _ratio(over: Floats | Ints, under: Floats | Ints) -> Floats:
    result: Floats = np.divide(over, under, out=np.zeros(len(over)), where=np.asarray(under) > 0)
    return result


def of_all_lists(
    lists: Ints, k: int, catalogue: Ints, item_customers: Ints, customers: int, category: Ints
) -> dict[str, float]:
    """Measures of the lists as a whole, over their first k places.

    coverage = distinct items in the lists / catalogue; novelty = mean over lists of the mean of
    -log2(customers with the item / customers) (Vargas & Castells 2011, eq. 6); gini of how often each item of the
    catalogue is recommended (0: all equally often, near 1: one item alone); category_diversity = mean over lists of
    the share of pairs of places with different categories (Ziegler et al. 2005). NaN where nothing is recommended.

    Args:
        lists: (users, length).
        k: Places that count.
        catalogue: Positions of the items that can be recommended.
        item_customers: (items,) customers who have the item in the training data.
        customers: Number of customers in the training data.
        category: (items,) codes.
    """
    shown = lists[:, :k]
    items = shown[shown >= 0]
    if not len(items):
        return dict.fromkeys(("coverage", "novelty", "gini", "category_diversity"), float("nan"))
    counts = np.bincount(items, minlength=len(item_customers))[catalogue]
    surprise = -np.log2(np.maximum(item_customers, 1) / max(customers, 1))
    inside = shown >= 0
    filled = inside.sum(axis=1)
    novelty = _ratio((surprise[shown] * inside).sum(axis=1), filled)
    return {
        "coverage": float((counts > 0).sum() / len(catalogue)),
        "novelty": float(novelty[filled > 0].mean()),
        "gini": gini(counts),
        "category_diversity": _category_diversity(np.where(inside, category[shown], -1)),
    }


def gini(counts: Ints) -> float:
    """Gini coefficient of counts: sum of (2i - n - 1)·x_i over ascending x, divided by n times their sum; 0 to 1."""
    total, n = counts.sum(), len(counts)
    if total == 0:
        return float("nan")
    return float(((2 * np.arange(1, n + 1) - n - 1) * np.sort(counts)).sum() / (n * total))


def _category_diversity(categories: Ints) -> float:
    filled = (categories >= 0).sum(axis=1)
    same = np.zeros(len(categories))
    ordered = np.sort(categories, axis=1)
    run = np.zeros(len(categories))
    # Equal neighbours after sorting: the j-th member of a run makes j - 1 equal pairs.
    for place in range(1, categories.shape[1]):
        is_equal = (ordered[:, place] == ordered[:, place - 1]) & (ordered[:, place] >= 0)
        run = np.where(is_equal, run + 1, 0)
        same += run
    pairs = filled * (filled - 1) / 2
    measured = pairs > 0
    return float((1 - same[measured] / pairs[measured]).mean()) if measured.any() else float("nan")


def resamples(n: int, seed: int = SEED, times: int = RESAMPLES) -> Floats:
    """Bootstrap weights (times, n): how often each of n users stands in each resample, divided by n.

    The same weights for all models make their differences paired.
    """
    rng = np.random.default_rng(seed)
    weights: Floats = np.stack([np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(times)]) / n
    return weights


def intervals(values: Mapping[str, Floats], weights: Floats) -> dict[str, tuple[float, float, float]]:
    """Mean over users and percentile bootstrap 95 % interval (Efron & Tibshirani 1993, ch. 13) of each measure.

    Args:
        values: (users,) of each measure; for a paired difference give the difference per user.
        weights: From `resamples` for as many users.

    Returns:
        Mean, lower and upper end.
    """
    names = list(values)
    table = np.stack([values[name] for name in names], axis=1)
    ends = np.quantile(weights @ table, [0.025, 0.975], axis=0)
    means = table.mean(axis=0)
    return {name: (float(means[i]), float(ends[0, i]), float(ends[1, i])) for i, name in enumerate(names)}
