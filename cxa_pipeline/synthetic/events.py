"""The events of visits: what is looked at, put in the cart and bought, second by second.

Works on a slice of the visits at a time, so that memory does not grow with the shop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxa_pipeline.synthetic.catalog import Catalog, Shelves, pick_category
from cxa_pipeline.synthetic.clock import DAY, Calendar
from cxa_pipeline.synthetic.config import ShopConfig
from cxa_pipeline.synthetic.draws import Draws, Flags, Ints, Keys, expand, look_up
from cxa_pipeline.synthetic.people import People
from cxa_pipeline.synthetic.sales import SoldLines
from cxa_pipeline.synthetic.visits import CART, CRAWL, LONGEST, ONLY_VISIT, PURCHASE, VIEW, Visits
from cxa_pipeline.synthetic.vocabulary import EVENT_TYPES

(VISIT, SEARCH, LOOK, WISH, INTO_CART, OUT_OF_CART, CHECKOUT, BUY) = range(len(EVENT_TYPES))
_GAP_MEDIANS = np.array([14.0, 18.0, 42.0, 8.0, 16.0, 9.0, 75.0, 1.0])
_GAP_CAP = 1500
_MANY = 1000


@dataclass(frozen=True)
class Events:
    """One entry per event by visit and time; -1 stands for none, `duration` is in tenths of a second.

    `opens` marks the first event of a visit; `value` is in cents; `line` is the sold line of a purchase.
    """

    visit: Ints
    opens: Flags
    place: Ints
    kind: Ints
    product: Ints
    at: Ints
    duration: Ints
    line: Ints
    quantity: Ints
    value: Ints

    def __len__(self) -> int:
        return len(self.visit)


class EventMaker:
    """Lays out the events of visits."""

    def __init__(
        self, config: ShopConfig, draws: Draws, calendar: Calendar, catalog: Catalog, people: People, sold: SoldLines
    ) -> None:
        self._config, self._draws, self._calendar, self._catalog = config, draws, calendar, catalog
        self._people, self._sold, self._shelves = people, sold, Shelves(catalog)

    def events(self, visits: Visits, rows: slice) -> Events:
        """Return the events of some visits."""
        steps = self._steps(visits, rows)
        visit, place, kind, product, line, quantity = steps
        keys = self._draws.keys("event", visits.keys[visit], place)
        at, duration = self._times(visits, visit, kind, line, keys)
        day = at // DAY
        product = np.where((product >= 0) & (line < 0), self._catalog.on_sale(np.maximum(product, 0), day), product)
        price = self._catalog.price(np.maximum(product, 0), day)
        value = np.where((kind == INTO_CART) & (product >= 0), price * np.maximum(quantity, 1), -1)
        value = look_up(self._sold.total, np.where(kind == BUY, line, -1), value)
        line = np.where(kind == BUY, line, -1)
        opens = visit != np.roll(visit, 1)
        opens[:1] = True
        return Events(visit, opens, place, kind, product, at, duration, line, quantity, value)

    def _steps(self, visits: Visits, rows: slice) -> tuple[Ints, ...]:
        """Return visit, place in the visit, kind, product, sold line and quantity of each event, in order."""
        draws = self._draws
        index = np.arange(rows.start, rows.stop)
        keys, deepest = visits.keys[rows], visits.deepest[rows]
        buys, order = deepest == PURCHASE, np.maximum(visits.order[rows], 0)
        begin = np.searchsorted(self._sold.order, order)
        bought = np.where(buys, np.searchsorted(self._sold.order, order, side="right") - begin, 0)
        more = 1 + draws.geometric("more views", keys, 0.42)
        extra = np.select([buys, deepest == CRAWL], [draws.geometric("extra views", keys, 0.45),
                          1 + draws.poisson("crawled", keys, float(self._config.bot_views))], more)  # fmt: skip
        slots = np.where(deepest == ONLY_VISIT, 0, np.minimum(extra, 120)) + bought
        parts = [self._openings(index, keys, deepest), *self._slots(visits, index, slots, bought, begin)]
        checkout = buys | ((deepest == CART) & draws.flag("starts checkout", keys, 0.35))
        parts.append(_part(index[checkout], _MANY * 10, CHECKOUT))
        parent, number = expand(bought)
        line = begin[parent] + number
        parts.append(
            _part(
                index[parent], _MANY * 10 + 1 + number, BUY, self._sold.product[line], line, self._sold.quantity[line]
            )
        )
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        by = np.lexsort((columns[1], columns[0]))
        return tuple(column[by] for column in columns)

    def _openings(self, index: Ints, keys: Keys, deepest: Ints) -> tuple[Ints, ...]:
        """Visits open with a page; one in eight goes straight to a product; some search."""
        opens = (deepest == ONLY_VISIT) | (deepest == CRAWL) | self._draws.flag("opens with page", keys, 0.88)
        searches = (deepest != CRAWL) & self._draws.flag("searches", keys, 0.16)
        visit = np.concatenate([index[opens], index[searches]])
        step = np.repeat([0, 1], [opens.sum(), searches.sum()])
        return _part(visit, step, np.where(step == 0, VISIT, SEARCH))

    def _slots(self, visits: Visits, index: Ints, slots: Ints, bought: Ints, begin: Ints) -> list[tuple[Ints, ...]]:
        """Looks at products and what follows each: a wish, the cart, out of the cart again."""
        draws = self._draws
        parent, number = expand(slots)
        visit = index[parent]
        keys = draws.keys("slot", visits.keys[visit], number)
        deepest, count = visits.deepest[visit], slots[parent]
        of_order = number - (count - bought[parent])
        line = np.where(of_order >= 0, begin[parent] + of_order, -1)
        product = look_up(self._sold.product, line, self._looked_at(visits, visit, number, keys))
        goods = product < self._catalog.goods
        step = 10 + 4 * number
        # the first line of an order is always looked at and put in the cart: the visit walks the whole funnel
        looked = goods & ((line < 0) | (of_order == 0) | draws.flag("is looked at", keys, 0.85))
        last = number == count - 1
        fails = (deepest == CART) & (last | ((number == count - 2) & draws.flag("second in cart", keys, 0.2)))
        into = fails | (line >= 0)
        quantity = look_up(self._sold.quantity, line, 1)
        out = fails & draws.flag("taken out", keys, 0.1)
        wish = looked & (deepest != CRAWL) & draws.flag("wishes", keys, 0.035)
        none = np.full(len(visit), -1)
        return [
            _part(visit[looked], step[looked], LOOK, product[looked], none[looked]),
            _part(visit[wish], step[wish] + 1, WISH, product[wish], none[wish]),
            _part(visit[into], step[into] + 2, INTO_CART, product[into], none[into], quantity[into]),
            _part(visit[out], step[out] + 3, OUT_OF_CART, product[out], none[out], quantity[out]),
        ]

    def _looked_at(self, visits: Visits, visit: Ints, number: Ints, keys: Keys) -> Ints:
        """Return a product to look at: of the order that will follow, or by taste and season."""
        draws = self._draws
        customer = visits.customer[visit]
        favourite = look_up(self._people.favourite, customer, -1)
        category = pick_category(draws, "look", keys, favourite, self._config.category_preference, visits.anchor[visit])
        nothing, everything = np.zeros(len(visit)), np.full(len(visit), 1e8)
        product = self._shelves.pick(draws.uniform("looks at", keys), category, nothing, everything)
        leads_to = visits.leads_to[visit]
        wanted = (leads_to >= 0) & (number == 0) & draws.flag("looks ahead", keys, 0.5)
        first = np.where(wanted, np.searchsorted(self._sold.order, np.maximum(leads_to, 0)), -1)
        ahead = look_up(self._sold.product, first, product)
        return np.where(ahead < self._catalog.goods, ahead, product)

    def _times(self, visits: Visits, visit: Ints, kind: Ints, line: Ints, keys: Keys) -> tuple[Ints, Ints]:
        """Return the second of each event, and the tracker's measure of the time spent, where it has one."""
        draws = self._draws
        crawl = visits.deepest[visit] == CRAWL
        spent = _GAP_MEDIANS[kind] * np.exp(0.9 * draws.normal("spends", keys))
        gap = np.clip(np.where(crawl, 2.0, spent), 1.0, _GAP_CAP).astype(np.int64)
        ends = np.cumsum(gap)
        first = np.ones(len(visit), dtype=np.bool_)
        first[1:] = visit[1:] != visit[:-1]
        opening = np.flatnonzero(first)
        group = np.cumsum(first) - 1
        since = ends - gap - (ends - gap)[opening][group]
        # a visit that buys is counted back from the moment of its order
        purchase = (kind == BUY) & (np.roll(kind, 1) != BUY)
        total = np.zeros(len(opening), dtype=np.int64)
        total[group[purchase]] = since[purchase]
        anchor = visits.anchor[visit]
        offset = since - total[group]
        too_long = np.maximum(np.abs(offset) / LONGEST, 1.0)
        longest = np.ones(len(opening))
        np.maximum.at(longest, group, too_long)
        offset = np.trunc(offset / longest[group]).astype(np.int64)
        at = self._calendar.follow(anchor, anchor + offset)
        late = draws.choice("tracker late", visits.keys[visit], (0.8, 0.15, 0.05))
        at = np.where(kind == BUY, look_up(self._sold.sold, line, 0) + late, at)
        measured = (kind == LOOK) & ~crawl & draws.flag("measured", keys, 0.6)
        return at, np.where(measured, np.rint(spent * (8.0 + 2.0 * draws.uniform("seen", keys))), -1).astype(np.int64)


def _part(
    visit: Ints,
    place: Ints | int,
    kind: Ints | int,
    product: Ints | int = -1,
    line: Ints | int = -1,
    quantity: Ints | int = -1,
) -> tuple[Ints, ...]:
    return (
        visit,
        *(np.broadcast_to(np.asarray(c, dtype=np.int64), visit.shape) for c in (place, kind, product, line, quantity)),
    )


def reaches(deepest: Ints) -> tuple[Flags, Flags, Flags]:
    """Return whether visits reach a product, the cart and the purchase."""
    return (deepest >= VIEW) & (deepest != CRAWL), (deepest >= CART) & (deepest != CRAWL), deepest == PURCHASE
