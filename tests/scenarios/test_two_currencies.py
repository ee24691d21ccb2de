"""Two currencies in one home: the books are released, figures that would mix them are not."""

from __future__ import annotations

import shutil

from tests.support.databases import differences
from tests.support.shops import Shop, sale

BRITAIN = """\
description: A British shop, for the scenarios.
timezone: Europe/London
currency: GBP
id_prefix: "gb:"
files:
  sales:
    patterns: ["*.csv"]
    feeds: [sales]
    required: [sale_id]
"""


def test_with_two_currencies_core_is_released_and_kpi_and_questions_are_held_back_and_say_why(shop: Shop):
    before = shop.dump()
    source = shop.own_sql() / "sources" / "britain"
    source.mkdir()
    (source / "source.yaml").write_text(BRITAIN)
    shutil.copy(source.parent / "native" / "sales.sql", source)
    shop.reload()
    lines = [sale(f"{n}", f"2024-03-{n:02} 10:00:00", currency=None) for n in range(1, 9)]
    shop.drop_rows("till.csv", lines, "britain")
    result = shop.run()
    assert result.published
    kpi = {c.key for c in shop.home.project.catalog if c.schema in ("kpi", "questions")}
    assert set(result.held_back) == kpi
    assert all("currenc" in reason or "which is held back" in reason for reason in result.held_back.values())
    assert shop.rows("select currency, count(*) > 0, sum(net_sales) > 0 from core.sales group by 1 order by 1") == [
        ("EUR", True, True),
        ("GBP", True, True),
    ]
    assert shop.rows("select net_sales::float from core.sales where sale_id = 'gb:1'") == [(10.0,)]
    assert differences(before, shop.dump(), {t for t in before if t.startswith("kpi.")}) == []
    told = shop.cxa("ask", "total_customers").stderr
    assert "held back since" in told and "currenc" in told
    shown = " ".join(shop.cxa("status", code=3).stdout.split())
    assert "kpi.monthly" in shown and "must not be added up" in shown
