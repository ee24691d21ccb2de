"""Great Expectations suites from contracts; the only module that imports great_expectations.

Here: the rules of a contract that a database cannot enforce, evaluated on a table in PostgreSQL. Not here: NOT
NULL, CHECK and keys, which staging enforces (`warehouse.stage`); agreement between tables (`sql/identities`).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cxa_pipeline.contracts.model import Contract, Rule
from cxa_pipeline.errors import WarehouseError

SUITE_KINDS = ("failing_rows", "expectation")
STAGED = "staged_rows"


@dataclass(frozen=True)
class CheckResult:
    """What a rule said of a table.

    `failed_rows` counts the rows that break it (None where it is no rule about rows), `observed` is the value
    seen, `query` selects the failing rows.
    """

    rule: str
    severity: str
    passed: bool
    description: str
    failed_rows: int | None = None
    observed: str | None = None
    query: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The result as the lake keeps it."""
        return dict(self.__dict__)


def suite_rules(contract: Contract) -> tuple[Rule, ...]:
    """The rules of a contract that Great Expectations evaluates."""
    return tuple(rule for rule in contract.rules if rule.kind in SUITE_KINDS)


def on_table(query: str, contract: Contract, name: str) -> str:
    """A rule's query with the contract's table replaced by another name."""
    return re.sub(rf"\b{re.escape(contract.key)}\b", lambda _: name, query)


class Expectations:
    """Evaluates suites in one database.

    Args:
        url: SQLAlchemy URL of the database.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @cached_property
    def _context(self) -> Any:
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
        context.data_sources.add_sql("warehouse", connection_string=self.url)
        return context

    def prepare(self) -> None:
        """Import Great Expectations and connect, ahead of the first suite."""
        with _own_warnings_ignored():
            _ = self._context

    def evaluate(self, contract: Contract, schema: str, table: str) -> list[CheckResult]:
        """Evaluate the suite of a contract on `schema.table`; an empty list where the contract has no such rule.

        Raises:
            WarehouseError: PostgreSQL was lost meanwhile; that is no answer of a check.
        """
        rules = suite_rules(contract)
        if not rules:
            return []
        with _own_warnings_ignored():
            try:
                return self._evaluate(contract, rules, schema, table)
            except WarehouseError:
                raise
            except Exception as error:
                if _server_is_lost(str(error)):
                    raise _lost(contract, str(error)) from error
                raise

    def _evaluate(self, contract: Contract, rules: Sequence[Rule], schema: str, table: str) -> list[CheckResult]:
        import great_expectations as gx

        asset_name = f"{schema}.{table}"
        source = self._context.data_sources.get("warehouse")
        if asset_name in {asset.name for asset in source.assets}:
            source.delete_asset(asset_name)
        asset = source.add_table_asset(asset_name, table_name=table, schema_name=schema)
        batch = asset.add_batch_definition_whole_table("all").get_batch()
        expectations = [_expectation(contract, rule) for rule in rules]
        suite = gx.ExpectationSuite(name=contract.key, expectations=expectations)
        outcome = batch.validate(suite, result_format="SUMMARY")
        found = {result.expectation_config.meta["rule"]: result for result in outcome.results}
        return [_result(rule, contract, found[rule.name], asset_name) for rule in rules]

    def close(self) -> None:
        """Give the connections back."""
        if "_context" in self.__dict__:
            engine = self._context.data_sources.get("warehouse").get_engine()
            engine.dispose()


@contextmanager
def _own_warnings_ignored() -> Iterator[None]:
    """Without warnings of its own making: modules that Python will drop, parameters that it will."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _expectation(contract: Contract, rule: Rule) -> Any:
    import great_expectations.expectations as gxe

    if rule.kind == "failing_rows":
        query = f"with {STAGED} as (select * from {{batch}}) {on_table(str(rule.sql), contract, STAGED)}"
        name, arguments = "UnexpectedRowsExpectation", {"unexpected_rows_query": query}
    else:
        given: Mapping[str, Any] = rule.expectation or {}
        name = "".join(word.capitalize() for word in given["type"].split("_"))
        arguments = dict(given.get("kwargs", {}))
    return getattr(gxe, name)(**arguments, meta={"rule": rule.name})


def _result(rule: Rule, contract: Contract, outcome: Any, table: str) -> CheckResult:
    result = outcome.result or {}
    failed = result.get("unexpected_count")
    observed = result.get("observed_value")
    if rule.kind == "failing_rows" and isinstance(observed, int):
        failed = observed
    if problem := _exception(outcome.exception_info or {}):
        if _server_is_lost(problem):
            raise _lost(contract, problem)
        observed = f"the check could not be evaluated: {problem}"
    return CheckResult(
        rule=rule.name,
        severity=rule.severity,
        passed=bool(outcome.success),
        description=rule.description,
        failed_rows=failed,
        observed=None if observed is None else str(observed),
        query=on_table(str(rule.sql), contract, table) if rule.sql else None,
    )


def _exception(info: Mapping[str, Any]) -> str | None:
    """What was raised while a check was evaluated; Great Expectations keeps it by metric, or at the top."""
    for entry in (info, *(value for value in info.values() if isinstance(value, Mapping))):
        if entry.get("raised_exception"):
            return str(entry.get("exception_message")).strip().splitlines()[0]
    return None


def _server_is_lost(message: str) -> bool:
    """Whether a message of SQLAlchemy names an error of the connection or the server, not of the query."""
    from psycopg2 import InterfaceError, OperationalError, errors

    found = re.search(r"\(psycopg2\.(?:errors\.)?(\w+)\)", message)
    known = {"OperationalError": OperationalError, "InterfaceError": InterfaceError}
    kind = (known.get(found[1]) or getattr(errors, found[1], None)) if found else None
    return isinstance(kind, type) and issubclass(kind, (OperationalError, InterfaceError))


def _lost(contract: Contract, message: str) -> WarehouseError:
    return WarehouseError(
        "PostgreSQL was lost while a table was checked",
        where=contract.key,
        evidence=message[message.index("(psycopg2") :].splitlines()[0],
        advice="see that PostgreSQL runs (`cxa db start`), then run again: what was finished stays",
    )


def failing(results: Iterable[CheckResult]) -> list[CheckResult]:
    """The results that hold a table back."""
    return [r for r in results if not r.passed and r.severity == "error"]
