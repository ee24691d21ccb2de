"""Lifetime value: intervals, discounting, the ladder of fallbacks, totals and measures of error."""

from __future__ import annotations

from dataclasses import astuple, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import beta, comb, gamma
from scipy.stats import kstest

from cxa_pipeline.models import lifetime_evaluation as evaluation
from cxa_pipeline.models.bgnbd import BGNBDParameters, Variant
from cxa_pipeline.models.gamma_gamma import GammaGammaParameters
from cxa_pipeline.models.lifetime import (
    Requirements,
    better_variant,
    empirical_orders,
    empirical_spend,
    fit_orders,
    fit_spend,
)
from cxa_pipeline.models.lifetime_evaluation import Held
from cxa_pipeline.models.lifetime_groups import group
from cxa_pipeline.models.lifetime_intervals import at_least, order_quantile, second_moment_if_alive, spend_quantiles
from cxa_pipeline.models.lifetime_prediction import Outlook, expected_if_alive, expected_orders, new_customer, outlook
from cxa_pipeline.models.lifetime_totals import totals
from cxa_pipeline.models.lifetime_value import MONTH_DAYS, Prediction, Terms, predict
from tests.independent.lifetimes import Histories, cdnow, drawn

ORDERS = BGNBDParameters(0.8, 40.0, 0.9, 2.0)
SPEND = GammaGammaParameters(6.0, 4.0, 15.0)
TERMS = Terms(annual_rate=0.1)


def expand(found: Histories) -> Prediction:
    return predict(ORDERS, SPEND, found.x, found.t_x, found.T, found.mean, TERMS)


# --- groups -----------------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(*[st.sampled_from([0.0, 1.0, 2.5, 1e-15, 1e15, 3e6])] * 3), min_size=1, max_size=30))
def test_groups_are_the_distinct_rows_in_ascending_order(rows: list[tuple[float, ...]]) -> None:
    columns = [np.array(values) for values in zip(*rows, strict=True)]
    found = group(*columns)
    assert list(zip(*(c.tolist() for c in found.columns), strict=True)) == sorted(set(rows))
    assert [tuple(float(c[m]) for c in found.columns) for m in found.member] == rows
    assert found.size.tolist() == [rows.count(row) for row in sorted(set(rows))]


# --- distribution of orders -------------------------------------------------------------------------------------------


def probability_of_orders(r: float, alpha: float, a: float, b: float, t: float, x: int) -> float:
    """Eq. 8 of Fader, Hardie & Lee (2005) as it stands there."""
    stay, come = alpha / (alpha + t), t / (alpha + t)

    def exactly(j: int) -> float:
        return float(gamma(r + j) / gamma(r) / gamma(j + 1) * come**j)

    found = beta(a, b + x) / beta(a, b) * stay**r * exactly(x)
    if x > 0:
        found += beta(a + 1, b + x - 1) / beta(a, b) * (1 - stay**r * sum(exactly(j) for j in range(x)))
    return float(found)


@pytest.mark.parametrize("parameters", [(0.243, 4.414, 0.793, 2.426), (3.0, 20.0, 0.2, 8.0), (0.05, 1.0, 5.0, 0.5)])
def test_numbers_of_orders_are_as_probable_as_in_the_paper(parameters: tuple[float, float, float, float]) -> None:
    r, alpha, a, b = parameters
    for t in (1.0, 39.0, 400.0):
        beyond = [1.0, *(float(at_least(y, r, t / (alpha + t), a, b)) for y in range(1, 30))]
        found = [more - less for more, less in pairwise(beyond)]
        assert found == pytest.approx([probability_of_orders(*parameters, t, x) for x in range(29)], abs=1e-12)


def test_who_never_stops_orders_by_the_negative_binomial_distribution() -> None:
    customers = Outlook(np.ones(1), np.zeros(1, dtype=np.int64), np.array([3.0]), np.array([50.0]), 0.0, np.ones(1))
    chance = 50 / 90
    exactly = [comb(y + 2, y) * chance**3 * (1 - chance) ** y for y in range(40)]
    for probability in (0.1, 0.5, 0.9, 0.999):
        expected = int(np.searchsorted(np.cumsum(exactly), probability))
        assert order_quantile(customers, 40.0, probability).tolist() == [expected]


@settings(max_examples=80, deadline=None)
@example(r=1.0, alpha=1.0, a=2.2e-311, b=1.0, x=0, part=0.0, T=0.0, probability=0.5)
@given(
    r=st.floats(0.05, 5),
    alpha=st.floats(1, 500),
    a=st.floats(0, 5),
    b=st.floats(0.2, 20),
    x=st.integers(0, 300),
    part=st.floats(0, 1),
    T=st.floats(0, 1000),
    probability=st.floats(0.01, 0.999),
)
def test_a_quantile_is_the_first_number_that_reaches_its_probability(
    r: float, alpha: float, a: float, b: float, x: int, part: float, T: float, probability: float
) -> None:
    customers = outlook(BGNBDParameters(r, alpha, a, b), [x], [part * T if x else 0], [T])
    t = 365.0
    (found,) = order_quantile(customers, t, probability).tolist()

    def within(y: int) -> float:
        z = t / (customers.alpha + t)
        return 1 - float(customers.p_alive[0] * at_least(y + 1.0, customers.r, z, a, customers.b)[0])

    assert within(found) >= probability - 1e-12
    assert found == 0 or within(found - 1) < probability


def test_the_probabilities_add_up_to_the_expectation() -> None:
    found = drawn(50, 1, astuple(ORDERS)[:4])
    customers = outlook(ORDERS, found.x, found.t_x, found.T)
    z = 365 / (customers.alpha + 365)
    beyond = np.array([at_least(float(y), customers.r, z, customers.a, customers.b) for y in range(1, 1000)])
    expected = expected_if_alive(customers.r, customers.alpha, customers.a, customers.b, 365)
    assert beyond.sum(axis=0) == pytest.approx(expected, rel=1e-8)
    squares = ((2 * np.arange(1, 1000) - 1)[:, None] * beyond).sum(axis=0)
    assert second_moment_if_alive(customers, 365) == pytest.approx(squares, rel=5e-4)


# --- distribution of spend --------------------------------------------------------------------------------------------


def drawn_futures(customer: Outlook, x: float, t: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Orders and spend, in units of v', drawn for one customer from the posterior."""
    draw = np.random.default_rng(seed)
    alive = draw.random(n) < customer.p_alive[0]
    orders = draw.poisson(draw.gamma(customer.r[0], t / customer.alpha[0], n))
    orders = np.where(alive, np.minimum(orders, draw.geometric(draw.beta(customer.a, customer.b[0], n))), 0)
    rate = draw.gamma(SPEND.q + SPEND.p * x, 1, n)
    return orders, np.where(orders > 0, draw.gamma(SPEND.p * np.maximum(orders, 1)), 0) / rate


@pytest.mark.parametrize(
    ("x", "t_x", "T"), [(0, 0.0, 0.0), (0, 0.0, 300.0), (2, 213.0, 272.0), (8, 250.0, 273.0), (60, 360.0, 365.0)]
)
def test_quantiles_of_orders_and_spend_are_those_of_drawn_futures(x: int, t_x: float, T: float) -> None:
    customer = outlook(ORDERS, [x], [t_x], [T])
    orders, spend = drawn_futures(customer, x, 365.25, 200_000, 7)
    for probability in (0.1, 0.5, 0.9, 0.99):
        (most,) = order_quantile(customer, 365.25, probability)
        assert (orders <= most).mean() >= probability - 0.004
        assert (orders < most).mean() <= probability + 0.004
        ((value,),) = spend_quantiles(customer, 365.25, (probability,), SPEND, np.array([float(x)]))
        assert (spend <= value).mean() == pytest.approx(max(probability, (spend == 0).mean()), abs=0.004)


def test_the_mean_of_drawn_futures_is_the_expectation_of_value() -> None:
    customer = outlook(ORDERS, [5], [250.0], [273.0])
    _, spend = drawn_futures(customer, 5, 365.25, 400_000, 3)
    expected = SPEND.expected_order_value([5], [9.0]) * expected_orders(customer, 365.25)
    assert spend.mean() * SPEND.unit([5], [9.0]) == pytest.approx(expected, rel=0.01)
    made = totals(
        ORDERS,
        np.full((4, 4), np.nan),
        SPEND,
        np.full((3, 3), np.nan),
        *(np.array([v]) for v in (5.0, 250.0, 273.0, 9.0)),
        np.zeros(1, dtype=np.int64),
        Terms(annual_rate=0),
    )
    assert np.sqrt(made.chance) == pytest.approx(spend.std() * SPEND.unit([5], [9.0]), rel=0.02)


def test_intervals_hold_the_expectation_of_whoever_is_likely_to_buy() -> None:
    found = drawn(2000, 5, astuple(ORDERS)[:4])
    made = expand(found)
    assert (made.value_low <= made.value_high).all()
    assert (made.orders_low <= made.orders_high).all()
    busy = made.orders_low > 0
    assert busy.sum() > 30
    assert ((made.value_low < made.value[-1]) & (made.value[-1] < made.value_high))[busy].all()
    assert (made.value_low[~busy] == 0).all()


# --- value ------------------------------------------------------------------------------------------------------------


def test_value_is_the_discounted_sum_over_months() -> None:
    x, t_x, T, mean = (np.array([v]) for v in (2.0, 213.0, 272.0, 22.35))
    made = predict(ORDERS, SPEND, x, t_x, T, mean, Terms(annual_rate=0.21, margin=0.4))
    customer = outlook(ORDERS, x, t_x, T)
    ends = [float(expected_orders(customer, 365.25 / 12 * j)[0]) if j else 0.0 for j in range(13)]
    money = 0.4 * 6 * (15 + 2 * 22.35) / (12 + 4 - 1)
    for months in (1, 3, 12):
        by_hand = sum((ends[j] - ends[j - 1]) / 1.21 ** (j / 12) for j in range(1, months + 1))
        assert made.value[months - 1] == pytest.approx([money * by_hand])
    assert made.expected_order_value == pytest.approx([money / 0.4])
    undiscounted = predict(ORDERS, SPEND, x, t_x, T, mean, Terms(annual_rate=0))
    assert undiscounted.value[-1] == pytest.approx(expected_orders(customer, 12 * MONTH_DAYS) * money / 0.4)


def test_predictions_of_a_customer_do_not_depend_on_the_others() -> None:
    found = drawn(300, 2, astuple(ORDERS)[:4])
    columns = (found.x, found.t_x, found.T, found.mean)
    shuffled = np.random.default_rng(1).permutation(300)
    made, again = expand(found), predict(ORDERS, SPEND, *(c[shuffled] for c in columns), TERMS)
    for one, other in zip(astuple(made), astuple(again), strict=True):
        assert np.array_equal(one[..., shuffled], other, equal_nan=True)
    alone = predict(ORDERS, SPEND, *(c[5:6] for c in columns), TERMS)
    assert alone.value[:, 0].tolist() == made.value[:, 5].tolist()
    assert alone.value_high == pytest.approx(made.value_high[5:6], rel=2e-3)


def test_a_new_customer_is_predicted_as_the_population() -> None:
    made = predict(ORDERS, SPEND, *(np.zeros(1) for _ in range(3)), np.full(1, np.nan), TERMS)
    assert made.expected_orders[3] == pytest.approx(expected_orders(new_customer(ORDERS), 365))
    assert made.expected_order_value == pytest.approx([SPEND.mean])


def test_nobody_is_predicted_nothing() -> None:
    made = predict(ORDERS, SPEND, *(np.zeros(0) for _ in range(4)), TERMS)
    assert made.value.shape == (12, 0)
    assert made.expected_orders.shape == (4, 0)


POWER = st.floats(-15, 15).map(lambda power: 10.0**power)


@settings(max_examples=60, deadline=None)
@given(
    orders=st.tuples(*[st.floats(-6, 6).map(lambda power: 10.0**power)] * 4),
    spend=st.tuples(*[st.floats(-3, 3).map(lambda power: 10.0**power)] * 2),
    v=POWER,
    mean=POWER,
    x=st.integers(0, 10**4),
    T=POWER,
    part=st.floats(0, 1),
)
def test_thirty_orders_of_magnitude_of_time_and_money_give_finite_values(
    orders: tuple[float, float, float, float],
    spend: tuple[float, float],
    v: float,
    mean: float,
    x: int,
    T: float,
    part: float,
) -> None:
    parameters, money = BGNBDParameters(*orders), GammaGammaParameters(spend[0], 1 + spend[1], v)
    row = (np.array([value]) for value in (float(x), part * T if x else 0.0, T, mean))
    made = predict(parameters, money, *row, TERMS)
    for values in astuple(made)[:-1]:
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    assert (np.diff(made.value[:, 0]) >= 0).all()
    assert (made.value_low <= made.value_high).all()
    assert (made.churn_risk <= 1).all()


# --- the ladder -------------------------------------------------------------------------------------------------------


def test_good_data_are_fitted_without_a_penalty() -> None:
    found = cdnow(1.0)
    orders, spend = fit_orders(found.x, found.t_x, found.T, "bgnbd"), fit_spend(found.x, found.mean)
    assert (orders.status, orders.penalty, orders.converged) == ("fitted", 0.0, True)
    assert (spend.status, spend.penalty, spend.customers) == ("fitted", 0.0, 946)


@pytest.mark.parametrize("variant", ["bgnbd", "mbgnbd"])
def test_what_data_leave_open_is_closed_by_the_least_penalty(variant: Variant) -> None:
    x = np.array([0.0, 1.0] * 300)
    found = fit_orders(x, x * 50, np.linspace(60, 400, 600), variant)
    assert found.status == "penalised"
    assert found.penalty in (0.001, 0.01, 0.1)
    assert np.isfinite(found.standard_errors).all()


def test_spend_that_is_the_same_for_all_needs_a_penalty() -> None:
    found = fit_spend(np.full(500, 3.0), np.full(500, 20.0))
    assert found.status == "penalised"
    assert found.parameters.expected_order_value([3], [20.0]) == pytest.approx([20], rel=0.05)


@pytest.mark.parametrize(
    ("missing", "change"),
    [
        ("nothing", {}),
        ("customers", {"customers": 1001}),
        ("days", {"days": 701}),
        ("a recent order", {"idle_days": -1}),
        ("a third order", {"repeat_orders": 10**6}),
    ],
)
def test_a_fit_requires_customers_days_a_recent_order_and_a_third_one(missing: str, change: dict[str, int]) -> None:
    found = drawn(1000, 3, astuple(ORDERS)[:4])
    required = replace(Requirements(), **change)
    assert required.are_met(found.x, found.t_x, found.T) == (missing == "nothing")
    assert not required.are_met(*(np.zeros(0) for _ in range(3)))


def test_the_variant_is_that_of_the_least_penalty_and_the_clearly_larger_likelihood() -> None:
    found = cdnow(1.0)
    bg, mbg = (fit_orders(found.x, found.t_x, found.T, v) for v in ("bgnbd", "mbgnbd"))
    # On CDNOW the MBG/NBD is more likely by 0.3, which says nothing.
    assert 0 < mbg.log_likelihood - bg.log_likelihood < 1
    assert better_variant(bg, mbg) == "bgnbd"
    assert better_variant(bg, replace(mbg, log_likelihood=bg.log_likelihood + 2)) == "mbgnbd"
    assert better_variant(replace(bg, penalty=0.01), mbg) == "mbgnbd"
    assert better_variant(replace(bg, converged=False), mbg) == "mbgnbd"
    assert better_variant(replace(bg, converged=False), replace(mbg, converged=False)) is None


def test_the_empirical_rate_is_shrunk_to_that_of_all() -> None:
    x, T = np.array([0.0, 1.0, 6.0]), np.array([100.0, 35.0, 500.0])
    fallback = empirical_orders(x, T)
    rate = (7 + 1) / (635 + 365)
    customers = outlook(fallback, x, np.array([0.0, 20, 480]), T)
    expected = (x + 1 / rate * rate) / (T + 1 / rate) * 30
    assert expected_orders(customers, 30) == pytest.approx(expected)
    assert customers.p_alive.tolist() == [1, 1, 1]


def test_the_empirical_spend_is_the_own_mean_and_one_order_of_all() -> None:
    x, mean = np.array([0.0, 1.0, 3.0]), np.array([np.nan, 10.0, 30.0])
    fallback = empirical_spend(x, mean, np.array([5.0, 5.0, 5.0]))
    assert fallback.expected_order_value(x, mean) == pytest.approx([25, (10 + 25) / 2, (90 + 25) / 4])
    nobody_returned = empirical_spend(np.zeros(2), np.full(2, np.nan), np.array([4.0, 8.0]))
    assert nobody_returned.mean == 6
    worthless = empirical_spend(np.zeros(0), np.zeros(0), np.zeros(0))
    assert predict(ORDERS, worthless, *(np.zeros(1) for _ in range(3)), np.full(1, np.nan), TERMS).value_high == [0]


def test_one_customer_of_today_gets_a_modest_forecast() -> None:
    nothing = np.zeros(1)
    fallback = empirical_orders(nothing, nothing)
    made = predict(fallback, SPEND, nothing, nothing, nothing, np.full(1, np.nan), TERMS)
    assert made.expected_orders[3] == pytest.approx([1.0])


# --- totals -----------------------------------------------------------------------------------------------------------


def test_totals_add_up_customers_and_their_variances() -> None:
    found = cdnow(1.0)
    orders, spend = fit_orders(found.x, found.t_x, found.T, "bgnbd"), fit_spend(found.x, found.mean)
    columns = (found.x, found.t_x, found.T, found.mean)
    member = (found.x > 0).astype(np.int64)
    given = (orders.parameters, orders.covariance, spend.parameters, spend.covariance)
    parts = totals(*given, *columns, member, TERMS)
    whole = totals(*given, *columns, np.zeros(len(member), dtype=np.int64), TERMS)
    made = predict(orders.parameters, spend.parameters, *columns, TERMS)
    assert parts.customers.tolist() == [1411, 946]
    assert whole.value == pytest.approx([made.value[-1].sum()], rel=1e-12)
    for name in ("customers", "orders", "value", "chance"):
        assert getattr(parts, name).sum() == pytest.approx(getattr(whole, name)[0])
    # One set of parameters moves both parts together: their uncertainty is not independent.
    assert parts.estimate.sum() < whole.estimate[0] <= np.sqrt(parts.estimate).sum() ** 2
    assert (parts.low < parts.value).all()
    assert (parts.value < parts.high).all()
    unknown = totals(orders.parameters, np.full((4, 4), np.nan), *given[2:], *columns, member, TERMS)
    assert (unknown.estimate < parts.estimate).all()
    empty = totals(*given, *(np.zeros(0) for _ in range(4)), np.zeros(0, dtype=np.int64), TERMS)
    assert len(empty.value) == 0


# --- measures ---------------------------------------------------------------------------------------------------------


def test_errors_are_those_one_can_count() -> None:
    found = evaluation.errors(np.array([0.0, 2, 4]), np.array([1.0, 2, 6]))
    assert (found.actual, found.expected, found.mae) == (6, 9, 1)
    assert (found.bias, found.rmse, found.spearman) == (0.5, pytest.approx(np.sqrt(5 / 3)), pytest.approx(1))
    nothing = evaluation.errors(np.zeros(3), np.ones(3))
    assert np.isnan([nothing.bias, nothing.spearman]).all()
    assert np.isnan(evaluation.errors(np.zeros(0), np.zeros(0)).mae)


def test_cdnow_spend_hardly_depends_on_frequency() -> None:
    found = cdnow()
    repeated = found.x > 0
    x, mean = found.x[repeated], found.mean[repeated]
    assert evaluation.spearman(x, mean) == pytest.approx(0.206, abs=0.0005)
    assert evaluation.pearson(x, mean) == pytest.approx(0.114, abs=0.0005)


def test_cdnow_is_predicted_better_than_by_the_baselines() -> None:
    found = cdnow(1.0)
    held = Held(found.x, found.t_x, found.T, found.mean, found.later_orders, found.later_value, 273.0)
    assert (held.orders.sum(), (held.orders == 0).sum()) == (1882, 1673)
    orders, spend = fit_orders(found.x, found.t_x, found.T, "bgnbd"), fit_spend(found.x, found.mean)
    fitted = evaluation.forecast(orders.parameters, spend.parameters, held)
    model = evaluation.errors(held.orders, fitted.orders)
    assert model.expected == pytest.approx(1653.42, abs=0.02)
    assert abs(model.bias) < 0.13
    for baseline in (evaluation.same_as_before(held), evaluation.as_everybody(held)):
        other = evaluation.errors(held.orders, baseline.orders)
        assert abs(other.bias) > 0.5
        assert model.mae < other.mae
        assert model.rmse < other.rmse
    assert fitted.orders_covered > 0.8
    assert fitted.value_covered > 0.8


def test_baselines_go_on_as_before() -> None:
    held = Held(
        np.array([0.0, 2.0]),
        np.array([0.0, 50]),
        np.array([0.0, 100]),
        np.array([np.nan, 30]),
        *(np.zeros(2),) * 2,
        50.0,
    )
    before, everybody = evaluation.same_as_before(held), evaluation.as_everybody(held)
    assert before.orders.tolist() == everybody.orders.tolist() == [1.0, 1.0]
    assert before.value.tolist() == [30.0, 30.0]
    aged = replace(held, T=np.array([100.0, 100]))
    assert evaluation.same_as_before(aged).orders.tolist() == [0.0, 1.0]
    assert evaluation.as_everybody(aged).orders.tolist() == [0.5, 0.5]


def test_the_tracking_curve_of_cdnow_follows_the_actual_one() -> None:
    # Fader, Hardie & Lee (2005), figure 4: at week 78 the model expects 4 % less than there were.
    found = cdnow(1.0)
    parameters = fit_orders(found.x, found.t_x, found.T, "bgnbd").parameters
    born = (272 - found.T).astype(np.int64)
    at_end, at_hold_out = evaluation.tracking(parameters, born, np.array([272, 545]))
    assert at_end == pytest.approx(found.x.sum(), rel=0.03)
    actual = found.x.sum() + found.later_orders.sum()
    assert at_hold_out / actual - 1 == pytest.approx(-0.04, abs=0.006)


def test_tracking_starts_with_the_first_customer() -> None:
    born = np.array([0, 0, 3], dtype=np.int64)
    found = evaluation.tracking(ORDERS, born, np.array([0, 2, 5]))
    anybody = new_customer(ORDERS)
    by_hand = [sum(float(expected_orders(anybody, day - b)[0]) for b in born if b <= day) for day in (0, 2, 5)]
    assert found == pytest.approx(by_hand)


# --- calibrated against what drawn customers do -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["bgnbd", "mbgnbd"])
def test_numbers_of_orders_are_as_frequent_as_predicted(variant: Variant) -> None:
    """Randomised probability integral transform (Smith 1985; Czado, Gneiting & Held 2009) is uniform."""
    found = drawn(20_000, 31, astuple(ORDERS)[:4], first_may_be_last=variant == "mbgnbd")
    parameters = replace(ORDERS, variant=variant)
    customers = outlook(parameters, found.x, found.t_x, found.T)
    z = (365.25 / (customers.alpha + 365.25))[customers.kind]
    r, b = customers.r[customers.kind], customers.b[customers.kind]

    def within(y: np.ndarray) -> np.ndarray:
        return np.where(y < 0, 0, 1 - customers.p_alive * at_least(np.maximum(y, 0) + 1, r, z, customers.a, b))

    below, until = within(found.later_orders - 1), within(found.later_orders)
    place = below + np.random.default_rng(6).random(len(below)) * (until - below)
    assert kstest(place, "uniform").pvalue > 0.01


@pytest.mark.slow
def test_intervals_of_eighty_percent_cover_at_least_so_many() -> None:
    found = drawn(20_000, 32, astuple(ORDERS)[:4], astuple(SPEND))
    made = predict(ORDERS, SPEND, found.x, found.t_x, found.T, found.mean, Terms(annual_rate=0))
    covered = (made.value_low <= found.later_value) & (found.later_value <= made.value_high)
    assert covered.mean() >= 0.79
    # Who buys at all almost surely has an interval that does not begin with a certain nothing: it is exact.
    sure = made.value_low > 0
    assert sure.sum() > 300
    assert covered[sure].mean() == pytest.approx(0.8, abs=4 * 0.4 / np.sqrt(sure.sum()))
    in_year = drawn(20_000, 33, astuple(ORDERS)[:4], horizon=365)
    again = expand(in_year)
    assert ((again.orders_low <= in_year.later_orders) & (in_year.later_orders <= again.orders_high)).mean() >= 0.8


@pytest.mark.slow
def test_intervals_of_totals_cover_about_eighty_percent() -> None:
    covered = 0
    for seed in range(60):
        found = drawn(1500, seed, astuple(ORDERS)[:4], astuple(SPEND))
        orders, spend = fit_orders(found.x, found.t_x, found.T, "bgnbd"), fit_spend(found.x, found.mean)
        columns = (found.x, found.t_x, found.T, found.mean, np.zeros(len(found.x), dtype=np.int64))
        made = totals(
            orders.parameters, orders.covariance, spend.parameters, spend.covariance, *columns, Terms(annual_rate=0)
        )
        covered += made.low[0] <= found.later_value.sum() <= made.high[0]
    assert 40 <= covered <= 57, covered


def test_the_true_model_beats_the_baselines_and_nothing_beats_customers_who_go_on_as_before() -> None:
    found = drawn(3000, 8, astuple(ORDERS)[:4], horizon=180.0)
    held = Held(found.x, found.t_x, found.T, found.mean, found.later_orders, found.later_value, 180.0)
    fallback = empirical_orders(found.x, found.T)
    assert evaluation.beats_baselines(ORDERS, fallback, held)
    goes_on = replace(held, orders=evaluation.same_as_before(held).orders)
    assert not evaluation.beats_baselines(ORDERS, fallback, goes_on)
    assert evaluation.beats_baselines(ORDERS, fallback, replace(held, days=0.0))
