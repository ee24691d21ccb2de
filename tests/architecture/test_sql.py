"""The files below sql/ agree with each other, and the graph that they make is the committed one."""

import json
from pathlib import Path

import pytest

from cxa_pipeline.pipeline.lint import lint
from cxa_pipeline.pipeline.project import load_project
from tests.support.slim import slim_sql

ROOT = Path(__file__).parents[2]
SNAPSHOT = Path(__file__).with_name("asset_graph.json")


@pytest.fixture(scope="module")
def project():
    return load_project(ROOT / "sql")


def test_the_structural_lint_has_nothing_to_say(project):
    assert [str(finding) for finding in lint(project)] == []


def test_the_asset_graph_is_the_committed_one(project):
    """After a deliberate change: python -m tests.architecture.test_sql rewrites the snapshot."""
    assert json.loads(SNAPSHOT.read_text()) == graph(project)


def graph(project) -> dict[str, list[str]]:
    return {
        table: sorted(project.dependencies(table) or project.catalog[table].drawn_from)
        for table in sorted(project.assets)
    }


def broken(tmp_path: Path, name: str, before: str, after: str):
    slim_sql(ROOT / "sql", tmp_path / "sql")
    path = tmp_path / "sql" / name
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))
    return [str(finding) for finding in lint(load_project(tmp_path / "sql"))]


@pytest.mark.parametrize(
    ("name", "before", "after", "words"),
    [
        (
            "kpi/by_store.yaml",
            "name: store_name",
            "name: shop_name\n        physicalType: text\n        description: x",
            "does not make",
        ),
        ("core/calendar.sql", "One row per", "A row for each", "what one row is"),
        ("kpi/by_store.sql", "core.sales", "landed.sales", "past core"),
        ("core/sales.sql", "core.parameters", "core.customers", "which is not"),
    ],
)
def test_the_lint_finds_a_broken_convention(tmp_path, name, before, after, words):
    assert any(words in finding for finding in broken(tmp_path, name, before, after))


def test_a_file_without_contract_is_an_orphan(tmp_path):
    slim_sql(ROOT / "sql", tmp_path / "sql")
    (tmp_path / "sql" / "kpi" / "stray.sql").write_text("-- One row per stray.\nselect 1 as x")
    findings = [str(finding) for finding in lint(load_project(tmp_path / "sql"))]
    assert any("has no contract" in finding for finding in findings)


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(graph(load_project(ROOT / "sql")), indent=1) + "\n")
