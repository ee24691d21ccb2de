"""The data dictionary: every table and column, from the contracts, as Markdown (`docs/tables.md`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from cxa_pipeline.contracts.model import SCHEMAS, Catalog, Contract

INTRODUCTION = """\
# Tables

Generated from the contracts below `sql/` by `cxa tables --markdown`; do not edit. Money is in the shop's currency,
times are UTC, days are local days of the shop. A key is marked with *. `cxa_reader` does not see columns that are
marked confidential. Definitions of the figures: [metrics.md](metrics.md).
"""
TITLES = {
    "landed": "Canonical input data sets. They stay in the lake; every source is mapped onto them.",
    "core": "Cleaned customers, products, stores, devices, order lines, orders and interactions.",
    "kpi": "Key figures by period, product, category, store and location.",
    "questions": "One view per business question.",
    "ops": "What the pipeline did: files, rejected rows, releases, checks, lineage.",
}


def tables_markdown(catalog: Catalog, reads: Callable[[str], Iterable[str]]) -> str:
    """The whole dictionary.

    Args:
        catalog: All contracts.
        reads: The tables that a table is made of.
    """
    return "\n".join([INTRODUCTION, *_sections(catalog, reads)]) + "\n"


def _sections(catalog: Catalog, reads: Callable[[str], Iterable[str]]) -> Iterator[str]:
    for schema in SCHEMAS:
        contracts = [c for c in catalog if c.schema == schema]
        if not contracts:
            continue
        yield f"## {schema}\n\n{TITLES.get(schema, '')}\n"
        for contract in contracts:
            yield from _table(contract, sorted(reads(contract.key)))


def _table(contract: Contract, reads: list[str]) -> Iterator[str]:
    yield f"### {contract.key}\n\n{contract.description}\n"
    made_of = f" · made of {', '.join(f'`{r}`' for r in reads)}" if reads else ""
    yield f"{contract.kind} · owner {contract.owner} · version {contract.version}{made_of}\n"
    yield "| column | type | meaning |\n| --- | --- | --- |"
    for column in contract.columns:
        name = f"`{column.name}`" + (" *" if column.name in contract.primary_key else "")
        notes = [f"[{column.unit}]"] if column.unit else []
        notes += ["(confidential)"] if column.classification == "confidential" else []
        notes += [f"One of: {', '.join(column.allowed)}."] if column.allowed else []
        meaning = " ".join([column.description, *notes]).replace("|", "\\|")
        null = "" if column.required else ", NULL"
        yield f"| {name} | {column.type}{null} | {meaning} |"
    yield ""
    if contract.rules:
        yield from (f"- **{rule.name}** ({rule.severity}): {rule.description}" for rule in contract.rules)
        yield ""
