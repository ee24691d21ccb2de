"""A reader that looks at the database again and again, each time at one moment of it, and never believes what it sees."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cxa_pipeline.contracts import Catalog
from cxa_pipeline.engine.duckdb import DuckDBEngine
from cxa_pipeline.pipeline.project import digest, load_project
from cxa_pipeline.warehouse.verify import Snapshot, snapshot
from tests.support.processes import Child
from tests.support.shops import Shop


class Reader:
    """Compares every table with what the release says of it, in a process of its own, and once more at `stop`.

    Most of the time it rests, so that the runs beside it do not take twice as long.
    """

    def __init__(self, shop: Shop, may_lose_server: bool = False) -> None:
        arguments = (shop.url, shop.home.sql_root, shop.home.folder / "reader", may_lose_server)
        self._stop = shop.home.folder / "reader.stop"
        self._child = Child(_watch, *arguments, self._stop)
        first = self._child.wait_for("^(release|differs)")
        assert first and first.startswith("release"), first

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()

    def stop(self) -> set[int]:
        """End it; the releases that it saw.

        Raises:
            AssertionError: it saw a table that was not that of the release.
        """
        self._stop.touch()
        assert self._child.finish() == "stopped"
        assert [line for line in self._child.said if line.startswith("differs")] == []
        return {int(line.split()[1]) for line in self._child.said if line.startswith("release")}

    @property
    def looks(self) -> int:
        """How often it has looked."""
        return len([line for line in self._child.said if line.startswith("release")])


def _watch(lines: Connection, url: str, sql_root: Path, folder: Path, may_lose_server: bool, stop: Path) -> None:
    catalog = load_project(sql_root).catalog
    engine = DuckDBEngine(memory="500MB", threads=1, temp_directory=folder)
    last = False
    while not last:
        last = stop.exists()
        begun = time.monotonic()
        try:
            with snapshot(url, engine) as moment:
                release, found = look(moment, catalog)
        except Exception as error:
            if not may_lose_server:
                lines.send(f"differs: the reader failed: {error!r}")
            time.sleep(0.2)
            continue
        for line in found:
            lines.send(f"differs from release {release}: {line}")
        lines.send(f"release {release}")
        time.sleep(2 * (time.monotonic() - begun))
    lines.send("stopped")


def look(moment: Snapshot, catalog: Catalog) -> tuple[int, list[str]]:
    """The release of one moment, and every table that does not hold what the release says."""
    said = moment.fetch("select table_name, release_id, content_hash, row_count from ops.release_tables")
    parts = moment.parts()
    present = {row["name"] for row in moment.fetch(_PRESENT)}
    found = []
    for row in said:
        contract = catalog[row["table_name"]]
        if row["content_hash"] is None or not contract.published:
            continue
        if contract.key not in present:
            found.append(f"{contract.key} is missing")
        elif contract.kind != "view":
            hashes: dict[Any, str] = {}
            rows = 0
            for month in parts.get(contract.key, {}) or [None]:
                count, hashes[month] = moment.content_hash(contract, month)
                rows += count
            content = hashes[None] if set(hashes) == {None} else digest(sorted(hashes.items(), key=str))
            if content != row["content_hash"] or rows != row["row_count"]:
                found.append(f"{contract.key} has {rows} rows {content}, not {row['row_count']} {row['content_hash']}")
            if hashes != parts.get(contract.key):
                found.append(f"{contract.key} is not what the ledger says")
            whole = moment.fetch(f"select count(*) as n from {contract.key}")[0]["n"]
            if whole != rows:
                found.append(f"{contract.key} has {whole - rows} rows in months that the ledger does not name")
    releases = {row["release_id"] for row in said}
    if len(releases) != 1:
        found.append(f"ops.release_tables names the releases {sorted(releases)}")
    return max(releases, default=0), found


_PRESENT = """
    select n.nspname::text || '.' || c.relname::text as name
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v')
"""
