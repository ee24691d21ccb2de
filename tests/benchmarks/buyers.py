"""A shop of many customers and nothing but sales: what the tables of customers are made of, at any size.

Here: customers drawn order by order from the assumptions of BG/NBD and Gamma-Gamma, as files of the source `native`.
Not here: shops with visits (`data`), which would be ten times as large for as many customers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

SEED = 11
DAYS = 730
END = date(2025, 6, 30)
RATE_SHAPE, RATE_DAYS = 0.6, 90.0
DROPOUT = 0.8, 2.4
SPEND = 6.0, 4.0, 45.0
PRODUCTS = 500
MOST_LINES = 2
FILES = 4


@dataclass(frozen=True)
class Buyers:
    """What was written: files, customers, orders and sales lines."""

    files: tuple[Path, ...]
    customers: int
    orders: int
    lines: int

    @property
    def megabytes(self) -> float:
        """Size of the files."""
        return sum(path.stat().st_size for path in self.files) / 1e6


def write(customers: int, folder: Path) -> Buyers:
    """Draw a shop and write its sales.

    Args:
        customers: How many have ordered at least once.
        folder: Where the files go.
    """
    draw = np.random.default_rng(SEED)
    buyer, moment = _orders(draw, customers)
    order = np.argsort(moment, kind="stable")
    buyer, moment = buyer[order], moment[order]
    level = draw.gamma(SPEND[1], 1 / SPEND[2], customers)
    value = draw.gamma(SPEND[0], 1 / level[buyer])
    lines = draw.integers(1, MOST_LINES + 1, len(buyer))
    columns = _lines(draw, buyer, moment, value, lines)
    files = []
    for part, rows in enumerate(np.array_split(np.arange(len(columns["sale_id"])), FILES)):
        path = folder / f"sales_{part + 1}.csv"
        _csv({name: values[rows] for name, values in columns.items()}, path)
        files.append(path)
    return Buyers(tuple(files), customers, len(buyer), int(lines.sum()))


def _orders(draw: np.random.Generator, n: int) -> tuple[Any, Any]:
    """Customer and moment (days from the begin) of each order."""
    rate, stop = draw.gamma(RATE_SHAPE, 1 / RATE_DAYS, n), draw.beta(*DROPOUT, n)
    who, when = np.arange(n), draw.uniform(0, DAYS, n)
    found = [(who, when)]
    while len(who):
        when = when + draw.exponential(1 / rate[who])
        goes_on = when < DAYS
        who, when = who[goes_on], when[goes_on]
        found.append((who, when))
        stays = draw.random(len(who)) >= stop[who]
        who, when = who[stays], when[stays]
    return np.concatenate([part[0] for part in found]), np.concatenate([part[1] for part in found])


def _lines(draw: np.random.Generator, buyer: Any, moment: Any, value: Any, lines: Any) -> dict[str, Any]:
    of = np.repeat(np.arange(len(buyer)), lines)
    begin = np.datetime64(END - timedelta(days=DAYS - 1), "s")
    price = np.maximum(np.round(value / lines, 2), 0.05)[of]
    lowered = draw.random(len(of)) < 0.2
    product = (PRODUCTS * draw.random(len(of)) ** 2).astype(np.int64)
    return {
        "sale_id": np.arange(len(of)),
        "order_id": of,
        "customer_id": buyer[of],
        "product_id": product,
        "quantity": np.ones(len(of), dtype=np.int64),
        "unit_price": price,
        "discount_amount": np.where(lowered, np.round(price * 0.1, 2), 0.0),
        "sold_at": (begin + (moment * 86_400).astype("timedelta64[s]"))[of],
    }


def _csv(columns: dict[str, Any], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv

    def text(prefix: str, name: str) -> Any:
        return pc.binary_join_element_wise(prefix, pa.array(columns[name]).cast(pa.string()), "")

    n = len(columns["sale_id"])
    known = {
        "sale_id": text("L", "sale_id"),
        "order_id": text("O", "order_id"),
        "customer_id": text("C", "customer_id"),
        "product_id": text("P", "product_id"),
        "quantity": pa.array(columns["quantity"]),
        "unit_price": pa.array(columns["unit_price"]),
        "discount_amount": pa.array(columns["discount_amount"]),
        "sold_at": pc.strftime(pa.array(columns["sold_at"]), "%Y-%m-%d %H:%M:%S"),
        "status": pa.array(["completed"] * n),
        "currency": pa.array(["EUR"] * n),
    }

    pyarrow.csv.write_csv(pa.table(known), path)
