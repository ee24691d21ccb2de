"""One synthetic shop from config to drop files. Start reading here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path

import numpy as np

from cxa_pipeline.synthetic.baskets import Lines, fill_baskets
from cxa_pipeline.synthetic.catalog import Catalog, build_catalog
from cxa_pipeline.synthetic.clock import DAY, Calendar
from cxa_pipeline.synthetic.config import ShopConfig
from cxa_pipeline.synthetic.dirt import days_late
from cxa_pipeline.synthetic.draws import Draws, Flags, Ints
from cxa_pipeline.synthetic.events import EventMaker, Events
from cxa_pipeline.synthetic.files import Drop
from cxa_pipeline.synthetic.members import (
    customers_table,
    devices_table,
    emails,
    guest_emails,
    products_table,
    stores_table,
)
from cxa_pipeline.synthetic.offers import draw_offers
from cxa_pipeline.synthetic.orders import Orders, draw_orders
from cxa_pipeline.synthetic.people import People, draw_people
from cxa_pipeline.synthetic.sales import Sales, SoldLines, make_sales
from cxa_pipeline.synthetic.tables import interactions_table, sales_table
from cxa_pipeline.synthetic.truth import EventCounts, ShopTruth, make_truth
from cxa_pipeline.synthetic.visits import LONGEST, Visits, draw_visits

_SALES_AT_ONCE = 200_000
_VISITS_AT_ONCE = 100_000


@dataclass(frozen=True)
class Shop:
    """Everything about a shop that fits in memory: all but its events."""

    config: ShopConfig
    draws: Draws
    calendar: Calendar
    catalog: Catalog
    people: People
    orders: Orders
    lines: Lines
    sales: Sales
    sold: SoldLines
    visits: Visits
    earlier_orders: Ints

    def events(self) -> Iterator[Events]:
        """Return the events within the shop's days, in order of time, in pieces."""
        maker = EventMaker(self.config, self.draws, self.calendar, self.catalog, self.people, self.sold)
        first, last = self.calendar.start * DAY, (self.calendar.end + 1) * DAY
        waiting: Events | None = None
        total = len(self.visits)
        for begin in range(0, total, _VISITS_AT_ONCE):
            end = min(begin + _VISITS_AT_ONCE, total)
            made = maker.events(self.visits, slice(begin, end))
            made = _take(made, (made.at >= first) & (made.at < last))
            waiting = made if waiting is None else _joined(waiting, made)
            waiting = _take(waiting, np.lexsort((waiting.place, waiting.visit, waiting.at)))
            # a later visit may begin earlier than its anchor, by LONGEST at most
            settled = last if end == total else int(self.visits.anchor[end]) - LONGEST
            ready = int(np.searchsorted(waiting.at, settled, side="left"))
            yield _take(waiting, np.arange(ready))
            waiting = _take(waiting, np.arange(ready, len(waiting)))


def build_shop(config: ShopConfig) -> Shop:
    """Draw a shop: the catalogue, customers, orders, lines and visits."""
    draws, calendar, catalog = Draws(config.seed), Calendar(config), build_catalog(config)
    people, occasions = draw_people(config, draws, calendar)
    orders = draw_orders(config, draws, calendar, people, occasions)
    before = (orders.sold < calendar.start * DAY) & (orders.customer >= 0) & (orders.status != 1)
    earlier = np.bincount(orders.customer[before], minlength=len(people))
    orders = orders.take(orders.sold >= (calendar.start - 1) * DAY)
    discount, code = draw_offers(draws, people, orders)
    lines = fill_baskets(config, draws, catalog, people, orders, discount)
    sales, sold = make_sales(config.return_rate, draws, calendar, catalog, people, orders, lines, discount, code)
    visits = draw_visits(config, draws, calendar, people, orders)
    return Shop(config, draws, calendar, catalog, people, orders, lines, sales, sold, visits, earlier)


def generate(config: ShopConfig, directory: Path, since: date | None = None) -> ShopTruth:
    """Write the drop files of a synthetic shop and return what is true about it.

    Args:
        config: what the shop is like; equal configs write equal bytes.
        directory: where the files go, usually `landing/native`; made if missing. Nothing in it is removed.
        since: deliver only what is new since this day: facts of later days, members that are new or changed.
            With the config of an earlier delivery and a later end this makes "one more day".

    Returns:
        The truth of the shop from its first to its last day, with the files of this delivery. Write it beside the
        landing folder with `ShopTruth.write`, not into it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    shop = build_shop(config)
    with Drop(config, shop.draws, directory, since) as drop:
        mails = _write_members(shop, drop, since is None)
        delivered = _write_sales(shop, drop, mails)
        counts = _write_events(shop, drop)
    return make_truth(shop, delivered, counts, drop.files())


def _write_members(shop: Shop, drop: Drop, complete: bool) -> list[str]:
    mails = emails(shop.draws, shop.people)
    first = (drop.first - date(1970, 1, 1)).days
    tables = {
        "customers": customers_table(shop.draws, shop.calendar, shop.people, mails, shop.earlier_orders),
        "products": products_table(shop.calendar, shop.catalog),
        "stores": stores_table(shop.calendar, shop.config.timezone),
        "devices": devices_table(shop.draws, shop.calendar, shop.people, shop.visits),
    }
    for dataset, (table, changed) in tables.items():
        recent = np.full(len(changed), True) if complete else changed >= first
        drop.members(dataset, table, np.arange(1, len(changed) + 1), recent)
    return mails


def _write_sales(shop: Shop, drop: Drop, mails: list[str]) -> Flags:
    """Write the sales lines; return which have been delivered by the last day."""
    import pyarrow as pa

    known = pa.array(mails, pa.string())
    sales = shop.sales
    numbers = np.arange(1, len(sales) + 1)
    late = days_late(shop.draws, shop.config.dirt, "sales", numbers)
    days = sales.sold // DAY + late
    for begin in range(0, len(sales), _SALES_AT_ONCE):
        piece = slice(begin, min(begin + _SALES_AT_ONCE, len(sales)))
        part = sales.take(np.arange(piece.start, piece.stop))
        mail = guest_emails(shop.draws, known, part.mail_of, part.customer, part.order_number)
        table = sales_table(part, begin + 1, shop.config.currency, mail)
        drop.facts("sales", table, numbers[piece], days[piece], late[piece])
    return days <= shop.calendar.end


def _write_events(shop: Shop, drop: Drop) -> EventCounts:
    counts = EventCounts()
    first = 1
    for events in shop.events():
        numbers = np.arange(first, first + len(events))
        late = days_late(shop.draws, shop.config.dirt, "interactions", numbers)
        days = events.at // DAY + late
        table = interactions_table(shop.draws, events, shop.visits, shop.sold, first, shop.config.session_ids)
        drop.facts("interactions", table, numbers, days, late)
        counts.add(events, shop.visits, days <= shop.calendar.end)
        first += len(events)
    return counts


def _take(events: Events, rows: Ints | Flags) -> Events:
    return Events(**{field.name: getattr(events, field.name)[rows] for field in fields(events)})


def _joined(first: Events, second: Events) -> Events:
    names = [field.name for field in fields(first)]
    return Events(**{name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in names})
