"""Cases of visitors for tests of funnels: each one row of a table, with what must come of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.independent import shop
from tests.independent.tables import OnEngine, project

Row = dict[str, Any]
TABLES = (
    "behavior.funnel",
    "behavior.product_conversion",
    "behavior.time_to_purchase",
    "behavior.purchase_survival",
    "behavior.product_popularity",
    "behavior.abandoned_carts",
    "behavior.cart_abandonment",
    "behavior.product_opportunities",
)
HOUR, DAY = 3600, 86_400


def case(name: str, *steps: str, **given: Any) -> list[Row]:
    """Events of a case from words such as `05-02 10:00 view A device=phone`, of 2024 and in local time.

    The case has a device, a place and a category of its name, and products `<name>-A` and so on, so that its figures
    can be found in every table.
    """
    rows = []
    for number, step in enumerate(steps, start=1):
        day, clock, kind, *rest = step.split()
        items = [word for word in rest if "=" not in word]
        row: Row = {"device_id": name, "product_id": f"{name}-{items[0]}" if items else None, **given}
        for word in (word for word in rest if "=" in word):
            column, _, value = word.partition("=")
            column = {"customer": "customer_id", "device": "device_id", "session": "session_id"}.get(column, column)
            row[column] = Decimal(value) if column in ("quantity", "value") else value or None
        rows.append(shop.event(f"{name}-{number:03}", f"2024-{day} {clock}", kind, **row))
    return rows


def landed(events: Sequence[Row], **given: list[Row]) -> shop.Landed:
    """A shop of these events: a device, a place and products for each case."""
    devices = sorted({row["device_id"] for row in events if row["device_id"]})
    products = sorted({row["product_id"] for row in events if row["product_id"]})
    found: shop.Landed = {
        **shop.empty(),
        "interactions": list(events),
        "devices": [{"device_id": d, "device_type": "desktop", "location": d.title()} for d in devices],
        "products": [
            {"product_id": p, "product_name": p, "category": p.split("-")[0], "price": Decimal("10")} for p in products
        ],
    }
    for name, rows in given.items():
        key = f"{name[:-1]}_id"
        replaced = {row.get(key) for row in rows}
        found[name] = [row for row in found[name] if name == "sales" or row[key] not in replaced] + rows
    return found


CASES = [
    # the order of steps
    *case("Equal", "05-02 10:00 purchase A", "05-02 10:00 cart A", "05-02 10:00 view A"),
    *case("Backward", "05-02 10:00 purchase A", "05-02 10:01 cart A", "05-02 10:02 view A"),
    *case("Blind", "05-02 10:00 cart A", "05-02 10:01 purchase A"),
    *case("Direct", "05-02 10:00 view A", "05-02 10:05 purchase A"),
    *case("Unfit", "05-02 10:00 view A", "05-02 10:01 cart B", "05-02 10:02 purchase C"),
    *case("Nextmonth", "05-30 10:00 view A", "05-31 10:00 cart A", "06-03 10:00 purchase A"),
    *case("Again", "05-02 10:00 view A", "05-02 10:01 cart A", "05-02 10:05 purchase A", "05-09 10:00 view A"),
    *case(
        "Deepest",
        "05-01 10:00 view A",
        "05-16 10:00 view A",
        "05-17 10:00 view A",
        "05-18 10:00 cart A",
        "05-18 11:00 purchase A",
    ),
    *case("Between", "05-02 10:00 view A", "05-02 10:01 purchase A", "05-02 10:02 cart A", "05-02 10:07 purchase A"),
    # fourteen days and a second, over the spring change of the clocks
    *case("Dstin", "03-20 12:00 view A", "03-21 12:00 cart A", "04-03 13:00 purchase A"),
    *case("Dstout", "03-20 12:00 view A", "03-21 12:00 cart A", "04-03 13:00:01 purchase A"),
    # two sessions; two devices of one customer, the first touch of whom is a phone
    *case("Later", "05-02 10:00 view A", "05-03 10:00 cart A", "05-03 10:05 purchase A"),
    *case(
        "Touch",
        "05-02 10:00 view A device=Phone customer=toucher",
        "05-03 10:00 view A customer=toucher",
        "05-04 10:00 cart A customer=toucher",
        "05-04 10:02 purchase A customer=toucher",
    ),
    # attempts at the end of the data: just over, and still open
    *case("Mature", "06-17 00:00 view A"),
    *case("Open", "06-17 00:00:01 view A"),
    *case("Ripe", "06-17 00:00:01 view A", "06-18 10:00 cart A"),
    # carts
    *case("Removed", "05-02 10:00 view A", "05-02 10:01 cart A", "05-02 10:02 remove_from_cart A"),
    *case("Sameday", "05-02 10:00 cart A", "05-03 10:00 purchase B"),
    *case("Nextday", "05-02 10:00 cart A", "05-03 10:00:01 purchase B"),
    *case("Regained", "05-02 10:00 cart A", "05-02 10:29 visit", "05-09 10:29 purchase A"),
    *case("Lost", "05-02 10:00 cart A", "05-09 10:00:01 purchase A"),
    *case("Other", "05-02 10:00 cart A", "05-05 10:00 purchase B"),
    *case("Running", "06-30 00:00:01 cart A"),
    *case("Young", "06-29 23:59:59 cart A"),
    *case("Priced", "05-02 10:00 cart A quantity=3 value=36", "05-02 10:01 remove_from_cart A", "05-02 10:02 cart B"),
    *case("Partly", "05-02 10:00 cart A", "05-02 10:01 cart B", "05-02 10:02 purchase A"),
    *case("Earlier", "05-02 10:00 cart A", "05-02 10:01 purchase A", "05-02 10:02 cart B", "05-02 10:03 visit"),
    *case("Twice", "05-02 10:00 cart A", "05-02 10:01 purchase A quantity=1", "05-02 10:02 cart A quantity=2"),
    *case(
        "Undone", "05-02 10:00 cart A", "05-02 10:01 purchase A", "05-02 10:02 cart B", "05-02 10:03 remove_from_cart B"
    ),
    # times to purchase
    *case(
        "Series",
        "05-01 10:00 view A",
        "05-03 10:00 view A",
        "05-03 11:00 purchase A",
        "05-04 11:00 view A",
        "05-04 11:10 view A",
        "05-04 12:00 purchase A",
        "05-06 12:00 purchase A",
    ),
    *case("Stale", "04-01 10:00 view A", "04-05 10:00 view A", "05-01 10:00 purchase A", "05-05 10:00 view A"),
    *case("Double", "05-02 10:00 view A", "05-02 10:10 purchase A", "05-02 10:10 purchase A"),
    # what names no product or is no product of the shelf
    *case("Nameless", "05-02 10:00 view", "05-02 10:01 cart", "05-02 10:02 purchase"),
    *case("Postage", "05-02 10:00 view A", "05-02 10:01 cart A", "05-02 10:02 purchase A"),
]


SALES = [
    # of a guest, in no session; in a store; of a customer who was there; before anything was tracked
    shop.sale("g1", "2024-05-02 10:00", product="Guest-A", store_id="web"),
    shop.sale("s1", "2024-05-02 10:00", product="Shelf-A", customer="toucher", store_id="S1"),
    shop.sale("t1", "2024-05-04 10:04", product="Touch-B", customer="toucher", store_id="web"),
    shop.sale("o1", "2024-03-19 10:00", product="Past-A", customer="past", store_id="web"),
]
SHOP = landed(
    CASES,
    sales=SALES,
    stores=[{"store_id": "S1", "channel": "store"}, {"store_id": "web", "channel": "online"}],
    devices=[
        {"device_id": "Touch", "device_type": "desktop", "location": "Touch"},
        {"device_id": "Phone", "device_type": "mobile", "location": "Touch"},
    ],
    customers=[{"customer_id": "toucher", "location": "Touch"}],
    products=[
        {"product_id": f"{name}-A", "product_name": f"{name}-A", "category": name, "price": Decimal("10")}
        for name in ("Guest", "Shelf", "Past")
    ]
    + [
        {"product_id": "Touch-B", "product_name": "Touch-B", "category": "Touch"},
        {"product_id": "Postage-A", "product_name": "Postage", "category": "Postage", "product_type": "service"},
    ],
)
PARAMETERS = {**shop.PARAMETERS, "as_of_date": date(2024, 6, 30), "min_group_size": 3}


def build(folder: Path, given: shop.Landed, *only: str, **parameters: Any) -> OnEngine:
    return OnEngine(project(), folder).build(given, {**PARAMETERS, **parameters}, *(only or TABLES))


def found(built: OnEngine, table: str, **wanted: Any) -> list[Row]:
    """Rows of a table with these values."""
    return [row for row in built.rows(f"behavior.{table}") if all(row[name] == v for name, v in wanted.items())]


def only(built: OnEngine, table: str, **wanted: Any) -> Row:
    rows = found(built, table, **wanted)
    assert len(rows) == 1, (table, wanted, len(rows))
    return rows[0]


class Funnel:
    """The funnel of a case: one scope, one variant, one period."""

    def __init__(
        self, built: OnEngine, name: str, scope: str, period: str = "all", cart_optional: bool = False
    ) -> None:
        breakdown = "category" if scope == "visitor_product" else "location"
        wanted = {"scope": scope, "breakdown": breakdown, "breakdown_value": name, "period_name": period}
        rows = found(built, "funnel", cart_optional=cart_optional, **wanted)
        self.steps = {row["step"]: row for row in rows}

    @property
    def units(self) -> list[int]:
        """Units that reached each step."""
        return [row["units_reached"] for _, row in sorted(self.steps.items(), key=lambda i: i[1]["step_number"])]

    @property
    def purchases(self) -> tuple[int, int, int]:
        """All purchases, those without a view, those without a cart."""
        row = self.steps["purchase"]
        return row["purchases"], row["orphan_purchases"], row["direct_purchases"]


SCOPES = ("session", "visitor", "visitor_product")


# --- conversion


def conversion(built: OnEngine, key: str, period: str = "all") -> Row:
    return only(built, "product_conversion", key=key, period_name=period)


# --- time to purchase


def times(built: OnEngine, key: str, clock: str, scope: str = "product") -> Row:
    return only(built, "time_to_purchase", scope=scope, key=key, clock=clock)


# --- carts


def carts(built: OnEngine, name: str, period: str = "all") -> tuple[int, int]:
    """Carts of a case, and how many were abandoned."""
    row = only(built, "cart_abandonment", scope="location", key=name, period_name=period)
    return row["cart_count"], row["abandoned_count"]
