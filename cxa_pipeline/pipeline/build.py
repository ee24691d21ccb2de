"""From landed months to versions of every table: what is stale, and computing it.

Here: keys, inputs and the walk through the graph. Not here: reading files (`sources`), running Python models
(`model_lane`), checks (`audit`), what readers see (`release`).
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from cxa_pipeline.contracts import Contract
from cxa_pipeline.contracts.model import PythonModel
from cxa_pipeline.engine.protocol import Engine, OutputColumn, Relation, Result
from cxa_pipeline.errors import EngineError, RunError
from cxa_pipeline.lake import Lake, writing
from cxa_pipeline.pipeline.model_lane import ModelLane, ModelTask
from cxa_pipeline.pipeline.project import Project, digest
from cxa_pipeline.pipeline.python_model import column_names
from cxa_pipeline.pipeline.versions import DATA, INPUT, PICTURE, Month, Need, Version, Versions, content
from cxa_pipeline.sources.landed import LandedDataset

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Making:
    """A version whose Python model runs: `folder` is where it is made, `model` gives the seconds that it took."""

    need: Need
    folder: Path
    model: Future[float]


class Builder:
    """Finds or computes the versions of tables, each after what it reads.

    Months without rows are no versions of a table, but known (`without_rows`), so that they are not computed again.
    `failed` has the tables that could not be computed, with the error; `lost` has these and all that reads them.

    Args:
        project: The graph.
        lake: Where versions lie.
        engine: What computes them.
        landed: The data sets as resolved by ingest, by name.
        parameters: Values of the one row of `core.parameters`.
        before: The versions of the release before, for Python models that look back.
    """

    def __init__(
        self,
        project: Project,
        lake: Lake,
        engine: Engine,
        landed: Mapping[str, LandedDataset],
        parameters: Mapping[str, Any],
        before: Mapping[str, Mapping[Month, Version]],
    ) -> None:
        self.project = project
        self.lake = lake
        self.engine = engine
        self.landed = landed
        self.parameters = parameters
        self.before = before
        self.versions: Versions = {}
        self.seconds: dict[str, float] = {}
        self.computed: dict[str, list[Month]] = {}
        self.built: set[str] = set()
        self.without_rows: set[tuple[str, ...]] = set()
        self.failed: dict[str, EngineError] = {}
        self.lost: set[str] = set()
        self._begun: dict[str, _Making] = {}

    # --- what is asked for ---------------------------------------------------------------------------------

    def needs(self, table: str) -> list[Need]:
        """The versions that make up a table now; its inputs must be known."""
        contract = self.project.catalog[table]
        return [self._need(contract, month) for month in self._months(contract)]

    def stale(self, tables: Iterable[str]) -> dict[str, list[Month]]:
        """Tables that have to be computed, with their months, as far as can be known without computing.

        Whatever reads a stale table is listed too, with no month: whether it is stale shows when its inputs are
        made.
        """
        found: dict[str, list[Month]] = {}
        for table in tables:
            if any(read in found for read in self.project.dependencies(table)):
                found[table] = []
                continue
            needs = self.needs(table)
            if missing := [n.month for n in needs if n.version is None]:
                found[table] = missing
            else:
                self._know(table, (n.version for n in needs if n.version))
        return found

    def build(
        self,
        tables: Collection[str],
        force: Mapping[str, Collection[Month]] | None = None,
        built: Callable[[str, Collection[Version]], None] | None = None,
    ) -> Versions:
        """Find or compute every one of `tables`, each after what it reads; one that fails loses its readers alone.

        Python models run beside the engine: they are begun as soon as their inputs are known, and what they wait for
        is computed first.

        Args:
            tables: What to build, with all that it reads.
            force: Tables to compute anew though they exist, with their months (empty: all).
            built: Called with each table and its versions.
        """
        wanted = {t for t in tables if self.project.catalog[t].kind != "landed"}
        graph = TopologicalSorter({t: wanted.intersection(self.project.dependencies(t)) for t in wanted})
        graph.prepare()
        models = {t for t in wanted if self.project.catalog[t].kind == "model"}
        waited_for = self.project.ancestors(models)
        turns = {t: (t not in models, t not in waited_for, n) for n, t in enumerate(self.project.order)}
        ready: list[str] = []
        try:
            with ModelLane() as lane:
                while graph.is_active():
                    ready = sorted((*ready, *graph.get_ready()), key=turns.__getitem__)
                    made = [t for t, making in self._begun.items() if making.model.done() or not ready]
                    table = made[0] if made else ready.pop(0)
                    if not self._settle(table, force or {}, lane):
                        continue
                    graph.done(table)
                    if built and table not in self.lost:
                        built(table, self.versions[table].values())
        finally:
            for making in self._begun.values():
                self.lake.abandon(making.folder)
        return self.versions

    def carry_over(self, versions: Mapping[str, Mapping[Month, Version]]) -> None:
        """Take tables that were not built as they are in a release, so that identities can be evaluated."""
        for table, months in versions.items():
            if table not in self.built and table in self.project.catalog:
                self.versions[table] = dict(months)

    # --- keys ----------------------------------------------------------------------------------------------

    def _months(self, contract: Contract) -> list[Month]:
        if contract.kind != "monthly":
            return [None]
        months: set[Month] = set()
        for read in self.project.dependencies(contract.key):
            source = self.project.catalog[read]
            if source.month:
                months |= set(self.landed[source.table].months if source.kind == "landed" else self.versions[read])
        return sorted(months, key=str)

    def _need(self, contract: Contract, month: Month) -> Need:
        inputs = {read: self._input_hash(contract, read, month) for read in self.project.dependencies(contract.key)}
        made_of: list[object] = [self.project.definition_hash(contract.key), self.engine.version, inputs]
        if contract.kind == "settings":
            made_of.append(self._settings_row(contract))
        if contract.seed_path:
            made_of.append(contract.seed_path.read_text(encoding="utf-8"))
        need = Need(contract.key, month, digest(made_of), inputs, None)
        stored = self.lake.find(need.parts)
        version = Version.from_manifest(stored) if stored else None
        return Need(contract.key, month, need.key, inputs, version)

    def _input_hash(self, reader: Contract, read: str, month: Month) -> str:
        source = self.project.catalog[read]
        same_month = reader.kind == "monthly" and source.month is not None
        if source.kind == "landed":
            months = self.landed[source.table].months
            chosen = {month: months[month]} if same_month and month in months else {} if same_month else months
            return digest(sorted((str(m), part.input_hash) for m, part in chosen.items()))
        versions = self.versions[read]
        if source.one_row and versions:
            columns = self.project.columns_read(reader.key).get(read, set())
            return digest({name: versions[None].values[name] for name in columns})
        if same_month:
            return versions[month].content_hash if month in versions else "empty"
        return content(versions) if versions else "empty"

    # --- computing -----------------------------------------------------------------------------------------

    def _settle(self, table: str, force: Mapping[str, Collection[Month]], lane: ModelLane) -> bool:
        """Find, compute or lose a table; False if its Python model was only begun."""
        if self.lost.intersection(self.project.dependencies(table)):
            self.lost.add(table)
            return True
        try:
            return self._build(table, force, lane)
        except EngineError as error:
            log.error("%s", error)
            self.failed[table] = error
            self.lost.add(table)
            return True

    def _build(self, table: str, force: Mapping[str, Collection[Month]], lane: ModelLane) -> bool:
        if table in self._begun:
            self._know(table, [self._modelled(self._begun.pop(table))])
            return True
        found = []
        model = self.project.catalog[table].model
        looks_back = bool(model and model.previous)  # computed anew, it would look back at itself
        for need in self.needs(table):
            forced = table in force and not looks_back and (not force[table] or need.month in force[table])
            if need.version and not forced:
                found.append(need.version)
            elif model:
                self._begun[table] = self._begin(need, model, lane)
                return False
            else:
                found.append(self._compute(need))
        self._know(table, found)
        return True

    def _know(self, table: str, versions: Iterable[Version]) -> None:
        monthly = self.project.catalog[table].kind == "monthly"
        known = list(versions)
        self.versions[table] = {v.month: v for v in known if v.rows or not monthly}
        self.without_rows |= {v.parts for v in known if not v.rows}
        self.built.add(table)

    def _compute(self, need: Need) -> Version:
        contract = self.project.catalog[need.table]
        folder = self.lake.begin(need.parts)
        with self._making(need, folder):
            return self._write(need, folder, *self._query(contract, need.month, folder))

    def _begin(self, need: Need, model: PythonModel, lane: ModelLane) -> _Making:
        contracts = self.project.catalog.contracts
        folder = self.lake.begin(need.parts)
        task = ModelTask(
            contract=contracts[need.table],
            contracts={table: contracts[table] for table in (*model.reads, *model.previous)},
            relations={table: self.relation(table) for table in model.reads},
            before={table: self._relation_before(table) for table in model.previous},
            target=folder / INPUT,
            picture=folder / PICTURE,
        )
        return _Making(need, folder, lane.submit(task))

    def _modelled(self, making: _Making) -> Version:
        need, folder = making.need, making.folder
        with self._making(need, folder):
            seconds = making.model.result()
            source = {need.table: Relation((folder / INPUT,))}
            return self._write(need, folder, _all_columns(self.project.catalog[need.table]), source, seconds)

    @contextmanager
    def _making(self, need: Need, folder: Path) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.lake.abandon(folder)
            if isinstance(error, EngineError):
                error.where = ", ".join(filter(None, [f"table {need.table}{_of(need.month)}", error.where]))
            raise

    def _write(
        self, need: Need, folder: Path, sql: str, relations: Mapping[str, Relation], spent: float = 0.0
    ) -> Version:
        """Compute a version from SQL; `spent` are the seconds that a Python model took before."""
        columns = self.project.output_columns(need.table)
        result = self.engine.run(sql, relations, columns, folder / DATA)
        seconds = spent + result.seconds
        (folder / INPUT).unlink(missing_ok=True)
        manifest = {
            "table": need.table,
            "month": need.month,
            "key": need.key,
            "rows": result.rows,
            "content_hash": result.content_hash,
            "seconds": round(seconds, 3),
            "inputs": dict(need.inputs),
            "engine": f"{self.engine.name} {self.engine.version}",
            "values": self._values(self.project.catalog[need.table], folder / DATA, columns),
        }
        if need.version:
            self._replace(need.version, result, folder)
        stored = self.lake.finish(need.parts, folder, manifest)
        self.seconds[need.table] = self.seconds.get(need.table, 0.0) + seconds
        self.computed.setdefault(need.table, []).append(need.month)
        log.info("%s%s: computed %s rows in %.2f s", need.table, _of(need.month), f"{result.rows:,}", seconds)
        return Version.from_manifest(stored)

    def _replace(self, version: Version, result: Result, folder: Path) -> None:
        """A version that was computed anew by force: its file takes the place of the old one, if it says the same."""
        if result.content_hash != version.content_hash:
            raise RunError(
                f"{version.table} comes out differently from the same definition and inputs",
                where=str(version.path),
                evidence=[f"then {version.content_hash}", f"now {result.content_hash}"],
                advice="make the order in its SQL total; a change of its text gives it a new version",
            )
        with writing(version.path):
            (folder / DATA).replace(version.path)

    def _query(self, contract: Contract, month: Month, folder: Path) -> tuple[str, dict[str, Relation]]:
        if contract.kind in ("settings", "seed"):
            rows = [self._settings_row(contract)] if contract.kind == "settings" else _seed_rows(contract)
            text = tuple(OutputColumn(c.name, "text") for c in contract.columns)
            source = Relation((_write_text(rows, contract, folder / INPUT),), columns=text)
            return _all_columns(contract), {contract.key: source}
        relations = {
            read: self.relation(read, month if contract.kind == "monthly" else None)
            for read in self.project.dependencies(contract.key)
        }
        return self.project.sql[contract.key], relations

    def relation(self, table: str, month: Month = None) -> Relation:
        """The rows of a table, or of one month of a monthly one."""
        contract = self.project.catalog[table]
        columns = self.project.output_columns(table)
        if contract.kind == "landed":
            months = self.landed[contract.table].months
            if month is None or contract.month is None:
                return self.landed[contract.table].whole.relation
            return months[month].relation if month in months else Relation((), columns=columns)
        versions = self.versions[table]
        chosen = [v for m, v in versions.items() if month is None or contract.month is None or m == month]
        return Relation(tuple(v.path for v in chosen), columns=columns)

    def _relation_before(self, table: str) -> Relation:
        """The rows of a table in the release before; none where its columns were others."""
        columns = self.project.output_columns(table)
        paths = tuple(version.path for version in self.before.get(table, {}).values())
        present = {name for path in paths for name in column_names(path)}
        return Relation(paths if {c.name for c in columns} <= present else (), columns=columns)

    def _settings_row(self, contract: Contract) -> dict[str, Any]:
        if missing := sorted(set(contract.column_names) - set(self.parameters)):
            raise RunError(
                f"{contract.key} has columns that no setting fills", where=str(contract.yaml_path), evidence=missing
            )
        return {name: self.parameters[name] for name in contract.column_names}

    def _values(self, contract: Contract, path: Path, columns: tuple[OutputColumn, ...]) -> dict[str, str | None]:
        if not contract.one_row:
            return {}
        names = ", ".join(contract.column_names)
        table = self.engine.fetch(f"select {names} from {contract.key}", {contract.key: Relation((path,))}, columns)
        rows = table.to_pylist()
        if len(rows) != 1:
            raise RunError(
                f"{contract.key} must have one row", where=str(contract.yaml_path), evidence=f"{len(rows)} rows"
            )
        return {name: None if value is None else str(value) for name, value in rows[0].items()}


def _of(month: Month) -> str:
    return f" {month:%Y-%m}" if month else ""


def _all_columns(contract: Contract) -> str:
    return f"select {', '.join(contract.column_names)} from {contract.key}"


def _seed_rows(contract: Contract) -> list[dict[str, Any]]:
    if contract.seed_path is None:
        raise RunError(f"The seed {contract.key} has no CSV file", where=str(contract.yaml_path.with_suffix(".csv")))
    with contract.seed_path.open(encoding="utf-8", newline="") as file:
        rows = [{name: value or None for name, value in row.items()} for row in csv.DictReader(file)]
    return rows


def _write_text(rows: list[dict[str, Any]], contract: Contract, path: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = {
        name: pa.array([None if row.get(name) is None else str(row[name]) for row in rows], pa.string())
        for name in contract.column_names
    }
    pq.write_table(pa.table(texts), path)
    return path
