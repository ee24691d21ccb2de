"""How good predictions of future value are on time that they have not seen, and which is served.

Here: `customer.value_evaluation`. Not here: the predictions that it judges (`value_predictions`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from cxa_pipeline.models.value_baselines import BASELINES
from cxa_pipeline.models.value_gate import Verdict, judge
from cxa_pipeline.models.value_labels import SEGMENTS, Codes
from cxa_pipeline.models.value_metrics import (
    brier_scores,
    confusion,
    decile_lifts,
    intervals,
    log_losses,
    mean_with_interval,
    shares_of_value,
)

if TYPE_CHECKING:
    import pandas as pd

EVALUATION = ["model", "metric", "value", "ci_low", "ci_high", "n", "is_served", "is_baseline"]
BEST_SHARE = 0.2
NONE = float("nan")
Figure = tuple[str, float, float, float]


def evaluation(value_test_predictions: pd.DataFrame, value_models: pd.DataFrame) -> pd.DataFrame:
    """`customer.value_evaluation`: figures of each model and baseline on the test customers."""
    import pandas as pd

    said = {
        str(name): found.sort_values("customer_id")
        for name, found in value_test_predictions.groupby("model", sort=False)
    }
    if not said:
        return pd.DataFrame(columns=EVALUATION)
    baselines = [name for name in BASELINES if name in said]
    chosen = value_models.loc[value_models["is_chosen"].astype(bool), "model"].tolist()
    actual = _codes(next(iter(said.values()))["actual_segment"])
    classes = {name: _codes(found["predicted_segment"]) for name, found in said.items()}
    verdict = _verdict(actual, classes, baselines, chosen)
    served = chosen[0] if chosen and verdict.is_promoted else verdict.best_baseline
    rows = []
    for name, found in said.items():
        figures = list(_figures(found, actual, classes[name]))
        if name in chosen:
            figures.append(("macro_f1_gain", verdict.gain, verdict.ci_low, verdict.ci_high))
        rows += [[name, *figure, len(found), name == served, name in baselines] for figure in figures]
    return pd.DataFrame(rows, columns=EVALUATION)


def _verdict(actual: Codes, classes: dict[str, Codes], baselines: list[str], chosen: list[str]) -> Verdict:
    """On the chosen model; where there is none, on the best baseline, which does not beat itself."""
    rules = {name: classes[name] for name in baselines}
    model = classes[chosen[0]] if chosen else classes[baselines[0]]
    return judge(actual, model, rules)


def _figures(found: pd.DataFrame, actual: Codes, predicted: Codes) -> Iterator[Figure]:
    probabilities = found[["p_low", "p_mid", "p_high"]].to_numpy(dtype=np.float64)
    value, score = (found[name].to_numpy(dtype=np.float64) for name in ("future_net_sales", "ranking_score"))
    for name, figures in intervals(confusion(actual, predicted)).items():
        yield name, *figures
    yield "log_loss", *mean_with_interval(log_losses(actual, probabilities))
    yield "brier", *mean_with_interval(brier_scores(actual, probabilities))
    yield "capture_top_20", float(shares_of_value(score, value, np.array([BEST_SHARE]))[0]), NONE, NONE
    for tenth, lift in enumerate(decile_lifts(score, value), start=1):
        yield f"lift_decile_{tenth}", float(lift), NONE, NONE


def _codes(segments: pd.Series[Any]) -> Codes:
    import pandas as pd

    return np.asarray(pd.Categorical(segments, categories=SEGMENTS).codes, dtype=np.int64)
