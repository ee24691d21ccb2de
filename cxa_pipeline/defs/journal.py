"""What the pipeline logs, in Dagster's log: lines gathered for seconds, since each event costs a session."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from logging import Logger

SECONDS = 5.0


@contextmanager
def journal(log: Logger) -> Iterator[None]:
    """Hand what `cxa_pipeline` logs to `log`, several lines at a time; warnings at once."""
    source = logging.getLogger("cxa_pipeline")
    before = source.level
    source.setLevel(min(before or logging.INFO, logging.INFO))
    handler = _Journal(log)
    source.addHandler(handler)
    try:
        yield
    finally:
        handler.flush()
        source.removeHandler(handler)
        source.setLevel(before)


class _Journal(logging.Handler):
    def __init__(self, log: Logger) -> None:
        super().__init__(logging.INFO)
        self._log = log
        self._lines: list[str] = []
        self._since = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno > logging.INFO:
            self.flush()
            self._log.log(record.levelno, record.getMessage())
            return
        self._lines.append(record.getMessage())
        if time.monotonic() - self._since > SECONDS:
            self.flush()

    def flush(self) -> None:
        if self._lines:
            self._log.info("\n".join(self._lines))
        self._lines = []
        self._since = time.monotonic()
