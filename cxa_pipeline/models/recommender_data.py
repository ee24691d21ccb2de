"""What recommenders are fitted to: who did what with which product on which day, cut off at a day.

Here: the coded history, its decayed strengths, and what was bought how often. Users and items are positions 0..n-1 of
sorted ids; days are days since 1970. A model sees a `Training` and nothing else, so nothing after its day can reach
it. Not here: the recommenders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

HALF_LIFE_DAYS = 90.0
CAP = 5.0


@dataclass(frozen=True)
class History:
    """One entry per user, item and day on which the user did something with the item.

    Attributes:
        user: (n,) positions.
        item: (n,) positions.
        day: (n,) days since 1970.
        weight: (n,) largest weight of the day's events (view 1, wish list 2, cart 3, purchase 5 by default): a day
            counts once, so that neither reloads nor quantities inflate it.
        is_bought: (n,) whether the item was bought that day.
        users, items: how many there are.
    """

    user: Ints
    item: Ints
    day: Ints
    weight: Floats
    is_bought: Flags
    users: int
    items: int

    def __len__(self) -> int:
        return len(self.user)

    def where(self, rows: Flags) -> History:
        """The entries for which `rows` (n,) holds."""
        columns = ("user", "item", "day", "weight", "is_bought")
        return replace(self, **{name: getattr(self, name)[rows] for name in columns})

    def until(self, day: int) -> History:
        """What had happened at the end of a day."""
        return self.where(self.day <= day)

    def matrix(self, values: Floats | None = None) -> csr_array:
        """Sparse (users, items): the sum of `values` (n,), by default 1 where there is an entry."""
        from scipy.sparse import csr_array

        data = np.ones(len(self)) if values is None else values
        # Products of matrices with half as long indices take half the time.
        at = (self.user.astype(np.int32), self.item.astype(np.int32))
        made = csr_array((data, at), shape=(self.users, self.items))
        made.sum_duplicates()
        if values is None:
            made.data[:] = 1.0
        return made


@dataclass(frozen=True)
class Training:
    """A history up to the end of `day`, and attributes that do not change.

    Attributes:
        history: entries of days <= `day`; later ones are dropped when it is made by `training`.
        day: the cut-off.
        category: (items,) codes of categories.
        groups: codes (users,) of groups of users, the finest first, each contained in the next one.
        half_life: days after which an entry counts half.
        cap: largest strength of a user's interest in an item, by default one purchase today, so that what is bought
            every week does not drown the rest.
    """

    history: History
    day: int
    category: Ints
    groups: Mapping[str, Ints] = field(default_factory=dict)
    half_life: float = HALF_LIFE_DAYS
    cap: float = CAP

    @cached_property
    def strength(self) -> csr_array:
        """Sparse (users, items): sum of weight · 0.5^(age/half-life) over the days, at most `cap`."""
        h = self.history
        made = h.matrix(h.weight * 0.5 ** ((self.day - h.day) / self.half_life))
        made.data = np.minimum(made.data, self.cap)
        return made

    @cached_property
    def seen(self) -> csr_array:
        """Sparse (users, items): 1 where a user ever did something with an item."""
        return self.history.matrix()

    @cached_property
    def bought(self) -> csr_array:
        """Sparse (users, items): 1 where a user ever bought an item."""
        return self.history.where(self.history.is_bought).matrix()

    def buyers(self, days: int | None = None) -> csr_array:
        """Sparse (users, items): 1 where a user bought an item within the last `days`, by default ever."""
        h = self.history
        is_recent = h.is_bought if days is None else h.is_bought & (h.day > self.day - days)
        return h.where(is_recent).matrix()

    @cached_property
    def known_items(self) -> Flags:
        """(items,) whether anybody ever did something with the item."""
        result: Flags = np.bincount(self.history.item, minlength=self.history.items) > 0
        return result

    @cached_property
    def known_users(self) -> Flags:
        """(users,) whether the user ever did something."""
        result: Flags = np.bincount(self.history.user, minlength=self.history.users) > 0
        return result


def training(
    history: History,
    day: int,
    category: Ints,
    groups: Mapping[str, Ints] | None = None,
    half_life: float = HALF_LIFE_DAYS,
    cap: float = CAP,
) -> Training:
    """What is known at the end of a day."""
    return Training(history.until(day), day, category, groups or {}, half_life, cap)


def counts(matrix: csr_array) -> Floats:
    """Column sums (items,) of a sparse matrix."""
    # Of nothing, bincount gives integers.
    result: Floats = np.bincount(matrix.indices, weights=matrix.data, minlength=matrix.shape[1]).astype(np.float64)
    return result
