"""Read contracts: ODCS files beside the SQL files, completed from the dictionary of columns.

Here: from YAML to `Contract`. Not here: whether a contract and its SQL file agree (that needs a parser: see
`pipeline.lint`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from cxa_pipeline.contracts.model import KINDS, SCHEMAS, Catalog, Column, Contract, PythonModel, Rule
from cxa_pipeline.errors import ContractError

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
ENGINES = {
    "postgresql": "check",
    "sql": "failing_rows",
    "greatExpectations": "expectation",
    "ingest": "reject",
}
COLUMN_FIELDS = {"type", "unit", "description", "classification", "allowed", "max_length"}
PROPERTY_FIELDS = {
    "name",
    "physicalType",
    "description",
    "primaryKey",
    "required",
    "partitioned",
    "classification",
    "enum",
    "logicalTypeOptions",
    "customProperties",
}


def load_catalog(root: Path) -> Catalog:
    """Read every contract below `root` (the folder `sql/`).

    Whether a document is ODCS is asked where it cannot be read, and of all of them by the structural lint: the
    standard's own classes take as long to load as all contracts.

    Raises:
        ContractError: the folder is missing, or a file is not a contract.
    """
    if not root.is_dir():
        raise ContractError(
            "The folder of the SQL files was not found",
            where=str(root),
            advice="install from a checkout with `pip install -e .`, or set CXA_PROJECT to the checkout",
        )
    dictionary = read_dictionary(root / "dictionary.yaml")
    contracts = {}
    for schema in SCHEMAS:
        for path in sorted((root / schema).glob("*.yaml")):
            contract = _read_quickly(path, dictionary)
            contracts[contract.key] = contract
    return Catalog(root=root, contracts=contracts)


def read_dictionary(path: Path) -> dict[str, dict[str, Any]]:
    """The columns that recur: name → type, unit, description, classification, allowed values, length."""
    columns: dict[str, dict[str, Any]] = _yaml(path)["columns"]
    for name, entry in columns.items():
        if unknown := set(entry) - COLUMN_FIELDS:
            raise ContractError(
                f"The dictionary's column {name} has unknown fields",
                where=str(path),
                evidence=sorted(unknown),
                advice=f"use {', '.join(sorted(COLUMN_FIELDS))}",
            )
    return columns


def read_contract(path: Path, dictionary: Mapping[str, Mapping[str, Any]]) -> Contract:
    """Read one contract file; what a column leaves out comes from the dictionary.

    Raises:
        ContractError: the file is not ODCS, or breaks the conventions of this project.
    """
    validate_odcs(path)
    return _contract(_yaml(path), path, dictionary)


def _read_quickly(path: Path, dictionary: Mapping[str, Mapping[str, Any]]) -> Contract:
    try:
        return _contract(_yaml(path), path, dictionary)
    except (KeyError, TypeError, AttributeError, ValueError):
        return read_contract(path, dictionary)


def _contract(document: dict[str, Any], path: Path, dictionary: Mapping[str, Mapping[str, Any]]) -> Contract:
    schema_objects = document.get("schema") or []
    if len(schema_objects) != 1:
        raise ContractError("A contract describes exactly one table", where=str(path))
    table = schema_objects[0]
    properties = {p["property"]: p["value"] for p in document.get("customProperties") or []}
    kind = properties.get("kind")
    if kind not in KINDS:
        raise ContractError(
            f"The contract's kind is {kind!r}", where=str(path), advice=f"use one of {', '.join(KINDS)}"
        )
    if f"{path.parent.name}.{path.stem}" != document.get("id") or table.get("name") != path.stem:
        raise ContractError(
            "The contract's id and table must be the names of its folder and file",
            where=str(path),
            evidence=[f"id {document.get('id')}, table {table.get('name')}"],
            advice=f"write id: {path.parent.name}.{path.stem} and name: {path.stem}",
        )
    items = table.get("properties") or []
    sql_path, seed_path = path.with_suffix(".sql"), path.with_suffix(".csv")
    return Contract(
        schema=path.parent.name,
        table=path.stem,
        version=str(document["version"]),
        kind=kind,
        description=_description(table, sql_path, path),
        columns=tuple(_column(item, dictionary, path) for item in items),
        primary_key=tuple(item["name"] for item in items if item.get("primaryKey")),
        rules=tuple(_rule(item, path) for item in table.get("quality") or []),
        yaml_path=path,
        month=next((item["name"] for item in items if item.get("partitioned")), None),
        one_row=bool(properties.get("one_row", False)),
        published=bool(properties.get("published", kind != "landed")),
        owner=str(properties.get("owner", "analytics")),
        tags=tuple(document.get("tags") or ()),
        sql_path=sql_path if sql_path.exists() else None,
        seed_path=seed_path if seed_path.exists() else None,
        drawn_from=tuple(properties.get("drawn_from") or ()),
        model=_model(properties.get("model"), path) if kind == "model" else None,
    )


def _model(said: Any, path: Path) -> PythonModel:
    fields = {"function", "reads", "previous", "plot"}
    if not isinstance(said, dict) or not {"function", "reads"} <= set(said) <= fields:
        raise ContractError(
            "The contract does not say which Python function makes the table",
            where=str(path),
            evidence=str(said),
            advice="give the property model: function (module:function), reads (table: [columns]), previous, plot",
        )
    return PythonModel(
        function=said["function"],
        reads={table: tuple(columns) for table, columns in said["reads"].items()},
        previous=tuple(said.get("previous") or ()),
        plot=said.get("plot"),
    )


def _yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
    except FileNotFoundError:
        raise ContractError("A file of the project is missing", where=str(path)) from None
    except yaml.YAMLError as error:
        raise ContractError("The file is not YAML", where=str(path), evidence=str(error)) from None
    if not isinstance(content, dict):
        raise ContractError("The file holds no mapping", where=str(path))
    return content


def validate_odcs(path: Path) -> None:
    """Refuse a file that is not an Open Data Contract Standard document.

    Raises:
        ContractError: it is not; says where.
    """
    from open_data_contract_standard.model import OpenDataContractStandard
    from pydantic import ValidationError

    try:
        OpenDataContractStandard.model_validate(_yaml(path))
    except ValidationError as error:
        evidence = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ContractError(
            "The file is not an Open Data Contract Standard document", where=str(path), evidence=evidence
        ) from None


def _description(table: Mapping[str, Any], sql_path: Path, path: Path) -> str:
    """The leading comment of the SQL file, or the contract's own where there is no SQL."""
    written = " ".join(str(table.get("description") or "").split())
    if not sql_path.exists():
        if not written:
            raise ContractError("The table has no description", where=str(path))
        return written
    if written:
        raise ContractError(
            "The description stands twice",
            where=str(path),
            advice=f"keep the comment on top of {sql_path.name} and leave it out of the contract",
        )
    comment = []
    for line in sql_path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("--"):
            break
        comment.append(line[2:].strip())
    if not comment:
        raise ContractError("The SQL file does not begin with a comment", where=f"{sql_path}:1")
    return " ".join(" ".join(comment).split())


def _column(item: Mapping[str, Any], dictionary: Mapping[str, Mapping[str, Any]], path: Path) -> Column:
    name = item["name"]
    if unknown := set(item) - PROPERTY_FIELDS:
        raise ContractError(
            "The column has fields that nothing reads", where=f"{path}: {name}", evidence=sorted(unknown)
        )
    known = dictionary.get(name, {})
    custom = {p["property"]: p["value"] for p in item.get("customProperties") or []}
    type_ = item.get("physicalType") or known.get("type")
    description = item.get("description") or known.get("description")
    if not type_ or not description:
        raise ContractError(
            "The column has no type or no description",
            where=f"{path}: {name}",
            advice="give physicalType and description here, or once for all tables in sql/dictionary.yaml",
        )
    enum = [entry["value"] for entry in item.get("enum") or []] or known.get("allowed") or ()
    options = item.get("logicalTypeOptions") or {}
    return Column(
        name=name,
        type=str(type_),
        description=" ".join(str(description).split()),
        required=bool(item.get("required") or item.get("primaryKey")),
        unit=custom.get("unit", known.get("unit")),
        classification=item.get("classification", known.get("classification")),
        allowed=tuple(str(value) for value in enum),
        max_length=options.get("maxLength", known.get("max_length")),
    )


def _rule(item: Mapping[str, Any], path: Path) -> Rule:
    where = f"{path}: {item.get('name')}"
    if not item.get("name") or not item.get("description"):
        raise ContractError("A rule needs a name and a description", where=where)
    severity = item.get("severity", "error")
    if severity not in ("error", "warn"):
        raise ContractError(f"Unknown severity {severity!r}", where=where, advice="use error or warn")
    if severity == "warn" and item.get("engine") in ("postgresql", "ingest"):
        raise ContractError("A constraint cannot merely warn", where=where, advice="write it as type: sql")
    engine = item.get("engine") if item.get("type") == "custom" else item.get("type")
    if engine not in ENGINES:
        raise ContractError(
            f"Unknown engine of a rule: {engine!r}", where=where, advice=f"use one of {', '.join(ENGINES)}"
        )
    implementation = item.get("query") if engine == "sql" else item.get("implementation")
    if not implementation:
        raise ContractError("The rule says nothing to evaluate", where=where)
    return Rule(
        name=item["name"],
        description=" ".join(item["description"].split()),
        severity=severity,
        kind=ENGINES[engine],
        sql=str(implementation) if engine != "greatExpectations" else None,
        expectation=implementation if engine == "greatExpectations" else None,
    )
