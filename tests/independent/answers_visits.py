"""Questions about visits, answered in plain Python."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from tests.independent.answers_known import EFFECTS, WEEKDAYS, ZERO, Known, by_name, only, quotient, ranked
from tests.independent.tables import Rows


def funnel(known: Known) -> Rows:
    rows: Rows = []
    for scope, breakdown in (("session", "all"), ("visitor", "all"), ("visitor", "device_type")):
        mine = known.rows("behavior.funnel", scope=scope, breakdown=breakdown, period_name="all", cart_optional=False)
        rows += sorted(mine, key=lambda r: (r["breakdown_value"], r["step_number"]))
    names = "scope device=breakdown_value step units_reached units_previous dropped step_conversion units_started"
    return only(rows, f"{names} overall_conversion median_seconds units_open direct_purchases")


def busiest_times(known: Known) -> Rows:
    rows: Rows = []
    for measure in ("all", "orders"):
        mine = [
            {**row, "measure": measure, "weekday": WEEKDAYS[row["iso_weekday"] - 1]}
            for row in known.rows("behavior.peak_times", event_type=measure)
            if row["total"] > 0
        ]
        rows += ranked(mine, lambda r: (-r["per_hour"], r["iso_weekday"], r["hour"]), 10)
    return only(rows, "measure rank weekday hour total share hours per_hour")


def devices(known: Known) -> Rows:
    rows = sorted(known.rows("behavior.device_effect"), key=lambda r: (-r["session_conversion"], r["device_type"]))
    return only(rows, f"device_type {EFFECTS}")


def locations_of_visitors(known: Known) -> Rows:
    most = ranked(known.rows("behavior.location_effect"), lambda r: (-r["sessions"], r["location"]), 20)
    return only(sorted(most, key=lambda r: (-r["session_conversion"], r["location"])), f"location {EFFECTS}")


def pages_losing_visitors(known: Known) -> Rows:
    rows: Rows = []
    for level in ("page_type", "page_url"):
        mine = [r for r in known.rows("behavior.entry_exit_pages", level=level) if r["exits_without_purchase"] > 0]
        mine = [r for r in mine if not r["low_n"]]
        rows += ranked(mine, lambda r: (-r["exits_without_purchase"], r["page"]), 10)
    return only(rows, "level rank page sessions entries exits exits_without_purchase exit_rate ci_low ci_high")


def usability_problems(known: Known) -> Rows:
    rows = [
        {**row, "name": row["product_name"] or row["subject"]}
        for row in sorted(known.rows("behavior.friction"), key=lambda r: r["rank"])[:20]
    ]
    return only(rows, "rank problem subject name device_type sessions cases affected_cases rate benchmark difference")


def paths_through_the_shop(known: Known) -> Rows:
    rows: Rows = []
    for level in ("event_type", "page_type"):
        rows += ranked(known.rows("behavior.top_paths", level=level), lambda r: (-r["sessions"], r["path"]), 10)
    return only(rows, "level rank path sessions all_sessions share converted_sessions session_conversion")


def cart_abandonment(known: Known) -> Rows:
    carts = known.rows("behavior.cart_abandonment")
    shop = [r for r in carts if r["scope"] == "all"]
    months = sorted((r for r in shop if r["month"]), key=lambda r: r["month"])[-13:]
    kinds = sorted((r for r in carts if r["scope"] == "device_type" and r["month"] is None), key=lambda r: r["key"])
    rows = [{**r, "breakdown": "all", "member": "all"} for r in shop if r["month"] is None]
    rows += [{**r, "breakdown": "device", "member": r["key"]} for r in kinds]
    rows += [{**r, "breakdown": "month", "member": f"{r['month']:%Y-%m}"} for r in months]
    return only(rows, "breakdown member cart_count abandoned_count abandonment_rate mature_count abandoned_value")


def carts_abandoned_yesterday(known: Known) -> Rows:
    if known.shop.as_of is None:
        return []
    zone = ZoneInfo(known.parameters["timezone"])
    end = datetime.combine(known.shop.as_of + timedelta(days=1), datetime.min.time(), zone).astimezone(ZoneInfo("UTC"))
    judged = (end - timedelta(hours=known.parameters["cart_grace_hours"])).astimezone(zone).date() - timedelta(days=1)
    carts = defaultdict(list)
    for row in known.rows("behavior.abandoned_carts"):
        if row["ended_at"].astimezone(zone).date() == judged:
            carts[row["session_id"]].append(row)
    rows = []
    for session, left in carts.items():
        values = [r["value"] for r in left if r["value"] is not None]
        customer = left[0]["customer_id"]
        consent = known.shop.customers[customer].get("marketing_consent") if customer else None
        rows.append(
            {
                "day": judged,
                "session_id": session,
                "customer_id": customer,
                "products": ", ".join(r["product_name"] for r in sorted(left, key=by_name)),
                "quantity": sum((r["quantity"] for r in left), ZERO),
                "value": sum(values, ZERO) if values else None,
                "may_be_contacted": consent is True,
                "is_recovered": any(r["is_recovered"] for r in left),
            }
        )
    return ranked(rows, lambda r: (r["value"] is None, -(r["value"] or 0), r["session_id"]))


def how_often_visitors_come(known: Known) -> Rows:
    grouped = defaultdict(list)
    for row in known.rows("behavior.visitors"):
        grouped[row["visit_class"]].append(row)
    everybody = sum(map(len, grouped.values()))
    rows = []
    for class_ in ("single", "lapsed", "occasional", "regular", "frequent", "heavy"):
        mine = grouped[class_]
        rows.append(
            {
                "visit_class": class_,
                "visitors": len(mine),
                "share": quotient(len(mine), everybody),
                "sessions": sum(r["sessions"] for r in mine),
                "buyers": sum(r["converted_sessions"] > 0 for r in mine),
                "buyer_rate": quotient(sum(r["converted_sessions"] > 0 for r in mine), len(mine)),
            }
        )
    return sorted(rows, key=lambda r: known.by("behavior.visit_classes", "visit_class")[r["visit_class"]]["sort_order"])


def visits_by_week(known: Known) -> Rows:
    weeks = defaultdict(list)
    for row in known.rows("behavior.sessions_daily"):
        weeks[row["day"] - timedelta(days=row["day"].weekday())].append(row)
    rows = []
    for week in sorted(weeks)[-13:]:
        days = weeks[week]
        sums = {n: sum(d[n] for d in days) for n in ("sessions", "bounces", "engaged_sessions", "pages", "orders")}
        bought = sum(d["converted_sessions"] for d in days)
        rows.append(
            {
                "week": week,
                "is_complete": len(days) == 7 and all(d["is_complete"] for d in days),
                **sums,
                "bounce_rate": quotient(sums["bounces"], sums["sessions"]),
                "pages_per_session": quotient(sums["pages"], sums["sessions"]),
                "session_conversion": quotient(bought, sums["sessions"]),
                "net_sales": sum((d["net_sales"] for d in days), ZERO),
            }
        )
    return rows


def visit_channels(known: Known) -> Rows:
    sold, orders = defaultdict(lambda: ZERO), defaultdict(set)
    for row in known.rows("behavior.visit_orders"):
        sold[row["channel"]] += row["net_sales"]
        orders[row["channel"]].add(row["order_id"])
    steps = {
        row["breakdown_value"]: row
        for row in known.rows("behavior.funnel", scope="session", cart_optional=True, period_name="all")
        if (row["breakdown"], row["step"]) == ("channel", "purchase")
    }
    total = sum(sold.values(), ZERO)
    rows = []
    for channel in {*sold, *steps}:
        step = steps.get(channel, {"units_started": 0, "units_reached": 0})
        if step["units_started"] or orders[channel]:
            rows.append(
                {
                    "channel": channel,
                    "sessions_with_view": step["units_started"],
                    "sessions_with_purchase": step["units_reached"],
                    "conversion": quotient(step["units_reached"], step["units_started"]),
                    "orders": len(orders[channel]),
                    "net_sales": sold[channel],
                    "share": quotient(sold[channel], total),
                    "aov": sold[channel] / len(orders[channel]) if orders[channel] else None,
                }
            )
    return sorted(rows, key=lambda r: (-r["net_sales"], r["channel"]))
