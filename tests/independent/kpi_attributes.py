"""What brings net sales, attribute by attribute, recomputed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

from tests.independent import metrics
from tests.independent.kpi import Kpi, Row, money, share, total
from tests.independent.kpi_orders import Traits
from tests.independent.metrics import ZERO, Line


class Attributes:
    """The member of each dimension in which a line stands."""

    def __init__(self, kpi: Kpi) -> None:
        self.kpi, self.traits = kpi, Traits(kpi)

    def of(self, line: Line, dimension: str) -> str:
        return str(getattr(self, f"_{dimension}")(line))

    def _attribute(self, line: Line, name: str) -> str:
        return self.kpi.products.get(line.product_id, {}).get(name) or "Unknown"

    def _product(self, line: Line) -> str:
        return line.product_id

    def _category(self, line: Line) -> str:
        return self.kpi.category(line.product_id)

    def _season(self, line: Line) -> str:
        return self._attribute(line, "season")

    def _size(self, line: Line) -> str:
        return self._attribute(line, "size")

    def _color(self, line: Line) -> str:
        return self._attribute(line, "color")

    def _brand(self, line: Line) -> str:
        return self._attribute(line, "brand")

    def _payment_method(self, line: Line) -> str:
        return self.kpi.said(line, "payment_method") or "Unknown"

    def _promo_code(self, line: Line) -> str:
        return self.kpi.said(line, "promo_code") or "No code"

    def _shipping_type(self, line: Line) -> str:
        counter = self.kpi.channel(line.store_id) == "store"
        return self.kpi.said(line, "shipping_type") or ("In store" if counter else "Unknown")

    def _store(self, line: Line) -> str:
        return line.store_id

    def _channel(self, line: Line) -> str:
        return self.kpi.channel(line.store_id)

    def _device_type(self, line: Line) -> str:
        order = self.kpi.orders.get(line.order_id) if line.is_sale else self.kpi.order_of_return(line)
        return self.traits.device(order) if order else "unknown"

    def _location(self, line: Line) -> str:
        return metrics.location(self.kpi.shop.customers[line.customer_id]) if line.customer_id else "Guest"

    def _gender(self, line: Line) -> str:
        given = self.kpi.shop.customers[line.customer_id].get("gender") if line.customer_id else "Guest"
        return given or "unknown"

    def _age_group(self, line: Line) -> str:
        return (
            metrics.age_group(self.kpi.shop, self.kpi.shop.customers[line.customer_id]) if line.customer_id else "Guest"
        )


DIMENSIONS = (
    *("product", "category", "season", "size", "color", "brand", "payment_method", "promo_code", "shipping_type"),
    *("store", "channel", "device_type", "location", "gender", "age_group"),
)


def revenue_drivers(kpi: Kpi) -> list[Row]:
    """kpi.revenue_drivers."""
    attributes, months = Attributes(kpi), kpi.periods("month")
    rows = []
    for dimension in DIMENSIONS:
        grouped: dict[str, list[Line]] = defaultdict(list)
        for line in kpi.lines:
            grouped[attributes.of(line, dimension)].append(line)
        for member, lines in grouped.items():
            rows.append(_driver(kpi, dimension, member, None, lines, None))
            begin = min(line.day for line in lines).replace(day=1)
            for first, last in months:
                own = [line for line in lines if first <= line.day <= last]
                if first >= begin and (own or dimension != "product"):
                    rows.append(_driver(kpi, dimension, member, (first, last), own, lines))
    return rows


def _driver(
    kpi: Kpi, dimension: str, member: str, month: tuple[date, date] | None, own: list[Line], every: list[Line] | None
) -> Row:
    sold = [line for line in own if line.is_sale]
    orders = {x.order_id for x in sold}
    customers = {x.customer_id for x in sold} - {None}
    value, net = total(own, "gross") - total(own, "discounts"), total(own, "net")
    whole = [x for x in kpi.lines if month is None or month[0] <= x.day <= month[1]]
    names: dict[str, Callable[[str], str]] = {"product": kpi.product_name, "store": kpi.store_name}
    return {
        "dimension": dimension,
        "member": member,
        "period_name": f"{month[0]:%Y-%m}" if month else "all",
        "member_name": names.get(dimension, str)(member),
        "period": month[0] if month else None,
        "is_complete": kpi.shop.is_complete(*month) if month else True,
        "net_sales": net,
        "share": share(net, total(whole, "net")),
        "orders": len(orders),
        "customers": len(customers),
        "units": sum((x.quantity for x in sold), ZERO),
        "gross_less_discounts": value,
        "aov": money(value, len(orders)),
        **_growth(kpi, month, net, every),
        "low_n": len(orders) < kpi.small,
    }


def _growth(kpi: Kpi, month: tuple[date, date] | None, net: Decimal, every: list[Line] | None) -> Row:
    row: Row = dict.fromkeys(("net_sales_prev", "net_sales_change", "net_sales_growth", "growth_note"))
    if month is None or every is None:
        return row
    before = metrics.shifted("month", month[0], -1)
    before_end = month[0] - timedelta(days=1)
    if before < kpi.shop.begin.replace(day=1):
        return row | {"growth_note": "no_base"}
    base = total((x for x in every if before <= x.day <= before_end), "net")
    row |= {"net_sales_prev": base, "net_sales_change": net - base}
    if not (kpi.shop.is_complete(*month) and kpi.shop.is_complete(before, before_end)):
        return row | {"growth_note": "incomplete"}
    if base <= 0:
        return row | {"growth_note": "non_positive_base"}
    return row | {"net_sales_growth": float((net - base) / base)}
