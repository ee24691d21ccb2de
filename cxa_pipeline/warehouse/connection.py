"""Sessions with PostgreSQL, whichever server it is.

Here: opening them (psycopg for statements, ADBC for bulk data), waiting out what passes, naming what does not, and the
advisory lock of publications. Not here: the embedded server (`server`), what is said in the sessions.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cxa_pipeline.contracts.ddl import TableName
from cxa_pipeline.errors import WarehouseError
from cxa_pipeline.warehouse.address import libpq_url, redact

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

CONNECT_PATIENCE = 20.0
"""Seconds in which a server may come up or get free sessions."""
LOCK_PATIENCE = 60.0
"""Seconds to wait for another publication, or for the orphan of a killed one."""
OLDEST_SERVER = 15
PUBLICATION_LOCK = 0x637861  # "cxa"
_FULL = ("too many clients", "connection slots")
_PASSING = ("starting up", "not yet accepting", "shutting down", "recovery mode", *_FULL)


def connect(
    url: str, autocommit: bool = False, patience: float = CONNECT_PATIENCE, application: str = "cxa"
) -> psycopg.Connection[Any]:
    """Open a session with UTC as its time zone.

    Args:
        url: The database.
        autocommit: Whether each statement is its own transaction.
        patience: Seconds to wait for a server that is starting, or full.
        application: How the session is named in pg_stat_activity.

    Raises:
        WarehouseError: it cannot be opened; says why.
    """
    import psycopg

    deadline = time.monotonic() + patience
    while True:
        try:
            return psycopg.connect(
                libpq_url(url),
                autocommit=autocommit,
                application_name=application,
                connect_timeout=10,
                options="-c timezone=UTC -c client_min_messages=warning",
            )
        except psycopg.OperationalError as error:
            passing = any(words in str(error) for words in _PASSING)
            if not passing or time.monotonic() > deadline:
                raise unreachable(error, url) from None
            log.info("PostgreSQL is not ready yet: %s", redact(str(error)).strip().splitlines()[-1])
            time.sleep(0.2)


@contextmanager
def arrow_session(url: str) -> Iterator[Any]:
    """Open an ADBC session, for reading and writing Arrow; commit is up to the caller.

    Args:
        url: The database; `connect` waits for a server that is starting, this does not.

    Raises:
        WarehouseError: it cannot be opened; says why.
    """
    import adbc_driver_manager
    from adbc_driver_postgresql import dbapi

    try:
        session = dbapi.connect(libpq_url(url))
    except adbc_driver_manager.Error as error:
        raise unreachable(error, url) from None
    with session:
        yield session


def unreachable(error: Exception, url: str) -> WarehouseError:
    """Why no session could be opened, and what to do about it."""
    lines = [line.strip() for line in redact(str(error)).splitlines() if line.strip()]
    text = " ".join(lines)
    what, advice = "PostgreSQL cannot be reached", "start the server, or correct CXA_POSTGRES_URL"
    if "password authentication failed" in text or "no password supplied" in text:
        what, advice = "PostgreSQL refuses the user or the password", "correct CXA_POSTGRES_URL"
    elif re.search(r'database ".*" does not exist', text):
        what, advice = "The database does not exist", "create it, or correct CXA_POSTGRES_URL; then `cxa run`"
    elif any(words in text for words in _FULL):
        what, advice = "PostgreSQL has no free session", "close other programs, or raise max_connections"
    elif "No space left" in text:
        what, advice = "PostgreSQL has no space left", "free space on its disk, then run again"
    elif "/.s.PGSQL." in text:
        advice = "`cxa db start` starts the embedded server"
    return WarehouseError(what, where=redact(libpq_url(url)), evidence=lines[-3:], advice=advice)


@contextmanager
def explained(doing: str, where: str | None = None) -> Iterator[None]:
    """Turn what PostgreSQL refuses within the block into an error of four parts; lost sessions pass through."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        if is_lost(error):
            raise
        raise refused(error, doing, where) from error


def refused(error: psycopg.Error, doing: str, where: str | None = None) -> WarehouseError:
    """What PostgreSQL refused, and what to do about it."""
    diagnosis = error.diag
    evidence = [diagnosis.message_primary or redact(str(error)).strip()]
    table = f"{diagnosis.schema_name}.{diagnosis.table_name}" if diagnosis.table_name else None
    advice = None
    if error.sqlstate == "53100":
        advice = "free space on the disk of PostgreSQL, then run again"
    elif error.sqlstate == "42501":
        advice = "grant the right to the user of CXA_POSTGRES_URL, or use the owner of the database"
    elif error.sqlstate == "23503":
        evidence.append(f"foreign key {diagnosis.constraint_name} of {table}")
        advice = "drop that foreign key: published tables change with every release, keys that point to them break"
    return WarehouseError(f"PostgreSQL refuses {doing}", where=where or table, evidence=evidence, advice=advice)


def is_lost(error: Exception) -> bool:
    """Whether the error means that the session is gone, so that starting over may help."""
    import psycopg

    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    state = error.sqlstate
    return state is None or state.startswith("08") or state in ("57P01", "57P02", "57P03", "57P05")


def check_server(connection: psycopg.Connection[Any]) -> None:
    """Refuse a server that is too old.

    Raises:
        WarehouseError: it is older than what is tested.
    """
    version = connection.info.server_version // 10000
    if version < OLDEST_SERVER:
        raise WarehouseError(
            f"PostgreSQL {version} is too old", advice=f"use PostgreSQL {OLDEST_SERVER} or newer, or the embedded one"
        )


@contextmanager
def publication_lock(connection: psycopg.Connection[Any], patience: float = LOCK_PATIENCE) -> Iterator[None]:
    """Hold the database's advisory lock: one publication at a time, from whichever home.

    Args:
        connection: A session in autocommit; the lock is its own and ends with it.
        patience: Seconds to wait for another publication to end.

    Raises:
        WarehouseError: another session still holds it; says which.
    """
    deadline = time.monotonic() + patience
    while connection.execute("select pg_try_advisory_lock(%s)", [PUBLICATION_LOCK]).fetchone() != (True,):
        if time.monotonic() > deadline:
            holders = connection.execute(
                f"{_SESSIONS} where l.locktype = 'advisory' and l.objid = %s and l.granted"
                " and l.database = (select oid from pg_database where datname = current_database())",
                [PUBLICATION_LOCK],
            ).fetchall()
            raise WarehouseError(
                "Another publication works on this database",
                evidence=[row[0] for row in holders],
                advice="wait until it is done, then run again",
            )
        time.sleep(0.1)
    try:
        yield
    finally:
        if not connection.broken and not connection.closed:
            connection.execute("select pg_advisory_unlock(%s)", [PUBLICATION_LOCK])


_SESSIONS = """
select distinct format('session %%s of %%s (%%s), %%s since %%s: %%s', a.pid, a.usename,
    coalesce(nullif(a.application_name, ''), 'no name'), a.state, to_char(a.state_change, 'YYYY-MM-DD HH24:MI:SS'),
    left(regexp_replace(a.query, '\\s+', ' ', 'g'), 80))
from pg_locks l join pg_stat_activity a on a.pid = l.pid and a.pid <> pg_backend_pid()
"""


def blockers(connection: psycopg.Connection[Any], tables: list[TableName]) -> list[str]:
    """Sessions that hold a lock on one of the tables, in words: who, with what program, since when, doing what."""
    names = [table.sql for table in tables]
    rows = connection.execute(
        f"{_SESSIONS} where l.locktype = 'relation' and l.granted and l.relation in"
        " (select to_regclass(name) from unnest(%s::text[]) as name)",
        [names],
    ).fetchall()
    return [row[0] for row in rows]
