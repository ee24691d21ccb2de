"""Facts as Arrow tables with the canonical columns of METRICS §1, ready to be written as CSV.

Which rows go into which file is decided in `files`; the tables of customers, products, stores and devices are made
in `members`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cxa_pipeline.synthetic.clock import month_number
from cxa_pipeline.synthetic.draws import Draws, Flags, Ints, look_up
from cxa_pipeline.synthetic.events import BUY, CHECKOUT, INTO_CART, LOOK, OUT_OF_CART, SEARCH, VISIT, WISH, Events
from cxa_pipeline.synthetic.offers import CODES
from cxa_pipeline.synthetic.orders import STATUSES
from cxa_pipeline.synthetic.sales import PAYMENTS, REFUNDED, SHIPPING, Sales, SoldLines
from cxa_pipeline.synthetic.visits import Visits
from cxa_pipeline.synthetic.vocabulary import CHANNELS, EVENT_TYPES, STORES

if TYPE_CHECKING:
    import pyarrow as pa

_URLS = {
    VISIT: "/",
    SEARCH: "/search",
    CHECKOUT: "/checkout",
    BUY: "/thank-you",
    INTO_CART: "/cart",
    OUT_OF_CART: "/cart",
}
_PAGES = {
    VISIT: "home",
    SEARCH: "search",
    CHECKOUT: "checkout",
    BUY: "confirmation",
    INTO_CART: "cart",
    OUT_OF_CART: "cart",
    LOOK: "product",
    WISH: "product",
}


def ids(prefix: str, width: int, numbers: Ints) -> pa.Array:
    """Return ids such as C000123; NULL where the number is below 1."""
    import pyarrow as pa
    import pyarrow.compute as pc

    digits = pa.array(numbers, mask=numbers < 1).cast(pa.string())
    return pc.binary_join_element_wise(prefix, pc.utf8_lpad(digits, width, "0"), "")


def words(vocabulary: Sequence[str | None], codes: Ints) -> pa.Array:
    """Return the words at some positions; NULL where the position is below 0."""
    import pyarrow as pa

    return pa.array(vocabulary, pa.string()).take(pa.array(codes, mask=codes < 0))


def amounts(units: Ints, scale: int = 2, empty: Flags | None = None) -> pa.Array:
    """Return exact decimals from whole units of 10**-scale; NULL where `empty`."""
    import pyarrow as pa

    halves = np.empty((len(units), 2), dtype=np.int64)
    halves[:, 0], halves[:, 1] = units, units >> 63
    valid = None if empty is None else pa.py_buffer(np.packbits(~empty, bitorder="little"))
    return pa.Array.from_buffers(pa.decimal128(18, scale), len(units), [valid, pa.py_buffer(halves)])


def moments(seconds: Ints) -> pa.Array:
    """Return naive local timestamps from local seconds since 1970."""
    import pyarrow as pa

    return pa.array(seconds).cast(pa.timestamp("s"))


def sales_table(sales: Sales, first: int, currency: str, emails: pa.Array) -> pa.Table:
    """Return sales lines; the first is numbered `first`, the rest follow."""
    import pyarrow as pa

    n = len(sales)
    statuses = [*STATUSES, "refunded"]
    assert statuses[REFUNDED] == "refunded"
    return pa.table(
        {
            "sale_id": ids("L", 7, np.arange(first, first + n)),
            "order_id": ids("O", 7, sales.order_number),
            "customer_id": ids("C", 6, sales.customer + 1),
            "customer_email": emails,
            "product_id": _products(sales.product),
            "store_id": words([store[0] for store in STORES], sales.store),
            "quantity": pa.array(sales.quantity),
            "unit_price": amounts(sales.unit_price),
            "discount_amount": amounts(sales.discount),
            "discount_applied": pa.array(sales.discount > 0),
            "promo_code": words(CODES, sales.code),
            "total_price": amounts(sales.total),
            "shipping_type": words(SHIPPING, sales.shipping_type),
            "shipping_amount": amounts(sales.shipping),
            "tax_amount": amounts(sales.tax),
            "payment_method": words(PAYMENTS, sales.payment),
            "sold_at": moments(sales.sold),
            "status": words(statuses, sales.status),
            "original_sale_id": ids("L", 7, sales.original),
            "currency": pa.array([currency], pa.string()).take(pa.array(np.zeros(n, dtype=np.int64))),
            "review_rating": amounts(sales.rating, 2, sales.rating < 0),
        }
    )


def _products(positions: Ints) -> pa.Array:
    return ids("P", 4, positions + 1)


def interactions_table(
    draws: Draws, events: Events, visits: Visits, sold: SoldLines, first: int, session_ids: bool
) -> pa.Table:
    """Return events in the given order; the first is numbered `first`, the rest follow."""
    import pyarrow as pa
    import pyarrow.compute as pc

    n, visit = len(events), events.visit
    named = visits.logged_in[visit] | (visits.from_checkout[visit] & (events.kind >= CHECKOUT))
    in_cart = (events.kind == INTO_CART) | (events.kind == OUT_OF_CART) | (events.kind == BUY)
    channel = draws.choice("channel", visits.keys[visit], [channel[3] for channel in CHANNELS])
    channel = np.where(events.opens & (visits.deepest[visit] < 4), channel, -1)
    product = np.where(events.product >= 0, events.product, -1)
    product_ids = _products(product)
    on_product = pa.array((events.kind == LOOK) | (events.kind == WISH))
    page = words([_URLS.get(kind) for kind in range(len(EVENT_TYPES))], events.kind)
    order = look_up(sold.order_number, events.line, 0)
    no = pa.nulls(n, pa.string())
    return pa.table(
        {
            "interaction_id": ids("I", 8, np.arange(first, first + n)),
            "customer_id": ids("C", 6, np.where(named, visits.customer[visit] + 1, 0)),
            "device_id": ids("D", 7, np.where(visits.has_device[visit], visits.device_number[visit], 0)),
            "product_id": product_ids,
            "event_type": words(EVENT_TYPES, events.kind),
            "occurred_at": moments(events.at),
            "session_id": ids("V", 8, visit + 1) if session_ids else no,
            "page_url": pc.if_else(on_product, pc.binary_join_element_wise("/products/", product_ids, ""), page),
            "page_type": words([_PAGES[kind] for kind in range(len(EVENT_TYPES))], events.kind),
            "duration_seconds": amounts(events.duration, 1, events.duration < 0),
            "order_id": ids("O", 7, order),
            "quantity": pa.array(events.quantity, mask=~(in_cart & (events.quantity > 0))),
            "value": amounts(events.value, 2, events.value < 0),
            "referrer": words([channel[0] for channel in CHANNELS], channel),
            "utm_source": words([channel[1] for channel in CHANNELS], channel),
            "utm_medium": words([channel[2] for channel in CHANNELS], channel),
            "utm_campaign": _campaigns(events.at, channel),
        }
    )


def _campaigns(at: Ints, channel: Ints) -> pa.Array:
    """Return the campaign of paid, mailed and social visits: one for each channel and quarter."""
    quarter = month_number(at // 86_400) // 3
    lowest = int(quarter.min()) if len(quarter) else 0
    names: list[str | None] = []
    labels = {"cpc": "gifts", "email": "letter", "social": "stories"}
    span = int(quarter.max()) - lowest + 1 if len(quarter) else 1
    for number in range(lowest, lowest + span):
        year, part = 1970 + number // 4, number % 4 + 1
        names += [f"{labels[c[2]]}_{year}q{part}" if c[2] else None for c in CHANNELS]
    return words(names, np.where(channel >= 0, (quarter - lowest) * len(CHANNELS) + channel, -1))
