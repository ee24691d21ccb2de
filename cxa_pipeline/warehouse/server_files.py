"""Files and processes of the embedded server: its pid file, its socket folder, its settings, its log.

Here: what the files say and what is written into them. Not here: the server's life (`server`).
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cxa_pipeline.errors import WarehouseError

LONGEST_SOCKET = 100
"""Bytes; macOS allows 103 for the path of a socket, Linux 107."""
LARGEST_LOG = 8_000_000

SETTINGS = {
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "password_encryption": "'scram-sha-256'",
    "shared_buffers": "'256MB'",
    "work_mem": "'32MB'",
    "maintenance_work_mem": "'256MB'",
    "effective_cache_size": "'1GB'",
    "random_page_cost": "1.1",
    "jit": "off",
    "fsync": "on",
    # Nobody replicates from it: a table filled by the transaction that made it is synced instead of logged.
    "wal_level": "'minimal'",
    "max_wal_senders": "0",
    "max_wal_size": "'2GB'",
    "checkpoint_timeout": "'15min'",
    # A killed client's statement ends within a second instead of running on.
    "client_connection_check_interval": "'1s'",
    # Details of an error quote rows, and rows hold personal data.
    "log_error_verbosity": "'terse'",
    "log_checkpoints": "off",
    "log_line_prefix": "'%m [%p] %u@%d '",
}


@dataclass(frozen=True)
class Postmaster:
    """A running server as its pid file describes it."""

    pid: int
    port: int
    socket_folder: Path
    listens: bool
    status: str

    @property
    def socket(self) -> Path:
        """The unix socket."""
        return self.socket_folder / f".s.PGSQL.{self.port}"


def read_postmaster(data: Path) -> Postmaster | None:
    """The server that works on the data folder, or None; a pid file left behind by a dead one counts as none."""
    lines = _lines(data / "postmaster.pid")
    if len(lines) < 6 or not lines[0].strip().isdigit():
        return None
    pid = int(lines[0])
    if not is_alive(pid) or not _works_on(pid, data):
        return None
    status = lines[7].strip() if len(lines) > 7 else "starting"
    return Postmaster(pid, int(lines[3]), Path(lines[4].strip()), bool(lines[5].strip()), status)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return not Path("/proc/self").exists()
    return state not in "ZX"


def remove_stale_locks(data: Path, folder: Path, port: int) -> None:
    """Remove lock files whose process id has meanwhile gone to another program, as after a container's restart.

    PostgreSQL itself removes those whose process is gone. It also refuses a data folder that orphans of a killed
    server still use, so that nothing is risked here.
    """
    for path in (data / "postmaster.pid", folder / f".s.PGSQL.{port}.lock"):
        first = (_lines(path) or [""])[0].strip()
        if first.isdigit() and is_alive(int(first)) and not _works_on(int(first), data):
            path.unlink(missing_ok=True)


def socket_folder(directory: Path, owner: int | None) -> Path:
    """The folder of mode 700 for the socket: below `directory`, or a short one if that path is too long.

    Raises:
        WarehouseError: the short one exists and belongs to somebody else.
    """
    folder = directory / "run"
    if len(os.fsencode(folder / ".s.PGSQL.65535.lock")) > LONGEST_SOCKET or not re.fullmatch(
        r"[\w/.@+-]+", str(folder)
    ):
        digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"cxa-{os.geteuid()}-{digest}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    known = {os.geteuid(), owner}
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in known or found.st_mode & 0o077:
        raise WarehouseError(
            "The folder for the socket of PostgreSQL belongs to somebody else or is open to others",
            where=str(folder),
            advice="remove it, or set TMPDIR to a folder of your own",
        )
    if owner is not None:
        os.chown(folder, owner, -1)
    return folder


def write_configuration(data: Path, folder: Path, port: int, listen: bool, owner: int | None) -> None:
    """Write `cxa.conf`, which postgresql.conf includes."""
    settings = SETTINGS | {
        "port": str(port),
        "listen_addresses": "'127.0.0.1'" if listen else "''",
        "unix_socket_directories": f"'{folder}'",
        "unix_socket_permissions": "0700",
    }
    path = data / "cxa.conf"
    new = data / "cxa.conf.new"
    new.write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    new.chmod(0o600)
    if owner is not None:
        os.chown(new, owner, -1)
    new.replace(path)


def log_size(log: Path) -> int:
    """Bytes of the log."""
    return log.stat().st_size if log.exists() else 0


def rotate(log: Path) -> int:
    """Keep the log and the one before it, each of bounded size; gives the bytes that it has now."""
    if log_size(log) > LARGEST_LOG:
        log.replace(log.with_suffix(".log.1"))
    return log_size(log)


def last_lines(log: Path, since: int = 0) -> list[str]:
    """The end of the log, as far as it was written after the first `since` bytes."""
    try:
        text = log.read_bytes()[since:].decode(errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines()[-5:]]


def troubles(lines: list[str]) -> list[str]:
    """The lines that tell of trouble, or the last ones."""
    found = [line.strip() for line in lines if re.search(r"error|fatal|panic|could not|no space", line, re.I)]
    return list(dict.fromkeys(found))[:4] or [line.strip() for line in lines[-4:]]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _works_on(pid: int, data: Path) -> bool:
    """Whether the process is a PostgreSQL server on that data folder, by its command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return os.fsencode(data) in words
    except OSError:
        if Path("/proc/self").exists():
            return False
    command = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    shown = subprocess.run(command, capture_output=True, text=True).stdout
    return f"-D {data}" in shown
