"""Load a version of a table into the schema `staging`, under all constraints of its contract.

Here: from Arrow to a logged table with types, NOT NULL, CHECK and key, in one transaction that ends with a completion
mark. Not here: what lies in the schema (`staging`), evidence of broken constraints (`violations`), other checks
(`contracts.expectations`), the release (`publish`).

ADBC's COPY widens nothing, so every batch is cast exactly to the table's types. The key is made after the rows: for a
million rows of eight columns 2.0 s instead of 3.0.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.ddl import TableName, add_key, create_partition, create_table
from cxa_pipeline.errors import WarehouseError
from cxa_pipeline.warehouse.address import redact
from cxa_pipeline.warehouse.arrow import exactly
from cxa_pipeline.warehouse.connection import arrow_session, connect, is_lost
from cxa_pipeline.warehouse.staging import (
    MARKS,
    PREPARE,
    STAGING,
    Part,
    StagedTable,
    analyze,
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
    """Stage one table; see `Stager.stage`."""
    with Stager(database) as stager:
        return stager.stage(contract, parts, read)


class Stager:
    """Stages one table after the other over the same sessions: opening one for ADBC takes 45 ms.

    Args:
        database: Gives the URL; asked again when the session is lost.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sessions: ExitStack | None = None
        self._arrow: Any = None
        self._plain: Any = None
        self._url = ""

    def __enter__(self) -> Stager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the sessions back."""
        sessions, self._sessions = self._sessions, None
        if sessions:
            sessions.close()

    def stage(self, contract: Contract, parts: Sequence[Part], read: Read) -> StagedTable:
        """Have a staging table that holds these versions, loading it unless it is there already.

        Args:
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
            try:
                self._open()
                there = marked_rows(self._plain, name)
                rows = self._load(contract, name, parts, read) if there is None else there
            except Exception as error:
                if not _is_lost(error):
                    raise
                if attempt == ATTEMPTS:
                    raise _refused(contract, name, error) from error
                log.warning("%s: the session was lost while staging, starting over", contract.key)
                self.close()
                continue
            seconds = time.monotonic() - begun
            log.info("%s: %d rows %s in %.2f s", contract.key, rows, "staged" if there is None else "found", seconds)
            return StagedTable(contract, name, tuple(parts), rows, seconds, reused=there is not None)
        raise AssertionError("unreachable")

    def _open(self) -> None:
        if self._sessions:
            return
        with ExitStack() as sessions:
            self._url = self._database()
            self._plain = sessions.enter_context(closing(connect(self._url, autocommit=True)))
            prepare_staging(self._plain)
            self._arrow = sessions.enter_context(arrow_session(self._url))
            self._sessions = sessions.pop_all()

    def _load(self, contract: Contract, name: TableName, parts: Sequence[Part], read: Read) -> int:
        import adbc_driver_manager

        source = _Source(contract, read)
        try:
            rows = _fill(self._arrow, contract, name, parts, source)
            self._arrow.commit()
            analyze(self._plain, contract, name)
            return rows
        except Exception as error:
            if _is_lost(error) and not source.failure:
                raise
            self._arrow.rollback()
            if not isinstance(error, adbc_driver_manager.Error):
                raise
            if source.failure:
                raise source.failure from error
            if str(error.sqlstate or "").startswith("23"):
                raise self._evidence(contract, name, source) from None
            raise _refused(contract, name, error) from error

    def _evidence(self, contract: Contract, name: TableName, source: _Source) -> WarehouseError:
        """Load the same rows without constraints, leave them there, and say which constraints they break."""
        with self._arrow.cursor() as cursor:
            cursor.execute(f"drop table if exists {name.sql}")
            cursor.execute(create_table(contract, name, enforced=False))
            _ingest(cursor, name, source)
        self._arrow.commit()
        violations = find_violations(self._plain, contract, name)
        if violations:
            return StagedRowsError(contract, name, violations)
        where = f"{name.key}, column {contract.month}"
        return WarehouseError(f"Rows for {contract.key} lie in months that were not announced", where=where)


def _is_lost(error: Exception) -> bool:
    """Whether the session is gone, as far as ADBC or psycopg can tell."""
    import adbc_driver_manager

    if isinstance(error, adbc_driver_manager.Error):
        state = str(error.sqlstate or "")
        return not state or state.startswith(("08", "57P"))
    return is_lost(error)


def prepare_staging(connection: Any) -> None:
    """Create the schema `staging` if it is missing."""
    if connection.execute("select to_regclass(%s) is not null", [MARKS]).fetchone() != (True,):
        with connection.transaction():
            for statement in ("select pg_advisory_xact_lock(7561064)", *PREPARE):
                connection.execute(statement)


def _fill(session: Any, contract: Contract, name: TableName, parts: Sequence[Part], source: _Source) -> int:
    """Create, load, key and mark in one transaction; gives the rows."""
    with session.cursor() as cursor:
        cursor.execute(f"drop table if exists {name.sql}")
        cursor.execute(create_table(contract, name, keyed=False))
        for part in parts if contract.month else ():
            assert part.month is not None
            for statement in create_partition(name, staged_month(name, part.month), part.month):
                cursor.execute(statement)
        rows = _ingest(cursor, name, source)
        if key := add_key(contract, name):
            cursor.execute(key)
        announced = sum(part.rows for part in parts)
        if rows != announced:
            raise WarehouseError(
                f"{contract.key}: {rows} rows came, {announced} were announced",
                where=name.key,
                advice="`cxa run --repair` makes the version anew",
            )
        cursor.execute(mark(name, contract, parts, rows))
    return rows


def _ingest(cursor: Any, name: TableName, source: _Source) -> int:
    with closing(source.open()) as reader:
        return int(cursor.adbc_ingest(name.table, reader, mode="append", db_schema_name=STAGING))


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


def _message(error: Exception) -> str:
    """What PostgreSQL said, without its details: those quote rows."""
    for name, value in getattr(error, "details", None) or ():
        if name in ("PG_DIAG_MESSAGE_PRIMARY", b"PG_DIAG_MESSAGE_PRIMARY"):
            return redact(value.decode() if isinstance(value, bytes) else str(value))
    return redact(str(error).split("\nDETAIL")[0].split("\nCONTEXT")[0]).strip()


def _refused(contract: Contract, name: TableName, error: Exception) -> WarehouseError:
    full = getattr(error, "sqlstate", None) == "53100"
    return WarehouseError(
        f"{contract.key} cannot be staged",
        where=name.key,
        evidence=_message(error),
        advice="free space on the disk of PostgreSQL, then run again" if full else "see the log of PostgreSQL",
    )
