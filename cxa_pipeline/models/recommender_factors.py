"""Linear recommenders whose similarity is found from all items together: EASE and PureSVD."""

from __future__ import annotations

from typing import Self

import numpy as np

from cxa_pipeline.models.recommender_data import Floats, Ints, Training, counts
from cxa_pipeline.models.recommender_items import most_frequent
from cxa_pipeline.models.recommenders import scaled
from cxa_pipeline.models.sparse import product

RIDGE = 200.0
EASE_ITEMS = 1_500
"""More items are left to other models: the similarity is a dense matrix, and is inverted."""
DENSE_ITEMS = 400
RANK = 64
POWER = 0.25


class EASE:
    """Embarrassingly shallow autoencoder: each item's column regressed on all others (Steck 2019, eqs. 7 and 8).

    P = (XᵀX + ridge·I)⁻¹, B_ij = -P_ij / P_jj, B_jj = 0, for X = 1 where a user has an item.

    Args:
        ridge: λ of the paper.
        items: The similarity covers so many of the most frequent items; others score 0.
    """

    def __init__(self, ridge: float = RIDGE, items: int = EASE_ITEMS) -> None:
        self.ridge = ridge
        self.items = items

    def fit(self, training: Training) -> Self:
        """Invert the Gram matrix."""
        self.strength_ = training.strength
        self.at_ = most_frequent(training, self.items)
        rows = training.seen[:, self.at_]
        gram = product(rows.T.tocsr(), rows).toarray()
        own = np.arange(len(gram))
        gram[own, own] += self.ridge
        inverse = np.linalg.inv(gram)
        self.weights_ = -inverse / np.diag(inverse)
        self.weights_[own, own] = 0.0
        self.place_ = np.full(len(training.category), -1, dtype=np.int64)
        self.place_[self.at_] = own
        return self

    def scores(self, users: Ints) -> Floats:
        """Sums of regression weights."""
        found = np.zeros((len(users), len(self.place_)))
        found[:, self.at_] = self.strength_[users][:, self.at_] @ self.weights_
        return scaled(found)

    def similarity(self, of: Ints, to: Ints) -> Floats:
        """The weight of each pair, 0 for items that are not covered."""
        row, column = self.place_[of], self.place_[to]
        is_covered = (row >= 0) & (column >= 0)
        found = np.zeros(len(of))
        found[is_covered] = self.weights_[row[is_covered], column[is_covered]]
        return found


class PureSVD:
    """Truncated singular value decomposition of the strengths (Cremonesi, Koren & Turrin 2010, eq. 7).

    With S the strengths and D the diagonal of the items' sums, S·D^-p ≈ U·Σ·Vᵀ of rank r; the score of user u is
    s_u·D^-p·V·Vᵀ·D^p, which needs nothing but the user's own history. p above 0 keeps the best sellers from filling
    the first vectors (the scaling of EigenRec, Nikolakopoulos et al. 2019, eq. 3, undone in the score).

    Args:
        rank: r; less if there are fewer users or items.
        power: p.
    """

    def __init__(self, rank: int = RANK, power: float = POWER) -> None:
        self.rank = rank
        self.power = power

    def fit(self, training: Training) -> Self:
        """Find the largest singular vectors."""
        from scipy.sparse import diags_array

        self.strength_ = training.strength
        sums = counts(self.strength_)
        self.scale_ = np.where(sums > 0, np.where(sums > 0, sums, 1.0) ** self.power, 0.0)
        inverse = np.divide(1.0, self.scale_, out=np.zeros_like(self.scale_), where=self.scale_ > 0)
        self.history_ = (self.strength_ @ diags_array(inverse)).tocsr()
        self.inverse_ = inverse
        self.vectors_ = self._vectors()
        return self

    def _vectors(self) -> Floats:
        rows = self.history_
        least = min(rows.shape)
        rank = min(self.rank, least)
        if not rows.nnz:
            return np.zeros((rows.shape[1], 0))
        if rank >= least - 1 or rows.shape[1] <= DENSE_ITEMS:
            gram = (rows.T @ rows).toarray()
            return np.ascontiguousarray(np.linalg.eigh(gram)[1][:, ::-1][:, :rank])
        from scipy.sparse.linalg import svds

        # A fixed start makes ARPACK give the same vectors for the same matrix.
        _, values, right = svds(rows, k=rank, v0=np.ones(least), return_singular_vectors="vh")
        return np.ascontiguousarray(right[np.argsort(-values)].T)

    def truncated(self, rank: int) -> PureSVD:
        """The same decomposition with fewer vectors."""
        made = PureSVD(rank, self.power)
        made.__dict__.update(self.__dict__)
        made.rank, made.vectors_ = rank, self.vectors_[:, :rank]
        return made

    def scores(self, users: Ints) -> Floats:
        """The user's strengths, projected."""
        return scaled(((self.history_[users] @ self.vectors_) @ self.vectors_.T) * self.scale_)

    def similarity(self, of: Ints, to: Ints) -> Floats:
        """Inner product of the items' vectors, on the scale of the scores."""
        product: Floats = np.einsum("nr,nr->n", self.vectors_[of], self.vectors_[to])
        return product * self.inverse_[of] * self.scale_[to]
