"""Fit item-item cosine to drawn interactions and list the ten best of every customer; run in a process of its own.

`python script_recommendations.py NAME CUSTOMERS PRODUCTS INTERACTIONS`: NAME is ours or implicit. Seconds of the fit
and of the lists are told as JSON; both start from a sparse matrix, keep 50 neighbours, and leave out what a customer
has. One thread each: ours has no more, implicit takes what OMP_NUM_THREADS and num_threads say.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np

NEIGHBOURS, PLACES = 50, 10


def drawn(customers: int, products: int, interactions: int, seed: int = 1) -> tuple[Any, Any]:
    """Customers of exponential activity, products of a popularity that falls with the rank."""
    rng = np.random.default_rng(seed)
    active = np.minimum((rng.exponential(1, interactions) * customers / 6).astype(np.int64), customers - 1)
    edges = np.cumsum(1 / np.arange(1, products + 1) ** 0.8)
    chosen = np.searchsorted(edges, rng.random(interactions) * edges[-1])
    return rng.permutation(customers)[active], rng.permutation(products)[chosen]


def ours(user: Any, item: Any, customers: int, products: int) -> tuple[float, float]:
    from cxa_pipeline.models.recommender_data import History, counts, training
    from cxa_pipeline.models.recommender_items import Neighbours
    from cxa_pipeline.models.recommenders import order_by, recommend

    n = len(user)
    history = History(
        user, item, np.zeros(n, dtype=np.int64), np.ones(n), np.ones(n, dtype=np.bool_), customers, products
    )
    known = training(history, 0, np.zeros(products, dtype=np.int64))
    order = order_by(counts(known.seen))
    assert known.strength.nnz == known.seen.nnz
    begun = time.perf_counter()
    model = Neighbours("cosine", NEIGHBOURS).fit(known)
    fitted = time.perf_counter()
    free = np.ones(products, dtype=np.bool_)
    lists = recommend(model, np.arange(customers), PLACES, free, known.seen, order)
    ended = time.perf_counter()
    assert lists.items.shape == (customers, PLACES)
    return fitted - begun, ended - fitted


def implicit(user: Any, item: Any, customers: int, products: int) -> tuple[float, float]:
    from implicit.nearest_neighbours import CosineRecommender
    from scipy.sparse import csr_matrix

    rows = csr_matrix((np.ones(len(user), dtype=np.float32), (user, item)), shape=(customers, products))
    rows.data[:] = 1
    begun = time.perf_counter()
    model = CosineRecommender(K=NEIGHBOURS, num_threads=1)
    model.fit(rows, show_progress=False)
    fitted = time.perf_counter()
    items, _ = model.recommend(np.arange(customers), rows, N=PLACES)
    ended = time.perf_counter()
    assert items.shape == (customers, PLACES)
    return fitted - begun, ended - fitted


def main() -> None:
    name, *numbers = sys.argv[1:]
    customers, products, interactions = map(int, numbers)
    user, item = drawn(customers, products, interactions)
    fit, lists = {"ours": ours, "implicit": implicit}[name](user, item, customers, products)
    print(json.dumps({"fit": fit, "lists": lists}))


if __name__ == "__main__":
    main()
