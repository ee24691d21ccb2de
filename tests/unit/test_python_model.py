"""Tables that a Python function makes: what it is called with, what it may give, and what its result is named by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxa_pipeline.contracts.model import Column, Contract, PythonModel
from cxa_pipeline.engine.duckdb import DuckDBEngine
from cxa_pipeline.engine.protocol import OutputColumn, Relation
from cxa_pipeline.errors import ContractError, EngineError
from cxa_pipeline.pipeline.python_model import fingerprint, inputs, load, plotted, run_model, source_text

HERE = "tests.unit.test_python_model"
DOUBLED = PythonModel(f"{HERE}:doubled", {"core.paid": ("customer_id", "paid", "paid_on")})


def doubled(paid: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"customer_id": paid["customer_id"], "twice": paid["paid"] * 2, "day": paid["paid_on"]})


def in_parts(paid: pd.DataFrame) -> Iterator[pd.DataFrame]:
    made = doubled(paid)
    yield made.iloc[:1]
    yield made.iloc[1:]


def nameless(paid: pd.DataFrame) -> pd.DataFrame:
    return doubled(paid).drop(columns="twice")


def wordy(paid: pd.DataFrame) -> pd.DataFrame:
    return doubled(paid).assign(twice="much")


def changes(paid: pd.DataFrame, previous_twice: pd.DataFrame) -> pd.DataFrame:
    was = previous_twice.set_index("customer_id")["twice"]
    made = doubled(paid)
    return made.assign(twice=made["twice"] - made["customer_id"].map(was).fillna(0))


def drawn(frame: pd.DataFrame) -> object:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().bar(frame["customer_id"], frame["twice"])
    return figure


def helpless(paid: pd.DataFrame) -> pd.DataFrame:
    return paid[["no such column"][0]]


def contract(table: str, columns: dict[str, str], model: PythonModel | None = None) -> Contract:
    made = tuple(Column(name, type_, name) for name, type_ in columns.items())
    kind = "model" if model else "table"
    return Contract("core", table, "1.0.0", kind, "", made, ("customer_id",), (), Path("x.yaml"), model=model)


PAID = contract("paid", {"customer_id": "text", "paid": "numeric(18,4)", "paid_on": "date"})
TWICE = contract("twice", {"customer_id": "text", "twice": "numeric(18,4)", "day": "date"}, DOUBLED)
CONTRACTS = {"core.paid": PAID, "core.twice": TWICE}


@pytest.fixture
def make(tmp_path: Path) -> Callable[[PythonModel], list[dict[str, object]]]:
    """Rows that a model makes of two customers, given out of order, where the release before held one."""
    engine = DuckDBEngine(temp_directory=tmp_path)
    rows = {"customer_id": ["b", "a"], "paid": [Decimal("1.5000"), None], "paid_on": [date(2024, 2, 29), None]}
    held = {"customer_id": ["b"], "twice": [Decimal("2.0000")], "day": [None]}
    pq.write_table(pa.table(rows), tmp_path / "paid.parquet")
    pq.write_table(pa.table(held), tmp_path / "held.parquet")

    names = {"core.twice": "held", "core.paid": "paid"}

    def rows_of(model: PythonModel) -> list[dict[str, object]]:
        def relation(table: str) -> Relation:
            columns = tuple(OutputColumn(c.name, c.type) for c in CONTRACTS[table].columns)
            return Relation((tmp_path / f"{names[table]}.parquet",), columns=columns)

        made = replace(TWICE, model=model)
        frames = inputs(made, engine, relation, relation, CONTRACTS)
        run_model(made, frames, tmp_path / "made.parquet")
        return pq.read_table(tmp_path / "made.parquet").to_pylist()

    return rows_of


def test_a_function_gets_rows_by_key_and_its_missing_values_are_null(make: Callable[..., list[dict[str, object]]]):
    assert make(DOUBLED) == [
        {"customer_id": "a", "twice": None, "day": None},
        {"customer_id": "b", "twice": 3.0, "day": date(2024, 2, 29)},
    ]


def test_a_function_can_give_its_rows_in_parts(make: Callable[..., list[dict[str, object]]]):
    assert make(replace(DOUBLED, function=f"{HERE}:in_parts")) == make(DOUBLED)


def test_a_function_can_look_back_at_the_release_before(make: Callable[..., list[dict[str, object]]]):
    model = replace(DOUBLED, function=f"{HERE}:changes", previous=("core.twice",))
    assert [row["twice"] for row in make(model)] == [None, 1.0]


def test_other_columns_than_the_contracts_are_refused(make: Callable[..., list[dict[str, object]]]):
    with pytest.raises(EngineError, match=r"missing: \['twice'\]") as caught:
        make(replace(DOUBLED, function=f"{HERE}:nameless"))
    assert (caught.value.where, caught.value.advice) == ("core.twice", "Make them equal.")


def test_a_value_of_another_type_is_refused_and_its_column_named(make: Callable[..., list[dict[str, object]]]):
    with pytest.raises(EngineError) as caught:
        make(replace(DOUBLED, function=f"{HERE}:wordy"))
    assert caught.value.where == "core.twice, column twice"


def test_a_function_that_fails_is_named_with_the_line_and_what_it_said(make: Callable[..., list[dict[str, object]]]):
    with pytest.raises(EngineError) as caught:
        make(replace(DOUBLED, function=f"{HERE}:helpless"))
    assert f"{HERE}:helpless" in caught.value.what and f"{Path(__file__).name}:" in (caught.value.where or "")
    assert caught.value.evidence == ("KeyError: 'no such column'",)


@pytest.mark.parametrize("name", ["no.such.module:f", f"{HERE}:no_such_function", "without a colon"])
def test_a_function_that_does_not_exist_is_named(name: str):
    with pytest.raises(ContractError, match="There is no function"):
        load(name)


def test_a_result_is_named_by_the_source_of_every_module_that_it_needs():
    model = PythonModel("cxa_pipeline.models.tables.lifetime:value", {})
    text = source_text(model)
    assert "def value(" in text and "class BGNBDParameters" in text and "class GammaGammaParameters" in text
    assert "class Builder" not in text
    assert fingerprint(model) == fingerprint(model) != fingerprint(DOUBLED)


def test_the_plot_of_a_table_is_a_picture_and_that_of_an_empty_one_is_none(tmp_path: Path):
    engine = DuckDBEngine(temp_directory=tmp_path)
    path = tmp_path / "twice.parquet"
    pq.write_table(pa.table({"customer_id": ["a"], "twice": [Decimal("2.0000")], "day": [None]}), path)
    columns = tuple(OutputColumn(c.name, c.type) for c in TWICE.columns)
    plain, with_plot = TWICE, replace(TWICE, model=replace(DOUBLED, plot=f"{HERE}:drawn"))
    picture = plotted(with_plot, engine, Relation((path,), columns=columns))
    assert picture and picture.startswith(b"\x89PNG")
    assert plotted(with_plot, engine, Relation((), columns=columns)) is None
    assert plotted(plain, engine, Relation((path,), columns=columns)) is None
