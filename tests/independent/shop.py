"""A small shop full of awkward cases, as rows of the landed tables.

Here: rows written by hand, each for one rule, and a seeded crowd around them. Not here: what figures they give
(`metrics`), how they reach an engine (`tests/conformance`).
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")
Row = dict[str, Any]
Landed = dict[str, list[Row]]

PARAMETERS: Row = {
    "timezone": "Europe/Berlin",
    "currency": "EUR",
    "as_of_date": None,
    "inactive_after_months": 12,
    "age_max": 120,
    "amount_tolerance": Decimal("0.01"),
    "amount_tolerance_share": Decimal("0.005"),
    "session_timeout_minutes": 30,
    "session_max_hours": 24,
    "engaged_seconds": 10,
    "session_match_minutes": 5,
    "purchase_match_minutes": 10,
    "funnel_window_days": 14,
    "purchase_lookback_days": 30,
    "dwell_cap_seconds": 600,
    "cart_grace_hours": 24,
    "cart_recovery_days": 7,
    "weight_view": 1,
    "weight_wishlist": 2,
    "weight_cart": 3,
    "weight_purchase": 5,
    "min_group_size": 30,
    "rfm_window_days": None,
    "data_begin_is_shop_begin": False,
    "high_value_share": Decimal("0.2"),
    "loyal_above_orders": 10,
}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


def _local(moment: datetime) -> date:
    return moment.astimezone(ZONE).date()


def sale(
    sale_id: str, sold: str, quantity: str | int = 1, price: str | None = "10", product: str = "P1", **given: Any
) -> Row:
    """One row of landed.sales; `sold` is local time, amounts are text."""
    moment = _moment(sold)
    row: Row = {
        "sale_id": sale_id,
        "product_id": product,
        "quantity": Decimal(str(quantity)),
        "unit_price": None if price is None else Decimal(price),
        "sold_at": moment,
        "sold_date": _local(moment),
        "sold_month": _local(moment).replace(day=1),
        "currency": "EUR",
    }
    renamed = {"order": "order_id", "customer": "customer_id", "total": "total_price", "discount": "discount_amount"}
    for name, value in given.items():
        money = name in {"total", "discount", "shipping_amount", "tax_amount"} and value is not None
        row[renamed.get(name, name)] = Decimal(value) if money else value
    return row


def event(interaction_id: str, occurred: str, event_type: str, **given: Any) -> Row:
    """One row of landed.interactions; `occurred` is local time."""
    moment = _moment(occurred)
    day = _local(moment)
    return {
        "interaction_id": interaction_id,
        "event_type": event_type,
        "occurred_at": moment,
        "occurred_date": day,
        "occurred_month": day.replace(day=1),
        **given,
    }


def awkward_sales() -> list[Row]:
    """Lines that each exercise one rule of the definitions."""
    return [
        # one order over midnight and over the end of a month
        sale("m1", "2023-03-31 23:58:00", order="O-midnight", customer="c1"),
        sale("m2", "2023-04-01 00:02:00", 2, "7.50", "P2", order="O-midnight", customer="c1"),
        # returns: alone, in the order itself, linked by line, linked by nothing, of a guest
        sale("r1", "2023-04-05 10:00", -1, "10", order="R-alone", customer="c2"),
        sale("f1", "2023-05-02 09:00", 1, "20", order="O-full", customer="c3"),
        sale("f2", "2023-05-20 09:00", -1, "20", order="O-full", customer="c3"),
        sale("l1", "2023-05-03 09:00", 3, "5", "P3", order="O-linked", customer="c4"),
        sale("l2", "2023-07-03 09:00", -2, "5", "P3", order="R-linked", customer="c4", original_sale_id="l1"),
        sale("l3", "2023-07-04 09:00", -1, "5", "P3", order="O-linked", customer="c4", original_sale_id="nowhere"),
        sale("g2", "2023-06-06 12:00", -1, "3.333", "P2", order="R-guest"),
        # guests, one with an order whose second line is known
        sale("g1", "2023-06-05 12:00", 1, "3.333", "P2", order="O-guest", store_id="S1"),
        sale("k1", "2023-06-05 12:01", 1, "4", "P2", order="O-late-name"),
        sale("k2", "2023-06-05 12:02", 1, "6", "P1", order="O-late-name", customer="c5"),
        # two customers in one order
        sale("x2", "2023-06-07 12:05", 1, "9", "P1", order="O-conflict", customer="c6"),
        sale("x1", "2023-06-07 12:00", 1, "8", "P4", order="O-conflict", customer="c1"),
        # two orders in the first month, two on one day, same second
        sale("t1", "2023-08-01 08:00", order="O-b", customer="c7"),
        sale("t2", "2023-08-01 08:00", order="O-a", customer="c7"),
        sale("t3", "2023-08-20 08:00", order="O-c", customer="c7"),
        # missing order, shop, price, total; wrong sign; amount that does not fit; unknown discount
        sale("d1", "2023-09-01 08:00", customer="c8"),
        sale("d2", "2023-09-02 08:00", 4, None, "P2", total="19.9999", order="O-d", customer="c8"),
        sale("d3", "2023-09-02 08:00", 2, "5", "P2", discount="1.5", order="O-d", customer="c8"),
        sale("d4", "2023-09-02 08:01", -1, "5", "P2", total="5", order="R-sign", customer="c8"),
        sale("d5", "2023-09-02 08:02", 1, "5", "P2", total="-5", order="O-sign", customer="c8"),
        sale("d6", "2023-09-03 08:00", 1, "5", "P2", total="4.98", order="O-off", customer="c8"),
        sale("d7", "2023-09-03 08:01", 1000, "5", "P2", total="4980", order="O-near", customer="c8"),
        sale("d8", "2023-09-04 08:00", 1, "5", "P2", order="O-disc", customer="c8", discount_applied=True),
        sale("d9", "2023-09-04 09:00", 1, "5", "P2", order="O-huge", customer="c8", discount="7"),
        sale("da", "2023-09-05 08:00", "0.333", "2.99", "P5", order="O-kg", customer="c8"),
        sale("db", "2023-09-05 08:05", 1, "0", "P5", order="O-free", customer="c9"),
        # states that do not count, one customer has nothing else; a refund counts
        sale("s1", "2023-10-01 08:00", 1, "50", status="pending", order="O-s1", customer="c10"),
        sale("s2", "2023-10-01 08:00", 1, "50", status="cancelled", order="O-s2", customer="c7"),
        sale("s3", "2023-10-02 08:00", 5, "50", status="adjustment", order="O-s3"),
        sale("s4", "2023-10-02 09:00", 1, "50", status="refunded", order="O-s4", customer="c7"),
        sale("s5", "2026-01-01 00:00", 1, "50", status="test", order="O-s5", customer="c7"),
        # a service, shipping and tax, a leap day, the changes of the clocks, the last minute of a year
        sale("p1", "2023-11-01 08:00", 1, "4.90", "POST", order="O-ship", customer="c2", shipping_amount="4.90"),
        sale("p2", "2023-11-01 08:00", 9, "1", "P2", order="O-ship", customer="c2", tax_amount="1.71"),
        sale("y1", "2024-02-29 12:00", 1, "29", order="O-leap", customer="c2"),
        sale("y2", "2024-03-31 03:30", order="O-spring", customer="c1"),
        sale("y3", "2024-10-27 02:30", order="O-autumn", customer="c1"),
        sale("y4", "2023-12-31 23:59:59", 1, "31", order="O-eve", customer="c11"),
        sale("y5", "2024-01-01 00:00:00", 1, "1", order="O-new", customer="c11"),
        # the first day of the data is no first of a month; customers of the young group
        sale("z1", "2023-02-10 10:00", 2, "10", "P1", order="O-first", customer="young1"),
        sale("z2", "2023-03-10 10:00", 2, "10", "P2", order="O-y2", customer="young2", store_id="S1"),
        sale("z3", "2023-03-11 10:00", -1, "10", "P2", order="O-y3", customer="young2", store_id="S1"),
        sale("z4", "2023-03-12 10:00", 1, "12", "P3", order="O-y4", customer="band"),
        sale("z5", "2023-03-12 10:00", 1, "12", "P4", order="O-y4", customer="band"),
        sale("z6", "2023-03-12 10:01", 9, "1", "POST", order="O-y4", customer="band"),
        sale("z7", "2023-03-13 10:01", 1, "1", "P6", order="O-y5", customer="young1", store_id="S-unknown"),
        sale("z8", "2023-03-13 10:01", 1, "1", "P7", order="O-y5", customer="young1", store_id="S-unknown"),
    ]


def crowd(lines: int = 400, seed: int = 7) -> list[Row]:
    """Seeded lines of two years: few customers, cents that do not divide, discounts, returns and guests."""
    draw = random.Random(seed)
    start = datetime(2023, 2, 10, 9, tzinfo=ZONE)
    rows = []
    for n in range(lines):
        moment = (start + timedelta(minutes=draw.randrange(700 * 24 * 60))).replace(tzinfo=None)
        quantity = draw.choice([1, 1, 1, 2, 3, -1])
        discount = draw.choice([None, None, "0.5", "1.25"])
        rows.append(
            sale(
                f"n{n}",
                moment.isoformat(sep=" "),
                quantity,
                draw.choice(["3.333", "10", "19.99", "0.105"]),
                f"P{draw.randint(1, 8)}",
                order=f"N{draw.randrange(lines // 2)}-{moment:%Y%m%d}",
                customer=draw.choice([None, *[f"c{i}" for i in range(1, 40)], "young1", "young2"]),
                discount=discount,
                store_id=draw.choice([None, "S1", "S2"]),
                original_sale_id=f"n{draw.randrange(lines)}" if quantity < 0 and draw.random() < 0.5 else None,
            )
        )
    return rows


def customers() -> list[Row]:
    """Customers with every way to say an age and a place."""
    ages = [
        {"customer_id": "young1", "gender": "female", "age": 18, "location": "  new   york "},
        {"customer_id": "young2", "gender": "male", "birth_date": date(1999, 2, 10), "location": "NYC"},
        {"customer_id": "band", "gender": "other", "age_band": "19-24", "location": "são paulo"},
        {"customer_id": "c1", "gender": "female", "age_band": "65+", "location": "n/a"},
        {"customer_id": "c2", "age": 130, "location": "Stoke-on-Trent"},
        {"customer_id": "c3", "gender": "male", "age": 26, "location": "BERLIN"},
        {"customer_id": "c4", "gender": "female", "birth_date": date(2004, 2, 29), "age": 99, "location": "Berlin"},
        {"customer_id": "c5", "age_band": "<18", "location": "berlin"},
        {"customer_id": "c6", "age_band": "unknown"},
        {"customer_id": "idle-old", "gender": "female", "age": 0, "join_date": date(2020, 1, 1)},
        {"customer_id": "idle-new", "gender": "male", "age": 66, "join_date": date(2025, 1, 1)},
        {"customer_id": "idle-undated", "age": 25},
        {"customer_id": "unborn", "birth_date": date(2030, 1, 1), "email": "a\\b@example.org", "customer_name": "Ä"},
    ]
    return ages + [{"customer_id": f"c{n}", "gender": "male", "age": 20 + n} for n in range(12, 30)]


def products() -> list[Row]:
    """Products with and without category and name; P6 to P8 are known from facts alone."""
    return [
        {"product_id": "P1", "product_name": "Lamp", "category": "Home/Light/Lamps", "price": Decimal("10")},
        {"product_id": "P2", "product_name": "Mug", "category": "Kitchen"},
        {"product_id": "P3", "product_name": "Plate", "category": " Kitchen /Plates"},
        {"product_id": "P4", "product_name": None, "category": None, "is_active": False},
        {"product_id": "P5", "product_name": "Coffee", "category": "/Food"},
        {"product_id": "POST", "product_name": "Postage", "product_type": "service"},
        {"product_id": "UNSOLD", "product_name": "Shelf warmer", "category": "Home", "stock_quantity": 3},
    ]


def interactions() -> list[Row]:
    """Events of known, unknown and anonymous visitors; the last is the last day of the data."""
    return [
        event("i1", "2023-02-01 00:00:01", "visit", device_id="d1", page_url="/"),
        event("i2", "2023-02-01 00:00:30", "view", device_id="d1", product_id="P8"),
        event("i3", "2023-05-01 23:59:59", "view", customer_id="visitor-only", device_id="d-unknown"),
        event("i4", "2024-02-29 10:00:00", "purchase", customer_id="c2", order_id="O-leap", value=Decimal("29")),
        event("i5", "2025-01-15 18:00:00", "search", customer_id="c1"),
    ]


def nasty() -> Landed:
    """The whole shop."""
    return {
        "sales": awkward_sales() + crowd(),
        "customers": customers(),
        "products": products(),
        "stores": [
            {"store_id": "S1", "store_name": "Main Street", "location": "berlin", "channel": "store"},
            {"store_id": "S2", "location": "none"},
        ],
        "devices": [{"device_id": "d1", "device_type": "mobile", "is_bot": True, "customer_id": "c1"}],
        "interactions": interactions(),
    }


def empty() -> Landed:
    """A home without any rows."""
    return {name: [] for name in ("sales", "customers", "products", "stores", "devices", "interactions")}
