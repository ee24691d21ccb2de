"""Contracts: what is read, what is completed, what is refused."""

from pathlib import Path

import pytest

from cxa_pipeline.contracts import read_contract
from cxa_pipeline.errors import ContractError

GOOD = """\
apiVersion: v3.1.0
kind: DataContract
id: kpi.daily
name: daily
version: 1.2.0
status: active
schema:
  - name: daily
    physicalType: table
    properties:
      - name: day
        physicalType: date
        description: A day.
        primaryKey: true
      - name: net_sales
        required: true
    quality:
      - name: orders_are_not_negative
        description: A negative count means that lines were counted twice.
        type: custom
        engine: postgresql
        implementation: orders >= 0
customProperties:
  - {property: kind, value: table}
"""
DICTIONARY = {"net_sales": {"type": "numeric(18,4)", "description": "Sales.", "unit": "shop currency"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kpi").mkdir()
    (tmp_path / "kpi" / "daily.sql").write_text("-- One row per day.\n-- Second line.\nselect 1 as day")
    return tmp_path / "kpi"


def contract(folder: Path, text: str = GOOD):
    (folder / "daily.yaml").write_text(text)
    return read_contract(folder / "daily.yaml", DICTIONARY)


def test_the_leading_comment_of_the_sql_is_the_description(folder):
    assert contract(folder).description == "One row per day. Second line."


def test_a_column_takes_what_it_leaves_out_from_the_dictionary(folder):
    column = contract(folder).column("net_sales")
    assert (column.type, column.unit, column.required) == ("numeric(18,4)", "shop currency", True)


def test_keys_are_required_and_the_version_has_a_major_part(folder):
    found = contract(folder)
    assert found.primary_key == ("day",)
    assert found.column("day").required
    assert found.major_version == 1


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("id: kpi.daily", "id: kpi.weekly", "names of its folder and file"),
        ("value: table}", "value: cube}", "kind is 'cube'"),
        ("- name: net_sales", "- name: unheard_of", "no type or no description"),
        ("engine: postgresql", "engine: oracle", "Unknown engine"),
        ("type: custom", "type: custom\n        severity: warn", "cannot merely warn"),
        ("description: A day.", "descripton: A day.", "nothing reads"),
        ("schema:", "schema: 7\nschemas:", "not an Open Data Contract Standard document"),
        ("apiVersion", "\tapiVersion", "not YAML"),
    ],
)
def test_a_contract_that_breaks_a_convention_is_refused_with_its_place(folder, before, after, words):
    with pytest.raises(ContractError, match=words) as caught:
        contract(folder, GOOD.replace(before, after, 1))
    assert "daily.yaml" in str(caught.value)


def test_a_description_that_stands_twice_is_refused(folder):
    with pytest.raises(ContractError, match="stands twice"):
        contract(folder, GOOD.replace("    properties:", "    description: Again.\n    properties:", 1))
