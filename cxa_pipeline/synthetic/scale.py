"""Shops of a wanted size: finds the rate of new customers and the conversion that give it."""

from __future__ import annotations

from dataclasses import replace

from cxa_pipeline.synthetic.config import ShopConfig
from cxa_pipeline.synthetic.shop import Shop, build_shop
from cxa_pipeline.synthetic.visits import CRAWL_SHARE, draw_visits

_TRIAL_LINES = 8_000
_CHECKED_LINES = 200_000
_LOWEST, _HIGHEST = 0.1, 0.9


def fit_size(config: ShopConfig, sales_lines: int, interactions: int) -> ShopConfig:
    """Return the config with about that many sales lines and interactions, found on a small shop of its kind.

    Raises:
        ValueError: if no conversion between 1 and 60 % gives so many interactions for so many lines.
    """
    shop = build_shop(replace(config, new_customers_per_day=1.0, bots=0))
    for _ in range(2):
        rate = shop.config.new_customers_per_day * min(sales_lines, _TRIAL_LINES) / max(len(shop.sales), 1)
        shop = build_shop(replace(shop.config, new_customers_per_day=rate))
    lines = max(len(shop.sales), 1)
    each_bot = (config.bot_views + 2.2) * ((config.end - config.start).days + 1) * CRAWL_SHARE
    bots = max(1, round(0.05 * interactions / each_bot)) if config.bots else 0
    wanted = max(interactions - bots * each_bot, 0.5 * interactions) * lines / sales_lines
    low, high = 0.0, 1.0
    if not _events(shop, low) > wanted > _events(shop, high):
        raise ValueError(
            f"{interactions} interactions do not fit {sales_lines} sales lines; between "
            f"{_events(shop, high) * sales_lines // lines} and {_events(shop, low) * sales_lines // lines} do"
        )
    for _ in range(8):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _events(shop, middle) > wanted else (low, middle)
    fitted = _with_conversion(shop.config, (low + high) / 2.0)
    rate = fitted.new_customers_per_day * sales_lines / lines
    if sales_lines <= _CHECKED_LINES:  # a few heavy buyers move the number of lines of a small shop
        made = len(build_shop(replace(fitted, new_customers_per_day=rate)).sales)
        rate *= sales_lines / max(made, 1)
    return replace(fitted, new_customers_per_day=rate, bots=bots)


def _events(shop: Shop, level: float) -> int:
    config = _with_conversion(shop.config, level)
    visits = draw_visits(config, shop.draws, shop.calendar, shop.people, shop.orders)
    return sum(len(piece) for piece in replace(shop, config=config, visits=visits).events())


def _with_conversion(config: ShopConfig, level: float) -> ShopConfig:
    """Move the rates of the cart and the purchase together from very low (0) to very high (1)."""
    rate = _LOWEST * (_HIGHEST / _LOWEST) ** level
    return replace(config, cart_rate=min(rate * 0.85, 0.9), purchase_rate=min(rate * 1.18, 0.9))
