"""Gamma-Gamma: the published numbers of CDNOW, and what must hold for any data."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cxa_pipeline.models.gamma_gamma import GammaGamma, GammaGammaParameters, Likelihood
from tests.independent.lifetimes import cdnow, drawn, gamma_gamma_likelihood

PAPER = GammaGammaParameters(6.25, 3.74, 15.44)
TRUTH = (6.0, 4.0, 15.0)


@pytest.fixture(scope="module")
def fitted() -> GammaGamma:
    found = cdnow()
    return GammaGamma().fit(found.x, found.mean)


# --- the published numbers ----------------------------------------------------------------------------------------


def test_cdnow_gives_the_estimates_of_fader_hardie_2013(fitted: GammaGamma) -> None:
    assert astuple(fitted.parameters_) == pytest.approx((6.25, 3.74, 15.45), rel=0.002)
    assert fitted.log_likelihood_ == pytest.approx(-4055.92, abs=0.01)
    assert (fitted.converged_, fitted.customers_) == (True, 946)


def test_cdnow_gives_the_expectations_of_the_note(fitted: GammaGamma) -> None:
    found = fitted.parameters_.expected_order_value([2, 0], [22.35, np.nan])
    assert found == pytest.approx([24.66, 35.17], abs=0.01)
    assert fitted.parameters_.mean == pytest.approx(35.17, abs=0.01)
    assert PAPER.mean == pytest.approx(35.22, abs=0.005)  # of the rounded parameters


# --- likelihood -----------------------------------------------------------------------------------------------------


def test_the_likelihood_is_that_of_the_note() -> None:
    position = np.log([PAPER.p, PAPER.q - 1, PAPER.v])
    for x, mean in [(1, 5.0), (2, 22.35), (7, 60.0)]:
        one = Likelihood(np.array([float(x)]), np.array([mean]), np.ones(1))
        assert one(position)[0] == pytest.approx(-np.log(gamma_gamma_likelihood(*astuple(PAPER), x, mean)))


def test_the_gradient_is_that_of_finite_differences() -> None:
    likelihood = Likelihood(np.array([1.0, 1, 2, 9]), np.array([5.0, 60, 22.35, 30]), np.array([3.0, 1, 2, 1]))
    for position in np.random.default_rng(3).normal(0, 1.5, (20, 3)):
        steps = 1e-6 * np.eye(3)
        differences = [(likelihood(position + s)[0] - likelihood(position - s)[0]) / 2e-6 for s in steps]
        assert likelihood(position)[1] == pytest.approx(differences, rel=1e-5, abs=1e-7)


def test_weights_count_customers() -> None:
    found = drawn(2000, 1, (0.8, 40, 0.9, 2.0))
    mean = np.where(found.x > 0, np.ceil(found.mean), np.nan)
    pairs, counts = np.unique(np.stack([found.x, np.nan_to_num(mean)]), axis=1, return_counts=True)
    together, single = GammaGamma().fit(*pairs, weights=counts), GammaGamma().fit(found.x, mean)
    assert astuple(together.parameters_) == pytest.approx(astuple(single.parameters_), rel=1e-9)
    assert together.log_likelihood_ == pytest.approx(single.log_likelihood_, rel=1e-12)


def test_the_order_of_the_customers_and_the_unit_of_money_do_not_matter(fitted: GammaGamma) -> None:
    found = cdnow()
    shuffled = np.random.default_rng(5).permutation(len(found.x))
    again = GammaGamma().fit(found.x[shuffled], found.mean[shuffled])
    assert astuple(again.parameters_) == astuple(fitted.parameters_)
    cents = GammaGamma().fit(found.x, 100 * found.mean)
    p, q, v = astuple(cents.parameters_)
    assert (p, q, v / 100) == pytest.approx(astuple(fitted.parameters_), rel=1e-9)
    assert cents.log_likelihood_ == pytest.approx(fitted.log_likelihood_ - 946 * np.log(100), abs=1e-6)


# --- impossible and hopeless data -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "mean", "says"),
    [
        ([0, 0], [np.nan, np.nan], "nobody"),
        ([2], [0.0], "nobody"),
        ([2], [-1.0], "not negative"),
        ([2], [np.nan], "finite"),
        ([2, 1], [1.0], "equal lengths"),
    ],
)
def test_impossible_data_are_refused(x: list[float], mean: list[float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        GammaGamma().fit(x, mean)


def test_customers_without_repeat_orders_or_without_money_do_not_count() -> None:
    found = drawn(2000, 1, (0.8, 40, 0.9, 2.0))
    more = GammaGamma().fit(np.append(found.x, [5, 0]), np.append(found.mean, [0.0, 99.0]))
    assert astuple(more.parameters_) == astuple(GammaGamma().fit(found.x, found.mean).parameters_)


HOPELESS = {
    "one customer": ([3.0], [20.0]),
    "all the same": ([2.0] * 500, [20.0] * 500),
    "thirty orders of magnitude": (np.arange(1.0, 32), np.logspace(-15, 15, 31)),
    "two worlds": ([1.0] * 50 + [90.0] * 50, [1.0] * 50 + [1e6] * 50),
}


@pytest.mark.parametrize("name", HOPELESS)
@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_hopeless_data_end_in_a_finite_mean_that_is_not_negative(name: str, penalty: float) -> None:
    x, mean = HOPELESS[name]
    model = GammaGamma(penalty).fit(x, mean)
    assert model.parameters_.q > 1
    expected = model.parameters_.expected_order_value(np.append(x, 0), np.append(mean, 0))
    assert np.isfinite(expected).all()
    assert (expected > 0).all()


def test_a_mean_exists_also_where_spend_has_none() -> None:
    # Rates with q = 0.8: the mean over customers is infinite, and lifetimes has given negative values here.
    draw = np.random.default_rng(8)
    x = draw.integers(1, 6, 3000).astype(float)
    mean = draw.gamma(3 * x, 1 / draw.gamma(0.8, 1 / 10, 3000)) / x
    model = GammaGamma().fit(x, mean)
    assert 1 < model.parameters_.q < 1.01
    assert (model.parameters_.expected_order_value(x, mean) > 0).all()


# --- expectations -----------------------------------------------------------------------------------------------------


def test_the_more_orders_the_more_the_own_mean_counts() -> None:
    x = np.array([0, 1, 10, 1000])
    found = PAPER.expected_order_value(x, np.full(4, 100.0))
    assert found[0] == PAPER.mean
    assert (np.diff(found) > 0).all()
    assert found[-1] == pytest.approx(100, abs=0.05)


MONEY = st.floats(-15, 15).map(lambda power: 10.0**power)


@settings(max_examples=200, deadline=None)
@example(p=1e-14, above=1e-10, v=1.0, x=14, mean=1e-4)
@given(p=MONEY, above=MONEY, v=MONEY, x=st.integers(0, 10**9), mean=MONEY)
def test_expected_spend_lies_between_the_own_mean_and_that_of_all(
    p: float, above: float, v: float, x: int, mean: float
) -> None:
    parameters = GammaGammaParameters(p, 1 + above, v)
    found = float(parameters.expected_order_value([x], [mean])[0])
    assert np.isfinite(found)
    ends = (parameters.mean, mean) if x else (parameters.mean, parameters.mean)
    assert min(ends) * (1 - 1e-6) <= found <= max(ends) * (1 + 1e-6)


@pytest.mark.slow
def test_ninety_five_percent_intervals_cover_the_truth() -> None:
    covered = np.zeros(3)
    for seed in range(100):
        found = drawn(4000, seed, (0.8, 40.0, 0.9, 2.0), TRUTH)
        model = GammaGamma().fit(found.x, found.mean)
        estimates = np.array(astuple(model.parameters_)) - [0, 1, 0]
        truth = np.array(TRUTH) - [0, 1, 0]
        covered += np.abs(np.log(estimates / truth)) <= 1.96 * model.standard_errors_ / estimates
    assert (covered >= 90).all(), covered
