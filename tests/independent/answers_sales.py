"""Questions about sales, answered in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

from tests.independent.answers_known import ZERO, Known, months_before, net, only, quotient, ranked
from tests.independent.metrics import Line
from tests.independent.tables import Rows


def yesterday(known: Known) -> Rows:
    return only(
        sorted(known.rows("kpi.yesterday"), key=lambda r: r["sort_order"]),
        "figure unit day amount amount_week_before change_to_week_before amount_year_before change_to_year_before",
    )


def last_month(known: Known) -> Rows:
    complete = [row for row in known.rows("kpi.monthly") if row["is_complete"]]
    if not complete:
        return []
    month = max(complete, key=lambda row: row["period"])
    lines = [line for line in known.shop.lines if line.day.replace(day=1) == month["period"]]
    assert month["net_sales"] == net(lines)
    figures = ("net_sales", "orders", "aov", "units", "active_customers", "new_customers")
    return [
        {
            "figure": figure,
            "period_name": f"{month['period']:%Y-%m}",
            "amount": month[figure],
            "amount_month_before": month[f"{figure}_prev"],
            "growth": month[f"{figure}_growth"],
            "amount_year_before": month[f"{figure}_year_ago"],
            "yoy": month[f"{figure}_yoy"],
        }
        for figure in figures
    ]


def why_sales_changed(known: Known) -> Rows:
    factors = known.rows("kpi.growth_drivers")
    if not factors:
        return []
    month = max(row["period"] for row in factors)
    before = months_before(month, 1)
    total = [net(x for x in known.shop.lines if x.day.replace(day=1) == m) for m in (before, month)]
    found = [
        {"breakdown": "factors", "driver": r["driver"], "effect": r["effect"], "value_after": r["value_after"]}
        for r in factors
        if r["period"] == month
    ]
    for breakdown, member_of in (("category", category_of(known)), ("channel", channel_of(known))):
        sums: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
        for line in known.shop.lines:
            if line.day < months_before(month, -1):
                both = sums[member_of(line)]
                for n, m in enumerate((before, month)):
                    both[n] += line.net if line.day.replace(day=1) == m else ZERO
        found += [
            {"breakdown": breakdown, "driver": name, "effect": after - was, "value_after": float(after)}
            for name, (was, after) in sums.items()
        ]
    rows = []
    for breakdown in ("factors", "category", "channel"):
        mine = [row for row in found if row["breakdown"] == breakdown]
        rows += ranked(mine, lambda r: (-abs(r["effect"]), r["driver"]))
    change = total[1] - total[0]
    return [
        {
            **row,
            "net_sales_prev": total[0],
            "net_sales": total[1],
            "net_sales_change": change,
            "share_of_change": quotient(row["effect"], change),
        }
        for row in rows
    ]


def category_of(known: Known) -> Callable[[Line], str]:
    products = known.by("core.products", "product_id")
    return lambda line: str(products[line.product_id]["category"])


def channel_of(known: Known) -> Callable[[Line], str]:
    stores = known.by("core.stores", "store_id")
    return lambda line: str(stores[line.store_id]["channel"])


def by_member(known: Known, member_of: Callable[[Line], str]) -> Rows:
    """All lines by member, with the last complete month and the one before beside."""
    complete = [row["period"] for row in known.rows("kpi.monthly") if row["is_complete"]]
    month = max(complete, default=None)
    total = net(known.shop.lines)
    grouped = defaultdict(list)
    for line in known.shop.lines:
        grouped[member_of(line)].append(line)
    rows = []
    for member, lines in grouped.items():
        sold = [line for line in lines if line.is_sale]
        orders = len({line.order_id for line in sold})
        paid = sum((line.gross - line.discounts for line in lines), ZERO)
        begun = month is not None and min(line.day for line in lines).replace(day=1) <= month
        rows.append(
            {
                "member": member,
                "net_sales": net(lines),
                "share": quotient(net(lines), total) if total > 0 else None,
                "orders": orders,
                "customers": len({line.customer_id for line in sold} - {None}),
                "gross_less_discounts": paid,
                "aov": paid / orders if orders else None,
                "last_month_net_sales": net(x for x in lines if x.day.replace(day=1) == month) if begun else None,
            }
        )
    return rows


def sales_by_category(known: Known) -> Rows:
    rows = ranked(by_member(known, category_of(known)), lambda r: (-r["net_sales"], r["member"]))
    names = "rank category=member net_sales share orders customers gross_less_discounts aov last_month_net_sales"
    return only(rows, names)


def stores_and_channels(known: Known) -> Rows:
    rows = []
    for breakdown, member_of in (("channel", channel_of(known)), ("store", lambda line: str(line.store_id))):
        found = ranked(by_member(known, member_of), lambda r: (-r["net_sales"], r["member"]))
        rows += [{"breakdown": breakdown, **row} for row in found]
    return rows


def returned_products(known: Known) -> Rows:
    products = known.by("core.products", "product_id")
    rated = {row["member"]: row for row in known.rows("customer.satisfaction", breakdown="product")}
    grouped = defaultdict(list)
    for line in known.shop.lines:
        grouped[line.product_id].append(line)
    rows = []
    for product, lines in grouped.items():
        returns = sum((line.returns for line in lines), ZERO)
        paid = sum((line.gross - line.discounts for line in lines), ZERO)
        if returns > 0:
            rows.append(
                {
                    "product_id": product,
                    "product_name": products[product]["product_name"],
                    "category": products[product]["category"],
                    "gross_less_discounts": paid,
                    "returns": returns,
                    "return_rate": quotient(returns, paid),
                    "ratings": rated[product]["ratings"],
                    "rating_average": rated[product]["rating_average"],
                }
            )
    return ranked(rows, lambda r: (-r["returns"], r["product_id"]), 20)
