"""Texts inside SQL that have a language of their own: intervals and regular expressions.

Here: how each is read, and what it is on DuckDB; `ValueError` says what is outside the checked subset. Not
here: where they occur in a query (`lint`, `rewrites`), the patterns of to_char (`to_char`).
"""

from __future__ import annotations

import re

_INTERVAL_PART = re.compile(r"\s*([+-]?)\s*(\d+)\s*([a-z]+)")
UNITS = ("year", "month", "week", "day", "hour", "minute", "second")
_UNIT_NAMES = {"yr": "year", "mon": "month", "hr": "hour", "min": "minute", "sec": "second"}
ELAPSED_UNITS = ("hour", "minute", "second")
"""Units whose length does not depend on the time zone."""

# What PostgreSQL's \s matches and RE2's does not: the vertical tab and the spaces of Unicode that may break.
_SPACE = r"\t\n\v\f\r \x{1680}\x{2000}-\x{2006}\x{2008}-\x{200A}\x{2028}\x{2029}\x{205F}\x{3000}"
_REGEX_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\[:[a-z]+:\]|\\.|[^\]\\])*\]|.", re.DOTALL)


def interval_parts(text: str, unit: str | None = None) -> list[tuple[int, str]]:
    """The whole numbers and units that an interval is the sum of."""
    wanted = f"{text} {unit}" if unit else text
    wanted, parts, position = wanted.strip().lower(), [], 0
    while position < len(wanted):
        match = _INTERVAL_PART.match(wanted, position)
        name = match.group(3) if match else ""
        name = name if name in UNITS else name.removesuffix("s")
        name = _UNIT_NAMES.get(name, name)
        if match is None or name not in UNITS:
            raise ValueError(f"the interval {text!r}")
        parts.append((int(match.group(1) + match.group(2)), name))
        position = match.end()
    if not parts:
        raise ValueError("an empty interval")
    return parts


def re2_pattern(pattern: str, extracting: bool = False) -> str:
    """The pattern of RE2 (DuckDB) that matches what PostgreSQL's matches.

    Args:
        pattern: PostgreSQL's regular expression.
        extracting: Whether it matters which of several possible matches is taken.
    """
    if pattern.startswith("***"):
        raise ValueError("a pattern with a *** prefix")
    tokens = _REGEX_TOKEN.findall(pattern)
    for number, token in enumerate(tokens):
        following = tokens[number + 1] if number + 1 < len(tokens) else ""
        _check_token(token, following, extracting)
    return "".join(_translate_token(token) for token in tokens)


def _check_token(token: str, following: str, extracting: bool) -> None:
    if token[0] == "\\" and (len(token) < 2 or token[1].isalnum()) and token[1:] not in ("d", "D", "s", "n", "t", "r"):
        raise ValueError(f"{token} in a pattern")
    if token[0] == "[" and len(token) > 1 and ("[:" in token or "[." in token or "[=" in token):
        raise ValueError(f"the class {token} in a pattern")
    if token[0] == "[" and len(token) > 1 and re.search(r"\\[^dsntr\W]", token):
        raise ValueError(f"the escape in {token} of a pattern")
    if token == "(" and following == "?":
        raise ValueError("(? … ) in a pattern")
    if token in ("*", "+", "?", "}") and following in ("?", "+", "*"):
        raise ValueError("a lazy or doubled quantifier in a pattern")
    if extracting and (token == "|" or (token == ")" and following in ("?", "*", "+", "{"))):
        raise ValueError("alternatives or a repeated group in a pattern that extracts or replaces")


def _translate_token(token: str) -> str:
    if token == r"\s":
        return f"[{_SPACE}]"
    return token.replace(r"\s", _SPACE) if token[0] == "[" and len(token) > 1 else token
