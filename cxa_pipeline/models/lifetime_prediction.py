"""What a BG/NBD says of a customer's future: alive or not, expected orders, the next order.

Here: exact expectations and probabilities, for customers with any data. Not here: intervals (`lifetime_intervals`),
money (`lifetime_value`). The unit of time is that of the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cxa_pipeline.models.bgnbd import BGNBDParameters
from cxa_pipeline.models.lifetime_groups import Floats, Integers, group

NEAR_ONE = 1e-4
SHORT = 1e-3
POLE = 1e-9
GRID = 240
BETWEEN = 80
ROWS = 2000


@dataclass(frozen=True)
class Outlook:
    """What the data leave open: whether a customer is still active and, if so, a BG/NBD of the customer's own.

    Given that a customer with x orders after the first in T is active, the rate is gamma distributed with r + x and
    alpha + T, and the probability to stop is beta distributed with a and b + k, k = x (MBG/NBD: x + 1), independently
    of each other: both follow from eq. 3 of Fader, Hardie & Lee (2005). So the future of the active is that of new
    customers of a BG/NBD with these parameters, and depends on x and T alone.

    Args:
        p_alive: (n,) probability to be active.
        kind: (n,) which of the m pairs of x and T a customer has.
        r: (m,) shape of the rate of the active.
        alpha: (m,) its rate.
        a: First parameter of their probability to stop.
        b: (m,) its second parameter.
    """

    p_alive: Floats
    kind: Integers
    r: Floats
    alpha: Floats
    a: float
    b: Floats


def outlook(parameters: BGNBDParameters, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Outlook:
    """The outlook of customers.

    P(alive) = 1 / (1 + a / (b+k-1) ((alpha+T) / (alpha+t_x))^(r+x)), and 1 for k = 0 (Fader, Hardie & Lee 2008,
    "Computing P(alive) using the BG/NBD model").

    Args:
        parameters: Of the fitted model.
        frequency: (n,) repeat orders x.
        recency: (n,) time from the first to the last occasion, t_x.
        T: (n,) time from the first occasion to the end of observation.
    """
    from scipy.special import expit

    x, t_x, age = (np.asarray(values, dtype=np.float64).ravel() for values in (frequency, recency, T))
    kinds = group(x, age)
    distinct_x, distinct_age = kinds.columns
    k = x + parameters.chances
    may_have_stopped = (k > 0) & (parameters.a > 0)
    gap = np.log1p((age - t_x) / (parameters.alpha + t_x))
    odds = np.log(max(parameters.a, np.finfo(float).tiny)) - np.log(np.where(k > 0, parameters.b + k - 1, 1.0))
    alive = np.where(may_have_stopped, expit(-(odds + (parameters.r + x) * gap)), 1.0)
    return Outlook(
        alive,
        kinds.member,
        parameters.r + distinct_x,
        parameters.alpha + distinct_age,
        parameters.a,
        parameters.b + distinct_x + parameters.chances,
    )


def new_customer(parameters: BGNBDParameters) -> Outlook:
    """The outlook of somebody who has just ordered for the first time, of whom nothing else is known."""
    return outlook(parameters, [0], [0], [0])


def expected_orders(customers: Outlook, t: float) -> Floats:
    """Expected orders in the next t, E[Y(t) | x, t_x, T], (n,) (eq. 10 of Fader, Hardie & Lee 2005)."""
    alive = expected_if_alive(customers.r, customers.alpha, customers.a, customers.b, t)
    return customers.p_alive * alive[customers.kind]


def expected_if_alive(r: Floats, alpha: Floats, a: float, b: Floats, t: float) -> Floats:
    """Expected repeat orders of new customers of a BG/NBD in t, E[X(t)] (eq. 9 of the same paper), (m,).

    With z = t / (alpha+t) it is (a+b-1)/(a-1) (1 - (1-z)^r F(r, b; a+b-1; z)). F, the hypergeometric function 2F1, is
    taken after Euler's transformation, (1-z)^(a-1-r) F(a+b-1-r, a-1; a+b-1; z): its power cannot overflow. Around a = 1
    the line between both sides stands in. A value outside the bounds of Jensen's inequality is none: there the mean
    over the probability to stop is summed on a grid. Any positive parameters give a finite value that is not negative.

    Args:
        r: (m,) shape of the rates.
        alpha: (m,) rate of the rates.
        a: First parameter of the probability to stop, a number; 0 for nobody ever stops.
        b: (m,) its second parameter.
        t: Time, at least 0.
    """
    s = t / alpha
    most = r * s
    if a == 0 or t == 0:
        return most
    if abs(a - 1) < NEAR_ONE:
        part = (a - 1 + NEAR_ONE) / (2 * NEAR_ONE)
        before, after = (_between(r, s, near, b, most) for near in (1 - NEAR_ONE, 1 + NEAR_ONE))
        return (1 - part) * before + part * after
    return _between(r, s, a, b, most)


def _between(r: Floats, s: Floats, a: float, b: Floats, most: Floats) -> Floats:
    from scipy.special import hyp2f1

    mean = a / (a + b)
    least = _given_stop(r, s, mean, most)
    # The pole of F at a + b = 1 is that of the factor before it.
    total = np.where(np.abs(a + b - 1) < POLE, POLE, a + b - 1)
    with np.errstate(all="ignore"):
        z = s / (1 + s)
        power = np.exp((1 - a) * np.log1p(s))
        found = total / (a - 1) * (1 - power * hyp2f1(a - 1, total - r, total, z))
        # Three terms of the series in s, where the difference above would cancel.
        squared = mean * (a + 1) / (a + b + 1)
        series = most * (1 - (r + 1) * s * mean / 2 + (r + 1) * (r + 2) * s**2 * squared / 6)
    found = np.where((r + 2) * s < SHORT, series, found)
    strange = ~(np.isfinite(found) & (found <= most * (1 + 1e-9)) & (found >= least * (1 - 1e-9)))
    for rows in np.split(np.flatnonzero(strange), range(ROWS, int(strange.sum()), ROWS)):
        found[rows] = _summed(r[rows], s[rows], a, b[rows], most[rows])
    return np.clip(found, least, most)


def _given_stop(r: Floats, s: Floats, p: Floats, most: Floats) -> Floats:
    """Expected orders of somebody who stops with probability p after an order: (1 - (1 + p s)^-r) / p."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        value = -np.expm1(-r * np.log1p(p * s)) / p
    return np.where((p > 0) & (value < most), value, most)


def _summed(r: Floats, s: Floats, a: float, b: Floats, most: Floats) -> Floats:
    """The mean of `_given_stop` over the beta distribution, cell by cell of a grid that is fine where its mass is.

    In a cell the mean of a convex function lies between the function at the cell's mean (Jensen) and the chord there
    (Edmundson and Madansky); of a parabola and an even density it is two thirds of the first and one third of the
    other.
    """
    from scipy.special import betainc

    mean = (a / (a + b))[:, None]
    b = b[:, None]
    spread = np.sqrt((1 - mean) / (mean * (a + b + 1)))
    middle = mean * np.exp(np.minimum(spread, 3.0) * np.linspace(-8, 8, BETWEEN))
    wide = np.concatenate([np.logspace(-40, 0, GRID), 1 - np.logspace(-16, -0.3, GRID // 4)])
    everywhere = np.broadcast_to(wide, (len(r), len(wide)))
    p = np.sort(np.concatenate([np.clip(middle, 1e-300, 1.0), everywhere], axis=1), axis=1)
    below = betainc(a, b, p)
    mass, moment = np.diff(below, axis=1), mean * np.diff(betainc(a + 1, b, p), axis=1)
    low, width = p[:, :-1], np.diff(p, axis=1)
    centre = np.clip(moment / np.where(mass > 0, mass, 1.0), low, p[:, 1:])
    value = _given_stop(r[:, None], s[:, None], p, most[:, None])
    chord = value[:, :-1] + np.diff(value, axis=1) * (centre - low) / np.where(width > 0, width, 1.0)
    inside = (2 * _given_stop(r[:, None], s[:, None], centre, most[:, None]) + chord) / 3
    summed: Floats = most * below[:, 0] + (inside * mass).sum(axis=1)
    return summed


def probability_of_order(customers: Outlook, t: float) -> Floats:
    """Probability of at least one order in the next t: P(alive) (1 - ((alpha+T) / (alpha+T+t))^(r+x)), (n,).

    In closed form, since a customer can stop after an order alone.
    """
    alive = -np.expm1(-customers.r * np.log1p(t / customers.alpha))
    return customers.p_alive * alive[customers.kind]


def median_time_to_order(customers: Outlook) -> Floats:
    """Time in which an order comes with probability 1/2, (n,); infinite where P(alive) <= 1/2.

    The solution of the probability above: (alpha+T) ((1 - 1 / (2 P(alive)))^(-1 / (r+x)) - 1).
    """
    sure = customers.p_alive > 0.5
    late = np.log1p(-0.5 / np.where(sure, customers.p_alive, 1.0))
    with np.errstate(over="ignore"):
        time = customers.alpha[customers.kind] * np.expm1(-late / customers.r[customers.kind])
    return np.where(sure, time, np.inf)
