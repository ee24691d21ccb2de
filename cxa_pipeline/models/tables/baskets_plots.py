"""Pictures of the tables of baskets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

DRAWN = 5_000


def rules(frame: pd.DataFrame) -> Figure:
    """Confidence by support of the recommended rules, coloured by lift; of many, those with the most leverage."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    names = sorted(set(frame["level"]), reverse=True)
    figure = Figure(figsize=(6 * len(names), 4), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        chosen = frame[(frame["level"] == name) & frame["is_recommended"].astype(bool)]
        rows = chosen.sort_values("leverage", ascending=False, kind="stable").head(DRAWN).sort_values("lift")
        axes.set(title=f"{name}: {len(chosen):,} rules", xlabel="support", ylabel="confidence", xscale="log")
        if len(rows):
            points = axes.scatter(rows["support"], rows["confidence"], c=rows["lift"], s=12, norm=LogNorm())
            figure.colorbar(points, ax=axes, label="lift")
    return figure
