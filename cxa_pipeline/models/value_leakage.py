"""Whether a prediction knows what it cannot know.

Here: tests that fail where the future has got into the features or into the fit. Not here: the test by dates, which is
a rule of `customer.value_features`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from cxa_pipeline.models.value_labels import Codes, Floats
from cxa_pipeline.models.value_metrics import confusion, macro_f1

SHUFFLES = 20
AGAIN = 50
SEED = 20_232
LEAST_ROWS = 30
Run = Callable[[Codes, Codes], Codes]


@dataclass(frozen=True)
class ShuffleTest:
    """What is left of the macro-F1 where labels mean nothing.

    Args:
        macro_f1: Mean over SHUFFLES runs with shuffled labels.
        low: Smallest macro-F1 of the same predictions against labels that are shuffled once more.
        high: Largest.
    """

    macro_f1: float
    low: float
    high: float

    @property
    def is_passed(self) -> bool:
        """Nothing is left: the mean lies inside the permutation distribution."""
        return self.low <= self.macro_f1 <= self.high


def shuffle_test(run: Run, train: Codes, test: Codes) -> ShuffleTest:
    """Train and judge with shuffled labels, again and again.

    Features cannot tell shuffled labels. If predictions fit them better than they fit labels that are shuffled once
    more, afterwards, then the labels themselves went into the features or the fit. The mean of SHUFFLES runs is
    compared with all SHUFFLES times AGAIN values of chance, which it leaves by chance alone in none of a million cases.

    Args:
        run: From the labels of training and of test customers to predicted classes of the test customers: everything
            that the real prediction does.
        train: (n,) labels of the training customers.
        test: (m,) labels of the test customers.
    """
    rng = np.random.default_rng(SEED)
    scores, chance = [], []
    for _ in range(SHUFFLES):
        shuffled = rng.permutation(test)
        predicted = run(rng.permutation(train), shuffled)
        scores.append(float(macro_f1(confusion(shuffled, predicted))))
        chance += [float(macro_f1(confusion(rng.permutation(test), predicted))) for _ in range(AGAIN)]
    # A mean of equal numbers may differ from them by rounding.
    mean = round(float(np.mean(scores)), 12)
    return ShuffleTest(mean, round(min(chance), 12), round(max(chance), 12))


def strongest_correlation(numbers: Mapping[str, Floats], label: Floats) -> tuple[str | None, float]:
    """The number that goes along with the label most closely: name and |Spearman|, from 0 to 1.

    Over the customers who have the number; None and 0 where no number varies for LEAST_ROWS of them.

    Args:
        numbers: (n,) of each feature, NaN where there is none.
        label: (n,) future values.
    """
    from scipy.stats import rankdata

    best: tuple[str | None, float] = (None, 0.0)
    for name, values in numbers.items():
        known = np.isfinite(values)
        if known.sum() < LEAST_ROWS or np.ptp(values[known]) == 0 or np.ptp(label[known]) == 0:
            continue
        found = abs(float(np.corrcoef(rankdata(values[known]), rankdata(label[known]))[0, 1]))
        if found > best[1] + 1e-12:
            best = name, found
    return best
