"""Literals and names in SQL that ingest writes itself."""

from __future__ import annotations

from collections.abc import Iterable


def text_(value: str) -> str:
    """A text literal."""
    return "'" + value.replace("'", "''") + "'"


def name_(value: str) -> str:
    """A quoted name."""
    return '"' + value.replace('"', '""') + '"'


def path_list(paths: Iterable[object]) -> str:
    """A list of paths, as `read_parquet` takes it."""
    return "[" + ", ".join(text_(str(path)) for path in paths) + "]"
