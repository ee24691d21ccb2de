"""Popularity, carts that were left and opportunities of products, computed anew in plain Python from landed rows.

Here: a second implementation, written from the definitions and not from the SQL. Not here: funnels and conversion, and the
events themselves (`funnels`), the comparison (`tests/integration/test_independent_funnel.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from tests.independent.funnels_acts import Act, Behaviour, Visit, grouped, quantile, ratio, wilson
from tests.independent.funnels_conversion import product_conversion
from tests.independent.metrics import ZERO, Line

Row = dict[str, Any]
CENT = Decimal("0.0001")

# --- behavior.product_popularity -----------------------------------------------------------------------------


def product_popularity(found: Behaviour) -> list[Row]:
    """behavior.product_popularity."""
    if found.as_of is None:
        return []
    rows = []
    for name, days in (("last 7 days", 7), ("last 28 days", 28), ("all", None)):
        first = found.as_of - timedelta(days=days - 1) if days else date.min
        before = (first - timedelta(days=days), first - timedelta(days=1)) if days else None
        rows += _popular(found, name, (first, found.as_of), before)
    return rows


def _popular(found: Behaviour, name: str, span: tuple[date, date], before: tuple[date, date] | None) -> list[Row]:
    acts = [a for a in found.every_act if a.is_goods and span[0] <= a.day <= span[1]]
    acts = [a for a in acts if a.kind in ("view", "wishlist", "cart", "purchase")]
    lines = [
        x for x in found.kpi.lines if span[0] <= x.day <= span[1] and found.kpi.product_type(x.product_id) == "goods"
    ]
    scores = _scores(found, span)
    begin = found.source.shop.begin
    reaches = before is not None and begin is not None and begin <= before[0]
    scores_before = _scores(found, before) if before and reaches else {}
    places_before = _places({p: s for p, s in scores_before.items() if s > 0})
    rows = []
    for product in {a.product for a in acts} | {x.product_id for x in lines}:
        own = [a for a in acts if a.product == product]
        sold = [x for x in lines if x.product_id == product]
        kinds = [a.kind for a in own]
        score, score_before = scores.get(product, 0), scores_before.get(product, 0) if reaches else None
        trend = None if score_before is None else math.log2((score + 5) / (score_before + 5))
        rows.append(
            {
                "period_name": name,
                "product_id": product,
                "product_name": found.kpi.product_name(str(product)),
                "category": found.kpi.category(str(product)),
                "views": kinds.count("view"),
                "unique_viewers": len({_who(a) for a in own if a.kind == "view"}),
                "carts": kinds.count("cart"),
                "orders": len({x.order_id for x in sold if x.is_sale}),
                "units": sum((x.quantity for x in sold if x.is_sale), ZERO),
                "net_sales": sum((x.net for x in sold), ZERO),
                "score": score,
                "score_prev": score_before,
                "rank_score_prev": places_before.get(product),
                "trend": trend,
            }
        )
    for rank, column in (("views", "views"), ("orders", "orders"), ("net_sales", "net_sales"), ("score", "score")):
        places = _places({row["product_id"]: row[column] for row in rows})
        for row in rows:
            row[f"rank_{rank}"] = places[row["product_id"]]
    for row in rows:
        was = row["rank_score_prev"]
        row["rank_change"] = was - row["rank_score"] if was else None
    return rows


def _who(act: Act) -> str:
    return act.visitor or act.order or act.event_id


def _scores(found: Behaviour, span: tuple[date, date]) -> dict[str, int]:
    """Interest by product: over visitors and days the largest weight."""
    weights = {kind: found.parameters[f"weight_{kind}"] for kind in ("view", "wishlist", "cart", "purchase")}
    best: dict[tuple[str, str, date], int] = {}
    for act in found.every_act:
        if act.is_goods and act.kind in weights and span[0] <= act.day <= span[1]:
            key = str(act.product), _who(act), act.day
            best[key] = max(best.get(key, 0), weights[act.kind])
    return {p: sum(w for key, w in best.items() if key[0] == p) for p in {key[0] for key in best}}


def _places(values: dict[str, Any]) -> dict[str, int]:
    ordered = sorted(values, key=lambda product: (-values[product], product))
    return {product: place for place, product in enumerate(ordered, start=1)}


# --- behavior.abandoned_carts, behavior.cart_abandonment --------------------------------------------------------


class CartLine(NamedTuple):
    """A product that a session ends with in the cart."""

    product: str
    category: str
    carted: Decimal
    removed: Decimal
    bought: Decimal
    last_at: datetime
    unit_value: Decimal | None
    recovered_at: datetime | None

    @property
    def left(self) -> Decimal:
        return self.carted - self.removed - self.bought

    @property
    def value(self) -> Decimal | None:
        return None if self.unit_value is None else (self.left * self.unit_value).quantize(CENT, ROUND_HALF_UP)


class Cart(NamedTuple):
    """A session that ends with something in the cart."""

    visit: Visit
    lines: list[CartLine]
    is_decided: bool
    is_abandoned: bool
    is_mature: bool


def _quantity(acts: Iterable[Act]) -> Decimal:
    return sum((Decimal(1) if a.quantity is None else Decimal(a.quantity) for a in acts), ZERO)


def carts(found: Behaviour) -> list[Cart]:
    """Every cart, also those whose time still runs."""
    grace = timedelta(hours=found.parameters["cart_grace_hours"])
    recovery = timedelta(hours=24 * found.parameters["cart_recovery_days"])
    by_visitor = grouped((a for a in found.acts if a.kind == "purchase" and a.visitor), lambda a: a.visitor)
    with_product = (a for a in found.acts if a.session in found.visits and a.product)
    result = []
    for session, acts in grouped(with_product, lambda a: a.session).items():
        visit = found.visits[session]
        purchases = by_visitor.get(visit.visitor, [])
        lines = [
            line
            for product, own in grouped(acts, lambda a: a.product).items()
            if (line := _cart_line(found, visit, product, own, purchases, recovery))
        ]
        if not lines:
            continue
        last = max(line.last_at for line in lines)
        until = visit.ended_at + grace
        bought = any(last <= p.at <= until for p in purchases)
        mature = visit.ended_at + recovery <= found.end
        result.append(Cart(visit, lines, until <= found.end, not bought, mature))
    return result


def _cart_line(
    found: Behaviour, visit: Visit, product: str, acts: list[Act], purchases: list[Act], recovery: timedelta
) -> CartLine | None:
    put = [a for a in acts if a.kind == "cart"]
    carted = _quantity(put)
    removed = _quantity(a for a in acts if a.kind == "remove_from_cart")
    if not put or carted - removed <= 0:
        return None
    valued = [a for a in put if a.value is not None]
    price = found.kpi.products.get(product, {}).get("price")
    unit = Decimal(price) if price is not None else None
    if valued and _quantity(valued):
        unit = sum((Decimal(a.value) for a in valued if a.value is not None), ZERO) / _quantity(valued)
    until = visit.ended_at + recovery
    again = [p.at for p in purchases if p.product == product and visit.ended_at <= p.at <= until]
    return CartLine(
        product,
        found.kpi.category(product),
        carted,
        removed,
        _quantity(a for a in acts if a.kind == "purchase"),
        max(a.at for a in put),
        unit,
        min(again, default=None),
    )


def abandoned_carts(found: Behaviour) -> list[Row]:
    """behavior.abandoned_carts."""
    return [
        {
            "session_id": cart.visit.session_id,
            "product_id": line.product,
            "product_name": found.kpi.product_name(line.product),
            "category": line.category,
            "month": cart.visit.month,
            "visitor_id": cart.visit.visitor,
            "customer_id": cart.visit.customer,
            "device_type": cart.visit.device_type,
            "location": cart.visit.location,
            "channel": cart.visit.channel,
            "carted_at": line.last_at,
            "ended_at": cart.visit.ended_at,
            "quantity": line.left,
            "value": line.value,
            "is_recovered": line.recovered_at is not None,
            "recovered_at": line.recovered_at,
            "is_mature": cart.is_mature,
        }
        for cart in carts(found)
        for line in cart.lines
        if cart.is_decided and cart.is_abandoned and line.left > 0
    ]


def cart_abandonment(found: Behaviour) -> list[Row]:
    """behavior.cart_abandonment."""
    every = carts(found)
    wholes: dict[str, Callable[[Cart], str]] = {
        "all": lambda cart: "all",
        "device_type": lambda cart: cart.visit.device_type,
        "location": lambda cart: cart.visit.location,
    }
    parts: dict[str, Callable[[CartLine], str]] = {
        "product": lambda line: line.product,
        "category": lambda line: line.category,
    }
    items: dict[tuple[str, str], list[tuple[Cart, list[CartLine]]]] = {("all", "all"): []}
    for cart in every:
        for scope, key_of in wholes.items():
            items.setdefault((scope, key_of(cart)), []).append((cart, cart.lines))
        for line in cart.lines:
            for scope, of_line in parts.items():
                items.setdefault((scope, of_line(line)), []).append((cart, [line]))
    rows = []
    for (scope, key), own in items.items():
        for month in [*found.months, None] if found.months else []:
            these = [item for item in own if month in (None, item[0].visit.month)]
            if these or scope != "product":
                rows.append(_abandonment(found, scope, key, month, these))
    return rows


def _abandonment(
    found: Behaviour, scope: str, key: str, month: date | None, items: list[tuple[Cart, list[CartLine]]]
) -> Row:
    decided = [item for item in items if item[0].is_decided]
    lines = [line for _, own in decided for line in own]
    abandoned = [item for item in decided if item[0].is_abandoned and any(line.left > 0 for line in item[1])]
    left = [line for _, own in abandoned for line in own if line.left > 0]
    mature = [item for item in abandoned if item[0].is_mature]
    recovered = [item for item in mature if any(line.recovered_at for line in item[1])]
    low, high = wilson(len(abandoned), len(decided))
    return {
        "scope": scope,
        "key": key,
        "period_name": f"{month:%Y-%m}" if month else "all",
        "month": month,
        "product_id": key if scope == "product" else None,
        "product_name": found.kpi.product_name(key) if scope == "product" else None,
        "category": found.kpi.category(key) if scope == "product" else key if scope == "category" else None,
        "cart_count": len(decided),
        "abandoned_count": len(abandoned),
        "abandonment_rate": ratio(len(abandoned), len(decided)),
        "ci_low": low,
        "ci_high": high,
        "carts_open": len(items) - len(decided),
        "mature_count": len(mature),
        "recovered_count": len(recovered),
        "recovery_rate": ratio(len(recovered), len(mature)),
        "abandoned_value": sum((line.value or ZERO for line in left), ZERO),
        "carted_units": sum((line.carted for line in lines), ZERO),
        "removed_units": sum((line.removed for line in lines), ZERO),
        "purchased_units": sum((line.bought for line in lines), ZERO),
        "left_units": sum((line.left for line in left), ZERO),
        "low_n": len(decided) < found.small,
    }


# --- behavior.product_opportunities ---------------------------------------------------------------------------


def product_opportunities(found: Behaviour) -> list[Row]:
    """behavior.product_opportunities."""
    if found.as_of is None:
        return []
    lately = {
        r["product_id"]: r
        for r in product_conversion(found)
        if r["scope"] == "product" and r["period_name"] == "last 28 days"
    }
    popular = {r["product_id"]: r for r in product_popularity(found) if r["period_name"] == "last 28 days"}
    views = _laggards(found, lately, "viewers", "buyers")
    in_carts = _laggards(found, lately, "cart_adders", "cart_buyers")
    rows = []
    for product in _goods(found):
        given = found.kpi.products.get(product, {})
        price, stock = given.get("price"), given.get("stock_quantity")
        active = given.get("is_active") is not False
        sold = [x for x in found.kpi.lines if x.product_id == product]
        recent = [x for x in sold if x.day > found.as_of - timedelta(days=28)]
        net_units = sum((x.quantity for x in recent), ZERO)
        units = sum((x.quantity for x in recent if x.is_sale), ZERO)
        cover = float(stock) / (float(net_units) / 28) if stock is not None and net_units > 0 else None
        trend = popular.get(product, {}).get("trend")
        figures = lately.get(product, {})
        base = {
            "product_id": product,
            "product_name": found.kpi.product_name(product),
            "category": found.kpi.category(product),
            "is_active": active,
            "viewers": figures.get("viewers", 0),
            "cart_adders": figures.get("cart_adders", 0),
            "conversion": None,
            "conversion_ci_high": None,
            "benchmark": None,
            "net_units": net_units,
            "stock_quantity": stock,
            "days_of_cover": cover,
            "trend": trend,
            "price": price,
        }
        reasons: dict[str, float | None] = {}
        details: dict[str, Row] = {}
        for reason, laggards in (("viewed_not_bought", views), ("carted_not_bought", in_carts)):
            if active and product in laggards:
                n, rate, high, benchmark = laggards[product]
                reasons[reason] = n * (benchmark - rate)
                details[reason] = {"conversion": rate, "conversion_ci_high": high, "benchmark": benchmark}
        if active and cover is not None and cover < 14:
            reasons["demand_exceeds_stock"] = 14 * float(net_units) / 28 - float(stock)
        if stock is not None and stock > 0 and _is_unsold(found, sold):
            reasons["stock_without_demand"] = None
        if active and trend is not None and trend > 1 and units >= 10:
            reasons["rising"] = None
        for reason, missing in reasons.items():
            lost = None if missing is None or price is None else max(0.0, missing) * float(price)
            rows.append({**base, **details.get(reason, {}), "reason": reason, "estimated_lost_sales": lost})
    rows.sort(
        key=lambda r: (
            r["estimated_lost_sales"] is None,
            -(r["estimated_lost_sales"] or 0),
            r["reason"],
            r["product_id"],
        )
    )
    return [{**row, "rank": place} for place, row in enumerate(rows, start=1)]


def _goods(found: Behaviour) -> set[str]:
    known = {*found.kpi.products, *(x.product_id for x in found.kpi.lines)}
    known |= {str(a.product) for a in found.every_act if a.product}
    return {p for p in known if found.kpi.product_type(p) == "goods"}


def _is_unsold(found: Behaviour, sold: list[Line]) -> bool:
    """No unit in 60 days, in a shop that sells for so long."""
    assert found.as_of is not None
    since = found.as_of - timedelta(days=60)
    days = [x.day for x in found.kpi.lines]
    return not any(x.is_sale and x.day > since for x in sold) and bool(days) and min(days) <= since


def _laggards(
    found: Behaviour, lately: dict[str, Row], members: str, successes: str
) -> dict[str, tuple[int, float, float, float]]:
    """Products among the most frequented quarter of their category whose rate lies below its median for sure."""
    result = {}
    for own in grouped((r for r in lately.values() if r[members] > 0), lambda r: r["category"]).values():
        limit = quantile((r[members] for r in own), 0.75)
        rates = [r[successes] / r[members] for r in own if r[members] >= found.small]
        benchmark = quantile(rates, 0.5)
        for r in own:
            high = wilson(r[successes], r[members])[1]
            known = benchmark is not None and limit is not None and high is not None
            if known and r[members] >= limit and high < benchmark:
                result[r["product_id"]] = r[members], r[successes] / r[members], high, benchmark
    return result
