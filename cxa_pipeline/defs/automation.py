"""Jobs, the nightly schedule, and the sensor that reacts to dropped files.

The sensor remembers nothing: what was landed stands in the lake's manifests, so no cursor and no run key can
lose a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from cxa_pipeline.defs.refresh import OpenHome
from cxa_pipeline.pipeline.landing import pending

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

RETRIES = {"dagster/max_retries": "2"}
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def build_jobs() -> list[UnresolvedAssetJobDefinition]:
    """`refresh`: everything; `ingest`: register and read files alone."""
    landed = dg.AssetSelection.groups("landed")
    return [
        dg.define_asset_job(
            "refresh",
            selection=dg.AssetSelection.all(),
            description="Read what was dropped and publish every table that it changes.",
            tags=RETRIES,
            executor_def=dg.in_process_executor,
        ),
        dg.define_asset_job(
            "ingest",
            selection=landed,
            description="Register and read what was dropped; publish nothing.",
            tags=RETRIES,
            executor_def=dg.in_process_executor,
        ),
    ]


def build_schedule(refresh_at: str, timezone: str) -> dg.ScheduleDefinition:
    """`nightly_refresh`: the job `refresh` at `refresh_at` (HH:MM) of the shop's time zone."""
    hour, minute = refresh_at.split(":")
    return dg.ScheduleDefinition(
        name="nightly_refresh",
        job_name="refresh",
        cron_schedule=f"{int(minute)} {int(hour)} * * *",
        execution_timezone=timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Refreshes every night, whether or not a file was dropped.",
    )


def build_sensor(open_home: OpenHome, seconds: int) -> dg.SensorDefinition:
    """`landing_files`: asks for one run of `refresh` when unknown files lie still in landing."""

    @dg.sensor(
        name="landing_files",
        job_name="refresh",
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks into landing and asks for one run for all files that are new and no longer growing.",
    )
    def landing_files(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        unfinished = context.instance.get_runs(dg.RunsFilter(job_name="refresh", statuses=UNFINISHED), limit=1)
        if unfinished:
            return dg.SkipReason(f"run {unfinished[0].run_id[:8]} is not finished")
        waiting = pending(open_home())
        if waiting.settled:
            return dg.RunRequest(
                tags={"cxa/files": str(len(waiting.settled)), "cxa/first_file": waiting.settled[0][:200]}
            )
        if waiting.unsettled:
            return dg.SkipReason(f"still being written: {', '.join(waiting.unsettled[:5])}")
        return dg.SkipReason("no new files")

    return landing_files
