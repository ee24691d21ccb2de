"""The shop in a page: what `cxa demo` and `cxa status` print, in words a shop owner uses.

Here: reading the released versions in the lake and turning them into sentences. Not here: printing (`cli`), the
definitions of the figures (`sql/kpi`, docs/metrics.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cxa_pipeline.engine.protocol import Engine, Relation
from cxa_pipeline.pipeline.project import Project
from cxa_pipeline.pipeline.release import Release
from cxa_pipeline.sources.landed import FileAccount

Row = Mapping[str, Any]

AT_RISK = ("At Risk", "Cannot Lose Them")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Section:
    """A heading and the sentences below it."""

    title: str
    lines: tuple[str, ...]


class Summary:
    """Sentences about a release.

    Args:
        project: The tables.
        engine: Reads the versions.
        release: Which versions.
        accounts: What became of every landed row.
        checks: How many checks there are, how many failed, and how many warn.
    """

    def __init__(
        self,
        project: Project,
        engine: Engine,
        release: Release,
        accounts: Iterable[FileAccount],
        checks: tuple[int, int, int],
    ) -> None:
        self.project = project
        self.engine = engine
        self.release = release
        self.accounts = list(accounts)
        self.checks = checks

    def sections(self) -> list[Section]:
        """All headings, in the order in which an owner asks."""
        if not self._released("kpi.monthly"):
            held = self.release.tables.get("kpi.monthly")
            reason = held.held_back_reason if held else None
            sales = ("There are no key figures: " + (reason or "nothing was sold yet."),)
            return [Section("Sales", sales), Section("Data quality", tuple(self._quality())), self._next()]
        return [
            Section("Sales", tuple(self._sales())),
            Section("Customers", tuple(self._customers())),
            Section("Products", tuple(self._products())),
            Section("Visits", tuple(self._visits())),
            Section("Data quality", tuple(self._quality())),
            self._next(),
        ]

    # --- headings ------------------------------------------------------------------------------------------

    def _sales(self) -> Iterator[str]:
        total = self._row(
            "select sum(m.net_sales) as net_sales, sum(m.orders) as orders, sum(m.gross_sales) as gross_sales,"
            " sum(m.returns) as returns, sum(m.discounts) as discounts, min(m.currency) as currency,"
            " min(c.first_sale_date) as first_day, max(c.as_of_date) as last_day"
            " from kpi.monthly as m cross join core.clock as c"
        )
        if not total["orders"]:
            yield "Nothing was sold yet."
            return
        currency = total["currency"] or ""
        yield (
            f"{_money(total['net_sales'])} {currency} net sales from {total['orders']:,} orders, "
            f"{_day(total['first_day'])} to {_day(total['last_day'])}."
        )
        value = _money(total["gross_sales"] - total["discounts"], total["orders"])
        yield f"An order is worth {value} {currency} on average."
        if total["gross_sales"]:
            yield (
                f"Of each 100 {currency} sold, {_part(total['discounts'], total['gross_sales'])} went into discounts "
                f"and {_part(total['returns'], total['gross_sales'])} came back as returns."
            )
        months = self._rows(
            "select period, net_sales, net_sales_growth, net_sales_yoy from kpi.monthly"
            " where is_complete order by period desc limit 1"
        )
        for month in months:
            changes = [
                f"{_change(value)} on {base}"
                for value, base in (
                    (month["net_sales_growth"], "the month before"),
                    (month["net_sales_yoy"], "a year before"),
                )
                if value is not None
            ]
            tail = f" ({', '.join(changes)})" if changes else ""
            brought = f"{_money(month['net_sales'])} {currency}"
            yield f"The last whole month, {month['period']:%B %Y}, brought {brought}{tail}."

    def _customers(self) -> Iterator[str]:
        row = self._row(
            "select t.customers, t.purchasing_customers, t.guest_orders, r.customers_with_2plus"
            " from questions.total_customers as t cross join questions.repeat_customers as r"
        )
        share = _percent(row["customers_with_2plus"], row["purchasing_customers"])
        yield (
            f"{row['customers']:,} customers, of whom {row['purchasing_customers']:,} have ordered; "
            f"{share} of these came back for a second order."
        )
        if row["guest_orders"]:
            yield f"{row['guest_orders']:,} orders came from guests without an account."
        best = self._rows("select customer_id, net_sales, orders from questions.top5_customers order by rank limit 1")
        for customer in best:
            yield (
                f"The best customer is {customer['customer_id']} with {_money(customer['net_sales'])} "
                f"from {customer['orders']:,} orders."
            )
        for few in self._rows_of(
            "kpi.revenue_concentration_summary",
            "select share_of_top_20_percent as share from kpi.revenue_concentration_summary"
            " where share_of_top_20_percent is not null",
        ):
            yield f"The fifth of the customers who spend most bring {100 * few['share']:.0f} % of the net sales."
        segments = {
            r["segment"]: r
            for r in self._rows_of(
                "customer.rfm_segments",
                "select segment, customers, net_sales_share as share from customer.rfm_segments where customers > 0",
            )
        }
        if champions := segments.get("Champions"):
            at_risk = sum(segments[name]["customers"] for name in AT_RISK if name in segments)
            yield (
                f"{champions['customers']:,} of them are champions, who buy often and bought lately; "
                f"{at_risk:,} good ones are about to be lost."
            )
        sleeping = self._row(
            "select count(*) as customers from questions.inactive_customers where status = 'inactive'"
        )["customers"]
        if sleeping:
            yield f"{sleeping:,} customers have not ordered for twelve months: candidates to be won back."
        for ahead in self._rows_of(
            "customer.value_totals",
            "select clv_12m as value, clv_12m_low as low, clv_12m_high as high from customer.value_totals"
            " where segment = 'All customers' and clv_12m > 0",
        ):
            yield (
                f"In the next twelve months they are expected to bring {_money(ahead['value'])} "
                f"(probably {_money(ahead['low'])} to {_money(ahead['high'])})."
            )

    def _products(self) -> Iterator[str]:
        rows = self._rows(
            "select p.product_name, sum(p.net_sales) as net_sales, sum(p.units - p.units_returned) as units"
            " from kpi.by_product as p where p.product_type = 'goods' group by p.product_id, p.product_name"
            " order by net_sales desc, p.product_name limit 3"
        )
        if rows:
            sellers = "; ".join(
                f"{r['product_name']} ({_money(r['net_sales'])}, {r['units']:,.0f} pieces)" for r in rows
            )
            yield f"Best sellers: {sellers}."
        for pair in self._rows_of(
            "basket.cross_sell",
            "select product_name, recommended_product_name, orders, lift from basket.cross_sell"
            " order by lift * orders desc, product_id, recommended_product_id limit 1",
        ):
            yield (
                f"{pair['product_name']} and {pair['recommended_product_name']} were bought together in "
                f"{pair['orders']:,} orders, {pair['lift']:.1f} times as often as by chance."
            )
        categories = self._rows(
            "select c.category, sum(c.net_sales) as net_sales from kpi.by_category as c"
            " group by c.category order by net_sales desc, c.category limit 3"
        )
        if len(categories) > 1:
            yield (
                "Strongest categories: "
                + ", ".join(f"{c['category']} ({_money(c['net_sales'])})" for c in categories)
                + "."
            )

    def _visits(self) -> Iterator[str]:
        events = {
            r["event_type"]: r["events"]
            for r in self._rows("select event_type, count(*) as events from core.interactions group by event_type")
        }
        if not events:
            yield "No visits were delivered: drop interactions to see how visitors become buyers."
            return
        yield (
            f"{sum(events.values()):,} page events: {events.get('view', 0):,} product views, "
            f"{events.get('cart', 0):,} put in the cart, {events.get('purchase', 0):,} purchases."
        )
        for visits in self._rows_of(
            "behavior.sessions_daily",
            "select sum(sessions) as sessions, sum(converted_sessions) as converted from behavior.sessions_daily",
        ):
            if visits["sessions"]:
                bought = _part(visits["converted"], visits["sessions"])
                yield f"Of 100 visits ({visits['sessions']:,} in all), {bought} ended with a purchase."
        for carts in self._rows_of(
            "behavior.cart_abandonment",
            "select cart_count, abandoned_count from behavior.cart_abandonment where scope = 'all' and month is null",
        ):
            if carts["cart_count"]:
                yield f"Of 100 filled carts, {_part(carts['abandoned_count'], carts['cart_count'])} were abandoned."
        for peak in self._rows_of(
            "behavior.peak_times",
            "select iso_weekday, hour from behavior.peak_times where event_type = 'all' and is_peak",
        ):
            yield f"The busiest hour of the week begins on {WEEKDAYS[peak['iso_weekday'] - 1]} at {peak['hour']}:00."

    def _quality(self) -> Iterator[str]:
        files = {a.landing.sha256 for a in self.accounts}
        yield f"{len(files):,} files were read; no row was lost:"
        for dataset in dict.fromkeys(a.dataset for a in self.accounts):
            of = [a for a in self.accounts if a.dataset == dataset]
            read, accepted = sum(a.rows_read for a in of), sum(a.rows_accepted for a in of)
            parts = [f"{accepted:,} accepted"]
            for rows, words in (
                (sum(a.rows_rejected for a in of), "rejected"),
                (sum(a.rows_duplicate for a in of), "repeated"),
                (sum(a.rows_superseded for a in of), "replaced by newer ones"),
            ):
                parts += [f"{rows:,} {words}"] if rows else []
            yield f"  {dataset}: {read:,} rows, {', '.join(parts)}"
        reasons: dict[str, int] = {}
        for account in self.accounts:
            for reason, rows in (account.reasons or {}).items():
                reasons[reason] = reasons.get(reason, 0) + rows
        if reasons:
            worst = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))[:3]
            yield (
                "Most frequent reasons: "
                + ", ".join(f"{reason} ({rows:,})" for reason, rows in worst)
                + "; see `cxa rejects`."
            )
        made, failed, warned = self.checks
        verdict = "every total adds up" if not failed else f"{failed} failed, see `cxa status`"
        warns = "1 warns" if warned == 1 else f"{warned} warn"
        warning = f"; {warns} of something, see `cxa status`" if warned else ""
        yield f"{made} checks were made: {verdict}{warning}."

    def _questions(self) -> int:
        return sum(contract.schema == "questions" for contract in self.project.catalog)

    def _next(self) -> Section:
        return Section(
            "Where to look next",
            (
                f"cxa ask            {self._questions()} business questions and their answers",
                "cxa tables         every table and what it means",
                "cxa up             lineage, checks and schedules in the browser",
                "cxa db psql        the tables in SQL; `cxa db url` for other programs",
            ),
        )

    # --- reading -------------------------------------------------------------------------------------------

    def _released(self, table: str) -> bool:
        found = self.release.tables.get(table)
        return found is not None and found.versions is not None

    def _rows_of(self, table: str, sql: str) -> list[Row]:
        """Rows of a query, none where its table was not released."""
        return self._rows(sql) if self._released(table) else []

    def _rows(self, sql: str) -> list[Row]:
        relations = {}
        for table in self.project.catalog.contracts:
            if table in sql:
                released = self.release.tables.get(table)
                paths = tuple(v.path for v in (released.versions or {}).values()) if released else ()
                relations[table] = Relation(paths, columns=self.project.output_columns(table))
        rows: list[Row] = self.engine.fetch(sql, relations).to_pylist()
        return rows

    def _row(self, sql: str) -> Row:
        return self._rows(sql)[0]


def _money(value: Decimal | None, by: int | None = None) -> str:
    amount = (value or Decimal(0)) / (by or 1)
    return f"{amount:,.2f}"


def _part(value: Decimal | int, whole: Decimal | int) -> str:
    return f"{100 * value / whole:.1f}" if whole else "0"


def _percent(value: int, whole: int) -> str:
    return f"{100 * value / whole:.0f} %" if whole else "none"


def _change(value: Decimal | float) -> str:
    return f"{100 * value:+.1f} %"


def _day(value: Any) -> str:
    return f"{value:%-d %B %Y}" if value else "?"
