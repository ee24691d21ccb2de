"""Questions about cohorts, answered in plain Python."""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date

from tests.independent.answers_known import Known, months_before, only, quotient, ranked
from tests.independent.tables import Row, Rows


def best_cohorts(known: Known) -> Rows:
    found = []
    for metric in ("retention_rate", "cum_net_sales_per_customer"):
        for age in (1, 3, 6, 12):
            mine = [
                row
                for row in known.rows("cohort.ranking", metric=metric, period_index=age)
                if row["dense_rank"] is not None
            ]
            if mine:
                best = min(mine, key=lambda r: (-r["value"], r["cohort"]))
                worst = min(mine, key=lambda r: (r["value"], r["cohort"]))
                found.append({**best, "side": "best"})
                if worst["cohort"] != best["cohort"]:
                    found.append({**worst, "side": "worst"})
    names = "metric period_index side cohort cohort_size numerator value baseline_value difference q_value verdict"
    return only(found, names)


def why_cohorts_differ(known: Known) -> Rows:
    drivers = [
        row
        for row in known.rows("cohort.drivers", baseline="earlier", metric="cum_net_sales_per_customer")
        if row["dimension"] != "six factors"
    ]
    explained = {(row["cohort"], row["period_index"]) for row in drivers}
    ranking = [
        row
        for row in known.rows("cohort.ranking", metric="cum_net_sales_per_customer")
        if row["dense_rank"] is not None and (row["cohort"], row["period_index"]) in explained
    ]
    if not ranking:
        return []
    age = max(row["period_index"] for row in ranking)
    mine = [row for row in ranking if row["period_index"] == age]
    best = min(mine, key=lambda r: (-r["value"], r["cohort"]))["cohort"]
    worst = min(mine, key=lambda r: (r["value"], r["cohort"]))["cohort"]
    rows: Rows = []
    for side, cohort in (("best", best), ("worst", worst)) if best != worst else (("best", best),):
        of = [row for row in drivers if (row["cohort"], row["period_index"]) == (cohort, age)]
        factors = [{**row, "side": side} for row in of if row["level"] == "factor"]
        mixes = []
        for dimension in {row["dimension"] for row in of if row["level"] == "mix"}:
            parts = [row for row in of if row["level"] == "mix" and row["dimension"] == dimension]
            whole = math.fsum(row["effect"] for row in parts)
            mixes.append({**parts[0], "side": side, "member_name": "all groups", "effect": whole})
        for some in (factors, mixes):
            rows += ranked(some, lambda r: (-abs(r["effect"]), r["dimension"], r["member_name"]))
    return only(rows, "side cohort period_index level dimension member_name effect value baseline_value rank")


def retention_by_cohort(known: Known) -> Rows:
    months = defaultdict(set)
    for customer, mine in known.shop.orders_by_customer().items():
        for order in mine:
            months[customer].add(order.day.replace(day=1))
    cells = known.rows("cohort.retention", variant="all")
    complete = {(r["cohort"], r["period_index"]) for r in cells if r["is_complete"]}
    sizes = {r["cohort"]: r["cohort_size"] for r in cells if r["period_index"] == 0 and r["cohort_month"]}
    rows = []
    for cohort in sorted(sizes)[-24:]:
        start = date(int(cohort[:4]), int(cohort[5:]), 1)
        members = [customer for customer, found in months.items() if min(found) == start]
        row: Row = {"cohort": cohort, "cohort_size": len(members)}
        for age in (1, 3, 6, 12):
            kept = sum(months_before(start, -age) in months[c] for c in members)
            ended = (cohort, age) in complete
            row[f"retained_{age}"] = kept if ended else None
            row[f"retention_rate_{age}"] = quotient(kept, len(members)) if ended else None
        rows.append(row)
    for every in (r for r in cells if r["cohort"] == "ALL" and r["period_index"] == 0):
        row = {"cohort": every["cohort"], "cohort_size": None}
        for age in (1, 3, 6, 12):
            ready = [c for c in sizes if (c, age) in complete]
            kept = sum(
                months_before(min(found), -age) in found for found in months.values() if f"{min(found):%Y-%m}" in ready
            )
            size = sum(sizes[c] for c in ready)
            row[f"retained_{age}"] = kept if ready else None
            row[f"retention_rate_{age}"] = quotient(kept, size) if ready else None
            if age == 1:
                row["cohort_size"] = size if ready else None
        rows.append(row)
    return rows
