"""The dialect's corpus: each construct gives equal rows on PostgreSQL and on the engine, or the lint refuses it.

Here: `constructs.yaml`, run on both. Not here: the project's own models (`test_models`), what the lint says in
detail (`tests/unit/test_engine_lint.py`).
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from cxa_pipeline.engine.dialect import lint
from cxa_pipeline.engine.duckdb import DuckDBEngine
from cxa_pipeline.engine.protocol import OutputColumn, Relation
from cxa_pipeline.engine.sql import parse_model
from cxa_pipeline.errors import DialectError, EngineError

CORPUS = yaml.safe_load((Path(__file__).parent / "constructs.yaml").read_text(encoding="utf-8"))

TABLE = "core.lines"
COLUMNS = (
    OutputColumn("id", "integer"),
    OutputColumn("cust", "text"),
    OutputColumn("amt", "numeric(12,2)"),
    OutputColumn("qty", "integer"),
    OutputColumn("ts", "timestamptz"),
    OutputColumn("d", "date"),
    OutputColumn("score", "double precision"),
    OutputColumn("cat", "text"),
    OutputColumn("flag", "boolean"),
    OutputColumn("note", "text"),
)
SCHEMAS = {TABLE: {column.name: column.type for column in COLUMNS}}

# Ties, NULLs, halves, both ends of a month and of a year, the hours when clocks change in Berlin and New York.
ROWS: tuple[tuple[Any, ...], ...] = (
    (1, "a", "10.00", 1, "2024-01-01T00:30:00", "2024-01-01", 1.5, "x", True, "abc-12"),
    (2, "a", "20.50", 2, "2024-01-31T23:59:59", "2024-01-31", 2.5, "y", False, "ABC-7"),
    (3, "a", "20.50", 3, "2024-02-29T12:00:00", "2024-02-29", -0.5, None, None, "x-1-2"),
    (4, "b", "55.55", -4, "2024-03-10T06:59:00", "2024-03-10", 0.1, "x", True, None),
    (5, "b", None, 5, "2024-03-10T07:01:00", "2024-03-10", None, "z", False, "def"),
    (6, "b", "99.99", None, "2024-03-31T00:59:59.5", "2024-03-31", 1e10, "z", True, "abc"),
    (7, "c", "0.01", 7, "2024-03-31T01:00:00", "2024-04-30", 3.5, "", True, "a\nb"),
    (8, "c", "-5.25", 0, "2024-10-27T00:30:00", "2024-10-27", 4.5, "y", False, "  pad\t x  "),
    (9, None, "12.34", 9, "2024-10-27T01:30:00", None, 1e-7, "x", True, "ABC-12-x"),
    (10, "d", "12.35", 10, None, "2024-12-30", 0.3, "x", False, "abc-99"),
    (11, "d", "0.00", 11, "2024-12-31T23:00:00", "2024-12-31", -1.5, None, True, "Äöü-1"),
    (12, "e", "100.00", 12, "2025-01-01T00:00:00", "2025-01-01", 7.25, "w", True, "e"),
    (13, "e", "100.00", 13, "2025-01-05T23:59:59", "2025-01-05", 7.25, "w", False, "abc abcd"),
    (14, "e", "60.00", 14, "2023-02-28T10:00:00", "2023-02-28", 123456.789, "a_b", True, "a%"),
    (15, "f", "20.00", 15, "2023-12-31T12:00:00", "2023-12-31", 0.7, "a", None, "_"),
    (16, "f", "33.33", 16, "2024-06-15T12:00:00", "2024-06-15", 0.2, "b", True, "foo.bar!"),
    (17, "g", "66.67", -17, "2024-06-15T12:00:00", "2024-06-15", 0.30000000000000004, "b", False, "abc-1"),
    (18, "g", "1.00", 18, "2024-07-01T00:00:00", "2024-07-01", 9.99, "c", True, "zz\\_"),
    (19, "x", "1234567.89", 19, "2021-01-03T15:00:00", "2021-01-03", 5.5, "x", True, "last"),
    (20, "x", "0.05", 20, "2020-02-29T15:00:00", "2020-02-29", 6.5, "y", False, None),
)

_PUBLISHED = {
    16: "boolean",
    20: "bigint",
    21: "smallint",
    23: "integer",
    25: "text",
    701: "double precision",
    1082: "date",
    1114: "timestamp",
    1184: "timestamptz",
    1700: "numeric(38,4)",
}
"""PostgreSQL's type numbers, and the type that a contract would give."""

Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def session(postgres_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_url, autocommit=True) as session:
        session.execute("set timezone = 'UTC'")
        session.execute("set lc_messages = 'C'")
        session.execute("create schema if not exists core")
        session.execute("drop table if exists core.lines cascade")
        session.execute(f"create table core.lines ({', '.join(f'{c.name} {c.type}' for c in COLUMNS)})")
        moments = [(*row[:4], row[4] and row[4] + "+00", *row[5:]) for row in ROWS]
        with session.cursor() as cursor:
            cursor.executemany(f"insert into core.lines values ({', '.join(['%s'] * len(COLUMNS))})", moments)
        yield session
        session.execute("drop table core.lines")


@pytest.fixture(scope="module")
def relations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Relation]:
    path = tmp_path_factory.mktemp("lines") / "lines.parquet"
    columns = list(zip(*ROWS, strict=True))
    moments = [at and dt.datetime.fromisoformat(at).replace(tzinfo=dt.UTC) for at in columns[4]]
    arrays = {
        "id": pa.array(columns[0], pa.int32()),
        "cust": pa.array(columns[1], pa.string()),
        "amt": pa.array([amount and Decimal(amount) for amount in columns[2]], pa.decimal128(12, 2)),
        "qty": pa.array(columns[3], pa.int32()),
        "ts": pa.array(moments, pa.timestamp("us", "UTC")),
        "d": pa.array([day and dt.date.fromisoformat(day) for day in columns[5]], pa.date32()),
        "score": pa.array(columns[6], pa.float64()),
        "cat": pa.array(columns[7], pa.string()),
        "flag": pa.array(columns[8], pa.bool_()),
        "note": pa.array(columns[9], pa.string()),
    }
    pq.write_table(pa.table(arrays), path)
    return {TABLE: Relation((path,))}


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    engine = DuckDBEngine(memory="500MB", threads=2)
    yield engine
    engine.close()


@pytest.mark.parametrize("name", CORPUS["equal"])
def test_a_construct_gives_equal_rows_on_postgresql_and_duckdb(
    name: str, session: psycopg.Connection, engine: DuckDBEngine, relations: dict[str, Relation]
) -> None:
    sql = CORPUS["equal"][name]
    assert lint(parse_model(sql, name), SCHEMAS) == []
    expected = session.execute(sql).fetchall()
    found = engine.fetch(sql, relations)
    assert sorted(map(_shown, _rows(found))) == sorted(map(_shown, expected))


@pytest.mark.parametrize("name", CORPUS["equal"])
def test_a_construct_publishes_equal_values_and_an_equal_content_hash(
    name: str,
    session: psycopg.Connection,
    engine: DuckDBEngine,
    relations: dict[str, Relation],
    tmp_path: Path,
) -> None:
    sql = CORPUS["equal"][name]
    described = session.execute(f"select * from ({sql}) as q limit 0").description or []
    columns = [OutputColumn(c.name, _PUBLISHED[c.type_code]) for c in described if c.type_code in _PUBLISHED]
    if not columns or len(columns) < len(described) or len({c.name for c in columns}) < len(columns):
        return  # intervals, lists and rows are no columns of a table
    casts = ", ".join(f'cast("{column.name}" as {column.type})' for column in columns)
    expected = [_published(row) for row in session.execute(f"select {casts} from ({sql}) as q").fetchall()]
    result = engine.run(sql, relations, columns, tmp_path / "result.parquet")
    written = engine.reader(Relation((tmp_path / "result.parquet",)), columns)
    schema = written.schema
    assert sorted(map(_exactly, _rows(written.read_all()))) == sorted(map(_exactly, expected))
    read_back = pa.table([pa.array(values, kind) for values, kind in _columns(expected, schema)], schema=schema)
    assert engine.content_hash(read_back, columns) == (result.rows, result.content_hash)


@pytest.mark.parametrize("name", CORPUS["failing"])
def test_a_construct_fails_on_both_instead_of_giving_a_wrong_value(
    name: str, session: psycopg.Connection, engine: DuckDBEngine, relations: dict[str, Relation], tmp_path: Path
) -> None:
    sql = CORPUS["failing"][name]
    with pytest.raises(psycopg.errors.DataError):
        session.execute(sql)
    column = OutputColumn("x", "double precision")
    with pytest.raises(EngineError):
        engine.run(sql, relations, [column], tmp_path / "result.parquet")


@pytest.mark.parametrize("name", CORPUS["refused"])
def test_the_lint_refuses_a_construct_and_says_why_and_what_to_write(name: str) -> None:
    case = CORPUS["refused"][name]
    try:
        findings = lint(parse_model(case["sql"], name), SCHEMAS)
    except DialectError as error:
        assert case["because"] in str(error)
        return
    assert any(case["because"] in finding.what for finding in findings), findings
    assert all(finding.advice and finding.where.startswith(name) for finding in findings)


def _rows(table: pa.Table) -> list[Row]:
    return (
        [tuple(row.values()) for row in table.to_pylist()] if _unique(table) else list(zip(*_lists(table), strict=True))
    )


def _unique(table: pa.Table) -> bool:
    return len(set(table.column_names)) == table.num_columns


def _lists(table: pa.Table) -> list[list[Any]]:
    return [column.to_pylist() for column in table.columns]


def _columns(rows: list[Row], schema: pa.Schema) -> list[tuple[list[Any], pa.DataType]]:
    return [([row[number] for row in rows], field.type) for number, field in enumerate(schema)]


def _published(row: Row) -> Row:
    return tuple(float(f"{value:.12g}") if isinstance(value, float) else value for value in row)


def _exactly(row: Row) -> str:
    return repr(
        [value.astimezone(dt.UTC) if isinstance(value, dt.datetime) and value.tzinfo else value for value in row]
    )


def _shown(row: Row) -> str:
    return repr([_plain(value) for value in row])


def _plain(value: Any) -> Any:
    """A value in one form, whichever driver gave it: numbers to 12 digits, moments in UTC."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float, Decimal)):
        return f"{float(value):.12g}" if not math.isnan(float(value)) else "nan"
    if isinstance(value, dt.datetime) and value.tzinfo:
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
