"""`cxa ask`: plain business questions and their answers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from cxa_pipeline.cli.answers import as_markdown, grid, lay_out
from cxa_pipeline.cli.output import as_csv, err, heading, out, say
from cxa_pipeline.cli.output import table as print_table
from cxa_pipeline.defs.home import open_home
from cxa_pipeline.errors import RunError
from cxa_pipeline.pipeline.questions import THEMES, Answer, Question, answer, find, nearest, questions

SUFFIXES = {".csv": "csv", ".md": "markdown", ".txt": "table"}


@click.command()
@click.argument("question", nargs=-1)
@click.option("--product", help="Only rows about this product, by id or name.")
@click.option("--customer", help="Only rows about this customer, by id.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "markdown"]),
    help="How to write the answer: by default as the name of --output ends, else as a table.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the answer to this file.")
@click.option("--rows", default=50, show_default=True, help="Rows to print of a table; CSV and Markdown have all.")
@click.option("--notes", is_flag=True, help="Print how to read the answer below it.")
@click.option("--sql", is_flag=True, help="Print the SQL of the question instead of its answer.")
def ask(
    question: tuple[str, ...],
    product: str | None,
    customer: str | None,
    form: str | None,
    output: Path | None,
    rows: int,
    notes: bool,
    sql: bool,
) -> None:
    """Answer a business QUESTION from the published tables; without one, list all questions.

    A question is found by its name or by words in any order; where several fit, they are listed.

    \b
    Examples:  cxa ask
               cxa ask top5_customers
               cxa ask which products convert best --notes
               cxa ask win back --output customers.csv
               cxa ask what to offer --customer C-1042
    """
    home = open_home()
    known = questions(home.project)
    if not question:
        _list(known)
        return
    words = " ".join(question)
    about = {what: wanted for what, wanted in (("product", product), ("customer", customer)) if wanted}
    found = find(known, words, about)
    if not found:
        raise RunError(
            f"No question fits {words!r}",
            evidence=[f"{q.name}: {q.text}" for q in nearest(known, words)[:5]],
            advice="ask one of these, or `cxa ask` for all questions" if nearest(known, words) else "see `cxa ask`",
        )
    if len(found) > 1:
        say("several questions fit; ask one of them by its name:")
        print_table(["name", "question"], [(q.name, q.text) for q in found])
    elif sql:
        click.echo(found[0].sql, nl=False)
    else:
        zone = ZoneInfo(home.facts()[0] or "UTC")
        form = form or SUFFIXES.get(output.suffix.lower() if output else ".txt", "csv")
        _give(found[0], answer(home, found[0], about), zone, form, output, rows, notes)


def _list(known: Sequence[Question]) -> None:
    for theme in THEMES:
        if of_theme := [(q.name, q.text) for q in known if q.theme == theme]:
            heading(theme)
            longest = max(len(q.name) for q in known)
            for name, text in of_theme:
                say(f"  {name:{longest}}  {text}")
    say("\nanswer one with: cxa ask NAME, or with words that occur in it")


def _give(
    question: Question, found: Answer, zone: tzinfo, form: str, output: Path | None, rows: int, notes: bool
) -> None:
    if found.warning:
        err.print(found.warning, style="yellow")
    if form == "csv":
        text = as_csv(found.columns, found.rows)
    elif form == "markdown":
        text = as_markdown(question, grid(question, found, zone))
    else:
        text = as_text(question, found, zone, 200 if output else out.width, None if output else rows, notes)
    if output is None:
        click.echo(text, nl=False)
        return
    output.write_text(text, encoding="utf-8")
    say(f"{len(found.rows):,} rows written to {output}")


def as_text(question: Question, found: Answer, zone: tzinfo, width: int, rows: int | None, notes: bool) -> str:
    """The question, the answer as a table of that width, and below it what is needed to read it."""
    cells = grid(question, found, zone, rows)
    lines = [question.text, *(lay_out(cells, width) if cells.rows else ["no rows"])]
    if cells.currency:
        lines.append(f"money in {cells.currency}")
    if left := len(found.rows) - len(cells.rows):
        lines.append(f"... {left:,} more row{'s' * (left > 1)}: --rows, or --output answer.csv")
    if notes:
        lines += ["", *textwrap.wrap(question.notes, width, break_on_hyphens=False)]
    return "\n".join(lines) + "\n"
