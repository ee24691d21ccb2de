"""The role `cxa_reader`: sees every published table but the columns that a contract calls confidential.

Here: the role and its grants. Not here: the schemas themselves (`schema`). Grants of users to other roles are never
touched.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.ddl import identifier, identifiers, table_name
from cxa_pipeline.warehouse import ledger

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

READER = "cxa_reader"


def ensure_reader(connection: psycopg.Connection[Any]) -> bool:
    """Have the role; False, with a warning that says what to do, if the user may not create it."""
    import psycopg

    if has_reader(connection):
        return True
    try:
        with connection.transaction():
            connection.execute(f"create role {READER} nologin".encode())
            connection.execute(f"comment on role {READER} is 'Reads what cxa publishes, but no personal data'".encode())
    except psycopg.errors.InsufficientPrivilege:
        log.warning(
            "this user of PostgreSQL may not create roles, so nothing is granted to %s; let an administrator run:"
            " create role %s nologin",
            READER,
            READER,
        )
        return False
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        return True  # another database of this server made it in the same moment
    return True


def has_reader(connection: psycopg.Connection[Any]) -> bool:
    """Whether the role exists."""
    return connection.execute("select 1 from pg_roles where rolname = %s", [READER]).fetchone() is not None


def open_schemas(connection: psycopg.Connection[Any], schemas: Iterable[str]) -> None:
    """Let the role into schemas, and have it read at once whatever table is made there later."""
    if not has_reader(connection):
        return
    rows = connection.execute(
        "select nspname from pg_namespace where nspname = any(%s) and not exists (select from pg_default_acl"
        " where defaclnamespace = pg_namespace.oid and defaclobjtype = 'r'"
        " and defaclrole = (select oid from pg_roles where rolname = current_user)"
        " and exists (select from aclexplode(defaclacl) a where a.grantee = %s::regrole))",
        [list(schemas), READER],
    ).fetchall()
    for (schema,) in rows:
        name = identifier(schema)
        connection.execute(f"grant usage on schema {name} to {READER}".encode())
        connection.execute(f"alter default privileges in schema {name} grant select on tables to {READER}".encode())
        if schema == "ops" and ledger.exists(connection):
            tables = ", ".join((ledger.PARTS, ledger.TABLES, ledger.PUBLICATIONS))
            connection.execute(f"grant select on {tables} to {READER}".encode())


def grant_reading(connection: psycopg.Connection[Any], contracts: Iterable[Contract]) -> list[str]:
    """Give the role what it lacks and take what it must not see, of tables and views that exist; names the changed."""
    if not has_reader(connection):
        return []
    wanted = {contract.key: contract for contract in contracts}
    changed = []
    for table, readable in _readable(connection, list(wanted)).items():
        contract = wanted[table]
        visible = [c for c in contract.column_names if c not in contract.confidential]
        if {column for column, may in readable.items() if may} != (
            set(visible) if contract.confidential else set(readable)
        ):
            _grant(connection, contract, [c for c in visible if c in readable])
            changed.append(table)
    return changed


def _grant(connection: psycopg.Connection[Any], contract: Contract, visible: list[str]) -> None:
    name = table_name(contract).sql
    connection.execute(f"revoke select on {name} from {READER}".encode())
    if contract.confidential and visible:
        connection.execute(f"grant select ({identifiers(visible)}) on {name} to {READER}".encode())
    elif not contract.confidential:
        connection.execute(f"grant select on {name} to {READER}".encode())


def _readable(connection: psycopg.Connection[Any], tables: list[str]) -> Mapping[str, dict[str, bool]]:
    """Table → column → whether the role may read it."""
    rows = connection.execute(
        "select n.nspname || '.' || c.relname, a.attname, has_column_privilege(%s, c.oid, a.attnum, 'select')"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " where c.relkind in ('r', 'p', 'v') and n.nspname || '.' || c.relname = any(%s)",
        [READER, tables],
    ).fetchall()
    found: dict[str, dict[str, bool]] = {}
    for table, column, may in rows:
        found.setdefault(table, {})[column] = may
    return found
