"""How the recommenders did: `recommendation.model_choice` and `recommendation.evaluation`.

Here: the two cut-offs, the rows of both tables, and the gate that decides what is served. Not here: the arithmetic
(`cxa_pipeline.models.recommender_protocol`, `evaluation`) and the recommendations (`recommendations`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxa_pipeline.models import evaluation as measures
from cxa_pipeline.models.evaluation import Floats
from cxa_pipeline.models.recommender_data import Ints, counts
from cxa_pipeline.models.recommender_hybrid import Hybrid
from cxa_pipeline.models.recommender_protocol import (
    BASELINES,
    CHOICE_PLACE,
    HYBRID,
    TEST_DAYS,
    TEST_USERS,
    Fold,
    choose,
    drawn,
    fitted,
    fold,
    lists,
)
from cxa_pipeline.models.recommenders import Recommender
from cxa_pipeline.models.tables.recommendations_inputs import Shop, date, shop

if TYPE_CHECKING:
    import pandas as pd

PLACES = (5, 10, 20)
GATE = ("ndcg", CHOICE_PLACE)


def model_choice(
    interactions: pd.DataFrame,
    products: pd.DataFrame,
    customers: pd.DataFrame,
    clock: pd.DataFrame,
    parameters: pd.DataFrame,
) -> pd.DataFrame:
    """`recommendation.model_choice`: each recommender on the selection window, and the parts of the hybrid."""
    import pandas as pd

    known = shop(interactions, products, customers, clock, parameters)
    cutoff = known.day - 2 * TEST_DAYS
    asked = fold(known.known(cutoff), known.history, cutoff + TEST_DAYS, known.goods)
    models = fitted(asked.known)
    found = choose(models, asked)
    rows = [
        {
            "model": name,
            "ndcg": found.ndcg.get(name, np.nan),
            "weight": found.weights.get(name, np.nan),
            "is_baseline": name in BASELINES,
            "is_for_new_customers": name == found.cold,
            "n": found.users,
            "fitted_until": date(cutoff),
            "tested_until": date(cutoff + TEST_DAYS),
        }
        for name in [*models, HYBRID]
    ]
    return pd.DataFrame(rows)


def weights(choice: pd.DataFrame) -> dict[str, float]:
    """The weights of the hybrid's parts, the heaviest first."""
    parts = choice.dropna(subset=["weight"]).sort_values(["weight", "model"], ascending=[False, True])
    return dict(zip(parts["model"], parts["weight"].astype(float), strict=True))


def for_new_customers(choice: pd.DataFrame) -> str:
    """The model for customers without a history."""
    return str(choice.loc[choice["is_for_new_customers"], "model"].iloc[0])


def evaluation(
    interactions: pd.DataFrame,
    products: pd.DataFrame,
    customers: pd.DataFrame,
    clock: pd.DataFrame,
    parameters: pd.DataFrame,
    model_choice: pd.DataFrame,
    previous_evaluation: pd.DataFrame,
) -> pd.DataFrame:
    """`recommendation.evaluation`: every recommender on the last weeks, against popularity and the release before."""
    import pandas as pd

    known = shop(interactions, products, customers, clock, parameters)
    cutoff = known.day - TEST_DAYS
    asked = fold(known.known(cutoff), known.history, known.day, known.goods)
    models = fitted(asked.known)
    baselines = [name for name in BASELINES if name in models]
    cold = {name: models[name] for name in baselines}
    parts = weights(model_choice)
    models[HYBRID] = Hybrid({**models, **fitted(asked.known, [n for n in parts if n not in models])}, parts)
    warm_rows = _rows(known, asked, asked.warm, models, "warm")
    cold_rows = _rows(known, asked, asked.cold, cold, "cold")
    made = pd.DataFrame([*warm_rows, *cold_rows, *_unreachable(asked)], columns=_COLUMNS)
    served = serving(made, model_choice, int(known.parameters["min_group_size"]))
    is_served = (made["audience"] == "warm") & (made["model"] == served)
    is_served |= (made["audience"] == "cold") & (made["model"] == for_new_customers(model_choice))
    return made.assign(
        is_served=is_served,
        served_before=_before(made, previous_evaluation),
        is_baseline=made["model"].isin(BASELINES),
        fitted_until=date(cutoff),
        tested_until=date(known.day),
    )


def _before(made: pd.DataFrame, previous: pd.DataFrame) -> list[float]:
    """For each row the figure of what was served to its audience in the release before; NaN where nothing was."""
    served = previous[previous["is_served"].astype(bool)]
    figures = dict(
        zip(zip(served["metric"], served["k"], served["audience"], strict=True), served["value"], strict=True)
    )
    asked = zip(made["metric"], made["k"], made["audience"], strict=True)
    return [float(figures.get(figure, np.nan)) for figure in asked]


_COLUMNS = (
    "model", "metric", "k", "audience", "value", "ci_low", "ci_high", "n",
    "compared_with", "difference", "difference_ci_low", "difference_ci_high",
)  # fmt: skip


def serving(evaluated: pd.DataFrame, choice: pd.DataFrame, least: int) -> str:
    """The model that customers with a history get.

    The hybrid if its nDCG@10 is above that of the best popularity, the paired interval of the difference above 0;
    else the best popularity; where fewer than `least` customers could be asked, an interval proves nothing, and the
    best popularity is served too; where nobody could be, the popularity of new customers.
    """
    metric, k = GATE
    rows = evaluated[(evaluated["audience"] == "warm") & (evaluated["metric"] == metric) & (evaluated["k"] == k)]
    if rows.empty:
        return for_new_customers(choice)
    hybrid = rows[rows["model"] == HYBRID].iloc[0]
    is_better = hybrid["difference_ci_low"] > 0 and hybrid["n"] >= least
    return HYBRID if is_better else str(hybrid["compared_with"])


def _rows(known: Shop, asked: Fold, users: Ints, models: dict[str, Recommender], audience: str) -> list[dict[str, Any]]:
    """Rows of all models for one audience."""
    users = drawn(users, TEST_USERS)
    if not len(users):
        return []
    relevant, missed = asked.relevant[users], asked.missed[users]
    weights_ = measures.resamples(len(users))
    shown = {name: lists(model, asked, users).items for name, model in models.items()}
    per_user: dict[tuple[str, int], dict[str, Floats]] = {}
    wanted = np.diff(relevant.indptr).astype(np.int64)
    for name, items in shown.items():
        is_hit = measures.is_relevant(items, relevant)
        for k in PLACES:
            found = measures.measures(is_hit, wanted, k)
            pessimistic = measures.measures(is_hit, wanted, k, missed)
            strict = {f"{metric}_with_unreachable": pessimistic[metric] for metric in ("ndcg", "recall")}
            per_user[name, k] = {**found, **strict}
    baselines = [name for name in models if name in BASELINES]
    metric, k = GATE
    best = max(baselines, key=lambda name: float(per_user[name, k][metric].mean()))
    rows = []
    item_customers, customers = counts(asked.known.seen).astype(np.int64), int(asked.known.known_users.sum())
    catalogue = np.flatnonzero(asked.allowed)
    for name in models:
        for k in PLACES:
            head = {"model": name, "k": k, "audience": audience, "n": len(users), "compared_with": best}
            values, reference = per_user[name, k], per_user[best, k]
            ends = measures.intervals(values, weights_)
            differences = measures.intervals({m: values[m] - reference[m] for m in values}, weights_)
            rows += [
                {
                    **head,
                    "metric": m,
                    **_ends("value", "", ends[m]),
                    **_ends("difference", "difference_", differences[m]),
                }
                for m in values
            ]
            whole = measures.of_all_lists(shown[name], k, catalogue, item_customers, customers, known.category)
            rows += [{**head, "metric": m, "value": value, "compared_with": None} for m, value in whole.items()]
    return rows


def _ends(mean: str, prefix: str, values: tuple[float, float, float]) -> dict[str, float]:
    return {mean: values[0], f"{prefix}ci_low": values[1], f"{prefix}ci_high": values[2]}


def _unreachable(asked: Fold) -> list[dict[str, Any]]:
    """The part of what was newly bought that no model could know."""
    n = asked.relevant.nnz + int(asked.missed.sum())
    head = {"model": HYBRID, "metric": "unreachable_share", "audience": "warm", "n": n, "k": CHOICE_PLACE}
    return [{**head, "value": asked.unreachable_share}] if n else []
