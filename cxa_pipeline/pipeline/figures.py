"""What a column of values looks like: how many differ, their middle, spread and commonest; which go together.

Here: pure functions over Arrow columns. Quantiles are those of percentile_cont (Hyndman & Fan 1996, type 7), the
deviation is that of a sample, Pearson's and Spearman's coefficients are over the rows where both values are known,
equal values sharing the mean of their ranks. Not here: which columns, of which rows (`profile`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    Numbers = np.ndarray[Any, np.dtype[np.float64]]

QUANTILES = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
TOP = 10
LONGEST = 200


class Common(NamedTuple):
    """One of the commonest values: as text, and how often it stands."""

    value: str
    rows: int


class Pair(NamedTuple):
    """Two columns of numbers, the rows where both are known, and how they go together (None: one is constant)."""

    column: str
    other: str
    rows: int
    pearson: float | None
    spearman: float | None


def shown(value: Any) -> str | None:
    """A value as text, the same on every machine: no trailing zeros, times in UTC."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(" ") if value.tzinfo else value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else str(value)[:LONGEST]


def distribution(values: pa.ChunkedArray) -> dict[str, float | None]:
    """Mean, standard deviation and quantiles of numbers; None where there are too few."""
    import numpy as np

    numbers = as_numbers(values)
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        return dict.fromkeys(("mean", "standard_deviation", *QUANTILES))
    quantiles = np.quantile(numbers, list(QUANTILES.values()))
    spread = _rounded(numbers.std(ddof=1)) if len(numbers) > 1 else None
    found = dict(zip(QUANTILES, map(_rounded, quantiles), strict=True))
    return {"mean": _rounded(numbers.mean()), "standard_deviation": spread, **found}


def commonest(values: pa.ChunkedArray) -> tuple[int, list[Common]]:
    """How many different values there are, and the commonest; none where most values stand but once or twice."""
    import numpy as np
    import pyarrow.compute as pc

    counted = pc.value_counts(values.drop_null())
    counts = counted.field("counts").to_numpy()
    if not len(counts) or 2 * len(counts) > counts.sum():
        return len(counts), []
    # All that are as common as the last one shown, so that the value alone breaks ties.
    least = np.sort(counts)[-TOP:].min()
    places = np.flatnonzero(counts >= least).tolist()
    different = counted.field("values")
    found = [Common(shown(different[place].as_py()) or "", int(counts[place])) for place in places]
    return len(counts), sorted(found, key=lambda common: (-common.rows, common.value))[:TOP]


def correlations(columns: Mapping[str, pa.ChunkedArray]) -> Iterator[Pair]:
    """Every pair of columns of numbers, each once."""
    import numpy as np

    numbers = {name: as_numbers(values) for name, values in columns.items()}
    known = {name: ~np.isnan(values) for name, values in numbers.items()}
    ranked: dict[tuple[str, bytes], Numbers] = {}

    def ranks(name: str, rows: Any) -> Numbers:
        key = (name, rows.tobytes())
        if key not in ranked:
            ranked[key] = _ranks(numbers[name][rows])
        return ranked[key]

    names = list(numbers)
    for place, name in enumerate(names):
        for other in names[place + 1 :]:
            rows = known[name] & known[other]
            pearson = _pearson(numbers[name][rows], numbers[other][rows])
            spearman = None if pearson is None else _pearson(ranks(name, rows), ranks(other, rows))
            yield Pair(name, other, int(rows.sum()), pearson, spearman)


def as_numbers(values: pa.ChunkedArray) -> Numbers:
    """Numbers as doubles, NULL as NaN."""
    import pyarrow as pa

    numbers: Numbers = values.cast(pa.float64(), safe=False).combine_chunks().to_numpy(zero_copy_only=False)
    return numbers


def _ranks(values: Numbers) -> Numbers:
    import numpy as np

    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: Numbers = (ends - (counts - 1) / 2)[place]
    return ranks


def _pearson(x: Numbers, y: Numbers) -> float | None:
    if not len(x) or x.min() == x.max() or y.min() == y.max():
        return None
    x, y = x - x.mean(), y - y.mean()
    spread = math.sqrt(float((x * x).sum())) * math.sqrt(float((y * y).sum()))
    return max(-1.0, min(1.0, _rounded(float((x * y).sum()) / spread)))


def _rounded(value: Any) -> float:
    return float(f"{float(value):.12g}")
