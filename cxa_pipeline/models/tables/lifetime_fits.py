"""Fits of the lifetime models as a table.

Here: `customer.lifetime_models`: parameters, diagnostics, and which models are used. Not here: the fits themselves
(`cxa_pipeline.models.lifetime`), predictions (`lifetime`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxa_pipeline.models import lifetime, lifetime_evaluation
from cxa_pipeline.models.bgnbd import VARIANTS, BGNBDParameters, Variant
from cxa_pipeline.models.gamma_gamma import GammaGammaParameters
from cxa_pipeline.models.lifetime import Fitted, Requirements
from cxa_pipeline.models.tables.lifetime_frames import ORDER_NAMES, SPEND_NAMES, Customers, customers

if TYPE_CHECKING:
    import pandas as pd

PARAMETERS = (*ORDER_NAMES, *SPEND_NAMES)
COLUMNS = (
    "observation",
    "model",
    "model_status",
    "is_used",
    "customers",
    *PARAMETERS,
    *(f"{name}_standard_error" for name in PARAMETERS),
    "log_likelihood",
    "is_converged",
    "penalty",
    "covariance",
    "spend_spearman",
    "spend_pearson",
    "spend_depends_on_frequency",
)
DIGITS = 12


@dataclass(frozen=True)
class _Fits:
    """Everything that is fitted to the customers of an observation; None where the data do not suffice."""

    found: Customers
    orders: dict[Variant, Fitted[BGNBDParameters]] | None
    spend: Fitted[GammaGammaParameters] | None
    rate: BGNBDParameters
    own_mean: GammaGammaParameters

    @property
    def variant(self) -> Variant | None:
        """The fitted model of orders that describes these customers best, if one was fitted."""
        return lifetime.better_variant(self.orders["bgnbd"], self.orders["mbgnbd"]) if self.orders else None

    @property
    def has_spend(self) -> bool:
        """Whether the Gamma-Gamma model can be used."""
        return self.spend is not None and self.spend.converged


def models(purchase_summary: pd.DataFrame, parameters: pd.DataFrame) -> pd.DataFrame:
    """`customer.lifetime_models`: for each observation every model, its parameters, and whether it is used."""
    import pandas as pd

    required = _required(parameters)
    everything, calibration = (_fitted(customers(purchase_summary, o), required) for o in ("all", "calibration"))
    # Where the Gamma-Gamma's assumption is in doubt, the hold-out decides between it and the shrunken mean.
    takes_mean = _depends(everything) and _mean_is_better(calibration)
    holds = _holds(calibration)
    rows: list[dict[str, Any]] = []
    for observation, fits in (("all", everything), ("calibration", calibration)):
        if len(fits.found.x):
            variant = fits.variant if holds else None
            rows += [{"observation": observation, **row} for row in _rows(fits, variant, takes_mean)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _required(parameters: pd.DataFrame) -> Requirements:
    row = parameters.iloc[0]
    return Requirements(
        int(row["lifetime_min_customers"]),
        int(row["lifetime_min_days"]),
        int(row["lifetime_max_idle_days"]),
        int(row["lifetime_min_orders"]) - 1,
    )


def _fitted(found: Customers, required: Requirements) -> _Fits:
    x, t_x, T, mean = found.x, found.t_x, found.T, found.mean
    suffices = required.are_met(x, t_x, T) and bool((T > 0).any())
    has_money = bool(((x > 0) & (np.nan_to_num(mean) > 0)).any())
    return _Fits(
        found,
        {variant: lifetime.fit_orders(x, t_x, T, variant) for variant in VARIANTS} if suffices else None,
        lifetime.fit_spend(x, mean) if suffices and has_money else None,
        lifetime.empirical_orders(x, T),
        lifetime.empirical_spend(x, mean, found.rows["first_value"].to_numpy(dtype=np.float64)),
    )


def _correlations(fits: _Fits) -> tuple[float, float]:
    """Of repeat orders and their mean value, by ranks and by values."""
    repeated = fits.found.x > 0
    x, mean = fits.found.x[repeated], fits.found.mean[repeated]
    return lifetime_evaluation.spearman(x, mean), lifetime_evaluation.pearson(x, mean)


def _depends(fits: _Fits) -> bool:
    return abs(_correlations(fits)[0]) > lifetime_evaluation.DEPENDENT


def _holds(calibration: _Fits) -> bool:
    """Whether the model of orders may be used: it foretold the hold-out better than the baselines, as far as known."""
    if calibration.orders is None or calibration.variant is None:
        return True
    model = calibration.orders[calibration.variant].parameters
    return lifetime_evaluation.beats_baselines(model, calibration.rate, calibration.found.held())


def _mean_is_better(calibration: _Fits) -> bool:
    if not calibration.has_spend or calibration.spend is None:
        return False
    held = calibration.found.held()
    fitted = lifetime_evaluation.spend_error(calibration.spend.parameters, held)
    return lifetime_evaluation.spend_error(calibration.own_mean, held) < fitted


def _rows(fits: _Fits, variant: Variant | None, takes_mean: bool) -> list[dict[str, Any]]:
    spearman, pearson = _correlations(fits)
    uses_fit = fits.has_spend and not takes_mean
    rows = [_row(v, fits.orders[v] if fits.orders else None, v == variant) for v in VARIANTS]
    rows += [
        _fallback("empirical_orders", ORDER_NAMES, fits.rate, variant is None, len(fits.found.x)),
        _row("gamma_gamma", fits.spend, uses_fit)
        | {
            "spend_spearman": spearman,
            "spend_pearson": pearson,
            "spend_depends_on_frequency": _depends(fits),
        },
        _fallback("shrunken_mean", SPEND_NAMES, fits.own_mean, not uses_fit, int((fits.found.x > 0).sum())),
    ]
    return rows


def _row(
    model: str, fit: Fitted[BGNBDParameters] | Fitted[GammaGammaParameters] | None, is_used: bool
) -> dict[str, Any]:
    if fit is None:
        return {"model": model, "model_status": "insufficient_data", "is_used": False, "is_converged": False}
    names = SPEND_NAMES if isinstance(fit.parameters, GammaGammaParameters) else ORDER_NAMES
    is_known = bool(np.isfinite(fit.covariance).all())
    return {
        "model": model,
        "model_status": fit.status,
        "is_used": is_used,
        "customers": fit.customers,
        **{name: getattr(fit.parameters, name) for name in names},
        **{f"{name}_standard_error": e for name, e in zip(names, fit.standard_errors, strict=True)},
        "log_likelihood": fit.log_likelihood,
        "is_converged": fit.converged,
        "penalty": fit.penalty,
        "covariance": _json(fit.covariance.tolist()) if is_known else None,
    }


def _fallback(
    model: str,
    names: tuple[str, ...],
    parameters: BGNBDParameters | GammaGammaParameters,
    is_used: bool,
    count: int,
) -> dict[str, Any]:
    return {
        "model": model,
        "is_used": is_used,
        "customers": count,
        **{name: getattr(parameters, name) for name in names},
    }


def _json(matrix: list[list[float]]) -> str:
    return json.dumps([[float(f"{value:.{DIGITS}g}") for value in row] for row in matrix])
