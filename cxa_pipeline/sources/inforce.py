"""Which content of which file is in force for a data set, and how its files are ordered.

Here: names and whole files. Not here: single rows and keys (`resolve`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cxa_pipeline.lake import Landing, Stored
from cxa_pipeline.sources.definition import FileKind, SourceDefinition


@dataclass(frozen=True)
class Content:
    """A landed content as a data set sees it: its landing, its layout, and its batch once it was read."""

    landing: Landing
    kind: FileKind
    batch: Stored | None = None

    @property
    def entry(self) -> Mapping[str, Any]:
        """What the batch's manifest says of the file."""
        if self.batch is None:
            raise LookupError(f"{self.landing.name} was not read")
        entry: Mapping[str, Any] = self.batch.manifest["files"][self.landing.file_id]
        return entry

    @property
    def business_time(self) -> str:
        """The date in the name, else the newest accepted moment; empty if neither is known."""
        named = self.kind.date_of(self.landing.name.rsplit("/", 1)[-1])
        return f"{named.isoformat()}T00:00:00" if named else str(self.entry["last_at"] or "")

    @property
    def order(self) -> tuple[str, str]:
        """The place between files of other names: older ones first."""
        return self.business_time, self.landing.sha256


def by_name(landings: Iterable[Landing], source: SourceDefinition, dataset: str) -> dict[str, list[Content]]:
    """The contents of each file of a source that feeds a data set, latest first."""
    names: dict[str, list[Content]] = {}
    for landing in landings:
        kind = source.kind_of(landing.name) if landing.source == source.name else None
        if kind and dataset in kind.feeds:
            names.setdefault(landing.name, []).insert(0, Content(landing, kind))
    return names


def wanted(
    names: Mapping[str, Sequence[Content]], refused: Callable[[Landing], bool | None]
) -> tuple[list[Content], list[Content]]:
    """The contents in force, and those that must be read to know which are.

    Args:
        names: The contents of each name, latest first.
        refused: Whether a content is refused; None if it was not read yet.
    """
    in_force, unread = [], []
    for contents in names.values():
        for content in contents:
            state = refused(content.landing)
            if state is None:
                unread.append(content)
            if state is not True:
                in_force.append(content)
                break
    return in_force, unread


def without_copies(contents: Collection[Content]) -> tuple[list[Content], list[Content]]:
    """Each content once, under its first name, and the copies under other names."""
    first: dict[str, Content] = {}
    copies = []
    for content in sorted(contents, key=lambda c: c.landing.name):
        if content.landing.sha256 in first:
            copies.append(content)
        else:
            first[content.landing.sha256] = content
    return list(first.values()), copies


def full_delivery(contents: Collection[Content]) -> tuple[list[Content], list[Content], bool]:
    """The file that stands where each replaces all before it, those it replaces, and whether the order is known."""
    ordered = sorted(contents, key=lambda c: c.order)
    if not ordered:
        return [], [], True
    newest = ordered[-1]
    tied = [c for c in ordered[:-1] if c.business_time == newest.business_time]
    return [newest], ordered[:-1], not tied
