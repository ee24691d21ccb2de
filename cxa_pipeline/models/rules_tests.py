"""Tests of association for many 2 × 2 tables at once: Fisher's exact test, Pearson's chi-square, false discoveries.

Here: p-values and q-values from counts. Not here: the rules that they are about (`rules`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

NEGLIGIBLE = 1e-17


def fisher_greater(baskets: int, n_antecedent: Counts, n_consequent: Counts, n_both: Counts) -> Floats:
    """Fisher's exact test, one-sided: P(X >= n_both) for X ~ Hypergeometric(N, n_antecedent, n_consequent).

    The tail is the probability of its first term times a sum of ratios of neighbouring terms, which holds in the far
    tail as well (Fisher 1935; Hahsler & Hornik 2007 for rules). At or below the mean the other tail is summed.

    Args:
        baskets: N.
        n_antecedent, n_consequent, n_both: Counts of shape (n,).

    Returns:
        (n,) p-values; below the smallest double they are 0.
    """
    a, c, k = (np.asarray(counts, dtype=np.int64) for counts in (n_antecedent, n_consequent, n_both))
    lowest = np.maximum(a + c - baskets, 0)
    is_upper = k * baskets > a * c
    p_value = np.ones(len(k))
    upper, lower = np.flatnonzero(is_upper), np.flatnonzero(~is_upper & (k > lowest))
    p_value[upper] = _tail(baskets, a[upper], c[upper], k[upper], upwards=True)
    p_value[lower] = 1 - _tail(baskets, a[lower], c[lower], k[lower] - 1, upwards=False)
    return np.clip(p_value, 0.0, 1.0)


def _tail(baskets: int, a: Counts, c: Counts, k: Counts, upwards: bool) -> Floats:
    total = np.ones(len(k))
    at, term, x, a_, c_ = np.arange(len(k)), np.ones(len(k)), k.astype(float), a.astype(float), c.astype(float)
    while len(at):
        if upwards:
            x = x + 1
            term = term * ((a_ - x + 1) * (c_ - x + 1)) / (x * (baskets - a_ - c_ + x))
        else:
            term = term * (x * (baskets - a_ - c_ + x)) / ((a_ - x + 1) * (c_ - x + 1))
            x = x - 1
        total[at] += term
        goes_on = term > total[at] * NEGLIGIBLE
        at, term, x, a_, c_ = at[goes_on], term[goes_on], x[goes_on], a_[goes_on], c_[goes_on]
    tail: Floats = np.exp(_log_probability(baskets, a, c, k) + np.log(total))
    return tail


def _log_probability(baskets: int, a: Counts, c: Counts, k: Counts) -> Floats:
    """log P(X = k): log of C(a, k) C(N - a, c - k) / C(N, c)."""
    from scipy.special import gammaln

    def log_factorial(n: Counts) -> Floats:
        found: Floats = gammaln(n + 1.0)
        return found

    inside = log_factorial(a) - log_factorial(k) - log_factorial(a - k)
    outside = log_factorial(baskets - a) - log_factorial(c - k) - log_factorial(baskets - a - c + k)
    every = log_factorial(np.full_like(c, baskets)) - log_factorial(c) - log_factorial(baskets - c)
    return inside + outside - every


def chi_square(baskets: int, n_antecedent: Counts, n_consequent: Counts, n_both: Counts) -> tuple[Floats, Floats]:
    """Pearson's chi-square without continuity correction and its p-value (1 degree of freedom).

    Returns:
        chi-square and p-value, (n,); NaN where a margin is 0 or N.
    """
    from scipy.special import chdtrc

    a, c, k = (np.asarray(counts, dtype=np.float64) for counts in (n_antecedent, n_consequent, n_both))
    margins = a * c * (baskets - a) * (baskets - c)
    difference = k * baskets - a * c
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(margins > 0, baskets * difference**2 / margins, np.nan)
    return statistic, chdtrc(1.0, statistic)


def benjamini_hochberg(p_values: Floats, tests: int | None = None) -> Floats:
    """q-values: the smallest false discovery rate at which each would be reported (Benjamini & Hochberg 1995).

    q of the i-th smallest of m p-values is the least of p_j m / j over j >= i, at most 1.

    Args:
        p_values: (n,), without NaN.
        tests: m; larger than n where these p-values were chosen among more. The others count with p = 1, which never
            makes a q-value too small. By default n.
    """
    n = len(p_values)
    largest_first = np.argsort(p_values, kind="stable")[::-1]
    scaled = p_values[largest_first] * (tests or n) / np.arange(n, 0, -1)
    q_values = np.empty(n)
    q_values[largest_first] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return q_values
