"""Awkward shops with all their tables, each computed once for all processes of a test run.

Here: who computes and where the tables lie. Not here: the rows (`tests/independent/shop.py`), how tables are computed
(`tests/independent/tables.py`).
"""

from __future__ import annotations

import copy
import fcntl
import shutil
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from tests.independent import shop
from tests.independent.tables import OnEngine, by_sql_alone, project

LANDED: Mapping[str, Callable[[], shop.Landed]] = {"nasty": shop.nasty, "busy": shop.busy, "empty": shop.empty}


class BuiltShops:
    """Gives shops with their tables; whoever asks first computes them, the others wait and copy the files.

    Args:
        shared: One folder for all processes of a run.
        own: A folder of this process, in which tests may write.
    """

    def __init__(self, shared: Path, own: Path) -> None:
        self.shared, self.own = shared, own
        self._known: dict[str, OnEngine] = {}

    def get(self, name: str, as_of: date | None = None) -> OnEngine:
        """The tables of a shop; what is replaced in them is replaced for the caller alone.

        As of another date than that of the data they are those that need no Python model.
        """
        key = f"{name}-{as_of}"
        if key not in self._known:
            self._known[key] = self._built(key, name, as_of)
        own = copy.copy(self._known[key])
        own.relations = dict(own.relations)
        return own

    def _built(self, key: str, name: str, as_of: date | None) -> OnEngine:
        folder, done = self.shared / key, self.shared / f"{key}.done"
        folder.mkdir(parents=True, exist_ok=True)
        with (self.shared / f"{key}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                wanted = by_sql_alone(project()) if as_of else []
                made = OnEngine(project(), folder)
                made.build(LANDED[name](), {**shop.PARAMETERS, "as_of_date": as_of}, *wanted)
                made.engine.close()
                done.touch()
        return OnEngine(project(), Path(shutil.copytree(folder, self.own / key))).read()
