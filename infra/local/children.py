"""Child processes that leave nothing behind."""

import contextlib
import os
import select
import signal
import socket
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO

from infra.local.tether import PATIENCE_SECONDS

CHECKOUT = Path(__file__).resolve().parents[2]


class Child:
    """A Python module, run by an interpreter of its own, with all that it starts itself.

    It has a session of its own, so that a Ctrl-C at the terminal reaches its parent alone, which
    then stops things in order. How it ends with its parent is told in `infra.local.tether`.
    """

    def __init__(
        self,
        interpreter: Path,
        module: str,
        *arguments: str,
        environment: Mapping[str, str],
        output: int | IO[bytes],
        inherited: Collection[int] = (),
    ) -> None:
        self.name = module
        self._tether, theirs = socket.socketpair()
        with theirs:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                [str(interpreter), "-m", "infra.local.tether", module, *arguments],
                cwd=CHECKOUT,
                env=dict(environment),
                stdin=theirs.fileno(),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=tuple(inherited),
            )

    @property
    def pid(self) -> int:
        """The process that was started; it leads the group of all that it starts."""
        return self._process.pid

    @property
    def output(self) -> IO[bytes]:
        """What it prints, if `output` was `subprocess.PIPE`."""
        if self._process.stdout is None:
            raise ValueError("the output of this process goes elsewhere")
        return self._process.stdout

    def fileno(self) -> int:
        """Readable as soon as nothing of this child is left: for `select`."""
        return self._tether.fileno()

    @property
    def ended(self) -> bool:
        """Whether the process itself has ended, for whatever reason."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """Stop it and all that it started, and wait until they are gone.

        Asked nicely they write their state; only after longer than any of them needs are they
        killed.
        """
        with contextlib.suppress(OSError):
            self._tether.shutdown(socket.SHUT_WR)
        all_ended, _, _ = select.select([self._tether], [], [], PATIENCE_SECONDS + 5)
        if not all_ended:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._tether.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
