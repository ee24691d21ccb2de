"""Orders: when, where and through which channel. What is in them is decided in `baskets`."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from cxa_pipeline.synthetic.clock import DAY, Calendar, weekday
from cxa_pipeline.synthetic.config import ShopConfig
from cxa_pipeline.synthetic.draws import Draws, Flags, Floats, Ints, Keys, expand, look_up
from cxa_pipeline.synthetic.people import MIXED, ONLINE_ONLY, STORE_ONLY, Occasions, People
from cxa_pipeline.synthetic.vocabulary import MARKETPLACE, PLACES, STORES

ONLINE, STORE, MARKET = 0, 1, 2
STATUSES: tuple[str | None, ...] = ("completed", "cancelled", "pending", "failed", "test", None)


@dataclass(frozen=True)
class Orders:
    """One entry per order, those of customers first (-1 = guest), in no order of time.

    `target` is the value in cents that the basket should have after discount; `mail_of` is the customer whose
    e-mail a guest gave, -1 an e-mail of nobody known, -2 none.
    """

    keys: Keys
    customer: Ints
    number: Ints
    sold: Ints
    channel: Ints
    store: Ints
    place: Ints
    device: Ints
    tracked: Flags
    status: Ints
    target: Floats
    mail_of: Ints

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: Ints | Flags) -> Orders:
        """Return some of the orders."""
        return Orders(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def draw_orders(config: ShopConfig, draws: Draws, calendar: Calendar, people: People, occasions: Occasions) -> Orders:
    """Draw the orders of customers, of guests, and those that came to nothing."""
    customer, number, day = occasions.customer, occasions.number, occasions.day
    keys = draws.keys("order", people.keys[customer], number)
    guest_day, guest_keys = _daily(config, draws, calendar, "guest", config.guest_share)
    void_day, void_keys = _daily(config, draws, calendar, "void", config.invalid_share)
    void_customer = _someone(draws, people, void_keys, void_day)
    kept = void_customer >= 0
    void_customer, void_day, void_keys = void_customer[kept], void_day[kept], void_keys[kept]
    guests = np.full(len(guest_keys), -1, dtype=np.int64)
    keys = np.concatenate([keys, guest_keys, void_keys])
    customer = np.concatenate([customer, guests, void_customer])
    number = np.concatenate([number, np.zeros(len(guests), dtype=np.int64), np.full(len(void_keys), 1)])
    day = np.concatenate([day, guest_day, void_day])
    void = np.arange(len(keys)) >= len(keys) - len(void_keys)
    return _details(config, draws, calendar, people, keys, customer, number, day, void)


def _daily(config: ShopConfig, draws: Draws, calendar: Calendar, kind: str, share: float) -> tuple[Ints, Keys]:
    """Return days and keys of orders that no buying process makes, so many that they are `share` of all others."""
    orders_per_customer = 1.0 + 12.0 * config.repeat_shape * (30.0 / config.repeat_days)
    years = (calendar.days - calendar.start) / 365.25
    rate = config.new_customers_per_day * (1.0 + config.growth_per_year) ** years
    counts = draws.poisson(kind, draws.keys(kind, calendar.days), rate * orders_per_customer * share * calendar.weights)
    position, number = expand(counts)
    days = calendar.days[position]
    return days, draws.keys(f"{kind} order", days, number)


def _someone(draws: Draws, people: People, keys: Keys, days: Ints) -> Ints:
    """Return a customer who joined before the day, -1 where there is none."""
    known = np.searchsorted(people.joined, days, side="left")
    return np.where(known > 0, (draws.uniform("someone", keys) * known).astype(np.int64), -1)


def _details(
    config: ShopConfig,
    draws: Draws,
    calendar: Calendar,
    people: People,
    keys: Keys,
    customer: Ints,
    number: Ints,
    day: Ints,
    void: Flags,
) -> Orders:
    guest_place = draws.choice("guest place", keys, [place.weight for place in PLACES])
    place = look_up(people.place, customer, guest_place)
    habit = look_up(people.habit, customer, MIXED)
    store_share = np.select([habit == ONLINE_ONLY, habit == STORE_ONLY], [0.0, 1.0], 0.55)
    in_store = draws.flag("in store", keys, store_share)
    market = ~in_store & draws.flag("marketplace", keys, 0.03)
    sunday = in_store & (weekday(day) == 6)
    day = np.where(sunday, day + 1, day)
    sold = np.where(
        in_store, calendar.second_in_store(draws, "sold", keys, day), calendar.second_online(draws, "sold", keys, day)
    )
    late = ~in_store & draws.flag("just before midnight", keys, 0.004)
    sold = np.where(late, day * DAY + DAY - 1 - draws.integer("before midnight", keys, 0, 3), sold)
    device = _devices(draws, people, keys, customer)
    stranger = config.spend_p * config.spend_v / draws.gamma("guest spend", keys, config.spend_q)
    mean = look_up(people.mean_spend, customer, stranger)
    value = mean * draws.gamma("order value", keys, config.spend_p) / config.spend_p
    status = np.where(void, 1 + draws.choice("void status", keys, (0.62, 0.14, 0.16, 0.08)), 0)
    status = np.where(~void & in_store, len(STATUSES) - 1, status)
    return Orders(
        keys=keys,
        customer=customer,
        number=number,
        sold=sold,
        channel=np.select([in_store, market], [STORE, MARKET], ONLINE),
        store=_stores(draws, keys, in_store, market, place),
        place=place,
        device=device,
        tracked=~in_store & ~market & ~void & draws.flag("tracked", keys, config.tracked_share),
        status=status,
        target=np.maximum(value * 100.0, 300.0),
        mail_of=_guest_mail(draws, people, keys, customer, day, in_store),
    )


def _devices(draws: Draws, people: People, keys: Keys, customer: Ints) -> Ints:
    """Return the device of an order: 0 the customer's first, 1 the second, 2 + type a guest's."""
    guest = 2 + draws.choice("guest device", keys, (0.42, 0.49, 0.09))
    second = (look_up(people.second_device, customer, -1) >= 0) & draws.flag("on second device", keys, 0.3)
    return np.where(customer >= 0, second.astype(np.int64), guest)


def _stores(draws: Draws, keys: Keys, in_store: Flags, market: Flags, place: Ints) -> Ints:
    """Return the store in the customer's city if there is one, else any; -1 for the own web shop."""
    local = np.full(len(PLACES), -1, dtype=np.int64)
    weights = []
    for position, (_, _, city, channel) in enumerate(STORES):
        if channel == "store":
            local[city] = position
            weights.append(PLACES[city].weight)
    anywhere = draws.choice("store", keys, weights)
    return np.select([in_store & (local[place] >= 0), in_store, market], [local[place], anywhere, MARKETPLACE], -1)


def _guest_mail(draws: Draws, people: People, keys: Keys, customer: Ints, day: Ints, in_store: Flags) -> Ints:
    """Most online guests give an e-mail; one in five of these is that of a customer who did not log in."""
    someone = _someone(draws, people, draws.keys("mail", keys), day)
    given = np.where(draws.flag("mail of customer", keys, 0.2), someone, -1)
    gives = (customer < 0) & draws.flag("gives mail", keys, np.where(in_store, 0.1, 0.75))
    return np.where(gives, given, -2)
