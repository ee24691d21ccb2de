"""`docs/benchmarks.md`: one section for each benchmark, replaced when it was measured anew."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.measure import load, machine

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
ORDER = (
    "full",
    "small",
    "models",
    "models_small",
    "baskets",
    "lifetimes",
    "customers",
    "customers_small",
    "predictions",
    "recommendations",
    "recommendations_unseen",
    "recommendations_speed",
    "budgets",
)
HEAD = """# Benchmarks

Written by `pytest -m bench` (`CXA_BENCH_FULL=1 pytest -m bench` for the full size); each section says when and where
it was measured. The benchmarks are in `tests/benchmarks`, which says in detail what is compared with what.
"""


def write(section: str, title: str, lines: Iterable[str], busy: float) -> None:
    """Write a section.

    Args:
        section: One of `ORDER`.
        title: Its heading.
        lines: Its text, in Markdown.
        busy: The load of the machine before the measurement.
    """
    found = dict(_sections(PAGE.read_text(encoding="utf-8"))) if PAGE.exists() else {}
    when = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}; load of the machine before {busy:.1f}, after {load():.1f}."
    found[section] = "\n".join([f"## {title}", "", *lines, "", when])
    text = "\n".join(f"\n<!-- {name} -->\n{found[name]}\n" for name in ORDER if name in found)
    PAGE.write_text(f"{HEAD}{text}", encoding="utf-8")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table whose columns but the first are figures."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]


def _sections(text: str) -> list[tuple[str, str]]:
    parts = re.split(r"^<!-- (\w+) -->\n", text, flags=re.MULTILINE)
    return [(name, body.strip("\n")) for name, body in zip(parts[1::2], parts[2::2], strict=True)]
