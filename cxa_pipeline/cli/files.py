"""`cxa sources`, `rejects`, `trace`: from files to rows and back."""

from __future__ import annotations

import json

import click

from cxa_pipeline.cli.output import as_csv, heading, say
from cxa_pipeline.cli.output import table as print_table
from cxa_pipeline.defs.home import open_home
from cxa_pipeline.errors import RunError


@click.command()
@click.argument("source", required=False)
def sources(source: str | None) -> None:
    """List the sources that are known, or describe one SOURCE: its files, columns and rules.

    The folder of a source below landing has its name.
    """
    home = open_home()
    known = home.sources.definitions
    if source is None:
        rows = [
            (d.name, ", ".join(d.fed), d.timezone or "the home's", d.currency or "the home's") for d in known.values()
        ]
        print_table(["source", "feeds", "time zone", "currency"], rows)
        say(f"\ndrop files below {home.landing}/<source>/; describe one with: cxa sources SOURCE")
        return
    if source not in known:
        raise RunError(f"No source is called {source}", evidence=f"known: {', '.join(known)}")
    found = known[source]
    heading(source)
    say(found.description)
    for name, kind in found.files.items():
        heading(f"Files: {name}")
        say(f"named {', '.join(kind.patterns)}; feed {', '.join(kind.feeds)}")
        say(f"columns that must be there: {', '.join(kind.required) or 'none'}")
    heading("Delivery")
    for dataset in found.fed:
        say(f"{dataset}: {found.rules(dataset).delivery}")


@click.command()
@click.option("--file", "name", help="Only rows of files whose name contains this.")
@click.option("--reason", help="Only rows rejected for this reason.")
@click.option("--rows", default=20, show_default=True, help="Rows to print.")
@click.option("--csv", "csv_form", is_flag=True, help="Print all rows as CSV, to be corrected and dropped again.")
def rejects(name: str | None, reason: str | None, rows: int, csv_form: bool) -> None:
    """Show the rows that were not accepted, with file, line, reason and value.

    Correct them in the file and drop it again, or change the mapping of the source: the kept bytes are read anew.
    """
    from cxa_pipeline.pipeline.trace import rejected_rows

    found = rejected_rows(open_home(), name, reason)
    columns = ["file", "line", "dataset", "reason", "column", "value"]
    if csv_form:
        click.echo(as_csv([*columns, "row"], found.rows), nl=False)
        return
    if not found.rows:
        say("no row was rejected")
        return
    print_table(["reason", "rows", "what to do"], found.reasons, ["rows"])
    say()
    print_table(columns, [row[:6] for row in found.rows[:rows]], ["line"])
    if len(found.rows) > rows:
        say(f"... {len(found.rows) - rows:,} more rows: --rows, or --csv")


@click.command()
@click.argument("table")
@click.argument("key", nargs=-1)
def trace(table: str, key: tuple[str, ...]) -> None:
    """Follow a row of TABLE (schema.table) back to the files and lines that it comes from.

    KEY are the values of the primary key, in their order.

    \b
    Examples:  cxa trace core.sales L0000012
               cxa trace kpi.monthly 2024-03-01
    """
    from cxa_pipeline.pipeline.trace import trace_row

    found = trace_row(open_home(), table, key)
    heading(f"{table} {' '.join(key)}")
    for name, value in found.row.items():
        say(f"  {name}: {value}")
    heading("Made of")
    for step in found.steps:
        say(f"  {step}")
    heading("Files")
    if not found.lines:
        say("  no landed row bears this key")
        return
    print_table(
        ["file", "line", "state", "row"], [(f, n, s, json.dumps(r, default=str)[:160]) for f, n, s, r in found.lines]
    )
    if found.more:
        say(f"... and {found.more:,} more lines")
