"""Future value: classes, measures, gate and leakage tests by hand and by scikit-learn; a planted signal is learnt."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as judge_by

from cxa_pipeline.models import value_baselines
from cxa_pipeline.models.value_baselines import Known
from cxa_pipeline.models.value_calibration import Calibration
from cxa_pipeline.models.value_decision import decide, learn_weights
from cxa_pipeline.models.value_encoding import Encoder, Features
from cxa_pipeline.models.value_explanations import contributions, important, largest, spread
from cxa_pipeline.models.value_gate import judge
from cxa_pipeline.models.value_labels import Thresholds, class_means, classify, learn
from cxa_pipeline.models.value_leakage import shuffle_test, strongest_correlation
from cxa_pipeline.models.value_metrics import (
    balanced_accuracy,
    brier_scores,
    confusion,
    decile_lifts,
    intervals,
    log_losses,
    macro_f1,
    mean_with_interval,
    paired_difference,
    shares_of_value,
    weighted_kappa,
)
from cxa_pipeline.models.value_models import KINDS, Kind, ValueClassifier, simple
from cxa_pipeline.models.value_training import Sample, choose

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def drawn(n: int, seed: int = 1, noise: float = 0.15) -> tuple[Codes, Codes]:
    """Actual classes, and predictions that are mostly right."""
    rng = np.random.default_rng(seed)
    actual = rng.choice(3, n, p=[0.5, 0.3, 0.2])
    return actual, np.where(rng.random(n) < noise, rng.integers(0, 3, n), actual)


def points(n: int, seed: int = 2, p: int = 6) -> tuple[Floats, Codes, Codes]:
    """Standardised columns, classes that follow from the first two, folds."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (n, p))
    score = x[:, 0] + 0.6 * x[:, 1] + rng.normal(0, 0.5, n)
    return x, np.digitize(score, [0.0, 1.0]).astype(np.int64), np.arange(n, dtype=np.int64) % 3


# --- labels --------------------------------------------------------------------------------------------------------


def test_low_ends_at_the_median_and_high_begins_above_the_80th_percentile() -> None:
    values = np.arange(1.0, 12.0)  # 1 to 11: median 6, 80th percentile 9
    bounds = learn(values)
    assert bounds == Thresholds(6.0, 9.0)
    assert np.bincount(classify(values, bounds)).tolist() == [6, 3, 2]


def test_where_half_buy_nothing_low_is_who_buys_nothing() -> None:
    values = [0.0] * 6 + [1.0, 2.0, 3.0, 4.0, 5.0]  # 80th percentile: the 9th of 11 in order, 3
    assert learn(values) == Thresholds(0.0, 3.0)
    assert classify([0.0, 0.01, 3.0, 3.01], learn(values)).tolist() == [0, 1, 1, 2]


def test_where_four_fifths_buy_nothing_buyers_are_halved_at_their_median() -> None:
    values = [0.0] * 20 + [10.0, 20.0, 30.0]
    assert learn(values) == Thresholds(0.0, 20.0)
    assert classify([0.0, 10.0, 20.0, 30.0], learn(values)).tolist() == [0, 1, 1, 2]


def test_without_a_buyer_everybody_is_low() -> None:
    assert learn([0.0, 0.0, -5.0]) == Thresholds(0.0, 0.0)
    assert classify([0.0, -5.0], learn([0.0, 0.0, -5.0])).tolist() == [0, 0]
    assert learn([]) == Thresholds(0.0, 0.0)


def test_returns_alone_are_low_whatever_the_percentiles_are() -> None:
    assert learn([-9.0, -8.0, -7.0, 5.0, 6.0]) == Thresholds(0.0, 5.2)
    assert learn([-9.0] * 8 + [5.0, 7.0]) == Thresholds(0.0, 6.0)


def test_equal_values_have_one_class() -> None:
    assert set(classify([4.0] * 10, learn([4.0] * 10))) == {0}


def test_values_must_be_finite() -> None:
    with pytest.raises(ValueError, match="finite"):
        learn([1.0, float("nan")])


def test_class_means_are_0_for_an_empty_class() -> None:
    assert class_means(np.array([1.0, 3.0, 10.0]), np.array([0, 0, 2])).tolist() == [2.0, 0.0, 10.0]


# --- measures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
def test_measures_of_the_confusion_matrix_are_those_of_scikit_learn(noise: float) -> None:
    actual, predicted = drawn(700, noise=noise)
    counts = confusion(actual, predicted)
    assert counts.tolist() == judge_by.confusion_matrix(actual, predicted).tolist()
    assert macro_f1(counts) == pytest.approx(judge_by.f1_score(actual, predicted, average="macro"))
    assert balanced_accuracy(counts) == pytest.approx(judge_by.balanced_accuracy_score(actual, predicted))
    assert weighted_kappa(counts) == pytest.approx(judge_by.cohen_kappa_score(actual, predicted, weights="quadratic"))


def test_a_class_that_nobody_has_or_is_given_does_not_count() -> None:
    counts = confusion(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]))
    assert macro_f1(counts) == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert balanced_accuracy(counts) == pytest.approx((1 + 1 / 2) / 2)


def test_kappa_of_one_class_alone_is_unknown() -> None:
    assert np.isnan(weighted_kappa(confusion(np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.int64))))


def test_log_loss_and_brier_score_by_hand() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    actual = np.array([0, 1])
    assert log_losses(actual, p) == pytest.approx([-np.log(0.5), -np.log(0.1)])
    assert brier_scores(actual, p) == pytest.approx([0.25 + 0.09 + 0.04, 0.01 + 0.81 + 0.64])
    assert log_losses(actual, p).mean() == pytest.approx(judge_by.log_loss(actual, p, labels=[0, 1, 2]))


def test_mean_with_interval_by_hand() -> None:
    mean, low, high = mean_with_interval(np.array([1.0, 2.0, 3.0]))
    assert (mean, low, high) == pytest.approx((2.0, 2 - 1.959964 / 3**0.5, 2 + 1.959964 / 3**0.5))
    assert np.isnan(mean_with_interval(np.empty(0))).all()


def test_the_best_fifth_holds_its_share_of_value() -> None:
    score, value = np.arange(10.0), np.array([0, 0, 0, 0, 0, 0, 0, 10, 30, 60.0])
    assert shares_of_value(score, value, np.array([0.1, 0.2, 1.0])).tolist() == [0.6, 0.9, 1.0]
    lifts = decile_lifts(score, value)
    assert lifts == pytest.approx([6, 3, 1, 0, 0, 0, 0, 0, 0, 0])


def test_customers_of_equal_rank_share_their_value() -> None:
    score, value = np.zeros(10), np.arange(10.0)
    assert shares_of_value(score, value, np.array([0.2])) == pytest.approx([0.2])
    assert decile_lifts(score, value[::-1]) == pytest.approx(np.ones(10))


def test_where_nothing_was_sold_there_is_no_share() -> None:
    assert np.isnan(shares_of_value(np.arange(3.0), np.zeros(3), np.array([0.2]))).all()


def test_the_interval_of_macro_f1_is_that_of_resampling_customers() -> None:
    actual, predicted = drawn(400, noise=0.5)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 400, (2_000, 400))
    each = [judge_by.f1_score(actual[r], predicted[r], average="macro") for r in rows[:400]]
    value, low, high = intervals(confusion(actual, predicted))["macro_f1"]
    assert value == pytest.approx(judge_by.f1_score(actual, predicted, average="macro"))
    assert [low, high] == pytest.approx(np.quantile(each, [0.025, 0.975]), abs=0.012)


def test_the_paired_difference_is_narrower_than_that_of_two_samples() -> None:
    actual, first = drawn(800, noise=0.4)
    second = first.copy()
    second[:40] = (second[:40] + 1) % 3
    difference, low, high = paired_difference(actual, first, second)
    expected = judge_by.f1_score(actual, first, average="macro") - judge_by.f1_score(actual, second, average="macro")
    assert difference == pytest.approx(expected)
    assert low < difference < high
    width = intervals(confusion(actual, first))["macro_f1"]
    assert high - low < 0.7 * (width[2] - width[1])


# --- gate ----------------------------------------------------------------------------------------------------------


def test_a_clearly_better_model_is_promoted_over_the_best_baseline() -> None:
    actual, model = drawn(1_000, noise=0.1)
    baselines = {"simple": np.zeros(1_000, dtype=np.int64), "good": drawn(1_000, noise=0.5)[1]}
    verdict = judge(actual, model, baselines)
    assert (verdict.best_baseline, verdict.is_promoted) == ("good", True)
    assert verdict.gain > verdict.ci_low > 0


def test_a_model_that_equals_its_baseline_is_not_promoted() -> None:
    actual, model = drawn(1_000)
    verdict = judge(actual, model, {"same": model})
    assert (verdict.gain, verdict.ci_low, verdict.ci_high, verdict.is_promoted) == (0.0, 0.0, 0.0, False)


def test_a_model_that_is_better_by_chance_alone_is_not_promoted() -> None:
    actual, baseline = drawn(300, noise=0.5)
    model = baseline.copy()
    wrong = np.flatnonzero(model != actual)[:2]
    model[wrong] = actual[wrong]
    verdict = judge(actual, model, {"nearly": baseline})
    assert verdict.gain > 0
    assert not verdict.is_promoted


def test_of_equally_good_baselines_the_simplest_is_named() -> None:
    actual, model = drawn(100)
    assert judge(actual, model, {"simplest": model, "other": model}).best_baseline == "simplest"


# --- decision and calibration --------------------------------------------------------------------------------------


def test_of_equally_likely_classes_the_lower_is_taken() -> None:
    p = np.array([[0.4, 0.4, 0.2], [0.2, 0.4, 0.4], [1 / 3, 1 / 3, 1 / 3], [0.3, 0.3 + 1e-13, 0.4 - 1e-13]])
    assert decide(p, np.ones(3)).tolist() == [0, 1, 0, 2]
    assert decide(np.empty((0, 3)), np.ones(3)).tolist() == []


def test_weights_change_the_decision_and_nothing_else() -> None:
    p = np.array([[0.5, 0.3, 0.2]])
    assert decide(p, np.array([1.0, 2.0, 1.0])).tolist() == [1]


def test_learnt_weights_find_a_class_that_is_never_the_most_likely() -> None:
    rng = np.random.default_rng(3)
    p_mid = rng.uniform(0.05, 0.35, 4_000)
    p = np.stack([(1 - p_mid) * 0.7, p_mid, (1 - p_mid) * 0.3], axis=1)
    actual = (rng.random(4_000)[:, None] > np.cumsum(p, axis=1)).sum(axis=1)
    weights = learn_weights(p, actual)
    assert weights[0] == 1.0
    better = macro_f1(confusion(actual, decide(p, weights)))
    assert better > macro_f1(confusion(actual, decide(p, np.ones(3)))) + 0.05


@pytest.mark.parametrize(("n", "method"), [(999, "sigmoid"), (1_000, "isotonic")])
def test_calibration_mends_probabilities_that_are_too_sure(n: int, method: str) -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 1, (2 * n, 3))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    sure = np.exp(4 * logits) / np.exp(4 * logits).sum(axis=1, keepdims=True)
    actual = (rng.random(2 * n)[:, None] > np.cumsum(true, axis=1)).sum(axis=1)
    calibration = Calibration().fit(sure[:n], actual[:n])
    found = calibration.transform(sure[n:])
    assert calibration.method_ == method
    assert found.sum(axis=1) == pytest.approx(np.ones(n), abs=1e-12)
    assert found.min() > 0
    assert brier_scores(actual[n:], found).mean() < brier_scores(actual[n:], sure[n:]).mean() - 0.05
    assert found.mean(axis=0) == pytest.approx(np.bincount(actual[n:]) / n, abs=0.05)


def test_calibration_knows_a_class_that_nobody_has() -> None:
    found = Calibration().fit(np.full((60, 3), 1 / 3), np.arange(60) % 2).transform(np.full((1, 3), 1 / 3))
    assert found[0, 2] < 0.02
    assert found[0, 0] == pytest.approx(found[0, 1])


# --- encoding ------------------------------------------------------------------------------------------------------


def features(n: int = 200, seed: int = 6) -> Features:
    rng = np.random.default_rng(seed)
    money = rng.gamma(2, 50, n)
    days = np.where(rng.random(n) < 0.3, np.nan, rng.integers(1, 90, n).astype(float))
    places = rng.choice(["Berlin", "Paris"], n).astype(object)
    places[0] = "Oslo"
    return Features({"money": money, "days": days, "same": np.ones(n)}, {"place": places.astype(str)})


def test_columns_are_standardised_and_constant_or_rare_ones_left_out() -> None:
    encoder = Encoder().fit(features())
    assert encoder.names_ == ["money", "days", "days is missing", "place = Berlin", "place = Paris"]
    assert encoder.feature_.tolist() == [0, 1, 1, 3, 3]
    x = encoder.transform(features())
    assert x.mean(axis=0) == pytest.approx(np.zeros(5), abs=1e-12)
    assert x.std(axis=0) == pytest.approx(np.ones(5))


def test_other_customers_stand_on_the_scale_of_the_training_customers() -> None:
    encoder = Encoder().fit(features())
    own = encoder.transform(features())
    new = Features(
        {"money": np.array([1e9]), "days": np.array([np.nan]), "same": np.ones(1)}, {"place": np.array(["Rome"])}
    )
    found = encoder.transform(new)[0]
    logged = np.log1p(features().numbers["money"])
    bounded = np.clip(logged, *np.percentile(logged, [1, 99]))
    assert found[0] == pytest.approx((np.percentile(logged, 99) - bounded.mean()) / bounded.std())
    missing = np.isnan(features().numbers["days"])
    assert found[1] == own[missing][0, 1]
    assert found[2] > 0 > own[~missing][0, 2]
    assert (found[3:] < 0).all()


# --- models --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_signal_is_learnt(kind: Kind) -> None:
    x, y, fold = points(1_500)
    model = ValueClassifier(kind).fit(x, y, fold)
    new, actual, _ = points(1_500, seed=9)
    p = model.predict_proba(new)
    assert p.sum(axis=1) == pytest.approx(np.ones(1_500), abs=1e-9)
    assert macro_f1(confusion(actual, model.predict(p))) > 0.65
    assert log_losses(actual, p).mean() < 0.75


@pytest.mark.parametrize("kind", KINDS)
def test_pure_noise_is_predicted_no_better_than_by_chance(kind: Kind) -> None:
    x, y, fold = points(900)
    y = np.random.default_rng(1).permutation(y)
    model = ValueClassifier(kind).fit(x, y, fold)
    new, actual, _ = points(900, seed=9)
    actual = np.random.default_rng(2).permutation(actual)
    assert macro_f1(confusion(actual, model.predict(model.predict_proba(new)))) < 0.4


def test_one_class_cannot_be_told_apart() -> None:
    x, _, fold = points(90)
    with pytest.raises(ValueError, match="two classes"):
        ValueClassifier("logistic").fit(x, np.zeros(90, dtype=np.int64), fold)
    assert simple(x, np.full(90, 2), x[:4]).tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_two_classes_are_enough_and_the_third_stays_unlikely(kind: Kind) -> None:
    x, y, fold = points(600)
    model = ValueClassifier(kind).fit(x, np.minimum(y, 1), fold)
    p = model.predict_proba(x)
    assert p[:, 2].max() < 0.02
    found = explained(model, x, model.predict(p), np.arange(6), 6)
    assert np.isfinite(found).all()
    assert model.predict_proba(x[:0]).shape == (0, 3)


# --- explanations --------------------------------------------------------------------------------------------------


def explained(model: ValueClassifier, x: Floats, predicted: Codes, feature: Codes, features: int) -> Floats:
    """Contributions to all customers, by the features that matter most to some of them."""
    some = spread(len(x))
    places = important(model, x[some], predicted[some], feature, features)
    return contributions(model, x, predicted, feature, features, places)


def test_contributions_of_the_logistic_regression_and_its_constant_make_the_log_odds() -> None:
    x, y, fold = points(800)
    model = ValueClassifier("logistic").fit(x, y, fold)
    predicted = model.predict(model.predict_proba(x))
    found = explained(model, x, predicted, np.arange(6), 6)
    constant = model.estimator_.intercept_ - model.estimator_.intercept_.mean()
    decision = model.decision(model.prepare(x))[np.arange(800), predicted]
    assert found.sum(axis=1) + constant[predicted] == pytest.approx(decision, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_planted_features_contribute_most(kind: Kind) -> None:
    x, y, fold = points(1_200)
    model = ValueClassifier(kind).fit(x, y, fold)
    found = explained(model, x, model.predict(model.predict_proba(x)), np.arange(6), 6)
    size = np.abs(found).mean(axis=0)
    assert size[0] > size[1] > 3 * size[2:].max()


def test_occlusion_takes_the_columns_of_a_feature_together() -> None:
    x, y, fold = points(600)
    model = ValueClassifier("boosting").fit(x, y, fold)
    predicted = model.predict(model.predict_proba(x))
    together = explained(model, x, predicted, np.array([0, 0, 1, 1, 1, 1]), 2)
    hidden = x.copy()
    hidden[:, :2] = np.median(x, axis=0)[:2]
    rows = np.arange(600)
    expected = (
        model.decision(model.prepare(x))[rows, predicted] - model.decision(model.prepare(hidden))[rows, predicted]
    )
    assert together[:, 0] == pytest.approx(expected)


def test_the_largest_contributions_are_named_by_size_either_way() -> None:
    names, values = largest(np.array([[0.1, -0.5, 0.0, 0.5], [0.0, 0.0, 0.0, 2.0]]), ["a", "b", "c", "d"])
    assert names.tolist() == [["b", "d", "a"], ["d", None, None]]
    assert values[0].tolist() == [-0.5, 0.5, 0.1]
    assert np.isnan(values[1, 1:]).all()
    assert largest(np.array([[1.0]]), ["alone"])[0].tolist() == [["alone", None, None]]


# --- baselines -----------------------------------------------------------------------------------------------------


def test_baselines_by_hand() -> None:
    values = np.array([0.0, 0.0, 0.0, 0.0, 5.0, 9.0])
    known = Known(np.array([0.0, 0.0, 7.0, 0.0, 3.0, 9.0]), np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    bounds = Thresholds(0.0, 6.0)
    rules = {name: value_baselines.learn(name, known, values, bounds) for name in value_baselines.BASELINES}
    assert rules["majority"].predict(known).tolist() == [0] * 6
    assert rules["past_segment"].predict(known).tolist() == [0, 0, 2, 0, 1, 2]
    # As many as there are in each class: four Low, one Mid, one High, by expected value.
    assert rules["lifetime_value"].predict(known).tolist() == [0, 0, 0, 0, 1, 2]
    p = rules["past_segment"].probabilities(np.array([0, 2]))
    whole = np.array([4, 1, 1]) / 6 * 6 / 7 + 1 / 21
    assert p[0] == pytest.approx((np.array([3, 0, 0]) + whole) / 4)
    assert p[1] == pytest.approx((np.array([1, 0, 1]) + whole) / 3)
    assert rules["past_segment"].means.tolist() == [0.0, 5.0, 4.5]
    assert rules["majority"].score(known).tolist() == [0.0] * 6


# --- leakage -------------------------------------------------------------------------------------------------------


def test_an_honest_fit_passes_the_shuffle_test() -> None:
    x, y, _ = points(500)
    new, actual, _ = points(500, seed=9)
    assert shuffle_test(lambda labels, _: simple(x, labels, new), y, actual).is_passed


def test_a_fit_that_sees_the_test_labels_fails_it() -> None:
    x, y, _ = points(500)
    new, actual, _ = points(500, seed=9)

    def peeking(labels: Codes, test: Codes) -> Codes:
        leak = np.random.default_rng(0).normal(0, 1.0, 500)
        return simple(np.column_stack([x, labels + leak]), labels, np.column_stack([new, test + leak]))

    found = shuffle_test(peeking, y, actual)
    assert found.macro_f1 > found.high
    assert not found.is_passed


def test_a_feature_that_is_the_label_is_found_by_its_rank_correlation() -> None:
    rng = np.random.default_rng(5)
    label = rng.gamma(1, 50, 300)
    numbers = {
        "honest": label + rng.gamma(2, 200, 300),
        "leak": np.where(rng.random(300) < 0.3, np.nan, np.log1p(label)),
        "same": np.ones(300),
        "hardly known": np.where(np.arange(300) < 10, label, np.nan),
    }
    assert strongest_correlation(numbers, label) == ("leak", pytest.approx(1.0))
    assert strongest_correlation({"same": np.ones(300)}, label) == (None, 0.0)


def test_boosting_is_explained_by_the_features_that_matter_most_overall() -> None:
    x, y, fold = points(900, p=20)
    model = ValueClassifier("boosting").fit(x, y, fold)
    found = explained(model, x, model.predict(model.predict_proba(x)), np.arange(20), 20)
    looked_at = np.flatnonzero((found != 0).any(axis=0))
    assert len(looked_at) == 12
    assert {0, 1} <= set(looked_at)


# --- choice --------------------------------------------------------------------------------------------------------


def sample(n: int, seed: int, is_linear: bool) -> Sample:
    """Customers whose value follows from two features, or from their product alone."""
    rng = np.random.default_rng(seed)
    numbers = {name: rng.uniform(-5, 5, n) for name in ("a", "b", "c")}
    a, b = numbers["a"], numbers["b"]
    value = np.maximum((a + b if is_linear else a * b) + rng.normal(0, 1, n), 0.0)
    codes = rng.permutation(n).astype(np.int64)
    features = Features(numbers, {"place": np.full(n, "Berlin")})
    return Sample(np.arange(n).astype(str), features, Known(value, value), value, value, codes)


@pytest.mark.parametrize(("is_linear", "kind"), [(True, "logistic"), (False, "boosting")])
def test_the_simpler_candidate_is_chosen_unless_the_other_is_surely_better(is_linear: bool, kind: Kind) -> None:
    choice = choose(sample(1_000, 1, is_linear), sample(1_000, 2, is_linear))
    assert (choice.kind, choice.customers) == (kind, 1_000)
    if kind == "boosting":
        assert choice.macro_f1["boosting"] > choice.macro_f1["logistic"] + 0.1


def test_where_a_class_is_too_small_for_a_comparison_the_simplest_is_chosen() -> None:
    choice = choose(sample(80, 1, True), sample(80, 2, True))
    assert choice.kind == "logistic"
    assert np.isnan(list(choice.macro_f1.values())).all()
