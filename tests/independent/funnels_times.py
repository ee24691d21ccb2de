"""behavior.time_to_purchase and behavior.purchase_survival, recomputed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta

from tests.independent.funnels_acts import DAY, Act, Behaviour, Row, Z, first_since, grouped, quantile, ratio, seconds


def time_to_purchase(found: Behaviour) -> list[Row]:
    """behavior.time_to_purchase."""
    goods = [a for a in found.acts if a.is_goods]
    streams = grouped((a for a in goods if a.visitor), lambda a: (a.visitor, a.product))
    lookback = timedelta(hours=24 * found.parameters["purchase_lookback_days"])
    measured = []
    for purchase in (a for a in goods if a.kind == "purchase"):
        acts = streams.get((purchase.visitor, purchase.product), []) if purchase.visitor else []
        earlier = [a.at for a in acts if a.kind == "purchase" and a.at < purchase.at]
        since = max([purchase.at - lookback, *earlier])
        views = [a for a in acts if a.kind == "view" and since < a.at <= purchase.at]
        measured.append((purchase, views))
    scopes: dict[str, Callable[[Act], str | None]] = {
        "all": lambda a: "all",
        "product": lambda a: a.product,
        "category": lambda a: a.category,
        "device_type": lambda a: a.own_device_type,
        "location": lambda a: a.own_location,
    }
    rows = []
    for scope, value_of in scopes.items():
        by_key: dict[str, list[tuple[Act, list[Act]]]] = defaultdict(list)
        for item in measured:
            by_key[str(value_of(item[0]))].append(item)
        for key, own in by_key.items():
            rows += [_timed(found, scope, key, clock, own) for clock in ("first_view", "last_view", "session_start")]
    return rows


def _timed(found: Behaviour, scope: str, key: str, clock: str, own: list[tuple[Act, list[Act]]]) -> Row:
    times = []
    for purchase, views in own:
        if clock == "session_start":
            visit = found.visits.get(purchase.session or "")
            if visit:
                times.append(max(0.0, seconds(purchase.at - visit.started_at)))
        elif views:
            moments = [v.at for v in views]
            times.append(seconds(purchase.at - (min(moments) if clock == "first_view" else max(moments))))
    with_views = [views for _, views in own if views] if clock != "session_start" else []
    row: Row = {
        "scope": scope,
        "key": key,
        "clock": clock,
        "product_id": key if scope == "product" else None,
        "product_name": found.kpi.product_name(key) if scope == "product" else None,
        "category": found.kpi.category(key) if scope == "product" else key if scope == "category" else None,
        "purchases": len(own),
        "purchases_without_view": sum(not views for _, views in own),
        "n": len(times),
        "mean_seconds": sum(times) / len(times) if times else None,
        "mean_views_before": ratio(sum(map(len, with_views)), len(with_views)),
        "mean_sessions_before": ratio(sum(len({v.session for v in views}) for views in with_views), len(with_views)),
        "low_n": len(times) < found.small,
    }
    for name, share in (("p25", 0.25), ("median", 0.5), ("p75", 0.75), ("p90", 0.9)):
        row[f"{name}_seconds"] = quantile(times, share)
    return row


def purchase_survival(found: Behaviour) -> list[Row]:
    """behavior.purchase_survival."""
    last: int = found.parameters["purchase_lookback_days"]
    streams = grouped((a for a in found.acts if a.is_goods and a.visitor), lambda a: (a.visitor, a.product))
    viewers: dict[str, list[tuple[int, bool]]] = defaultdict(list)
    for acts in streams.values():
        views = [a.at for a in acts if a.kind == "view"]
        if not views:
            continue
        start = min(views)
        followed = min(last, (found.end - start) // DAY)
        bought = first_since(sorted(a.at for a in acts if a.kind == "purchase"), start)
        day = (bought - start) // DAY + 1 if bought else None
        counts = day is not None and day <= followed
        for key in ("", str(acts[0].category)):
            viewers[key].append((day if counts and day else followed, counts))
    rows = []
    for key, own in viewers.items():
        rows += _curve(found, "category" if key else "all", key or "all", own, last)
    return rows


def _curve(found: Behaviour, scope: str, key: str, own: list[tuple[int, bool]], last: int) -> list[Row]:
    rows: list[Row] = []
    survival, spread = 1.0, 0.0
    for day in range(last + 1):
        at_risk = sum(until >= day for until, _ in own)
        buyers = sum(bought and until == day for until, bought in own) if day else 0
        if day and at_risk:
            survival *= 1 - buyers / at_risk
            if at_risk > buyers:
                spread += buyers / (at_risk * (at_risk - buyers))
        known = at_risk > 0
        low = high = None
        if known and 0 < survival < 1:
            half = Z * math.sqrt(spread) / abs(math.log(survival))
            low, high = survival ** math.exp(half), survival ** math.exp(-half)
        rows.append(
            {
                "scope": scope,
                "key": key,
                "days_since_view": day,
                "viewers": len(own),
                "at_risk": at_risk,
                "buyers": buyers,
                "survival": survival if known else None,
                "ci_low": low,
                "ci_high": high,
                "share_bought": 1 - survival if known else None,
                "low_n": len(own) < found.small,
            }
        )
    half_bought = [r["days_since_view"] for r in rows if r["survival"] is not None and r["survival"] <= 0.5]
    return [{**row, "median_days": min(half_bought, default=None)} for row in rows]
