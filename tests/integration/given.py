"""Tables of behavior computed from given rows of core.activity and core.visits, without the tables before them.

Here: rows with every required column filled in, and the shortest way to a table. Not here: expectations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.independent import shop
from tests.independent.tables import OnEngine, Row, Rows, models, project

AS_OF = date(2024, 3, 31)
MIDNIGHT = datetime(2024, 3, 1, tzinfo=UTC)


def visit(session_id: str, started: str = "2024-03-01 12:00", seconds: int = 60, **given: Any) -> Row:
    """One row of core.visits; `started` is local time."""
    moment = datetime.fromisoformat(started).replace(tzinfo=shop.ZONE)
    day = moment.date()
    moment = moment.astimezone(UTC)
    counts = ("views", "searches", "carts", "removes", "wishlists", "checkouts", "purchases", "orders")
    return {
        "session_id": session_id,
        "session_month": day.replace(day=1),
        "visitor_id": f"device:{session_id}",
        "is_known": False,
        "device_type": "desktop",
        "location": "Berlin",
        "channel": "direct",
        "started_at": moment,
        "ended_at": moment + timedelta(seconds=seconds),
        "session_date": day,
        "duration_seconds": Decimal(seconds),
        "events": 2,
        "visits": 2,
        **dict.fromkeys(counts, 0),
        "distinct_products_viewed": 0,
        "is_bounce": False,
        "is_engaged": True,
        "reached_view": False,
        "reached_cart": False,
        "reached_purchase": False,
        "net_sales": 0,
        "source_id": "native",
        **given,
    }


def view(session_id: str, second: float, event_type: str = "view", day: date = date(2024, 3, 1), **given: Any) -> Row:
    """One row of core.activity: an event `second` seconds after noon."""
    moment = datetime(day.year, day.month, day.day, 12, tzinfo=shop.ZONE).astimezone(UTC) + timedelta(seconds=second)
    ranks = {"visit": 1, "view": 2, "search": 2, "checkout": 4, "purchase": 5}
    return {
        "event_id": f"{session_id}-{second:08}-{event_type}",
        "event_source": "interaction",
        "visitor_id": f"device:{session_id}",
        "event_type": event_type,
        "step_rank": ranks.get(event_type, 3),
        "occurred_at": moment,
        "occurred_date": day,
        "occurred_month": day.replace(day=1),
        "session_id": session_id,
        "dwell_is_capped": False,
        "device_type": "desktop",
        "location": "Berlin",
        "is_product_missing": False,
        "source_id": "native",
        **given,
    }


def order(session_id: str, value: float | str, order_id: str | None = None, **given: Any) -> Row:
    """One row of behavior.visit_orders."""
    return {
        "session_id": session_id,
        "order_id": order_id or f"O-{session_id}",
        "session_date": date(2024, 3, 1),
        "visitor_id": f"device:{session_id}",
        "device_type": "desktop",
        "location": "Berlin",
        "channel": "direct",
        "purchased_at": MIDNIGHT,
        "lines": 1,
        "units": Decimal(1),
        "net_sales": Decimal(str(value)),
        **given,
    }


def given(folder: Path, tables: Mapping[str, Rows], *wanted: str, as_of: date = AS_OF, **parameters: Any) -> OnEngine:
    """Compute `wanted`, and what they read of behavior, from given tables; all other tables are empty.

    `core.clock` and `core.calendar` go to the as-of date, from the first of March 2024.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = project()
    engine = OnEngine(found, folder)
    first = date(2024, 3, 1)
    clock = {
        "data_begin_at": MIDNIGHT,
        "data_end_at": MIDNIGHT,
        "data_begin_date": first,
        "data_end_date": as_of,
        "first_interaction_date": first,
        "as_of_date": as_of,
        "as_of_is_set": True,
        "currency": "EUR",
    }
    rows: dict[str, Rows] = {
        "core.clock": [clock],
        "core.parameters": [{**shop.PARAMETERS, **parameters}],
        "core.calendar": [{"day": first, "is_complete": True}],
        **tables,
        "core.activity": _in_order(tables.get("core.activity", [])),
    }
    needed = found.ancestors(wanted)
    for contract in found.catalog:
        made_here = contract.schema == "behavior" and contract.key in needed and contract.key not in rows
        if contract.key in needed and not made_here:
            engine._store(contract, rows.get(contract.key, []))
    for contract in models(found):
        if contract.schema == "behavior" and contract.key in needed and contract.key not in rows:
            engine._compute(contract)
    return engine


def _in_order(activity: Rows) -> Rows:
    """Rows of core.activity with the places that core gives to the interactions of a session."""
    places: Counter[str] = Counter()
    found = []
    for row in sorted(activity, key=lambda row: (row["occurred_at"], row["step_rank"], row["event_id"])):
        session = row.get("session_id")
        if session and row["event_source"] == "interaction":
            places[session] += 1
            row = {**row, "session_position": places[session]}
        found.append(row)
    return found
