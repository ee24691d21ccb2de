"""The project as a graph: every table with its SQL, what it reads, and its place in the order.

Here: what follows from the files of `sql/` alone. Not here: data, versions, or whether the files obey the
conventions (`lint`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

from cxa_pipeline.contracts import Catalog, load_catalog
from cxa_pipeline.engine.protocol import OutputColumn
from cxa_pipeline.engine.sql import Model, column_lineage, columns_read, read_model
from cxa_pipeline.errors import ContractError
from cxa_pipeline.pipeline.python_model import fingerprint, source_text

BY_SQL = ("table", "monthly", "view")
COMPUTED = (*BY_SQL, "model")


@dataclass(frozen=True)
class Identity:
    """A query whose rows compare a derived table with its reference; a difference holds the derived one back."""

    name: str
    invariant: str
    description: str
    reference: tuple[str, ...]
    derived: tuple[str, ...]
    severity: str
    sql: str
    model: Model
    path: Path


@dataclass(frozen=True)
class Project:
    """The catalog, the parsed models and the identities.

    Args:
        catalog: Contracts by table.
        models: Parsed SQL by table, for tables that a SQL file makes.
        sql: Text of the SQL files.
        identities: Identities, by name.
    """

    catalog: Catalog
    models: Mapping[str, Model]
    sql: Mapping[str, str]
    identities: tuple[Identity, ...]
    _lineage: dict[str, list[tuple[str, str, str]]] = field(default_factory=dict, compare=False)
    _reads: dict[str, dict[str, set[str]]] = field(default_factory=dict, compare=False)

    def dependencies(self, table: str) -> tuple[str, ...]:
        """Tables that a table reads, sorted."""
        if model := self.catalog[table].model:
            return tuple(sorted(model.reads))
        return tuple(sorted(self.models[table].dependencies)) if table in self.models else ()

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Every table but the records of `ops`, each after all that it reads.

        Among tables that could be next, those that PostgreSQL holds come first: it loads them meanwhile.
        """
        graph = {c.key: self.dependencies(c.key) for c in self.catalog if c.kind != "record"}
        for table, reads in graph.items():
            if missing := sorted(set(reads) - set(graph)):
                raise ContractError(
                    f"{table} reads tables that do not exist",
                    where=str(self.catalog[table].sql_path),
                    evidence=missing,
                    advice="correct the name, or add the table's .sql and .yaml",
                )
        try:
            sorter = TopologicalSorter(graph)
            sorter.prepare()
        except CycleError as error:
            raise ContractError("Tables read each other in a circle", evidence=" → ".join(error.args[1])) from None
        order: list[str] = []
        while ready := sorter.get_ready():
            order += sorted(ready, key=lambda table: (not self.catalog[table].published, table))
            sorter.done(*ready)
        return tuple(order)

    @cached_property
    def assets(self) -> tuple[str, ...]:
        """Every table and record, each after all that it reads or is drawn from."""
        records = {c.key: set(c.drawn_from) for c in self.catalog.of_kind("record")}
        ordered = TopologicalSorter(records).static_order()
        return (*self.order, *(table for table in ordered if table in records))

    @cached_property
    def computed(self) -> tuple[str, ...]:
        """The tables that the engine or a Python model computes, in order."""
        return tuple(t for t in self.order if self.catalog[t].kind in COMPUTED)

    def ancestors(self, tables: Iterable[str]) -> frozenset[str]:
        """The tables and everything that they read, directly or not."""
        return self._closure(tables, self.dependencies)

    def dependents(self, tables: Iterable[str]) -> frozenset[str]:
        """The tables and everything that reads them, directly or not."""
        readers: dict[str, list[str]] = {}
        for table in self.order:
            for read in self.dependencies(table):
                readers.setdefault(read, []).append(table)
        return self._closure(tables, lambda table: readers.get(table, ()))

    def _closure(self, tables: Iterable[str], step: Any) -> frozenset[str]:
        found: set[str] = set()
        waiting = list(tables)
        while waiting:
            table = waiting.pop()
            if table not in found:
                found.add(table)
                waiting.extend(step(table))
        return frozenset(found)

    def selection(self, tables: Collection[str]) -> frozenset[str]:
        """What must be built to publish `tables`: they, what they read, and the sisters of their identities."""
        wanted = self.ancestors(tables)
        sisters = {t for i in self.identities if set(i.derived) & wanted for t in (*i.derived, *i.reference)}
        same_schema = {t for t in sisters if t.split(".")[0] in {w.split(".")[0] for w in tables}}
        return self.ancestors(wanted | same_schema)

    @cached_property
    def schemas(self) -> dict[str, dict[str, str]]:
        """Column types of every table, as the parser wants them."""
        return {c.key: {column.name: column.type for column in c.columns} for c in self.catalog}

    def columns_read(self, table: str) -> dict[str, set[str]]:
        """For each table that `table` reads, the columns that it reads."""
        if table not in self._reads:
            model, python = self.models.get(table), self.catalog[table].model
            named = {read: set(columns) for read, columns in python.reads.items()} if python else {}
            self._reads[table] = columns_read(model, self.schemas) if model else named
        return self._reads[table]

    def lineage(self, table: str) -> list[tuple[str, str, str]]:
        """(table, column) read → column made; of a Python model, every column from every one that it reads."""
        if table not in self._lineage:
            if model := self.models.get(table):
                self._lineage[table] = sorted(column_lineage(model, self.schemas))
            else:
                read = [(source, name) for source, names in self.columns_read(table).items() for name in sorted(names)]
                made = self.catalog[table].column_names
                self._lineage[table] = sorted((source, name, column) for source, name in read for column in made)
        return self._lineage[table]

    def definition_hash(self, table: str) -> str:
        """Hash of how a table is made: its SQL without comments and format, or its code; its types and keys."""
        contract = self.catalog[table]
        made_by = self.models[table].fingerprint if table in self.models else contract.kind
        if contract.model:
            made_by = digest([made_by, asdict(contract.model), fingerprint(contract.model)])
        parts = [made_by, [(c.name, c.type) for c in contract.columns], contract.primary_key, contract.month]
        return digest(parts)

    def code_version(self, table: str) -> str:
        """What Dagster shows as the version of the code: the SQL without comments and line breaks, types and keys.

        Unlike `definition_hash` it needs no syntax tree written out, which for all tables takes a tenth of a second.
        """
        contract = self.catalog[table]
        made_by = source_text(contract.model) if contract.model else self.sql.get(table, contract.kind)
        text = " ".join(re.sub(r"--[^\n]*", "", made_by).split())
        return digest([text, [(c.name, c.type) for c in contract.columns], contract.primary_key])[:12]

    def rules_hash(self, table: str) -> str:
        """Hash of what is checked about a table."""
        contract = self.catalog[table]
        rules = [(r.name, r.severity, r.kind, r.sql, r.expectation) for r in contract.rules]
        columns = [(c.name, c.type, c.required, c.allowed, c.max_length) for c in contract.columns]
        return digest([rules, columns, contract.primary_key])

    def output_columns(self, table: str) -> tuple[OutputColumn, ...]:
        """Names and types that the engine must write."""
        return tuple(OutputColumn(c.name, c.type) for c in self.catalog[table].columns)


def digest(parts: object) -> str:
    """SHA-256 of a value's JSON: the hash from which keys are made."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def load_project(sql_root: Path) -> Project:
    """Read and parse everything below `sql/`.

    Raises:
        ContractError: a contract is wrong, or the tables do not form a graph without circles.
        DialectError: a SQL file cannot be parsed.
    """
    catalog = load_catalog(sql_root)
    sql = {c.key: c.sql_path.read_text(encoding="utf-8") for c in catalog if c.sql_path and c.kind in BY_SQL}
    schemas = {contract.schema for contract in catalog}
    models = {key: read_model(text, str(catalog[key].sql_path), schemas) for key, text in sql.items()}
    return Project(catalog=catalog, models=models, sql=sql, identities=_identities(sql_root / "identities", catalog))


def _expanded(names: Iterable[str], catalog: Catalog) -> tuple[str, ...]:
    """Tables by name; `kpi.*` stands for every table of its schema that SQL makes."""
    found: list[str] = []
    for name in names:
        schema, _, table = name.partition(".")
        made = [c.key for c in catalog if c.schema == schema and c.sql_path]
        found += made if table == "*" else [name]
    return tuple(found)


def _identities(folder: Path, catalog: Catalog) -> tuple[Identity, ...]:
    found = []
    for path in sorted(folder.glob("*.yaml")):
        entry = yaml.safe_load(path.read_text(encoding="utf-8"))
        sql_path = path.with_suffix(".sql")
        sql = sql_path.read_text(encoding="utf-8")
        derived = _expanded(entry["derived"], catalog)
        unknown = sorted({*entry["reference"], *derived} - set(catalog.contracts))
        if unknown:
            raise ContractError("An identity names tables that do not exist", where=str(path), evidence=unknown)
        found.append(
            Identity(
                name=path.stem,
                invariant=entry["invariant"],
                description=" ".join(entry["description"].split()),
                reference=tuple(entry["reference"]),
                derived=derived,
                severity=entry.get("severity", "error"),
                sql=sql,
                model=read_model(sql, str(sql_path), {contract.schema for contract in catalog}),
                path=sql_path,
            )
        )
    return tuple(found)
