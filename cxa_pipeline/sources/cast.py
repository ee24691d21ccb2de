"""From canonical text to typed rows: the SQL that a contract implies.

Here: trimming, words, numbers, dates and times, prefixes, and the first rule that a row breaks. Not here: the
query around it (`batch`), what reasons mean to people (`reasons`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from cxa_pipeline.contracts import Column, Contract
from cxa_pipeline.sources.definition import FileKind, SourceDefinition, Values
from cxa_pipeline.sources.mapping import columns_of_condition, translate_condition
from cxa_pipeline.sources.sql import text_

IDS = frozenset(
    [
        "customer_id",
        "product_id",
        "store_id",
        "device_id",
        "sale_id",
        "order_id",
        "original_sale_id",
        "interaction_id",
        "session_id",
    ]
)
TAXED = frozenset(["unit_price", "discount_amount", "total_price"])
"""Money that is kept without tax, also where the source's prices include it."""
RESERVED_IDS = ("__online__",)
SYSTEM = frozenset(["source_id", "file_id", "line", "row_hash", "ts_adjusted"])
FIRST_MOMENT = "1990-01-01"
_ZONE = r"([zZ]|[+-]\d\d(:?\d\d)?| [A-Za-z_/]+)$"
_SPACE = "' ' || chr(9) || chr(10) || chr(13) || chr(160)"


@dataclass(frozen=True)
class Check:
    """A rule that a row may break: the number by which the query calls it, its reason and its column."""

    code: int
    reason: str
    column: str | None
    condition: str


@dataclass(frozen=True)
class Cast:
    """Everything that the query of a batch needs to know about types and rules.

    `text` and `typed` are select items, `joins` the zones to join, `checks` in the order in which they count,
    `moment` the column of business time (None for dimensions).
    """

    text: tuple[str, ...]
    parsed: tuple[str, ...]
    typed: tuple[str, ...]
    zoned: tuple[str, ...]
    checks: tuple[Check, ...]
    canonical: tuple[str, ...]
    moment: str | None


def canonical_columns(contract: Contract) -> tuple[Column, ...]:
    """The columns that a mapping may give: all but those that ingest adds."""
    day = _moment(contract)
    added = SYSTEM | ({f"{day}_date", f"{day}_month"} if day else set())
    return tuple(column for column in contract.columns if column.name not in added)


def _moment(contract: Contract) -> str | None:
    return contract.month.removesuffix("_month") if contract.month else None


def build_cast(
    contract: Contract,
    source: SourceDefinition,
    kind: FileKind,
    values: Values,
    given: Sequence[str],
    latest: date,
    odd_spaces: bool,
) -> Cast:
    """Derive the SQL from the contract and the source's rules.

    Args:
        contract: The landed contract of the data set.
        source: The source, for prefix, currency and formats.
        kind: The layout of the files, for the decimal sign and the words for NULL.
        values: The words that all sources share.
        given: The canonical columns that the mapping gives; the others are NULL.
        latest: The last day that a moment may have.
        odd_spaces: Whether tabs and no-break spaces must be trimmed too, which takes four times as long.
    """
    builder = _Builder(contract, source, kind, values, frozenset(given), latest, odd_spaces)
    columns = canonical_columns(contract)
    stem = _moment(contract)
    return Cast(
        text=tuple(builder.text(column) for column in columns),
        parsed=tuple(item for column in columns for item in builder.parsed(column)),
        typed=tuple(builder.typed(column) for column in columns),
        zoned=tuple(c.name for c in columns if c.type == "timestamptz" and c.name in given),
        checks=tuple(builder.checks(columns)),
        canonical=tuple(column.name for column in columns),
        moment=f"{stem}_at" if stem else None,
    )


class _Builder:
    """SQL for each column, by its type. Stages: mapped -> text -> parsed -> typed -> checked."""

    def __init__(
        self,
        contract: Contract,
        source: SourceDefinition,
        kind: FileKind,
        values: Values,
        given: frozenset[str],
        latest: date,
        odd_spaces: bool,
    ) -> None:
        self._contract = contract
        self._source = source
        self._rules = source.rules(contract.table)
        self._kind = kind
        self._values = values
        self._given = given
        self._latest = latest
        self._odd_spaces = odd_spaces

    def text(self, column: Column) -> str:
        """The trimmed text of a column, empty as NULL."""
        name = column.name
        if name not in self._given:
            return f"null::varchar as x_{name}"
        if self._odd_spaces:
            trimmed = f"nullif(trim({name}, {_SPACE}), '')"
        else:
            # Most values need no trimming, and finding that out costs a third of it.
            trimmed = f"case when {name} < '!' or suffix({name}, ' ') then nullif(trim({name}), '') else {name} end"
        if self._kind.nulls:
            words = ", ".join(text_(word.lower()) for word in self._kind.nulls)
            trimmed = f"case when lower(trim({name})) not in ({words}) then {trimmed} end"
        return f"{trimmed} as x_{name}"

    def parsed(self, column: Column) -> list[str]:
        """What several later stages need of a column: for moments the local time and whether it has a zone."""
        name = column.name
        if column.type != "timestamptz" or name not in self._given:
            return []
        text = f"x_{name}"
        # DuckDB converts between timestamps with and without a zone through its calendar, ten times slower.
        iso = f"case when {text} between '0' and ':' then make_timestamp(epoch_us(try_cast({text} as timestamptz))) end"
        formats = _formats(text, self._rules.timestamp_formats)
        return [
            f"coalesce({iso}{formats}) as {name}_local" if formats else f"{iso} as {name}_local",
            f"length({text}) > 10 and regexp_matches({text}, '{_ZONE}') as {name}_zoned",
        ]

    def typed(self, column: Column) -> str:
        """The typed value of a column, NULL where the text is no such value."""
        name = column.name
        return f"{self._value(column)} as {name}"

    def _value(self, column: Column) -> str:
        name, kind, text = column.name, column.type, f"x_{column.name}"
        if name not in self._given:
            if name == "currency" and self._source.currency:
                return text_(self._source.currency)
            return f"null::{_duckdb_type(kind)}"
        if kind == "timestamptz":
            return f"make_timestamptz(epoch_us({name}_utc))"
        if kind == "date":
            formats = _formats(text, self._rules.date_formats, self._rules.timestamp_formats)
            return f"coalesce(try_cast({text} as timestamp){formats})::date"
        if kind == "boolean":
            true = ", ".join(text_(word) for word in self._values.true_words)
            false = ", ".join(text_(word) for word in self._values.false_words)
            return f"case when lower({text}) in ({true}) then true when lower({text}) in ({false}) then false end"
        if kind == "text":
            return self._word(name)
        return self._number(name, kind)

    def _number(self, name: str, kind: str) -> str:
        text = plain = f"x_{name}"
        if self._kind.decimal == ",":
            plain = f"replace(replace({text}, '.', ''), ',', '.')"
        guarded = f"case when not contains({text}, '_') and not contains({text}, 'x') then {plain} end"
        if name in TAXED and self._source.prices_include_tax:
            net = f"try_cast({guarded} as decimal(18, 4))::double / {1 + self._source.tax_rate!r}"
            return f"try_cast({net} as decimal(18, 4))"
        if kind in ("smallint", "integer", "bigint"):
            exact = f"try_cast({guarded} as decimal(18, 4))"
            return f"case when {exact} = trunc({exact}) then try_cast({exact} as {kind}) end"
        return f"try_cast({guarded} as {_duckdb_type(kind)})"

    def _word(self, name: str) -> str:
        text = value = f"x_{name}"
        aliases = {**self._values.aliases.get(name, {}), **self._rules.values.get(name, {})}
        if name in self._values.words:
            value = f"replace(replace(lower({text}), ' ', '_'), '-', '_')"
        elif name in self._values.upper:
            value = f"upper({text})"
        elif name in self._values.lower:
            value = f"lower({text})"
        elif name in self._values.composed:
            value = f"nfc_normalize({text})"
        if aliases:
            cases = " ".join(f"when {text_(word)} then {text_(to)}" for word, to in aliases.items())
            value = f"case {value} {cases} else {value} end"
        if name == "currency" and self._source.currency:
            value = f"coalesce({value}, {text_(self._source.currency)})"
        if name in IDS and self._source.id_prefix:
            reserved = ", ".join(text_(word) for word in RESERVED_IDS)
            value = (
                f"case when {value} in ({reserved}) then {value} else {text_(self._source.id_prefix)} || {value} end"
            )
        return value

    def checks(self, columns: Sequence[Column]) -> list[Check]:
        """The rules in order: what is missing, what is no value of its type, what is out of bounds, the contract's."""
        found: list[tuple[str, str | None, str]] = []
        given = [column for column in columns if column.name in self._given]
        required = [column for column in columns if column.required]
        found += [("missing", c.name, f"x_{c.name} is null") for c in required]
        for column in given:
            found += self._type_checks(column)
        for column in given:
            found += self._bound_checks(column)
        types = {column.name: column.type for column in self._contract.columns}
        for rule in self._contract.rules:
            if rule.kind == "reject" and rule.sql:
                condition = translate_condition(rule.sql, types, f"{self._contract.yaml_path}: {rule.name}")
                read = columns_of_condition(rule.sql) & self._given
                found.append((rule.name, next(iter(read)) if len(read) == 1 else None, f"not ({condition})"))
        return [Check(code, *entry) for code, entry in enumerate(found, 1)]

    def _type_checks(self, column: Column) -> list[tuple[str, str | None, str]]:
        name, kind = column.name, column.type
        wrong = f"x_{name} is not null and {name} is null"
        if kind in ("timestamptz", "date"):
            ambiguous = f"regexp_matches(x_{name}, '^(0?[1-9]|1[0-2])[/.-](0?[1-9]|1[0-2])[/.-][0-9]{{2,4}}')"
            return [("ambiguous_date", name, f"{wrong} and {ambiguous}"), ("not_a_date", name, wrong)]
        reasons = {"boolean": "not_a_boolean", "text": ""}
        reason = reasons.get(kind, "not_a_number")
        return [(reason, name, wrong)] if reason else []

    def _bound_checks(self, column: Column) -> list[tuple[str, str | None, str]]:
        name = column.name
        found: list[tuple[str, str | None, str]] = []
        if column.max_length:
            found.append(("too_long", name, f"length(x_{name}) > {column.max_length}"))
        stem = _moment(self._contract)
        if stem and name == f"{stem}_at":
            bounds = f"{name} < timestamptz '{FIRST_MOMENT}' or {stem}_date > date '{self._latest}'"
            found.append(("out_of_range", name, bounds))
        return found


def _formats(name: str, *formats: Sequence[str]) -> str:
    listed = [text_(entry) for group in formats for entry in group]
    return f", try_strptime({name}, [{', '.join(listed)}])" if listed else ""


def _duckdb_type(kind: str) -> str:
    return "varchar" if kind == "text" else kind.replace("numeric", "decimal")
