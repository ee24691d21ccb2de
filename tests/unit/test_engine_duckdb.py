"""The embedded engine: what it reads, casts, refuses, hashes, and that it spills instead of failing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxa_pipeline.engine.duckdb import DuckDBEngine
from cxa_pipeline.engine.protocol import OutputColumn, Relation
from cxa_pipeline.errors import EngineError

COLUMNS = (
    OutputColumn("id", "bigint"),
    OutputColumn("name", "text"),
    OutputColumn("price", "numeric(18,4)"),
    OutputColumn("score", "double precision"),
    OutputColumn("sold_at", "timestamptz"),
    OutputColumn("day", "date"),
    OutputColumn("is_new", "boolean"),
)
ARROW = pa.schema(
    [
        ("id", pa.int64()),
        ("name", pa.string()),
        ("price", pa.decimal128(18, 4)),
        ("score", pa.float64()),
        ("sold_at", pa.timestamp("us", "UTC")),
        ("day", pa.date32()),
        ("is_new", pa.bool_()),
    ]
)
_ROWS = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.none() | st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=5),
        st.none() | st.decimals(-(10**13), 10**13, places=4),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.none() | st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC)),
        st.none() | st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)),
        st.none() | st.booleans(),
    ),
    max_size=12,
)

ENGINE = DuckDBEngine(memory="500MB", threads=2)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(memory="200MB", threads=2, temp_directory=tmp_path / "spill")
    yield engine
    engine.close()


def table(rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(ARROW)
    return pa.table([pa.array(values, field.type) for values, field in zip(columns, ARROW, strict=True)], schema=ARROW)


def stored(path: Path, **columns: pa.Array) -> Relation:
    pq.write_table(pa.table(columns), path)
    return Relation((path,))


def values(engine: DuckDBEngine, path: Path, columns: tuple[OutputColumn, ...]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = engine.reader(Relation((path,)), columns).read_all().to_pylist()
    return rows


@settings(deadline=None)  # the first query of a process takes long
@given(_ROWS, st.randoms(use_true_random=False))
def test_the_content_hash_ignores_the_order_of_rows(rows: list[tuple[Any, ...]], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    assert ENGINE.content_hash(table(rows), COLUMNS) == ENGINE.content_hash(table(shuffled), COLUMNS)


@settings(deadline=None)  # the first query of a process takes long
@given(_ROWS.filter(bool), st.integers(0, 6), st.integers(0, 11))
def test_the_content_hash_sees_a_changed_cell_and_a_repeated_row(
    rows: list[tuple[Any, ...]], column: int, number: int
) -> None:
    number %= len(rows)
    before = ENGINE.content_hash(table(rows), COLUMNS)
    assert before[0] == len(rows)
    assert ENGINE.content_hash(table([*rows, rows[number]]), COLUMNS) != before
    row = list(rows[number])
    row[column] = None if row[column] is not None else table([rows[number]]).schema.types[column] and _ANY[column]
    assert ENGINE.content_hash(table([*rows[:number], tuple(row), *rows[number + 1 :]]), COLUMNS) != before


_ANY = (0, "", Decimal("0.0000"), 0.0, dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.date(2000, 1, 1), False)


def test_the_content_hash_is_one_for_both_zeros_and_for_decimals_as_text() -> None:
    column = (OutputColumn("x", "double precision"),)
    zeros = [ENGINE.content_hash(pa.table({"x": [zero]}), column) for zero in (0.0, -0.0)]
    assert zeros[0] == zeros[1]
    money = (OutputColumn("x", "numeric(18,4)"),)
    assert ENGINE.content_hash(pa.table({"x": ["1.50"]}), money) == ENGINE.content_hash(
        pa.table({"x": pa.array([Decimal("1.5000")], pa.decimal128(18, 4))}), money
    )


def test_run_writes_one_parquet_file_whose_hash_is_that_of_its_rows_read_as_arrow(
    engine: DuckDBEngine, tmp_path: Path
) -> None:
    rows = [(n, f"n{n % 3}", Decimal(n) / 4, n / 7, None, dt.date(2024, 1, 1), n % 2 == 0) for n in range(100)]
    pq.write_table(table(rows), tmp_path / "in.parquet")
    sql = "select t.id, t.name, t.price, t.score, t.sold_at, t.day, t.is_new from core.t as t"
    target = tmp_path / "out.parquet"
    result = engine.run(sql, {"core.t": Relation((tmp_path / "in.parquet",))}, COLUMNS, target)
    assert result.rows == 100 and result.seconds > 0
    assert pq.ParquetFile(target).metadata.row_group(0).column(0).compression == "ZSTD"
    reader = engine.reader(Relation((target,)), COLUMNS, order_by=("id",))
    assert reader.schema == ARROW
    read = reader.read_all()
    assert read.column("id").to_pylist() == list(range(100))
    assert engine.content_hash(read, COLUMNS) == (100, result.content_hash)


def test_equal_rows_hash_equally_on_one_thread_and_on_four(tmp_path: Path) -> None:
    relation = stored(
        tmp_path / "in.parquet",
        k=pa.array([n % 997 for n in range(300_000)], pa.int32()),
        x=pa.array([n % 8191 / 7 for n in range(300_000)], pa.float64()),
        m=pa.array([Decimal(n % 8191) / 4 for n in range(300_000)], pa.decimal128(18, 4)),
    )
    columns = (
        OutputColumn("k", "integer"),
        OutputColumn("total", "numeric(18,4)"),
        OutputColumn("mean", "numeric(18,4)"),
    )
    columns += (OutputColumn("x", "double precision"), OutputColumn("spread", "double precision"))
    sql = """
    select t.k, sum(t.m) as total, avg(t.m) as mean, sum(t.x order by t.x) as x, stddev_samp(t.m) as spread
    from core.t as t group by t.k
    """
    hashes = set()
    for threads in (1, 4):
        engine = DuckDBEngine(memory="500MB", threads=threads)
        hashes.add(engine.run(sql, {"core.t": relation}, columns, tmp_path / f"{threads}.parquet").content_hash)
        engine.close()
    assert len(hashes) == 1


def test_output_columns_are_cast_to_the_contract_in_its_order(engine: DuckDBEngine, tmp_path: Path) -> None:
    columns = (OutputColumn("b", "smallint"), OutputColumn("a", "numeric(18,4)"), OutputColumn("c", "double precision"))
    sql = "select 2::bigint as b, 1::numeric / 3 as c, 2.00005 as a union all select 3, 2.0 / 3, -2.00005"
    engine.run(sql, {}, columns, tmp_path / "x.parquet")
    reader = engine.reader(Relation((tmp_path / "x.parquet",)), columns, ("b",))
    assert reader.schema.types == [pa.int16(), pa.decimal128(18, 4), pa.float64()]
    assert reader.read_all().to_pylist() == [
        {"b": 2, "a": Decimal("2.0001"), "c": 0.333333333333},
        {"b": 3, "a": Decimal("-2.0001"), "c": 0.666666666667},
    ]


@pytest.mark.parametrize(
    ("type_", "value", "what"),
    [
        ("smallint", "70000", "does not fit the type of column x"),
        ("numeric(6,2)", "12345.678", "does not fit the type of column x"),
        ("numeric(6,2)", "t.n / 0.000001", "does not fit the type of column x"),
        ("double precision", "exp(t.n * 1000::double precision)", "column x: a value is infinite or not a number"),
        ("double precision", "'NaN'::double precision * t.n", "column x: a value is infinite or not a number"),
        ("numeric(18,4)", "'Infinity'::double precision * t.n", "column x: a value is infinite or not a number"),
        ("numeric(18,4)", "t.n / (t.n - t.n)", "A division by zero"),
        ("integer", "t.n::int / (t.n::int - 1)", "A division by zero"),
        ("numeric", "1", "is no type for a column"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error_that_names_the_column(
    type_: str, value: str, what: str, engine: DuckDBEngine, tmp_path: Path
) -> None:
    relation = stored(tmp_path / "in.parquet", n=pa.array([Decimal("1.00")], pa.decimal128(18, 2)))
    sql = f"select 'a' as id, {value} as x from core.t as t"
    columns = (OutputColumn("id", "text"), OutputColumn("x", type_))
    with pytest.raises(EngineError) as caught:
        engine.run(sql, {"core.t": relation}, columns, tmp_path / "out.parquet")
    assert what in caught.value.what
    assert caught.value.where in ("column x", "x")
    assert caught.value.advice


def test_columns_that_differ_from_the_contract_are_named(engine: DuckDBEngine, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        engine.run(
            "select 1 as a, 2 as b", {}, [OutputColumn("a", "integer"), OutputColumn("c", "integer")], tmp_path / "x"
        )
    assert caught.value.evidence == ("missing in the SQL: c", "not in the contract: b")


def test_a_relation_can_be_limited_to_files_and_rows_left_out(engine: DuckDBEngine, tmp_path: Path) -> None:
    lines = {"file_id": pa.array(["a", "a", "b", "c"]), "line": pa.array([1, 2, 1, 1], pa.int64())}
    stored(tmp_path / "odd [1]*.parquet", **lines)
    stored(tmp_path / "gone.parquet", file_id=pa.array(["a"]), line=pa.array([2], pa.int64()))
    relation = Relation((tmp_path / "odd [1]*.parquet",), files=("a", "b"), without=(tmp_path / "gone.parquet",))
    sql = "select t.file_id, t.line from landed.t as t order by t.file_id, t.line"
    assert engine.fetch(sql, {"landed.t": relation}).to_pylist() == [
        {"file_id": "a", "line": 1},
        {"file_id": "b", "line": 1},
    ]
    nothing = Relation((tmp_path / "odd [1]*.parquet",), files=())
    assert engine.fetch(sql, {"landed.t": nothing}).num_rows == 0


def test_a_sample_is_the_same_every_time_and_smaller_ones_are_parts_of_it(engine: DuckDBEngine, tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [f"k{n}" for n in range(4000)]}), tmp_path / "in.parquet")

    def sample(one_in: int) -> set[str]:
        relation = Relation((tmp_path / "in.parquet",), sampled_by=("id",), one_in=one_in)
        return set(engine.fetch("select t.id from core.t as t", {"core.t": relation}).column("id").to_pylist())

    assert len(sample(1)) == 4000
    assert 850 < len(sample(4)) < 1150
    assert sample(16) < sample(8) < sample(4) == sample(4)


def test_a_relation_without_files_is_empty_and_typed(engine: DuckDBEngine, tmp_path: Path) -> None:
    result = engine.run(
        "select t.* from core.t as t", {"core.t": Relation((), columns=COLUMNS)}, COLUMNS, tmp_path / "x.parquet"
    )
    assert (result.rows, result.content_hash) == ENGINE.content_hash(table([]), COLUMNS)
    with pytest.raises(EngineError, match="needs its columns"):
        engine.fetch("select 1 as x from core.t", {"core.t": Relation(())})


def test_relations_of_one_query_are_gone_in_the_next(engine: DuckDBEngine, tmp_path: Path) -> None:
    relation = stored(tmp_path / "in.parquet", n=pa.array([1]))
    engine.fetch("select t.n from core.t as t", {"core.t": relation})
    with pytest.raises(EngineError):
        engine.fetch("select t.n from core.t as t", {})


def test_a_reader_stays_open_while_the_engine_runs_other_queries(engine: DuckDBEngine, tmp_path: Path) -> None:
    relation = stored(tmp_path / "in.parquet", id=pa.array(range(300_000), pa.int64()))
    reader = engine.reader(relation, (OutputColumn("id", "bigint"),))
    first = reader.read_next_batch().num_rows
    assert engine.fetch("select 1 as x", {}).num_rows == 1
    assert first + sum(batch.num_rows for batch in reader) == 300_000


def test_what_does_not_fit_in_memory_spills_to_the_given_folder(tmp_path: Path) -> None:
    engine = DuckDBEngine(memory="60MB", threads=2, temp_directory=tmp_path / "spill")
    engine.connection.execute(
        f"COPY (SELECT i AS id, md5(i::varchar) AS name FROM range(1500000) AS r(i)) TO '{tmp_path / 'in.parquet'}'"
    ).fetchall()
    columns = (OutputColumn("id", "bigint"), OutputColumn("name", "text"), OutputColumn("place", "bigint"))
    sql = "select t.id, t.name, row_number() over (order by t.name, t.id) as place from core.t as t"
    result = engine.run(sql, {"core.t": Relation((tmp_path / "in.parquet",))}, columns, tmp_path / "out.parquet")
    assert result.rows == 1_500_000
    assert (tmp_path / "spill").exists()
    engine.close()


def test_the_engine_has_no_network_and_no_extensions_beyond_its_own(engine: DuckDBEngine) -> None:
    for setting in ("autoinstall_known_extensions", "autoload_known_extensions"):
        assert engine.connection.execute(f"SELECT current_setting('{setting}')").fetchall() == [(False,)]
    assert engine.connection.execute("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]
    assert engine.version.startswith("duckdb-")
