"""What answers of questions are computed from: the tables of a shop, its sales lines, its parameters.

Not here: the questions (`answers_sales` and its neighbours), whether those tables are right (their own tests).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from tests.independent import metrics
from tests.independent.metrics import Line
from tests.independent.tables import OnEngine, Row, Rows

ZERO = Decimal(0)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass
class Known:
    """The tables of a shop, its sales lines, and the parameters with which they were computed."""

    built: OnEngine
    shop: metrics.Shop
    parameters: Row

    def rows(self, key: str, **having: Any) -> Rows:
        """Rows of a table, or those with these values."""
        return [row for row in self.built.rows(key) if all(row[name] == value for name, value in having.items())]

    def by(self, key: str, name: str) -> dict[Any, Row]:
        """Rows of a table by a column."""
        return {row[name]: row for row in self.rows(key)}

    @property
    def enough(self) -> int:
        return int(self.parameters["min_group_size"])


def only(rows: Iterable[Row], names: str) -> Rows:
    """These columns; `new=old` takes the column `old` under another name."""
    pairs = [(name.split("=")[0], name.split("=")[-1]) for name in names.split()]
    return [{new: row[old] for new, old in pairs} for row in rows]


def ranked(rows: Iterable[Row], key: Callable[[Row], Any], most: int | None = None) -> Rows:
    """Sorted, cut and numbered."""
    return [{**row, "rank": n} for n, row in enumerate(sorted(rows, key=key)[:most], start=1)]


def quotient(part: Any, whole: Any) -> float | None:
    return None if part is None or not whole else float(part) / float(whole)


def months_before(day: date, count: int) -> date:
    number = day.year * 12 + day.month - 1 - count
    return date(number // 12, number % 12 + 1, 1)


def net(lines: Iterable[Line]) -> Decimal:
    return sum((line.net for line in lines), ZERO)


def wilson(part: int, whole: int) -> tuple[float, float]:
    z, share = 1.959964, part / whole
    centre = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    half = z / (1 + z * z / whole) * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    return max(0.0, centre - half), min(1.0, centre + half)


EFFECTS = (
    "sessions share visitors converted_sessions session_conversion rest_conversion conversion_difference q_value"
    " conversion_verdict standardised_conversion orders net_sales aov low_n"
)


def by_name(row: Row) -> Any:
    return row["product_name"], row["product_id"]
