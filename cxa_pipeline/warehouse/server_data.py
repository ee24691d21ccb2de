"""The data folder of the embedded server and the password of its only user.

Here: making them once, and refusing what does not fit. Not here: running the server (`server`).
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from cxa_pipeline.errors import WarehouseError
from cxa_pipeline.warehouse.binaries import MAJOR_VERSION, Identity, program
from cxa_pipeline.warehouse.server_files import troubles

SUPERUSER = "cxa"


def read_password(directory: Path) -> str:
    """The password of the server in `directory`.

    Raises:
        WarehouseError: its file is gone.
    """
    path = directory / "password"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        raise WarehouseError(
            "The password of the embedded PostgreSQL is lost",
            where=str(path),
            advice=f"restore the file, or move {directory} away: the next run publishes all from the lake, "
            "but views and grants of your own are gone",
        ) from None


def create_data(directory: Path, data: Path, identity: Identity) -> None:
    """Create the data folder unless it is there; under another name first, so that what bears its name is complete.

    Raises:
        WarehouseError: it cannot be created, or was made by another version of PostgreSQL.
    """
    if data.exists():
        return _check_version(data)
    new = directory / "data.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    password = _write_password(directory)
    if identity.owner is not None:
        for path in (directory, new, password):
            os.chown(path, identity.owner, -1)
    # Order by code point, like the engine; case of all letters, unlike the plain C locale.
    locale = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8")
    # The password is random; iterations would only protect a guessable one, and cost 5 ms at each connection.
    access = ("--set", "scram_iterations=1", "--username", SUPERUSER, "--auth=scram-sha-256", "--pwfile", password)
    command = identity.command(program("initdb"), "--pgdata", new, *access, *locale)
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd="/")
    if done.returncode != 0:
        shutil.rmtree(new, ignore_errors=True)
        raise WarehouseError(
            "The embedded PostgreSQL cannot be created",
            where=str(directory),
            evidence=troubles((done.stderr or done.stdout).splitlines()),
            advice="see that the home is writable and has 200 MB of free space",
        )
    with (new / "postgresql.conf").open("a") as file:
        file.write("\ninclude 'cxa.conf'   # written by cxa at each start; what stands below it wins\n")
    new.rename(data)


def _write_password(directory: Path) -> Path:
    path = directory / "password"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(24) + "\n")
    return path


def _check_version(data: Path) -> None:
    version = (data / "PG_VERSION").read_text().strip()
    if version != str(MAJOR_VERSION):
        raise WarehouseError(
            f"The data folder was made by PostgreSQL {version}, the installed programs are {MAJOR_VERSION}",
            where=str(data),
            advice=f"move {data.parent} away: the next run publishes all from the lake",
        )
