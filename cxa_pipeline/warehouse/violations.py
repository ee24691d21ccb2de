"""Which rows break which constraint: the evidence when a staging table refuses its rows.

Here: asking a table without constraints, row by row. Not here: loading it (`stage`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.ddl import TableName, checks, identifier, identifiers, is_required, short_name
from cxa_pipeline.errors import ConstraintError

if TYPE_CHECKING:
    import psycopg

EXAMPLES = 5


@dataclass(frozen=True)
class Violation:
    """A constraint that rows break.

    Args:
        constraint: Its name, or "<column> is missing", "key is not unique".
        rule: The contract's rule that it enforces; None for types, NOT NULL, closed lists and keys.
        description: What it claims.
        rows: How many rows break it.
        examples: Up to five of them; confidential values are masked.
        query: Selects all of them.
    """

    constraint: str
    rule: str | None
    description: str
    rows: int
    examples: tuple[str, ...]
    query: str


class StagedRowsError(ConstraintError):
    """Staged rows break constraints of their contract; `violations` says which, `staged` where they lie."""

    def __init__(self, contract: Contract, staged: TableName, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        self.staged = staged
        evidence = [f"{v.constraint}: {v.rows} rows, such as {'; '.join(v.examples[:2])}" for v in violations]
        super().__init__(
            f"Rows for {contract.key} break {len(violations)} of its constraints",
            where=f"{contract.yaml_path}; the rows lie in {staged.key}",
            evidence=evidence,
            advice=f'cxa db psql -c "{violations[0].query}"' if violations else None,
        )


def find_violations(connection: psycopg.Connection[Any], contract: Contract, name: TableName) -> list[Violation]:
    """Every constraint of the contract that rows of the table break."""
    found = []
    for constraint, rule, description, condition, columns in _claims(contract, name):
        query = f"select * from {name.key} where {condition}"
        row = connection.execute(f"select count(*) from {name.sql} where {condition}".encode()).fetchone()
        if row and row[0]:
            examples = _examples(connection, contract, name, condition, columns)
            found.append(Violation(constraint, rule, description, int(row[0]), examples, query))
    return found


def _claims(contract: Contract, name: TableName) -> Iterator[tuple[str, str | None, str, str, tuple[str, ...]]]:
    """Constraint, rule, description, condition that a broken row meets, columns worth showing."""
    for column in contract.columns:
        if is_required(contract, column):
            description = f"every row has a {column.name}"
            yield f"{column.name} is missing", None, description, f"{identifier(column.name)} is null", ()
    rules = {short_name(rule.name): rule for rule in contract.rules if rule.kind == "check"}
    for check, condition in checks(contract).items():
        rule = rules.get(check)
        columns = tuple(c for c in contract.column_names if re.search(rf"\b{re.escape(c)}\b", condition))
        description = rule.description if rule else condition
        yield check, rule.name if rule else None, description, f"({condition}) is false", columns
    if contract.primary_key:
        key = identifiers(contract.primary_key)
        twice = f"({key}) in (select {key} from {name.sql} group by {key} having count(*) > 1)"
        yield "key is not unique", None, f"({', '.join(contract.primary_key)}) stands once", twice, ()


def _examples(
    connection: psycopg.Connection[Any], contract: Contract, name: TableName, condition: str, columns: tuple[str, ...]
) -> tuple[str, ...]:
    shown = list(dict.fromkeys(contract.primary_key + columns)) or list(contract.column_names[:4])
    rows = connection.execute(
        f"select {identifiers(shown)} from {name.sql} where {condition} limit {EXAMPLES}".encode()
    ).fetchall()
    return tuple(_words(contract, dict(zip(shown, row, strict=True))) for row in rows)


def _words(contract: Contract, values: dict[str, Any]) -> str:
    masked = {c: "***" for c in contract.confidential if values.get(c) is not None}
    return ", ".join(f"{c}={masked.get(c, 'NULL' if v is None else v)}" for c, v in values.items())
