"""Questions about campaigns, offers and audiences, answered in plain Python."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from tests.independent.answers_known import ZERO, Known, only, quotient, ranked
from tests.independent.tables import Row, Rows


def discounts_and_baskets(known: Known) -> Rows:
    rows = []
    for row in sorted(known.rows("kpi.discount_effect"), key=lambda r: r["sort_order"]):
        verdict = None
        if row["q_value"] is not None:
            verdict = "not distinguishable"
            if row["q_value"] < 0.05 and row["probability_of_more"] != 0.5:
                verdict = "larger" if row["probability_of_more"] > 0.5 else "smaller"
        rows.append({**row, "verdict": verdict})
    return only(rows, "breakdown member orders order_share customers aov median_order_value median_difference verdict")


def promo_codes(known: Known) -> Rows:
    orders = known.shop.orders
    average = sum((order.value for order in orders), ZERO) / len(orders) if orders else None
    rows = [{**row, "shop_aov": average} for row in known.rows("kpi.promo_codes")]
    found = ranked(rows, lambda r: (-r["orders"], -r["ordered_value"], r["promo_code"]), 20)
    return only(found, "rank promo_code orders customers new_customers aov shop_aov discounts unpaid_orders")


def reachable_audiences(known: Known) -> Rows:
    consent = {customer: row.get("marketing_consent") for customer, row in known.shop.customers.items()}
    members = defaultdict(list)
    for row in known.rows("customer.audience_matches"):
        members[row["audience_id"]].append(consent[row["customer_id"]])
    rows = [
        {
            "audience_id": row["audience_id"],
            "customers": len(members[row["audience_id"]]),
            "customer_share": quotient(len(members[row["audience_id"]]), len(consent)),
            "reachable": members[row["audience_id"]].count(True),
            "reachable_share": quotient(members[row["audience_id"]].count(True), len(members[row["audience_id"]])),
            "refused": members[row["audience_id"]].count(False),
            "never_asked": members[row["audience_id"]].count(None),
        }
        for row in {r["audience_id"]: r for r in known.rows("core.audience_rules")}.values()
    ]
    return sorted(rows, key=lambda r: (-r["reachable"], -r["customers"], r["audience_id"]))


def products_to_offer(known: Known) -> Rows:
    offers = [r for r in known.rows("basket.cross_sell") if r["rank"] <= 3]
    names = "product_id product_name rank recommended_product_id recommended_product_name recommended_category"
    found = only(offers, f"{names} product_orders orders confidence lift price replicates currency")
    for row, offer in zip(found, offers, strict=True):
        row["gain_per_1000_orders"] = Decimal(offer["expected_gain"] * 1000) if offer["price"] is not None else None
    return sorted(found, key=lambda r: (-r["product_orders"], r["product_id"], r["rank"]))


def where_pairs_hold(known: Known) -> Rows:
    stronger = known.rows("recommendation.pairs_by_group", verdict="stronger")
    names = "product_id product_name recommended_product_id recommended_product_name dimension group_name=member_name"
    names += " product_orders orders expected_orders confidence ci_low ci_high overall_confidence"
    shown: Rows = []
    for group in sorted({(row["dimension"], row["member_name"], row["member"]) for row in stronger}):
        mine = [row for row in stronger if (row["dimension"], row["member"]) == (group[0], group[2])]
        gain = [
            (row["expected_orders"] - row["orders"], row["product_id"], row["recommended_product_id"]) for row in mine
        ]
        best = [row for _, row in sorted(zip(gain, mine, strict=True), key=lambda pair: pair[0])]
        shown += [{**row, "rank": n} for n, row in enumerate(only(best[:10], names), start=1)]
    return shown


def bundles(known: Known) -> Rows:
    shown: Rows = []
    for row in sorted(known.rows("basket.bundles"), key=lambda r: r["rank"]):
        if sum(r["added_product_id"] == row["added_product_id"] for r in shown) < 2:
            gain = Decimal(row["expected_gain"] * 1000) if row["expected_gain"] is not None else None
            names = "bundle_names size orders expected_orders lift price margin added_product_id added_product_name"
            (copied,) = only([row], f"{names} confidence replicates currency")
            shown.append({"rank": len(shown) + 1, **copied, "gain_per_1000_orders": gain})
    return shown[:20]


def future_best_customers(known: Known) -> Rows:
    names = "customer_id clv_12m clv_12m_low clv_12m_high expected_orders_365d historic_value p_alive method currency"
    found = only(known.rows("customer.lifetime_value"), names)
    segments = known.by("customer.rfm", "customer_id")
    whole, so_far = sum(row["clv_12m"] for row in found), ZERO
    for row in (rows := ranked(found, lambda r: (-r["clv_12m"], r["customer_id"]))):
        so_far += row["clv_12m"]
        row["cumulative_share"] = float(so_far / whole) if whole else None
        row["segment"] = segments[row["customer_id"]]["segment"]
    return rows


def value_at_risk(known: Known) -> Rows:
    segments = known.by("customer.rfm", "customer_id")
    groups: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in known.rows("customer.lifetime_value"):
        groups[row["churn_risk_band"], segments[row["customer_id"]]["segment"]].append(row)
    (clock,) = known.rows("core.clock")

    def at_risk(row: Row) -> Decimal:
        days = max((clock["as_of_date"] - row["first_occasion_date"]).days, 90)
        usual = float(row["historic_value"]) * 90 / days
        lost = max(usual - row["expected_orders_90d"] * float(row["expected_order_value"]), 0.0)
        return Decimal(lost).quantize(Decimal("0.0001"))

    found = [
        {
            "churn_risk_band": band,
            "segment": segment,
            "customers": len(rows),
            "historic_value": sum(r["historic_value"] for r in rows),
            "clv_12m": sum(r["clv_12m"] for r in rows),
            "value_at_risk": sum(map(at_risk, rows)),
            "currency": clock["currency"],
        }
        for (band, segment), rows in groups.items()
    ]
    whole = sum(row["value_at_risk"] for row in found)
    for row in found:
        row["share_of_value_at_risk"] = float(row["value_at_risk"] / whole) if whole else None
    return sorted(found, key=lambda r: (-r["value_at_risk"], r["churn_risk_band"], r["segment"]))


def won_back_first(known: Known) -> Rows:
    names = "customer_id segment value_at_stake expected_value currency"
    chosen = known.rows("customer.next_best_action", best_action="win_back")
    segments, ahead = known.by("customer.rfm", "customer_id"), known.by("customer.lifetime_value", "customer_id")
    found = [
        {
            **row,
            "last_order_date": segments[row["customer_id"]]["last_order_date"],
            "orders": segments[row["customer_id"]]["frequency"],
            "historic_value": ahead[row["customer_id"]]["historic_value"],
            "churn_risk_90d": ahead[row["customer_id"]]["churn_risk_90d"],
            "may_be_contacted": action["action"] != "none",
        }
        for row, action in zip(only(chosen, names), chosen, strict=True)
        if row["customer_id"] in ahead
    ]
    return ranked(found, lambda r: (-r["expected_value"], r["customer_id"]))


def what_to_do_next(known: Known) -> Rows:
    groups: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in known.rows("customer.next_best_action"):
        name = row["reason"] if row["action"] == "none" else row["best_action_name"]
        groups[row["action"], name].append(row)
    found = []
    for (action, name), rows in groups.items():
        acts = action != "none"
        first = min(rows, key=lambda r: (-(r["expected_value"] if acts else ZERO), r["customer_id"]))
        found.append(
            {
                "action": action,
                "action_name": name,
                "contact_channel": first["contact_channel"] if acts else None,
                "customers": len(rows),
                "high_priority_customers": sum(r["priority"] == "high" for r in rows),
                "expected_value": sum(r["expected_value"] for r in rows) if acts else None,
                "example_customer_id": first["customer_id"],
                "currency": first["currency"],
            }
        )
    return sorted(
        found, key=lambda r: (r["expected_value"] is None, -(r["expected_value"] or 0), r["action"], r["action_name"])
    )


def offers_for_customers(known: Known) -> Rows:
    names = "customer_id rank product_id product_name category price reason_type reason_product_name"
    rows = known.rows("recommendation.for_customer")
    segments = known.by("customer.rfm", "customer_id")
    found = only(rows, names)
    for row, offer in zip(found, rows, strict=True):
        have, of = offer["evidence_customers"], offer["evidence_of_customers"]
        beside = f": of {of} customers with it, {have} have this too"
        because = offer["reason_product_name"]
        row["why"] = {
            "because_you_bought": f"Bought {because}{beside}",
            "bought_together": f"Often bought on one day with {because}{beside}",
            "because_you_viewed": "Looked at it and has not bought it"
            if offer["reason_product_id"] == offer["product_id"]
            else f"Looked at {because}{beside}",
            "popular_in_category": f"Likes {offer['category']}: bought by {have} of {of} buyers there",
            "popular_in_segment": f"Bought by {have} of {of} buyers of the same age and place",
        }.get(offer["reason_type"], f"Bought by {have} of {of} buyers")
        row["rfm_segment"] = segments[row["customer_id"]]["segment"] if row["customer_id"] in segments else None
    return sorted(found, key=lambda r: (r["customer_id"], r["rank"]))


def products_to_show_with(known: Known) -> Rows:
    names = "product_id product_name rank similar_product_id similar_product_name similar_category similar_price"
    rows = known.rows("recommendation.similar_products")
    found = only(rows, f"{names} customers_both customers lift")
    for row in found:
        row["share"] = row["customers_both"] / row["customers"] if row["customers"] else None
    return sorted(found, key=lambda r: (r["product_id"], r["rank"]))
