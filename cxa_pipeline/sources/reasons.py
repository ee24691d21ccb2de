"""What the reasons of rejected rows mean, and what to do about them.

Here: the reasons that ingest itself gives. Not here: rules of a contract, which explain themselves.
"""

from __future__ import annotations

MALFORMED = "malformed_row"
REFUSED = "file_refused"

ADVICE = {
    MALFORMED: "the row is no record: correct its quotes or its number of fields",
    REFUSED: "the row itself was good, but its file rejected too many rows to be trusted",
    "missing": "the column must not be empty",
    "not_a_number": "write numbers as 1234.50; a decimal comma is declared by `decimal` in source.yaml",
    "not_a_boolean": "write true or false",
    "not_a_date": "no such date: write ISO 8601 (2011-04-03 14:30:00), or list the format in source.yaml",
    "ambiguous_date": "day and month cannot be told apart: list the format (%d/%m/%Y) in source.yaml",
    "out_of_range": "the time lies before 1990 or after the file's arrival",
    "too_long": "the value is longer than its column allows",
}


def advice(reason: str, fallback: str = "") -> str:
    """What to do about rows that were rejected for a reason."""
    return ADVICE.get(reason, fallback)
