"""What holds of every shop: the contracts' rules, the identities between tables, and that order does not matter."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxa_pipeline.contracts import Contract
from tests.independent import anyshop, shop
from tests.independent.tables import OnEngine, models, output_columns, project

SLOW_SHOPS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
AS_OF = st.sampled_from((None, date(2024, 3, 31), date(2025, 12, 31)))

many = settings(max_examples=5, deadline=None, print_blob=True, suppress_health_check=SLOW_SHOPS)


def broken_rules(built: OnEngine) -> list[str]:
    """Rules of severity error that a table breaks, with the number of rows; one query for each table."""
    found = []
    for contract in map(built.project.catalog.__getitem__, built.project.computed):
        relations = {contract.key: built.relations[contract.key]}
        counts = built.engine.fetch(failing_rows(contract), relations).to_pylist()[0]
        found += [f"{contract.key}: {rule}: {rows} rows" for rule, rows in counts.items() if rows]
    return found


def failing_rows(contract: Contract) -> str:
    """A query of one row: how many rows break each rule, the key, and what must not be missing."""
    rules = [rule for rule in contract.rules if rule.severity == "error"]
    broken = {f"{c.name}_is_missing": f"{c.name} is null" for c in contract.columns if c.required}
    broken |= {rule.name: f"not ({rule.sql})" for rule in rules if rule.kind == "check"}
    failing = {rule.name: str(rule.sql) for rule in rules if rule.kind == "failing_rows"}
    if contract.primary_key:
        key = ", ".join(contract.primary_key)
        failing["key_stands_twice"] = f"select {key} from {contract.key} group by {key} having count(*) > 1"
    counts = ["count(*) filter (where false) as nothing"]
    counts += [f'count(*) filter (where {condition}) as "{name}"' for name, condition in broken.items()]
    counts += [f'(select count(*) from ({query}) as failing) as "{name}"' for name, query in failing.items()]
    return f"select {', '.join(counts)} from {contract.key}"


def broken_identities(built: OnEngine) -> list[str]:
    """Values in which a derived table differs from its reference."""
    return [
        f"{identity.name}: {row['derived']} {row['item']}: {row['left_value']} against {row['right_value']}"
        for identity in built.project.identities
        for row in built.identity(identity.name)
        if row["difference"] != 0
    ]


def on_threads(number: int, folder: Path) -> OnEngine:
    """An engine with that many threads: for small tables one is the fastest."""
    built = OnEngine(project(), folder)
    built.engine.connection.execute(f"SET threads = {number}")
    return built


def hold_all(landed: Mapping[str, list[dict[str, Any]]], as_of: date | None) -> None:
    with TemporaryDirectory(prefix="cxa-any-") as folder:
        built = on_threads(1, Path(folder))
        try:
            built.build(landed, {**shop.PARAMETERS, "as_of_date": as_of})
            assert broken_rules(built) == []
            assert broken_identities(built) == []
            assert sum(row["net_sales"] for row in built.rows("core.sales")) == anyshop.net_sales(landed)
        finally:
            built.engine.close()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@many
@given(landed=anyshop.shops(), as_of=AS_OF)
def test_rules_and_identities_hold_for_many_shops(landed: shop.Landed, as_of: date | None) -> None:
    hold_all(landed, as_of)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_order_of_rows_and_the_number_of_threads_change_no_value(tmp_path: Path) -> None:
    """I16: equal inputs publish equal values, however they come and on any number of threads."""
    landed = shop.busy()
    shuffled = {name: random.Random(5).sample(rows, len(rows)) for name, rows in landed.items()}
    contents = []
    for name, given_rows, threads in (("one", landed, 1), ("four", shuffled, 4)):
        (tmp_path / name).mkdir()
        built = on_threads(threads, tmp_path / name).build(given_rows, shop.PARAMETERS)
        contents.append({contract.key: content(built, contract) for contract in models(built.project)})
        built.engine.close()
    assert {key for key, found in contents[0].items() if found != contents[1][key]} == set()


def content(built: OnEngine, contract: Contract) -> tuple[int, str]:
    """Rows and hash of the content of a table."""
    columns = output_columns(contract)
    return built.engine.content_hash(built.engine.reader(built.relations[contract.key], columns), columns)
