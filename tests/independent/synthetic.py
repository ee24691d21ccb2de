"""A shop of the generator as rows of the landed tables, read without the pipeline.

Here: reading its files by the types of the contracts. Not here: rows written by hand (`shop`).
"""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from cxa_pipeline.synthetic import ShopConfig, generate
from tests.independent import shop
from tests.independent.tables import project

SMALL = ShopConfig(
    start=date(2024, 11, 20),
    end=date(2025, 4, 20),
    new_customers_per_day=0.7,
    history_days=200,
    products=48,
    affinities=4,
    bots=1,
    bot_views=6,
    view_rate=0.5,
    cart_rate=0.6,
    purchase_rate=0.68,
    dirt=0.0,
    split="single",
)
"""Five months of a shop with a few customers a week; tests change what they look at."""


def landed_rows(config: ShopConfig, folder: Path) -> shop.Landed:
    """Generate the files of a shop below `folder` and read them; what dirt breaks is not mended."""
    generate(config, folder)
    zone = ZoneInfo(config.timezone)
    landed = shop.empty()
    for dataset, rows in landed.items():
        types = {c.name: c.type for c in project().catalog[f"landed.{dataset}"].columns}
        for path in sorted(folder.glob(f"{dataset}_*.csv")):
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    rows.append({n: _typed(v, types[n], zone) for n, v in row.items() if n in types})
    for dataset, moment, day in (("sales", "sold_at", "sold"), ("interactions", "occurred_at", "occurred")):
        for row in landed[dataset]:
            row[f"{day}_date"] = row[moment].astimezone(zone).date()
            row[f"{day}_month"] = row[f"{day}_date"].replace(day=1)
    return landed


def _typed(text: str, type_: str, zone: ZoneInfo) -> Any:
    if text == "":
        return None
    if type_ == "boolean":
        return text.lower() in ("true", "yes", "1")
    if type_ == "date":
        return date.fromisoformat(text[:10])
    if type_ == "timestamptz":
        return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
    if type_.startswith("numeric"):
        return Decimal(text)
    return int(text) if type_ in ("smallint", "integer", "bigint") else text
