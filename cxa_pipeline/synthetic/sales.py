"""The sales table: orders with their lines as money, and what was returned. Ids are numbered in order of time."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from cxa_pipeline.synthetic.baskets import Lines
from cxa_pipeline.synthetic.catalog import Catalog
from cxa_pipeline.synthetic.clock import DAY, Calendar, weekday
from cxa_pipeline.synthetic.draws import Draws, Flags, Floats, Ints, Keys, look_up
from cxa_pipeline.synthetic.offers import CODES
from cxa_pipeline.synthetic.orders import ONLINE, STATUSES, STORE, Orders
from cxa_pipeline.synthetic.people import People
from cxa_pipeline.synthetic.vocabulary import CATEGORIES

SHIPPING: tuple[str | None, ...] = ("standard", "express", "free", "pickup", None)
_STANDARD, _EXPRESS, _FREE, _PICKUP, _NOT_SHIPPED = range(5)
PAYMENTS: tuple[str, ...] = ("paypal", "credit_card", "invoice", "klarna", "debit_card", "cash")
TAX = 0.19
REFUNDED = len(STATUSES)
_CLOTHING = CATEGORIES.index("Clothing")


@dataclass(frozen=True)
class Sales:
    """One entry per sales line in order of time; money in cents, positions -1 for NULL, numbers from 1.

    A line that gives something back names the line it gives back in `original`.
    """

    order: Ints
    order_number: Ints
    original: Ints
    customer: Ints
    mail_of: Ints
    product: Ints
    store: Ints
    quantity: Ints
    unit_price: Ints
    discount: Ints
    code: Ints
    total: Ints
    shipping_type: Ints
    shipping: Ints
    tax: Ints
    payment: Ints
    sold: Ints
    status: Ints
    rating: Ints

    def __len__(self) -> int:
        return len(self.order)

    def take(self, rows: Ints | Flags) -> Sales:
        """Return some of the lines."""
        return Sales(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True)
class SoldLines:
    """What `visits` needs to know of the delivered lines: by order, with the number of the order."""

    order: Ints
    product: Ints
    quantity: Ints
    total: Ints
    sold: Ints
    order_number: Ints


def make_sales(
    return_rate: float,
    draws: Draws,
    calendar: Calendar,
    catalog: Catalog,
    people: People,
    orders: Orders,
    lines: Lines,
    discount_rate: Floats,
    code: Ints,
) -> tuple[Sales, SoldLines]:
    """Turn orders and lines into the delivered table.

    Returns:
        The lines within the shop's days, and the sale lines of all orders, also of those after the end (their
        order number is 0): the visits that led to them may lie before it.
    """
    keys = draws.keys("sale", orders.keys[lines.order], lines.place)
    discount = np.where(lines.product < catalog.goods, discount_rate[lines.order], 0.0)
    sale = _sale_lines(draws, people, orders, lines, keys, discount, code)
    inside = (sale.sold >= calendar.start * DAY) & (sale.sold < (calendar.end + 1) * DAY)
    origin = np.flatnonzero(_comes_back(return_rate, draws, catalog, orders, lines, keys) & inside)
    back, own_document = _returned(draws, calendar, sale, origin, keys[origin])
    joined = _join(sale, back)
    kept = np.concatenate([inside, (back.sold < (calendar.end + 1) * DAY)])
    document = np.concatenate([sale.order, np.where(own_document, len(orders) + origin, back.order)])
    began = np.concatenate([orders.sold[sale.order], np.where(own_document, back.sold, orders.sold[back.order])])
    # an order that begins before the first day keeps the lines that fall on it
    number = _number(document, np.maximum(began, calendar.start * DAY), kept, orders.keys, keys)
    source = np.concatenate([np.full(len(sale), -1), origin])
    result = _sorted(joined, number, source, kept)
    sold = SoldLines(
        sale.order, sale.product, sale.quantity, sale.total, sale.sold, np.where(inside, number[: len(sale)], 0)
    )
    return result, sold


def _sale_lines(
    draws: Draws, people: People, orders: Orders, lines: Lines, keys: Keys, discount_rate: Floats, code: Ints
) -> Sales:
    order = lines.order
    gross = lines.price * lines.quantity
    discount = np.rint(gross * discount_rate).astype(np.int64)
    total = gross - discount
    first = lines.place == 0
    order_total = np.bincount(order, weights=total, minlength=len(orders)).astype(np.int64)
    shipping_type, shipping = _shipping(draws, people, orders, order_total)
    apart = draws.flag("lines apart", orders.keys, 0.3)
    apart |= draws.flag("just before midnight", orders.keys, 0.004)
    web = (0.38, 0.27, 0.18, 0.12, 0.05, 0.0)
    till = (0.0, 0.3, 0.0, 0.0, 0.42, 0.28)
    payment = np.where(
        orders.channel == STORE,
        draws.choice("pays in store", orders.keys, till),
        draws.choice("pays", orders.keys, web),
    )
    stars = np.clip(np.rint(2 * (4.2 + 0.9 * draws.normal("stars", keys))), 2, 10).astype(np.int64) * 50
    rated = draws.flag("rates", keys, np.where(orders.channel[order] == STORE, 0.04, 0.28))
    return Sales(
        order=order,
        order_number=np.zeros(len(order), dtype=np.int64),
        original=np.full(len(order), -1),
        customer=orders.customer[order],
        mail_of=orders.mail_of[order],
        product=lines.product,
        store=orders.store[order],
        quantity=lines.quantity,
        unit_price=lines.price,
        discount=discount,
        code=np.where(discount > 0, code[order], len(CODES) - 1),
        total=total,
        shipping_type=shipping_type[order],
        shipping=np.where(first, shipping[order], 0),
        tax=np.rint(total * TAX).astype(np.int64),
        payment=payment[order],
        sold=orders.sold[order] + np.where(apart[order], lines.place, 0),
        status=orders.status[order],
        rating=np.where(rated, stars, -1),
    )


def _shipping(draws: Draws, people: People, orders: Orders, order_total: Ints) -> tuple[Ints, Ints]:
    """Return shipping type and cents of each order: free from 60 or for subscribers, pickup by some, express by few."""
    subscriber = look_up(people.subscriber, orders.customer, False)
    wish = draws.uniform("shipping", orders.keys)
    kind = np.where((order_total >= 6000) | subscriber, _FREE, _STANDARD)
    kind = np.select([orders.channel == STORE, wish < 0.08, (wish < 0.2) & (orders.channel == ONLINE)],
                     [_NOT_SHIPPED, _EXPRESS, _PICKUP], kind)  # fmt: skip
    return kind, np.array([495, 995, 0, 0, 0])[kind]


def _comes_back(return_rate: float, draws: Draws, catalog: Catalog, orders: Orders, lines: Lines, keys: Keys) -> Flags:
    completed = np.isin(orders.status[lines.order], (0, len(STATUSES) - 1))
    rate = np.where(catalog.category[lines.product] == _CLOTHING, 2.5 * return_rate, return_rate)
    rate = np.where(orders.channel[lines.order] == STORE, 0.5 * rate, rate)
    return completed & (lines.product < catalog.goods) & draws.flag("comes back", keys, rate)


def _returned(draws: Draws, calendar: Calendar, sale: Sales, origin: Ints, keys: Keys) -> tuple[Sales, Flags]:
    """Return the lines that give back all or one piece of some sale lines, and whether they are orders of their own."""
    sold = sale.take(origin)
    divides = sold.total % np.maximum(sold.quantity, 1) == 0
    part = (sold.quantity > 1) & (~divides | draws.flag("a part", keys, 0.5))
    quantity = np.where(part, 1, sold.quantity)
    refund = np.rint(sold.total * quantity / np.maximum(sold.quantity, 1)).astype(np.int64)
    days = sold.sold // DAY + 2 + np.floor(9.0 * draws.gamma("days kept", keys, 1.6)).astype(np.int64)
    days = np.where(weekday(days) == 6, days + 1, days)
    back = calendar.second_in_store(draws, "returned", keys, np.minimum(days, calendar.last))
    back = np.where(days > calendar.last, (calendar.last + 1) * DAY, back)
    zero = np.zeros(len(origin), dtype=np.int64)
    lines = Sales(
        order=sold.order,
        order_number=zero,
        original=zero,
        customer=sold.customer,
        mail_of=sold.mail_of,
        product=sold.product,
        store=sold.store,
        quantity=-quantity,
        unit_price=refund // np.maximum(quantity, 1),
        discount=zero,
        code=np.full(len(origin), len(CODES) - 1),
        total=-refund,
        shipping_type=np.full(len(origin), _NOT_SHIPPED),
        shipping=zero,
        tax=-np.rint(refund * TAX).astype(np.int64),
        payment=sold.payment,
        sold=back,
        status=np.full(len(origin), REFUNDED),
        rating=np.full(len(origin), -1),
    )
    return lines, draws.flag("own document", keys, 0.25)


def _join(first: Sales, second: Sales) -> Sales:
    names = [field.name for field in fields(first)]
    return Sales(**{name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names})


def _number(document: Ints, began: Ints, kept: Flags, order_keys: Keys, line_keys: Keys) -> Ints:
    """Number documents from 1 in order of time; 0 where none of their lines is kept."""
    identity = np.concatenate([order_keys, line_keys])[document]
    rows = np.flatnonzero(kept)
    by_time = rows[np.lexsort((identity[rows], began[rows]))]
    changes = np.ones(len(by_time), dtype=np.bool_)
    changes[1:] = document[by_time][1:] != document[by_time][:-1]
    numbers = np.zeros(len(document), dtype=np.int64)
    numbers[by_time] = np.cumsum(changes)
    return numbers


def _sorted(lines: Sales, number: Ints, source: Ints, kept: Flags) -> Sales:
    """Return the kept lines in order of time, with the numbers of their orders and of the lines they give back."""
    rows = np.flatnonzero(kept)
    rows = rows[np.lexsort((rows, number[rows], lines.sold[rows]))]
    place = np.full(len(kept), -1, dtype=np.int64)
    place[rows] = np.arange(1, len(rows) + 1)
    result = lines.take(rows)
    origin = source[rows]
    original = look_up(place, origin, -1)
    return Sales(
        **{
            **{field.name: getattr(result, field.name) for field in fields(result)},
            "order_number": number[rows],
            "original": original,
        }
    )
