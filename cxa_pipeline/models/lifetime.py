"""Which model stands where the data allow it, and what stands where they do not.

Here: the ladder of penalties, the requirements for a fit, the empirical fallback in the form of a model. Not here: the
models (`bgnbd`, `gamma_gamma`) and what they predict (`lifetime_value`). Times are days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np

from cxa_pipeline.models.bgnbd import BGNBD, BGNBDParameters, Variant
from cxa_pipeline.models.gamma_gamma import GammaGamma, GammaGammaParameters
from cxa_pipeline.models.lifetime_groups import Floats

Status = Literal["fitted", "penalised", "not_converged"]
P = TypeVar("P", BGNBDParameters, GammaGammaParameters)

PENALTIES = (0.0, 0.001, 0.01, 0.1)
"""Tried in this order, until a fit converges."""
PRIOR_DAYS = 365.0
"""The rate of all customers together counts one more customer, with one repeat order in so many days."""
STOPPING = 2.0
"""Difference of log-likelihoods from which the MBG/NBD, with as many parameters, is taken rather than the BG/NBD."""


@dataclass(frozen=True)
class Fitted(Generic[P]):
    """A model with its estimates.

    Args:
        parameters: The estimates.
        standard_errors: Of each, in their order; NaN where unknown.
        covariance: Of the estimates; NaN where unknown.
        log_likelihood: Of the data.
        customers: Whose data were used.
        converged: The search ended well.
        penalty: With which it was made.
        status: What this comes to.
    """

    parameters: P
    standard_errors: Floats
    covariance: Floats
    log_likelihood: float
    customers: int
    converged: bool
    penalty: float
    status: Status


@dataclass(frozen=True)
class Requirements:
    """What a fit needs.

    Args:
        customers: At least so many with an order.
        days: At least so many from the first order to the end of observation.
        idle_days: At most so many from the last order to the end of observation.
        repeat_orders: Somebody has at least so many orders after the first.
    """

    customers: int = 500
    days: int = 180
    idle_days: int = 30
    repeat_orders: int = 2

    def are_met(self, x: Floats, t_x: Floats, T: Floats) -> bool:
        """Whether customers with these data suffice: repeat orders, days to the last order, days to the end."""
        return bool(
            len(x) >= self.customers
            and T.max(initial=0) >= self.days
            and (T - t_x).min(initial=np.inf) <= self.idle_days
            and x.max(initial=0) >= self.repeat_orders
        )


def fit_orders(x: Floats, t_x: Floats, T: Floats, variant: Variant) -> Fitted[BGNBDParameters]:
    """BG/NBD or MBG/NBD with the least penalty that lets it converge; the last one tried if none does.

    Args:
        x: (n,) repeat orders.
        t_x: (n,) days from the first to the last occasion.
        T: (n,) days from the first occasion to the end of observation.
        variant: Which of the two.
    """
    for penalty in PENALTIES:
        model = BGNBD(variant, penalty).fit(x, t_x, T)
        if model.converged_:
            break
    return _fitted(model, model.parameters_, penalty)


def fit_spend(x: Floats, mean: Floats) -> Fitted[GammaGammaParameters]:
    """Gamma-Gamma with the least penalty that lets it converge; the last one tried if none does.

    Args:
        x: (n,) repeat orders; at least one customer has some, with money.
        mean: (n,) their mean value.
    """
    for penalty in PENALTIES:
        model = GammaGamma(penalty).fit(x, mean)
        if model.converged_:
            break
    return _fitted(model, model.parameters_, penalty)


def _fitted(model: BGNBD | GammaGamma, parameters: P, penalty: float) -> Fitted[P]:
    status: Status = "not_converged" if not model.converged_ else "penalised" if penalty else "fitted"
    return Fitted(
        parameters,
        model.standard_errors_,
        model.covariance_,
        model.log_likelihood_,
        round(model.customers_),
        model.converged_,
        penalty,
        status,
    )


def empirical_orders(x: Floats, T: Floats) -> BGNBDParameters:
    """The fallback for orders: the customer's rate, shrunk to the rate of all.

    It is (x + k rate) / (T + k) with k = 1 / rate. In the form of an NBD whose rates are exponentially distributed, so
    that probabilities and intervals follow as from a fit; nobody ever stops.

    Args:
        x: (n,) repeat orders.
        T: (n,) days from the first occasion to the end of observation.
    """
    rate = (float(x.sum()) + 1) / (float(T.sum()) + PRIOR_DAYS)
    return BGNBDParameters(1.0, 1 / rate, 0.0, 1.0)


def empirical_spend(x: Floats, mean: Floats, first: Floats) -> GammaGammaParameters:
    """The fallback for spend: the customer's mean, and that of all as if from one more order.

    It is (x mean + all) / (x + 1). In the form of a Gamma-Gamma with p = 2 and q = 3, of which this is the expectation.

    Args:
        x: (n,) repeat orders.
        mean: (n,) their mean value; anything where there are none.
        first: (n,) value of the first occasion, which counts where nobody has a repeat order.
    """
    repeated = x > 0
    common = (x[repeated] * mean[repeated]).sum() / x.sum() if repeated.any() else first.mean() if len(first) else 0.0
    return GammaGammaParameters(2.0, 3.0, max(float(common), 0.0))


def better_variant(bgnbd: Fitted[BGNBDParameters], mbgnbd: Fitted[BGNBDParameters]) -> Variant | None:
    """Which of two fits to the same data is used: one that converged, by penalty, then likelihood; or none."""
    candidates = [fit for fit in (bgnbd, mbgnbd) if fit.converged]
    if not candidates:
        return None
    least = min(fit.penalty for fit in candidates)
    candidates = [fit for fit in candidates if fit.penalty == least]
    best = candidates[0]
    if len(candidates) == 2 and mbgnbd.log_likelihood - bgnbd.log_likelihood >= STOPPING:
        best = mbgnbd
    return best.parameters.variant
