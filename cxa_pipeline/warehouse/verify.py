"""Read published tables back and hash them, to compare PostgreSQL with what its release says.

Here: one snapshot, its ledger, and hashes of its rows. Not here: what to do about a difference (`pipeline`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.ddl import identifier, identifiers, literal, table_name
from cxa_pipeline.engine.protocol import Engine, OutputColumn
from cxa_pipeline.warehouse.connection import arrow_session


@dataclass(frozen=True)
class Deviation:
    """A table, or a month of one, that does not hold what the ledger says; None stands for an absent version."""

    table: str
    month: date | None
    expected: str | None
    found: str | None


class Snapshot:
    """One moment of the database, read through Arrow.

    Args:
        session: An ADBC session in a REPEATABLE READ transaction.
        engine: What hashes.
    """

    def __init__(self, session: Any, engine: Engine) -> None:
        self._session = session
        self._engine = engine

    def fetch(self, query: str) -> list[dict[str, Any]]:
        """Rows of a small query; numeric comes as text."""
        with self._session.cursor() as cursor:
            cursor.execute(query)
            rows: list[dict[str, Any]] = cursor.fetch_arrow_table().to_pylist()
        return rows

    def content_hash(self, contract: Contract, month: date | None = None) -> tuple[int, str]:
        """Rows and content hash of a table or of one month, equal to those of the version it was published from."""
        columns = [OutputColumn(column.name, column.type) for column in contract.columns]
        chosen = ""
        if contract.month and month:
            chosen = f" where {identifier(contract.month)} = date {literal(month.isoformat())}"
        query = f"select {identifiers(contract.column_names)} from {table_name(contract).sql}{chosen}"
        with self._session.cursor() as cursor:
            cursor.execute(query)
            return self._engine.content_hash(cursor.fetch_record_batch(), columns)

    def parts(self) -> Mapping[str, Mapping[date | None, str]]:
        """Table → month → content hash, as the ledger says in this very moment."""
        found: dict[str, dict[date | None, str]] = {}
        for row in self.fetch("select table_name, month, content_hash from ops.published_parts"):
            found.setdefault(row["table_name"], {})[row["month"]] = row["content_hash"]
        return found


@contextmanager
def snapshot(url: str, engine: Engine) -> Iterator[Snapshot]:
    """Hold one moment of the database for reading."""
    with arrow_session(url) as session:
        with session.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read, read only")
            cursor.execute("set local timezone = 'UTC'")
        yield Snapshot(session, engine)
        session.rollback()


def verify(url: str, engine: Engine, contracts: Iterable[Contract]) -> list[Deviation]:
    """Every table, and month of one, whose rows are not those that the ledger names; records are left out."""
    deviations = []
    with snapshot(url, engine) as moment:
        said = moment.parts()
        for contract in contracts:
            if contract.kind in ("view", "record"):
                continue
            parts = said.get(contract.key, {})
            for month in _months(moment, contract, parts):
                expected = parts.get(month)
                rows, found = moment.content_hash(contract, month)
                if found != expected and (rows or expected):
                    deviations.append(Deviation(contract.key, month, expected, found if rows else None))
    return deviations


def _months(moment: Snapshot, contract: Contract, parts: Mapping[date | None, str]) -> list[date | None]:
    """The months to look at: those that the ledger names and those that have rows."""
    if not contract.month:
        return [None]
    column = identifier(contract.month)
    rows = moment.fetch(f"select distinct {column} as month from {table_name(contract).sql}")
    return sorted({row["month"] for row in rows} | set(parts), key=str)
