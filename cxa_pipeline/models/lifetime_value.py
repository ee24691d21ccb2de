"""The value that customers will have: expected orders times expected spend, discounted.

Here: all that is predicted of each customer. Not here: totals of many (`lifetime_totals`), how good it is
(`lifetime_evaluation`). Times are days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxa_pipeline.models.bgnbd import BGNBDParameters
from cxa_pipeline.models.gamma_gamma import GammaGammaParameters
from cxa_pipeline.models.lifetime_groups import Floats, Integers, group
from cxa_pipeline.models.lifetime_intervals import order_quantile, spend_quantiles
from cxa_pipeline.models.lifetime_prediction import (
    Outlook,
    expected_if_alive,
    expected_orders,
    median_time_to_order,
    outlook,
    probability_of_order,
)

MONTH_DAYS = 365.25 / 12
MONTHS = 12
ORDER_DAYS = (30, 90, 180, 365)
CHURN_DAYS = 90
LOW, HIGH = 0.1, 0.9
"""Ends of an interval of 80 %."""


@dataclass(frozen=True)
class Terms:
    """How future money is counted.

    Args:
        annual_rate: Discount rate of a year.
        margin: Part of an order's value that counts.
    """

    annual_rate: float = 0.10
    margin: float = 1.0

    def factors(self) -> Floats:
        """Discount factor of each of the next months, (MONTHS,)."""
        monthly = (1 + self.annual_rate) ** (1 / 12)
        return np.asarray(monthly ** -np.arange(1.0, MONTHS + 1))


@dataclass(frozen=True)
class Prediction:
    """What is predicted of each customer, arrays of length n.

    `expected_orders` has a row for each of ORDER_DAYS, `value` one for each number of months, from 1 to MONTHS; money
    is discounted and times the margin. The intervals are of 80 %: of the orders in 365 days and of the value of MONTHS.
    `median_days` is infinite where an order is unlikely to come ever.
    """

    p_alive: Floats
    expected_orders: Floats
    orders_low: Integers
    orders_high: Integers
    expected_order_value: Floats
    value: Floats
    value_low: Floats
    value_high: Floats
    churn_risk: Floats
    median_days: Floats


def discounted_orders(customers: Outlook, terms: Terms) -> Floats:
    """Expected orders of the next 1 to MONTHS months, each month discounted at its end, (MONTHS, n)."""
    ends = MONTH_DAYS * np.arange(1, MONTHS + 1)
    alive = np.array([expected_if_alive(customers.r, customers.alpha, customers.a, customers.b, t) for t in ends])
    in_month = np.maximum(np.diff(alive, axis=0, prepend=0.0), 0.0)
    discounted = np.cumsum(in_month * terms.factors()[:, None], axis=0)
    return np.asarray(customers.p_alive * discounted[:, customers.kind])


def predict(
    orders: BGNBDParameters,
    spend: GammaGammaParameters,
    x: Floats,
    t_x: Floats,
    T: Floats,
    mean: Floats,
    terms: Terms,
) -> Prediction:
    """Predict for customers; what depends on x, t_x and T alone is computed once for equal ones.

    The value of H months is margin E[M | mean, x] sum_j (E[Y(j)] - E[Y(j-1)]) / (1+d)^j, with j up to H months of
    365.25 / 12 days and (1+d)^12 = 1 + annual rate. Its interval is that of undiscounted spend, times the mean discount
    factor of the customer's expected orders.

    Args:
        orders: Parameters of orders.
        spend: Parameters of spend.
        x: (n,) repeat orders.
        t_x: (n,) days from the first to the last occasion.
        T: (n,) days from the first occasion to the end of observation.
        mean: (n,) mean value of the repeat orders; anything where there are none.
        terms: How future money is counted.
    """
    groups = group(x, t_x, T)
    of = groups.member
    customers = outlook(orders, *groups.columns)
    discounted = discounted_orders(customers, terms)
    year = MONTH_DAYS * MONTHS
    expected = expected_orders(customers, year)
    factor = np.divide(discounted[-1], expected, out=np.zeros_like(expected), where=expected > 0)
    low, high = spend_quantiles(customers, year, (LOW, HIGH), spend, groups.columns[0]) * factor
    order_value = spend.expected_order_value(x, mean)
    money = terms.margin * spend.unit(x, mean)
    return Prediction(
        customers.p_alive[of],
        np.array([expected_orders(customers, days)[of] for days in ORDER_DAYS]),
        order_quantile(customers, ORDER_DAYS[-1], LOW)[of],
        order_quantile(customers, ORDER_DAYS[-1], HIGH)[of],
        order_value,
        terms.margin * order_value * discounted[:, of],
        money * low[of],
        money * high[of],
        1 - probability_of_order(customers, CHURN_DAYS)[of],
        median_time_to_order(customers)[of],
    )
