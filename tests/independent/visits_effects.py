"""How much the device and the location matter, computed anew in plain Python from visits and their orders.

Here: the tables of effects with their statistics, written from the definitions and not from the SQL, the probabilities
by scipy. Not here: the rows that they read (`visits_behaviour`).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from statistics import median
from typing import NamedTuple

from scipy import stats

from tests.independent.kpi import Row, money
from tests.independent.statistics import Z, corrected
from tests.independent.visits_behaviour import Behaviour, Rows, converted, grouped, interval, known, summed

OTHER = {"device_type": "location", "location": "device_type"}
UNKNOWN = ("unknown", "Unknown")
Keyed = Sequence[tuple[str, float]]
"""Values, each with the visitor to whom it belongs."""


class Order(NamedTuple):
    """An order within a visit."""

    visit: Row
    order_id: str
    value: Decimal

    @property
    def visitor(self) -> str:
        return str(self.visit["visitor_id"])


def visit_orders(shop: Behaviour) -> list[Order]:
    """Orders of visits: the sales lines that belong to each."""
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for event in shop.activity:
        if event["event_type"] == "purchase" and event["sale_id"] and event["session_id"] in shop.by_session:
            found[event["session_id"], event["order_id"]] += event["value"]
    return [Order(shop.by_session[session], order, value) for (session, order), value in found.items()]


# --- statistics ----------------------------------------------------------------------------------------------


def deviations(values: Keyed) -> dict[str, float]:
    """Sum of the distances from the mean, by visitor."""
    found: dict[str, float] = defaultdict(float)
    mean = math.fsum(value for _, value in values) / len(values)
    for visitor, value in values:
        found[visitor] += value - mean
    return found


def spread_of_difference(own: Keyed, rest: Keyed) -> float:
    """Variance of the difference of the two means, each visitor a cluster, without factors."""
    ours, theirs = deviations(own), deviations(rest)
    return math.fsum((ours.get(v, 0) / len(own) - theirs.get(v, 0) / len(rest)) ** 2 for v in sorted({*ours, *theirs}))


def alone(values: Keyed, side: str = "own") -> Keyed:
    """The same values, every one a cluster."""
    return [(f"{side} {place}", value) for place, (_, value) in enumerate(values)]


def design_effect(values: Keyed) -> float:
    """How many times larger the variance of the mean is because of clusters; at least 1."""
    simple = math.fsum(e**2 for e in deviations(alone(values)).values())
    clustered = math.fsum(e**2 for e in deviations(values).values())
    return max(1.0, clustered / simple) if simple > 1e-9 else 1.0


def newcombe(p: float, n: float, p0: float, n0: float) -> tuple[float, float]:
    """Hybrid score interval of p − p0."""
    low, high = _wilson(p, n)
    low0, high0 = _wilson(p0, n0)
    gap = p - p0
    return gap - math.hypot(p - low, high0 - p0), gap + math.hypot(high - p, p0 - low0)


def _wilson(p: float, n: float) -> tuple[float, float]:
    centre, half = p + Z * Z / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n))
    whole = 1 + Z * Z / n
    return max(0.0, (centre - half) / whole), min(1.0, (centre + half) / whole)


def median_variance(values: Iterable[Decimal]) -> float | None:
    """Of the median (Price and Bonett), with the normal approximation of the binomial quantile."""
    ordered = sorted(values)
    n = len(ordered)
    place = max(1, math.floor((n + 1) / 2 - math.sqrt(n) + 0.5))
    if n + 1 == 2 * place:
        return None
    return (float(ordered[n - place] - ordered[place - 1]) * math.sqrt(n) / (2 * (n + 1 - 2 * place))) ** 2


def ranked(orders: Sequence[Order]) -> list[float]:
    return [float(rank) for rank in stats.rankdata([float(order.value) for order in orders])]


def ties(orders: Iterable[Order]) -> int:
    return sum(t**3 - t for t in Counter(order.value for order in orders).values())


def chi_square_tail(x: float, freedom: int) -> float:
    """Exact for one and two degrees of freedom, Wilson and Hilferty's normal approximation beyond."""
    if freedom <= 2:
        return float(stats.chi2.sf(x, freedom))
    part = 2 / (9 * freedom)
    return float(stats.norm.sf(((x / freedom) ** (1 / 3) - (1 - part)) / math.sqrt(part)))


# --- members -------------------------------------------------------------------------------------------------


def device_effect(shop: Behaviour) -> Rows:
    """behavior.device_effect."""
    return _effects(shop, "device_type")


def location_effect(shop: Behaviour) -> Rows:
    """behavior.location_effect."""
    return _effects(shop, "location")


def _effects(shop: Behaviour, dimension: str) -> Rows:
    by_member, orders = grouped(shop.visits, dimension), visit_orders(shop)
    rows = []
    for member, visits in by_member.items():
        own = [order for order in orders if order.visit[dimension] == member]
        row = {dimension: member, **_sums(shop, visits, own), **_standardised(shop, dimension, visits)}
        others = [v for v in shop.visits if v[dimension] not in (*UNKNOWN, member)]
        is_compared = member not in UNKNOWN and bool(others)
        shared = known(visits, "visitor_id") & known(others, "visitor_id") if member not in UNKNOWN else set()
        row["shared_visitors"] = len(shared)
        row["low_n"] = row["visitors"] < shop.small
        row |= dict.fromkeys(COMPARED)
        if is_compared:
            rest = [order for order in orders if order.visit[dimension] not in (*UNKNOWN, member)]
            row |= _conversion(shop, row, visits, others) | _order_values(shop, own, rest)
        rows.append(row)
    for p, q, verdict, sign in SIGNS:
        for row, value in zip(rows, corrected([row[p] for row in rows]), strict=True):
            row[q] = value
            if value is not None:
                row[verdict] = "not distinguishable" if value >= 0.05 else "higher" if sign(row) else "lower"
    return rows


COMPARED = (
    *("rest_sessions", "rest_converted_sessions", "rest_conversion", "conversion_difference"),
    *("difference_ci_low", "difference_ci_high", "standard_error", "design_effect"),
    *("p_value", "q_value", "conversion_verdict", "rest_orders", "rest_median_order_value", "median_difference"),
    *("median_difference_ci_low", "median_difference_ci_high", "superiority", "order_value_design_effect"),
    *("order_value_p_value", "order_value_q_value", "order_value_verdict"),
)
SIGNS: tuple[tuple[str, str, str, Callable[[Row], bool]], ...] = (
    ("p_value", "q_value", "conversion_verdict", lambda row: row["conversion_difference"] > 0),
    ("order_value_p_value", "order_value_q_value", "order_value_verdict", lambda row: row["superiority"] > 0.5),
)


def _sums(shop: Behaviour, visits: Rows, own: list[Order]) -> Row:
    orders, net = summed(visits, "orders"), summed(visits, "net_sales")
    of_customers = [visit for visit in visits if visit["customer_id"] is not None]
    customers = len(known(of_customers, "visitor_id"))
    return {
        "sessions": len(visits),
        "share": len(visits) / len(shop.visits),
        "visitors": len(known(visits, "visitor_id")),
        "customers": customers,
        "converted_sessions": converted(visits),
        "session_conversion": converted(visits) / len(visits),
        **interval(converted(visits), len(visits)),
        "buyers": len({order.visitor for order in own}),
        "orders": orders,
        "net_sales": net,
        "aov": money(net, orders),
        "median_order_value": money(median(order.value for order in own)) if own else None,
        "net_sales_per_session": money(net, len(visits)),
        "customer_net_sales": summed(of_customers, "net_sales"),
        "net_sales_per_customer": money(summed(of_customers, "net_sales"), customers),
    }


def _standardised(shop: Behaviour, dimension: str, visits: Rows) -> Row:
    weights = {name: len(rows) for name, rows in grouped(shop.visits, OTHER[dimension]).items()}
    own = grouped(visits, OTHER[dimension])
    covered = sum(weights[name] for name in own)
    value = math.fsum(weights[name] * converted(rows) / len(rows) for name, rows in own.items()) / covered
    return {"standardised_conversion": value, "standardised_coverage": covered / len(shop.visits)}


def _bought(visits: Rows) -> Keyed:
    return [(visit["visitor_id"], float(visit["purchases"] > 0)) for visit in visits]


def _conversion(shop: Behaviour, row: Row, visits: Rows, others: Rows) -> Row:
    own, rest = _bought(visits), _bought(others)
    n, n0 = len(own), len(rest)
    p, p0 = converted(visits) / n, converted(others) / n0
    clusters, total = len({visitor for visitor, _ in [*own, *rest]}), n + n0
    error = None
    if clusters > 1 and total > 2:
        factor = clusters / (clusters - 1) * (total - 1) / (total - 2)
        error = math.sqrt(spread_of_difference(own, rest) * factor)
    effect, effect0 = design_effect(own), design_effect(rest)
    low, high = newcombe(p, n / effect, p0, n0 / effect0)
    bought = converted(visits) + converted(others)
    expected = min(n, n0) * min(bought, total - bought) / total
    small = min(row["visitors"], len(known(others, "visitor_id"))) < shop.small or expected < 5
    tested = not small and error is not None and error > 1e-9
    return {
        "rest_sessions": n0,
        "rest_converted_sessions": converted(others),
        "rest_conversion": p0,
        "conversion_difference": p - p0,
        "difference_ci_low": low,
        "difference_ci_high": high,
        "standard_error": error,
        "design_effect": effect,
        "p_value": float(2 * stats.norm.sf(abs(p - p0) / error)) if tested and error else None,
        "low_n": small,
    }


def _order_values(shop: Behaviour, own: list[Order], rest: list[Order]) -> Row:
    row: Row = {"rest_orders": len(rest)}
    if rest:
        row["rest_median_order_value"] = money(median(order.value for order in rest))
    if not own or not rest:
        return row
    ranks = ranked([*own, *rest])
    n, n0, total = len(own), len(rest), len(own) + len(rest)
    ours: Keyed = list(zip((order.visitor for order in own), ranks[:n], strict=True))
    theirs: Keyed = list(zip((order.visitor for order in rest), ranks[n:], strict=True))
    score = math.fsum(ranks[:n]) - n * (n + 1) / 2
    simple = spread_of_difference(alone(ours), alone(theirs, "rest"))
    effect = max(1.0, spread_of_difference(ours, theirs) / simple) if simple > 1e-12 else 1.0
    gap = float(median(order.value for order in own) - median(order.value for order in rest))
    row |= {"superiority": score / (n * n0), "order_value_design_effect": effect, "median_difference": gap}
    if min(len({order.visitor for order in side}) for side in (own, rest)) < shop.small:
        return row
    variances = [median_variance(order.value for order in side) for side in (own, rest)]
    if None not in variances:
        half = Z * math.sqrt(effect * sum(v for v in variances if v is not None))
        row |= {"median_difference_ci_low": gap - half, "median_difference_ci_high": gap + half}
    variance = effect * n * n0 / 12 * (total + 1 - ties([*own, *rest]) / (total * (total - 1)))
    if variance > 1e-9:
        away = max(0.0, abs(score - n * n0 / 2) - 0.5)
        row["order_value_p_value"] = float(2 * stats.norm.sf(away / math.sqrt(variance)))
    return row


# --- whole dimensions ----------------------------------------------------------------------------------------


def effect_sizes(shop: Behaviour) -> Rows:
    """behavior.effect_sizes."""
    rows = []
    for dimension in OTHER:
        tested = [row for row in _effects(shop, dimension) if row["p_value"] is not None]
        rows.append({"dimension": dimension, "outcome": "conversion", **_association(tested)})
        rows.append({"dimension": dimension, "outcome": "order_value", **_kruskal(shop, dimension)})
    return rows


def _size(measure: str, n: int = 0, groups: Sequence[tuple[int, float]] = (), statistic: float | None = None) -> Row:
    """A row of members of so many cases and such design effects, with the statistic."""
    row: Row = {"members": len(groups), "n": n, "statistic": statistic, "effect_measure": measure}
    row |= dict.fromkeys(("degrees_of_freedom", "design_effect", "p_value", "effect_size"))
    if statistic is not None:
        freedom = len(groups) - 1
        effect = max(1.0, math.fsum((1 - k / n) * d for k, d in groups) / freedom)
        tail = chi_square_tail(statistic / effect, freedom)
        row |= {"degrees_of_freedom": freedom, "design_effect": effect, "p_value": tail}
    return row


def _association(tested: Rows) -> Row:
    if len(tested) < 2:
        return _size("Cramer's V")
    n = sum(row["sessions"] for row in tested)
    mean = sum(row["converted_sessions"] for row in tested) / n
    square = math.fsum(
        (row["converted_sessions"] - row["sessions"] * mean) ** 2 / (row["sessions"] * mean * (1 - mean))
        for row in tested
    )
    groups = [(row["sessions"], row["design_effect"]) for row in tested]
    return _size("Cramer's V", n, groups, square) | {"effect_size": math.sqrt(square / n)}


def _kruskal(shop: Behaviour, dimension: str) -> Row:
    by_member: dict[str, list[Order]] = defaultdict(list)
    for order in visit_orders(shop):
        by_member[order.visit[dimension]].append(order)
    fit = {
        member: orders
        for member, orders in by_member.items()
        if member not in UNKNOWN and len({order.visitor for order in orders}) >= shop.small
    }
    if len(fit) < 2:
        return _size("epsilon squared")
    every = [order for orders in fit.values() for order in orders]
    ranks, n, begin = ranked(every), len(every), 0
    groups, total = [], 0.0
    for orders in fit.values():
        own = ranks[begin : begin + len(orders)]
        begin += len(orders)
        total += math.fsum(own) ** 2 / len(own)
        groups.append((len(own), design_effect(list(zip((o.visitor for o in orders), own, strict=True)))))
    height = (12 / (n * (n + 1)) * total - 3 * (n + 1)) / (1 - ties(every) / (n**3 - n))
    return _size("epsilon squared", n, groups, height) | {"effect_size": height / (n - 1)}
