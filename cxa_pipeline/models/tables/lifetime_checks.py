"""How good the lifetime models were in the hold-out, as tables.

Here: `customer.lifetime_evaluation`, `customer.lifetime_buckets` and `customer.lifetime_tracking`. Not here: pictures
(`lifetime_plots`), the measures (`cxa_pipeline.models.lifetime_evaluation`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxa_pipeline.models.lifetime_evaluation import (
    Forecast,
    Held,
    as_everybody,
    errors,
    forecast,
    same_as_before,
    tracking,
)
from cxa_pipeline.models.lifetime_prediction import expected_orders, outlook
from cxa_pipeline.models.tables.lifetime_frames import customers, fitted_orders, used

if TYPE_CHECKING:
    import pandas as pd

MEASURES = ("actual", "expected", "bias", "mae", "rmse", "spearman")
EVALUATION = (
    "model",
    "is_baseline",
    "is_served",
    "customers",
    "holdout_days",
    *(f"orders_{measure}" for measure in MEASURES),
    "orders_covered_share",
    *(f"value_{measure}" for measure in MEASURES),
    "value_covered_share",
    "currency",
)
LAST_BUCKET = 7
BUCKETS = (
    "calibration_repeats",
    "calibration_repeats_name",
    "customers",
    "actual_orders",
    "expected_orders",
    "actual_orders_per_customer",
    "expected_orders_per_customer",
    "low_n",
)
WEEK = 7
TRACKING = (
    "week_end_date",
    "week_number",
    "is_holdout",
    "repeat_orders_actual",
    "repeat_orders_expected",
    "cumulative_actual",
    "cumulative_expected",
    "tracking_error",
)


def evaluation(purchase_summary: pd.DataFrame, lifetime_models: pd.DataFrame, clock: pd.DataFrame) -> pd.DataFrame:
    """`customer.lifetime_evaluation`: errors of each model and baseline in the hold-out."""
    import pandas as pd

    found = customers(purchase_summary, "calibration")
    if not len(found.x):
        return pd.DataFrame(columns=list(EVALUATION))
    held, by = found.held(), used(lifetime_models, "calibration")
    forecasts = {
        model.replace("empirical_orders", "empirical"): forecast(parameters, by.spend, held)
        for model, parameters in fitted_orders(lifetime_models, "calibration").items()
    }
    baselines = {"same_as_before": same_as_before(held), "as_everybody": as_everybody(held)}
    rows = [
        {
            "model": model,
            "is_baseline": model in baselines,
            "is_served": model == by.method,
            "customers": len(held.x),
            "holdout_days": int(held.days),
            **_measured(held, made),
            "currency": clock["currency"].iloc[0],
        }
        for model, made in {**forecasts, **baselines}.items()
    ]
    return pd.DataFrame(rows, columns=list(EVALUATION))


def _measured(held: Held, made: Forecast) -> dict[str, Any]:
    orders, value = errors(held.orders, made.orders), errors(held.value, made.value)
    return {
        **{f"orders_{measure}": getattr(orders, measure) for measure in MEASURES},
        "orders_covered_share": made.orders_covered,
        **{f"value_{measure}": getattr(value, measure) for measure in MEASURES},
        "value_covered_share": made.value_covered,
    }


def buckets(purchase_summary: pd.DataFrame, lifetime_models: pd.DataFrame, parameters: pd.DataFrame) -> pd.DataFrame:
    """`customer.lifetime_buckets`: orders in the hold-out by repeat orders in the calibration."""
    import pandas as pd

    found = customers(purchase_summary, "calibration")
    if not len(found.x):
        return pd.DataFrame(columns=list(BUCKETS))
    held = found.held()
    by = outlook(used(lifetime_models, "calibration").orders, held.x, held.t_x, held.T)
    bucket = np.minimum(held.x, LAST_BUCKET).astype(np.int64)
    count = np.bincount(bucket, minlength=LAST_BUCKET + 1)
    actual = np.bincount(bucket, held.orders, LAST_BUCKET + 1)
    expected = np.bincount(bucket, expected_orders(by, held.days), LAST_BUCKET + 1)
    known = np.where(count > 0, count, np.nan)
    return pd.DataFrame(
        {
            "calibration_repeats": np.arange(LAST_BUCKET + 1),
            "calibration_repeats_name": [*(str(x) for x in range(LAST_BUCKET)), f"{LAST_BUCKET}+"],
            "customers": count,
            "actual_orders": actual.astype(np.int64),
            "expected_orders": expected,
            "actual_orders_per_customer": actual / known,
            "expected_orders_per_customer": expected / known,
            "low_n": count < int(parameters["min_group_size"].iloc[0]),
        },
        columns=list(BUCKETS),
    )


def tracked(lifetime_days: pd.DataFrame, lifetime_models: pd.DataFrame, clock: pd.DataFrame) -> pd.DataFrame:
    """`customer.lifetime_tracking`: repeat orders week by week, actual and expected from the calibration."""
    import pandas as pd

    if not len(lifetime_days):
        return pd.DataFrame(columns=list(TRACKING))
    begin = lifetime_days["occasion_date"].min()
    day = (lifetime_days["occasion_date"] - begin).dt.days.to_numpy(dtype=np.int64)
    weeks = int((clock["as_of_date"].iloc[0] - begin).days + 1) // WEEK
    ends = WEEK * np.arange(1, weeks + 1) - 1
    born = np.repeat(day, lifetime_days["first_occasions"].to_numpy(dtype=np.int64))
    by_day = np.bincount(day, lifetime_days["repeat_occasions"].to_numpy(dtype=np.float64), WEEK * weeks + WEEK)
    actual = np.cumsum(by_day)[ends].astype(np.int64)
    expected = tracking(used(lifetime_models, "calibration").orders, born, ends)
    week_end = begin + pd.to_timedelta(ends, unit="D")
    return pd.DataFrame(
        {
            "week_end_date": week_end,
            "week_number": np.arange(1, weeks + 1),
            "is_holdout": week_end > lifetime_days["calibration_end_date"].iloc[0],
            "repeat_orders_actual": np.diff(actual, prepend=0),
            "repeat_orders_expected": np.diff(expected, prepend=0.0),
            "cumulative_actual": actual,
            "cumulative_expected": expected,
            "tracking_error": expected / np.where(actual > 0, actual, np.nan) - 1,
        },
        columns=list(TRACKING),
    )
