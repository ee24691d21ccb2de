"""The lake: raw bytes, landings, results by key, releases. What exists is finished and never written again.

Here: the layout of the folder and the order of writes that makes a kill harmless. Not here: what a key is
made of and what a manifest says, which belong to those who make results (`sources`, `pipeline`); the wall
clock, which callers pass in.

    raw/<aa>/<sha256>                             the bytes of every landed file
    landings/<number>.json                        which file arrived when, under which name
    landed/<dataset>/<key>/                       batches of read rows
    resolved/<dataset>/<key>/                     which rows another file duplicates or supersedes
    tables/<schema>/<table>/[<YYYY-MM>/]<key>/    results of models
    audits/<schema>/<table>/<key>/                what the checks said of a result
    profiles/<schema>/<table>/<key>/              what the columns of a table hold
    releases/<n>.json                             table → version
    home.json  hold.json  seen.json  windows.json  run.lock
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxa_pipeline.errors import LakeError
from cxa_pipeline.lake.files import read_json, sync_file, sync_folder, write_json, writing

MANIFEST = "manifest.json"
RESULTS = ("landed", "resolved", "tables", "audits", "profiles")
_TEMPORARY = ".building-"
_CHUNK = 1 << 20

Parts = tuple[str, ...]


@dataclass(frozen=True)
class Raw:
    """Kept bytes: their SHA-256 and their number."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Landing:
    """A file arrived: permanent, in the order of `number`.

    `name` is the path below `landing/<source>/`; `modified_ns` the file's own
    time; `landed_at` ISO 8601 in UTC.
    """

    number: int
    source: str
    name: str
    sha256: str
    size: int
    modified_ns: int
    landed_at: str

    @property
    def file_id(self) -> str:
        """The first 16 digits of the hash: what rows carry."""
        return self.sha256[:16]


@dataclass(frozen=True)
class Stored:
    """A finished result: its place, its folder and its manifest."""

    parts: Parts
    path: Path
    manifest: Mapping[str, Any]


class Lake:
    """The folder that is the truth of a home.

    Args:
        root: The folder; it is made at the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    # --- raw bytes

    def raw_path(self, sha256: str) -> Path:
        """Where the bytes with that hash are kept."""
        return self.root / "raw" / sha256[:2] / sha256

    def put_raw(self, path: Path) -> Raw:
        """Keep the bytes of a file, hashing while copying, so that what is kept is what was hashed."""
        folder = self.root / "raw"
        temporary = folder / f"{_TEMPORARY}{os.getpid()}"
        digest, size = hashlib.sha256(), 0
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with path.open("rb") as source, temporary.open("wb") as target:
                    while chunk := source.read(_CHUNK):
                        digest.update(chunk)
                        size += len(chunk)
                        target.write(chunk)
                    target.flush()
                    os.fsync(target.fileno())
                self._settle(temporary, self.raw_path(digest.hexdigest()))
            finally:
                temporary.unlink(missing_ok=True)
        return Raw(digest.hexdigest(), size)

    def _settle(self, temporary: Path, final: Path) -> None:
        if final.exists():
            return
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary.rename(final)
        sync_folder(final.parent)

    # --- landings

    def add_landing(self, source: str, name: str, raw: Raw, modified_ns: int, landed_at: str) -> Landing:
        """Record for ever that a file arrived; `raw` must have been kept before."""
        numbers = self._numbers("landings")
        landing = Landing(numbers[-1] + 1 if numbers else 1, source, name, raw.sha256, raw.size, modified_ns, landed_at)
        write_json(self._numbered("landings", landing.number), landing.__dict__)
        return landing

    def landings(self) -> list[Landing]:
        """Every file that ever arrived, in the order of arrival."""
        return [Landing(**document) for document in self.documents("landings").values()]

    # --- results by key

    def begin(self, parts: Parts) -> Path:
        """An empty folder to build a result in; nothing sees it before `finish`."""
        final = self._folder(parts)
        folder = final.with_name(f"{_TEMPORARY}{final.name}-{os.getpid()}")
        with writing(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        return folder

    def finish(self, parts: Parts, folder: Path, manifest: Mapping[str, Any]) -> Stored:
        """Make a built result durable and visible: its files, then the manifest, then its name."""
        final = self._folder(parts)
        with writing(final):
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    sync_file(path)
            write_json(folder / MANIFEST, manifest)
            if final.exists():
                shutil.rmtree(folder)
            else:
                folder.rename(final)
                sync_folder(final.parent)
        stored = self.find(parts)
        if stored is None:
            raise LakeError("A finished result has no manifest", where=str(final))
        return stored

    def abandon(self, folder: Path) -> None:
        """Throw away what `begin` started."""
        shutil.rmtree(folder, ignore_errors=True)

    def find(self, parts: Parts) -> Stored | None:
        """The finished result of that name, or None."""
        folder = self._folder(parts)
        manifest = read_json(folder / MANIFEST)
        return None if manifest is None else Stored(parts, folder, manifest)

    def results(self, *prefix: str) -> Iterator[Stored]:
        """Every finished result below a place such as ("tables", "kpi"), in the order of names."""
        for folder in self._result_folders(self.root.joinpath(*prefix)):
            parts = folder.relative_to(self.root).parts
            manifest = read_json(folder / MANIFEST)
            if manifest is not None:
                yield Stored(parts, folder, manifest)

    def remove(self, parts: Parts) -> None:
        """Delete a result, its manifest first, so that a kill leaves nothing that looks finished."""
        folder = self._folder(parts)
        with writing(folder):
            (folder / MANIFEST).unlink(missing_ok=True)
            if folder.exists():
                shutil.rmtree(folder)

    def collect_garbage(self, live: Collection[Parts]) -> list[Parts]:
        """Delete every result that is not in `live`, and the remains of killed runs; what was deleted.

        Only under the run lock: whoever builds results or reads them outside a release must be in `live`.
        """
        for leftover in [*self.root.rglob(f"{_TEMPORARY}*"), *self.root.rglob(".*.tmp")]:
            shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(missing_ok=True)
        keep, removed = set(live), []
        for kind in RESULTS:
            for folder in list(self._result_folders(self.root / kind)):
                parts = folder.relative_to(self.root).parts
                if parts not in keep:
                    self.remove(parts)
                    removed.append(parts)
        return removed

    def _folder(self, parts: Parts) -> Path:
        if not parts or parts[0] not in RESULTS or any(p.startswith(".") or "/" in p or not p for p in parts):
            raise LakeError("Not the name of a result", where="/".join(parts))
        return self.root.joinpath(*parts)

    def _result_folders(self, top: Path) -> Iterator[Path]:
        if not top.is_dir():
            return
        children = sorted(p for p in top.iterdir() if p.is_dir() and not p.name.startswith("."))
        if (top / MANIFEST).exists() or (not children and any(top.iterdir())):
            yield top
            return
        for child in children:
            yield from self._result_folders(child)

    # --- numbered documents: landings, releases, publications

    def append(self, kind: str, document: Mapping[str, Any]) -> int:
        """Write the next document of a kind ("releases"); its number."""
        numbers = self._numbers(kind)
        number = numbers[-1] + 1 if numbers else 1
        write_json(self._numbered(kind, number), document)
        return number

    def write_document(self, kind: str, number: int, document: Mapping[str, Any]) -> None:
        """Write the document of that number , replacing it."""
        write_json(self._numbered(kind, number), document)

    def document(self, kind: str, number: int) -> dict[str, Any] | None:
        """The document of that number, or None."""
        return read_json(self._numbered(kind, number))

    def documents(self, kind: str) -> dict[int, dict[str, Any]]:
        """All documents of a kind by number, ascending."""
        found = {number: self.document(kind, number) for number in self._numbers(kind)}
        return {number: document for number, document in found.items() if document is not None}

    def remove_document(self, kind: str, number: int) -> None:
        """Delete one document, if it is there."""
        with writing(self.root):
            self._numbered(kind, number).unlink(missing_ok=True)

    def _numbered(self, kind: str, number: int) -> Path:
        return self.root / kind / f"{number:08}.json"

    def _numbers(self, kind: str) -> list[int]:
        folder = self.root / kind
        names: Sequence[str] = os.listdir(folder) if folder.is_dir() else ()
        return sorted(int(name[:-5]) for name in names if name.endswith(".json") and name[:-5].isdigit())

    # --- single facts

    def fact(self, name: str) -> dict[str, Any] | None:
        """A fact about the home: "home" (zone and currency, fixed at the first ingest), "hold", "seen", "windows"."""
        return read_json(self.root / f"{name}.json")

    def set_fact(self, name: str, document: Mapping[str, Any]) -> None:
        """Write a fact, replacing it."""
        write_json(self.root / f"{name}.json", document)

    def clear_fact(self, name: str) -> None:
        """Delete a fact, if it is there."""
        with writing(self.root):
            (self.root / f"{name}.json").unlink(missing_ok=True)
