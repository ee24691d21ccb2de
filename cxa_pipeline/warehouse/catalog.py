"""What PostgreSQL's own catalogue says of published tables: shapes, months, dependents, grants, foreign keys.

Here: questions to `pg_catalog`. Not here: what publications noted (`ledger`), changing anything (`schema`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from cxa_pipeline.contracts.ddl import TableName
from cxa_pipeline.contracts.shape import Shape, canonical_type

if TYPE_CHECKING:
    import psycopg

_SHAPES = """
select n.nspname, c.relname,
    array_agg(array[a.attname::text, format_type(a.atttypid, a.atttypmod)] order by a.attnum),
    coalesce(array_agg(a.attname::text) filter (where a.attnotnull), '{}'),
    coalesce((select array_agg(k.attname::text order by u.place)
        from pg_constraint p cross join unnest(p.conkey) with ordinality as u (number, place)
        join pg_attribute k on k.attrelid = p.conrelid and k.attnum = u.number
        where p.conrelid = c.oid and p.contype = 'p'), '{}'),
    coalesce((select array_agg(p.conname::text) from pg_constraint p
        where p.conrelid = c.oid and p.contype = 'c'), '{}'),
    coalesce((select array_agg(p.conname::text) from pg_constraint p
        where p.conrelid = c.oid and p.contype = 'c' and not p.convalidated), '{}'),
    (select k.attname::text from pg_partitioned_table p join pg_attribute k on k.attrelid = p.partrelid
        where p.partrelid = c.oid and k.attnum = p.partattrs[0])
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relkind in ('r', 'p') and n.nspname || '.' || c.relname = any(%s)
group by n.nspname, c.relname, c.oid
"""


def read_shapes(connection: psycopg.Connection[Any], noted_checks: Mapping[str, Mapping[str, str]]) -> dict[str, Shape]:
    """The shapes of published tables that exist.

    Args:
        connection: A session.
        noted_checks: Table → name of a CHECK → its condition as the contract wrote it; PostgreSQL rewrites them. A
            CHECK that it does not have any more is left out.
    """
    found = {}
    for schema, table, columns, required, key, names, open_names, month in connection.execute(
        _SHAPES, [list(noted_checks)]
    ).fetchall():
        name = f"{schema}.{table}"
        found[name] = Shape(
            columns={column: canonical_type(type_) for column, type_ in columns},
            required=frozenset(required),
            primary_key=tuple(key),
            checks={check: sql for check, sql in noted_checks[name].items() if check in names},
            month=month,
            unvalidated=frozenset(open_names),
        )
    return found


def existing_tables(connection: psycopg.Connection[Any], keys: list[str]) -> dict[str, str]:
    """Those of the tables and views that exist: key → pg_class.relkind."""
    rows = connection.execute(
        "select n.nspname || '.' || c.relname, c.relkind::text from pg_class c join pg_namespace n"
        " on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname || '.' || c.relname = any(%s)",
        [keys],
    ).fetchall()
    return dict(rows)


def read_months(connection: psycopg.Connection[Any], parent: TableName) -> dict[date, TableName]:
    """The months of a monthly table and the partitions that hold them."""
    rows = connection.execute(
        "select n.nspname, c.relname, pg_get_expr(c.relpartbound, c.oid) from pg_inherits i"
        " join pg_class c on c.oid = i.inhrelid join pg_namespace n on n.oid = c.relnamespace"
        " where i.inhparent = to_regclass(%s)",
        [parent.sql],
    ).fetchall()
    return {
        date.fromisoformat(bound.split("'")[1]): TableName(schema, table)
        for schema, table, bound in rows
        if "'" in bound
    }


_DEPENDENTS = """
with recursive dependent as (
    select to_regclass(%s)::oid as oid, 0 as depth
    union all
    select r.ev_class, dependent.depth + 1
    from dependent
    join pg_depend d on d.refobjid = dependent.oid and d.refclassid = 'pg_class'::regclass
        and d.classid = 'pg_rewrite'::regclass
    join pg_rewrite r on r.oid = d.objid and r.ev_class <> dependent.oid
    where dependent.depth < 50
)
select n.nspname, c.relname, c.relkind::text
from dependent
join pg_class c on c.oid = dependent.oid
join pg_namespace n on n.oid = c.relnamespace
where dependent.depth > 0
group by n.nspname, c.relname, c.relkind
order by max(dependent.depth) desc, n.nspname, c.relname
"""


def read_dependents(connection: psycopg.Connection[Any], name: TableName) -> list[tuple[TableName, str]]:
    """Views ('v') and materialized views ('m') that read a table or view, those that nothing reads first."""
    rows = connection.execute(_DEPENDENTS, [name.sql]).fetchall()
    return [(TableName(schema, view), kind) for schema, view, kind in rows]


def read_foreign_keys(connection: psycopg.Connection[Any], name: TableName) -> list[str]:
    """Foreign keys of other tables that point to this one, in words."""
    rows = connection.execute(
        "select format('%%s of %%s', conname, conrelid::regclass) from pg_constraint"
        " where contype = 'f' and confrelid = to_regclass(%s) and conparentid = 0 order by 1",
        [name.sql],
    ).fetchall()
    return [row[0] for row in rows]


def read_grants(connection: psycopg.Connection[Any], name: TableName) -> list[str]:
    """GRANT statements that give others what they may do with a table or view now, but for its owner."""
    rows = connection.execute(
        """
        select format('grant %%s%%s on %%s to %%s%%s', a.privilege_type, '', %s::text,
            case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end,
            case when a.is_grantable then ' with grant option' else '' end)
        from pg_class c cross join aclexplode(c.relacl) a
        where c.oid = to_regclass(%s) and a.grantee <> c.relowner
        union all
        select format('grant %%s (%%I) on %%s to %%s%%s', a.privilege_type, t.attname, %s::text,
            case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end,
            case when a.is_grantable then ' with grant option' else '' end)
        from pg_attribute t cross join aclexplode(t.attacl) a
        where t.attrelid = to_regclass(%s) and not t.attisdropped
        order by 1
        """,
        [name.sql, name.sql, name.sql, name.sql],
    ).fetchall()
    return [row[0] for row in rows]
