"""What a terminal, or the log of a CI run, sees of a command while it works."""

import time


class Progress:
    """Numbered steps, and below each what it did. Everything is flushed: CI logs are pipes."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._step = 0
        self._started = time.monotonic()

    def step(self, title: str) -> None:
        """Begin the next step."""
        self._step += 1
        seconds = time.monotonic() - self._started
        print(f"[{self._step}/{self._steps}] {title}  ({seconds:.0f} s)", flush=True)

    def say(self, text: str) -> None:
        """Tell what the step found or did: nothing secret, since CI keeps it."""
        for line in text.splitlines():
            print(f"      {line}", flush=True)
