"""What a synthetic shop is made of: its size, its behaviour and the effects planted in it.

How rows come out of this is said in the other modules; words (names, places, products) are in `vocabulary`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

Split = Literal["single", "year", "month", "day"]


def _device_odds() -> dict[str, float]:
    return {"desktop": 1.0, "mobile": 0.6, "tablet": 0.85}


def _location_odds() -> dict[str, float]:
    return {"München": 1.6, "Zürich": 0.6, "Wien": 1.25, "Leipzig": 0.75}


@dataclass(frozen=True)
class ShopConfig:
    """Everything that decides what a synthetic shop looks like; equal configs give equal bytes.

    Attributes:
        seed: of customers, orders and visits.
        catalog_seed: of products, prices and affinities; kept apart so that several shops sell the same things.
        start: first day of the data.
        end: last day of the data; a later end adds rows and changes none.
        timezone: IANA name of the wall clock in which times are written.
        currency: ISO 4217 code written in sales.
        history_days: how long the shop existed before `start`; its customers of that time are known, their orders
            are not delivered.
        new_customers_per_day: mean registrations a day at `start`.
        growth_per_year: yearly growth of that rate.
        never_buys_share: share of registered customers who only look.
        repeat_shape, repeat_days: r and alpha (days) of BG/NBD; a customer's rate is Gamma(r, alpha).
        dropout_a, dropout_b: a and b of BG/NBD; a customer leaves after a repeat order with probability Beta(a, b).
        spend_p, spend_q, spend_v: Gamma-Gamma; an order's value is Gamma(p, nu), nu is Gamma(q, v).
        seasonality, weekday_effect: 1 as in retail, 0 for an even year or week.
        products: size of the catalogue.
        affinities: number of planted pairs.
        affinity_share: probability that an order with the first product of a pair gets the second added.
        category_preference: share of picks that come from the customer's favourite category.
        guest_share: orders without a customer, relative to those of customers.
        invalid_share: cancelled, pending, failed and test orders, relative to those of customers.
        return_rate: probability that a line comes back; clothing 2.5 times as often.
        tracked_share: online orders whose visit the tracker saw.
        view_rate: visits that reach a product.
        cart_rate: of these, visits that put something in the cart, on a device with odds 1.
        purchase_rate: of these, visits that buy, with device and location odds 1.
        device_odds: odds ratio of each device type, on the step to the cart and on the step to the purchase.
        location_odds: odds ratio of a location on the step to the purchase; others have 1.
        bots: crawlers among the devices.
        bot_views: mean pages of one crawl.
        session_ids: deliver the session of an event (otherwise it is left to be found).
        split: facts in one file, or one for each year, month or day.
        compressed: write .csv.gz.
        dirt: rows planted to be rejected, doubled or late, as a share of the rows of a file.
    """

    seed: int = 7
    catalog_seed: int = 1
    start: date = date(2023, 7, 1)
    end: date = date(2025, 6, 30)
    timezone: str = "Europe/Berlin"
    currency: str = "EUR"
    history_days: int = 730
    new_customers_per_day: float = 1.35
    growth_per_year: float = 0.12
    never_buys_share: float = 0.07
    repeat_shape: float = 0.9
    repeat_days: float = 56.0
    dropout_a: float = 0.8
    dropout_b: float = 3.6
    spend_p: float = 6.0
    spend_q: float = 4.0
    spend_v: float = 32.0
    seasonality: float = 1.0
    weekday_effect: float = 1.0
    products: int = 240
    affinities: int = 12
    affinity_share: float = 0.4
    category_preference: float = 0.45
    guest_share: float = 0.09
    invalid_share: float = 0.025
    return_rate: float = 0.04
    tracked_share: float = 0.9
    view_rate: float = 0.78
    cart_rate: float = 0.37
    purchase_rate: float = 0.52
    device_odds: Mapping[str, float] = field(default_factory=_device_odds)
    location_odds: Mapping[str, float] = field(default_factory=_location_odds)
    bots: int = 3
    bot_views: int = 36
    session_ids: bool = False
    split: Split = "month"
    compressed: bool = False
    dirt: float = 0.0

    def __post_init__(self) -> None:
        """Refuse values from which no shop can be made."""
        if self.end < self.start:
            raise ValueError(f"the shop ends ({self.end}) before it starts ({self.start})")
        if not 0.0 <= self.dirt <= 0.2:
            raise ValueError(f"dirt is a share between 0 and 0.2, not {self.dirt}")
        if self.products < 48 or self.products > 6000:
            raise ValueError(f"a shop has 48 to 6000 products, not {self.products}")
        if self.affinities > self.products // 12:
            raise ValueError(f"{self.products} products carry at most {self.products // 12} planted pairs")
        if set(self.device_odds) != {"desktop", "mobile", "tablet"}:
            raise ValueError("device_odds names desktop, mobile and tablet")
        if self.spend_q <= 1.0:
            raise ValueError("spend_q must be above 1, otherwise the mean order value is infinite")

    def until(self, end: date) -> ShopConfig:
        """Return the same shop up to another last day."""
        return replace(self, end=end)

    @classmethod
    def scaled(cls, sales_lines: int, interactions: int, **changes: Any) -> ShopConfig:
        """Return a shop of about that many sales lines and interactions.

        The rate of new customers and the conversion are found by drawing a small shop first; the result is within
        a few per cent for shops of a thousand lines and more. `changes` are any attributes.
        """
        from cxa_pipeline.synthetic.scale import fit_size

        return fit_size(cls(**changes), sales_lines, interactions)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> ShopConfig:
        """Return a named shop: `sample` (tiny, with a little dirt), `demo`, or `large` (1 M lines, 10 M events)."""
        if name not in PRESETS:
            raise ValueError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
        return cls(**{**PRESETS[name], **changes})


PRESETS: dict[str, dict[str, Any]] = {
    "sample": {
        "start": date(2024, 1, 1),
        "new_customers_per_day": 0.05,
        "cart_rate": 0.6,
        "purchase_rate": 0.68,
        "products": 60,
        "affinities": 4,
        "bots": 1,
        "bot_views": 6,
        "split": "year",
        "dirt": 0.01,
    },
    "demo": {},
    "large": {
        "new_customers_per_day": 77.5,
        "cart_rate": 0.307,
        "purchase_rate": 0.426,
        "products": 2000,
        "affinities": 60,
        "bots": 150,
    },
}
