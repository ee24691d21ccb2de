"""behavior.friction: each problem planted once, beside visits that fail no more often than others."""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from tests.independent.tables import Row, Rows
from tests.integration.given import AS_OF, given, view, visit

DAY = date(2024, 3, 1)
PRODUCTS: Rows = [
    {
        "product_id": name,
        "product_name": f"Product {name}",
        "category": "Home",
        "price": price,
        "product_type": "goods",
        "is_active": True,
        "is_inferred": False,
    }
    for name, price in (("P1", Decimal(20)), ("P2", Decimal(30)), ("P3", None))
]


class Shop:
    """Visits and their events, added one by one."""

    def __init__(self) -> None:
        self.visits: Rows = []
        self.events: Rows = []

    def add(self, count: int, *steps: Row, day: date = DAY, bought: float = 0, **attributes: object) -> Shop:
        """So many equal visits: `steps` are events, each a second after the one before unless it says `at`."""
        for _ in range(count):
            name = f"s{len(self.visits):05}"
            events = []
            for number, step in enumerate(steps):
                more = {key: value for key, value in step.items() if key != "at"}
                events.append(view(name, step.get("at", number), day=day, **more))
            pages = [e for e in events if e.get("page_type")]
            self.events += events
            self.visits.append(
                visit(
                    name,
                    started=f"{day} 12:00",
                    seconds=len(steps),
                    purchases=int(bought > 0),
                    net_sales=Decimal(str(bought)),
                    exit_page_type=pages[-1]["page_type"] if pages else None,
                    exit_page_url=pages[-1].get("page_url") if pages else None,
                    **attributes,
                )
            )
        return self

    def findings(self, folder: Path, problem: str | None = None, **parameters: Any) -> list[Row]:
        """Rows of behavior.friction, in order."""
        tables = {"core.visits": self.visits, "core.activity": self.events, "core.products": PRODUCTS}
        rows = given(folder, tables, "behavior.friction", **parameters).rows("behavior.friction")
        rows.sort(key=lambda row: row["rank"])
        assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
        return [row for row in rows if problem in (None, row["problem"])]


def page(kind: str, url: str | None = None, **more: object) -> Row:
    return {"event_type": "visit", "page_type": kind, "page_url": url, **more}


def look(product: str = "P1", **more: object) -> Row:
    return {"event_type": "view", "product_id": product, "category": "Home", **more}


def cart(product: str = "P1", **more: object) -> Row:
    return {"event_type": "cart", "product_id": product, "category": "Home", **more}


def wilson_low(k: int, n: int) -> float:
    z = 1.959964
    return (2 * k + z * z - z * math.sqrt(z * z + 4 * k * (n - k) / n)) / (2 * (n + z * z))


def test_a_kind_of_page_that_loses_visits_on_one_device(tmp_path: Path) -> None:
    shop = Shop()
    shop.add(150, page("home"), page("list"), device_type="mobile")
    shop.add(50, page("list"), page("home"), device_type="mobile")
    shop.add(50, page("home"), page("list"))
    shop.add(150, page("list"), page("home"))
    shop.add(100, page("list"), page("home"), page("thanks"), bought=40)
    rows = shop.findings(tmp_path, "high_exit")
    assert [(r["subject_type"], r["subject"], r["device_type"]) for r in rows] == [
        ("page_type", "home", "desktop"),
        ("page_type", "list", "mobile"),
    ], "equal losses in the order of their names"
    row = rows[1]
    assert (row["sessions"], row["cases"], row["affected_cases"], row["rate"]) == (200, 200, 150, 0.75)
    assert (row["benchmark_cases"], row["benchmark"], row["difference"]) == (400, 0.5, 0.25)
    assert row["ci_low"] == pytest.approx(wilson_low(150, 200))
    assert row["difference_ci_low"] == pytest.approx(wilson_low(150, 200) - 0.5)
    assert (row["excess_cases"], row["est_lost_sales"], row["currency"]) == (50, 50 * 4000 / 500, "EUR")


def test_an_address_that_loses_more_visits_than_pages_of_its_kind(tmp_path: Path) -> None:
    shop = Shop()
    shop.add(120, page("home", "/"), page("product", "/bad"))
    shop.add(200, page("product", "/good"), page("home", "/"))
    (row,) = (r for r in shop.findings(tmp_path, "high_exit") if r["subject_type"] == "page_url")
    assert (row["subject"], row["device_type"], row["cases"], row["affected_cases"]) == ("/bad", "all", 120, 120)
    assert row["benchmark"] == pytest.approx(120 / 320)


def test_carts_left_behind_by_device_and_by_product(tmp_path: Path) -> None:
    shop = Shop()
    shop.add(90, look(), cart(), device_type="mobile")
    shop.add(30, look(), cart(), {"event_type": "purchase", "product_id": "P1"}, bought=20, device_type="mobile")
    shop.add(60, look("P2"), cart("P2"))
    shop.add(140, look("P2"), cart("P2"), {"event_type": "purchase", "product_id": "P2"}, bought=30)
    rows = {r["subject_type"]: r for r in shop.findings(tmp_path, "cart_then_exit")}
    assert set(rows) == {"shop", "product"}
    device, product = rows["shop"], rows["product"]
    assert (device["subject"], device["device_type"], device["rate"]) == ("all", "mobile", 0.75)
    assert (device["benchmark_cases"], device["benchmark"]) == (320, 150 / 320)
    lost = (0.75 - 150 / 320) * 120 * (30 * 20 + 140 * 30) / 170
    assert float(device["est_lost_sales"]) == pytest.approx(lost, abs=1e-4)
    assert (product["subject"], product["product_name"], product["category"]) == ("P1", "Product P1", "Home")
    assert float(product["est_lost_sales"]) == pytest.approx((0.75 - 150 / 320) * 120 * 20)


@pytest.mark.parametrize(
    ("steps", "later", "is_abandoned"),
    [
        ([cart()], [], True),
        ([cart(), {"event_type": "remove_from_cart", "product_id": "P1"}], [], None),
        ([cart(quantity=2), {"event_type": "remove_from_cart", "product_id": "P1"}], [], True),
        ([cart("P1"), cart("P2"), {"event_type": "remove_from_cart", "product_id": "P1"}], [], True),
        ([{"event_type": "purchase", "product_id": "P2"}, cart()], [], True),
        ([cart(at=5), {"event_type": "purchase", "product_id": "P1", "at": 5}], [], False),
        ([cart()], [timedelta(hours=23, minutes=59)], False),
        ([cart()], [timedelta(hours=24, seconds=2)], True),
    ],
    ids=["left", "taken out", "one of two", "another", "bought before", "at once", "next day", "too late"],
)
def test_what_a_cart_left_behind_is(
    tmp_path: Path, steps: list[Row], later: list[timedelta], is_abandoned: bool | None
) -> None:
    shop = Shop().add(300, look("P2"), cart("P2"), {"event_type": "purchase", "product_id": "P2"})
    shop.add(120, *steps, device_type="mobile")
    for row in shop.visits[300:]:
        moment = [row["started_at"] + wait for wait in later]
        shop.events += [
            view(row["session_id"], 0, "purchase", event_id=f"{row['session_id']}-later")
            | {"session_id": None, "occurred_at": at, "occurred_date": at.date()}
            for at in moment
        ]
    rows = [r for r in shop.findings(tmp_path, "cart_then_exit") if r["subject_type"] == "shop"]
    assert [(r["device_type"], r["cases"]) for r in rows] == ([("mobile", 120)] if is_abandoned else [])


def test_carts_of_the_last_two_days_can_still_be_bought(tmp_path: Path) -> None:
    for age, found in ((1, 0), (2, 1)):
        shop = Shop().add(300, look("P2"), cart("P2"), {"event_type": "purchase", "product_id": "P2"})
        shop.add(120, cart(), device_type="mobile", day=AS_OF - timedelta(days=age))
        assert sum(r["subject_type"] == "shop" for r in shop.findings(tmp_path / str(age), "cart_then_exit")) == found


def test_searches_without_a_view_within_five_minutes(tmp_path: Path) -> None:
    search = {"event_type": "search"}
    shop = Shop()
    shop.add(60, search, device_type="mobile", bought=10)
    shop.add(40, search, {**look(), "at": 301}, device_type="mobile")
    shop.add(20, search, {**search, "at": 10}, {**look(), "at": 300}, device_type="mobile")
    shop.add(200, search, {**look(), "at": 300})
    (row,) = shop.findings(tmp_path, "search_without_view")
    assert (row["device_type"], row["sessions"], row["cases"], row["affected_cases"]) == ("mobile", 120, 140, 100)
    assert (row["benchmark_cases"], row["benchmark"]) == (340, pytest.approx(100 / 340))
    assert float(row["est_lost_sales"]) == pytest.approx((100 - 140 * 100 / 340) * 600 / 320, abs=1e-4)


def test_products_that_are_looked_at_long_and_not_put_into_the_cart(tmp_path: Path) -> None:
    shop = Shop()
    shop.add(120, look("P1", dwell_seconds=Decimal(90)))
    shop.add(120, look("P2", dwell_seconds=Decimal(10)), cart("P2"), {"event_type": "purchase", "product_id": "P2"})
    shop.add(120, look("P3", dwell_seconds=Decimal(20)))
    (row,) = shop.findings(tmp_path, "long_dwell_no_cart")
    assert (row["subject"], row["rate"], row["benchmark"]) == ("P1", 1.0, pytest.approx(2 / 3))
    assert float(row["est_lost_sales"]) == pytest.approx(120 / 3 * 20), "all who carted in the category bought"
    shop.events = [{**e, "dwell_seconds": Decimal(10)} if e["product_id"] == "P1" else e for e in shop.events]
    assert [r["subject"] for r in shop.findings(tmp_path / "short", "long_dwell_no_cart")] == ["P3"]
    assert shop.findings(tmp_path / "unmeasured", "long_dwell_no_cart", min_group_size=121) == []


def test_products_seen_four_times_without_a_cart(tmp_path: Path) -> None:
    shop = Shop()
    shop.add(60, *[look("P3")] * 4)
    shop.add(60, *[look("P3")] * 3)
    shop.add(120, *[look("P2")] * 4, cart("P2"))
    (row,) = shop.findings(tmp_path, "repeat_view_loops")
    assert (row["subject"], row["cases"], row["affected_cases"], row["benchmark"]) == ("P3", 120, 60, 0.25)
    assert row["est_lost_sales"] is None, "no price is known"


def test_mobile_visits_that_buy_less_than_those_on_desktops(tmp_path: Path) -> None:
    shop = Shop()
    shop.add(48, look(), bought=25).add(32, look())
    shop.add(100, bought=25).add(20)
    shop.add(20, look(), device_type="mobile").add(100, look(), device_type="mobile", bought=5)
    shop.add(10, device_type="mobile", bought=5).add(110, device_type="mobile")
    (row,) = shop.findings(tmp_path, "device_gap")
    assert (row["subject_type"], row["device_type"], row["sessions"], row["cases"]) == ("shop", "mobile", 200, 240)
    assert (row["rate"], row["benchmark"]) == (pytest.approx(130 / 240), 0.26)
    assert float(row["est_lost_sales"]) == pytest.approx((130 / 240 - 0.26) * 240 * 25, abs=1e-4)
    shop = Shop().add(480, look(), bought=25).add(320, look())
    shop.add(560, look(), device_type="mobile", bought=5).add(140, look(), device_type="mobile")
    assert shop.findings(tmp_path / "better", "device_gap") == []


def test_the_gap_between_devices_has_newcombes_interval(tmp_path: Path) -> None:
    """Newcombe (1998), table 2 (a) times ten: 560/700 - 480/800; the interval is that of these numbers."""
    shop = Shop().add(140, look(), bought=5).add(560, look())
    shop.add(320, look(), bought=5, device_type="mobile").add(480, look(), device_type="mobile")
    assert shop.findings(tmp_path, "device_gap") == [], "mobile visits fail in 60 %, those on desktops in 80 %"
    for row in shop.visits:
        row["device_type"] = "desktop" if row["device_type"] == "mobile" else "mobile"
    rows = {row["subject_type"]: row for row in shop.findings(tmp_path / "turned", "device_gap")}
    assert set(rows) == {"shop", "category"}
    row = rows["category"]
    assert (row["subject"], row["category"], row["difference"]) == ("Home", "Home", pytest.approx(0.2))
    z = 1.959964
    bounds = {}
    for name, k, n in (("mobile", 560, 700), ("desktop", 480, 800)):
        root = z * math.sqrt(z * z + 4 * k * (n - k) / n)
        bounds[name] = (k / n, (2 * k + z * z - root) / (2 * (n + z * z)), (2 * k + z * z + root) / (2 * (n + z * z)))
    (p, low, high), (q, lower, upper) = bounds["mobile"], bounds["desktop"]
    assert row["difference_ci_low"] == pytest.approx(p - q - math.hypot(p - low, upper - q))
    assert row["difference_ci_high"] == pytest.approx(p - q + math.hypot(high - p, q - lower))


def test_fewer_than_a_hundred_visits_or_visits_of_long_ago_are_no_finding(tmp_path: Path) -> None:
    shop = Shop().add(99, look("P3"), device_type="tablet").add(300, look("P2"), cart("P2"))
    assert shop.findings(tmp_path / "few", "long_dwell_no_cart", min_group_size=1) == []
    for age, found in ((89, 1), (90, 0)):
        shop = Shop().add(120, *[look("P3")] * 4, day=AS_OF - timedelta(days=age))
        shop.add(300, look("P2"), day=AS_OF - timedelta(days=age))
        assert len(shop.findings(tmp_path / str(age), "repeat_view_loops")) == found


def test_findings_that_survive_the_correction_rank_before_dearer_ones_that_do_not(tmp_path: Path) -> None:
    """Thirty addresses of one kind: one loses far more visits, another a few more of dearer ones, by chance."""
    shop = Shop()
    for number in range(30):
        exits = {0: 90, 1: 62}.get(number, 50)
        shop.add(exits, page("start", "/"), page("product", f"/{number:02}"))
        shop.add(100 - exits, page("product", f"/{number:02}"), page("start", "/"))
    rows = [r for r in shop.findings(tmp_path, "high_exit") if r["subject_type"] == "page_url"]
    assert [r["subject"] for r in rows] == ["/00", "/01"]
    benchmark = (90 + 62 + 28 * 50) / 3000
    chances = {n: 2 * stats.norm.sf(abs(k / 100 - benchmark) / math.sqrt(benchmark * (1 - benchmark) / 100)) for n, k in
               [(0, 90), (1, 62), *((n, 50) for n in range(2, 30))]}  # fmt: skip
    chances["start"] = 1.0  # the only address of its kind is its own benchmark
    corrected = stats.false_discovery_control(list(chances.values()))
    assert [r["p_value"] for r in rows] == pytest.approx([chances[0], chances[1]], rel=1e-6)
    assert [r["q_value"] for r in rows] == pytest.approx([corrected[0], corrected[1]], rel=1e-6)
    assert (rows[0]["q_value"] < 0.05 < rows[1]["q_value"]) and not any(r["low_n"] for r in rows)


def test_a_finding_of_a_few_cases_is_marked_and_not_tested(tmp_path: Path) -> None:
    shop = Shop().add(3, *[look("P3")] * 4).add(117, look("P3")).add(2000, look("P2"))
    (row,) = shop.findings(tmp_path, "repeat_view_loops")
    assert (row["affected_cases"], row["low_n"], row["p_value"], row["q_value"]) == (3, True, None, None)
