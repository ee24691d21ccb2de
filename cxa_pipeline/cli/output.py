"""How commands talk: tables, progress, errors. On a terminal with colours and a moving line, else plain lines."""

from __future__ import annotations

import csv
import io
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cxa_pipeline.errors import CxaError

WIDTH = None if sys.stdout.isatty() else 140
out = Console(highlight=False, soft_wrap=True, width=WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str = "") -> None:
    """One line of output."""
    out.print(Text(text))


def heading(text: str) -> None:
    """A heading over lines that follow."""
    out.print()
    out.print(Text(text, style="bold"))


def complain(error: CxaError) -> None:
    """An error in its four parts, on the error stream."""
    lines = str(error).split("\n")
    err.print(Text(f"error: {lines[0]}", style="bold red"))
    for line in lines[1:]:
        err.print(Text(line))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], numbers: Sequence[str] = ()) -> None:
    """A table; columns named in `numbers` are aligned to the right."""
    grid = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        grid.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(shown(value) for value in row))
    out.print(grid)


def shown(value: object) -> str:
    """A value as people read it: thousands separated, no trailing zeros of money beyond cents, "-" for nothing."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if hasattr(value, "quantize") or isinstance(value, float):
        return f"{value:,.2f}"
    return str(value)


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows as CSV with a header; NULL is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return buffer.getvalue()


class _Progress(logging.Handler):
    def __init__(self, status: object | None) -> None:
        super().__init__(logging.INFO)
        self.status = status

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            err.print(Text(f"  {message}", style="red" if record.levelno >= logging.ERROR else "yellow"))
        elif self.status is not None and record.levelno < logging.INFO:
            self.status.update(message)  # type: ignore[attr-defined]
        else:
            out.print(Text(f"  {message}"))


@contextmanager
def progress(title: str) -> Iterator[None]:
    """Show what the pipeline logs while it works: one line per fact, on a terminal with a spinner below them."""
    log = logging.getLogger("cxa_pipeline")
    before, propagate = log.level, log.propagate
    log.setLevel(logging.INFO)
    log.propagate = False
    spinner = out.status(title) if sys.stdout.isatty() else None
    handler = _Progress(spinner)
    log.addHandler(handler)
    try:
        if spinner is None:
            yield
        else:
            with spinner:
                yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
        log.propagate = propagate
