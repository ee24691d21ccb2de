"""Sparse matrices: what scipy's operators do more slowly than they could.

Here: a product of which it is known that the result is small, and whether places hold an entry. Not here: what is
multiplied or asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def product(left: csr_array, right: csr_array) -> csr_array:
    """left @ right, for results that may be full: (rows, columns) of at most some million cells.

    scipy's operator goes through the whole product twice, first to count the cells that it needs; here is room for all.
    """
    from scipy.sparse import _sparsetools, csr_array

    shape = (left.shape[0], right.shape[1])
    if not left.nnz or not right.nnz:
        return csr_array(shape)
    arrays = [(m.indptr, m.indices, m.data) for m in (left, right)]
    at = np.result_type(*(a for one in arrays for a in one[:2]))
    value = np.result_type(left.dtype, right.dtype)
    typed = [a.astype(to, copy=False) for one in arrays for a, to in zip(one, (at, at, value), strict=True)]
    indptr, indices = np.empty(shape[0] + 1, at), np.empty(shape[0] * shape[1], at)
    data = np.empty(shape[0] * shape[1], value)
    _sparsetools.csr_matmat(*shape, *typed, indptr, indices, data)
    filled = int(indptr[-1])
    return csr_array((data[:filled], indices[:filled], indptr), shape=shape)


def has_entry(matrix: csr_array, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a sparse matrix has an entry at each place, of the shape of `rows` and `columns`; never at column -1."""
    width = matrix.shape[1]
    stored = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)) * width + matrix.indices
    if not matrix.has_sorted_indices:
        stored.sort()
    return is_among(rows * width + columns, stored) & (columns >= 0)


def is_among(values: NDArray[np.int64], ascending: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which values stand in an ascending array; numpy's isin sorts both, or builds a table of their range."""
    if not len(ascending):
        return np.zeros(values.shape, dtype=np.bool_)
    at = np.minimum(np.searchsorted(ascending, values), len(ascending) - 1)
    found: NDArray[np.bool_] = ascending[at] == values
    return found
