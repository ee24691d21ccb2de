"""RFM scores, segments, their history and migration, computed anew in pandas.

Here: `customer.rfm`, `rfm_segments`, `segment_history` and `segment_migration`, written from the definitions and not
from the SQL: scores come from ranks, and every snapshot is scored from its own orders and lines. Not here: the rows
(`customers`), the comparison with the SQL (`tests/integration`).
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta

import pandas as pd

from tests.independent.customers import Customers, average, by_customer, money, total
from tests.independent.kpi import ratio
from tests.independent.metrics import shifted
from tests.independent.tables import Row, Rows

DIMENSIONS = ("recency", "frequency", "monetary")


def rfm(shop: Customers) -> Rows:
    """customer.rfm."""
    return [row | {"currency": shop.currency} for row in as_of(shop, shop.as_of, list(shop.people))]


def as_of(shop: Customers, day: date, population: list[str]) -> Rows:
    """The population as it was at the end of a day."""
    orders, lines = shop.orders, shop.lines
    orders = orders[orders["order_date"].map(lambda d: d <= day).astype(bool)]
    lines = lines[lines["sold_date"].map(lambda d: d <= day).astype(bool)]
    ever = {str(c): (min(days), max(days)) for c, days in orders.groupby("customer_id")["order_date"]}
    window = shop.parameters["rfm_window_days"]
    if window is not None:
        begin = day - timedelta(days=window)
        orders = orders[orders["order_date"].map(lambda d: d > begin).astype(bool)]
        lines = lines[lines["sold_date"].map(lambda d: d > begin).astype(bool)]
    counts, net = orders["customer_id"].value_counts(), shop.sums(lines, "net_sales")
    value = shop.sums(orders, "order_value")
    rows = []
    for customer in population:
        first, last = ever.get(customer, (None, None))
        rows.append(
            {
                "customer_id": customer,
                "first_order_date": first,
                "last_order_date": last,
                "recency_days": None if last is None else (day - last).days,
                "frequency": int(counts.get(customer, 0)),
                "monetary": net[customer],
                "ordered_value": value[customer],
            }
        )
    return _scored(shop, rows)


def _scored(shop: Customers, rows: Rows) -> Rows:
    scored = [row for row in rows if row["frequency"] > 0]
    better = {
        "recency": pd.Series([-row["recency_days"] for row in scored], dtype="int64"),
        "frequency": pd.Series([row["frequency"] for row in scored], dtype="int64"),
        "monetary": pd.Series([float(row["monetary"]) for row in scored], dtype="float64"),
    }
    same = {name: values.nunique() == 1 for name, values in better.items()}
    for row in rows:
        row |= dict.fromkeys([f"{name}_score" for name in DIMENSIONS])
    for name, values in better.items():
        worse = values.rank(method="min").astype("int64") - 1
        for row, place in zip(scored, worse, strict=True):
            row[f"{name}_score"] = 3 if same[name] else 1 + 5 * int(place) // len(scored)
    grid = {row["cell"]: row for row in shop.seed("core.rfm_grid")}
    unplaced = same["recency"] or same["frequency"]
    for row in rows:
        _place(row, any(same.values()), len(scored))
        cell = grid[_cell(row, unplaced)]
        row |= {"segment": cell["segment"], "segment_rank": cell["segment_rank"]}
    return rows


def _place(row: Row, is_degenerate: bool, scored: int) -> None:
    scores = [row[f"{name}_score"] for name in DIMENSIONS]
    is_scored = row["frequency"] > 0
    row |= {
        "is_scored": is_scored,
        "is_degenerate": is_scored and is_degenerate,
        "low_n": is_scored and scored < 5,
        "fm_score": (scores[1] + scores[2] + 1) // 2 if is_scored else None,
        "rfm_score": "".join(map(str, scores)) if is_scored else None,
        "rfm_total": sum(scores) if is_scored else None,
    }


def _cell(row: Row, unplaced: bool) -> str:
    if row["last_order_date"] is None:
        return "no order"
    if not row["is_scored"]:
        return "lapsed out"
    if unplaced:
        return "not scorable"
    if row["frequency"] == 1 and row["recency_score"] in (4, 5):
        return f"one order R{row['recency_score']}"
    return f"R{row['recency_score']} FM{row['fm_score']}"


# --- segments ------------------------------------------------------------------------------------------------


def _segments(shop: Customers) -> dict[str, Row]:
    return {row["segment"]: row for row in shop.seed("core.rfm_grid")}


def _eleven(shop: Customers) -> list[str]:
    return sorted({row["segment"] for row in shop.seed("core.rfm_grid") if row["recency_score"] is not None})


def rfm_segments(shop: Customers) -> Rows:
    """customer.rfm_segments."""
    everybody = list(by_customer(shop, rfm).values())
    rows = []
    for name, segment in _segments(shop).items():
        members = [row for row in everybody if row["segment"] == name]
        if not members and name not in (*_eleven(shop), "Prospects"):
            continue
        orders = sum(row["frequency"] for row in members)
        net, value = total(row["monetary"] for row in members), total(row["ordered_value"] for row in members)
        rows.append(
            {
                "segment": name,
                "segment_rank": segment["segment_rank"],
                "customers": len(members),
                "customer_share": ratio(len(members), len(everybody)),
                "orders": orders,
                "net_sales": net,
                "net_sales_share": ratio(net, total(row["monetary"] for row in everybody)),
                "ordered_value": value,
                "aov": money(value, orders),
                "mean_recency_days": average(r["recency_days"] for r in members if r["recency_days"] is not None),
                "mean_frequency": ratio(orders, len(members)),
                "mean_monetary": money(net, len(members)),
                "low_n": len(members) < shop.small,
                "recommended_action": segment["recommended_action"],
                "currency": shop.currency,
            }
        )
    return rows


# --- history -------------------------------------------------------------------------------------------------


def snapshots(shop: Customers) -> list[date]:
    """Ends of the months since the first order or line of anybody with an order, and the as-of date."""
    days = [day for dates in shop.dates.values() for day in dates]
    named = shop.lines["customer_id"].map(lambda customer: customer in shop.dates).astype(bool)
    days += list(shop.lines.loc[named, "sold_date"])
    if not days:
        return []
    found, month = [], min(days).replace(day=1)
    while month < shop.as_of.replace(day=1):
        found.append(month.replace(day=calendar.monthrange(month.year, month.month)[1]))
        month = shifted("month", month, 1)
    return [*found, shop.as_of]


def placed(shop: Customers) -> dict[date, dict[str, Row]]:
    """Everybody with an order by the snapshot, at every snapshot."""
    found = {}
    for day in snapshots(shop):
        population = [customer for customer, dates in shop.dates.items() if dates[0] <= day]
        found[day] = {row["customer_id"]: row for row in as_of(shop, day, population)}
    return found


def segment_history(shop: Customers) -> Rows:
    """customer.segment_history."""
    rows: Rows = []
    current: dict[str, Row] = {}
    for day, at in shop.once(placed).items():
        for customer, found in at.items():
            before = current.get(customer)
            if before is not None and before["segment"] == found["segment"]:
                continue
            if before is not None:
                before |= {"valid_to": day - timedelta(days=1), "is_current": False}
            current[customer] = {
                "customer_id": customer,
                "valid_from": day,
                "valid_to": None,
                "is_current": True,
                "segment": found["segment"],
                "previous_segment": before and before["segment"],
                "rfm_score": found["rfm_score"],
            }
            rows.append(current[customer])
    return rows


def segment_migration(shop: Customers) -> Rows:
    """customer.segment_migration."""
    segments, days = _segments(shop), shop.once(placed)
    occurring = {row["segment"] for at in days.values() for row in at.values()}
    targets = sorted({*_eleven(shop), *occurring})
    rows = []
    for (before, old), (day, new) in zip(list(days.items())[:-1], list(days.items())[1:], strict=True):
        moves = [(old[c]["segment"] if c in old else "Not yet a customer", row["segment"]) for c, row in new.items()]
        for origin in [*targets, "Not yet a customer"]:
            for target in targets:
                left, entered = sum(a == origin for a, _ in moves), sum(b == target for _, b in moves)
                rows.append(
                    {
                        "snapshot_date": day,
                        "previous_snapshot_date": before,
                        "is_whole_month": (day + timedelta(days=1)).day == 1,
                        "from_segment": origin,
                        "to_segment": target,
                        **_movement(segments[origin], segments[target]),
                        "customers": moves.count((origin, target)),
                        "from_customers": left,
                        "to_customers": entered,
                        "share": ratio(moves.count((origin, target)), left),
                        "low_n": left < shop.small,
                    }
                )
    return rows


def _movement(origin: Row, target: Row) -> Row:
    ranks = origin["segment_rank"], target["segment_rank"]
    rises = None not in ranks and ranks[1] > ranks[0]
    if origin["segment"] == target["segment"]:
        word = "stayed"
    elif origin["segment"] == "Not yet a customer":
        word = "joined"
    elif None in ranks or ranks[0] == ranks[1]:
        word = "unranked"
    else:
        word = "up" if rises else "down"
    return {"movement": word, "is_win_back": origin["is_lapsing"] and not target["is_lapsing"] and rises}
