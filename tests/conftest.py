"""Fixtures that tests of several folders share: a real PostgreSQL, and a fresh database on it for each test."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import settings

from cxa_pipeline.warehouse.address import with_database
from cxa_pipeline.warehouse.server import EmbeddedServer

if TYPE_CHECKING:
    from tests.support.built import BuiltShops


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder with a short path for temporary homes: in memory if there is room, since servers sync a lot."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4_000_000_000
    folder = Path(tempfile.mkdtemp(prefix="cxa-", dir=memory if roomy else None))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(scratch: Path) -> Iterator[str]:
    """URL of a database: of an embedded server in a temporary home, or what CXA_TEST_POSTGRES_URL names."""
    if given := os.environ.get("CXA_TEST_POSTGRES_URL"):
        yield given
        return
    home = scratch / "shared"
    server = EmbeddedServer(home / "postgres")
    try:
        yield server.ensure_started()
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    """URL of a fresh database, dropped after the test."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(with_database(postgres_url, "postgres"), autocommit=True) as session:
        session.execute(f"create database {name}")
    yield with_database(postgres_url, name)
    with psycopg.connect(with_database(postgres_url, "postgres"), autocommit=True) as session:
        session.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def shops(tmp_path_factory: pytest.TempPathFactory) -> BuiltShops:
    """Awkward shops with all their tables, computed once for all workers."""
    from tests.support.built import BuiltShops

    base = tmp_path_factory.getbasetemp()
    run = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return BuiltShops(run / "shops", tmp_path_factory.mktemp("shops"))


def pytest_configure() -> None:
    """The same drawn examples in every run, so that a change is what breaks a test; and one thread for each worker.

    `--hypothesis-profile=default` draws others. OpenMP and BLAS have one thread as in a run: a pool for each worker
    waits for cores that the others hold. Set before numpy and scikit-learn are loaded; tests about threads ask for
    more.
    """
    settings.register_profile("repeatable", derandomize=True)
    settings.load_profile("repeatable")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")


LONGEST = ("scenarios", "conformance", "integration")
"""Folders whose files take longest, in their order."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that one core is not left with them at the end."""
    items.sort(key=lambda item: next((n for n, name in enumerate(LONGEST) if name in item.path.parts), len(LONGEST)))
