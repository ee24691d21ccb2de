"""A shop on disk with its lake and its database: copied, changed, dropped into, run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.result import RunResult
from cxa_pipeline.pipeline.run import roll_back, run, up_to_date
from cxa_pipeline.settings import THRESHOLDS, Settings
from cxa_pipeline.synthetic import ShopConfig, generate
from tests.support.databases import Dump, create_database, drop_database, dump, execute, rows

SQL_ROOT = Path(__file__).resolve().parents[2] / "sql"
CXA = Path(sys.executable).with_name("cxa")

FIRST_DAY, LAST_DAY = date(2024, 1, 1), date(2024, 3, 27)
"""Days of the shop that is copied for most scenarios; later days are dropped by them."""

SMALL = ShopConfig(
    start=FIRST_DAY,
    end=LAST_DAY,
    timezone="Europe/Berlin",
    new_customers_per_day=3.0,
    history_days=200,
    products=48,
    affinities=4,
    bots=1,
    bot_views=6,
    view_rate=0.5,
    cart_rate=0.6,
    purchase_rate=0.68,
)
"""About 1,900 sales lines and 7,500 interactions over three months."""


@dataclass
class Shop:
    """A home, the database that it publishes to, and what a scenario does with them."""

    home: Home
    config: ShopConfig = SMALL
    others: list[Path] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its database."""
        return self.home.database()

    # --- files

    def drop(self, name: str, text: str | bytes, source: str = "native") -> Path:
        """Drop a file into landing."""
        path = self.home.landing / source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def drop_rows(self, name: str, records: Sequence[Mapping[str, Any]], source: str = "native") -> Path:
        """Drop a CSV file with these rows."""
        return self.drop(name, csv_text(records), source)

    def drop_days(self, until: date, since: date | None = None) -> None:
        """Drop what the synthetic shop delivers for one more day, or for all days since `since`."""
        generate(self.config.until(until), self.home.landing / "native", since=since or until)

    # --- definitions

    def own_sql(self) -> Path:
        """Give the shop a copy of `sql/` that may be edited; call `reload` afterwards."""
        copy = self.home.folder / "sql"
        if self.home.sql_root != copy:
            shutil.copytree(self.home.sql_root, copy)
            self.home = replace(self.home, sql_root=copy)
        return copy

    def reload(self) -> None:
        """Read the definitions anew, as a new process would."""
        self.home = replace(self.home)

    def edit(self, name: str, pattern: str, replacement: str) -> None:
        """Replace what a pattern finds, once, in a file of the shop's own `sql/`."""
        path = self.own_sql() / name
        text, found = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), count=1)
        assert found, f"{pattern} is not in {name}"
        path.write_text(text, encoding="utf-8")
        self.reload()

    def edit_yaml(self, name: str, change: Any) -> None:
        """Change a YAML file of the shop's own `sql/`: `change` gets the document."""
        path = self.own_sql() / name
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(document)
        path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
        self.reload()

    # --- runs

    def run(self, **options: Any) -> RunResult:
        """One run in this process."""
        return run(self.home, "test", **options)

    def idle(self) -> RunResult | None:
        """What `cxa run` asks first: the result if nothing is to do."""
        return up_to_date(self.home)

    def roll_back(self, number: int | None = None) -> RunResult:
        """Publish an earlier release."""
        return roll_back(self.home, number)

    def cxa(self, *arguments: str, code: int | None = 0, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Call the command line as a user would; `code` is the exit code to expect."""
        done = subprocess.run(
            [str(CXA), *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.environment(),
            cwd=self.home.folder,
        )
        assert code is None or done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def environment(self) -> dict[str, str]:
        """The settings of this shop as environment variables."""
        home = self.home
        settings = {
            "CXA_HOME": home.folder,
            "CXA_LANDING": home.landing,
            "CXA_LAKE": home.lake_folder,
            "CXA_PROJECT": home.sql_root.parent,
            "CXA_POSTGRES_URL": home.postgres_url,
            "CXA_TIMEZONE": home.timezone,
            "CXA_THREADS": home.threads,
            "CXA_SETTLE_SECONDS": home.settle_seconds,
            "CXA_KEEP_RELEASES": home.keep_releases,
        }
        known = {name: value for name, value in os.environ.items() if not name.startswith("CXA_")}
        return {**known, **{name: str(value) for name, value in settings.items() if value is not None}}

    # --- what came out

    def dump(self, hidden: Mapping[str, Sequence[str]] | None = None) -> Dump:
        """What readers see, every schema but `ops`."""
        return dump(self.url, hidden)

    def rows(self, query: str, *values: object) -> list[tuple]:
        """Rows of a query."""
        return rows(self.url, query, *values)

    def execute(self, *statements: str) -> None:
        """Statements of somebody else, each committed."""
        execute(self.url, *statements)

    def results(self) -> dict[str, int]:
        """Every finished result of the lake with the time at which it was written."""
        root = self.home.lake_folder
        found = (path for kind in ("landed", "resolved", "tables") for path in (root / kind).rglob("manifest.json"))
        return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in found}

    def files(self) -> dict[str, tuple[str, int, int, int, int, int]]:
        """Name → status, rows read, accepted, rejected, duplicate, superseded, of the published accounts."""
        found = self.rows(
            "select file_name, file_status, rows_read, rows_accepted, rows_rejected, rows_duplicate, rows_superseded"
            " from ops.landed_files order by landing_id, dataset"
        )
        return {name: tuple(rest) for name, *rest in found}

    def remove(self) -> None:
        """Delete the shop."""
        if self.home.postgres_url:
            drop_database(self.home.postgres_url)
        for folder in (self.home.folder, *self.others):
            shutil.rmtree(folder, ignore_errors=True)


def new_shop(folder: Path, server: str | None, config: ShopConfig = SMALL, **values: Any) -> Shop:
    """An empty shop: on a new database of that server, or on an embedded server of its own."""
    settings: dict[str, Any] = {
        "folder": folder,
        "sql_root": SQL_ROOT,
        "landing": folder / "landing",
        "lake_folder": folder / "lake",
        "postgres_url": create_database(server) if server else None,
        "threads": 2,
        "timezone": "Europe/Berlin",
        "thresholds": {name: Settings.model_fields[name].default for name in THRESHOLDS},
        "settle_seconds": 0.0,
    }
    (folder / "landing").mkdir(parents=True)
    return Shop(Home(**{**settings, **values}), config)


def copy_shop(shop: Shop, folder: Path) -> Shop:
    """A shop equal to one that was run, on a copy of its database; the definitions are parsed once for both."""
    shutil.copytree(shop.home.landing, folder / "landing")
    shutil.copytree(shop.home.lake_folder, folder / "lake")
    url = create_database(shop.url, template=shop.url)
    home = replace(shop.home, folder=folder, landing=folder / "landing", lake_folder=folder / "lake", postgres_url=url)
    home.__dict__.update(project=shop.home.project, sources=shop.home.sources)
    return Shop(home, shop.config)


def csv_text(records: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV; the columns are those of the first row."""
    names = list(records[0])
    lines = [names, *[["" if r.get(n) is None else str(r[n]) for n in names] for r in records]]
    return "\n".join(",".join(line) for line in lines) + "\n"


def sale(sale_id: str, sold_at: str, **changes: Any) -> dict[str, Any]:
    """A sales line in the columns of the source `native`."""
    line = {
        "sale_id": sale_id,
        "order_id": f"O-{sale_id}",
        "customer_id": "C000001",
        "product_id": "P0001",
        "quantity": 1,
        "unit_price": "10.00",
        "discount_amount": 0,
        "total_price": "10.00",
        "sold_at": sold_at,
        "status": "completed",
        "currency": "EUR",
    }
    return {**line, **changes}
