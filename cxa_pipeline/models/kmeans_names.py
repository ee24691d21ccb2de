"""Names of clusters in plain words, made of where their centroids lie.

Here: which features name a cluster, and when a name changes. Not here: the words of each feature
(`tables.clusters_features`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cxa_pipeline.models.kmeans import Points

TRAITS = 2
FROM = 0.3
STRONG_FROM = 1.0
SLACK = 0.15
AVERAGE = "Like the average customer"

Words = tuple[str, str, str, str]
"""What is said of a cluster that lies far below, below, above and far above the average."""


@dataclass(frozen=True)
class Trait:
    """One thing that is special about a cluster.

    Args:
        feature: Position of the feature.
        level: -2 far below the average, -1 below, 1 above, 2 far above.
    """

    feature: int
    level: int


def traits(centroid: Points, count: int = TRAITS) -> list[Trait]:
    """The `count` features in which a cluster is furthest from the average, the furthest first.

    Features nearer than FROM standard deviations are left out; from STRONG_FROM on they are far.

    Args:
        centroid: (d,), in standard deviations from the average customer.
        count: The most traits to give.
    """
    order = np.lexsort((np.arange(len(centroid)), -np.abs(centroid)))[:count]
    return [Trait(int(at), _level(centroid[at])) for at in order if abs(centroid[at]) >= FROM]


def still_true(said: Sequence[Trait], centroid: Points) -> bool:
    """Whether traits that were said of a cluster may still be said of it: a level is left by more than SLACK."""
    for trait in said:
        z = centroid[trait.feature] * np.sign(trait.level)
        low, high = (STRONG_FROM, np.inf) if abs(trait.level) > 1 else (FROM, STRONG_FROM)
        if not low - SLACK <= z <= high + SLACK:
            return False
    return True


def name_all(centroids: Points, before: Mapping[int, Sequence[Trait]]) -> list[list[Trait]]:
    """The traits that name each cluster; two clusters get more than TRAITS where that tells them apart.

    Args:
        centroids: (k, d), in standard deviations from the average customer.
        before: By position, the traits that the cluster was named by in the run before.

    Returns:
        Traits for each cluster, the most telling first.
    """
    found = []
    for at, centroid in enumerate(centroids):
        said = list(before.get(at, ()))
        found.append(said if said and still_true(said, centroid) else traits(centroid))
    for count in range(TRAITS + 1, centroids.shape[1] + 1):
        for at in _repeated(found):
            found[at] = traits(centroids[at], count)
    return found


def text(said: Sequence[Trait], words: Sequence[Words]) -> str:
    """A name: `Buys often, spends very much`."""
    name = ", ".join(phrase(trait, words) for trait in said) or AVERAGE
    return name[0].upper() + name[1:]


def phrase(trait: Trait, words: Sequence[Words]) -> str:
    """The words of one trait."""
    return words[trait.feature][{-2: 0, -1: 1, 1: 2, 2: 3}[trait.level]]


def distinct(names: Sequence[str], numbers: Sequence[int]) -> list[str]:
    """Names that are all different: a repeated one is followed by the number of its cluster."""
    return [name if names.count(name) == 1 else f"{name} ({n})" for name, n in zip(names, numbers, strict=True)]


def _repeated(found: Sequence[list[Trait]]) -> list[int]:
    # The order of the traits makes no different cluster.
    keys = [frozenset(said) for said in found]
    return [at for at, key in enumerate(keys) if keys.count(key) > 1]


def _level(z: float) -> int:
    return (2 if abs(z) >= STRONG_FROM else 1) * (1 if z > 0 else -1)
