"""Files that are whole or absent: atomic writes, fsync, and errors of the file system in plain words.

Here: what every write into the lake goes through. Not here: which files a lake has (`store`).
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cxa_pipeline.errors import LakeError

_ADVICE = {
    errno.ENOSPC: "free some space or move the home to a larger disk (CXA_HOME), then run again",
    errno.EDQUOT: "free some space within your quota or move the home (CXA_HOME), then run again",
    errno.EROFS: "the disk is mounted read-only: mount it writable, or move the home (CXA_HOME)",
    errno.EACCES: "give this user write access to the folder, or move the home (CXA_HOME)",
    errno.EPERM: "give this user write access to the folder, or move the home (CXA_HOME)",
}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failed write below `path` into an error that says what to do.

    Raises:
        LakeError: no space is left, the disk is read-only, access is denied, or the like.
    """
    try:
        yield
    except OSError as error:
        raise LakeError(
            "The lake cannot be written",
            where=str(error.filename or path),
            evidence=os.strerror(error.errno) if error.errno else str(error),
            advice=_ADVICE.get(error.errno or 0, "look at the disk that holds the home, then run again"),
        ) from error


def sync_file(path: Path) -> None:
    """Have the bytes of a file on the disk before anything names it."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file under a temporary name, then rename it: a reader sees the old one or the new one.

    Raises:
        LakeError: it cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file as `write_bytes` does; keys keep their order, dates and paths become text."""
    text = json.dumps(document, ensure_ascii=False, indent=1, default=str)
    write_bytes(path, text.encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """The content of a JSON file of the lake, or None if there is no such file.

    Raises:
        LakeError: the file is damaged.
    """
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, OSError) as error:
        raise LakeError(
            "A file of the lake cannot be read",
            where=str(path),
            evidence=str(error),
            advice="restore the file from a backup of the home",
        ) from error
    if not isinstance(content, dict):
        raise LakeError("A file of the lake holds no record", where=str(path))
    return content


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
