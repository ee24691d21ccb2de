"""Which products to write about to which segment, computed anew in pandas.

Here: `recommendation.campaign_targets`, written from the definitions and not from the SQL. Not here: the rows
(`customers`), the comparison with the SQL (`tests/integration`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any

from tests.independent.customers import Customers, by_customer, money
from tests.independent.customers_audiences import engagement
from tests.independent.customers_rfm import rfm
from tests.independent.kpi import ratio
from tests.independent.tables import Row, Rows

LATELY = 30
"""Days in which what was looked at counts."""


@dataclass
class Pair:
    """A customer and a product looked at lately."""

    customer: str
    product: str
    is_viewed: bool
    is_carted: bool
    was_bought: bool
    was_bought_since: bool


def pairs(shop: Customers) -> list[Pair]:
    """Everything that customers viewed or put into the cart lately."""
    acts = shop.activity[shop.activity["product_id"].notna()]
    acts = acts[acts["event_type"].isin(["view", "cart"])]
    acts = acts[acts["occurred_date"].map(lambda day: (shop.as_of - day).days < LATELY).astype(bool)]
    sold = shop.sold[shop.sold["customer_id"].notna()]
    last: dict[Any, date] = {pair: max(days) for pair, days in sold.groupby(["customer_id", "product_id"])["sold_date"]}
    return [
        Pair(
            str(customer),
            str(product),
            "view" in set(of["event_type"]),
            "cart" in set(of["event_type"]),
            (customer, product) in last,
            (customer, product) in last and last[customer, product] >= min(of["occurred_date"]),
        )
        for (customer, product), of in acts.groupby(["customer_id", "product_id"])
    ]


def campaign_targets(shop: Customers) -> Rows:
    """recommendation.campaign_targets."""
    found = shop.once(pairs)
    rows = []
    for kind, column, make in (("rfm", "segment", rfm), ("engagement", "engagement_segment", engagement)):
        segments = {customer: row[column] for customer, row in by_customer(shop, make).items()}
        for segment in sorted(set(segments.values())):
            members = [pair for pair in found if segments.get(pair.customer) == segment]
            rows += _targets(shop, {"segment_kind": kind, "segment": segment}, members, found)
    return rows


def _did(pair: Pair, reason: str) -> bool:
    return pair.is_carted if reason == "carted" else pair.is_viewed


def _targets(shop: Customers, segment: Row, members: list[Pair], everybody: list[Pair]) -> Rows:
    rows = []
    for reason in ("carted", "viewed"):
        own = [pair for pair in members if _did(pair, reason)]
        every = [pair for pair in everybody if _did(pair, reason)]
        bought = sum(pair.was_bought_since for pair in own)
        usual = ratio(sum(pair.was_bought_since for pair in every), len(every)) or 0.0
        expected = (bought + shop.small * usual) / (len(own) + shop.small)
        targets = defaultdict(list)
        for pair in members:
            if not pair.was_bought and pair.is_carted == (reason == "carted"):
                targets[pair.product].append(pair.customer)
        for product, customers in targets.items():
            item = shop.products[product]
            if item["product_type"] != "goods" or not item["is_active"] or item["stock_quantity"] == 0:
                continue
            reachable = sum(shop.people[customer]["marketing_consent"] is True for customer in customers)
            value = None if item["price"] is None else money(float(reachable * item["price"]) * expected)
            rows.append(
                {
                    **segment,
                    "product_id": product,
                    "reason": reason,
                    **{name: item[name] for name in ("product_name", "category", "price")},
                    "customers": len(customers),
                    "customers_reachable": reachable,
                    "segment_pairs": len(own),
                    "segment_pairs_bought": bought,
                    "conversion": ratio(bought, len(own)),
                    "expected_conversion": expected,
                    "score": value,
                    "rank": None,
                    "low_n": len(own) < shop.small,
                    "currency": shop.currency,
                }
            )
    rows.sort(key=lambda r: (r["score"] is None, -(r["score"] or 0), -r["customers"], r["product_id"], r["reason"]))
    for place, row in enumerate((row for row in rows if not row["low_n"]), start=1):
        row["rank"] = place
    return rows
