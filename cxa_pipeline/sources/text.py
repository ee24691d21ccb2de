"""From kept bytes to clean text: decompress, decode, and cut into pieces that an engine can read at once.

Here: everything about bytes, in one pass over each file. Not here: what the text says (`header`, `read`).
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cxa_pipeline.errors import SourceError
from cxa_pipeline.lake import writing

_CHUNK = 4 << 20
_PIECE = 32 << 20
_WHOLE = 48 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True)
class Piece:
    """Part of a text as a file of its own, cut between lines.

    `first_line` is the number of its first line in the whole, from 1.
    """

    path: Path
    first_line: int
    lines: int


@dataclass(frozen=True)
class CleanText:
    """A file as UTF-8 without byte order mark.

    `quoted` says whether a quote character occurs, `blank` whether a line is empty, `mixed` whether lines end in
    more than one way, `tabs` and `wide_spaces` whether there are tabs or no-break spaces; `first` is the first
    line.
    """

    pieces: tuple[Piece, ...]
    lines: int
    first: str
    quoted: bool
    blank: bool
    mixed: bool
    tabs: bool
    wide_spaces: bool


def magic(path: Path) -> str:
    """What the first bytes say: "gzip", "parquet", "zip" (Excel), "empty" or "text"."""
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        return "empty"
    known = {b"\x1f\x8b": "gzip", b"PAR1": "parquet", b"PK\x03\x04": "zip"}
    return known.get(start[:2]) or known.get(start) or "text"


def open_bytes(path: Path) -> BinaryIO:
    """The bytes of a file, decompressed if they are gzip."""
    return gzip.open(path) if magic(path) == "gzip" else path.open("rb")  # type: ignore[return-value]


def clean(path: Path, encoding: str | None, folder: Path) -> CleanText:
    """Bring a text file into UTF-8, in pieces, below `folder`; a small clean file is used where it lies.

    Args:
        path: The kept bytes.
        encoding: What the source declares; None means UTF-8, or what the byte order mark says.
        folder: An empty place for the pieces.

    Raises:
        SourceError: the file is empty, binary, damaged, or not in its encoding.
    """
    kind = magic(path)
    if kind == "empty":
        raise SourceError("The file is empty", advice="export it again, with a header at least")
    with path.open("rb") as file:
        start = file.read(4)
    in_place = kind == "text" and path.stat().st_size <= _WHOLE and encoding is None
    if in_place and not any(start.startswith(bom) for bom, _ in _BOMS):
        return _scan(path)
    return _cut(_decoded(path, encoding), folder)


def _scan(path: Path) -> CleanText:
    facts = _Facts()
    for chunk in _decoded(path, None):
        facts.add(chunk)
    return facts.text((Piece(path, 1, facts.lines),))


def _cut(chunks: Iterator[bytes], folder: Path) -> CleanText:
    facts = _Facts()
    pieces: list[Piece] = []
    rest, done = b"", False
    while not done:
        size, first_line, path = 0, facts.lines + 1, folder / f"{len(pieces)}.csv"
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                while size < _PIECE and not done:
                    chunk = next(chunks, None)
                    done = chunk is None
                    whole = rest + (chunk or b"")
                    end = len(whole) if done else whole.rfind(b"\n") + 1
                    rest = whole[end:]
                    facts.add(whole[:end])
                    size += file.write(whole[:end])
        pieces.append(Piece(path, first_line, facts.lines - first_line + 1))
    kept = tuple(piece for piece in pieces if piece.lines) or (pieces[0],)
    return facts.text(kept)


class _Facts:
    """What a pass over the bytes learns."""

    def __init__(self) -> None:
        self._newlines = self._carriages = self._pairs = 0
        self._last = b"\n"
        self._size = 0
        self._first = b""
        self._quoted = self._blank = self._tabs = self._wide = False

    @property
    def lines(self) -> int:
        """Lines so far, an unfinished last one included."""
        return self._newlines + (self._last not in b"\n" if self._size else 0)

    def add(self, chunk: bytes) -> None:
        if not chunk:
            return
        if b"\n" not in self._first:
            self._first += chunk[: chunk.find(b"\n") + 1] or chunk
        joined = self._last + chunk[:2]
        self._newlines += chunk.count(b"\n")
        if b"\r" in chunk or self._last == b"\r":
            self._carriages += chunk.count(b"\r")
            self._pairs += chunk.count(b"\r\n") + (joined[:2] == b"\r\n")
            self._blank = self._blank or b"\n\r\n" in chunk or joined.startswith(b"\n\r")
        self._blank = self._blank or b"\n\n" in chunk or joined.startswith(b"\n\n")
        self._quoted = self._quoted or b'"' in chunk
        self._tabs = self._tabs or b"\t" in chunk
        self._wide = self._wide or (not chunk.isascii() and b"\xc2\xa0" in chunk)
        self._last = chunk[-1:]
        self._size += len(chunk)

    def text(self, pieces: tuple[Piece, ...]) -> CleanText:
        if not self._size:
            raise SourceError("The file is empty", advice="export it again, with a header at least")
        mixed = self._carriages != self._pairs or self._pairs not in (0, self._newlines)
        first = self._first.decode().rstrip("\r\n")
        return CleanText(pieces, self.lines, first, self._quoted, self._blank, mixed, self._tabs, self._wide)


def _decoded(path: Path, encoding: str | None) -> Iterator[bytes]:
    """The text of a file as UTF-8 in chunks; the first has lost its byte order mark."""
    with open_bytes(path) as file:
        start = _read(file)
        found = next(((bom, name) for bom, name in _BOMS if start.startswith(bom)), None)
        bom, name = found or (b"", encoding or "utf-8")
        decoder = codecs.getincrementaldecoder(name)()
        chunk, position = start[len(bom) :], len(bom)
        while True:
            yield _utf8(chunk, decoder, name, position, final=not chunk)
            if not chunk:
                return
            position += len(chunk)
            chunk = _read(file)


def _read(file: BinaryIO) -> bytes:
    try:
        return file.read(_CHUNK)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(
            "The compressed file is damaged or cut off", evidence=str(error), advice="upload it again, complete"
        ) from None


def _utf8(chunk: bytes, decoder: codecs.IncrementalDecoder, name: str, position: int, final: bool) -> bytes:
    if b"\x00" in chunk and not name.startswith(("utf-16", "utf-32")):
        raise SourceError(
            "The file is binary, not text",
            evidence=f"byte {position + chunk.index(0)} is zero",
            advice="export it as CSV, JSON Lines, Excel or Parquet",
        )
    pending = decoder.getstate()[0]
    if isinstance(pending, bytes) and not pending and name == "utf-8" and chunk.isascii():
        return chunk
    try:
        return decoder.decode(chunk, final).encode()
    except UnicodeDecodeError as error:
        at = position - len(pending) + error.start
        raise SourceError(
            f"The file is not {name.upper()}",
            evidence=f"byte {at} is 0x{error.object[error.start]:02x}",
            advice="export it as UTF-8, or declare its `encoding` (such as windows-1252) in source.yaml",
        ) from None
