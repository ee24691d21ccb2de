"""Pictures of the lifetime tables, shown beside them in Dagster.

Here: one function for each picture, from the frame of the table to a figure. Not here: the figures' data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def tracking(lifetime_tracking: pd.DataFrame) -> Figure:
    """Cumulative repeat orders, actual and expected; right of the line is the hold-out."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5))
    axes = figure.subplots()
    days = lifetime_tracking["week_end_date"]
    axes.plot(days, lifetime_tracking["cumulative_actual"], label="actual")
    axes.plot(days, lifetime_tracking["cumulative_expected"], linestyle="--", label="expected")
    held = days[lifetime_tracking["is_holdout"].astype(bool)]
    if len(held):
        axes.axvline(held.iloc[0], color="grey", linewidth=1)
    axes.set(title="Repeat orders since the first customer", xlabel="week ending", ylabel="orders")
    axes.legend()
    figure.autofmt_xdate()
    return figure


def buckets(lifetime_buckets: pd.DataFrame) -> Figure:
    """Orders per customer in the hold-out by repeat orders before, actual and expected."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5))
    axes = figure.subplots()
    names = lifetime_buckets["calibration_repeats_name"]
    axes.plot(names, lifetime_buckets["actual_orders_per_customer"], marker="o", label="actual")
    axes.plot(names, lifetime_buckets["expected_orders_per_customer"], marker="o", linestyle="--", label="expected")
    axes.set(title="Orders in the hold-out", xlabel="repeat orders before", ylabel="orders per customer")
    axes.legend()
    return figure
