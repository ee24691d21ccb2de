"""Association rules with one item as consequent: which there are, how strong, how sure, and whether they last.

Here: candidates from itemsets, redundancy, the measures, and what later baskets say. Not here: the tests
(`rules_tests`), itemsets (`itemsets`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxa_pipeline.models.itemsets import Codes, Index, Itemsets, counts_in
from cxa_pipeline.models.rules_tests import benjamini_hochberg, chi_square, fisher_greater

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

Z = 1.959964
ONE_SIDED = 0.025


@dataclass(frozen=True)
class Rules:
    """All rules A → c of which A and c together are a frequent itemset: n rules, by size of the antecedent.

    Attributes:
        antecedents: By size from 1: codes of shape (m, size), ascending in each row; the rows of all sizes, one after
            the other, are those of the other attributes.
        consequent: Code of c.
        n_antecedent, n_consequent, n_both: Baskets that hold A, c, and both.
        is_redundant: A proper subset of A, the empty one included, has at least the confidence of this rule.
        baskets: Number of baskets.
        hypotheses: Number of rules that the search could have found, see `hypotheses`.
    """

    antecedents: tuple[Codes, ...]
    consequent: Codes
    n_antecedent: Codes
    n_consequent: Codes
    n_both: Codes
    is_redundant: Flags
    baskets: int
    hypotheses: int

    def __len__(self) -> int:
        return len(self.consequent)


@dataclass(frozen=True)
class Measures:
    """Strength and significance of n rules; NaN where a measure is not defined.

    Attributes:
        support: n_both / N.
        confidence: n_both / n_antecedent.
        lift: Confidence / support of the consequent.
        leverage: Support - product of the supports of both sides (Piatetsky-Shapiro 1991).
        conviction: (1 - support of the consequent) / (1 - confidence) (Brin et al. 1997); NaN where the confidence is
            1, that is `is_always`.
        is_always: Every basket with the antecedent holds the consequent.
        zhang: Leverage / max(s_AC (1 - s_A), s_A (s_C - s_AC)), from -1 to 1; 0 where that is 0 / 0 (Zhang 2000).
        p_value: Fisher's exact test, one-sided, that both sides meet more often than by chance.
        chi2, p_chi2: Pearson's chi-square without continuity correction, 1 degree of freedom.
        q_value: Benjamini-Hochberg over all rules that were tested, candidates or not.
    """

    support: Floats
    confidence: Floats
    lift: Floats
    leverage: Floats
    conviction: Floats
    is_always: Flags
    zhang: Floats
    p_value: Floats
    chi2: Floats
    p_chi2: Floats
    q_value: Floats


@dataclass(frozen=True)
class Replication:
    """What baskets that were not mined say about n rules; NaN where one side does not occur in them.

    Attributes:
        n_antecedent, n_consequent, n_both: Baskets of the later ones.
        confidence, lift: As in `Measures`, of the later baskets.
        lift_low: Lower end of the 95 % interval of the lift.
        p_value: As in `Measures`, of the later baskets.
        replicates: The lower end lies above 1, and the exact test agrees (p at most 0.025): with a handful of baskets
            the interval alone is too easily above 1. False where one side does not occur.
    """

    n_antecedent: Codes
    n_consequent: Codes
    n_both: Codes
    confidence: Floats
    lift: Floats
    lift_low: Floats
    p_value: Floats
    replicates: Flags


def rules(itemsets: Itemsets) -> Rules:
    """All rules with one item as consequent, without any filter but that of the itemsets.

    A rule is redundant if a more general one (the same consequent, fewer items before it, or none) is at least as
    confident (Bayardo, Agrawal & Gunopulos 2000; `is.redundant` of the R package arules).
    """
    index = Index(itemsets)
    known = [_Size(items, counts) for _, items, counts in itemsets.levels()]
    for size in range(1, len(known)):
        known[size].complete(index, known[size - 1], known[0], itemsets.baskets)
    if known:
        known[0].confidence = known[0].count[:, None] / max(itemsets.baskets, 1)
    return _collected(known, itemsets.baskets, hypotheses(itemsets))


def hypotheses(itemsets: Itemsets) -> int:
    """How many rules the search has tested: each frequent antecedent with each other frequent item.

    Most of them are no candidates, because both sides do not meet often enough. They count all the same: candidates
    were chosen by the very count that is tested, so that among them alone small p-values are common by chance (Webb
    2007, "Discovering significant patterns", section 3).
    """
    single = len(itemsets.counts[0]) if itemsets.counts else 0
    longest = itemsets.max_length or len(itemsets.counts) + 1
    return sum(len(counts) * (single - size) for size, _, counts in itemsets.levels() if size < longest)


class _Size:
    """The rules of the itemsets of one size: arrays (itemsets, size), a column for each place of the consequent."""

    def __init__(self, items: Codes, count: Codes) -> None:
        self.items = items
        self.count = count
        self.n_antecedent = np.zeros(items.shape, dtype=np.int64)
        self.n_consequent = np.zeros(items.shape, dtype=np.int64)
        self.confidence: Floats = np.zeros(items.shape)
        self.best_general: Floats = np.full(items.shape, -np.inf)

    def complete(self, index: Index, smaller: _Size, single: _Size, baskets: int) -> None:
        size = self.items.shape[1]
        general_confidence = single.count[:, None] / baskets if size == 2 else smaller.confidence
        # Where the itemset without one of its items stands among the smaller ones.
        without = [index.places(np.delete(self.items, place, axis=1)) for place in range(size)]
        for place in range(size):
            self.n_antecedent[:, place] = smaller.count[without[place]]
            self.n_consequent[:, place] = single.count[index.places(self.items[:, [place]])]
            self.confidence[:, place] = self.count / self.n_antecedent[:, place]
            for left_out in (other for other in range(size) if other != place):
                at = without[left_out], place - (left_out < place)
                general = np.maximum(general_confidence[at], smaller.best_general[at])
                self.best_general[:, place] = np.maximum(self.best_general[:, place], general)


def _collected(known: list[_Size], baskets: int, tests: int) -> Rules:
    sizes = known[1:]

    def flat(parts: list[Any], kind: type = np.int64) -> Any:
        return np.concatenate([np.zeros(0, dtype=kind), *(part.ravel() for part in parts)])

    return Rules(
        antecedents=tuple(_antecedents(size.items) for size in sizes),
        consequent=flat([size.items for size in sizes]),
        n_antecedent=flat([size.n_antecedent for size in sizes]),
        n_consequent=flat([size.n_consequent for size in sizes]),
        n_both=flat([np.repeat(size.count, size.items.shape[1]) for size in sizes]),
        is_redundant=flat([size.best_general >= size.confidence for size in sizes], np.bool_),
        baskets=baskets,
        hypotheses=tests,
    )


def _antecedents(items: Codes) -> Codes:
    size = items.shape[1]
    kept = np.array([[place for place in range(size) if place != left_out] for left_out in range(size)])
    return items[:, kept].reshape(-1, size - 1)


def measures(
    baskets: int, n_antecedent: Codes, n_consequent: Codes, n_both: Codes, tests: int | None = None
) -> Measures:
    """Strength and significance of rules from their counts.

    Args:
        baskets: Number of baskets, N.
        n_antecedent: Baskets with the antecedent, (n,), at least 1.
        n_consequent: Baskets with the consequent, (n,), at least 1.
        n_both: Baskets with both, (n,).
        tests: Number of rules of which these were chosen, see `hypotheses`; by default these are all.
    """
    n = max(baskets, 1)
    support, before, after = n_both / n, n_antecedent / n, n_consequent / n
    confidence = n_both / n_antecedent
    leverage = support - before * after
    is_always = n_both == n_antecedent
    span = np.maximum(support * (1 - before), before * (after - support))
    p_value = fisher_greater(baskets, n_antecedent, n_consequent, n_both)
    chi2, p_chi2 = chi_square(baskets, n_antecedent, n_consequent, n_both)
    with np.errstate(divide="ignore", invalid="ignore"):
        conviction = np.where(is_always, np.nan, (1 - after) / (1 - confidence))
        zhang = np.where(span > 0, leverage / span, 0.0)
    return Measures(
        support=support,
        confidence=confidence,
        lift=confidence / after,
        leverage=leverage,
        conviction=conviction,
        is_always=is_always,
        zhang=zhang,
        p_value=p_value,
        chi2=chi2,
        p_chi2=p_chi2,
        q_value=benjamini_hochberg(p_value, tests),
    )


def replicate(found: Rules, later: Any) -> Replication:
    """Look the rules up in baskets that were not mined.

    Args:
        found: The rules.
        later: CSR array of the later baskets with the same codes of items, see `itemsets.incidence`.
    """
    single = np.asarray(later.sum(axis=0), dtype=np.int64).ravel()
    n_antecedent, n_both, start = [], [], 0
    for rows in found.antecedents:
        consequent = found.consequent[start : start + len(rows)]
        n_antecedent.append(counts_in(later, rows))
        n_both.append(counts_in(later, np.column_stack([rows, consequent])))
        start += len(rows)
    nothing = np.zeros(0, dtype=np.int64)
    before, both = (np.concatenate([nothing, *parts]) for parts in (n_antecedent, n_both))
    after = single[found.consequent]
    lift, low = lift_interval(later.shape[0], before, after, both)
    with np.errstate(invalid="ignore"):
        confidence = both / np.where(before > 0, before, np.nan)
    p_value = np.where(np.isnan(lift), np.nan, fisher_greater(later.shape[0], before, after, both))
    with np.errstate(invalid="ignore"):
        replicates = (low > 1) & (p_value <= ONE_SIDED)
    return Replication(before, after, both, confidence, lift, low, p_value, replicates)


def lift_interval(baskets: int, n_antecedent: Codes, n_consequent: Codes, n_both: Codes) -> tuple[Floats, Floats]:
    """Lift, and the lower end of its two-sided 95 % interval.

    By the delta method for the logarithm under multinomial sampling (Agresti 2013, Categorical Data Analysis, section
    16.1): var ln(lift) = 1/n_AC - 1/n_A - 1/n_C + (2 lift - 1)/N. Both are 0 where the two sides never meet, and NaN
    where one of them does not occur.

    Returns:
        lift and lower end, (n,).
    """
    occurs = (n_antecedent > 0) & (n_consequent > 0)
    a, c = np.where(occurs, n_antecedent, 1).astype(float), np.where(occurs, n_consequent, 1).astype(float)
    both = np.maximum(n_both, 1).astype(float)
    n = max(baskets, 1)
    lift = both * n / (a * c)
    variance = np.maximum(1 / both - 1 / a - 1 / c + (2 * lift - 1) / n, 0.0)
    low = lift * np.exp(-Z * np.sqrt(variance))
    meets = n_both > 0
    return np.where(occurs, np.where(meets, lift, 0.0), np.nan), np.where(occurs, np.where(meets, low, 0.0), np.nan)


def expected_gain(leverage: Floats, price: Floats, margin: Floats) -> Floats:
    """What the rule brings per order: n_A/N (confidence - s_C) = leverage, times price and margin of the consequent.

    What would have been bought anyway is not counted. NaN where the price is not known.

    Args:
        leverage: Of the rules, (n,).
        price: Of the consequent, shop currency.
        margin: Share of the price that is earned, 0-1.
    """
    return leverage * price * margin
