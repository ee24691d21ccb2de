"""The functions of the value tables on customers with a planted future: what is served, and that nothing leaks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from threadpoolctl import threadpool_limits

from cxa_pipeline.models import value_training
from cxa_pipeline.models.tables import value, value_inputs, value_plots, value_predictions, value_report
from cxa_pipeline.models.tables.value_inputs import as_sample, rows_of
from cxa_pipeline.models.value_baselines import BASELINES
from cxa_pipeline.models.value_labels import learn
from cxa_pipeline.pipeline.python_model import run_model
from tests.independent import future_value
from tests.independent.future_value import AS_OF, HORIZON, Frames
from tests.independent.tables import project

CLOCK = pd.DataFrame({"currency": ["EUR"]})


@dataclass(frozen=True)
class Tables:
    """All value tables that Python makes."""

    lifetimes: pd.DataFrame
    models: pd.DataFrame
    test: pd.DataFrame
    evaluation: pd.DataFrame
    prediction: pd.DataFrame

    def served(self) -> str:
        return str(self.evaluation.loc[self.evaluation["is_served"], "model"].unique().item())


def made(given: Frames) -> Tables:
    lifetimes = value_inputs.lifetimes(**given.given)
    inputs = {**given.given, "value_lifetimes": lifetimes}
    models = value.models(**inputs)
    test = pd.concat(value_predictions.of_test_customers(**inputs, value_models=models))
    evaluation = value_report.evaluation(test, models)
    last = value_predictions.prediction(**inputs, value_models=models, value_evaluation=evaluation, clock=CLOCK)
    return Tables(lifetimes, models, test, evaluation, last)


@cache
def planted() -> Tables:
    return made(future_value.frames())


def equal(first: pd.DataFrame, second: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(first.reset_index(drop=True), second.reset_index(drop=True), check_exact=True)


# --- what is served ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_model_that_has_learnt_a_planted_signal_is_promoted() -> None:
    tables = planted()
    chosen = tables.models.loc[tables.models["is_chosen"], "model"].item()
    assert tables.served() == chosen
    prediction = tables.prediction
    assert (prediction["model_used"].unique().tolist(), prediction["model_status"].unique().tolist()) == (
        [chosen],
        ["promoted"],
    )
    f1 = tables.evaluation[tables.evaluation["metric"] == "macro_f1"].set_index("model")["value"]
    assert f1[chosen] > f1[list(BASELINES)].max() + 0.1
    gain = tables.evaluation[tables.evaluation["metric"] == "macro_f1_gain"]
    assert gain["model"].tolist() == [chosen]
    assert gain["value"].item() == pytest.approx(f1[chosen] - f1[list(BASELINES)].max())
    assert 0 < gain["ci_low"].item() < gain["value"].item() < gain["ci_high"].item()


def test_predictions_follow_from_their_probabilities() -> None:
    found = planted().prediction
    p = found[["p_low", "p_mid", "p_high"]].to_numpy()
    assert p.sum(axis=1) == pytest.approx(np.ones(len(p)), abs=1e-9)
    weights = np.column_stack([np.ones(len(p)), found["weight_mid"], found["weight_high"]])
    expected = np.array(["Low", "Mid", "High"])[(p * weights).argmax(axis=1)]
    assert (found["predicted_segment"] == expected).all()
    assert set(found["predicted_segment"]) == {"Low", "Mid", "High"}
    means = found.groupby("predicted_segment")["expected_value"].mean()
    assert means["Low"] < means["Mid"] < means["High"]


def test_the_planted_features_are_named_as_reasons() -> None:
    found = planted().prediction
    first = found.loc[found["predicted_segment"] == "High", "feature_1"].value_counts(normalize=True)
    assert first[["views_90", "carts_90"]].sum() > 0.8
    assert (found["contribution_1"].abs() >= found["contribution_2"].abs()).all()


@pytest.mark.slow
def test_where_nothing_predicts_the_future_a_baseline_is_served_and_says_so() -> None:
    tables = made(future_value.frames(signal=0.0))
    assert tables.models["status"].unique().tolist() == ["trained"]
    assert tables.served() in BASELINES
    found = tables.prediction
    assert found["model_used"].unique().tolist() == [tables.served()]
    assert found["model_status"].unique().tolist() == ["baseline_is_better"]
    assert found[["p_low", "p_mid", "p_high"]].sum(axis=1).to_numpy() == pytest.approx(np.ones(len(found)))
    assert found[["contribution_1", "feature_2", "weight_mid"]].isna().all(axis=None)
    basis = {"majority": None, "past_segment": "past_net_sales", "lifetime_value": "expected_value"}[tables.served()]
    assert set(found["feature_1"].dropna()) == ({basis} if basis else set())


def test_the_bounds_are_those_of_the_latest_training_customers() -> None:
    given = future_value.frames()
    rows = given.value_features[given.value_features["cutoff_date"] == AS_OF - pd.Timedelta(days=2 * HORIZON)]
    bounds = learn(rows["future_net_sales"].to_numpy())
    assert planted().models[["low_threshold", "high_threshold"]].drop_duplicates().to_numpy().tolist() == [
        [bounds.low, bounds.high]
    ]
    actual = planted().test[["actual_segment", "future_net_sales"]]
    assert (actual.loc[actual["actual_segment"] == "Low", "future_net_sales"] <= bounds.low).all()
    assert (actual.loc[actual["actual_segment"] == "High", "future_net_sales"] > bounds.high).all()


# --- nothing leaks -------------------------------------------------------------------------------------------------


def test_the_checks_for_leakage_pass_on_honest_features() -> None:
    row = planted().models.iloc[0]
    assert row["shuffled_low"] <= row["shuffled_macro_f1"] <= row["shuffled_high"]
    assert row["strongest_correlation"] < 0.98


@pytest.mark.slow
def test_the_label_among_the_features_fails_the_shuffle_test() -> None:
    given = future_value.frames()
    lifetimes = value_inputs.lifetimes(**given.given)
    rows = [rows_of(kind, **given.given, value_lifetimes=lifetimes) for kind in ("train", "test")]
    bounds = learn(as_sample(rows[0]).future)
    assert value.shuffled_labels(*rows, bounds).is_passed
    leaky = value.shuffled_labels(*rows, bounds, (*value_inputs.NUMBERS, "half_horizon_net_sales"))
    assert not leaky.is_passed
    assert leaky.macro_f1 > 0.8


@pytest.mark.slow
def test_a_feature_made_from_the_future_breaks_a_rule() -> None:
    given = future_value.frames()
    given.value_features["net_sales_30"] = given.value_features["future_net_sales"].fillna(0) * 2
    found = value.models(**given.given, value_lifetimes=value_inputs.lifetimes(**given.given)).iloc[0]
    assert (found["strongest_feature"], found["strongest_correlation"] > 0.98) == ("net_sales_30", True)


def test_what_comes_after_the_training_changes_neither_model_nor_prediction() -> None:
    given = future_value.frames()
    rows = given.value_features
    test_day = AS_OF - pd.Timedelta(days=HORIZON)
    changed = rows.copy()
    of_test = changed["cutoff_date"] == test_day
    changed.loc[of_test, "views_90"] = 0
    changed.loc[of_test, "future_net_sales"] = 7.0
    tables, lifetimes = planted(), value_inputs.lifetimes(changed, given.value_cutoffs)
    equal(lifetimes, tables.lifetimes)
    inputs = {**given.given, "value_features": changed, "value_lifetimes": lifetimes}
    models = value.models(**inputs)
    columns = ["model", "is_chosen", "choice_macro_f1", "low_threshold", "high_threshold"]
    equal(models[columns], tables.models[columns])
    last = value_predictions.prediction(**inputs, value_models=models, value_evaluation=tables.evaluation, clock=CLOCK)
    equal(last, tables.prediction)


# --- little data ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_few_customers_have_the_class_of_their_past(n: int) -> None:
    tables = made(future_value.insufficient(n))
    assert len(tables.prediction) == n
    assert tables.test.empty
    assert tables.evaluation.empty
    assert (tables.prediction["predicted_segment"] == tables.prediction["historic_segment"]).all()
    assert (tables.prediction["model_status"] == "insufficient_data").all()
    assert tables.prediction[["p_low", "expected_value", "contribution_1"]].isna().all(axis=None)


@pytest.mark.parametrize("future", [0.0, 25.0])
def test_where_the_future_of_all_is_the_same_no_model_is_trained(future: float) -> None:
    tables = made(future_value.frames(200, future=future))
    assert tables.models["status"].unique().tolist() == ["too_few_of_a_class"]
    assert not tables.models["is_chosen"].any()
    assert (tables.served(), set(tables.prediction["model_status"])) == ("majority", {"too_few_of_a_class"})
    assert set(tables.prediction["predicted_segment"]) == {"Low"}
    assert tables.prediction["expected_value"].to_numpy() == pytest.approx(np.full(200, future))


# --- equal inputs, equal values ------------------------------------------------------------------------------------


def test_the_order_of_rows_changes_nothing() -> None:
    given = future_value.frames()
    shuffled = Frames(given.value_features.sample(frac=1, random_state=1), given.value_cutoffs.iloc[::-1])
    tables, other = planted(), made(shuffled)
    for name in ("lifetimes", "models", "test", "evaluation", "prediction"):
        equal(getattr(other, name), getattr(tables, name))


def test_how_many_customers_are_predicted_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = planted()
    monkeypatch.setattr(value_training, "CHUNK", 37)
    other = made(future_value.frames())
    for name in ("models", "test", "prediction"):
        equal(getattr(other, name), getattr(tables, name))


def test_the_number_of_threads_changes_nothing(tmp_path: Path) -> None:
    given, tables = future_value.frames(), planted()
    frames: dict[str, Any] = {
        **given.given,
        "value_lifetimes": tables.lifetimes,
        "value_models": tables.models,
    }
    contract = project().catalog["customer.value_test_predictions"]
    paths = [tmp_path / "one", tmp_path / "two"]
    for threads, path in enumerate(paths, start=1):
        with threadpool_limits(threads):
            run_model(contract, frames, path)
    assert pq.read_table(paths[0]).equals(pq.read_table(paths[1]))


def test_a_fit_takes_the_same_customers_whoever_else_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(value_training, "FIT_ROWS", 100)
    given = future_value.frames(400)
    rows = rows_of("train", **given.given, value_lifetimes=value_inputs.lifetimes(**given.given))
    everybody = as_sample(rows).for_a_fit()
    fewer = as_sample(rows[~rows["customer_id"].isin(everybody.customers[:20])]).for_a_fit()
    assert len(everybody) == len(fewer) == 100
    assert sorted(everybody.customers) == list(everybody.customers)
    assert len(set(everybody.customers) & set(fewer.customers)) == 80


def test_plots_draw_what_the_tables_hold() -> None:
    tables = planted()
    titles = [axis.get_title() for axis in value_plots.predictions(tables.test).axes]
    assert titles == [*("logistic", "boosting"), *BASELINES, "High: predicted and true"]
    bars = value_plots.evaluation(tables.evaluation).axes[0]
    assert len(bars.patches) == 5
