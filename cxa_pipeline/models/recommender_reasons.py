"""Why an item is recommended, in words that a customer understands, and how many customers stand behind them.

Here: from the parts of a score to one reason per recommendation, with its counts. Not here: what each part and each
item of the history adds to a score (`recommender_hybrid.explain`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxa_pipeline.models.recommender_data import Ints, Training, counts
from cxa_pipeline.models.recommender_hybrid import Hybrid, explain
from cxa_pipeline.models.recommender_items import GRAM_CELLS, Linear, Neighbours
from cxa_pipeline.models.recommender_popularity import CategoryPopularity, SegmentPopularity
from cxa_pipeline.models.recommenders import Lists
from cxa_pipeline.models.sparse import has_entry, product

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BOUGHT, VIEWED, TOGETHER = "because_you_bought", "because_you_viewed", "bought_together"
IN_CATEGORY, IN_SEGMENT, POPULAR = "popular_in_category", "popular_in_segment", "popular"
REASONS = (BOUGHT, VIEWED, TOGETHER, IN_CATEGORY, IN_SEGMENT, POPULAR)


@dataclass(frozen=True)
class Reasons:
    """One entry per place of the lists.

    Attributes:
        kind: (users, n) positions in REASONS.
        item: (users, n) item of the user's history, -1 where the reason needs none.
        customers, of: (users, n) so many of so many customers: those with the recommended item among those with the
            item of the history; for popularity its buyers among the buyers of anything, within the user's category or
            group of customers.
    """

    kind: Ints
    item: Ints
    customers: Ints
    of: Ints


def basket_rules(model: Hybrid, known: Training) -> Neighbours:
    """What is bought together: the model's own part, or fitted for the purpose."""
    fitted = [p for p in model.parts.values() if isinstance(p, Neighbours) and p.kind == "basket"]
    return fitted[0] if fitted else Neighbours("basket").fit(known)


def reasons(model: Hybrid, known: Training, rules: Neighbours, users: Ints, lists: Lists) -> Reasons:
    """The reason of each recommendation: what adds most to its score.

    The parts of the score are what the user did (parts that are linear in the history), the user's categories, the
    user's group, and what everybody buys. Where the first adds most, the item of the history that adds most is named;
    `bought_together` where a basket rule leads from it to the recommended item.

    Args:
        model: Fitted.
        known: What it was fitted to.
        rules: From `basket_rules`.
        users: (users,).
        lists: Of these users.
    """
    if (lists.items < 0).all():
        nothing = np.zeros(lists.items.shape, dtype=np.int64)
        return Reasons(nothing, nothing - 1, nothing, nothing)
    explained = explain(model, known.strength, users, lists.items)
    share = {name: np.zeros(lists.items.shape) for name in ("history", "category", "segment", "all")}
    for name, part in model.parts.items():
        share[_source(part)] += explained.shares[name]
    most = np.argmax(np.stack(list(share.values())), axis=0)
    by_history = (most == 0) & (explained.reason >= 0) & (lists.scores > 0)
    item = np.where(by_history, explained.reason, -1)
    is_bought = has_entry(known.bought, np.broadcast_to(users[:, None], item.shape), item)
    rule = rules.similarity(np.maximum(item, 0).ravel(), np.maximum(lists.items, 0).ravel())
    is_together = is_bought & (rule.reshape(item.shape) > 0)
    kind = np.select(
        [by_history & is_together, by_history & is_bought, by_history, most == 1, most == 2],
        [REASONS.index(name) for name in (TOGETHER, BOUGHT, VIEWED, IN_CATEGORY, IN_SEGMENT)],
        REASONS.index(POPULAR),
    )
    kind = np.where(by_history | (lists.scores > 0), kind, REASONS.index(POPULAR))
    return _counted(known, users, lists.items, kind, item)


def _source(part: object) -> str:
    if isinstance(part, Linear):
        return "history"
    if isinstance(part, CategoryPopularity):
        return "category"
    return "segment" if isinstance(part, SegmentPopularity) else "all"


def _counted(known: Training, users: Ints, items: Ints, kind: Ints, item: Ints) -> Reasons:
    to = np.maximum(items, 0)
    buyers, has = known.bought, counts(known.seen)
    bought = counts(buyers)
    anything = int((np.diff(buyers.indptr) > 0).sum())
    customers = bought[to].astype(np.int64)
    of = np.full(items.shape, anything, dtype=np.int64)
    by_history = item >= 0
    customers[by_history] = together(known.seen, item[by_history], items[by_history])
    of[by_history] = has[item[by_history]]
    in_category = kind == REASONS.index(IN_CATEGORY)
    of[in_category] = _class_buyers(buyers, known.category)[known.category[to[in_category]]]
    in_segment = kind == REASONS.index(IN_SEGMENT)
    if in_segment.any():
        finest = next(iter(known.groups.values()))
        group = np.repeat(finest[users], items.shape[1]).reshape(items.shape)
        customers[in_segment], of[in_segment] = _group_buyers(buyers, finest, group[in_segment], items[in_segment])
    missing = items < 0
    return Reasons(kind, np.where(missing, -1, item), np.where(missing, 0, customers), np.where(missing, 0, of))


def together(seen: csr_array, of: Ints, to: Ints) -> Ints:
    """Customers who have both items of each pair, (n,)."""
    columns = seen.T.tocsr()
    found = np.zeros(len(of), dtype=np.int64)
    distinct, position = np.unique(of, return_inverse=True)
    step = max(1, GRAM_CELLS // max(seen.shape[1], 1))
    for begin in range(0, len(distinct), step):
        block = product(columns[distinct[begin : begin + step]], seen).toarray()
        at = (position >= begin) & (position < begin + step)
        found[at] = block[position[at] - begin, to[at]]
    return found


def _class_buyers(buyers: csr_array, category: Ints) -> Ints:
    """Customers who bought anything of each category."""
    row = np.repeat(np.arange(buyers.shape[0]), np.diff(buyers.indptr))
    classes = int(category.max(initial=-1)) + 1
    distinct = np.unique(row * classes + category[buyers.indices])
    return np.bincount(distinct % max(classes, 1), minlength=classes).astype(np.int64)


def _group_buyers(buyers: csr_array, codes: Ints, group: Ints, item: Ints) -> tuple[Ints, Ints]:
    """Buyers of each item in each group, and buyers of anything there."""
    row = np.repeat(np.arange(buyers.shape[0]), np.diff(buyers.indptr))
    width = buyers.shape[1]
    pair, number = np.unique(codes[row] * width + buyers.indices, return_counts=True)
    asked = group * width + item
    at = np.minimum(np.searchsorted(pair, asked), max(len(pair) - 1, 0))
    found = np.where(pair[at] == asked, number[at], 0) if len(pair) else np.zeros(len(asked), dtype=np.int64)
    anything = np.bincount(codes[np.unique(row)], minlength=int(codes.max(initial=-1)) + 1)
    return found.astype(np.int64), anything[group].astype(np.int64)
