"""Probabilities that mean what they say: a class predicted with 30 % comes true for 30 %.

Here: calibration of each class against the rest on predictions for customers not trained on. Not here: these
predictions (`value_models`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from cxa_pipeline.models.value_labels import Codes, Floats

ISOTONIC_ROWS = 1_000
"""From so many rows on a monotone step function is fitted, below a logistic curve."""
EDGE = 1e-12


class Calibration:
    """One against the rest: isotonic regression (Zadrozny & Elkan 2002), or for few rows a logistic curve (Platt 1999).

    Each class has its own curve; the three results are divided by their sum. Nothing is less likely than one in the
    number of rows, since a step function says 0 of what it never saw.
    """

    def fit(self, probabilities: Floats, actual: Codes) -> Calibration:
        """Learn the curves.

        Args:
            probabilities: (n, k) predicted for customers that were not trained on.
            actual: (n,) their classes.
        """
        self.method_ = "isotonic" if len(actual) >= ISOTONIC_ROWS else "sigmoid"
        self.floor_ = 1 / (len(actual) + probabilities.shape[1])
        learn = _isotonic if self.method_ == "isotonic" else _sigmoid
        self._curves = [learn(probabilities[:, k], actual == k) for k in range(probabilities.shape[1])]
        return self

    def transform(self, probabilities: Floats) -> Floats:
        """Calibrated probabilities, (n, k); each row sums to 1."""
        found = np.stack([curve(probabilities[:, k]) for k, curve in enumerate(self._curves)], axis=1)
        found = np.maximum(found, self.floor_)
        calibrated: Floats = found / found.sum(axis=1, keepdims=True)
        return calibrated


Curve = Callable[[Floats], Floats]


def _isotonic(p: Floats, is_class: np.ndarray) -> Curve:
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(p, is_class.astype(np.float64))
    return lambda values: np.asarray(model.predict(values), dtype=np.float64)


def _sigmoid(p: Floats, is_class: np.ndarray) -> Curve:
    from sklearn.linear_model import LogisticRegression

    share = float(is_class.mean())
    if share in (0.0, 1.0):
        return lambda values: np.full(len(values), share)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(C=1e3, max_iter=200).fit(_log_odds(p), is_class)
    slope, shift = float(model.coef_[0, 0]), float(model.intercept_[0])
    return lambda values: 1 / (1 + np.exp(-(slope * _log_odds(values)[:, 0] + shift)))


def _log_odds(p: Floats) -> Floats:
    inside = np.clip(p, EDGE, 1 - EDGE)
    return np.asarray(np.log(inside / (1 - inside))[:, None])
