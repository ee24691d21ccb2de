"""What a model of future value has to beat: rules that need no training worth the name.

Here: the classes that they give, and how often each came true. Not here: the comparison (`value_gate`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxa_pipeline.models.value_labels import SEGMENTS, Codes, Floats, Thresholds, class_means, classify

BASELINES = ("majority", "past_segment", "lifetime_value")
"""majority: the most frequent class of the training customers for everybody; past_segment: the class of what the
customer spent in as much time before; lifetime_value: classes of expected orders times expected order value by
BG/NBD and Gamma-Gamma, as large as those of the training customers."""


@dataclass(frozen=True)
class Known:
    """What the baselines know of n customers at a cut-off.

    Args:
        past: (n,) net sales in the horizon before it.
        expected: (n,) value expected in the horizon after it, by BG/NBD and Gamma-Gamma.
    """

    past: Floats
    expected: Floats


@dataclass(frozen=True)
class Baseline:
    """A rule as the training customers make it.

    Args:
        name: One of BASELINES.
        majority: The most frequent class, the lower of equally frequent ones.
        thresholds: Of the classes of the training customers.
        expected_bounds: Between them lie as many expected values as there are customers in each class.
        shares: (3, 3) of the training customers to whom the rule gives a class (row), how many were in each (column).
        means: (3,) mean future value of the training customers to whom it gives a class.
    """

    name: str
    majority: int
    thresholds: Thresholds
    expected_bounds: Thresholds
    shares: Floats
    means: Floats

    def predict(self, known: Known) -> Codes:
        """The class that the rule gives, (n,)."""
        if self.name == "majority":
            return np.full(len(known.past), self.majority, dtype=np.int64)
        if self.name == "past_segment":
            return classify(known.past, self.thresholds)
        return classify(known.expected, self.expected_bounds)

    def probabilities(self, classes: Codes) -> Floats:
        """How often each class came true where the rule gave these, (n, 3); each row sums to 1."""
        return np.asarray(self.shares[classes])

    def score(self, known: Known) -> Floats:
        """By what the rule ranks customers, (n,); the same for all where it does not."""
        if self.name == "majority":
            return np.zeros(len(known.past))
        return known.past if self.name == "past_segment" else known.expected


def learn(name: str, known: Known, values: Floats, thresholds: Thresholds) -> Baseline:
    """A baseline from the training customers.

    Args:
        name: One of BASELINES.
        known: What is known of them at their cut-off.
        values: (n,) their future values.
        thresholds: Of the classes.
    """
    actual = classify(values, thresholds)
    members = np.bincount(actual, minlength=len(SEGMENTS))
    whole = (members + 1 / len(SEGMENTS)) / (len(actual) + 1)
    none = np.tile(whole, (len(SEGMENTS), 1))
    rule = Baseline(
        name, int(members.argmax()), thresholds, _bounds(known.expected, members), none, np.zeros(len(SEGMENTS))
    )
    given = rule.predict(known)
    counts = np.bincount(given * len(SEGMENTS) + actual, minlength=len(SEGMENTS) ** 2).reshape(len(SEGMENTS), -1)
    # One customer more in each row, with the shares of all, so that nothing is impossible.
    shares = (counts + whole) / (counts.sum(axis=1, keepdims=True) + 1)
    means = np.where(counts.sum(axis=1) > 0, class_means(values, given), values.mean() if len(values) else 0.0)
    return Baseline(name, rule.majority, thresholds, rule.expected_bounds, shares, means)


def _bounds(expected: Floats, members: Codes) -> Thresholds:
    if not len(expected):
        return Thresholds(0.0, 0.0)
    ends = np.cumsum(members)[:2] / members.sum()
    low, high = np.quantile(expected, ends)
    return Thresholds(float(low), float(high))
