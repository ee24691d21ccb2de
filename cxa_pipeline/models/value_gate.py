"""Which prediction is used: the model if it is better than every baseline on time that it has not seen.

Here: the verdict. Not here: the measures (`value_metrics`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cxa_pipeline.models.value_labels import Codes
from cxa_pipeline.models.value_metrics import confusion, macro_f1, paired_difference


@dataclass(frozen=True)
class Verdict:
    """Whether a model is used.

    Args:
        best_baseline: The baseline with the highest macro-F1 on the test customers, the first of equal ones.
        gain: macro-F1 of the model less that of this baseline.
        ci_low: Lower bound of its 95 % interval.
        ci_high: Upper bound.
        is_promoted: The lower bound is above 0.
    """

    best_baseline: str
    gain: float
    ci_low: float
    ci_high: float
    is_promoted: bool


def judge(actual: Codes, model: Codes, baselines: Mapping[str, Codes]) -> Verdict:
    """The verdict on a model.

    Args:
        actual: (n,) classes of the test customers.
        model: (n,) as the model predicts them.
        baselines: (n,) as each baseline does, simplest first; at least one.
    """
    scores = {name: float(macro_f1(confusion(actual, predicted))) for name, predicted in baselines.items()}
    best = max(scores, key=lambda name: scores[name])
    gain, low, high = paired_difference(actual, model, baselines[best])
    return Verdict(best, gain, low, high, low > 0)
