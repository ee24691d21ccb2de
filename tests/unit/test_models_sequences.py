"""Steps from one purchase day to the next, and the pairs of items on them."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise, product
from statistics import median
from typing import Any

import numpy as np
import pytest

from cxa_pipeline.models import sequences
from cxa_pipeline.models.sequences import Pairs, pairs, steps

Line = tuple[int, int, int]
A, B, C = range(3)
LINES: list[Line] = [
    (0, 10, A), (0, 10, B), (0, 15, B), (0, 15, B), (0, 40, A),
    (1, 3, A), (1, 10, B), (1, 10, C),
    (2, 7, C), (2, 200, A),
    (3, 5, A),
]  # fmt: skip
"""Customer, day, item."""


def arrays(lines: list[Line]) -> tuple[Any, Any, Any]:
    customer, day, item = np.array(lines, dtype=np.int64).reshape(-1, 3).T
    return customer, day, item


def found(lines: list[Line], items: int = 3, max_days: int = 90, least: int = 1, **more: Any) -> dict[Any, Any]:
    most = more.pop("most", None)
    return as_dict(pairs(steps(*arrays(lines), items, max_days, **more), least, most))


def as_dict(counted: Pairs) -> dict[tuple[int, int], tuple[float, ...]]:
    columns = (counted.n_first, counted.n_then, counted.n_both, counted.customers, counted.median_days)
    keys = zip(counted.first.tolist(), counted.then.tolist(), strict=True)
    return dict(zip(keys, zip(*(c.tolist() for c in columns), strict=True), strict=True))


def by_hand(lines: list[Line], max_days: int, least: int, only_first: bool = False) -> dict[Any, Any]:
    bought: dict[int, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for customer, day, item in lines:
        bought[customer][day].add(item)
    before, after = defaultdict(int), defaultdict(int)
    seen = defaultdict(list)
    for customer, days in bought.items():
        ordered = sorted(days)
        for place, (one, other) in enumerate(pairwise(ordered)):
            if other - one > max_days or (only_first and place):
                continue
            for item in days[one]:
                before[item] += 1
            for item in days[other]:
                after[item] += 1
            for pair in product(days[one], days[other]):
                seen[pair].append((customer, other - one))
    every = {p: (before[p[0]], after[p[1]], len(s), len({c for c, _ in s}), median(d for _, d in s)) for p, s in seen.items()}  # fmt: skip
    return {p: values for p, values in every.items() if values[3] >= least}


def test_pairs_of_four_customers_are_counted_as_by_hand() -> None:
    # Steps: customer 0 from AB to B in 5 days, then from B to A in 25; customer 1 from A to BC in 7.
    assert found(LINES) == {
        (A, B): (2, 2, 2, 2, 6.0),
        (A, C): (2, 1, 1, 1, 7.0),
        (B, A): (2, 1, 1, 1, 25.0),
        (B, B): (2, 2, 1, 1, 5.0),
    }


def test_a_next_purchase_on_the_last_day_counts_and_a_day_later_not() -> None:
    lines = [(0, 0, A), (0, 90, B), (1, 0, A), (1, 91, B)]
    assert found(lines) == {(A, B): (1, 1, 1, 1, 90.0)}


def test_the_first_step_of_each_customer_alone() -> None:
    assert set(found(LINES, only_first=True)) == {(A, B), (B, B), (A, C)}
    # A first step that came too late is not replaced by the second.
    assert found([(0, 0, A), (0, 100, B), (0, 101, C)], only_first=True) == {}


def test_a_customer_who_repeats_a_pair_counts_once_as_a_customer() -> None:
    assert found([(0, day, A) for day in (1, 4, 9)]) == {(A, A): (2, 2, 2, 1, 4.0)}
    assert found([(0, day, A) for day in (1, 4, 9)], least=2) == {}


def test_too_many_pairs_raise_the_fewest_customers() -> None:
    taken = steps(*arrays(LINES), 3, 90)
    bounded = pairs(taken, 1, 3)
    assert (as_dict(bounded), bounded.min_customers) == ({(A, B): (2, 2, 2, 2, 6.0)}, 2)
    assert pairs(taken, 1, 4).min_customers == 1


@pytest.mark.parametrize("lines", [[], [(0, 1, A)], [(0, 1, A), (1, 2, A)]])
def test_without_a_second_day_there_are_no_pairs(lines: list[Line]) -> None:
    assert found(lines) == {} and found([], items=0) == {}


@pytest.mark.parametrize("seed", range(5))
def test_random_purchases_are_counted_like_one_by_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    lines = list(zip(*(rng.integers(0, high, 600).tolist() for high in (25, 300, 6)), strict=True))
    for least, only_first in ((1, False), (4, False), (2, True)):
        assert found(lines, 6, 30, least, only_first=only_first) == by_hand(lines, 30, least, only_first)
    monkeypatch.setattr(sequences, "PRODUCT_CELLS", 8)
    monkeypatch.setattr(sequences, "EXPANDED_PAIRS", 5)
    assert found(lines, 6, 30, 3) == by_hand(lines, 30, 3)
