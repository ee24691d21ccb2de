"""cohort.retention, computed anew in pandas from the months of the customers.

Here: a second implementation, written from the definitions and not from the SQL. Not here: who is in which cohort and
group (`cohorts`), the comparison with the SQL (`tests/integration`).
"""

from __future__ import annotations

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal

from tests.independent.cohorts import AMOUNTS, SUMS, Cohorts, amount, first_day, name, number
from tests.independent.kpi import Row, ratio
from tests.independent.statistics import wilson

ADDED = ["cohort_size", "retained_customers", "retained_at_least_once_since", *SUMS, "cum_net_sales", "first_net_sales"]


def divided(part: int, whole: int) -> Decimal | None:
    """Money divided, rounded half away from zero as money is; None without a whole."""
    return (amount(part) / whole).quantize(Decimal("0.0001"), ROUND_HALF_UP) if whole else None


def retention(cohorts: Cohorts) -> list[Row]:
    """cohort.retention."""
    if cohorts.lines.empty:
        return []
    people: dict[tuple[str, str, str], dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in cohorts.groups:
        group = row["variant"], row["dimension_value"], row["dimension_name"]
        people[group][number(row["cohort_month"])].append(row["customer_id"])
    rows = _none(cohorts)
    for group, found in people.items():
        every = range(min(found), max(found) + 1) if group[0] == "all" else sorted(found)
        cells = {(month, age): cell for month in every for age, cell in enumerate(_cells(cohorts, month, found[month]))}
        rows += [_of_cohort(cohorts, group, *place, cell) for place, cell in cells.items()]
        rows += _of_all(cohorts, group, cells)
    return rows


def _cells(cohorts: Cohorts, month: int, customers: list[str]) -> list[Row]:
    """Sums by age of the customers of a cohort, as whole numbers."""
    own = cohorts.months[cohorts.months["customer_id"].isin(customers) & cohorts.months["age"].notna()]
    active = own[own["orders"] > 0]
    last = active.groupby("customer_id")["age"].max()
    kept, sums_of = active.groupby("age")["customer_id"].nunique().to_dict(), own.groupby("age")[SUMS].sum().T.to_dict()
    cells: list[Row] = []
    for age in range(cohorts.last_month - month + 1):
        sums = {column: int(total) for column, total in sums_of.get(age, dict.fromkeys(SUMS, 0)).items()}
        cell = {
            "cohort_size": len(customers),
            "retained_customers": kept.get(age, 0),
            "retained_at_least_once_since": int((last >= age).sum()),
            **sums,
            "cum_net_sales": sums["net_sales"] + (cells[-1]["cum_net_sales"] if cells else 0),
        }
        cells.append({**cell, "first_net_sales": cells[0]["net_sales"] if cells else cell["net_sales"]})
    return cells


def _of_cohort(cohorts: Cohorts, group: tuple[str, str, str], month: int, age: int, cell: Row) -> Row:
    place = {"cohort": name(month), "period_index": age, "cohort_month": first_day(month)}
    more = {
        "activity_month": first_day(month + age),
        "cohorts": 1 if cell["cohort_size"] else 0,
        "is_left_censored": month == cohorts.censored,
    }
    return _row(cohorts, group, {**place, **more}, cell, cohorts.has_ended(month + age))


def _of_all(cohorts: Cohorts, group: tuple[str, str, str], cells: dict[tuple[int, int], Row]) -> list[Row]:
    """The cohorts with customers whose month of an age has ended, added up."""
    rows = []
    for age in sorted({age for _, age in cells}):
        own = {
            month: cell
            for (month, cell_age), cell in cells.items()
            if cell_age == age and cell["cohort_size"] and cohorts.has_ended(month + age)
        }
        if own:
            place = {"cohort": "ALL", "period_index": age, "cohort_month": None, "activity_month": None}
            more = {"cohorts": len(own), "is_left_censored": cohorts.censored in own}
            sums = {column: sum(cell[column] for cell in own.values()) for column in ADDED}
            rows.append(_row(cohorts, group, {**place, **more}, sums, True))
    return rows


def _none(cohorts: Cohorts) -> list[Row]:
    """Money of no cohort by month."""
    assert cohorts.begin is not None
    alone = cohorts.months[cohorts.months["age"].isna()]
    rows, running = [], 0
    for month in sorted(set(alone["month"])):
        own = alone[alone["month"] == month]
        sums = {column: int(total) for column, total in own[SUMS].sum().items()}
        running += sums["net_sales"]
        place = {"cohort": "none", "period_index": month - number(cohorts.begin), "cohort_month": None}
        more = {"activity_month": first_day(month), "cohorts": 0, "is_left_censored": False}
        cell = {**dict.fromkeys(ADDED, 0), **sums, "cum_net_sales": running, "first_net_sales": None}
        rows.append(_row(cohorts, ("all", "all", "all"), {**place, **more}, cell, cohorts.has_ended(month)))
    return rows


def _row(cohorts: Cohorts, group: tuple[str, str, str], place: Row, cell: Row, ended: bool) -> Row:
    size, kept, first = cell["cohort_size"], cell["retained_customers"], cell["first_net_sales"]
    sums: Row = {column: amount(cell[column]) for column in (*AMOUNTS, "cum_net_sales")}
    low, high = wilson(kept, size) if ended else (None, None)
    return {
        **dict(zip(("variant", "dimension_value", "dimension_name"), group, strict=True)),
        **place,
        **{column: cell[column] for column in ("cohort_size", "retained_customers", "retained_at_least_once_since")},
        "orders": cell["orders"],
        **sums,
        "first_net_sales": None if first is None else amount(first),
        "retention_rate": ratio(kept, size) if ended else None,
        "ci_low": low,
        "ci_high": high,
        "aov": divided(cell["gross_sales"] - cell["discounts"], cell["orders"]) if ended else None,
        "average_sales_per_retained": divided(cell["net_sales"], kept) if ended else None,
        "cum_net_sales_per_customer": divided(cell["cum_net_sales"], size) if ended else None,
        "revenue_retention": cell["net_sales"] / first if ended and first is not None and first > 0 else None,
        "is_complete": ended,
        "low_n": size < cohorts.small,
        "currency": cohorts.currency,
    }
