"""Bad files, failed checks, hands in the database, full disks, half-written files, two runs at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cxa_pipeline.errors import LakeError, LockedError
from cxa_pipeline.warehouse.verify import snapshot
from tests.support.databases import Dump, differences
from tests.support.processes import DONE, start_run
from tests.support.reader import look
from tests.support.shops import LAST_DAY, SQL_ROOT, Shop, copy_shop, sale

NEXT_DAY = LAST_DAY + timedelta(days=1)


@pytest.fixture(scope="module")
def next_dump(first_shop: Shop, scratch: Path) -> Dump:
    """What readers see after one more day."""
    shop = copy_shop(first_shop, scratch / "next")
    try:
        shop.drop_days(NEXT_DAY)
        shop.run()
        return shop.dump()
    finally:
        shop.remove()


# --- files that are refused ------------------------------------------------------------------------------------


def test_files_that_cannot_be_read_or_reject_too_much_are_refused_and_the_others_go_on(shop: Shop):
    lines = [sale(f"G{n}", "2024-03-20 10:00:00") for n in range(100)]
    some = [{**line, "quantity": "0"} if n < 9 else line for n, line in enumerate(lines)]
    shop.drop_rows("sales_2024-03-20_nine.csv", [{**line, "sale_id": f"N{n}"} for n, line in enumerate(some)])
    many = [{**line, "quantity": "0"} if n < 10 else line for n, line in enumerate(lines)]
    shop.drop_rows("sales_2024-03-20_ten.csv", many)
    shop.drop("sales_2024-03-20_junk.csv", bytes(range(256)) * 40)
    shop.drop("products_2024-03-20.csv", "product_id,product_name\nPX,Kite\n")
    result = shop.run()
    refused = {refusal.name: refusal.reason for refusal in result.refused}
    assert result.published and set(refused) == {f"native/sales_2024-03-20_{name}.csv" for name in ("ten", "junk")}
    assert refused["native/sales_2024-03-20_ten.csv"] == "10 of 100 rows were rejected (quantity_zero 10)"
    files = shop.files()
    assert files["sales_2024-03-20_nine.csv"] == ("in_force", 100, 91, 9, 0, 0)
    assert files["sales_2024-03-20_ten.csv"] == ("refused", 100, 0, 100, 0, 0)
    assert files["sales_2024-03-20_junk.csv"][0] == "refused"
    assert shop.rows("select count(*) from core.sales where sale_id ~ '^[NG]'") == [(91,)]
    assert shop.rows("select product_name from core.products where product_id = 'PX'") == [("Kite",)]
    again = shop.cxa("run", code=3)
    assert again.stdout.startswith("nothing to do") and "refused: native/sales_2024-03-20_ten.csv" in again.stderr
    listed = shop.cxa("status", code=3).stdout
    assert "native/sales_2024-03-20_junk.csv" in listed and "native/sales_2024-03-20_ten.csv" in listed
    shop.drop_rows("sales_2024-03-20_ten.csv", lines)
    shop.drop_rows("sales_2024-03-20_junk.csv", [sale("J1", "2024-03-20 10:00:00")])
    result = shop.run()
    assert not result.refused
    assert shop.rows("select count(*) from core.sales where sale_id ~ '^[NGJ]'") == [(192,)]


# --- tables that cannot be computed ----------------------------------------------------------------------------


def test_a_table_that_cannot_be_computed_is_held_back_with_what_reads_it_and_the_others_go_on(
    shop: Shop, next_dump: Dump
):
    before = shop.dump()
    sql = shop.own_sql() / "kpi/by_store.sql"
    text = sql.read_text(encoding="utf-8")
    sql.write_text(text.replace("sum(l.net_sales) as", "sum(l.net_sales) * 1000000000000000000 as"), encoding="utf-8")
    shop.reload()
    shop.drop_days(NEXT_DAY)
    result = shop.run()
    behind = shop.home.project.dependents(["kpi.by_store"])
    assert result.published and set(result.held_back) == behind
    reason = result.held_back["kpi.by_store"]
    assert reason.startswith("computed: A value does not fit") and "table kpi.by_store, column net_sales" in reason
    held = shop.dump()
    tables = {table for table in held if shop.home.project.catalog[table].kind != "view"}
    assert differences(before, held, tables & behind) == []
    assert differences(next_dump, held, tables - behind) == []
    failed = "select table_name, rule from ops.validations where not passed and severity = 'error'"
    assert shop.rows(failed) == [("kpi.by_store", "computed")]
    assert shop.run().held_back == result.held_back

    sql.write_text(text, encoding="utf-8")
    shop.reload()
    assert shop.run().held_back == {}
    assert differences(next_dump, shop.dump()) == []


# --- failed checks ---------------------------------------------------------------------------------------------


def test_a_failed_check_holds_back_the_table_and_what_reads_it_and_mending_releases_them(shop: Shop, next_dump: Dump):
    before = shop.dump()

    def add_rule(document: dict) -> None:
        rule = {
            "name": "nothing_is_ever_good_enough",
            "description": "A rule that every row breaks.",
            "severity": "error",
            "type": "sql",
            "query": "select order_id from core.orders where order_id is not null",
            "mustBe": 0,
        }
        document["schema"][0].setdefault("quality", []).append(rule)

    shop.drop_days(NEXT_DAY)
    shop.edit_yaml("core/orders.yaml", add_rule)
    result = shop.run()
    assert result.published
    behind = shop.home.project.dependents(["core.orders"])
    assert set(result.held_back) == behind and {"core.orders", "kpi.daily"} <= behind
    assert result.held_back["core.orders"].startswith("nothing_is_ever_good_enough: A rule that every row breaks.")
    reasons = {table: reason for table, reason in result.held_back.items() if table != "core.orders"}
    assert all(reason.startswith("reads core.orders, which is held back") for reason in reasons.values())
    held = shop.dump()
    tables = {table for table in held if shop.home.project.catalog[table].kind != "view"}
    assert differences(before, held, tables & behind) == []
    assert differences(next_dump, held, tables - behind) == []
    assert differences(before, held, {"core.sales"}) != []
    since = "select table_name, held_back_since from ops.release_tables where held_back_since is not null order by 1"
    first = shop.rows(since)
    assert {table for table, _ in first} == behind
    failed = shop.rows(
        "select table_name, failed_rows > 100, query from ops.validations where not passed and severity = 'error'"
    )
    assert [(table, many) for table, many, _ in failed] == [("core.orders", True)] and failed[0][2].startswith("select")
    assert len(shop.rows(failed[0][2])) > 100

    assert shop.run().held_back == result.held_back
    assert shop.rows(since) == first

    shutil.copy(SQL_ROOT / "core/orders.yaml", shop.own_sql() / "core/orders.yaml")
    shop.reload()
    mended = shop.run()
    assert mended.held_back == {} and mended.computed == {}
    assert differences(next_dump, shop.dump()) == []


# --- looking before, mending after -----------------------------------------------------------------------------


def test_a_plan_shows_the_differences_without_releasing_and_the_run_after_it_finds_the_work_done(
    shop: Shop, next_dump: Dump
):
    assert "nothing would change" in shop.cxa("plan").stdout
    before, releases = shop.dump(), shop.rows("select * from ops.releases")
    shop.drop_days(NEXT_DAY)
    said = shop.cxa("plan").stdout
    line = next(text.split() for text in said.splitlines() if text.startswith("kpi.daily"))
    days = len(before["kpi.daily"])
    assert line[1:4] == [str(days), str(days + 1), "1"]
    assert "net sales" in said and "orders" in said
    assert differences(before, shop.dump()) == [] and shop.rows("select * from ops.releases") == releases
    result = shop.run()
    assert result.computed == {} and result.published
    assert differences(next_dump, shop.dump()) == []


def test_rows_changed_by_hand_are_found_by_verify_and_mended_by_repair(shop: Shop, first_dump: Dump):
    shop.execute(
        "update kpi.monthly set aov = aov + 1 where period = '2024-02-01'",
        "delete from core.sales where sale_id in (select min(sale_id) from core.sales)",
        "insert into core.age_groups select 'ghosts', 99, 200, 300",
    )
    with snapshot(shop.url, shop.home.engine()) as moment:
        seen = {line.split()[0] for line in look(moment, shop.home.project.catalog)[1]}
    assert seen == {"kpi.monthly", "core.sales", "core.age_groups"}, "the reader of other scenarios would not notice"
    said = shop.cxa("status", "--verify", code=1).stdout
    verified = said[said.index("Verified") :].splitlines()
    found = {line.split()[0] for line in verified if line.startswith(("core.", "kpi."))}
    assert found == {"kpi.monthly", "core.sales", "core.age_groups"} and "cxa run --repair" in said
    assert shop.run().nothing_to_do, "a plain run takes the ledger's word"
    mended = shop.run(repair=True)
    assert mended.computed == {} and mended.published
    assert differences(first_dump, shop.dump()) == []
    assert "every table in PostgreSQL equals its release" in shop.cxa("status", "--verify").stdout


# --- files that are still being written ------------------------------------------------------------------------


def test_a_file_that_is_still_being_written_is_left_alone_until_it_lies_still(shop: Shop):
    shop.home = replace(shop.home, settle_seconds=0.5)
    text = "sale_id,product_id,quantity,total_price,sold_at\n"
    path = shop.drop("sales_2024-03-25_growing.csv", text)
    shop.drop("sales_2024-03-25_other.csv.part", text)
    line = "GROW$n,P0001,1,10.00,2024-03-25 10:00:00"
    loop = f'n=0; while :; do n=$((n+1)); echo "{line}" >> "$0"; sleep 0.05; done'
    writer = subprocess.Popen(["sh", "-c", loop, str(path)])
    try:
        result = shop.run()
    finally:
        writer.kill()
        writer.wait()
    assert [f for f in result.findings if "growing.csv is still being written" in f], result.findings
    assert shop.rows("select count(*) from core.sales where sale_id ~ '^GROW'") == [(0,)]
    written = len(path.read_text().splitlines()) - 1
    assert written > 0
    shop.run()
    assert shop.rows("select count(*) from core.sales where sale_id ~ '^GROW'") == [(written,)]
    assert "sales_2024-03-25_other.csv.part" not in shop.files()


# --- two runs at once ------------------------------------------------------------------------------------------


def test_a_second_run_is_refused_and_told_who_runs(shop: Shop):
    shop.drop_days(NEXT_DAY)
    child = start_run(shop)
    assert child.wait_for("computed")
    os.killpg(child.process.pid, signal.SIGSTOP)
    try:
        done = shop.cxa("run", code=1)
        assert "error: Another run works on this home" in done.stderr
        assert f"test, process {child.process.pid}, since" in done.stderr and "  do:    wait" in done.stderr
        with pytest.raises(LockedError):
            shop.roll_back()
        assert f"test (process {child.process.pid})" in shop.cxa("status").stdout
    finally:
        os.killpg(child.process.pid, signal.SIGCONT)
    assert child.finish().startswith(DONE)
    assert shop.idle().nothing_to_do


# --- no space left ---------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(scratch: Path) -> Iterator[Path]:
    """A file system in memory of 12 MB."""
    folder = scratch / "small-disk"
    folder.mkdir(exist_ok=True)
    mounted = os.geteuid() == 0 and shutil.which("mount")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)] if mounted else ["false"],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        pytest.skip(f"a small tmpfs needs root and the right to mount: {done.stderr.strip() or 'not root'}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("free", [20_000, 400_000])
def test_without_space_left_the_error_says_so_and_the_next_run_goes_on(
    shop: Shop, next_dump: Dump, small_disk: Path, free: int
):
    shutil.copytree(shop.home.lake_folder, small_disk / "lake")
    shutil.rmtree(shop.home.lake_folder)
    shop.home = replace(shop.home, lake_folder=small_disk / "lake")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - free))
    shop.drop_days(NEXT_DAY)
    with pytest.raises(LakeError) as caught:
        shop.run()
    error = caught.value
    assert "space" in " ".join(error.evidence).lower()
    assert str(small_disk) in (error.where or "") and "free some space" in (error.advice or "")
    ballast.unlink()
    result = shop.run()
    assert result.published and not result.held_back
    assert differences(next_dump, shop.dump()) == []
