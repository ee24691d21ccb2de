"""UNION and its like on DuckDB, whose common type of decimals can drop decimals silently.

Here: casts in the branches of set operations. Not here: CASE, COALESCE and their like (`rewrites_numbers`).
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from cxa_pipeline.engine.fragments import decimal
from cxa_pipeline.engine.infer import Kinds
from cxa_pipeline.engine.kinds import Kind, common_scale
from cxa_pipeline.engine.scopes import unnamed


def align_branches(tree: exp.Query, kinds: Kinds) -> None:
    """Cast the decimals of a column of all branches to one scale, where they would lose some."""
    for node in list(tree.find_all(exp.SetOperation)):
        if isinstance(node.parent, exp.SetOperation):
            continue
        branches = [(branch, _kinds_of(branch, kinds)) for branch in _leaves(node)]
        for position in range(min(len(found) for _, found in branches)):
            scale = common_scale(found[position][1] for _, found in branches)
            if scale is not None:
                for branch, found in branches:
                    _cast(branch, *found[position], scale)


def _leaves(node: exp.Expr) -> Iterator[exp.Select]:
    inner = node.unnest()
    if isinstance(inner, exp.SetOperation):
        yield from _leaves(inner.this)
        yield from _leaves(inner.expression)
    elif isinstance(inner, exp.Select):
        yield inner


def _kinds_of(branch: exp.Select, kinds: Kinds) -> list[tuple[str, Kind]]:
    scope = kinds.names.scope_of(branch)
    outputs = kinds.names.outputs(scope) if scope else {}
    return [(name, kinds.of_origins(origins)) for name, origins in outputs.items()]


def _cast(branch: exp.Select, name: str, kind: Kind, scale: int) -> None:
    if not kind.is_exact or kind.is_integer:
        return
    items = list(branch.expressions)
    seen: set[str] = set()
    for number, item in enumerate(items):
        own = item.alias_or_name
        own = own if own and own not in seen else unnamed(number)
        seen.add(own)
        if isinstance(item, exp.Star):
            replaced = exp.alias_(decimal(exp.column(name), scale), name)
            item.set("replace", [*(item.args.get("replace") or []), replaced])
        elif own == name and isinstance(item, exp.Alias):
            item.set("this", decimal(item.this, scale))
        elif own == name:
            items[number] = exp.Alias(this=decimal(item, scale), alias=exp.to_identifier(name))
    branch.set("expressions", items)
