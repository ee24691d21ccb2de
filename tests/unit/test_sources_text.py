"""From bytes to clean text, and from text to records."""

from __future__ import annotations

import csv
import gzip
import io
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxa_pipeline.errors import SourceError
from cxa_pipeline.sources import text as text_module
from cxa_pipeline.sources.definition import FileKind
from cxa_pipeline.sources.header import columns_of, normalise, split_header
from cxa_pipeline.sources.records import MAX_SPAN, csv_records, json_records
from cxa_pipeline.sources.text import clean

KIND = FileKind(
    patterns=("*",), feeds=("sales",), required=("sale_id", "total|price"), aliases={"id": "sale_id", "cost": "price"}
)


def cleaned(folder: Path, data: bytes, encoding: str | None = None) -> text_module.CleanText:
    (folder / "raw").write_bytes(data)
    return clean(folder / "raw", encoding, folder / "pieces")


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1), st.integers(1, 9))
def test_every_text_comes_out_as_it_went_in(tmp_path_factory, text: str, size: int):
    folder = tmp_path_factory.mktemp("text")
    sizes = {"_CHUNK": size, "_PIECE": 2 * size, "_WHOLE": 0}
    data = text.encode()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in sizes.items():
            patch.setattr(text_module, name, value)
        if not data.removeprefix(b"\xef\xbb\xbf"):
            return
        try:
            found = cleaned(folder, data)
        except SourceError:
            assert data[:2] in (b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff")
            return
    joined = b"".join(piece.path.read_bytes() for piece in found.pieces)
    assert joined == data.removeprefix(b"\xef\xbb\xbf")
    assert found.lines == joined.count(b"\n") + (not joined.endswith(b"\n"))
    assert found.quoted == (b'"' in joined)
    for earlier, later in pairwise(found.pieces):
        assert later.first_line == earlier.first_line + earlier.lines
        assert earlier.path.read_bytes().endswith(b"\n")


def test_a_small_clean_file_is_read_where_it_lies(tmp_path: Path):
    found = cleaned(tmp_path, b"a,b\n1,2\n")
    assert found.pieces[0].path == tmp_path / "raw" and not (tmp_path / "pieces").exists()
    assert (found.lines, found.first, found.blank, found.mixed) == (2, "a,b", False, False)


@pytest.mark.parametrize("data", [b"a\n\nb\n", b"\na\n", b"a\r\n\r\nb\r\n", b"a\n\r\nb"])
def test_empty_lines_are_noticed(tmp_path: Path, data: bytes):
    assert cleaned(tmp_path, data).blank


@pytest.mark.parametrize("data", [b"a\r\nb\n", b"a\rb", b"a\rb\n"])
def test_mixed_line_ends_are_noticed(tmp_path: Path, data: bytes):
    assert cleaned(tmp_path, data).mixed


def test_the_position_of_a_bad_byte_counts_from_the_start_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_module, "_CHUNK", 10)
    for place in (0, 9, 10, 11, 25):
        data = b"a" * place + b"\xff" + b"b" * 30
        with pytest.raises(SourceError) as error:
            cleaned(tmp_path, data)
        assert error.value.evidence == (f"byte {place} is 0xff",)
    with pytest.raises(SourceError) as error:
        cleaned(tmp_path, b"a" * 9 + "é".encode()[:1])
    assert error.value.evidence == ("byte 9 is 0xc3",)


def test_a_declared_encoding_is_recoded_and_compression_undone(tmp_path: Path):
    found = cleaned(tmp_path, gzip.compress("naïve €\n".encode("windows-1252")), "windows-1252")
    assert found.pieces[0].path.read_text() == "naïve €\n"


def test_headers_become_columns_by_meaning():
    assert normalise("  Customer - ID ") == "customer_id"
    assert columns_of(["ID", "Cost", "Über-Maß", "line"], KIND) == ("sale_id", "price", "über_mass", "line_")


def test_a_column_called_by_its_own_name_wins_over_an_alias():
    assert columns_of(["id", "sale_id", "total"], KIND) == ("id", "sale_id", "total")


def test_the_delimiter_with_the_most_known_columns_is_taken():
    assert split_header("sale_id;total, with tax;x", KIND)[0] == ";"
    assert split_header("sale_id", KIND) == (",", ["sale_id"])


def records(text: str, width: int) -> list[tuple[int, list[str] | str]]:
    lines = iter(text.splitlines(keepends=True))
    return [(r.line, r.problem or list(r.values)) for r in csv_records(lines, ",", width, 1)]


@given(st.lists(st.lists(st.text(alphabet='ab", \n'), min_size=2, max_size=2), max_size=8))
def test_what_csv_writes_is_read_with_its_line(rows: list[list[str]]):
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    expected, line = [], 1
    for row in rows:
        expected.append((line, row))
        line += 1 + sum(value.count("\n") for value in row)
    assert records(buffer.getvalue(), 2) == expected


def test_reading_goes_on_after_a_broken_row():
    assert records('1,2\n"a"b,3\n4,5\n6\n7,8,9\n"x\n0,1\n', 2) == [
        (1, ["1", "2"]),
        (2, "',' expected after '\"'"),
        (3, ["4", "5"]),
        (4, "1 fields instead of 2"),
        (5, "3 fields instead of 2"),
        (6, "a quote is opened and never closed"),
        (7, ["0", "1"]),
    ]


def test_a_quote_that_never_closes_ends_after_a_bounded_number_of_lines():
    text = '"x,1\n' + "a,b\n" * (3 * MAX_SPAN)
    found = records(text, 2)
    assert found[0] == (1, "a quote is opened and never closed") and len(found) == 3 * MAX_SPAN + 1


def test_json_values_stay_as_they_are_written(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1.10, "b": true, "c": null, "d": [1, {"x": 2}], "e": "t", "f": 12345678901234567890}\n')
    found = list(json_records([path], list("abcdef")))
    assert found[0].values == ["1.10", "true", None, '["1", {"x": "2"}]', "t", "12345678901234567890"]
