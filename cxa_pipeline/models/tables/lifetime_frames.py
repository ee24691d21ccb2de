"""Customers and fitted models as the lifetime tables hand them to each other.

Here: from rows of `customer.purchase_summary` and `customer.lifetime_models` to arrays and parameters. Not here: how
these rows come about (`lifetime_fits`), what is made of them (`lifetime`, `lifetime_checks`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxa_pipeline.models.bgnbd import BGNBDParameters
from cxa_pipeline.models.gamma_gamma import GammaGammaParameters
from cxa_pipeline.models.lifetime_evaluation import Held
from cxa_pipeline.models.lifetime_groups import Floats
from cxa_pipeline.models.lifetime_value import Terms

if TYPE_CHECKING:
    import pandas as pd

ORDER_NAMES = ("r", "alpha", "a", "b")
SPEND_NAMES = ("p", "q", "v")
NOT_BETTER = "not_better"
"""The status where a model was fitted, and a baseline foretold the hold-out better."""


@dataclass(frozen=True)
class Customers:
    """The rows of an observation, and their columns as the models call them."""

    rows: pd.DataFrame
    x: Floats
    t_x: Floats
    T: Floats
    mean: Floats

    def held(self) -> Held:
        """The same with what came in the hold-out."""
        orders, value = (_floats(self.rows, name) for name in ("holdout_occasions", "holdout_value"))
        days = float(self.rows["holdout_days"].max()) if len(self.rows) else 0.0
        return Held(self.x, self.t_x, self.T, self.mean, orders, value, days)


def customers(purchase_summary: pd.DataFrame, observation: str) -> Customers:
    """The customers of an observation, in the order of the table."""
    rows = purchase_summary[purchase_summary["observation"] == observation]
    names = ("repeat_occasions", "days_to_last_occasion", "days_observed", "mean_repeat_value")
    x, t_x, T, mean = (_floats(rows, name) for name in names)
    return Customers(rows, x, t_x, T, mean)


def _floats(rows: pd.DataFrame, name: str) -> Floats:
    return rows[name].to_numpy(dtype=np.float64)


@dataclass(frozen=True)
class Used:
    """The models by which customers of an observation are predicted.

    `method` is the model of orders, or `empirical`; `spend_method` that of spend; `status` what came of the fit of
    orders. Covariances are NaN where unknown.
    """

    method: str
    status: str
    orders: BGNBDParameters
    orders_covariance: Floats
    spend_method: str
    spend: GammaGammaParameters
    spend_covariance: Floats


def used(lifetime_models: pd.DataFrame, observation: str) -> Used:
    """The models in use; there are some as soon as there is a customer."""
    rows = {row["model"]: row for row in _records(lifetime_models, observation)}
    orders = next(row for row in rows.values() if row["is_used"] and _is_of_orders(row))
    spend = next(row for row in rows.values() if row["is_used"] and not _is_of_orders(row))
    is_fallback = orders["model"] == "empirical_orders"
    found = {rows[variant]["model_status"] for variant in ("bgnbd", "mbgnbd")}
    why = NOT_BETTER if found & {"fitted", "penalised"} else rows["bgnbd"]["model_status"]
    return Used(
        "empirical" if is_fallback else orders["model"],
        why if is_fallback else orders["model_status"],
        order_parameters(orders),
        _covariance(orders, len(ORDER_NAMES)),
        spend["model"],
        spend_parameters(spend),
        _covariance(spend, len(SPEND_NAMES)),
    )


def fitted_orders(lifetime_models: pd.DataFrame, observation: str) -> dict[str, BGNBDParameters]:
    """Every model of orders that has parameters, by name."""
    rows = [row for row in _records(lifetime_models, observation) if _is_of_orders(row)]
    return {row["model"]: order_parameters(row) for row in rows if not np.isnan(row["r"])}


def _records(lifetime_models: pd.DataFrame, observation: str) -> list[dict[str, Any]]:
    rows = lifetime_models[lifetime_models["observation"] == observation].to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _is_of_orders(row: dict[str, Any]) -> bool:
    return row["model"] in ("bgnbd", "mbgnbd", "empirical_orders")


def order_parameters(row: dict[str, Any]) -> BGNBDParameters:
    """Parameters of a row of a model of orders."""
    variant = "mbgnbd" if row["model"] == "mbgnbd" else "bgnbd"
    return BGNBDParameters(*(float(row[name]) for name in ORDER_NAMES), variant=variant)  # type: ignore[arg-type,misc]


def spend_parameters(row: dict[str, Any]) -> GammaGammaParameters:
    """Parameters of a row of a model of spend."""
    return GammaGammaParameters(*(float(row[name]) for name in SPEND_NAMES))


def _covariance(row: dict[str, Any], size: int) -> Floats:
    text = row["covariance"]
    return np.array(json.loads(text)) if isinstance(text, str) else np.full((size, size), np.nan)


def terms(parameters: pd.DataFrame) -> Terms:
    """How future money is counted, by the settings."""
    row = parameters.iloc[0]
    return Terms(float(row["clv_interest_rate"]), float(row["clv_margin"]))
