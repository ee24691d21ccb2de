"""Recommenders that are linear in what a user did: scores = strengths (users, items) · similarity (items, items).

So each score is a sum over the items of the user's history, and the largest term says why an item is recommended.
Here: the neighbourhoods (`Neighbours`) and the plain interest in the item itself (`Interest`). The factorised and
the regressed similarities are in `recommender_factors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, Self, runtime_checkable

import numpy as np

from cxa_pipeline.models.recommender_data import Flags, Floats, Ints, Training, counts
from cxa_pipeline.models.recommenders import order_by, scaled, top_k
from cxa_pipeline.models.sparse import product

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Kind = Literal["cosine", "bm25", "basket"]
NEIGHBOURS = 50
SHRINKAGE = 20.0
BM25_SATURATION = 1.2
BM25_LENGTH = 0.75
GRAM_CELLS = 2_000_000
SMALLEST = 1e-30


@runtime_checkable
class Linear(Protocol):
    """A fitted recommender whose scores are sums over the user's history."""

    def scores(self, users: Ints) -> Floats:
        """Scores (len(users), items) in [0, 1]."""
        ...

    def similarity(self, of: Ints, to: Ints) -> Floats:
        """Similarity (n,) by which history items `of` (n,) speak for items `to` (n,)."""
        ...


class Interest:
    """What the user looked at and has not bought yet: the similarity of an item to itself alone."""

    def fit(self, training: Training) -> Self:
        """Keep the strengths."""
        self.strength_ = training.strength
        return self

    def scores(self, users: Ints) -> Floats:
        """The user's own strengths."""
        return scaled(self.strength_[users].toarray())

    def similarity(self, of: Ints, to: Ints) -> Floats:
        """1 for the item itself."""
        result: Floats = (of == to).astype(np.float64)
        return result


class Neighbours:
    """Item-item collaborative filtering: each item speaks for its nearest neighbours (Sarwar et al. 2001).

    With c_ij the customers who have both items and n_i those who have item i, the similarity of i to j is, by kind:
    `cosine` c_ij / sqrt(n_i·n_j) · c_ij / (c_ij + shrinkage) (Koren 2008, eq. 2, for the second factor);
    `bm25` the inner product of columns of strengths weighted by BM25 (Robertson & Zaragoza 2009, eq. 3.15: items are
    the documents, customers the terms);
    `basket` the confidence of the rule i → j over baskets, b_ij / (b_i + shrinkage), where its lift is above 1 (the
    conditional probability of Deshpande & Karypis 2004, section 4.1.2); a basket is what a customer bought on one day.

    Args:
        kind: Which similarity.
        neighbours: How many are kept of each item; equally near ones by position.
        shrinkage: Customers (or baskets) by which few are drawn to nothing.
    """

    def __init__(self, kind: Kind = "cosine", neighbours: int = NEIGHBOURS, shrinkage: float = SHRINKAGE) -> None:
        self.kind = kind
        self.neighbours = neighbours
        self.shrinkage = shrinkage

    def fit(self, training: Training) -> Self:
        """Find the neighbours of every item."""
        self.strength_ = training.strength
        rows = _baskets(training) if self.kind == "basket" else training.seen
        self.similarity_ = self._nearest(
            _bm25(training.strength) if self.kind == "bm25" else rows, len(training.category)
        )
        return self

    def _nearest(self, rows: csr_array, items: int) -> csr_array:
        from scipy.sparse import csr_array

        size = counts(rows)
        # Counts are exact as single floats, and half as long; what is kept is computed as doubles.
        narrow = rows if self.kind == "bm25" else rows.astype(np.float32)
        sizes, columns = size.astype(narrow.dtype), narrow.T.tocsr()
        # Frequent items side by side keep the sums of a product in the processor's cache.
        frequent = np.argsort(-size, kind="stable").astype(np.int32)
        narrow = narrow[:, frequent]
        found: list[tuple[Ints, Ints, Floats]] = []
        step = max(1, GRAM_CELLS // max(items, 1))
        for begin in range(0, items, step):
            both = product(columns[begin : begin + step], narrow)
            both.indices = frequent[both.indices]
            of = np.repeat(sizes[begin : begin + step], np.diff(both.indptr))
            counted = both.toarray()
            both.data = self._similar(both.data, of, sizes[both.indices], rows.shape[0])
            similar = both.toarray()
            own = np.arange(len(similar))
            similar[own, own + begin] = 0.0
            # Items that share no customer are no neighbours.
            near, _ = top_k(similar, self.neighbours, SMALLEST)
            row, place = np.nonzero(near >= 0)
            item, to = row + begin, near[row, place]
            value = self._similar(counted[row, to].astype(np.float64), size[item], size[to], rows.shape[0])
            found.append((item, to, value))
        if not found:
            return csr_array((items, items))
        item, near, value = (np.concatenate(part) for part in zip(*found, strict=True))
        return csr_array((value, (item, near)), shape=(items, items))

    def _similar(self, both: Floats, of: Floats, to: Floats, rows: int) -> Floats:
        """Similarities of pairs of items with more than 0 rows in common, all (n,)."""
        if self.kind == "bm25":
            return both
        if self.kind == "cosine":
            return both * both / (np.sqrt(of * to) * (both + self.shrinkage))
        return np.where(both * rows > of * to, both / (of + self.shrinkage), 0.0)

    def scores(self, users: Ints) -> Floats:
        """Sums of similarities, weighted by the user's strengths."""
        sums = product(self.strength_[users], self.similarity_)
        if sums.nnz:
            # All are above 0: the largest of each row without the zeros between.
            filled = np.flatnonzero(np.diff(sums.indptr))
            largest = np.maximum.reduceat(sums.data, sums.indptr[filled])
            sums.data /= np.repeat(largest, np.diff(sums.indptr)[filled])
        found: Floats = sums.toarray()
        return found

    def similarity(self, of: Ints, to: Ints) -> Floats:
        """The similarity of each pair, 0 where `to` is no neighbour."""
        if not len(of):
            return np.empty(0)
        return np.asarray(self.similarity_[of, to]).ravel()


def _baskets(training: Training) -> csr_array:
    from scipy.sparse import csr_array

    bought = training.history.where(training.history.is_bought)
    span = int(bought.day.max(initial=0)) + 1
    _, row = np.unique(bought.user * span + bought.day, return_inverse=True)
    made = csr_array((np.ones(len(bought)), (row, bought.item)), (int(row.max(initial=-1)) + 1, bought.items))
    made.sum_duplicates()
    made.data[:] = 1.0
    return made


def _bm25(strength: csr_array) -> csr_array:
    """Strengths with BM25's saturation, the item's length and the customer's rarity, unit columns."""
    from scipy.sparse import csr_array

    rows = np.repeat(np.arange(strength.shape[0]), np.diff(strength.indptr))
    customers, length = np.bincount(rows, minlength=strength.shape[0]), counts(strength)
    # Items that nobody touched yet are none: the catalogue of later days must not matter.
    items = max(int((length > 0).sum()), 1)
    rarity = np.log1p((items - customers + 0.5) / (customers + 0.5))
    relative = 1 - BM25_LENGTH + BM25_LENGTH * length * items / max(length.sum(), 1e-300)
    data = strength.data * (BM25_SATURATION + 1) / (BM25_SATURATION * relative[strength.indices] + strength.data)
    made = csr_array((data * rarity[rows], strength.indices, strength.indptr), shape=strength.shape)
    norm = np.sqrt(np.bincount(made.indices, weights=made.data**2, minlength=made.shape[1]))
    made.data = np.divide(made.data, norm[made.indices], out=np.zeros_like(made.data), where=norm[made.indices] > 0)
    return made


def most_frequent(training: Training, most: int) -> Ints:
    """Ascending positions of the `most` items that most users have; equally frequent ones by position."""
    return np.flatnonzero(order_by(counts(training.seen)) < most)


def nearest_of(similarity: csr_array, of: Ints, n: int, allowed: Flags) -> tuple[Ints, Floats]:
    """The n nearest allowed items of each item, (len(of), n), best first; -1 and NaN where there are fewer.

    Args:
        similarity: Of fitted `Neighbours`.
        of: Positions of items.
        n: How many.
        allowed: (items,) whether an item may stand in a list.
    """
    near = np.full((len(of), n), -1, dtype=np.int64)
    value = np.full((len(of), n), np.nan)
    step = max(1, GRAM_CELLS // max(similarity.shape[1], 1))
    for begin in range(0, len(of), step):
        rows = slice(begin, begin + step)
        block = similarity[of[rows]].toarray()
        near[rows], value[rows] = top_k(np.where((block > 0) & allowed, block, -np.inf), n)
    return near, value
