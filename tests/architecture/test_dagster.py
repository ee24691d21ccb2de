"""What Dagster is told of the project."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from cxa_pipeline.defs.build import build_definitions
from cxa_pipeline.pipeline.project import load_project
from cxa_pipeline.settings import load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project():
    return load_project(ROOT / "sql")


@pytest.fixture(scope="module")
def definitions(tmp_path_factory) -> dg.Definitions:
    return build_definitions(load_settings(home=tmp_path_factory.mktemp("home")))


def test_every_table_is_an_asset_with_group_owner_kind_description_and_columns(definitions, project):
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    assert set(specs) == {table.replace(".", "/") for table in project.catalog.contracts}
    for contract in project.catalog:
        spec = specs[contract.key.replace(".", "/")]
        assert spec.group_name == contract.schema
        assert spec.owners and spec.kinds
        assert spec.description == contract.description
        schema = spec.metadata["dagster/column_schema"]
        assert [column.name for column in schema.columns] == list(contract.column_names)


def test_no_asset_is_an_orphan(definitions):
    specs = list(definitions.resolve_all_asset_specs())
    read = {dep.asset_key for spec in specs for dep in spec.deps}
    roots = {spec.key for spec in specs if not spec.deps}
    assert all(key in read for key in roots if key.path[0] not in ("landed", "core"))
    assert all(dep in {spec.key for spec in specs} for dep in read)


def test_every_rule_of_severity_error_is_a_blocking_check(definitions, project):
    checks = {(s.asset_key.to_user_string(), s.name): s for a in definitions.assets for s in a.check_specs}
    for contract in project.catalog:
        for rule in contract.rules:
            if contract.kind != "landed":
                spec = checks[contract.key.replace(".", "/"), rule.name]
                assert spec.blocking == (rule.severity == "error")
    for identity in project.identities:
        for table in identity.derived:
            assert checks[table.replace(".", "/"), identity.name].blocking


def test_jobs_schedule_and_sensor_are_there(definitions):
    repository = definitions.get_repository_def()
    assert {"refresh", "ingest"} <= {job.name for job in repository.get_all_jobs()}
    schedule = repository.get_schedule_def("nightly_refresh")
    assert schedule.cron_schedule == "30 2 * * *"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    assert repository.get_sensor_def("landing_files").default_status == dg.DefaultSensorStatus.RUNNING


def test_the_schedule_ticks_at_local_time_on_both_sides_of_a_clock_change(tmp_path):
    settings = load_settings(home=tmp_path, timezone="Europe/Berlin", refresh_at="04:15")
    schedule = build_definitions(settings).get_repository_def().get_schedule_def("nightly_refresh")
    begin = datetime(2024, 3, 30, tzinfo=UTC).timestamp()
    ticks = schedule_execution_time_iterator(begin, schedule.cron_schedule, schedule.execution_timezone)
    assert [next(ticks).strftime("%d %H:%M %z") for _ in range(3)] == [
        "30 04:15 +0100",
        "31 04:15 +0200",
        "01 04:15 +0200",
    ]


def test_the_sensor_asks_for_a_run_for_new_files_and_for_none_while_they_grow(tmp_path):
    settings = load_settings(home=tmp_path, settle_seconds=30)
    sensor = build_definitions(settings).get_repository_def().get_sensor_def("landing_files")

    def tick(instance):
        result = sensor.evaluate_tick(
            dg.build_sensor_context(instance=instance, definitions=build_definitions(settings))
        )
        return result.run_requests, result.skip_message

    with dg.DagsterInstance.ephemeral() as instance:
        assert tick(instance) == ([], "no new files")
        path = tmp_path / "landing" / "native" / "customers.csv"
        path.parent.mkdir(parents=True)
        path.write_text("customer_id\nC1\n")
        requests, message = tick(instance)
        assert not requests and "still being written" in message
        os.utime(path, (time.time() - 60, time.time() - 60))
        requests, _ = tick(instance)
        assert len(requests) == 1
        assert tick(instance)[0], "what was asked for but not landed is asked for again"


def test_the_configuration_for_servers_is_the_one_in_use():
    from cxa_pipeline.defs.instance import CONFIGURATION

    assert (ROOT / "deploy" / "dagster.yaml").read_text() == CONFIGURATION
