"""The one row of `core.parameters`: what queries know of the settings."""

from __future__ import annotations

from typing import Any

from cxa_pipeline.errors import RunError
from cxa_pipeline.pipeline.home import Home

DEFAULTS: dict[str, Any] = {
    "age_max": 120,
    "amount_tolerance": "0.01",
    "amount_tolerance_share": "0.005",
    "session_max_hours": 24,
    "engaged_seconds": 10,
    "session_match_minutes": 5,
    "purchase_match_minutes": 10,
    "purchase_lookback_days": 30,
    "dwell_cap_seconds": 600,
    "cart_grace_hours": 24,
    "cart_recovery_days": 7,
    "weight_view": 1,
    "weight_wishlist": 2,
    "weight_cart": 3,
    "weight_purchase": 5,
    "high_value_share": "0.2",
    "priority_high_share": "0.2",
    "priority_medium_share": "0.5",
    "loyal_above_orders": 10,
    "lifetime_min_customers": 500,
    "lifetime_min_days": 180,
    "lifetime_max_idle_days": 30,
    "lifetime_min_orders": 3,
    "lifetime_holdout_days": 90,
    "lifetime_holdout_share": "0.25",
    "basket_max_length": 4,
    "basket_max_itemsets": 50_000,
    "basket_holdout_days": 28,
    "next_purchase_days": 90,
    "interest_half_life_days": 90,
    "cluster_switch_ratio": "0.9",
    "value_min_customers": 500,
    "assortment_days": 90,
    "assortment_imbalance": "1.25",
    "assortment_min_products": 5,
    "substitutes_max_viewed": 20,
    "pairs_by_group": 1_000,
}
"""Columns that no setting changes; what they mean stands in the contract."""


def parameters(home: Home) -> dict[str, Any]:
    """Values by column.

    Raises:
        RunError: no source has fixed the home's time zone yet, and no setting does.
    """
    timezone, currency = home.facts()
    if timezone is None:
        raise RunError(
            "The home has no time zone yet",
            where=str(home.landing),
            advice="drop a first file below landing/<source>/, or set CXA_TIMEZONE",
        )
    return {
        "timezone": timezone,
        "currency": currency,
        "as_of_date": home.as_of,
        **(home.thresholds or {}),
        **DEFAULTS,
    }
