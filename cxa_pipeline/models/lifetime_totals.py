"""The value that many customers will have together, with an interval.

Here: sums over groups of customers such as segments. Not here: single customers (`lifetime_value`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace

import numpy as np

from cxa_pipeline.models.bgnbd import BGNBDParameters
from cxa_pipeline.models.gamma_gamma import GammaGammaParameters
from cxa_pipeline.models.lifetime_groups import Floats, Integers, group
from cxa_pipeline.models.lifetime_intervals import second_moment_if_alive
from cxa_pipeline.models.lifetime_prediction import expected_orders, outlook
from cxa_pipeline.models.lifetime_value import MONTH_DAYS, MONTHS, Terms, discounted_orders

STEP = 1e-4
HEAVIEST = 2.1
"""A customer's spend has a variance if q + p x is above 2; less is taken as this."""
Z80 = 1.2815515655446004


@dataclass(frozen=True)
class Totals:
    """Sums over groups of customers, arrays with a place for each group.

    `orders` and `value` are expectations of the next MONTHS months, the value discounted and times the margin. The
    variance of the value has two parts: `chance`, what customers do given the parameters, and `estimate`, how well
    these are known (0 where that is unknown). `low` and `high` are the ends of its interval of 80 %, of a log-normal
    distribution with this mean and variance.
    """

    customers: Integers
    orders: Floats
    value: Floats
    chance: Floats
    estimate: Floats
    low: Floats
    high: Floats


def totals(
    orders: BGNBDParameters,
    orders_covariance: Floats,
    spend: GammaGammaParameters,
    spend_covariance: Floats,
    x: Floats,
    t_x: Floats,
    T: Floats,
    mean: Floats,
    member: Integers,
    terms: Terms,
) -> Totals:
    """Add up customers by group.

    Customers are independent given the parameters, so that the variances of their spend add up; the uncertainty of the
    parameters moves all of them together and enters by the delta method, g' C g with the gradient g of the group's
    value.

    Args:
        orders: Parameters of orders.
        orders_covariance: (4, 4) of r, alpha, a and b; NaN where unknown.
        spend: Parameters of spend.
        spend_covariance: (3, 3) of p, q and v; NaN where unknown.
        x: (n,) repeat orders.
        t_x: (n,) days from the first to the last occasion.
        T: (n,) days from the first occasion to the end of observation.
        mean: (n,) mean value of the repeat orders; anything where there are none.
        member: (n,) group of each customer, from 0; a customer may be given several times.
        terms: How future money is counted.
    """
    groups = group(x, t_x, T)
    of, count = groups.member, int(member.max(initial=-1)) + 1
    customers = outlook(orders, *groups.columns)
    in_year = expected_orders(customers, MONTH_DAYS * MONTHS)
    discounted = discounted_orders(customers, terms)[-1]
    factor = np.divide(discounted, in_year, out=np.zeros_like(in_year), where=in_year > 0)
    squared = customers.p_alive * second_moment_if_alive(customers, MONTH_DAYS * MONTHS)[customers.kind]
    order_value = terms.margin * spend.expected_order_value(x, mean)
    value = order_value * discounted[of]

    variance = _variance(spend, x, in_year[of], squared[of]) * (terms.margin * factor[of] * spend.unit(x, mean)) ** 2

    def added(values: Floats) -> Floats:
        return np.bincount(member, values, count).astype(np.float64)

    def by_orders(changed: Floats) -> Floats:
        parameters = replace(orders, **dict(zip(("r", "alpha", "a", "b"), changed.tolist(), strict=True)))
        again = discounted_orders(outlook(parameters, *groups.columns), terms)[-1]
        return added(order_value * again[of])

    def by_spend(changed: Floats) -> Floats:
        again = GammaGammaParameters(*changed.tolist()).expected_order_value(x, mean)
        return added(terms.margin * again * discounted[of])

    estimate = _propagated(by_orders, np.array(astuple(orders)[:4]), orders_covariance, count)
    estimate += _propagated(by_spend, np.array(astuple(spend)), spend_covariance, count)
    total, chance = added(value), added(variance)
    low, high = _interval(total, chance + estimate)
    return Totals(np.bincount(member, minlength=count), added(in_year[of]), total, chance, estimate, low, high)


def _variance(spend: GammaGammaParameters, x: Floats, expected: Floats, squared: Floats) -> Floats:
    """Variance of what customers spend, in units of v' squared, from the first two moments of their orders."""
    q = spend.q + spend.p * x
    first = spend.p * expected / (q - 1)
    q = np.maximum(q, HEAVIEST)
    second = (spend.p**2 * squared + spend.p * expected) / ((q - 1) * (q - 2))
    return np.maximum(second - first**2, 0.0)


def _propagated(total: Callable[[Floats], Floats], parameters: Floats, covariance: Floats, count: int) -> Floats:
    """Variance of the totals that comes from the parameters; 0 where their covariance is unknown."""
    if not np.isfinite(covariance).all():
        return np.zeros(count)
    steps = np.diag(STEP * parameters)
    gradient = np.array([(total(parameters + s) - total(parameters - s)) / (2 * s.sum()) for s in steps])
    variance: Floats = np.einsum("ig,ij,jg->g", gradient, covariance, gradient)
    return np.maximum(variance, 0.0)


def _interval(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    positive = mean > 0
    spread = np.sqrt(np.log1p(variance / np.where(positive, mean, 1.0) ** 2))
    middle = mean * np.exp(-(spread**2) / 2)
    return np.where(positive, middle * np.exp(-Z80 * spread), 0.0), np.where(
        positive, middle * np.exp(Z80 * spread), 0.0
    )
