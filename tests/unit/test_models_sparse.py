"""Products and look-ups of sparse matrices against dense ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from cxa_pipeline.models.sparse import has_entry, is_among, product


def drawn(rows: int, columns: int, seed: int, dtype: type = np.float64) -> csr_array:
    draw = np.random.default_rng(seed)
    dense = np.where(draw.random((rows, columns)) < 0.3, draw.integers(1, 9, (rows, columns)), 0)
    return csr_array(dense.astype(dtype))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_product_is_the_dense_one(dtype: type) -> None:
    left, right = drawn(7, 11, 1, dtype), drawn(11, 5, 2, dtype)
    assert (product(left, right).toarray() == left.toarray() @ right.toarray()).all()
    assert product(csr_array((7, 11)), right).toarray().tolist() == np.zeros((7, 5)).tolist()


def test_entries_are_found_at_any_place_and_never_at_column_minus_one() -> None:
    matrix = drawn(6, 9, 3)
    rows, columns = np.divmod(np.arange(6 * 10), 10)
    columns -= 1
    dense = np.hstack([np.zeros((6, 1)), matrix.toarray()]) != 0
    assert (has_entry(matrix, rows, columns) == dense.ravel()).all()
    grid = has_entry(matrix, np.broadcast_to(np.arange(6)[:, None], (6, 3)), np.tile([-1, 0, 8], (6, 1)))
    assert (grid == dense[:, [0, 1, 9]]).all()


def test_entries_are_found_where_columns_are_not_in_order() -> None:
    matrix = csr_array((np.ones(3), np.array([4, 0, 2]), np.array([0, 2, 3])), shape=(2, 5))
    found = has_entry(matrix, np.repeat([0, 1], 5), np.tile(np.arange(5), 2))
    assert found.tolist() == [True, False, False, False, True, False, False, True, False, False]


def test_nothing_is_among_nothing() -> None:
    assert is_among(np.array([[1, 2]]), np.empty(0, dtype=np.int64)).tolist() == [[False, False]]
    assert is_among(np.array([-1, 0, 3, 9]), np.array([0, 3, 5])).tolist() == [False, True, True, False]
