"""Texts and patterns of PostgreSQL on DuckDB.

Here: regular expressions, parts and cases of texts, hashes, arrays as text. Not here: dates as text (`to_char`), how
patterns are read (`formats`).
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from cxa_pipeline.engine.formats import re2_pattern
from cxa_pipeline.engine.fragments import call
from cxa_pipeline.engine.infer import Kinds


def _regexp_like(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    flags = "si" if isinstance(node, exp.RegexpILike) else "s"
    return call("REGEXP_MATCHES", node.this, _pattern(node.expression), _text(flags))


def _regexp_replace(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    flags = "s" + (node.args["modifiers"].name if node.args.get("modifiers") else "")
    pattern = _pattern(node.expression, extracting=True)
    return call("REGEXP_REPLACE", node.this, pattern, node.args["replacement"], _text(flags))


def _bracket(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    match = node.this.unnest()
    if not (isinstance(match, exp.Anonymous) and match.name.lower() == "regexp_match"):
        return node
    value, pattern = match.expressions[0], _pattern(match.expressions[1], extracting=True)
    group = int(node.expressions[0].to_py()) + 1 if "(" in pattern.name else 0
    found = call("REGEXP_EXTRACT", value.copy(), pattern.copy(), exp.Literal.number(group), _text("s"))
    return exp.Case().when(call("REGEXP_MATCHES", value, pattern, _text("s")), found)


def _pattern(node: exp.Expr, extracting: bool = False) -> exp.Literal:
    if not (isinstance(node, exp.Literal) and node.is_string):
        raise ValueError("a regular expression that is not a literal")
    return _text(re2_pattern(node.name, extracting))


def _like(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    if isinstance(node.parent, exp.Escape):
        return node
    pattern = node.expression
    if isinstance(pattern, exp.Literal) and "\\" not in pattern.name:
        return node
    return exp.Escape(this=node.copy(), expression=_text("\\"))


def _trim(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    if not node.expression:
        node.set("expression", _text(" "))
    return node


def _upper(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    """The one letter whose upper case differs is kept from it, as PostgreSQL does."""
    mark, letter = _text("\x01"), _text("ß")
    raised = call("UPPER", call("REPLACE", node.this, letter, mark))
    return call("REPLACE", raised, mark.copy(), letter.copy())


def _pad(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    if not node.args.get("fill_pattern"):
        node.set("fill_pattern", _text(" "))
    return node


def _substring(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    start, length = node.args.get("start"), node.args.get("length")
    if start is None or (start.is_number and int(start.to_py()) > 0):
        return node
    before = call("LEAST", exp.Sub(this=exp.Paren(this=start.copy()), expression=exp.Literal.number(1)), _number(0))
    node.set("start", call("GREATEST", start.copy(), _number(1)))
    if length is not None:
        shown = exp.Add(this=exp.Paren(this=length.copy()), expression=before)
        node.set("length", call("GREATEST", shown, _number(0)))
    return node


def _encode(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    digest = node.this
    inner = digest.this if isinstance(digest, exp.SHA2Digest) else None
    if not (isinstance(inner, exp.Anonymous) and inner.name.lower() == "convert_to"):
        raise ValueError("encode() of anything but sha256(convert_to(…, 'UTF8'))")
    return call("SHA256", inner.expressions[0])


def _array_to_string(node: exp.Expr, kinds: Kinds) -> exp.Expr:
    """Of an array of NULLs PostgreSQL makes an empty text, DuckDB none."""
    known = exp.Not(this=exp.Is(this=exp.paren(node.this.copy(), copy=False), expression=exp.null()))
    return exp.Case().when(known, call("COALESCE", node.copy(), _text("")))


def _text(value: str) -> exp.Literal:
    return exp.Literal.string(value)


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value)


REWRITES: dict[type[exp.Expr], Callable[[exp.Expr, Kinds], exp.Expr]] = {
    exp.ArrayToString: _array_to_string,
    exp.Bracket: _bracket,
    exp.Encode: _encode,
    exp.ILike: _like,
    exp.Like: _like,
    exp.Pad: _pad,
    exp.RegexpILike: _regexp_like,
    exp.RegexpLike: _regexp_like,
    exp.RegexpReplace: _regexp_replace,
    exp.Substring: _substring,
    exp.Trim: _trim,
    exp.Upper: _upper,
}
