"""cohort.ranking and cohort.drivers, computed anew in pandas from the months of the customers.

Here: a second implementation, written from the definitions and not from the SQL. Not here: who is in which cohort and
group (`cohorts`), the comparison with the SQL (`tests/integration`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tests.independent.cohorts import SCALE, SUMS, Cohorts, amount, first_day, name
from tests.independent.kpi import Row
from tests.independent.kpi_changes import shapley
from tests.independent.statistics import corrected, two_sided
from tests.independent.visits_effects import newcombe

Z = 1.959964
AGES = (1, 3, 6, 12)
METRICS = ("retention_rate", "cum_net_sales_per_customer", "average_sales_per_retained", "net_sales")
FACTORS = {
    "three factors": ("active_months_per_customer", "orders_per_active_month", "net_sales_per_order"),
    "six factors": (
        *("active_months_per_customer", "orders_per_active_month", "units_per_order"),
        *("gross_price_per_unit", "paid_share_of_gross", "kept_share_of_paid"),
    ),
}
DIMENSIONS = ("product", "category", "store", "device_type", "discount", "location", "subscription")


def comparable(cohorts: Cohorts, age: int) -> dict[int, list[str]]:
    """Customers of the cohorts that are not left-censored and whose month of this age has ended, the oldest first."""
    found: dict[int, list[str]] = defaultdict(list)
    for customer, month in sorted(cohorts.cohort_of.items()):
        if month != cohorts.censored and cohorts.has_ended(month + age):
            found[month].append(customer)
    return dict(sorted(found.items()))


def quotient(part: int, whole: int) -> Fraction | None:
    return Fraction(part, whole) if whole else None


def number_of(value: Fraction | None) -> float | None:
    return None if value is None else float(value)


# --- ranking -------------------------------------------------------------------------------------------------


@dataclass
class Sample:
    """Customers of one side with what is divided; money in whole numbers of its last decimal."""

    amounts: list[int]
    weights: list[int]
    divisor: int
    scale: int

    @property
    def value(self) -> Fraction | None:
        return quotient(sum(self.amounts), self.divisor * self.scale)

    @property
    def variance(self) -> float | None:
        """Of the value: linearised variance of the ratio of amounts and weights, blown up to the divisor."""
        n = len(self.amounts)
        if n <= 1 or not self.divisor:
            return None
        mean = Fraction(sum(self.amounts), sum(self.weights))
        rest = math.fsum(float(y - mean * a) ** 2 for y, a in zip(self.amounts, self.weights, strict=True))
        rest = 0.0 if rest < 1e-9 * math.fsum(float(y) ** 2 for y in self.amounts) else rest
        return rest * n / ((n - 1) * self.divisor**2) / self.scale**2


def ranking(cohorts: Cohorts) -> list[Row]:
    """cohort.ranking."""
    rows: list[Row] = []
    for age in AGES:
        found = comparable(cohorts, age)
        for metric in METRICS if len(found) >= 3 else ():
            samples = {month: _sample(cohorts, found[month], age, metric) for month in found}
            ranked = [_compared(cohorts, age, metric, month, samples) for month in samples]
            _judge(ranked)
            rows += ranked
    return rows


def _sample(cohorts: Cohorts, customers: list[str], age: int, metric: str) -> Sample:
    own = cohorts.months[cohorts.months["customer_id"].isin(customers)]
    now = own[own["age"] == age].set_index("customer_id")
    until = own[own["age"] <= age].groupby("customer_id")["net_sales"].sum()
    kept = [int(n > 0) for n in now["orders"].reindex(customers, fill_value=0)]
    ones = [1] * len(customers)
    if metric == "retention_rate":
        return Sample(kept, ones, len(customers), 1)
    if metric == "cum_net_sales_per_customer":
        return Sample([int(y) for y in until.reindex(customers, fill_value=0)], ones, len(customers), SCALE)
    money = [int(y) for y in now["net_sales"].reindex(customers, fill_value=0)]
    if metric == "net_sales":
        return Sample(money, ones, 1, SCALE)
    return Sample(money, kept, sum(kept), SCALE)


def _pooled(samples: Iterable[Sample]) -> Sample:
    every = list(samples)
    amounts = [y for sample in every for y in sample.amounts]
    weights = [a for sample in every for a in sample.weights]
    return Sample(amounts, weights, sum(sample.divisor for sample in every), every[0].scale)


def _compared(cohorts: Cohorts, age: int, metric: str, month: int, samples: dict[int, Sample]) -> Row:
    own, rest = samples[month], _pooled(sample for other, sample in samples.items() if other != month)
    is_rate = metric == "retention_rate"
    value, base = own.value, rest.value
    gap = None if value is None or base is None else value - base
    size, others = len(own.amounts), len(rest.amounts)
    low_n = size < cohorts.small
    low, high, p = None, None, None
    if is_rate:
        kept, everybody = sum(own.amounts) + sum(rest.amounts), size + others
        low_n = low_n or min(n * of for n in (size, others) for of in (kept, everybody - kept)) < 5 * everybody
        low, high = newcombe(float(value or 0), size, float(base or 0), others)
        pooled = kept / everybody
        error = math.sqrt(pooled * (1 - pooled) * (1 / size + 1 / others))
    else:
        variances = own.variance, rest.variance
        known = None not in variances and gap is not None
        error = math.sqrt(sum(v or 0.0 for v in variances)) if known else 0.0
        if known and gap is not None:
            low, high = float(gap) - Z * error, float(gap) + Z * error
    enough = is_rate or min(sum(own.weights), sum(rest.weights)) >= cohorts.small
    if gap is not None and error and enough and not low_n:
        p = two_sided(float(gap) / error)
    return {
        "period_index": age,
        "metric": metric,
        "cohort": name(month),
        "cohort_month": first_day(month),
        "cohort_size": size,
        "numerator": amount(sum(own.amounts) * SCALE // own.scale),
        "denominator": own.divisor,
        "value": value,
        "baseline_cohorts": len(samples) - 1,
        "baseline_numerator": amount(sum(rest.amounts) * SCALE // rest.scale),
        "baseline_denominator": rest.divisor,
        "baseline_value": number_of(base),
        "difference": number_of(gap),
        "difference_ci_low": low,
        "difference_ci_high": high,
        "p_value": p,
        "low_n": low_n,
        "currency": None if is_rate else cohorts.currency,
    }


def _judge(rows: list[Row]) -> None:
    """Add q-values, verdicts and places to the rows of one age and metric, and make their values numbers."""
    places = sorted({row["value"] for row in rows if not row["low_n"] and row["value"] is not None}, reverse=True)
    ranked = sum(not row["low_n"] and row["value"] is not None for row in rows)
    for row, q in zip(rows, corrected([row["p_value"] for row in rows]), strict=True):
        verdict = "not distinguishable"
        if q is not None and q < 0.05:
            verdict = "better" if row["difference"] > 0 else "worse"
        has_place = not row["low_n"] and row["value"] is not None
        row |= {
            "q_value": q,
            "verdict": None if row["low_n"] else verdict,
            "dense_rank": places.index(row["value"]) + 1 if has_place else None,
            "ranked_cohorts": ranked if has_place else None,
            "value": number_of(row["value"]),
        }


# --- drivers -------------------------------------------------------------------------------------------------


@dataclass
class Side:
    """Customers of one side and what they did up to an age, all and by dimension and group."""

    size: int
    active_months: int
    sums: dict[str, int]
    sizes: dict[tuple[str, str, str], int]
    nets: dict[tuple[str, str, str], int]

    @property
    def value(self) -> Fraction:
        return Fraction(self.sums["net_sales"], self.size * SCALE)

    def factors(self, dimension: str) -> list[Fraction] | None:
        """Factors of the value; None without an amount that was paid."""
        sums, paid = self.sums, self.sums["gross_sales"] - self.sums["discounts"]
        both = [Fraction(self.active_months, self.size), Fraction(sums["orders"], self.active_months)]
        if dimension == "three factors":
            return [*both, Fraction(sums["net_sales"], sums["orders"] * SCALE)]
        if paid <= 0:
            return None
        split = [(sums["units"], sums["orders"] * SCALE), (sums["gross_sales"], sums["units"])]
        split += [(paid, sums["gross_sales"]), (sums["net_sales"], paid)]
        return [*both, *(Fraction(part, whole) for part, whole in split)]


def drivers(cohorts: Cohorts) -> list[Row]:
    """cohort.drivers."""
    groups: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    for row in cohorts.groups:
        groups[row["customer_id"]].append((row["variant"], row["dimension_value"], row["dimension_name"]))
    rows = []
    for age in AGES:
        found = comparable(cohorts, age)
        months = sorted(found)
        for place, month in enumerate(months[1:], start=1):
            own = _side(cohorts, groups, found[month], age)
            earlier = months[:place]
            baselines = {
                "earlier": earlier,
                "previous": earlier[-1:],
                "year_ago": [m for m in earlier if m == month - 12],
            }
            for baseline, pooled in baselines.items():
                if pooled:
                    base = _side(cohorts, groups, [c for m in pooled for c in found[m]], age)
                    place_of = {"cohort": name(month), "baseline": baseline, "metric": METRICS[1], "period_index": age}
                    of_all = {**place_of, "baseline_cohorts": len(pooled), "currency": cohorts.currency}
                    rows += [{**of_all, **row} for row in _explained(cohorts.small, own, base)]
    return rows


def _side(cohorts: Cohorts, groups: dict[str, list[tuple[str, str, str]]], customers: Sequence[str], age: int) -> Side:
    own = cohorts.months[cohorts.months["customer_id"].isin(customers) & (cohorts.months["age"] <= age)]
    net = own.groupby("customer_id")["net_sales"].sum()
    sizes: dict[tuple[str, str, str], int] = defaultdict(int)
    nets: dict[tuple[str, str, str], int] = defaultdict(int)
    for customer in customers:
        for group in groups[customer]:
            sizes[group] += 1
            nets[group] += int(net.get(customer, 0))
    sums = {str(column): int(total) for column, total in own[SUMS].sum().items()}
    return Side(len(customers), int((own["orders"] > 0).sum()), sums, sizes, nets)


def _explained(small: int, own: Side, base: Side) -> list[Row]:
    gap = own.value - base.value
    rows: list[Row] = []
    for dimension, names in FACTORS.items():
        after, before = own.factors(dimension), base.factors(dimension)
        if after is not None and before is not None:
            effects = shapley([float(x) for x in before], [float(x) for x in after])
            for member, x, x0, effect in zip(names, after, before, effects, strict=True):
                factor: Row = {"level": "factor", "dimension": dimension, "member": member, "effect": effect}
                factor |= {"member_value": float(x), "member_baseline_value": float(x0)}
                factor |= {"member_share": None, "member_baseline_share": None}
                rows.append({**factor, "n_cohort": own.size, "n_baseline": base.size})
    for dimension in DIMENSIONS:
        found = sorted({group for group in (*own.sizes, *base.sizes) if group[0] == dimension})
        for group in found if len(found) > 1 else ():
            rows += _mix_and_rate(own, base, group)
    for row in rows:
        row |= {
            "share_of_change": row["effect"] / float(gap) if gap else None,
            "value": float(own.value),
            "baseline_value": float(base.value),
            "difference": float(gap),
            "low_n": min(row["n_cohort"], row["n_baseline"]) < small,
        }
    return rows


def _mix_and_rate(own: Side, base: Side, group: tuple[str, str, str]) -> list[Row]:
    n, n0 = own.sizes.get(group, 0), base.sizes.get(group, 0)
    w, w0 = Fraction(n, own.size), Fraction(n0, base.size)
    known, known0 = quotient(own.nets.get(group, 0), n * SCALE), quotient(base.nets.get(group, 0), n0 * SCALE)
    r: Any = known if known is not None else known0
    r0: Any = known0 if known0 is not None else known
    effects = {"mix": (w - w0) * ((r + r0) / 2 - (own.value + base.value) / 2)}
    if n and n0:
        effects["rate"] = (r - r0) * (w + w0) / 2
    return [
        {
            "level": level,
            "dimension": group[0],
            "member": group[1],
            "member_name": group[2],
            "member_value": number_of(known),
            "member_baseline_value": number_of(known0),
            "member_share": float(w),
            "member_baseline_share": float(w0),
            "effect": float(effect),
            "n_cohort": n,
            "n_baseline": n0,
        }
        for level, effect in effects.items()
    ]
