"""Intervals and tests of differences, from their textbooks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from statistics import mean

Z = 1.959964


def wilson(k: float, n: int) -> tuple[float, float] | tuple[None, None]:
    """95 % score interval of k of n."""
    if not n:
        return None, None
    p, z2 = k / n, Z * Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def two_sided(z: float) -> float:
    """Probability of a normal value at least as far from 0."""
    return math.erfc(abs(z) / math.sqrt(2))


def corrected(values: Sequence[float | None]) -> list[float | None]:
    """Benjamini and Hochberg's q of those that are there."""
    there = sorted((p, place) for place, p in enumerate(values) if p is not None)
    result: list[float | None] = [None] * len(values)
    smallest = 1.0
    for rank in range(len(there), 0, -1):
        p, place = there[rank - 1]
        smallest = min(smallest, p * len(there) / rank)
        result[place] = smallest
    return result


def median_variance(values: Sequence[Decimal]) -> float:
    """Variance of a median from order statistics (Price and Bonett 2002)."""
    n, ordered = len(values), sorted(values)
    place = max(1, round((n + 1) / 2 - math.sqrt(n)))
    z = (n - 2 * place + 1) / math.sqrt(n)
    return (float(ordered[n - place] - ordered[place - 1]) / (2 * z)) ** 2


def mann_whitney(own: Sequence[Decimal], others: Sequence[Decimal]) -> tuple[float, float | None]:
    """Probability of more, ties counted half; p by the normal approximation with ties and continuity."""
    counts = Counter([*own, *others])
    ordered = sorted(others)
    wins = Counter(others)
    below = {value: sum(n for other, n in wins.items() if other < value) for value in set(own)}
    score = sum(below[value] + wins[value] / 2 for value in own)
    m, n = len(own), len(ordered)
    ties = sum(t**3 - t for t in counts.values())
    spread = m * n / 12 * ((m + n + 1) - ties / ((m + n) * (m + n - 1)))
    away = max(0.0, abs(score - m * n / 2) - 0.5)
    return score / (m * n), two_sided(away / math.sqrt(spread)) if spread else None


def standardised(
    groups: Sequence[Mapping[str, Sequence[float]]], weights: Mapping[str, int]
) -> tuple[int | None, list[float | None]]:
    """Members of the strata that all groups have, and the mean of each group at their mix."""
    common = [name for name in weights if all(group.get(name) for group in groups)]
    members = sum(weights[name] for name in common)
    if not members:
        return None, [None] * len(groups)
    return members, [sum(weights[name] * mean(group[name]) for name in common) / members for group in groups]
