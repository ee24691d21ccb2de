"""Discounts: campaigns with a code, the welcome code, and price cuts without one. Prices themselves: `catalog`."""

from __future__ import annotations

import numpy as np

from cxa_pipeline.synthetic.clock import DAY
from cxa_pipeline.synthetic.draws import Draws, Floats, Ints, look_up
from cxa_pipeline.synthetic.orders import STORE, Orders
from cxa_pipeline.synthetic.people import People

#: code, first and last day as MMDD, discount, share of orders that use it
CAMPAIGNS: tuple[tuple[str, int, int, float, float], ...] = (
    ("SPRING10", 401, 414, 0.10, 0.25),
    ("SUMMER15", 701, 721, 0.15, 0.30),
    ("BLACK20", 1121, 1130, 0.20, 0.45),
    ("XMAS10", 1205, 1220, 0.10, 0.25),
)
CODES: tuple[str | None, ...] = (*(campaign[0] for campaign in CAMPAIGNS), "WELCOME10", "LETTER5", None)
_WELCOME, _LETTER, _NONE = len(CAMPAIGNS), len(CAMPAIGNS) + 1, len(CAMPAIGNS) + 2


def draw_offers(draws: Draws, people: People, orders: Orders) -> tuple[Floats, Ints]:
    """Return for each order its discount as a share of the list value, and the position of its code in CODES."""
    dates = (orders.sold // DAY).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    day_of_year = (months.astype(np.int64) % 12 + 1) * 100 + (dates - months).astype(np.int64) + 1
    rate, code = np.zeros(len(orders)), np.full(len(orders), _NONE)
    known = orders.customer >= 0
    hunters = look_up(people.bargain_hunter, orders.customer, False)
    wants = draws.uniform("uses offer", orders.keys)
    cut = wants < np.where(hunters, 0.95, 0.05)
    rate[cut] = np.where(draws.flag("deep cut", orders.keys[cut], 0.3), 0.25, 0.10)
    letter = known & (orders.channel != STORE) & (wants > 0.96)
    rate[letter], code[letter] = 0.05, _LETTER
    welcome = known & (orders.number == 0) & (orders.channel != STORE) & (wants > 0.2) & (wants < 0.45)
    rate[welcome], code[welcome] = 0.10, _WELCOME
    for position, (_, begin, end, discount, share) in enumerate(CAMPAIGNS):
        used = (day_of_year >= begin) & (day_of_year <= end) & ((wants < share) | (hunters & cut))
        rate[used], code[used] = discount, position
    return rate, code
