"""The rows of one change on their way into the published table.

Here: from a staging table, or from rows given as values, to the difference. Not here: the order of a release
(`publish`), the statements (`difference`).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.ddl import TableName, identifiers, table_name
from cxa_pipeline.errors import WarehouseError
from cxa_pipeline.warehouse.difference import Counts, Target, make_equal
from cxa_pipeline.warehouse.publication import RecordRows, TableChange
from cxa_pipeline.warehouse.staging import StagedTable, staged_month

if TYPE_CHECKING:
    import psycopg


def months(change: TableChange) -> list[date]:
    """The months that a change brings."""
    return [part.month for part in change.staged.parts if part.month] if change.staged else []


def target(contract: Contract, month: date | None = None) -> Target:
    """The published rows of a table, or of one month of it."""
    return Target(table_name(contract), contract.column_names, contract.primary_key, contract.month, month)


def apply_staged(connection: psycopg.Connection[Any], contract: Contract, staged: StagedTable) -> Counts:
    """Make the published rows those of the staging table; other months stay as they are."""
    if not contract.month:
        return make_equal(connection, target(contract), staged.name)
    counts = Counts()
    for part in staged.parts:
        assert part.month is not None
        counts += make_equal(connection, target(contract, part.month), staged_month(staged.name, part.month))
    return counts


def check_rows(connection: psycopg.Connection[Any], staged: StagedTable) -> None:
    """Refuse a staging table that does not hold the rows that its manifests name."""
    for part in staged.parts:
        name = staged_month(staged.name, part.month) if part.month else staged.name
        row = connection.execute(f"select count(*) from {name.sql}".encode()).fetchone()
        if row != (part.rows,):
            raise WarehouseError(
                f"The staging table of {staged.contract.key} holds {row[0] if row else 0} rows, not {part.rows}",
                where=name.key,
                advice="run again: it is staged anew after `cxa run --repair`",
            )


def load_records(connection: psycopg.Connection[Any], record: RecordRows) -> TableName:
    """The rows in a temporary table."""
    contract, source = record.contract, TableName("pg_temp", f"cxa_{record.contract.table}")
    columns = identifiers(contract.column_names)
    connection.execute(
        f"create temporary table cxa_{contract.table} on commit drop as"
        f" select {columns} from {table_name(contract).sql} with no data".encode()
    )
    with connection.cursor() as cursor, cursor.copy(f"copy {source.sql} ({columns}) from stdin".encode()) as copy:
        for row in record.rows:
            copy.write_row([row[column] for column in contract.column_names])
    return source
