"""Faults planted in the files: rows to be rejected, rows delivered twice, rows delivered late.

Faulty rows are copies of good ones, so that what remains after rejecting them is the clean shop, to the cent.
Which row is copied depends on its own number alone; where it is written is decided in `files`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cxa_pipeline.synthetic.draws import Draws, Ints

if TYPE_CHECKING:
    import pyarrow as pa


class Fault(NamedTuple):
    """A kind of faulty row: the columns that are replaced, and by what text (None: emptied).

    The name is the reason for which ingest rejects the row, and the column where a reason can concern several.
    """

    name: str
    changes: dict[str, str | None]


_BROKEN = "malformed_row"
FAULTS: dict[str, tuple[Fault, ...]] = {
    "sales": (
        Fault("missing:product_id", {"product_id": None}),
        Fault("missing:sold_at", {"sold_at": None}),
        Fault("amount_missing", {"total_price": None, "unit_price": None}),
        Fault("not_a_date:sold_at", {"sold_at": "2024-02-31 10:15:00"}),
        Fault("out_of_range:sold_at", {"sold_at": "2099-01-01 00:00:00"}),
        Fault("quantity_zero", {"quantity": "0"}),
        Fault("not_a_number:quantity", {"quantity": "two"}),
        Fault("negative_price", {"unit_price": "-9.95"}),
        Fault(_BROKEN, {}),
    ),
    "interactions": (
        Fault("missing:event_type", {"event_type": None}),
        Fault("event_type_unknown", {"event_type": "hover"}),
        Fault("no_actor", {"customer_id": None, "device_id": None}),
        Fault("missing:occurred_at", {"occurred_at": None}),
        Fault("not_a_date:occurred_at", {"occurred_at": "2024-13-01 08:00:00"}),
        Fault(_BROKEN, {}),
    ),
    "customers": (Fault("missing:customer_id", {"customer_id": None}), Fault(_BROKEN, {})),
    "products": (
        Fault("missing:product_id", {"product_id": None}),
        Fault("negative_price", {"price": "-4.50"}),
        Fault(_BROKEN, {}),
    ),
    "stores": (),
    "devices": (Fault("missing:device_id", {"device_id": None}), Fault(_BROKEN, {})),
}
_FRESH = {"sales": ("sale_id", "LX"), "interactions": ("interaction_id", "IX"), "customers": ("customer_id", "CX"),
          "products": ("product_id", "PX"), "devices": ("device_id", "DX"), "stores": ("store_id", "SX")}  # fmt: skip

GOOD, REPEATED = -1, -2
_REJECTED_SHARE, _REPEATED_SHARE, _LATE_SHARE = 0.55, 0.25, 0.20


class Delivery(NamedTuple):
    """Rows as they are written: position of the original, day of delivery, fault (GOOD, REPEATED or its number)."""

    rows: Ints
    days: Ints
    faults: Ints


def days_late(draws: Draws, share: float, dataset: str, numbers: Ints) -> Ints:
    """Return by how many days facts are delivered late, from their numbers."""
    keys = draws.keys(f"late {dataset}", numbers)
    late = draws.flag("late", keys, share * _LATE_SHARE)
    return np.where(late, draws.integer("days late", keys, 1, 2), 0)


def deliver(draws: Draws, share: float, dataset: str, numbers: Ints, days: Ints) -> Delivery:
    """Return the rows of a table, each followed by the faulty copies that are planted.

    Args:
        draws: of the shop.
        share: planted rows as a share of all.
        dataset: canonical name.
        numbers: a number of each row that stays the same when the shop goes on.
        days: day on which each row is delivered.
    """
    every = np.arange(len(numbers))
    good = np.full(len(numbers), GOOD)
    if share == 0.0:
        return Delivery(every, days, good)
    keys = draws.keys(f"dirt {dataset}", numbers)
    faults = FAULTS[dataset]
    broken = np.flatnonzero(draws.flag("rejected", keys, share * _REJECTED_SHARE)) if faults else every[:0]
    fault = draws.choice("fault", keys[broken], np.ones(max(len(faults), 1)))
    again = np.flatnonzero(draws.flag("repeated", keys, share * _REPEATED_SHARE))
    again_on = days[again] + draws.choice("repeated later", keys[again], (0.6, 0.4))
    rows = np.concatenate([every, broken, again])
    by = np.argsort(rows, kind="stable")
    faulty = np.concatenate([good, fault, np.full(len(again), REPEATED)])
    return Delivery(rows[by], np.concatenate([days, days[broken], again_on])[by], faulty[by])


def plant(dataset: str, table: pa.Table, numbers: Ints, faults: Ints) -> pa.Table:
    """Return the table with the faults written into its rows; faulty rows get ids of their own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    key, prefix = _FRESH[dataset]
    faulty = faults >= 0
    if not faulty.any():
        return table
    fresh = pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")
    table = _replace(table, key, faulty, fresh)
    for position, fault in enumerate(FAULTS[dataset]):
        for column, text in fault.changes.items():
            table = _replace(table, column, faults == position, pa.scalar(text, pa.string()))
    return table


def _replace(table: pa.Table, column: str, where: np.ndarray, text: pa.Array | pa.Scalar) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    values = table.column(column).cast(pa.string())
    return table.set_column(table.column_names.index(column), column, pc.if_else(pa.array(where), text, values))


def break_lines(text: bytes, dataset: str, faults: Ints) -> bytes:
    """Cut or lengthen the lines whose fault is that they are malformed."""
    names = [fault.name for fault in FAULTS[dataset]]
    if _BROKEN not in names:
        return text
    broken = np.flatnonzero(faults == names.index(_BROKEN)).tolist()
    if not broken:
        return text
    lines = text.split(b"\n")
    for number, row in enumerate(broken):
        lines[row] = lines[row].rsplit(b",", 3)[0] if number % 2 == 0 else lines[row] + b",,???"
    return b"\n".join(lines)
