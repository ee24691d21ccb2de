"""What goes wrong in visits (behavior.friction), computed anew in plain Python.

Here: the six problems with their cases and benchmarks, written from the definitions and not from the SQL. Not here: the
rows that they read (`visits_behaviour`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

from tests.independent.kpi import Row
from tests.independent.statistics import corrected, two_sided, wilson
from tests.independent.visits_behaviour import Behaviour, Rows, converted, grouped, quantile, summed
from tests.independent.visits_effects import newcombe
from tests.independent.visits_paths import in_order

DAYS = 90
FEWEST = 100
SOON = timedelta(minutes=5)
LOOP = 4
Case = tuple[Any, Row, bool]
"""A subject, the visit, and whether it failed there."""


def friction(shop: Behaviour) -> Rows:
    """behavior.friction."""
    found = _Friction(shop)
    rows = [
        *found.exits_by_type(),
        *found.exits_by_address(),
        *found.carts(),
        *found.searches(),
        *found.products(),
        *found.gaps(),
    ]
    rows = [row for row in rows if row["sessions"] >= FEWEST]
    for own in grouped(rows, "problem", "subject_type").values():
        for row, q in zip(own, corrected([row["p_value"] for row in own]), strict=True):
            row["q_value"] = q
    rows = [row for row in rows if row["difference_ci_low"] > 0]
    rows.sort(key=_place)
    for rank, row in enumerate(rows, start=1):
        row["rank"] = rank
    return rows


def _place(row: Row) -> tuple[Any, ...]:
    sure = row["q_value"] is not None and row["q_value"] < 0.05
    lost = -math.inf if row["est_lost_sales"] is None else row["est_lost_sales"]
    names = (row["problem"], row["subject_type"], row["subject"], row["device_type"])
    return not sure, -lost, -row["excess_cases"], *names


def mean_sales(visits: Sequence[Row], of: int | None = None) -> float | None:
    """Net sales of visits divided by their number, or by another."""
    number = len(visits) if of is None else of
    return float(summed(visits, "net_sales")) / number if number else None


class _Friction:
    def __init__(self, shop: Behaviour) -> None:
        self.shop = shop
        since = shop.as_of - timedelta(days=DAYS) if shop.as_of else None
        self.visits = [v for v in shop.visits if since and v["session_date"] > since]
        known = {v["session_id"] for v in self.visits}
        self.recent = [e for e in shop.activity if since and e["occurred_date"] > since]
        self.events = [e for e in self.recent if e["session_id"] in known]
        self.visit = {v["session_id"]: v for v in self.visits}
        self.of_visit = {key: in_order(events) for key, events in grouped(self.events, "session_id").items()}

    # --- one finding ---------------------------------------------------------------------------------------

    def row(
        self, problem: str, subject_type: str, subject: str, device: str, own: Sequence[bool], benchmark: Sequence[bool]
    ) -> Row:
        """Cases that failed or not, against others; the interval is of the rate less a fixed number."""
        n, rate, base = len(own), sum(own) / len(own), sum(benchmark) / len(benchmark)
        low, high = wilson(sum(own), n)
        assert low is not None and high is not None
        product = self.shop.products.get(subject, {}) if subject_type == "product" else {}
        fits = min(n * base, n * (1 - base)) >= 5
        return {
            "problem": problem,
            "subject_type": subject_type,
            "subject": subject,
            "product_name": product.get("product_name"),
            "category": subject if subject_type == "category" else product.get("category"),
            "device_type": device,
            "sessions": n,
            "cases": n,
            "affected_cases": sum(own),
            "rate": rate,
            "ci_low": low,
            "ci_high": high,
            "benchmark_cases": len(benchmark),
            "benchmark": base,
            "difference": rate - base,
            "difference_ci_low": low - base,
            "difference_ci_high": high - base,
            "excess_cases": n * (rate - base),
            "p_value": two_sided((rate - base) / math.sqrt(base * (1 - base) / n)) if fits else None,
            "low_n": not fits,
        }

    def compared(
        self,
        names: tuple[str, str],
        cases: Iterable[Case],
        group: Callable[[Any], Any],
        loss: Callable[[Any], float | None],
        by_device: bool = False,
    ) -> Rows:
        """Rows of all subjects; the benchmark is that of the subject's group, of all devices."""
        groups: dict[Any, list[bool]] = defaultdict(list)
        own: dict[tuple[Any, str], list[tuple[Row, bool]]] = defaultdict(list)
        for subject, visit, failed in cases:
            groups[group(subject)].append(failed)
            own[subject, visit["device_type"] if by_device else "all"].append((visit, failed))
        rows = []
        for (subject, device), found in own.items():
            if device == "unknown":
                continue
            row = self.row(*names, subject, device, [failed for _, failed in found], groups[group(subject)])
            row["sessions"] = len({visit["session_id"] for visit, _ in found})
            lost = loss(subject)
            row["est_lost_sales"] = None if lost is None else row["excess_cases"] * lost
            rows.append(row)
        return rows

    # --- pages ---------------------------------------------------------------------------------------------

    def seen(self, column: str) -> set[tuple[str, str]]:
        """Pairs of page and visit: an event is on it, or the visit ends there."""
        pairs = {(e[column], e["session_id"]) for e in self.events}
        pairs |= {(v[f"exit_{column}"], v["session_id"]) for v in self.visits}
        return {pair for pair in pairs if pair[0] is not None}

    def exits(self, column: str) -> tuple[list[Case], dict[str, Rows]]:
        cases, saw = [], defaultdict(list)
        for page, session in self.seen(column):
            visit = self.visit[session]
            saw[page].append(visit)
            if visit["purchases"] == 0:
                cases.append((page, visit, visit[f"exit_{column}"] == page))
        return cases, saw

    def exits_by_type(self) -> Rows:
        cases, saw = self.exits("page_type")
        return self.compared(
            ("high_exit", "page_type"), cases, lambda page: page, lambda page: mean_sales(saw[page]), by_device=True
        )

    def exits_by_address(self) -> Rows:
        cases, saw = self.exits("page_url")
        types: dict[str, str] = {}
        for event in self.events:
            if event["page_url"] is not None and event["page_type"] is not None:
                types[event["page_url"]] = min(event["page_type"], types.get(event["page_url"], event["page_type"]))

        def type_of(page: str) -> str:
            return types.get(page, "unknown")

        of_type: dict[str, Rows] = defaultdict(list)
        for page, visits in saw.items():
            of_type[type_of(page)] += visits
        return self.compared(("high_exit", "page_url"), cases, type_of, lambda page: mean_sales(of_type[type_of(page)]))

    # --- carts ---------------------------------------------------------------------------------------------

    def carts(self) -> Rows:
        assert self.shop.as_of or not self.visits
        visits: list[Case] = []
        pairs: list[Case] = []
        for session, events in self.of_visit.items():
            visit, left = self.visit[session], _left_in_cart(events)
            if visit["session_date"] > self.shop.as_of - timedelta(days=2) or not left:
                continue
            begin = max(e["occurred_at"] for e in events if e["event_type"] == "cart" and e["product_id"] in left)
            end = visit["ended_at"] + timedelta(hours=self.shop.parameters["cart_grace_hours"])
            failed = not any(begin <= at <= end for at in self.bought_at[visit["visitor_id"]])
            visits.append(("all", visit, failed))
            pairs += [(product, visit, failed) for product in left]
        rows = [visit for _, visit, _ in visits]
        value = mean_sales(rows, sum(visit["net_sales"] > 0 for visit in rows))
        return [
            *self.compared(("cart_then_exit", "shop"), visits, lambda _: "all", lambda _: value, by_device=True),
            *self.compared(("cart_then_exit", "product"), pairs, self.category, self.price),
        ]

    @cached_property
    def bought_at(self) -> dict[str, list[Any]]:
        found = defaultdict(list)
        for event in self.recent:
            if event["event_type"] == "purchase" and event["visitor_id"] is not None:
                found[event["visitor_id"]].append(event["occurred_at"])
        return found

    def category(self, product: str) -> str | None:
        return self.shop.products.get(product, {}).get("category")

    def price(self, product: str) -> float | None:
        price = self.shop.products.get(product, {}).get("price")
        return None if price is None else float(price)

    # --- searches ------------------------------------------------------------------------------------------

    def searches(self) -> Rows:
        cases: list[Case] = []
        for session, events in self.of_visit.items():
            for place, search in enumerate(events):
                if search["event_type"] == "search":
                    later = [e for e in events[place + 1 :] if e["occurred_at"] - search["occurred_at"] <= SOON]
                    cases.append(("all", self.visit[session], not any(e["event_type"] == "view" for e in later)))
        searching = {visit["session_id"]: visit for _, visit, _ in cases}
        value = mean_sales(list(searching.values()))
        return self.compared(("search_without_view", "shop"), cases, lambda _: "all", lambda _: value, by_device=True)

    # --- products ------------------------------------------------------------------------------------------

    def products(self) -> Rows:
        plain: list[Case] = []
        loops: list[Case] = []
        carted: dict[str | None, list[bool]] = defaultdict(list)
        times: dict[str, list[Decimal]] = defaultdict(list)
        for session, events in self.of_visit.items():
            for product, own in grouped(events, "product_id").items():
                kinds = [event["event_type"] for event in own]
                if product is None or "view" not in kinds:
                    continue
                kept_off = "cart" not in kinds and "purchase" not in kinds
                plain.append((product, self.visit[session], kept_off))
                loops.append((product, self.visit[session], kept_off and kinds.count("view") >= LOOP))
                times[product] += [e["dwell_seconds"] for e in own if e["dwell_seconds"] is not None]
                if "cart" in kinds:
                    carted[self.category(product)].append("purchase" in kinds)
        middles = {p: quantile(found, 0.5) for p, found in times.items() if len(found) >= max(1, self.shop.small)}
        of_category: dict[str | None, list[Any]] = defaultdict(list)
        for product, middle in middles.items():
            of_category[self.category(product)].append(middle)
        limits = {name: quantile(found, 0.75) or 0.0 for name, found in of_category.items()}

        def value(product: str) -> float | None:
            found, price = carted[self.category(product)], self.price(product)
            return None if price is None or not found else price * sum(found) / len(found)

        long = self.compared(("long_dwell_no_cart", "product"), plain, self.category, value)
        return [
            *[r for r in long if (middles.get(r["subject"]) or -1.0) >= limits.get(r["category"], math.inf)],
            *self.compared(("repeat_view_loops", "product"), loops, self.category, value),
        ]

    # --- devices -------------------------------------------------------------------------------------------

    def gaps(self) -> Rows:
        subjects: dict[tuple[str, str], Rows] = {("shop", "all"): self.visits}
        for session, events in self.of_visit.items():
            for name in {e["category"] for e in events if e["event_type"] == "view"} - {None}:
                subjects.setdefault(("category", name), []).append(self.visit[session])
        rows = []
        for (subject_type, subject), visits in subjects.items():
            mobile, desktop = ([v for v in visits if v["device_type"] == d] for d in ("mobile", "desktop"))
            if not mobile or not desktop:
                continue
            own, theirs = ([visit["purchases"] == 0 for visit in found] for found in (mobile, desktop))
            row = self.row("device_gap", subject_type, subject, "mobile", own, theirs)
            low, high = newcombe(row["rate"], len(own), row["benchmark"], len(theirs))
            pooled, least = sum([*own, *theirs]) / (len(own) + len(theirs)), min(len(own), len(theirs))
            fits = min(least * pooled, least * (1 - pooled)) >= 5
            error = math.sqrt(pooled * (1 - pooled) * (1 / len(own) + 1 / len(theirs)))
            value = mean_sales(desktop, converted(desktop))
            rows.append(
                {
                    **row,
                    "sessions": least,
                    "difference_ci_low": low,
                    "difference_ci_high": high,
                    "est_lost_sales": None if value is None else row["excess_cases"] * value,
                    "p_value": two_sided(row["difference"] / error) if fits else None,
                    "low_n": not fits,
                }
            )
        return rows


def _left_in_cart(events: Rows) -> set[str]:
    """Products of which more went into the cart than out of it."""
    net: dict[str, Decimal] = defaultdict(Decimal)
    for event in events:
        sign = {"cart": 1, "remove_from_cart": -1}.get(event["event_type"], 0)
        if sign and event["product_id"] is not None:
            net[event["product_id"]] += sign * (1 if event["quantity"] is None else event["quantity"])
    return {product for product, quantity in net.items() if quantity > 0}
