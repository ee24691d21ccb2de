"""recommendation.campaign_targets on a shop of a few visits."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.independent.shop import sale
from tests.integration.customer_shop import by, days_ago, one, visit


def test_targets_looked_lately_and_never_bought(tmp_path: Path) -> None:
    goods = [{"product_id": p, "price": Decimal("10"), "product_name": p, "category": "C"} for p in "ABCDE"]
    goods[1]["is_active"], goods[2]["product_type"], goods[3]["stock_quantity"] = False, "service", 0
    acts = [
        *visit("v1", 29, "view:A", "view:B", "view:C", "view:D"),
        *visit("v2", 9, "view:A", "cart:A"),
        *visit("v3", 9, "view:A"),
        *visit("v4", 30, "view:A"),  # the thirtieth day is too long ago
        *visit("v5", 9, "view:A"),
        *visit("v6", 9, "view:A", "view:E"),
    ]
    lines = [
        sale("1", days_ago(8), 1, "10", "A", customer="v3", store_id="counter"),  # bought since, at the counter
        sale("2", days_ago(400), 1, "10", "A", customer="v5"),  # bought long ago
    ]
    rows = one(
        tmp_path,
        "recommendation.campaign_targets",
        lines,
        interactions=acts,
        products=goods,
        customers=[{"customer_id": c, "marketing_consent": True} for c in ("v1", "v2", "v3", "v4", "v5")],
        stores=[{"store_id": "counter", "channel": "store"}],
        min_group_size=2,
    )
    found = by([r for r in rows if r["segment_kind"] == "rfm"], "segment", "product_id", "reason")
    assert set(found) == {("Prospects", "A", "viewed"), ("Prospects", "A", "carted"), ("Prospects", "E", "viewed")}
    viewed, carted = found["Prospects", "A", "viewed"], found["Prospects", "A", "carted"]
    assert [viewed[n] for n in ("customers", "customers_reachable")] == [2, 1]  # v1, and v6 who never agreed
    assert [carted[n] for n in ("customers", "customers_reachable")] == [1, 1]  # v2, who viewed it as well
    # Views of the prospects: v1 of four products, v2 of one, v6 of two; of everybody also v3, who bought since, and v5.
    assert [viewed[n] for n in ("segment_pairs", "segment_pairs_bought", "conversion")] == [7, 0, 0]
    expected = (0 + 2 * (1 / 9)) / (7 + 2)
    assert viewed["expected_conversion"] == pytest.approx(expected)
    assert viewed["score"] == pytest.approx(Decimal(10 * expected), abs=Decimal("0.0001"))
    assert [found[key]["rank"] for key in sorted(found)] == [None, 1, 2]  # one pair in the cart says too little
    assert found["Prospects", "E", "viewed"]["score"] == 0
