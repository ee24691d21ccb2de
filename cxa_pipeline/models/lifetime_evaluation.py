"""How good predictions of orders and spend were, against what customers did afterwards.

Here: measures of error, baselines, the tracking curve. Not here: the predictions (`lifetime_value`). Times are days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxa_pipeline.models.bgnbd import BGNBDParameters
from cxa_pipeline.models.gamma_gamma import GammaGammaParameters
from cxa_pipeline.models.lifetime_groups import Floats, Integers, group
from cxa_pipeline.models.lifetime_intervals import order_quantile, spend_quantiles
from cxa_pipeline.models.lifetime_prediction import expected_orders, new_customer, outlook
from cxa_pipeline.models.lifetime_value import HIGH, LOW

DEPENDENT = 0.3
"""A rank correlation of frequency and spend beyond this contradicts the Gamma-Gamma model."""
COVERED_ROWS = 50_000
"""Intervals are made for so many customers at most: the part that lies within is then known to 0.4 points (95 %)."""
SEED = 0


@dataclass(frozen=True)
class Held:
    """Customers at the end of the calibration, and what they did in the hold-out of `days`; arrays of length n."""

    x: Floats
    t_x: Floats
    T: Floats
    mean: Floats
    orders: Floats
    value: Floats
    days: float


@dataclass(frozen=True)
class Forecast:
    """Orders and spend expected of each customer in the hold-out.

    `orders_covered` and `value_covered` are the parts of the customers, or of a sample of COVERED_ROWS of them, whose
    orders and spend lay within their intervals of 80 %; NaN for a baseline, which has none.
    """

    orders: Floats
    value: Floats
    orders_covered: float = float("nan")
    value_covered: float = float("nan")


@dataclass(frozen=True)
class Errors:
    """Errors of a forecast of n customers.

    `bias` is expected / actual - 1 of the totals, `mae` the mean absolute error, `rmse` the root of the mean squared
    error, `spearman` the rank correlation. NaN where undefined.
    """

    actual: float
    expected: float
    bias: float
    mae: float
    rmse: float
    spearman: float


def errors(actual: Floats, expected: Floats) -> Errors:
    """Compare what was with what was expected."""
    total, forecast = float(actual.sum()), float(expected.sum())
    difference = expected - actual
    return Errors(
        total,
        forecast,
        forecast / total - 1 if total else float("nan"),
        float(np.abs(difference).mean()) if len(actual) else float("nan"),
        float(np.sqrt((difference**2).mean())) if len(actual) else float("nan"),
        spearman(actual, expected),
    )


def pearson(one: Floats, other: Floats) -> float:
    """Correlation; NaN where one of both is constant."""
    if len(one) < 2 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    one, other = one / np.abs(one).max(), other / np.abs(other).max()
    return float(np.corrcoef(one, other)[0, 1])


def spearman(one: Floats, other: Floats) -> float:
    """Correlation of ranks, ties with their mean rank; NaN where one of both is constant."""
    from scipy.stats import rankdata

    return pearson(rankdata(one), rankdata(other))


def forecast(orders: BGNBDParameters, spend: GammaGammaParameters, held: Held) -> Forecast:
    """What a model expected; money is neither discounted nor multiplied by a margin."""
    groups = group(held.x, held.t_x, held.T)
    expected = expected_orders(outlook(orders, *groups.columns), held.days)[groups.member]
    value = expected * spend.expected_order_value(held.x, held.mean)
    return Forecast(expected, value, *_covered(orders, spend, held))


def _covered(orders: BGNBDParameters, spend: GammaGammaParameters, held: Held) -> tuple[float, float]:
    """Parts of the customers whose orders and spend lie within their intervals; NaN without customers."""
    n = len(held.x)
    if not n:
        return float("nan"), float("nan")
    rows = np.arange(n)
    if n > COVERED_ROWS:
        rows = np.sort(np.random.default_rng(SEED).choice(n, COVERED_ROWS, replace=False))
    groups = group(held.x[rows], held.t_x[rows], held.T[rows])
    of = groups.member
    customers = outlook(orders, *groups.columns)
    low, high = (order_quantile(customers, held.days, p)[of] for p in (LOW, HIGH))
    unit = spend.unit(held.x[rows], held.mean[rows])
    least, most = unit * spend_quantiles(customers, held.days, (LOW, HIGH), spend, groups.columns[0])[:, of]
    made, paid = held.orders[rows], held.value[rows]
    return float(((low <= made) & (made <= high)).mean()), float(((least <= paid) & (paid <= most)).mean())


def same_as_before(held: Held) -> Forecast:
    """Every customer goes on as before: at the own rate and mean; where there is none yet, at that of all."""
    everybody = as_everybody(held)
    rate = np.where(held.T > 0, held.x / np.where(held.T > 0, held.T, 1.0), everybody.orders / held.days)
    orders = rate * held.days
    order_value = np.where(held.x > 0, held.mean, _common_value(held))
    return Forecast(orders, orders * order_value)


def as_everybody(held: Held) -> Forecast:
    """Every customer orders and spends as all of them together did on average."""
    observed = held.T.sum()
    rate = held.x.sum() / observed if observed else 0.0
    orders = np.full(len(held.x), rate * held.days)
    return Forecast(orders, orders * _common_value(held))


def _common_value(held: Held) -> float:
    repeated = held.x > 0
    return float((held.x[repeated] * held.mean[repeated]).sum() / held.x.sum()) if repeated.any() else 0.0


def orders_error(model: BGNBDParameters, held: Held) -> float:
    """Root mean squared error of the orders that a model expected of customers in the hold-out."""
    groups = group(held.x, held.t_x, held.T)
    return errors(held.orders, expected_orders(outlook(model, *groups.columns), held.days)[groups.member]).rmse


def beats_baselines(model: BGNBDParameters, fallback: BGNBDParameters, held: Held) -> bool:
    """Whether a model foretold the orders of the hold-out better than whatever needs no model.

    By the root mean squared error, which expectations minimise (the absolute error is least for medians, which are 0
    for most customers). Also true where nothing could be foretold.
    """
    if not len(held.x) or held.days <= 0:
        return True
    simple = [errors(held.orders, made.orders).rmse for made in (same_as_before(held), as_everybody(held))]
    return orders_error(model, held) < min(*simple, orders_error(fallback, held))


def spend_error(spend: GammaGammaParameters, held: Held) -> float:
    """Mean absolute error of the expected order value, over those who ordered in the hold-out, by their orders."""
    bought = held.orders > 0
    expected = spend.expected_order_value(held.x[bought], held.mean[bought])
    weight = held.orders[bought]
    return float(np.abs(expected * weight - held.value[bought]).sum() / weight.sum()) if bought.any() else float("nan")


def tracking(orders: BGNBDParameters, born: Integers, days: Integers) -> Floats:
    """Repeat orders expected of customers by the end of some days, in total, (len(days),).

    The sum of E[X(day - day of birth)] over the customers born before (Fader, Hardie & Lee 2005, figure 4).

    Args:
        orders: Parameters.
        born: (n,) day of each customer's first occasion, from 0.
        days: (d,) days, ascending, from 0.
    """
    last = int(days.max(initial=0))
    births = np.bincount(born, minlength=last + 1)[: last + 1].astype(np.float64)
    nobody = new_customer(orders)
    expected = np.array([float(expected_orders(nobody, age)[0]) for age in range(last + 1)])
    return np.convolve(births, expected)[days]
