"""Identities between tables: queries that compare a derived table with its reference, over candidate versions.

Here: evaluating the files of `sql/identities` on the engine. Each returns one row per compared value: `derived`
(the table judged, or `*` for all that the identity declares), `item` (which day, product, ...), `left_value`,
`right_value`, `difference`; a difference that is not zero holds the derived table back. Not here: rules about one
table (`audit`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from cxa_pipeline.contracts.expectations import CheckResult
from cxa_pipeline.engine.protocol import OutputColumn, Relation
from cxa_pipeline.errors import RunError
from cxa_pipeline.lake import Parts
from cxa_pipeline.pipeline.build import Builder
from cxa_pipeline.pipeline.project import Identity, digest
from cxa_pipeline.pipeline.versions import content

log = logging.getLogger(__name__)

COLUMNS = (
    OutputColumn("derived", "text"),
    OutputColumn("item", "text"),
    OutputColumn("left_value", "numeric(38,4)"),
    OutputColumn("right_value", "numeric(38,4)"),
    OutputColumn("difference", "numeric(38,4)"),
)
DATA = "compared.parquet"
ALL = "*"


@dataclass(frozen=True)
class Outcome:
    """What one identity said.

    `failed` maps each derived table that differs (or `*`) to the number of differing values and examples.
    """

    identity: Identity
    parts: Parts
    path: Path
    compared: int
    failed: Mapping[str, tuple[int, tuple[str, ...]]]

    def check(self, table: str) -> CheckResult:
        """The outcome as a check of one derived table."""
        count, examples = self.failed.get(table) or self.failed.get(ALL, (0, ()))
        return CheckResult(
            rule=self.identity.name,
            severity=self.identity.severity,
            passed=count == 0,
            description=self.identity.description,
            failed_rows=count,
            observed="; ".join(examples) or None,
        )


def evaluable(builder: Builder, identities: Collection[Identity]) -> list[Identity]:
    """The identities of which every table has been built."""
    return [i for i in identities if i.model.dependencies <= set(builder.versions) - builder.lost]


def outcome_parts(builder: Builder, identity: Identity) -> tuple[str, ...]:
    """Where the outcome for the present contents lies in the lake."""
    contents = {t: content(v) if (v := builder.versions[t]) else "empty" for t in sorted(identity.model.dependencies)}
    key = digest([identity.model.fingerprint, builder.engine.version, contents])
    return ("audits", "identities", identity.name, key[:32])


def reconcile(builder: Builder) -> list[Outcome]:
    """Evaluate every identity of which all tables have been built, unless it was for the same contents."""
    outcomes = []
    for identity in evaluable(builder, builder.project.identities):
        outcome = _evaluate(builder, identity)
        outcomes.append(outcome)
        for table, (count, examples) in outcome.failed.items():
            judged = "everything that it judges" if table == ALL else table
            log.error("%s breaks %s: %d values differ: %s", judged, identity.name, count, "; ".join(examples))
    return outcomes


def _evaluate(builder: Builder, identity: Identity) -> Outcome:
    parts = outcome_parts(builder, identity)
    stored = builder.lake.find(parts)
    if stored is None:
        folder = builder.lake.begin(parts)
        relations = {t: builder.relation(t) for t in identity.model.dependencies}
        result = builder.engine.run(identity.sql, relations, COLUMNS, folder / DATA)
        failed = _failed(builder, folder / DATA)
        if unknown := sorted(set(failed) - {*identity.derived, ALL}):
            raise RunError(
                f"The identity {identity.name} judges tables that it does not declare as derived",
                where=str(identity.path),
                evidence=unknown,
                advice="add them to `derived` in its .yaml",
            )
        stored = builder.lake.finish(parts, folder, {"compared": result.rows, "failed": failed})
    failed = {table: (count, tuple(examples)) for table, (count, examples) in stored.manifest["failed"].items()}
    return Outcome(identity, parts, stored.path / DATA, stored.manifest["compared"], failed)


def _failed(builder: Builder, path: Path) -> dict[str, tuple[int, tuple[str, ...]]]:
    rows = builder.engine.fetch(
        "select derived, item, left_value, right_value from ops.compared"
        " where difference <> 0 or difference is null order by derived, item",
        {"ops.compared": Relation((path,), columns=COLUMNS)},
    ).to_pylist()
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["derived"], []).append(f"{row['item']}: {row['left_value']} against {row['right_value']}")
    return {table: (len(items), tuple(items[:5])) for table, items in found.items()}
