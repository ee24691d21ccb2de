"""Profiles of the tables of core: what every column holds.

Here: which rows and columns are looked at, and keeping the result. A profile is a result like any other, named by the
contents of its table's versions: it is made when they are new. Counts, minimum and maximum are of all rows, and those
of a month are taken over while the month stays as it is; everything else is of at most `LIMIT` rows: of all, or in a
larger table of a sample by the hash of the key, the same on every machine. Columns that are confidential are counted
and not looked at. Not here: the figures (`figures`), the rows of `ops` (`records`).

    profiles/<schema>/<table>/<key>/   manifest.json  [sample.parquet]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxa_pipeline.contracts import Column, Contract
from cxa_pipeline.engine.kinds import kind_of_type
from cxa_pipeline.engine.protocol import Engine, OutputColumn, Relation
from cxa_pipeline.lake import Lake, Parts, Stored
from cxa_pipeline.pipeline.figures import commonest, correlations, distribution, shown
from cxa_pipeline.pipeline.project import Project, digest
from cxa_pipeline.pipeline.versions import Month, Version

if TYPE_CHECKING:
    import pyarrow as pa

LIMIT = 131_072
"""Rows beyond which a sample is looked at."""

UNKNOWN = "Unknown"
VERSION = 1
SAMPLE = "sample.parquet"
NOT_FIGURES = ("line", "row_hash", "source_id", "file_id")

Profile = Mapping[str, Any]
Tally = dict[str, Any]


def profiled(project: Project) -> list[Contract]:
    """The tables that have a profile."""
    return [c for c in project.catalog if c.schema == "core" and c.kind in ("table", "monthly") and not c.one_row]


class Profiles:
    """Finds or makes the profiles of tables.

    Args:
        project: The graph.
        lake: Where versions and profiles lie.
        engine: What reads them.
    """

    def __init__(self, project: Project, lake: Lake, engine: Engine) -> None:
        self.project = project
        self.lake = lake
        self.engine = engine

    def of(self, contract: Contract, versions: Mapping[Month, Version]) -> Profile:
        """The profile of a table."""
        parts = self.parts(contract, versions)
        stored = self.lake.find(parts) or self._make(contract, versions, parts)
        return stored.manifest

    def make(self, tables: Mapping[str, Mapping[Month, Version]]) -> None:
        """Make the profiles of these tables that are missing."""
        for contract in profiled(self.project):
            if contract.key in tables:
                self.of(contract, tables[contract.key])

    def live(self, tables: Mapping[str, Mapping[Month, Version]]) -> set[Parts]:
        """Where the profiles of these tables lie: what garbage collection must leave."""
        return {self.parts(c, tables[c.key]) for c in profiled(self.project) if c.key in tables}

    def parts(self, contract: Contract, versions: Mapping[Month, Version]) -> Parts:
        """Where the profile of a table lies in the lake."""
        contents = sorted((str(month), version.content_hash) for month, version in versions.items())
        key = digest([self._definition(contract), contents])
        return (*_place(contract), key[:32])

    def _definition(self, contract: Contract) -> str:
        columns = [(c.name, c.type, c.classification) for c in contract.columns]
        made_of = [VERSION, LIMIT, self.engine.version, columns, contract.primary_key, contract.published]
        return digest(made_of)[:32]

    def _make(self, contract: Contract, versions: Mapping[Month, Version], parts: Parts) -> Stored:
        folder = self.lake.begin(parts)
        try:
            before = self._before(contract)
            tallies = self._tallies(contract, versions, before.manifest["tallies"] if before else {})
            rows = sum(version.rows for version in versions.values())
            one_in = _one_in(rows) if contract.published else 0
            manifest = {"definition": self._definition(contract), "tallies": tallies, "one_in": one_in}
            found: Profile = {"profiled_rows": 0, "columns": {}, "top": {}, "pairs": []}
            if one_in:
                sample = self._sample(contract, versions, one_in, before, folder)
                found = _look(contract, self._rows(contract, sample))
            manifest |= {**found, "columns": _columns(contract, tallies.values(), found["columns"])}
            return self.lake.finish(parts, folder, manifest)
        except BaseException:
            self.lake.abandon(folder)
            raise

    def _before(self, contract: Contract) -> Stored | None:
        """An earlier profile, made in the same way."""
        definition = self._definition(contract)
        found = [s for s in self.lake.results(*_place(contract)) if s.manifest["definition"] == definition]
        return found[-1] if found else None

    # --- all rows ------------------------------------------------------------------------------------------

    def _tallies(
        self, contract: Contract, versions: Mapping[Month, Version], known: Mapping[str, Tally]
    ) -> dict[str, Tally]:
        """Counts, minimum and maximum of every column, by the content of the version."""
        new = {month: v for month, v in versions.items() if _name(month, v) not in known}
        tallies = {_name(month, v): known[_name(month, v)] for month, v in versions.items() if month not in new}
        if new:
            counted = self._count(contract, [v.path for v in new.values()])
            tallies |= {_name(month, v): counted[month] for month, v in new.items() if month in counted}
        return tallies

    def _count(self, contract: Contract, paths: list[Path]) -> dict[Month, Tally]:
        wanted = ["count(*) as n"]
        for place, column in enumerate(contract.columns):
            wanted.append(f"count({column.name}) as n{place}")
            if column.type == "text":
                wanted.append(f"count(*) filter (where {column.name} = '{UNKNOWN}') as u{place}")
            if _has_extremes(column):
                wanted += [f"min({column.name}) as a{place}", f"max({column.name}) as z{place}"]
        month, group = (f"{contract.month}, ", " group by 1") if contract.month else ("", "")
        relation = Relation(tuple(paths), columns=self.project.output_columns(contract.key))
        sql = f"select {month}{', '.join(wanted)} from {contract.key}{group}"
        rows = self.engine.fetch(sql, {contract.key: relation}).to_pylist()
        return {_month(row.get(contract.month or "")): _tally(contract, row) for row in rows}

    # --- some rows -----------------------------------------------------------------------------------------

    def _sample(
        self,
        contract: Contract,
        versions: Mapping[Month, Version],
        one_in: int,
        before: Stored | None,
        folder: Path,
    ) -> list[Path]:
        """Files with the rows to look at: the versions themselves, or a sample beside the profile."""
        if one_in == 1:
            return [version.path for version in versions.values()]
        columns = self.project.output_columns(contract.key)
        kept, new = set[Month](), dict(versions)
        if before and contract.month and before.manifest["one_in"] > 1 and one_in % before.manifest["one_in"] == 0:
            kept = {month for month, v in versions.items() if _name(month, v) in before.manifest["tallies"]}
            new = {month: v for month, v in versions.items() if month not in kept}

        def part(paths: Iterable[Path]) -> Relation:
            return Relation(tuple(paths), columns=columns, sampled_by=contract.primary_key, one_in=one_in)

        names = ", ".join(contract.column_names)
        relations = {"profile.changed": part(v.path for v in new.values())}
        sql = f"select {names} from profile.changed"
        if before and kept:
            relations["profile.kept"] = part([before.path / SAMPLE])
            days = ", ".join(f"date '{month}'" for month in sorted(kept, key=str))
            sql = f"{sql} union all select {names} from profile.kept where {contract.month} in ({days})"
        self.engine.run(sql, relations, columns, folder / SAMPLE)
        return [folder / SAMPLE]

    def _rows(self, contract: Contract, paths: list[Path]) -> pa.Table:
        """What may be looked at of these rows, in the order of the key."""
        relation = Relation(tuple(paths), columns=self.project.output_columns(contract.key))
        columns = [OutputColumn(c.name, c.type) for c in contract.columns if c.classification != "confidential"]
        names = ", ".join(column.name for column in columns)
        order = f" order by {', '.join(contract.primary_key)}" if contract.primary_key else ""
        return self.engine.fetch(f"select {names} from {contract.key}{order}", {contract.key: relation}, columns)


def _place(contract: Contract) -> Parts:
    return ("profiles", contract.schema, contract.table)


def _name(month: Month, version: Version) -> str:
    return f"{month or ''}:{version.content_hash}"


def _month(value: Any) -> Month:
    return value if isinstance(value, date) else None


def _one_in(rows: int) -> int:
    """The power of two that leaves no more than the limit, so that smaller samples are parts of larger ones."""
    one_in = 1
    while rows > LIMIT * one_in:
        one_in *= 2
    return one_in


def _has_extremes(column: Column) -> bool:
    kind = kind_of_type(column.type)
    return (kind.is_number or kind.is_moment) and column.classification != "confidential"


def _tally(contract: Contract, row: Mapping[str, Any]) -> Tally:
    columns = {}
    for place, column in enumerate(contract.columns):
        found = {"nulls": row["n"] - row[f"n{place}"], "unknown": row.get(f"u{place}", 0)}
        columns[column.name] = found | {"least": shown(row.get(f"a{place}")), "most": shown(row.get(f"z{place}"))}
    return {"rows": row["n"], "columns": columns}


def _columns(contract: Contract, tallies: Iterable[Tally], looked: Mapping[str, Any]) -> dict[str, Any]:
    parts = list(tallies)
    rows = sum(tally["rows"] for tally in parts)
    found = {}
    for column in contract.columns:
        order = Decimal if kind_of_type(column.type).is_number else str
        mine = [tally["columns"][column.name] for tally in parts]
        least, most = ([part[end] for part in mine if part[end] is not None] for end in ("least", "most"))
        found[column.name] = {
            "rows": rows,
            "nulls": sum(part["nulls"] for part in mine),
            "unknown": sum(part["unknown"] for part in mine),
            "minimum": min(least, key=order, default=None),
            "maximum": max(most, key=order, default=None),
            **looked.get(column.name, {}),
        }
    return found


def _look(contract: Contract, rows: pa.Table) -> Profile:
    """What is to be said of some rows."""
    columns: dict[str, Any] = {}
    top: dict[str, Any] = {}
    for name in rows.column_names:
        values = rows.column(name)
        different, top[name] = commonest(values)
        columns[name] = {"distinct": different, "present": len(values) - values.null_count}
        if kind_of_type(contract.column(name).type).is_number:
            columns[name] |= distribution(values)
    figures = {name: rows.column(name) for name in rows.column_names if _is_figure(contract, name)}
    return {"profiled_rows": rows.num_rows, "columns": columns, "top": top, "pairs": list(correlations(figures))}


def _is_figure(contract: Contract, name: str) -> bool:
    is_name = name in contract.primary_key or name in NOT_FIGURES or name.endswith("_id")
    return kind_of_type(contract.column(name).type).is_number and not is_name
