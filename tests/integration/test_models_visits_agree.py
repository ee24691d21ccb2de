"""The tables of visits agree with the independent recomputation, with PostgreSQL and with their own rules."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxa_pipeline.engine.protocol import Relation
from cxa_pipeline.synthetic import ShopConfig
from tests.independent import shop, synthetic, tables
from tests.independent.tables import OnEngine, normal, project
from tests.integration.visits_shop import IDENTITIES, TABLES, Row, build, by_key, compare


@pytest.mark.parametrize("as_of", [None, date(2024, 8, 31)])
def test_the_busy_shop_agrees_with_the_independent_recomputation(as_of: date | None, tmp_path: Path) -> None:
    parameters = {**shop.PARAMETERS, "as_of_date": as_of}
    compare(build(tmp_path, shop.busy(), as_of_date=as_of), shop.busy(), parameters)


@pytest.mark.parametrize("seed", range(4))
def test_crowds_agree_with_the_independent_recomputation_under_other_parameters(seed: int, tmp_path: Path) -> None:
    changed = {
        "session_timeout_minutes": (5, 30)[seed % 2],
        "session_max_hours": (1, 24)[seed // 2],
        "session_match_minutes": (20, 5)[seed % 2],
        "purchase_match_minutes": (60, 1)[seed % 2],
        "dwell_cap_seconds": 100,
    }
    landed = {
        **shop.busy(),
        "interactions": shop.visiting_crowd(900, seed),
        "sales": shop.buying_crowd(150, seed),
    }
    compare(build(tmp_path, landed, **changed), landed, {**shop.PARAMETERS, **changed})


SYNTHETIC = ShopConfig(
    start=date(2024, 2, 20), end=date(2024, 4, 20), new_customers_per_day=1.0, products=60, affinities=4
)


@pytest.mark.parametrize("session_ids", [False, True])
def test_a_synthetic_shop_agrees_with_the_independent_recomputation(session_ids: bool, tmp_path: Path) -> None:
    landed = synthetic.landed_rows(replace(SYNTHETIC, session_ids=session_ids), tmp_path / "files")
    assert len(landed["interactions"]) > 1000
    parameters = {**shop.PARAMETERS, "timezone": "Europe/Berlin"}
    built = build(tmp_path / "built", landed)
    compare(built, landed, parameters)
    missed = [row for row in built.rows("core.events") if row["event_source"] == "interaction" and not row["sale_id"]]
    assert all(row["event_type"] != "purchase" for row in missed)  # the generator's purchases all have their sale


def test_months_computed_alone_are_the_months_computed_together(busy: OnEngine, tmp_path: Path) -> None:
    months = [date(2024, month, 1) for month in range(5, 11)]
    landed = shop.busy()
    for table, column in (("core.events", "occurred_month"), ("core.sessions", "session_month")):
        together = Counter(_cells(row) for row in busy.rows(table) if row[column] in months)
        alone: Counter[Any] = Counter()
        for month in months:
            own = {
                **landed,
                "interactions": [row for row in landed["interactions"] if row["occurred_month"] == month],
                "sales": [row for row in landed["sales"] if row["sold_month"] == month],
            }
            alone.update(map(_cells, build(tmp_path / f"{table}-{month}", own, table).rows(table)))
        assert alone == together
        assert len(together) > 100


def _cells(row: Row) -> tuple[str, ...]:
    return tuple(str(normal(value)) for value in row.values())


@pytest.mark.parametrize("name", ["busy", "empty", "no interactions", "no sales"])
def test_duckdb_and_postgresql_give_the_same_rows(
    name: str, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed = {
        "busy": shop.busy(),
        "empty": shop.empty(),
        "no interactions": {**shop.busy(), "interactions": []},
        "no sales": {**shop.busy(), "sales": []},
    }[name]
    on_engine = build(tmp_path, landed)
    wanted = project().ancestors(TABLES)
    monkeypatch.setattr(tables, "models", lambda found: [c for c in _every_model(found) if c.key in wanted])
    with psycopg.connect(database, autocommit=True) as postgres:
        postgres.execute("set timezone = 'UTC'")
        tables.build_in_postgres(postgres, landed, shop.PARAMETERS)
        for table in (*TABLES, "core.online_stores"):
            names = project().catalog[table].column_names
            cursor = postgres.execute(f"select {', '.join(names)} from {table}".encode())
            theirs = sorted(([normal(value) for value in row] for row in cursor), key=str)
            ours = sorted(([normal(row[n]) for n in names] for row in on_engine.rows(table)), key=str)
            assert ours == theirs, table


_every_model = tables.models


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("empty", {table: 0 for table in TABLES}),
        ("no interactions", {"core.sessions": 0, "core.visits": 0}),
        ("no sales", {}),
    ],
)
def test_what_is_missing_gives_empty_tables_and_no_errors(name: str, rows: dict[str, int], tmp_path: Path) -> None:
    landed = {"empty": shop.empty(), "no interactions": {**shop.busy(), "interactions": []}}.get(
        name, {**shop.busy(), "sales": []}
    )
    built = build(tmp_path, landed)
    assert {table: len(built.rows(table)) for table in rows} == rows
    if name == "no sales":
        assert built.rows("core.sessions")
        assert {row["net_sales"] for row in built.rows("core.sessions")} == {0}
    for identity in IDENTITIES:
        assert [row for row in built.identity(identity) if row["difference"] != 0] == []


def replaced(built: OnEngine, table: str, rows: list[Row]) -> None:
    """Give a table other rows."""
    path = built.relations[table].paths[0]
    schema = pq.read_schema(path)
    target = path.with_suffix(".replaced.parquet")
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), target)
    built.relations[table] = Relation((target,), columns=built.relations[table].columns)


def broken(built: OnEngine, name: str) -> set[str]:
    return {row["item"] for row in built.identity(name) if row["difference"] != 0}


@pytest.mark.parametrize("identity", IDENTITIES)
def test_identities_hold_on_the_busy_shop(busy: OnEngine, identity: str) -> None:
    assert broken(busy, identity) == set()


def test_identities_find_what_they_are_there_for(tmp_path: Path) -> None:
    rows = shop.acts("e", "2024-01-01", "10:00 visit 10:01 view:P1 10:02 purchase:P1@c1", device_id="d", order_id="O")
    lines = [shop.sale("s", "2024-01-01 10:03", order="O", customer="c1")]
    landed = {**shop.empty(), "interactions": rows, "sales": lines}
    built = build(tmp_path, landed)
    found, (session,) = built.rows("core.events"), built.rows("core.sessions")
    key = session["session_id"]
    replaced(built, "core.sessions", [{**session, "events": 2, "net_sales": Decimal(9)}])
    assert broken(built, "sessions_hold_their_events") == {"2024-01 events", f"{key} events", f"{key} net sales"}
    replaced(built, "core.sessions", [session, {**session, "session_month": date(2024, 2, 1)}])
    assert broken(built, "sessions_keys_stand_once") == {"all keys", key}
    replaced(built, "core.events", [row for row in found if row["event_type"] == "visit"])
    assert broken(built, "sessions_miss_no_sale") == {
        "2024-01 interactions", "2024-01 sales lines", "2024-01 net sales",
    }  # fmt: skip
    replaced(built, "core.activity", built.rows("core.activity") * 2)
    assert "rows" in broken(built, "sessions_keep_their_rows")


def failing(built: OnEngine, table: str) -> set[str]:
    """Names of the rules of a table that rows break."""
    found = set()
    for rule in project().catalog[table].rules:
        if rule.kind == "check":
            query = f"select 1 as x from {table} where not ({rule.sql})"
        elif rule.kind == "failing_rows":
            query = str(rule.sql)
        else:
            continue
        if built.engine.fetch(query, {table: built.relations[table]}).num_rows:
            found.add(rule.name)
    return found


@pytest.mark.parametrize("table", ["core.events", "core.sessions", "core.identities", "core.outliers"])
def test_rules_hold_on_the_busy_shop(busy: OnEngine, table: str) -> None:
    assert failing(busy, table) <= {
        "purchases_have_sales",
        "sales_have_purchases",
        "delivered_sessions_have_one_device",
    }


@pytest.mark.parametrize(
    ("table", "change", "rule"),
    [
        ("core.events", {"sale_id": "v1", "event_type": "purchase", "order_id": "V1", "value": Decimal(1)},
         "sales_lines_stand_once"),
        ("core.events", {"sale_id": "new"}, "sale_is_a_purchase"),
        ("core.events", {"session_position": None}, "interactions_have_a_session"),
        ("core.events", {"occurred_month": date(2020, 1, 1)}, "month_is_that_of_the_day"),
        ("core.events", {"event_type": "visit", "dwell_seconds": Decimal(1)}, "dwell_is_that_of_views"),
        ("core.sessions", {"views": 99}, "events_are_their_kinds"),
        ("core.sessions", {"ended_at": datetime(2020, 1, 1, tzinfo=UTC)}, "ends_after_it_starts"),
        ("core.sessions", {"reached_purchase": True, "reached_cart": False}, "steps_are_ordered"),
        ("core.sessions", {"orders": 0, "net_sales": Decimal(1)}, "money_comes_with_orders"),
        ("core.sessions", {"session_date": date(2020, 1, 1)}, "month_is_that_of_the_day"),
        ("core.outliers", {"outlier_score": 1.0}, "outliers_lie_beyond_the_fence"),
    ],
)  # fmt: skip
def test_rules_find_what_they_are_there_for(busy: OnEngine, table: str, change: Row, rule: str) -> None:
    kept = busy.relations[table]
    rows = sorted(busy.rows(table), key=_cells)
    place = next(n for n, row in enumerate(rows) if row.get("event_source", "interaction") == "interaction")
    rows[place] = {**rows[place], **change}
    try:
        replaced(busy, table, rows)
        assert rule in failing(busy, table)
    finally:
        busy.relations[table] = kept


def test_sessions_of_an_actor_that_overlap_are_found(busy: OnEngine) -> None:
    kept = busy.relations["core.sessions"]
    rows = busy.rows("core.sessions")
    events = by_key(busy.rows("core.events"), "event_id")
    first = events["pause-1"]["session_id"]
    late = events["pause-3"]["occurred_at"].replace(second=59, microsecond=999_999)
    try:
        replaced(busy, "core.sessions", [{**r, "ended_at": late} if r["session_id"] == first else r for r in rows])
        assert "sessions_of_an_actor_follow_each_other" in failing(busy, "core.sessions")
    finally:
        busy.relations["core.sessions"] = kept
