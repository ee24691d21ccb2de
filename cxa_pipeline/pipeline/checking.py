"""Checking versions while later tables are still computed.

Here: which versions were not checked yet, and who checks them when: PostgreSQL loads and checks its tables beside the
engine, on a thread of its own; views and what stays in the lake are checked on the engine, afterwards. Not here: what
a check is (`audit`), staging (`publication`), agreement between tables (`reconcile`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from cxa_pipeline.contracts.expectations import CheckResult
from cxa_pipeline.engine.protocol import Relation
from cxa_pipeline.pipeline.audit import audit_on_engine, known, remember
from cxa_pipeline.pipeline.build import Builder
from cxa_pipeline.pipeline.publication import Publisher
from cxa_pipeline.pipeline.versions import Version

log = logging.getLogger(__name__)


class Checker:
    """Checks every version once; used as a context, which ends with the thread's work.

    Args:
        publisher: Stages and checks in PostgreSQL.
        busy: Much is to be done: load what checks need while files are read.
    """

    def __init__(self, publisher: Publisher, busy: bool) -> None:
        self._publisher = publisher
        self._lake, self._project = publisher.home.lake, publisher.project
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="check")
        self._begun: list[Future[None]] = []
        if busy:
            self._begun.append(self._thread.submit(publisher.warm_up))

    def __enter__(self) -> Checker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def begin(self, table: str, versions: Collection[Version]) -> None:
        """Start to stage and check a table that PostgreSQL will hold, where its content was not checked yet."""
        unchecked = self._unchecked(versions)
        if unchecked and self._in_postgres(table):
            self._begun.append(self._thread.submit(self._check, table, unchecked))

    def finish(self, builder: Builder) -> None:
        """Check the rest on the engine, and wait for PostgreSQL.

        Raises:
            WarehouseError: PostgreSQL cannot be reached, or has no space left.
        """
        for table in builder.built:
            unchecked = [] if self._in_postgres(table) else self._unchecked(builder.versions[table].values())
            if unchecked:
                columns = self._project.output_columns(table)
                relation = Relation(tuple(version.path for version in unchecked), columns=columns)
                results = audit_on_engine(builder.engine, self._project.catalog[table], relation)
                self._remember(table, unchecked, results)
        for check in self._begun:
            check.result()

    def _in_postgres(self, table: str) -> bool:
        contract = self._project.catalog[table]
        return contract.published and contract.kind != "view"

    def _unchecked(self, versions: Collection[Version]) -> list[Version]:
        return [v for v in versions if known(self._lake, self._project, v) is None]

    def _check(self, table: str, versions: list[Version]) -> None:
        self._remember(table, versions, self._publisher.audit(table, versions))

    def _remember(self, table: str, versions: list[Version], results: list[CheckResult]) -> None:
        for version in versions:
            remember(self._lake, self._project, version, results)
        log.debug("%s: checked", table)
