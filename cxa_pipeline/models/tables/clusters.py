"""How many clusters of customers there are, and who is in which.

Here: `customer.cluster_selection`, `customer.clusters` and `customer.rfm_kmeans`. Not here: where the clusters lie
(`clusters_centroids`), what they look like (`clusters_traits`), the arithmetic (`cxa_pipeline.models.kmeans*`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from cxa_pipeline.models import kmeans, kmeans_choice, kmeans_identity, kmeans_scaling
from cxa_pipeline.models.kmeans import Labels, Points
from cxa_pipeline.models.kmeans_scaling import Scale
from cxa_pipeline.models.tables.clusters_features import SETS, Feature, chosen_k, fit_rows, ordered, scaled, values

if TYPE_CHECKING:
    import pandas as pd

SELECTION = [
    "feature_set",
    "k",
    "is_chosen",
    "reason",
    "is_fallback",
    "customers",
    "fitted_customers",
    "features",
    "dropped_features",
    "inertia",
    "silhouette",
    "davies_bouldin",
    "calinski_harabasz",
    "smallest_share",
    "stability",
]
CLUSTERS = [
    "feature_set",
    "customer_id",
    "cluster",
    "cluster_name",
    "distance_to_centroid",
    "silhouette",
    "nearest_cluster",
    "previous_cluster",
    "has_moved",
    "is_held",
    "is_fallback",
]


def selection(
    cluster_features: pd.DataFrame, parameters: pd.DataFrame, previous_cluster_selection: pd.DataFrame
) -> pd.DataFrame:
    """`customer.cluster_selection`: diagnostics per feature set and number of clusters, and which is chosen."""
    import pandas as pd

    frame = ordered(cluster_features)
    fixed = None if parameters["cluster_count"].isna().any() else int(parameters["cluster_count"].iloc[0])
    rows: list[dict[str, Any]] = []
    for name, features in SETS.items():
        if not len(frame):
            continue
        scales, points = scaled(features, frame)
        fitted = points[fit_rows(frame)]
        common = {
            "feature_set": name,
            "customers": len(frame),
            "fitted_customers": len(fitted),
            "features": ", ".join(s.feature for s in scales if s.dropped_because is None),
            "dropped_features": ", ".join(f"{s.feature} ({s.dropped_because})" for s in scales if s.dropped_because),
        }
        rows += [{**common, **row} for row in _judged(fitted, fixed, chosen_k(previous_cluster_selection, name))]
    return pd.DataFrame(rows, columns=SELECTION)


def _judged(points: Points, fixed: int | None, before: int | None) -> list[dict[str, Any]]:
    numbers = kmeans_choice.candidates(points, fixed)
    if not numbers:
        few = len(points) < kmeans_choice.LEAST_ROWS
        reason = f"fewer than {kmeans_choice.LEAST_ROWS} customers" if few else "all customers are alike"
        return [{"k": 1, "is_chosen": True, "reason": reason, "is_fallback": True}]
    found = kmeans_choice.diagnose(points, numbers)
    verdicts = kmeans_choice.choose(found, fixed, before)
    return [{**asdict(d), **asdict(v), "is_fallback": False} for d, v in zip(found, verdicts, strict=True)]


def clusters(
    cluster_features: pd.DataFrame,
    cluster_centroids: pd.DataFrame,
    parameters: pd.DataFrame,
    previous_clusters: pd.DataFrame,
) -> pd.DataFrame:
    """`customer.clusters`: the cluster of each customer in each feature set."""
    import pandas as pd

    frame = ordered(cluster_features)
    ratio = float(parameters["cluster_switch_ratio"].iloc[0])
    earlier = previous_clusters[~previous_clusters["is_fallback"].astype(bool)]
    found = []
    for name, features in SETS.items():
        fitted = cluster_centroids[cluster_centroids["feature_set"] == name].sort_values(["cluster", "feature_order"])
        if len(frame) and len(fitted):
            before = earlier[earlier["feature_set"] == name].set_index("customer_id")["cluster"]
            found.append(_assigned(features, frame, fitted, before, ratio).assign(feature_set=name))
    return pd.concat(found)[CLUSTERS] if found else pd.DataFrame(columns=CLUSTERS)


def _assigned(
    features: tuple[Feature, ...], frame: pd.DataFrame, fitted: pd.DataFrame, before: pd.Series[Any], ratio: float
) -> pd.DataFrame:
    import pandas as pd

    numbers, first = np.unique(fitted["cluster"].to_numpy(dtype=np.int64), return_index=True)
    names = fitted["cluster_name"].to_numpy()[first]
    result = pd.DataFrame({"customer_id": frame["customer_id"].to_numpy()})
    if fitted["is_fallback"].iloc[0]:
        return result.assign(
            cluster=1,
            cluster_name=names[0],
            distance_to_centroid=np.nan,
            silhouette=np.nan,
            nearest_cluster=1,
            previous_cluster=np.nan,
            has_moved=False,
            is_held=False,
            is_fallback=True,
        )
    used = fitted[fitted["z_score"].notna()]
    centres = used["z_score"].to_numpy(dtype=np.float64).reshape(len(numbers), -1)
    points = kmeans_scaling.points(values(features, frame), _scales(used[used["cluster"] == numbers[0]]))
    was = before.reindex(result["customer_id"]).fillna(kmeans_identity.NOWHERE).to_numpy(dtype=np.int64)
    at, closest, distance = _settled(points, centres, numbers, was, ratio)
    is_known = was != kmeans_identity.NOWHERE
    return result.assign(
        cluster=numbers[at],
        cluster_name=names[at],
        distance_to_centroid=distance,
        silhouette=kmeans.silhouettes(points, at),
        nearest_cluster=numbers[closest],
        previous_cluster=np.where(is_known, was, np.nan),
        has_moved=is_known & (was != numbers[at]),
        is_held=at != closest,
        is_fallback=False,
    )


def _settled(
    points: Points, centres: Points, numbers: Labels, was: Labels, ratio: float
) -> tuple[Labels, Labels, Points]:
    at, closest = np.empty(len(points), dtype=np.int64), np.empty(len(points), dtype=np.int64)
    distance = np.empty(len(points))
    for rows in kmeans.chunks(len(points)):
        measured = kmeans.distances(points[rows], centres)
        at[rows], closest[rows] = kmeans_identity.settle(measured, numbers, was[rows], ratio)
        distance[rows] = measured[np.arange(len(measured)), at[rows]]
    return at, closest, distance


def _scales(rows: pd.DataFrame) -> list[Scale]:
    return [
        Scale(
            feature=row["feature"],
            is_logged=bool(row["is_logged"]),
            lower=row["lower_bound"],
            upper=row["upper_bound"],
            fill=row["fill_value"],
            mean=row["scale_mean"],
            sd=row["scale_deviation"],
        )
        for row in rows.to_dict("records")
    ]


def rfm_kmeans(cluster_features: pd.DataFrame) -> pd.DataFrame:
    """`customer.rfm_kmeans`: each of recency, frequency and monetary value in four groups, 3 is best."""
    import pandas as pd

    frame = ordered(cluster_features)
    found = {"customer_id": frame["customer_id"].to_numpy()}
    for column, name in (("recency_days", "recency"), ("frequency", "frequency"), ("monetary", "monetary")):
        groups = kmeans.ordered_groups(frame[column].to_numpy(dtype=np.float64))
        # The fewest days since the last order are the best.
        found[f"{name}_cluster"] = groups.max(initial=0) - groups if name == "recency" else groups
    scores = pd.DataFrame(found)
    return scores.assign(overall_score=scores.drop(columns="customer_id").sum(axis=1))
