"""The header of a file: its delimiter and the names of its columns.

Here: reading one line. Not here: the rows (`read`, `records`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from cxa_pipeline.errors import SourceError
from cxa_pipeline.sources.definition import FileKind

DELIMITERS = (",", ";", "\t", "|")
_RESERVED = {"line", "file_id"}


def normalise(name: str) -> str:
    """A header as columns are called: trimmed, case folded, spaces and hyphens as `_`.

    >>> normalise(" Customer-ID "), normalise("CustomerId"), normalise("InvoiceNo")
    ('customer_id', 'customerid', 'invoiceno')
    """
    text = re.sub(r"[\s\-]+", "_", name.strip().casefold()).replace('"', "")
    return f"{text}_" if text in _RESERVED else text


def columns_of(names: Sequence[str], kind: FileKind) -> tuple[str, ...]:
    """The names under which a mapping reads the columns: normalised, then by the kind's aliases.

    A column that is called by its own name wins over one that an alias would call so.

    Raises:
        SourceError: a name stands twice, or a required column is missing.
    """
    plain = [normalise(name) or f"column_{i}" for i, name in enumerate(names, 1)]
    columns = []
    for name in plain:
        alias = kind.aliases.get(name, name)
        columns.append(name if alias != name and (alias in plain or alias in columns) else alias)
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise SourceError("The header names a column twice", evidence=twice, advice="rename one of them")
    if missing := missing_columns(columns, kind):
        raise SourceError(
            f"The file lacks the column {', '.join(missing)}",
            evidence=f"the header reads {', '.join(columns)[:300]}",
            advice="export the column, or name its header among the `aliases` in source.yaml",
        )
    return tuple(columns)


def missing_columns(columns: Sequence[str], kind: FileKind) -> list[str]:
    """The required columns that are not there; `a|b` asks for one of both."""
    return [entry.replace("|", " or ") for entry in kind.required if not set(entry.split("|")) & set(columns)]


def split_header(line: str, kind: FileKind) -> tuple[str, list[str]]:
    """The delimiter and the names in a header line.

    Without a declared delimiter, the one that finds the most columns that are known, then the most columns.
    """
    known = {part for entry in kind.required for part in entry.split("|")} | set(kind.aliases)

    def rank(delimiter: str) -> tuple[int, int]:
        names = [normalise(name) for name in _split(line, delimiter)]
        return len(known & set(names)), len(names)

    best = kind.delimiter or max(DELIMITERS, key=rank)
    return best, _split(line, best)


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return [line]
