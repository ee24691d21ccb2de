"""The Dagster UI as a data engineer sees it: `cxa up`, a real browser, a real run."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from cxa_pipeline.synthetic import ShopConfig, generate
from cxa_pipeline.warehouse.server import EmbeddedServer

CXA = Path(sys.executable).with_name("cxa")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1600,1000"
)

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A home with a small shop, not run yet."""
    folder = tmp_path_factory.mktemp("ui")
    generate(ShopConfig.preset("sample", dirt=0.0), folder / "landing" / "native")
    return folder


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    """The web page of `cxa up` over the home."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "CXA_HOME": str(home), "CXA_SENSOR_SECONDS": "5", "CXA_TIMEZONE": "Europe/Berlin"}
    with (home / "up.log").open("w") as log:
        process = subprocess.Popen(
            [CXA, "up", "--port", str(port)], env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_for(lambda: "Dagster shows the shop" in (home / "up.log").read_text(), 120, "cxa up")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
            EmbeddedServer(home / "postgres").stop()


@pytest.fixture(scope="module")
def browser() -> Iterator["webdriver.Chrome"]:  # noqa: F821
    if not CHROMIUM or not DRIVER:
        pytest.skip("Debian's chromium and chromium-driver are not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS.split():
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def wait_for(condition, seconds: float, what: str):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.5)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


def ask(home: Path, sql: str):
    server = EmbeddedServer(home / "postgres")
    with psycopg.connect(server.url()) as connection:
        if connection.execute("select to_regclass('ops.releases')").fetchone() == (None,):
            return None
        return connection.execute(sql).fetchone()


def published(home: Path) -> int | None:
    row = ask(home, "select max(release_id) from ops.releases where is_published")
    return row[0] if row else None


def text_of(browser) -> str:
    from selenium.webdriver.common.by import By

    return str(browser.find_element(By.TAG_NAME, "body").text)


def test_dropped_files_are_published_by_the_sensor_without_a_hand(home, address):
    assert wait_for(lambda: published(home), 240, "a release") == 1
    assert ask(home, "select sum(net_sales) > 0 from kpi.monthly") == (True,)


def test_the_page_of_a_table_shows_its_meaning_columns_rows_and_checks(home, address, browser):
    wait_for(lambda: published(home), 240, "a release")
    browser.get(f"{address}/assets/kpi/monthly")
    wait_for(lambda: "First day of the period" in text_of(browser), 60, "the page")
    shown = text_of(browser)
    assert "One row per calendar month" in shown
    assert "numeric(18,4)" in shown
    browser.get(f"{address}/assets/kpi/monthly?view=checks")
    wait_for(lambda: "net_sales_agree" in text_of(browser), 60, "the checks")
    browser.save_screenshot(str(home / "checks.png"))


def test_materializing_one_table_in_the_page_publishes_it(home, address, browser):
    from selenium.webdriver.common.by import By

    wait_for(lambda: published(home), 240, "a release")
    wait_for(lambda: "SUCCESS" in runs(address), 240, "the first run")
    server = EmbeddedServer(home / "postgres")
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("drop table kpi.by_store")
    browser.get(f"{address}/assets/kpi/by_store")
    before = runs(address).count("SUCCESS")
    wait_for(lambda: click(browser, By.XPATH, "//button[contains(., 'Materialize')]"), 60, "the button")
    wait_for(lambda: runs(address).count("SUCCESS") > before, 240, "the run of one table")
    assert ask(home, "select count(*) > 0 from kpi.by_store") == (True,)
    browser.save_screenshot(str(home / "materialized.png"))


def click(browser, by, what) -> bool:
    """Click what is shown; False if it is not there, or was drawn anew meanwhile."""
    from selenium.common.exceptions import StaleElementReferenceException

    try:
        found = [e for e in browser.find_elements(by, what) if e.is_displayed() and e.is_enabled()]
        if found:
            found[0].click()
        return bool(found)
    except StaleElementReferenceException:
        return False


def runs(address: str) -> str:
    import json
    import urllib.request

    query = {"query": "{ runsOrError(limit: 20) { ... on Runs { results { status } } } }"}
    request = urllib.request.Request(
        f"{address}/graphql", json.dumps(query).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(answer.read().decode())
