"""The miner of itemsets beside mlxtend's and PyFIM's: seconds, memory, and what bounds it where baskets explode.

PyFIM is no dependency of the project; `CXA_BENCH_PYTHON` names the Python of an environment with the packages of
`competitors.txt`. Without it, its rows say so.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks import measure, page

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

SCRIPT = Path(__file__).with_name("script_itemsets.py")
COMPETITOR = os.environ.get("CXA_BENCH_PYTHON")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
SECONDS_FOR_FIMI = 1.0
FASTER_THAN_MLXTEND, SLOWER_THAN_PYFIM = 15, 2
MAX_ITEMSETS = 50_000


@dataclass(frozen=True)
class Spent:
    """What one miner took; `itemsets` is None where it could not be run."""

    miner: str
    itemsets: int | None = None
    seconds: float = 0.0
    peak: float = 0.0

    def cells(self) -> list[str]:
        if self.itemsets is None:
            return [self.miner, "not installed: see competitors.txt", "", ""]
        return [self.miner, f"{self.itemsets:,}", f"{self.seconds:.2f}", f"{self.peak:,.0f}"]


@dataclass(frozen=True)
class Case:
    """Baskets in a file, and what is looked for in them."""

    title: str
    file: Path
    min_count: int
    max_length: int = 0
    max_itemsets: int = 0

    def by(self, miner: str) -> Spent:
        python = COMPETITOR if miner.startswith("pyfim_") else sys.executable
        if python is None:
            return Spent(miner)
        limits = map(str, (self.min_count, self.max_length, self.max_itemsets))
        done = measure.run([python, str(SCRIPT), miner, str(self.file), *limits], ONE_THREAD)
        told = json.loads(done.output.splitlines()[-1])
        return Spent(miner, told["itemsets"], told["seconds"], done.peak)


@pytest.fixture(scope="module")
def found() -> Iterator[dict[str, list[Spent]]]:
    """What was measured, by the title of the case; written to the page at the end."""
    busy = measure.load()
    measured: dict[str, list[Spent]] = {}
    yield measured
    head = ["", "itemsets", "seconds", "peak MiB of the process, baskets included"]
    rows = [[[f"**{title}**", "", "", ""], *(s.cells() for s in spent)] for title, spent in measured.items()]
    lines = ["All on one thread, each miner in a process of its own; seconds are those of the mining alone.", ""]
    page.write("baskets", "Itemsets", [*lines, *page.table(head, [row for part in rows for row in part])], busy)


@pytest.fixture
def reference() -> Path:
    folder = os.environ.get("CXA_REFERENCE_DATA")
    if not folder:
        pytest.skip("CXA_REFERENCE_DATA is not set: no reference data on this machine")
    return Path(folder)


def run(found: dict[str, list[Spent]], case: Case, *miners: str) -> dict[str, Spent]:
    spent = {miner: case.by(miner) for miner in miners}
    found[case.title] = list(spent.values())
    numbers = {s.itemsets for s in spent.values() if s.itemsets is not None}
    assert len(numbers) == 1, f"the miners disagree on {case.title}: {numbers}"
    return spent


def write(path: Path, baskets: Iterator[list[int]]) -> Path:
    with path.open("w") as file:
        file.writelines(f"{' '.join(map(str, basket))}\n" for basket in baskets)
    return path


def test_fimi_retail_is_mined_within_a_second_and_faster_than_by_mlxtend(
    found: dict[str, list[Spent]], reference: Path, tmp_path: Path
) -> None:
    file = tmp_path / "retail.dat"
    file.write_bytes(gzip.decompress((reference / "fimi_retail" / "retail.dat.gz").read_bytes()))
    case = Case("FIMI retail, 88,162 baskets, at least 89, any length", file, 89)
    spent = run(found, case, "exact", "fpgrowth", "pyfim_eclat", "pyfim_fpgrowth")
    assert spent["exact"].itemsets == 7589
    assert spent["exact"].seconds < SECONDS_FOR_FIMI
    assert spent["exact"].seconds * FASTER_THAN_MLXTEND < spent["fpgrowth"].seconds
    assert spent["exact"].peak * 4 < spent["fpgrowth"].peak
    others = [s.seconds for name, s in spent.items() if name.startswith("pyfim") and s.itemsets is not None]
    assert not others or spent["exact"].seconds <= SLOWER_THAN_PYFIM * min(others)


def test_online_retail_is_mined_faster_than_by_mlxtend(
    found: dict[str, list[Spent]], reference: Path, tmp_path: Path
) -> None:
    import pandas as pd

    lines = pd.read_csv(reference / "online_retail" / "online_retail.csv.gz", dtype=str, encoding_errors="replace")
    lines = lines[lines["Quantity"].astype(float) > 0]
    lines = lines.assign(item=pd.factorize(lines["StockCode"], sort=True)[0])
    baskets = (sorted(set(group)) for _, group in lines.groupby("InvoiceNo")["item"])
    file = write(tmp_path / "online_retail.dat", iter(baskets))
    spent = run(found, Case("Online Retail, at least 200, any length", file, 200), "exact", "fpgrowth", "pyfim_eclat")
    assert spent["exact"].seconds < spent["fpgrowth"].seconds
    # As basket.mining does by default: one order in 2,000, and raised as far as it must be.
    bounded = Case("Online Retail, at least 11, 4 items, at most 50,000", file, 11, 4, MAX_ITEMSETS)
    assert (run(found, bounded, "exact")["exact"].itemsets or 0) <= MAX_ITEMSETS


def drawn(n: int, items: int, mean: float, seed: int = 1) -> Iterator[list[int]]:
    """Baskets of 1 + Poisson items of a popularity that falls with the rank; the first hundred items bring the next."""
    rng = np.random.default_rng(seed)
    edges = np.cumsum(1 / np.arange(5, items + 5))
    for size in rng.poisson(mean, n) + 1:
        basket = set(np.searchsorted(edges, rng.random(size) * edges[-1]).tolist())
        yield sorted(basket | {i + 1 for i in basket if i < 100 and rng.random() < 0.1})


def test_a_million_baskets_are_mined_within_a_minute(found: dict[str, list[Spent]], tmp_path: Path) -> None:
    file = write(tmp_path / "million.dat", drawn(1_000_000, 2_000, 3.0))
    case = Case("1,000,000 drawn baskets of 2,000 items, at least 500, 4 items", file, 500, 4)
    assert run(found, case, "exact", "pyfim_eclat")["exact"].seconds < 60


def test_baskets_of_five_hundred_items_stay_within_the_bound(found: dict[str, list[Spent]], tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    choose = partial(rng.choice, 2_000, 500, replace=False)
    file = write(tmp_path / "giants.dat", (sorted(choose().tolist()) for _ in range(20_000)))
    case = Case("20,000 baskets of 500 of 2,000 items, at least 10, 4 items, at most 50,000", file, 10, 4, MAX_ITEMSETS)
    spent = run(found, case, "exact")["exact"]
    assert (spent.itemsets or 0) <= MAX_ITEMSETS and spent.seconds < 120
