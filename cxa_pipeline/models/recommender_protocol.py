"""How recommenders are chosen and judged: on what was bought after a cut-off, by who had done something before it.

The split is global in time (Ji et al. 2023; a split per user lets a model learn from other users' future). A hybrid's
weights are found on (c - 28 days, c] by models fitted to what was known at c - 28 days; the report is on (c, end] by
models fitted to what was known at c. Here: the folds, the models, the choice and the report, all on arrays. Not here:
the measures (`evaluation`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxa_pipeline.models.evaluation import is_relevant, ndcg, per_user
from cxa_pipeline.models.recommender_data import Flags, Floats, History, Ints, Training, counts
from cxa_pipeline.models.recommender_factors import EASE, PureSVD
from cxa_pipeline.models.recommender_hybrid import find_weights
from cxa_pipeline.models.recommender_items import Interest, Neighbours
from cxa_pipeline.models.recommender_popularity import CategoryPopularity, Popularity, SegmentPopularity
from cxa_pipeline.models.recommenders import Lists, Recommender, order_by, recommend, top_k
from cxa_pipeline.models.sparse import has_entry

if TYPE_CHECKING:
    from scipy.sparse import csr_array

TEST_DAYS = 28
PLACES = 20
CHOICE_PLACE = 10
SEED = 7_331
TEST_USERS = 20_000
"""With more test users, so many are drawn, the same for all models."""
CHOICE_USERS = 1_000
CHOICE_CELLS = 5_000_000
"""Scores of one model that are held while weights are found."""
POOL = 40
"""So many best items of each model, for each user, are what hybrids are compared on."""
BASELINES = ("popularity_7", "popularity_28", "popularity_all", "popularity_segment_28", "popularity_segment_all")
HYBRID = "hybrid"
NARROW_RANK = 16
_NARROW, _WIDE = "svd_16", "svd_64"
_BY_SEGMENT = ("popularity_segment_28", "popularity_segment_all")
MODELS: dict[str, Callable[[], Recommender]] = {
    "popularity_7": lambda: Popularity(7),
    "popularity_28": lambda: Popularity(28),
    "popularity_all": Popularity,
    "popularity_segment_28": lambda: SegmentPopularity(28),
    "popularity_segment_all": SegmentPopularity,
    "popularity_category": CategoryPopularity,
    "interest": Interest,
    "item_cosine": Neighbours,
    "item_bm25": lambda: Neighbours("bm25"),
    "basket": lambda: Neighbours("basket"),
    "ease": EASE,
    _NARROW: lambda: PureSVD(NARROW_RANK),
    _WIDE: PureSVD,
}
"""Every recommender but the hybrid."""


@dataclass(frozen=True)
class Fold:
    """What was known at a cut-off, and what was bought after it.

    Attributes:
        known: what models are fitted to.
        relevant: sparse (users, items): bought after the cut-off by users who had not bought it before, of items that
            were known then and may be recommended.
        missed: (users,) how many items each bought that nobody knew at the cut-off.
        warm: users with a history at the cut-off and a relevant item.
        cold: users without a history and with a relevant item.
        allowed: (items,) known items that may be recommended.
    """

    known: Training
    relevant: csr_array
    missed: Ints
    warm: Ints
    cold: Ints
    allowed: Flags

    @property
    def unreachable_share(self) -> float:
        """Share of what was newly bought that nobody knew at the cut-off; NaN if nothing was."""
        new = self.relevant.nnz + int(self.missed.sum())
        return int(self.missed.sum()) / new if new else float("nan")


def fold(known: Training, history: History, until: int, sold: Flags) -> Fold:
    """Cut a history at the day of a training.

    Args:
        known: From `recommender_data.training`.
        history: The whole history.
        until: Last day of what is asked for.
        sold: (items,) whether an item is goods; what may be recommended today is not asked, because it was not
            recorded then.
    """
    after = history.where((history.day > known.day) & (history.day <= until) & history.is_bought)
    after = after.where(sold[after.item])
    old = known.bought
    after = after.where(~has_entry(old, after.user, after.item))
    is_known = known.known_items[after.item]
    relevant = after.where(is_known).matrix().tocsr()
    missed = np.diff(after.where(~is_known).matrix().indptr).astype(np.int64)
    has = np.diff(relevant.indptr) > 0
    return Fold(
        known,
        relevant,
        missed,
        np.flatnonzero(has & known.known_users),
        np.flatnonzero(has & ~known.known_users),
        known.known_items & sold,
    )


def drawn(users: Ints, most: int) -> Ints:
    """At most `most` of the users, ascending, drawn without replacement by a fixed seed."""
    if len(users) <= most:
        return users
    return np.sort(np.random.default_rng(SEED).choice(users, most, replace=False))


def fitted(known: Training, names: Collection[str] | None = None) -> dict[str, Recommender]:
    """Recommenders by name, fitted: those asked for, by default every one but the hybrid.

    Popularity in segments is left out by default where everybody is in the same one.
    """
    one_segment = all(len(np.unique(codes)) < 2 for codes in known.groups.values())
    wanted = [name for name in MODELS if not (one_segment and name in _BY_SEGMENT)] if names is None else names
    models = {name: MODELS[name]().fit(known) for name in wanted if name not in (_NARROW, _WIDE)}
    if _NARROW in wanted or _WIDE in wanted:
        wide = PureSVD().fit(known)
        models.update({_WIDE: wide, _NARROW: wide.truncated(NARROW_RANK)})
    return {name: models[name] for name in wanted}


def fallback_order(known: Training) -> Ints:
    """(items,) place of each item where nothing else is known: by buyers, then by strength."""
    bought, liked = counts(known.buyers()), counts(known.strength)
    return order_by(bought + liked / (1 + liked.max(initial=0.0)))


def lists(model: Recommender, asked: Fold, users: Ints, n: int = PLACES) -> Lists:
    """Lists of a model as of a fold's cut-off: nothing that the user had bought, everything else that was known."""
    return recommend(model, users, n, asked.allowed, asked.known.bought, fallback_order(asked.known))


@dataclass(frozen=True)
class Choice:
    """What the selection window says.

    Attributes:
        ndcg: of each model on the window's warm users, at `CHOICE_PLACE`.
        weights: of the hybrid's parts; they sum to 1.
        cold: the popularity model that did best for those without a history, or overall where there were none.
        users: how many warm users were asked.
    """

    ndcg: dict[str, float]
    weights: dict[str, float]
    cold: str
    users: int


def choose(models: dict[str, Recommender], asked: Fold) -> Choice:
    """Find the hybrid's weights and the model for new customers on a fold.

    Without warm users the hybrid is the overall popularity.
    """
    most = min(CHOICE_USERS, max(1, CHOICE_CELLS // max(len(asked.allowed), 1)))
    users = drawn(asked.warm, most)
    ndcg: dict[str, float] = dict.fromkeys(models, float("nan"))
    weights = {"popularity_all": 1.0}
    if len(users):
        measure = _Measure(models, asked, users)
        ndcg = {name: measure(found) for name, found in measure.scores.items()}
        weights, ndcg[HYBRID] = find_weights(measure.scores, measure)
    return Choice(ndcg, weights, _best_for_cold(models, asked, ndcg), len(users))


class _Measure:
    """nDCG of scores on some users of a fold, over each user's POOL best items of every model."""

    def __init__(self, models: dict[str, Recommender], asked: Fold, users: Ints) -> None:
        found = {name: self._open(asked, users, model.scores(users)) for name, model in models.items()}
        is_in = np.zeros((len(users), len(asked.allowed)), dtype=np.bool_)
        for scores in found.values():
            items, _ = top_k(scores, POOL)
            np.put_along_axis(is_in, np.maximum(items, 0), True, axis=1)
        self.items = _padded(is_in)
        self.scores = {name: self._pooled(scores) for name, scores in found.items()}
        relevant = asked.relevant[users]
        self.is_wanted = is_relevant(self.items, relevant)
        self.wanted = np.diff(relevant.indptr).astype(np.int64)

    def _open(self, asked: Fold, users: Ints, scores: Floats) -> Floats:
        """Scores as single floats, minus infinity where an item may not be recommended."""
        bought = asked.known.bought[users]
        made: Floats = scores.astype(np.float32)
        made[:, ~asked.allowed] = -np.inf
        made[np.repeat(np.arange(len(users)), np.diff(bought.indptr)), bought.indices] = -np.inf
        return made

    def _pooled(self, scores: Floats) -> Floats:
        made = np.take_along_axis(scores, np.maximum(self.items, 0), axis=1).astype(np.float64)
        made[self.items < 0] = -np.inf
        return made

    def __call__(self, scores: Floats) -> float:
        place, _ = top_k(scores, CHOICE_PLACE)
        hits = np.take_along_axis(self.is_wanted, np.maximum(place, 0), axis=1) & (place >= 0)
        return float(ndcg(hits, self.wanted, CHOICE_PLACE).mean())


def _padded(is_in: Flags) -> Ints:
    """Ascending positions of what is in each row, -1 at the end."""
    row, item = np.nonzero(is_in)
    sizes = is_in.sum(axis=1)
    made = np.full((len(is_in), int(sizes.max(initial=0))), -1, dtype=np.int64)
    made[row, np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)] = item
    return made


def _best_for_cold(models: dict[str, Recommender], asked: Fold, ndcg: dict[str, float]) -> str:
    names = [name for name in BASELINES if name in models]
    users = drawn(asked.cold, TEST_USERS)
    if not len(users):
        return max(names, key=lambda name: (ndcg[name] == ndcg[name], ndcg[name]))
    relevant = asked.relevant[users]
    found = {
        name: per_user(lists(models[name], asked, users, CHOICE_PLACE).items, relevant, CHOICE_PLACE)["ndcg"].mean()
        for name in names
    }
    return max(names, key=lambda name: found[name])
