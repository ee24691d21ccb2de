"""Predictive intervals of a customer's future orders and spend, from their exact distributions.

Here: quantiles and second moments, without simulation. Not here: expectations (`lifetime_prediction`), sums over many
customers and the uncertainty of the parameters (`lifetime_totals`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from cxa_pipeline.models.gamma_gamma import GammaGammaParameters
from cxa_pipeline.models.lifetime_groups import Floats, Integers
from cxa_pipeline.models.lifetime_prediction import Outlook

SINGLE = 32
"""Up to this many orders every number has its own probability, beyond come blocks that grow by WIDER each."""
WIDER = 1.08
NEGLIGIBLE = 1e-7
NOBODY_STOPS = 1e-300
"""Below it a has no beta function that a number can hold, and stops nobody in a lifetime."""
MOST = 2.0**50
POINTS = 257
ROWS = 20_000


def at_least(y: Floats | float, r: Floats, z: Floats, a: float, b: Floats) -> Floats:
    """P(X(t) >= y) of new customers of a BG/NBD for y >= 1: B(a, b+y-1) / B(a, b) I_z(y, r), z = t / (alpha+t).

    They are y orders of the Poisson process, without a stop after the first y - 1. The differences are eq. 8 of Fader,
    Hardie & Lee (2005).

    Args:
        y: Orders; broadcast with the following.
        r: Shape of the rates.
        z: t / (alpha + t), alpha the rate of the rates.
        a: First parameter of the probability to stop; 0 for nobody ever stops.
        b: Its second parameter.
    """
    from scipy.special import betainc, betaln

    arrived = betainc(y, r, z)
    if a < NOBODY_STOPS:
        return np.asarray(arrived)
    return np.asarray(arrived * np.exp(np.minimum(betaln(a, b + y - 1) - betaln(a, b), 0)))


def order_quantile(customers: Outlook, t: float, probability: float) -> Integers:
    """The least number y with P(Y(t) <= y | x, t_x, T) >= `probability`, (n,).

    Y(t) is 0 for those who have stopped, else the X(t) of a BG/NBD of their own (see `Outlook`).
    """
    z = t / (customers.alpha + t)

    def is_reached(rows: Integers, y: Floats) -> np.ndarray:
        kind = customers.kind[rows]
        more = at_least(y + 1, customers.r[kind], z[kind], customers.a, customers.b[kind])
        return np.asarray(customers.p_alive[rows] * more <= 1 - probability)

    n = len(customers.p_alive)
    below, above = np.full(n, -1.0), np.zeros(n)
    rows = np.arange(n)
    while len(rows):
        rows = rows[~is_reached(rows, above[rows]) & (above[rows] < MOST)]
        below[rows] = above[rows]
        above[rows] = 2 * above[rows] + 1
    rows = np.flatnonzero(above - below > 1)
    while len(rows):
        middle = np.floor((below[rows] + above[rows]) / 2)
        reached = is_reached(rows, middle)
        above[rows] = np.where(reached, middle, above[rows])
        below[rows] = np.where(reached, below[rows], middle)
        rows = rows[above[rows] - below[rows] > 1]
    return above.astype(np.int64)


def spend_quantiles(
    customers: Outlook,
    t: float,
    probabilities: Sequence[float],
    spend: GammaGammaParameters,
    frequency: Floats,
) -> Floats:
    """Quantiles of what customers spend in the next t, (number of probabilities, n), in units of v' of each customer.

    The sum of n future orders is v' times a beta prime variable with p n and q', where q' = q + p x and v' = v + x mean
    describe the customer's spend given his data; so its distribution function is a regularised incomplete beta
    function, and in units of v' the sum over n depends on x and T alone (and on P(alive)). It is tabulated at POINTS
    values for each such pair and inverted linearly in the logarithm, which is exact to about one in a thousand.

    Args:
        customers: Their outlook.
        t: Time.
        probabilities: Of the quantiles.
        spend: Parameters of the Gamma-Gamma model.
        frequency: (n,) repeat orders.
    """
    found = np.zeros((len(probabilities), len(frequency)))
    for x, rows, kinds, place in _by_frequency(customers, frequency):
        counts, share = order_blocks(customers, kinds, t)
        values, distribution = _distribution(counts, share, spend.p, spend.q + spend.p * x)
        none = 1 - share.sum(axis=1)
        alive = customers.p_alive[rows]
        for position, probability in enumerate(probabilities):
            with np.errstate(divide="ignore", over="ignore"):
                wanted = 1 - (1 - probability) / alive
            found[position, rows] = _inverse(values, distribution, none, place, wanted)
    return found


def second_moment_if_alive(customers: Outlook, t: float) -> Floats:
    """E[X(t)^2] of the active customers of each pair of x and T, (m,)."""
    moment = np.empty(len(customers.r))
    order = np.argsort(customers.r, kind="stable")
    for start in range(0, len(order), ROWS):
        kinds = order[start : start + ROWS]
        counts, share = order_blocks(customers, kinds, t)
        moment[kinds] = share @ counts**2
    return moment


def order_blocks(customers: Outlook, kinds: Integers, t: float) -> tuple[Floats, Floats]:
    """Numbers of orders, (c,), and how probable each is for the active of some pairs of x and T, (kinds, c).

    Beyond SINGLE a number stands for the block of numbers around it.
    """
    r, b = customers.r[kinds, None], customers.b[kinds, None]
    z = t / (customers.alpha[kinds, None] + t)
    edges = list(np.arange(1.0, SINGLE + 1))
    while at_least(edges[-1], r, z, customers.a, b).max() > NEGLIGIBLE and edges[-1] < MOST:
        edges += [float(e) for e in np.ceil(edges[-1] * WIDER ** np.arange(1, 9))]
    first = np.unique(edges)
    last = np.append(first[1:] - 1, first[-1])
    reached = at_least(first, r, z, customers.a, b)
    share = np.clip(-np.diff(reached, axis=1, append=0.0), 0.0, 1.0)
    return (first + last) / 2, share


def _by_frequency(customers: Outlook, frequency: Floats) -> Iterator[tuple[float, Integers, Integers, Integers]]:
    """Of each x: its rows, their pairs of x and T, and at which place of these each row is."""
    order = np.argsort(frequency, kind="stable")
    values, starts = np.unique(frequency[order], return_index=True)
    for x, start, end in zip(values, starts, np.append(starts, len(order))[1:], strict=True):
        rows = order[start:end]
        for part in range(0, len(rows), 10 * ROWS):
            chosen = rows[part : part + 10 * ROWS]
            kinds, place = np.unique(customers.kind[chosen], return_inverse=True)
            yield float(x), chosen, kinds, place


def _distribution(counts: Floats, share: Floats, p: float, q: float) -> tuple[Floats, Floats]:
    """Values in units of v', (POINTS,), and the probability of at most this spend, (kinds, POINTS)."""
    from scipy.special import betainc, betaincinv

    likely = counts[share.max(axis=0) > NEGLIGIBLE] if share.max() > NEGLIGIBLE else counts[:1]
    ends = np.array([betaincinv(p * likely[0], q, 1e-4), betaincinv(p * likely[-1], q, 1 - 1e-4)])
    ends = np.clip(ends, 1e-300, 1 - 1e-16)
    low, high = np.log(ends) - np.log1p(-ends)
    values = np.exp(np.linspace(low, high, POINTS))
    each = betainc(p * counts[:, None], q, values / (1 + values))
    return values, 1 - share.sum(axis=1, keepdims=True) + share @ each


def _inverse(values: Floats, distribution: Floats, none: Floats, place: Integers, wanted: Floats) -> Floats:
    """At which value the distribution of each row's pair reaches the probability wanted; 0 where nothing does."""
    low, high = np.full(len(place), -1), np.full(len(place), POINTS)
    while (high - low).max(initial=0) > 1:
        middle = (low + high) // 2
        reached = distribution[place, np.clip(middle, 0, POINTS - 1)] >= wanted
        is_open = high - low > 1
        high, low = np.where(is_open & reached, middle, high), np.where(is_open & ~reached, middle, low)
    inner = np.clip(high, 1, POINTS - 1)
    before, after = distribution[place, inner - 1], distribution[place, inner]
    part = np.clip((wanted - before) / np.where(after > before, after - before, 1.0), 0.0, 1.0)
    between = values[inner - 1] * (values[inner] / values[inner - 1]) ** part
    first = distribution[place, 0]
    start = values[0] * np.clip((wanted - none[place]) / np.where(first > none[place], first - none[place], 1), 0, 1)
    return np.where(wanted <= none[place], 0.0, np.where(high == 0, start, between))
