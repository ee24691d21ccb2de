"""The one multi-asset: a run of the pipeline, reported to Dagster.

Here: from a selection to `pipeline.run`, and from its result to materializations and check results. A
materialization means published; for `landed/*` it means registered. Not here: what a run does (`pipeline.run`).
"""

from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import dagster as dg

from cxa_pipeline.contracts.expectations import CheckResult
from cxa_pipeline.defs.journal import journal
from cxa_pipeline.defs.specs import asset_key, asset_specs, check_specs, column_lineage, column_schema, table_name
from cxa_pipeline.errors import CxaError
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.project import Project
from cxa_pipeline.pipeline.publication import TableReport
from cxa_pipeline.pipeline.result import RunResult
from cxa_pipeline.pipeline.run import run

OpenHome = Callable[[], Home]
OnResult = Callable[[RunResult | CxaError], None]

Event = dg.MaterializeResult[Any] | dg.AssetCheckResult


class RefreshConfig(dg.Config):
    """What a run may be told beside its selection.

    Args:
        force: Tables to compute anew, each with the first days of months, such as {"core.sales": ["2024-03-01"]};
            an empty list means all months.
        repair: Compare PostgreSQL with its release and mend what differs.
        by_hand: The run was asked for by a person; it lifts the hold that a rollback sets.
    """

    force: dict[str, list[str]] = {}  # noqa: RUF012
    repair: bool = False
    by_hand: bool = False


def build_refresh(project: Project, open_home: OpenHome, on_result: OnResult | None = None) -> dg.AssetsDefinition:
    """The subsettable multi-asset over every table of the project.

    Args:
        project: The tables.
        open_home: Opens the home when a run starts.
        on_result: Called with what the run gave, for a caller in the same process.
    """

    @dg.multi_asset(
        name="shop",
        specs=asset_specs(project),
        check_specs=list(check_specs(project)),
        can_subset=True,
        description="Ingest, compute, stage, audit, release: tables whose inputs did not change are left alone.",
    )
    def shop(context: dg.AssetExecutionContext, config: RefreshConfig) -> Iterator[Event]:
        chosen = {table_name(key) for key in context.selected_asset_keys}
        everything = chosen == set(project.catalog.contracts)
        home = open_home()
        try:
            with journal(context.log):
                result = run(
                    home,
                    command=f"dagster run {context.run_id[:8]}",
                    selection=None if everything else chosen,
                    force={table: [date.fromisoformat(m) for m in months] for table, months in config.force.items()},
                    repair=config.repair,
                    by_hand=config.by_hand or not everything,
                )
        except CxaError as error:
            if on_result:
                on_result(error)
            raise dg.Failure(description=str(error)) from error
        if on_result:
            on_result(result)
        yield from _events(context, project, result, chosen)
        if result.held_back or result.refused:
            raise dg.Failure(description=_complaint(result), allow_retries=False)

    return shop


def _events(
    context: dg.AssetExecutionContext, project: Project, result: RunResult, chosen: set[str]
) -> Iterator[Event]:
    selected_checks = context.selected_asset_check_keys
    emitted = set(result.reports) | _unknown_to_dagster(context, result, chosen)
    for table in project.assets:
        if table not in chosen:
            continue
        if table in emitted and (report := result.reports.get(table) or result.current.get(table)):
            yield _materialization(project, report)
        for check in result.checks.get(table, ()):
            key = dg.AssetCheckKey(asset_key(table), check.rule)
            if key in selected_checks and (table in emitted or not check.passed):
                yield _check_result(table, check)


def _unknown_to_dagster(context: dg.AssetExecutionContext, result: RunResult, chosen: set[str]) -> set[str]:
    """Published tables of which Dagster last saw another version: after a kill, or in a new instance."""
    if not result.published:
        return set()
    wanted = {asset_key(table): result.current[table].content_hash for table in chosen & set(result.current)}
    for record in context.instance.get_asset_records(list(wanted)):
        event = record.asset_entry.last_materialization
        tags = (event.asset_materialization.tags or {}) if event and event.asset_materialization else {}
        if tags.get("dagster/data_version") == wanted[record.asset_entry.asset_key]:
            del wanted[record.asset_entry.asset_key]
    return {table_name(key) for key in wanted}


def _materialization(project: Project, report: TableReport) -> dg.MaterializeResult[Any]:
    contract = project.catalog[report.table]
    metadata: dict[str, Any] = {
        "dagster/row_count": report.rows,
        "dagster/column_schema": column_schema(contract),
        "rows_before": report.rows_before,
        "rows_inserted": report.inserted,
        "rows_updated": report.updated,
        "rows_deleted": report.deleted,
        **{f"seconds_{stage}": round(seconds, 3) for stage, seconds in report.seconds.items()},
    }
    if lineage := column_lineage(project, report.table):
        metadata["dagster/column_lineage"] = lineage
    if report.preview:
        metadata["preview"] = dg.MetadataValue.md(report.preview)
    if report.picture:
        metadata["plot"] = dg.MetadataValue.md(f"![plot](data:image/png;base64,{b64encode(report.picture).decode()})")
    return dg.MaterializeResult(
        asset_key=asset_key(report.table), metadata=metadata, data_version=dg.DataVersion(report.content_hash)
    )


def _check_result(table: str, check: CheckResult) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {
        name: value
        for name, value in (("failed_rows", check.failed_rows), ("observed", check.observed), ("query", check.query))
        if value is not None
    }
    severity = dg.AssetCheckSeverity.ERROR if check.severity == "error" else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        asset_key=asset_key(table),
        check_name=check.rule,
        passed=check.passed,
        severity=severity,
        description=None if check.passed else check.description,
        metadata=metadata,
    )


def _complaint(result: RunResult) -> str:
    lines = [f"{table} is held back: {reason}" for table, reason in sorted(result.held_back.items())]
    lines += [f"{refusal.name} was refused: {refusal.reason}" for refusal in result.refused]
    return "\n".join([f"Release {result.release.number} is published, but:", *lines])
