"""What the lifetime models predict, as tables: for each customer, and for all together.

Here: `customer.lifetime_value` and `customer.value_totals`. Not here: the models (`lifetime_fits`), how good the
predictions were (`lifetime_checks`), the arithmetic (`cxa_pipeline.models.lifetime_value`, `lifetime_totals`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxa_pipeline.models.lifetime_totals import totals
from cxa_pipeline.models.lifetime_value import ORDER_DAYS, predict
from cxa_pipeline.models.tables.lifetime_frames import customers, terms, used

if TYPE_CHECKING:
    import pandas as pd

LONGEST_DAYS = 365
"""A median time to the next order beyond this is no forecast."""
RISKS = (1 / 3, 2 / 3)
BANDS = np.array(["low", "medium", "high"], dtype=object)
EVERYBODY = "All customers"
VALUE = (
    "customer_id",
    "method",
    "spend_method",
    "model_status",
    "occasions",
    "first_occasion_date",
    "last_occasion_date",
    "p_alive",
    *(f"expected_orders_{days}d" for days in ORDER_DAYS),
    "orders_365d_low",
    "orders_365d_high",
    "expected_order_value",
    "clv_3m",
    "clv_6m",
    "clv_12m",
    "clv_12m_low",
    "clv_12m_high",
    "historic_value",
    "total_value",
    "churn_risk_90d",
    "churn_risk_band",
    "median_days_to_next_order",
    "currency",
)
TOTALS = (
    "segment",
    "customers",
    "method",
    "model_status",
    "expected_orders_12m",
    "clv_12m",
    "clv_12m_low",
    "clv_12m_high",
    "clv_12m_standard_deviation",
    "parameter_share",
    "clv_12m_per_customer",
    "clv_12m_share",
    "historic_value",
    "currency",
)
OF_CUSTOMER = ["customer_id", "occasions", "first_occasion_date", "last_occasion_date", "historic_value"]


def value(
    purchase_summary: pd.DataFrame, lifetime_models: pd.DataFrame, parameters: pd.DataFrame, clock: pd.DataFrame
) -> pd.DataFrame:
    """`customer.lifetime_value`: what is expected of each customer with an order."""
    import pandas as pd

    found = customers(purchase_summary, "all")
    if not len(found.x):
        return pd.DataFrame(columns=list(VALUE))
    by = used(lifetime_models, "all")
    made = predict(by.orders, by.spend, found.x, found.t_x, found.T, found.mean, terms(parameters))
    clv = {months: made.value[months - 1].round(4) for months in (3, 6, 12)}
    frame = found.rows[OF_CUSTOMER].reset_index(drop=True)
    return frame.assign(
        method=by.method,
        spend_method=by.spend_method,
        model_status=by.status,
        p_alive=np.nan if by.method == "empirical" else made.p_alive,
        **{f"expected_orders_{days}d": orders for days, orders in zip(ORDER_DAYS, made.expected_orders, strict=True)},
        orders_365d_low=made.orders_low,
        orders_365d_high=made.orders_high,
        expected_order_value=made.expected_order_value.round(4),
        clv_3m=clv[3],
        clv_6m=clv[6],
        clv_12m=clv[12],
        clv_12m_low=made.value_low.round(4),
        clv_12m_high=made.value_high.round(4),
        total_value=frame["historic_value"] + clv[12],
        churn_risk_90d=made.churn_risk,
        churn_risk_band=BANDS[np.searchsorted(RISKS, made.churn_risk)],
        median_days_to_next_order=np.where(made.median_days <= LONGEST_DAYS, made.median_days, np.nan),
        currency=clock["currency"].iloc[0],
    )


def sums(
    purchase_summary: pd.DataFrame,
    lifetime_models: pd.DataFrame,
    rfm: pd.DataFrame,
    parameters: pd.DataFrame,
    clock: pd.DataFrame,
) -> pd.DataFrame:
    """`customer.value_totals`: the value of all customers and of each RFM segment, with intervals."""
    import pandas as pd

    found = customers(purchase_summary, "all")
    if not len(found.x):
        return pd.DataFrame(columns=list(TOTALS))
    by = used(lifetime_models, "all")
    segment = found.rows["customer_id"].map(rfm.set_index("customer_id")["segment"])
    names, member = np.unique(segment.to_numpy(dtype=str), return_inverse=True)
    everybody = np.zeros(len(member), dtype=np.int64)
    x, t_x, T, mean = (np.tile(column, 2) for column in (found.x, found.t_x, found.T, found.mean))
    both = np.concatenate([everybody, 1 + member])
    made = totals(
        by.orders, by.orders_covariance, by.spend, by.spend_covariance, x, t_x, T, mean, both, terms(parameters)
    )
    variance, whole = made.chance + made.estimate, made.value[0]
    estimated = np.divide(made.estimate, variance, out=np.full(len(variance), np.nan), where=variance > 0)
    return pd.DataFrame(
        {
            "segment": [EVERYBODY, *names],
            "customers": made.customers,
            "method": by.method,
            "model_status": by.status,
            "expected_orders_12m": made.orders,
            "clv_12m": made.value.round(4),
            "clv_12m_low": made.low.round(4),
            "clv_12m_high": made.high.round(4),
            "clv_12m_standard_deviation": np.sqrt(variance).round(4),
            "parameter_share": estimated,
            "clv_12m_per_customer": (made.value / made.customers).round(4),
            "clv_12m_share": made.value / whole if whole > 0 else np.nan,
            "historic_value": np.bincount(both, np.tile(found.rows["historic_value"].to_numpy(dtype=np.float64), 2)),
            "currency": clock["currency"].iloc[0],
        },
        columns=list(TOTALS),
    )
