"""One writer per home: the lock that a run holds from its first write to its last.

Here: taking it, and saying who has it. Not here: the advisory lock of the database (`warehouse`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from cxa_pipeline.errors import LockedError
from cxa_pipeline.lake.files import read_json, write_json, writing
from cxa_pipeline.lake.store import Lake


@contextmanager
def run_lock(lake: Lake, command: str, now: datetime, wait: float = 0.0) -> Iterator[None]:
    """Hold the home for one run; the system frees it if the process dies.

    Args:
        lake: The lake of the home.
        command: What runs, for whoever has to wait.
        now: Since when, for the same.
        wait: Seconds to wait for another run to end.

    Raises:
        LockedError: another run still works on this home; it says which.
    """
    from filelock import FileLock, Timeout

    with writing(lake.root):
        lake.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lake.root / "run.lock")
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise _locked(lake) from None
    try:
        write_json(
            lake.root / "run.json",
            {"pid": os.getpid(), "command": command, "since": now.isoformat(timespec="seconds")},
        )
        yield
    finally:
        (lake.root / "run.json").unlink(missing_ok=True)
        lock.release()


def holder(lake: Lake) -> dict[str, object] | None:
    """Who held the lock last: pid, command, since; None if no run left its name."""
    return read_json(lake.root / "run.json")


def _locked(lake: Lake) -> LockedError:
    run = holder(lake) or {}
    seen = [f"{run['command']}, process {run['pid']}, since {run['since']}"] if run else []
    return LockedError(
        "Another run works on this home",
        where=str(lake.root),
        evidence=seen,
        advice="wait until it is done, then run again",
    )
