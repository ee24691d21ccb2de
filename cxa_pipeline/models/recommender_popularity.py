"""Recommenders that know what sells: to everybody, to people alike, or within the categories that a user likes.

They are the baselines that every personal recommender has to beat, what a customer without a history gets, and parts
of the hybrid.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from cxa_pipeline.models.recommender_data import Floats, Ints, Training, counts
from cxa_pipeline.models.recommenders import scaled

PRIOR_CUSTOMERS = 30.0
PRIOR_STRENGTH = 5.0


class Popularity:
    """The share of buyers who bought an item: score = customers who bought it within `days` / the largest such count.

    Args:
        days: Length of the window up to the cut-off; None is all.
    """

    def __init__(self, days: int | None = None) -> None:
        self.days = days

    def fit(self, training: Training) -> Self:
        """Count customers by item."""
        self.values_ = scaled(counts(training.buyers(self.days))[None, :])[0]
        return self

    def scores(self, users: Ints) -> Floats:
        """The same row for every user."""
        return np.tile(self.values_, (len(users), 1))


class SegmentPopularity:
    """Popularity among people alike, drawn towards that of a wider group where there are few of them.

    From the widest to the finest group: p_g(i) = (c_g(i) + a·p_wider(i)) / (c_g + a), with c_g(i) the customers of
    group g who bought item i, c_g their sum over the items, and a = `prior` (Jelinek-Mercer style back-off with a
    Dirichlet prior, MacKay & Peto 1995). The widest group is everybody.

    Args:
        days: Length of the window up to the cut-off; None is all.
        prior: a, in customers.
    """

    def __init__(self, days: int | None = None, prior: float = PRIOR_CUSTOMERS) -> None:
        self.days = days
        self.prior = prior

    def fit(self, training: Training) -> Self:
        """Count customers by group and item."""
        from scipy.sparse import csr_array

        bought = training.buyers(self.days)
        total = counts(bought)
        rows = np.zeros(bought.shape[0], dtype=np.int64)
        table = (total / max(total.sum(), 1.0))[None, :]
        for codes in reversed(list(training.groups.values())):
            distinct, first, position = np.unique(codes, return_index=True, return_inverse=True)
            member = csr_array((np.ones(len(codes)), (position, np.arange(len(codes)))), (len(distinct), len(codes)))
            found = (member @ bought).toarray()
            table = (found + self.prior * table[rows[first]]) / (found.sum(axis=1, keepdims=True) + self.prior)
            rows = position
        self.rows_, self.table_ = rows, scaled(table)
        return self

    def scores(self, users: Ints) -> Floats:
        """The row of each user's finest group."""
        result: Floats = self.table_[self.rows_[users]]
        return result


class CategoryPopularity:
    """What sells within the categories that a user likes.

    score = q_u(c)·p(i | c): the user's share of category c of item i, q_u(c) = (s_uc + a·p_c) / (s_u + a) with s the
    decayed strengths, p_c everybody's share and a = `prior`; and the item's share of the category's buyers.

    Args:
        days: Window of the buyers; None is all.
        prior: a, in units of strength (5 is a purchase).
    """

    def __init__(self, days: int | None = None, prior: float = PRIOR_STRENGTH) -> None:
        self.days = days
        self.prior = prior

    def fit(self, training: Training) -> Self:
        """Learn tastes and shares."""
        from scipy.sparse import csr_array

        n = len(training.category)
        classes = int(training.category.max(initial=-1)) + 1
        member = csr_array((np.ones(n), (np.arange(n), training.category)), (n, classes))
        strength = (training.strength @ member).toarray()
        overall = strength.sum(axis=0)
        overall = overall / max(overall.sum(), 1e-300)
        sums = strength.sum(axis=1, keepdims=True)
        self.taste_ = (strength + self.prior * overall) / (sums + self.prior)
        sold = counts(training.buyers(self.days))
        of_category = np.bincount(training.category, weights=sold, minlength=classes)[training.category]
        self.share_ = np.divide(sold, of_category, out=np.zeros(n), where=of_category > 0)
        self.category_ = training.category
        self.is_known_ = training.known_users
        return self

    def scores(self, users: Ints) -> Floats:
        """Taste times share; 0 for users without a history."""
        found = self.taste_[users][:, self.category_] * self.share_
        found[~self.is_known_[users]] = 0.0
        return scaled(found)
