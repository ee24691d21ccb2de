"""The rows of `ops`: what the lake's manifests and a publication tell, as tables.

Here: one function for each record. Not here: what profiles tell (`profile_rows`), writing the rows
(`warehouse.publish`), their columns (`sql/ops`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cxa_pipeline.contracts.expectations import CheckResult
from cxa_pipeline.engine.protocol import Engine, Relation
from cxa_pipeline.lake import Lake
from cxa_pipeline.pipeline.evaluations import TABLE as EVALUATIONS
from cxa_pipeline.pipeline.evaluations import evaluation_rows
from cxa_pipeline.pipeline.profile_rows import profile_rows
from cxa_pipeline.pipeline.project import Project
from cxa_pipeline.pipeline.reconcile import COLUMNS as COMPARED
from cxa_pipeline.pipeline.reconcile import Outcome
from cxa_pipeline.pipeline.release import Release, read_release
from cxa_pipeline.sources.ingest import IngestResult
from cxa_pipeline.sources.landed import FileAccount
from cxa_pipeline.warehouse.publication import RecordRows, TableResult

Row = dict[str, Any]


@dataclass(frozen=True)
class Telling:
    """What the records are drawn from."""

    project: Project
    lake: Lake
    engine: Engine
    release: Release
    ingested: IngestResult
    checks: Mapping[str, list[CheckResult]]
    outcomes: Iterable[Outcome]


def records(told: Telling) -> Callable[[Mapping[str, TableResult]], Iterator[RecordRows]]:
    """The records of a release, once it is known what its publication did to each table."""
    made: dict[str, list[Row]] = {
        "ops.landed_files": [*(landed_file(account) for account in told.ingested.files), *_ignored(told)],
        "ops.rejected_rows": list(_rejected_rows(told)),
        "ops.batches": list(_batches(told)),
        "ops.schema_changes": list(_schema_changes(told)),
        "ops.validations": list(_validations(told)),
        "ops.reconciliation": list(_reconciliation(told)),
        "ops.lineage": list(_lineage(told)),
        EVALUATIONS: list(evaluation_rows(told.project, told.lake, told.engine, told.release)),
        **profile_rows(told.project, told.lake, told.engine, told.release),
    }

    of_release = release_records(told.project, told.lake, told.release)

    def give(results: Mapping[str, TableResult]) -> Iterator[RecordRows]:
        for table, rows in made.items():
            yield RecordRows(told.project.catalog[table], rows)
        yield from of_release(results)

    return give


def release_records(
    project: Project, lake: Lake, release: Release
) -> Callable[[Mapping[str, TableResult]], Iterator[RecordRows]]:
    """The records that tell of a release alone: what a rollback writes."""

    def give(results: Mapping[str, TableResult]) -> Iterator[RecordRows]:
        yield RecordRows(project.catalog["ops.versions"], list(_versions(release)))
        yield RecordRows(project.catalog["ops.releases"], list(_releases(lake, release)))
        yield RecordRows(project.catalog["ops.release_tables"], list(_release_tables(release, results)))

    return give


def landed_file(account: FileAccount) -> Row:
    """The row of `ops.landed_files` for what became of a file."""
    landing = account.landing
    return {
        "landing_id": landing.number,
        "dataset": account.dataset,
        "source_id": landing.source,
        "file_name": landing.name,
        "file_id": landing.file_id,
        "sha256": landing.sha256,
        "size_bytes": landing.size,
        "landed_at": datetime.fromisoformat(landing.landed_at),
        "file_status": account.status,
        "rows_read": account.rows_read,
        "rows_accepted": account.rows_accepted,
        "rows_rejected": account.rows_rejected,
        "rows_duplicate": account.rows_duplicate,
        "rows_superseded": account.rows_superseded,
        "error": account.error,
    }


def _ignored(told: Telling) -> Iterator[Row]:
    """Files that feed no data set: their bytes are kept, and are read once a source knows their layout."""
    known = {account.landing.number for account in told.ingested.files}
    for landing in told.lake.landings():
        if landing.number not in known:
            account = FileAccount(landing, "none", "ignored", 0, 0, 0, 0, 0, "its name fits no layout of its source")
            yield landed_file(account)


def _batches(told: Telling) -> Iterator[Row]:
    for dataset in told.ingested.datasets.values():
        for key, manifest in dataset.batches.items():
            files = manifest["files"].values()
            firsts = [f["first_at"] for f in files if f.get("first_at")]
            lasts = [f["last_at"] for f in files if f.get("last_at")]
            yield {
                "batch_id": key,
                "dataset": dataset.name,
                "source_id": manifest["source"],
                "files": len(files),
                "rows_read": sum(f["rows_read"] for f in files),
                "rows_accepted": sum(f["rows_accepted"] for f in files),
                "rows_rejected": sum(f["rows_rejected"] for f in files),
                "first_at": _moment(min(firsts, default=None)),
                "last_at": _moment(max(lasts, default=None)),
            }


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


def _schema_changes(told: Telling) -> Iterator[Row]:
    seen = set()
    for account in told.ingested.files:
        for change, names in (("unknown", account.unknown), ("missing", account.missing)):
            for name in names:
                key = (account.landing.file_id, account.dataset, name)
                if key not in seen:
                    seen.add(key)
                    yield {"file_id": key[0], "dataset": key[1], "column_name": name, "change": change}


def _rejected_rows(told: Telling) -> Iterator[Row]:
    relation = told.ingested.rejected()
    contract = told.project.catalog["ops.rejected_rows"]
    names = ", ".join(contract.column_names)
    columns = told.project.output_columns(contract.key)
    table = told.engine.fetch(f"select {names} from ops.rejected_rows", {contract.key: relation}, columns)
    yield from table.to_pylist()


def _versions(release: Release) -> Iterator[Row]:
    for table, released in release.tables.items():
        for version in (released.versions or {}).values():
            yield {
                "table_name": table,
                "month": f"{version.month:%Y-%m}" if version.month else "",
                "version_key": version.key,
                "content_hash": version.content_hash,
                "row_count": version.rows,
                "computed_seconds": version.seconds,
            }


def _releases(lake: Lake, shown: Release) -> Iterator[Row]:
    for number in lake.documents("releases"):
        release = shown if number == shown.number else read_release(lake, number)
        yield {
            "release_id": number,
            "created_at": datetime.fromisoformat(release.created_at),
            "as_of_date": release.as_of_date,
            "table_count": len(release.tables),
            "held_back_count": len(release.held_back),
            "is_published": number == shown.number,
        }


def _release_tables(release: Release, results: Mapping[str, TableResult]) -> Iterator[Row]:
    for table, released in release.tables.items():
        done = results.get(table)
        since = released.held_back_since
        yield {
            "table_name": table,
            "release_id": release.number,
            "content_hash": released.content_hash,
            "row_count": None if released.versions is None else released.rows,
            "rows_before": done.rows_before if done else released.rows,
            "rows_inserted": done.inserted if done else 0,
            "rows_updated": done.updated if done else 0,
            "rows_deleted": done.deleted if done else 0,
            "held_back_since": datetime.fromisoformat(since) if since else None,
            "held_back_reason": released.held_back_reason,
            "contract_version": released.contract_version,
        }


def _validations(told: Telling) -> Iterator[Row]:
    for table, results in told.checks.items():
        for result in results:
            yield {
                "table_name": table,
                "rule": result.rule,
                "severity": result.severity,
                "passed": result.passed,
                "failed_rows": result.failed_rows,
                "observed": result.observed,
                "description": result.description,
                "query": result.query,
            }


def _reconciliation(told: Telling) -> Iterator[Row]:
    for outcome in told.outcomes:
        rows = told.engine.fetch(
            "select derived, item, left_value, right_value, difference from ops.compared",
            {"ops.compared": Relation((outcome.path,), columns=COMPARED)},
        ).to_pylist()
        for row in rows:
            yield {"identity": outcome.identity.name, "invariant": outcome.identity.invariant, **row}


def _lineage(told: Telling) -> Iterator[Row]:
    for table in told.project.computed:
        for from_table, from_column, to_column in told.project.lineage(table):
            yield {
                "to_table": table,
                "to_column": to_column,
                "from_table": from_table,
                "from_column": from_column,
            }
