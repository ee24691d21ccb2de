"""What `ops` tells of the columns of core: true of the released rows, silent about people, made when rows are new."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cxa_pipeline.lake import Lake
from cxa_pipeline.pipeline import profile
from cxa_pipeline.pipeline.profile import Profiles, profiled
from cxa_pipeline.pipeline.release import latest_release
from tests.support.shops import LAST_DAY, Shop

NEXT_DAY = LAST_DAY + timedelta(days=1)
MARCH = date(2024, 3, 1)
Ask = Callable[[str], list[tuple[Any, ...]]]
NUMBERS = ("smallint", "integer", "bigint", "numeric", "double")


@pytest.fixture(scope="module")
def ask(first_shop: Shop) -> Iterator[Ask]:
    """Rows of a query on the first shop, all in one session."""
    with psycopg.connect(first_shop.url, autocommit=True) as session:
        yield lambda query: session.execute(query.encode()).fetchall()


def numbers(values: list[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def test_a_profile_says_what_the_released_rows_say(ask: Ask):
    rows = ask(
        "select table_name, column_name, column_type, row_count, null_count, null_share, profiled_rows, distinct_count,"
        " minimum, maximum, mean, standard_deviation, p05, p25, median, p75, p95"
        " from ops.column_profile where not is_confidential"
    )
    tables = {table for table, *_ in rows}
    assert {"core.customers", "core.products", "core.sales", "core.orders"} <= tables
    assert "core.interactions" not in tables, "it stays in the lake"
    for table, column, kind, count, nulls, share, looked, distinct, least, most, *figures in rows:
        expected = ask(f"select count(*), count(*) - count({column}), count(distinct {column}) from {table}")
        assert [(count, nulls, distinct)] == expected, f"{table}.{column}"
        assert looked == count and share == (round(nulls / count, 6) if count else None)
        if kind.startswith(NUMBERS):
            ((low, high, *truth),) = ask(
                f"select min({column}), max({column}), avg({column})::double precision,"
                f" stddev_samp({column})::double precision, percentile_cont(0.05) within group (order by {column}),"
                f" percentile_cont(0.25) within group (order by {column}),"
                f" percentile_cont(0.5) within group (order by {column}),"
                f" percentile_cont(0.75) within group (order by {column}),"
                f" percentile_cont(0.95) within group (order by {column}) from {table}"
            )
            assert numbers(figures) == pytest.approx(numbers(truth), rel=1e-9, nan_ok=True), f"{table}.{column}"
            assert (least and float(least)) == (None if low is None else float(low))
            assert (most and float(most)) == (None if high is None else float(high))


def test_the_commonest_values_are_those_of_the_released_rows(ask: Ask):
    told = ask(
        "select table_name, column_name, array_agg(column_value order by value_rank),"
        " array_agg(value_count order by value_rank), max(rows_with_value), sum(value_share)"
        " from ops.column_top_values group by 1, 2"
    )
    assert {("core.customers", "gender"), ("core.sales", "status")} <= {(table, column) for table, column, *_ in told}
    for table, column, values, counts, present, shares in told:
        truth = ask(
            f"select count(*) from {table} where {column} is not null group by {column} order by 1 desc limit 10"
        )
        assert counts == [n for (n,) in truth], f"{table}.{column}"
        assert len(set(values)) == len(values) <= 10 and 0 < shares <= 1.00001
        assert [(present,)] == ask(f"select count({column}) from {table}")


def test_correlations_are_those_of_the_released_rows(ask: Ask):
    pairs = ask("select table_name, column_name, other_column_name, row_count, pearson from ops.column_correlations")
    assert len(pairs) > 20
    for table, column, other, count, pearson in pairs:
        ((known, truth),) = ask(f"select regr_count({column}, {other}), corr({column}, {other}) from {table}")
        assert count == known and pearson == pytest.approx(truth, abs=1e-9), f"{table}: {column}, {other}"


def test_of_confidential_columns_only_counts_are_told(first_shop: Shop, ask: Ask):
    hidden = {(c.key, name) for c in profiled(first_shop.home.project) for name in c.confidential}
    assert ("core.customers", "email") in hidden
    told = ask(
        "select table_name, column_name, row_count > 0, coalesce(minimum, maximum, distinct_count::text, mean::text, p95::text)"
        " from ops.column_profile where is_confidential"
    )
    assert {(table, column) for table, column, *_ in told} == hidden
    assert {tuple(rest) for _, _, *rest in told} == {(True, None)}
    for record in ("column_top_values", "column_correlations"):
        seen = ask(f"select table_name, column_name from ops.{record}")
        assert not hidden & set(seen)


def test_missing_values_are_counted_with_those_that_are_unknown(ask: Ask):
    ((missing, share),) = ask(
        "select missing, missing_share from ops.missing_values"
        " where table_name = 'core.customers' and column_name = 'location'"
    )
    truth = "select count(*) filter (where location is null or location = 'Unknown'), count(*) from core.customers"
    ((expected, rows),) = ask(truth)
    assert missing == expected and share == round(expected / rows, 6)


def test_one_more_day_counts_one_month_anew(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    counted: dict[str, int] = {}
    count = Profiles._count

    def spy(self: Profiles, contract: Any, paths: list[Path]) -> Any:
        counted[contract.key] = len(paths)
        return count(self, contract, paths)

    monkeypatch.setattr(Profiles, "_count", spy)
    shop.drop_days(NEXT_DAY)
    changed = shop.run().computed
    assert counted == {c.key: 1 for c in profiled(shop.home.project) if c.key in changed and c.key in counted}
    assert {"core.sales", "core.interactions", "core.orders"} <= set(counted)
    assert "core.stores" not in counted, "no shop is new"
    kept = list((shop.home.lake_folder / "profiles" / "core").glob("*/*/manifest.json"))
    assert len(kept) == len({path.parents[1] for path in kept}), "one for each table"
    ((rows,),) = shop.rows("select count(*) from core.sales")
    assert shop.rows("select distinct row_count from ops.column_profile where table_name = 'core.sales'") == [(rows,)]


def test_a_large_table_is_looked_at_by_a_sample_that_grows_with_it(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(profile, "LIMIT", 300)
    project, contract = shop.home.project, shop.home.project.catalog["core.sales"]
    versions = latest_release(shop.home.lake).tables["core.sales"].versions
    assert versions is not None and sum(v.rows for v in versions.values()) > 4 * 300
    engine = shop.home.engine()
    growing, fresh = (Profiles(project, Lake(tmp_path / name), engine) for name in ("growing", "fresh"))
    before = {month: version for month, version in versions.items() if month != MARCH}
    earlier = growing.of(contract, before)
    later, anew = growing.of(contract, versions), fresh.of(contract, versions)
    assert 75 < earlier["profiled_rows"] < 450 and 75 < later["profiled_rows"] < 450, "a hash is not exactly fair"
    assert later == anew and later["one_in"] > 1
    assert later["columns"]["net_sales"]["rows"] == sum(v.rows for v in versions.values())
    truth = shop.rows("select min(net_sales), max(net_sales) from core.sales")[0]
    found = later["columns"]["net_sales"]
    assert (float(found["minimum"]), float(found["maximum"])) == tuple(map(float, truth)), "of all rows"
    engine.close()
