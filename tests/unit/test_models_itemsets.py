"""The three miners find the same itemsets, and those that others have counted."""

from __future__ import annotations

import csv
import gzip
import math
import os
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from cxa_pipeline.models import itemsets_exact
from cxa_pipeline.models.itemsets import Algorithm, Index, Itemsets, counts_in, incidence, mine
from cxa_pipeline.models.rules import rules

ALGORITHMS = get_args(Algorithm)
BREAD, MILK, DIAPERS, BEER, EGGS, COLA = range(6)
MARKET = [[BREAD, MILK], [BREAD, DIAPERS, BEER, EGGS], [MILK, DIAPERS, BEER, COLA], [BREAD, MILK, DIAPERS, BEER],
          [BREAD, MILK, DIAPERS, COLA]]  # fmt: skip
"""Table 6.1 of Tan, Steinbach & Kumar (2006), Introduction to Data Mining."""


def matrix(baskets: list[list[int]], items: int | None = None) -> Any:
    basket = np.repeat(np.arange(len(baskets)), [len(b) for b in baskets])
    item = np.array([i for b in baskets for i in b], dtype=np.int64)
    return incidence(basket, item, len(baskets), items if items is not None else int(item.max(initial=-1)) + 1)


def as_dict(found: Itemsets) -> dict[tuple[int, ...], int]:
    rows = [(tuple(r), c) for _, items, counts in found.levels() for r, c in zip(items.tolist(), counts.tolist(), strict=True)]  # fmt: skip
    assert len(dict(rows)) == len(rows) == len(found)
    return dict(rows)


def sizes(found: Itemsets) -> list[int]:
    return [len(counts) for counts in found.counts]


def brute_force(baskets: list[list[int]], min_count: int, max_length: int | None = None) -> dict[tuple[int, ...], int]:
    held = [set(b) for b in baskets]
    every = sorted(set().union(*held))
    longest = min(max_length or len(every), len(every))
    sets = [s for size in range(1, longest + 1) for s in combinations(every, size)]
    counted = {s: sum(set(s) <= b for b in held) for s in sets}
    return {s: n for s, n in counted.items() if n >= min_count}


def reference(name: str) -> Path:
    folder = os.environ.get("CXA_REFERENCE_DATA")
    if not folder:
        pytest.skip("CXA_REFERENCE_DATA is not set: no reference data on this machine")
    return Path(folder) / name


@pytest.fixture(scope="module")
def groceries() -> Any:
    path = reference("groceries/groceries.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8-sig") as file:
        rows = [[item for item in row if item] for row in csv.reader(file)]
    names = sorted({item for row in rows for item in row})
    return matrix([[names.index(item) for item in row] for row in rows])


@pytest.fixture(scope="module")
def fimi_retail() -> Any:
    with gzip.open(reference("fimi_retail/retail.dat.gz"), "rt") as file:
        return matrix([[int(item) for item in line.split()] for line in file])


@pytest.fixture(scope="module")
def online_retail() -> Any:
    import pandas as pd

    (path,) = reference("online_retail").glob("*.csv*")
    lines = pd.read_csv(path, dtype=str, encoding_errors="replace")
    lines.columns = [name.strip().lower().replace(" ", "") for name in lines.columns]
    number = next(n for n in lines.columns if n.startswith("invoice") and "date" not in n)
    lines = lines[lines["quantity"].astype(float) > 0]
    basket, _ = pd.factorize(lines[number])
    item, names = pd.factorize(lines["stockcode"], sort=True)
    return incidence(basket.astype(np.int64), item.astype(np.int64), int(basket.max()) + 1, len(names))


# --- What every algorithm does -------------------------------------------------------------------------------------


@pytest.fixture(params=ALGORITHMS)
def algorithm(request: pytest.FixtureRequest) -> Algorithm:
    return request.param  # type: ignore[no-any-return]


def test_a_market_of_five_baskets_is_mined_as_in_the_textbook(algorithm: Algorithm) -> None:
    found = as_dict(mine(matrix(MARKET), 3, algorithm=algorithm))
    assert found == {
        (BREAD,): 4, (MILK,): 4, (DIAPERS,): 4, (BEER,): 3,
        (BREAD, MILK): 3, (BREAD, DIAPERS): 3, (MILK, DIAPERS): 3, (DIAPERS, BEER): 3,
    }  # fmt: skip


@pytest.mark.parametrize("min_count", [1, 2, 3, 4, 5])
def test_all_subsets_counted_one_by_one_give_the_same(algorithm: Algorithm, min_count: int) -> None:
    assert as_dict(mine(matrix(MARKET), min_count, None, algorithm=algorithm)) == brute_force(MARKET, min_count)


@pytest.mark.parametrize("seed", range(6))
def test_random_baskets_are_counted_like_one_by_one(algorithm: Algorithm, seed: int) -> None:
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.05, 0.8, size=9)
    baskets = [np.flatnonzero(rng.random(9) < share).tolist() for _ in range(80)]
    for min_count, max_length in ((1, 3), (4, None), (9, 2), (15, 4)):
        found = mine(matrix(baskets, 9), min_count, max_length, algorithm=algorithm)
        assert as_dict(found) == brute_force(baskets, min_count, max_length)


def test_without_baskets_there_are_no_itemsets(algorithm: Algorithm) -> None:
    found = mine(matrix([], 0), 1, algorithm=algorithm)
    assert (len(found), found.items, found.baskets) == (0, (), 0)


def test_empty_baskets_count_as_baskets(algorithm: Algorithm) -> None:
    found = mine(matrix([[], [0], []], 1), 1, algorithm=algorithm)
    assert (as_dict(found), found.baskets) == ({(0,): 1}, 3)


def test_no_item_that_is_frequent_is_an_empty_result(algorithm: Algorithm) -> None:
    assert as_dict(mine(matrix(MARKET), 6, algorithm=algorithm)) == {}


def test_one_basket_holds_all_its_subsets(algorithm: Algorithm) -> None:
    found = mine(matrix([[0, 1, 2, 3, 4]]), 1, None, algorithm=algorithm)
    assert sizes(found) == [5, 10, 10, 5, 1] and set(as_dict(found).values()) == {1}


def test_equal_baskets_hold_all_subsets_equally_often(algorithm: Algorithm) -> None:
    found = mine(matrix([[0, 1, 2]] * 70), 70, None, algorithm=algorithm)
    assert sizes(found) == [3, 3, 1] and set(as_dict(found).values()) == {70}


def test_an_item_named_twice_in_a_basket_counts_once(algorithm: Algorithm) -> None:
    assert as_dict(mine(matrix([[0, 0, 1], [1, 0, 1]]), 1, algorithm=algorithm)) == {(0,): 2, (1,): 2, (0, 1): 2}


def test_the_order_of_rows_changes_nothing(algorithm: Algorithm) -> None:
    there, back = (mine(matrix(baskets), 1, None, algorithm=algorithm) for baskets in (MARKET, [b[::-1] for b in MARKET[::-1]]))  # fmt: skip
    assert all((a == b).all() for a, b in zip(there.items + there.counts, back.items + back.counts, strict=True))


def test_itemsets_are_as_long_as_is_allowed(algorithm: Algorithm) -> None:
    baskets = matrix([list(range(6))] * 3)
    assert [sizes(mine(baskets, 2, n, algorithm=algorithm)) for n in (1, 2, 5)] == [[6], [6, 15], [6, 15, 20, 15, 6]]


@pytest.mark.parametrize("most", [1, 4, 7, 12, 17])
def test_the_count_is_raised_to_the_least_that_keeps_the_number_of_itemsets(algorithm: Algorithm, most: int) -> None:
    found = mine(matrix(MARKET), 1, None, most, algorithm)
    every = brute_force(MARKET, 1)
    reach = {count: {s: n for s, n in every.items() if n >= count} for count in range(1, 7)}
    raised = min(count for count in reach if len(reach[count]) <= most)
    assert (found.min_count, found.asked_count, as_dict(found)) == (raised, 1, reach[raised])


def test_limits_below_one_are_refused(algorithm: Algorithm) -> None:
    for limits in ((0, 4, 10), (1, 0, 10), (1, 4, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            mine(matrix(MARKET), *limits, algorithm=algorithm)


def test_other_algorithms_are_refused() -> None:
    with pytest.raises(ValueError, match="eclat"):
        mine(matrix(MARKET), 1, algorithm="eclat")  # type: ignore[arg-type]


# --- The exact miner -----------------------------------------------------------------------------------------------


def test_baskets_that_explode_stay_within_the_bound() -> None:
    giants = [list(range(300))] * 6 + [[0, 1]] * 3
    found = mine(matrix(giants), 2, None, 1000)
    assert as_dict(found) == {(0,): 9, (1,): 9, (0, 1): 9} and found.min_count == 7


def test_blocks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    baskets = matrix([np.flatnonzero(rng.random(12) < 0.5).tolist() for _ in range(400)], 12)
    whole = as_dict(mine(baskets, 8, None))
    assert max(map(len, whole)) >= 5
    for dense_above in (2.0, 0.0):
        monkeypatch.setattr(itemsets_exact, "DENSE_ABOVE", dense_above)
        for name, cells in (("GRAM_CELLS", 40), ("DENSE_CELLS", 100), ("PAIR_WORDS", 3)):
            monkeypatch.setattr(itemsets_exact, name, cells)
        assert as_dict(mine(baskets, 8, None)) == whole


def test_counting_given_itemsets_agrees_with_mining(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    baskets = matrix([np.flatnonzero(rng.random(10) < 0.4).tolist() for _ in range(300)], 10)
    found = mine(baskets, 5, None)
    for limit in (65_536, 100):
        monkeypatch.setattr("cxa_pipeline.models.itemsets.COUNTED_BASKETS", limit)
        monkeypatch.setattr("cxa_pipeline.models.itemsets.COUNTED_WORDS", limit)
        for _, items, counts in found.levels():
            assert (counts_in(baskets, items) == counts).all()
    assert (counts_in(baskets[:0], found.items[0]) == 0).all()


def test_an_index_knows_the_place_of_every_itemset() -> None:
    found = mine(matrix(MARKET), 1, None)
    index = Index(found)
    for _, items, _ in found.levels():
        assert (index.places(items) == np.arange(len(items))).all()


# --- Golden numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("other", ["fpgrowth", pytest.param("apriori", marks=pytest.mark.slow)])
def test_groceries_at_one_in_a_thousand_has_13492_itemsets_which_mlxtend_finds_too(
    groceries: Any, other: Algorithm
) -> None:
    found = mine(groceries, 10, None)
    assert len(found) == 13_492
    assert as_dict(found) == as_dict(mine(groceries, 10, None, algorithm=other))


@pytest.mark.parametrize(("support", "confidence", "number"), [(0.001, 0.8, 410), (0.001, 0.5, 5668), (0.01, 0.5, 15)])
def test_groceries_has_as_many_rules_as_arules_finds(
    groceries: Any, support: float, confidence: float, number: int
) -> None:
    found = rules(mine(groceries, math.ceil(support * 9835), None))
    confident = found.n_both >= confidence * found.n_antecedent
    assert confident.sum() == number
    size = np.repeat(np.arange(len(found.antecedents)) + 2, [len(a) for a in found.antecedents])
    if number == 410:
        assert np.bincount(size[confident]).tolist() == [0, 0, 0, 29, 229, 140, 12]


def test_fimi_retail_has_the_known_itemsets(fimi_retail: Any) -> None:
    assert fimi_retail.shape[0] == 88_162 and fimi_retail.nnz == 908_576
    assert sizes(mine(fimi_retail, 89, None)) == [2117, 3260, 1794, 382, 36]
    assert [len(mine(fimi_retail, count, None)) for count in (88, 441, 882)] == [7712, 580, 159]


def test_raising_the_count_on_fimi_retail_gives_what_the_higher_count_gives(fimi_retail: Any) -> None:
    bounded = mine(fimi_retail, 40, 4, 8000)
    direct = mine(fimi_retail, bounded.min_count, 4, None)
    assert as_dict(bounded) == as_dict(direct)
    assert len(bounded) <= 8000 < len(mine(fimi_retail, bounded.min_count - 1, 4, None))


@pytest.mark.slow
@pytest.mark.parametrize(("other", "support", "at_least"), [("fpgrowth", 0.01, 1000), ("apriori", 0.02, 200)])
def test_online_retail_is_mined_like_mlxtend_mines_it(
    online_retail: Any, other: Algorithm, support: float, at_least: int
) -> None:
    count = math.ceil(support * online_retail.shape[0])
    found = as_dict(mine(online_retail, count, None))
    assert len(found) > at_least
    assert found == as_dict(mine(online_retail, count, None, algorithm=other))
