"""BG/NBD and MBG/NBD: the published numbers of CDNOW, and what must hold for any data."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betaln, expit, log_expit

from cxa_pipeline.models.bgnbd import BGNBD, VARIANTS, BGNBDParameters, Likelihood, Variant
from cxa_pipeline.models.lifetime_groups import group
from cxa_pipeline.models.lifetime_likelihood import hessian_of
from cxa_pipeline.models.lifetime_prediction import (
    expected_if_alive,
    expected_orders,
    median_time_to_order,
    new_customer,
    outlook,
    probability_of_order,
)
from tests.independent.lifetimes import bgnbd_likelihood, cdnow, drawn, mbgnbd_likelihood

PAPER = BGNBDParameters(0.243, 4.414, 0.793, 2.426)
ROWS = [(0, 0.0, 5.0), (0, 0.0, 20.0), (1, 3.0, 9.0), (2, 30.43, 38.86), (7, 11.0, 11.0), (20, 8.0, 40.0)]


@pytest.fixture(scope="module")
def fitted() -> BGNBD:
    found = cdnow()
    return BGNBD().fit(found.x, found.t_x, found.T)


# --- the published numbers ----------------------------------------------------------------------------------------


def test_cdnow_gives_the_estimates_of_fader_hardie_lee_2005_table_2(fitted: BGNBD) -> None:
    # The three decimals of the paper, and the optimum to which they belong.
    assert astuple(fitted.parameters_)[:4] == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=0.0006)
    assert astuple(fitted.parameters_)[:4] == pytest.approx((0.2426, 4.4136, 0.7929, 2.4259), abs=0.0001)
    assert fitted.log_likelihood_ == pytest.approx(-9582.43, abs=0.01)
    assert (fitted.converged_, fitted.customers_) == (True, 2357)
    assert fitted.gradient_norm_ < 1e-9


def test_cdnow_gives_the_predictions_of_the_paper(fitted: BGNBD) -> None:
    customer = outlook(fitted.parameters_, [2], [30.43], [38.86])
    assert expected_orders(customer, 39) == pytest.approx([1.226], abs=0.0005)
    assert customer.p_alive == pytest.approx([0.7266], abs=0.0001)
    anybody = new_customer(fitted.parameters_)
    expected = [float(expected_orders(anybody, weeks)[0]) for weeks in (1, 32, 78)]
    assert expected == pytest.approx([0.0532, 1.0437, 1.858], abs=0.0005)
    found = cdnow()
    assert expected_orders(outlook(fitted.parameters_, found.x, found.t_x, found.T), 39).sum() == pytest.approx(
        1653.42, abs=0.02
    )


def test_whether_an_order_comes_at_all_agrees_with_btyd() -> None:
    assert 1 - probability_of_order(new_customer(PAPER), 39) == pytest.approx([0.5737864], abs=5e-8)
    assert probability_of_order(outlook(PAPER, [2], [30.43], [38.86]), 39) == pytest.approx([0.5546], abs=0.00005)


def test_the_median_time_is_when_an_order_is_as_likely_as_none() -> None:
    customers = outlook(PAPER, [2, 9, 3], [30.43, 38.0, 1.0], [38.86, 38.86, 38.86])
    time = median_time_to_order(customers)
    for place in (0, 1):
        assert probability_of_order(customers, time[place])[place] == pytest.approx(0.5, abs=1e-12)
    assert customers.p_alive[2] < 0.5
    assert time[2] == np.inf


# --- likelihood -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("variant", "paper"), [("bgnbd", bgnbd_likelihood), ("mbgnbd", mbgnbd_likelihood)])
def test_the_likelihood_is_that_of_the_paper(variant: Variant, paper) -> None:  # type: ignore[no-untyped-def]
    for x, t_x, T in ROWS:
        one = Likelihood(*(np.array([value]) for value in (x, t_x, T, 1.0)), int(variant == "mbgnbd"))
        assert one(np.log(astuple(PAPER)[:4]))[0] == pytest.approx(-np.log(paper(*astuple(PAPER)[:4], x, t_x, T)))


@pytest.mark.parametrize("chances", [0, 1])
def test_the_gradient_is_that_of_finite_differences(chances: int) -> None:
    columns = [np.array(values, dtype=float) for values in zip(*ROWS, strict=True)]
    likelihood = Likelihood(*columns, np.array([5.0, 1, 2, 3, 1, 4]), chances)
    draw = np.random.default_rng(3)
    for position in draw.normal(0, 1.5, (20, 4)):
        steps = 1e-6 * np.eye(4)
        differences = [(likelihood(position + s)[0] - likelihood(position - s)[0]) / 2e-6 for s in steps]
        assert likelihood(position)[1] == pytest.approx(differences, rel=1e-5, abs=1e-7)


def test_equal_customers_grouped_have_the_same_likelihood_and_fit() -> None:
    found = drawn(3000, 1, (0.5, 60, 0.8, 2.4))
    x, t_x, T = found.x, np.ceil(found.t_x / 50) * 50, np.ceil(found.T / 50) * 50
    groups = group(x, t_x, T)
    assert len(groups) < 1500
    single = Likelihood(x, t_x, T, np.ones(len(x)), 0)
    together = Likelihood(*groups.columns, groups.size.astype(float), 0)
    position = np.array([-0.3, 3.0, 0.1, 1.2])
    assert together(position)[0] == pytest.approx(single(position)[0], rel=1e-13)
    assert together(position)[1] == pytest.approx(single(position)[1], rel=1e-10)
    one, other = BGNBD().fit(x, t_x, T), BGNBD().fit(*groups.columns, weights=groups.size)
    assert astuple(one.parameters_) == astuple(other.parameters_)


def test_the_order_of_the_customers_and_the_unit_of_time_do_not_matter(fitted: BGNBD) -> None:
    found = cdnow(1.0)
    shuffled = np.random.default_rng(5).permutation(len(found.x))
    in_days = BGNBD().fit(found.x, found.t_x, found.T)
    again = BGNBD().fit(found.x[shuffled], found.t_x[shuffled], found.T[shuffled])
    assert astuple(again.parameters_) == astuple(in_days.parameters_)
    assert (again.covariance_ == in_days.covariance_).all()
    r, alpha, a, b = astuple(in_days.parameters_)[:4]
    assert (r, alpha / 7, a, b) == pytest.approx(astuple(fitted.parameters_)[:4], rel=1e-8)
    assert in_days.log_likelihood_ == pytest.approx(fitted.log_likelihood_ - np.log(7) * found.x.sum(), abs=1e-6)


def test_a_search_on_a_part_of_the_customers_ends_where_all_have_their_optimum() -> None:
    found = drawn(60_000, 2, (0.6, 60, 0.8, 2.4))
    model = BGNBD().fit(found.x, found.t_x, found.T)
    likelihood = Likelihood(found.x, found.t_x, found.T, np.ones(len(found.x)), 0)
    assert likelihood.rough() is not None
    position = np.log(astuple(model.parameters_)[:4])
    assert np.abs(likelihood(position)[1]).max() < 1e-7
    assert np.linalg.eigvalsh(hessian_of(likelihood, position)).min() > 0


def test_standard_errors_are_those_of_the_curvature(fitted: BGNBD) -> None:
    found, step = cdnow(), 1e-3
    likelihood = Likelihood(found.x, found.t_x, found.T, np.ones(len(found.x)), 0)
    natural = np.array(astuple(fitted.parameters_)[:4])

    def value(point: np.ndarray) -> float:
        return likelihood(np.log(point))[0] * len(found.x)

    steps = np.diag(step * natural)
    curvature = [
        [
            (value(natural + s + t) - value(natural + s - t) - value(natural - s + t) + value(natural - s - t))
            / (4 * s.sum() * t.sum())
            for t in steps
        ]
        for s in steps
    ]
    errors = np.sqrt(np.diag(np.linalg.inv(curvature)))
    assert fitted.standard_errors_ == pytest.approx(errors, rel=0.002)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_parameters_of_drawn_customers_are_found(variant: Variant) -> None:
    truth = (0.6, 60.0, 0.8, 2.4)
    found = drawn(40_000, 11, truth, first_may_be_last=variant == "mbgnbd")
    model = BGNBD(variant).fit(found.x, found.t_x, found.T)
    other = BGNBD(VARIANTS[1 - VARIANTS.index(variant)]).fit(found.x, found.t_x, found.T)
    assert astuple(model.parameters_)[:4] == pytest.approx(truth, rel=0.15)
    assert model.log_likelihood_ > other.log_likelihood_ + 100


def test_a_penalty_draws_the_estimates_together() -> None:
    found = drawn(3000, 4, (0.5, 60, 0.8, 2.4))
    free, held = (BGNBD(penalty=p).fit(found.x, found.t_x, found.T) for p in (0.0, 0.1))
    assert held.log_likelihood_ < free.log_likelihood_
    scaled = [np.log(astuple(m.parameters_)[:4]) - [0, np.log(found.T.max()), 0, 0] for m in (free, held)]
    assert np.linalg.norm(scaled[1]) < np.linalg.norm(scaled[0])


# --- impossible and hopeless data -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "t_x", "T", "says"),
    [
        ([1], [2.0], [1.0], "at most T"),
        ([0], [0.5], [1.0], "0 without a repeat"),
        ([-1], [0.0], [1.0], "not negative"),
        ([1], [np.nan], [1.0], "finite"),
        ([0, 0], [0.0, 0.0], [0.0, 0.0], "observed for any time"),
        ([0, 0], [0.0], [1.0], "equal lengths"),
        ([], [], [], "observed for any time"),
    ],
)
def test_impossible_data_are_refused(x: list[float], t_x: list[float], T: list[float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        BGNBD().fit(x, t_x, T)


HOPELESS = {
    "only one-time buyers": (np.zeros(600), np.zeros(600), np.linspace(1, 400, 600)),
    "one customer": (np.array([3.0]), np.array([40.0]), np.array([90.0])),
    "one one-time buyer": (np.array([0.0]), np.array([0.0]), np.array([90.0])),
    "all equal": (np.full(1000, 2.0), np.full(1000, 30.0), np.full(1000, 39.0)),
    "orders to the last day": (np.arange(1.0, 51), np.full(50, 100.0), np.full(50, 100.0)),
    "thirty orders of magnitude": (
        np.arange(31.0),
        np.logspace(-15, 15, 31) * (np.arange(31) > 0),
        np.logspace(-15, 15, 31),
    ),
    "thousands of orders": (np.array([0.0, 10.0, 1e4, 1e6]), np.array([0.0, 5.0, 300, 300]), np.full(4, 300.0)),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", HOPELESS)
def test_hopeless_data_end_in_finite_estimates(name: str, variant: Variant) -> None:
    x, t_x, T = HOPELESS[name]
    model = BGNBD(variant, penalty=0.1).fit(x, t_x, T)
    values = np.array(astuple(model.parameters_)[:4])
    assert np.isfinite(values).all()
    assert (values > 0).all()
    customers = outlook(model.parameters_, x, t_x, T)
    expected = expected_orders(customers, float(T.max()))
    assert np.isfinite(expected).all()
    assert (expected >= 0).all()
    assert ((customers.p_alive >= 0) & (customers.p_alive <= 1)).all()


def test_one_time_buyers_alone_do_not_converge_without_a_penalty() -> None:
    assert not BGNBD().fit(*HOPELESS["only one-time buyers"]).converged_
    assert not BGNBD().fit(*HOPELESS["all equal"]).converged_


def test_all_customers_of_one_day_fit_like_others() -> None:
    found = drawn(20_000, 9, (0.6, 60, 0.8, 2.4), ages=(400, 400))
    model = BGNBD().fit(found.x, found.t_x, found.T)
    assert model.converged_
    assert astuple(model.parameters_)[:4] == pytest.approx((0.6, 60, 0.8, 2.4), rel=0.2)


@pytest.mark.slow
def test_a_million_equal_customers_are_one_group() -> None:
    n = 1_000_000
    x, t_x, T = np.full(n, 3.0), np.full(n, 50.0), np.full(n, 100.0)
    x[: n // 2], t_x[: n // 2] = 0, 0
    many = BGNBD(penalty=0.01).fit(x, t_x, T)
    few = BGNBD(penalty=0.01).fit([3, 0], [50, 0], [100, 100], weights=[n // 2, n // 2])
    assert astuple(many.parameters_) == astuple(few.parameters_)
    assert many.customers_ == n


# --- expectations of any customer -------------------------------------------------------------------------------------


def mean_over_stops(r: float, alpha: float, a: float, b: float, t: float) -> float:
    """E[X(t)] as the integral over the probability p to stop of (1 - (1 + p t / alpha)^-r) / p, by logit p."""
    logit = np.linspace(-45 / a, 45 / b, 20_001)
    p = expit(logit)
    given = -np.expm1(-r * np.log1p(p * t / alpha)) / p
    density = np.exp(a * log_expit(logit) + b * log_expit(-logit) - betaln(a, b))
    return float((given * density).sum() * (logit[1] - logit[0]))


@settings(max_examples=40, deadline=None)
@given(
    r=st.floats(0.05, 60),
    alpha=st.floats(0.5, 500),
    a=st.one_of(st.floats(0.2, 8), st.floats(0.999999, 1.000001)),
    b=st.floats(0.3, 60),
    t=st.floats(0.1, 400),
)
def test_expected_orders_are_the_mean_over_the_chance_to_stop(
    r: float, alpha: float, a: float, b: float, t: float
) -> None:
    found = expected_if_alive(np.array([r]), np.array([alpha]), a, np.array([b]), t)
    assert found == pytest.approx([mean_over_stops(r, alpha, a, b, t)], rel=1e-6)


ANY = st.floats(-15, 15).map(lambda power: 10.0**power)


@settings(max_examples=250, deadline=None)
@given(r=ANY, alpha=ANY, a=ANY, b=ANY, t=ANY, x=st.integers(0, 10**6), part=st.floats(0, 1), T=ANY)
def test_thirty_orders_of_magnitude_give_no_nonsense(
    r: float, alpha: float, a: float, b: float, t: float, x: int, part: float, T: float
) -> None:
    for variant in VARIANTS:
        customer = outlook(BGNBDParameters(r, alpha, a, b, variant), [x], [part * T if x else 0.0], [T])
        expected = [float(expected_orders(customer, time)[0]) for time in (t, 2 * t)]
        chance = float(probability_of_order(customer, t)[0])
        assert np.isfinite(expected).all()
        assert 0 <= chance <= 1
        assert 0 <= customer.p_alive[0] <= 1
        # At least one order with this probability, so at least so many are expected; and never more than without stops.
        assert chance * (1 - 1e-9) <= expected[0] <= (r + x) * t / (alpha + T) * (1 + 1e-9)
        assert median_time_to_order(customer)[0] >= 0


def test_nobody_ever_stops_where_a_is_zero() -> None:
    customers = outlook(BGNBDParameters(1.0, 50.0, 0.0, 1.0), [0, 3], [0, 10], [20, 200])
    assert customers.p_alive.tolist() == [1.0, 1.0]
    assert expected_orders(customers, 30) == pytest.approx([30 / 70, 4 * 30 / 250])


def test_who_has_ordered_once_may_have_stopped_only_in_the_mbgnbd() -> None:
    assert outlook(PAPER, [0], [0], [30]).p_alive.tolist() == [1.0]
    modified = BGNBDParameters(0.5, 6.0, 0.9, 1.6, "mbgnbd")
    assert outlook(modified, [0], [0], [0]).p_alive == pytest.approx([1.6 / 2.5])
    assert outlook(modified, [0], [0], [30]).p_alive[0] < 1.6 / 2.5
    assert new_customer(modified).p_alive == pytest.approx([1.6 / 2.5])


# --- calibrated against the truth of drawn customers ------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_ninety_five_percent_intervals_cover_the_truth(variant: Variant) -> None:
    truth = np.array([0.6, 60.0, 0.8, 2.4])
    covered = np.zeros(4)
    for seed in range(100):
        found = drawn(4000, seed, tuple(truth), first_may_be_last=variant == "mbgnbd")
        model = BGNBD(variant).fit(found.x, found.t_x, found.T)
        assert model.converged_
        estimates = np.array(astuple(model.parameters_)[:4])
        log_errors = model.standard_errors_ / estimates
        covered += np.abs(np.log(estimates / truth)) <= 1.96 * log_errors
    assert (covered >= 90).all(), covered


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_of_those_said_to_be_alive_with_some_probability_so_many_are(variant: Variant) -> None:
    truth = (0.8, 40.0, 0.9, 2.0)
    found = drawn(200_000, 21, truth, first_may_be_last=variant == "mbgnbd")
    alive = outlook(BGNBDParameters(*truth, variant), found.x, found.t_x, found.T).p_alive
    band = np.minimum((alive * 10).astype(int), 9)
    for b in np.unique(band):
        members = band == b
        n = members.sum()
        said, was = alive[members].mean(), found.is_alive[members].mean()
        assert abs(said - was) <= 4 * np.sqrt(was * (1 - was) / n + 1 / n**2), (b, n, said, was)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_expected_orders_are_the_mean_of_what_follows(variant: Variant) -> None:
    truth = (0.8, 40.0, 0.9, 2.0)
    found = drawn(200_000, 22, truth, first_may_be_last=variant == "mbgnbd", horizon=180)
    expected = expected_orders(outlook(BGNBDParameters(*truth, variant), found.x, found.t_x, found.T), 180)
    fifth = np.searchsorted(np.quantile(expected, [0.2, 0.4, 0.6, 0.8]), expected)
    for f in range(5):
        members = fifth == f
        later = found.later_orders[members]
        assert expected[members].mean() == pytest.approx(later.mean(), abs=4 * later.std() / np.sqrt(members.sum()))
