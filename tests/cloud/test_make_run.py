import contextlib
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
import requests

from infra.local.children import CHECKOUT
from infra.local.loopback import free_port

PATIENCE = 20.0
# The environments are what they are: a test must not be what makes them anew.
MAKE = ("make", "--no-print-directory", "-o", ".venv/.installed", "-o", ".venv-cloud/.installed")
ADA = {"email": "ada@example.com", "username": "ada", "password": "correct horse"}


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def processes() -> dict[int, tuple[int, str]]:
    """Every process there is, but for those that have ended: its parent and its command."""
    listing = subprocess.check_output(["ps", "-Awwo", "pid=,ppid=,stat=,args="], text=True)
    rows = (line.split(maxsplit=3) for line in listing.splitlines())
    return {
        int(pid): (int(parent), "".join(args))
        for pid, parent, state, *args in rows
        if not state.startswith("Z")
    }


def descendants(pid: int) -> set[tuple[int, str]]:
    """A process and all that it started, by number and command: numbers are used again."""
    every = processes()
    found = newest = {pid} & every.keys()
    while newest:
        newest = {child for child, (parent, _) in every.items() if parent in newest} - found
        found = found | newest
    return {(number, every[number][1]) for number in found}


def alive(those: set[tuple[int, str]]) -> set[tuple[int, str]]:
    return those & {(pid, command) for pid, (_, command) in processes().items()}


class Run:
    """`make run`, as a developer has it: in a process group of its own."""

    def __init__(
        self, folder: Path, *, checkout: Path = CHECKOUT, output: int | None = None
    ) -> None:
        self.port = free_port()
        self.log = folder / "run.log"
        self.started: set[tuple[int, str]] = set()
        with self.log.open("wb") as log:
            self.make = subprocess.Popen(
                [*MAKE, "run", f"PORT={self.port}"],
                cwd=checkout,
                env=os.environ | {"ACCOUNTS_LOCAL_DIR": str(folder / "local")},
                stdin=subprocess.DEVNULL,
                stdout=log if output is None else output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        try:
            wait_until(lambda: self.is_healthy() or self.make.poll() is not None)
            assert self.make.poll() is None, self.output
        except BaseException:
            self.__exit__()
            raise
        self.note_processes()
        return self

    def __exit__(self, *_: object) -> None:
        if self.make.poll() is None:
            self.note_processes()
        for pid, _command in alive(self.started):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.make.wait(PATIENCE)

    def note_processes(self) -> None:
        self.started |= descendants(self.make.pid)

    @property
    def output(self) -> str:
        return self.log.read_text()

    def pid_of(self, module: str) -> int:
        """The first process of a module, the parent of the others."""
        return min(pid for pid, command in descendants(self.make.pid) if module in command)

    def ask(self, method: str, path: str, token: str = "", **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"http://127.0.0.1:{self.port}{path}"
        return requests.request(method, url, headers=headers, timeout=PATIENCE, **more)

    def is_healthy(self) -> bool:
        try:
            return self.ask("GET", "/health").ok
        except requests.ConnectionError:
            return False

    def assert_gone(self) -> None:
        wait_until(lambda: not alive(self.started))
        self.make.wait(PATIENCE)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", self.port))
        assert "Traceback" not in self.output


def make_admin(folder: Path, email: str, password: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*MAKE, "admin", f"EMAIL={email}"],
        cwd=CHECKOUT,
        env=os.environ | {"ACCOUNTS_LOCAL_DIR": str(folder / "local")},
        input=f"{password}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def mails(folder: Path, to: str = "") -> str:
    return subprocess.run(
        [*MAKE, "mail", f"TO={to}"],
        cwd=CHECKOUT,
        env=os.environ | {"ACCOUNTS_LOCAL_DIR": str(folder / "local")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def test_a_day_with_make_run(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        registered = run.ask("POST", "/user", json=ADA)
        assert registered.status_code == 201
        wait_until(lambda: "outbox: 1 done" in run.output)
        assert f"http://127.0.0.1:{run.port}/email/verify?token=" in mails(tmp_path, "ada")
        cloud = urlsplit((tmp_path / "local" / "endpoint").read_text())
        assert not [port for port in (run.port, cloud.port) if listens_to_others(port)]
        assert mails(tmp_path, "bob") == "No mail to bob yet; one is sent within a second.\n"
        token = registered.json()["Authorization"]
        assert run.ask("GET", "/user", token).status_code == 403

        promoted = make_admin(tmp_path, "Ada@Example.com")
        assert (promoted.returncode, promoted.stderr) == (0, "")
        assert promoted.stdout == "Ada@Example.com is now an admin.\n"
        again = make_admin(tmp_path, "ada@example.com")
        assert again.stdout == "ada@example.com is an admin already.\n"
        users = run.ask("GET", "/user", token).json()["data"]
        assert [user["username"] for user in users] == ["ada"]

        assert run.ask("POST", "/auth/logout", token).status_code == 200
        assert run.ask("GET", "/user/me", token).status_code == 401
        os.kill(run.make.pid, signal.SIGTERM)
        run.assert_gone()

    with Run(tmp_path) as run:
        assert run.ask("GET", "/user/me", token).status_code == 401
        assert run.ask("POST", "/auth/login", json=_login()).status_code == 200
        wait_until(lambda: "make admin EMAIL=" in run.output)
        assert f"http://127.0.0.1:{run.port}/\n" in run.output
        os.killpg(run.make.pid, signal.SIGINT)  # what Ctrl-C does
        run.assert_gone()
        assert "Error" not in run.output


def listens_to_others(port: int | None) -> bool:
    """Whether anybody else may connect: by an address of this machine that is not the local one."""
    try:
        socket.create_connection(("127.0.0.2", port), timeout=1).close()
    except OSError:
        return False
    return True


def _login() -> dict[str, str]:
    return {name: ADA[name] for name in ("email", "password")}


def test_killing_it_leaves_no_process_and_keeps_the_data(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        assert run.ask("POST", "/user", json=ADA).status_code == 201
        os.kill(run.pid_of("infra.local.run"), signal.SIGKILL)
        run.assert_gone()
    with Run(tmp_path) as run:
        assert run.ask("POST", "/auth/login", json=_login()).status_code == 200


def test_killing_make_leaves_no_process_either(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        run.make.kill()
        run.assert_gone()


@pytest.mark.parametrize("module", ["ministack", "infra.local.serve"])
def test_a_part_that_dies_takes_the_rest_along(tmp_path: Path, module: str) -> None:
    with Run(tmp_path) as run:
        os.kill(run.pid_of(module), signal.SIGKILL)
        run.assert_gone()
        assert run.make.returncode == 2
        last_words = [line for line in run.output.splitlines() if line.startswith("accounts: ")]
        assert len(last_words) == 1
        assert "stopped by itself" in last_words[0]


def test_a_terminal_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with Run(tmp_path, output=writer) as run, requests.Session() as session:
        for _ in range(600):
            url = f"http://127.0.0.1:{run.port}/{'x' * 1500}"
            assert session.get(url, timeout=PATIENCE).status_code == 404
        os.kill(run.make.pid, signal.SIGTERM)
        run.assert_gone()
    os.close(writer)
    os.close(reader)


def test_many_requests_at_once_are_told_of_like_others(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        body = {"refresh_token": "none"}
        with ThreadPoolExecutor(48) as clients:
            asked = [clients.submit(run.ask, "POST", "/auth/refresh", json=body) for _ in range(96)]
        assert {one.result().status_code for one in asked} == {401}
        wait_until(lambda: run.output.count("POST /auth/refresh 401") == 96)
        assert "connectionpool" not in run.output
        os.kill(run.make.pid, signal.SIGTERM)
        run.assert_gone()


def test_a_change_of_the_code_restarts_the_api(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for name in (".chalice/config.json", "Makefile", "app.py", "requirements-dev.txt"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, checkout / name)
    shutil.copy2(CHECKOUT / "requirements-cloud.txt", checkout)
    for name in ("chalicelib", "infra"):
        shutil.copytree(CHECKOUT / name, checkout / name)
    for name in (".venv", ".venv-cloud"):
        (checkout / name).symlink_to(CHECKOUT / name)
    errors = checkout / "chalicelib" / "domain" / "errors.py"
    source = errors.read_text()
    with Run(tmp_path, checkout=checkout) as run:
        errors.write_text(source.replace("There is nothing here.", "Nothing to see."))
        wait_until(lambda: _says(run, "Nothing to see."))
        assert "\nRestarting local dev server.\n" in run.output
        errors.write_text("syntax error")
        wait_until(lambda: "SyntaxError" in run.output)
        errors.write_text(source)
        wait_until(lambda: _says(run, "There is nothing here."))
        run.note_processes()
        os.kill(run.pid_of("infra.local.run"), signal.SIGTERM)
        wait_until(lambda: not alive(run.started))


def _says(run: Run, message: str) -> bool:
    try:
        answer: str = run.ask("GET", "/nope").json()["message"]
    except requests.ConnectionError:
        return False
    return answer == message


# What keeps it from starting


def local_run(port: object, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "infra.local.run", "--port", str(port)],
        cwd=CHECKOUT,
        env=os.environ | {"ACCOUNTS_LOCAL_DIR": str(folder / "local")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = local_run(port, tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"accounts: port {port}: address already in use; PORT=… chooses another one\n"
    )


@pytest.mark.parametrize("port", ["", "0", "65536", "http", "-1", "80 90", "\uff18\uff10"])
def test_what_is_no_port_is_one_line(tmp_path: Path, port: str) -> None:
    ended = local_run(port, tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"accounts: PORT={port} is not a port: give a number from 1 to 65535\n"


def test_settings_that_do_not_hold_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCOUNTS_BCRYPT_COST", "99")
    ended = local_run(free_port(), tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == "accounts: ACCOUNTS_BCRYPT_COST is not a whole number from 12 to 16\n"


def test_a_second_one_on_the_same_data_is_one_line(tmp_path: Path) -> None:
    with Run(tmp_path) as run:
        ended = local_run(free_port(), tmp_path)
        assert ended.returncode == 1
        assert ended.stderr == (
            f"accounts: another `make run` has the local cloud of {tmp_path / 'local'}\n"
        )
        assert run.ask("GET", "/health").status_code == 200


# make admin


def test_an_admin_is_made_without_make_run_and_is_there_with_it(tmp_path: Path) -> None:
    made = make_admin(tmp_path, ADA["email"], ADA["password"])
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout == "ada@example.com is now an admin.\n"
    with Run(tmp_path) as run:
        token = run.ask("POST", "/auth/login", json=_login()).json()["Authorization"]
        assert len(run.ask("GET", "/user", token).json()["data"]) == 1
        # The name is taken, and digits make it another one.
        assert make_admin(tmp_path, "ada@example.org", ADA["password"]).returncode == 0
        names = [user["username"] for user in run.ask("GET", "/user", token).json()["data"]]
        assert names[1] == "ada"
        assert re.fullmatch(r"ada\d{4}", names[0])


@pytest.mark.parametrize(
    ("email", "password", "complaint"),
    [
        ("", "", "whose account? make admin EMAIL=you@example.com"),
        ("ada", "", "EMAIL: Not a valid email address."),
        ("$(touch x)`touch y`\"'@example.com", "", "EMAIL: Not a valid email address."),
        ("ada@example.com", "short", "password: Must have 8 to 128 characters."),
        ("ada@example.com", "", "password: Must have 8 to 128 characters."),
        (
            "ada@example.com",
            "password123",
            (
                "password: This is one of the most common passwords."
                " Take several unrelated words instead."
            ),
        ),
    ],
)
def test_an_admin_that_cannot_be_is_one_line(
    tmp_path: Path, email: str, password: str, complaint: str
) -> None:
    refused = make_admin(tmp_path, email.replace("$", "$$"), password)
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.splitlines()[0] == f"accounts: {complaint}"
    assert "Traceback" not in refused.stderr


def test_a_password_is_asked_for_without_echo(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    asking = subprocess.Popen(
        [sys.executable, "-m", "infra.admin", ADA["email"], ""],
        cwd=CHECKOUT,
        env=os.environ | {"ACCOUNTS_LOCAL_DIR": str(tmp_path / "local")},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while b"Password" not in shown:
        shown += _read(ours)
    os.write(ours, ADA["password"].encode() + b"\n")
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert asking.wait(PATIENCE) == 0
    assert b"is now an admin." in shown
    assert ADA["password"].encode() not in shown


def _read(terminal: int) -> bytes:
    try:
        ready, _, _ = select.select([terminal], [], [], PATIENCE)
        return os.read(terminal, 1024) if ready else b""
    except OSError:  # how Linux tells that the other side has closed
        return b""
