"""Views: those whose text changed are replaced, with what reads them, inside the release.

Here: our views, and dependents of what has to be dropped. Not here: tables (`schema`, `rebuild`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.ddl import TableName, create_view, table_name
from cxa_pipeline.errors import WarehouseError
from cxa_pipeline.warehouse import ledger
from cxa_pipeline.warehouse.catalog import read_dependents, read_grants
from cxa_pipeline.warehouse.connection import refused
from cxa_pipeline.warehouse.schema import describe

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class View:
    """A view as its file has it.

    `fingerprint` changes when the query does, not with comments and format.
    """

    contract: Contract
    sql: str
    fingerprint: str


def changed_views(connection: psycopg.Connection[Any], views: Iterable[View]) -> list[View]:
    """The views that PostgreSQL lacks or has with another text."""
    known = ledger.read_definitions(connection)
    return [v for v in views if v.contract.key not in known or known[v.contract.key].text_hash != v.fingerprint]


def replace_views(connection: psycopg.Connection[Any], views: Sequence[View], grants: list[str]) -> list[str]:
    """Replace the views whose text changed or that are gone, within the caller's transaction; names them.

    Args:
        connection: The release's session.
        views: All views of the release, each after those that it reads.
        grants: Is given the grants of views that had to be dropped, to be restored at the end.
    """
    replaced: list[str] = []
    # Replacing one may drop others, which then are missing: so until nothing is left to do.
    while changed := changed_views(connection, views):
        for view in changed:
            _replace(connection, view, grants)
            replaced.append(view.contract.key)
    return list(dict.fromkeys(replaced))


def _replace(connection: psycopg.Connection[Any], view: View, grants: list[str]) -> None:
    import psycopg

    statement = create_view(view.contract, view.sql).encode()
    name = table_name(view.contract)
    try:
        try:
            with connection.transaction():
                connection.execute(statement)
        except psycopg.errors.InvalidTableDefinition:  # its columns are others: it has to be dropped
            drop_dependents(connection, name, grants)
            _drop(connection, name, grants)
            connection.execute(statement)
    except psycopg.errors.ProgrammingError as error:
        raise refused(error, f"the view {view.contract.key}", str(view.contract.sql_path)) from error
    describe(connection, view.contract, view.fingerprint)


def drop_dependents(connection: psycopg.Connection[Any], name: TableName, grants: list[str]) -> None:
    """Drop our views that read a table or view, and note the grants that they had.

    Raises:
        WarehouseError: views of users read it too; names them all.
    """
    dependents = read_dependents(connection, name)
    known = ledger.read_definitions(connection)
    strange = [f"{'materialized ' if kind == 'm' else ''}view {v.key}" for v, kind in dependents if v.key not in known]
    if strange:
        raise WarehouseError(
            f"{name.key} has to be made anew or dropped, and views of yours read it",
            where="PostgreSQL",
            evidence=strange,
            advice="save their text (\\d+ in psql), drop them, run again, then create them again",
        )
    for view, _ in dependents:
        _drop(connection, view, grants)


def _drop(connection: psycopg.Connection[Any], name: TableName, grants: list[str]) -> None:
    grants += read_grants(connection, name)
    connection.execute(f"drop view {name.sql}".encode())
    ledger.forget(connection, name.key)


def restore_grants(connection: psycopg.Connection[Any], grants: Iterable[str]) -> None:
    """Grant again what others had, as far as table, columns and role are still there."""
    import psycopg

    for grant in grants:
        try:
            with connection.transaction():
                connection.execute(grant.encode())
        except psycopg.errors.ProgrammingError as error:
            log.warning("a grant could not be kept: %s (%s)", grant, error.diag.message_primary)
