"""The tables about the assortment, computed anew in pandas and plain Python.

Here: `behavior.assortment_fit`, `customer.assortment_preferences` and `basket.substitutes`, written from the
definitions and not from the SQL: residuals are summed one by one. Not here: the rows from which they are made
(`customers`), the comparison with the SQL (`tests/integration/test_models_assortment.py`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from itertools import combinations

from tests.independent.customers import ZERO, Customers
from tests.independent.kpi import ratio
from tests.independent.statistics import Z, corrected, two_sided
from tests.independent.tables import Row, Rows

KINDS = ("view", "wishlist", "cart", "purchase")
MOST_PRODUCTS = 20
LEAST_EXPECTED = 5


def _goods(shop: Customers) -> dict[str, Row]:
    return {key: row for key, row in shop.products.items() if row["product_type"] == "goods"}


# --- behavior.assortment_fit ---------------------------------------------------------------------------------


def assortment_fit(shop: Customers) -> Rows:
    """behavior.assortment_fit."""
    begins = date.fromordinal(max(1, shop.as_of.toordinal() - shop.parameters["assortment_days"] + 1))
    goods = _goods(shop)
    acts = shop.frame("core.activity", "occurred_date").to_dict("records")
    acts = [a for a in acts if a["occurred_date"] >= begins and a["product_id"] in goods and a["event_type"] in KINDS]
    lines = [x for x in shop.lines.to_dict("records") if x["sold_date"] >= begins and x["product_id"] in goods]
    doors = {row["store_id"] for row in shop.rows("core.stores") if row["channel"] == "store"}
    pairs = {
        (a["product_id"], a["visitor_id"] or (f"order:{a['order_id']}" if a["order_id"] else a["event_id"]))
        for a in acts
    }
    pairs |= {
        (x["product_id"], x["customer_id"] or f"order:{x['order_id']}")
        for x in lines
        if x["is_sale"] and x["store_id"] in doors
    }
    wanted = Counter(product for product, _ in pairs)
    figures: dict[str, Row] = {
        name: {
            "active_products": sum(p["is_active"] for p in own),
            "products_out_of_stock": sum(
                p["is_active"] and p["stock_quantity"] is not None and p["stock_quantity"] <= 0 for p in own
            ),
            "products_without_demand": sum(p["is_active"] and not wanted[p["product_id"]] for p in own),
            "interested": sum(wanted[p["product_id"]] for p in own),
            "views": sum(a["event_type"] == "view" and goods[a["product_id"]]["category"] == name for a in acts),
            "carts": sum(a["event_type"] == "cart" and goods[a["product_id"]]["category"] == name for a in acts),
        }
        for name in sorted({p["category"] for p in goods.values()})
        for own in [[p for p in goods.values() if p["category"] == name]]
    }
    for name, row in figures.items():
        own_lines = [x for x in lines if x["category"] == name]
        sold = [x for x in own_lines if x["is_sale"]]
        row["orders"] = len({x["order_id"] for x in sold})
        row["customers"] = len({x["customer_id"] for x in sold if x["customer_id"]})
        row["net_sales"] = sum((x["net_sales"] for x in own_lines), ZERO)
        row["has_lines"] = bool(own_lines)
    figures = {n: r for n, r in figures.items() if r["active_products"] or r["interested"] or r["has_lines"]}
    return [_fit(shop, name, figures, goods, wanted) for name in figures]


def _fit(shop: Customers, name: str, figures: Mapping[str, Row], goods: Mapping[str, Row], wanted: Counter[str]) -> Row:
    row = figures[name]
    whole = {key: sum(r[key] for r in figures.values()) for key in row}
    shares = {
        "product_share": "active_products",
        "demand_share": "interested",
        "view_share": "views",
        "cart_share": "carts",
        "order_share": "orders",
        "customer_share": "customers",
        "net_sales_share": "net_sales",
    }
    index, low, high = _index(name, goods, wanted)
    found, active = row["interested"], row["active_products"]
    expected = active * whole["interested"] / whole["active_products"] if whole["active_products"] else 0
    low_n = active < shop.parameters["assortment_min_products"] or max(found, expected) < shop.small
    is_judged, least = name != "Unknown" and not low_n, float(shop.parameters["assortment_imbalance"])
    gap = None
    if is_judged and whole["interested"]:
        at_balance = round(Decimal(found) * whole["active_products"] / whole["interested"], 6)
        gap = int(at_balance.quantize(Decimal(1), "ROUND_HALF_UP")) - active
    verdict = "balanced"
    if not is_judged or index is None:
        verdict = "not_enough_data"
    elif not found or (high is not None and high < 1 and index * least <= 1):
        verdict = "over_supplied"
    elif low is not None and low > 1 and index >= least:
        verdict = "under_supplied"
    return {
        "category": name,
        **{key: row[key] for key in row if key != "has_lines"},
        **{share: ratio(row[key], whole[key]) for share, key in shares.items()},
        "demand_per_product": ratio(found, active),
        "orders_per_interested": ratio(row["orders"], found),
        "demand_index": index,
        "ci_low": low,
        "ci_high": high,
        "products_gap": gap,
        "low_n": low_n,
        "verdict": verdict,
        "currency": shop.currency,
    }


def _index(
    name: str, goods: Mapping[str, Row], wanted: Counter[str]
) -> tuple[float | None, float | None, float | None]:
    """Demand per active product against the shop, and its interval by linearisation of the logarithm."""
    own = [p for p in goods.values() if p["category"] == name]
    active, all_active = sum(p["is_active"] for p in own), sum(p["is_active"] for p in goods.values())
    found, everything = sum(wanted[p["product_id"]] for p in own), wanted.total()
    if not active or not everything:
        return None, None, None
    index = (found / active) / (everything / all_active)
    if active < 2 or not found:
        return index, None, None
    # The logarithm is log(found) - log(active) - log(everything) + log(all_active): what each product adds to each.
    squares = 0.0
    for product in goods.values():
        y, a, inside = wanted[product["product_id"]], int(product["is_active"]), product["category"] == name
        squares += (inside * (y / found - a / active) - (y / everything - a / all_active)) ** 2
    half = Z * math.sqrt(squares * active / (active - 1))
    return index, index * math.exp(-half), index * math.exp(half)


# --- customer.assortment_preferences -------------------------------------------------------------------------


def assortment_preferences(shop: Customers) -> Rows:
    """customer.assortment_preferences."""
    goods, chosen = _goods(shop), defaultdict(set)
    for line in shop.sold.to_dict("records"):
        if line["customer_id"] and line["product_id"] in goods:
            chosen[line["customer_id"]].add(line["product_id"])
    places = {row["customer_id"]: row["location_group"] for row in shop.rows("customer.groups")}
    segments = {row["customer_id"]: row["segment"] for row in shop.rows("customer.rfm")}
    kinds: dict[str, Callable[[str], str | None]] = {
        "gender": lambda c: shop.people[c]["gender"],
        "age_group": lambda c: shop.people[c]["age_group"],
        "location": lambda c: places[c],
        "rfm_segment": lambda c: segments.get(c),
    }
    by_category = {c: Counter(goods[p]["category"] for p in own) for c, own in chosen.items()}
    by_product = {c: Counter(p for p in own if goods[p]["is_active"]) for c, own in chosen.items()}
    choices = {c: len(own) for c, own in chosen.items()}
    rows = []
    for breakdown, group_of in kinds.items():
        member = {c: group_of(c) for c in chosen}
        member = {c: name for c, name in member.items() if name and name.lower() != "unknown"}
        for level, bought in (("category", by_category), ("product", by_product)):
            items = {item for c in member for item in bought[c]}
            own = [
                _preference(shop, level, breakdown, name, item, member, bought, choices)  # type: ignore[arg-type]
                for name in set(member.values())
                for item in items
            ]
            for row, q in zip(own, corrected([row["p_value"] for row in own]), strict=True):
                row["q_value"] = q
                row["verdict"] = _verdict(row)
            rows += own if level == "category" else [row for row in own if row["verdict"] == "preferred"]
    _rank(rows)
    for row in rows:
        product = goods[row["item"]] if row["level"] == "product" else {}
        row["item_name"] = product.get("product_name", row["item"])
        row["category"] = product.get("category", row["item"])
    return [row for row in rows if row["level"] == "category" or row["rank"] <= MOST_PRODUCTS]


def _preference(
    shop: Customers,
    level: str,
    breakdown: str,
    name: str,
    item: str,
    member: Mapping[str, str],
    bought: Mapping[str, Counter[str]],
    choices: Mapping[str, int],
) -> Row:
    sides = [[c for c in member if (member[c] == name) == is_own] for is_own in (True, False)]
    x = [[bought[c][item] for c in side] for side in sides]
    t = [[choices[c] for c in side] for side in sides]
    (own, rest), (whole, rest_whole) = map(sum, x), map(sum, t)
    both = (own + rest) / (whole + rest_whole)
    low_n = min(map(len, sides)) < shop.small or min(whole, rest_whole) * both < LEAST_EXPECTED - 1e-9
    share, rest_share = ratio(own, whole), ratio(rest, rest_whole)
    row: Row = {
        "level": level,
        "breakdown": breakdown,
        "member": name,
        "item": item,
        "customers": len(sides[0]),
        "buyers": sum(n > 0 for n in x[0]),
        "choices": own,
        "all_choices": whole,
        "share": share,
        "rest_choices": rest,
        "rest_all_choices": rest_whole,
        "rest_share": rest_share,
        **dict.fromkeys(("preference_index", "ci_low", "ci_high", "p_value", "q_value", "rank")),
        "low_n": low_n,
    }
    if low_n or share is None or rest_share is None:
        return row
    variance = sum(_spread(xs, ts, both) / sum(ts) ** 2 for xs, ts in zip(x, t, strict=True))
    if variance > 1e-20:
        row["p_value"] = two_sided((share - rest_share) / math.sqrt(variance))
    if rest:
        row["preference_index"] = share / rest_share
    if own and rest:
        ends = zip(x, t, (share, rest_share), strict=True)
        half = Z * math.sqrt(sum(_spread(xs, ts, p) / sum(xs) ** 2 for xs, ts, p in ends))
        row["ci_low"], row["ci_high"] = (row["preference_index"] * math.exp(sign * half) for sign in (-1, 1))
    return row


def _spread(x: list[int], t: list[int], p: float) -> float:
    """Squares of what customers chose beyond a share p of all that they chose."""
    return sum((a - p * b) ** 2 for a, b in zip(x, t, strict=True)) * len(x) / (len(x) - 1)


def _verdict(row: Row) -> str:
    if row["low_n"]:
        return "not_enough_data"
    if row["q_value"] is None or row["q_value"] >= 0.05 or row["share"] == row["rest_share"]:
        return "no_difference"
    return "preferred" if row["share"] > row["rest_share"] else "avoided"


def _rank(rows: Rows) -> None:
    places: Counter[tuple[str, ...]] = Counter()
    liked = [row for row in rows if row["verdict"] == "preferred"]
    for row in sorted(liked, key=lambda r: (-(r["ci_low"] or -1), -r["choices"], r["item"])):
        group = row["level"], row["breakdown"], row["member"]
        places[group] += 1
        row["rank"] = places[group]


# --- basket.substitutes --------------------------------------------------------------------------------------


def substitutes(shop: Customers) -> Rows:
    """basket.substitutes."""
    first = shop.rows("core.clock")[0]["first_interaction_date"]
    goods = {key: row for key, row in _goods(shop).items() if row["category"] != "Unknown"}
    sessions = {v["session_id"] for v in shop.rows("core.visits") if v["views"]}
    viewed: dict[tuple[str, str], set[str]] = defaultdict(set)
    bought: dict[str, set[str]] = defaultdict(set)
    for act in shop.frame("core.activity", "occurred_date").to_dict("records"):
        if act["session_id"] in sessions and act["product_id"] in goods:
            if act["event_type"] == "view":
                viewed[act["session_id"], goods[act["product_id"]]["category"]].add(act["product_id"])
            if act["event_type"] == "purchase":
                bought[act["session_id"]].add(act["product_id"])
    viewed = {key: own for key, own in viewed.items() if len(own) <= shop.parameters["substitutes_max_viewed"]}
    visits_of: dict[str, set[str]] = defaultdict(set)
    for (session, _), own in viewed.items():
        for product in own:
            visits_of[product].add(session)
    of_category = Counter(category for _, category in viewed)
    orders_of: dict[str, set[str]] = defaultdict(set)
    every: set[str] = set()
    for item in shop.rows("basket.order_items"):
        if first and item["order_date"] >= first:
            orders_of[item["product_id"]].add(item["order_id"])
            every.add(item["order_id"])
    rows = []
    for a, b in combinations(sorted(visits_of), 2):
        if goods[a]["category"] == goods[b]["category"]:
            row = _pair(shop, goods[a], goods[b], visits_of, orders_of, bought, of_category, len(every))
            rows += [row] if row else []
    rows.sort(key=lambda r: (r["product_id"], r["other_product_id"]))
    for row, q in zip(rows, corrected([row["p_value"] for row in rows]), strict=True):
        is_sure = q is not None and q < 0.05
        row["q_value"] = q
        row["verdict"] = ("substitutes" if row["lift"] < 1 else "complements") if is_sure else "independent"
    found = [row for row in rows if row["verdict"] == "substitutes"]
    for rank, row in enumerate(sorted(found, key=lambda r: r["orders_both"] - r["expected_orders"]), start=1):
        row["rank"] = rank
    return rows


def _pair(
    shop: Customers,
    a: Row,
    b: Row,
    visits_of: Mapping[str, set[str]],
    orders_of: Mapping[str, set[str]],
    bought: Mapping[str, set[str]],
    of_category: Counter[str],
    orders: int,
) -> Row | None:
    one, other = a["product_id"], b["product_id"]
    both, visits = visits_of[one] & visits_of[other], of_category[a["category"]]
    viewed_lift = len(both) * visits / (len(visits_of[one]) * len(visits_of[other]))
    own, others = len(orders_of.get(one, ())), len(orders_of.get(other, ()))
    expected = own * others / orders if orders else 0.0
    if len(both) < shop.small or viewed_lift <= 1 + 1e-12 or not own * others >= LEAST_EXPECTED * orders > 0:
        return None
    together = len(orders_of[one] & orders_of[other])
    variance = expected * (1 - own / orders) * (orders - others) / (orders - 1) if orders > 1 else 0.0
    sides: Counter[tuple[bool, bool]] = Counter(
        (one in bought.get(session, ()), other in bought.get(session, ())) for session in both
    )
    return {
        "product_id": one,
        "other_product_id": other,
        "category": a["category"],
        "product_name": a["product_name"],
        "other_product_name": b["product_name"],
        "price": a["price"],
        "other_price": b["price"],
        "is_active": a["is_active"] and b["is_active"],
        "rank": None,
        "visits_both": len(both),
        "product_visits": len(visits_of[one]),
        "other_visits": len(visits_of[other]),
        "visits": visits,
        "viewed_lift": viewed_lift,
        "visits_product_bought": sides[True, False],
        "visits_other_bought": sides[False, True],
        "visits_both_bought": sides[True, True],
        "orders_both": together,
        "product_orders": own,
        "other_orders": others,
        "orders": orders,
        "expected_orders": expected,
        "lift": together / expected,
        "p_value": two_sided((together - expected) / math.sqrt(variance)) if variance > 0 else None,
        "currency": shop.currency,
    }


def key_of(table: str) -> tuple[str, ...]:
    """Columns that tell the rows of a table apart."""
    return {
        "behavior.assortment_fit": ("category",),
        "customer.assortment_preferences": ("level", "breakdown", "member", "item"),
        "basket.substitutes": ("product_id", "other_product_id"),
    }[table]


TABLES: dict[str, Callable[[Customers], Rows]] = {
    "behavior.assortment_fit": assortment_fit,
    "customer.assortment_preferences": assortment_preferences,
    "basket.substitutes": substitutes,
}
