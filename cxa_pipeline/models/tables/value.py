"""Which model of future value is trained, and whether it knows what it cannot know.

Here: `customer.value_models`. Not here: how customers are described (`value_inputs`), what is predicted
(`value_predictions`), how good that is (`value_report`), the arithmetic (`cxa_pipeline.models.value_*`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxa_pipeline.models.tables.value_inputs import NUMBERS, as_sample, hashes, rows_of
from cxa_pipeline.models.value_encoding import Encoder
from cxa_pipeline.models.value_labels import Codes, Thresholds, classify, learn
from cxa_pipeline.models.value_leakage import ShuffleTest, shuffle_test, strongest_correlation
from cxa_pipeline.models.value_models import KINDS, simple
from cxa_pipeline.models.value_training import Sample, can_train, choose

if TYPE_CHECKING:
    import pandas as pd

SHUFFLE_ROWS = 2_000
MODELS = [
    "model",
    "is_chosen",
    "status",
    "choice_macro_f1",
    "choice_customers",
    "horizon_days",
    "train_cutoff_date",
    "test_cutoff_date",
    "train_rows",
    "fitted_rows",
    "low_threshold",
    "high_threshold",
    "shuffled_macro_f1",
    "shuffled_low",
    "shuffled_high",
    "strongest_feature",
    "strongest_correlation",
]


def models(value_features: pd.DataFrame, value_cutoffs: pd.DataFrame, value_lifetimes: pd.DataFrame) -> pd.DataFrame:
    """`customer.value_models`: the candidates, which is chosen, and whether anything leaks."""
    import pandas as pd

    if value_cutoffs.empty:
        return pd.DataFrame(columns=MODELS)
    inputs = value_features, value_cutoffs, value_lifetimes
    training, rows = rows_of("train", *inputs), [{"model": kind, "is_chosen": False} for kind in KINDS]
    common: dict[str, Any] = {"horizon_days": int(value_cutoffs["horizon_days"].iloc[0]), "train_rows": len(training)}
    if training.empty:
        thresholds = learn(as_sample(rows_of("score", *inputs)).known.past)
        common |= {"status": "insufficient_data", "train_cutoff_date": pd.NaT, "test_cutoff_date": pd.NaT}
    else:
        latest = training[training["cutoff_date"] == training["cutoff_date"].max()]
        test = rows_of("test", *inputs)
        fitted = as_sample(latest)
        thresholds = learn(fitted.future)
        used = as_sample(training).for_a_fit()
        common |= {
            "train_cutoff_date": latest["cutoff_date"].iloc[0],
            "test_cutoff_date": test["cutoff_date"].iloc[0],
            "fitted_rows": len(used),
            "status": "trained" if can_train(classify(used.future, thresholds)) else "too_few_of_a_class",
            **_leakage(fitted, latest, test, thresholds),
        }
        if common["status"] == "trained":
            rows = _candidates(fitted, as_sample(rows_of("choice", *inputs)))
    common |= {"low_threshold": thresholds.low, "high_threshold": thresholds.high}
    return pd.DataFrame([{**common, **row} for row in rows], columns=MODELS)


def _candidates(fitted: Sample, check: Sample) -> list[dict[str, Any]]:
    choice = choose(fitted, check)
    return [
        {
            "model": kind,
            "is_chosen": kind == choice.kind,
            "choice_macro_f1": choice.macro_f1[kind],
            "choice_customers": choice.customers,
        }
        for kind in KINDS
    ]


def _leakage(
    fitted: Sample, train_rows: pd.DataFrame, test_rows: pd.DataFrame, thresholds: Thresholds
) -> dict[str, Any]:
    feature, correlation = strongest_correlation(fitted.features.numbers, fitted.future)
    shuffled = shuffled_labels(train_rows, test_rows, thresholds)
    return {
        "shuffled_macro_f1": shuffled.macro_f1,
        "shuffled_low": shuffled.low,
        "shuffled_high": shuffled.high,
        "strongest_feature": feature,
        "strongest_correlation": correlation,
    }


def shuffled_labels(
    train_rows: pd.DataFrame, test_rows: pd.DataFrame, thresholds: Thresholds, numbers: tuple[str, ...] = NUMBERS
) -> ShuffleTest:
    """The whole way from rows to predicted classes, with labels that were shuffled in the rows themselves.

    Args:
        train_rows: Of the training customers, as `rows_of` gives them.
        test_rows: Of the test customers.
        thresholds: Of the classes.
        numbers: Names of the features that are numbers.
    """
    fitted, judged = _some(train_rows), _some(test_rows)

    def run(train_labels: Codes, test_labels: Codes) -> Codes:
        known, new = (
            as_sample(
                rows.assign(future_net_sales=labels.astype(float), half_horizon_net_sales=labels.astype(float)), numbers
            )
            for rows, labels in ((fitted, train_labels), (judged, test_labels))
        )
        encoder = Encoder().fit(known.features)
        return simple(encoder.transform(known.features), train_labels, encoder.transform(new.features))

    labels = (classify(as_sample(rows).future, thresholds) for rows in (fitted, judged))
    return shuffle_test(run, *labels)


def _some(rows: pd.DataFrame) -> pd.DataFrame:
    order = np.argsort(hashes(rows), kind="stable")
    return rows.iloc[np.sort(order[:SHUFFLE_ROWS])]
