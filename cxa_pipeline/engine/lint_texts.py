"""Which SQL a model may contain: checks on texts, patterns and what becomes text.

Here: joining, regular expressions, hashes, numbers as text. Not here: casts (`lint_types`), how patterns are
read (`formats`).
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from cxa_pipeline.engine.formats import re2_pattern
from cxa_pipeline.engine.infer import Kinds
from cxa_pipeline.engine.kinds import (
    DATE,
    LITERAL,
    NULL,
    TEXT,
    UNKNOWN,
)
from cxa_pipeline.engine.lint import Problem, TypedCheck


def has_fixed_scale(node: exp.Expr, kinds: Kinds) -> bool:
    """Whether PostgreSQL, too, shows all values of a numeric with the decimals of its type."""
    if isinstance(node, (exp.Paren, exp.Neg, exp.Abs)):
        return has_fixed_scale(node.this, kinds)
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul)):
        return has_fixed_scale(node.this, kinds) and has_fixed_scale(node.expression, kinds)
    if isinstance(node, exp.Cast):
        return bool(node.args["to"].expressions) or kinds.of(node).is_integer
    kind = kinds.of(node)
    return isinstance(node, (exp.Column, exp.Literal, exp.Round)) and (kind.is_integer or kind.scale is not None)


def _regexp_match(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    if node.name.lower() != "regexp_match":
        return
    if node.find_ancestor(exp.Bracket) is None:
        yield node, "regexp_match() without [n]", "write (regexp_match(x, 'pattern'))[1]"
    yield from _pattern(node, node.expressions[1], extracting=True)


def _regexp(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    extracting = isinstance(node, exp.RegexpReplace)
    yield from _pattern(node, node.expression, extracting)
    if not extracting:
        return
    flags, replacement = node.args.get("modifiers"), node.args.get("replacement")
    if flags is not None and not set(flags.name) <= {"g", "i"}:
        yield node, f"the flags {flags.name!r}", "use g and i"
    if replacement is not None and (not replacement.is_string or "\\&" in replacement.name):
        yield node, "this replacement", "write a literal with \\1 … \\9"


def _pattern(node: exp.Expr, pattern: exp.Expr, extracting: bool) -> Iterator[Problem]:
    if not pattern.is_string:
        yield node, "a regular expression that is not a literal", "write the pattern"
        return
    try:
        re2_pattern(pattern.name, extracting)
    except ValueError as error:
        yield node, f"{error}", "use what PostgreSQL and RE2 share: [a-z], \\d, \\s, ^, $, *, +, ?, {n,m}, groups"


def _joined_text(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    parts = [node.this, node.expression] if isinstance(node, exp.DPipe) else node.expressions
    for part in parts:
        kind = kinds.of(part)
        fixed = kind.name == "numeric" and has_fixed_scale(part, kinds)
        if kind not in (TEXT, LITERAL, NULL, UNKNOWN, DATE) and not kind.is_integer and not fixed:
            yield node, f"{kind.name} joined to text", "cast it to text in the way you want to see it"


def _substring(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    start = node.args.get("start")
    if start is not None and (start.is_string or kinds.of(start) == TEXT):
        yield node, "substring() with a regular expression", "use (regexp_match(x, 'pattern'))[1]"


def _encode(node: exp.Expr, kinds: Kinds) -> Iterator[Problem]:
    inner = node.this.this if isinstance(node.this, exp.SHA2Digest) else None
    text = isinstance(inner, exp.Anonymous) and inner.name.lower() == "convert_to"
    charset = node.args.get("charset")
    if not text or charset is None or charset.name != "hex":
        yield node, "encode() of anything but a hash", "write encode(sha256(convert_to(x, 'UTF8')), 'hex'), or md5(x)"


CHECKS: dict[type[exp.Expr], TypedCheck] = {
    **dict.fromkeys((exp.RegexpLike, exp.RegexpILike, exp.RegexpReplace), _regexp),
    **dict.fromkeys((exp.DPipe, exp.Concat, exp.ConcatWs), _joined_text),
    exp.Anonymous: _regexp_match,
    exp.Encode: _encode,
    exp.Substring: _substring,
}
