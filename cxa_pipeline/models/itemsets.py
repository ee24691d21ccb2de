"""Frequent itemsets: all sets of items that lie together in at least so many baskets, with their counts.

Here: what baskets and itemsets are as arrays, the choice of the algorithm, and the bound on the number of results.
Not here: the exact miner (`itemsets_exact`), rules made of itemsets (`rules`), what counts as a basket
(`tables.baskets`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Algorithm = Literal["exact", "apriori", "fpgrowth"]

MAX_LENGTH = 4
MAX_ITEMSETS = 200_000
COUNTED_BASKETS = 65_536
COUNTED_WORDS = 8_000_000
"""How much `counts_in` holds at a time: baskets as bits, and words of 64 baskets."""


@dataclass(frozen=True)
class Itemsets:
    """All itemsets that lie in at least `min_count` baskets.

    Attributes:
        items: By size from 1: codes of shape (n, size), ascending in each row, rows in lexicographic order. Every
            subset of a row is a row of its own size.
        counts: By size: baskets that hold the itemset, shape (n,).
        baskets: Number of baskets.
        min_count: Fewest baskets of an itemset.
        asked_count: The fewest that were asked for. `min_count` is larger if more than the allowed number of itemsets
            had come out: it is the smallest with which they do not.
        max_length: Most items of an itemset that were allowed, None without a limit.
    """

    items: tuple[Codes, ...]
    counts: tuple[Codes, ...]
    baskets: int
    min_count: int
    asked_count: int
    max_length: int | None

    def __len__(self) -> int:
        return sum(len(counts) for counts in self.counts)

    def levels(self) -> Iterator[tuple[int, Codes, Codes]]:
        """Size, items and counts of each size."""
        for size, (items, counts) in enumerate(zip(self.items, self.counts, strict=True), start=1):
            yield size, items, counts


def incidence(basket: Codes, item: Codes, baskets: int, items: int) -> Any:
    """Baskets as a sparse matrix of zeros and ones; an item counts once in a basket.

    Args:
        basket: Basket of each line, from 0 to baskets - 1.
        item: Item of each line, from 0 to items - 1.
        baskets: Number of baskets, those without a line included.
        items: Number of items.

    Returns:
        scipy CSR array (baskets, items) with sorted columns.
    """
    from scipy.sparse import coo_array

    found = coo_array((np.ones(len(basket), dtype=np.int32), (basket, item)), shape=(baskets, items)).tocsr()
    found.sum_duplicates()
    found.data[:] = 1
    return found


def mine(
    baskets: Any,
    min_count: int,
    max_length: int | None = MAX_LENGTH,
    max_itemsets: int | None = MAX_ITEMSETS,
    algorithm: Algorithm = "exact",
) -> Itemsets:
    """Find all frequent itemsets; the three algorithms find the same.

    Args:
        baskets: CSR array of zeros and ones, see `incidence`.
        min_count: Fewest baskets of an itemset, at least 1.
        max_length: Most items of an itemset; None is no limit.
        max_itemsets: Most itemsets; None is no limit. When more would come out, the count is raised.
        algorithm: `exact` (see `itemsets_exact`), or mlxtend's `apriori` (Agrawal & Srikant 1994) or `fpgrowth` (Han,
            Pei & Yin 2000), which hold all itemsets in memory before the bound is applied.

    Raises:
        ValueError: a limit below 1, or an unknown algorithm.
    """
    if min_count < 1 or (max_length is not None and max_length < 1) or (max_itemsets is not None and max_itemsets < 1):
        raise ValueError("min_count, max_length and max_itemsets are at least 1")
    if algorithm == "exact":
        from cxa_pipeline.models.itemsets_exact import find

        found, raised = find(baskets, min_count, max_length, max_itemsets)
    elif algorithm in ("apriori", "fpgrowth"):
        found = _by_mlxtend(baskets, min_count, max_length, algorithm)
        raised = _bound([counts for _, counts in found], min_count, max_itemsets)
    else:
        raise ValueError(f"unknown algorithm {algorithm!r}: exact, apriori or fpgrowth")
    ordered = [_ordered(items[counts >= raised], counts[counts >= raised]) for items, counts in found]
    kept = [(items, counts) for items, counts in ordered if len(counts)]
    by_size = tuple(items for items, _ in kept), tuple(counts for _, counts in kept)
    return Itemsets(*by_size, baskets.shape[0], raised, min_count, max_length)


def _ordered(items: Codes, counts: Codes) -> tuple[Codes, Codes]:
    items = np.sort(items, axis=1)
    by = np.lexsort(items.T[::-1])
    return items[by], counts[by]


def _bound(counts: list[Codes], min_count: int, max_itemsets: int | None) -> int:
    """The smallest count, at least `min_count`, that at most `max_itemsets` reach."""
    every = np.sort(np.concatenate([*counts, np.zeros(0, dtype=np.int64)]))[::-1]
    if max_itemsets is None or len(every) <= max_itemsets:
        return min_count
    return int(every[max_itemsets]) + 1


def _by_mlxtend(
    baskets: Any, min_count: int, max_length: int | None, algorithm: Algorithm
) -> list[tuple[Codes, Codes]]:
    import pandas as pd
    from mlxtend.frequent_patterns import apriori, fpgrowth

    number = np.asarray(baskets.sum(axis=0)).ravel()
    frequent = np.flatnonzero(number >= min_count)
    if not len(frequent):
        return []
    frame = pd.DataFrame(baskets[:, frequent].toarray().astype(bool))
    # Half a basket below the count: a quotient of counts may be rounded up.
    support = (min_count - 0.5) / baskets.shape[0]
    run = apriori if algorithm == "apriori" else fpgrowth
    made = run(frame, min_support=support, max_len=max_length)
    count = np.rint(made["support"].to_numpy() * baskets.shape[0]).astype(np.int64)
    size = made["itemsets"].map(len).to_numpy()
    found = []
    for length in range(1, int(size.max()) + 1):
        rows = [sorted(itemset) for itemset in made["itemsets"][size == length]]
        found.append((frequent[np.array(rows, dtype=np.int64)], count[size == length]))
    return found


class Index:
    """Where itemsets stand among those of their size.

    Args:
        itemsets: With all subsets of each, as `mine` gives them.
    """

    def __init__(self, itemsets: Itemsets) -> None:
        self._single = itemsets.items[0][:, 0] if itemsets.items else np.zeros(0, dtype=np.int64)
        self._width = np.int64(len(self._single) or 1)
        self._keys: list[Codes] = []
        for items in itemsets.items[1:]:
            # Rows are in lexicographic order, so that the keys ascend.
            self._keys.append(self._places(items[:, :-1]) * self._width + self._of_single(items[:, -1]))

    def places(self, rows: Codes) -> Codes:
        """Positions of itemsets of one size, shape (n, size), all of them known."""
        return self._places(rows)

    def _of_single(self, codes: Codes) -> Codes:
        return np.searchsorted(self._single, codes).astype(np.int64)

    def _places(self, rows: Codes) -> Codes:
        place = self._of_single(rows[:, 0])
        for column in range(1, rows.shape[1]):
            key = place * self._width + self._of_single(rows[:, column])
            place = np.searchsorted(self._keys[column - 1], key).astype(np.int64)
        return place


def counts_in(baskets: Any, rows: Codes) -> Codes:
    """How many baskets hold each of some itemsets.

    Args:
        baskets: CSR array, see `incidence`.
        rows: Codes of shape (n, size), size at least 1.

    Returns:
        (n,) counts.
    """
    total = np.zeros(len(rows), dtype=np.int64)
    used, local = np.unique(rows, return_inverse=True)
    local = local.reshape(rows.shape)
    for start in range(0, baskets.shape[0] if len(rows) else 0, COUNTED_BASKETS):
        bits = packed(baskets[start : start + COUNTED_BASKETS][:, used])
        step = max(1, COUNTED_WORDS // bits.shape[1])
        for first in range(0, len(rows), step):
            part = local[first : first + step]
            both = bits[part[:, 0]]
            for column in range(1, part.shape[1]):
                both &= bits[part[:, column]]
            total[first : first + step] += np.bitwise_count(both).sum(axis=1, dtype=np.int64)
    return total


def packed(baskets: Any) -> NDArray[np.uint64]:
    """Which baskets hold each item, as bits: (items, words of 64 baskets)."""
    rows, items = baskets.shape
    words = -(-rows // 64)
    bits = np.zeros((items, words), dtype=np.uint64)
    by_item = baskets.tocsc()
    item = np.repeat(np.arange(items), np.diff(by_item.indptr))
    row = by_item.indices.astype(np.int64)
    np.bitwise_or.at(bits, (item, row // 64), np.uint64(1) << (row % 64).astype(np.uint64))
    return bits
