"""What is bought next: pairs of items on consecutive purchase days of a customer, and how long that took.

Here: the steps from one purchase day to the next, and counts, customers and days of each pair of items over them.
Not here: what counts as a purchase (`tables.baskets`), tests of association (`rules_tests`), items that are bought
together (`itemsets`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxa_pipeline.models.itemsets import Codes, incidence

Floats = NDArray[np.float64]

PRODUCT_CELLS = 8_000_000
EXPANDED_PAIRS = 4_000_000


@dataclass(frozen=True)
class Steps:
    """Steps from one purchase day of a customer to the next one, n of them.

    Attributes:
        customer: Code of the customer, (n,).
        days: Days between the two, at least 1, (n,).
        before, after: CSR arrays (n, items): what was bought on the earlier and on the later day.
    """

    customer: Codes
    days: Codes
    before: Any
    after: Any

    def __len__(self) -> int:
        return len(self.customer)


@dataclass(frozen=True)
class Pairs:
    """Pairs of items over steps, in the order of the codes: n pairs.

    Attributes:
        first, then: Codes of the items, (n,).
        n_first: Steps whose earlier day holds `first`.
        n_then: Steps whose later day holds `then`.
        n_both: Steps with both.
        customers: Distinct customers of these.
        median_days: Median of their days.
        min_customers: Fewest customers of a pair.
    """

    first: Codes
    then: Codes
    n_first: Codes
    n_then: Codes
    n_both: Codes
    customers: Codes
    median_days: Floats
    min_customers: int


def steps(customer: Codes, day: Codes, item: Codes, items: int, max_days: int, only_first: bool = False) -> Steps:
    """Pair each purchase day of a customer with his next one.

    Args:
        customer: Code of the customer of each line, from 0.
        day: Day of each line, as a number.
        item: Code of the item of each line, from 0 to items - 1.
        items: Number of items.
        max_days: A next purchase that comes later does not count.
        only_first: Take the step from a customer's first day to the second alone.
    """
    width = np.int64(day.max() - day.min() + 1) if len(day) else np.int64(1)
    key = customer * width + (day - day.min() if len(day) else day)
    visits, visit = np.unique(key, return_inverse=True)
    who, when = np.divmod(visits, width)
    bought = incidence(visit.astype(np.int64), item, len(visits), items)
    is_step = (who[1:] == who[:-1]) & (when[1:] - when[:-1] <= max_days)
    if only_first:
        is_step &= np.concatenate([[True], who[1:] != who[:-1]])[:-1]
    start = np.flatnonzero(is_step)
    return Steps(who[start], when[start + 1] - when[start], bought[start], bought[start + 1])


def pairs(taken: Steps, min_customers: int, max_pairs: int | None = None) -> Pairs:
    """Count the pairs of items that enough customers bought one after the other.

    Args:
        taken: The steps.
        min_customers: Fewest distinct customers of a pair.
        max_pairs: Most pairs; the fewest customers are raised until no more come out.
    """
    n_first, n_then = (np.asarray(m.sum(axis=0), dtype=np.int64).ravel() for m in (taken.before, taken.after))
    # A pair has no more customers than steps.
    keys = np.concatenate([np.zeros(0, dtype=np.int64), *_frequent(taken, min_customers)])
    place, customer, days = _occurrences(taken, keys)
    n_both, customers, median = _summary(place, customer, days, len(keys))
    lowest = min_customers
    if max_pairs is not None and (customers >= lowest).sum() > max_pairs:
        lowest = int(np.sort(customers)[::-1][max_pairs]) + 1
    wanted = customers >= lowest
    first, then = np.divmod(keys[wanted], taken.after.shape[1])
    return Pairs(first, then, n_first[first], n_then[then], n_both[wanted], customers[wanted], median[wanted], lowest)


def _frequent(taken: Steps, min_count: int) -> Iterator[Codes]:
    """Keys (first · items + then) of pairs with enough steps, ascending."""
    items = taken.after.shape[1]
    before = taken.before.T.tocsr()
    block = max(1, PRODUCT_CELLS // max(items, 1))
    for start in range(0, items, block):
        product = (before[start : start + block] @ taken.after).tocoo()
        often = product.data >= min_count
        yield np.sort((product.row[often].astype(np.int64) + start) * items + product.col[often])


def _occurrences(taken: Steps, keys: Codes) -> tuple[Codes, Codes, Codes]:
    """Place of the key, customer and days, for each step with each pair."""
    before, after = taken.before, taken.after
    n_before, n_after = (np.diff(m.indptr).astype(np.int64) for m in (before, after))
    ends = np.cumsum(n_before * n_after)
    found: list[tuple[Codes, Codes, Codes]] = [(np.zeros(0, dtype=np.int64),) * 3]
    expanded = int(ends[-1]) if len(ends) and len(keys) else 0
    cuts = np.searchsorted(ends, np.arange(0, expanded, EXPANDED_PAIRS), side="right")
    for start, stop in zip(cuts, np.append(cuts[1:], len(ends))[: len(cuts)], strict=True):
        at = np.arange(start, stop)
        number = n_before[at] * n_after[at]
        step = np.repeat(at, number)
        inside = np.arange(len(step)) - np.repeat(np.cumsum(number) - number, number)
        left, right = np.divmod(inside, n_after[step])
        first = before.indices[before.indptr[step] + left].astype(np.int64)
        then = after.indices[after.indptr[step] + right].astype(np.int64)
        key = first * after.shape[1] + then
        place = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        known = keys[place] == key
        found.append((place[known], taken.customer[step[known]], taken.days[step[known]]))
    place, customer, days = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return place, customer, days


def _summary(place: Codes, customer: Codes, days: Codes, n: int) -> tuple[Codes, Codes, Floats]:
    """Occurrences, distinct customers and median days of each of n pairs."""
    count = np.bincount(place, minlength=n).astype(np.int64)
    # Sorting one number is faster than sorting by two columns.
    width = np.int64(max(customer.max(initial=0), days.max(initial=0)) + 1)
    whose = np.sort(place * width + customer)
    is_new = np.ones(len(whose), dtype=np.bool_)
    is_new[1:] = whose[1:] != whose[:-1]
    customers = np.bincount(whose[is_new] // width, minlength=n).astype(np.int64)
    start = np.cumsum(count) - count
    after = np.sort(place * width + days) % width
    low, high = after[start + (count - 1) // 2], after[start + count // 2]
    return count, customers, (low + high) / 2
