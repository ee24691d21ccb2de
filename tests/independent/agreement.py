"""A table and its recomputation compared cell by cell.

Here: rows by their keys, and what is said of those that differ. Not here: when two values are the same (the tests, since
each recomputation has an accuracy of its own).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.independent.tables import OnEngine, Rows

Same = Callable[[Any, Any, str], bool]
"""Whether our value and the other one are the same, in a column of this name."""


def assert_cells_agree(built: OnEngine, table: str, made: Rows, same: Same, key: Sequence[str] = ()) -> set[str]:
    """Require the same rows with the same cells; gives the columns that a row of the recomputation lacks.

    Args:
        built: The tables.
        table: The one to compare.
        made: Its rows as they should be.
        same: When two values agree.
        key: Columns of the key of a view, whose contract names none.
    """
    contract = built.project.catalog[table]
    names = contract.primary_key or key
    ours = {tuple(row[name] for name in names): row for row in built.rows(table)}
    theirs = {tuple(row[name] for name in names): row for row in made}
    assert len(theirs) == len(made), "a key stands twice in the recomputation"
    assert sorted(map(str, ours.keys() - theirs.keys())) == [], "only in the table"
    assert sorted(map(str, theirs.keys() - ours.keys())) == [], "only in the recomputation"
    wrong = {
        (*place, name): (ours[place][name], value)
        for place, row in theirs.items()
        for name, value in row.items()
        if not same(ours[place][name], value, name)
    }
    assert dict(list(wrong.items())[:10]) == {}, f"{len(wrong)} cells differ"
    return {name for row in made for name in contract.column_names if name not in row}
