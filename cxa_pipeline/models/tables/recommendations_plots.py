"""Pictures of the recommendation tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def ndcg(evaluation: pd.DataFrame) -> Figure:
    """nDCG@10 of every recommender with its interval; what is served stands out, popularity is grey."""
    from matplotlib.figure import Figure

    is_shown = (evaluation["metric"] == "ndcg") & (evaluation["k"] == 10) & (evaluation["audience"] == "warm")
    rows = evaluation[is_shown].sort_values(["value", "model"], ignore_index=True)
    figure = Figure(figsize=(8, 0.4 * max(len(rows), 1) + 1.5))
    axes = figure.subplots()
    place = np.arange(len(rows))
    colour = np.where(rows["is_served"], "tab:orange", np.where(rows["is_baseline"], "tab:gray", "tab:blue"))
    axes.barh(place, rows["value"], color=colour.tolist())
    ends = np.stack([rows["value"] - rows["ci_low"], rows["ci_high"] - rows["value"]])
    axes.errorbar(rows["value"], place, xerr=np.maximum(ends, 0), fmt="none", ecolor="black", capsize=3)
    axes.set_yticks(place, rows["model"])
    axes.set_xlabel("nDCG@10 on the last 28 days, 95 % interval (orange is served, grey is popularity)")
    axes.set_title("Recommenders")
    return figure
