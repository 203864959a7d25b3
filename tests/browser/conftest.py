"""A browser, and the API that it is shown."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

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


Links = Callable[[str, str, str], str]
"""Answers the link that is mailed: to whoever has an email, leading to a page, about an address."""


@pytest.fixture(scope="package")
def api(_server: "subprocess.Popen[str]") -> str:
    """The address of the API, on data of its own."""
    return _line_of(_server)


@pytest.fixture(scope="package")
def links(api: str, _server: "subprocess.Popen[str]") -> Links:
    """Asks the server for links, as the courier would mail them."""

    def link(email: str, page: str, address: str) -> str:
        assert _server.stdin
        print(email, page, address, file=_server.stdin, flush=True)
        return f"{api}{page}?token={_line_of(_server)}"

    return link


def _line_of(server: "subprocess.Popen[str]") -> str:
    assert server.stdout
    line = server.stdout.readline().strip()
    assert line, "the API did not start, or has stopped: see its server.log"
    return line


@pytest.fixture(scope="package")
def _server(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["subprocess.Popen[str]"]:
    """The API in a process of its own. Asks for the browser to be skipped with it."""
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
        yield server
        server.communicate()
