"""Baskets: which products an order holds, so that its value comes near its target and planted pairs meet.

Money of the lines (discounts, shipping, tax, returns) is added in `sales`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxa_pipeline.synthetic.catalog import Catalog, Shelves, pick_category
from cxa_pipeline.synthetic.clock import DAY, month_number
from cxa_pipeline.synthetic.config import ShopConfig
from cxa_pipeline.synthetic.draws import Draws, Flags, Floats, Ints, look_up
from cxa_pipeline.synthetic.orders import STORE, Orders
from cxa_pipeline.synthetic.people import People

MOST_LINES = 9
_TIGHT = (0.87, 1.13)
_LOOSE = (0.55, 1.10)
_SMALLEST = 350.0


@dataclass(frozen=True)
class Lines:
    """One entry per line, by order and its place in the order; prices are list prices in cents."""

    order: Ints
    place: Ints
    product: Ints
    quantity: Ints
    price: Ints

    def __len__(self) -> int:
        return len(self.order)


class _Baskets:
    """The lines of all orders while they are being filled, one column of arrays per place."""

    def __init__(self, orders: Orders, catalog: Catalog, budget: Floats) -> None:
        self.days = orders.sold // DAY
        self.catalog = catalog
        self.left = budget.copy()
        self.columns: list[tuple[Ints, Ints, Ints, Ints]] = []

    def add(self, which: Ints, product: Ints, quantity: Ints) -> Ints:
        """Put products into the baskets that do not hold them yet; return the positions that took one."""
        product = self.catalog.on_sale(product, self.days[which])
        new = np.ones(len(which), dtype=np.bool_)
        held = np.full(len(self.left), -1, dtype=np.int64)
        for rows, products, _, _ in self.columns:
            held[:] = -1
            held[rows] = products
            new &= held[which] != product
        which, product, quantity = which[new], product[new], quantity[new]
        price = self.catalog.price(product, self.days[which])
        self.left[which] -= price * quantity
        self.columns.append((which, product, quantity, price))
        return which

    def lines(self) -> Lines:
        """Return all lines sorted by order and place."""
        order, product, quantity, price = (np.concatenate([c[i] for c in self.columns]) for i in range(4))
        column = np.repeat(np.arange(len(self.columns)), [len(c[0]) for c in self.columns])
        column = np.where(product >= self.catalog.goods, column + len(self.columns), column)  # extras stand last
        by = np.lexsort((column, order))
        order = order[by]
        first = np.searchsorted(order, order, side="left")
        return Lines(order, np.arange(len(order)) - first, product[by], quantity[by], price[by])


def fill_baskets(
    config: ShopConfig, draws: Draws, catalog: Catalog, people: People, orders: Orders, discount: Floats
) -> Lines:
    """Choose the products of each order.

    An order has a number of lines; all but the last take a part of the budget, the last one what is left. Where a
    line holds the first product of a planted pair, the second is added with probability `affinity_share`.
    """
    shelves = Shelves(catalog)
    baskets = _Baskets(orders, catalog, orders.target / (1.0 - discount))
    wanted = 1 + draws.poisson("lines", orders.keys, np.clip(0.35 + orders.target / 9000.0, 0.0, 2.6))
    wanted = np.minimum(wanted, MOST_LINES - 1)
    favourite = look_up(people.favourite, orders.customer, -1)
    _add_extras(draws, orders, baskets)
    budget = baskets.left.copy()
    for place in range(MOST_LINES):
        # the last place makes good what lines that fell out, because the basket held them already, left open
        open_ = (wanted > place) if place < MOST_LINES - 1 else baskets.left > 0.12 * budget
        which = np.flatnonzero(open_ & ((place == 0) | (baskets.left > _SMALLEST)))
        product, quantity = _choose(
            config,
            draws,
            shelves,
            orders,
            which,
            place,
            baskets.left[which],
            (wanted[which] == place + 1) | (place == MOST_LINES - 1),
            favourite[which],
        )
        taken = baskets.add(which, product, quantity)
        _add_partners(config, draws, orders, baskets, taken, place)
    return baskets.lines()


def _choose(
    config: ShopConfig,
    draws: Draws,
    shelves: Shelves,
    orders: Orders,
    which: Ints,
    place: int,
    left: Floats,
    last: Flags,
    favourite: Ints,
) -> tuple[Ints, Ints]:
    """Return product and quantity of one line for each of some orders."""
    keys = draws.keys("line", orders.keys[which], place)
    category = pick_category(draws, "line", keys, favourite, config.category_preference, orders.sold[which])
    part = np.where(last, 1.0, 0.25 + 0.4 * draws.uniform("part", keys))
    money = np.maximum(left, 300.0) * part
    usual = 1 + draws.choice("quantity", keys, (0.8, 0.14, 0.02, 0.04))
    needed = np.ceil(money / (1.1 * shelves.highest(category))).astype(np.int64)
    quantity = np.minimum(np.maximum(np.where(money > 1500.0, usual, 1), needed), 24)
    each = money / quantity
    category = np.where(each < 0.95 * shelves.lowest(category), shelves.cheapest, category)
    low, high = (np.where(last, tight, loose) for tight, loose in zip(_TIGHT, _LOOSE, strict=True))
    return shelves.pick(draws.uniform("product", keys), category, each * low, each * high), quantity


def _add_partners(config: ShopConfig, draws: Draws, orders: Orders, baskets: _Baskets, taken: Ints, place: int) -> None:
    product = baskets.columns[-1][1]
    partner = baskets.catalog.partner[product]
    keys = draws.keys("partner", orders.keys[taken], place)
    joins = (partner >= 0) & draws.flag("joins", keys, config.affinity_share)
    baskets.add(taken[joins], partner[joins], np.ones(int(joins.sum()), dtype=np.int64))


def _add_extras(draws: Draws, orders: Orders, baskets: _Baskets) -> None:
    """Add gift wrapping (most in December), evening delivery, and now and then a voucher."""
    goods, online = baskets.catalog.goods, orders.channel != STORE
    december = month_number(orders.sold // DAY) % 12 == 11
    shares = (np.where(december, 0.12, 0.05), np.where(online, 0.03, 0.0), np.full(len(orders), 0.006))
    for extra, share in enumerate(shares):
        which = np.flatnonzero(draws.flag(f"extra {extra}", orders.keys, share) & (orders.target > 2500.0))
        baskets.add(which, np.full(len(which), goods + extra), np.ones(len(which), dtype=np.int64))
