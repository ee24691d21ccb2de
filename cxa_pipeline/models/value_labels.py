"""Classes of future value: where Low ends and High begins, and who is in which.

Here: the bounds from the labels of the training customers, and the class of a value. Not here: how a class is
predicted (`value_models`, `value_baselines`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

SEGMENTS = ("Low", "Mid", "High")
"""In the order of their codes 0, 1 and 2."""
LOW_PERCENTILE, HIGH_PERCENTILE = 50.0, 80.0


@dataclass(frozen=True)
class Thresholds:
    """Low is at most `low`, Mid above it and at most `high`, High above that; in units of money."""

    low: float
    high: float


def learn(values: ArrayLike) -> Thresholds:
    """The bounds that follow from future values.

    Low ends at the median and High begins above the 80th percentile. Where half of the customers buy nothing, Low is
    who buys nothing, or returns more; where four fifths do, the buyers are halved at their median. Without a buyer
    everybody is Low. Percentiles are interpolated linearly (Hyndman & Fan 1996, definition 7).

    Args:
        values: (n,) future values; negative where more came back than was sold.

    Raises:
        ValueError: a value is not finite.
    """
    found = np.asarray(values, dtype=np.float64)
    if not np.isfinite(found).all():
        raise ValueError("future values must be finite")
    if not len(found):
        return Thresholds(0.0, 0.0)
    low, high = (max(float(p), 0.0) for p in np.percentile(found, [LOW_PERCENTILE, HIGH_PERCENTILE]))
    if high == 0 and (found > 0).any():
        high = float(np.median(found[found > 0]))
    return Thresholds(low, high)


def classify(values: ArrayLike, thresholds: Thresholds) -> Codes:
    """The class of each value, as its place in SEGMENTS, (n,)."""
    found = np.asarray(values, dtype=np.float64)
    codes: Codes = (found > thresholds.low).astype(np.int64) + (found > thresholds.high)
    return codes


def class_means(values: Floats, classes: Codes) -> Floats:
    """Mean value of the members of each class, (3,); 0 where there are none."""
    members = np.bincount(classes, minlength=len(SEGMENTS))
    means: Floats = np.bincount(classes, values, len(SEGMENTS)) / np.maximum(members, 1)
    return means
