"""The shops that benchmarks read: made once, kept in a folder for temporary files.

Here: which shops there are and where their files lie. `CXA_BENCH_FULL=1` asks for the full size, a million sales lines
and ten million interactions; otherwise a fifth of it, so that a benchmark fits into a test run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import cxa_pipeline.synthetic
from cxa_pipeline.synthetic import PRESETS, ShopConfig, generate

FULL = os.environ.get("CXA_BENCH_FULL") == "1"
SHARE = 1.0 if FULL else 0.2
SCRIPT_SHARE = SHARE / 10
ZONE = "Europe/Berlin"


@dataclass(frozen=True)
class Files:
    """The files of a shop: the first delivery, that of one more day, and what is true about the first."""

    first: Path
    next_day: Path
    truth: dict[str, Any]

    @property
    def lines(self) -> int:
        """Sales lines of the first delivery."""
        return int(self.truth["sales_lines"]["all"])

    @property
    def interactions(self) -> int:
        """Interactions of the first delivery."""
        return sum(f["rows"] for f in self.truth["files"] if f["dataset"] == "interactions")

    @property
    def rows(self) -> int:
        """Sales lines and interactions."""
        return self.lines + self.interactions

    @property
    def megabytes(self) -> float:
        """Size of the first delivery."""
        return sum(path.stat().st_size for path in self.first.iterdir()) / 1e6


def shop(share: float, next_day: bool = True) -> Files:
    """The preset `large`, or a share of it by customers and bots; from the cache if it was made before."""
    large = PRESETS["large"]
    customers, bots = large["new_customers_per_day"] * share, max(1, round(large["bots"] * share))
    config = ShopConfig.preset("large", timezone=ZONE, new_customers_per_day=customers, bots=bots)
    folder = _cache() / f"shop-{share:g}-{_fingerprint(config)}"
    if not (folder / "truth.json").exists():
        _make(folder, lambda new: generate(config, new / "first").write(new / "truth.json"))
    tomorrow = config.end + timedelta(days=1)
    if next_day and not (folder / "next").exists():
        _make(folder / "next", lambda new: generate(config.until(tomorrow), new, since=tomorrow))
    return Files(folder / "first", folder / "next", json.loads((folder / "truth.json").read_text(encoding="utf-8")))


def drop(files: Iterable[Path], landing: Path) -> None:
    """Put files into a landing folder, as old as they are, without a copy where that can be."""
    landing.mkdir(parents=True, exist_ok=True)
    for path in files:
        try:
            os.link(path, landing / path.name)
        except OSError:
            shutil.copy2(path, landing)


def _cache() -> Path:
    folder = Path(os.environ.get("CXA_BENCH_DATA") or Path(tempfile.gettempdir()) / "cxa-bench")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _fingerprint(config: ShopConfig) -> str:
    code = [path.read_bytes() for path in sorted(Path(cxa_pipeline.synthetic.__file__).parent.glob("*.py"))]
    known = json.dumps(asdict(config), default=date.isoformat, sort_keys=True).encode()
    return hashlib.sha256(b"".join([known, *code])).hexdigest()[:12]


def _make(folder: Path, fill: Any) -> None:
    new = Path(tempfile.mkdtemp(dir=_cache()))
    fill(new)
    _make_readable(new)
    new.rename(folder)


def _make_readable(folder: Path) -> None:
    """Let a server of another user read the files too."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
