"""The query of a batch: mapped text in, typed rows with their month and their first broken rule out.

Here: the stages of that one SELECT. Not here: what a column's cast or a rule is (`cast`), running it (`batch`).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from cxa_pipeline.sources.cast import Cast
from cxa_pipeline.sources.reader import Reader
from cxa_pipeline.sources.sql import text_

if TYPE_CHECKING:
    from cxa_pipeline.sources.batch import BatchPlan

NOWHERE = date(1000, 1, 1)
"""Partitions of rejected rows lie in this year, by the number of the broken rule."""


def batch_query(plan: BatchPlan, cast: Cast, mapped: str, latest: date, reader: Reader) -> str:
    """The SELECT that gives the contract's columns and `part`: the month, or the rule that was broken.

    Args:
        plan: The batch.
        cast: Types and rules.
        mapped: The mapping as DuckDB runs it.
        latest: The last day that zone tables must know.
        reader: The connection that has these tables.
    """
    stages = [
        f"mapped as ({mapped})",
        f"trimmed as (select file_id, line, {', '.join(cast.text)} from mapped)",
        f"parsed as (select *{''.join(', ' + item for item in cast.parsed)} from trimmed)",
        f"zoned as ({_zoned(cast, reader.zone_table(plan.zone, 'local', latest))})",
        f"typed as ({_typed(cast)})",
    ]
    last = "typed"
    if cast.moment:
        stages.append(f"placed as ({_placed(cast.moment, reader.zone_table(plan.home_zone, 'utc', latest))})")
        last = "placed"
    whens = " ".join(f"when {check.condition} then {check.code}" for check in cast.checks)
    code = f"case {whens} else 0 end" if whens else "0"
    stages.append(f"checked as (select *, {code} as code from {last})")
    return f"with {', '.join(stages)} {_output(plan, cast)}"


def _zoned(cast: Cast, table: str | None) -> str:
    """Local times to UTC, by the table of the source's days; None means that they are in UTC."""
    moments, joins = [], []
    for i, name in enumerate(cast.zoned):
        local, day = f"p.{name}_local", f"d{i}"
        if table is None:
            moments.append(f", {local} as {name}_utc, false as {name}_adjusted")
            continue
        joins.append(f"left join {table} {day} on {day}.day = {local}::date")
        offset = f"to_seconds(case when {local} < {day}.switch then {day}.before else {day}.after end)"
        moments.append(
            f", case when p.{name}_zoned or {day}.day is null then {local} else {local} - {offset} end as {name}_utc, "
            f"coalesce(not p.{name}_zoned and {local} >= {day}.doubtful and {local} < {day}.switch, false) "
            f"as {name}_adjusted"
        )
    return f"select p.*{''.join(moments)} from parsed p {' '.join(joins)}"


def _typed(cast: Cast) -> str:
    texts = ", ".join(f"x_{name}" for name in cast.canonical)
    adjusted = f"{cast.moment}_adjusted" if cast.moment in cast.zoned else "false"
    return f"select file_id, line, {texts}, {adjusted} as ts_adjusted, {', '.join(cast.typed)} from zoned"


def _placed(moment: str, table: str | None) -> str:
    """Local day and month of the home, by the table of its zone's days."""
    stem, utc = moment.removesuffix("_at"), f"make_timestamp(epoch_us(t.{moment}))"
    day, join = f"{utc}::date", ""
    if table is not None:
        local = f"({utc} + to_seconds(case when {utc} < h.switch then h.before else h.after end))::date"
        day = f"coalesce({local}, {utc}::date)"
        join = f"left join {table} h on h.day = {utc}::date"
    placed = f"select t.*, {day} as {stem}_date from typed t {join}"
    return f"select *, {stem}_date - (day({stem}_date) - 1)::integer as {stem}_month from ({placed})"


def _output(plan: BatchPlan, cast: Cast) -> str:
    made = {
        "source_id": text_(plan.source.name),
        "row_hash": f"(hash({', '.join(cast.canonical)}) >> 1)::bigint",
    }
    chosen = [f"{made.get(c.name, c.name)} as {c.name}" for c in plan.contract.columns]
    part = "code"
    if cast.moment:
        month = f"{cast.moment.removesuffix('_at')}_month"
        part = f"case when code = 0 then {month} else date '{NOWHERE}' + code end"
    return f"select {', '.join(chosen)}, {part} as part from checked"
