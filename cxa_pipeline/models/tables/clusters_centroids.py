"""Where the clusters of customers lie, which numbers they keep, and what they are called.

Here: `customer.cluster_centroids`. Not here: how many there are, and who is in which (`clusters`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxa_pipeline.models import kmeans, kmeans_identity, kmeans_names
from cxa_pipeline.models.kmeans import Labels, Points
from cxa_pipeline.models.kmeans_names import Trait
from cxa_pipeline.models.kmeans_scaling import MISSING, Scale
from cxa_pipeline.models.tables.clusters_features import SETS, Feature, chosen_k, fit_rows, ordered, scaled, words

if TYPE_CHECKING:
    import pandas as pd

ALL = "All customers"

CENTROIDS = [
    "feature_set",
    "cluster",
    "feature",
    "feature_order",
    "cluster_name",
    "is_fallback",
    "is_continued",
    "z_score",
    "centroid",
    "trait_rank",
    "trait_level",
    "is_logged",
    "lower_bound",
    "upper_bound",
    "fill_value",
    "scale_mean",
    "scale_deviation",
    "dropped_because",
]


def centroids(
    cluster_features: pd.DataFrame, cluster_selection: pd.DataFrame, previous_cluster_centroids: pd.DataFrame
) -> pd.DataFrame:
    """`customer.cluster_centroids`: where the clusters lie, on which scale, and what they are called."""
    import pandas as pd

    frame = ordered(cluster_features)
    before = previous_cluster_centroids[~previous_cluster_centroids["is_fallback"].astype(bool)]
    rows: list[dict[str, Any]] = []
    for name, features in SETS.items():
        k = chosen_k(cluster_selection, name)
        if k is not None:
            earlier = before[before["feature_set"] == name]
            rows += [{"feature_set": name, **row} for row in _clusters(features, frame, k, earlier)]
        elif len(frame):
            scales, _ = scaled(features, frame)
            rows += [{"feature_set": name, **row} for row in _rows(scales, 1, ALL, None, [], False)]
    return pd.DataFrame(rows, columns=CENTROIDS)


def _clusters(features: tuple[Feature, ...], frame: pd.DataFrame, k: int, before: pd.DataFrame) -> list[dict[str, Any]]:
    scales, points = scaled(features, frame)
    used = [scale for scale in scales if scale.dropped_because is None]
    numbers_before = np.unique(before["cluster"].to_numpy(dtype=np.int64))
    centres_before = _on_scale(used, before, numbers_before)
    fitted = points[fit_rows(frame)]
    centres = kmeans.fit_near(fitted, centres_before) if len(centres_before) == k else kmeans.fit(fitted, k)
    means = _means(frame["monetary"].to_numpy(dtype=np.float64), kmeans.nearest(points, centres), k)
    numbers, taken = kmeans_identity.number(centres, means, centres_before, numbers_before)
    order = np.argsort(numbers)
    centres, numbers, taken = centres[order], numbers[order], taken[order]
    said = kmeans_names.name_all(_nameable(used, centres), _traits_before(used, before, taken))
    phrases = [words(features, scale.feature) for scale in used]
    names = kmeans_names.distinct([kmeans_names.text(traits, phrases) for traits in said], numbers.tolist())
    rows: list[dict[str, Any]] = []
    for at, number in enumerate(numbers.tolist()):
        is_continued = bool(taken[at] != kmeans_identity.NOWHERE)
        rows += _rows(scales, number, names[at], centres[at], said[at], is_continued)
    return rows


def _nameable(used: list[Scale], centres: Points) -> Points:
    """The centroids without what names nothing: that fewer customers than usual have no value."""
    is_indicator = np.array([scale.feature.endswith(MISSING) for scale in used])
    return np.where(is_indicator & (centres < 0), 0.0, centres)


def _rows(
    scales: list[Scale], cluster: int, name: str, centre: Points | None, said: list[Trait], is_continued: bool
) -> list[dict[str, Any]]:
    rows, at = [], 0
    for order, scale in enumerate(scales, start=1):
        is_used = centre is not None and scale.dropped_because is None
        z = float(centre[at]) if is_used and centre is not None else None
        rank = next((n for n, trait in enumerate(said, start=1) if is_used and trait.feature == at), None)
        at += is_used
        rows.append(
            {
                "cluster": cluster,
                "feature": scale.feature,
                "feature_order": order,
                "cluster_name": name,
                "is_fallback": centre is None,
                "is_continued": is_continued,
                "z_score": z,
                "centroid": None if z is None else round(scale.value(z), 9) + 0.0,
                "trait_rank": rank,
                "trait_level": said[rank - 1].level if rank else None,
                "is_logged": scale.is_logged,
                "lower_bound": scale.lower,
                "upper_bound": scale.upper,
                "fill_value": scale.fill,
                "scale_mean": scale.mean,
                "scale_deviation": scale.sd,
                "dropped_because": scale.dropped_because,
            }
        )
    return rows


def _on_scale(used: list[Scale], before: pd.DataFrame, numbers: Labels) -> Points:
    """Earlier centroids on the present scale; 0, the average, where the earlier run did not use a feature."""
    found = np.zeros((len(numbers), len(used)))
    for at, scale in enumerate(used):
        rows = before[before["feature"] == scale.feature].set_index("cluster")["centroid"]
        raw = rows.reindex(numbers).to_numpy(dtype=np.float64, na_value=np.nan)
        found[:, at] = np.where(np.isnan(raw), 0.0, scale.coordinate(raw))
    return found


def _traits_before(used: list[Scale], before: pd.DataFrame, taken: Labels) -> dict[int, list[Trait]]:
    """What each cluster was named by in the run before, if all of that is still used."""
    positions = {scale.feature: at for at, scale in enumerate(used)}
    found: dict[int, list[Trait]] = {}
    for at, number in enumerate(taken.tolist()):
        rows = before[(before["cluster"] == number) & before["trait_rank"].notna()].sort_values("trait_rank")
        if set(rows["feature"]) <= set(positions):
            said = zip(rows["feature"], rows["trait_level"], strict=True)
            found[at] = [Trait(positions[feature], int(level)) for feature, level in said]
    return found


def _means(numbers: Points, labels: Labels, k: int) -> Points:
    counts = np.bincount(labels, minlength=k)
    return np.bincount(labels, weights=numbers, minlength=k) / np.maximum(counts, 1)
