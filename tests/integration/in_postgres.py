"""Tables in PostgreSQL, made of their files as they are, compared with what the engine gave."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg

from tests.independent.tables import OnEngine, normal


def assert_same_in_postgres(session: psycopg.Connection[Any], built: OnEngine, tables: Iterable[str]) -> None:
    """Require the rows that the engine gave, and that no row breaks a rule of its contract."""
    for key in tables:
        contract = built.project.catalog[key]
        cursor = session.execute(f"select {', '.join(contract.column_names)} from {key}".encode())
        theirs = sorted(([normal(value) for value in row] for row in cursor), key=str)
        ours = sorted(([normal(row[c]) for c in contract.column_names] for row in built.rows(key)), key=str)
        assert ours == theirs, key
        for rule in (rule for rule in contract.rules if rule.kind == "failing_rows"):
            assert session.execute(str(rule.sql).encode()).fetchall() == [], rule.name
