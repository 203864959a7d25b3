"""How far a long command has come: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Callable
from typing import TextIO

_WIDTH = 30
_TERMINAL_SECONDS = 0.1
_LOG_SECONDS = 5.0


class ProgressBar:
    """Tells a terminal, or a log, how much is done. It writes beside what the command prints."""

    def __init__(
        self, output: TextIO, noun: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`clock` counts seconds."""
        self._output = output
        self._noun = noun
        self._clock = clock
        self._terminal = output.isatty()
        self._started = self._told = clock()
        self._shown = False

    def show(self, count: int, share: float | None) -> None:
        """Tell how many are done, and which share of all if that is known; seldom enough."""
        now = self._clock()
        if now - self._told < (_TERMINAL_SECONDS if self._terminal else _LOG_SECONDS):
            return
        self._told = now
        pace = f"{count:,} {self._noun}, {count / max(now - self._started, 0.001):,.0f} a second"
        whole = f"{share:4.0%}  " if share is not None else ""
        if not self._terminal:
            print(f"{whole}{pace}", file=self._output, flush=True)
            return
        filled = round(_WIDTH * min(share or 0.0, 1.0))
        bar = f"[{'#' * filled}{'.' * (_WIDTH - filled)}] " if share is not None else ""
        print(f"\r\x1b[K{bar}{whole}{pace}", end="", file=self._output, flush=True)
        self._shown = True

    def clear(self) -> None:
        """Make room for what is printed next."""
        if self._shown:
            print("\r\x1b[K", end="", file=self._output, flush=True)
            self._shown = False
