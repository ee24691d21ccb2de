"""The embedded PostgreSQL: started on demand, shared, found again after a crash, gone when told."""

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from cxa_pipeline.errors import WarehouseError
from cxa_pipeline.warehouse.binaries import Identity, choose_identity, program, unprivileged_uids, user_namespace
from cxa_pipeline.warehouse.publication import TableChange
from cxa_pipeline.warehouse.server import EmbeddedServer
from cxa_pipeline.warehouse.server_files import is_alive
from tests.integration.shop_tables import DAILY, Shop, days

ROOT = Path(__file__).parents[2]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def home(scratch: Path) -> Iterator[Path]:
    """A home of mode 700 with a short path, so that the socket lies inside."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    yield folder
    EmbeddedServer(folder / "postgres").stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def made(scratch: Path) -> Path:
    """A server's folder, made once and stopped: copying it is faster than making it again."""
    folder = scratch / "made"
    server = EmbeddedServer(folder)
    server.ensure_started()
    server.stop()
    return folder


@pytest.fixture
def server(home: Path, made: Path) -> EmbeddedServer:
    shutil.copytree(made, home / "postgres", ignore=shutil.ignore_patterns("run", "*.log"))
    server = EmbeddedServer(home / "postgres")
    server.ensure_started()
    return server


def ask(url: str, query: str = "select 1") -> object:
    with psycopg.connect(url) as session:
        row = session.execute(query.encode()).fetchone()
        return row[0] if row else None


def test_it_starts_on_demand_and_stops_when_told(home):
    server = EmbeddedServer(home / "postgres")
    assert not server.is_running() and not server.status().running
    with pytest.raises(WarehouseError, match="not running"):
        server.url()
    url = server.ensure_started()
    assert server.is_running() and ask(url) == 1
    assert ask(server.url("dagster")) == 1
    assert server.stop() and not server.is_running()
    assert not server.stop()
    assert ask(server.ensure_started()) == 1


def test_nobody_else_gets_in(server, home):
    url = server.url()
    assert server.status().port is None
    password = (home / "postgres" / "password").read_text().strip()
    assert (home / "postgres" / "password").stat().st_mode & 0o777 == 0o600
    assert server.status().socket_folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        ask(url.replace(password, "guess"))
    assert password not in server.log_file.read_text()
    assert ask(url, "show listen_addresses") == ""


def test_it_speaks_utc_orders_by_code_point_and_knows_all_letters(server):
    assert ask(server.url(), "show timezone") == "UTC"
    assert ask(server.url(), "select string_agg(x, '' order by x) from unnest(array['b','a','B','ä']) x") == "Babä"
    assert ask(server.url(), "select upper('äé')") == "ÄÉ"


def test_a_port_opens_loopback_with_the_password(home):
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = EmbeddedServer(home / "postgres", port)
    url = server.ensure_started()
    password = (home / "postgres" / "password").read_text().strip()
    assert server.status().port == port
    assert ask(f"postgresql://cxa:{password}@127.0.0.1:{port}/cxa") == 1
    with pytest.raises(psycopg.OperationalError):
        ask(f"postgresql://cxa@127.0.0.1:{port}/cxa")
    assert f"port={port}" in url
    assert EmbeddedServer(home / "postgres").ensure_started() == url


def test_it_outlives_the_command_that_started_it(home):
    code = (
        "import sys, os, signal; from pathlib import Path; from cxa_pipeline.warehouse.server import EmbeddedServer;"
        "EmbeddedServer(Path(sys.argv[1])).ensure_started(); os.killpg(0, signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(home / "postgres")], start_new_session=True)
    assert done.returncode == -signal.SIGKILL
    server = EmbeddedServer(home / "postgres")
    assert server.is_running() and ask(server.url()) == 1


def test_concurrent_starters_share_one_server(home):
    code = (
        "import sys; from pathlib import Path; from cxa_pipeline.warehouse.server import EmbeddedServer;"
        "s = EmbeddedServer(Path(sys.argv[1])); s.ensure_started(); print(s.status().pid)"
    )
    command = [sys.executable, "-c", code, str(home / "postgres")]
    starters = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    pids = {starter.communicate()[0] for starter in starters}
    assert [starter.returncode for starter in starters] == [0] * 4
    assert len(pids) == 1


def test_after_a_kill_of_the_postmaster_it_starts_again_with_its_rows(server):
    with psycopg.connect(server.url()) as session:
        session.execute("create table t as select generate_series(1, 1000) as x")
    orphan = psycopg.connect(server.url())
    pid = server.status().pid
    os.kill(pid, signal.SIGKILL)
    url = server.ensure_started()
    assert server.status().pid != pid
    assert ask(url, "select count(*) from t") == 1000
    orphan.close()


def test_kill_after_kill_is_survived(server):
    for _ in range(3):
        os.kill(server.status().pid, signal.SIGKILL)
        assert ask(server.ensure_started()) == 1


def test_staging_and_release_go_on_when_postgresql_is_killed_in_them(server):
    killed = []

    class OnServer(Shop):
        def database(self):
            return server.ensure_started()

    def kill(moment):
        if moment not in killed:
            killed.append(moment)
            os.kill(server.status().pid, signal.SIGKILL)

    def batches(table):
        yield from table.to_batches()
        kill("in the load")

    shop = OnServer("")
    shop.publish([(DAILY, days(3))])
    parts, table = shop.parts(DAILY, days(9))
    staged = shop.stager.stage(DAILY, parts, lambda: pa.RecordBatchReader.from_batches(table.schema, batches(table)))
    result = shop.publish([TableChange(DAILY, staged)], records=lambda _: kill("in the release") or [])
    assert killed == ["in the load", "in the release"]
    assert (result.tables["kpi.daily"].rows_before, result.tables["kpi.daily"].inserted) == (3, 6)
    # What was killed in the release may still have been committed by the session's orphan; then nothing is started anew.
    assert ask(server.ensure_started(), "select count(*) from kpi.daily") == 9
    shop.close()


def test_a_pid_file_that_names_another_program_does_not_stop_it(server):
    pid_file = server.data / "postmaster.pid"
    left_behind = pid_file.read_text()
    server.stop()
    other = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text(re.sub(r"^\d+", str(other.pid), left_behind))
        assert not server.is_running()
        assert ask(server.ensure_started()) == 1
    finally:
        other.kill()
        other.wait()


def test_a_server_whose_socket_was_removed_is_started_again(server):
    pid = server.status().pid
    shutil.rmtree(server.status().socket_folder)
    assert ask(server.ensure_started()) == 1
    assert server.status().pid != pid and not is_alive(pid)


def test_a_dropped_database_is_created_again(server):
    with psycopg.connect(server.url("dagster"), autocommit=True) as session:
        session.execute("drop database cxa")
    assert ask(server.ensure_started()) == 1


@pytest.mark.parametrize("folder", ["x" * 120, "with space, comma and 'quote'"])
def test_homes_whose_path_no_socket_can_have_work_too(home, folder):
    server = EmbeddedServer(home / folder / "postgres")
    try:
        assert ask(server.ensure_started()) == 1
        sockets = server.status().socket_folder
        assert not sockets.is_relative_to(home) and sockets.stat().st_mode & 0o777 == 0o700
    finally:
        sockets = server.status().socket_folder
        server.stop()
        shutil.rmtree(sockets)


def test_a_lost_password_is_said_and_not_made_up(server):
    (server.directory / "password").unlink()
    with pytest.raises(WarehouseError, match="password of the embedded PostgreSQL is lost"):
        server.ensure_started()
    (server.directory / "password").write_text("wrong")
    with pytest.raises(WarehouseError, match="does not accept the password"):
        server.ensure_started()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(server):
    server.stop()
    with (server.data / "postgresql.conf").open("a") as file:
        file.write("shared_buffers = 'nonsense'\n")
    with pytest.raises(WarehouseError) as caught:
        server.ensure_started()
    assert any("shared_buffers" in line for line in caught.value.evidence)


def test_data_of_another_version_is_refused(server):
    server.stop()
    version = server.data / "PG_VERSION"
    version.write_text("12\n")
    with pytest.raises(WarehouseError, match="made by PostgreSQL 12"):
        server.ensure_started()


@needs_root
@pytest.mark.parametrize("identity", ["user namespace", "unprivileged user"])
def test_root_runs_it_under_a_home_of_mode_700(home, identity):
    candidates = [user_namespace()] if identity == "user namespace" else unprivileged_uids()
    try:
        choose_identity(home / "postgres", candidates)
    except WarehouseError as error:
        pytest.skip(f"not possible on this machine: {error.evidence}")
    server = EmbeddedServer(home / "postgres", identities=candidates)
    assert home.stat().st_mode & 0o777 == 0o700
    assert ask(server.ensure_started()) == 1
    os.kill(server.status().pid, signal.SIGKILL)
    # Whoever comes later finds the identity by the owner of the data.
    assert ask(EmbeddedServer(home / "postgres").ensure_started()) == 1
    owner = (home / "postgres" / "data").stat().st_uid
    assert (owner == 0) == (identity == "user namespace")
    assert home.stat().st_mode & 0o777 == 0o700 and home.stat().st_uid == 0


@needs_root
def test_root_without_any_way_is_told_what_was_tried(home):
    with pytest.raises(WarehouseError) as caught:
        choose_identity(home, [Identity("magic", ("no-such-program",)), Identity("root")][:1])
    assert caught.value.evidence == ("magic: no-such-program is not installed",)


@needs_root
def test_an_ordinary_user_runs_it_as_it_is(home):
    user = pwd.getpwnam("nobody")
    # Capabilities only to read this environment, which may lie below /root; the process is no root.
    become = [
        *("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
        *("--securebits=+no_setuid_fixup", "--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
    ]
    own = home / "own"
    own.mkdir(mode=0o700)
    os.chown(own, user.pw_uid, user.pw_gid)
    code = (
        "import os, sys, psycopg; from pathlib import Path;"
        "from cxa_pipeline.warehouse.server import EmbeddedServer; s = EmbeddedServer(Path(sys.argv[1]));"
        "print(os.geteuid(), psycopg.connect(s.ensure_started()).execute('select 42').fetchone()[0], s.stop())"
    )
    done = subprocess.run(
        [*become, sys.executable, "-c", code, str(own / "postgres")],
        capture_output=True,
        text=True,
        env=os.environ | {"HOME": str(own), "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.split() == [str(user.pw_uid), "42", "True"], done.stderr
    assert (own / "postgres" / "data").stat().st_uid == user.pw_uid


def test_psql_is_at_hand(server):
    done = subprocess.run(
        [program("psql"), server.url(), "-Atc", "select 6 * 7"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "42\n"


def test_a_running_server_is_found_within_a_moment(server):
    begun = time.monotonic()
    server.ensure_started()
    assert time.monotonic() - begun < 1.0
