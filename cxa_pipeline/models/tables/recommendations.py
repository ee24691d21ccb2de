"""What to recommend: `recommendation.for_customer`, `similar_products` and `reason_evaluation`.

Here: the thin functions from the tables' rows to rows. Not here: which model is served and how well it does
(`recommendations_evaluation`), and the arithmetic (`cxa_pipeline.models.recommenders` and what follows from there).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cxa_pipeline.models.evaluation import is_relevant, resamples
from cxa_pipeline.models.recommender_data import Flags, Floats, Ints, Training, counts
from cxa_pipeline.models.recommender_hybrid import Hybrid
from cxa_pipeline.models.recommender_items import Neighbours, nearest_of
from cxa_pipeline.models.recommender_protocol import (
    CHOICE_PLACE,
    HYBRID,
    TEST_DAYS,
    TEST_USERS,
    drawn,
    fallback_order,
    fitted,
    fold,
    lists,
)
from cxa_pipeline.models.recommender_reasons import REASONS, Reasons, basket_rules, reasons, together
from cxa_pipeline.models.recommenders import Lists, recommend
from cxa_pipeline.models.tables.recommendations_evaluation import for_new_customers, serving, weights
from cxa_pipeline.models.tables.recommendations_inputs import Shop, date, shop

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_array


CUSTOMERS = 100_000
"""Customers whose recommendations are held at a time."""


def for_customer(
    interactions: pd.DataFrame,
    products: pd.DataFrame,
    customers: pd.DataFrame,
    clock: pd.DataFrame,
    parameters: pd.DataFrame,
    model_choice: pd.DataFrame,
    evaluation: pd.DataFrame,
) -> Iterator[pd.DataFrame]:
    """`recommendation.for_customer`: the products for every customer, and why; CUSTOMERS of them at a time."""
    n = int(parameters["recommendations_per_customer"].iloc[0])
    known_shop = shop(interactions, products, customers, clock, parameters, unknown=n)
    known = known_shop.known(known_shop.day)
    least = int(known_shop.parameters["min_group_size"])
    served, cold = serving(evaluation, model_choice, least), for_new_customers(model_choice)
    every = np.arange(len(known_shop.customers))
    allowed, excluded = known_shop.flags("is_recommendable"), _lately_bought(known_shop)
    order = fallback_order(known)
    for name, users in ((served, every[known.known_users]), (cold, every[~known.known_users])):
        model = _model(known, name, model_choice)
        rules = basket_rules(model, known)
        for begin in range(0, max(len(users), 1), CUSTOMERS):
            some = users[begin : begin + CUSTOMERS]
            found = recommend(model, some, n, allowed, excluded, order)
            why = reasons(model, known, rules, some, found)
            is_fallback = ~known.known_users[some][:, None] | ~(found.scores > 0)
            yield _rows(known_shop, some, found, why, name, is_fallback)


def _model(known: Training, name: str, choice: pd.DataFrame) -> Hybrid:
    """A model by name, fitted, as a hybrid of one or more parts."""
    parts = weights(choice) if name == HYBRID else {name: 1.0}
    return Hybrid(fitted(known, list(parts)), parts)


def _lately_bought(known: Shop) -> csr_array:
    """Sparse (customers, products): bought within the repurchase window, categories that repeat left out."""
    history, since = known.history, known.day - int(known.parameters["repurchase_days"])
    waits = history.is_bought & (history.day > since) & ~known.flags("is_repeatable")[history.item]
    return history.where(waits).matrix()


def _rows(known: Shop, users: Ints, found: Lists, why: Reasons, model: str, is_fallback: Flags) -> pd.DataFrame:
    import pandas as pd

    user, place = np.nonzero(found.items >= 0)
    item, reason = found.items[user, place], why.item[user, place]
    ids, names = (known.products[column].to_numpy(dtype=object) for column in ("product_id", "product_name"))
    return pd.DataFrame(
        {
            "customer_id": known.customers["customer_id"].to_numpy(dtype=object)[users[user]],
            "rank": place + 1,
            "product_id": ids[item],
            "product_name": names[item],
            "category": known.products["category"].to_numpy(dtype=object)[item],
            "price": known.products["price"].to_numpy(dtype=np.float64)[item],
            "score": found.scores[user, place],
            "model": model,
            "reason_type": np.array(REASONS, dtype=object)[why.kind[user, place]],
            "reason_product_id": _taken(ids, reason),
            "reason_product_name": _taken(names, reason),
            "evidence_customers": why.customers[user, place],
            "evidence_of_customers": why.of[user, place],
            "is_fallback": is_fallback[user, place],
        }
    )


def _taken(values: NDArray[np.object_], at: Ints) -> NDArray[np.object_]:
    """Values at positions; None at -1."""
    found = np.full(len(at), None, dtype=object)
    found[at >= 0] = values[at[at >= 0]]
    return found


def similar_products(
    interactions: pd.DataFrame,
    products: pd.DataFrame,
    customers: pd.DataFrame,
    clock: pd.DataFrame,
    parameters: pd.DataFrame,
) -> pd.DataFrame:
    """`recommendation.similar_products`: the nearest products of every product by item-item cosine."""
    import pandas as pd

    known_shop = shop(interactions, products, customers, clock, parameters)
    known = known_shop.known(known_shop.day)
    n = int(known_shop.parameters["recommendations_per_customer"])
    similarity = Neighbours("cosine").fit(known).similarity_
    allowed = known_shop.flags("is_recommendable")
    sources = np.flatnonzero(known_shop.goods)
    near, value = nearest_of(similarity, sources, n, allowed)
    row, place = np.nonzero(near >= 0)
    of, to = sources[row], near[row, place]
    has, users = counts(known.seen), int(known.known_users.sum())
    both = together(known.seen, of, to)
    ids, names = (known_shop.products[name].to_numpy(dtype=object) for name in ("product_id", "product_name"))
    return pd.DataFrame(
        {
            "product_id": ids[of],
            "rank": place + 1,
            "similar_product_id": ids[to],
            "product_name": names[of],
            "similar_product_name": names[to],
            "similar_category": known_shop.products["category"].to_numpy(dtype=object)[to],
            "similar_price": known_shop.products["price"].to_numpy(dtype=np.float64)[to],
            "similarity": value[row, place],
            "customers_both": both,
            "customers": has[of].astype(np.int64),
            "similar_customers": has[to].astype(np.int64),
            "lift": both * users / np.maximum(has[of] * has[to], 1.0),
        }
    )


def reason_evaluation(
    interactions: pd.DataFrame,
    products: pd.DataFrame,
    customers: pd.DataFrame,
    clock: pd.DataFrame,
    parameters: pd.DataFrame,
    model_choice: pd.DataFrame,
    evaluation: pd.DataFrame,
) -> pd.DataFrame:
    """`recommendation.reason_evaluation`: which reasons came true, in the weeks after the cut-off."""
    import pandas as pd

    known_shop = shop(interactions, products, customers, clock, parameters)
    cutoff = known_shop.day - TEST_DAYS
    asked = fold(known_shop.known(cutoff), known_shop.history, known_shop.day, known_shop.goods)
    served = serving(evaluation, model_choice, int(known_shop.parameters["min_group_size"]))
    users = drawn(asked.warm, TEST_USERS)
    rows = []
    if len(users):
        model = _model(asked.known, served, model_choice)
        found = lists(model, asked, users, CHOICE_PLACE)
        why = reasons(model, asked.known, basket_rules(model, asked.known), users, found)
        hit = is_relevant(found.items, asked.relevant[users])
        weights_ = resamples(len(users))
        for number, reason in enumerate(REASONS):
            shown = (why.kind == number) & (found.items >= 0)
            made, hits = shown.sum(axis=1), (shown & hit).sum(axis=1)
            rows.append(
                (reason, int(made.sum()), int(hits.sum()), int((made > 0).sum()), *_share(made, hits, weights_))
            )
    columns = ["reason_type", "recommendations", "hits", "customers", "hit_share", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns).assign(
        model=served, fitted_until=date(cutoff), tested_until=date(known_shop.day)
    )


def _share(made: Ints, hits: Ints, weights_: Floats) -> tuple[float, float, float]:
    """Hits per recommendation and its bootstrap interval: customers are drawn, not recommendations."""
    if not made.any():
        return (float("nan"),) * 3
    under, over = weights_ @ made, weights_ @ hits
    drawn_shares = over[under > 0] / under[under > 0]
    low, high = np.quantile(drawn_shares, [0.025, 0.975])
    return float(hits.sum() / made.sum()), float(low), float(high)
