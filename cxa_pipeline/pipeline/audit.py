"""Audits: what the checks of a contract say of a version, before anybody sees it.

Here: which checks a table has, evaluating them once per content, and remembering the results in the lake. Rules
that a database can enforce are constraints of the staging table; the rest is evaluated there by Great
Expectations, and on the engine for what PostgreSQL does not hold as a table. Not here: agreement between tables
(`reconcile`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.expectations import CheckResult
from cxa_pipeline.engine.protocol import Engine, Relation
from cxa_pipeline.errors import EngineError
from cxa_pipeline.lake import Lake
from cxa_pipeline.pipeline.project import Project, digest
from cxa_pipeline.pipeline.versions import Version
from cxa_pipeline.sources.landed import LandedDataset
from cxa_pipeline.warehouse.violations import StagedRowsError

log = logging.getLogger(__name__)

KEYS_AND_TYPES = "keys_and_types"
KEYS_AND_TYPES_MEANS = (
    "Every value has the type of its column, required columns are filled, keys stand once, closed lists hold"
)

ACCOUNTED = "rows_are_accounted_for"
ACCOUNTED_MEANS = "Rows read = accepted + rejected + duplicates + superseded, in every file (I14)"


def check_names(project: Project, contract: Contract) -> list[tuple[str, str, str]]:
    """Name, severity and meaning of every check of a table, its own and those of identities that judge it."""
    if contract.kind == "landed":
        return [(ACCOUNTED, "error", ACCOUNTED_MEANS)]
    if contract.kind == "record":
        return []
    own = [(KEYS_AND_TYPES, "error", KEYS_AND_TYPES_MEANS)]
    own += [(rule.name, rule.severity, rule.description) for rule in contract.rules]
    judged = [i for i in project.identities if contract.key in i.derived]
    return own + [(i.name, i.severity, i.description) for i in judged]


def accounts_balance(dataset: LandedDataset) -> CheckResult:
    """I14: whether every row that was read of a data set's files is accounted for."""
    off = [
        f"{a.landing.source}/{a.landing.name}: {a.rows_read} read"
        for a in dataset.files
        if a.rows_read != a.rows_accepted + a.rows_rejected + a.rows_duplicate + a.rows_superseded
    ]
    return CheckResult(ACCOUNTED, "error", not off, ACCOUNTED_MEANS, len(off), "; ".join(off[:5]) or None)


def could_not_be_computed(error: EngineError) -> CheckResult:
    """What holds a table back that was not even computed; the evidence stands in the log, it differs by thread."""
    return CheckResult("computed", "error", False, error.what, None, error.where)


def audit_parts(project: Project, version: Version) -> tuple[str, ...]:
    """Where the results for a version's content lie in the lake."""
    schema, table = version.table.split(".")
    key = digest([version.content_hash, version.month, project.rules_hash(version.table)])
    return ("audits", schema, table, key[:32])


def known(lake: Lake, project: Project, version: Version) -> list[CheckResult] | None:
    """What the checks said of this content; None if they were not asked yet."""
    stored = lake.find(audit_parts(project, version))
    return [CheckResult(**result) for result in stored.manifest["results"]] if stored else None


def remember(lake: Lake, project: Project, version: Version, results: Iterable[CheckResult]) -> None:
    """Write the results for a version into the lake."""
    parts = audit_parts(project, version)
    if lake.find(parts) is None:
        lake.finish(parts, lake.begin(parts), {"results": [r.as_json() for r in results]})


def constraints_hold(contract: Contract) -> list[CheckResult]:
    """Results of the rules that a staging table enforces, once it has been filled."""
    rules = [CheckResult(r.name, r.severity, True, r.description, 0) for r in contract.rules if r.kind == "check"]
    return [CheckResult(KEYS_AND_TYPES, "error", True, KEYS_AND_TYPES_MEANS, 0), *rules]


def constraints_broken(contract: Contract, error: StagedRowsError) -> list[CheckResult]:
    """Results where the staging table refused the rows: the broken rules with counts and examples."""
    results = []
    for result in constraints_hold(contract):
        broken = [v for v in error.violations if (v.rule or KEYS_AND_TYPES) == result.rule]
        if broken:
            examples = "; ".join(f"{v.description}: {v.rows} rows, such as {', '.join(v.examples[:3])}" for v in broken)
            rows = sum(v.rows for v in broken)
            query = broken[0].query
            result = CheckResult(result.rule, result.severity, False, result.description, rows, examples, query)
        results.append(result)
    return results


def audit_on_engine(engine: Engine, contract: Contract, relation: Relation) -> list[CheckResult]:
    """Evaluate the rules of a view, or of a table that is not published, on the engine."""
    relations = {contract.key: relation}
    results = [_keys_and_types(engine, contract, relations)]
    for rule in contract.rules:
        query = rule.sql if rule.kind == "failing_rows" else f"select * from {contract.key} where not ({rule.sql})"
        failed = _count(engine, f"select count(*) as n from ({query}) as failing", relations)[0]
        results.append(CheckResult(rule.name, rule.severity, failed == 0, rule.description, failed, query=str(query)))
    return results


def _keys_and_types(engine: Engine, contract: Contract, relations: dict[str, Relation]) -> CheckResult:
    required = [c.name for c in contract.columns if c.required]
    missing = [f"count(*) filter (where {name} is null) as n{i}" for i, name in enumerate(required)]
    counts = _count(engine, f"select {', '.join(missing)} from {contract.key}", relations) if required else ()
    broken = [f"{name} is missing: {rows} rows" for name, rows in zip(required, counts, strict=True) if rows]
    total = sum(counts)
    if contract.primary_key:
        key = ", ".join(contract.primary_key)
        twice = f"select {key} from {contract.key} group by {key} having count(*) > 1"
        rows = _count(engine, f"select count(*) as n from ({twice}) as twice", relations)[0]
        broken += [f"{key} stands more than once: {rows} keys"] if rows else []
        total += rows
    return CheckResult(KEYS_AND_TYPES, "error", not broken, KEYS_AND_TYPES_MEANS, total, "; ".join(broken) or None)


def _count(engine: Engine, query: str, relations: dict[str, Relation]) -> tuple[int, ...]:
    """The only row of a query of counts."""
    return tuple(int(value) for value in engine.fetch(query, relations).to_pylist()[0].values())
