"""What a source is: `sql/sources/<source>/source.yaml`, validated.

Here: the declared facts about a source's files. Not here: the SQL that maps them (`mapping`), reading them
(`text`, `read`), finding them (`discover`).
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from cxa_pipeline.errors import ContractError

DATASETS = ("customers", "products", "stores", "devices", "sales", "interactions")

M = TypeVar("M", bound=BaseModel)

_WINDOW = re.compile(r"window\((\w+)\)")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatasetRules(_Strict):
    """How one source delivers one data set.

    `delivery` is `delta` (files add and correct), `full` (a newer file replaces all earlier ones) or
    `window(<column>)` (a file replaces the span of days from its first to its last accepted row).
    """

    delivery: str = "delta"
    timestamp_formats: tuple[str, ...] = ()
    date_formats: tuple[str, ...] = ()
    values: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)

    @field_validator("delivery")
    @classmethod
    def _known_delivery(cls, value: str) -> str:
        if value not in ("delta", "full") and not _WINDOW.fullmatch(value):
            raise ValueError(f"{value!r} is neither delta nor full nor window(<column>)")
        return value

    @property
    def window_column(self) -> str | None:
        """The column whose span a file replaces, or None."""
        found = _WINDOW.fullmatch(self.delivery)
        return found.group(1) if found else None


class FileKind(_Strict):
    """Files of one layout, and the data sets they feed; each line is one row of the first of these."""

    patterns: tuple[str, ...]
    feeds: tuple[str, ...]
    required: tuple[str, ...] = ()
    aliases: Mapping[str, str] = Field(default_factory=dict)
    encoding: str | None = None
    delimiter: str | None = None
    decimal: Literal[".", ","] = "."
    nulls: tuple[str, ...] = ()
    date_in_name: str | None = None

    @field_validator("feeds")
    @classmethod
    def _known_datasets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or set(value) - set(DATASETS):
            raise ValueError(f"feeds must name some of {', '.join(DATASETS)}")
        return value

    def matches(self, name: str) -> bool:
        """Whether a file of that name (without folders) is of this kind."""
        return any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for pattern in self.patterns)

    def date_of(self, name: str) -> date | None:
        """The date that the name carries by the pattern, a month standing for its first day."""
        found = re.search(self.date_in_name, name) if self.date_in_name else None
        digits = "".join(re.findall(r"\d", found.group(0))) if found else ""
        try:
            return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8] or 1))
        except ValueError:
            return None


class SourceDefinition(_Strict):
    """One source: its zone, currency, tax rule and prefix, the layouts of its files and their rules.

    `timezone` None means the home's own zone, `currency` None the home's currency.
    """

    name: str
    folder: Path
    description: str
    timezone: str | None = None
    currency: str | None = Field(None, pattern="^[A-Z]{3}$")
    prices_include_tax: bool = False
    tax_rate: float = Field(0.0, ge=0, lt=1)
    id_prefix: str = Field("", pattern=r"^[A-Za-z0-9:_.-]{0,16}$")
    files: Mapping[str, FileKind]
    datasets: Mapping[str, DatasetRules] = Field(default_factory=dict)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (KeyError, ValueError, OSError) as error:
                raise ValueError(f"{value} is no IANA time zone such as Europe/Berlin") from error
        return value

    @model_validator(mode="after")
    def _mappings_exist(self) -> SourceDefinition:
        for dataset in self.fed:
            if not self.mapping_path(dataset).exists():
                raise ValueError(f"{dataset} is fed, but {self.mapping_path(dataset)} does not exist")
        return self

    @property
    def fed(self) -> tuple[str, ...]:
        """The data sets that this source feeds, in the canonical order."""
        named = {dataset for kind in self.files.values() for dataset in kind.feeds}
        return tuple(dataset for dataset in DATASETS if dataset in named)

    def rules(self, dataset: str) -> DatasetRules:
        """How this source delivers a data set."""
        return self.datasets.get(dataset) or DatasetRules()

    def mapping_path(self, dataset: str) -> Path:
        """The file with the SELECT from this source's columns to the canonical ones."""
        return self.folder / f"{dataset}.sql"

    def kind_of(self, name: str) -> FileKind | None:
        """The layout of a file of that name, or None."""
        base = name.rsplit("/", 1)[-1]
        return next((kind for kind in self.files.values() if kind.matches(base)), None)


class Values(_Strict):
    """How words are written alike in every source: `sql/sources/values.yaml`."""

    words: tuple[str, ...] = ()
    upper: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    composed: tuple[str, ...] = ()
    aliases: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    true_words: tuple[str, ...]
    false_words: tuple[str, ...]


class Sources(_Strict):
    """Every source of a project, by name, and the words they share."""

    definitions: Mapping[str, SourceDefinition]
    values: Values

    def __getitem__(self, name: str) -> SourceDefinition:
        return self.definitions[name]


def load_sources(root: Path) -> Sources:
    """Read all sources below `root` (the folder `sql/`).

    Raises:
        ContractError: a definition is missing or wrong.
    """
    folder = root / "sources"
    values = _validated(Values, _yaml(folder / "values.yaml"), folder / "values.yaml")
    definitions = {}
    for path in sorted(folder.glob("*/source.yaml")):
        document = {**_yaml(path), "name": path.parent.name, "folder": path.parent}
        definitions[path.parent.name] = _validated(SourceDefinition, document, path)
    return Sources(definitions=definitions, values=values)


def _yaml(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ContractError("A source's definition cannot be read", str(path), str(error)) from None
    if not isinstance(document, dict):
        raise ContractError("A source's definition holds no mapping", str(path))
    return document


def _validated(model: type[M], document: dict[str, Any], path: Path) -> M:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        seen = [f"{'.'.join(map(str, e['loc'])) or 'source'}: {e['msg']}" for e in error.errors()]
        raise ContractError("A source's definition is wrong", str(path), seen, "correct the file") from None
