"""Put the Dagster layer together for a home."""

from __future__ import annotations

import dagster as dg

from cxa_pipeline.defs.automation import build_jobs, build_schedule, build_sensor
from cxa_pipeline.defs.home import open_home
from cxa_pipeline.defs.refresh import OnResult, build_refresh
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.project import load_project
from cxa_pipeline.settings import Settings, load_settings


def build_definitions(settings: Settings | None = None, on_result: OnResult | None = None) -> dg.Definitions:
    """Everything that Dagster shows and triggers.

    Args:
        settings: The settings; by default those in force, read anew by every run.
        on_result: Called with the result of a run in this process.
    """
    now = settings or load_settings()
    project = load_project(now.sql_root)
    timezone, _ = open_home(now).facts()

    def home() -> Home:
        return open_home(settings)

    return dg.Definitions(
        assets=[build_refresh(project, home, on_result)],
        jobs=build_jobs(),
        schedules=[build_schedule(now.refresh_at, timezone or "UTC")],
        sensors=[build_sensor(home, now.sensor_seconds)],
    )
