"""The embedded PostgreSQL of a home: started when first needed, shared by every process that works on the home.

Here: starting, finding and stopping it. Not here: its data folder and password (`server_data`), its settings and pid
file (`server_files`), under which identity its programs run (`binaries`), what is stored in it.

The server outlives the command that started it. It listens on a unix socket in a folder of mode 700, on TCP only if a
port is asked for and then on 127.0.0.1; both with scram and a random password that lies in a file of mode 600.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from cxa_pipeline.errors import WarehouseError
from cxa_pipeline.warehouse.address import socket_url
from cxa_pipeline.warehouse.binaries import Identity, choose_identity, program
from cxa_pipeline.warehouse.server_data import SUPERUSER, create_data, read_password
from cxa_pipeline.warehouse.server_files import (
    Postmaster,
    is_alive,
    last_lines,
    log_size,
    read_postmaster,
    remove_stale_locks,
    rotate,
    socket_folder,
    write_configuration,
)

log = logging.getLogger(__name__)

DATABASES = ("cxa", "dagster")
DEFAULT_PORT = 5432
START_PATIENCE = 900.0
"""Seconds: after a crash a server may have to replay its log before it answers."""
RETRY_PATIENCE = 60.0
"""Seconds in which processes that a killed server left behind may come to their end."""
STOP_PATIENCE = 60.0
_PASSING_TROUBLE = ("already exists", "pre-existing shared memory", "still in use", "system is shut down")


@dataclass(frozen=True)
class ServerStatus:
    """What can be said of the embedded server without starting it; `port` is None unless TCP is open."""

    running: bool
    pid: int | None
    port: int | None
    socket_folder: Path | None
    data: Path
    log: Path


class EmbeddedServer:
    """The PostgreSQL server whose files lie in `directory`.

    Args:
        directory: Folder of its own, such as HOME/postgres; created when first needed.
        port: TCP port to open on 127.0.0.1; None: the unix socket only.
        identities: Ways to run PostgreSQL's programs; by default what fits the machine.
    """

    def __init__(self, directory: Path, port: int | None = None, identities: Sequence[Identity] | None = None):
        self.directory = directory.absolute()
        self.port = port
        self._identities = identities

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.directory / "data"

    @property
    def log_file(self) -> Path:
        """The server's own log."""
        return self.directory / "postgres.log"

    def ensure_started(self) -> str:
        """Start the server unless it runs, create what is missing, and return the URL of the database `cxa`.

        Raises:
            WarehouseError: it cannot be started; shows the end of its log.
        """
        if not self._is_ready():
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._lock():
                if not self._is_ready():
                    identity = choose_identity(self.directory, self._identities)
                    create_data(self.directory, self.data, identity)
                    self._start(identity)
                    self._create_databases()
        self._warn_of_other_port()
        return self.url()

    def url(self, database: str = DATABASES[0]) -> str:
        """URL of a database of the running server.

        Raises:
            WarehouseError: the server does not run.
        """
        postmaster = self._postmaster()
        if postmaster is None:
            raise WarehouseError(
                "The embedded PostgreSQL is not running", where=str(self.directory), advice="cxa db start"
            )
        folder = str(postmaster.socket_folder)
        return socket_url(SUPERUSER, read_password(self.directory), database, folder, postmaster.port)

    def is_running(self) -> bool:
        """Whether a server of this directory lives, be it ready or still recovering."""
        return self._postmaster() is not None

    def status(self) -> ServerStatus:
        """What can be said without starting it."""
        found = self._postmaster()
        return ServerStatus(
            running=found is not None,
            pid=found.pid if found else None,
            port=found.port if found and found.listens else None,
            socket_folder=found.socket_folder if found else None,
            data=self.data,
            log=self.log_file,
        )

    def stop(self) -> bool:
        """Stop the server, open sessions included; False if it did not run."""
        if not self.directory.exists():
            return False
        with self._lock():
            return self._stop()

    def _stop(self) -> bool:
        found = self._postmaster()
        if found is None:
            return False
        for number, patience in ((signal.SIGINT, STOP_PATIENCE), (signal.SIGQUIT, 10.0)):
            os.kill(found.pid, number)
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline:
                if not is_alive(found.pid):
                    return True
                time.sleep(0.02)
        raise WarehouseError(
            "The embedded PostgreSQL does not stop",
            where=f"process {found.pid}",
            evidence=last_lines(self.log_file),
        )

    def _lock(self) -> AbstractContextManager[object]:
        from filelock import FileLock

        return FileLock(self.directory / "start.lock", timeout=START_PATIENCE)

    def _postmaster(self) -> Postmaster | None:
        return read_postmaster(self.data)

    def _is_ready(self) -> bool:
        return self._answers(DATABASES[0])

    def _answers(self, database: str) -> bool:
        """Whether the server accepts sessions and holds all databases."""
        import psycopg

        found = self._postmaster()
        if found is None or not found.socket.exists():
            return False
        try:
            with psycopg.connect(self.url(database), connect_timeout=10, autocommit=True) as session:
                rows = session.execute("select datname from pg_database").fetchall()
        except psycopg.OperationalError as error:
            if "password authentication" in str(error):
                raise WarehouseError(
                    "The embedded PostgreSQL does not accept the password of its home",
                    where=str(self.directory / "password"),
                    advice="restore the password file that belongs to this data folder",
                ) from None
            return "too many clients" in str(error) or "connection slots" in str(error)
        return database not in DATABASES or {row[0] for row in rows} >= set(DATABASES)

    def _start(self, identity: Identity) -> None:
        """Start until it answers; a server that was killed may need several attempts and a long recovery."""
        begun = time.monotonic()
        while True:
            found = self._postmaster()
            seen = log_size(self.log_file) if found else rotate(self.log_file)
            pid = found.pid if found else self._launch(identity)
            if self._wait(pid, begun + START_PATIENCE):
                return
            end = last_lines(self.log_file, seen)
            passing = any(trouble in line for trouble in _PASSING_TROUBLE for line in end)
            if not passing or time.monotonic() - begun > RETRY_PATIENCE:
                raise WarehouseError(
                    "The embedded PostgreSQL does not start",
                    where=str(self.log_file),
                    evidence=end,
                    advice="mend what the log names; if the port is taken, set CXA_POSTGRES_PORT to another one",
                )
            time.sleep(0.3)

    def _launch(self, identity: Identity) -> int:
        folder = socket_folder(self.directory, identity.owner)
        port = self.port or DEFAULT_PORT
        remove_stale_locks(self.data, folder, port)
        write_configuration(self.data, folder, port, listen=self.port is not None, owner=identity.owner)
        # The shell leaves it behind as an orphan of a session of its own, so that it survives its starter.
        command = identity.command(program("postgres"), "-D", self.data)
        done = subprocess.run(
            ["/bin/sh", "-c", '"$@" </dev/null >>"$0" 2>&1 & echo $!', str(self.log_file), *command],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            cwd="/",
            check=True,
        )
        return int(done.stdout)

    def _wait(self, pid: int, deadline: float) -> bool:
        """True once it answers, False if the process ended."""
        while is_alive(pid):
            found = self._postmaster()
            ready = found is not None and found.status == "ready"
            if ready and self._answers("postgres"):
                return True
            if found and ready and not found.socket.exists():
                self._stop()  # its socket was removed behind its back: nobody can reach it any more
                return False
            if time.monotonic() > deadline:
                raise WarehouseError(
                    f"The embedded PostgreSQL has not become ready within {START_PATIENCE:.0f} s",
                    where=str(self.log_file),
                    evidence=last_lines(self.log_file),
                )
            time.sleep(0.03)
        return False

    def _create_databases(self) -> None:
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as session:
            have = {row[0] for row in session.execute("select datname from pg_database").fetchall()}
            for name in DATABASES:
                if name not in have:
                    session.execute(f'create database "{name}"'.encode())
            # A run writes thousands of events, each a transaction; one lost with the machine's power is told again.
            session.execute("alter database dagster set synchronous_commit = off")

    def _warn_of_other_port(self) -> None:
        found = self._postmaster()
        if self.port is not None and found and (found.port != self.port or not found.listens):
            log.warning(
                "the embedded PostgreSQL already runs without TCP port %s; `cxa db stop`, then `cxa db start`",
                self.port,
            )
