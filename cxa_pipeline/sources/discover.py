"""Find what was dropped into `landing/<source>/` and keep it: by content, not by name alone.

Here: listing, settling, hashing and the landing's record. Imports nothing heavy, so that a sensor can ask
`pending` every few seconds. Not here: reading what was found.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cxa_pipeline.errors import SourceError
from cxa_pipeline.lake import Lake, Landing

_PARTIAL = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".filepart", ".swp", "~")
_PREFIXES = (".", "~$", "_tmp")


@dataclass(frozen=True)
class Finding:
    """Something about the landing folder that a person should know; nothing stops for it."""

    where: str
    what: str
    advice: str


@dataclass
class Discovery:
    """What a look into the landing folder found.

    `landed` are new landings; `unsettled` files that are still being written, to be looked at again.
    """

    landed: list[Landing] = field(default_factory=list)
    unsettled: list[Path] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class Pending:
    """Files that are new, as `source/name`: those that lie still, and those that are still being written."""

    settled: tuple[str, ...]
    unsettled: tuple[str, ...]


@dataclass(frozen=True)
class _Candidate:
    source: str
    name: str
    path: Path
    size: int
    modified_ns: int

    @property
    def place(self) -> str:
        return f"{self.source}/{self.name}"

    def changing(self, now: datetime, settle: float) -> bool:
        """Whether the file changed just now; a time in the future is a wrong clock, not a change."""
        return abs(now.timestamp() - self.modified_ns / 1e9) < settle


def source_names(root: Path) -> list[str]:
    """The names of the sources below `root` (the folder `sql/`), without reading their definitions."""
    return sorted(path.parent.name for path in root.glob("sources/*/source.yaml"))


def pending(lake: Lake, landing: Path, sources: Collection[str], now: datetime, settle: float = 2.0) -> Pending:
    """The files in `landing` that the lake has not seen as they are now; nothing is read."""
    seen = _seen(lake)
    settled: list[str] = []
    unsettled: list[str] = []
    for candidate in _candidates(landing, sources):
        if _is_new(candidate, seen):
            (unsettled if candidate.changing(now, settle) else settled).append(candidate.place)
    return Pending(tuple(settled), tuple(unsettled))


def discover(lake: Lake, landing: Path, sources: Collection[str], now: datetime, settle: float = 2.0) -> Discovery:
    """Keep the bytes of every new file and record its landing.

    Args:
        lake: Where bytes and landings are kept; the caller holds its lock.
        landing: The folder with one folder for each source.
        sources: The sources that are known.
        now: The time to record, with a zone.
        settle: A file that changed less than so many seconds ago is left for later.

    Raises:
        LakeError: the lake cannot be written.
    """
    found = Discovery(findings=list(_findings(landing, sources)))
    seen = _seen(lake)
    latest = {f"{entry.source}/{entry.name}": entry.sha256 for entry in lake.landings()}
    changed = False
    for candidate in _candidates(landing, sources):
        if not _is_new(candidate, seen):
            continue
        if candidate.changing(now, settle):
            found.unsettled.append(candidate.path)
            continue
        sha256 = _land(candidate, lake, now, latest, found)
        if sha256:
            seen[candidate.place] = [candidate.size, candidate.modified_ns]
            changed = True
    if changed:
        lake.set_fact("seen", {"files": seen})
    return found


def _land(candidate: _Candidate, lake: Lake, now: datetime, latest: dict[str, str], found: Discovery) -> str | None:
    try:
        raw = lake.put_raw(candidate.path)
        after = candidate.path.stat()
    except FileNotFoundError:
        return None
    except SourceError as error:
        found.findings.append(Finding(candidate.place, str(error), error.advice or ""))
        return None
    if (after.st_size, after.st_mtime_ns) != (candidate.size, candidate.modified_ns):
        found.unsettled.append(candidate.path)
        return None
    if latest.get(candidate.place) != raw.sha256:
        landed_at = now.isoformat(timespec="microseconds")
        entry = lake.add_landing(candidate.source, candidate.name, raw, candidate.modified_ns, landed_at)
        found.landed.append(entry)
        latest[candidate.place] = raw.sha256
    return raw.sha256


def _seen(lake: Lake) -> dict[str, list[int]]:
    """Size and time of each file at its last look: spares the hashing, nothing depends on it."""
    fact = lake.fact("seen")
    files: dict[str, list[int]] = fact["files"] if fact else {}
    return files


def _is_new(candidate: _Candidate, seen: dict[str, list[int]]) -> bool:
    return seen.get(candidate.place) != [candidate.size, candidate.modified_ns]


def _candidates(landing: Path, sources: Collection[str]) -> Iterator[_Candidate]:
    for source in sorted(sources):
        yield from _below(landing / source, source, "")


def _below(folder: Path, source: str, prefix: str) -> Iterator[_Candidate]:
    if not folder.is_dir():
        return
    for entry in sorted(os.scandir(folder), key=lambda item: item.name):
        if ignored(entry.name):
            continue
        try:
            if entry.is_dir():
                yield from _below(Path(entry.path), source, f"{prefix}{entry.name}/")
            elif entry.is_file():
                stat = entry.stat()
                path = Path(entry.path)
                yield _Candidate(source, f"{prefix}{entry.name}", path, stat.st_size, stat.st_mtime_ns)
        except FileNotFoundError:
            continue


def ignored(name: str) -> bool:
    """Whether a name is that of a hidden or unfinished file."""
    lower = name.lower()
    return lower.startswith(_PREFIXES) or lower.endswith(_PARTIAL)


def _findings(landing: Path, sources: Collection[str]) -> Iterator[Finding]:
    if not landing.is_dir():
        return
    known = ", ".join(sorted(sources))
    for entry in sorted(os.scandir(landing), key=lambda item: item.name):
        if ignored(entry.name) or entry.name in sources:
            continue
        if entry.is_dir():
            if any(not ignored(name) for name in os.listdir(entry.path)):
                what = f"No source is called {entry.name}: its files are not read"
                yield Finding(entry.path, what, f"move them to one of {known}, or add sql/sources/{entry.name}/")
        else:
            what = "A file lies beside the folders of the sources: it is not read"
            yield Finding(entry.path, what, f"move it into the folder of its source, such as native ({known})")
