"""From probabilities to one class: which of them counts how much.

Here: the weights and the decision. Not here: the probabilities (`value_models`).
"""

from __future__ import annotations

from itertools import product

import numpy as np

from cxa_pipeline.models.value_labels import Codes, Floats
from cxa_pipeline.models.value_metrics import confusion, macro_f1

EXPONENTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)
EQUAL = 1e-9
"""Relative difference below which two weighted probabilities are equal."""


def decide(probabilities: Floats, weights: Floats) -> Codes:
    """The class with the highest weighted probability, the lower of equal ones, (n,).

    Args:
        probabilities: (n, k).
        weights: (k,); all 1 for the most likely class.
    """
    if not len(probabilities):
        return np.empty(0, dtype=np.int64)
    weighted = probabilities * weights
    # What differs by rounding alone is equal.
    classes: Codes = (weighted >= weighted.max(axis=1, keepdims=True) * (1 - EQUAL)).argmax(axis=1).astype(np.int64)
    return classes


def learn_weights(probabilities: Floats, actual: Codes) -> Floats:
    """The weights with the best macro-F1, (k,), the first class's being 1.

    The most likely class of a calibrated model is hardly ever a small one, so that macro-F1, which counts classes
    equally, needs another decision than accuracy (Lipton, Elkan & Naryanaswamy 2014). Weights are powers of the
    inverse shares of the classes, each with its own exponent from EXPONENTS; of equally good ones, the smallest.

    Args:
        probabilities: (n, k) calibrated, for customers that were not trained on.
        actual: (n,) their classes.
    """
    share = np.maximum(np.bincount(actual, minlength=probabilities.shape[1]), 1) / max(len(actual), 1)
    relative = share[0] / share
    best, best_score = np.ones(len(share)), -1.0
    for exponents in product(EXPONENTS, repeat=len(share) - 1):
        weights = relative ** np.array([0.0, *exponents])
        score = float(macro_f1(confusion(actual, decide(probabilities, weights))))
        if score > best_score + EQUAL:
            best, best_score = weights, score
    return best
