"""How good predicted classes, probabilities and rankings are, with intervals.

Here: measures from arrays. Not here: which model is used because of them (`value_gate`). Classes are places in
SEGMENTS.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxa_pipeline.models.value_labels import SEGMENTS, Codes, Floats

K = len(SEGMENTS)
RESAMPLES = 2_000
SEED = 20_231
Z = 1.959964
DECILES = 10


def confusion(actual: Codes, predicted: Codes) -> Codes:
    """Customers by actual class (rows) and predicted class (columns), (3, 3)."""
    counts: Codes = np.bincount(actual * K + predicted, minlength=K * K).reshape(K, K)
    return counts


def macro_f1(counts: Floats | Codes) -> Floats:
    """Mean over classes of F1 = 2 TP / (2 TP + FP + FN), in [0, 1]; classes that nobody has or is given are left out.

    Args:
        counts: (..., 3, 3) confusion matrices.

    Returns:
        (...), NaN without customers.
    """
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return _mean_ratio(2.0 * hits, counts.sum(axis=-1) + counts.sum(axis=-2))


def balanced_accuracy(counts: Floats | Codes) -> Floats:
    """Mean over classes of the share of their customers that is found, in [0, 1]; unseen classes do not count."""
    return _mean_ratio(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1))


def weighted_kappa(counts: Floats | Codes) -> Floats:
    """Cohen's kappa with quadratic weights (Cohen 1968), at most 1; 0 is chance, NaN if all are of one class."""
    weight = np.subtract.outer(np.arange(K), np.arange(K)) ** 2
    n = counts.sum(axis=(-2, -1))
    expected = counts.sum(axis=-1)[..., :, None] * counts.sum(axis=-2)[..., None, :]
    chance = (weight * expected).sum(axis=(-2, -1))
    seen = (weight * counts).sum(axis=(-2, -1)) * n
    kappa: Floats = 1 - np.divide(seen, chance, out=np.full(np.shape(chance), np.nan), where=chance > 0)
    return kappa


FROM_CONFUSION: dict[str, Callable[[Floats | Codes], Floats]] = {
    "macro_f1": macro_f1,
    "balanced_accuracy": balanced_accuracy,
    "weighted_kappa": weighted_kappa,
}


def _mean_ratio(over: NDArray[Any], under: NDArray[Any]) -> Floats:
    present = under > 0
    ratio = np.divide(over, under, out=np.zeros(np.shape(over)), where=present)
    classes = present.sum(axis=-1)
    mean: Floats = np.divide(ratio.sum(axis=-1), classes, out=np.full(np.shape(classes), np.nan), where=classes > 0)
    return mean


def log_losses(actual: Codes, probabilities: Floats) -> Floats:
    """-ln of the probability given to the actual class, (n,); their mean is the log loss, 0 at best."""
    return np.asarray(-np.log(np.maximum(probabilities[np.arange(len(actual)), actual], 1e-15)))


def brier_scores(actual: Codes, probabilities: Floats) -> Floats:
    """Sum over classes of the squared difference of probability and outcome (Brier 1950), (n,), from 0 to 2."""
    return np.asarray(((probabilities - np.eye(K)[actual]) ** 2).sum(axis=1))


def mean_with_interval(values: Floats) -> tuple[float, float, float]:
    """Mean and its 95 % interval by the normal approximation; NaN without values."""
    if not len(values):
        return float("nan"), float("nan"), float("nan")
    mean = float(values.mean())
    half = Z * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return mean, mean - half, mean + half


def shares_of_value(score: Floats, value: Floats, parts: Floats) -> Floats:
    """Which share of all value the customers with the highest scores have.

    Customers with the same score share their value equally, so that no order among them decides.

    Args:
        score: (n,) by which the customers are ranked.
        value: (n,) what they turned out to be worth.
        parts: (m,) parts of the customers, from 0 to 1.

    Returns:
        (m,); NaN where all value together is not above 0.
    """
    total = float(value.sum())
    if total <= 0:
        return np.full(len(parts), np.nan)
    _, tie = np.unique(-score, return_inverse=True)
    size = np.bincount(tie)
    reached = np.concatenate([[0.0], np.cumsum(size)]) / len(score)
    gained = np.concatenate([[0.0], np.cumsum(np.bincount(tie, value))]) / total
    return np.asarray(np.interp(parts, reached, gained))


def decile_lifts(score: Floats, value: Floats) -> Floats:
    """Mean value of each tenth of the customers, best scores first, divided by the mean of all, (10,)."""
    return np.asarray(np.diff(shares_of_value(score, value, np.linspace(0, 1, DECILES + 1))) * DECILES)


def intervals(counts: Codes) -> dict[str, tuple[float, float, float]]:
    """Each measure of a confusion matrix with its percentile bootstrap 95 % interval over customers."""
    drawn = _resampled(counts.ravel()).reshape(-1, K, K)
    return {name: (float(measure(counts)), *_ends(measure(drawn))) for name, measure in FROM_CONFUSION.items()}


def paired_difference(actual: Codes, first: Codes, second: Codes) -> tuple[float, float, float]:
    """macro-F1 of the first prediction less that of the second, with its paired bootstrap 95 % interval.

    Customers are resampled with both predictions; only the 27 combinations of classes matter, so that their numbers are
    drawn from a multinomial distribution instead of customer by customer (Efron & Tibshirani 1993, ch. 13).
    """
    cells = np.bincount((actual * K + first) * K + second, minlength=K**3)

    def difference(counts: Codes) -> Floats:
        table = counts.reshape(-1, K, K, K)
        return macro_f1(table.sum(axis=3)) - macro_f1(table.sum(axis=2))

    return float(difference(cells)[0]), *_ends(difference(_resampled(cells)))


def _resampled(counts: Codes) -> Codes:
    n = int(counts.sum())
    if n == 0:
        return np.zeros((1, len(counts)), dtype=np.int64)
    drawn: Codes = np.random.default_rng(SEED).multinomial(n, counts / n, RESAMPLES)
    return drawn


def _ends(values: Floats) -> tuple[float, float]:
    known = values[np.isfinite(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)
