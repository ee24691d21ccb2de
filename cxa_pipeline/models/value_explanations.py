"""What speaks for the predicted class of a customer, feature by feature.

Here: contributions and the largest of them. Not here: the prediction (`value_models`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxa_pipeline.models.value_labels import Codes, Floats
from cxa_pipeline.models.value_models import ValueClassifier

TOP = 3
EXPLAINED = 12
"""Features that boosting is explained by at most: those that contribute most to SAMPLE customers."""
SAMPLE = 2_000


def spread(customers: int) -> Codes:
    """Positions of at most SAMPLE customers, evenly over all."""
    return np.unique(np.linspace(0, max(customers - 1, 0), SAMPLE).astype(np.int64))[:customers]


def important(model: ValueClassifier, x: Floats, predicted: Codes, feature: Codes, features: int) -> Codes:
    """Places of the features that contribute most to some customers, ascending: all of a logistic regression's,
    EXPLAINED of boosting's, where each costs a prediction of everybody. Arguments as of `contributions`."""
    places = np.arange(features)
    if model.kind == "logistic":
        return places
    overall = np.abs(_occluded(model, model.prepare(x), predicted, feature, places, features)).sum(axis=0)
    return np.sort(np.argsort(-overall, kind="stable")[:EXPLAINED])


def contributions(
    model: ValueClassifier, x: Floats, predicted: Codes, feature: Codes, features: int, places: Codes
) -> Floats:
    """How much each feature adds to the log-odds of the predicted class against the mean of the classes, (n, features).

    Logistic regression: coefficient times standardised value, so against a customer who is average in everything.
    Boosting: what the log-odds lose where the feature is that of the training customers' median, all else as it is.
    Columns of the same feature count together. All this is before calibration.

    Args:
        model: The fitted model.
        x: (n, p) columns.
        predicted: (n,) classes.
        feature: (p,) of which feature a column is.
        features: Number of features.
        places: Of the features that are looked at, from `important`; of the others it is 0.
    """
    if model.kind == "logistic":
        return _linear(model, x, predicted, feature, features)
    return _occluded(model, model.prepare(x), predicted, feature, places, features)


def _occluded(
    model: ValueClassifier, prepared: Floats, predicted: Codes, feature: Codes, places: Codes, features: int
) -> Floats:
    """What the log-odds lose where one of some features is hidden, (n, features); 0 for the other features."""
    found = np.zeros((len(prepared), features))
    whole = model.decision(prepared)[np.arange(len(prepared)), predicted]
    for place in np.intersect1d(places, feature):
        columns = feature == place
        # Many customers stand at the median: nothing changes for them.
        moved = np.flatnonzero((prepared[:, columns] != model.median_[columns]).any(axis=1))
        if len(moved):
            hidden = prepared[moved]
            hidden[:, columns] = model.median_[columns]
            found[moved, place] = whole[moved] - model.decision(hidden)[np.arange(len(moved)), predicted[moved]]
    return found


def _linear(model: ValueClassifier, x: Floats, predicted: Codes, feature: Codes, features: int) -> Floats:
    coefficients = model.estimator_.coef_
    if len(coefficients) == 1:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
    weight = np.zeros((3, x.shape[1]))
    weight[model.estimator_.classes_] = coefficients - coefficients.mean(axis=0)
    found = np.zeros((len(x), features))
    # Column by column: equal sums whatever the number of rows.
    for column, place in enumerate(feature):
        found[:, place] += weight[predicted, column] * x[:, column]
    return found


def largest(found: Floats, names: Sequence[str]) -> tuple[NDArray[Any], Floats]:
    """The features with the largest contributions by size, either way.

    Args:
        found: (n, features) contributions.
        names: Of the features.

    Returns:
        Names (n, TOP), None where fewer features contribute, and contributions (n, TOP), NaN there; largest first,
        equal ones in the order of the features.
    """
    width = max(TOP, found.shape[1])
    padded = np.zeros((len(found), width))
    padded[:, : found.shape[1]] = found
    order = np.argsort(-np.abs(padded), axis=1, kind="stable")[:, :TOP]
    values = np.take_along_axis(padded, order, axis=1)
    labels = np.array([*names, *[None] * (width - len(names))], dtype=object)[order]
    labels[values == 0] = None
    return labels, np.where(values == 0, np.nan, values)
