"""Purchase histories to test lifetime models with: CDNOW, and customers drawn from the models' own assumptions.

Here: histories, and the likelihoods written down as in the papers. Not here: anything of the code under test.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import beta, gamma

from tests.independent.online_retail import reference_data

CALIBRATION_END = pd.Timestamp("1997-09-30")
HOLDOUT_END = pd.Timestamp("1998-06-30")


@dataclass(frozen=True)
class Histories:
    """Customers at the end of observation and what they did afterwards; arrays of equal length, NaN for no mean."""

    x: Any
    t_x: Any
    T: Any
    mean: Any
    is_alive: Any
    later_orders: Any
    later_value: Any
    first: Any


@cache
def cdnow_days(name: str = "CDNOW_sample.txt.gz") -> pd.DataFrame:
    """Customer, day and amount of each day with a purchase."""
    columns = ["master", "customer", "day", "units", "value"]
    lines = pd.read_csv(reference_data() / "cdnow" / name, sep=r"\s+", header=None, names=columns, dtype={"day": str})
    lines["day"] = pd.to_datetime(lines["day"])
    return lines.groupby(["customer", "day"], as_index=False)["value"].sum()


def cdnow(unit_days: float = 7.0) -> Histories:
    """The sample of CDNOW, calibration to 1997-09-30 and hold-out to 1998-06-30, in weeks."""
    days = cdnow_days()
    before, after = days[days["day"] <= CALIBRATION_END], days[days["day"] > CALIBRATION_END]
    found = before.groupby("customer").agg(
        first=("day", "min"), last=("day", "max"), n=("day", "size"), paid=("value", "sum"), begun=("value", "first")
    )
    later = after.groupby("customer")["value"].agg(["size", "sum"]).reindex(found.index).fillna(0)
    x = (found["n"] - 1).to_numpy(float)
    with np.errstate(invalid="ignore"):
        mean = (found["paid"] - found["begun"]).to_numpy() / x
    day = timedelta(days=1)
    return Histories(
        x,
        ((found["last"] - found["first"]) / day / unit_days).to_numpy(float),
        ((CALIBRATION_END - found["first"]) / day / unit_days).to_numpy(float),
        mean,
        None,
        later["size"].to_numpy(float),
        later["sum"].to_numpy(float),
        found["begun"].to_numpy(float),
    )


def drawn(
    n: int,
    seed: int,
    orders: tuple[float, float, float, float],
    spend: tuple[float, float, float] = (6.0, 4.0, 15.0),
    ages: tuple[float, float] = (100.0, 700.0),
    horizon: float = 365.25,
    first_may_be_last: bool = False,
) -> Histories:
    """Customers drawn order by order from the assumptions of BG/NBD (MBG/NBD) and Gamma-Gamma."""
    draw = np.random.default_rng(seed)
    r, alpha, a, b = orders
    T = draw.uniform(*ages, n)
    rate, stop = draw.gamma(r, 1 / alpha, n), draw.beta(a, b, n)
    p, q, v = spend
    money = draw.gamma(q, 1 / v, n)
    x, later, t_x, value, later_value = (np.zeros(n) for _ in range(5))
    active = np.ones(n, dtype=bool)
    if first_may_be_last:
        active = draw.random(n) >= stop
    is_alive, at = active.copy(), np.zeros(n)
    going = np.flatnonzero(active)
    while len(going):
        at[going] += draw.exponential(1 / rate[going])
        going = going[at[going] <= T[going] + horizon]
        paid = draw.gamma(p, 1 / money[going])
        early = at[going] <= T[going]
        x[going] += early
        value[going] += paid * early
        t_x[going[early]] = at[going[early]]
        later[going] += ~early
        later_value[going] += paid * ~early
        stops = draw.random(len(going)) < stop[going]
        is_alive[going[stops & early]] = False
        going = going[~stops]
    with np.errstate(invalid="ignore"):
        return Histories(x, t_x, T, value / x, is_alive, later, later_value, draw.gamma(p, 1 / money))


def bgnbd_likelihood(r: float, alpha: float, a: float, b: float, x: int, t_x: float, T: float) -> float:
    """Eq. 6 of Fader, Hardie & Lee (2005) as it stands there."""
    lived = beta(a, b + x) / beta(a, b) * gamma(r + x) * alpha**r / gamma(r) / (alpha + T) ** (r + x)
    if x == 0:
        return float(lived)
    stopped = beta(a + 1, b + x - 1) / beta(a, b) * gamma(r + x) * alpha**r / gamma(r) / (alpha + t_x) ** (r + x)
    return float(lived + stopped)


def mbgnbd_likelihood(r: float, alpha: float, a: float, b: float, x: int, t_x: float, T: float) -> float:
    """The same where a customer may stop after the first order: Batislam, Denizel & Filiztekin (2007)."""
    scale = gamma(r + x) * alpha**r / gamma(r) / beta(a, b)
    lived, stopped = beta(a, b + x + 1) / (alpha + T) ** (r + x), beta(a + 1, b + x) / (alpha + t_x) ** (r + x)
    return float(scale * (lived + stopped))


def gamma_gamma_likelihood(p: float, q: float, v: float, x: int, mean: float) -> float:
    """Eq. 1a of Fader & Hardie (2013) as it stands there."""
    constant = gamma(p * x + q) / gamma(p * x) / gamma(q)
    return float(constant * v**q * mean ** (p * x - 1) * x ** (p * x) / (v + mean * x) ** (p * x + q))
