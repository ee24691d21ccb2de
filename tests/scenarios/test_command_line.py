"""The commands one after the other, as somebody uses them who has nothing but the home."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from tests.support.shops import Shop, sale


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_from_the_first_file_to_an_answer_a_rollback_and_a_repair_every_exit_code_says_what_happened(
    make_shop: Callable[..., Shop],
):
    shop = make_shop(embedded=True)
    assert "no release yet" in shop.cxa("releases").stdout
    shop.cxa("generate", "--preset", "sample", "--dirt", "0.01")
    first = shop.cxa("run").stdout
    assert "release 1 is published" in first and "kpi.monthly" in first
    before = shop.dump()
    assert "missing" in shop.cxa("rejects").stdout
    assert shop.cxa("ask", "total_customers", "--format", "csv").stdout.count("\n") == 2
    ((best,),) = shop.rows("select customer_id from questions.top5_customers where rank = 1")
    about = ("ask", "top5_customers", "--format", "csv", "--customer")
    assert [shop.cxa(*about, who).stdout.count("\n") for who in (best.lower(), "nobody")] == [2, 1]
    assert "is not about one product" in shop.cxa("ask", "top5_customers", "--product", "P1", code=1).stderr
    assert "nothing to do" in shop.cxa("run").stdout

    shop.drop("sales_2025-06-30_junk.csv", bytes(range(256)) * 8)
    shop.drop_rows("sales_2025-06-30_till.csv", [sale("TILL1", "2025-06-30 18:00:00")])
    done = shop.cxa("run", code=3)
    assert "refused: native/sales_2025-06-30_junk.csv" in done.stderr and "is published" in done.stdout
    assert shop.rows("select sold_date from core.sales where sale_id = 'TILL1'") == [(date(2025, 6, 30),)]
    after = shop.dump()

    assert "release 1" in shop.cxa("rollback").stdout
    assert shop.dump() == before
    shop.cxa("run", code=3)
    assert shop.dump() == after
    shop.execute("delete from kpi.daily where period = '2024-05-01'")
    shop.cxa("status", "--verify", code=1)
    shop.cxa("run", "--repair", code=3)
    assert shop.dump() == after
    assert "No table is called" in shop.cxa("run", "kpi.nothing", code=1).stderr
    shop.cxa("run", "--no-such-option", code=2)
