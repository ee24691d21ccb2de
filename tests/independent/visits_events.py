"""Events and sessions, and how rows of interactions become events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tests.independent.metrics import Line

Row = dict[str, Any]
RANKS = {
    "visit": 1,
    "view": 2,
    "search": 2,
    "cart": 3,
    "remove_from_cart": 3,
    "wishlist": 3,
    "checkout": 4,
    "purchase": 5,
}
COUNTS = {
    "visits": "visit",
    "views": "view",
    "searches": "search",
    "carts": "cart",
    "removes": "remove_from_cart",
    "wishlists": "wishlist",
    "checkouts": "checkout",
    "purchases": "purchase",
}
NEEDS_PRODUCT = ("view", "cart", "remove_from_cart", "wishlist")


@dataclass(eq=False)
class Event:
    """One interaction, or a sale of which no interaction tells (then `row` is empty)."""

    event_id: str
    kind: str
    at: datetime
    day: date
    customer: str | None
    device: str | None
    product: str | None
    order: str | None
    row: Row
    line: Line | None = None
    session: Session | None = None

    @property
    def place(self) -> tuple[datetime, int, str]:
        return self.at, RANKS[self.kind], self.event_id

    @property
    def month(self) -> date:
        return self.day.replace(day=1)

    @property
    def is_sale(self) -> bool:
        return not self.row


@dataclass(eq=False)
class Session:
    """Interactions in order, and the sales that joined them."""

    acts: list[Event]
    sales: list[Event] = field(default_factory=list)

    @property
    def first(self) -> Event:
        return self.acts[0]

    @property
    def events(self) -> list[Event]:
        return sorted([*self.acts, *self.sales], key=lambda e: e.place)

    @property
    def actor(self) -> str:
        return f"device:{self.first.device}" if self.first.device else str(self.first.row["customer_id"])

    @property
    def device(self) -> str | None:
        return self.first.device or max((e.device for e in self.acts if e.device), default=None)

    @property
    def named(self) -> str | None:
        """The last customer whom an interaction names."""
        found = [e.customer for e in self.acts if e.customer]
        return found[-1] if found else None

    @property
    def customer(self) -> str | None:
        """The same, or else the last one whom a sale that joined names."""
        found = [e.customer for e in sorted(self.sales, key=lambda e: e.place) if e.customer]
        return self.named or (found[-1] if found else None)

    @property
    def session_id(self) -> str:
        moment = self.first.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        return hashlib.sha256(f"{self.actor}|{moment}|{self.first.event_id}".encode()).hexdigest()[:32]


def event_of(row: Row) -> Event:
    names = ("customer_id", "device_id", "product_id", "order_id")
    customer, device, product, order = (row.get(name) for name in names)
    moment, day = row["occurred_at"], row["occurred_date"]
    return Event(row["interaction_id"], row["event_type"], moment, day, customer, device, product, order, row)


def month_of(line: Line) -> date:
    return line.day.replace(day=1)


def repeated_events(purchases: list[Event]) -> set[str]:
    """Events that say again what another event of the order says."""
    seen: set[tuple[str, str | None]] = set()
    with_product = {e.order for e in purchases if e.order and e.product}
    found = set()
    for event in sorted(purchases, key=lambda e: (e.at, e.event_id)):
        if event.order:
            again = (event.order, event.product) in seen
            if again or (event.product is None and event.order in with_product):
                found.add(event.event_id)
            seen.add((event.order, event.product))
    return found


def moment_and_side(item: Event | Line) -> tuple[datetime, int, str]:
    return (item.at, 0, item.event_id) if isinstance(item, Event) else (item.at, 1, item.sale_id)


def clusters(items: Sequence[Event | Line], apart: timedelta) -> Iterable[list[Event | Line]]:
    cluster: list[Event | Line] = []
    for item in items:
        if cluster and item.at - cluster[-1].at > apart:
            yield cluster
            cluster = []
        cluster.append(item)
    if cluster:
        yield cluster


def seconds_of(span: timedelta) -> Decimal:
    return (Decimal(span // timedelta(microseconds=1)) / 1_000_000).quantize(Decimal("0.1"), ROUND_HALF_UP)


def first_known(events: Iterable[Event], name: str) -> Any:
    return next((e.row[name] for e in events if e.row.get(name) is not None), None)


def steps_of(events: list[Event]) -> int:
    """How far a session got from view to cart to purchase in this order; equal moments count as in order."""
    reached, since = 0, None
    for step, kind in enumerate(("view", "cart", "purchase"), start=1):
        moments = [e.at for e in events if e.kind == kind and (since is None or e.at >= since)]
        if not moments:
            break
        reached, since = step, min(moments)
    return reached
