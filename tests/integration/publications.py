"""What tests of publication publish beside tables, and what they ask of the database."""

import psycopg

from cxa_pipeline.warehouse.schema import held
from tests.integration.shop_tables import column, contract, view

TOTAL = view(
    "questions.total",
    "-- What did we sell?\nselect sum(net_sales) as total from kpi.daily;",
    [column("total", "numeric(18,4)")],
)
RELEASE_TABLES = contract(
    "ops.release_tables",
    [column("table_name", "text"), column("release_id", "integer"), column("inserted", "bigint")],
    ["table_name"],
    kind="record",
)


def ask(session, query, *values):
    return session.execute(query, values or None).fetchall()


def counts(result, table):
    found = result.tables[table]
    return found.rows_before, found.inserted, found.updated, found.deleted, found.rows


def held_hashes(shop):
    with psycopg.connect(shop.url) as session:
        return {t: {m: p.content_hash for m, p in parts.items()} for t, parts in held(session).tables.items() if parts}


def expected_hashes(shop):
    return {t: {m: p.content_hash for m, p in parts.items()} for t, parts in shop.last.items()}
