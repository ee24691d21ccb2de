"""A shop's activity for tests of the tables of behavior, and the shortest way to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.independent import shop
from tests.independent.tables import OnEngine, Row, Rows, project

TABLES = (
    "behavior.customers",
    "behavior.customer_dwell",
    "behavior.daily",
    "behavior.distributions",
    "behavior.entry_exit_pages",
    "behavior.page_dwell",
    "behavior.peak_times",
    "behavior.sessions_daily",
    "behavior.top_paths",
    "behavior.transitions",
    "behavior.visit_classes",
    "behavior.visit_frequency",
)


def built(
    folder: Path, events: Sequence[Row], sales: Sequence[Row] = (), tables: tuple[str, ...] = TABLES, **more: Rows
) -> OnEngine:
    """Tables of a few landed rows; `d-bot` is a robot, `d-m` a mobile device, `S1` a shop with a door."""
    landed = {
        **shop.empty(),
        "interactions": list(events),
        "sales": list(sales),
        "devices": [{"device_id": "d-bot", "is_bot": True}, {"device_id": "d-m", "device_type": "mobile"}],
        "stores": [{"store_id": "S1", "channel": "store"}],
        **more,
    }
    return OnEngine(project(), folder).build(landed, {**shop.PARAMETERS, "min_group_size": 2}, *tables)


def by(rows: Rows, *names: str) -> dict[Any, Row]:
    """Rows by one column, or by several."""
    return {row[names[0]] if len(names) == 1 else tuple(row[n] for n in names): row for row in rows}
