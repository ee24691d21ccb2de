"""`cxa db`: the embedded PostgreSQL."""

from __future__ import annotations

import subprocess
import sys

import click

from cxa_pipeline.cli.output import say
from cxa_pipeline.defs.home import open_home
from cxa_pipeline.settings import child_environment


@click.group()
def db() -> None:
    """Start, stop and open the database.

    Without CXA_POSTGRES_URL the database is an embedded PostgreSQL below the home. It starts when it is needed and
    goes on running; CXA_POSTGRES_PORT opens it on 127.0.0.1 for BI tools.
    """


@db.command()
def start() -> None:
    """Start the embedded server, if it does not run."""
    home = open_home()
    home.server.ensure_started()
    found = home.server.status()
    say(f"PostgreSQL runs (process {found.pid}); open it with `cxa db psql`")


@db.command()
def stop() -> None:
    """Stop the embedded server."""
    say("stopped" if open_home().server.stop() else "it did not run")


@db.command()
def url() -> None:
    """Print the address of the database, password included, for other programs."""
    from cxa_pipeline.warehouse.address import libpq_url

    click.echo(libpq_url(open_home().database()))


@db.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Open psql on the database; ARGUMENTS go to psql, such as -c "select ...".

    \b
    Example:  cxa db psql -c "select * from kpi.monthly"
    """
    from cxa_pipeline.warehouse.address import without_password
    from cxa_pipeline.warehouse.binaries import program

    url, password = without_password(open_home().database())
    environment = child_environment(PGPASSWORD=password) if password else child_environment()
    sys.stdout.flush()
    sys.exit(subprocess.run([str(program("psql")), url, *arguments], env=environment).returncode)


@db.command()
def init() -> None:
    """Prepare a database: schemas and the role cxa_reader; `cxa run` does so by itself."""
    from cxa_pipeline.pipeline.publication import prepare_database

    prepare_database(open_home())
    say("the database is ready")
