"""Pictures of the tables of customer clusters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def selection(frame: pd.DataFrame) -> Figure:
    """Silhouette and stability by number of clusters, for each set of features; the chosen one is marked."""
    from matplotlib.figure import Figure

    sets = list(dict.fromkeys(frame["feature_set"]))
    figure = Figure(figsize=(5 * len(sets), 3.5), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True):
        rows = frame[frame["feature_set"] == name].sort_values("k")
        for column in ("silhouette", "stability"):
            axes.plot(rows["k"], rows[column], marker="o", label=column)
        axes.axvline(float(rows.loc[rows["is_chosen"].astype(bool), "k"].iloc[0]), color="grey", linestyle=":")
        axes.set(title=name, xlabel="clusters", xticks=rows["k"].tolist())
        axes.legend()
    return figure


def traits(frame: pd.DataFrame) -> Figure:
    """Heat map of z-scores by cluster and feature, for each set of features."""
    from matplotlib.figure import Figure

    sets = list(dict.fromkeys(frame["feature_set"]))
    figure = Figure(
        figsize=(10, 1.5 + 0.5 * frame.groupby("feature_set")["cluster"].nunique().sum()), layout="constrained"
    )
    for axes, name in zip(figure.subplots(len(sets), 1, squeeze=False)[:, 0], sets, strict=True):
        _heat_map(axes, name, frame[(frame["feature_set"] == name) & frame["dropped_because"].isna()])
    return figure


def _heat_map(axes: Any, title: str, rows: pd.DataFrame) -> None:
    import numpy as np

    names = rows.drop_duplicates("cluster").sort_values("cluster")
    features = list(dict.fromkeys(rows["feature"]))
    grid = rows.pivot(index="cluster", columns="feature", values="z_score")[features].to_numpy(dtype=np.float64)
    axes.set_title(f"{title}: standard deviations from the average customer")
    if not features:
        return
    axes.imshow(np.nan_to_num(grid), cmap="RdBu", vmin=-2, vmax=2, aspect="auto")
    for at, z in np.ndenumerate(grid):
        axes.text(at[1], at[0], f"{z:+.1f}", ha="center", va="center", fontsize=8)
    labels = [f"{cluster}  {name}" for cluster, name in zip(names["cluster"], names["cluster_name"], strict=True)]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xticks(range(len(features)), [feature.replace("_", " ") for feature in features], rotation=30, ha="right")
