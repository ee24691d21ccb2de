"""Maximum likelihood for the lifetime models: starts, a penalty, convergence, standard errors.

Here: from an objective with its gradient to an optimum with its covariance. Not here: the likelihoods themselves
(`bgnbd`, `gamma_gamma`) and which penalty is tried when (`lifetime`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cxa_pipeline.models.lifetime_groups import Floats

Objective = Callable[[Floats], tuple[float, Floats]]
"""From unbounded parameters to the mean negative log-likelihood of a customer and its gradient."""

BOUND = 15.0
"""Unbounded parameters beyond this say that the data do not determine them: e^15 is 3.3 million."""
GRADIENT = 1e-6
"""Largest component of the gradient of the mean at which a search counts as ended."""
WIDEST = 5.0
"""A direction in which the logarithms of the parameters are less certain than this is not determined."""
SINGULAR = 1e-13
STEP = 1e-4
CHORDS = 12
POLISHES = 8


@dataclass(frozen=True)
class Optimum:
    """Where a search ended.

    Args:
        position: Unbounded parameters.
        covariance: Their covariance, the inverse of the Hessian of the negative log-likelihood and the penalty; NaN
            where the Hessian is not positive definite.
        value: Mean negative log-likelihood, without the penalty.
        gradient_norm: Largest component of the gradient.
        iterations: Of L-BFGS-B, from the best start.
        converged: The gradient vanishes, inside the bounds, and the data determine every direction.
    """

    position: Floats
    covariance: Floats
    value: float
    gradient_norm: float
    iterations: int
    converged: bool


def minimise(
    objective: Objective,
    starts: Sequence[Floats],
    weight: float,
    penalty: float = 0.0,
    rough: Objective | None = None,
) -> Optimum:
    """The least mean negative log-likelihood plus `penalty` times the sum of squares of the unbounded parameters.

    The starts are compared by L-BFGS-B on `rough` (by default the objective itself); the best of them is continued
    on the objective by Newton steps with the Hessian of `rough`, and ended by steps with its own, which gives the
    covariance.

    Args:
        objective: Mean negative log-likelihood with gradient.
        starts: Unbounded parameters to begin at.
        weight: Number of customers of which the objective is the mean.
        penalty: At least 0.
        rough: The objective of a part of the customers.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    def penalised(of: Objective) -> Objective:
        def both(position: Floats) -> tuple[float, Floats]:
            value, gradient = of(position)
            return value + penalty * float(position @ position), gradient + 2 * penalty * position

        return both

    def search(of: Objective, start: Floats) -> tuple[float, Floats, int]:
        bounds = [(-BOUND, BOUND)] * len(start)
        options = {"maxiter": 500, "ftol": 1e-13, "gtol": GRADIENT / 10}
        found = minimize(penalised(of), start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        return float(found.fun), np.asarray(found.x, dtype=np.float64), int(found.nit)

    # One thread: the order of a sum of doubles decides its last digits, and short sums are slower on several.
    with threadpool_limits(1):
        of = rough or objective
        _, position, iterations = min((search(of, start) for start in starts), key=lambda found: found[0])
        if rough is not None:
            position, converged = _chords(penalised(objective), position, hessian_of(penalised(rough), position))
            if not converged:
                _, position, more = search(objective, position)
                iterations += more
        position, gradient, hessian = _polish(penalised(objective), position)
        value = objective(position)[0]
    covariance = _inverse(hessian * weight)
    norm = float(np.abs(gradient).max())
    inside = bool(np.abs(position).max() < BOUND)
    determined = bool(np.isfinite(covariance).all()) and float(np.linalg.eigvalsh(covariance).max()) <= WIDEST**2
    return Optimum(
        position,
        covariance,
        value,
        norm,
        iterations,
        norm <= GRADIENT and inside and determined,
    )


def _chords(objective: Objective, position: Floats, hessian: Floats) -> tuple[Floats, bool]:
    """Newton steps with the Hessian of a part of the customers: position, and whether the gradient vanishes there."""
    if np.isnan(_inverse(hessian)).any():
        return position, False
    best, norm = position, np.inf
    for _ in range(CHORDS):
        _, gradient = objective(position)
        if not np.abs(gradient).max() < norm:
            break
        best, norm = position, float(np.abs(gradient).max())
        if norm < GRADIENT / 1000:
            break
        position = np.clip(position - np.linalg.solve(hessian, gradient), -BOUND, BOUND)
    return best, norm < GRADIENT


def _polish(objective: Objective, position: Floats) -> tuple[Floats, Floats, Floats]:
    """Newton steps as long as they lower the gradient: position, gradient and Hessian at the end."""
    _, gradient = objective(position)
    hessian = hessian_of(objective, position)
    for _ in range(POLISHES):
        if np.abs(gradient).max() < GRADIENT / 1000 or np.isnan(_inverse(hessian)).any():
            break
        moved = np.clip(position - np.linalg.solve(hessian, gradient), -BOUND, BOUND)
        _, better = objective(moved)
        if not np.abs(better).max() < np.abs(gradient).max():
            break
        position, gradient, hessian = moved, better, hessian_of(objective, moved)
    return position, gradient, hessian


def hessian_of(objective: Objective, position: Floats) -> Floats:
    """Hessian by central differences of the analytic gradient, made symmetric."""
    steps = STEP * np.eye(len(position))
    rows = [(objective(position + s)[1] - objective(position - s)[1]) / (2 * STEP) for s in steps]
    hessian = np.array(rows)
    return (hessian + hessian.T) / 2


def _inverse(matrix: Floats) -> Floats:
    """The inverse of a positive definite matrix, NaN for another one."""
    if not np.isfinite(matrix).all():
        return np.full_like(matrix, np.nan)
    eigenvalues = np.linalg.eigvalsh(matrix)
    if eigenvalues.min() <= SINGULAR * eigenvalues.max():
        return np.full_like(matrix, np.nan)
    inverse = np.linalg.inv(matrix).astype(np.float64)
    return np.asarray((inverse + inverse.T) / 2)
