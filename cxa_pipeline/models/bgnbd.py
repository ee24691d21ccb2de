"""BG/NBD and MBG/NBD: how often customers order, and when they stop, from three numbers of each.

Here: parameters, likelihood and fit. Not here: what follows for a customer (`lifetime_prediction`), spend
(`gamma_gamma`), what is done where a fit fails (`lifetime`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from cxa_pipeline.models.lifetime_groups import Floats, group
from cxa_pipeline.models.lifetime_likelihood import Objective, minimise

Variant = Literal["bgnbd", "mbgnbd"]
VARIANTS: tuple[Variant, ...] = ("bgnbd", "mbgnbd")

ROUGH_GROUPS = 20_000
"""The starts are compared on every k-th group, so that no more than twice as many remain."""
STARTS = ((0.25, 1.0, 2.5), (1.0, 0.5, 5.0), (3.0, 1.0, 1.0), (0.5, 5.0, 50.0))
"""r, a and b at which a search begins; alpha is then r divided by the rate of all customers together."""


@dataclass(frozen=True)
class BGNBDParameters:
    """Parameters of a BG/NBD or MBG/NBD; the unit of time is that of the data.

    Args:
        r: Shape of the gamma distribution of purchase rates, above 0.
        alpha: Its rate, above 0, in units of time; the mean purchase rate is r / alpha.
        a: First parameter of the beta distribution of the probability to stop after an order, at least 0. With 0
            nobody ever stops, which is the NBD.
        b: Its second parameter, above 0.
        variant: In the MBG/NBD a customer may stop after the first order, too.
    """

    r: float
    alpha: float
    a: float
    b: float
    variant: Variant = "bgnbd"

    @property
    def chances(self) -> int:
        """Chances to stop before the first repeat order: 0 in the BG/NBD, 1 in the MBG/NBD."""
        return int(self.variant == "mbgnbd")


class BGNBD:
    """BG/NBD of Fader, Hardie & Lee (2005, Marketing Science 24(2), 275-284), and its variant MBG/NBD.

    Assumptions: while a customer is active, orders come at random with a constant rate; the rates are gamma distributed
    over customers. After each repeat order the customer stops for good with a constant probability; the probabilities
    are beta distributed, independently of the rates. In the MBG/NBD of Batislam, Denizel & Filiztekin (2007,
    International Journal of Research in Marketing 24(3), 201-209) so also after the first order.

    The likelihood (eq. 6 of the first paper) is maximised over the logarithms of the parameters, with time divided by
    the longest observation.

    Args:
        variant: "bgnbd" or "mbgnbd".
        penalty: Added to the mean negative log-likelihood times the sum of squares of these logarithms; 0 for maximum
            likelihood.

    Attributes:
        parameters_: The estimates.
        names_: ("r", "alpha", "a", "b"), the order of the next two.
        standard_errors_: Of the estimates, from the Hessian by the delta method; NaN where it is not positive definite.
        covariance_: (4, 4), likewise.
        log_likelihood_: Of the data, without the penalty.
        converged_: The search ended inside the bounds, with a vanishing gradient, and every direction is determined.
        gradient_norm_, iterations_: Of the search.
        customers_: Sum of the weights of those whose data were used.
    """

    names_ = ("r", "alpha", "a", "b")

    def __init__(self, variant: Variant = "bgnbd", penalty: float = 0.0) -> None:
        self.variant: Variant = variant
        self.penalty = penalty

    def fit(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None) -> BGNBD:
        """Estimate the parameters.

        Args:
            frequency: (n,) repeat orders: occasions after the first one.
            recency: (n,) time from the first to the last occasion; 0 without a repeat order.
            T: (n,) time from the first occasion to the end of observation; those with 0 say nothing and are left out.
            weights: (n,) customers with these values; by default 1 each.

        Raises:
            ValueError: a value is negative, not finite or impossible, or nobody was observed for any time.
        """
        x, t_x, age, weight = _validated(frequency, recency, T, weights)
        unit = float(age.max())
        likelihood = Likelihood(x, t_x / unit, age / unit, weight, int(self.variant == "mbgnbd"))
        found = minimise(
            likelihood, _starts(x, age / unit, weight), likelihood.customers, self.penalty, likelihood.rough()
        )
        natural = np.exp(found.position)
        natural[1] *= unit
        jacobian = np.diag(natural)
        r, alpha, a, b = natural.tolist()
        self.parameters_ = BGNBDParameters(r, alpha, a, b, self.variant)
        self.covariance_: Floats = jacobian @ found.covariance @ jacobian
        self.standard_errors_: Floats = np.sqrt(np.diag(self.covariance_))
        self.log_likelihood_ = float(-found.value * likelihood.customers - np.log(unit) * (weight * x).sum())
        self.converged_ = found.converged
        self.gradient_norm_, self.iterations_ = found.gradient_norm, found.iterations
        self.customers_ = likelihood.customers
        return self


def _validated(
    frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, weights: ArrayLike | None
) -> tuple[Floats, Floats, Floats, Floats]:
    """Distinct customers and how many of each, without those who were not observed for any time."""
    x, t_x, age = (np.asarray(values, dtype=np.float64).ravel() for values in (frequency, recency, T))
    given = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64).ravel()
    if not len(x) == len(t_x) == len(age) == len(given):
        raise ValueError("frequency, recency, T and weights must have equal lengths")
    if not all(np.isfinite(values).all() and (values >= 0).all() for values in (x, t_x, age, given)):
        raise ValueError("frequency, recency, T and weights must be finite and not negative")
    if (t_x > age).any() or (t_x[x == 0] > 0).any():
        raise ValueError("recency must be at most T, and 0 without a repeat order")
    used = (age > 0) & (given > 0)
    if not used.any():
        raise ValueError("nobody was observed for any time")
    groups = group(x[used], t_x[used], age[used])
    x, t_x, age = groups.columns
    return x, t_x, age, np.bincount(groups.member, given[used], len(groups)).astype(np.float64)


def _starts(x: Floats, age: Floats, weight: Floats) -> list[Floats]:
    rate = max(float((weight * x).sum()), 0.5) / float((weight * age).sum())
    return [np.log([r, r / rate, a, b]) for r, a, b in STARTS]


class Likelihood:
    """Mean negative log-likelihood of grouped customers and its gradient, both in the logarithms of r, alpha, a and b.

    With k chances to stop before the end of observation, k = x in the BG/NBD and x + 1 in the MBG/NBD:
    ln L = lnG(r+x) - lnG(r) + r ln(alpha) + lnB(a, b+k) - lnB(a, b) - (r+x) ln(alpha+T) + ln(1 + e^d),
    d = ln a - ln(b+k-1) + (r+x) (ln(alpha+T) - ln(alpha+t_x)), without the last term for k = 0. The gradient's terms
    with logistic(d) are those of the customers who may have stopped.

    Args:
        x: (g,) repeat orders, as all of the following.
        t_x: Time from first to last occasion.
        T: Time from first occasion to the end.
        weight: Customers with these values.
        chances: Chances to stop before the first repeat order.
    """

    def __init__(self, x: Floats, t_x: Floats, T: Floats, weight: Floats, chances: int) -> None:
        self._rows = (x, t_x, T, weight)
        self._chances = chances
        self.customers = float(weight.sum())
        self._xs, self._x_code = np.unique(x, return_inverse=True)
        self._ts, self._t_code = np.unique(t_x, return_inverse=True)
        self._Ts, self._T_code = np.unique(T, return_inverse=True)
        self._x_weight = np.bincount(self._x_code, weight)

    def rough(self) -> Objective | None:
        """The same of every k-th group; None where there are few."""
        every = len(self._rows[0]) // ROUGH_GROUPS
        if every < 2:
            return None
        x, t_x, T, weight = (values[::every] for values in self._rows)
        return Likelihood(x, t_x, T, weight, self._chances)

    def __call__(self, position: Floats) -> tuple[float, Floats]:
        """Value and gradient, (4,)."""
        from scipy.special import betaln, digamma, expit, gammaln

        r, alpha, a, b = np.exp(position)
        weight, n, xs, counts = self._rows[3], self.customers, self._xs, self._x_weight
        k = xs + self._chances
        log_end, log_last = np.log(alpha + self._Ts)[self._T_code], np.log(alpha + self._ts)[self._t_code]
        per_end, per_last = 1 / (alpha + self._Ts)[self._T_code], 1 / (alpha + self._ts)[self._t_code]
        gap, shape = log_end - log_last, r + self._rows[0]
        after = np.where(k > 0, b + k - 1, 1.0)
        odds = np.where(k > 0, np.log(a) - np.log(after), -np.inf)[self._x_code] + shape * gap
        stopped = weight * expit(odds)

        value = counts @ (gammaln(r + xs) - gammaln(r) + betaln(a, b + k) - betaln(a, b))
        value += n * r * np.log(alpha) + weight @ (np.logaddexp(0, odds) - shape * log_end)
        all_k = digamma(a + b + k)
        by_x = np.bincount(self._x_code, stopped, len(xs))
        gradient = np.array(
            [
                counts @ (digamma(r + xs) - digamma(r)) + n * np.log(alpha) - weight @ log_end + stopped @ gap,
                n * r / alpha - (weight * shape) @ per_end + (stopped * shape) @ (per_end - per_last),
                counts @ (digamma(a + b) - all_k) + stopped.sum() / a,
                counts @ (digamma(b + k) - all_k - digamma(b) + digamma(a + b)) - by_x @ (1 / after),
            ]
        )
        return float(-value / n), -gradient * np.exp(position) / n
