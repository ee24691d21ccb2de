"""What is bought together: `basket.mining`, `basket.itemsets` and `basket.rules`.

Here: the thin functions from the tables' rows to rows. Not here: what a basket is (`basket.order_items`), the
arithmetic (`cxa_pipeline.models.itemsets`, `cxa_pipeline.models.rules`), what is bought next (`baskets_sequences`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cxa_pipeline.models.itemsets import Codes, Itemsets, mine
from cxa_pipeline.models.rules import Rules, expected_gain, hypotheses, measures, replicate
from cxa_pipeline.models.rules import rules as find_rules
from cxa_pipeline.models.tables.baskets_levels import Level, joined, levels, whole, worth

if TYPE_CHECKING:
    import pandas as pd

MIN_COUNT, MIN_SHARE = 5, 0.0005
SIGNIFICANT = 0.05
GIANT_ITEMS = 50
ENOUGH_DAYS = 2
"""Orders are kept back only if data go back at least this many times as long before them."""


def min_count(given: Any, baskets: int) -> int:
    """Fewest orders (or customers) that say anything: as set, or else 5, or one in 2,000 if that is more."""
    return whole(given) or max(MIN_COUNT, math.ceil(MIN_SHARE * baskets))


def mining(order_items: pd.DataFrame, clock: pd.DataFrame, parameters: pd.DataFrame) -> pd.DataFrame:
    """`basket.mining`: what is mined in each level, and how far down the fewest orders can go."""
    import pandas as pd

    given = parameters.iloc[0]
    first, last = order_items["order_date"].min(), clock["as_of_date"].iloc[0]
    kept_back = pd.Timedelta(days=int(given["basket_holdout_days"]))
    mined_until = last - kept_back
    if kept_back == pd.Timedelta(0) or not first <= mined_until - ENOUGH_DAYS * kept_back:
        mined_until = last
    rows = []
    for level in levels(order_items, mined_until):
        asked = min_count(given["basket_min_count"], level.mined.shape[0])
        length = whole(given["basket_max_length"])
        found = mine(level.mined, asked, length, int(given["basket_max_itemsets"]))
        rows.append(
            {
                "level": level.name,
                "mined_from": first if level.mined.shape[0] else pd.NaT,
                "mined_until": mined_until,
                **_sizes(level.mined),
                "asked_count": asked,
                "min_count": found.min_count,
                "is_raised": found.min_count > asked,
                "max_length": length,
                "itemsets": len(found),
                "candidates": sum(size * len(counts) for size, _, counts in found.levels() if size > 1),
                "hypotheses": hypotheses(found),
                "holdout_from": mined_until + pd.Timedelta(days=1) if mined_until < last else pd.NaT,
                "holdout_until": last if mined_until < last else pd.NaT,
                "holdout_baskets": level.later.shape[0],
            }
        )
    made = pd.DataFrame(rows)
    dates = ("mined_from", "mined_until", "holdout_from", "holdout_until")
    return made.assign(**{name: pd.to_datetime(made[name]) for name in dates})


def _sizes(baskets: Any) -> dict[str, Any]:
    lengths = np.diff(baskets.indptr)
    n, total, giants = len(lengths), int(lengths.sum()), lengths[lengths > GIANT_ITEMS]
    return {
        "baskets": n,
        "items": int((np.asarray(baskets.sum(axis=0)) > 0).sum()),
        "basket_items": total,
        "items_per_basket": total / n if n else np.nan,
        "single_item_baskets": int((lengths == 1).sum()),
        "largest_basket": int(lengths.max(initial=0)),
        "giant_baskets": len(giants),
        "giant_item_share": giants.sum() / total if total else np.nan,
    }


def _mined(level: Level, mining: pd.DataFrame) -> Itemsets:
    run = mining[mining["level"] == level.name].iloc[0]
    return mine(level.mined, int(run["min_count"]), whole(run["max_length"]), None)


def itemsets(order_items: pd.DataFrame, items: pd.DataFrame, mining: pd.DataFrame) -> pd.DataFrame:
    """`basket.itemsets`: all frequent itemsets of both levels."""
    import pandas as pd

    parts = [pd.DataFrame({name: [] for name in _itemset_columns()})]
    for level in levels(order_items, mining["mined_until"].iloc[0]):
        found, known = _mined(level, mining), worth(items, level)
        singles = np.asarray(level.mined.sum(axis=0)).ravel() / max(found.baskets, 1)
        for size, rows, counts in found.levels():
            parts.append(_itemsets_of_size(level, known, singles, size, rows, counts, found.baskets))
    return pd.concat(parts[1:] or parts, ignore_index=True)


def _itemset_columns() -> tuple[str, ...]:
    known = ("level", "itemset", "itemset_names", "size", "orders", "baskets", "support", "expected_orders", "lift")
    return (*known, "price", "margin", "is_offered")


def _itemsets_of_size(
    level: Level, known: pd.DataFrame, singles: Any, size: int, rows: Codes, counts: Codes, baskets: int
) -> pd.DataFrame:
    import pandas as pd

    expected = baskets * singles[rows].prod(axis=1)
    price, rate = (known[name].to_numpy(dtype=np.float64)[rows] for name in ("price", "margin_rate"))
    columns = (
        level.name,
        level.keys(rows),
        joined(known["item_name"].to_numpy(dtype=object), rows, " + "),
        size,
        counts,
        baskets,
        counts / baskets,
        expected,
        counts / expected,
        price.sum(axis=1),
        (price * rate).sum(axis=1),
        known["is_offered"].to_numpy(dtype=np.bool_)[rows].all(axis=1),
    )
    return pd.DataFrame(dict(zip(_itemset_columns(), columns, strict=True)))


def rules(order_items: pd.DataFrame, items: pd.DataFrame, mining: pd.DataFrame) -> pd.DataFrame:
    """`basket.rules`: all candidates of both levels, with every measure."""
    import pandas as pd

    parts = []
    for level in levels(order_items, mining["mined_until"].iloc[0]):
        found = find_rules(_mined(level, mining))
        parts.append(_rules_of_level(level, worth(items, level), found))
    return pd.concat(parts, ignore_index=True)


def _rules_of_level(level: Level, known: pd.DataFrame, found: Rules) -> pd.DataFrame:
    import pandas as pd

    names = known["item_name"].to_numpy(dtype=object)
    price, rate = (known[name].to_numpy(dtype=np.float64)[found.consequent] for name in ("price", "margin_rate"))
    counts = (found.n_antecedent, found.n_consequent, found.n_both)
    measured = measures(found.baskets, *counts, found.hypotheses)
    seen = replicate(found, level.later)
    return pd.DataFrame(
        {
            "level": level.name,
            **_sides(level, names, found),
            "baskets": found.baskets,
            **dict(zip(("antecedent_orders", "consequent_orders", "orders"), counts, strict=True)),
            **vars(measured),
            "is_redundant": found.is_redundant,
            "price": price,
            "margin_rate": rate,
            "expected_gain": expected_gain(measured.leverage, price, rate),
            "holdout_baskets": level.later.shape[0],
            "holdout_antecedent_orders": seen.n_antecedent,
            "holdout_consequent_orders": seen.n_consequent,
            "holdout_orders": seen.n_both,
            "holdout_confidence": seen.confidence,
            "holdout_lift": seen.lift,
            "holdout_lift_low": seen.lift_low,
            "holdout_p_value": seen.p_value,
            "replicates": pd.Series(seen.replicates, dtype=object).where(~np.isnan(seen.p_value)),
            "is_offered": known["is_offered"].to_numpy(dtype=object)[found.consequent],
            "is_recommended": ~found.is_redundant & (measured.lift > 1) & (measured.q_value <= SIGNIFICANT),
        }
    )


def _sides(level: Level, names: Any, found: Rules) -> dict[str, Any]:
    """Keys and names of both sides and of the itemset that they make."""
    nothing = np.zeros(0, dtype=object)
    befores, before_names, wholes, start = [nothing], [nothing], [nothing], 0
    for rows in found.antecedents:
        after = found.consequent[start : start + len(rows)]
        befores.append(level.keys(rows))
        before_names.append(joined(names, rows, " + "))
        wholes.append(level.keys(np.sort(np.column_stack([rows, after]), axis=1)))
        start += len(rows)
    return {
        "antecedent": np.concatenate(befores),
        "antecedent_names": np.concatenate(before_names),
        "antecedent_size": np.repeat(np.arange(1, len(found.antecedents) + 1), [len(a) for a in found.antecedents]),
        "consequent": level.items[found.consequent],
        "consequent_name": names[found.consequent],
        "itemset": np.concatenate(wholes),
    }
