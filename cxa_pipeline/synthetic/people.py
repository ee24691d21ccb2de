"""Customers: who they are, when they join, and the buying process of each (BG/NBD and Gamma-Gamma).

When in the day they buy, and what, is decided in `orders` and `baskets`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxa_pipeline.synthetic.clock import Calendar
from cxa_pipeline.synthetic.config import ShopConfig
from cxa_pipeline.synthetic.draws import Draws, Flags, Floats, Ints, Keys
from cxa_pipeline.synthetic.vocabulary import CATEGORY_SHARES, PLACES, STORES

ONLINE_ONLY, MIXED, STORE_ONLY = 0, 1, 2
_FOREVER = 1e12


@dataclass(frozen=True)
class People:
    """One entry per customer in the order of joining; days are days since 1970, rates are per average day."""

    keys: Keys
    joined: Ints
    place: Ints
    habit: Ints
    favourite: Ints
    primary_device: Ints
    second_device: Ints
    subscriber: Flags
    bargain_hunter: Flags
    rate: Floats
    dropout: Floats
    mean_spend: Floats
    first_bought: Floats
    alive_until: Floats

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class Occasions:
    """Moments at which customers buy: who, the how manieth time (0 = first), and the day."""

    customer: Ints
    number: Ints
    day: Ints


def draw_people(config: ShopConfig, draws: Draws, calendar: Calendar) -> tuple[People, Occasions]:
    """Draw everyone who joins until the calendar's end, and all their purchase occasions until then.

    Time runs as `Calendar.busy_time`, in which BG/NBD's rate is constant: busy days have more purchases, the
    process of a customer stays BG/NBD in units of average days.
    """
    years = (calendar.days - calendar.start) / 365.25
    expected = config.new_customers_per_day * (1.0 + config.growth_per_year) ** years * calendar.weights
    per_day = draws.poisson("registrations", draws.keys("day", calendar.days), expected)
    joined = np.repeat(calendar.days, per_day)
    keys = draws.keys("customer", np.arange(len(joined)))
    rate = draws.gamma("rate", keys, config.repeat_shape) / config.repeat_days
    dropout = draws.beta("dropout", keys, config.dropout_a, config.dropout_b)
    nu = draws.gamma("spend", keys, config.spend_q) / config.spend_v
    first, customer, number, busy, alive_until = _buying(config, draws, calendar, keys, joined, rate, dropout)
    habit = draws.choice("habit", keys, (0.3, 0.42, 0.28))
    never = ~np.isfinite(first)
    habit = np.where(never & (habit == STORE_ONLY) & draws.flag("looks online", keys, 0.7), ONLINE_ONLY, habit)
    primary = draws.choice("device", keys, (0.42, 0.49, 0.09))
    second = (primary + 1 + draws.choice("second device", keys, (0.8, 0.2))) % 3
    people = People(
        keys=keys,
        joined=joined,
        place=_places(draws, keys, habit),
        habit=habit,
        favourite=draws.choice("favourite", keys, CATEGORY_SHARES),
        primary_device=primary,
        second_device=np.where(draws.flag("has second device", keys, 0.45), second, -1),
        subscriber=draws.flag("subscriber", keys, np.clip(0.08 + 8.0 * rate, 0.0, 0.6)),
        bargain_hunter=draws.flag("bargain hunter", keys, 0.06),
        rate=rate,
        dropout=dropout,
        mean_spend=config.spend_p / nu,
        first_bought=first,
        alive_until=alive_until,
    )
    day = calendar.day_at(busy)
    return people, Occasions(customer, number, day)


def _buying(
    config: ShopConfig, draws: Draws, calendar: Calendar, keys: Keys, joined: Ints, rate: Floats, dropout: Floats
) -> tuple[Floats, Ints, Ints, Floats, Floats]:
    """Return busy time of each first purchase (infinite: never), all purchases, and busy time of each dropout."""
    delay = np.where(draws.flag("buys at once", keys, 0.6), 0.0, 25.0 * draws.exponential("hesitates", keys))
    now = calendar.busy_time(joined, draws.uniform("joins at", keys)) + delay
    first = np.where(draws.flag("never buys", keys, config.never_buys_share), np.inf, now)
    horizon = float(calendar.busy_time(calendar.days[-1:], np.ones(1))[0])
    alive_until = np.full(len(keys), np.inf)
    active = np.flatnonzero(first < horizon)
    customers, numbers, times = [active], [np.zeros(len(active), dtype=np.int64)], [first[active]]
    number = 0
    now = first[active]
    while len(active):
        number += 1
        occasion = draws.keys("repeat", keys[active], number)
        now = now + draws.exponential("waits", occasion) / np.maximum(rate[active], 1.0 / _FOREVER)
        within = now < horizon
        active, now, occasion = active[within], now[within], occasion[within]
        customers.append(active)
        numbers.append(np.full(len(active), number))
        times.append(now)
        leaves = draws.flag("leaves", occasion, dropout[active])
        alive_until[active[leaves]] = now[leaves]
        active, now = active[~leaves], now[~leaves]
    return first, np.concatenate(customers), np.concatenate(numbers), np.concatenate(times), alive_until


def _places(draws: Draws, keys: Keys, habit: Ints) -> Ints:
    """Return a city; who buys in stores lives where one is."""
    anywhere = draws.choice("place", keys, [place.weight for place in PLACES])
    cities = np.array([place for _, _, place, channel in STORES if channel == "store"])
    near = cities[draws.choice("near a store", keys, [PLACES[city].weight for city in cities])]
    return np.where(habit == STORE_ONLY, near, anywhere)
