"""A home's landing folder: what waits there, and reading it into the lake.

Here: calling ingest with the values of a home. Not here: ingest itself (`sources`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import UTC, datetime

from cxa_pipeline.engine.protocol import Engine
from cxa_pipeline.lake import run_lock
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.sources.batch import Limits
from cxa_pipeline.sources.discover import Pending, source_names
from cxa_pipeline.sources.discover import pending as pending_files
from cxa_pipeline.sources.ingest import IngestOptions, IngestResult, ingest

log = logging.getLogger(__name__)


def pending(home: Home) -> Pending:
    """Files in landing that the lake does not know, without reading them: what the sensor asks."""
    return pending_files(home.lake, home.landing, source_names(home.sql_root), datetime.now(UTC), home.settle_seconds)


def allow_windows(home: Home, files: Collection[str]) -> None:
    """Let files (`source/name`) of `window` deliveries empty a month, from now on."""
    with run_lock(home.lake, "cxa run", datetime.now(UTC)):
        allowed = set((home.lake.fact("windows") or {}).get("allowed", ()))
        home.lake.set_fact("windows", {"allowed": sorted(allowed | set(files))})


def read_landing(home: Home, engine: Engine, now: datetime | None = None) -> IngestResult:
    """Land and read what is new, and say which rows stand; the caller holds the lock."""
    options = IngestOptions(
        timezone=home.timezone,
        currency=home.currency,
        memory=home.memory,
        threads=home.threads,
        settle=home.settle_seconds,
        limits=Limits(home.max_bad_share, home.max_bad_rows),
        force=frozenset((home.lake.fact("windows") or {}).get("allowed", ())),
    )
    moment = now or datetime.now(UTC)
    return ingest(home.lake, engine, home.sources, home.project.catalog, home.landing, moment, options, _tell_reading)


def _tell_reading(dataset: str, done: int, files: int) -> None:
    log.info("%s: read %d of %d files", dataset, done, files)
