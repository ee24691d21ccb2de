"""Run the job `refresh` in this process, on the home's Dagster instance: the UI knows every publication.

The plan comes first: where nothing is stale, Dagster is not even imported.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

from cxa_pipeline.errors import CxaError, RunError
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.result import RunResult
from cxa_pipeline.pipeline.run import up_to_date

QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}


def refresh(
    home: Home,
    selection: Collection[str] | None = None,
    force: Mapping[str, Collection[date]] | None = None,
    repair: bool = False,
) -> RunResult:
    """Refresh a home by hand, as `cxa run` does.

    Args:
        home: The home.
        selection: Tables to publish; None for all.
        force: Tables to compute anew, with their months (empty: all).
        repair: Compare PostgreSQL with its release and mend what differs.

    Raises:
        CxaError: the run failed.
    """
    if not force and not repair:
        found = up_to_date(home)
        if found is not None:
            return found
    return _execute(home, selection, force or {}, repair)


def _execute(
    home: Home, selection: Collection[str] | None, force: Mapping[str, Collection[date]], repair: bool
) -> RunResult:
    import dagster as dg

    from cxa_pipeline.defs.automation import build_jobs
    from cxa_pipeline.defs.instance import open_instance
    from cxa_pipeline.defs.refresh import build_refresh
    from cxa_pipeline.defs.specs import asset_key

    outcome: list[RunResult | CxaError] = []
    assets = build_refresh(home.project, lambda: home, outcome.append)
    job = dg.Definitions(assets=[assets], jobs=build_jobs()).resolve_job_def("refresh")
    config = {
        "force": {table: [month.isoformat() for month in months] for table, months in force.items()},
        "repair": repair,
        "by_hand": True,
    }
    with open_instance(home) as instance:
        # Hold sessions open: by default each of the run's hundreds of events opens one of its own.
        instance.optimize_for_webserver(statement_timeout=60_000, pool_recycle=3600, max_overflow=20)
        run = job.execute_in_process(
            instance=instance,
            run_config={"ops": {"shop": {"config": config}}, "loggers": QUIET},
            asset_selection=[asset_key(table) for table in selection] if selection else None,
            raise_on_error=False,
        )
    if not outcome:
        raise RunError("Dagster ended the run before it began", advice="`cxa up` shows the run and its log")
    result = outcome[0]
    if isinstance(result, CxaError):
        raise result
    if not run.success and not (result.held_back or result.refused):
        raise RunError(
            "The release is published, but Dagster could not record it",
            where=f"run {run.run_id}",
            evidence=[str(event.event_specific_data)[:500] for event in run.all_events if event.is_failure][:2],
            advice="`cxa up` shows the run and its log; the next run records what is missing",
        )
    return result
