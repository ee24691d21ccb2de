"""Visits of the web shop: which device comes when, and how far each visit gets.

Every tracked order is the end of a series of visits by devices of the same type and place: visits that did not
buy, then the one that did. Their number is geometric with the planted conversion of that type and place, so each
visit converts with exactly that probability, while customers keep buying by their own process. What happens
within a visit is laid out in `events`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxa_pipeline.synthetic.clock import DAY, Calendar
from cxa_pipeline.synthetic.config import ShopConfig
from cxa_pipeline.synthetic.draws import Draws, Flags, Floats, Ints, Keys, expand, look_up
from cxa_pipeline.synthetic.orders import Orders
from cxa_pipeline.synthetic.people import STORE_ONLY, People
from cxa_pipeline.synthetic.vocabulary import DEVICE_TYPES, PLACES

LONGEST = 5400
"""Seconds by which the first event of a visit may precede its anchor, or the last one follow it."""
ONLY_VISIT, VIEW, CART, PURCHASE, CRAWL = range(5)
CRAWL_SHARE = 1.0 / 12.0
"""Share of the days on which a bot comes."""
_BOT_PLACE = len(PLACES)


@dataclass(frozen=True)
class Rates:
    """Planted step rates by device type (rows) and place (columns)."""

    view: float
    cart: Floats
    purchase: Floats

    @property
    def conversion(self) -> Floats:
        """Return the probability that a visit buys, by device type and place."""
        return self.view * self.cart * self.purchase


def planted_rates(config: ShopConfig) -> Rates:
    """Apply the odds ratios of devices and places to the base rates."""
    device = np.array([config.device_odds[name] for name in DEVICE_TYPES])[:, None]
    place = np.array([config.location_odds.get(place.name, 1.0) for place in PLACES])[None, :]
    cart_odds = config.cart_rate / (1.0 - config.cart_rate) * device * np.ones_like(place)
    buy_odds = config.purchase_rate / (1.0 - config.purchase_rate) * device * place
    return Rates(config.view_rate, cart_odds / (1.0 + cart_odds), buy_odds / (1.0 + buy_odds))


@dataclass(frozen=True)
class Visits:
    """One entry per visit in order of its anchor: the moment of purchase if it buys, else of the first event.

    `customer` is who owns the device (-1 nobody known), `logged_in` whether events name them, `from_checkout`
    whether only the checkout and what follows do. `order` is the order that the visit makes or (`leads_to`) that
    it precedes, -1 none.
    """

    keys: Keys
    anchor: Ints
    device: Keys
    device_number: Ints
    device_type: Ints
    place: Ints
    customer: Ints
    logged_in: Flags
    from_checkout: Flags
    has_device: Flags
    deepest: Ints
    order: Ints
    leads_to: Ints

    def __len__(self) -> int:
        return len(self.keys)


def draw_visits(config: ShopConfig, draws: Draws, calendar: Calendar, people: People, orders: Orders) -> Visits:
    """Draw all visits whose events may lie within the shop's days, in order of time."""
    rates = planted_rates(config)
    buying = np.flatnonzero(orders.tracked)
    kind = _device_type(people, orders, buying)
    place = orders.place[buying]
    failures = draws.geometric("visits before", orders.keys[buying], rates.conversion[kind, place])
    parent, number = expand(failures)
    parts = [
        _purchases(draws, people, orders, buying, kind),
        _failures(draws, calendar, people, orders, buying[parent], number, kind[parent], rates),
        _crawls(config, draws, calendar),
    ]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    low, high = calendar.start * DAY - LONGEST, (calendar.end + 1) * DAY + LONGEST
    rows = np.flatnonzero((columns["anchor"] >= low) & (columns["anchor"] < high))
    rows = rows[np.lexsort((columns["keys"][rows], columns["anchor"][rows]))]
    columns = {name: values[rows] for name, values in columns.items()}
    _, first, inverse = np.unique(columns["device"], return_index=True, return_inverse=True)
    by_first = np.empty(len(first), dtype=np.int64)
    by_first[np.argsort(first)] = np.arange(1, len(first) + 1)
    return Visits(**columns, device_number=by_first[inverse])


def _device_type(people: People, orders: Orders, rows: Ints) -> Ints:
    slot, customer = orders.device[rows], orders.customer[rows]
    own = np.where(slot == 1, look_up(people.second_device, customer, 0), look_up(people.primary_device, customer, 0))
    return np.where(slot >= 2, slot - 2, own)


def _device_key(draws: Draws, orders: Orders, rows: Ints, kind: Ints) -> Keys:
    """Return the key of the device on which an order is made; a guest's is of the order alone."""
    own = draws.keys("own device", orders.customer[rows], kind)
    return np.where(orders.customer[rows] >= 0, own, draws.keys("guest device", orders.keys[rows]))


def _purchases(draws: Draws, people: People, orders: Orders, rows: Ints, kind: Ints) -> dict[str, np.ndarray]:
    keys = draws.keys("visit", orders.keys[rows], 2**40)
    known = orders.customer[rows] >= 0
    late = draws.flag("logs in at checkout", keys, 0.3)
    return {
        "keys": keys,
        "anchor": orders.sold[rows],
        "device": _device_key(draws, orders, rows, kind),
        "device_type": kind,
        "place": orders.place[rows],
        "customer": orders.customer[rows],
        "logged_in": known & ~late,
        "from_checkout": known & late,
        "has_device": np.ones(len(rows), dtype=np.bool_),
        "deepest": np.full(len(rows), PURCHASE),
        "order": rows,
        "leads_to": np.full(len(rows), -1),
    }


def _failures(
    draws: Draws, calendar: Calendar, people: People, orders: Orders, rows: Ints, number: Ints, kind: Ints, rates: Rates
) -> dict[str, np.ndarray]:
    """Visits that buy nothing: of the buyer before the order, of other customers of the place, or of strangers."""
    keys = draws.keys("visit", orders.keys[rows], number)
    who = draws.uniform("who", keys)
    own = who < 0.42
    bought_on = orders.sold[rows] // DAY
    near = calendar.days_before(draws, "own day", keys, bought_on, 14, 1.8)
    far = calendar.days_before(draws, "other day", keys, bought_on, 28, 1.0)
    anchor = calendar.second_online(draws, "visit", keys, np.where(own, near, far))
    place = orders.place[rows]
    other = _browser(draws, people, keys, anchor // DAY, kind, place)
    browses = ~own & (who < 0.66) & (other >= 0)
    customer = np.where(own, orders.customer[rows], np.where(browses, other, -1))
    stranger = draws.keys("strange device", orders.keys[rows], number // 2)
    device = np.where(own, _device_key(draws, orders, rows, kind), stranger)
    device = np.where(browses, draws.keys("own device", other, kind), device)
    joined = look_up(people.joined, customer, 2**40) < anchor // DAY
    logged_in = joined & draws.flag("logged in", keys, np.where(own, 0.65, 0.8))
    view, cart, buy = rates.view, rates.cart[kind, place], rates.purchase[kind, place]
    reached = draws.uniform("deepest", keys) * (1.0 - view * cart * buy)
    deepest = np.select([reached < 1.0 - view, reached < 1.0 - view * cart], [ONLY_VISIT, VIEW], CART)
    return {
        "keys": keys,
        "anchor": anchor,
        "device": device,
        "device_type": kind,
        "place": place,
        "customer": customer,
        "logged_in": logged_in,
        "from_checkout": np.zeros(len(keys), dtype=np.bool_),
        "has_device": ~(logged_in & draws.flag("no device", keys, 0.015)),
        "deepest": deepest,
        "order": np.full(len(keys), -1),
        "leads_to": np.where(own, rows, -1),
    }


def _browser(draws: Draws, people: People, keys: Keys, day: Ints, kind: Ints, place: Ints) -> Ints:
    """Return a customer with such a device and place who had joined by then, -1 where there is none."""
    online = np.flatnonzero(people.habit != STORE_ONLY)
    if not len(online):
        return np.full(len(keys), -1)
    span = 2**32
    cell = (people.primary_device[online] * len(PLACES) + people.place[online]) * span
    known = np.sort(cell + people.joined[online])
    who = online[np.argsort(cell + people.joined[online], kind="stable")]
    wanted = (kind * len(PLACES) + place) * span
    begin, end = np.searchsorted(known, wanted), np.searchsorted(known, wanted + day)
    picked = begin + (draws.uniform("browser", keys) * (end - begin)).astype(np.int64)
    return np.where(end > begin, who[np.minimum(picked, len(who) - 1)], -1)


def _crawls(config: ShopConfig, draws: Draws, calendar: Calendar) -> dict[str, np.ndarray]:
    """Crawlers come on one day in twelve, at night, and look at many products without buying any."""
    bot = np.repeat(np.arange(config.bots), len(calendar.days))
    day = np.tile(calendar.days, config.bots)
    every = draws.keys("crawl", bot, day)
    comes = draws.flag("comes", every, CRAWL_SHARE)
    bot, day, keys = bot[comes], day[comes], every[comes]
    nobody, no = np.full(len(keys), -1), np.zeros(len(keys), dtype=np.bool_)
    return {
        "keys": keys,
        "anchor": calendar.existing(day * DAY + draws.integer("at night", keys, 3600, 5 * 3600)),
        "device": draws.keys("bot", bot),
        "device_type": np.full(len(keys), len(DEVICE_TYPES)),
        "place": np.full(len(keys), _BOT_PLACE),
        "customer": nobody,
        "logged_in": no,
        "from_checkout": no,
        "has_device": ~no,
        "deepest": np.full(len(keys), CRAWL),
        "order": nobody,
        "leads_to": nobody,
    }
