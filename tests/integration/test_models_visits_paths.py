"""Time on pages, transitions, paths, and how visits are distributed, on shops of a few visits."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.independent import shop
from tests.independent.tables import Rows
from tests.integration.behaviour_shop import TABLES, built, by
from tests.integration.given import given, view, visit

# --- behavior.page_dwell, behavior.customer_dwell -----------------------------------------------------------------


def test_time_on_pages_is_measured_derived_cut_or_unknown_but_never_a_false_zero(tmp_path: Path) -> None:
    events = [
        shop.event("a", "2024-03-01 10:00:00", "view", customer_id="c1", product_id="P1", duration_seconds=7),
        shop.event("b", "2024-03-01 10:00:20", "view", customer_id="c1", product_id="P1"),
        shop.event("c", "2024-03-01 10:00:23", "view", customer_id="c1", product_id="P2"),
        shop.event("d", "2024-03-01 10:00:23", "cart", customer_id="c1", product_id="P2"),
        shop.event("e", "2024-03-01 10:01:00", "view", customer_id="c1", product_id="P1"),
        shop.event("f", "2024-03-01 10:15:00", "view", customer_id="c1", product_id="P1"),
        shop.event("g", "2024-03-01 10:20:00", "view", device_id="d1"),
    ]
    products = [{"product_id": "P1", "product_name": "Lamp", "category": "Home"}]
    found = built(tmp_path, events, (), ("behavior.page_dwell", "behavior.customer_dwell"), products=products)
    rows = by(found.rows("behavior.page_dwell"), "scope", "key")
    lamp, other, every = rows["product", "P1"], rows["product", "P2"], rows["all", "all"]
    assert (lamp["product_name"], lamp["category"], lamp["views"], lamp["measured_views"]) == ("Lamp", "Home", 4, 3)
    assert (lamp["capped_views"], lamp["total_seconds"], lamp["coverage"]) == (1, 610, 0.75)
    assert (lamp["mean_seconds"], lamp["median_seconds"]) == (pytest.approx(610 / 3), 7.0)
    assert lamp["p90_seconds"] == pytest.approx(7 + 0.8 * 593)
    assert (other["views"], other["mean_seconds"], other["category"]) == (1, 0.0, "Unknown"), "a tie stays 0"
    assert (every["views"], every["product_name"], every["category"]) == (5, None, None), "one view has no product"
    assert (other["low_n"], lamp["low_n"]) == (True, False)
    assert set(rows) == {
        ("product", "P1"),
        ("product", "P2"),
        ("category", "Home"),
        ("category", "Unknown"),
        ("all", "all"),
    }
    customer = by(found.rows("behavior.customer_dwell"), "customer_id", "category")
    assert set(customer) == {("c1", "Home"), ("c1", "Unknown")}
    assert customer["c1", "Home"]["total_seconds"] == 610


def test_views_that_are_all_last_pages_have_no_mean(tmp_path: Path) -> None:
    events = [shop.event("a", "2024-03-01 10:00", "view", device_id="d1", product_id="P1")]
    rows = by(built(tmp_path, events, tables=("behavior.page_dwell",)).rows("behavior.page_dwell"), "scope")
    row = rows["product"]
    assert (row["views"], row["measured_views"], row["coverage"], row["total_seconds"]) == (1, 0, 0.0, 0)
    assert (row["mean_seconds"], row["median_seconds"], row["p90_seconds"], row["low_n"]) == (None, None, None, True)


# --- behavior.transitions, top_paths, entry_exit_pages ------------------------------------------------------------


def test_transitions_go_from_start_to_exit_with_zeros_between_and_add_up(tmp_path: Path) -> None:
    events = [
        shop.event("a", "2024-03-01 10:00:00", "visit", device_id="d1"),
        shop.event("b", "2024-03-01 10:00:10", "view", device_id="d1", product_id="P1"),
        shop.event("c", "2024-03-01 10:00:40", "view", device_id="d1", product_id="P2"),
        shop.event("d", "2024-03-01 10:00:40", "cart", device_id="d1", product_id="P2"),
        shop.event("e", "2024-03-01 11:00:00", "view", device_id="d2", product_id="P1"),
        shop.event("f", "2024-03-01 11:00:20", "view", device_id="d2", product_id="P1"),
    ]
    found = built(tmp_path, events, tables=("behavior.transitions", "behavior.top_paths"))
    rows = by(found.rows("behavior.transitions"), "from_state", "to_state")
    assert {row["level"] for row in rows.values()} == {"event_type"}, "no page types were sent"
    counts = {key: row["transitions"] for key, row in rows.items()}
    assert counts == {
        ("START", "visit"): 1,
        ("START", "view"): 1,
        ("START", "cart"): 0,
        ("visit", "visit"): 0,
        ("visit", "view"): 1,
        ("visit", "cart"): 0,
        ("visit", "EXIT"): 0,
        ("view", "visit"): 0,
        ("view", "view"): 2,
        ("view", "cart"): 1,
        ("view", "EXIT"): 1,
        ("cart", "visit"): 0,
        ("cart", "view"): 0,
        ("cart", "cart"): 0,
        ("cart", "EXIT"): 1,
    }
    again = rows["view", "view"]
    assert (again["from_total"], again["probability"], again["median_seconds"]) == (4, 0.5, 25.0)
    assert (rows["view", "cart"]["median_seconds"], rows["view", "EXIT"]["median_seconds"]) == (0.0, None)
    assert (rows["cart", "view"]["ci_low"], rows["cart", "EXIT"]["ci_high"]) == (0.0, 1.0)
    assert (rows["view", "view"]["low_n"], rows["visit", "view"]["low_n"]) == (False, True)
    assert [row["difference"] for row in found.identity("transitions_hold_all_events")] == [0, 0, 0, 0]


def test_page_types_skip_events_without_one_and_keep_the_twenty_most_frequent(tmp_path: Path) -> None:
    rows = [view("x", n, page_type=f"page {n:02}") for n in range(1, 22)]
    rows += [view("y", n, page_type=f"page {n:02}") for n in range(1, 20)]
    rows += [view("z", 1, page_type="START"), view("z", 2, page_type=None), view("z", 3, page_type="EXIT")]
    rows += [view(name, n, page_type=kind) for name in "vw" for n, kind in enumerate(("START", "EXIT"))]
    visits = [visit(name) for name in "xyzvw"]
    found = given(tmp_path, {"core.activity": rows, "core.visits": visits}, "behavior.transitions")
    pages = [row for row in found.rows("behavior.transitions") if row["level"] == "page_type"]
    states = {row["from_state"] for row in pages}
    assert states == {"START", "start", "exit", "other", *(f"page {n:02}" for n in range(1, 19))}
    straight = next(row for row in pages if (row["from_state"], row["to_state"]) == ("start", "exit"))
    assert (straight["transitions"], straight["probability"]) == (3, 1.0), "also past the event without a page type"
    events = [row for row in found.rows("behavior.transitions") if row["level"] == "event_type"]
    assert sum(row["transitions"] for row in events if row["to_state"] != "EXIT") == len(rows)


def test_a_path_is_the_first_five_different_steps(tmp_path: Path) -> None:
    kinds = {
        "whole": ["visit", "view", "view", "cart", "view", "cart"],
        "longer": ["visit", "view", "cart", "view", "cart", "cart", "checkout"],
        "longer-2": ["visit", "view", "cart", "view", "cart", "purchase"],
        "one": ["view", "view"],
    }
    rows = [view(name, n, event_type=kind) for name, steps in kinds.items() for n, kind in enumerate(steps)]
    visits = [visit(name, purchases=int(name == "longer-2")) for name in kinds]
    found = given(tmp_path, {"core.activity": rows, "core.visits": visits}, "behavior.top_paths")
    paths = by(found.rows("behavior.top_paths"), "path")
    assert list(paths) == [row["path"] for row in sorted(paths.values(), key=lambda r: r["rank"])]
    shown = {name: (row["rank"], row["sessions"], row["length"], row["is_whole"]) for name, row in paths.items()}
    assert shown == {
        "visit > view > cart > view > cart": (1, 2, 5, False),
        "view > EXIT": (2, 1, 1, True),
        "visit > view > cart > view > cart > EXIT": (3, 1, 5, True),
    }
    most = paths["visit > view > cart > view > cart"]
    assert (most["converted_sessions"], most["session_conversion"], most["share"], most["all_sessions"]) == (
        *(1, 0.5, 0.5, 4),
    )


def test_only_the_hundred_most_frequent_paths_are_kept(tmp_path: Path) -> None:
    rows = [view(f"s{n:03}", 1, page_type=f"p{n:03}") for n in range(150)] + [view("twice", 1, page_type="p149")]
    tables = {"core.activity": rows, "core.visits": [visit(row["session_id"]) for row in rows]}
    found = given(tmp_path, tables, "behavior.top_paths").rows("behavior.top_paths")
    pages = [row for row in found if row["level"] == "page_type"]
    assert [row["path"] for row in sorted(pages, key=lambda r: r["rank"])][:2] == ["p149 > EXIT", "p000 > EXIT"]
    assert (len(pages), pages[0]["all_sessions"]) == (100, 151)


def test_visits_enter_at_their_first_known_page_and_leave_at_their_last(tmp_path: Path) -> None:
    events = [
        shop.event("a", "2024-03-01 10:00", "visit", device_id="d1", page_url="/", page_type="home"),
        shop.event(
            "b", "2024-03-01 10:01", "view", device_id="d1", product_id="P1", page_url="/p1", page_type="product"
        ),
        shop.event(
            "c", "2024-03-01 10:02", "view", device_id="d1", product_id="P1", page_url="/p1", page_type="product"
        ),
        shop.event("d", "2024-03-01 10:03", "search", device_id="d1"),
        shop.event("e", "2024-03-01 10:00", "visit", device_id="d2", page_url="/", page_type="home"),
        shop.event("f", "2024-03-01 10:00", "visit", device_id="d3", page_type="home"),
        shop.event("g", "2024-03-01 10:01", "purchase", device_id="d3", product_id="P1", page_type="thanks"),
    ]
    pages = by(
        built(tmp_path, events, tables=("behavior.entry_exit_pages",)).rows("behavior.entry_exit_pages"),
        "level",
        "page",
    )
    home, product, thanks = (pages["page_type", page] for page in ("home", "product", "thanks"))
    names = (
        "rank",
        "sessions",
        "hits",
        "entries",
        "entry_bounces",
        "entry_conversions",
        "exits",
        "exits_without_purchase",
    )
    assert [home[name] for name in names] == [1, 3, 3, 3, 1, 1, 1, 1]
    assert [product[name] for name in names] == [2, 1, 2, 0, 0, 0, 1, 1]
    assert [thanks[name] for name in names] == [3, 1, 1, 0, 0, 0, 1, 0]
    assert (home["exit_rate"], home["entry_share"], product["entry_conversion"]) == (pytest.approx(1 / 3), 1.0, None)
    address = pages["page_url", "/"]
    assert (address["sessions"], address["entries"], address["all_entries"], address["low_n"]) == (2, 2, 2, False)


# --- behavior.distributions ---------------------------------------------------------------------------------------


def test_buckets_hold_their_lower_bound_and_run_without_gaps(tmp_path: Path) -> None:
    sales = [
        shop.sale("1", "2024-03-01 10:00", 1, "1.99", order="O1", customer="c1"),
        shop.sale("2", "2024-03-01 11:00", 2, "10", order="O2", customer="c1", discount="0.01"),
        shop.sale("3", "2024-03-01 12:00", "0.5", "10", order="O3", customer="c1"),
        shop.sale("4", "2024-03-01 13:00", -1, "10", order="O4", customer="c1"),
    ]
    events = [shop.event(f"e{n}", f"2024-03-01 10:{n:02}", "visit", device_id="d1") for n in range(11)]
    events.append(shop.event("x", "2024-03-01 10:00", "search", device_id="d2"))
    products: Rows = [
        {"product_id": "P1", "price": 20},
        {"product_id": "P2", "price": 20, "is_active": False},
        {"product_id": "P3"},
    ]
    found = built(tmp_path, events, sales, ("behavior.distributions",), products=products)
    rows = found.rows("behavior.distributions")
    shown: dict[str, dict[str, int]] = {}
    for row in sorted(rows, key=lambda r: r["lower_bound"]):
        shown.setdefault(row["variable"], {})[row["bucket"]] = row["n"]
    assert shown == {
        "events_per_session": {"1": 1, "2": 0, "3": 0, "4": 0, "5": 0, "6-10": 0, "11-20": 1},
        "pages_per_session": {"0": 1, "1": 0, "2": 0, "3": 0, "4": 0, "5": 0, "6-10": 0, "11-20": 1},
        "session_minutes": {"0-1": 1, "1-2": 0, "2-3": 0, "3-5": 0, "5-10": 0, "10-20": 1},
        "items_per_basket": {"0": 1, "1": 1, "2": 1},
        "order_value": {"1-2": 1, "2-5": 0, "5-10": 1, "10-20": 1},
        "sold_price": {"1-2": 1, "2-5": 0, "5-10": 0, "10-20": 2},
        "product_price": {"20-50": 1},
    }
    assert next(r for r in rows if r["variable"] == "items_per_basket")["share"] == pytest.approx(1 / 3)


# --- identities ---------------------------------------------------------------------------------------------------


def test_an_event_that_falls_out_of_a_table_breaks_its_identity(tmp_path: Path) -> None:
    events = [shop.event(f"e{n}", f"2024-03-01 {n:02}:00", "visit", device_id="d1", page_type="home") for n in range(5)]
    names = (*TABLES, "behavior.device_effect", "behavior.location_effect")
    found = built(tmp_path, events, (), names)
    for identity in ("heat_map_holds_all_events", "transitions_hold_all_events", "visits_add_up"):
        rows = found.identity(identity)
        assert rows and all(row["difference"] == 0 for row in rows), identity
    few = {"core.activity": [view("s", 1)], "core.visits": []}
    other = given(tmp_path / "other", few, "behavior.transitions", "behavior.sessions_daily")
    found.relations["core.activity"] = other.relations["core.activity"]
    for identity in ("heat_map_holds_all_events", "transitions_hold_all_events"):
        assert any(row["difference"] != 0 for row in found.identity(identity)), identity
    found.relations["core.visits"] = other.relations["core.visits"]
    assert {row["derived"] for row in found.identity("visits_add_up") if row["difference"] != 0} >= {
        "behavior.sessions_daily",
        "behavior.visitors",
        "behavior.device_effect",
    }


def test_moments_are_local_to_the_shop() -> None:
    """What the helpers of this file say is local time is Berlin's."""
    assert visit("s", started="2024-07-01 01:30")["started_at"] == datetime.fromisoformat("2024-06-30T23:30+00:00")
