"""How satisfied customers are, computed anew in pandas.

Here: `customer.satisfaction`, written from the definitions and not from the SQL. Not here: the rows (`customers`), the
comparison with the SQL (`tests/integration`).
"""

from __future__ import annotations

import math
from decimal import Decimal
from statistics import fmean, stdev

import pandas as pd

from tests.independent.customers import Customers, by_customer, total
from tests.independent.customers_loyalty import loyalty
from tests.independent.customers_rfm import rfm
from tests.independent.kpi import ratio
from tests.independent.statistics import Z, wilson
from tests.independent.tables import Row, Rows

MATURE = 90
"""Days in which a satisfied customer should come back."""
BREAKDOWNS = (
    "all",
    "category",
    "product",
    "location",
    "age_group",
    "gender",
    "rfm_segment",
    "loyalty_segment",
    "rating",
)
OF_CUSTOMER = ("location", "age_group", "gender", "rfm_segment", "loyalty_segment")


def satisfaction(shop: Customers) -> Rows:
    """customer.satisfaction."""
    lines, asked = _with_members(shop), _asked(shop)
    rows = []
    for breakdown in BREAKDOWNS:
        found = {str(member): of for member, of in lines.groupby(breakdown)}
        for member, of in ({"all": lines} if breakdown == "all" else found).items():
            answers = [kept for own, kept in asked if member in own[breakdown]]
            name = shop.products[member]["product_name"] if breakdown == "product" else member
            rows.append(
                {"breakdown": breakdown, "member": member, "member_name": name}
                | _rated(shop, of)
                | _returned(breakdown, of, lines)
                | _retained(answers)
                | {"currency": shop.currency}
            )
    return rows


def band(rating: Decimal) -> str:
    """Low, middle or high."""
    return "low" if rating <= 2 else "high" if rating >= 4 else "middle"


def _attributes(shop: Customers, customer: str | None) -> dict[str, str]:
    if customer is None:
        return {**dict.fromkeys(OF_CUSTOMER, "Guest"), "gender": "guest"}
    person = shop.people[customer]
    return {
        **{name: person[name] for name in ("location", "age_group", "gender")},
        "rfm_segment": by_customer(shop, rfm)[customer]["segment"],
        "loyalty_segment": by_customer(shop, loyalty)[customer]["loyalty_segment"],
    }


def _with_members(shop: Customers) -> pd.DataFrame:
    """Lines that count with their member of every breakdown; none of `rating` where there is no rating."""
    found = shop.lines.assign(all="all", product=shop.lines["product_id"])
    for name in OF_CUSTOMER:
        found[name] = [_attributes(shop, customer)[name] for customer in found["customer_id"]]
    rated = found[found["is_sale"] & found["review_rating"].notna()]
    bands = {sale: band(rating) for sale, rating in zip(rated["sale_id"], rated["review_rating"], strict=True)}
    own = [bands.get(sale) for sale in found["sale_id"]]
    given_back = [bands.get(sale) for sale in found["original_sale_id"]]
    found["rating"] = pd.Series(
        [a if is_sale else b for a, b, is_sale in zip(own, given_back, found["is_sale"], strict=True)],
        index=found.index,
        dtype=object,
    )
    return found


def _rated(shop: Customers, of: pd.DataFrame) -> Row:
    ratings = [float(rating) for rating in of.loc[of["is_sale"], "review_rating"] if rating is not None]
    mean = fmean(ratings) if ratings else None
    half = Z * stdev(ratings) / math.sqrt(len(ratings)) if len(ratings) > 1 else None
    return {
        "ratings": len(ratings),
        "rating_average": mean,
        "rating_low": None if half is None or mean is None else max(0.0, mean - half),
        "rating_high": None if half is None or mean is None else min(5.0, mean + half),
        "low_n": len(ratings) < shop.small,
    }


def _returned(breakdown: str, of: pd.DataFrame, lines: pd.DataFrame) -> Row:
    value = total(of["gross_sales"]) - total(of["discounts"])
    returns: Decimal | None = total(of["returns"])
    named = total(lines.loc[lines["original_sale_id"].notna(), "returns"])
    if breakdown == "rating" and named * 2 < total(lines["returns"]):
        returns = None
    rate = None if returns is None else ratio(returns, value)
    return {"gross_less_discounts": value, "returns": returns, "return_rate": rate}


def _asked(shop: Customers) -> list[tuple[dict[str, set[str]], bool]]:
    """Members of the first rated order of every customer with a mature one, and whether the customer came back."""
    rated = shop.sold[shop.sold["review_rating"].notna()]
    of_order = {str(order): lines for order, lines in rated.groupby("order_id")}
    found = []
    for customer, orders in shop.orders.groupby("customer_id"):
        orders = orders.sort_values("order_number").reset_index(drop=True)
        place = next((n for n, order in enumerate(orders["order_id"]) if order in of_order), None)
        if place is None:
            continue
        day, lines = orders["order_date"][place], of_order[orders["order_id"][place]]
        if (shop.as_of - day).days < MATURE:
            continue
        again = place + 1 < len(orders) and (orders["order_date"][place + 1] - day).days <= MATURE
        members = {name: {word} for name, word in _attributes(shop, str(customer)).items()}
        members |= {"all": {"all"}, "category": set(lines["category"]), "product": set(lines["product_id"])}
        found.append((members | {"rating": {band(min(lines["review_rating"]))}}, again))
    return found


def _retained(answers: list[bool]) -> Row:
    low, high = wilson(sum(answers), len(answers))
    return {
        "mature_customers": len(answers),
        "retained_customers": sum(answers),
        "retention_rate_90d": ratio(sum(answers), len(answers)),
        "ci_low": low,
        "ci_high": high,
    }
