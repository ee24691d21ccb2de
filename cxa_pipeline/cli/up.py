"""`cxa up`: Dagster's webserver and daemon over the home."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import click

from cxa_pipeline.cli.output import say
from cxa_pipeline.defs.home import open_home
from cxa_pipeline.errors import RunError
from cxa_pipeline.settings import child_environment

PATIENCE = 120.0


@click.command()
@click.option("--port", default=3000, show_default=True, help="Port of the web page.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
def up(port: int, host: str) -> None:
    """Start the Dagster UI, the nightly schedule and the sensor that watches landing; Ctrl-C ends them.

    Files dropped below landing/<source>/ are read and published within a minute.
    """
    from cxa_pipeline.defs.instance import URL_VARIABLE, dagster_folder, storage_url

    home = open_home()
    _refuse_taken_port(host, port)
    home.landing.mkdir(parents=True, exist_ok=True)
    folder = dagster_folder(home)
    environment = child_environment(
        DAGSTER_HOME=str(folder),
        CXA_HOME=str(home.folder),
        GX_ANALYTICS_ENABLED="false",
        **{URL_VARIABLE: storage_url(home)},
    )
    module = ["-m", "cxa_pipeline.definitions"]
    programs = [
        ["dagster-webserver", "--host", host, "--port", str(port), *module],
        ["dagster-daemon", "run", *module],
    ]
    here = Path(sys.executable).parent
    processes = [subprocess.Popen([str(here / name), *arguments], env=environment) for name, *arguments in programs]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        address = f"http://{host}:{port}"
        _wait_until_up(address, processes)
        say(f"Dagster shows the shop at {address}")
        say(f"drop files below {home.landing}/<source>/; Ctrl-C ends")
        _wait_for_end(processes)
    except KeyboardInterrupt:
        say("stopping")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=30)


def _refuse_taken_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        if probe.connect_ex((host, port)) == 0:
            raise RunError(
                f"Port {port} is taken", where=host, advice="end what listens there, or choose another with --port"
            )


def _wait_until_up(address: str, processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if any(process.poll() is not None for process in processes):
            raise RunError("Dagster ended as soon as it was started", advice="its own message stands above")
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise RunError(f"Dagster did not answer within {PATIENCE:.0f} s", where=address)


def _wait_for_end(processes: list[subprocess.Popen[bytes]]) -> None:
    while all(process.poll() is None for process in processes):
        time.sleep(0.5)
    raise RunError("A part of Dagster ended", advice="its own message stands above; start again with `cxa up`")
