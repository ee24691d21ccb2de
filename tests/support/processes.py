"""Runs and readers in processes of their own: told apart, watched line by line, killed.

They are forked from a server that has imported the heavy libraries, so that a run starts at once and many can be killed
in little time; each is the leader of a process group.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import signal
import subprocess
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from cxa_pipeline.errors import CxaError
from cxa_pipeline.pipeline.home import Home
from cxa_pipeline.pipeline.run import run
from tests.support.shops import CXA, Shop

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "great_expectations",
        "great_expectations.expectations",
        "cxa_pipeline.pipeline.run",
        "adbc_driver_postgresql.dbapi",
    ]
)

DONE, FAILED = "done:", "failed:"


class Child:
    """A function in a process group of its own; what it sends is read line by line."""

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        self._lines, theirs = _CONTEXT.Pipe(duplex=False)
        self.process = _CONTEXT.Process(target=_begin, args=(work, theirs, *arguments), daemon=True)
        self.process.start()
        theirs.close()
        self.said: list[str] = []

    def read(self, timeout: float) -> str | None:
        """The next line; None at its end, or if none came in time."""
        if not self._lines.poll(timeout):
            return None
        try:
            self.said.append(self._lines.recv())
        except EOFError:
            return None
        return self.said[-1]

    def wait_for(self, pattern: str, timeout: float = 120) -> str | None:
        """The next line that a pattern is found in; None if the process ends without it."""
        deadline = time.monotonic() + timeout
        while (line := self.read(max(deadline - time.monotonic(), 0))) is not None:
            if re.search(pattern, line):
                return line
        assert time.monotonic() < deadline, f"no line with {pattern} in {timeout} s; the last: {self.said[-3:]}"
        return None

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self.process.kill()
        self.process.join()
        self._lines.close()

    def kill_after(self, seconds: float) -> bool:
        """SIGKILL after a time; False if it had ended before."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            wait([self.process.sentinel, self._lines], max(deadline - time.monotonic(), 0))
            while self._lines.poll(0) and self.read(0) is not None:
                pass
            if not self.process.is_alive():
                return False
        self.kill()
        return True

    def finish(self, timeout: float = 240) -> str:
        """Its last line, once it has ended by itself."""
        while self.read(timeout) is not None:
            pass
        self.process.join(timeout)
        assert self.process.exitcode == 0, f"exit code {self.process.exitcode}: {self.said[-3:]}"
        return self.said[-1]


def start_run(shop: Shop, by_hand: bool = True) -> Child:
    """A run of the shop; it says what `cxa run` says, at last `done:` or `failed:`."""
    return Child(_run, replace(shop.home), by_hand)


def start_cxa(shop: Shop, *arguments: str) -> Child:
    """A command as a user would call it, watched; at last `done:` and its exit code."""
    return Child(_cxa, [str(CXA), *arguments], shop.environment(), shop.home.folder)


def _begin(work: Callable[..., None], lines: Connection, *arguments: Any) -> None:
    os.setsid()
    work(lines, *arguments)


def _run(lines: Connection, home: Home, by_hand: bool) -> None:
    log = logging.getLogger("cxa_pipeline")
    log.setLevel(logging.INFO)
    log.addHandler(_Sender(lines))
    try:
        result = run(home, "test", by_hand=by_hand)
    except CxaError as error:
        lines.send(f"{FAILED} {type(error).__name__}\n{error}")
    except BaseException:
        lines.send(traceback.format_exc())
        raise
    else:
        lines.send(f"{DONE} release {result.release.number}, {len(result.computed)} tables computed")


def _cxa(lines: Connection, command: list[str], environment: dict[str, str], folder: Path) -> None:
    child = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env={**environment, "PYTHONUNBUFFERED": "1"},
    )
    for line in child.stdout or ():
        lines.send(line.strip())
    lines.send(f"{DONE} {child.wait()}")


class _Sender(logging.Handler):
    def __init__(self, lines: Connection) -> None:
        super().__init__(logging.INFO)
        self._connection = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._connection.send(record.getMessage())


def kill_postgres(postmaster: int) -> None:
    """SIGKILL to a PostgreSQL server and all its backends."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = [tuple(map(int, line.split())) for line in listed.splitlines()]
    for pid in (postmaster, *(pid for pid, parent in parents if parent == postmaster)):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
