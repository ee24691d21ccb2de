"""Dagster's own home: `dagster.yaml` and the storage in PostgreSQL.

The embedded server has a database for it; in another server it gets the schema `dagster` of the database that is
published to.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from cxa_pipeline.pipeline.home import Home

URL_VARIABLE = "CXA_DAGSTER_URL"

CONFIGURATION = f"""\
# Written by cxa-pipeline; the address of the storage comes from the environment variable {URL_VARIABLE}.
storage:
  postgres:
    postgres_url:
      env: {URL_VARIABLE}
concurrency:
  runs:
    max_concurrent_runs: 1
run_retries:
  enabled: true
telemetry:
  enabled: false
nux:
  enabled: false
"""


def storage_url(home: Home) -> str:
    """Where Dagster keeps runs and events, for SQLAlchemy; creates database or schema where missing."""
    from cxa_pipeline.warehouse.address import sqlalchemy_url
    from cxa_pipeline.warehouse.connection import connect

    if home.postgres_url is None:
        home.server.ensure_started()
        return sqlalchemy_url(home.server.url("dagster"))
    with connect(home.postgres_url) as connection:
        connection.execute("create schema if not exists dagster")
    joint = "&" if "?" in home.postgres_url else "?"
    return sqlalchemy_url(f"{home.postgres_url}{joint}options=-csearch_path%3Ddagster")


def dagster_folder(home: Home) -> Path:
    """Dagster's home, with its configuration."""
    folder = home.folder / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "dagster.yaml"
    if not path.exists() or path.read_text(encoding="utf-8") != CONFIGURATION:
        path.write_text(CONFIGURATION, encoding="utf-8")
    return folder


def open_instance(home: Home) -> dg.DagsterInstance:
    """The instance that `cxa up` shows, for a run in this process."""
    from dagster._core.instance.ref import InstanceRef

    storage = {"storage": {"postgres": {"postgres_url": storage_url(home)}}}
    instance = dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(dagster_folder(home)), overrides=storage))
    # By default each of some thousand queries opens a connection. One that is a second old is not used again, so that
    # a server that was restarted in between is found again.
    instance.optimize_for_webserver(statement_timeout=0, pool_recycle=1, max_overflow=20)
    return instance
