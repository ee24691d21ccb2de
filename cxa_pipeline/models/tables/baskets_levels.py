"""Baskets as the tables of `basket` read them: by level, and cut into those that are mined and those kept back.

Here: from rows of `basket.order_items` to sparse matrices, and the words for items. Not here: what is found in them
(`baskets`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cxa_pipeline.models.itemsets import Codes, incidence

if TYPE_CHECKING:
    import pandas as pd

Texts = NDArray[np.object_]

COLUMNS = {"product": "product_id", "category": "category"}
UNKNOWN = "Unknown"
"""Products without a category share no category."""


@dataclass(frozen=True)
class Level:
    """The baskets of one level.

    Attributes:
        name: `product` or `category`.
        items: What lies in the baskets, ascending; a code is a place among them.
        mined, later: CSR arrays (baskets, items): the baskets that are mined, and those that came later.
    """

    name: str
    items: Texts
    mined: Any
    later: Any

    def keys(self, rows: Codes) -> Texts:
        """Itemsets (n, size) as text: items between bars, bars and backslashes of an item after a backslash."""
        escaped = [str(item).replace("\\", "\\\\").replace("|", "\\|") for item in self.items]
        return joined(np.array(escaped, dtype=object), rows, "|")


def joined(words: Texts, rows: Codes, between: str) -> Texts:
    """The words of each row (n, size), size at least 1, in one text."""
    found: Texts = words[rows[:, 0]]
    for column in range(1, rows.shape[1]):
        found = found + between + words[rows[:, column]]
    return found


def levels(order_items: pd.DataFrame, mined_until: pd.Timestamp) -> Iterator[Level]:
    """The baskets of both levels.

    Args:
        order_items: Rows of `basket.order_items`: order_id, order_date, product_id, category.
        mined_until: Last day that is mined, NaT without data.
    """
    import pandas as pd

    is_mined = (order_items["order_date"] <= mined_until).to_numpy(dtype=np.bool_)
    orders = [pd.factorize(order_items.loc[part, "order_id"]) for part in (is_mined, ~is_mined)]
    for name, column in COLUMNS.items():
        code, items = pd.factorize(order_items[column].to_numpy(dtype=object), sort=True)
        known = np.ones(len(code), dtype=np.bool_)
        if name == "category" and UNKNOWN in items:
            unknown = int(np.flatnonzero(items == UNKNOWN)[0])
            known, items = code != unknown, np.delete(items, unknown)
            code = code - (code > unknown)
        parts = []
        for part, (order, ids) in zip((is_mined, ~is_mined), orders, strict=True):
            inside = known[part]
            parts.append(incidence(order[inside], code[part][inside], len(ids), len(items)))
        yield Level(name, np.asarray(items, dtype=object), *parts)


def whole(value: Any) -> int | None:
    """A number of a table, None for NULL."""
    return None if value is None or value != value else int(value)


def worth(items: pd.DataFrame, level: Level) -> pd.DataFrame:
    """Rows of `basket.items` in the order of a level's codes."""
    found = items[items["level"] == level.name].set_index("item")
    return found.reindex(level.items)
