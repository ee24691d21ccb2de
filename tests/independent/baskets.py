"""The tables of basket, computed anew in plain Python: every subset of every basket counted, exact fractions.

Here: a second implementation, written from the definitions and not from the models, slow and simple; rows as the
tables have them, keys between bars. Not here: the rows of the shop (`shop`), the comparison (`tests/integration`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import combinations, pairwise, product
from statistics import median
from typing import Any

from tests.independent import metrics
from tests.independent.tables import Row, Rows

Itemset = tuple[str, ...]
Z = 1.959964


def key(items: Itemset) -> str:
    return "|".join(item.replace("\\", "\\\\").replace("|", "\\|") for item in items)


class Baskets:
    """What lies in which order, and what follows from it.

    Args:
        shop: Lines and orders.
        parameters: Those of the run.
    """

    def __init__(self, shop: metrics.Shop, parameters: Row) -> None:
        self.parameters = parameters
        self._rules: dict[str, Rows] = {}
        self.as_of = shop.as_of
        self.products = {row["product_id"]: row for row in shop.landed["products"]}
        goods = {
            line.product_id
            for line in shop.lines
            if self.attribute(line.product_id, "product_type", "goods") == "goods"
        }
        orders = {order.order_id: order for order in shop.orders}
        by_line = {line.sale_id: order.order_id for order in shop.orders for line in order.lines}
        held: dict[tuple[str, str], list[metrics.Line]] = defaultdict(list)
        for line in shop.lines:
            order = line.order_id if line.is_sale else by_line.get(line.original or "", line.order_id)
            if line.product_id in goods and order in orders:
                held[order, line.product_id].append(line)
        self.kept = {k: lines for k, lines in held.items() if sum(line.quantity for line in lines) > 0}
        self.baskets: dict[str, set[str]] = defaultdict(set)
        for order, product_id in self.kept:
            self.baskets[order].add(product_id)
        self.day = {order: orders[order].day for order in self.baskets}
        self.customer = {order: orders[order].customer for order in self.baskets}
        self.store = {order: orders[order].first.store_id for order in self.baskets}

    def attribute(self, product_id: str, name: str, default: Any) -> Any:
        found = self.products.get(product_id, {}).get(name)
        return default if found is None else found

    def name(self, item: str) -> str:
        return str(self.attribute(item, "product_name", item))

    def category(self, product_id: str) -> str:
        return str(self.attribute(product_id, "category", "Unknown")).split("/")[0].strip() or "Unknown"

    def items(self, level: str, order: str) -> set[str]:
        found = self.baskets[order]
        return found if level == "product" else {self.category(p) for p in found} - {"Unknown"}

    # --- Worth ---------------------------------------------------------------------------------------------------

    def price(self, level: str, item: str) -> float | None:
        if level == "category":
            return float(self.spent(item)) / len({o for o, p in self.kept if self.category(p) == item})
        listed = self.attribute(item, "price", None)
        if listed is not None:
            return float(listed)
        paid = [
            sum(x.net for x in lines) / sum(x.quantity for x in lines)
            for (_, p), lines in self.kept.items()
            if p == item
        ]
        return float(median(paid)) if paid else None

    def spent(self, category: str) -> Decimal:
        return sum(
            (x.net for (_, p), lines in self.kept.items() if self.category(p) == category for x in lines), Decimal(0)
        )

    def margin_rate(self, level: str, item: str) -> float:
        if level == "category":
            money: dict[str, float] = defaultdict(float)
            for (_, p), lines in self.kept.items():
                if self.category(p) == item:
                    money[p] += float(sum(x.net for x in lines))
            return sum(m * self.margin_rate("product", p) for p, m in money.items()) / sum(money.values())
        cost, price = self.attribute(item, "cost", None), self.price("product", item)
        if cost is not None and price:
            return (price - float(cost)) / price
        goods = [p for p, row in self.products.items() if (row.get("product_type") or "goods") == "goods"]
        known = [(self.price("product", p), self.products[p].get("cost")) for p in goods]
        both = [(p, float(c)) for p, c in known if p and c is not None]
        return sum(p - c for p, c in both) / sum(p for p, _ in both) if both else 1.0

    def is_offered(self, product_id: str) -> bool:
        stock = self.attribute(product_id, "stock_quantity", None)
        return bool(self.attribute(product_id, "is_active", True)) and (stock is None or stock > 0)

    # --- What lies together --------------------------------------------------------------------------------------

    @property
    def mined_until(self) -> date:
        days = timedelta(days=self.parameters["basket_holdout_days"])
        early = self.as_of - days
        return early if days and self.day and min(self.day.values()) <= early - 2 * days else self.as_of

    def parts(self, level: str) -> tuple[list[set[str]], list[set[str]]]:
        mined = [self.items(level, o) for o in self.baskets if self.day[o] <= self.mined_until]
        return mined, [self.items(level, o) for o in self.baskets if self.day[o] > self.mined_until]

    def asked(self, baskets: int) -> int:
        return int(self.parameters["basket_min_count"] or max(5, math.ceil(0.0005 * baskets)))

    def itemsets(self, level: str) -> tuple[dict[Itemset, int], int]:
        """Counts of all frequent itemsets, and the fewest orders."""
        mined, _ = self.parts(level)
        longest = self.parameters["basket_max_length"]
        counts: Counter[Itemset] = Counter()
        for basket in mined:
            for size in range(1, min(longest, len(basket)) + 1):
                counts.update(combinations(sorted(basket), size))
        least = self.asked(len(mined))
        while sum(n >= least for n in counts.values()) > self.parameters["basket_max_itemsets"]:
            least += 1
        return {items: n for items, n in counts.items() if n >= least}, least

    def rules(self, level: str) -> Rows:
        """Rows of basket.rules of a level, without names."""
        if level not in self._rules:
            self._rules[level] = self._all_rules(level)
        return self._rules[level]

    def _all_rules(self, level: str) -> Rows:
        mined, later = self.parts(level)
        counts, _ = self.itemsets(level)
        n, singles = len(mined), sum(len(i) == 1 for i in counts)
        tests = sum(singles - len(i) for i in counts if len(i) < self.parameters["basket_max_length"])
        rows = []
        for items, both in counts.items():
            for after in items if len(items) > 1 else ():
                before = tuple(i for i in items if i != after)
                rows.append(self._rule(level, counts, n, before, after, both, later))
        rows.sort(key=lambda r: r["p_value"])
        best = Fraction(1)
        for place in range(len(rows), 0, -1):
            best = min(best, rows[place - 1]["p_value"] * tests / place)
            rows[place - 1]["q_value"] = best
        for row in rows:
            row["is_recommended"] = not row["is_redundant"] and row["lift"] > 1 and row["q_value"] <= Fraction(1, 20)
        return rows

    def _rule(
        self,
        level: str,
        counts: dict[Itemset, int],
        n: int,
        before: Itemset,
        after: str,
        both: int,
        later: list[set[str]],
    ) -> Row:
        a, c = counts[before], counts[after,]
        confidence, share = Fraction(both, a), Fraction(c, n)
        smaller = [s for size in range(1, len(before)) for s in combinations(before, size)]
        general = [share, *(Fraction(counts[tuple(sorted((*s, after)))], counts[s]) for s in smaller)]
        leverage = Fraction(both, n) - Fraction(a, n) * share
        price, rate = self.price(level, after), self.margin_rate(level, after)
        held = [set(before) <= b for b in later], [after in b for b in later]
        seen = sum(held[0]), sum(held[1]), sum(x and y for x, y in zip(*held, strict=True))
        return {
            "antecedent": key(before),
            "antecedent_size": len(before),
            "consequent": after,
            "itemset": key(tuple(sorted((*before, after)))),
            "antecedent_orders": a,
            "consequent_orders": c,
            "orders": both,
            "support": Fraction(both, n),
            "confidence": confidence,
            "lift": confidence / share,
            "leverage": leverage,
            "conviction": None if confidence == 1 else (1 - share) / (1 - confidence),
            "is_always": confidence == 1,
            "p_value": tail(n, a, c, both),
            "is_redundant": max(general) >= confidence,
            "price": price,
            "margin_rate": rate,
            "expected_gain": None if price is None else float(leverage) * price * rate,
            "holdout_antecedent_orders": seen[0],
            "holdout_consequent_orders": seen[1],
            "holdout_orders": seen[2],
            **_replication(len(later), *seen),
        }

    # --- What comes next -----------------------------------------------------------------------------------------

    def steps(self, level: str, kind: str) -> Iterator[tuple[str, int, set[str], set[str]]]:
        """Customer, days, and what was bought before and after, of each step."""
        bought: dict[str, dict[date, set[str]]] = defaultdict(lambda: defaultdict(set))
        for order in self.baskets:
            if self.customer[order] and self.items(level, order):
                bought[self.customer[order] or ""][self.day[order]] |= self.items(level, order)
        for customer, days in bought.items():
            for place, (one, other) in enumerate(pairwise(sorted(days))):
                within = (other - one).days <= self.parameters["next_purchase_days"]
                if within and (kind == "next" or place == 0):
                    yield customer, (other - one).days, days[one], days[other]

    def sequences(self, level: str, kind: str) -> dict[tuple[str, str], Row]:
        """Rows of basket.sequences of a level and a kind by the pair of items."""
        found = list(self.steps(level, kind))
        customers = len({customer for customer, *_ in found})
        least = self.asked(customers)
        before, after = (Counter(i for step in found for i in step[at]) for at in (2, 3))
        seen: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
        for customer, days, one, other in found:
            for pair in product(one, other):
                seen[pair].append((customer, days))
        return {
            (a, b): {
                "steps": len(found),
                "first_steps": before[a],
                "then_steps": after[b],
                "both_steps": len(occurred),
                "step_customers": customers,
                "customers": len({c for c, _ in occurred}),
                "confidence": Fraction(len(occurred), before[a]),
                "lift": Fraction(len(occurred) * len(found), before[a] * after[b]),
                "median_days": median(d for _, d in occurred),
            }
            for (a, b), occurred in seen.items()
            if len({c for c, _ in occurred}) >= least
        }


def _replication(n: int, a: int, c: int, both: int) -> Row:
    if not a or not c:
        return {"holdout_lift": None, "holdout_lift_low": None, "holdout_p_value": None, "replicates": None}
    lift = both * n / (a * c)
    variance = 1 / both - 1 / a - 1 / c + (2 * lift - 1) / n if both else 0.0
    low = lift * math.exp(-Z * math.sqrt(max(variance, 0.0)))
    p_value = tail(n, a, c, both)
    replicates = low > 1 and p_value <= Fraction(1, 40)
    return {"holdout_lift": lift, "holdout_lift_low": low, "holdout_p_value": p_value, "replicates": replicates}


def tail(n: int, a: int, c: int, both: int) -> Fraction:
    """P(X >= both), X hypergeometric."""
    ways = sum(math.comb(a, x) * math.comb(n - a, c - x) for x in range(both, min(a, c) + 1))
    return Fraction(ways, math.comb(n, c))
