from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cxa_pipeline.errors import LakeError, LockedError
from cxa_pipeline.lake import Lake, run_lock

NOW = datetime(2024, 7, 1, 12, tzinfo=UTC)
PARTS = ("tables", "kpi", "daily", "abc")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def finish(lake: Lake, parts: tuple[str, ...], content: str = "rows") -> None:
    folder = lake.begin(parts)
    (folder / "rows.parquet").write_text(content)
    lake.finish(parts, folder, {"rows": 1})


def test_equal_bytes_are_kept_once_under_their_hash(lake: Lake, tmp_path: Path):
    first = lake.put_raw(write(tmp_path / "a.csv", b"hello"))
    second = lake.put_raw(write(tmp_path / "b.csv", b"hello"))
    assert first == second and first.size == 5
    assert first.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert lake.raw_path(first.sha256).read_bytes() == b"hello"
    assert [p for p in (lake.root / "raw").rglob("*") if p.is_file()] == [lake.raw_path(first.sha256)]


def test_landings_are_listed_in_the_order_of_arrival(lake: Lake, tmp_path: Path):
    raw = lake.put_raw(write(tmp_path / "a.csv", b"x"))
    for i in range(12):
        lake.add_landing("native", f"sales_{i}.csv", raw, i, NOW.isoformat())
    landings = lake.landings()
    assert [entry.number for entry in landings] == list(range(1, 13))
    assert landings[-1].name == "sales_11.csv" and landings[-1].file_id == raw.sha256[:16]


def test_a_result_is_not_there_before_its_manifest(lake: Lake):
    folder = lake.begin(PARTS)
    (folder / "rows.parquet").write_text("half")
    assert lake.find(PARTS) is None and list(lake.results("tables")) == []
    lake.finish(PARTS, folder, {"rows": 3})
    found = lake.find(PARTS)
    assert found is not None and found.manifest == {"rows": 3}
    assert (found.path / "rows.parquet").read_text() == "half"


def test_what_exists_under_a_key_is_never_written_again(lake: Lake):
    finish(lake, PARTS, "first")
    finish(lake, PARTS, "second")
    found = lake.find(PARTS)
    assert found is not None and (found.path / "rows.parquet").read_text() == "first"


def test_garbage_is_what_nobody_names_and_the_remains_of_killed_runs(lake: Lake, tmp_path: Path):
    month = ("tables", "core", "sales", "2024-03", "k1")
    for parts in (PARTS, month, ("landed", "sales", "k2")):
        finish(lake, parts)
    lake.begin(("tables", "kpi", "daily", "killed"))
    raw = lake.put_raw(write(tmp_path / "a.csv", b"x"))
    assert sorted(lake.collect_garbage({month})) == [("landed", "sales", "k2"), PARTS]
    assert [stored.parts for stored in lake.results("tables")] == [month]
    assert not list(lake.root.rglob(".building-*"))
    assert lake.raw_path(raw.sha256).exists()


def test_a_removal_that_was_cut_short_leaves_nothing_that_looks_finished(lake: Lake):
    finish(lake, PARTS)
    (lake.root.joinpath(*PARTS) / "manifest.json").unlink()
    assert lake.find(PARTS) is None and list(lake.results("tables")) == []
    assert lake.collect_garbage(set()) == [PARTS]


def test_numbered_documents_count_up_and_facts_are_replaced(lake: Lake):
    assert lake.append("releases", {"tables": {}}) == 1
    assert lake.append("releases", {"tables": {"a": "b"}}) == 2
    lake.write_document("publications", 2, {"rows": 1})
    assert lake.documents("releases") == {1: {"tables": {}}, 2: {"tables": {"a": "b"}}}
    assert lake.document("publications", 1) is None
    lake.set_fact("home", {"timezone": "UTC"})
    lake.set_fact("home", {"timezone": "Europe/Berlin"})
    assert lake.fact("home") == {"timezone": "Europe/Berlin"}
    lake.clear_fact("home")
    assert lake.fact("home") is None


def test_a_damaged_record_is_named(lake: Lake):
    lake.append("releases", {})
    (lake.root / "releases" / "00000001.json").write_text("{ cut")
    with pytest.raises(LakeError) as error:
        lake.documents("releases")
    assert "00000001.json" in str(error.value)


def test_a_full_disk_is_one_clear_error_and_leaves_nothing_behind(lake: Lake, tmp_path: Path):
    (lake.root / "raw").mkdir(parents=True)
    (lake.root / "raw" / f".building-{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(LakeError) as error:
        lake.put_raw(write(tmp_path / "a.csv", b"x"))
    assert "No space left on device" in str(error.value) and "free some space" in str(error.value)
    assert [p for p in lake.root.rglob("*") if p.is_file()] == []


def test_a_home_that_is_a_file_is_one_clear_error(tmp_path: Path):
    lake = Lake(write(tmp_path / "home", b"") / "lake")
    with pytest.raises(LakeError):
        lake.begin(PARTS)


def test_names_of_results_stay_below_the_lake(lake: Lake):
    for parts in (("elsewhere", "x"), ("tables", "..", "x"), ("tables", "a/b"), ()):
        with pytest.raises(LakeError):
            lake.begin(parts)


def test_a_second_run_is_told_who_works_on_the_home(lake: Lake):
    program = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC\n"
        "from cxa_pipeline.lake import Lake, run_lock\n"
        "with run_lock(Lake(Path(sys.argv[1])), 'cxa demo', datetime(2024, 7, 1, tzinfo=UTC)):\n"
        "    print('locked', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", program, str(lake.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"locked\n"
        with pytest.raises(LockedError) as error, run_lock(lake, "cxa run", NOW):
            pass
        assert f"cxa demo, process {process.pid}, since 2024-07-01" in str(error.value)
        process.kill()
    with run_lock(lake, "cxa run", NOW, wait=5):
        pass
