"""Pictures of the predictions of customer value, shown in Dagster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxa_pipeline.models.value_labels import SEGMENTS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

BINS = 10


def predictions(value_test_predictions: pd.DataFrame) -> Figure:
    """Confusion matrix of each model and baseline, and how often High came true where it was predicted so likely."""
    from matplotlib.figure import Figure

    models = list(dict.fromkeys(value_test_predictions["model"]))
    figure = Figure(figsize=(3.2 * (len(models) + 1), 3.4), layout="constrained")
    axes = figure.subplots(1, len(models) + 1)
    for axis, model in zip(axes, models, strict=False):
        _matrix(axis, value_test_predictions[value_test_predictions["model"] == model], model)
    _reliability(axes[-1], value_test_predictions)
    return figure


def _matrix(axis: Any, found: pd.DataFrame, title: str) -> None:
    counts = np.array(
        [
            [((found["actual_segment"] == a) & (found["predicted_segment"] == p)).sum() for p in SEGMENTS]
            for a in SEGMENTS
        ]
    )
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if shares[row, column] > 0.6 else "black"
        axis.text(column, row, f"{count:,}\n{shares[row, column]:.0%}", ha="center", va="center", color=colour)
    axis.set(title=title, xlabel="predicted", ylabel="actual")
    axis.set_xticks(range(len(SEGMENTS)), SEGMENTS)
    axis.set_yticks(range(len(SEGMENTS)), SEGMENTS)


def _reliability(axis: Any, found: pd.DataFrame) -> None:
    axis.plot([0, 1], [0, 1], color="grey", linewidth=1)
    for model, rows in found[~found["is_baseline"].astype(bool)].groupby("model", sort=False):
        order = np.argsort(rows["p_high"].to_numpy(), kind="stable")
        parts = [part for part in np.array_split(order, BINS) if len(part)]
        p, came = rows["p_high"].to_numpy(), (rows["actual_segment"] == "High").to_numpy()
        axis.plot([p[part].mean() for part in parts], [came[part].mean() for part in parts], marker="o", label=model)
    axis.set(title="High: predicted and true", xlabel="probability", ylabel="share", xlim=(0, 1), ylim=(0, 1))
    if axis.get_legend_handles_labels()[0]:
        axis.legend()


def evaluation(value_evaluation: pd.DataFrame) -> Figure:
    """macro-F1 of each model and baseline with its interval; what is served is filled."""
    from matplotlib.figure import Figure

    rows = value_evaluation[value_evaluation["metric"] == "macro_f1"].sort_values("value")
    figure = Figure(figsize=(6, 0.5 * len(rows) + 1), layout="constrained")
    axis = figure.subplots()
    ends = [(rows["value"] - rows["ci_low"]).clip(lower=0), (rows["ci_high"] - rows["value"]).clip(lower=0)]
    colours = ["tab:blue" if served else "lightgrey" for served in rows["is_served"]]
    axis.barh(rows["model"], rows["value"], xerr=ends, color=colours, ecolor="black")
    axis.set(title="macro-F1 on time that was not seen", xlim=(0, 1))
    return figure
