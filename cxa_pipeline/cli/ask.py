"""`cxa ask`: plain business questions and their answers."""

from __future__ import annotations

from collections.abc import Sequence

import click

from cxa_pipeline.cli.output import as_csv, as_markdown, err, say, shown
from cxa_pipeline.cli.output import table as print_table
from cxa_pipeline.defs.home import open_home
from cxa_pipeline.errors import RunError
from cxa_pipeline.pipeline.questions import Answer, Question, answer, find, questions


@click.command()
@click.argument("question", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "markdown"]),
    default="table",
    help="How to print the answer.",
)
@click.option("--rows", default=50, show_default=True, help="Rows to print of a table; CSV and Markdown print all.")
@click.option("--sql", is_flag=True, help="Print the SQL of the question instead of its answer.")
def ask(question: tuple[str, ...], form: str, rows: int, sql: bool) -> None:
    """Answer a business QUESTION from the published tables; without one, list all questions.

    A question is found by its name or by words that occur in it.

    \b
    Examples:  cxa ask
               cxa ask top5_customers
               cxa ask how many customers --format csv > customers.csv
    """
    home = open_home()
    known = questions(home.project)
    if not question:
        print_table(["name", "question"], [(q.name, q.text) for q in known])
        say("\nanswer one with: cxa ask NAME")
        return
    found = find(known, " ".join(question))
    if not found:
        raise RunError(
            f"No question fits {' '.join(question)!r}",
            advice="`cxa ask` lists all questions; use words that occur there",
        )
    if len(found) > 1:
        say("several questions fit:")
        print_table(["name", "question"], [(q.name, q.text) for q in found])
        return
    _print(found[0], found[0].sql if sql else answer(home, found[0]), form, rows)


def _print(question: Question, result: Answer | str, form: str, rows: int) -> None:
    if isinstance(result, str):
        click.echo(result, nl=False)
        return
    if result.warning:
        err.print(result.warning, style="yellow")
    if form == "csv":
        click.echo(as_csv(result.columns, result.rows), nl=False)
    elif form == "markdown":
        click.echo(as_markdown(result.columns, result.rows), nl=False)
    else:
        say(question.text)
        numbers = [c for i, c in enumerate(result.columns) if any(_is_number(r[i]) for r in result.rows)]
        print_table(result.columns, [_shown(result.columns, row) for row in result.rows[:rows]], numbers)
        if len(result.rows) > rows:
            say(f"... {len(result.rows) - rows:,} more rows: --rows, or --format csv")


def _shown(columns: Sequence[str], row: Sequence[object]) -> list[str]:
    """Years without a thousands separator; shares and rates with the digits that matter."""
    return [
        str(value) if name == "year" else f"{value:.4f}" if value is not None and _is_share(name) else shown(value)
        for name, value in zip(columns, row, strict=True)
    ]


def _is_share(name: str) -> bool:
    return name.endswith(("share", "rate", "yoy", "growth"))


def _is_number(value: object) -> bool:
    return hasattr(value, "quantize") or isinstance(value, int | float)
