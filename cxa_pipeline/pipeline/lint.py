"""The structural lint over `sql/`: do the files agree with each other and keep the conventions?

Here: what concerns a file together with its contract, its neighbours and the layers. Not here: whether one SQL text
stays in the checked subset (`engine.lint`), whether one contract is well formed (`contracts.read`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cxa_pipeline.contracts import Contract, validate_odcs
from cxa_pipeline.contracts.model import SCHEMAS
from cxa_pipeline.engine.dialect import lint as lint_dialect
from cxa_pipeline.errors import ContractError
from cxa_pipeline.pipeline.project import BY_SQL, Project
from cxa_pipeline.pipeline.python_model import load

KEYED = ("table", "monthly", "model", "record")


@dataclass(frozen=True)
class Finding:
    """What is wrong, where, and what to do."""

    where: str
    what: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"; {self.advice}" if self.advice else "")


def lint(project: Project) -> list[Finding]:
    """Everything that is wrong below `sql/`; an empty list where all is well."""
    return [
        *_orphans(project),
        *(finding for contract in project.catalog for finding in _contract(project, contract)),
        *(
            Finding(found.where, f"{found.what}: {found.seen}", found.advice)
            for model in [*project.models.values(), *(identity.model for identity in project.identities)]
            for found in lint_dialect(model, project.schemas)
        ),
    ]


def _orphans(project: Project) -> Iterator[Finding]:
    for path in sorted(project.catalog.root.glob("*/*.sql")):
        if path.parent.name in SCHEMAS and not path.with_suffix(".yaml").exists():
            yield Finding(str(path), "has no contract", f"add {path.with_suffix('.yaml').name}")
    for folder in sorted(p for p in project.catalog.root.iterdir() if p.is_dir()):
        if folder.name not in (*SCHEMAS, "sources", "identities"):
            yield Finding(str(folder), "is no schema", f"use {', '.join(SCHEMAS)}")


def _contract(project: Project, contract: Contract) -> Iterator[Finding]:
    where = str(contract.sql_path or contract.yaml_path)
    try:
        validate_odcs(contract.yaml_path)
    except ContractError as error:
        yield Finding(str(contract.yaml_path), error.what, "; ".join(error.evidence))
    if contract.kind in BY_SQL and contract.sql_path is None:
        yield Finding(where, "has no SQL", f"add {contract.table}.sql")
    if contract.kind == "seed" and contract.seed_path is None:
        yield Finding(where, "has no rows", f"add {contract.table}.csv")
    if contract.kind in (*KEYED, "seed") and not contract.primary_key and not contract.one_row:
        yield Finding(where, "has no primary key", "mark its columns with primaryKey: true")
    if contract.kind == "monthly" and contract.month not in contract.primary_key:
        yield Finding(where, "the key does not contain the month")
    if contract.kind == "view" and any(rule.kind == "expectation" for rule in contract.rules):
        yield Finding(where, "a view cannot have Great Expectations rules", "write them as type: sql")
    if contract.kind in KEYED and not contract.description.startswith(("One row per", "One row for")):
        yield Finding(where, "the description does not say what one row is", "begin it with: One row per ...")
    yield from _own_rules(contract)
    yield from _layers(project, contract)
    yield from _python(project, contract)
    if contract.key in project.models:
        yield from _columns(project, contract)


def _python(project: Project, contract: Contract) -> Iterator[Finding]:
    """A Python model's function exists, and it reads columns that exist."""
    if contract.model is None:
        return
    where = str(contract.yaml_path)
    if contract.sql_path:
        yield Finding(where, f"is made by Python and by {contract.sql_path.name}", "remove one of them")
    for name in filter(None, (contract.model.function, contract.model.plot)):
        try:
            load(name)
        except ContractError as error:
            yield Finding(where, error.what, error.advice or "")
    for table, columns in contract.model.reads.items():
        known = project.catalog[table].column_names if table in project.catalog else ()
        if unknown := sorted(set(columns) - set(known)):
            yield Finding(where, f"reads columns of {table} that do not exist: {', '.join(unknown)}")
        if not columns:
            yield Finding(where, f"reads no column of {table}", "name the columns, or leave the table out")
    if unknown := [table for table in contract.model.previous if table not in project.catalog]:
        yield Finding(where, f"looks back at tables that do not exist: {', '.join(unknown)}")


def _own_rules(contract: Contract) -> Iterator[Finding]:
    for rule in contract.rules:
        named = set(re.findall(r"\b(?:from|join)\s+(\w+\.\w+)", rule.sql or "", re.IGNORECASE))
        if other := sorted(named - {contract.key}):
            yield Finding(
                str(contract.yaml_path),
                f"the rule {rule.name} reads {', '.join(other)}",
                "a rule judges its own table; write an identity (sql/identities) to compare tables",
            )


def _layers(project: Project, contract: Contract) -> Iterator[Finding]:
    where = str(contract.sql_path or contract.yaml_path)
    for read in project.dependencies(contract.key):
        source = project.catalog.contracts.get(read)
        if source is None:
            continue
        if SCHEMAS.index(source.schema) > SCHEMAS.index(contract.schema):
            yield Finding(where, f"reads {read}, which lies behind it", f"the flow is {' → '.join(SCHEMAS)}")
        if source.schema == "landed" and contract.schema != "core":
            yield Finding(where, f"reads {read} past core")
        if contract.kind == "monthly" and not (source.month or source.one_row or source.kind == "seed"):
            yield Finding(where, f"is rebuilt by months and reads {read}, which is not", "join it in a plain table")


def _columns(project: Project, contract: Contract) -> Iterator[Finding]:
    made = tuple(name.lower() for name in project.models[contract.key].tree.named_selects)
    if "*" in made:
        made = _columns_of_last_cte(project, contract)
    if missing := [name for name in contract.column_names if name not in made]:
        yield Finding(str(contract.yaml_path), f"columns that the SQL does not make: {', '.join(missing)}")
    if unknown := [name for name in made if name not in contract.column_names]:
        yield Finding(str(contract.sql_path), f"columns that the contract does not know: {', '.join(unknown)}")


def _columns_of_last_cte(project: Project, contract: Contract) -> tuple[str, ...]:
    tree = project.models[contract.key].tree
    last = tree.ctes[-1].this if tree.ctes else tree
    return tuple(name.lower() for name in last.named_selects)
