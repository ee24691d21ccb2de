"""The home that the settings in force describe; imports no Dagster, so that quick commands stay quick."""

from __future__ import annotations

from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.settings import Settings, home_values, load_settings


def open_home(settings: Settings | None = None) -> Home:
    """Open the home of `settings`, by default of those in force."""
    return Home(**home_values(settings or load_settings()))  # type: ignore[arg-type]
