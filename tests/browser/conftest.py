"""A browser, and the API that it is shown."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from infra.local.children import CHECKOUT

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    # Whatever the page asks for, it gets from this machine or not at all.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The machine's own Chromium, headless.

    Without one the tests are skipped, unless ACCOUNTS_REQUIRE_BROWSER or CI is set.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        reason = f"there is no browser here: none of {', '.join(BROWSERS)} is installed"
        if os.environ.get("ACCOUNTS_REQUIRE_BROWSER") or os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    # Chromium's sandbox refuses to run as root, which containers often do.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*QUIET, *sandbox])
        with contextlib.closing(browser):
            yield browser


@pytest.fixture(scope="package")
def api(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the API, on data of its own. Asks for the browser to be skipped with it."""
    del browser
    folder = tmp_path_factory.mktemp("api")
    with (
        (folder / "server.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.browser.server", str(folder)],
            cwd=CHECKOUT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as server,
    ):
        assert server.stdout
        address = server.stdout.readline().strip()
        assert address, f"the API did not start: see {log.name}"
        yield address
        server.communicate()
