"""Mine the baskets of a file with one miner and tell seconds and itemsets as JSON; run in a process of its own.

`python script_itemsets.py MINER FILE MIN_COUNT MAX_LENGTH MAX_ITEMSETS`: MINER is exact, apriori, fpgrowth (mlxtend),
pyfim_eclat or pyfim_fpgrowth; FILE holds a basket per line, items as numbers; 0 is no limit. The time is that of the
mining alone, from the form in which the miner wants its baskets: the median of three, of fewer if they take long.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

Mined = Callable[[], int]
REPEATS, PATIENCE = 3, 20.0


def pyfim(baskets: list[list[int]], name: str, min_count: int, max_length: int) -> Mined:
    import fim

    run = getattr(fim, name.removeprefix("pyfim_"))
    return lambda: len(run(baskets, supp=-min_count, zmin=1, zmax=max_length or -1, report="a"))


def ours(baskets: list[list[int]], name: str, min_count: int, max_length: int, max_itemsets: int) -> Mined:
    import numpy as np

    from cxa_pipeline.models.itemsets import incidence, mine

    basket = np.repeat(np.arange(len(baskets)), [len(b) for b in baskets])
    item = np.fromiter((i for b in baskets for i in b), dtype=np.int64, count=len(basket))
    n, items = len(baskets), int(item.max()) + 1
    baskets.clear()
    # What the first call imports is no part of the mining.
    mine(incidence(np.array([0, 0]), np.array([0, 1]), 1, 2), 1, algorithm=name)
    return lambda: len(
        mine(incidence(basket, item, n, items), min_count, max_length or None, max_itemsets or None, name)
    )


def main() -> None:
    miner, file, *numbers = sys.argv[1:]
    min_count, max_length, max_itemsets = map(int, numbers)
    with Path(file).open() as lines:
        baskets = [[int(item) for item in line.split()] for line in lines]
    run = (
        pyfim(baskets, miner, min_count, max_length)
        if miner.startswith("pyfim_")
        else ours(baskets, miner, min_count, max_length, max_itemsets)
    )
    seconds: list[float] = []
    while len(seconds) < REPEATS and sum(seconds) < PATIENCE:
        begun = time.perf_counter()
        itemsets = run()
        seconds.append(time.perf_counter() - begun)
    print(json.dumps({"seconds": statistics.median(seconds), "itemsets": itemsets}))


if __name__ == "__main__":
    main()
