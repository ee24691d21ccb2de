"""A shop as the second implementation of the tables of kpi sees it: its lines, periods, orders and customers.

That implementation is written from the definitions and not from the SQL, slow and simple; each of its functions gives the
rows of one table. They are in `kpi_periods`, `kpi_changes`, `kpi_groups`, `kpi_orders`, `kpi_subscribers` and
`kpi_attributes`. Not here: periods and members (`metrics`), visits (`visits`), the comparison (`tests/integration`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from tests.independent import metrics, visits
from tests.independent.metrics import ZERO, Line, Order

Row = dict[str, Any]
GRAINS = ("day", "week", "month", "quarter", "year")
CENT = Decimal("0.0001")


def ratio(part: Any, whole: Any) -> float | None:
    """Their quotient; None without a whole."""
    return float(part) / float(whole) if whole else None


def share(part: Any, whole: Any) -> float | None:
    """Part of a total, which must be positive."""
    return float(part) / float(whole) if whole > 0 else None


def money(part: Any, whole: Any = 1) -> Decimal | None:
    """A quotient as money; None without a whole."""
    return (Decimal(part) / Decimal(whole)).quantize(CENT) if whole else None


def total(lines: Iterable[Line], figure: str) -> Decimal:
    """The sum of an amount over lines."""
    return sum((getattr(line, figure) for line in lines), ZERO)


class Kpi:
    """A shop with what these tables need to know of it.

    Args:
        landed: Rows of the landed tables.
        parameters: The row of core.parameters.
    """

    def __init__(self, landed: dict[str, list[Row]], parameters: Row) -> None:
        self.landed, self.parameters = landed, parameters
        self.shop = metrics.Shop(landed, parameters["as_of_date"])
        self.raw = {row["sale_id"]: row for row in landed["sales"]}
        self.products = {row["product_id"]: row for row in landed["products"]}
        self.stores = {row["store_id"]: row for row in landed["stores"]}
        self.small: int = parameters["min_group_size"]

    @property
    def as_of(self) -> date:
        assert self.shop.as_of is not None
        return self.shop.as_of

    @property
    def is_empty(self) -> bool:
        return self.shop.as_of is None or self.shop.begin > self.shop.as_of

    @cached_property
    def last_complete_day(self) -> date:
        """The as-of date where it was set, else the day before."""
        return self.as_of if self.parameters["as_of_date"] else self.as_of - timedelta(days=1)

    @cached_property
    def lines(self) -> list[Line]:
        return self.shop.lines

    @cached_property
    def orders(self) -> dict[str, Order]:
        return {order.order_id: order for order in self.shop.orders}

    @cached_property
    def by_customer(self) -> dict[str, list[Order]]:
        return self.shop.orders_by_customer()

    @cached_property
    def net_by_customer(self) -> dict[str, Decimal]:
        return {c: net for c, net in self.shop.net_by_customer().items() if c is not None}

    @cached_property
    def visits(self) -> visits.Visits:
        return visits.Visits(self.landed, self.parameters)

    @cached_property
    def order_of_sale(self) -> dict[str, Order]:
        return {line.sale_id: order for order in self.orders.values() for line in order.lines}

    def order_of_return(self, line: Line) -> Order | None:
        """The order of the line that a return names, else the order whose number it bears."""
        return self.order_of_sale.get(line.original or "") or self.orders.get(line.order_id)

    @cached_property
    def outliers(self) -> set[str]:
        """Orders of an unusual value."""
        return {row["row_key"] for row in self.visits.outlier_rows() if row["variable"] == "order_value"}

    def is_reactivating(self, order: Order, first: date) -> bool:
        """Whether a customer who is not new in the period comes back with it after long."""
        if not order.customer or order.number == 1:
            return False
        orders = sorted(self.by_customer[order.customer], key=lambda o: o.number or 0)
        before = orders[(order.number or 0) - 2].day
        months = metrics.shifted("month", before.replace(day=1), self.parameters["inactive_after_months"])
        last = (metrics.shifted("month", months, 1) - timedelta(days=1)).day
        return orders[0].day < first and order.day > months.replace(day=min(before.day, last))

    def category(self, product_id: str) -> str:
        return (self.products.get(product_id, {}).get("category") or "").split("/")[0].strip() or "Unknown"

    def product_name(self, product_id: str) -> str:
        return self.products.get(product_id, {}).get("product_name") or product_id

    def product_type(self, product_id: str) -> str:
        return self.products.get(product_id, {}).get("product_type") or "goods"

    def channel(self, store_id: str) -> str:
        given = self.stores.get(store_id, {}).get("channel")
        return "online" if store_id == "__online__" else given or "store"

    def store_name(self, store_id: str) -> str:
        if store_id == "__online__":
            return "Online shop"
        return self.stores.get(store_id, {}).get("store_name") or store_id

    def said(self, line: Line, name: str) -> Any:
        """What a line says; a return that does not say it takes it from the line that it gives back."""
        given = self.raw[line.sale_id].get(name)
        if given is None and not line.is_sale and line.original in self.order_of_sale:
            given = self.raw[line.original or ""].get(name)
        return given

    def is_discounted(self, line: Line) -> bool:
        """Something was taken off, or the source says so without the amount."""
        return line.discount > 0 or self.discount_is_unknown(line)

    def discount_is_unknown(self, line: Line) -> bool:
        raw = self.raw[line.sale_id]
        return raw.get("discount_amount") is None and bool(raw.get("discount_applied"))

    def is_censored(self, first: date) -> bool:
        """Whether a period begins in the first month of the sales, or before."""
        days = [metrics.complete(row) for row in self.landed["sales"]]
        begin = min((line.day for line in days if line.valid), default=None)
        if begin is None or self.parameters["data_begin_is_shop_begin"]:
            return False
        return first < metrics.shifted("month", begin.replace(day=1), 1)

    def periods(self, grain: str) -> list[tuple[date, date]]:
        """First and last day of every period from the first day of the data to the as-of date."""
        if self.is_empty:
            return []
        found, first = [], metrics.start_of(grain, self.shop.begin)
        while first <= self.as_of:
            following = metrics.shifted(grain, first, 1)
            found.append((first, following - timedelta(days=1)))
            first = following
        return found
