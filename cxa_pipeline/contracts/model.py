"""What a contract says, as plain values.

Here: the dataclasses that the rest of the project works with. Not here: reading YAML (`read`), DDL (`ddl`),
Great Expectations (`expectations`), documentation (`dictionary`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = ("landed", "settings", "seed", "table", "monthly", "view", "model", "record")
"""landed: an input data set, made by ingest; settings: the one row made from the settings; seed: a CSV file
beside the contract; table, monthly, view: a SQL file; model: a Python function; record: `ops`, made from the
manifests."""

SCHEMAS = (
    "landed",
    "core",
    "kpi",
    "cohort",
    "behavior",
    "basket",
    "customer",
    "recommendation",
    "questions",
    "ops",
)
"""In the direction of the flow: a table reads from its own schema and from those before it."""


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `type` is PostgreSQL's word for it, `allowed` the closed list of values (empty: any), `classification`
    "confidential" for what `cxa_reader` does not see.
    """

    name: str
    type: str
    description: str
    required: bool = False
    unit: str | None = None
    classification: str | None = None
    allowed: tuple[str, ...] = ()
    max_length: int | None = None


@dataclass(frozen=True)
class Rule:
    """A named claim about a table; its description says what a failure means.

    `kind` is one of: "check" (`sql` is the condition of a CHECK constraint), "failing_rows" (`sql` selects
    the rows that break the rule), "expectation" (`expectation` is a Great Expectations type with its
    arguments), "reject" (landed only: `sql` is the condition that a row must satisfy, the name is the reason).
    """

    name: str
    description: str
    severity: str
    kind: str
    sql: str | None = None
    expectation: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class PythonModel:
    """How a Python function makes a table.

    Args:
        function: `module:function`; it takes a DataFrame for each table and gives one.
        reads: The tables that it reads, with the columns.
        previous: Tables of which it also sees what the release before held.
        plot: `module:function` that draws the table, or None.
    """

    function: str
    reads: Mapping[str, tuple[str, ...]]
    previous: tuple[str, ...] = ()
    plot: str | None = None


@dataclass(frozen=True)
class Contract:
    """The contract of one table: everything about it but how it is computed.

    `drawn_from` names the tables of which a record of `ops` tells.
    """

    schema: str
    table: str
    version: str
    kind: str
    description: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    rules: tuple[Rule, ...]
    yaml_path: Path
    month: str | None = None
    one_row: bool = False
    published: bool = True
    owner: str = "analytics"
    tags: tuple[str, ...] = ()
    sql_path: Path | None = None
    seed_path: Path | None = None
    drawn_from: tuple[str, ...] = ()
    model: PythonModel | None = None

    @property
    def key(self) -> str:
        """`schema.table`: the name of the file, the lake's folder, the asset and the table."""
        return f"{self.schema}.{self.table}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def major_version(self) -> int:
        """The part of the version that a breaking change of the table raises."""
        return int(self.version.split(".")[0])

    @property
    def confidential(self) -> tuple[str, ...]:
        """Columns that `cxa_reader` must not see."""
        return tuple(c.name for c in self.columns if c.classification == "confidential")

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.key} has no column {name}")


@dataclass(frozen=True)
class Catalog:
    """All contracts of a project, by key, in the order of the schemas and then of the names."""

    root: Path
    contracts: Mapping[str, Contract]

    def __getitem__(self, key: str) -> Contract:
        return self.contracts[key]

    def __iter__(self) -> Iterator[Contract]:
        return iter(self.contracts.values())

    def __contains__(self, key: object) -> bool:
        return key in self.contracts

    def of_kind(self, *kinds: str) -> tuple[Contract, ...]:
        """The contracts of these kinds."""
        return tuple(c for c in self.contracts.values() if c.kind in kinds)
