"""`cxa status`: what the home holds, what readers see, and what needs a hand."""

from __future__ import annotations

import sys

import click

from cxa_pipeline.cli.main import PUBLISHED_WITH_COMPLAINTS
from cxa_pipeline.cli.output import heading, say
from cxa_pipeline.cli.output import table as print_table
from cxa_pipeline.defs.home import open_home
from cxa_pipeline.settings import describe, load_settings


@click.command()
@click.option("--settings", "show_settings", is_flag=True, help="List every setting, its value, origin and meaning.")
@click.option("--verify", is_flag=True, help="Compare every row in PostgreSQL with what its release says.")
def status(show_settings: bool, verify: bool) -> None:
    """Show the home, the published release, failed checks, refused files and what runs."""
    from cxa_pipeline.pipeline.status import inspect, verify_release

    if show_settings:
        print_table(["setting", "value", "from", "meaning"], describe(load_settings()))
        return
    home = open_home()
    found = inspect(home)
    print_table(["", ""], found.facts)
    if found.held_back:
        heading("Held back")
        print_table(["table", "since", "why"], found.held_back)
    if found.failed:
        heading("Failed checks")
        print_table(["table", "check", "severity", "rows", "seen"], found.failed, ["rows"])
    if found.refused:
        heading("Refused files")
        print_table(["file", "why"], found.refused)
    if verify:
        heading("Verified")
        differing = verify_release(home)
        if differing:
            print_table(["table", "in PostgreSQL", "in the release"], differing)
            say("mend with: cxa run --repair")
        else:
            say("every table in PostgreSQL equals its release")
        sys.exit(1 if differing else 0)
    sys.exit(PUBLISHED_WITH_COMPLAINTS if found.held_back or found.refused else 0)
