"""Drop files: which row goes into which file, and writing them as CSV.

A file is named by the dataset and the days it covers: `sales_2024-03.csv` a whole month, `sales_2024.csv` a whole
year, `sales_2024-03-05.csv` a day, and any other span `sales_2024-03-05_2024-03-20.csv`.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from cxa_pipeline.synthetic.clock import EPOCH, day_number
from cxa_pipeline.synthetic.config import ShopConfig
from cxa_pipeline.synthetic.dirt import FAULTS, GOOD, REPEATED, break_lines, deliver, plant
from cxa_pipeline.synthetic.draws import Draws, Ints

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class FileTruth:
    """What is in one drop file: rows = accepted + duplicates + rejected."""

    file: str
    dataset: str
    first_day: date
    last_day: date
    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    rejected: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**self.__dict__, "first_day": str(self.first_day), "last_day": str(self.last_day)}


class Drop:
    """Writes the files of one delivery into a directory, piece by piece.

    Args:
        config: of the shop.
        draws: of the shop.
        directory: an existing folder, usually a source's landing folder.
        since: first day that is delivered; rows of earlier deliveries are left out.
    """

    def __init__(self, config: ShopConfig, draws: Draws, directory: Path, since: date | None) -> None:
        self._config, self._draws, self._directory = config, draws, directory
        self.first = max(config.start, since) if since else config.start
        self.truth: dict[str, FileTruth] = {}
        self._open: dict[str, IO[bytes]] = {}

    def members(self, dataset: str, table: pa.Table, numbers: Ints, recent: np.ndarray) -> None:
        """Write customers, products, stores or devices into one file; none if nothing changed."""
        rows = np.flatnonzero(recent)
        if not len(rows):
            return
        end = day_number(self._config.end)
        name = f"{dataset}_{self._config.end}"
        delivery = deliver(self._draws, self._config.dirt, dataset, numbers[rows], np.full(len(rows), end))
        truth = self._file(dataset, name, self.first, self._config.end)
        self._piece(truth, table, rows[delivery.rows], numbers, delivery.faults, np.zeros(len(table), dtype=np.int64))

    def facts(self, dataset: str, table: pa.Table, numbers: Ints, days: Ints, late: Ints) -> None:
        """Write facts into the files of the days on which they are delivered (`days` already includes `late`)."""
        first, last = day_number(self.first), day_number(self._config.end)
        delivery = deliver(self._draws, self._config.dirt, dataset, numbers, days)
        kept = (delivery.days >= first) & (delivery.days <= last)
        rows, on, faults = delivery.rows[kept], delivery.days[kept], delivery.faults[kept]
        if not len(rows):
            return
        reached = to_date(int((days - late).max()))
        lowest, highest = to_date(int(on.min())), to_date(int(on.max()))
        for begin, end in periods(self._config.split, self.first, self._config.end):
            if end < lowest or begin > highest:
                continue
            inside = np.flatnonzero((on >= day_number(begin)) & (on <= day_number(end)))
            if len(inside):
                truth = self._file(dataset, f"{dataset}_{span_name(begin, end)}", begin, end)
                self._piece(truth, table, rows[inside], numbers, faults[inside], late)
            if end < reached:  # facts come in order of time: nothing more will be delivered into this file
                self._close_file(f"{dataset}_{span_name(begin, end)}")

    def __enter__(self) -> Drop:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._open.values():
            handle.close()
        self._open.clear()

    def files(self) -> list[FileTruth]:
        """Return what is in each file, by name."""
        return [self.truth[name] for name in sorted(self.truth)]

    def _close_file(self, name: str) -> None:
        handle = self._open.pop(self._full_name(name), None)
        if handle:
            handle.close()

    def _full_name(self, name: str) -> str:
        return name + (".csv.gz" if self._config.compressed else ".csv")

    def _file(self, dataset: str, name: str, first: date, last: date) -> FileTruth:
        name = self._full_name(name)
        return self.truth.setdefault(name, FileTruth(name, dataset, first, last))

    def _handle(self, truth: FileTruth, columns: list[str]) -> IO[bytes]:
        if truth.file not in self._open:
            raw = open(self._directory / truth.file, "wb")  # noqa: SIM115 (closed in close)
            if self._config.compressed:
                self._open[truth.file] = cast(IO[bytes], _Compressed(raw))
            else:
                self._open[truth.file] = raw
            self._open[truth.file].write(",".join(columns).encode() + b"\n")
        return self._open[truth.file]

    def _piece(self, truth: FileTruth, table: pa.Table, rows: Ints, numbers: Ints, faults: Ints, late: Ints) -> None:
        import pyarrow as pa
        import pyarrow.csv

        plain = len(rows) == len(table) and bool((faults == GOOD).all())
        piece = table if plain else table.take(pa.array(rows))
        text = io.BytesIO()
        piece = plant(truth.dataset, piece, numbers[rows], faults)
        pyarrow.csv.write_csv(piece, text, pyarrow.csv.WriteOptions(include_header=False, quoting_style="none"))
        self._handle(truth, table.column_names).write(break_lines(text.getvalue(), truth.dataset, faults))
        truth.rows += len(rows)
        truth.accepted += int((faults == GOOD).sum())
        truth.duplicates += int((faults == REPEATED).sum())
        truth.late += int((late[rows][faults == GOOD] > 0).sum())
        for position, fault in enumerate(FAULTS[truth.dataset]):
            count = int((faults == position).sum())
            if count:
                truth.rejected[fault.name] = truth.rejected.get(fault.name, 0) + count


class _Compressed(gzip.GzipFile):
    """A gzip file without name and time, so that equal rows are equal bytes; closes what it writes to."""

    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__(filename="", mode="wb", compresslevel=4, fileobj=raw, mtime=0)
        self._raw_file = raw

    def close(self) -> None:
        super().close()
        self._raw_file.close()


def periods(split: str, first: date, last: date) -> Iterator[tuple[date, date]]:
    """Return the spans of days, both ends included, that get a file of their own."""
    begin = first
    while begin <= last:
        if split == "day":
            end = begin
        elif split == "month":
            end = (begin.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        elif split == "year":
            end = date(begin.year, 12, 31)
        else:
            end = last
        yield begin, min(end, last)
        begin = min(end, last) + timedelta(days=1)


def span_name(begin: date, end: date) -> str:
    """Return the shortest name of a span of days."""
    if begin == end:
        return str(begin)
    if begin == date(begin.year, 1, 1) and end == date(begin.year, 12, 31):
        return f"{begin.year}"
    if begin.day == 1 and (end + timedelta(days=1)).day == 1 and (begin.year, begin.month) == (end.year, end.month):
        return f"{begin:%Y-%m}"
    return f"{begin}_{end}"


def to_date(day: int) -> date:
    """Return the date of a day counted from 1970."""
    return EPOCH + timedelta(days=int(day))
