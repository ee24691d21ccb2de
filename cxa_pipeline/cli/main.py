"""The command `cxa`: the group, its options, and what becomes of errors."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

import click

COMMANDS = {
    "demo": ("cxa_pipeline.cli.shop", "demo"),
    "run": ("cxa_pipeline.cli.runs", "run"),
    "up": ("cxa_pipeline.cli.up", "up"),
    "generate": ("cxa_pipeline.cli.shop", "generate"),
    "ask": ("cxa_pipeline.cli.ask", "ask"),
    "status": ("cxa_pipeline.cli.status", "status"),
    "sources": ("cxa_pipeline.cli.files", "sources"),
    "rejects": ("cxa_pipeline.cli.files", "rejects"),
    "tables": ("cxa_pipeline.cli.tables", "tables"),
    "plan": ("cxa_pipeline.cli.runs", "plan"),
    "releases": ("cxa_pipeline.cli.runs", "releases"),
    "rollback": ("cxa_pipeline.cli.runs", "rollback"),
    "trace": ("cxa_pipeline.cli.files", "trace"),
    "db": ("cxa_pipeline.cli.database", "db"),
}
"""Commands by name, with module and function; a command is imported when it is called."""

USAGE_ERROR, FAILED, PUBLISHED_WITH_COMPLAINTS = 2, 1, 3


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, function = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), function)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
@click.version_option(package_name="cxa-pipeline", prog_name="cxa")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Customer analytics in PostgreSQL from the files that an online shop exports.

    \b
    Begin with a shop that is made up:     cxa demo
    Then with your own: drop files below   data/landing/<source>/
    read them and publish the tables:      cxa run
    ask a question:                        cxa ask "how many customers"
    see lineage, schedules and checks:     cxa up

    Everything lives in one home (CXA_HOME, default ./data). Settings are environment variables CXA_... or lines of
    .env; `cxa status --settings` lists them all.

    Exit codes: 0 published or nothing to do, 1 failed, 2 wrong usage, 3 published but something was refused or held
    back.
    """
    ctx.obj = {"debug": debug}


def main() -> None:
    """Run the command line; an expected failure is its message, not a traceback."""
    try:
        _run()
    except SystemExit as ended:
        _leave(ended)


def _run() -> None:
    from cxa_pipeline.cli.output import complain
    from cxa_pipeline.errors import CxaError, SettingsError

    debug = "--debug" in sys.argv[1:]
    try:
        cli(standalone_mode=True)
    except SettingsError as error:
        if debug:
            raise
        complain(error)
        sys.exit(USAGE_ERROR)
    except CxaError as error:
        if debug:
            raise
        complain(error)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        click.echo("stopped; what was finished stays, the next `cxa run` goes on from there", err=True)
        sys.exit(130)


def _leave(ended: SystemExit) -> NoReturn:
    """End the process at once: Python takes over a second to take apart modules whose memory is freed anyway."""
    if not isinstance(ended.code, int | None):
        raise ended
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it may be gone
            stream.flush()
    os._exit(ended.code or 0)
