"""behavior.product_conversion, recomputed."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from tests.independent.funnels_acts import Act, Behaviour, Row, Visit, first_since, grouped, ratio, wilson


class Span(NamedTuple):
    """A period of days."""

    name: str
    month: date | None
    first: date
    last: date

    def holds(self, day: date) -> bool:
        return self.first <= day <= self.last


def spans(found: Behaviour) -> list[Span]:
    """Months, the last 28 days, all time."""
    if found.is_empty or found.as_of is None or found.first is None:
        return []
    months = [
        Span(f"{m:%Y-%m}", m, m, (m + timedelta(days=32)).replace(day=1) - timedelta(days=1)) for m in found.months
    ]
    last = Span("last 28 days", None, found.as_of - timedelta(days=27), found.as_of)
    return [*months, last, Span("all", None, found.first, found.as_of)]


class Pair(NamedTuple):
    """What a visitor's views of one product in a period led to."""

    visitor: str
    product: str
    adds: bool
    cart_buys: bool
    buys: bool
    is_open: bool


def product_conversion(found: Behaviour) -> list[Row]:
    """behavior.product_conversion."""
    goods = [a for a in found.acts if a.is_goods]
    streams = grouped((a for a in goods if a.visitor), lambda a: (a.visitor, a.product))
    rows: list[Row] = []
    categories = {a.category for a in goods if a.kind in ("view", "cart", "purchase")}
    for span in spans(found):
        pairs = [p for key, acts in streams.items() if (p := _pair(found, span, key, acts))]
        own = [a for a in goods if a.kind in ("view", "cart", "purchase") and span.holds(a.day)]
        visits = [v for v in found.visits.values() if _visit_in(span, v)]
        viewed = {a.product for a in own if a.kind == "view"}
        products = grouped((a for a in own if a.product in viewed), lambda a: a.product)
        seen = _seen(found, visits)
        of_category = {p: found.kpi.category(p) for p in {*products, *(pair.product for pair in pairs)}}
        shrunk = _shrunk(pairs, of_category)
        for product, acts in products.items():
            mine = [p for p in pairs if p.product == product]
            sessions = [s for s, (looked_at, _) in seen.items() if product in looked_at]
            with_purchase = [s for s in sessions if product in seen[s][1]]
            row = _converted(found, span, "product", product, mine, acts, len(sessions), len(with_purchase))
            rate, mean, prior = shrunk.get(product, (None, None, None))
            row |= {"product_id": product, "product_name": found.kpi.product_name(product)}
            row |= {
                "category": of_category[product],
                "rate_shrunk": rate,
                "category_rate": mean,
                "prior_viewers": prior,
            }
            rows.append(row)
        for category in categories:
            mine = [p for p in pairs if of_category[p.product] == category]
            acts = [a for a in own if a.category == category]
            sessions = [s for s, sets in seen.items() if any(found.kpi.category(p) == category for p in sets[0])]
            with_purchase = [
                s for s in sessions if any(found.kpi.category(p) == category for p in seen[s][0] & seen[s][1])
            ]
            row = _converted(found, span, "category", str(category), mine, acts, len(sessions), len(with_purchase))
            rows.append({**row, "category": category})
        bought = sum(v.purchases > 0 for v in visits)
        rows.append(_converted(found, span, "all", "all", pairs, own, len(visits), bought))
    _rank_conversions(rows)
    return rows


def _visit_in(span: Span, visit: Visit) -> bool:
    return visit.month == span.month if span.month else span.holds(visit.day)


def _seen(found: Behaviour, visits: list[Visit]) -> dict[str, tuple[set[str], set[str]]]:
    """Goods viewed and goods bought in each of some sessions."""
    wanted = {v.session_id for v in visits}
    seen: dict[str, tuple[set[str], set[str]]] = {}
    for act in found.acts:
        if act.is_goods and act.session in wanted and act.kind in ("view", "purchase"):
            sets = seen.setdefault(str(act.session), (set(), set()))
            sets[act.kind == "purchase"].add(str(act.product))
    return seen


def _pair(found: Behaviour, span: Span, key: tuple[str, str], acts: list[Act]) -> Pair | None:
    views = [a.at for a in acts if a.kind == "view" and span.holds(a.day)]
    if not views:
        return None
    carts = sorted(a.at for a in acts if a.kind == "cart")
    purchases = sorted(a.at for a in acts if a.kind == "purchase")
    adds = cart_buys = buys = False
    for view in views:
        until = view + found.window
        cart = first_since(carts, view)
        if cart and cart <= until:
            adds = True
            bought = first_since(purchases, cart)
            cart_buys |= bool(bought and bought <= until)
        bought = first_since(purchases, view)
        buys |= bool(bought and bought <= until)
    return Pair(*key, adds, cart_buys, buys, any(found.is_young(view) for view in views))


def _converted(
    found: Behaviour, span: Span, scope: str, key: str, pairs: list[Pair], acts: list[Act], sessions: int, bought: int
) -> Row:
    viewers = {p.visitor for p in pairs}
    adders = {p.visitor for p in pairs if p.adds}
    cart_buyers = {p.visitor for p in pairs if p.cart_buys}
    buyers = {p.visitor for p in pairs if p.buys}
    kinds = [a.kind for a in acts]
    low, high = wilson(len(buyers), len(viewers))
    return {
        "scope": scope,
        "key": key,
        "period_name": span.name,
        "month": span.month,
        "product_id": None,
        "product_name": None,
        "category": None,
        "viewers": len(viewers),
        "cart_adders": len(adders),
        "cart_buyers": len(cart_buyers),
        "buyers": len(buyers),
        "viewers_open": len({p.visitor for p in pairs if p.is_open} - buyers),
        "view_to_cart_rate": ratio(len(adders), len(viewers)),
        "cart_to_purchase_rate": ratio(len(cart_buyers), len(adders)),
        "view_to_purchase_rate": ratio(len(buyers), len(viewers)),
        "ci_low": low,
        "ci_high": high,
        "rate_shrunk": None,
        "category_rate": None,
        "prior_viewers": None,
        "rank": None,
        "views": kinds.count("view"),
        "carts": kinds.count("cart"),
        "purchases": kinds.count("purchase"),
        "purchases_per_view": ratio(kinds.count("purchase"), kinds.count("view")),
        "sessions": sessions,
        "sessions_with_purchase": bought,
        "session_conversion": ratio(bought, sessions),
        "low_n": len(viewers) < found.small,
    }


def _shrunk(pairs: list[Pair], of_category: dict[str, str]) -> dict[str, tuple[float, float, float | None]]:
    """Shrunken rate, rate of the category and size of the prior of each product with viewers."""
    counts = {
        product: (len(own), sum(p.buys for p in own)) for product, own in grouped(pairs, lambda p: p.product).items()
    }
    result: dict[str, tuple[float, float, float | None]] = {}
    for products in grouped(counts, lambda product: of_category[product]).values():
        sizes = [counts[p][0] for p in products]
        bought = [counts[p][1] for p in products]
        many, total = len(products), sum(sizes)
        mean = sum(bought) / total
        spread = sum(k * k / n for n, k in zip(sizes, bought, strict=True)) - sum(bought) ** 2 / total
        divisor = total - sum(n * n for n in sizes) / total - (many - 1)
        rho = 0.0
        if divisor > 0 and 0 < mean < 1:
            rho = min(1.0, max(0.0, (spread / (mean * (1 - mean)) - (many - 1)) / divisor))
        for product in products:
            n, k = counts[product]
            rate = (rho * k + (1 - rho) * mean) / (rho * n + 1 - rho)
            result[product] = rate, mean, 1 / rho - 1 if rho else None
    return result


def _rank_conversions(rows: list[Row]) -> None:
    ranked = [r for r in rows if not r["low_n"] and r["ci_low"] is not None and r["scope"] != "all"]
    for own in grouped(ranked, lambda r: (r["scope"], r["period_name"])).values():
        own.sort(key=lambda r: (-float(f"{r['ci_low']:.12g}"), r["category"] or "", r["key"]))
        for place, row in enumerate(own, start=1):
            row["rank"] = place
