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
    "priority_high_share": Decimal("0.2"),
    "priority_medium_share": Decimal("0.5"),
    "loyal_above_orders": 10,
    "lifetime_min_customers": 500,
    "lifetime_min_days": 180,
    "lifetime_max_idle_days": 30,
    "lifetime_min_orders": 3,
    "lifetime_holdout_days": 90,
    "lifetime_holdout_share": Decimal("0.25"),
    "clv_interest_rate": Decimal("0.1"),
    "clv_margin": Decimal(1),
    "basket_min_count": None,
    "basket_max_length": 4,
    "basket_max_itemsets": 50_000,
    "basket_holdout_days": 28,
    "next_purchase_days": 90,
    "cluster_count": None,
    "cluster_switch_ratio": Decimal("0.9"),
    "value_min_customers": 10,
    "recommendations_per_customer": 10,
    "repurchase_days": 365,
    "interest_half_life_days": 90,
    "assortment_days": 90,
    "assortment_imbalance": Decimal("1.25"),
    "assortment_min_products": 5,
    "substitutes_max_viewed": 20,
    "pairs_by_group": 1_000,
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


def acts(prefix: str, day: str, times: str, **given: Any) -> list[Row]:
    """Events of one visitor from words such as `10:00 view:P1 10:05:30 cart:P1@c2`: time, type, product, customer."""
    words = times.split()
    rows = []
    for number, (clock, what) in enumerate(zip(words[::2], words[1::2], strict=True), start=1):
        what, _, customer = what.partition("@")
        kind, _, product = what.partition(":")
        row = {"product_id": product or None, "customer_id": customer or None, **given}
        rows.append(event(f"{prefix}-{number}", f"{day} {clock}", kind, **row))
    return rows


def awkward_visits() -> list[Row]:
    """Events that each exercise one rule of sessions, purchases and dwell; each case has a device of its own."""
    return [
        # equal moments in the wrong order of ids: view, cart and purchase of one second
        event("eq-3", "2024-04-02 10:00", "view", device_id="eq", product_id="P1"),
        event("eq-2", "2024-04-02 10:00", "cart", device_id="eq", product_id="P1"),
        event("eq-1", "2024-04-02 10:00", "purchase", device_id="eq", product_id="P1", value=Decimal("10")),
        # the steps in the wrong order of time; a purchase without a view; a cart before the first view
        *acts("wrong", "2024-04-02", "10:00 purchase:P1 10:01 cart:P1 10:02 view:P1", device_id="wrong"),
        *acts("blind", "2024-04-02", "10:00 cart:P1 10:01 purchase:P1", device_id="blind"),
        *acts("early", "2024-04-02", "10:00 cart:P1 10:01 view:P1 10:02 purchase:P1", device_id="early"),
        # a pause of a second less than the timeout, then one as long
        *acts("pause", "2024-04-03", "10:00 visit 10:29:59 view:P2 10:59:59 view:P3", device_id="pause"),
        # over midnight, over the end of a month, over both changes of the clocks
        *acts("night", "2024-05-10", "23:50 view:P1 23:59:59 view:P2", device_id="night"),
        *acts("night2", "2024-05-11", "00:10 cart:P1", device_id="night"),
        *acts("month", "2024-05-31", "23:50 view:P1 23:59:59 cart:P1", device_id="month"),
        *acts("month2", "2024-06-01", "00:00 checkout 00:05 purchase:P1", device_id="month"),
        *acts("spring", "2024-03-31", "01:50 view:P1 03:05 view:P2", device_id="spring"),
        *acts("autumn", "2024-10-27", "02:50 view:P1 03:10 view:P2", device_id="autumn"),
        # a login; a login, a logout and another login with and without a pause; three customers in turn
        *acts("login", "2024-04-04", "10:00 view:P1 10:05 view:P2@c1 10:10 cart:P1", device_id="login"),
        *acts("other", "2024-04-04", "10:00 view:P1@c1 10:05 view:P2 10:10 view:P3@c2 10:11 visit", device_id="other"),
        *acts("again", "2024-04-04", "10:00 view:P1@c1 10:40 view:P2 10:50 view:P3@c2", device_id="again"),
        *acts("turns", "2024-04-04", "10:00 visit@c1 10:00 visit@c2 10:00 visit@c1 10:01 visit@c3", device_id="turns"),
        # a customer without a device beside the same one with a device
        *acts("bare", "2024-04-05", "10:00 visit@c4 10:10 view:P1@c4 10:45 view:P2@c4"),
        *acts("beside", "2024-04-05", "10:05 view:P3@c4", device_id="beside"),
        # delivered sessions: a long pause, two customers, events between that have none, two devices, two months
        *acts(
            "given",
            "2024-04-06",
            "08:00 visit 12:00 view:P1@c5 12:01 view:P2@c6 12:02 visit",
            device_id="given",
            session_id="s1",
        ),
        *acts("plain", "2024-04-06", "08:05 view:P3 08:06 view:P4 11:59 view:P5", device_id="given"),
        *acts("tab", "2024-04-06", "08:01 visit 08:20 cart:P1", device_id="given", session_id="s2"),
        *acts("two", "2024-04-06", "09:00 visit", device_id="two-b", session_id="s3"),
        *acts("two2", "2024-04-06", "09:01 view:P1", device_id="two-a", session_id="s3"),
        *acts("two3", "2024-04-06", "09:02 view:P2@c7", session_id="s3"),
        *acts("server", "2024-04-06", "09:00 checkout@c8 09:01 visit", session_id="s4", device_id=None)[:1],
        *acts("server2", "2024-04-06", "09:05 view:P1", session_id="s4", device_id="server"),
        *acts("long", "2024-06-30", "23:00 view:P1", device_id="long", session_id="s5"),
        *acts("long2", "2024-07-01", "09:00 view:P2", device_id="long", session_id="s5"),
        # one that never sleeps: every twenty minutes for fifty hours, an event exactly a day after the first
        *[
            event(
                f"robot-{n:03}",
                f"2024-07-{10 + n // 72} {n // 3 % 24:02}:{n % 3 * 20:02}",
                "view",
                device_id="robot",
                product_id=f"P{1 + n % 3}",
            )
            for n in range(151)
        ],
        # a bot with the name of a customer
        *acts("bot", "2024-04-07", "10:00 view:P1@c9 10:01 view:P2", device_id="d1"),
        # pages, campaigns and referrers, some of them unknown
        event("page-1", "2024-04-08 10:00", "visit", device_id="page", referrer="https://www.google.de/"),
        event("page-2", "2024-04-08 10:01", "search", device_id="page", page_url="/s", page_type="search"),
        event("page-3", "2024-04-08 10:02", "view", device_id="page", page_url="/p", utm_medium="cpc", product_id="P1"),
        event("page-4", "2024-04-08 10:03", "view", device_id="page", page_type="product", utm_source="letter"),
        event("page-5", "2024-04-08 10:04", "wishlist", device_id="page", product_id="P1"),
        event("page-6", "2024-04-08 10:05", "remove_from_cart", device_id="page", product_id="P1"),
        *[
            event(
                f"from-{n}",
                f"2024-04-09 {8 + n:02}:00",
                "visit",
                device_id="from",
                referrer=referrer,
                utm_medium=medium,
                page_url="https://shop.example/start",
            )
            for n, (referrer, medium) in enumerate(
                [
                    ("https://SHOP.example/cart", None),
                    ("https://m.facebook.com/x", None),
                    ("https://blog.example/", None),
                    ("https://duckduckgo.com", "E-Mail"),
                    (None, "sms"),
                    (None, "Organic"),
                    (None, None),
                    ("https://notgoogle.example/", None),
                    ("android-app://com.example", None),
                ]
            )
        ],
        # time on products: measured, capped both ways, at once, last
        event(
            "dwell-1", "2024-04-10 10:00", "view", device_id="dwell", product_id="P1", duration_seconds=Decimal("7.5")
        ),
        event("dwell-2", "2024-04-10 10:01", "view", device_id="dwell", product_id="P2"),
        event("dwell-3", "2024-04-10 10:11", "view", device_id="dwell", product_id="P2"),
        event("dwell-4", "2024-04-10 10:21:01", "view", device_id="dwell", product_id="P3"),
        event("dwell-5", "2024-04-10 10:21:01", "view", device_id="dwell", product_id="P3"),
        event(
            "dwell-6", "2024-04-10 10:22", "view", device_id="dwell", product_id="P1", duration_seconds=Decimal("700")
        ),
        event("dwell-7", "2024-04-10 10:23", "visit", device_id="dwell"),
        event("dwell-8", "2024-04-10 10:24", "view", device_id="dwell", product_id="P1"),
        *purchase_events(),
    ]


def purchase_events() -> list[Row]:
    """Purchase events for `lines_of_visits`, in every combination."""

    def bought(number: str, occurred: str, device: str | None, **given: Any) -> Row:
        return event(f"b-{number}", f"2024-08-{occurred}", "purchase", device_id=device, **given)

    return [
        # the same order and product; the same order alone; a second product of the order unknown to the tracker
        bought(
            "1", "01 10:00", "b1", customer_id="c12", order_id="V1", product_id="P1", value=Decimal("99"), quantity=9
        ),
        bought("2", "02 10:00", "b2", customer_id="c12", order_id="V2", value=Decimal("50")),
        bought("3", "03 10:00", "b3", customer_id="c12", order_id="V3", product_id="P1"),
        # another order number, but the same customer and product: in time, a second too late, at both sides
        bought("4", "04 10:00", "b4", customer_id="c12", order_id="W4", product_id="P1"),
        bought("5", "05 10:00", "b5", customer_id="c12", order_id="W5", product_id="P1"),
        bought("6", "06 10:00", "b6", customer_id="c12", product_id="P1"),
        bought("6b", "06 10:20", "b6", customer_id="c12", product_id="P1"),
        # repeated: same order and product, same order without product, without beside with product
        *[bought(f"7{n}", f"07 10:0{n}", "b7", order_id="V7", product_id="P1") for n in range(3)],
        *[bought(f"8{n}", f"08 10:0{n}", "b8", order_id="V8", customer_id="c13") for n in range(2)],
        bought("9a", "09 10:00", "b9", order_id="V9"),
        bought("9b", "09 10:01", "b9", order_id="V9", product_id="P2"),
        # two lines of one product for one event, two events for one line, neither with an order
        bought("10", "10 10:00", "b10", customer_id="c14", product_id="P2"),
        bought("11a", "11 10:00", "b11", customer_id="c14", product_id="P2"),
        bought("11b", "11 10:01", "b11", customer_id="c14", product_id="P2"),
        # anonymous, named by the sale; then again anonymous on the same device
        bought("12", "12 10:00", "b12", order_id="V12", product_id="P1"),
        *acts("b-12v", "2024-08-13", "10:00 view:P1", device_id="b12"),
        # anonymous and a guest's sale; cancelled; a return; none at all; nothing but a type
        bought("14", "14 10:00", "b14", order_id="V14", product_id="P1"),
        bought("15", "15 10:00", "b15", order_id="V15", product_id="P1", customer_id="c15", value=Decimal("5")),
        bought("16", "16 10:00", "b16", order_id="V16", product_id="P1", customer_id="c15"),
        bought("17", "17 10:00", "b17", order_id="V17", product_id="P1", customer_id="c15", value=Decimal("7")),
        bought("18", "18 10:00", "b18"),
        # the sale is in the next month
        event("b-19", "2024-08-31 23:59", "purchase", device_id="b19", order_id="V19", product_id="P1"),
        # visits of a customer into which sales fall that the tracker missed, on two devices at once
        *acts("b-20", "2024-08-20", "10:00 view:P1@c16 10:10 view:P2@c16", device_id="b20"),
        *acts("b-21", "2024-08-20", "10:05 visit@c16", device_id="b21"),
        *acts("b-22", "2024-08-22", "10:00 view:P1@c17 10:03 view:P2@c17", device_id="b22"),
        # a purchase of a shop with a door that the tracker knows
        bought("23", "23 10:00", "b23", customer_id="c18", order_id="V23", product_id="P1"),
        # two purchases of one order in two visits
        bought("24", "24 10:00", "b24", customer_id="c19", order_id="V24", product_id="P1"),
        bought("24b", "24 12:00", "b24", customer_id="c19", order_id="V24", product_id="P2"),
    ]


def lines_of_visits() -> list[Row]:
    """Sales lines for `purchase_events`."""

    def line(number: str, sold: str, **given: Any) -> Row:
        return sale(f"v{number}", f"2024-08-{sold}", **given)

    return [
        line("1", "01 10:09", quantity=2, order="V1", customer="c12"),
        line("2a", "02 10:01", product="P2", order="V2", customer="c12"),
        line("2b", "02 10:00", product="P3", order="V2", customer="c12"),
        line("3a", "03 18:00", order="V3", customer="c12"),
        line("3b", "03 18:00", product="P2", order="V3", customer="c12"),
        line("4", "04 10:10", order="V4", customer="c12"),
        line("5", "05 10:10:01", order="V5", customer="c12"),
        line("6", "06 10:10", order="V6", customer="c12"),
        line("7", "07 10:30", order="V7", customer="c13"),
        line("8", "08 10:30", product="P5", order="V8", customer="c13"),
        line("9", "09 10:30", product="P2", order="V9", customer="c13"),
        line("10a", "10 10:01", product="P2", order="V10", customer="c14"),
        line("10b", "10 10:01", product="P2", order="V10", customer="c14"),
        line("11", "11 10:02", product="P2", order="V11", customer="c14"),
        line("12", "12 10:02", order="V12", customer="c20"),
        line("14", "14 10:02", order="V14", customer_email="known@example.org"),
        line("15", "15 10:00", order="V15", customer="c15", status="cancelled"),
        line("16", "16 10:00", quantity=-1, order="V16", customer="c15"),
        line("19", "31 23:59", order="V18-none", customer="c15"),
        sale("v19b", "2024-09-01 00:01", order="V19", customer="c15"),
        line("20a", "20 10:06", order="V20", customer="c16"),
        line("20b", "20 10:15", product="P5", order="V20", customer="c16"),
        line("20c", "20 10:15:01", product="P6", order="V20c", customer="c16"),
        line("20d", "20 09:55", product="P7", order="V20d", customer="c16", store_id="W1"),
        line("22", "22 10:02", order="V22", customer="c17", store_id="S1"),
        line("22b", "22 10:02", product="P2", order="V22b", customer="c17", store_id="S9"),
        line("23", "23 10:02", order="V23", customer="c18", store_id="S1"),
        line("23b", "23 10:02", product="P2", order="V23", customer="c18", store_id="S1"),
        line("24", "24 11:00", product="P3", order="V24", customer="c19"),
        line("25", "25 10:00", order="V25", customer_email="nobody@example.org"),
        line("26", "25 10:00", order="V26", customer_email="twice@example.org"),
    ]


def visiting_crowd(events: int = 500, seed: int = 11) -> list[Row]:
    """Seeded events of few devices and customers on few days, so that every rule meets every other."""
    draw = random.Random(seed)
    kinds = ["visit", "view", "view", "view", "search", "cart", "remove_from_cart", "wishlist", "checkout", "purchase"]
    rows = []
    for n in range(events):
        moment = datetime(2024, 9, 27, 6) + timedelta(seconds=draw.randrange(9 * 86_400))
        moment = moment.replace(hour=draw.choice([0, 10, 11, 23]), second=draw.choice([0, 0, 30]))
        kind = draw.choice(kinds)
        device = draw.choice([None, *[f"x{i}" for i in range(6)]])
        known = draw.choice(["c21", "c22", "c23"])
        rows.append(
            event(
                f"x{n:04}",
                moment.isoformat(sep=" "),
                kind,
                device_id=device,
                customer_id=known if device is None or draw.random() < 0.3 else None,
                session_id=draw.choice(["y1", "y2", "y3"]) if draw.random() < 0.1 else None,
                product_id=f"P{draw.randint(1, 4)}" if draw.random() < 0.8 else None,
                order_id=f"X{draw.randrange(12)}" if kind == "purchase" and draw.random() < 0.5 else None,
                duration_seconds=Decimal(draw.randrange(9000)) / 10 if draw.random() < 0.2 else None,
                page_url=draw.choice([None, "/a", "/b", "/c"]),
                page_type=draw.choice([None, "home", "product"]),
                referrer=draw.choice([None, None, "https://www.bing.com/", "https://x.com/1"]),
                utm_source=draw.choice([None, None, None, "s1"]),
                utm_medium=draw.choice([None, None, None, "cpc", "Social"]),
                value=draw.choice([None, Decimal("3.5")]),
            )
        )
    return rows


def buying_crowd(lines: int = 60, seed: int = 12) -> list[Row]:
    """Seeded sales lines of the days, customers and orders of `visiting_crowd`."""
    draw = random.Random(seed)
    rows = []
    for n in range(lines):
        moment = datetime(2024, 9, 27, 6) + timedelta(seconds=draw.randrange(9 * 86_400))
        moment = moment.replace(hour=draw.choice([0, 10, 11, 23]), second=draw.choice([0, 30]))
        rows.append(
            sale(
                f"w{n}",
                moment.isoformat(sep=" "),
                draw.choice([1, 1, 2, -1]),
                "10",
                f"P{draw.randint(1, 4)}",
                order=draw.choice([None, f"X{draw.randrange(12)}"]),
                customer=draw.choice([None, "c21", "c22", "c23"]),
                store_id=draw.choice([None, None, "S1", "W1"]),
                status=draw.choice([None, None, None, "cancelled"]),
            )
        )
    return rows


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


def busy() -> Landed:
    """The whole shop with many visits."""
    found = nasty()
    emails = {"idle-undated": "known@example.org", "c12": "twice@example.org", "c13": "twice@example.org"}
    return {
        **found,
        "sales": [*found["sales"], *lines_of_visits(), *buying_crowd()],
        "customers": [{**row, "email": emails.get(row["customer_id"], row.get("email"))} for row in found["customers"]],
        "stores": [*found["stores"], {"store_id": "W1", "channel": "online"}],
        "devices": [
            *found["devices"],
            {"device_id": "d-idle", "device_type": "tablet", "customer_id": "c2", "location": "Hamburg"},
            {"device_id": "night", "device_type": "desktop", "customer_id": "c3", "location": "n/a"},
            {"device_id": "login", "customer_id": "c4", "location": "  KÖLN "},
            {"device_id": "other", "device_type": "tv", "customer_id": "c1"},
            {"device_id": "eq", "location": "Bremen"},
        ],
        "interactions": [*found["interactions"], *awkward_visits(), *visiting_crowd()],
    }


def empty() -> Landed:
    """A home without any rows."""
    return {name: [] for name in ("sales", "customers", "products", "stores", "devices", "interactions")}
