"""Lifetime models of a million customers, beside lifetimes and PyMC-Marketing: seconds, memory, and the likelihood.

Both are no dependencies of the project; `CXA_BENCH_PYTHON` names the Python of an environment with the packages of
`competitors.txt`. Without it, or where a competitor fails, its row says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import measure, page
from tests.independent.lifetimes import drawn

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

SCRIPT = Path(__file__).with_name("script_lifetimes.py")
COMPETITOR = os.environ.get("CXA_BENCH_PYTHON")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
CUSTOMERS = 1_000_000
TRUTH = (0.6, 60.0, 0.8, 2.4)
COMPETITORS = {
    "lifetimes_grouped": "lifetimes, equal customers counted once",
    "lifetimes": "lifetimes, a row for each customer",
    "pymc_map": "PyMC-Marketing, MAP",
}
PATIENCE = 900.0
SECONDS_TO_FIT = 10.0
SECONDS_TO_PREDICT = 20.0
MEMORY = 2048.0


@dataclass(frozen=True)
class Spent:
    """What one modeller took; `fit` is None where it could not be run, and `says` why."""

    name: str
    says: str = ""
    fit: float | None = None
    predict: float = 0.0
    log_likelihood: float = 0.0
    expected: float = 0.0
    peak: float = 0.0

    def cells(self) -> list[str]:
        if self.fit is None:
            return [self.name, self.says, "", "", "", ""]
        figures = (f"{self.fit:.1f}", f"{self.predict:.1f}", f"{self.peak:,.0f}")
        return [self.name, *figures, f"{self.log_likelihood:,.1f}", f"{self.expected:,.0f}"]


def by(modeller: str, name: str, file: Path) -> Spent:
    python = sys.executable if modeller == "ours" else COMPETITOR
    if python is None:
        return Spent(name, "not installed: see competitors.txt")
    try:
        done = measure.run([python, str(SCRIPT), modeller, str(file)], ONE_THREAD, timeout=PATIENCE)
    except (AssertionError, subprocess.TimeoutExpired, OSError) as error:
        if modeller == "ours":
            raise
        return Spent(name, f"failed: {str(error).splitlines()[-1][:80]}")
    told = json.loads(done.output.splitlines()[-1])
    return Spent(name, "", told["fit"], told["predict"], told["log_likelihood"], told["expected"], done.peak)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Spent]:
    """What was measured, by modeller."""
    customers = drawn(CUSTOMERS, 1, TRUTH, ages=(1.0, 900.0))
    file = tmp_path_factory.mktemp("lifetimes") / "customers.npz"
    np.savez(
        file,
        frequency=customers.x,
        recency=np.floor(customers.t_x),
        T=np.floor(customers.T),
        monetary_value=np.where(customers.x > 0, np.round(np.maximum(customers.mean, 0.01), 2), 0.0),
    )
    busy = measure.load()
    measured = {"ours": by("ours", "this project", file)}
    measured |= {modeller: by(modeller, name, file) for modeller, name in COMPETITORS.items()}
    head = ["", "fit, s", "predict, s", "peak MiB", "log-likelihood of orders", "orders expected in 365 days"]
    lines = [
        "BG/NBD and Gamma-Gamma, fitted and predicted on one thread, each in a process of its own; the customers are",
        f"drawn from r = {TRUTH[0]}, alpha = {TRUTH[1]:.0f} days, a = {TRUTH[2]}, b = {TRUTH[3]}, seen for up to 900 days.",
        "This project predicts values and intervals as well, the others P(alive), orders and the order value.",
        "",
    ]
    rows = page.table(head, [spent.cells() for spent in measured.values()])
    page.write("lifetimes", f"Lifetime value of {CUSTOMERS:,} customers", [*lines, *rows], busy)
    return measured


def test_a_million_customers_are_fitted_and_predicted_within_bounds(found: dict[str, Spent]) -> None:
    ours = found["ours"]
    assert ours.fit is not None
    assert ours.fit < SECONDS_TO_FIT
    assert ours.predict < SECONDS_TO_PREDICT
    assert ours.peak < MEMORY


@pytest.mark.parametrize("modeller", COMPETITORS)
def test_no_other_finds_a_better_fit_or_is_faster(found: dict[str, Spent], modeller: str) -> None:
    ours, other = found["ours"], found[modeller]
    if other.fit is None:
        pytest.skip(other.says)
    assert ours.fit is not None
    assert ours.log_likelihood >= other.log_likelihood - 0.1
    assert ours.fit < other.fit
