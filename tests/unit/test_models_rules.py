"""Measures, tests, redundancy and replication of rules; and rules that were planted."""

from __future__ import annotations

import math
from datetime import date
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from cxa_pipeline.models.itemsets import incidence, mine
from cxa_pipeline.models.rules import Measures, Rules, expected_gain, lift_interval, measures, replicate, rules
from cxa_pipeline.models.rules_tests import benjamini_hochberg, chi_square, fisher_greater

Held = list[set[int]]


def matrix(baskets: Held, items: int) -> Any:
    basket = np.repeat(np.arange(len(baskets)), [len(b) for b in baskets])
    item = np.array([i for b in baskets for i in sorted(b)], dtype=np.int64)
    return incidence(basket, item, len(baskets), items)


def random_baskets(seed: int, items: int = 7, n: int = 120) -> Held:
    rng = np.random.default_rng(seed)
    share = rng.uniform(0.15, 0.7, size=items)
    return [set(np.flatnonzero(rng.random(items) < share).tolist()) for _ in range(n)]


def measured(n: int, a: int, c: int, both: int) -> dict[str, float]:
    found = measures(n, *(np.array([count]) for count in (a, c, both)))
    return {name: values[0] for name, values in vars(found).items()}


def as_dict(found: Rules) -> dict[tuple[frozenset[int], int], int]:
    """Place of each rule."""
    before = [frozenset(row) for rows in found.antecedents for row in rows.tolist()]
    assert len(set(zip(before, found.consequent.tolist(), strict=True))) == len(found)
    return {rule: place for place, rule in enumerate(zip(before, found.consequent.tolist(), strict=True))}


def exact_tail(n: int, a: int, c: int, both: int) -> Fraction:
    ways = sum(math.comb(a, x) * math.comb(n - a, c - x) for x in range(both, min(a, c) + 1))
    return Fraction(ways, math.comb(n, c))


# --- Measures ------------------------------------------------------------------------------------------------------


def test_measures_of_a_hundred_eighty_and_twentyfour_of_a_thousand() -> None:
    found = measured(1000, 100, 80, 24)
    assert found["support"] == pytest.approx(0.024)
    assert found["confidence"] == pytest.approx(0.24)
    assert found["lift"] == pytest.approx(3.0)
    assert found["leverage"] == pytest.approx(0.016)
    assert found["conviction"] == pytest.approx(0.92 / 0.76) == pytest.approx(1.210526, abs=1e-6)
    assert found["zhang"] == pytest.approx(0.740741, abs=1e-6)
    assert found["p_value"] == pytest.approx(1.2291e-7, rel=1e-4)
    assert found["chi2"] == pytest.approx(38.647343, abs=1e-6)
    assert not found["is_always"]


def test_independent_sides_have_no_lift_no_leverage_and_no_zhang() -> None:
    found = measured(100, 50, 20, 10)
    assert [found[name] for name in ("lift", "leverage", "zhang", "chi2", "p_chi2", "conviction")] == pytest.approx(
        [1, 0, 0, 0, 1, 1], abs=1e-12
    )


def test_a_rule_that_always_holds_has_no_conviction() -> None:
    found = measured(100, 20, 40, 20)
    assert found["is_always"] and math.isnan(found["conviction"])
    assert found["confidence"] == 1 and found["zhang"] == pytest.approx((0.2 - 0.08) / (0.2 * 0.8))
    assert measured(100, 20, 20, 20)["zhang"] == pytest.approx(1.0)


def test_sides_that_never_meet_have_zhang_of_minus_one_and_p_of_one() -> None:
    found = measured(100, 20, 40, 0)
    assert (found["zhang"], found["lift"], found["p_value"]) == (pytest.approx(-1.0), 0.0, 1.0)


def test_a_consequent_in_every_basket_cannot_be_tested() -> None:
    found = measured(50, 20, 50, 20)
    assert math.isnan(found["chi2"]) and math.isnan(found["p_chi2"])
    assert (found["zhang"], found["leverage"], found["p_value"]) == (0.0, 0.0, 1.0)


def test_measures_of_no_rules_are_empty() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    found = measures(0, nothing, nothing, nothing)
    assert isinstance(found, Measures) and {len(values) for values in vars(found).values()} == {0}


def test_measures_agree_with_those_of_mlxtend() -> None:
    import pandas as pd
    from mlxtend.frequent_patterns import association_rules, fpgrowth

    held = random_baskets(4)
    frame = pd.DataFrame([[i in basket for i in range(7)] for basket in held])
    theirs = association_rules(fpgrowth(frame, min_support=0.0999, max_len=4), metric="support", min_threshold=0)
    theirs = theirs[theirs["consequents"].map(len) == 1]
    found = rules(mine(matrix(held, 7), 12, 4))
    mine_ = measures(found.baskets, found.n_antecedent, found.n_consequent, found.n_both)
    known = as_dict(found)
    assert len(theirs) == len(found) > 50
    for _, row in theirs.iterrows():
        at = known[row["antecedents"], next(iter(row["consequents"]))]
        ours = [getattr(mine_, name)[at] for name in ("support", "confidence", "lift", "leverage", "zhang")]
        assert ours == pytest.approx(list(row[["support", "confidence", "lift", "leverage", "zhangs_metric"]]))
        conviction = row["conviction"]
        assert mine_.conviction[at] == pytest.approx(conviction) if np.isfinite(conviction) else mine_.is_always[at]


# --- Tests ---------------------------------------------------------------------------------------------------------


def test_fishers_p_is_the_exact_tail_whatever_the_counts() -> None:
    rng = np.random.default_rng(11)
    for _ in range(300):
        n = int(rng.integers(2, 2000))
        a, c = (int(rng.integers(1, n + 1)) for _ in range(2))
        both = int(rng.integers(max(0, a + c - n), min(a, c) + 1))
        exact = float(exact_tail(n, a, c, both))
        (found,) = fisher_greater(n, *(np.array([count]) for count in (a, c, both)))
        assert found == pytest.approx(exact, rel=1e-9, abs=1e-300)


def test_fishers_p_keeps_its_digits_in_the_far_tail_and_at_large_counts() -> None:
    far = (20_000, 150, 140, 110)
    exact = exact_tail(*far)
    assert exact < Fraction(1, 10**180)
    (found,) = fisher_greater(far[0], *(np.array([count]) for count in far[1:]))
    assert found == pytest.approx(float(exact), rel=1e-9)
    from scipy.stats import hypergeom

    (large,) = fisher_greater(1_000_000, np.array([60_000]), np.array([50_000]), np.array([3_100]))
    assert large == pytest.approx(hypergeom.sf(3_099, 1_000_000, 60_000, 50_000), rel=1e-6)


def test_fishers_p_of_what_must_happen_is_one_and_of_the_impossible_almost_nothing() -> None:
    found = fisher_greater(10, np.array([8, 10]), np.array([7, 10]), np.array([5, 10]))
    assert found.tolist() == [1.0, 1.0]
    assert fisher_greater(10**6, *(np.array([count]) for count in (5000, 5000, 5000)))[0] == 0.0


def test_chi_square_is_that_of_scipy() -> None:
    from scipy.stats import chi2_contingency

    table = [[24, 76], [56, 844]]
    theirs = chi2_contingency(table, correction=False)
    (statistic,), (p_value,) = chi_square(1000, np.array([100]), np.array([80]), np.array([24]))
    assert (statistic, p_value) == (pytest.approx(theirs.statistic), pytest.approx(theirs.pvalue))


def test_q_values_are_those_of_benjamini_and_hochberg() -> None:
    given = np.array([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205])
    expected = [0.008, 0.032, 0.0672, 0.0672, 0.0672, 0.08, 0.084571, 0.205]
    assert benjamini_hochberg(given) == pytest.approx(expected, abs=1e-6)
    shuffled = np.random.default_rng(0).permutation(8)
    assert benjamini_hochberg(given[shuffled]) == pytest.approx(np.array(expected)[shuffled], abs=1e-6)


def test_q_values_are_never_below_p_and_never_above_one() -> None:
    p_values = np.random.default_rng(1).uniform(size=500) ** 2
    q_values = benjamini_hochberg(p_values)
    assert (q_values >= p_values).all() and q_values.max() <= 1
    assert (np.diff(q_values[np.argsort(p_values)]) >= 0).all()
    assert benjamini_hochberg(np.zeros(0)).tolist() == []


def test_tests_that_were_not_kept_count_with_p_of_one() -> None:
    kept = np.array([0.001, 0.012, 0.03])
    everything = np.append(kept, np.ones(97))
    assert benjamini_hochberg(kept, 100) == pytest.approx(benjamini_hochberg(everything)[:3])


# --- Candidates and redundancy -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_candidates_and_their_counts_are_those_counted_one_by_one(seed: int) -> None:
    held = random_baskets(seed)

    def count(items: set[int] | frozenset[int]) -> int:
        return sum(items <= basket for basket in held)

    found = rules(mine(matrix(held, 7), 6, 4))
    expected = {}
    for size in (2, 3, 4):
        for itemset in map(frozenset, combinations(range(7), size)):
            if count(itemset) >= 6:
                expected |= {(itemset - {c}, c): count(itemset) for c in itemset}
    known = as_dict(found)
    assert set(known) == set(expected)
    for (before, after), both in expected.items():
        at = known[before, after]
        assert [found.n_antecedent[at], found.n_consequent[at], found.n_both[at]] == [
            count(before),
            count({after}),
            both,
        ]
        general = [frozenset(s) for size in range(len(before)) for s in combinations(before, size)]
        confidences = [Fraction(count(s | {after}), count(s)) for s in general]
        assert found.is_redundant[at] == (max(confidences) >= Fraction(both, count(before)))


def test_a_rule_as_confident_as_its_consequent_is_frequent_is_redundant() -> None:
    held: Held = [{0, 1}, {0}, {1}, set()]
    assert rules(mine(matrix(held, 2), 1)).is_redundant.tolist() == [True, True]


def test_no_itemsets_make_no_rules() -> None:
    for baskets, count in (([], 1), ([{0}, {0}], 1), ([{0, 1}], 2)):
        found = rules(mine(matrix(baskets, 2), count))
        assert (len(found), sum(map(len, found.antecedents))) == (0, 0)


def test_every_frequent_antecedent_is_tested_with_every_other_frequent_item() -> None:
    # Frequent: a, b, c, d and ab. Without a limit ab is an antecedent, of two items at most it is none.
    held: Held = [{0, 1}] * 3 + [{2}] * 3 + [{3}] * 3
    for max_length, number in ((None, 4 * 3 + 1 * 2), (3, 4 * 3 + 1 * 2), (2, 4 * 3)):
        assert rules(mine(matrix(held, 4), 3, max_length)).hypotheses == number


# --- Later baskets and money ---------------------------------------------------------------------------------------


def test_replication_counts_in_the_later_baskets_alone() -> None:
    found = rules(mine(matrix([{0, 1, 2}] * 3 + [{0, 1}, {2}, {3}, {0, 3}], 4), 1, 3))
    later: Held = [{0, 1}, {0, 1}, {0}, {1}, {2}, set()]
    seen = replicate(found, matrix(later, 4))
    at = as_dict(found)
    one = at[frozenset({0}), 1]
    assert [seen.n_antecedent[one], seen.n_consequent[one], seen.n_both[one]] == [3, 3, 2]
    assert (seen.confidence[one], seen.lift[one]) == (pytest.approx(2 / 3), pytest.approx(2 * 6 / 9))
    assert seen.p_value[one] == pytest.approx(float(exact_tail(6, 3, 3, 2))) and not seen.replicates[one]
    never = at[frozenset({0, 1}), 2]
    assert [seen.n_antecedent[never], seen.n_both[never], seen.lift[never], seen.lift_low[never]] == [2, 0, 0.0, 0.0]
    absent = at[frozenset({3}), 0]
    assert seen.n_antecedent[absent] == 0
    assert all(math.isnan(values[absent]) for values in (seen.confidence, seen.lift, seen.lift_low, seen.p_value))


def test_a_rule_replicates_if_interval_and_exact_test_agree() -> None:
    found = rules(mine(matrix([{0, 1}] * 9 + [{2}] * 9, 3), 1, 2))
    # The interval begins above 1 each time; two baskets of ten and ten in 300 still come about by chance (p = .04).
    for both, replicates in ((2, False), (3, True)):
        later: Held = [{0, 1}] * both + [{0}] * (10 - both) + [{1}] * (10 - both) + [{2}] * (280 + both)
        seen = replicate(found, matrix(later, 3))
        one = as_dict(found)[frozenset({0}), 1]
        assert seen.lift_low[one] > 1 and seen.p_value[one] == pytest.approx(float(exact_tail(300, 10, 10, both)))
        assert seen.replicates[one] == replicates


def test_the_lower_end_of_lift_is_that_of_the_multinomial_delta_method() -> None:
    n, a, c, both = 2000, 200, 300, 60
    (lift,), (low,) = lift_interval(n, np.array([a]), np.array([c]), np.array([both]))
    p = np.array([both, a - both, c - both, n - a - c + both]) / n
    slope = np.array([1 / p[0] - n / a - n / c, -n / a, -n / c, 0.0])
    variance = (p @ slope**2 - (p @ slope) ** 2) / n
    assert (lift, low) == (pytest.approx(2.0), pytest.approx(2.0 * math.exp(-1.959964 * math.sqrt(variance))))


def test_the_lower_end_of_lift_lies_above_one_by_chance_in_a_fortieth_of_draws() -> None:
    rng = np.random.default_rng(5)
    x = rng.multinomial(5000, [0.02, 0.18, 0.08, 0.72], size=20_000)
    _, low = lift_interval(5000, x[:, 0] + x[:, 1], x[:, 0] + x[:, 2], x[:, 0])
    assert (low > 1).mean() == pytest.approx(0.025, abs=0.006)


def test_what_would_have_been_bought_anyway_is_no_gain() -> None:
    n, a, c, both, price, margin = 1000, 100, 80, 24, 12.5, 0.4
    leverage = measured(n, a, c, both)["leverage"]
    by_hand = a / n * (both / a - c / n) * price * margin
    assert expected_gain(np.array([leverage]), np.array([price]), np.array([margin])) == pytest.approx([by_hand])


# --- What is there is found, what is not there is not --------------------------------------------------------------


def significant(baskets: Any, min_count: int) -> tuple[Rules, list[tuple[tuple[int, ...], int]]]:
    """Rules that are not redundant, with lift above 1 and q below .05: antecedent and consequent."""
    found = rules(mine(baskets, min_count))
    given = measures(found.baskets, found.n_antecedent, found.n_consequent, found.n_both, found.hypotheses)
    chosen = ~found.is_redundant & (given.lift > 1) & (given.q_value < 0.05)
    before = [tuple(row) for rows in found.antecedents for row in rows.tolist()]
    return found, [(before[at], int(found.consequent[at])) for at in np.flatnonzero(chosen)]


def test_baskets_of_independent_items_have_candidates_but_hardly_ever_a_rule() -> None:
    shops_with_rules = candidates = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        weight = 1 / np.arange(1, 101)
        sizes = 1 + rng.poisson(2.0, 2000)
        drawn = [rng.choice(100, size, replace=False, p=weight / weight.sum()) for size in sizes]
        found, kept = significant(matrix([set(d.tolist()) for d in drawn], 100), 5)
        candidates += len(found)
        shops_with_rules += bool(kept)
    assert candidates > 10_000 and shops_with_rules <= 0.05 * 20


def planted_shop(seed: int) -> tuple[Any, Any, set[tuple[int, int]]]:
    """Baskets of a year of the synthetic shop, categories of its products, and the pairs planted in it."""
    from cxa_pipeline.synthetic import ShopConfig, build_shop
    from cxa_pipeline.synthetic.orders import STATUSES
    from cxa_pipeline.synthetic.sales import REFUNDED

    start, end = date(2024, 1, 1), date(2024, 12, 31)
    shop = build_shop(ShopConfig(seed=seed, start=start, end=end, new_customers_per_day=2.5))
    sales, catalog = shop.sales, shop.catalog
    is_valid = np.isin(sales.status, (0, len(STATUSES) - 1, REFUNDED))
    wanted = is_valid & (sales.quantity > 0) & (sales.product < catalog.goods)
    orders, basket = np.unique(sales.order_number[wanted], return_inverse=True)
    baskets = incidence(basket, sales.product[wanted], len(orders), catalog.goods)
    planted = {(int(a), int(catalog.partner[a])) for a in np.flatnonzero(catalog.partner >= 0)}
    return baskets, catalog.category, planted | {(b, a) for a, b in planted}


def test_planted_pairs_are_found_and_few_other_rules_have_no_reason_in_how_the_shop_was_made() -> None:
    kept_rules = without_reason = 0
    for seed in range(1, 21):
        baskets, category, planted = planted_shop(seed)
        _, kept = significant(baskets, 5)
        assert len(planted) == 24 and planted <= {(before[0], after) for before, after in kept if len(before) == 1}
        for before, after in kept:
            kept_rules += 1
            # Customers have a favourite category: products of one category are bought together as well.
            without_reason += not any((item, after) in planted or category[item] == category[after] for item in before)
    assert without_reason <= 0.05 * kept_rules
