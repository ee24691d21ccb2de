"""The rows from which the tables of customers are made, and what all of them need, computed in pandas.

Here: the tables of core and behavior that say who bought and did what up to the as-of date, as built (`metrics`,
`visits` and `funnels` recompute those), and sums by customer. Not here: the tables of customer themselves
(`customers_rfm`, `customers_orders`, `customers_interest`, `customers_audiences`, `customers_satisfaction`), which are
written from the definitions and not from the SQL; the comparison with the SQL (`tests/integration`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from tests.independent.kpi import CENT, ratio
from tests.independent.tables import Row, Rows, project, seed_rows

ZERO = Decimal(0)


class Customers:
    """A shop up to its as-of date.

    Args:
        rows: Gives the rows of a table.
        parameters: The row of core.parameters.
    """

    def __init__(self, rows: Callable[[str], Rows], parameters: Row) -> None:
        self.rows, self.parameters = rows, parameters
        self.small: int = parameters["min_group_size"]
        self.zone = ZoneInfo(parameters["timezone"])
        clock = rows("core.clock")[0]
        self.as_of: date = clock["as_of_date"] or date(1, 1, 1)
        self.currency: str | None = clock["currency"]

    def frame(self, key: str, day: str | None = None) -> pd.DataFrame:
        """A table as objects, NULL being None; only rows up to the as-of date where `day` names its column."""
        found = pd.DataFrame(self.rows(key), columns=list(project().catalog[key].column_names), dtype=object)
        return found if day is None else found[found[day].map(lambda value: value <= self.as_of).astype(bool)]

    def seed(self, key: str) -> Rows:
        """Rows of a seed."""
        return seed_rows(project().catalog[key])

    @cached_property
    def people(self) -> dict[str, Row]:
        """core.customers by id."""
        return {row["customer_id"]: row for row in self.rows("core.customers")}

    @cached_property
    def products(self) -> dict[str, Row]:
        return {row["product_id"]: row for row in self.rows("core.products")}

    @cached_property
    def lines(self) -> pd.DataFrame:
        """Lines that count, guests' too, with category, product_type and is_sale."""
        found = self.frame("core.sales", "sold_date")
        found = found[found["is_valid"].astype(bool)].sort_values(["sold_at", "sale_id"])
        for name in ("category", "product_type"):
            found[name] = found["product_id"].map(lambda product, name=name: self.products[product][name])
        return found.assign(is_sale=found["quantity"].map(lambda quantity: quantity > 0).astype(bool))

    @cached_property
    def sold(self) -> pd.DataFrame:
        """Sale lines that count, guests' too."""
        return self.lines[self.lines["is_sale"]]

    @cached_property
    def all_orders(self) -> pd.DataFrame:
        """Orders, guests' too, with is_discounted."""
        found = self.frame("core.orders", "order_date").sort_values(["ordered_at", "order_id"])
        lower = self.sold["discounts"].map(lambda amount: amount > 0).astype(bool)
        stated = self.sold["discount_unknown"].astype(bool)
        discounted = set(self.sold.loc[lower | stated, "order_id"])
        return found.assign(is_discounted=[order in discounted for order in found["order_id"]])

    @cached_property
    def orders(self) -> pd.DataFrame:
        """Orders of customers, the first first."""
        return self.all_orders[self.all_orders["customer_id"].notna()]

    @cached_property
    def dates(self) -> dict[str, list[date]]:
        """Days of the orders of every customer with one, in the order of their numbers."""
        ordered = self.orders.sort_values(["customer_id", "order_number"])
        return {str(c): list(of["order_date"]) for c, of in ordered.groupby("customer_id")}

    @cached_property
    def net(self) -> dict[str, Decimal]:
        """Net sales of every customer."""
        return self.sums(self.lines, "net_sales")

    @cached_property
    def ordered(self) -> dict[str, Decimal]:
        """Value of the orders of every customer."""
        return self.sums(self.orders, "order_value")

    @cached_property
    def discounted_orders(self) -> dict[str, int]:
        found = self.orders.loc[self.orders["is_discounted"].astype(bool), "customer_id"].value_counts()
        return {customer: int(found.get(customer, 0)) for customer in self.people}

    def sums(self, rows: pd.DataFrame, name: str) -> dict[str, Decimal]:
        """Sum of a column by customer; 0 for customers without a row."""
        found = dict.fromkeys(self.people, ZERO)
        for customer, of in rows[rows["customer_id"].notna()].groupby("customer_id"):
            found[str(customer)] = sum(of[name], ZERO)
        return found

    def count(self, customer: str) -> int:
        """Orders of a customer."""
        return len(self.dates.get(customer, ()))

    @cached_property
    def activity(self) -> pd.DataFrame:
        """Events of known customers."""
        found = self.frame("core.activity", "occurred_date")
        return found[found["customer_id"].notna()]

    @cached_property
    def visits(self) -> pd.DataFrame:
        """Sessions of known customers."""
        found = self.frame("core.visits", "session_date")
        return found[found["customer_id"].notna()]

    @cached_property
    def abandoned(self) -> dict[str, list[date]]:
        """Days on which sessions of a customer ended with an abandoned cart, one for each session."""
        found = self.frame("behavior.abandoned_carts")
        found = found[found["customer_id"].notna()].drop_duplicates("session_id")
        days = found["ended_at"].map(lambda moment: moment.astimezone(self.zone).date())
        return {str(c): sorted(of) for c, of in days.groupby(found["customer_id"])}

    @cached_property
    def cache(self) -> dict[str, Any]:
        """What was computed once."""
        return {}

    def once(self, make: Callable[[Customers], Any]) -> Any:
        """What a function makes of this shop, made once."""
        if make.__name__ not in self.cache:
            self.cache[make.__name__] = make(self)
        return self.cache[make.__name__]


def money(part: Any, whole: Any = 1) -> Decimal | None:
    """A quotient as money, halves up; None without a whole."""
    return (Decimal(part) / Decimal(whole)).quantize(CENT, ROUND_HALF_UP) if whole else None


def by_customer(shop: Customers, make: Callable[[Customers], Rows]) -> dict[str, Row]:
    """Rows of a table with one row per customer, by customer; computed once."""
    name = f"{make.__name__} by customer"
    if name not in shop.cache:
        shop.cache[name] = {row["customer_id"]: row for row in shop.once(make)}
    return shop.cache[name]  # type: ignore[no-any-return]


def total(values: Iterable[Decimal]) -> Decimal:
    """Sum of money."""
    return sum(values, ZERO)


def average(values: Iterable[Any]) -> float | None:
    """Mean of counts; None without any."""
    found = list(values)
    return ratio(sum(found), len(found))
