"""From the frames of the recommendation tables' inputs to what recommenders are fitted to.

Positions of customers and products are those of their sorted ids. Not here: the tables themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxa_pipeline.models.recommender_data import Flags, History, Ints, Training, training

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Shop:
    """Customers, products, and what happened between them.

    Attributes:
        customers, products: frames, sorted by id.
        history: everything up to the as-of date.
        day: the as-of date, in days since 1970.
        category: (products,) codes.
        groups: codes (customers,) of age group and location, and of location.
        parameters: the row of core.parameters.
    """

    customers: pd.DataFrame
    products: pd.DataFrame
    history: History
    day: int
    category: Ints
    groups: dict[str, Ints]
    parameters: pd.Series

    def known(self, day: int) -> Training:
        """What models may know at the end of a day."""
        half_life, cap = float(self.parameters["interest_half_life_days"]), float(self.parameters["weight_purchase"])
        return training(self.history, day, self.category, self.groups, half_life, cap)

    def flags(self, name: str) -> Flags:
        """A boolean column of the products."""
        result: Flags = self.products[name].to_numpy(dtype=np.bool_)
        return result

    @property
    def goods(self) -> Flags:
        """(products,) what can be recommended at all, apart from what is out of stock or withdrawn today."""
        return self.flags("is_goods")


def shop(
    interactions: pd.DataFrame,
    products: pd.DataFrame,
    customers: pd.DataFrame,
    clock: pd.DataFrame,
    parameters: pd.DataFrame,
    unknown: int = 0,
) -> Shop:
    """Code ids as positions and dates as days; products that nobody ever touched are left out.

    Args:
        interactions: customer_id, product_id, interaction_date, weight, purchases.
        products: product_id, category and flags.
        customers: customer_id, age_group, location.
        clock: as_of_date, one row.
        parameters: interest_half_life_days, weight_purchase, and what the caller needs, one row.
        unknown: So many recommendable products that nobody ever touched are kept, the first by id, to fill lists.
    """
    import pandas as pd

    people = customers.sort_values("customer_id", ignore_index=True)
    things = products.sort_values("product_id", ignore_index=True)
    user = pd.Index(people["customer_id"]).get_indexer(pd.Index(interactions["customer_id"]))
    place = pd.Index(things["product_id"]).get_indexer(pd.Index(interactions["product_id"]))
    is_kept = np.bincount(place[place >= 0], minlength=len(things)) > 0
    if unknown:
        spare = np.flatnonzero(~is_kept & things["is_recommendable"].to_numpy(dtype=np.bool_))
        is_kept[spare[:unknown]] = True
    things = things[is_kept].reset_index(drop=True)
    item = np.where(place >= 0, np.append(np.cumsum(is_kept) - 1, -1)[place], -1)
    history = History(
        user.astype(np.int64),
        item.astype(np.int64),
        days(interactions["interaction_date"]),
        interactions["weight"].to_numpy(dtype=np.float64),
        interactions["purchases"].to_numpy(dtype=np.float64) > 0,
        len(people),
        len(things),
    ).where((user >= 0) & (item >= 0))
    end = clock["as_of_date"].iloc[0]
    return Shop(
        people,
        things,
        history,
        int(days(clock["as_of_date"])[0]) if pd.notna(end) else 0,
        codes(things["category"]),
        {
            "age_group_and_location": codes(
                people["age_group"].astype(object) + "\n" + people["location"].astype(object)
            ),
            "location": codes(people["location"]),
        },
        parameters.iloc[0],
    )


def days(dates: pd.Series) -> Ints:
    """Days since 1970."""
    result: Ints = dates.to_numpy().astype("datetime64[D]").astype(np.int64)
    return result


def date(day: int) -> np.datetime64:
    """The date of a day since 1970."""
    return np.datetime64(int(day), "D")


def codes(values: pd.Series) -> Ints:
    """Codes 0..n-1 by ascending value."""
    _, found = np.unique(values.fillna("Unknown").to_numpy(dtype=object), return_inverse=True)
    result: Ints = found.astype(np.int64)
    return result
