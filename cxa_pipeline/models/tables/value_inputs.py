"""Customers at a cut-off as the models of future value see them.

Here: which features there are, and what BG/NBD and Gamma-Gamma add to them, `customer.value_lifetimes`. Not here: what
is predicted from them (`value`).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cxa_pipeline.models import lifetime
from cxa_pipeline.models.bgnbd import BGNBDParameters
from cxa_pipeline.models.gamma_gamma import GammaGammaParameters
from cxa_pipeline.models.lifetime_prediction import expected_orders, outlook
from cxa_pipeline.models.value_baselines import Known
from cxa_pipeline.models.value_encoding import Features
from cxa_pipeline.models.value_labels import Codes, Floats
from cxa_pipeline.models.value_training import Sample

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = (
    "recency_days",
    "tenure_days",
    "orders",
    "orders_30",
    "orders_90",
    "orders_180",
    "trend_ratio",
    "net_sales",
    "net_sales_30",
    "net_sales_90",
    "net_sales_180",
    "past_net_sales",
    "aov",
    "median_order_value",
    "mean_days_between_orders",
    "deviation_days_between_orders",
    "categories",
    "discount_rate",
    "return_share",
    "sessions_30",
    "sessions_90",
    "views_30",
    "views_90",
    "carts_30",
    "carts_90",
    "p_alive",
    "expected_orders",
    "expected_value",
)
"""The last three are added here; all others are columns of `customer.value_features`."""
TEXTS = ("age_group", "gender", "location", "loyalty_segment")
LEAST_BUYERS = 30
"""Gamma-Gamma is fitted to so many customers with repeat orders, or not at all."""
LIFETIMES = ["cutoff_date", "customers", "orders_status", "r", "alpha", "a", "b", "spend_status", "p", "q", "v"]


def lifetimes(value_features: pd.DataFrame, value_cutoffs: pd.DataFrame) -> pd.DataFrame:
    """`customer.value_lifetimes`: BG/NBD and Gamma-Gamma fitted to each cut-off."""
    import pandas as pd

    rows = []
    for day in sorted(value_cutoffs["cutoff_date"]):
        found = value_features[value_features["cutoff_date"] == day].sort_values("customer_id")
        x, t_x, age, mean, first = (_floats(found, name) for name in _SUMMARY)
        (o, orders_status), (s, spend_status) = _fit_orders(x, t_x, age), _fit_spend(x, np.nan_to_num(mean), first)
        rows.append([day, len(found), orders_status, o.r, o.alpha, o.a, o.b, spend_status, s.p, s.q, s.v])
    return pd.DataFrame(rows, columns=LIFETIMES)


_SUMMARY = ("repeat_orders", "last_repeat_days", "observed_days", "mean_repeat_value", "first_value")


def _fit_orders(x: Floats, t_x: Floats, age: Floats) -> tuple[BGNBDParameters, str]:
    if not lifetime.Requirements().are_met(x, t_x, age):
        return lifetime.empirical_orders(x, age), "insufficient_data"
    found = lifetime.fit_orders(x, t_x, age, "bgnbd")
    return found.parameters if found.converged else lifetime.empirical_orders(x, age), found.status


def _fit_spend(x: Floats, mean: Floats, first: Floats) -> tuple[GammaGammaParameters, str]:
    usable = (x > 0) & (mean > 0)
    if usable.sum() < LEAST_BUYERS:
        return lifetime.empirical_spend(x, mean, first), "insufficient_data"
    found = lifetime.fit_spend(x[usable], mean[usable])
    return found.parameters if found.converged else lifetime.empirical_spend(x, mean, first), found.status


def rows_of(
    kind: str, value_features: pd.DataFrame, value_cutoffs: pd.DataFrame, value_lifetimes: pd.DataFrame
) -> pd.DataFrame:
    """The rows of all cut-offs of a kind, in the order of cut-offs and customers, with p_alive, expected_orders and
    expected_value by the models of lifetime."""
    import pandas as pd

    parts = [value_features.iloc[:0].assign(p_alive=0.0, expected_orders=0.0, expected_value=0.0)]
    fits = {fit["cutoff_date"]: fit for fit in value_lifetimes.to_dict("records")}
    cutoffs = value_cutoffs[value_cutoffs["kind"] == kind].sort_values("cutoff_date")
    for day, horizon in zip(cutoffs["cutoff_date"], cutoffs["horizon_days"], strict=True):
        found = value_features[value_features["cutoff_date"] == day].sort_values("customer_id")
        parts.append(_with_lifetimes(found, fits[day], float(horizon)))
    return pd.concat(parts[1:]) if len(parts) > 1 else parts[0]


def _with_lifetimes(found: pd.DataFrame, fit: dict[Any, Any], horizon: float) -> pd.DataFrame:
    x, t_x, age, mean, _ = (_floats(found, name) for name in _SUMMARY)
    customers = outlook(
        BGNBDParameters(float(fit["r"]), float(fit["alpha"]), float(fit["a"]), float(fit["b"])), x, t_x, age
    )
    spend = GammaGammaParameters(**{n: float(fit[n]) for n in ("p", "q", "v")})
    orders = expected_orders(customers, horizon)
    value = orders * spend.expected_order_value(x, np.nan_to_num(mean))
    return found.assign(p_alive=customers.p_alive, expected_orders=orders, expected_value=value)


def as_sample(found: pd.DataFrame, numbers: Sequence[str] = NUMBERS, texts: Sequence[str] = TEXTS) -> Sample:
    """Rows of `customer.value_features`, with what `rows_of` adds, as arrays."""
    ids = found["customer_id"].to_numpy(dtype=object)
    features = Features(
        {name: _floats(found, name) for name in numbers},
        {name: found[name].fillna("").to_numpy(dtype=object).astype(str) for name in texts},
    )
    return Sample(
        ids,
        features,
        Known(_floats(found, "past_net_sales"), _floats(found, "expected_value")),
        _floats(found, "future_net_sales"),
        _floats(found, "half_horizon_net_sales"),
        hashes(found),
    )


def hashes(found: pd.DataFrame) -> Codes:
    """A number of each row's customer that says nothing about them, (n,)."""
    return np.array([zlib.crc32(str(i).encode()) for i in found["customer_id"].to_numpy(dtype=object)], dtype=np.int64)


def _floats(frame: pd.DataFrame, name: str) -> Floats:
    return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
