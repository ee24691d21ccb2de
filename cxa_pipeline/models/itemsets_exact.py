"""The exact miner of itemsets: pairs by one sparse product, triples by small dense ones, the rest by bit sets.

Items are taken in ascending order of frequency, so that each is extended by more frequent ones alone. The number of
baskets of all pairs is one product X'X. For each item, the baskets that hold it are projected onto its frequent
partners as a small dense matrix, whose product with itself gives all triples that begin with the item. Larger
itemsets are found depth first: their baskets are the AND of bit sets of the projection (vertical mining, Zaki 2000,
"Scalable algorithms for association mining", section 4). All of this holds a bounded part of the baskets at a time.

Here: the search. Not here: what its results look like and the other algorithms (`itemsets`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxa_pipeline.models.itemsets import Codes
from cxa_pipeline.models.sparse import product

Bits = NDArray[np.uint64]
Flags = NDArray[np.bool_]

GRAM_CELLS = 8_000_000
DENSE_CELLS = 16_000_000
PAIR_WORDS = 8_000_000
DENSE_ABOVE = 0.1
"""Share of ones from which a dense product is faster than a sparse one."""


def find(
    baskets: Any, min_count: int, max_length: int | None, max_itemsets: int | None
) -> tuple[list[tuple[Codes, Codes]], int]:
    """All itemsets with at least `min_count` baskets, or more if there are too many.

    Args:
        baskets: CSR array of zeros and ones (n, items).
        min_count: Fewest baskets.
        max_length: Most items, or None.
        max_itemsets: Most itemsets, or None.

    Returns:
        By size from 1: rows of items in no order, and counts; some may lie below the count that is returned with them.
    """
    number = np.asarray(baskets.sum(axis=0), dtype=np.int64).ravel()
    frequent = np.flatnonzero(number >= min_count)
    order = frequent[np.lexsort((frequent, number[frequent]))]
    found = _Found(min_count, max_itemsets, baskets.shape[0])
    found.add(np.arange(len(order))[:, None], number[order])
    longest = max_length or len(order)
    if longest >= 2 and len(order) >= 2:
        matrix = baskets[:, order].tocsr()
        matrix.sort_indices()
        by_item = _by_item(matrix)
        partners = _pairs(matrix, by_item, found)
        if longest >= 3:
            _Search(matrix, by_item, found, longest).run(partners)
    return [(order[items], counts) for items, counts in found.by_size()], found.min_count


class _Found:
    """Itemsets found so far; raises the count as soon as more than `most` reach it."""

    def __init__(self, min_count: int, most: int | None, baskets: int) -> None:
        self.min_count = min_count
        self._most = most
        self._parts: list[tuple[Codes, Codes]] = []
        self._frequencies = np.zeros(baskets + 2, dtype=np.int64)
        self._reaching = self._held = 0

    def add(self, items: Codes, counts: Codes) -> None:
        """Keep itemsets of one size, all of which reach the count."""
        self._parts.append((items, counts))
        if self._most is None:
            return
        np.add.at(self._frequencies, counts, 1)
        self._reaching += len(counts)
        self._held += len(counts)
        while self._reaching > self._most:
            self._reaching -= int(self._frequencies[self.min_count])
            self.min_count += 1
        if self._held > 2 * self._most:
            self._parts = [(i[c >= self.min_count], c[c >= self.min_count]) for i, c in self._parts]
            self._parts = [(i, c) for i, c in self._parts if len(c)]
            self._held = self._reaching

    def by_size(self) -> list[tuple[Codes, Codes]]:
        """Items and counts by size."""
        sizes: dict[int, list[tuple[Codes, Codes]]] = {}
        for items, counts in self._parts:
            sizes.setdefault(items.shape[1], []).append((items, counts))
        return [
            (np.concatenate([i for i, _ in sizes[size]]), np.concatenate([c for _, c in sizes[size]]))
            for size in sorted(sizes)
        ]


def _by_item(matrix: Any) -> Any:
    """The baskets that hold each item, and where it stands in them: CSC array of positions in `matrix.indices`."""
    from scipy.sparse import csr_array

    return csr_array((np.arange(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape).tocsc()


def _pairs(matrix: Any, by_item: Any, found: _Found) -> list[tuple[Codes, Codes]]:
    """For each item the more frequent ones that it lies together with often enough, and how often."""
    items = matrix.shape[1]
    products = _dense_products(matrix) if _is_dense(matrix) else _sparse_products(matrix, by_item)
    parts = []
    for row, column, count in products:
        wanted = np.flatnonzero((count >= found.min_count) & (column > row))
        pair = tuple(values[wanted].astype(np.int64) for values in (row, column, count))
        found.add(np.column_stack(pair[:2]), pair[2])
        parts.append(pair)
    first, second, number = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    by = np.lexsort((second, first))
    second, number = second[by], number[by]
    ends = np.searchsorted(first[by], np.arange(items + 1)).tolist()
    return [(second[start:end], number[start:end]) for start, end in pairwise(ends)]


def _is_dense(matrix: Any) -> bool:
    rows, items = matrix.shape
    lengths = np.diff(matrix.indptr).astype(np.float64)
    return bool(items**2 <= 4 * GRAM_CELLS and lengths @ lengths > DENSE_ABOVE**2 * rows * items**2)


def _sparse_products(matrix: Any, by_item: Any) -> Any:
    from scipy.sparse import csr_array

    items = matrix.shape[1]
    left = csr_array((np.ones(matrix.nnz, matrix.dtype), by_item.indices, by_item.indptr), shape=matrix.shape[::-1])
    # A few items make up half of all; for them the columns of one another are enough.
    half = min(int(np.searchsorted(by_item.indptr, matrix.nnz / 2)), items - 1)
    frequent = matrix[:, half:]
    starts = sorted({*range(0, items, max(1, GRAM_CELLS // items)), half})
    for start, end in pairwise([*starts, items]):
        skipped, right = (half, frequent) if start >= half else (0, matrix)
        block = product(left[start:end], right).tocoo()
        yield block.row + start, block.col + skipped, block.data


def _dense_products(matrix: Any) -> Any:
    rows, items = matrix.shape
    total = np.zeros((items, items), dtype=np.int64)
    step = max(1, DENSE_CELLS // items)
    for start in range(0, rows, step):
        # Sums of fewer than 2^24 ones are exact in single precision.
        block = matrix[start : start + step].toarray().astype(np.float32)
        total += np.rint(block.T @ block).astype(np.int64)
    row, column = np.nonzero(total)
    yield row, column, total[row, column]


class _Search:
    """Itemsets of three items and more, depth first."""

    def __init__(self, matrix: Any, by_item: Any, found: _Found, longest: int) -> None:
        self._codes = matrix.indices.astype(np.int64)
        self._ends = matrix.indptr[1:].astype(np.int64)
        self._starts = by_item.indptr.astype(np.int64)
        self._rows = by_item.indices.astype(np.int64)
        self._after = by_item.data + 1  # Only what comes after an item in a basket can extend it.
        self._place = np.full(matrix.shape[1], -1, dtype=np.int64)
        self._found = found
        self._longest = longest

    def run(self, partners: list[tuple[Codes, Codes]]) -> None:
        """Extend each pair; the most frequent items first, so that the count is raised early if it has to be."""
        for item in range(len(partners) - 1, -1, -1):
            members, counts = partners[item]
            members = members[counts >= self._found.min_count]
            if len(members) >= 2:
                self._extend(item, members)

    def _extend(self, item: int, members: Codes) -> None:
        held_by = slice(self._starts[item], self._starts[item + 1])
        after = self._after[held_by]
        lengths = self._ends[self._rows[held_by]] - after
        after, lengths = after[lengths >= 2], lengths[lengths >= 2]
        self._place[members] = np.arange(len(members))
        step = max(64, DENSE_CELLS // len(members))
        together = np.zeros((len(members), len(members)), dtype=np.float64)
        is_one_part = len(after) <= step  # Then it is packed only if larger itemsets are looked for.
        packs = []
        for start in range(0, len(after), step):
            part = slice(start, start + step)
            held = self._projected(after[part], lengths[part], len(members))
            if held.shape[1]:
                # Sums of fewer than 2^24 ones are exact in single precision.
                dense = held.astype(np.float32)
                together += dense @ dense.T
                packs.append(held if is_one_part else np.packbits(held, axis=1))
        self._place[members] = -1
        prefix = np.array([item])
        first, second = (together >= self._found.min_count).nonzero()
        ascending = first < second
        first, second = first[ascending], second[ascending]
        if not len(first):
            return
        self._keep(prefix, members[first], members[second], together[first, second].astype(np.int64))
        if self._longest > 3 and len(first) >= 3:
            frequent = np.zeros(together.shape, dtype=np.bool_)
            frequent[first, second] = True
            bits = _words(np.packbits(packs[0], axis=1) if is_one_part else np.concatenate(packs, axis=1))
            self._deepen(prefix, members, bits, frequent)

    def _projected(self, after: Codes, lengths: Codes, members: int) -> Flags:
        """Which of the baskets hold which member, (members, baskets); baskets with fewer than two are left out."""
        ends = lengths.cumsum()
        at = (after - ends + lengths).repeat(lengths)
        at += np.arange(len(at))
        place = self._place[self._codes[at]]
        member = (place >= 0).nonzero()[0]
        basket = ends.searchsorted(member, side="right")
        several = np.bincount(basket, minlength=len(after)) >= 2
        number = several.cumsum() - 1
        wanted = several[basket]
        held = np.zeros((members, int(several.sum())), dtype=np.bool_)
        held[place[member[wanted]], number[basket[wanted]]] = True
        return held

    def _deepen(self, prefix: Codes, members: Codes, bits: Bits, frequent: Flags) -> None:
        """Extend `prefix` and a member by two more members; `frequent` pairs are frequent with the prefix."""
        for first in np.flatnonzero(frequent.sum(axis=1) >= 2):
            others = np.flatnonzero(frequent[first])
            left, right = np.nonzero(frequent[np.ix_(others, others)])
            if not len(left):
                continue
            inside = bits[others] & bits[first]
            counts = _both(inside, left, right)
            enough = counts >= self._found.min_count
            left, right, counts = left[enough], right[enough], counts[enough]
            if not len(left):
                continue
            longer = np.append(prefix, members[first])
            self._keep(longer, members[others[left]], members[others[right]], counts)
            if len(longer) + 2 < self._longest:
                together = np.zeros((len(others), len(others)), dtype=np.bool_)
                together[left, right] = True
                self._deepen(longer, members[others], inside, together)

    def _keep(self, prefix: Codes, first: Codes, second: Codes, counts: Codes) -> None:
        items = np.empty((len(first), len(prefix) + 2), dtype=np.int64)
        items[:, :-2] = prefix
        items[:, -2] = first
        items[:, -1] = second
        self._found.add(items, counts)


def _words(packed: NDArray[np.uint8]) -> Bits:
    filled = np.zeros((len(packed), -(-packed.shape[1] // 8) * 8), dtype=np.uint8)
    filled[:, : packed.shape[1]] = packed
    return filled.view(np.uint64)


def _both(bits: Bits, left: Codes, right: Codes) -> Codes:
    """How many bits two rows share, for pairs of rows."""
    counts = np.empty(len(left), dtype=np.int64)
    step = max(1, PAIR_WORDS // bits.shape[1])
    for start in range(0, len(left), step):
        part = slice(start, start + step)
        counts[part] = np.bitwise_count(bits[left[part]] & bits[right[part]]).sum(axis=1, dtype=np.int64)
    return counts
