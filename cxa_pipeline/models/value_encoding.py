"""Features of customers as one matrix: everything that it takes is learnt from the training customers alone.

Here: transformation, missing values, categories, scale. Not here: which features there are (`tables.value_inputs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxa_pipeline.models.value_labels import Codes, Floats

Texts = NDArray[Any]

LEAST_SHARE = 0.01
"""A category that fewer of the training customers have is no column of its own."""
MOST_CATEGORIES = 20
"""Columns of one feature at most: the most frequent categories, ties in the order of their names."""


@dataclass(frozen=True)
class Features:
    """Features of n customers by name: numbers, NaN where there is none, and categories, "" where there is none."""

    numbers: Mapping[str, Floats]
    texts: Mapping[str, Texts]

    def __len__(self) -> int:
        return len(next(iter({**self.numbers, **self.texts}.values()), ()))

    def take(self, rows: Any) -> Features:
        """The features of some customers, by position or mask."""
        return Features({k: v[rows] for k, v in self.numbers.items()}, {k: v[rows] for k, v in self.texts.items()})


class Encoder:
    """From features to a matrix whose columns have mean 0 and standard deviation 1 over the training customers.

    A number v becomes sign(v) ln(1 + |v|), since counts, days and money are skewed, cut to the 1st and the 99th
    percentile; a missing one becomes the median, and one more column tells that it was missing. A category becomes a
    column for each value that is not rare. Columns that are constant over the training customers are left out.

    Attributes:
        features_: Names of the features, numbers first.
        feature_: (p,) of which feature a column is, as its place there.
        names_: (p,) names of the columns.
    """

    def fit(self, features: Features) -> Encoder:
        """Learn percentiles, categories and scale from the training customers."""
        self.features_ = [*features.numbers, *features.texts]
        self._quantiles = {name: _quantiles(_logged(values)) for name, values in features.numbers.items()}
        self._categories = {name: _frequent(values) for name, values in features.texts.items()}
        self._kept: NDArray[np.bool_] | None = None
        columns, names, owner = self._columns(features)
        self._mean, deviation = columns.mean(axis=0), columns.std(axis=0)
        self._kept = deviation > 1e-12 * (1 + np.abs(self._mean))
        self._mean, self._deviation = self._mean[self._kept], deviation[self._kept]
        self.names_ = [name for name, kept in zip(names, self._kept, strict=True) if kept]
        self.feature_: Codes = np.array(owner, dtype=np.int64)[self._kept]
        return self

    def transform(self, features: Features) -> Floats:
        """The matrix of any customers, (n, p), on the scale of the training customers."""
        columns, _, _ = self._columns(features)
        scaled: Floats = (columns[:, self._kept] - self._mean) / self._deviation
        return scaled

    def _columns(self, features: Features) -> tuple[Floats, list[str], list[int]]:
        columns: list[Floats] = []
        names: list[str] = []
        owner: list[int] = []
        for place, name in enumerate(self.features_):
            if name in self._quantiles:
                low, median, high = self._quantiles[name]
                logged = _logged(features.numbers[name])
                missing = ~np.isfinite(logged)
                filled = np.where(missing, median, np.clip(logged, low, high))
                found = {name: filled, f"{name} is missing": missing}
            else:
                found = {f"{name} = {value}": features.texts[name] == value for value in self._categories[name]}
            columns += [np.asarray(column, dtype=np.float64) for column in found.values()]
            names += found
            owner += [place] * len(found)
        return np.stack(columns, axis=1), names, owner


def _logged(values: Floats) -> Floats:
    logged: Floats = np.sign(values) * np.log1p(np.abs(values))
    return logged


def _quantiles(values: Floats) -> tuple[float, float, float]:
    known = values[np.isfinite(values)]
    low, median, high = np.percentile(known, [1, 50, 99]) if len(known) else (0.0, 0.0, 0.0)
    return float(low), float(median), float(high)


def _frequent(values: Texts) -> list[str]:
    found, count = np.unique(values.astype(str), return_counts=True)
    order = np.lexsort((found, -count))
    often = [str(found[i]) for i in order if count[i] >= LEAST_SHARE * len(values)]
    return sorted(often[:MOST_CATEGORIES])
