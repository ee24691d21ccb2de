"""Business questions: the views of the schema `questions`, found by words and answered from PostgreSQL.

Here: what a question is, the search, the rows of its answer. Not here: how an answer looks (`cli.answers`).
"""

from __future__ import annotations

import difflib
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cxa_pipeline.contracts import Column, Contract
from cxa_pipeline.contracts.read import LOADER
from cxa_pipeline.errors import RunError
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.project import Project

THEMES = ("Sales", "Products", "Customers", "Visits", "Marketing", "Other")
"""In the order in which they are listed; a question without a theme is among the others."""
CLOSE = 0.75
"""A question fits as well as the best one if it reaches this part of its score."""
SHOWN = 8
_EMPTY = (
    " a about all am an and any are as at be been by can could did do does for from get give had has have how i if in"
    " is it its me much my of on or our ours please shall she he should show so tell than that the their them there"
    " these they this those to us was we were what when where which who whom whose will with would you your "
)
"""Words that say nothing about what is asked."""


@dataclass(frozen=True)
class Question:
    """A view, the question that it answers, how to read the answer, and its SQL.

    `keywords` are further words by which it is found; `columns` are those of its contract.
    """

    name: str
    text: str
    notes: str
    sql: str
    theme: str = "Other"
    keywords: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The rows of a question's view; `warning` says that they are old, and why."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    warning: str | None = None


def questions(project: Project) -> list[Question]:
    """All questions, by name."""
    return [_question(c, project.sql[c.key]) for c in project.catalog if c.schema == "questions"]


def _question(contract: Contract, sql: str) -> Question:
    text, mark, notes = contract.description.partition("?")
    own = _own_properties(contract.yaml_path)
    theme = own.get("theme")
    return Question(
        name=contract.table,
        text=text + mark,
        notes=notes.strip(),
        sql=sql,
        theme=theme if theme in THEMES else "Other",
        keywords=tuple(str(word) for word in own.get("keywords") or ()),
        columns=contract.columns,
    )


def _own_properties(path: Path) -> dict[str, Any]:
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)
    return {p["property"]: p["value"] for p in document.get("customProperties") or []}


def find(known: Sequence[Question], words: str, about: Collection[str] = ()) -> list[Question]:
    """The question of that name or text, else those that fit the words best, the best first.

    A word that few questions have counts more than one that many have; endings, order and words such as `which` and
    `our` do not count. Where the words occur in no question, its notes are searched. Who asks about one `product` or
    `customer` means a question that can be asked so, unless another is named.
    """
    exact = [q for q in known if words.strip().lower().replace(" ", "_") == q.name or _same(words, q.text)]
    if exact:
        return exact
    known = [q for q in known if all(_columns_about(q, what) for what in about)]
    return _ranked(known, words, _words_of) or _ranked(known, words, lambda q: _stems(q.notes))


def nearest(known: Sequence[Question], words: str) -> list[Question]:
    """Questions with words that are spelt nearly so: what might have been meant where nothing fits."""
    written = sorted({word for q in known for word in _split(f"{q.name} {q.text} {' '.join(q.keywords)}")})
    meant = [match for word in _split(words) for match in difflib.get_close_matches(word, written, n=1, cutoff=0.7)]
    return find(known, " ".join(meant)) if meant else []


def _same(words: str, text: str) -> bool:
    return _split(words) == _split(text)


def _ranked(known: Sequence[Question], words: str, words_of: Any) -> list[Question]:
    has = {q.name: words_of(q) for q in known}
    spread = Counter(stem for stems in has.values() for stem in stems)
    wanted = _stems(words)
    scores = {
        q.name: sum(
            math.log(1 + len(known) / spread[stem]) * (1.2 if stem in _stems(q.name) else 1)
            for stem in sorted(wanted & has[q.name])
        )
        for q in known
    }
    best = max(scores.values(), default=0)
    fitting = [q for q in known if scores[q.name] > 0 and scores[q.name] >= CLOSE * best]
    return sorted(fitting, key=lambda q: (-scores[q.name], len(has[q.name]), q.name))[:SHOWN]


def _words_of(question: Question) -> set[str]:
    return _stems(f"{question.name} {question.text} {' '.join(question.keywords)}")


def _split(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower().replace("'s", ""))


def _stems(text: str) -> set[str]:
    words = _split(text)
    return {_stem(word) for word in words if f" {word} " not in _EMPTY} or {_stem(word) for word in words}


def _stem(word: str) -> str:
    """The word without its ending, so that `converts`, `converted` and `converting` are one."""
    for ending, instead in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""), ("e", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: len(word) - len(ending)] + instead
            break
    doubled = len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiou"
    return word[:-1] if doubled else word


def answer(home: Home, question: Question, about: Mapping[str, str] | None = None) -> Answer:
    """Read a question's view.

    Args:
        home: The home.
        question: The question.
        about: Only rows about a `product` or a `customer`, by id or name.

    Raises:
        RunError: it was never published, says why where a check holds it back; or it is about something else.
    """
    from cxa_pipeline.warehouse.connection import connect

    key = f"questions.{question.name}"
    with connect(home.database()) as connection:
        exists = connection.execute("select to_regclass(%s) is not null", [key]).fetchone()
        state = None
        if connection.execute("select to_regclass('ops.release_tables') is not null").fetchone() == (True,):
            state = connection.execute(
                "select held_back_since, held_back_reason from ops.release_tables where table_name = %s", [key]
            ).fetchone()
        held = f"held back since {state[0]:%Y-%m-%d %H:%M}: {state[1]}" if state and state[0] else None
        if exists != (True,):
            raise RunError(
                f"The question {question.name} has no answer yet",
                evidence=held or (),
                advice="mend what holds it back, then `cxa run`" if held else "`cxa run` publishes the answers",
            )
        conditions, values = _conditions(question, about or {})
        cursor = connection.execute(f"select * from {key}{conditions}".encode(), values)
        columns = [column.name for column in cursor.description or ()]
        return Answer(columns, cursor.fetchall(), held)


def _columns_about(question: Question, what: str) -> list[str]:
    return [c.name for c in question.columns if c.name in (f"{what}_id", f"{what}_name")]


def _conditions(question: Question, about: Mapping[str, str]) -> tuple[str, list[str]]:
    """A WHERE clause and its values."""
    conditions, values = [], []
    for what, wanted in about.items():
        have = _columns_about(question, what)
        if not have:
            raise RunError(
                f"The question {question.name} is not about one {what}",
                evidence=question.text,
                advice=f"leave --{what} out, or ask a question whose answer has the column {what}_id",
            )
        conditions.append(f"({' or '.join(f'lower({name}) = lower(%s)' for name in have)})")
        values += [wanted] * len(have)
    return (f" where {' and '.join(conditions)}" if conditions else ""), values
