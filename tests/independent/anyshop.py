"""Shops that nobody thought of: hypothesis draws customers, lines and events that meet one another often.

Here: rows of the landed tables, all of which the contracts accept. Not here: what must hold of the tables made of
them (`tests/integration/test_invariants_hold.py`).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from tests.independent.shop import Landed, Row, event, sale

START = datetime(2023, 12, 28)
DAYS = (0, 1, 3, 4, 34, 63, 94, 95, 400)
"""Some days close to each other, both ends of a year, of a leap February and of a month, a change of the clocks."""

MINUTES = (0, 1, 119, 150, 600, 604, 610, 629, 631, 1439)
CUSTOMERS = [f"c{n}" for n in range(6)]
PRODUCTS = [f"P{n}" for n in range(5)]
DEVICES = [f"d{n}" for n in range(4)]
STORES = ["S1", "W1", "S-unknown"]
KINDS = ("visit", "view", "view", "search", "cart", "remove_from_cart", "wishlist", "checkout", "purchase")
VALID = (None, "completed", "refunded")


def _maybe(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from((None, *values))


_moments = st.tuples(st.sampled_from(DAYS), st.sampled_from(MINUTES), st.sampled_from((0, 30))).map(
    lambda drawn: (START + timedelta(days=drawn[0], minutes=drawn[1], seconds=drawn[2])).isoformat(sep=" ")
)
_lines = st.fixed_dictionaries(
    {
        "sold": _moments,
        "quantity": st.sampled_from((1, 1, 2, 7, -1, -2)),
        "price": st.sampled_from(("10", "19.99", "0.105", "0")),
        "product": st.sampled_from(PRODUCTS),
        "order": _maybe(*(f"O{n}" for n in range(8))),
        "customer": _maybe(*CUSTOMERS),
        "store_id": _maybe(*STORES),
        "discount": _maybe("1.25"),
        "status": st.sampled_from((*VALID, None, "cancelled", "pending")),
    }
)
_events = st.fixed_dictionaries(
    {
        "occurred": _moments,
        "event_type": st.sampled_from(KINDS),
        "customer_id": _maybe(*CUSTOMERS),
        "device_id": _maybe(*DEVICES),
        "product_id": _maybe(*PRODUCTS),
        "session_id": _maybe("s1"),
        "order_id": _maybe("O0", "O1"),
        "duration_seconds": _maybe(Decimal("7.5"), Decimal("900")),
        "page_url": _maybe("/", "/p"),
        "utm_medium": _maybe("cpc"),
    }
).map(lambda given: given if given["customer_id"] or given["device_id"] else {**given, "device_id": DEVICES[0]})
_sizes = st.sampled_from((30, 0, 5, 50))
_people = st.lists(st.sampled_from(CUSTOMERS), unique=True, max_size=4)
_details = {
    "gender": _maybe("female", "male"),
    "age": _maybe(17, 18, 25, 70),
    "location": _maybe("Berlin", " berlin", "n/a"),
    "join_date": _maybe(date(2023, 1, 1)),
    "previous_purchases": _maybe(0, 3),
}


@st.composite
def shops(draw: st.DrawFn) -> Landed:
    """A shop of at most sixty lines and eighty events, often far fewer, sometimes none."""
    lines = draw(st.lists(_lines, min_size=draw(_sizes), max_size=60))
    events = draw(st.lists(_events, min_size=draw(_sizes), max_size=80))
    customers = [{"customer_id": name, **draw(st.fixed_dictionaries(_details))} for name in draw(_people)]
    products = [
        {"product_id": name, "product_name": name.lower(), "category": draw(_maybe("Home/Lamps", "Food"))}
        for name in draw(st.lists(st.sampled_from(PRODUCTS), unique=True))
    ]
    devices = [
        {"device_id": name, "device_type": draw(_maybe("mobile")), "is_bot": draw(_maybe(True, False))}
        for name in draw(st.lists(st.sampled_from(DEVICES), unique=True))
    ]
    return {
        "sales": [sale(f"l{number}", **line) for number, line in enumerate(lines)],
        "interactions": [event(f"i{number}", **given) for number, given in enumerate(events)],
        "customers": customers,
        "products": products,
        "devices": devices,
        "stores": [{"store_id": "S1", "channel": "store"}, {"store_id": "W1", "channel": "online"}],
    }


def net_sales(landed: Landed) -> Decimal:
    """What all lines that count come to, in the words of docs/metrics.md and by hand."""
    return sum((_net(row) for row in landed["sales"] if row.get("status") in VALID), Decimal(0))


def _net(row: Row) -> Decimal:
    amount = max(abs(row["quantity"]) * row["unit_price"] - (row.get("discount_amount") or 0), Decimal(0))
    return amount if row["quantity"] > 0 else -amount
