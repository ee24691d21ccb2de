"""Imports point one way, and the code location stays light."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "great_expectations",
    "sklearn",
    "scipy",
    "mlxtend",
    "matplotlib",
    "pandas",
    "adbc_driver_postgresql",
    "pyspark",
)


def test_imports_point_one_way():
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_the_code_location_imports_no_heavy_module():
    code = "import sys, cxa_pipeline.definitions; print([m for m in sys.argv[1:] if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code, *HEAVY], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


@pytest.mark.parametrize("package", ["great_expectations", "pyspark"])
def test_one_module_alone_imports(package):
    importers = [
        path.name
        for path in (ROOT / "cxa_pipeline").rglob("*.py")
        if f"import {package}" in path.read_text() or f"from {package}" in path.read_text()
    ]
    assert len(importers) <= 1


def test_one_module_alone_reads_the_environment():
    readers = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "cxa_pipeline").rglob("*.py")
        if "os.environ" in path.read_text() or "getenv" in path.read_text()
    ]
    assert readers == ["cxa_pipeline/settings.py"]


@pytest.mark.bench
def test_the_code_location_loads_at_most_a_second_slower_than_dagster():
    def seconds(module: str) -> float:
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {module}"], cwd=ROOT, check=True, capture_output=True)
        return time.perf_counter() - begun

    alone = statistics.median(seconds("dagster") for _ in range(5))
    location = statistics.median(seconds("cxa_pipeline.definitions") for _ in range(5))
    assert location - alone <= 1.0, f"dagster {alone:.2f} s, the code location {location:.2f} s"
