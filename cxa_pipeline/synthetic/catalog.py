"""What the shop sells: products, yearly prices, successors, planted affinities, and picking among them.

The catalogue depends on `catalog_seed` and on the number of products alone, so shops of different seeds sell the
same. What a customer puts in a basket is decided in `baskets`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxa_pipeline.synthetic.clock import DAY, day_number, month_number
from cxa_pipeline.synthetic.config import ShopConfig
from cxa_pipeline.synthetic.draws import Draws, Floats, Ints, Keys
from cxa_pipeline.synthetic.vocabulary import (
    CATEGORIES,
    CATEGORY_SEASONS,
    CATEGORY_SHARES,
    COLORS,
    SERIES,
    SHELVES,
    SIZES,
)

PRICE_YEARS = 40
FIRST_PRICE_YEAR = 2010
INFLATION = 0.025
EXTRAS: tuple[tuple[str, str, str, int], ...] = (
    ("Gift Wrapping", "Services/Gifts", "service", 390),
    ("Evening Delivery", "Services/Delivery", "service", 590),
    ("Gift Voucher 25", "Vouchers/Gift Vouchers", "voucher", 2500),
)
"""Name, category, product type and price in cents of what is sold besides goods; they follow the goods."""


@dataclass(frozen=True)
class Catalog:
    """The products in the order of their ids; goods first, then EXTRAS.

    `prices` holds cents by product and year from FIRST_PRICE_YEAR; `launched` and `retired` are days since 1970;
    `successor[i]` is the product sold in place of i outside of its days (i itself for most).
    """

    goods: int
    names: list[str]
    categories: list[str]
    types: list[str]
    brands: list[str | None]
    sizes: list[str | None]
    colors: list[str | None]
    seasons: list[str | None]
    category: Ints
    popularity: Floats
    prices: Ints
    costs: Ints
    stock: Ints
    launched: Ints
    retired: Ints
    successor: Ints
    partner: Ints

    def price(self, products: Ints, days: Ints) -> Ints:
        """Return the list price in cents on a day; prices rise every January."""
        years = days.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
        result: Ints = self.prices[products, np.clip(years - FIRST_PRICE_YEAR, 0, PRICE_YEARS - 1)]
        return result

    def on_sale(self, products: Ints, days: Ints) -> Ints:
        """Replace products that were not sold yet or no longer by their successor or predecessor."""
        outside = (days < self.launched[products]) | (days >= self.retired[products])
        return np.where(outside, self.successor[products], products)


def product_id(position: int) -> str:
    """Return the id of a product by its position in the catalogue."""
    return f"P{position + 1:04d}"


def build_catalog(config: ShopConfig) -> Catalog:
    """Make the catalogue of a config."""
    draws = Draws(config.catalog_seed)
    count, goods = config.products + len(EXTRAS), config.products
    keys = draws.keys("product", np.arange(count))
    shelf = np.arange(goods) % len(SHELVES)
    low = np.array([SHELVES[s].low for s in shelf], dtype=np.float64)
    high = np.array([SHELVES[s].high for s in shelf], dtype=np.float64)
    base = low * (high / low) ** draws.uniform("price", keys[:goods])
    category = np.array([CATEGORIES.index(SHELVES[s].category) for s in shelf], dtype=np.int64)
    popularity = np.exp(0.75 * draws.normal("popularity", keys[:goods]))
    for number, share in enumerate(CATEGORY_SHARES):
        popularity[category == number] *= share / popularity[category == number].sum()
    popularity /= popularity.sum()
    prices = _price_list(base)
    cost_share = 0.42 + 0.22 * draws.uniform("cost", keys[:goods])
    launched, retired, successor = _lives(draws, config, shelf, keys[:goods])
    extra_prices = np.array([[extra[3]] * PRICE_YEARS for extra in EXTRAS], dtype=np.int64)
    stock = np.rint(popularity * goods * 60 * np.exp(0.6 * draws.normal("stock", keys[:goods]))).astype(np.int64)
    stock[draws.flag("out of stock", keys[:goods], 0.03) | (retired < day_number(config.end))] = 0
    names, brands, colors, sizes, seasons = _names(draws, shelf, keys[:goods])
    labels = [f"{SHELVES[s].category}/{SHELVES[s].name}" for s in shelf]
    return Catalog(
        goods=goods,
        names=names + [extra[0] for extra in EXTRAS],
        categories=labels + [extra[1] for extra in EXTRAS],
        types=["goods"] * goods + [extra[2] for extra in EXTRAS],
        brands=brands + [None] * len(EXTRAS),
        sizes=sizes + [None] * len(EXTRAS),
        colors=colors + [None] * len(EXTRAS),
        seasons=seasons + [None] * len(EXTRAS),
        category=np.concatenate([category, np.full(len(EXTRAS), len(CATEGORIES))]),
        popularity=popularity,
        prices=np.concatenate([prices, extra_prices]),
        costs=np.concatenate([np.rint(base * cost_share * 100).astype(np.int64), np.array([80, 450, 2500])]),
        stock=stock,
        launched=np.concatenate([launched, np.zeros(len(EXTRAS), dtype=np.int64)]),
        retired=np.concatenate([retired, np.full(len(EXTRAS), 2**40)]),
        successor=np.concatenate([successor, np.arange(goods, count)]),
        partner=np.concatenate([_partners(config, category, popularity, prices, successor), np.full(len(EXTRAS), -1)]),
    )


def _price_list(base: Floats) -> Ints:
    """Return cents by product and year: the base price of 2024, moved by inflation, ending in 90 or 95 cents."""
    factors = (1.0 + INFLATION) ** (np.arange(PRICE_YEARS) + FIRST_PRICE_YEAR - 2024)
    euros = base[:, None] * factors[None, :]
    rounded = np.where(euros < 20, np.floor(euros * 2) / 2 + 0.45, np.floor(euros) + 0.90)
    cents: Ints = np.rint(rounded * 100).astype(np.int64)
    return cents


def _lives(draws: Draws, config: ShopConfig, shelf: Ints, keys: Keys) -> tuple[Ints, Ints, Ints]:
    """Let one product in twenty be followed by a newer one of its shelf some time within the demo's two years."""
    goods = len(keys)
    launched, retired, successor = np.zeros(goods, dtype=np.int64), np.full(goods, 2**40), np.arange(goods)
    anchor = day_number(type(config).start)
    for old in range(goods - len(SHELVES)):
        new = old + len(SHELVES)
        if draws.flag("followed", keys[old : old + 1], 0.05)[0] and successor[old] == old:
            day = anchor + int(draws.integer("followed on", keys[old : old + 1], 60, 640)[0])
            retired[old], launched[new], successor[old], successor[new] = day, day, new, old
    return launched, retired, successor


def _partners(config: ShopConfig, category: Ints, popularity: Floats, prices: Ints, successor: Ints) -> Ints:
    """Return for each product the one that is often bought with it, or -1.

    The first of a pair is a popular product of a middle price, the second one of another category and cheaper, so
    that neither a favourite category nor the price explains the pair. Both are sold all the time.
    """
    partner = np.full(len(category), -1, dtype=np.int64)
    price = prices[:, 2024 - FIRST_PRICE_YEAR]
    lasting = np.flatnonzero(successor == np.arange(len(category)))
    by_popularity = lasting[np.lexsort((lasting, -popularity[lasting]))]
    low, high = np.quantile(price, (0.3, 0.65))
    firsts = by_popularity[(price[by_popularity] >= low) & (price[by_popularity] <= high)][: config.affinities]
    free = [p for p in by_popularity[len(category) // 8 :].tolist() if p not in set(firsts.tolist())]
    for first in firsts:
        fits = [p for p in free if category[p] != category[first] and price[p] <= 0.6 * price[first]]
        if fits:
            partner[first] = fits[0]
            free.remove(fits[0])
    return partner


def _names(
    draws: Draws, shelf: Ints, keys: Keys
) -> tuple[list[str], list[str | None], list[str | None], list[str | None], list[str | None]]:
    series = draws.integer("series", keys, 0, len(SERIES) - 1)
    noun, material = draws.bits("noun", keys), draws.bits("material", keys)
    color, size = draws.integer("color", keys, 0, len(COLORS) - 1), draws.integer("size", keys, 0, len(SIZES) - 1)
    names: list[str] = []
    brands: list[str | None] = []
    colors: list[str | None] = []
    sizes: list[str | None] = []
    seasons: list[str | None] = []
    taken: set[str] = set()
    for i, s in enumerate(shelf.tolist()):
        words = SHELVES[s]
        what = words.nouns[int(noun[i] % np.uint64(len(words.nouns)))]
        of = words.materials[int(material[i] % np.uint64(len(words.materials)))]
        start = int(series[i])
        candidates = [f"{SERIES[(start + k) % len(SERIES)]} {of} {what}" for k in range(len(SERIES))]
        brand_step = next((k for k, name in enumerate(candidates) if name not in taken), None)
        if brand_step is None:
            brand_step = 0
            extra = 2
            while f"{candidates[0]} No. {extra}" in taken:
                extra += 1
            candidates[0] = f"{candidates[0]} No. {extra}"
        taken.add(candidates[brand_step])
        names.append(candidates[brand_step])
        brands.append(SERIES[(start + brand_step) % len(SERIES)])
        worn = words.category == "Clothing" and words.name != "Bags"
        colors.append(COLORS[color[i]] if words.category in ("Clothing", "Home", "Kitchen") else None)
        sizes.append(SIZES[size[i]] if worn else None)
        warm = of in ("Wool", "Merino", "Alpaca")
        seasons.append("spring" if words.category == "Garden" else "winter" if warm else None)
    return names, brands, colors, sizes, seasons


class Shelves:
    """Weighted picks of goods within a category and a span of prices, for whole arrays at once."""

    _STEP = 1e9

    def __init__(self, catalog: Catalog) -> None:
        price = catalog.prices[: catalog.goods, 2024 - FIRST_PRICE_YEAR].astype(np.float64)
        category = catalog.category[: catalog.goods]
        self._order = np.lexsort((np.arange(catalog.goods), price, category))
        self._places = (category * self._STEP + price)[self._order]
        self._weights = np.concatenate([[0.0], np.cumsum(catalog.popularity[self._order])])
        self._highest = np.array([price[category == c].max() for c in range(len(CATEGORIES))])
        self._lowest = np.array([price[category == c].min() for c in range(len(CATEGORIES))])
        self._category = category

    def highest(self, category: Ints) -> Floats:
        """Return the price in cents of the dearest product of a category."""
        return self._highest[category]

    def lowest(self, category: Ints) -> Floats:
        """Return the price in cents of the cheapest product of a category."""
        return self._lowest[category]

    @property
    def cheapest(self) -> int:
        """Return the category that has the cheapest product."""
        return int(np.argmin(self._lowest))

    def pick(self, uniform: Floats, category: Ints, low: Floats, high: Floats) -> Ints:
        """Return a product of a category priced between low and high, popular ones more often.

        Where no product lies between, the one whose price is nearest above `low` (else the dearest) is taken.
        """
        base = category * self._STEP
        begin = np.searchsorted(self._places, base + np.minimum(low, self._highest[category]), side="left")
        end = np.searchsorted(self._places, base + np.maximum(high, self._lowest[category]), side="right")
        end = np.maximum(end, begin + 1)
        weight = self._weights[begin] + uniform * (self._weights[end] - self._weights[begin])
        position = np.searchsorted(self._weights, weight, side="right") - 1
        result: Ints = self._order[np.clip(position, begin, end - 1)]
        return result


def pick_category(draws: Draws, purpose: str, keys: Keys, favourite: Ints, preference: float, seconds: Ints) -> Ints:
    """Return the favourite category with probability `preference`, else one by the season's shares."""
    seasons = np.array(CATEGORY_SEASONS) * np.array(CATEGORY_SHARES)[:, None]
    edges = np.cumsum(seasons / seasons.sum(axis=0), axis=0)
    month = month_number(seconds // DAY) % 12
    drawn = draws.uniform(f"{purpose}/category", keys)
    seasonal = np.minimum((drawn[:, None] >= edges.T[month]).sum(axis=1), len(CATEGORIES) - 1)
    loyal = (favourite >= 0) & draws.flag(f"{purpose}/favourite", keys, preference)
    return np.where(loyal, favourite, seasonal)
