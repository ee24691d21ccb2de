"""What each model and baseline says of the test customers, and what the best of them says of all.

Here: `customer.value_test_predictions` and `customer.value_prediction`. Not here: which model is chosen (`value`), and
which of all is served (`value_report`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from cxa_pipeline.models.tables.value_inputs import as_sample, rows_of
from cxa_pipeline.models.value_baselines import BASELINES
from cxa_pipeline.models.value_baselines import learn as learn_baseline
from cxa_pipeline.models.value_explanations import TOP, contributions, important, largest, spread
from cxa_pipeline.models.value_labels import SEGMENTS, Codes, Floats, Thresholds, class_means, classify
from cxa_pipeline.models.value_models import KINDS, Kind
from cxa_pipeline.models.value_training import Sample, Trained, train

if TYPE_CHECKING:
    import pandas as pd

TEST = [
    "model",
    "customer_id",
    "is_baseline",
    "actual_segment",
    "predicted_segment",
    "p_low",
    "p_mid",
    "p_high",
    "expected_value",
    "ranking_score",
    "future_net_sales",
]
PREDICTION = [
    "customer_id",
    "p_low",
    "p_mid",
    "p_high",
    "predicted_segment",
    "expected_value",
    "historic_segment",
    *(f"{word}_{place}" for place in range(1, TOP + 1) for word in ("feature", "contribution")),
    "weight_mid",
    "weight_high",
    "model_used",
    "model_status",
    "model_version",
    "horizon_days",
    "feature_cutoff",
    "currency",
]

BASIS = {"past_segment": "past_net_sales", "lifetime_value": "expected_value"}
"""The feature that a baseline goes by."""


@dataclass(frozen=True)
class Said:
    """What a model or baseline says of n customers.

    Args:
        classes: (n,) predicted.
        probabilities: (n, 3).
        expected: (n,) future value.
        ranking: (n,) by what customers are ranked.
        trained: The model; None for a baseline.
    """

    classes: Codes
    probabilities: Floats
    expected: Floats
    ranking: Floats
    trained: Trained | None = None


def say(name: str, training: Sample, customers: Sample, thresholds: Thresholds) -> Said:
    """What a model or baseline, trained anew, says of customers.

    Args:
        name: One of KINDS or BASELINES.
        training: Customers at the training cut-offs.
        customers: Of whom something is said.
        thresholds: Of the classes.
    """
    if name in BASELINES:
        rule = learn_baseline(name, training.known, training.future, thresholds)
        classes = rule.predict(customers.known)
        return Said(classes, rule.probabilities(classes), rule.means[classes], rule.score(customers.known))
    used = training.for_a_fit()
    y = classify(used.future, thresholds)
    model = train(cast(Kind, name), used, y)
    p = model.predict_proba(customers)
    expected = p @ class_means(used.future, y)
    return Said(model.classifier.predict(p), p, expected, expected, model)


def _columns(said: Said) -> dict[str, NDArray[Any]]:
    return {
        "predicted_segment": _names(said.classes),
        **{f"p_{name.lower()}": said.probabilities[:, k] for k, name in enumerate(SEGMENTS)},
        "expected_value": said.expected,
    }


def _names(codes: Codes) -> NDArray[Any]:
    return np.array(SEGMENTS, dtype=object)[codes]


def _thresholds(value_models: pd.DataFrame) -> Thresholds:
    return Thresholds(float(value_models["low_threshold"].iloc[0]), float(value_models["high_threshold"].iloc[0]))


def of_test_customers(
    value_features: pd.DataFrame,
    value_cutoffs: pd.DataFrame,
    value_lifetimes: pd.DataFrame,
    value_models: pd.DataFrame,
) -> Iterator[pd.DataFrame]:
    """`customer.value_test_predictions`: what each model and baseline says of the test customers, and what came; one of
    them at a time."""
    import pandas as pd

    inputs = value_features, value_cutoffs, value_lifetimes
    test = as_sample(rows_of("test", *inputs))
    if not len(test):
        yield pd.DataFrame(columns=TEST)
        return
    training, thresholds = as_sample(rows_of("train", *inputs)), _thresholds(value_models)
    can_train = value_models["status"].iloc[0] == "trained"
    for name in (*(KINDS if can_train else ()), *BASELINES):
        said = say(name, training, test, thresholds)
        columns = {
            "model": name,
            "customer_id": test.customers,
            "is_baseline": name in BASELINES,
            "actual_segment": _names(classify(test.future, thresholds)),
            "ranking_score": said.ranking,
            "future_net_sales": test.future,
        }
        yield pd.DataFrame({**columns, **_columns(said)})[TEST]


def prediction(
    value_features: pd.DataFrame,
    value_cutoffs: pd.DataFrame,
    value_lifetimes: pd.DataFrame,
    value_models: pd.DataFrame,
    value_evaluation: pd.DataFrame,
    clock: pd.DataFrame,
) -> pd.DataFrame:
    """`customer.value_prediction`: the class of each customer, by the model if it is better than every baseline."""
    import pandas as pd

    if value_cutoffs.empty:
        return pd.DataFrame(columns=PREDICTION)
    inputs = value_features, value_cutoffs, value_lifetimes
    customers, thresholds = as_sample(rows_of("score", *inputs)), _thresholds(value_models)
    historic = _names(classify(customers.known.past, thresholds))
    status = str(value_models["status"].iloc[0])
    served = value_evaluation.loc[value_evaluation["is_served"].astype(bool), "model"]
    common = {
        "customer_id": customers.customers,
        "historic_segment": historic,
        "horizon_days": int(value_cutoffs["horizon_days"].iloc[0]),
        "feature_cutoff": value_cutoffs.loc[value_cutoffs["kind"] == "score", "cutoff_date"].iloc[0],
        "currency": clock["currency"].iloc[0],
    }
    if status == "insufficient_data":
        known = {"predicted_segment": historic, "model_used": "past_segment", "model_status": status}
        known["feature_1"] = BASIS["past_segment"]
        return pd.DataFrame({**common, **known}).reindex(columns=PREDICTION)
    name = str(served.iloc[0])
    said = say(name, as_sample(rows_of("train", *inputs)), customers, thresholds)
    status = "promoted" if name in KINDS else "baseline_is_better" if status == "trained" else status
    version = f"{name} {value_models['train_cutoff_date'].iloc[0]:%Y-%m-%d} {common['horizon_days']} days"
    known = {"model_used": name, "model_status": status, "model_version": version}
    reasons = _reasons(said.trained, said.classes, customers) if said.trained else {"feature_1": BASIS.get(name)}
    return pd.DataFrame({**common, **known, **_columns(said), **reasons}).reindex(columns=PREDICTION)


def _reasons(model: Trained, predicted: Codes, customers: Sample) -> dict[str, Any]:
    """The weights of the decision and the features that contribute most."""
    _, mid, high = model.classifier.weights_
    encoder = model.encoder
    shape = encoder.feature_, len(encoder.features_)
    some = spread(len(customers))
    places = important(model.classifier, model.columns(customers.take(some)), predicted[some], *shape)
    names, values, begin = [], [], 0
    for part in customers.parts():
        found = contributions(
            model.classifier, model.columns(part), predicted[begin : begin + len(part)], *shape, places
        )
        names_, values_ = largest(found, encoder.features_)
        names.append(names_)
        values.append(values_)
        begin += len(part)
    reasons = {
        f"{word}_{place + 1}": part[:, place]
        for place in range(TOP)
        for word, part in (("feature", np.concatenate(names)), ("contribution", np.concatenate(values)))
    }
    return {"weight_mid": mid, "weight_high": high, **reasons}
