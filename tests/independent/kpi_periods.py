"""The tables of kpi over time, recomputed: periods, lifecycle, stickiness."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta

import pandas as pd

from tests.independent import metrics
from tests.independent.kpi import GRAINS, Kpi, Row, money, ratio
from tests.independent.kpi_changes import return_rates
from tests.independent.metrics import ZERO

# --- periods -------------------------------------------------------------------------------------------------


def periods(kpi: Kpi) -> list[Row]:
    """kpi.periods."""
    return [row for grain in GRAINS for row in _periods(kpi, grain)]


def _periods(kpi: Kpi, grain: str) -> list[Row]:
    if kpi.is_empty:
        return []
    returned = {
        row["period"]: {name: value for name, value in row.items() if "unit" not in name}
        for row in return_rates(kpi)
        if row["grain"] == grain
    }
    rows = {}
    for first, row in metrics.periods(kpi.shop, grain).to_dict("index").items():
        plain = {name: None if pd.isna(value) else value for name, value in row.items()}
        rows[first] = {"grain": grain, "period": first, **plain, **_more(kpi, first, plain), **returned[first]}
    for first, row in rows.items():
        _compare_new(row, rows.get(metrics.shifted(grain, first, -1)), "prev", "growth")
        _compare_new(row, rows.get(metrics.year_ago(grain, first)), "year_ago", "yoy")
    return list(rows.values())


def _more(kpi: Kpi, first: date, row: Row) -> Row:
    orders = [o for o in kpi.orders.values() if first <= o.day <= row["period_end"]]
    usual = [o for o in orders if o.order_id not in kpi.outliers]
    value = row["gross_sales"] - row["discounts"]
    joined = [c["join_date"] for c in kpi.landed["customers"] if c.get("join_date")]
    days = [day.date() if isinstance(day, datetime) else day for day in joined]
    return {
        "is_left_censored": kpi.is_censored(first),
        "discount_rate": ratio(row["discounts"], row["gross_sales"]),
        "units_per_order": ratio(row["units"], row["orders"]),
        "price_per_unit": money(value, row["units"]),
        "outlier_orders": len(orders) - len(usual),
        "aov_ex_outliers": money(sum((o.value for o in usual), ZERO), len(usual)),
        "reactivated_customers": len({o.customer for o in orders if kpi.is_reactivating(o, first)}),
        "registrations": sum(first <= day <= min(row["period_end"], kpi.as_of) for day in days) if days else None,
        "orders_per_customer": ratio(row["orders"] - row["guest_orders"], row["active_customers"]),
    }


def _compare_new(row: Row, base: Row | None, value: str, change: str) -> None:
    before = base["new_customers"] if base else None
    row[f"new_customers_{value}"] = before
    if value == "prev":
        row["new_customers_change"] = None if before is None else row["new_customers"] - before
    usable = base and before and base["is_complete"] and row["is_complete"] and not base["is_left_censored"]
    row[f"new_customers_{change}"] = (row["new_customers"] - before) / before if usable and before else None


# --- customers over time -------------------------------------------------------------------------------------


def lifecycle(kpi: Kpi) -> list[Row]:
    """kpi.lifecycle."""
    rows = []
    for grain in ("week", "month"):
        before: set[str] = set()
        ever: set[str] = set()
        for first, last in kpi.periods(grain):
            now = {o.customer for o in kpi.orders.values() if o.customer and first <= o.day <= last}
            new, kept, gone = now - ever, now & before, before - now
            back = now - new - kept
            rows.append(
                {
                    "grain": grain,
                    "period": first,
                    "period_end": last,
                    "is_complete": kpi.shop.is_complete(first, last),
                    "is_left_censored": kpi.is_censored(first),
                    "active_customers_prev": len(before),
                    "new_customers": len(new),
                    "retained_customers": len(kept),
                    "resurrecting_customers": len(back),
                    "dormant_customers": -len(gone),
                    "active_customers": len(now),
                    "retained_share": ratio(len(kept), len(before)),
                    "quick_ratio": ratio(len(new) + len(back), len(gone)),
                }
            )
            before, ever = now, ever | now
    return rows


def stickiness(kpi: Kpi) -> list[Row]:
    """kpi.stickiness."""
    if kpi.is_empty:
        return []
    day_after = kpi.last_complete_day + timedelta(days=1)
    month_end = day_after.replace(day=1) - timedelta(days=1)
    year_begin = metrics.shifted("month", month_end.replace(day=1), -11)
    months: dict[str, set[date]] = defaultdict(set)
    for order in kpi.orders.values():
        if order.customer and year_begin <= order.day <= month_end:
            months[order.customer].add(order.day.replace(day=1))
    first = kpi.last_complete_day - timedelta(days=27)
    days: dict[str, set[date]] = defaultdict(set)
    dates = {session.session_id: session.first.day for session in kpi.visits.sessions}
    for row in kpi.visits.visit_rows():
        day = dates[row["session_id"]]
        if first <= day <= kpi.last_complete_day:
            days[row["visitor_id"]].add(day)
    return [
        *_stuck(kpi, "customers", "month", 12, (year_begin, month_end), months),
        *_stuck(kpi, "visitors", "day", 28, (first, kpi.last_complete_day), days),
    ]


def _stuck(
    kpi: Kpi, audience: str, length: str, most: int, window: tuple[date, date], active: dict[str, set[date]]
) -> list[Row]:
    counts = Counter(len(found) for found in active.values())
    rows = []
    for number in range(1, most + 1) if active else ():
        at_least = sum(n for times, n in counts.items() if times >= number)
        rows.append(
            {
                "audience": audience,
                "active_periods": number,
                "period_length": length,
                "window_begin": window[0],
                "window_end": window[1],
                "members": counts[number],
                "audience_size": len(active),
                "share": ratio(counts[number], len(active)),
                "members_at_least": at_least,
                "share_at_least": ratio(at_least, len(active)),
                "low_n": len(active) < kpi.small,
            }
        )
    return rows
