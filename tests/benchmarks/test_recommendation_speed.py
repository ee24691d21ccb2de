"""Item-item recommendations for 100,000 customers beside those of implicit: seconds and memory.

implicit is no dependency of the project; `CXA_BENCH_PYTHON` names the Python of an environment with the packages of
`competitors.txt`. Without it, its row says so.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.benchmarks import measure, page

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

SCRIPT = Path(__file__).with_name("script_recommendations.py")
COMPETITOR = os.environ.get("CXA_BENCH_PYTHON")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
CUSTOMERS, PRODUCTS, INTERACTIONS = 100_000, 10_000, 3_400_000
MEMORY = 4096.0
REPEATS = 3


@dataclass(frozen=True)
class Spent:
    """What one recommender took, the median of all seconds by their sum."""

    name: str
    fit: float
    lists: float
    peak: float

    @property
    def seconds(self) -> float:
        """Fit and lists."""
        return self.fit + self.lists

    def cells(self) -> list[str]:
        return [self.name, f"{self.fit:.1f}", f"{self.lists:.1f}", f"{self.seconds:.1f}", f"{self.peak:,.0f}"]


def by(name: str, python: str) -> Spent:
    done = measure.run([python, str(SCRIPT), name, str(CUSTOMERS), str(PRODUCTS), str(INTERACTIONS)], ONE_THREAD)
    told = json.loads(done.output.splitlines()[-1])
    return Spent(name, told["fit"], told["lists"], done.peak)


def median(spent: list[Spent]) -> Spent:
    return sorted(spent, key=lambda one: one.seconds)[len(spent) // 2]


def test_everybody_gets_a_list_no_later_than_from_implicit_and_within_four_gigabytes() -> None:
    busy = measure.load()
    # In turns, so that both meet the same machine.
    runs = [(by("ours", sys.executable), by("implicit", COMPETITOR) if COMPETITOR else None) for _ in range(REPEATS)]
    ours, others = median([one for one, _ in runs]), [other for _, other in runs if other]
    missing = ["implicit", "not installed: see competitors.txt", "", "", ""]
    rows = [ours.cells(), median(others).cells() if others else missing]
    lines = [
        f"{CUSTOMERS:,} customers, {PRODUCTS:,} products, {INTERACTIONS:,} interactions: the cosine of products with",
        "50 neighbours each, then the ten best for every customer without what he has. One thread, the median of",
        f"{REPEATS} runs in turns, each in a process of its own.",
        "",
        *page.table(["", "fit, seconds", "lists, seconds", "both", "peak MiB of the process"], rows),
    ]
    page.write("recommendations_speed", "Recommendations for everybody", lines, busy)
    assert ours.peak < MEMORY
    if others:
        assert ours.seconds <= median(others).seconds
