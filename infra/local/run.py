"""`make run`: the local cloud, a stage's tables and key on it, and the API, until it is stopped."""

import argparse
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from chalicelib import settings
from infra.local.children import CHECKOUT, Child
from infra.local.cloud import LocalCloud, LocalError, Pause, home
from infra.local.loopback import HOST, is_healthy
from infra.local.stages import enter_stage, prepare_stage
from infra.local.terminal import Terminal

_START_SECONDS = 30.0
_PAUSE_SECONDS = 0.05
_WATCH_SECONDS = 1.0


class _StopRequested(Exception):  # noqa: N818 - nothing went wrong
    """Somebody wants this to end."""


class _Interruptions:
    """The signals that stop `make run`, and whatever else it has to notice while it waits.

    A signal is noticed only in `pause`, so it can never break off half a step. However many come
    (Ctrl-C reaches make and this process, and make passes SIGTERM on), things are stopped once.
    """

    def __init__(self) -> None:
        self._noticed, self._wakeup = socket.socketpair()
        self._wakeup.settimeout(0)
        signal.set_wakeup_fd(self._wakeup.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(signal.SIGHUP, lambda *_: None)

    def pause(self, seconds: float, *children: Child) -> None:
        """Wait, but no longer than all children live.

        Raises:
            _StopRequested: there was a signal, now or earlier.
        """
        waiting_for: list[socket.socket | Child] = [self._noticed, *children]
        ready, _, _ = select.select(waiting_for, [], [], seconds)
        if self._noticed in ready:
            raise _StopRequested


def main(arguments: Sequence[str]) -> int:
    """Run until told to stop; the exit status."""
    interruptions = _Interruptions()
    parser = argparse.ArgumentParser(prog="infra.local.run")
    parser.add_argument("--port", required=True)
    parser.add_argument("--attached", action="store_true", help="stop when the parent is gone")
    options = parser.parse_args(arguments)
    parent = os.getppid() if options.attached else None
    terminal = Terminal()
    try:
        _run(_free_port(options.port), parent, interruptions, terminal)
    except _StopRequested:
        terminal.say("\nStopped. The data is kept.")
        return 0
    except (LocalError, settings.SettingsError) as error:
        print(f"accounts: {error}", file=sys.stderr)
        return 1
    finally:
        terminal.close()


def _run(
    port: int, parent: int | None, interruptions: _Interruptions, terminal: Terminal
) -> NoReturn:
    terminal.say("Starting the local cloud and the API …")
    with LocalCloud(home(), interruptions.pause) as cloud:
        enter_stage(cloud.endpoint)
        os.environ["ACCOUNTS_ISSUER"] = f"http://{HOST}:{port}"
        prepare_stage(cloud, settings.load().stage)
        with _api(port, terminal) as api:
            _wait_for_health(port, api, interruptions.pause)
            terminal.say(_greeting(port, home()))
            while parent in (None, os.getppid()):
                interruptions.pause(_WATCH_SECONDS, cloud.child, api)
                if cloud.child.ended:
                    raise LocalError(f"the local cloud stopped by itself: see {cloud.log}")
                if api.ended:
                    raise LocalError("the API stopped by itself")
            raise _StopRequested


def _free_port(text: str) -> int:
    """Read a port number, and see that nobody has it.

    Raises:
        LocalError: it is no port, or it is taken.
    """
    if not (re.fullmatch(r"[0-9]{1,5}", text) and 0 < int(text) < 1 << 16):
        raise LocalError(f"PORT={text} is not a port: give a number from 1 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, int(text)))
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            raise LocalError(f"port {text}: {reason}; PORT=… chooses another one") from error
    return int(text)


@contextmanager
def _api(port: int, terminal: Terminal) -> Iterator[Child]:
    api = Child(
        Path(sys.executable),
        "infra.local.serve",
        str(port),
        environment=os.environ | {"PYTHONUNBUFFERED": "1"},
        output=subprocess.PIPE,
    )
    try:
        terminal.relay(api.output)
        yield api
    finally:
        api.stop()


def _wait_for_health(port: int, api: Child, pause: Pause) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not is_healthy(f"http://{HOST}:{port}/health"):
        if api.ended or time.monotonic() > deadline:
            raise LocalError("the API did not start")
        pause(_PAUSE_SECONDS)


def _greeting(port: int, folder: Path) -> str:
    shown = folder.relative_to(CHECKOUT) if folder.is_relative_to(CHECKOUT) else folder
    return f"""
  API            http://{HOST}:{port}
  Documentation  http://{HOST}:{port}/
  Make an admin  make admin EMAIL=you@example.com
  Mails          make mail (those that were sent; gone when this stops)
  Data           {shown} (kept; delete it to start afresh)

Ctrl-C stops it. A change of the code restarts it.
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
