"""The tables of cohort, computed anew in pandas from sales lines: members, groups and the months of customers.

Here: a second implementation, written from the definitions and not from the SQL; each function gives the rows of one
table. Not here: retention (`cohorts_retention`), ranking and drivers (`cohorts_drivers`), the comparison with the SQL
(`tests/integration`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import pandas as pd

from tests.independent import metrics
from tests.independent.kpi import Kpi, Row
from tests.independent.metrics import ZERO

SCALE = 10_000
"""Money and quantities are whole numbers of their last decimal, so that every sum is exact."""
AMOUNTS = ["units", "gross_sales", "discounts", "returns", "net_sales"]
SUMS = ["orders", *AMOUNTS]
COLUMNS = ["sale_id", "order_id", "customer_id", "product_id", "store_id", "at", "day", "is_sale", *AMOUNTS]
LARGEST = 50


def number(day: date) -> int:
    """A month as the number of months since the year 0."""
    return day.year * 12 + day.month - 1


def first_day(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)


def name(month: int) -> str:
    return f"{first_day(month):%Y-%m}"


def whole(amount: Decimal) -> int:
    """An amount of four decimals as a whole number."""
    scaled = amount * SCALE
    assert scaled == int(scaled)
    return int(scaled)


def amount(scaled: int) -> Decimal:
    """The amount of a whole number."""
    return Decimal(int(scaled)) / SCALE


def lines_of(kpi: Kpi) -> pd.DataFrame:
    """Sales lines that count, up to the as-of date."""
    named = [
        (x.sale_id, x.order_id, x.customer_id, x.product_id, x.store_id, x.at, x.day, x.is_sale) for x in kpi.lines
    ]
    sums = [(x.quantity if x.is_sale else ZERO, x.gross, x.discounts, x.returns, x.net) for x in kpi.lines]
    rows = [(*names, *map(whole, amounts)) for names, amounts in zip(named, sums, strict=True)]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"is_sale": bool, **dict.fromkeys(AMOUNTS, "int64")})


class Cohorts:
    """A shop with what these tables need to know of it.

    Args:
        kpi: Members, visits and parameters of the shop.
        lines: Its sales lines with `COLUMNS`; default are those of `kpi`.
        begin: First day of the data.
        as_of: The as-of date.
        currency: Currency of the lines.
    """

    def __init__(
        self, kpi: Kpi, lines: pd.DataFrame, begin: date | None, as_of: date | None, currency: str | None
    ) -> None:
        self.kpi, self.begin, self.as_of, self.currency = kpi, begin, as_of, currency
        self.lines = lines.assign(month=[number(day) for day in lines["day"]])
        self.small = kpi.small

    @classmethod
    def of(cls, kpi: Kpi) -> Cohorts:
        """The shop that is made of landed rows."""
        found = {row["currency"] for row in kpi.landed["sales"] if metrics.complete(row).valid}
        currency = found.pop() if len(found) == 1 else None
        return cls(kpi, lines_of(kpi), kpi.shop.begin, kpi.shop.as_of, currency)

    @property
    def last_month(self) -> int:
        assert self.as_of is not None
        return number(self.as_of)

    def has_ended(self, month: int) -> bool:
        """Whether the last day of a month lies before the as-of date, or is it and that was set by hand."""
        assert self.as_of is not None
        last = first_day(month + 1) - timedelta(days=1)
        return last < self.as_of or (last == self.as_of and self.kpi.parameters["as_of_date"] is not None)

    @cached_property
    def orders(self) -> pd.DataFrame:
        """One row per order: that of its earliest line, the first customer named, and its sums."""
        sold = self.lines[self.lines["is_sale"]].sort_values(["at", "sale_id"])
        orders = sold.drop_duplicates("order_id").set_index("order_id")[["at", "day", "month", "store_id"]]
        named = sold.dropna(subset="customer_id").drop_duplicates("order_id").set_index("order_id")["customer_id"]
        sums = sold.groupby("order_id")[["gross_sales", "discounts"]].sum()
        return orders.join(sums).join(named).reset_index()

    @cached_property
    def first_orders(self) -> pd.DataFrame:
        """The first order of every customer."""
        known = self.orders.dropna(subset="customer_id")
        return known.sort_values(["at", "order_id"]).drop_duplicates("customer_id").set_index("customer_id")

    @cached_property
    def cohort_of(self) -> dict[str, int]:
        """Month of the first order by customer."""
        return {str(customer): int(month) for customer, month in self.first_orders["month"].items()}

    @cached_property
    def censored(self) -> int | None:
        """The left-censored cohort."""
        if self.kpi.parameters["data_begin_is_shop_begin"]:
            return None
        return min(self.cohort_of.values(), default=None)

    @cached_property
    def first_products(self) -> dict[str, str]:
        """First product of every first order."""
        of_first = self.lines["is_sale"] & self.lines["order_id"].isin(self.first_orders["order_id"])
        lines = self.lines[of_first]
        ordered = lines.assign(
            is_other=[self.kpi.product_type(product) != "goods" for product in lines["product_id"]],
            less=-lines["net_sales"],
        ).sort_values(["is_other", "at", "less", "sale_id"])
        found = ordered.drop_duplicates("order_id")
        return dict(zip(found["order_id"], found["product_id"], strict=True))

    @cached_property
    def visits(self) -> dict[str, tuple[str, str]]:
        """Device type and campaign of the visit in which an order was placed."""
        visits = self.kpi.visits
        devices = {row["session_id"]: row["device_type"] for row in visits.visit_rows()}
        found: dict[str, list[tuple[Any, str, str, str]]] = defaultdict(list)
        for event in visits.events:
            order = event.line.order_id if event.line else event.order
            counts = event.kind == "purchase" and self.as_of is not None and event.day <= self.as_of
            session = event.session
            if counts and order and session and session.session_id in devices:
                campaign = visits._session_row(session)["utm_campaign"] or "No campaign"
                found[order].append((event.at, event.event_id, devices[session.session_id], campaign))
        return {order: min(events)[2:] for order, events in found.items()}

    @cached_property
    def members(self) -> list[Row]:
        """cohort.members."""
        rows = self.first_orders.reset_index().to_dict("records")
        return [self._member({str(column): value for column, value in row.items()}) for row in rows]

    def _member(self, order: Row) -> Row:
        customer = self.kpi.shop.customers.get(order["customer_id"], {})
        product = self.first_products[order["order_id"]]
        device, campaign = self.visits.get(order["order_id"], ("unknown", "Unknown"))
        return {
            "customer_id": order["customer_id"],
            "cohort_month": first_day(order["month"]),
            "is_left_censored": order["month"] == self.censored,
            "first_order_id": order["order_id"],
            "first_ordered_at": order["at"],
            "first_order_date": order["day"],
            "first_order_value": amount(order["gross_sales"] - order["discounts"]),
            "first_product_id": product,
            "first_product_name": self.kpi.product_name(product),
            "first_category": self.kpi.category(product),
            "first_store_id": order["store_id"],
            "first_store_name": self.kpi.store_name(order["store_id"]),
            "first_device_type": device,
            "first_campaign": campaign,
            "first_has_discount": order["discounts"] > 0,
            "location": metrics.location(customer),
            "subscription_status": customer.get("subscription_status"),
        }

    @cached_property
    def groups(self) -> list[Row]:
        """cohort.groups."""
        large = {
            column: self._largest([row[column] for row in self.members]) for column in ("first_product_id", "location")
        }
        rows = []
        for row in self.members:
            product, place = row["first_product_id"], row["location"]
            subscribed = {True: "subscribed", False: "not subscribed", None: "unknown"}[row["subscription_status"]]
            discount = "with discount" if row["first_has_discount"] else "without discount"
            of_product = (
                (product, row["first_product_name"]) if product in large["first_product_id"] else ("Other",) * 2
            )
            found: dict[str, tuple[str, str]] = {
                "all": ("all", "all"),
                "product": of_product,
                "category": (row["first_category"],) * 2,
                "store": (row["first_store_id"], row["first_store_name"]),
                "device_type": (row["first_device_type"],) * 2,
                "campaign": (row["first_campaign"],) * 2,
                "discount": (discount, discount),
                "location": (place, place) if place in large["location"] else ("Other", "Other"),
                "subscription": (subscribed, subscribed),
            }
            for variant, (value, label) in found.items():
                group = {"variant": variant, "dimension_value": value, "dimension_name": label}
                rows.append({"customer_id": row["customer_id"], **group, "cohort_month": row["cohort_month"]})
        return rows

    def _largest(self, values: list[str]) -> set[str]:
        counts = {value: n for value, n in Counter(values).items() if n >= self.small}
        return set(sorted(counts, key=lambda value: (-counts[value], value))[:LARGEST])

    @cached_property
    def months(self) -> pd.DataFrame:
        """Sums by customer and month; `age` is NaN for money of no cohort."""
        key = ["customer_id", "month"]
        sums = self.lines.dropna(subset="customer_id").groupby(key)[AMOUNTS].sum()
        counts = self.orders.dropna(subset="customer_id").groupby(key).size().rename("orders")
        months = sums.join(counts, how="outer").fillna(0).astype("int64").reset_index()
        cohorts = months["customer_id"].map(self.cohort_of)
        age = (months["month"] - cohorts).astype("float64")
        return months.assign(cohort=cohorts, age=age.where(age >= 0))


def members(cohorts: Cohorts) -> list[Row]:
    """cohort.members."""
    return cohorts.members


def groups(cohorts: Cohorts) -> list[Row]:
    """cohort.groups."""
    return cohorts.groups


def customer_months(cohorts: Cohorts) -> list[Row]:
    """cohort.customer_months."""
    return [
        {
            "customer_id": row["customer_id"],
            "month": first_day(row["month"]),
            "cohort_month": None if pd.isna(row["cohort"]) else first_day(int(row["cohort"])),
            "period_index": None if pd.isna(row["age"]) else int(row["age"]),
            "orders": row["orders"],
            **{column: amount(row[column]) for column in AMOUNTS},
        }
        for row in cohorts.months.to_dict("records")
    ]
