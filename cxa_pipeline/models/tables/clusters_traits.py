"""What the clusters of customers look like, feature by feature.

Here: `customer.cluster_traits`. Not here: sizes and money (`sql/customer/cluster_profiles.sql`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxa_pipeline.models.kmeans import Points
from cxa_pipeline.models.kmeans_names import Trait, phrase
from cxa_pipeline.models.kmeans_scaling import raw
from cxa_pipeline.models.tables.clusters_features import SETS, Feature, values, words

if TYPE_CHECKING:
    import pandas as pd

TRAITS = [
    "feature_set",
    "cluster",
    "feature",
    "cluster_name",
    "trait",
    "trait_rank",
    "z_score",
    "mean_value",
    "median_value",
    "overall_mean_value",
    "overall_median_value",
    "known_customers",
    "dropped_because",
]


def traits(cluster_features: pd.DataFrame, cluster_centroids: pd.DataFrame, clusters: pd.DataFrame) -> pd.DataFrame:
    """`customer.cluster_traits`: means, medians and z-scores per feature set, cluster and feature."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for name, features in SETS.items():
        members = clusters[clusters["feature_set"] == name][["customer_id", "cluster"]]
        known = values(features, members.merge(cluster_features, on="customer_id", sort=True))
        labels = members.sort_values("customer_id")["cluster"].to_numpy()
        of_set = cluster_centroids[cluster_centroids["feature_set"] == name]
        for row in of_set.sort_values(["cluster", "feature_order"]).to_dict("records"):
            column = raw(known, str(row["feature"]))
            rows.append(_row(features, row, column, column[labels == row["cluster"]]))
    return pd.DataFrame(rows, columns=TRAITS)


def _row(features: tuple[Feature, ...], row: dict[Any, Any], everybody: Points, members: Points) -> dict[str, Any]:
    kept = ("feature_set", "cluster", "feature", "cluster_name", "trait_rank", "z_score", "dropped_because")
    said = None
    if row["trait_level"] == row["trait_level"] and row["trait_level"] is not None:
        said = phrase(Trait(0, int(row["trait_level"])), [words(features, row["feature"])])
    return {
        **{name: row[name] for name in kept},
        "trait": said,
        "mean_value": _of_known(np.mean, members),
        "median_value": _of_known(np.median, members),
        "overall_mean_value": _of_known(np.mean, everybody),
        "overall_median_value": _of_known(np.median, everybody),
        "known_customers": int((~np.isnan(members)).sum()),
    }


def _of_known(figure: Any, numbers: Points) -> float | None:
    known = numbers[~np.isnan(numbers)]
    return float(figure(known)) if len(known) else None
