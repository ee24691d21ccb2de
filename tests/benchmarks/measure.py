"""Measure a command: seconds, peak memory of its processes; and say on which machine."""

from __future__ import annotations

import os
import platform
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PROC = Path("/proc")
INTERVAL = 0.2
MEBIBYTE = 1024


@dataclass(frozen=True)
class Measured:
    """A command that ended well.

    `peak` is the largest sum of the proportional set sizes of its processes, PostgreSQL's left out, in MiB.
    """

    output: str
    seconds: float
    peak: float


def run(command: Sequence[str], environment: Mapping[str, str], timeout: float = 1500) -> Measured:
    """Run a command and measure it; CXA_ variables of this process are not passed on."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("CXA_")}
    begun = time.perf_counter()
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**known, **environment}
    )
    watch = _Watch(child.pid)
    watch.start()
    try:
        output, _ = child.communicate(timeout=timeout)
    finally:
        seconds = time.perf_counter() - begun
        watch.stop()
        if child.poll() is None:
            child.kill()
    assert child.returncode == 0, f"{' '.join(command)}: exit code {child.returncode}\n{output}"
    return Measured(output, seconds, watch.peak / MEBIBYTE)


class _Watch(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.peak = 0

    def run(self) -> None:
        while not self._ended.wait(INTERVAL):
            self.peak = max(self.peak, sum(_pss(pid) for pid in _family(self._pid)))

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _family(pid: int) -> list[int]:
    """A process and its descendants, servers of PostgreSQL left out."""
    parents: dict[int, list[int]] = {}
    servers = set()
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):
            name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
            parents.setdefault(int(rest.split()[1]), []).append(int(folder.name))
            if name == "postgres":
                servers.add(int(folder.name))
    found, todo = [], [pid]
    while todo:
        next_one = todo.pop()
        if next_one not in servers:
            found.append(next_one)
            todo += parents.get(next_one, [])
    return found


def _pss(pid: int) -> int:
    """Proportional set size in KiB."""
    with suppress(OSError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def load() -> float:
    """How many processes waited for a core on average during the last minute."""
    return os.getloadavg()[0]


def machine() -> str:
    """Cores, memory, processor and versions, in one line."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "dagster", "pandas", "sqlglot"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{cores} cores of {_processor()}, {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {libraries}"
    )


def _processor() -> str:
    with suppress(OSError):
        for line in (PROC / "cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
