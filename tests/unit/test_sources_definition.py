"""Source definitions and mappings: what they may say, and what they become."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from cxa_pipeline.contracts import load_catalog
from cxa_pipeline.engine.dialect import lint
from cxa_pipeline.engine.sql import parse_model
from cxa_pipeline.errors import ContractError
from cxa_pipeline.sources.cast import canonical_columns
from cxa_pipeline.sources.definition import DATASETS, load_sources
from cxa_pipeline.sources.mapping import load_mapping

SQL = Path(__file__).resolve().parents[2] / "sql"
CATALOG = load_catalog(SQL)
SOURCES = load_sources(SQL)
VALUES = "true_words: ['yes']\nfalse_words: ['no']\n"
SOURCE = 'description: A shop.\nfiles:\n  a:\n    patterns: ["*"]\n    feeds: [sales]\n'


def project(folder: Path, source: str, mapping: str = "select f.sale_id, f.line from file as f\n") -> Path:
    (folder / "sources" / "shop").mkdir(parents=True)
    (folder / "sources" / "values.yaml").write_text(VALUES)
    (folder / "sources" / "shop" / "source.yaml").write_text(source)
    (folder / "sources" / "shop" / "sales.sql").write_text(mapping)
    return folder


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("timezone: Mars/Olympus\n", "no IANA time zone"),
        ("currency: euro\n", "currency"),
        ("id_prefix: 'a b'\n", "id_prefix"),
        ("datasets:\n  sales: {delivery: sometimes}\n", "neither delta nor full"),
        ("colour: blue\n", "colour"),
    ],
)
def test_a_wrong_definition_says_which_field_is_wrong(tmp_path: Path, extra: str, said: str):
    with pytest.raises(ContractError) as error:
        load_sources(project(tmp_path, SOURCE + extra))
    assert said in str(error.value) and "source.yaml" in str(error.value)


def test_a_data_set_that_is_fed_needs_its_mapping(tmp_path: Path):
    with pytest.raises(ContractError, match="definition is wrong") as error:
        load_sources(project(tmp_path, SOURCE.replace("[sales]", "[sales, stores]")))
    assert "stores.sql does not exist" in str(error.value)


def test_names_of_files_say_layout_and_date():
    native = SOURCES["native"]
    kind = native.kind_of("2024/Sales_2024-03-05.csv.gz")
    assert kind is not None and kind.feeds == ("sales",)
    assert kind.date_of("sales_2024-03-05.csv") == date(2024, 3, 5)
    assert kind.date_of("sales_2024-03.csv") == date(2024, 3, 1)
    assert kind.date_of("sales_9999-99-99.csv") is None and kind.date_of("sales.csv") is None
    assert native.kind_of("salesman.csv") is None


@pytest.mark.parametrize("path", sorted((SQL / "sources").glob("*/*.sql")), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_every_mapping_stays_in_the_checked_subset_and_runs(path: Path):
    contract = CATALOG[f"landed.{path.stem}"]
    mapping = load_mapping(path, [column.name for column in canonical_columns(contract)])
    model = parse_model(path.read_text().replace("from file as f", "from landing.batch as f"), path.stem)
    assert lint(model, {}) == [] and model.description
    columns = sorted(mapping.reads)
    sql = mapping.duckdb("landing.batch", columns)
    with duckdb.connect() as session:
        session.execute("create schema landing")
        listed = ", ".join(f"null::varchar as {name}" for name in columns)
        session.execute(f"create view landing.batch as select 'f' as file_id, 1::bigint as line, {listed}")
        names = [row[0] for row in session.execute(f"describe {sql}").fetchall()]
    assert names == ["file_id", *mapping.tree.named_selects]


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_landed_contract_has_what_ingest_adds(dataset: str):
    contract = CATALOG[f"landed.{dataset}"]
    assert contract.kind == "landed" and len(contract.primary_key) == 1 and not contract.published
    assert contract.column_names[-4:] == ("source_id", "file_id", "line", "row_hash")
    assert contract.column("updated_at").type == "timestamptz"
    assert (contract.month is not None) == (dataset in ("sales", "interactions"))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select f.sale_id from file as f", "line is missing"),
        ("select f.sale_id, f.surprise, f.line from file as f", "unknown: surprise"),
        ("select f.sale_id, f.line from file as f, core.sales as s", "nothing but `file`"),
        ("select f.sale_id, f.line from file as f join file as g on f.line = g.line", "no joins"),
        ("select f.sale_id, f.line from (select g.sale_id, g.line from file as g) as f", "no joins"),
    ],
)
def test_a_mapping_that_could_not_be_run_for_many_files_is_refused(tmp_path: Path, sql: str, said: str):
    path = tmp_path / "sales.sql"
    path.write_text(sql)
    with pytest.raises(ContractError) as error:
        load_mapping(path, ["sale_id", "order_id"])
    assert said in str(error.value)


def test_windows_groups_and_distinct_stay_within_their_file(tmp_path: Path):
    path = tmp_path / "sales.sql"
    path.write_text(
        "with numbered as (select f.a, f.line, row_number() over (order by f.line) as n from file as f),\n"
        "grouped as (select x.a, min(x.line) as line, max(x.n) as n from numbered as x group by x.a)\n"
        "select g.a as sale_id, g.n::text as order_id, g.line from grouped as g\n"
    )
    mapping = load_mapping(path, ["sale_id", "order_id"])
    assert not mapping.by_row
    with duckdb.connect() as session:
        session.execute("create schema landing")
        session.execute("create table landing.batch (file_id varchar, line bigint, a varchar)")
        session.execute("insert into landing.batch values ('f', 2, 'x'), ('f', 3, 'x'), ('g', 2, 'x'), ('g', 3, 'y')")
        found = session.execute(f"select * from ({mapping.duckdb('landing.batch', ['a'])}) order by all").fetchall()
    assert found == [("f", "x", "2", 2), ("g", "x", "1", 2), ("g", "y", "2", 3)]


def test_comments_and_format_do_not_change_the_fingerprint(tmp_path: Path):
    first, second = tmp_path / "a.sql", tmp_path / "b.sql"
    first.write_text("-- One.\nselect f.sale_id, f.line from file as f")
    second.write_text("-- Two.\nselect\n    f.sale_id, -- id\n    f.line\nfrom file as f\n")
    assert load_mapping(first, ["sale_id"]).fingerprint == load_mapping(second, ["sale_id"]).fingerprint
