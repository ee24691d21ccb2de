"""The one multi-asset: a run of the pipeline, reported to Dagster.

Here: from a selection to `pipeline.run`, and from its result to materializations and check results. A
materialization means published; for `landed/*` it means registered. Not here: what a run does (`pipeline.run`).
"""

from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

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

Event = dg.MaterializeResult[Any] | dg.AssetCheckEvaluation


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
    tables = [table for table in project.assets if table in chosen]
    emitted = set(result.reports) | _unknown_to_dagster(context, result, chosen)
    for table in tables:
        if table in emitted and (report := result.reports.get(table) or result.current.get(table)):
            yield _materialization(project, report)
    yield from _evaluations(context, {t: result.checks.get(t, ()) for t in tables}, emitted)


def _evaluations(
    context: dg.AssetExecutionContext,
    checks: Mapping[str, Iterable[CheckResult]],
    emitted: Collection[str],
) -> Iterator[dg.AssetCheckEvaluation]:
    """The check results of the tables that were materialized, and those that failed.

    They are evaluations and not results, of which Dagster makes evaluations one by one: with an output event and a
    query for each, which takes most of the time of a first run's thousand checks.
    """
    records = context.instance.get_asset_records([asset_key(table) for table, found in checks.items() if found])
    materialized = {}
    for record in records:
        last, number = record.asset_entry.last_materialization, record.asset_entry.last_materialization_storage_id
        if last and number:
            materialized[table_name(record.asset_entry.asset_key)] = AssetCheckEvaluationTargetMaterializationData(
                storage_id=number, run_id=last.run_id, timestamp=last.timestamp
            )
    selected = context.selected_asset_check_keys
    for table, found in checks.items():
        for check in found:
            key = dg.AssetCheckKey(asset_key(table), check.rule)
            if key in selected and (table in emitted or not check.passed):
                yield _evaluation(table, check, materialized.get(table))


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


def _evaluation(
    table: str, check: CheckResult, of: AssetCheckEvaluationTargetMaterializationData | None
) -> dg.AssetCheckEvaluation:
    metadata: dict[str, Any] = {
        name: value
        for name, value in (("failed_rows", check.failed_rows), ("observed", check.observed), ("query", check.query))
        if value is not None
    }
    severity = dg.AssetCheckSeverity.ERROR if check.severity == "error" else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckEvaluation(
        asset_key=asset_key(table),
        check_name=check.rule,
        passed=check.passed,
        severity=severity,
        description=None if check.passed else check.description,
        metadata=metadata,
        target_materialization_data=of,
        blocking=check.severity == "error",
    )


def _complaint(result: RunResult) -> str:
    lines = [f"{table} is held back: {reason}" for table, reason in sorted(result.held_back.items())]
    lines += [f"{refusal.name} was refused: {refusal.reason}" for refusal in result.refused]
    return "\n".join([f"Release {result.release.number} is published, but:", *lines])
