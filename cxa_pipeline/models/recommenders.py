"""What every recommender is, and the lists that are made of its scores.

A recommender is fitted to a `Training` and gives scores in [0, 1] for some users and all items; 0 says that it knows
nothing. `recommend` turns scores into full lists, some users at a time, so that memory does not grow with their
number. The recommenders are `recommender_popularity`, `recommender_items` and `recommender_hybrid`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np

from cxa_pipeline.models.recommender_data import Flags, Floats, Ints, Training

if TYPE_CHECKING:
    from scipy.sparse import csr_array

CELLS = 2_000_000
"""Scores that are held at a time."""
DIGITS = 9
"""Scores that agree to so many decimals are equal: what differs beyond is the order of additions."""
LEAST = 0.5 * 10.0**-DIGITS
"""Scores below are none."""
LOWEST = float(np.finfo(np.float64).min)
GROUPS = 8
"""The largest k are sought among the maxima of so many times k groups of scores."""


class Recommender(Protocol):
    """Scores of items for users."""

    def fit(self, training: Training) -> Self:
        """Learn from what is known at a day."""
        ...

    def scores(self, users: Ints) -> Floats:
        """Scores (len(users), items) in [0, 1], the largest of a user's 1 unless all are 0."""
        ...


@dataclass(frozen=True)
class Lists:
    """Recommendations, best first.

    Attributes:
        items: (users, n), -1 where no item is left.
        scores: (users, n), NaN there; 0 for items that only fill the list.
    """

    items: Ints
    scores: Floats


def chunks(users: Ints, items: int) -> Iterator[Ints]:
    """Parts of the users whose scores fit into memory."""
    size = max(1, CELLS // max(items, 1))
    for begin in range(0, len(users), size):
        yield users[begin : begin + size]


def recommend(model: Recommender, users: Ints, n: int, allowed: Flags, excluded: csr_array, order: Ints) -> Lists:
    """The n best items of each user.

    Items with equal scores stand by position, which is that of their ids. Items without a score fill the list by
    `order`, so that it is full wherever n items are left.

    Args:
        model: Fitted.
        users: Positions of users.
        n: Length of a list.
        allowed: (items,) whether an item may be recommended at all.
        excluded: Sparse (all users, items) with an entry where an item may not be recommended to a user.
        order: (items,) place of each item when nothing else is known, 0 is the first.
    """
    parts = [_ranked(model, part, n, allowed, excluded, order) for part in chunks(users, len(allowed))]
    if not parts:
        return Lists(np.empty((0, n), dtype=np.int64), np.empty((0, n)))
    return Lists(np.concatenate([p.items for p in parts]), np.concatenate([p.scores for p in parts]))


def _ranked(model: Recommender, users: Ints, n: int, allowed: Flags, excluded: csr_array, order: Ints) -> Lists:
    scores = model.scores(users)
    if not allowed.all():
        scores[:, ~allowed] = -np.inf
    rows = excluded[users]
    scores[np.repeat(np.arange(len(users)), np.diff(rows.indptr)), rows.indices] = -np.inf
    items, found = top_k(scores, n, LEAST)
    short = np.flatnonzero(items[:, -1:] < 0)
    if len(short):
        rest = scores[short]
        np.copyto(rest, -(1.0 + order), where=(rest <= LEAST) & (rest > -np.inf))
        items[short], found[short] = top_k(rest, n)
    return Lists(items, np.where(found > 0, found, np.where(items >= 0, 0.0, np.nan)))


def top_k(scores: Floats, k: int, least: float = LOWEST) -> tuple[Ints, Floats]:
    """Positions and values (rows, k) of the k largest scores of each row, the first of equal ones first.

    Where fewer are above `least` (by default: finite), -1 and NaN stand at the end.
    """
    rows, n = scores.shape
    items = np.full((rows, k), -1, dtype=np.int64)
    values = np.full((rows, k), np.nan)
    if not rows or not n or not k:
        return items, values
    bound = np.maximum(_lower_bound(scores, k).astype(np.float64) - 10.0**-DIGITS, least)
    row, item = np.divmod(np.flatnonzero(scores >= bound[:, None]), n)
    value = scores[row, item]
    by = np.lexsort((item, -np.round(value, DIGITS), row))
    row, item, value = row[by], item[by], value[by]
    sizes = np.bincount(row, minlength=rows)
    place = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    is_kept = place < k
    row, place = row[is_kept], place[is_kept]
    items[row, place], values[row, place] = item[is_kept], value[is_kept]
    return items, values


def _lower_bound(scores: Floats, k: int) -> Floats:
    """A value (rows,) that at least k scores of each row reach, and not many more.

    The k-th largest of the maxima of more than k groups of scores: k of them are k different scores. A pass for the
    maxima costs a tenth of a partition.
    """
    rows, n = scores.shape
    groups = GROUPS * k
    if n < 2 * groups:
        return np.asarray(np.partition(scores, max(n - k, 0), axis=1)[:, max(n - k, 0)])
    whole = n // groups * groups
    maxima = scores[:, :whole].reshape(rows, -1, groups).max(axis=1)
    return np.asarray(np.partition(maxima, groups - k, axis=1)[:, groups - k])


def scaled(scores: Floats) -> Floats:
    """Scores divided by the largest of their row, negative ones cut to 0."""
    np.maximum(scores, 0.0, out=scores)
    largest = scores.max(axis=1, keepdims=True, initial=0.0)
    np.divide(scores, largest, out=scores, where=largest > 0)
    return scores


def order_by(values: Floats) -> Ints:
    """Place of each item by descending value, equal ones by position."""
    places = np.empty(len(values), dtype=np.int64)
    places[np.lexsort((np.arange(len(values)), -values))] = np.arange(len(values))
    return places
