"""RFM: values, scores and segments, and how they change over time, on shops of a few lines."""

from __future__ import annotations

import csv
import itertools
import random
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.independent.shop import sale
from tests.independent.tables import SQL_ROOT, OnEngine, Rows
from tests.integration.customer_shop import AS_OF, build, by, days_ago, failing, grid, one, orders, own, recomputed

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
