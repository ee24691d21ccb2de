"""The busy shop's visits for tests of sessions, and the shortest way to their tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.independent import shop, visits
from tests.independent.tables import OnEngine, normal, project

Row = dict[str, Any]
Landed = dict[str, list[Row]]
TABLES = ("core.events", "core.sessions", "core.identities", "core.visits", "core.activity")
TABLES += ("core.outliers", "core.visit_outliers")
KEYS = {
    "core.events": ("event_id",),
    "core.sessions": ("session_id",),
    "core.identities": ("identity_type", "identity_value"),
    "core.visits": ("session_id",),
    "core.activity": ("event_id",),
    "core.outliers": ("variable", "row_key"),
    "core.visit_outliers": ("variable", "row_key"),
}
IDENTITIES = [i.name for i in project().identities if i.name.startswith("sessions_")]


def build(folder: Path, landed: Landed, *only: str, **parameters: Any) -> OnEngine:
    folder.mkdir(exist_ok=True)
    return OnEngine(project(), folder).build(landed, {**shop.PARAMETERS, **parameters}, *(only or TABLES))


def by_key(rows: list[Row], *key: str) -> dict[Any, Row]:
    found = {tuple(row[name] for name in key) if len(key) > 1 else row[key[0]]: row for row in rows}
    assert len(found) == len(rows)
    return found


def compare(built: OnEngine, landed: Landed, parameters: Row) -> None:
    expected = visits.Visits(landed, parameters)
    rows = {
        "core.events": expected.event_rows(),
        "core.sessions": expected.session_rows(),
        "core.identities": expected.identity_rows(),
        "core.visits": expected.visit_rows(),
        "core.activity": expected.activity_rows(),
        "core.outliers": [row for row in expected.outlier_rows() if row["dataset"] != "core.sessions"],
        "core.visit_outliers": [row for row in expected.outlier_rows() if row["dataset"] == "core.sessions"],
    }
    for table, theirs in rows.items():
        ours, wanted = by_key(built.rows(table), *KEYS[table]), by_key(theirs, *KEYS[table])
        assert set(ours) == set(wanted), table
        for key, row in wanted.items():
            wrong = {n: (ours[key][n], v) for n, v in row.items() if not same(ours[key][n], v)}
            assert not wrong, (table, key)
    whole = {"core.visits": "core.sessions", "core.activity": "core.events"}
    for view, table in whole.items():
        of_table = by_key(built.rows(table), *KEYS[table])
        own = set(rows[view][0]) - {*KEYS[view]} if rows[view] else set()
        for row in built.rows(view):
            taken = set(row) & set(of_table[row[KEYS[view][0]]]) - own
            assert {n: row[n] for n in taken} == {n: of_table[row[KEYS[view][0]]][n] for n in taken}


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float):
        return ours == pytest.approx(theirs, rel=1e-9)
    return bool(normal(ours) == normal(theirs))
