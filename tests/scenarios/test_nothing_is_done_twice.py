"""What a run computes and publishes follows from what changed, and from nothing else."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from cxa_pipeline.warehouse.difference import REWRITE_SHARE
from tests.support.databases import differences, versions_of_rows
from tests.support.shops import LAST_DAY, Shop

NEXT_DAY = LAST_DAY + timedelta(days=1)
MARCH = date(2024, 3, 1)


def test_a_run_without_new_files_computes_nothing_publishes_nothing_and_says_so(shop: Shop):
    results, published = shop.results(), shop.rows("select * from ops.publications")
    assert shop.idle().nothing_to_do
    again = shop.run()
    assert again.nothing_to_do and again.computed == {} and again.reports == {}
    assert shop.results() == results
    assert shop.rows("select * from ops.publications") == published
    said = shop.cxa("run").stdout
    assert "nothing to do" in said and "no file is new" in said


def test_one_more_day_computes_one_month_and_changes_only_the_rows_that_differ(shop: Shop):
    before = shop.dump()
    written = {table: versions_of_rows(shop.url, table) for table in before if not table.startswith("questions.")}
    shop.drop_days(NEXT_DAY)
    result = shop.run()
    monthly = [c.key for c in shop.home.project.catalog if c.kind == "monthly"]
    assert {t: result.computed[t] for t in monthly} == {t: [MARCH] for t in monthly}
    after = shop.dump()
    assert result.release.as_of_date == NEXT_DAY
    for table, rows in written.items():
        gone, new = Counter(before[table]) - Counter(after[table]), Counter(after[table]) - Counter(before[table])
        report = result.reports.get(table)
        if not gone and not new:
            assert report is None or not (report.inserted or report.updated or report.deleted), table
        else:
            assert report.updated + report.inserted == new.total(), table
            assert report.updated + report.deleted == gone.total(), table
        changed = max(gone.total(), new.total())
        if changed <= REWRITE_SHARE * min(len(before[table]), len(after[table])) / 2:
            now = versions_of_rows(shop.url, table)
            kept = {text: transaction for text, transaction in rows.items() if text in now}
            assert {text: now[text] for text in kept} == kept, f"{table}: rows that did not change were written"
    assert {"core.sales", "kpi.daily", "kpi.monthly"} <= {
        t for t, r in result.reports.items() if r.inserted + r.updated
    }


def test_a_comment_or_other_format_in_a_sql_file_changes_nothing(shop: Shop):
    shop.own_sql()
    for path in sorted(shop.own_sql().glob("*/*.sql")):
        text = path.read_text(encoding="utf-8")
        path.write_text(f"-- By the way.\n{text.replace('    ', '  ').rstrip()}   -- the end\n", encoding="utf-8")
    shop.reload()
    results = shop.results()
    assert shop.idle().nothing_to_do
    result = shop.run()
    assert result.computed == {} and result.nothing_to_do
    assert shop.results() == results


def test_a_changed_definition_with_equal_content_rebuilds_nothing_behind_it(shop: Shop):
    release = shop.run().release.number
    shop.edit("core/customers.sql", r"select \* from final\s*$", "select * from final where 1 = 1\n")
    assert "core.orders" in shop.home.project.dependents(["core.customers"]) | {"core.orders"}
    result = shop.run()
    assert result.computed == {"core.customers": [None]}
    assert result.release.number == release and result.nothing_to_do


def test_a_changed_definition_rebuilds_what_reads_it_and_stops_where_the_content_is_equal(shop: Shop):
    before = shop.dump()
    shop.edit("core/customers.sql", r"select \* from final\s*$", "select * from final where customer_id <> 'C000001'\n")
    result = shop.run()
    assert result.computed["core.customers"] == [None]
    assert set(result.computed) <= shop.home.project.dependents(["core.customers"])
    assert "core.sales" not in result.computed
    changed = {line.split(":")[0] for line in differences(before, shop.dump())}
    assert "core.customers" in changed and changed <= set(result.computed)


def test_a_forced_month_is_computed_anew_and_nothing_behind_it(shop: Shop):
    result = shop.run(force={"core.sales": [MARCH]})
    assert result.computed == {"core.sales": [MARCH]} and result.nothing_to_do


def test_months_without_rows_are_not_computed_again(shop: Shop):
    shop.edit("core/interactions.sql", r"select \* from final\s*$", "select * from final where 1 = 0\n")
    result = shop.run()
    assert result.computed["core.interactions"] and result.release.tables["core.interactions"].versions == {}
    assert shop.idle().nothing_to_do
    assert shop.run().computed == {}
