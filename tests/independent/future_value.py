"""Customers with a planted future: rows of `customer.value_features` as its contract has them, drawn at random.

Here: frames for the functions of the value tables. Not here: figures from real lines (the tests of the SQL).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

AS_OF = pd.Timestamp("2024-06-30")
HORIZON = 90
KINDS = {"score": 0, "test": HORIZON, "choice": HORIZON + HORIZON // 2, "train": 2 * HORIZON}
COUNTS = ("orders_30", "orders_90", "orders_180", "sessions_30", "sessions_90", "views_30", "views_90", "carts_30")
MONEY = ("net_sales", "net_sales_30", "net_sales_90", "net_sales_180", "aov", "median_order_value", "gross_sales")
DAYS = ("recency_days", "tenure_days", "mean_days_between_orders", "deviation_days_between_orders")


@dataclass(frozen=True)
class Frames:
    """Inputs of the value tables."""

    value_features: pd.DataFrame
    value_cutoffs: pd.DataFrame

    @property
    def given(self) -> dict[str, Any]:
        return {"value_features": self.value_features, "value_cutoffs": self.value_cutoffs}


def frames(n: int = 900, signal: float = 1.0, seed: int = 5, future: float | None = None) -> Frames:
    """n customers at four cut-offs, who spend by a rate that shows in `views_90` and `carts_90`, and hardly elsewhere.

    Args:
        n: Customers.
        signal: How much of the rate shows; with 0 nothing predicts the future.
        seed: Of the draw.
        future: Fixed net sales for everybody; None for drawn ones.
    """
    draw = np.random.default_rng(seed)
    rate = draw.normal(0, 1, n)
    shown = signal * rate + (1 - signal) * draw.normal(0, 1, n)
    parts = [_at(day, n, rate, shown, draw, future) for day in _days().values()]
    parts[0][["future_net_sales", "half_horizon_net_sales"]] = np.nan
    cutoffs = pd.DataFrame(
        {
            "cutoff_date": list(_days().values()),
            "kind": list(KINDS),
            "horizon_days": HORIZON,
        }
    )
    rows = pd.concat(parts).sort_values(["cutoff_date", "customer_id"]).reset_index(drop=True)
    return Frames(rows, cutoffs.sort_values("cutoff_date").reset_index(drop=True))


def insufficient(n: int, seed: int = 5) -> Frames:
    """n customers of whom nothing can be trained: the score cut-off alone, or none without a customer."""
    full = frames(max(n, 1), seed=seed)
    rows = full.value_features[full.value_features["cutoff_date"] == AS_OF].head(n).reset_index(drop=True)
    cutoffs = full.value_cutoffs[full.value_cutoffs["kind"] == "score"] if n else full.value_cutoffs.iloc[:0]
    return Frames(rows, cutoffs.assign(horizon_days=180).reset_index(drop=True))


def _days() -> dict[str, pd.Timestamp]:
    return {kind: AS_OF - pd.Timedelta(days=days) for kind, days in KINDS.items()}


def _at(day: pd.Timestamp, n: int, rate: Any, shown: Any, draw: np.random.Generator, future: float | None) -> Any:
    spent = np.where(rate + draw.normal(0, 0.3, n) > 0, np.exp(rate + draw.normal(0, 0.3, n)) * 40, 0.0)
    columns: dict[str, Any] = {
        "cutoff_date": day,
        "customer_id": [f"k{i:05d}" for i in range(n)],
        "views_90": draw.poisson(np.exp(1.5 + 0.8 * shown)),
        "carts_90": draw.poisson(np.exp(0.5 + 0.8 * shown)),
        "orders": 1 + draw.poisson(1.0, n),
        "carts_30": draw.poisson(1.0, n),
        "categories": draw.integers(1, 5, n),
        "trend_ratio": np.where(draw.random(n) < 0.4, np.nan, draw.gamma(2, 1, n)),
        "discount_rate": draw.random(n) * 0.3,
        "return_share": draw.random(n) * 0.2,
        "past_net_sales": np.where(draw.random(n) < 0.5, 0.0, draw.gamma(2, 20, n)),
        "age_group": draw.choice(["18-25", "26-35", "Unknown"], n),
        "gender": draw.choice(["female", "male"], n),
        "location": draw.choice(["Berlin", "Paris", "Rome"], n, p=[0.6, 0.395, 0.005]),
        "loyalty_segment": draw.choice(["New", "Returning"], n),
        "future_net_sales": spent if future is None else np.full(n, future),
        "half_horizon_net_sales": spent / 2 if future is None else np.full(n, future),
    }
    columns |= {name: draw.poisson(1.0, n) for name in COUNTS if name not in columns}
    columns |= {name: draw.gamma(2, 20, n) for name in MONEY}
    columns |= {name: draw.integers(1, 200, n).astype(float) for name in DAYS}
    repeats = draw.poisson(0.8, n)
    columns |= {
        "repeat_orders": repeats,
        "last_repeat_days": np.where(repeats > 0, draw.integers(1, 150, n), 0),
        "observed_days": draw.integers(150, 400, n),
        "mean_repeat_value": np.where(repeats > 0, draw.gamma(4, 8, n), np.nan),
        "first_value": draw.gamma(4, 8, n),
    }
    return pd.DataFrame(columns)
