"""The patterns of to_char for dates and local times.

Here: how a pattern is read, and the DuckDB expression for each part of it; `ValueError` names what is outside the
checked subset. Not here: intervals and regular expressions (`formats`), numbers as text, which are refused
(`lint_moments`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import reduce

from sqlglot import exp

from cxa_pipeline.engine.fragments import call, cast

ADVICE = (
    "use YYYY, IYYY, YY, Q, MM, IW, WW, DDD, DD, ID, D, HH24, HH12, MI, SS, MS, US, AM, Month, Mon, Day, Dy"
    " (FM before one drops its blanks and zeros), and quote words"
)

Part = Callable[[exp.Expr], exp.Expr]
"""Makes the text of one part of a pattern from the date."""

_NUMBERS = {
    "yyyy": "%Y",
    "iyyy": "%G",
    "yy": "%y",
    "mm": "%m",
    "ddd": "%j",
    "dd": "%d",
    "iw": "%V",
    "id": "%u",
    "hh24": "%H",
    "hh12": "%I",
    "hh": "%I",
    "mi": "%M",
    "ss": "%S",
    "ms": "%g",
    "us": "%f",
}
_UNPADDED = {"mm", "ddd", "dd", "iw", "hh24", "hh12", "hh", "mi", "ss"}
_NAMES = {"month": "%B", "mon": "%b", "day": "%A", "dy": "%a"}
_PADDED = 9
"""Names of months and days are followed by blanks up to the longest, unless FM stands before them."""

_WORDS = sorted(
    [
        *(*_NUMBERS, "ww", "w", "q", "d"),
        *(form for name in _NAMES for form in (name, name.title(), name.upper())),
        *("am", "pm", "AM", "PM"),
    ],
    key=len,
    reverse=True,
)
_TRAPS = ("ssss", "iddd")
"""Patterns of their own that begin as one of the above does."""
_LITERAL = re.compile(r'"([^"\\]*)"|([^A-Za-z"\\])')


def parts(pattern: str) -> list[str | Part]:
    """What a pattern is made of: formats of strftime, and what strftime cannot say.

    Raises:
        ValueError: A part is outside the checked subset.
    """
    found: list[str | Part] = []
    position = 0
    while position < len(pattern):
        if literal := _LITERAL.match(pattern, position):
            found.append((literal.group(1) or literal.group(2) or "").replace("%", "%%"))
            position = literal.end()
            continue
        begin = position + 2 * pattern.startswith("FM", position)
        word = _word(pattern, begin)
        if word is None:
            raise ValueError(f"the pattern {pattern[position:]!r} of to_char()")
        found.append(_part(word, bare=begin > position))
        position = begin + len(word)
    return found


def as_text(value: exp.Expr, pattern: str) -> exp.Expr:
    """DuckDB's expression for to_char(value, pattern)."""
    pieces: list[exp.Expr] = []
    pending = ""
    for part in [*parts(pattern), None]:
        if isinstance(part, str):
            pending += part
            continue
        if pending:
            pieces.append(_formatted(value, pending))
            pending = ""
        if part is not None:
            pieces.append(part(value.copy()))
    if not pieces:
        return _formatted(value, "")
    return reduce(lambda left, right: exp.DPipe(this=left, expression=right), pieces)


def _word(pattern: str, position: int) -> str | None:
    """The longest known word at a place of a pattern; those of numbers are known in either case."""
    if pattern[position : position + 4].lower() in _TRAPS:
        return None
    for word in _WORDS:
        seen = pattern[position : position + len(word)]
        if seen == word or (seen.lower() == word and word not in _NAMES and word not in ("am", "pm")):
            return seen
    return None


def _part(word: str, bare: bool) -> str | Part:
    lower = word.lower()
    if lower in _NAMES:
        return _named(word, bare)
    if lower in ("am", "pm"):
        return "%p" if word.isupper() else lambda value: call("LOWER", _formatted(value, "%p"))
    if lower not in _NUMBERS:
        return _counted(lower, bare)
    if not bare:
        return _NUMBERS[lower]
    if lower not in _UNPADDED:
        raise ValueError(f"the pattern 'FM{word}' of to_char()")
    return lambda value: _number(cast(_formatted(value, _NUMBERS[lower]), "INTEGER"))


def _named(word: str, bare: bool) -> str | Part:
    pattern = _NAMES[word.lower()]
    padded = not bare and len(word) > 2 and word.lower() in ("month", "day")
    if word.istitle() and not padded:
        return pattern

    def name(value: exp.Expr) -> exp.Expr:
        text = _formatted(value, pattern)
        if not word.istitle():
            text = call("UPPER" if word.isupper() else "LOWER", text)
        return call("RPAD", text, exp.Literal.number(_PADDED), exp.Literal.string(" ")) if padded else text

    return name


def _counted(word: str, bare: bool) -> Part:
    if word == "q":
        return lambda value: _number(call("QUARTER", value))
    if word == "d":
        return lambda value: _number(exp.Add(this=call("DAYOFWEEK", value), expression=exp.Literal.number(1)))
    if word == "w":
        return lambda value: _number(_sevens(call("DAY", value)))

    def week(value: exp.Expr) -> exp.Expr:
        number = _number(_sevens(call("DAYOFYEAR", value)))
        return number if bare else call("LPAD", number, exp.Literal.number(2), exp.Literal.string("0"))

    return week


def _sevens(days: exp.Expr) -> exp.Expr:
    """The number of the week that begins with the first of the days."""
    return exp.IntDiv(
        this=exp.paren(exp.Add(this=days, expression=exp.Literal.number(6)), copy=False),
        expression=exp.Literal.number(7),
    )


def _number(value: exp.Expr) -> exp.Expr:
    return cast(exp.paren(value, copy=False), "VARCHAR")


def _formatted(value: exp.Expr, pattern: str) -> exp.Expr:
    return call("STRFTIME", value.copy(), exp.Literal.string(pattern))
