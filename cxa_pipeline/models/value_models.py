"""Classifiers of future value: multinomial logistic regression and gradient boosting, calibrated.

Here: fit and prediction from a matrix. Not here: where the matrix comes from (`value_encoding`), which of the two is
used and whether any (`value_gate`), what speaks for a prediction (`value_explanations`).
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np

from cxa_pipeline.models.value_boosting import Boosting
from cxa_pipeline.models.value_calibration import Calibration
from cxa_pipeline.models.value_decision import decide, learn_weights
from cxa_pipeline.models.value_labels import SEGMENTS, Codes, Floats

Kind = Literal["logistic", "boosting"]
KINDS: tuple[Kind, ...] = ("logistic", "boosting")
"""The simpler first."""

FOLDS = 3
CHUNK = 50_000
"""Rows that are predicted at once."""
LEAST_CLASS_ROWS = 30
"""Each class needs so many training customers."""


class ValueClassifier:
    """Probabilities of Low, Mid and High.

    The logistic regression minimises cross-entropy with an L2 penalty (C = 0.1) on standardised columns, the boosting
    is that of `value_boosting`; both weigh classes by the inverse of their frequency. Calibration and the weights of
    the decision are learnt from predictions of models that were fitted without the customer: the customers are dealt
    into folds.

    Args:
        kind: "logistic" or "boosting".

    Attributes:
        estimator_: The model itself, fitted to all rows.
        calibration_: From its probabilities to calibrated ones.
        weights_: (3,) with which the calibrated probabilities are compared.
        median_: (p,) medians of the columns of the training customers, prepared.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind

    def fit(self, x: Floats, y: Codes, fold: Codes) -> ValueClassifier:
        """Fit the model and its calibration.

        Args:
            x: (n, p) standardised columns without NaN.
            y: (n,) classes.
            fold: (n,) from 0 to FOLDS - 1; all rows of a customer are in the same one.

        Raises:
            ValueError: there are not two classes, in all rows or outside of a fold.
        """
        outside = np.zeros((len(y), len(SEGMENTS)))
        for number in range(FOLDS):
            held = fold == number
            if held.any():
                outside[held] = _probabilities(_fitted(self.kind, x[~held], y[~held]), x[held])
        self.estimator_ = _fitted(self.kind, x, y)
        self.calibration_ = Calibration().fit(outside, y)
        self.weights_ = learn_weights(self.calibration_.transform(outside), y)
        self.median_: Floats = self.prepare(np.median(x, axis=0)[None, :])[0]
        return self

    def predict_proba(self, x: Floats) -> Floats:
        """Calibrated probabilities, (n, 3); each row sums to 1."""
        found = [self.calibration_.transform(_probabilities(self.estimator_, part)) for part in _chunks(x)]
        return np.concatenate(found) if found else np.empty((0, len(SEGMENTS)))

    def predict(self, probabilities: Floats) -> Codes:
        """The classes that follow from calibrated probabilities, (n,)."""
        return decide(probabilities, self.weights_)

    def prepare(self, x: Floats) -> Floats:
        """The columns as the model takes them, (n, p): boosting takes bins."""
        return _prepared(self.estimator_, x)

    def decision(self, prepared: Floats) -> Floats:
        """Log-odds before calibration, each class against the mean of the classes, (n, 3); NaN for an unseen class."""
        found = np.full((len(prepared), len(SEGMENTS)), np.nan)
        begin = 0
        for part in _chunks(prepared):
            raw = np.asarray(self.estimator_.decision_function(part), dtype=np.float64)
            raw = np.stack([-raw / 2, raw / 2], axis=1) if raw.ndim == 1 else raw - raw.mean(axis=1, keepdims=True)
            found[begin : begin + len(part), self.estimator_.classes_] = raw
            begin += len(part)
        return found


def simple(x: Floats, y: Codes, test: Floats) -> Codes:
    """Classes by a logistic regression without calibration: cheap enough to be fitted again and again."""
    if len(np.unique(y)) < 2:
        return np.full(len(test), y[0] if len(y) else 0)
    return decide(_probabilities(_fitted("logistic", x, y), test), np.ones(len(SEGMENTS)))


def _fitted(kind: Kind, x: Floats, y: Codes) -> Any:
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(y)) < 2:
        raise ValueError("two classes are needed to tell them apart")
    if kind == "logistic":
        model = LogisticRegression(C=0.1, class_weight="balanced", max_iter=300)
        with warnings.catch_warnings():
            # A search that ends early is still the best that was found; the gate judges it.
            warnings.simplefilter("ignore")
            return model.fit(x, y)
    return Boosting().fit(x, y)


def _probabilities(model: Any, x: Floats) -> Floats:
    found = np.zeros((len(x), len(SEGMENTS)))
    found[:, model.classes_] = model.predict_proba(_prepared(model, x))
    return found


def _prepared(model: Any, x: Floats) -> Floats:
    return model.bins(x) if isinstance(model, Boosting) else x


def _chunks(x: Floats) -> list[Floats]:
    return [x[begin : begin + CHUNK] for begin in range(0, len(x), CHUNK)]
