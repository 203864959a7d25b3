"""Standard output that makes nobody wait."""

import contextlib
import os
import queue
import threading
from typing import IO

_LINES = 2_000
_LAST_WORDS_SECONDS = 1.0


class Terminal:
    """Writes lines in a thread of its own, and drops them rather than fall behind.

    A terminal can be held (Ctrl-S) and a pipe may have nobody who reads it. Neither may hold up
    the API, whose output passes through here, nor keep it from stopping.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes | None] = queue.Queue(_LINES)
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._writer.start()

    def say(self, text: str) -> None:
        """Print a line, or several."""
        self._put(f"{text}\n".encode())

    def relay(self, output: IO[bytes]) -> None:
        """Print what comes from another process, line by line, until it ends."""
        threading.Thread(target=self._relay, args=(output,), daemon=True).start()

    def close(self) -> None:
        """Wait a little for what is still to be written."""
        self._put(None)
        self._writer.join(_LAST_WORDS_SECONDS)

    def _put(self, line: bytes | None) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(line)

    def _relay(self, output: IO[bytes]) -> None:
        # The process is stopped, and with it the pipe closed, while this may still be reading.
        with contextlib.suppress(OSError, ValueError):
            for line in output:
                self._put(line)

    def _write(self) -> None:
        # Not sys.stdout: its lock, held by a daemon thread, would abort the interpreter's shutdown.
        with contextlib.suppress(OSError):
            while line := self._lines.get():
                while line:
                    line = line[os.write(self._descriptor, line) :]
