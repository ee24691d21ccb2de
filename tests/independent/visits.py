"""The tables of visits, computed anew in plain Python from landed rows: sessions, purchases, visitors, outliers.

Here: a second implementation, written from the definitions and not from the SQL: it walks through the events one by
one, where the SQL uses windows. Not here: events (`visits_events`), channels (`visits_channels`), orders (`metrics`), the
comparison (`tests/integration`).
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property

from tests.independent import metrics
from tests.independent.metrics import Line
from tests.independent.visits_channels import UTM, channel_of
from tests.independent.visits_events import (
    COUNTS,
    NEEDS_PRODUCT,
    RANKS,
    Event,
    Row,
    Session,
    clusters,
    event_of,
    first_known,
    moment_and_side,
    month_of,
    repeated_events,
    seconds_of,
    steps_of,
)


class Visits:
    """All events with their sessions, month by month.

    Args:
        landed: Rows of the landed tables.
        parameters: The row of core.parameters.
    """

    def __init__(self, landed: dict[str, list[Row]], parameters: Row) -> None:
        self.landed, self.parameters = landed, parameters
        self.shop = metrics.Shop(landed, parameters["as_of_date"])
        lines = [metrics.complete(row) for row in landed["sales"]]
        self.sources = {row["sale_id"]: row.get("source_id", "native") for row in landed["sales"]}
        self.lines = [line for line in lines if line.valid and line.is_sale]
        self.channels = {row["store_id"]: row.get("channel") or "store" for row in landed["stores"]}
        self.channels["__online__"] = "online"
        self.bots = {row["device_id"] for row in landed["devices"] if row.get("is_bot")}
        self.devices = {row["device_id"]: row for row in landed["devices"]}
        self.events: list[Event] = []
        self.sessions: list[Session] = []
        interactions = [event_of(row) for row in landed["interactions"]]
        months = {e.month for e in interactions} | {month_of(line) for line in self.lines}
        for month in sorted(months):
            self._month(
                [e for e in interactions if e.month == month],
                [line for line in self.lines if month_of(line) == month],
            )

    # --- one month -----------------------------------------------------------------------------------------

    def _month(self, interactions: list[Event], lines: list[Line]) -> None:
        purchases = [e for e in interactions if e.kind == "purchase"]
        repeated = repeated_events(purchases)
        interactions = [e for e in interactions if e.event_id not in repeated]
        lone = self._match([e for e in purchases if e.event_id not in repeated], lines)
        sessions = self._sessions(interactions)
        for session in sessions:
            for event in session.acts:
                event.session = session
        sales = [self._sale(line, sessions, interactions) for line in lone]
        self.sessions += sessions
        self.events += [*interactions, *sales]

    def _match(self, purchases: list[Event], lines: list[Line]) -> list[Line]:
        """Give purchase events their sales lines; returns the lines that are left."""
        left = sorted(lines, key=lambda line: (line.at, line.sale_id))
        for event in sorted(purchases, key=lambda e: (e.at, e.event_id)):
            if event.order:
                fits = [
                    line
                    for line in left
                    if line.order_id == event.order and event.product in (None, line.product_id) and event.line is None
                ]
                if fits:
                    event.line = fits[0]
                    left.remove(fits[0])
        apart = timedelta(minutes=self.parameters["purchase_match_minutes"])
        pairs: dict[tuple[str, str], list[Event | Line]] = defaultdict(list)
        for event in purchases:
            if event.line is None and event.customer and event.product:
                pairs[event.customer, event.product].append(event)
        for line in left:
            if line.customer_id:
                pairs[line.customer_id, line.product_id].append(line)
        for items in pairs.values():
            for cluster in clusters(sorted(items, key=moment_and_side), apart):
                events = [item for item in cluster if isinstance(item, Event)]
                found = [item for item in cluster if isinstance(item, Line)]
                for event, line in zip(events, found, strict=False):
                    if abs(event.at - line.at) <= apart:
                        event.line = line
                        left.remove(line)
        for event in purchases:
            if event.line:
                event.customer = event.customer or event.line.customer_id
                event.product = event.product or event.line.product_id
                event.order = event.line.order_id
        return left

    def _sessions(self, interactions: list[Event]) -> list[Session]:
        delivered: dict[tuple[str, str], list[Event]] = defaultdict(list)
        free: dict[tuple[str, str], list[Event]] = defaultdict(list)
        for event in sorted(interactions, key=lambda e: e.place):
            given = event.row.get("session_id")
            if given:
                delivered[event.row.get("source_id", "native"), given].append(event)
            elif event.device:
                free["device", event.device].append(event)
            else:
                free["customer", str(event.customer)].append(event)
        sessions = [Session(events) for events in delivered.values()]
        for stream in free.values():
            sessions += [Session(part) for run in self._runs(stream) for part in self._cut(run)]
        return sessions

    def _runs(self, stream: list[Event]) -> Iterable[list[Event]]:
        timeout = timedelta(minutes=self.parameters["session_timeout_minutes"])
        run: list[Event] = []
        customer: str | None = None
        for event in stream:
            pause = bool(run) and event.at - run[-1].at >= timeout
            other = bool(run) and None not in (customer, event.customer) and customer != event.customer
            if pause or other:
                yield run
                run, customer = [], None
            run.append(event)
            customer = event.customer or customer
        if run:
            yield run

    def _cut(self, run: list[Event]) -> Iterable[list[Event]]:
        longest = timedelta(hours=self.parameters["session_max_hours"])
        parts: dict[int, list[Event]] = defaultdict(list)
        for event in run:
            elapsed, number = event.at - run[0].at, 0
            while elapsed > longest * (number + 1):
                number += 1
            parts[number].append(event)
        return parts.values()

    def _sale(self, line: Line, sessions: list[Session], interactions: list[Event]) -> Event:
        event = Event(
            f"sale:{line.sale_id}",
            "purchase",
            line.at,
            line.day,
            line.customer_id,
            None,
            line.product_id,
            line.order_id,
            {},
            line,
        )
        if self.channels.get(line.store_id, "store") == "store":
            return event
        near = timedelta(minutes=self.parameters["session_match_minutes"])
        of_order = [e for e in interactions if e.kind == "purchase" and e.order == line.order_id]
        around = [
            s
            for s in sessions
            if line.customer_id and s.named == line.customer_id and s.first.at - near <= line.at <= s.acts[-1].at + near
        ]
        inside = [s for s in around if s.first.at <= line.at <= s.acts[-1].at]
        if of_order:
            event.session = min(of_order, key=lambda e: (e.at, e.event_id)).session
        elif around:
            latest = max(s.first.at for s in inside or around)
            event.session = min((s for s in inside or around if s.first.at == latest), key=lambda s: s.session_id)
        if event.session:
            event.session.sales.append(event)
            event.device = event.session.device
        return event

    # --- tables --------------------------------------------------------------------------------------------

    def event_rows(self) -> list[Row]:
        """core.events."""
        return [self._event_row(event) for event in self.events]

    def _event_row(self, event: Event) -> Row:
        row, line, session = event.row, event.line, event.session
        dwell = self._dwell(event)
        cap = self.parameters["dwell_cap_seconds"]
        return {
            "event_id": event.event_id,
            "event_source": "sale" if event.is_sale else "interaction",
            "customer_id": event.customer,
            "device_id": event.device,
            "product_id": event.product,
            "event_type": event.kind,
            "step_rank": RANKS[event.kind],
            "occurred_at": event.at,
            "occurred_date": event.day,
            "occurred_month": event.month,
            "session_id": session.session_id if session else None,
            "session_position": session.acts.index(event) + 1 if session and not event.is_sale else None,
            "actor_id": session.actor if session else None,
            "session_customer_id": session.customer if session else None,
            "source_session_id": row.get("session_id"),
            "sale_id": line.sale_id if line else None,
            "order_id": event.order,
            "store_id": line.store_id if line else None,
            "quantity": line.quantity if line else row.get("quantity"),
            "value": line.net if line else row.get("value"),
            **{name: row.get(name) for name in ("page_url", "page_type", "duration_seconds", "referrer")},
            **{name: row.get(name) for name in ("utm_source", "utm_medium", "utm_campaign")},
            "dwell_seconds": None if dwell is None else min(dwell, Decimal(cap)),
            "dwell_is_capped": dwell is not None and dwell > cap,
            "is_product_missing": event.kind in NEEDS_PRODUCT and event.product is None,
            "source_id": self.sources[line.sale_id] if event.is_sale and line else row.get("source_id", "native"),
        }

    def _dwell(self, event: Event) -> Decimal | None:
        if event.kind != "view" or not event.session:
            return None
        if event.row.get("duration_seconds") is not None:
            return Decimal(event.row["duration_seconds"])
        events = event.session.events
        following = events[events.index(event) + 1 :]
        return seconds_of(following[0].at - event.at) if following else None

    def session_rows(self) -> list[Row]:
        """core.sessions."""
        return [self._session_row(session) for session in self.sessions]

    def _session_row(self, session: Session) -> Row:
        acts, events = session.acts, session.events
        kinds = [e.kind for e in events]
        started, ended = acts[0].at, acts[-1].at
        counts = {name: kinds.count(kind) for name, kind in COUNTS.items()}
        sold = [e.line for e in events if e.line]
        campaign = next((e.row for e in acts if any(e.row.get(f"utm_{x}") for x in UTM)), {})
        steps = steps_of(events)
        return {
            "session_id": session.session_id,
            "session_month": acts[0].month,
            "actor_id": session.actor,
            "device_id": session.device,
            "customer_id": session.customer,
            "source_session_id": acts[0].row.get("session_id"),
            "started_at": started,
            "ended_at": ended,
            "session_date": acts[0].day,
            "duration_seconds": seconds_of(ended - started),
            "events": len(events),
            **counts,
            "distinct_products_viewed": len({e.product for e in events if e.kind == "view" and e.product}),
            "is_bounce": len(events) == 1 and kinds != ["purchase"],
            "is_engaged": ended - started > timedelta(seconds=self.parameters["engaged_seconds"])
            or counts["visits"] + counts["views"] >= 2
            or counts["purchases"] > 0,
            "entry_page_url": first_known(acts, "page_url"),
            "exit_page_url": first_known(acts[::-1], "page_url"),
            "entry_page_type": first_known(acts, "page_type"),
            "exit_page_type": first_known(acts[::-1], "page_type"),
            "reached_view": steps >= 1,
            "reached_cart": steps >= 2,
            "reached_purchase": steps >= 3,
            "referrer": acts[0].row.get("referrer"),
            **{f"utm_{x}": campaign.get(f"utm_{x}") for x in UTM},
            "orders": len({line.order_id for line in sold}),
            "net_sales": sum((line.net for line in sold), Decimal(0)),
            "source_id": acts[0].row.get("source_id", "native"),
        }

    def identity_rows(self) -> list[Row]:
        """core.identities."""
        by_email: dict[str, set[str]] = defaultdict(set)
        for row in self.landed["customers"]:
            if row.get("email"):
                by_email[row["email"]].add(row["customer_id"])
        guests: dict[str, set[str]] = defaultdict(set)
        for row in self.landed["sales"]:
            if row.get("customer_email") and not row.get("customer_id"):
                guests[row.get("order_id") or row["sale_id"]].add(row["customer_email"])
        used: dict[str, set[str]] = defaultdict(set)
        for event in self.events:
            if event.device and event.customer:
                used[event.device].add(event.customer)
        known = {r.get("customer_id") for name in ("customers", "sales", "interactions") for r in self.landed[name]}
        hints = {r["device_id"]: r.get("customer_id") for r in self.landed["devices"] if r.get("customer_id") in known}
        devices = {r["device_id"] for r in self.landed["devices"]} | {e.device for e in self.events if e.device}
        for device in devices - set(used):
            if hints.get(device):
                used[device] = {str(hints[device])}
        nameless = {order.order_id for order in metrics.orders_of(self.lines) if not order.customer}
        orders = [(order, *mails) for order, mails in sorted(guests.items()) if len(mails) == 1 and order in nameless]
        found = [("order", order, by_email[mail]) for order, mail in orders]
        found += [("device", device, used[device]) for device in sorted(used)]
        return [
            {"identity_type": kind, "identity_value": value, "customer_id": next(iter(fits))}
            for kind, value, fits in found
            if len(fits) == 1
        ]

    def visitor_of(self, session: Session | None, event: Event | None = None) -> tuple[str | None, str | None]:
        """Visitor and customer of a session, or of an event without one."""
        customer = session.customer if session else None
        customer = customer or (event.customer if event else None)
        actor = session.actor if session else None
        if not customer and actor and actor.startswith("device:"):
            customer = self._owners.get(actor.removeprefix("device:"))
        return customer or actor, customer

    @cached_property
    def _owners(self) -> dict[str, str]:
        rows = self.identity_rows()
        return {r["identity_value"]: r["customer_id"] for r in rows if r["identity_type"] == "device"}

    def _counts(self, event: Event) -> bool:
        return self.shop.as_of is not None and event.day <= self.shop.as_of

    def is_bot(self, device: str | None) -> bool:
        """Whether a device is a known robot."""
        return device in self.bots

    def visit_rows(self) -> list[Row]:
        """core.visits, without the columns that are those of the session as they are."""
        rows = []
        for session in self.sessions:
            if self.is_bot(session.device) or not self._counts(session.first):
                continue
            visitor, customer = self.visitor_of(session)
            rows.append(
                {
                    "session_id": session.session_id,
                    "visitor_id": visitor,
                    "customer_id": customer,
                    "is_known": session.customer is not None,
                    "device_type": self._device_type(session.device),
                    "location": self._location(customer, session.device),
                    "channel": channel_of(self._session_row(session)),
                }
            )
        return rows

    def activity_rows(self) -> list[Row]:
        """core.activity, without the columns that are those of the event as they are."""
        products = {row["product_id"]: row for row in self.landed["products"]}
        rows = []
        for event in self.events:
            channel = None if event.line is None else self.channels.get(event.line.store_id, "store")
            if self.is_bot(event.device) or not self._counts(event) or (event.is_sale and channel == "store"):
                continue
            visitor, customer = self.visitor_of(event.session, event)
            product = products.get(event.product or "", {})
            category = (product.get("category") or "").split("/")[0].strip(" ") or "Unknown"
            rows.append(
                {
                    "event_id": event.event_id,
                    "visitor_id": visitor,
                    "customer_id": customer,
                    "device_type": self._device_type(event.device),
                    "location": self._location(customer, event.device),
                    "product_name": product.get("product_name") or event.product,
                    "category": category if event.product else None,
                    "product_type": product.get("product_type") or ("goods" if event.product else None),
                    "price": product.get("price"),
                    "store_channel": channel,
                }
            )
        return rows

    def _device_type(self, device: str | None) -> str:
        known = self.devices.get(device or "", {}).get("device_type")
        return known if known in ("desktop", "mobile", "tablet", "tv", "other") else "unknown"

    def _location(self, customer: str | None, device: str | None) -> str:
        found = [metrics.location(self.shop.customers[customer])] if customer else []
        found += [metrics.location(self.devices[device])] if device in self.devices else []
        return next((place for place in found if place != "Unknown"), "Unknown")

    def outlier_rows(self) -> list[Row]:
        """core.outliers and core.visit_outliers."""
        lines = [line for line in self.lines if self.shop.as_of and line.day <= self.shop.as_of]
        prices = {row["sale_id"]: row.get("unit_price") for row in self.landed["sales"]}
        category = _categories(self.landed["products"])
        by_product: dict[str, list[Line]] = defaultdict(list)
        by_category: dict[str, list[Line]] = defaultdict(list)
        for line in lines:
            by_product[line.product_id].append(line)
            by_category[category(line.product_id)].append(line)

        def price(line: Line) -> Decimal:
            given = prices[line.sale_id]
            derived = (abs(line.total) + line.discount) / abs(line.quantity)
            return given if given is not None else derived.quantize(Decimal("0.0001"), ROUND_HALF_UP)

        rows = _far("order_value", "core.orders", "all orders", {o.order_id: o.value for o in self.shop.orders})
        for name, found in by_category.items():
            rows += _far(
                "line_quantity", "core.sales", f"category {name}", {line.sale_id: line.quantity for line in found}
            )
            small = {line.sale_id for line in found if len(by_product[line.product_id]) < 10}
            priced = {line.sale_id: price(line) for line in found}
            rows += [r for r in _far("unit_price", "core.sales", f"category {name}", priced) if r["row_key"] in small]
        for product, found in by_product.items():
            if len(found) >= 10:
                priced = {line.sale_id: price(line) for line in found}
                rows += _far("unit_price", "core.sales", f"product {product}", priced)
        visits = {row["session_id"] for row in self.visit_rows()}
        sessions = {s["session_id"]: s for s in self.session_rows() if s["session_id"] in visits}
        for variable, column in (("session_events", "events"), ("session_duration", "duration_seconds")):
            values = {key: Decimal(s[column]) for key, s in sessions.items()}
            rows += _far(variable, "core.sessions", "all visits", values)
        return rows


def _categories(products: list[Row]) -> Callable[[str], str]:
    paths = {row["product_id"]: row.get("category") or "" for row in products}
    return lambda product: paths.get(product, "").split("/")[0].strip(" ") or "Unknown"


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def _far(variable: str, dataset: str, compared_with: str, values: dict[str, Decimal]) -> list[Row]:
    """Values far out of a sample, by Iglewicz and Hoaglin, or Tukey's far fence where half of it is equal."""
    scaled = {key: math.log1p(max(float(value), 0.0)) for key, value in values.items()}
    if len(scaled) < 10:
        return []
    ordered = sorted(scaled.values())
    middle = statistics.median(ordered)
    spread = statistics.median(abs(y - middle) for y in ordered)
    lower, upper = _quantile(ordered, 0.25), _quantile(ordered, 0.75)
    rows = []
    for key, y in scaled.items():
        if spread > 1e-9:
            method, score, bound = "mad", 0.6745 * (y - middle) / spread, 3.5
        elif upper - lower > 1e-9:
            method, bound = "tukey", 3.0
            score = (y - (upper if y > upper else lower)) / (upper - lower)
        else:
            continue
        if abs(score) - 1e-9 > bound:
            rows.append(
                {
                    "dataset": dataset,
                    "variable": variable,
                    "row_key": key,
                    "value": values[key],
                    "compared_with": compared_with,
                    "sample_size": len(values),
                    "outlier_method": method,
                    "outlier_score": score,
                    "is_outlier": True,
                }
            )
    return rows
