"""What is true about a generated shop: what was planted, what came of it, and what is in each file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxa_pipeline.synthetic.catalog import Catalog, product_id
from cxa_pipeline.synthetic.clock import DAY, PEAK, hour_weights, month_number, weekday
from cxa_pipeline.synthetic.config import ShopConfig
from cxa_pipeline.synthetic.draws import Flags, Floats, Ints
from cxa_pipeline.synthetic.files import FileTruth, to_date
from cxa_pipeline.synthetic.orders import STATUSES
from cxa_pipeline.synthetic.sales import REFUNDED, Sales
from cxa_pipeline.synthetic.visits import CRAWL, Visits, planted_rates
from cxa_pipeline.synthetic.vocabulary import CATEGORIES, DEVICE_TYPES, EVENT_TYPES, PLACES

if TYPE_CHECKING:
    from cxa_pipeline.synthetic.events import Events
    from cxa_pipeline.synthetic.shop import Shop


@dataclass
class ShopTruth:
    """The truth file: planted parameters and effects, sums of the clean rows, and the content of every file.

    Attributes:
        config: every attribute of the ShopConfig.
        totals: sums over the valid delivered lines (METRICS §3), money in the shop's currency as text.
        months: the same by local month.
        sales_lines, interactions: delivered clean rows by kind.
        funnel: visits of people (no bots), and how many reached a product, the cart and the purchase: planted rates
            beside the counts drawn, in all, by device type, by location and by both.
        peak: the planted busiest hour of visits, and expected share of each weekday and hour.
        affinities: the planted pairs, and how often they met in valid orders.
        bots: device ids.
        customers: columns, one entry per customer of the customers file.
        files: rows, accepted, duplicates and rejected of each file, by planted fault.
    """

    config: dict[str, Any]
    totals: dict[str, Any]
    months: list[dict[str, Any]]
    sales_lines: dict[str, int]
    interactions: dict[str, int]
    funnel: dict[str, Any]
    peak: dict[str, Any]
    affinities: list[dict[str, Any]]
    bots: list[str]
    customers: dict[str, list[Any]]
    files: list[FileTruth]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**self.__dict__, "files": [file.as_dict() for file in self.files]}

    def write(self, path: Path) -> None:
        """Write the truth as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.as_dict(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@dataclass
class EventCounts:
    """Delivered events by type, of people and of bots."""

    people: Ints = field(default_factory=lambda: np.zeros(len(EVENT_TYPES), dtype=np.int64))
    bots: int = 0

    def add(self, events: Events, visits: Visits, delivered: Flags) -> None:
        """Count a piece of the events."""
        crawl = visits.deepest[events.visit] == CRAWL
        self.people += np.bincount(events.kind[delivered & ~crawl], minlength=len(EVENT_TYPES))
        self.bots += int((delivered & crawl).sum())


def make_truth(shop: Shop, delivered: Flags, counts: EventCounts, files: list[FileTruth]) -> ShopTruth:
    """Collect the truth of a shop whose files are written."""
    sales = shop.sales
    valid = delivered & np.isin(sales.status, (0, len(STATUSES) - 1, REFUNDED))
    every = [*STATUSES[:-1], "unstated", "refunded"]
    lines = {str(name): int((delivered & (sales.status == i)).sum()) for i, name in enumerate(every)}
    events = dict(zip(EVENT_TYPES, counts.people.tolist(), strict=True))
    bots = np.unique(shop.visits.device_number[shop.visits.deepest == CRAWL]).tolist()
    months = month_number(sales.sold // DAY)
    return ShopTruth(
        config=_config(shop.config),
        totals=_sums(sales, valid),
        months=[
            {"month": str(np.datetime64(month, "M")), **_sums(sales, valid & (months == month))}
            for month in np.unique(months[valid]).tolist()
        ],
        sales_lines={**lines, "all": int(delivered.sum())},
        interactions={**events, "of_bots": counts.bots, "all": counts.bots + int(counts.people.sum())},
        funnel=_funnel(shop.config, shop.visits, shop.calendar.start * DAY, (shop.calendar.end + 1) * DAY),
        peak=_peak(shop),
        affinities=_affinities(shop.config, shop.catalog, sales, valid),
        bots=[f"D{number:07d}" for number in bots],
        customers=_customers(shop),
        files=files,
    )


def _config(config: ShopConfig) -> dict[str, Any]:
    values = asdict(config)
    return {name: str(value) if name in ("start", "end") else value for name, value in values.items()}


def _money(cents: Ints) -> str:
    total = int(cents.sum())
    return f"{'-' if total < 0 else ''}{abs(total) // 100}.{abs(total) % 100:02d}"


def _sums(sales: Sales, rows: Flags) -> dict[str, Any]:
    sold, back = rows & (sales.quantity > 0), rows & (sales.quantity < 0)
    numbers, first = np.unique(sales.order_number[sold], return_index=True)
    return {
        "orders": len(numbers),
        "guest_orders": int((sales.customer[sold][first] < 0).sum()),
        "customers": len(np.unique(sales.customer[sold & (sales.customer >= 0)])),
        "units": int(sales.quantity[sold].sum()),
        "gross_sales": _money(sales.total[sold] + sales.discount[sold]),
        "discounts": _money(sales.discount[sold]),
        "returns": _money(-sales.total[back]),
        "net_sales": _money(sales.total[rows]),
    }


def _funnel(config: ShopConfig, visits: Visits, first: int, last: int) -> dict[str, Any]:
    rates = planted_rates(config)
    people = (visits.deepest != CRAWL) & (visits.anchor >= first) & (visits.anchor < last)
    kind, place, deepest = visits.device_type[people], visits.place[people], visits.deepest[people]
    cells = len(DEVICE_TYPES) * len(PLACES)
    cell = kind * len(PLACES) + place
    reached = np.stack([np.bincount(cell[deepest >= step], minlength=cells) for step in range(4)])
    reached = reached.reshape(4, len(DEVICE_TYPES), len(PLACES))
    steps = np.stack([np.ones_like(rates.cart), np.full_like(rates.cart, rates.view), rates.view * rates.cart,
                      rates.conversion])  # fmt: skip
    expected = steps * reached[0]

    def row(device: slice | int, city: slice | int) -> dict[str, Any]:
        counts = [int(step[device, city].sum()) for step in reached]
        planted = [float(step[device, city].sum()) for step in expected]
        names = ("view_rate", "cart_rate", "purchase_rate")
        result: dict[str, Any] = dict(zip(("visits", "view", "cart", "purchase"), counts, strict=True))
        for number, name in enumerate(names):
            result[name] = round(planted[number + 1] / planted[number], 6) if planted[number] else None
        result["conversion"] = round(planted[3] / planted[0], 6) if planted[0] else None
        return result

    every = slice(None)
    return {
        "all": row(every, every),
        "by_device": {name: row(i, every) for i, name in enumerate(DEVICE_TYPES)},
        "by_location": {p.name: row(every, j) for j, p in enumerate(PLACES)},
        "by_device_and_location": {
            f"{name}/{p.name}": row(i, j) for i, name in enumerate(DEVICE_TYPES) for j, p in enumerate(PLACES)
        },
        "device_odds": dict(config.device_odds),
        "location_odds": dict(config.location_odds),
    }


def _peak(shop: Shop) -> dict[str, Any]:
    calendar = shop.calendar
    inside = (calendar.days >= calendar.start) & (calendar.days <= calendar.end)
    busy = np.bincount(weekday(calendar.days[inside]), weights=calendar.weights[inside], minlength=7)
    share: Floats = hour_weights() * busy[:, None] / busy.sum()
    return {
        "weekday": PEAK[0],
        "hour": PEAK[1],
        "factor": PEAK[2],
        "share": [[round(value, 6) for value in row] for row in share.tolist()],
    }


def _affinities(config: ShopConfig, catalog: Catalog, sales: Sales, valid: Flags) -> list[dict[str, Any]]:
    sold = valid & (sales.quantity > 0)
    order, product = sales.order_number[sold], sales.product[sold]
    orders = len(np.unique(order))
    result = []
    for first in np.flatnonzero(catalog.partner >= 0).tolist():
        second = int(catalog.partner[first])
        a, b = np.unique(order[product == first]), np.unique(order[product == second])
        both = len(np.intersect1d(a, b, assume_unique=True))
        result.append(
            {
                "product": product_id(first),
                "partner": product_id(second),
                "probability": config.affinity_share,
                "orders": orders,
                "orders_with_product": len(a),
                "orders_with_partner": len(b),
                "orders_with_both": both,
                "lift": round(both * orders / (len(a) * len(b)), 4) if len(a) and len(b) else None,
            }
        )
    return result


def _customers(shop: Shop) -> dict[str, list[Any]]:
    people, calendar = shop.people, shop.calendar
    n = int(np.searchsorted(people.joined, calendar.end, side="right"))
    rows = slice(0, n)

    def days(busy: Floats) -> list[str | None]:
        known = np.isfinite(busy)
        at = calendar.day_at(np.where(known, busy, 0.0))
        shown = known & (at <= calendar.end)
        return [str(to_date(day)) if there else None for day, there in zip(at.tolist(), shown.tolist(), strict=True)]

    return {
        "customer_id": [f"C{number:06d}" for number in range(1, n + 1)],
        "orders_per_day": [round(rate, 9) for rate in people.rate[rows].tolist()],
        "dropout_probability": [round(p, 9) for p in people.dropout[rows].tolist()],
        "first_order_date": days(people.first_bought[rows]),
        "alive_until": days(people.alive_until[rows]),
        "mean_order_value": [round(value, 4) for value in people.mean_spend[rows].tolist()],
        "favourite_category": [CATEGORIES[c] for c in people.favourite[rows].tolist()],
    }
