"""Load a version of a table into the schema `staging`, under all constraints of its contract.

Here: from Arrow to a logged table with types, NOT NULL, CHECK and key, in one transaction that ends with a completion
mark. Not here: what lies in the schema (`staging`), evidence of broken constraints (`violations`), other checks
(`contracts.expectations`), the release (`publish`).

ADBC's COPY widens nothing, so every batch is cast exactly to the table's types. The key is made after the rows: for a
million rows of eight columns 2.0 s instead of 3.0.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.ddl import TableName, add_key, create_partition, create_table
from cxa_pipeline.contracts.shape import canonical_type
from cxa_pipeline.errors import ContractError, WarehouseError
from cxa_pipeline.warehouse.address import redact
from cxa_pipeline.warehouse.connection import arrow_session, connect
from cxa_pipeline.warehouse.staging import (
    MARKS,
    PREPARE,
    STAGING,
    Part,
    StagedTable,
    mark,
    marked_rows,
    staged_month,
    staged_name,
)
from cxa_pipeline.warehouse.violations import StagedRowsError, find_violations

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

Read = Callable[[], "pa.RecordBatchReader"]
Database = Callable[[], str]
"""Gives the URL of the database, and starts the server where that is ours to do."""
ATTEMPTS = 3


def stage(database: Database, contract: Contract, parts: Sequence[Part], read: Read) -> StagedTable:
    """Have a staging table that holds these versions, loading it unless it is there already.

    Args:
        database: Gives the URL; asked again when the session is lost.
        contract: What the table must satisfy.
        parts: The versions: one for a table, one for each changed month of a monthly one.
        read: Gives the rows of all parts, anew at each call; in the order of the key if that is cheap.

    Raises:
        StagedRowsError: rows break constraints; the staging table then holds them without constraints.
        WarehouseError: PostgreSQL cannot be reached or has no space left, or the rows are not those announced.
    """
    begun = time.monotonic()
    name = staged_name(contract, parts)
    for attempt in range(1, ATTEMPTS + 1):
        url = database()
        with closing(connect(url, autocommit=True)) as connection:
            prepare_staging(connection)
            there = marked_rows(connection, name)
        if there is not None:
            return StagedTable(contract, name, tuple(parts), there, time.monotonic() - begun, reused=True)
        try:
            rows = _load(url, contract, name, parts, read)
        except _SessionLost as error:
            if attempt == ATTEMPTS:
                raise _refused(contract, name, error) from error
            log.warning("%s: the session was lost while staging, starting over", contract.key)
            continue
        log.info("%s: staged %d rows in %.2f s", contract.key, rows, time.monotonic() - begun)
        return StagedTable(contract, name, tuple(parts), rows, time.monotonic() - begun)
    raise AssertionError("unreachable")


def prepare_staging(connection: Any) -> None:
    """Create the schema `staging` if it is missing."""
    if connection.execute("select to_regclass(%s) is not null", [MARKS]).fetchone() != (True,):
        with connection.transaction():
            for statement in ("select pg_advisory_xact_lock(7561064)", *PREPARE):
                connection.execute(statement)


class _SessionLost(WarehouseError):
    """The session ended in the middle of the load."""


def _load(url: str, contract: Contract, name: TableName, parts: Sequence[Part], read: Read) -> int:
    import adbc_driver_manager

    source = _Source(contract, read)
    with arrow_session(url) as session:
        try:
            rows = _fill(session, contract, name, parts, source)
            session.commit()
            return rows
        except adbc_driver_manager.Error as error:
            if source.failure:
                raise source.failure from error
            state = str(error.sqlstate or "")
            if state:
                session.rollback()
            if state.startswith("23"):
                raise _evidence(url, session, contract, name, source) from None
            if not state or state.startswith(("08", "57P")):
                raise _SessionLost(_message(error)) from error
            raise _refused(contract, name, error) from error


def _fill(session: Any, contract: Contract, name: TableName, parts: Sequence[Part], source: _Source) -> int:
    """Create, load, key and mark in one transaction; gives the rows."""
    with session.cursor() as cursor:
        cursor.execute(f"drop table if exists {name.sql}")
        cursor.execute(create_table(contract, name, keyed=False))
        for part in parts if contract.month else ():
            assert part.month is not None
            for statement in create_partition(name, staged_month(name, part.month), part.month):
                cursor.execute(statement)
        _ingest(cursor, name, source)
        if statement := add_key(contract, name):
            cursor.execute(statement)
        cursor.execute(f"select count(*) from {name.sql}")
        rows = int(cursor.fetchone()[0])
        announced = sum(part.rows for part in parts)
        if rows != announced:
            raise WarehouseError(
                f"{contract.key}: {rows} rows came, {announced} were announced",
                where=name.key,
                advice="`cxa run --repair` makes the version anew",
            )
        cursor.execute(mark(name, contract, parts, rows))
    return rows


def _ingest(cursor: Any, name: TableName, source: _Source) -> None:
    with closing(source.open()) as reader:
        cursor.adbc_ingest(name.table, reader, mode="append", db_schema_name=STAGING)


class _Source:
    """The rows, cast exactly; remembers what went wrong in Python, which ADBC reports as an error of the database."""

    def __init__(self, contract: Contract, read: Read) -> None:
        self._contract = contract
        self._read = read
        self.failure: Exception | None = None

    def open(self) -> pa.RecordBatchReader:
        import pyarrow as pa

        reader = exactly(self._read(), self._contract)
        return pa.RecordBatchReader.from_batches(reader.schema, self._watched(reader))

    def _watched(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        try:
            yield from reader
        except Exception as error:
            self.failure = error
            raise
        finally:
            reader.close()


def _evidence(url: str, session: Any, contract: Contract, name: TableName, source: _Source) -> WarehouseError:
    """Load the same rows without constraints, leave them there, and say which constraints they break."""
    with session.cursor() as cursor:
        cursor.execute(f"drop table if exists {name.sql}")
        cursor.execute(create_table(contract, name, enforced=False))
        _ingest(cursor, name, source)
    session.commit()
    with closing(connect(url)) as connection:
        violations = find_violations(connection, contract, name)
    if violations:
        return StagedRowsError(contract, name, violations)
    return WarehouseError(
        f"Rows for {contract.key} lie in months that were not announced", where=f"{name.key}, column {contract.month}"
    )


def exactly(reader: pa.RecordBatchReader, contract: Contract) -> pa.RecordBatchReader:
    """The rows with the columns of the contract, in their order and with the Arrow types that COPY needs.

    Raises:
        ContractError: a column is missing, or a value does not fit its type.
    """
    import pyarrow as pa

    wanted = arrow_schema(contract)
    if reader.schema.equals(wanted):
        return reader
    if missing := [c for c in contract.column_names if c not in reader.schema.names]:
        raise ContractError(
            f"The version of {contract.key} lacks columns of its contract", str(contract.yaml_path), missing
        )

    def cast(batch: pa.RecordBatch) -> pa.RecordBatch:
        try:
            return batch.select(wanted.names).cast(wanted)
        except pa.ArrowInvalid as error:
            raise ContractError(
                f"A value of {contract.key} does not fit its column", str(contract.yaml_path), str(error)
            ) from None

    return pa.RecordBatchReader.from_batches(wanted, (cast(batch) for batch in reader))


def arrow_schema(contract: Contract) -> pa.Schema:
    """The Arrow types from which ADBC fills the columns of the contract."""
    import pyarrow as pa

    return pa.schema([(column.name, arrow_type(column.type)) for column in contract.columns])


def arrow_type(type_: str) -> pa.DataType:
    """The Arrow type that ADBC writes into a column of PostgreSQL's type without loss.

    Raises:
        ContractError: contracts do not use that type.
    """
    import pyarrow as pa

    word = canonical_type(type_)
    if found := re.fullmatch(r"numeric\((\d+)(?:,(\d+))?\)", word):
        precision, scale = int(found[1]), int(found[2] or 0)
        return (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)
    types = {
        "text": pa.string(),
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "double precision": pa.float64(),
        "boolean": pa.bool_(),
        "date": pa.date32(),
        "timestamptz": pa.timestamp("us", "UTC"),
    }
    if word not in types:
        advice = f"use {', '.join(types)} or numeric(precision, scale)"
        raise ContractError(f"Tables have no columns of type {type_}", advice=advice)
    return types[word]


def _message(error: Exception) -> str:
    """What PostgreSQL said, without its details: those quote rows."""
    details = dict(getattr(error, "details", ()) or ())
    primary = details.get("PG_DIAG_MESSAGE_PRIMARY") or str(error).split("\nDETAIL")[0]
    return redact(primary.decode() if isinstance(primary, bytes) else str(primary)).strip()


def _refused(contract: Contract, name: TableName, error: Exception) -> WarehouseError:
    full = getattr(error, "sqlstate", None) == "53100"
    return WarehouseError(
        f"{contract.key} cannot be staged",
        where=name.key,
        evidence=_message(error),
        advice="free space on the disk of PostgreSQL, then run again" if full else "see the log of PostgreSQL",
    )
