"""What a computed table is: its versions, the need for one, and the hash of a whole table.

A version is named by its key, a hash of its definition, the engine and the contents of its inputs; a version that
exists is never computed again. Not here: what a key is made of and computing (`build`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from cxa_pipeline.lake import Stored
from cxa_pipeline.pipeline.project import digest

Month = date | None
"""The first day of a month; None stands for a table that is not monthly."""

DATA = "data.parquet"
INPUT = "input.parquet"
PICTURE = "plot.png"
"""Files in the folder of a version; `INPUT` only while it is made."""


@dataclass(frozen=True)
class Version:
    """One finished result: a table, or one month of a monthly table."""

    table: str
    month: Month
    key: str
    rows: int
    content_hash: str
    path: Path
    parts: tuple[str, ...]
    seconds: float
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_manifest(cls, stored: Stored) -> Version:
        """The version that a manifest of the lake describes."""
        m = stored.manifest
        month = date.fromisoformat(m["month"]) if m["month"] else None
        path, parts = stored.path / DATA, stored.parts
        return cls(m["table"], month, m["key"], m["rows"], m["content_hash"], path, parts, m["seconds"], m["values"])


Versions = dict[str, dict[Month, Version]]
"""The versions of each table by month; months without rows are left out."""


def content(versions: Mapping[Month, Version]) -> str:
    """Content hash of a whole table; that of a monthly one is made of its months'."""
    if set(versions) == {None}:
        return versions[None].content_hash
    return digest([(month, v.content_hash) for month, v in sorted(versions.items(), key=str)])


@dataclass(frozen=True)
class Need:
    """A version that the present definitions and inputs ask for, and whether it exists."""

    table: str
    month: Month
    key: str
    inputs: Mapping[str, str]
    version: Version | None

    @property
    def parts(self) -> tuple[str, ...]:
        """Where the version lies in the lake."""
        schema, table = self.table.split(".")
        month = (f"{self.month:%Y-%m}",) if self.month else ()
        return ("tables", schema, table, *month, self.key[:32])
