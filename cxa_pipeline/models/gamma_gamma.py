"""Gamma-Gamma: how much customers spend per order, from the mean and the number of their repeat orders.

Here: parameters, likelihood, fit, the expected value of an order. Not here: how many orders there will be (`bgnbd`),
sums over future orders (`lifetime_intervals`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cxa_pipeline.models.lifetime_groups import Floats
from cxa_pipeline.models.lifetime_likelihood import minimise

ROUGH_ROWS = 20_000
STARTS = ((2.0, 3.0), (6.0, 4.0), (1.0, 2.0), (20.0, 10.0))
"""p and q at which a search begins; v then follows from the mean."""


@dataclass(frozen=True)
class GammaGammaParameters:
    """Parameters of a Gamma-Gamma model; the unit of money is that of the data.

    Args:
        p: Shape of the gamma distribution of the value of a customer's orders, above 0.
        q: Shape of the gamma distribution of its rate over customers, above 1: otherwise there is no mean.
        v: Rate of that distribution, above 0, in units of money; called gamma in some texts.
    """

    p: float
    q: float
    v: float

    @property
    def mean(self) -> float:
        """Mean value of an order of all customers, p v / (q - 1)."""
        return self.p * self.v / (self.q - 1)

    def expected_order_value(self, frequency: ArrayLike, monetary_value: ArrayLike) -> Floats:
        """Expected value of an order of a customer, E[M | mean, x] = p (v + x mean) / (p x + q - 1).

        A mean of the customer's own orders and that of all customers, the own one with weight p x / (p x + q - 1)
        (Fader & Hardie 2013, eq. 5).

        Args:
            frequency: (n,) repeat orders.
            monetary_value: (n,) their mean value; anything, NaN too, where there are none.

        Returns:
            (n,), in units of money.
        """
        x = np.asarray(frequency, dtype=np.float64)
        expected: Floats = self.p * self.unit(x, monetary_value) / (self.p * x + (self.q - 1))
        return expected

    def unit(self, frequency: ArrayLike, monetary_value: ArrayLike) -> Floats:
        """v' = v + x mean, (n,): the money in which a customer's future spend is measured; see `lifetime_intervals`."""
        x = np.asarray(frequency, dtype=np.float64)
        return self.v + np.where(x > 0, x * np.asarray(monetary_value, dtype=np.float64), 0.0)


class GammaGamma:
    """Gamma-Gamma model of spend (Fader & Hardie 2013, "The Gamma-Gamma Model of Monetary Value", note 025).

    Assumptions: the values of a customer's orders are gamma distributed around a mean that does not change; their
    rates are gamma distributed over customers; spend is independent of how often a customer orders. Of each customer
    the mean of the repeat orders is used, not the first order.

    The likelihood (eq. 1a of the note) is maximised over ln p, ln(q - 1) and ln v, so that every estimate has a mean,
    with money divided by the mean order.

    Args:
        penalty: Added to the mean negative log-likelihood times the sum of squares of these logarithms; 0 for maximum
            likelihood.

    Attributes:
        parameters_: The estimates.
        names_: ("p", "q", "v"), the order of the next two.
        standard_errors_: Of the estimates, from the Hessian by the delta method; NaN where it is not positive definite.
        covariance_: (3, 3), likewise.
        log_likelihood_: Of the data, without the penalty.
        converged_: The search ended inside the bounds, with a vanishing gradient, and every direction is determined.
        gradient_norm_, iterations_: Of the search.
        customers_: Sum of the weights of those whose data were used.
    """

    names_ = ("p", "q", "v")

    def __init__(self, penalty: float = 0.0) -> None:
        self.penalty = penalty

    def fit(self, frequency: ArrayLike, monetary_value: ArrayLike, weights: ArrayLike | None = None) -> GammaGamma:
        """Estimate the parameters.

        Args:
            frequency: (n,) repeat orders; customers without one are left out.
            monetary_value: (n,) their mean value; customers with 0 are left out.
            weights: (n,) customers with these values; by default 1 each.

        Raises:
            ValueError: a value is negative or not finite, or nobody is left.
        """
        x, mean, weight = _validated(frequency, monetary_value, weights)
        unit = float((weight * x * mean).sum() / (weight * x).sum())
        likelihood = Likelihood(x, mean / unit, weight)
        every = len(x) // ROUGH_ROWS
        rough = Likelihood(x[::every], mean[::every] / unit, weight[::every]) if every > 1 else None
        starts = [np.log([p, q - 1, (q - 1) / p]) for p, q in STARTS]
        found = minimise(likelihood, starts, likelihood.customers, self.penalty, rough)
        p, above, v = np.exp(found.position)
        self.parameters_ = GammaGammaParameters(float(p), float(1 + above), float(v * unit))
        jacobian = np.diag([p, above, v * unit])
        self.covariance_: Floats = jacobian @ found.covariance @ jacobian
        self.standard_errors_: Floats = np.sqrt(np.diag(self.covariance_))
        self.log_likelihood_ = float(-(found.value + np.log(unit)) * likelihood.customers)
        self.converged_ = found.converged
        self.gradient_norm_, self.iterations_ = found.gradient_norm, found.iterations
        self.customers_ = likelihood.customers
        return self


def _validated(
    frequency: ArrayLike, monetary_value: ArrayLike, weights: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    """Repeat buyers with money, in ascending order."""
    x, mean = (np.asarray(values, dtype=np.float64).ravel() for values in (frequency, monetary_value))
    weight = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    if not len(x) == len(mean) == len(weight):
        raise ValueError("frequency, monetary_value and weights must have equal lengths")
    mean = np.where(x > 0, mean, 0.0)
    if not all(np.isfinite(values).all() and (values >= 0).all() for values in (x, mean, weight)):
        raise ValueError("frequency, monetary_value and weights must be finite and not negative")
    used = (x > 0) & (mean > 0) & (weight > 0)
    if not used.any():
        raise ValueError("nobody has a repeat order with money")
    x, mean, weight = x[used], mean[used], weight[used]
    order = np.lexsort((weight, mean, x))
    return x[order], mean[order], weight[order]


class Likelihood:
    """Mean negative log-likelihood and its gradient, both in ln p, ln(q - 1) and ln v.

    ln L = lnG(px+q) - lnG(px) - lnG(q) + q ln v + (px-1) ln m + px ln x - (px+q) ln(xm + v), with lnG = ln Gamma, x
    repeat orders and their mean m. What depends on x alone is computed once for each x.

    Args:
        x: (n,) repeat orders, above 0.
        mean: (n,) their mean value, above 0.
        weight: (n,) customers with these values.
    """

    def __init__(self, x: Floats, mean: Floats, weight: Floats) -> None:
        self.customers = float(weight.sum())
        self._x, self._spent, self._weight = x, x * mean, weight
        self._xs, code = np.unique(x, return_inverse=True)
        self._counts = np.bincount(code, weight)
        self._log_spent = float((weight * x * np.log(self._spent)).sum())
        self._log_mean = float((weight * np.log(mean)).sum())

    def __call__(self, position: Floats) -> tuple[float, Floats]:
        """Value and gradient, (3,)."""
        from scipy.special import digamma, gammaln

        p, above, v = np.exp(position)
        q, n, xs, counts = 1 + above, self.customers, self._xs, self._counts
        total = self._spent + v
        log_total = np.log(total)
        shape = self._weight * (p * self._x + q)
        value = counts @ (gammaln(p * xs + q) - gammaln(p * xs)) + n * (q * np.log(v) - gammaln(q))
        value += p * self._log_spent - self._log_mean - shape @ log_total
        together = digamma(p * xs + q)
        gradient = np.array(
            [
                (counts * xs) @ (together - digamma(p * xs)) + self._log_spent - (self._weight * self._x) @ log_total,
                counts @ together + n * (np.log(v) - digamma(q)) - self._weight @ log_total,
                n * q / v - shape @ (1 / total),
            ]
        )
        return float(-value / n), -gradient * np.array([p, above, v]) / n
