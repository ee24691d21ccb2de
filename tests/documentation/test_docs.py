"""The documentation says what is so."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from cxa_pipeline.cli.main import COMMANDS, cli
from cxa_pipeline.contracts.dictionary import tables_markdown
from cxa_pipeline.pipeline.project import load_project
from cxa_pipeline.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_data_dictionary_is_the_generated_one():
    """After a change of contracts: cxa tables --markdown > docs/tables.md."""
    project = load_project(ROOT / "sql")
    assert (ROOT / "docs" / "tables.md").read_text() == tables_markdown(project.catalog, project.dependencies)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_is_documented(command):
    shown = CliRunner().invoke(cli, [command, "--help"])
    assert shown.exit_code == 0
    assert len(shown.output.splitlines()) > 4
    assert f"cxa {command}" in "\n".join(path.read_text() for path in DOCS)


def test_every_setting_is_documented():
    text = (ROOT / "docs" / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        assert f"`CXA_{name.upper()}`" in text
        assert field.description in text


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_link_within_the_project_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target
