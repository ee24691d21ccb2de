"""Figures of columns, against hand-solved cases and pandas."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from cxa_pipeline.pipeline.figures import Common, commonest, correlations, distribution, shown


def column(*values: object, kind: pa.DataType | None = None) -> pa.ChunkedArray:
    half = len(values) // 2
    return pa.chunked_array([pa.array(values[:half], kind), pa.array(values[half:], kind)], kind)


def test_quantiles_are_interpolated_and_the_deviation_is_that_of_a_sample() -> None:
    found = distribution(column(4, None, 1, 3, 2, kind=pa.int64()))
    assert found["mean"] == 2.5 and found["standard_deviation"] == pytest.approx((5 / 3) ** 0.5, rel=1e-11)
    assert (found["p05"], found["p25"], found["median"]) == (1.15, 1.75, 2.5)
    assert (found["p75"], found["p95"]) == (3.25, 3.85)


def test_there_is_no_spread_of_one_value_and_nothing_of_none() -> None:
    one = distribution(column(Decimal("1.50"), kind=pa.decimal128(12, 2)))
    assert one["median"] == 1.5 and one["standard_deviation"] is None
    assert set(distribution(column(None, kind=pa.float64())).values()) == {None}


def test_the_commonest_values_come_first_and_ties_in_the_order_of_the_values() -> None:
    texts = ["b"] * 3 + ["a"] * 3 + ["c"] * 5 + [None]
    assert commonest(column(*texts, kind=pa.string())) == (3, [Common("c", 5), Common("a", 3), Common("b", 3)])
    many = [f"{number:02}" for number in range(30)] * 3
    random.Random(1).shuffle(many)
    different, found = commonest(column(*many, kind=pa.string()))
    assert different == 30 and found == [Common(f"{number:02}", 3) for number in range(10)]


def test_values_that_stand_once_or_twice_are_counted_and_not_shown() -> None:
    assert commonest(column("a", "b", "c", "c", kind=pa.string())) == (3, [])
    assert commonest(column(None, None, kind=pa.string())) == (0, [])


def test_values_are_shown_alike_on_every_machine() -> None:
    assert [shown(v) for v in (Decimal("12.5000"), Decimal("100.0000"), True, 0.1, None)] == [
        *("12.5", "100", "true", "0.1"),
        None,
    ]
    assert shown(datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2024-01-02 03:04:05+00:00"
    assert shown(date(2024, 1, 2)) == "2024-01-02"


def test_ranks_of_ties_are_shared() -> None:
    (pair,) = correlations({"x": column(1, 2, 2, 3, kind=pa.int64()), "y": column(1.0, 3.0, 2.0, 4.0)})
    assert pair.rows == 4
    assert pair.pearson == pytest.approx(3 / (2 * 5) ** 0.5, rel=1e-11)
    assert pair.spearman == pytest.approx(4.5 / (4.5 * 5) ** 0.5, rel=1e-11)


def test_a_constant_has_no_correlation_and_unknown_values_are_left_out_by_pairs() -> None:
    columns = {
        "flat": column(0.1, 0.1, 0.1, 0.1),
        "x": column(1.0, 2.0, None, 4.0),
        "y": column(2.0, 4.0, 100.0, 8.0),
    }
    found = {(p.column, p.other): (p.rows, p.pearson, p.spearman) for p in correlations(columns)}
    assert found == {("flat", "x"): (3, None, None), ("flat", "y"): (4, None, None), ("x", "y"): (3, 1.0, 1.0)}


def test_correlations_are_those_of_pandas() -> None:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"a": rng.normal(size=500), "b": rng.integers(0, 9, 500).astype(float)})
    frame["c"] = frame["a"] ** 3 + rng.normal(size=500)
    frame.loc[rng.random(500) < 0.2, "b"] = np.nan
    found = correlations({name: pa.chunked_array([pa.array(frame[name], from_pandas=True)]) for name in frame})
    for pair in found:
        both = frame[[pair.column, pair.other]].dropna()
        assert pair.rows == len(both)
        assert pair.pearson == pytest.approx(both.corr().iloc[0, 1], rel=1e-10)
        assert pair.spearman == pytest.approx(both.corr(method="spearman").iloc[0, 1], rel=1e-10)
