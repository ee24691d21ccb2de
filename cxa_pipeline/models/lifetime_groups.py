"""Equal rows counted once: what keeps likelihoods and predictions of a million customers small.

Here: groups of equal rows of a few columns. Not here: what is computed of a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LARGEST_CODE = 1 << 20


@dataclass(frozen=True)
class Groups:
    """Distinct rows in ascending order.

    Args:
        columns: One array of length g for each column that was grouped.
        member: (n,) the group of each row.
        size: (g,) rows of each group.
    """

    columns: tuple[Floats, ...]
    member: Integers
    size: Integers

    def __len__(self) -> int:
        return len(self.size)


def group(*columns: Floats) -> Groups:
    """The distinct rows of columns of equal length, first column first."""
    key = np.zeros(len(columns[0]), dtype=np.int64)
    room = 1
    for column in columns:
        codes, distinct = _codes(column)
        if room * distinct >= 1 << 62:
            key, room = _codes(key)
        key = key * distinct + codes
        room *= distinct
    _, first, member, size = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    return Groups(tuple(column[first] for column in columns), member, size)


def _codes(column: NDArray[Any]) -> tuple[Integers, int]:
    """Integers in the order of the values, and how many there may be; small whole numbers are their own."""
    if len(column) and column.min() >= 0 and column.max() < LARGEST_CODE:
        whole = column.astype(np.int64)
        if np.array_equal(whole, column):
            return whole, int(whole.max()) + 1
    values, codes = np.unique(column, return_inverse=True)
    return codes, max(len(values), 1)
