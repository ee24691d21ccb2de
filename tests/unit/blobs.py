"""Points of which the clusters are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CORNERS = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0], [5.0, 20.0]])
NOBODY = np.empty((0, 2)), np.empty(0, dtype=np.int64)


def blobs(k: int, each: int = 60, seed: int = 1) -> tuple[Floats, NDArray[np.int64]]:
    """Points around k corners that lie ten standard deviations apart, and which corner each belongs to."""
    planted = np.repeat(np.arange(k), each)
    noise = np.random.default_rng(seed).normal(0, 0.8, (k * each, 2))
    return CORNERS[planted] + noise, planted


def uniform(n: int, d: int = 2, seed: int = 3) -> Floats:
    return np.random.default_rng(seed).random((n, d))
