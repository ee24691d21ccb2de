"""`cxa run`, `plan`, `releases`, `rollback`: what changes what readers see."""

from __future__ import annotations

import sys
from datetime import date

import click
from rich.text import Text

from cxa_pipeline.cli.main import PUBLISHED_WITH_COMPLAINTS
from cxa_pipeline.cli.output import err, heading, progress, say
from cxa_pipeline.cli.output import table as print_table
from cxa_pipeline.defs.home import open_home
from cxa_pipeline.errors import RunError
from cxa_pipeline.pipeline.result import RunResult


@click.command()
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--force", is_flag=True, help="Compute the TABLEs (or all) anew though nothing changed.")
@click.option("--month", "months", multiple=True, help="With --force: only this month (YYYY-MM) of monthly tables.")
@click.option("--allow-window", "windows", multiple=True, help="Let this refused file (source/name) empty a month.")
@click.option("--repair", is_flag=True, help="Compare PostgreSQL with its release and mend what differs.")
def run(tables: tuple[str, ...], force: bool, months: tuple[str, ...], windows: tuple[str, ...], repair: bool) -> None:
    """Read what was dropped, compute what it changes, check it, and publish it.

    Without TABLE everything is refreshed; with one or more (schema.table) only they and what they need. A run that was
    killed goes on where it stopped. With nothing new, nothing is computed.

    \b
    Examples:  cxa run
               cxa run kpi.monthly
               cxa run core.sales --force --month 2024-03
    """
    from cxa_pipeline.defs.launch import refresh
    from cxa_pipeline.pipeline.landing import allow_windows

    home = open_home()
    if windows:
        allow_windows(home, windows)
    _known(home.project.catalog.contracts, tables)
    forced = {t: [_month(m) for m in months] for t in (tables or home.project.computed)} if force else {}
    with progress("looking for new files"):
        result = refresh(home, sorted(tables) or None, forced, repair)
    sys.exit(report(result))


def report(result: RunResult) -> int:
    """Print what a run did; its exit code."""
    for refusal in result.refused:
        err.print(Text(f"refused: {refusal.name}: {refusal.reason}", style="yellow"))
    for finding in result.findings:
        err.print(Text(f"note: {finding}", style="yellow"))
    _print_held_back(result, "held back")
    if result.hold:
        say(f"PostgreSQL stays at release {result.hold}, as a rollback asked; `cxa run` by hand lifts that")
    elif result.nothing_to_do:
        say(f"nothing to do: PostgreSQL shows release {result.release.number}, and no file is new")
    elif not result.published:
        say("files were read; nothing was built, so nothing is published: `cxa run` does so")
    else:
        changed = [r for r in result.reports.values() if r.inserted or r.updated or r.deleted]
        print_table(
            ["table", "rows", "inserted", "updated", "deleted"],
            [(r.table, r.rows, r.inserted, r.updated, r.deleted) for r in changed],
            ["rows", "inserted", "updated", "deleted"],
        )
        stages = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in result.seconds.items())
        say(f"release {result.release.number} is published: {len(changed)} tables changed ({stages})")
    return PUBLISHED_WITH_COMPLAINTS if result.refused or result.held_back else 0


@click.command()
def plan() -> None:
    """Show what `cxa run` would change, without publishing it.

    New files are read, tables are computed and checked; PostgreSQL stays as it is. The next `cxa run` finds the work
    done.
    """
    from cxa_pipeline.pipeline.plan import plan_run

    home = open_home()
    with progress("computing"):
        found = plan_run(home, "cxa plan")
    if not found.changes and not found.result.refused and not found.result.held_back:
        say("nothing would change")
        return
    heading("Tables that would change")
    print_table(
        ["table", "rows now", "rows then", "new", "changed", "gone"],
        [(c.table, c.rows_before, c.rows_after, c.inserted, c.updated, c.deleted) for c in found.changes],
        ["rows now", "rows then", "new", "changed", "gone"],
    )
    if found.figures:
        heading("Headline figures")
        print_table(
            ["figure", "now", "then", "difference"],
            [(f.name, f.before, f.after, f.difference) for f in found.figures],
            ["now", "then", "difference"],
        )
    _print_held_back(found.result, "would be held back")
    for refusal in found.result.refused:
        err.print(Text(f"refused: {refusal.name}: {refusal.reason}", style="yellow"))


@click.command()
def releases() -> None:
    """List the releases that can be published again."""
    from cxa_pipeline.pipeline.status import list_releases

    rows = list_releases(open_home())
    if not rows:
        say("no release yet: drop files into landing and call `cxa run`, or try `cxa demo`")
        return
    print_table(
        ["release", "made at", "data until", "tables", "held back", ""],
        [
            (r.number, r.created_at, r.as_of_date, r.tables, r.held_back, "published" if r.published else "")
            for r in rows
        ],
        ["release", "tables", "held back"],
    )


@click.command()
@click.argument("release", type=int, required=False)
def rollback(release: int | None) -> None:
    """Publish an earlier RELEASE, by default the one before the published one.

    Nightly runs go on to compute and check, but publish nothing until `cxa run` is called by hand.
    """
    from cxa_pipeline.pipeline.run import roll_back

    home = open_home()
    with progress("publishing"):
        result = roll_back(home, release)
    sys.exit(report(result))


def _print_held_back(result: RunResult, words: str) -> None:
    """One line for each reason, with the tables that it holds back."""
    reasons: dict[str, list[str]] = {}
    for table, reason in sorted(result.held_back.items()):
        reasons.setdefault(reason, []).append(table)
    for reason, tables in reasons.items():
        err.print(Text(f"{words}: {', '.join(tables)}: {reason}", style="yellow"))


def _known(known: object, tables: tuple[str, ...]) -> None:
    unknown = [t for t in tables if t not in known]  # type: ignore[operator]
    if unknown:
        raise RunError(f"No table is called {', '.join(unknown)}", advice="`cxa tables` lists all tables")


def _month(text: str) -> date:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise click.BadParameter(f"{text!r} is no month such as 2024-03", param_hint="--month") from None
