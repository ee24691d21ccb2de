"""The hybrid: a weighted sum of the scores of several recommenders, and how its weights are found.

Scores are in [0, 1] for each part (CombSUM of scores scaled to their maximum, Fox & Shaw 1994; Burke 2002 calls it a
weighted hybrid). Here also: which parts make up the score of a recommended item, and which item of the user's history
speaks for it most. Not here: the parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from cxa_pipeline.models.recommender_data import Floats, Ints, Training
from cxa_pipeline.models.recommender_items import Linear
from cxa_pipeline.models.recommenders import DIGITS, Recommender, chunks

if TYPE_CHECKING:
    from scipy.sparse import csr_array

WEIGHTS = (0.25, 0.5, 1.0)
"""Weights that are tried for a part, when those before it weigh 1 in all."""
MOST_PARTS = 4
LEAST_GAIN = 0.0025
"""A further part must raise the measure by this share of it."""
PAIRS = 200_000
"""Pairs of an item of the history and a recommended one that are held at a time."""


class Hybrid:
    """Weighted sum of the scores of fitted recommenders.

    Args:
        parts: Name, fitted recommender, and weight > 0 by name.
        weights: By the same names.
    """

    def __init__(self, parts: Mapping[str, Recommender], weights: Mapping[str, float]) -> None:
        self.parts = {name: parts[name] for name in weights}
        self.weights = dict(weights)

    def fit(self, training: Training) -> Self:
        """Fit each part."""
        for part in self.parts.values():
            part.fit(training)
        return self

    def scores(self, users: Ints) -> Floats:
        """Weighted sum, divided by the sum of the weights."""
        total = sum(self.weights.values())
        names = list(self.parts)
        found = self.parts[names[0]].scores(users) * (self.weights[names[0]] / total)
        for name in names[1:]:
            found += self.parts[name].scores(users) * (self.weights[name] / total)
        return found


def find_weights(scores: Mapping[str, Floats], measure: Callable[[Floats], float]) -> tuple[dict[str, float], float]:
    """Weights of a hybrid by forward selection.

    The best single part comes first. Then, again and again, the part and weight of WEIGHTS that raise the measure
    most are added, as long as they raise it by LEAST_GAIN and there are fewer than MOST_PARTS. Equal gains: the
    first name, the smallest weight.

    Args:
        scores: (users, items) of each part, on one sample of users.
        measure: Of scores: the larger, the better.

    Returns:
        Weights that sum to 1, in the order in which parts came in, and the measure reached.
    """
    single = {name: measure(found) for name, found in scores.items()}
    first = max(single, key=lambda name: single[name])
    weights, best, held = {first: 1.0}, single[first], scores[first].copy()
    while len(weights) < MOST_PARTS:
        tried = {
            (name, weight): measure((held + weight * scores[name]) / (1 + weight))
            for name in scores
            if name not in weights
            for weight in WEIGHTS
        }
        if not tried:
            break
        name, weight = max(tried, key=lambda key: tried[key])
        if tried[name, weight] < best * (1 + LEAST_GAIN) or tried[name, weight] <= best:
            break
        best, held = tried[name, weight], (held + weight * scores[name]) / (1 + weight)
        weights = {**{n: w / (1 + weight) for n, w in weights.items()}, name: weight / (1 + weight)}
    return weights, best


@dataclass(frozen=True)
class Explained:
    """Why items stand in lists.

    Attributes:
        shares: by part, (users, n): what it adds to the score.
        reason: (users, n) the item of the user's history that adds most through the linear parts, -1 for none.
    """

    shares: dict[str, Floats]
    reason: Ints


def explain(model: Hybrid, strength: csr_array, users: Ints, items: Ints) -> Explained:
    """What the parts, and the items of the user's history, add to the scores of recommended items.

    The share of a linear part is divided among the items of the history in proportion to what each adds to it;
    negative terms are left out.

    Args:
        model: Fitted.
        strength: Sparse (all users, items): the history on which the linear parts work.
        users: (users,).
        items: (users, n) recommended to them, -1 for none.
    """
    shares = {name: np.zeros(items.shape) for name in model.parts}
    total, begin = sum(model.weights.values()), 0
    for part in chunks(users, strength.shape[1]):
        rows = slice(begin, begin + len(part))
        begin += len(part)
        shown = items[rows]
        for name, recommender in model.parts.items():
            found = np.take_along_axis(recommender.scores(part), np.maximum(shown, 0), axis=1)
            shares[name][rows] = np.where(shown >= 0, found * model.weights[name] / total, 0.0)
    linear = {name: part for name, part in model.parts.items() if isinstance(part, Linear)}
    reason = np.full(items.shape, -1, dtype=np.int64)
    for rows in _blocks(np.diff(strength[users].indptr), items.shape[1]):
        given = {name: shares[name][rows] for name in linear}
        reason[rows] = _reasons(linear, given, strength[users[rows]], items[rows])
    return Explained(shares, reason)


def _blocks(sizes: Ints, n: int) -> Iterator[slice]:
    """Consecutive users whose pairs of history and recommendation are at most about PAIRS."""
    block = np.cumsum(sizes * max(n, 1)) // PAIRS
    ends = np.append(np.flatnonzero(np.diff(block)) + 1, len(sizes)) if len(sizes) else np.empty(0, dtype=np.int64)
    begin = 0
    for end in ends.tolist():
        yield slice(begin, end)
        begin = end


def _reasons(linear: Mapping[str, Linear], shares: Mapping[str, Floats], history: csr_array, items: Ints) -> Ints:
    """The item of each user's history that adds most to each recommended item, (users, n); -1 for none."""
    reason, n, sizes = np.full(items.shape, -1, dtype=np.int64), items.shape[1], np.diff(history.indptr)
    known = np.flatnonzero(sizes)
    if not len(known) or not n:
        return reason
    # Entries of a user follow each other, in the order of their items.
    begins, row = history.indptr[known], np.repeat(np.arange(len(known)), sizes[known])
    of, to = history.indices.astype(np.int64), np.maximum(items[known], 0)[row]
    added = np.zeros((len(of), n))
    for name, part in linear.items():
        term = part.similarity(np.repeat(of, n), to.ravel()).reshape(-1, n) * history.data[:, None]
        np.maximum(term, 0.0, out=term)
        sums = np.add.reduceat(term, begins, axis=0)
        factor = np.divide(shares[name][known], sums, out=np.zeros_like(sums), where=sums > 0)
        added += term * factor[row]
    np.round(added, DIGITS, out=added)
    most = np.maximum.reduceat(added, begins, axis=0)
    places = np.where(added == most[row], np.arange(len(of))[:, None], len(of))
    first = np.minimum.reduceat(places, begins, axis=0)
    reason[known] = np.where((most > 0) & (items[known] >= 0), of[first], -1)
    return reason
