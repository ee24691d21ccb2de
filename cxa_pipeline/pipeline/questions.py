"""Business questions: the views of the schema `questions`, found by words and answered from PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cxa_pipeline.errors import RunError
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.project import Project


@dataclass(frozen=True)
class Question:
    """A view, the question that it answers in plain words, what else its comment says, and its SQL."""

    name: str
    text: str
    notes: str
    sql: str


@dataclass(frozen=True)
class Answer:
    """The rows of a question's view; `warning` says that they are old, and why."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    warning: str | None = None


def questions(project: Project) -> list[Question]:
    """All questions, by name."""
    found = []
    for contract in project.catalog:
        if contract.schema == "questions":
            text, mark, notes = contract.description.partition("?")
            found.append(Question(contract.table, text + mark, notes.strip(), project.sql[contract.key]))
    return found


def find(known: Sequence[Question], words: str) -> list[Question]:
    """The question of that name, else those in which the most of the words occur."""
    exact = [q for q in known if q.name == words.strip().lower().replace(" ", "_")]
    if exact:
        return exact
    wanted = [w for w in words.lower().replace("?", "").split() if len(w) > 2] or words.lower().split()
    scores = {q.name: sum(_occurs(w, q) for w in wanted) for q in known}
    best = max(scores.values(), default=0)
    return [q for q in known if best and scores[q.name] == best]


def _occurs(word: str, question: Question) -> bool:
    return word.rstrip("s") in f"{question.name.replace('_', ' ')} {question.text}".lower()


def answer(home: Home, question: Question) -> Answer:
    """Read a question's view.

    Raises:
        RunError: it was never published; says why where a check holds it back.
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
        cursor = connection.execute(f"select * from {key}".encode())
        columns = [column.name for column in cursor.description or ()]
        return Answer(columns, cursor.fetchall(), held)
