"""A home: where one shop's files, lake and database are, and the values that its runs need.

Here: plain values and the parts opened from them. Not here: the environment (`settings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxa_pipeline.lake import Lake
from cxa_pipeline.pipeline.project import Project, load_project
from cxa_pipeline.sources.definition import Sources, load_sources
from cxa_pipeline.warehouse.server import EmbeddedServer

if TYPE_CHECKING:
    from cxa_pipeline.engine.duckdb import DuckDBEngine


@dataclass(frozen=True)
class Home:
    """Everything that a run is told.

    Args:
        folder: The home.
        sql_root: The folder `sql/` of the project.
        landing: Where files are dropped.
        lake_folder: Where the lake lies.
        postgres_url: PostgreSQL to publish to; None for the embedded server below the home.
        postgres_port: Port on 127.0.0.1 that the embedded server opens.
        memory: Memory of the engine, such as 2GB.
        threads: Threads of the engine.
        timezone: Zone of the shop's days; None for that fixed at the first ingest.
        currency: Currency of reports; None for that fixed at the first ingest.
        as_of: Last day that counts; None for the latest of the data.
        thresholds: Columns of `core.parameters` that come from settings as they are.
        max_bad_share, max_bad_rows: When a file is refused as a whole (METRICS §18.10).
        settle_seconds: A file that changed within this time is still being written.
        keep_releases: Releases that stay in the lake.
    """

    folder: Path
    sql_root: Path
    landing: Path
    lake_folder: Path
    postgres_url: str | None = None
    postgres_port: int | None = None
    memory: str = "2GB"
    threads: int = 2
    timezone: str | None = None
    currency: str | None = None
    as_of: date | None = None
    thresholds: Mapping[str, Any] | None = None
    max_bad_share: float = 0.05
    max_bad_rows: int = 10
    settle_seconds: float = 2.0
    keep_releases: int = 7

    @cached_property
    def lake(self) -> Lake:
        """The lake."""
        return Lake(self.lake_folder)

    @cached_property
    def project(self) -> Project:
        """Tables, models and identities."""
        return load_project(self.sql_root)

    @cached_property
    def sources(self) -> Sources:
        """Definitions of the sources."""
        return load_sources(self.sql_root)

    @cached_property
    def server(self) -> EmbeddedServer:
        """The embedded server; not started by looking at it."""
        return EmbeddedServer(self.folder / "postgres", self.postgres_port)

    def engine(self) -> DuckDBEngine:
        """A new engine, spilling below the home."""
        from cxa_pipeline.engine.duckdb import DuckDBEngine

        return DuckDBEngine(memory=self.memory, threads=self.threads, temp_directory=self.folder / "tmp")

    def database(self) -> str:
        """URL of the database; starts the embedded server where that is what is published to."""
        return self.postgres_url or self.server.ensure_started()

    def facts(self) -> tuple[str | None, str | None]:
        """Zone and currency in force: the settings', else those fixed at the first ingest."""
        fixed = self.lake.fact("home") or {}
        return self.timezone or fixed.get("timezone"), self.currency or fixed.get("currency")
