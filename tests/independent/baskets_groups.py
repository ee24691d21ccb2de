"""Where pairs of products hold, computed anew in plain Python: the baskets of every group looked through one by one."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date

from tests.independent.answers_known import wilson
from tests.independent.baskets import Baskets
from tests.independent.tables import Row, Rows

SEASONS = ("December to February", "March to May", "June to August", "September to November")
Group = tuple[str, str]


def groups_of(plain: Baskets, segments: dict[str, str]) -> dict[Group, list[tuple[date, set[str]]]]:
    """The mined baskets of every season, store and segment, with their days."""
    found: dict[Group, list[tuple[date, set[str]]]] = defaultdict(list)
    for order, items in plain.baskets.items():
        day, customer = plain.day[order], plain.customer[order]
        if day <= plain.mined_until:
            found["season", SEASONS[day.month % 12 // 3]].append((day, items))
            found["store", plain.store[order]].append((day, items))
            if customer:
                found["segment", segments[customer]].append((day, items))
    return found


def pairs_by_group(plain: Baskets, offers: Rows, segments: dict[str, str]) -> dict[tuple[str, ...], Row]:
    """Rows of recommendation.pairs_by_group by their key.

    Args:
        plain: The baskets.
        offers: Rows of basket.cross_sell.
        segments: RFM segments of customers.
    """
    groups = groups_of(plain, segments)
    chosen = sorted(offers, key=lambda r: (-r["expected_gain"], r["product_id"], r["recommended_product_id"]))
    rows: dict[tuple[str, ...], Row] = {}
    for offer in chosen[: plain.parameters["pairs_by_group"]]:
        a, c = offer["product_id"], offer["recommended_product_id"]
        days = [[plain.day[order] for order, items in plain.baskets.items() if x in items] for x in (a, c)]
        since = max(min(found) for found in days)
        for dimension in ("season", "store", "segment"):
            held = {
                member: [items for day, items in baskets if a in items and day >= since]
                for (found, member), baskets in groups.items()
                if found == dimension
            }
            all_first = sum(map(len, held.values()))
            all_both = sum(c in items for baskets in held.values() for items in baskets)
            for member, baskets in held.items():
                first, both = len(baskets), sum(c in items for items in baskets)
                if first:
                    low, high = wilson(both, first)
                    rows[a, c, dimension, member] = {
                        "both_since": since.isoformat(),
                        "product_orders": first,
                        "orders": both,
                        "expected_orders": first * all_both / all_first,
                        "confidence": both / first,
                        "ci_low": low,
                        "ci_high": high,
                        "overall_confidence": all_both / all_first,
                        "low_n": first < plain.parameters["min_group_size"],
                        "p_value": _chance(both, first, all_both, all_first),
                    }
    _judge(list(rows.values()))
    return rows


def _chance(both: int, first: int, all_both: int, all_first: int) -> float | None:
    """Two-sided p of `both` of `first` orders, drawn from `all_first` of which `all_both` hold both."""
    expected = first * all_both / all_first
    variance = expected * (1 - all_both / all_first) * (all_first - first) / max(all_first - 1, 1)
    return math.erfc(abs(both - expected) / math.sqrt(2 * variance)) if variance > 0 else None


def _judge(rows: Rows) -> None:
    for row in rows:
        if row["low_n"] or row["expected_orders"] < 5:
            row["p_value"] = None
    tested = sorted((row for row in rows if row["p_value"] is not None), key=lambda row: row["p_value"])
    lowest = 1.0
    for place, row in reversed(list(enumerate(tested, start=1))):
        lowest = row["q_value"] = min(lowest, row["p_value"] * len(tested) / place)
    for row in rows:
        q = row.setdefault("q_value", None)
        is_more = row["orders"] > row["expected_orders"]
        row["verdict"] = "not distinguishable" if q is None or q >= 0.05 else "stronger" if is_more else "weaker"
