"""Training of a model of future value: who it is fitted to, and which of the candidates is taken.

Here: samples of customers, fits, the choice on time after the training customers' and before the test customers'. Not
here: the classifiers (`value_models`), the comparison with baselines (`value_gate`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxa_pipeline.models.value_baselines import Known
from cxa_pipeline.models.value_encoding import Encoder, Features
from cxa_pipeline.models.value_labels import SEGMENTS, Codes, Floats, classify, learn
from cxa_pipeline.models.value_metrics import confusion, macro_f1, paired_difference
from cxa_pipeline.models.value_models import (
    FOLDS,
    KINDS,
    LEAST_CLASS_ROWS,
    Kind,
    ValueClassifier,
)

CHUNK = 50_000
"""Customers whose matrix is made at once."""
FIT_ROWS = 10_000
"""A fit uses at most so many rows; more make it slower and hardly better."""


@dataclass(frozen=True)
class Sample:
    """Customers at one cut-off or several; arrays of equal length, in the order of cut-offs and customers.

    Args:
        customers: Their ids; a customer stands once for each cut-off.
        features: What is known.
        known: What the baselines know.
        future: Net sales in the horizon; NaN where the future is not known.
        half: In its first half.
        hash: A number of the customer that says nothing about them.
    """

    customers: NDArray[Any]
    features: Features
    known: Known
    future: Floats
    half: Floats
    hash: Codes

    def __len__(self) -> int:
        return len(self.customers)

    def take(self, rows: Any) -> Sample:
        """Some of the customers, by position or mask."""
        known = Known(self.known.past[rows], self.known.expected[rows])
        features = self.features.take(rows)
        return Sample(self.customers[rows], features, known, self.future[rows], self.half[rows], self.hash[rows])

    def parts(self) -> Iterator[Sample]:
        """The customers in their order, CHUNK at a time."""
        for begin in range(0, len(self), CHUNK):
            yield self.take(slice(begin, begin + CHUNK))

    def for_a_fit(self) -> Sample:
        """At most FIT_ROWS rows: those with the smallest hashes, in the order of the sample."""
        if len(self) <= FIT_ROWS:
            return self
        return self.take(np.sort(np.lexsort((np.arange(len(self)), self.hash))[:FIT_ROWS]))


@dataclass(frozen=True)
class Trained:
    """A classifier with the encoder of its features."""

    encoder: Encoder
    classifier: ValueClassifier

    def columns(self, customers: Sample) -> Floats:
        """The matrix that the classifier takes, (n, p)."""
        return self.encoder.transform(customers.features)

    def predict_proba(self, customers: Sample) -> Floats:
        """Calibrated probabilities of Low, Mid and High, (n, 3)."""
        found = [self.classifier.predict_proba(self.columns(part)) for part in customers.parts()]
        return np.concatenate(found) if found else np.empty((0, len(SEGMENTS)))


@dataclass(frozen=True)
class Choice:
    """Which candidate is taken.

    Args:
        kind: The candidate.
        macro_f1: Of each on the customers of the check; NaN where the classes are too small for a fit.
        customers: Of the check.
    """

    kind: Kind
    macro_f1: dict[Kind, float]
    customers: int


def can_train(y: Codes) -> bool:
    """Whether each class has enough customers."""
    return bool((np.bincount(y, minlength=len(SEGMENTS)) >= LEAST_CLASS_ROWS).all())


def train(kind: Kind, customers: Sample, y: Codes) -> Trained:
    """Fit a model to customers and their classes, (n,)."""
    encoder = Encoder().fit(customers.features)
    classifier = ValueClassifier(kind).fit(encoder.transform(customers.features), y, customers.hash % FOLDS)
    return Trained(encoder, classifier)


def choose(fitted: Sample, check: Sample) -> Choice:
    """Fit each candidate to what came in half a horizon, and compare them on the half horizon after that.

    The simplest is taken, unless another one is surely better: the lower bound of the paired 95 % interval of its gain
    in macro-F1 is above 0.

    Args:
        fitted: Customers at the latest training cut-off.
        check: Customers half a horizon later.
    """
    used = fitted.for_a_fit()
    thresholds = learn(fitted.half)
    y, actual = classify(used.half, thresholds), classify(check.half, thresholds)
    if not can_train(y):
        return Choice(KINDS[0], dict.fromkeys(KINDS, float("nan")), len(check))
    found = {}
    for kind in KINDS:
        model = train(kind, used, y)
        found[kind] = model.classifier.predict(model.predict_proba(check))
    best = KINDS[0]
    for kind in KINDS[1:]:
        _, low, _ = paired_difference(actual, found[kind], found[best])
        best = kind if low > 0 else best
    return Choice(best, {kind: float(macro_f1(confusion(actual, said))) for kind, said in found.items()}, len(check))
