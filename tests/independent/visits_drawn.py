"""Drawn rows of core.activity and core.visits, and of the tables beside them, with everything that tables of visits tell apart.

Here: many visits of few visitors on few pages, with ties of moments, NULLs, members of a dimension that differ, and
findings of every kind. Not here: where such rows come from in a shop (`shop`, `synthetic`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
Rows = list[Row]
AS_OF = date(2024, 3, 31)
FIRST = date(2023, 12, 1)
ZONE = ZoneInfo("Europe/Berlin")
RANKS = {"visit": 1, "view": 2, "search": 2, "checkout": 4, "purchase": 5}
COUNTS = {
    **{"visits": "visit", "views": "view", "searches": "search", "carts": "cart", "removes": "remove_from_cart"},
    **{"wishlists": "wishlist", "checkouts": "checkout", "purchases": "purchase"},
}
DEVICES = ("desktop", "mobile", "tablet", "unknown", "tv")
LOCATIONS = ("Berlin", "Hamburg", "Köln", "Unknown", "Bremen")
CATEGORIES = ("Home", "Toys", "Food")
PAGES = ("START", "EXIT", "other", "product", "home", "cart", *[f"page {n:02}" for n in range(22)])
SECOND = timedelta(seconds=1)


class Drawn:
    """All rows, by table.

    Args:
        visits: How many visits.
        seed: Of the draw.
    """

    def __init__(self, visits: int = 1800, seed: int = 3) -> None:
        self.draw = random.Random(seed)
        self.activity: Rows = []
        self.products = [self._product(n) for n in range(15)]
        self.visitors = [self._visitor(n) for n in range(260)]
        self.visits = [self._visit(number) for number in range(visits)]
        self.activity += [self._sale(n) for n in range(30)]
        self.activity += [self._stray(n) for n in range(40)]
        self.sales = [self._line(n) for n in range(300)]
        self.orders = [self._order(n) for n in range(150)]

    def tables(self) -> dict[str, Rows]:
        """Rows of the tables of core."""
        first = FIRST - timedelta(days=9)
        days = [first + timedelta(days=n) for n in range((AS_OF - first).days + 1)]
        clock = {
            "data_begin_date": first,
            "data_end_date": AS_OF,
            "first_sale_date": first,
            "first_interaction_date": FIRST,
            "as_of_date": AS_OF,
            "as_of_is_set": False,
            "currency": "EUR",
        }
        return {
            "core.clock": [clock],
            "core.calendar": [{"day": day, "is_complete": day < AS_OF} for day in days],
            "core.activity": self.activity,
            "core.visits": self.visits,
            "core.products": self.products,
            "core.stores": [{"store_id": "S1", "channel": "store"}, {"store_id": "W1", "channel": "online"}],
            "core.sales": self.sales,
            "core.orders": self.orders,
        }

    # --- who and what --------------------------------------------------------------------------------------

    def _product(self, n: int) -> Row:
        return {
            "product_id": f"P{n:02}",
            "product_name": f"Product {n}",
            "category": CATEGORIES[n % 3],
            "price": None if n == 4 else Decimal(n * n + 1) / 2,
            "product_type": "service" if n == 14 else "goods",
            "is_active": n != 13,
            "is_inferred": False,
            "source_id": "native",
        }

    def _visitor(self, n: int) -> Row:
        customer = f"c{n}" if n % 3 else None
        return {
            "visitor_id": customer or f"device:d{n}",
            "customer_id": customer,
            "device_type": self.draw.choices(DEVICES, (40, 40, 12, 8, 1))[0],
            "location": self.draw.choices(LOCATIONS, (40, 25, 15, 6, 14))[0],
            "liking": self.draw.random(),
        }

    def _moment(self) -> datetime:
        span = (AS_OF - FIRST).days + 1
        day = FIRST + timedelta(days=int(span * self.draw.random() ** 0.7))
        hour = self.draw.choice([0, 1, 2, 3, 8, 10, 11, 12, 13, 17, 18, 21, 21, 22])
        clock = datetime(day.year, day.month, day.day, hour, self.draw.randrange(60), self.draw.randrange(60))
        return clock.replace(tzinfo=ZONE).astimezone(UTC)

    # --- one visit -----------------------------------------------------------------------------------------

    def _visit(self, number: int) -> Row:
        draw, visitor = self.draw, dict(self.visitors[int(260 * self.draw.random() ** 1.6)])
        liking = visitor.pop("liking")
        if draw.random() < 0.2:
            visitor["device_type"] = draw.choice(DEVICES[:3])
        session, at = f"s{number:05}", self._moment()
        events = [e | visitor for e in self._events(session, at, liking, visitor["device_type"], visitor["location"])]
        draw.shuffle(events)
        self.activity += events
        ordered = sorted(events, key=lambda e: (e["occurred_at"], e["step_rank"], e["event_id"]))
        for place, event in enumerate((e for e in ordered if e["event_source"] == "interaction"), start=1):
            event["session_position"] = place
        kinds = [event["event_type"] for event in events]
        sold = [event for event in events if event["sale_id"]]
        ended = ordered[-1]["occurred_at"]
        day = ordered[0]["occurred_at"].astimezone(ZONE).date()
        counts = {name: kinds.count(kind) for name, kind in COUNTS.items()}
        return visitor | {
            "session_id": session,
            "session_month": day.replace(day=1),
            "is_known": visitor["customer_id"] is not None,
            "channel": "direct",
            "started_at": ordered[0]["occurred_at"],
            "ended_at": ended,
            "session_date": day,
            "duration_seconds": Decimal(int((ended - ordered[0]["occurred_at"]).total_seconds())),
            "events": len(events),
            **counts,
            "distinct_products_viewed": 0,
            "is_bounce": len(events) == 1 and kinds != ["purchase"],
            "is_engaged": ended - ordered[0]["occurred_at"] > 10 * SECOND or counts["purchases"] > 0,
            **{f"entry_{name}": _known(ordered, name) for name in ("page_type", "page_url")},
            **{f"exit_{name}": _known(ordered[::-1], name) for name in ("page_type", "page_url")},
            **dict.fromkeys(("reached_view", "reached_cart", "reached_purchase"), False),
            "orders": len({event["order_id"] for event in sold}),
            "net_sales": sum((event["value"] for event in sold), Decimal(0)),
            "source_id": "native",
        }

    def _events(self, session: str, at: datetime, liking: float, device: str, place: str) -> Iterator[Row]:
        draw = self.draw
        for _ in range(draw.choice([0, 0, 1, 2, 3])):
            yield self._event(session, at, draw.choice(["visit", "visit", "search"]))
            at += SECOND * draw.choice([0, 1, 5, 60, 299, 300, 301])
        if device == "mobile" and draw.random() < 0.4:
            yield self._event(session, at, "search")
            at += 400 * SECOND
        carted = []
        for _ in range(draw.choice([1, 1, 2, 3, 4])):
            product = self.products[int(15 * draw.random() ** 1.3)]
            looks = 5 if product["product_id"] == "P01" and draw.random() < 0.3 else draw.choice([1, 1, 1, 2])
            for _ in range(looks):
                yield self._event(session, at, "view", product)
                at += SECOND * draw.choice([0, 2, 30, 90])
            wish = {"P00": 0.6, "P02": 0.1, "P03": 0.1}.get(product["product_id"], 0.35)
            if draw.random() < wish:
                carted.append(product)
                yield self._event(session, at, "cart", product)
                at += SECOND * draw.choice([0, 10])
                if draw.random() < 0.2:
                    yield self._event(session, at, "remove_from_cart", product)
            elif draw.random() < 0.1:
                yield self._event(session, at, "wishlist", product)
        if any(product["product_id"] == "P00" for product in carted):
            liking *= 0.05
        odds = liking * {"mobile": 0.45, "tablet": 0.7}.get(device, 1.0) * (0.7 if place == "Hamburg" else 1.0)
        if carted and draw.random() < 1.4 * odds:
            yield self._event(session, at, "checkout")
            at += SECOND * draw.choice([0, 20])
            for product in [*carted, *draw.choices(self.products, k=draw.choice([0, 0, 1]))]:
                yield self._purchase(session, at, product, 1.4 if device == "desktop" else 1.0)
        if draw.random() < 0.3:
            yield self._event(session, at + draw.choice([0, 5]) * SECOND, "visit")
        if draw.random() < 0.3:
            page = {"page_type": "help", "page_url": f"/help/{draw.randrange(3)}"}
            yield self._event(session, at, "visit", **page)
            if device == "desktop" or page["page_url"] == "/help/1":
                yield self._event(session, at + 6 * SECOND, "visit", page_type="thanks")

    def _event(self, session: str | None, at: datetime, kind: str, product: Row | None = None, **given: Any) -> Row:
        draw = self.draw
        page = "product" if kind == "view" else PAGES[int(len(PAGES) * draw.random() ** 1.8)]
        url = f"/{page}/{product['product_id'] if product else draw.randrange(4)}"
        dwell = Decimal(draw.randrange(0, 9000)) / 10 if kind == "view" and draw.random() < 0.8 else None
        if dwell is not None and product and product["product_id"] in ("P02", "P04"):
            dwell += 300
        day = at.astimezone(ZONE).date()
        return {
            "event_id": f"e{draw.getrandbits(48):012x}",
            "event_source": "interaction",
            "visitor_id": None,
            "customer_id": None,
            "event_type": kind,
            "step_rank": RANKS.get(kind, 3),
            "occurred_at": at,
            "occurred_date": day,
            "occurred_month": day.replace(day=1),
            "session_id": session,
            "session_position": None,
            "product_id": product["product_id"] if product else None,
            "product_name": product["product_name"] if product else None,
            "category": product["category"] if product else None,
            "product_type": product["product_type"] if product else None,
            "price": product["price"] if product else None,
            "sale_id": None,
            "order_id": None,
            "quantity": draw.choice([None, Decimal(1), Decimal(2)]),
            "value": None,
            "page_type": None if draw.random() < 0.15 else page,
            "page_url": None if draw.random() < 0.1 else url,
            "dwell_seconds": None if dwell is None else min(dwell, Decimal(600)),
            "dwell_is_capped": dwell is not None and dwell > 600,
            "device_type": "unknown",
            "location": "Unknown",
            "is_product_missing": False,
            "source_id": "native",
            **given,
        }

    def _purchase(self, session: str | None, at: datetime, product: Row, factor: float) -> Row:
        draw, number = self.draw, self.draw.getrandbits(40)
        sale, order = f"sale{number}", f"O{session}-{draw.randrange(2)}"
        if draw.random() < 0.1:
            sale, order = None, draw.choice([None, order])
        given = {"event_source": draw.choice(["interaction", "sale"]), "page_type": None, "page_url": None}
        value = Decimal(round(draw.choice([5, 10, 10, 25, 40, 80]) * factor))
        return self._event(
            session, at, "purchase", product, **given, sale_id=sale, order_id=order, value=value, quantity=Decimal(1)
        )

    # --- sales ---------------------------------------------------------------------------------------------

    def _sale(self, n: int) -> Row:
        """A sale outside any visit, some before the tracker was there, some of guests."""
        at = self._moment() - timedelta(days=9)
        customer = f"c{n}" if n % 3 == 1 else None
        row = self._purchase(None, at, self.products[n % 15], 1.0)
        return row | {"event_source": "sale", "visitor_id": customer, "customer_id": customer}

    def _stray(self, n: int) -> Row:
        """An event of a session that is none of the visits, because it began on the device of a robot."""
        return self._event(
            f"robot{n // 4}", self._moment(), self.draw.choice(["visit", "view", "search"]), self.products[0]
        )

    def _line(self, n: int) -> Row:
        at = self._moment() - timedelta(days=self.draw.choice([0, 5]))
        day, returned = at.astimezone(ZONE).date(), n % 7 == 0
        price = Decimal(self.draw.choice(["0", "0.99", "1", "2", "4.99", "5", "19.99", "1000"]))
        return {
            "sale_id": f"l{n}",
            "store_id": self.draw.choice(["S1", "W1", "W1"]),
            "unit_price": None if n % 11 == 0 else price,
            "net_sales": -price if returned else price,
            "sold_at": at,
            "sold_date": day,
            "sold_month": day.replace(day=1),
            "line_type": "return" if returned else "sale",
            "is_valid": n % 13 != 0,
        }

    def _order(self, n: int) -> Row:
        at = self._moment() - timedelta(days=self.draw.choice([0, 5]))
        day = at.astimezone(ZONE).date()
        return {
            "order_id": f"o{n}",
            "store_id": self.draw.choice(["S1", "W1", "W1"]),
            "ordered_at": at,
            "order_date": day,
            "order_month": day.replace(day=1),
            "units": Decimal(self.draw.choice(["0.5", "1", "2", "6", "11", "101"])),
            "order_value": Decimal(self.draw.choice(["0", "1.99", "2", "50", "499.99", "20000000"])),
        }


def _known(events: Rows, name: str) -> Any:
    return next((event[name] for event in events if event[name] is not None), None)
