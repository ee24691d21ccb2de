"""Questions about products, answered in plain Python."""

from __future__ import annotations

from decimal import Decimal

from tests.independent.answers_known import Known, only, quotient, ranked
from tests.independent.tables import Rows


def converting_products(known: Known) -> Rows:
    seen = [
        row for row in known.rows("behavior.product_conversion", scope="product", period_name="all") if not row["low_n"]
    ]
    best = {row["product_id"]: row["rank"] for row in ranked(seen, lambda r: (-r["ci_low"], r["product_id"]))}
    worst = {row["product_id"]: row["rank"] for row in ranked(seen, lambda r: (r["ci_high"], r["product_id"]))}
    rows = []
    for side, own, other in (("best", best, worst), ("worst", worst, best)):
        mine = [
            row
            for row in seen
            if own[row["product_id"]] <= 10
            and (
                other[row["product_id"]] > min(10, own[row["product_id"]])
                or (side == "best" and other[row["product_id"]] == own[row["product_id"]])
            )
        ]
        rows += [{**row, "side": side} for row in ranked(mine, lambda r, own=own: own[r["product_id"]])]
    return only(rows, "side rank product_id product_name viewers buyers view_to_purchase_rate ci_low ci_high")


def time_to_purchase(known: Known) -> Rows:
    rows = [
        {**row, "member": row["key"]}
        for row in known.rows("behavior.time_to_purchase")
        if row["scope"] == "all" or (row["scope"], row["clock"]) == ("category", "first_view")
    ]
    rows.sort(key=lambda r: (r["scope"], r["clock"], r["member"]))
    return only(rows, "scope member clock purchases purchases_without_view n median_seconds mean_seconds low_n")


def popular_products(known: Known) -> Rows:
    rows = known.rows("behavior.product_popularity", period_name="last 28 days")
    found = ranked(rows, lambda r: (-r["score"], r["product_id"]), 20)
    return only(found, "rank product_id product_name category score rank_change unique_viewers orders units net_sales")


def rising_products(known: Known) -> Rows:
    rows = [r for r in known.rows("behavior.product_popularity", period_name="last 28 days") if r["trend"]]
    found = []
    for direction, sign in (("rising", 1), ("falling", -1)):
        mine = [{**row, "direction": direction} for row in rows if row["trend"] * sign > 0]
        found += ranked(mine, lambda r: (-abs(r["trend"]), -max(r["score"], r["score_prev"]), r["product_id"]), 10)
    return only(found, "direction rank product_id product_name trend score score_prev rank_score net_sales")


def viewed_not_bought(known: Known) -> Rows:
    prices = known.by("core.products", "product_id")
    rows = []
    for row in known.rows("behavior.product_conversion", scope="product", period_name="all"):
        if not row["low_n"] and row["ci_high"] < row["category_rate"]:
            missing = Decimal(row["viewers"] * row["category_rate"]).quantize(Decimal("0.0001")) - row["buyers"]
            price = prices[row["product_id"]]["price"]
            rows.append({**row, "missing_buyers": missing, "missed_sales": None if price is None else missing * price})
    found = ranked(rows, lambda r: (-r["missing_buyers"], r["product_id"]), 20)
    return only(found, "rank product_id product_name viewers buyers missing_buyers missed_sales ci_high category_rate")


def products_to_work_on(known: Known) -> Rows:
    rows = known.rows("behavior.product_opportunities")
    found: Rows = []
    for reason in sorted({row["reason"] for row in rows}):
        mine = [row for row in rows if row["reason"] == reason]
        found += ranked(mine, lambda r: (r["rank"], r["product_id"]), 10)
    return only(found, "reason rank product_id product_name viewers conversion stock_quantity days_of_cover price")


def assortment_gaps(known: Known) -> Rows:
    order = ("under_supplied", "over_supplied", "balanced", "not_enough_data")
    rows = ranked(
        known.rows("behavior.assortment_fit"),
        lambda r: (order.index(r["verdict"]), -abs(r["products_gap"] or 0), -r["interested"], r["category"]),
    )
    figures = "demand_index ci_low ci_high active_products products_gap products_out_of_stock products_without_demand"
    shares = "demand_share product_share net_sales_share interested orders orders_per_interested"
    return only(rows, f"rank category verdict {figures} {shares}")


def competing_products(known: Known) -> Rows:
    rows = known.rows("basket.substitutes", verdict="substitutes")
    found = ranked(
        rows, lambda r: (r["orders_both"] - r["expected_orders"], r["product_id"], r["other_product_id"]), 20
    )
    names = "rank product_id product_name other_product_id other_product_name category price other_price"
    visits = "visits_both visits_product_bought visits_other_bought visits_both_bought"
    return only(found, f"{names} {visits} orders_both expected_orders lift q_value")


def tastes_of_groups(known: Known) -> Rows:
    rows = known.rows("customer.assortment_preferences", verdict="preferred")
    found = sorted(
        (row for row in rows if row["rank"] <= 5), key=lambda r: (r["level"], r["breakdown"], r["member"], r["rank"])
    )
    figures = "customers buyers share rest_share preference_index ci_low ci_high q_value"
    return only(found, f"level breakdown member rank item item_name {figures}")


def second_products(known: Known) -> Rows:
    pairs = known.rows("customer.second_products")
    overall = {
        p["second_product_id"]: {
            "after": "any product",
            "first_product_id": None,
            "second_product_id": p["second_product_id"],
            "second_product_name": p["second_product_name"],
            "customers": p["second_customers"],
            "first_customers": p["all_customers"],
            "share": quotient(p["second_customers"], p["all_customers"]),
            "lift": None,
            "low_n": p["all_customers"] < known.enough,
        }
        for p in pairs
    }
    first = ranked(overall.values(), lambda r: (-r["customers"], r["second_product_id"]), 10)
    named = [{**p, "after": p["first_product_name"]} for p in pairs]
    second = ranked(named, lambda r: (-r["customers"], -r["lift"], r["first_product_id"], r["second_product_id"]), 20)
    names = "after first_product_id rank second_product_id second_product_name customers first_customers share lift"
    return only([*first, *second], f"{names} low_n")


def time_on_product_pages(known: Known) -> Rows:
    found: Rows = []
    for scope in ("all", "category", "product"):
        mine = [
            {**row, "name": row["product_name"] or row["key"]}
            for row in known.rows("behavior.page_dwell", scope=scope)
            if scope != "product" or not row["low_n"]
        ]
        found += ranked(
            mine,
            lambda r: (r["median_seconds"] is None, -(r["median_seconds"] or 0), -r["measured_views"], r["key"]),
            10 if scope == "product" else None,
        )
    return only(found, "scope rank key name views measured_views coverage total_seconds mean_seconds median_seconds")


def products_sold_on_discount(known: Known) -> Rows:
    rows = [
        row
        for row in known.rows("kpi.product_discounts", product_type="goods", low_n=False)
        if row["discounted_lines"] > 0
    ]
    found = ranked(rows, lambda r: (-r["discounted_unit_share"], -r["discounted_units"], r["product_id"]), 20)
    names = "rank product_id product_name orders units discounted_units discounted_unit_share discounts discount_depth"
    return only(found, names)
