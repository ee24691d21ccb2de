"""What customers are clustered by: two sets of features, and what is said of a cluster that lies far from the average.

Here: names, logarithms and words, and the way from the table to points. Not here: how the features are computed
(`sql/customer/cluster_features.sql`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cxa_pipeline.models import kmeans, kmeans_scaling
from cxa_pipeline.models.kmeans import Labels, Points
from cxa_pipeline.models.kmeans_names import Words
from cxa_pipeline.models.kmeans_scaling import MISSING, Scale

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Feature:
    """A column of `customer.cluster_features`.

    Args:
        name: The column.
        words: What is said of a cluster far below, below, above and far above the average.
        is_logged: log(1 + value) is clustered: for amounts, counts and days, whose differences count as ratios.
        words_if_missing: What is said where more customers than usual have no value; None if another feature says
            so already: nobody has a cart rate who has no session.
    """

    name: str
    words: Words
    is_logged: bool = True
    words_if_missing: str | None = None


SETS: dict[str, tuple[Feature, ...]] = {
    "rfm": (
        Feature(
            "recency_days",
            (
                "bought very recently",
                "bought recently",
                "has not bought for long",
                "has not bought for very long",
            ),
        ),
        Feature("frequency", ("buys very seldom", "buys seldom", "buys often", "buys very often")),
        Feature("monetary", ("spends very little", "spends little", "spends much", "spends very much")),
    ),
    "behaviour": (
        Feature(
            "sessions_per_30_days",
            ("visits very seldom", "visits seldom", "visits often", "visits very often"),
        ),
        Feature(
            "cart_rate",
            (
                "hardly ever fills a cart",
                "seldom fills a cart",
                "often fills a cart",
                "fills a cart at most visits",
            ),
            is_logged=False,
        ),
        Feature(
            "categories",
            (
                "buys from very few categories",
                "buys from few categories",
                "buys from many categories",
                "buys from very many categories",
            ),
        ),
        Feature(
            "discount_share",
            (
                "pays the full price",
                "mostly pays the full price",
                "often buys on discount",
                "nearly always buys on discount",
            ),
            is_logged=False,
        ),
        Feature(
            "tenure_days",
            ("is very new", "is new", "is a customer of long standing", "is a customer of very long standing"),
        ),
        Feature(
            "median_days_between_orders",
            (
                "orders again very soon",
                "orders again soon",
                "takes long to order again",
                "takes very long to order again",
            ),
            words_if_missing="ordered on one day only",
        ),
        Feature("aov", ("very small orders", "small orders", "large orders", "very large orders")),
    ),
}
"""The features of each set, in the order in which they are clustered and shown."""


def values(features: tuple[Feature, ...], frame: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Columns of `customer.cluster_features` as doubles, NaN where there is no value."""
    return {feature.name: frame[feature.name].to_numpy(dtype=np.float64, na_value=np.nan) for feature in features}


def words(features: tuple[Feature, ...], name: str) -> Words:
    """The words of a feature, or of the indicator that it has no value."""
    for feature in features:
        if feature.name == name:
            return feature.words
        if feature.words_if_missing and feature.name + MISSING == name:
            return (feature.words_if_missing,) * 4
    raise KeyError(name)


def ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order of the customers."""
    return frame.sort_values("customer_id", ignore_index=True)


def scaled(features: tuple[Feature, ...], frame: pd.DataFrame) -> tuple[list[Scale], Points]:
    """The scales of a feature set and its indicators, learned from all customers, and the customers on them."""
    known = values(features, frame)
    logged = {feature.name for feature in features if feature.is_logged}
    unmarked = {feature.name for feature in features if feature.words_if_missing is None}
    scales = kmeans_scaling.learn(known, logged, unmarked)
    return scales, kmeans_scaling.points(known, scales)


def fit_rows(frame: pd.DataFrame) -> Labels:
    """Positions of the customers that are fitted: those with the smallest hashes, the same ones every night."""
    from pandas.util import hash_array

    if len(frame) <= kmeans.FIT_ROWS:
        return np.arange(len(frame))
    order = np.argsort(hash_array(frame["customer_id"].to_numpy(dtype=object)), kind="stable")
    return np.sort(order[: kmeans.FIT_ROWS])


def chosen_k(found: pd.DataFrame, feature_set: str) -> int | None:
    """The number of clusters that is chosen; None for a fallback, or where there is no row."""
    rows = found[(found["feature_set"] == feature_set) & found["is_chosen"].astype(bool)]
    rows = rows[~rows["is_fallback"].astype(bool)]
    return int(rows["k"].iloc[0]) if len(rows) else None
