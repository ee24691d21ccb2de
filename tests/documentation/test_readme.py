"""What the README shows is what its commands print."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cxa_pipeline.settings import Settings
from cxa_pipeline.warehouse.server import EmbeddedServer

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
HEADINGS = ["Sales", "Customers", "Products", "Visits", "Data quality", "Where to look next"]


def shown(after: str) -> list[str]:
    """The lines of the first text block after some words."""
    block = re.search(r"```text\n(.*?)```", README[README.index(after) :], re.DOTALL)
    assert block
    return block.group(1).splitlines()


@pytest.fixture(scope="module")
def cxa(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    inherited = {k: v for k, v in os.environ.items() if k.removeprefix("CXA_").lower() not in Settings.model_fields}

    def call(*arguments: str, **environment: str) -> str:
        done = subprocess.run(
            [Path(sys.executable).with_name("cxa"), *arguments],
            cwd=folder,
            env={**inherited, **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield call
    EmbeddedServer(folder / "data" / "demo" / "postgres").stop()


@pytest.mark.slow
def test_the_demo_ends_with_the_summary_that_the_readme_shows(cxa):
    printed = cxa("demo").splitlines()
    assert [line for line in printed if line in HEADINGS] == HEADINGS
    summary = [line for line in printed[printed.index("Sales") :] if "lives in" not in line]
    missing = [line for line in shown("ends with:") if line.strip() and line not in summary]
    assert not missing
    answer = cxa("ask", "top5_customers", CXA_HOME="data/demo").splitlines()
    assert [line.rstrip() for line in answer] == [
        line.rstrip() for line in shown("Ask it something") if not line.startswith("$")
    ]


def test_the_readme_names_its_two_commands():
    assert "pip install -c constraints.txt -e . && cxa demo" in README
    assert "pip install -c constraints.txt -e '.[test]' && pytest" in README
    assert "'.[test]'" in (ROOT / ".ci" / "run").read_text()
