"""What is bought next: `basket.sequences`.

Here: the thin function from rows to rows. Not here: what a purchase is (`basket.order_items`), the arithmetic
(`cxa_pipeline.models.sequences`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxa_pipeline.models.rules_tests import benjamini_hochberg, fisher_greater
from cxa_pipeline.models.sequences import Pairs, Steps, pairs, steps
from cxa_pipeline.models.tables.baskets import SIGNIFICANT, min_count
from cxa_pipeline.models.tables.baskets_levels import COLUMNS, UNKNOWN

if TYPE_CHECKING:
    import pandas as pd

KINDS = {"next": False, "second": True}
"""Every next purchase, or the second one of a customer alone."""


def sequences(order_items: pd.DataFrame, items: pd.DataFrame, parameters: pd.DataFrame) -> pd.DataFrame:
    """`basket.sequences`: pairs of items on consecutive purchase days of a customer, in both levels."""
    import pandas as pd

    given = parameters.iloc[0]
    bought = order_items[order_items["customer_id"].notna()]
    customer, _ = pd.factorize(bought["customer_id"], sort=True)
    day = bought["order_date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    parts = []
    for level, column in COLUMNS.items():
        known = (bought[column] != UNKNOWN).to_numpy(dtype=np.bool_) if level == "category" else slice(None)
        code, ids = pd.factorize(bought[column].to_numpy(dtype=object)[known], sort=True)
        names = items[items["level"] == level].set_index("item")["item_name"].reindex(ids).to_numpy(dtype=object)
        for kind, only_first in KINDS.items():
            taken = steps(customer[known], day[known], code, len(ids), int(given["next_purchase_days"]), only_first)
            customers = len(np.unique(taken.customer))
            least = min_count(given["basket_min_count"], customers)
            found = pairs(taken, least, int(given["basket_max_itemsets"]))
            parts.append(_rows(found, taken, np.asarray(ids, dtype=object), names).assign(level=level, kind=kind))
    made = pd.concat(parts, ignore_index=True)
    return made.assign(rank=_ranks(made))


def _rows(found: Pairs, taken: Steps, ids: Any, names: Any) -> pd.DataFrame:
    import pandas as pd

    n, before, after = len(taken), found.n_first, found.n_then
    p_value = fisher_greater(n, before, after, found.n_both)
    often = [(np.asarray(m.sum(axis=0)) >= found.min_customers).sum() for m in (taken.before, taken.after)]
    confidence, base_rate = found.n_both / before, after / max(n, 1)
    return pd.DataFrame(
        {
            "first_item": ids[found.first],
            "first_item_name": names[found.first],
            "then_item": ids[found.then],
            "then_item_name": names[found.then],
            "is_same_item": found.first == found.then,
            "steps": n,
            "first_steps": before,
            "then_steps": after,
            "both_steps": found.n_both,
            "step_customers": len(np.unique(taken.customer)),
            "customers": found.customers,
            "min_customers": found.min_customers,
            "support": found.customers / max(len(np.unique(taken.customer)), 1),
            "confidence": confidence,
            "base_rate": base_rate,
            "lift": confidence / base_rate,
            "p_value": p_value,
            "q_value": benjamini_hochberg(p_value, int(often[0] * often[1])),
            "median_days": found.median_days,
        }
    )


def _ranks(made: pd.DataFrame) -> pd.Series[float]:
    """Place after the same first item, of what is bought more often than otherwise."""
    sure = made[(made["q_value"] <= SIGNIFICANT) & (made["lift"] > 1)]
    ordered = sure.sort_values(["confidence", "then_item"], ascending=[False, True], kind="stable")
    return ordered.groupby(["level", "kind", "first_item"]).cumcount().add(1).reindex(made.index).astype(float)
