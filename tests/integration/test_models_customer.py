"""The tables of customer: one test for each rule and edge, on shops of a few lines."""

from __future__ import annotations

import copy
import csv
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cxa_pipeline.pipeline.audit import audit_on_engine
from tests.independent import shop
from tests.independent.shop import sale
from tests.independent.tables import SQL_ROOT, OnEngine, Row, Rows, by_sql_alone, output_columns, project
from tests.integration.test_models_identities import broken, changed

AS_OF = date(2024, 6, 30)
SEEDS = ("core.rfm_grid", "core.engagement_rules", "core.audience_rules")
TABLES = [
    project().catalog[key] for key in (*SEEDS, *by_sql_alone(project())) if key in SEEDS or key[:9] == "customer."
]
IDENTITIES = ("segments_add_up", "profiles_add_up", "audiences_name_known_segments")


def build(folder: Path, landed: dict[str, Rows], *tables: str, **parameters: Any) -> OnEngine:
    """The tables of a shop of which only some data sets are given, as of AS_OF."""
    given: Row = {**shop.PARAMETERS, "as_of_date": AS_OF, **parameters}
    return OnEngine(project(), folder).build({**shop.empty(), **landed}, given, *tables)


def one(folder: Path, table: str, lines: Iterable[Row], **more: Any) -> Rows:
    """Rows of one table of a shop; `more` are other data sets, or parameters."""
    data = {name: more.pop(name) for name in list(more) if name in shop.empty()}
    return build(folder, {"sales": list(lines), **data}, table, **more).rows(table)


def by(rows: Rows, *names: str) -> dict[Any, Row]:
    """Rows by one or several columns."""
    found = {row[names[0]] if len(names) == 1 else tuple(row[name] for name in names): row for row in rows}
    assert len(found) == len(rows)
    return found


def days_ago(days: int) -> str:
    return f"{AS_OF - timedelta(days=days)} 12:00"


def orders(customer: str, *days: int, price: str = "10", **given: Any) -> Rows:
    """One order of one line for each of the days before the as-of date."""
    return [sale(f"{customer}-{n}", days_ago(d), 1, price, customer=customer, **given) for n, d in enumerate(days)]


def recomputed(built: OnEngine, table: str) -> Rows:
    """A table computed anew from relations that a test has changed."""
    contract = built.project.catalog[table]
    needed = {key: built.relations[key] for key in built.project.dependencies(table)}
    return built.engine.fetch(built.project.sql[table], needed, output_columns(contract)).to_pylist()  # type: ignore[no-any-return]


def own(built: OnEngine) -> OnEngine:
    """The same tables, for a test that changes some."""
    mine = copy.copy(built)
    mine.relations = dict(built.relations)
    return mine


def failing(built: OnEngine, table: str) -> list[str]:
    """Rules that the rows of a table break, on the engine."""
    found = audit_on_engine(built.engine, built.project.catalog[table], built.relations[table])
    return [result.rule for result in found if not result.passed]


# --- RFM: values and scores ---------------------------------------------------------------------------------------


def test_frequency_scores_of_a_mass_of_one_time_buyers_are_the_golden_ones(tmp_path: Path) -> None:
    counts = [1] * 7 + [2, 3, 9]
    lines = [line for n, k in enumerate(counts) for line in orders(f"c{n}", *range(n, n + k))]
    found = by(one(tmp_path, "customer.rfm", lines), "customer_id")
    assert [found[f"c{n}"]["frequency_score"] for n in range(10)] == [1] * 7 + [4, 5, 5]


def test_ten_distinct_values_are_exact_fifths(tmp_path: Path) -> None:
    lines = [line for n in range(10) for line in orders(f"c{n}", 100 - n, price=f"{n + 1}")]
    found = by(one(tmp_path, "customer.rfm", lines), "customer_id")
    fifths = [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert [found[f"c{n}"]["recency_score"] for n in range(10)] == fifths
    assert [found[f"c{n}"]["monetary_score"] for n in range(10)] == fifths


def test_equal_values_have_equal_scores_and_the_score_counts_who_is_strictly_worse(tmp_path: Path) -> None:
    prices = ["1", "5", "5", "5", "5", "5", "9"]
    lines = [line for n, price in enumerate(prices) for line in orders(f"c{n}", 10, 20 + n, price=price)]
    found = by(one(tmp_path, "customer.rfm", lines), "customer_id")
    assert [found[f"c{n}"]["monetary_score"] for n in range(7)] == [1, 1, 1, 1, 1, 1, 5]  # 1 + 5·1/7, 1 + 5·6/7


def test_one_value_for_all_gives_three_and_where_it_is_frequency_nobody_is_placed(tmp_path: Path) -> None:
    found = one(tmp_path, "customer.rfm", [line for n in range(10) for line in orders(f"c{n}", n, price=f"{n + 1}")])
    assert {row["frequency_score"] for row in found} == {3}
    assert {(row["segment"], row["is_degenerate"], row["segment_rank"]) for row in found} == {
        ("Not scorable", True, None)
    }
    assert {row["recency_score"] for row in found} == {1, 2, 3, 4, 5}


def test_one_amount_for_all_is_degenerate_and_still_placed(tmp_path: Path) -> None:
    lines = [line for n in range(10) for line in orders(f"c{n}", *range(n, 2 * n + 1), price=f"{2520 // (n + 1)}")]
    found = by(one(tmp_path, "customer.rfm", lines), "customer_id")
    assert {row["monetary"] for row in found.values()} == {2520}
    assert {(row["monetary_score"], row["is_degenerate"]) for row in found.values()} == {(3, True)}
    assert [found["c9"][n] for n in ("rfm_score", "fm_score", "segment")] == ["153", 4, "At Risk"]


def test_fewer_than_five_customers_are_scored_the_same_way_and_marked(tmp_path: Path) -> None:
    found = by(one(tmp_path, "customer.rfm", [*orders("a", 5), *orders("b", 3, 4)]), "customer_id")
    assert [(found[c]["rfm_score"], found[c]["rfm_total"], found[c]["low_n"]) for c in "ab"] == [
        ("111", 3, True),
        ("333", 9, True),
    ]
    assert (found["a"]["segment"], found["b"]["segment"]) == ("Lost", "Need Attention")


def test_one_customer_cannot_be_placed(tmp_path: Path) -> None:
    (row,) = one(tmp_path, "customer.rfm", orders("a", 0))
    assert (row["rfm_score"], row["segment"], row["recency_days"], row["low_n"]) == ("333", "Not scorable", 0, True)


def test_customers_without_an_order_are_prospects_and_guests_are_nobody(tmp_path: Path) -> None:
    lines = [
        *orders("buyer", 3),
        sale("r", days_ago(2), -1, "4", customer="returns-only", order="R"),
        sale("p", days_ago(2), 1, "4", customer="unpaid", status="pending"),
        sale("g", days_ago(2), 1, "4"),
    ]
    found = by(one(tmp_path, "customer.rfm", lines, customers=[{"customer_id": "idle"}]), "customer_id")
    assert sorted(found) == ["buyer", "idle", "returns-only", "unpaid"]
    for name, monetary in (("idle", 0), ("returns-only", -4), ("unpaid", 0)):
        row = found[name]
        assert (row["segment"], row["segment_rank"], row["frequency"], row["monetary"]) == (
            "Prospects",
            0,
            0,
            monetary,
        )
        assert [row[n] for n in ("recency_days", "recency_score", "rfm_score", "last_order_date")] == [None] * 4
        assert (row["is_scored"], row["is_degenerate"], row["low_n"]) == (False, False, False)


def test_recency_ends_with_the_last_order_and_not_with_a_return(tmp_path: Path) -> None:
    lines = [*orders("a", 20, 20, 9), sale("r", days_ago(2), -1, "3", customer="a", order="R"), *orders("b", 50)]
    found = by(one(tmp_path, "customer.rfm", lines), "customer_id")
    assert [found["a"][n] for n in ("recency_days", "frequency", "monetary")] == [9, 3, 27]
    assert [found["a"][n] for n in ("ordered_value", "first_order_date")] == [30, AS_OF - timedelta(days=20)]


def test_rows_after_the_as_of_date_play_no_part(tmp_path: Path) -> None:
    before = [line for n in range(6) for line in orders(f"c{n}", *range(n, 3 * n + 1))]
    after = [*orders("c0", -1, -2), *orders("new", -3), sale("r", days_ago(-1), -1, "5", customer="c1", order="R")]
    after = [{**line, "sale_id": f"later-{n}"} for n, line in enumerate(after)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    plain = by(one(tmp_path / "a", "customer.rfm", before), "customer_id")
    found = by(one(tmp_path / "b", "customer.rfm", [*before, *after]), "customer_id")
    assert found.pop("new")["segment"] == "Prospects"
    assert found == plain


def test_the_window_counts_its_days_with_the_as_of_date_and_unscores_who_ordered_before(tmp_path: Path) -> None:
    lines = [
        *orders("a", 0, 29, 30),
        *orders("b", 30, 40),
        *orders("c", 5),
        sale("r", days_ago(30), -1, "3", customer="c", order="R"),
    ]
    found = by(one(tmp_path, "customer.rfm", lines, rfm_window_days=30), "customer_id")
    assert [(found[c]["frequency"], found[c]["monetary"]) for c in "abc"] == [(2, 20), (0, 0), (1, 10)]
    lapsed = found["b"]
    assert (lapsed["segment"], lapsed["is_scored"], lapsed["rfm_score"]) == ("Lapsed-out", False, None)
    assert (lapsed["recency_days"], lapsed["last_order_date"]) == (30, AS_OF - timedelta(days=30))
    assert (found["a"]["recency_score"], found["c"]["recency_score"]) == (3, 1)  # of two, b is none of them


# --- RFM: segments ------------------------------------------------------------------------------------------------

GRID = """
New Customers  | Potential Loyalists | Potential Loyalists | Champions       | Champions
Promising      | Potential Loyalists | Potential Loyalists | Loyal Customers | Loyal Customers
About To Sleep | About To Sleep      | Need Attention      | Loyal Customers | Loyal Customers
Hibernating    | Hibernating         | At Risk             | At Risk         | Cannot Lose Them
Lost           | Lost                | At Risk             | At Risk         | Cannot Lose Them
"""
RANKS = [
    *("Lost", "Hibernating", "At Risk", "Cannot Lose Them", "About To Sleep", "Need Attention", "Promising"),
    *("New Customers", "Potential Loyalists", "Loyal Customers", "Champions"),
]


def crowd(customers: int = 200, seed: int = 3) -> Rows:
    """Customers with one to eight orders of many prices within two years."""
    draw = random.Random(seed)
    lines: Rows = []
    for n in range(customers):
        days = [draw.randrange(700) for _ in range(draw.choice([1, 1, 1, 2, 3, 5, 8]))]
        lines += orders(f"c{n:03}", *days, price=f"{draw.randrange(1, 400)}")
        if draw.random() < 0.2:
            lines.append(sale(f"r{n}", days_ago(draw.randrange(300)), -1, "7", customer=f"c{n:03}", order=f"R{n}"))
    return lines


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    tables = ("customer.rfm_segments", "customer.segment_migration")
    return build(tmp_path_factory.mktemp("crowd"), {"sales": crowd()}, *tables)


def test_the_grid_is_the_documented_one() -> None:
    with (SQL_ROOT / "core" / "rfm_grid.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    cells = {(int(r["recency_score"]), int(r["fm_score"])): r["segment"] for r in rows if r["recency_score"]}
    lines = [[name.strip() for name in line.split("|")] for line in GRID.strip().splitlines()]
    assert cells == {(5 - i, j + 1): name for i, line in enumerate(lines) for j, name in enumerate(line)}
    ranks = {r["segment"]: int(r["segment_rank"]) for r in rows if r["recency_score"]}
    assert ranks == {name: n for n, name in enumerate(RANKS, start=1)}
    assert {r["segment"] for r in rows if r["is_lapsing"] == "true"} == {*RANKS[:4], "Lapsed-out"}


def test_segments_are_those_of_the_grid_except_for_recent_customers_with_one_order(crowded: OnEngine) -> None:
    lines = [[name.strip() for name in line.split("|")] for line in GRID.strip().splitlines()]
    seen: Counter[int] = Counter()
    for row in crowded.rows("customer.rfm"):
        recency, fm = row["recency_score"], (row["frequency_score"] + row["monetary_score"] + 1) // 2
        expected = lines[5 - recency][fm - 1]
        if row["frequency"] == 1 and recency >= 4:
            expected = "New Customers" if recency == 5 else "Promising"
            seen[fm] += 1
        assert (row["segment"], row["fm_score"]) == (expected, fm)
    assert max(seen) >= 3  # somebody with one large order, too


def test_the_summary_adds_up_and_shows_every_segment(crowded: OnEngine) -> None:
    customers = crowded.rows("customer.rfm")
    found = by(crowded.rows("customer.rfm_segments"), "segment")
    assert set(found) == {*RANKS, "Prospects"}
    for segment, row in found.items():
        members = [c for c in customers if c["segment"] == segment]
        assert row["customers"] == len(members)
        assert row["customer_share"] == pytest.approx(len(members) / len(customers))
        assert row["net_sales"] == sum(c["monetary"] for c in members)
        assert row["orders"] == sum(c["frequency"] for c in members)
        assert row["low_n"] == (len(members) < 30)
        if members and segment != "Prospects":
            assert row["aov"] == pytest.approx(row["ordered_value"] / row["orders"], abs=Decimal("0.0001"))
            assert row["mean_recency_days"] == pytest.approx(sum(c["recency_days"] for c in members) / len(members))
    assert sum(row["net_sales_share"] for row in found.values()) == pytest.approx(1)
    assert (found["Prospects"]["customers"], found["Prospects"]["aov"], found["Prospects"]["mean_frequency"]) == (
        0,
        None,
        None,
    )


def test_a_segment_outside_the_grid_is_shown_where_somebody_is_in_it(tmp_path: Path) -> None:
    found = by(one(tmp_path, "customer.rfm_segments", orders("a", 5)), "segment")
    assert set(found) == {*RANKS, "Prospects", "Not scorable"}
    assert (found["Not scorable"]["customers"], found["Not scorable"]["customer_share"]) == (1, 1.0)


def grid(built: OnEngine, change: Callable[[Rows], Rows]) -> None:
    changed(built, "core.rfm_grid", change)


def test_a_shop_may_rename_a_segment(crowded: OnEngine) -> None:
    built = own(crowded)
    before = Counter(row["segment"] for row in built.rows("customer.rfm"))
    grid(built, lambda rows: [{**row, "segment": row["segment"].replace("Champions", "The best")} for row in rows])
    after = Counter(row["segment"] for row in recomputed(built, "customer.rfm"))
    assert after == Counter({k.replace("Champions", "The best"): n for k, n in before.items()})
    assert "The best" in {row["segment"] for row in recomputed(built, "customer.segment_history")}
    assert failing(built, "core.rfm_grid") == []


def without(cell: str) -> Callable[[Rows], Rows]:
    return lambda rows: [row for row in rows if row["cell"] != cell]


def renamed(cell: str, **values: Any) -> Callable[[Rows], Rows]:
    return lambda rows: [{**row, **(values if row["cell"] == cell else {})} for row in rows]


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        (without("R3 FM3"), ["every_cell_is_filled_once"]),
        (without("no order"), ["every_case_outside_the_grid_is_named"]),
        (
            renamed("R3 FM3", fm_score=2),
            ["every_cell_is_filled_once", "cells_are_called_by_their_scores"],
        ),
        (lambda rows: [*rows, rows[0]], ["keys_and_types", "every_cell_is_filled_once"]),
        (renamed("R5 FM5", segment_rank=4), ["a_segment_is_one_thing"]),
        (renamed("R5 FM5", recommended_action="Nothing"), ["a_segment_is_one_thing"]),
        (renamed("R1 FM1", recency_score=6), ["every_cell_is_filled_once", "cells_are_called_by_their_scores"]),
    ],
)
def test_the_grid_is_refused_where_it_has_a_gap_or_says_two_things(
    crowded: OnEngine, change: Callable[[Rows], Rows], rules: list[str]
) -> None:
    built = own(crowded)
    grid(built, change)
    assert failing(built, "core.rfm_grid") == rules


# --- history and migration ----------------------------------------------------------------------------------------


def at(history: Rows, day: date) -> dict[str, str]:
    """Segments as the history says they were on a day."""
    return {
        row["customer_id"]: row["segment"]
        for row in history
        if row["valid_from"] <= day and (row["valid_to"] is None or day <= row["valid_to"])
    }


MONTH_ENDS = [date(2023, 12, 31), date(2024, 2, 29), date(2024, 5, 31)]


@pytest.mark.parametrize("day", MONTH_ENDS)
@pytest.mark.parametrize("window", [None, 200])
def test_a_snapshot_is_what_the_scores_were_on_that_day(tmp_path: Path, day: date, window: int | None) -> None:
    """Scores of a shop whose as-of date is the day equal the history of the shop that knows what came later."""
    lines = crowd(80)
    (tmp_path / "then").mkdir()
    (tmp_path / "now").mkdir()
    then = one(tmp_path / "then", "customer.rfm", lines, as_of_date=day, rfm_window_days=window)
    now = one(tmp_path / "now", "customer.segment_history", lines, rfm_window_days=window)
    expected = {row["customer_id"]: row["segment"] for row in then if row["segment"] != "Prospects"}
    assert at(now, day) == expected
    assert window is None or "Lapsed-out" in expected.values()


def test_snapshots_are_months_ends_and_the_as_of_date(tmp_path: Path) -> None:
    lines = [sale("1", "2024-01-31 23:30", customer="a"), sale("2", "2024-02-01 00:30", customer="b")]
    found = one(tmp_path, "customer.segment_history", lines, as_of_date=date(2024, 3, 10))
    assert {(row["customer_id"], row["valid_from"]) for row in found} == {
        ("a", date(2024, 1, 31)),
        ("b", date(2024, 2, 29)),
    }
    assert at(found, date(2024, 1, 30)) == {}
    assert set(at(found, date(2024, 1, 31))) == {"a"}


def test_an_as_of_date_at_a_months_end_is_one_snapshot(tmp_path: Path) -> None:
    built = build(tmp_path, {"sales": crowd(30)}, "customer.segment_migration", as_of_date=date(2024, 5, 31))
    assert max(row["valid_from"] for row in built.rows("customer.segment_history")) <= date(2024, 5, 31)
    days = sorted({row["snapshot_date"] for row in built.rows("customer.segment_migration")})
    assert days[-2:] == [date(2024, 4, 30), date(2024, 5, 31)]
    assert all(row["is_whole_month"] for row in built.rows("customer.segment_migration"))


def test_rows_of_the_history_are_changes_without_gap_or_overlap(crowded: OnEngine) -> None:
    history = crowded.rows("customer.segment_history")
    assert failing(crowded, "customer.segment_history") == []
    current = {row["customer_id"]: row["segment"] for row in history if row["is_current"]}
    assert current == {row["customer_id"]: row["segment"] for row in crowded.rows("customer.rfm")}


def test_what_was_returned_before_the_first_order_counts_in_the_history(tmp_path: Path) -> None:
    lines = [
        sale("r", "2024-01-10 10:00", -1, "50", customer="a", order="R"),
        *[line for n in range(9) for line in orders(f"c{n}", 10 + n, 40 + n, price="10")],
        *orders("a", 5, 6, price="30"),
    ]
    built = build(tmp_path, {"sales": lines}, "customer.rfm", "customer.segment_history")
    scores = {row["customer_id"]: row["rfm_score"] for row in built.rows("customer.rfm")}
    current = {r["customer_id"]: r for r in built.rows("customer.segment_history") if r["is_current"]}
    assert scores["a"][2] == "1"  # 60 - 50 is less than the 20 of the others
    assert current["a"]["rfm_score"][2] == "1" and current["a"]["previous_segment"] is None


def test_flows_are_those_between_two_snapshots(crowded: OnEngine) -> None:
    history, flows = crowded.rows("customer.segment_history"), crowded.rows("customer.segment_migration")
    days = sorted({(row["previous_snapshot_date"], row["snapshot_date"]) for row in flows})
    assert all(a < b and b == c for (a, b), (c, _) in itertools.pairwise(days))
    for before, after in days:
        was, now = at(history, before), at(history, after)
        expected = Counter((was.get(customer, "Not yet a customer"), segment) for customer, segment in now.items())
        found = {(f["from_segment"], f["to_segment"]): f for f in flows if f["snapshot_date"] == after}
        assert {key: f["customers"] for key, f in found.items() if f["customers"]} == expected
        for (source, target), flow in found.items():
            size = sum(n for (a, _), n in expected.items() if a == source)
            assert flow["from_customers"] == size
            assert flow["to_customers"] == sum(n for (_, b), n in expected.items() if b == target)
            assert flow["share"] == (pytest.approx(flow["customers"] / size) if size else None)
        assert len(found) == 12 * 11  # eleven and those who were no customers yet, to eleven


def test_moves_go_up_or_down_by_rank_and_win_backs_leave_the_lapsing_segments(crowded: OnEngine) -> None:
    rank = {name: n for n, name in enumerate(RANKS, start=1)}
    lapsing = set(RANKS[:4])
    for flow in crowded.rows("customer.segment_migration"):
        a, b = flow["from_segment"], flow["to_segment"]
        if a == "Not yet a customer":
            assert flow["movement"] == "joined"
        elif a == b:
            assert flow["movement"] == "stayed"
        else:
            assert flow["movement"] == ("up" if rank[b] > rank[a] else "down")
        assert flow["is_win_back"] == (a in lapsing and b not in lapsing and rank[b] > rank[a])


def test_there_is_no_migration_within_the_first_month(tmp_path: Path) -> None:
    assert one(tmp_path, "customer.segment_migration", [*orders("a", 1), *orders("b", 3, 4)]) == []


# --- purchase frequency -------------------------------------------------------------------------------------------


def test_the_class_follows_from_the_median_gap_with_its_upper_edge_included(tmp_path: Path) -> None:
    edges = {"weekly": (1, 10), "fortnightly": (11, 21), "monthly": (22, 45), "quarterly": (46, 135)}
    edges |= {"annual": (136, 450), "rare": (451, 900)}
    expected = {f"gap-{gap}": (name, gap) for name, gaps in edges.items() for gap in gaps}
    lines = [line for customer, (_, gap) in expected.items() for line in orders(customer, 0, gap)]
    found = by(one(tmp_path, "customer.purchase_frequency", lines), "customer_id")
    assert {c: (r["frequency_class"], r["median_days_between_orders"]) for c, r in found.items()} == expected


def test_orders_of_one_day_are_no_interval(tmp_path: Path) -> None:
    lines = [*orders("one", 3), *orders("day", 3, 3), *orders("both", 25, 15, 15, 4)]
    found = by(one(tmp_path, "customer.purchase_frequency", lines), "customer_id")
    assert [(found[c]["orders"], found[c]["frequency_class"]) for c in ("one", "day", "both")] == [
        (1, "single"),
        (2, "single"),
        (4, "fortnightly"),
    ]
    assert [found["day"][n] for n in ("median_days_between_orders", "overdue_ratio", "next_order_due_date")] == [
        None,
        None,
        None,
    ]
    assert found["day"]["is_frequent"] is False
    assert found["both"]["median_days_between_orders"] == 10.5  # of 10 and 11; 10.5 is above 10
    assert found["both"]["next_order_due_date"] == AS_OF - timedelta(days=4) + timedelta(days=11)
    assert found["both"]["overdue_ratio"] == pytest.approx(4 / 10.5)


def test_frequent_is_who_ordered_within_three_usual_intervals(tmp_path: Path) -> None:
    lines = [*orders("in", 60, 40), *orders("out", 61, 41, 81), *orders("slow", 0, 46)]
    found = by(one(tmp_path, "customer.purchase_frequency", lines), "customer_id")
    assert {c: (r["frequency_class"], r["is_frequent"], r["overdue_ratio"]) for c, r in found.items()} == {
        "in": ("fortnightly", True, 2.0),
        "out": ("fortnightly", True, 2.05),
        "slow": ("quarterly", False, 0.0),
    }
    late = [*orders("in", 80, 60), *orders("out", 81, 61)]
    (tmp_path / "late").mkdir()
    found = by(one(tmp_path / "late", "customer.purchase_frequency", late), "customer_id")
    assert (found["in"]["is_frequent"], found["out"]["is_frequent"]) == (True, False)


def test_declared_and_observed_classes_are_compared(tmp_path: Path) -> None:
    declared = {"a": "weekly", "b": "weekly", "c": "annually", "d": "monthly", "e": "now and then", "f": "weekly"}
    lines = [*orders("a", 0, 7), *orders("b", 0, 30), *orders("c", 0, 200), *orders("d", 9), *orders("e", 0, 5)]
    customers = [{"customer_id": c, "declared_purchase_frequency": word} for c, word in declared.items()]
    rows = one(tmp_path, "customer.frequency_agreement", [*lines, *orders("g", 3)], customers=customers)
    found = by(rows, "declared_frequency", "frequency_class")
    assert len(found) == 6 * 7
    assert {key: (r["customers"], r["classes_apart"], r["agrees"]) for key, r in found.items() if r["customers"]} == {
        ("weekly", "weekly"): (1, 0, True),
        ("weekly", "monthly"): (1, 2, False),
        ("annually", "annual"): (1, 0, True),
        ("monthly", "single"): (1, None, None),
        ("Unknown", "weekly"): (1, None, None),
        ("Unknown", "single"): (1, None, None),
    }
    assert (found["weekly", "weekly"]["share"], found["weekly", "weekly"]["declared_customers"]) == (0.5, 2)
    assert (found["fortnightly", "weekly"]["share"], found["fortnightly", "weekly"]["low_n"]) == (None, True)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda rows: rows[1:], "classes_follow_each_other"),
        (lambda rows: [{**rows[0], "days_up_to": 12}, *rows[1:]], "classes_follow_each_other"),
        (lambda rows: [{**rows[0], "days_above": 2}, *rows[1:]], "classes_follow_each_other"),
        (lambda rows: rows[:-1], "one_class_is_open_and_one_has_no_interval"),
    ],
)
def test_classes_with_a_gap_are_refused(visited: OnEngine, change: Callable[[Rows], Rows], rule: str) -> None:
    built = own(visited)
    assert failing(built, "customer.frequency_classes") == []
    changed(built, "customer.frequency_classes", change)
    assert failing(built, "customer.frequency_classes") == [rule]


# --- loyalty ------------------------------------------------------------------------------------------------------


def test_loyalty_counts_observed_and_declared_orders_together(tmp_path: Path) -> None:
    declared = {"a": None, "b": 0, "c": 1, "d": 9, "e": 10, "idle": None, "old": 11, "told": 1}
    lines = [line for c in "abcde" for line in orders(c, 3)]
    customers = [{"customer_id": c, "previous_purchases": n} for c, n in declared.items()]
    found = by(one(tmp_path, "customer.loyalty", lines, customers=customers), "customer_id")
    assert {c: (r["loyalty_segment"], r["total_orders"], r["orders_observed"]) for c, r in found.items()} == {
        "a": ("New", 1, 1),
        "b": ("New", 1, 1),
        "c": ("Returning", 2, 1),
        "d": ("Returning", 10, 1),
        "e": ("Loyal", 11, 1),
        "idle": ("Prospect", 0, 0),
        "old": ("Loyal", 11, 0),
        "told": ("New", 1, 0),
    }
    assert (found["a"]["previous_declared"], found["b"]["previous_declared"]) == (None, 0)


def test_the_edge_of_loyal_is_a_parameter(tmp_path: Path) -> None:
    found = by(
        one(tmp_path, "customer.loyalty", [*orders("a", 1, 2), *orders("b", 1, 2, 3)], loyal_above_orders=2),
        "customer_id",
    )
    assert (found["a"]["loyalty_segment"], found["b"]["loyalty_segment"]) == ("Returning", "Loyal")


def test_the_subscriber_share_is_of_those_of_whom_it_is_known_with_the_golden_intervals(tmp_path: Path) -> None:
    def members(prefix: str, count: int, yes: int, declared: int) -> Rows:
        return [
            {"customer_id": f"{prefix}{n}", "subscription_status": n < yes, "previous_purchases": declared}
            for n in range(count)
        ]

    customers = [*members("n", 50, 5, 1), *members("r", 10, 0, 2), *members("l", 10, 10, 11)]
    customers.append({"customer_id": "unknown", "previous_purchases": 1})
    rows = one(tmp_path, "customer.loyalty_segments", [], customers=customers)
    found = by(rows, "loyalty_segment")
    expected = {"New": (0.1, 0.043476, 0.213602), "Returning": (0, 0, 0.277533), "Loyal": (1, 0.722467, 1)}
    for segment, numbers in expected.items():
        row = found[segment]
        shown = [row["subscriber_share"], row["ci_low"], row["ci_high"]]
        assert shown == pytest.approx(list(numbers), abs=1e-6)
    assert (found["New"]["customers"], found["New"]["customers_of_known_subscription"], found["New"]["low_n"]) == (
        51,
        50,
        False,
    )
    empty = found["Prospect"]
    assert [empty[n] for n in ("customers", "subscriber_share", "ci_low", "ci_high", "aov")] == [0, *[None] * 4]


# --- repeat purchase ----------------------------------------------------------------------------------------------


def test_a_window_counts_mature_customers_and_its_last_day(tmp_path: Path) -> None:
    lines = [
        *orders("in", 30, 0),  # first order 30 days ago, second after exactly 30
        *orders("late", 100, 69),  # after 31 days
        *orders("young", 29, 28),  # came back, but has not had 30 days yet
        *orders("once", 200),
        *orders("same", 50, 50),
        sale("g1", days_ago(90)),
        sale("g2", days_ago(80)),
    ]
    found = by(one(tmp_path, "customer.repeat_purchase", lines), "window_name")
    counts = {name: (r["repeat_customers"], r["mature_customers"]) for name, r in found.items()}
    assert counts == {
        "30 days": (2, 4),
        "60 days": (1, 2),
        "90 days": (1, 2),
        "180 days": (0, 1),
        "365 days": (0, 0),
        "all time": (4, 5),
    }
    month, year, ever = found["30 days"], found["365 days"], found["all time"]
    assert (month["repeat_rate"], month["same_day_customers"], month["median_days_to_second"]) == (0.5, 1, 30)
    assert [year[n] for n in ("repeat_rate", "ci_low", "ci_high", "mean_days_to_second")] == [None] * 4
    assert (ever["repeat_rate"], ever["mean_days_to_second"]) == (0.8, pytest.approx((30 + 31 + 1) / 3))
    assert [ever[f"{n}_days_to_second"] for n in ("p25", "median", "p75", "p90")] == pytest.approx(
        [15.5, 30, 30.5, 30.8]
    )


def test_order_counts_end_with_ten_or_more(tmp_path: Path) -> None:
    lines = [
        *orders("a", 1),
        *orders("b", 2),
        *orders("c", *range(3)),
        *orders("d", *range(10)),
        *orders("e", *range(13)),
    ]
    found = by(one(tmp_path, "customer.order_counts", lines), "orders")
    assert {n: row["customers"] for n, row in found.items()} == {**dict.fromkeys(range(1, 11), 0), 1: 2, 3: 1, 10: 2}
    assert [found[n]["customers_with_at_least"] for n in (1, 2, 3, 4, 10)] == [5, 3, 3, 2, 2]
    assert [found[n]["next_order_rate"] for n in (1, 2, 3, 10)] == [0.6, 1.0, pytest.approx(2 / 3), None]
    assert (found[10]["orders_name"], found[10]["net_sales"], found[1]["share"]) == ("10+", 230, 0.4)


def test_the_second_order_is_looked_at_after_the_first_product(tmp_path: Path) -> None:
    products = [{"product_id": "POST", "product_type": "service"}, {"product_id": "P1", "product_name": "Lamp"}]
    lines = [
        sale("a1", days_ago(50), 1, "5", "P1", order="A1", customer="a"),
        sale("a2", days_ago(50), 1, "5", "POST", order="A1", customer="a"),
        sale("a3", days_ago(40), 1, "5", "P1", order="A2", customer="a"),
        sale("a4", days_ago(40), 1, "5", "P2", order="A2", customer="a"),
        sale("a5", days_ago(40), 1, "5", "POST", order="A2", customer="a"),
        sale("a6", days_ago(30), 1, "5", "P3", order="A3", customer="a"),
        sale("b1", days_ago(50), 1, "5", "P1", order="B1", customer="b"),
        sale("b2", days_ago(20), 1, "5", "P2", order="B2", customer="b"),
        sale("c1", days_ago(50), 1, "5", "P9", order="C1", customer="c"),
        sale("c2", days_ago(20), 1, "5", "P2", order="C2", customer="c"),
        sale("d1", days_ago(50), 1, "5", "P1", order="D1", customer="d"),
    ]
    rows = one(tmp_path, "customer.second_products", lines, products=products, min_group_size=2)
    found = by(rows, "first_product_id", "second_product_id")
    assert {key: (r["customers"], r["first_customers"], r["median_days"]) for key, r in found.items()} == {
        ("P1", "P1"): (1, 2, 10),
        ("P1", "P2"): (2, 2, 20),
        ("P9", "P2"): (1, 1, 30),
    }
    lamp = found["P1", "P1"]
    assert (lamp["first_product_name"], lamp["is_same_product"], lamp["share"], lamp["lift"]) == (
        "Lamp",
        True,
        0.5,
        1.5,
    )
    assert [found[key]["rank"] for key in (("P1", "P2"), ("P1", "P1"), ("P9", "P2"))] == [1, 2, None]
    assert (found["P1", "P2"]["lift"], found["P9", "P2"]["low_n"]) == (1.0, True)


# --- high value ---------------------------------------------------------------------------------------------------


def test_who_equals_the_last_of_the_top_is_in_too(tmp_path: Path) -> None:
    prices = {"a": "50", "b": "30", "c": "30", "d": "30", "e": "5", "f": "4"}
    lines = [line for c, price in prices.items() for line in orders(c, 3, price=price)]
    rows = one(tmp_path, "customer.high_value", lines, high_value_share=Decimal("0.3"))  # ⌈1.8⌉ = 2
    found = by([row for row in rows if row["basis"] == "top_revenue"], "customer_id")
    assert {c: r["rank"] for c, r in found.items()} == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert (found["a"]["share"], found["a"]["all_net_sales"]) == (pytest.approx(50 / 149), 149)


def test_nobody_is_of_high_value_without_net_sales(tmp_path: Path) -> None:
    lines = [*orders("a", 5), sale("r", days_ago(1), -1, "10", customer="a", order="R"), *orders("b", 5, price="0")]
    assert one(tmp_path, "customer.high_value", lines) == []


def test_discounted_orders_above_the_average_order(tmp_path: Path) -> None:
    lines = [
        sale("1", days_ago(9), 1, "60", customer="big", discount="10"),  # 50
        sale("2", days_ago(8), 1, "10", customer="small", discount="5"),  # 5
        sale("3", days_ago(7), 1, "40", customer="told", discount_applied=True),  # 40, discount of unknown amount
        sale("4", days_ago(6), 1, "90", customer="plain"),
        sale("5", days_ago(5), 1, "15"),  # a guest's order counts in the average
        sale("6", days_ago(4), 1, "41", customer="just", discount="0.99"),
    ]
    rows = one(tmp_path, "customer.high_value", lines, high_value_share=Decimal("0.01"))
    found = by([row for row in rows if row["basis"] != "predicted"], "customer_id", "basis")
    assert set(found) == {
        ("plain", "top_revenue"),
        ("big", "discount_above_average"),
        ("just", "discount_above_average"),  # 40.01; the average of all is 40.0017
    }
    big = found["big", "discount_above_average"]
    assert (big["is_top_revenue"], big["average_discounted_order_value"], big["aov"]) == (False, 50, Decimal("40.0017"))


def test_who_is_predicted_to_spend_much_is_of_high_value_and_ranked_by_what_was_spent(tmp_path: Path) -> None:
    prices = {"a": "50", "b": "30", "c": "20", "d": "20", "e": "5"}
    lines = [line for c, price in prices.items() for line in orders(c, 3, price=price)]
    lines.append(sale("r", days_ago(1), -1, "9", customer="e", order="R"))  # e returned more than was bought
    built = build(tmp_path, {"sales": lines}, "customer.high_value", high_value_share=Decimal("0.2"))
    said = {
        "a": {"predicted_segment": "Low", "p_high": 0.1},
        "b": {"predicted_segment": "Mid", "p_high": 0.3},
        **{c: {"predicted_segment": "High", "p_high": 0.8, "expected_value": 70.0} for c in "cde"},
    }
    served = {"model_used": "logistic", "model_status": "promoted"}
    changed(
        built,
        "customer.value_prediction",
        lambda rows: [{**row, **served, **said[row["customer_id"]]} for row in rows],
    )
    rows = recomputed(built, "customer.high_value")
    assert [(r["customer_id"], r["basis"], r["rank"]) for r in sorted(rows, key=lambda r: (r["basis"], r["rank"]))] == [
        ("c", "predicted", 1),
        ("d", "predicted", 2),
        ("e", "predicted", 3),
        ("a", "top_revenue", 1),
    ]
    found = by(rows, "customer_id")
    assert (found["e"]["net_sales"], found["e"]["is_top_revenue"], found["e"]["expected_value"]) == (-4, False, 70)
    assert (found["a"]["predicted_segment"], found["a"]["p_high"]) == (
        "Low",
        pytest.approx(0.1),
    )  # likely to spend less


def test_where_the_data_are_few_the_past_predicts_and_it_says_so(tmp_path: Path) -> None:
    lines = [line for c, price in {"a": "50", "b": "1"}.items() for line in orders(c, 3, price=price)]
    rows = by(one(tmp_path, "customer.high_value", lines), "customer_id", "basis")
    assert {(r["model_used"], r["p_high"], r["expected_value"]) for r in rows.values()} == {
        ("past_segment", None, None)
    }
    assert {c for c, basis in rows if basis == "predicted"} == {
        c for (c, _), r in rows.items() if r["predicted_segment"] == "High"
    }


def test_the_profile_and_the_question_about_shipping_do_not_wait_for_a_model() -> None:
    modelled = project().dependents(c.key for c in project().catalog.of_kind("model"))
    assert "customer.high_value" in modelled
    assert not {"customer.spending", "customer.profile", "questions.shipping_of_high_value_customers"} & set(modelled)


# --- categories and groups ----------------------------------------------------------------------------------------

PRODUCTS: Rows = [
    {"product_id": "L", "category": "Light"},
    {"product_id": "L2", "category": "Light"},
    {"product_id": "M", "category": "Mugs"},
    {"product_id": "S", "category": "Post", "product_type": "service"},
]


def test_interest_is_weighted_and_money_is_complete(tmp_path: Path) -> None:
    lines = [
        sale("1", "2024-04-15 10:00", 2, "10", "L", order="O1", customer="a"),
        sale("2", "2024-04-15 10:00", 1, "10", "L", order="O1", customer="a"),
        sale("3", "2024-04-15 10:00", 1, "10", "L2", order="O1", customer="a"),
        sale("4", "2024-04-15 10:00", 1, "4", "S", order="O1", customer="a"),
        sale("5", "2024-05-20 10:00", -1, "10", "L", order="R", customer="a"),
        sale("6", "2024-05-21 10:00", 1, "7", "M", order="O2", customer="b"),
    ]
    acts = [
        *shop.acts(
            "a", "2024-03-31", "10:00 view:M@a 10:00:40 view:L@a 10:01 cart:M@a 10:02 wishlist:M@a", device_id="d"
        ),
        *shop.acts("x", "2024-03-31", "10:00 view:M", device_id="nobody"),
    ]
    rows = one(tmp_path, "customer.category_features", lines, interactions=acts, products=PRODUCTS)
    found = by(rows, "customer_id", "category")
    assert set(found) == {("a", "Light"), ("a", "Mugs"), ("a", "Post"), ("b", "Mugs")}
    light, mugs, post = found["a", "Light"], found["a", "Mugs"], found["a", "Post"]
    # Light: one view, two products bought in one order; Mugs: view 1, cart 3, wish 2
    assert [r["interest_score"] for r in (light, mugs, post, found["b", "Mugs"])] == [11, 6, 0, 5]
    assert [(r["rank"], r["is_top_category"]) for r in (light, mugs, post)] == [(1, True), (2, False), (3, False)]
    assert [light[n] for n in ("orders", "units", "net_sales", "views", "carts")] == [1, 4, 30, 1, 0]
    assert [mugs[n] for n in ("orders", "views", "carts", "wishlists", "last_purchase_date")] == [0, 1, 1, 1, None]
    assert [post[n] for n in ("orders", "net_sales", "units")] == [1, 4, 1]
    assert (mugs["measured_views"], mugs["mean_dwell_seconds"]) == (1, 40)
    # three whole months from 31 March to 30 June are two: 30 June is the day before 31 June would be
    assert (light["months_observed"], light["orders_per_month"]) == (2, 0.5)
    assert found["b", "Mugs"]["months_observed"] == 1
    share = 11 / 22
    assert light["population_interest_share"] == pytest.approx(share)
    assert light["affinity_lift"] == pytest.approx(((11 + 5 * share) / (17 + 5)) / share)
    assert post["affinity_lift"] is None


def test_equal_interest_goes_to_the_later_purchase_and_then_to_the_name(tmp_path: Path) -> None:
    lines = [
        sale("1", days_ago(9), 1, "1", "M", customer="a"),
        sale("2", days_ago(8), 1, "1", "L", customer="a"),
        sale("3", days_ago(8), 1, "1", "M", customer="b"),
        sale("4", days_ago(8), 1, "1", "L", customer="b"),
        sale("5", days_ago(8), 1, "1", "L", customer="c"),
        sale("6", days_ago(7), 1, "1", "M", customer="c"),
    ]
    rows = one(tmp_path, "customer.category_features", lines, products=PRODUCTS)
    assert {r["customer_id"]: r["category"] for r in rows if r["is_top_category"]} == {
        "a": "Light",
        "b": "Light",
        "c": "Mugs",
    }


def test_groups_by_preference_location_and_habit(tmp_path: Path) -> None:
    lines = [
        *orders("light", 1, 11, 21, product="L"),
        *[sale(f"x{n}", days_ago(n), 1, "1", p, customer="mixed") for n, p in enumerate(("L", "M"))],
        *orders("mugs", 3, product="M"),
        *orders("post", 3, product="S"),
        *[sale(f"k{n}", days_ago(7 * n), 1, "9", "L", customer="keen", discount="1" if n else None) for n in range(10)],
        *[
            sale(f"n{n}", days_ago(7 * n), 1, "9", "L", customer="nine", discount="1" if n > 1 else None)
            for n in range(10)
        ],
        *[sale(f"t{n}", days_ago(7 * n), 1, "9", "L", customer="two", discount="1") for n in range(2)],
    ]
    named = ("light", "mixed", "mugs", "post", "keen", "nine", "two")
    customers = [{"customer_id": c, "location": "Berlin"} for c in named]
    customers += [{"customer_id": f"i{n}", "location": "Wien"} for n in range(3)]
    customers += [{"customer_id": f"z{n}", "location": "Berlin"} for n in range(289)]
    customers += [{"customer_id": "odd", "location": "Graz"}, {"customer_id": "nowhere"}]
    built = build(tmp_path, {"sales": lines, "customers": customers, "products": PRODUCTS}, "customer.group_profiles")
    found = by(built.rows("customer.groups"), "customer_id")
    assert {c: found[c]["preference_group"] for c in ("light", "mixed", "mugs", "post", "odd")} == {
        "light": "Mixed",  # everybody likes light: the lift is below 1.2
        "mixed": "Mixed",
        "mugs": "Mugs",
        "post": "Unknown",
        "odd": "Unknown",
    }
    assert {c: found[c]["location_group"] for c in ("light", "i0", "odd", "nowhere")} == {
        "light": "Berlin",
        "i0": "Other",  # 3 of 301 are less than one in a hundred
        "odd": "Other",
        "nowhere": "Unknown",
    }
    assert {c: found[c]["habit_group"] for c in ("light", "mugs", "keen", "nine", "two", "odd")} == {
        "light": "weekly",
        "mugs": "single",
        "keen": "weekly, discount only",  # nine of ten
        "nine": "weekly",  # eight of ten
        "two": "weekly",  # two orders are too few to tell
        "odd": "no order",
    }
    assert found["mugs"]["combined_group"] == "Mugs / Berlin / single"
    profiles = by(built.rows("customer.group_profiles"), "breakdown", "member")
    assert profiles["location", "Other"]["customers"] == 4
    weekly = profiles["habit", "weekly"]
    assert [weekly[n] for n in ("customers", "orders", "repeat_customers", "repeat_rate")] == [4, 17, 4, 1.0]
    for breakdown in ("preference", "location", "habit", "combined"):
        assert sum(r["customer_share"] for key, r in profiles.items() if key[0] == breakdown) == pytest.approx(1)


# --- satisfaction -------------------------------------------------------------------------------------------------


def test_ratings_have_a_mean_with_an_interval_and_low_ones_a_rate_of_return(tmp_path: Path) -> None:
    lines = [
        sale("1", days_ago(200), 1, "10", "L", customer="a", review_rating=Decimal("5")),
        sale("2", days_ago(110), 1, "10", "L", customer="a"),  # 90 days later
        sale("3", days_ago(200), 1, "10", "L", customer="b", review_rating=Decimal("2")),
        sale("4", days_ago(109), 1, "10", "L", customer="b", review_rating=Decimal("4")),  # 91 days later
        sale("5", days_ago(89), 1, "10", "M", customer="c", review_rating=Decimal("2.5")),  # too young to ask
        sale("6", days_ago(50), -1, "10", "L", customer="b", order="R", original_sale_id="3"),
        sale("7", days_ago(90), 1, "30", "M", review_rating=Decimal("4")),  # a guest rates, and cannot come back
    ]
    rows = one(tmp_path, "customer.satisfaction", lines, products=PRODUCTS)
    found = by(rows, "breakdown", "member")
    light = found["category", "Light"]
    assert (light["ratings"], light["rating_average"]) == (3, pytest.approx(11 / 3))
    half = 1.959964 * (7 / 3) ** 0.5 / 3**0.5
    assert (light["rating_low"], light["rating_high"]) == (pytest.approx(11 / 3 - half), 5)  # cut at 5
    assert (light["returns"], light["gross_less_discounts"], light["return_rate"]) == (10, 40, 0.25)
    assert [light[n] for n in ("mature_customers", "retained_customers", "retention_rate_90d")] == [2, 1, 0.5]
    bands = {member: row for (breakdown, member), row in found.items() if breakdown == "rating"}
    assert {m: (r["ratings"], r["mature_customers"], r["retained_customers"]) for m, r in bands.items()} == {
        "low": (1, 1, 0),
        "middle": (1, 0, 0),
        "high": (3, 1, 1),
    }
    assert [bands[m]["return_rate"] for m in ("low", "middle", "high")] == [1.0, 0.0, 0.0]
    alone = found["product", "M"]
    assert (alone["ratings"], found["gender", "guest"]["rating_low"]) == (2, None)
    assert [alone[n] for n in ("mature_customers", "retention_rate_90d", "ci_low")] == [0, None, None]


def test_without_ratings_there_is_no_mean_and_returns_that_name_no_line_tell_nothing_of_ratings(tmp_path: Path) -> None:
    lines = [*orders("a", 9), sale("r", days_ago(3), -1, "4", customer="a", order="R")]
    (tmp_path / "none").mkdir()
    found = by(one(tmp_path / "none", "customer.satisfaction", lines), "breakdown", "member")
    whole = found["all", "all"]
    assert [whole[n] for n in ("ratings", "rating_average", "rating_low", "retention_rate_90d")] == [
        0,
        None,
        None,
        None,
    ]
    assert (whole["return_rate"], whole["low_n"]) == (0.4, True)
    lines[0]["review_rating"] = Decimal("4")
    found = by(one(tmp_path, "customer.satisfaction", lines), "breakdown", "member")
    assert (found["rating", "high"]["returns"], found["rating", "high"]["return_rate"]) == (None, None)


def test_a_customer_answers_once_with_the_first_order_they_rated(tmp_path: Path) -> None:
    lines = [
        sale("1", days_ago(300), 1, "10", "L", order="A", customer="a", review_rating=Decimal("5")),
        sale("2", days_ago(300), 1, "10", "M", order="A", customer="a", review_rating=Decimal("1")),
        sale("3", days_ago(290), 1, "10", "L2", order="B", customer="a", review_rating=Decimal("5")),
    ]
    found = by(one(tmp_path, "customer.satisfaction", lines, products=PRODUCTS), "breakdown", "member")
    asked = {key: row["mature_customers"] for key, row in found.items() if row["mature_customers"]}
    assert {key for key in asked if key[0] in ("product", "rating")} == {
        ("product", "L"),
        ("product", "M"),
        ("rating", "low"),
    }
    assert set(asked.values()) == {1}


def test_the_answer_is_that_of_the_customer_of_the_order_whoever_its_rated_line_names(tmp_path: Path) -> None:
    five = Decimal("5")
    lines = [
        sale("1", days_ago(300), 1, "10", "L", order="A", review_rating=five),  # nobody is named yet
        sale("2", days_ago(300), 1, "10", "L", order="A", customer="a"),
        sale("3", days_ago(280), 1, "10", "L", order="B", customer="a"),
        sale("4", days_ago(300), 1, "10", "M", order="C", customer="b"),
        sale("5", f"{AS_OF - timedelta(days=300)} 13:00", 1, "10", "M", order="C", customer="a", review_rating=five),
    ]
    people = [{"customer_id": "a", "gender": "female"}, {"customer_id": "b", "gender": "male"}]
    rows = one(tmp_path, "customer.satisfaction", lines, products=PRODUCTS, customers=people)
    found = by(rows, "breakdown", "member")
    assert {member: row["mature_customers"] for (breakdown, member), row in found.items() if breakdown == "gender"} == {
        "female": 1,
        "male": 1,
        "guest": 0,
    }
    assert (found["gender", "female"]["retained_customers"], found["gender", "male"]["retained_customers"]) == (1, 0)
    assert found["gender", "female"]["ratings"] == 1  # money and ratings stay with whom the line names


def test_where_nothing_came_back_nothing_of_what_was_rated_did(tmp_path: Path) -> None:
    lines = orders("a", 9, review_rating=Decimal("4"))
    found = by(one(tmp_path, "customer.satisfaction", lines), "breakdown", "member")
    assert [found["rating", "high"][n] for n in ("returns", "return_rate")] == [0, 0]


# --- behaviour, audiences, profile --------------------------------------------------------------------------------


def visit(customer: str, days: int, *what: str) -> Rows:
    """One session of a customer so many days before the as-of date: `view:P1`, `cart:P1`, ... a minute apart."""
    words = " ".join(f"10:{minute:02} {act}@{customer}" for minute, act in enumerate(what))
    day = f"{AS_OF - timedelta(days=days)}"
    return shop.acts(f"{customer}-{days}", day, words, device_id=f"device of {customer}")


def bounces(customer: str, *days: int) -> Rows:
    return [act for d in days for act in visit(customer, d, "visit")]


VIEWS = [f"view:P{n}" for n in range(1, 6)]
CART = ("view:P1", "cart:P1")
STORE = {"store_id": "counter"}


def people() -> dict[str, tuple[str, Rows, Rows]]:
    """Customers with the segment by behaviour that they should have, their events and their sales."""
    return {
        "n-edge": ("new", visit("n-edge", 14, "visit"), []),
        "n-order": ("new", [], orders("n-order", 3)),
        "n-past": ("visitor", visit("n-past", 15, "visit"), []),
        "l-edge": ("lapsed", visit("l-edge", 90, *CART), orders("l-edge", 95, 100, 105)),
        "l-not": ("visitor", visit("l-not", 89, "visit"), []),
        "l-counter": ("one_shot", visit("l-counter", 200, "visit"), orders("l-counter", 89, **STORE)),
        "b-edge": ("buyer_loyal", [], orders("b-edge", 89, 100, 120)),
        "b-cart": (
            "buyer_loyal",
            [*visit("b-cart", 9, *CART), *visit("b-cart", 8, *CART)],
            orders("b-cart", 60, 61, 62),
        ),
        "b-not": ("occasional_buyer", visit("b-not", 1, "visit"), orders("b-not", 90, 100, 120)),
        "c-edge": ("cart_abandoner", [*visit("c-edge", 59, *CART), *visit("c-edge", 5, *CART)], orders("c-edge", 60)),
        "c-old": ("visitor", [*visit("c-old", 60, *CART), *visit("c-old", 5, *CART)], []),
        "c-bought": ("one_shot", [*visit("c-bought", 9, *CART), *visit("c-bought", 5, *CART)], orders("c-bought", 59)),
        "c-once": ("visitor", visit("c-once", 20, "cart:P1", "cart:P2"), []),
        "o-edge": ("one_shot", [], orders("o-edge", 31)),
        "o-not": ("occasional_buyer", [], orders("o-not", 30)),
        "r-edge": ("researcher", [*visit("r-edge", 20, *VIEWS), *visit("r-edge", 25, *VIEWS)], []),
        "r-two": ("researcher", [*visit("r-two", 20, *VIEWS), *visit("r-two", 25, *VIEWS)], orders("r-two", 16, 40)),
        "r-nine": ("browser", [*visit("r-nine", 20, *VIEWS), *visit("r-nine", 25, *VIEWS[:4])], []),
        "r-even": ("researcher", [*visit("r-even", 20, *VIEWS, *VIEWS), *visit("r-even", 25, "visit")], []),
        "r-half": ("browser", [*visit("r-half", 20, *VIEWS, *VIEWS), *bounces("r-half", 24, 25)], []),
        "w-edge": ("browser", visit("w-edge", 20, "view:P1"), []),
    }


CUSTOMERS: Rows = [
    {"customer_id": "o-edge", "marketing_consent": True, "age": 18, "subscription_status": False},
    {"customer_id": "o-not", "marketing_consent": False, "age": 26},
    {"customer_id": "c-edge", "marketing_consent": True, "age": 25},
    {"customer_id": "b-edge", "marketing_consent": True, "subscription_status": False, "age": 40},
    {"customer_id": "b-cart", "subscription_status": False},
    {"customer_id": "b-not", "subscription_status": True},
    {"customer_id": "nobody", "marketing_consent": True},
]


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    found = people().values()
    landed = {
        "interactions": [act for _, acts, _ in found for act in acts],
        "sales": [line for _, _, lines in found for line in lines],
        "customers": CUSTOMERS,
        "stores": [{"store_id": "counter", "channel": "store"}],
    }
    tables = [c.key for c in TABLES if c.kind != "seed"]
    return build(tmp_path_factory.mktemp("visited"), landed, *tables)


def test_the_first_rule_that_holds_names_the_behaviour(visited: OnEngine) -> None:
    found = {row["customer_id"]: row["engagement_segment"] for row in visited.rows("customer.engagement")}
    assert found == {customer: segment for customer, (segment, _, _) in people().items()}


def test_behaviour_is_told_with_its_numbers(visited: OnEngine) -> None:
    found = by(visited.rows("customer.engagement"), "customer_id")
    cart, even = found["c-edge"], found["r-even"]
    assert [cart[n] for n in ("sessions", "views", "carts", "abandoned_carts", "orders", "rule_order")] == [
        2,
        2,
        2,
        2,
        1,
        4,
    ]
    assert (cart["first_seen_date"], cart["last_seen_date"]) == (AS_OF - timedelta(days=60), AS_OF - timedelta(days=5))
    assert [even[n] for n in ("views", "median_views_per_session", "carts", "abandoned_carts")] == [10, 5.0, 0, 0]
    assert found["o-edge"]["median_views_per_session"] is None


def test_thresholds_come_from_the_seed(visited: OnEngine) -> None:
    built = own(visited)
    changed(built, "core.engagement_rules", lambda rows: [{**rows[0], "first_seen_within_days": 15}, *rows[1:]])
    found = by(recomputed(built, "customer.engagement"), "customer_id")
    assert found["n-past"]["engagement_segment"] == "new"
    swapped = {1: 2, 2: 1}
    changed(
        built,
        "core.engagement_rules",
        lambda rows: [{**row, "rule_order": swapped.get(row["rule_order"], row["rule_order"])} for row in rows],
    )
    found = by(recomputed(built, "customer.engagement"), "customer_id")
    assert (found["n-past"]["rule_order"], found["l-edge"]["rule_order"]) == (2, 1)


@pytest.mark.parametrize(
    ("table", "change", "rule"),
    [
        ("core.engagement_rules", lambda rows: rows[:-1], "the_last_rule_takes_everybody"),
        ("core.engagement_rules", lambda rows: [{**rows[-1], "rule_order": 0}, *rows], "the_last_rule_takes_everybody"),
        ("core.audience_rules", lambda rows: [{**rows[1], "definition": "?"}, *rows[2:]], "an_audience_is_one_thing"),
        (
            "core.audience_rules",
            lambda rows: [{**rows[0], "rfm_segment": None}, *rows[1:]],
            "an_audience_has_a_condition",
        ),
    ],
)
def test_rules_that_contradict_themselves_are_refused(
    visited: OnEngine, table: str, change: Callable[[Rows], Rows], rule: str
) -> None:
    built = own(visited)
    assert failing(built, table) == []
    changed(built, table, change)
    assert failing(built, table) == [rule]


def test_audiences_count_everybody_and_reach_those_who_agreed(visited: OnEngine) -> None:
    found = by(visited.rows("customer.audiences"), "audience_id")
    single = found["second_order"]  # o-edge, o-not, c-edge, c-bought and l-counter's 89 days are too many
    assert [single[n] for n in ("customers", "reachable", "refused", "never_asked")] == [4, 2, 1, 1]
    assert (single["reachable_share"], single["all_customers"]) == (0.5, len(people()) + 1)
    young = found["young_buyers"]  # 18 and 25 are in, 26 and an unknown age are not
    assert [young[n] for n in ("customers", "reachable", "net_sales")] == [2, 2, 20]
    assert found["discount_only"]["customers"] == 0 and found["discount_only"]["reachable_share"] is None
    assert found["first_order"]["customers"] == 5  # browsers and researchers without an order: two rows, once each


def test_members_are_those_who_agreed_and_an_unknown_attribute_fits_nothing(visited: OnEngine) -> None:
    members = visited.rows("customer.audience_members")
    found = {(row["audience_id"], row["customer_id"]) for row in members}
    assert len(found) == len(members)
    assert {c for a, c in found if a == "second_order"} == {"o-edge", "c-edge"}
    matches = visited.rows("customer.audience_matches")
    assert {m["customer_id"] for m in matches if m["audience_id"] == "offer_subscription"} == {"b-edge", "b-cart"}
    assert {(m["audience_id"], m["customer_id"]) for m in matches if m["marketing_consent"]} == found


def test_a_cart_reminder_goes_to_carts_of_a_week_without_an_order_since(visited: OnEngine) -> None:
    matches = visited.rows("customer.audience_matches")
    found = {m["customer_id"] for m in matches if m["audience_id"] == "cart_reminder"}
    assert found == {"c-edge", "c-old", "c-bought"}  # b-cart's is 8 days old


def test_overlaps_are_parts_of_both(visited: OnEngine) -> None:
    found = by(visited.rows("customer.audience_overlaps"), "audience_id", "other_audience_id")
    assert len(found) == 10 * 9
    one_way, other = found["second_order", "young_buyers"], found["young_buyers", "second_order"]
    assert [one_way[n] for n in ("customers", "audience_customers", "share", "reachable")] == [2, 4, 0.5, 2]
    assert [other[n] for n in ("customers", "audience_customers", "share")] == [2, 2, 1.0]


def test_a_rating_that_the_source_repeats_on_the_return_counts_once(tmp_path: Path) -> None:
    lines = [
        sale("1", days_ago(9), 1, "10", customer="a", review_rating=Decimal("1")),
        sale("2", days_ago(9), 1, "10", customer="a", review_rating=Decimal("4")),
        sale("3", days_ago(5), -1, "10", customer="a", original_sale_id="1", review_rating=Decimal("1")),
    ]
    (row,) = one(tmp_path, "customer.profile", lines)
    assert (row["ratings"], row["rating_average"]) == (2, Decimal("2.5"))


def test_the_profile_has_every_customer_once_with_what_other_tables_say(visited: OnEngine) -> None:
    found = by(visited.rows("customer.profile"), "customer_id")
    assert set(found) == {*people(), "nobody"}
    cart = found["c-edge"]
    assert [cart[n] for n in ("devices", "sessions", "views", "carts", "abandoned_carts", "orders")] == [
        1,
        2,
        2,
        2,
        2,
        1,
    ]
    assert (cart["last_abandoned_date"], cart["first_session_date"]) == tuple(
        AS_OF - timedelta(days=d) for d in (5, 59)
    )
    assert (cart["net_sales"], cart["aov"], cart["engagement_segment"], cart["loyalty_segment"]) == (
        10,
        10,
        "cart_abandoner",
        "New",
    )
    idle = found["nobody"]
    assert [idle[n] for n in ("sessions", "orders", "net_sales", "devices", "products")] == [0] * 5
    empty = ("main_device_type", "frequency_class", "engagement_segment", "aov", "top_category", "last_order_date")
    assert [idle[n] for n in empty] == [None] * 6
    assert (idle["rfm_segment"], idle["loyalty_segment"], idle["preference_group"]) == (
        "Prospects",
        "Prospect",
        "Unknown",
    )


def test_rows_that_were_doubled_or_lost_are_found(visited: OnEngine) -> None:
    built = own(visited)
    changed(built, "customer.profile", lambda rows: [*rows, next(r for r in rows if r["sessions"] and r["orders"])])
    assert broken(built, "profiles_add_up") == {"customer.profile": ["customers", "orders", "net sales", "sessions"]}
    for table in ("customer.loyalty", "customer.groups", "customer.engagement", "customer.order_intervals"):
        built = own(visited)
        changed(built, table, lambda rows: rows[1:])
        assert list(broken(built, "profiles_add_up")) == [table]


def test_a_segment_that_is_not_that_of_the_scores_is_found(visited: OnEngine) -> None:
    built = own(visited)
    last = "customers whose current segment is that of their scores"
    changed(
        built,
        "customer.segment_history",
        lambda rows: [{**row, "segment": "Lost" if row["is_current"] else row["segment"]} for row in rows],
    )
    assert last in broken(built, "segments_add_up")["customer.segment_history"]
    built = own(visited)
    changed(built, "customer.segment_migration", lambda rows: [{**rows[0], "customers": 99}, *rows[1:]])
    assert list(broken(built, "segments_add_up")) == ["customer.segment_migration"]
    built = own(visited)
    changed(built, "customer.rfm_segments", lambda rows: [{**r, "customers": r["customers"] + 1} for r in rows])
    assert len(broken(built, "segments_add_up")["customer.rfm_segments"]) == len(built.rows("customer.rfm_segments"))


def test_an_audience_of_a_segment_that_nobody_names_is_found(visited: OnEngine) -> None:
    built = own(visited)
    grid(built, lambda rows: [{**row, "segment": row["segment"].replace("Champions", "The best")} for row in rows])
    assert broken(built, "audiences_name_known_segments") == {"customer.audience_matches": ["best_customers"]}


# --- every table, awkward shops -----------------------------------------------------------------------------------

SHOPS: dict[str, tuple[dict[str, Rows], Row]] = {
    "everything": (shop.nasty(), {}),
    "everything, with a window": (shop.nasty(), {"rfm_window_days": 200}),
    "nothing": (shop.empty(), {}),
    "one customer": ({**shop.empty(), "sales": orders("a", 3)}, {}),
    "only returns": ({**shop.empty(), "sales": [sale("r", days_ago(3), -1, "5", customer="a", order="R")]}, {}),
    "only guests": ({**shop.empty(), "sales": [sale("g", days_ago(3))]}, {}),
    "only visits": ({**shop.empty(), "interactions": shop.interactions()}, {}),
    "before the data": (shop.nasty(), {"as_of_date": date(2020, 1, 1)}),
}


@pytest.mark.parametrize("name", SHOPS)
def test_rules_and_identities_hold_in_awkward_shops(tmp_path: Path, name: str) -> None:
    landed, changes = SHOPS[name]
    built = build(tmp_path, landed, *(c.key for c in TABLES if c.kind != "seed"), **{"as_of_date": None, **changes})
    assert {c.key: failing(built, c.key) for c in TABLES} == {c.key: [] for c in TABLES}
    assert {i: broken(built, i) for i in IDENTITIES} == {i: {} for i in IDENTITIES}


def test_an_empty_shop_has_rows_where_the_definition_lists_them(tmp_path: Path) -> None:
    built = build(tmp_path, {}, *(c.key for c in TABLES if c.kind != "seed"), as_of_date=None)
    assert {c.table: n for c in TABLES if c.kind != "seed" and (n := len(built.rows(c.key)))} == {
        "audience_overlaps": 90,
        "audiences": 10,
        "frequency_agreement": 42,
        "loyalty_segments": 4,
        "order_counts": 10,
        "repeat_purchase": 6,
        "rfm_segments": 12,
        "satisfaction": 1,
    }
