"""When the work at hand has to end, and whether another call of AWS still fits in before that.

A function that its platform stops answers nobody. So whoever is started with a time limit says so
here, and every attempt of a call, and every pause before one, is begun only if it can end in time,
however long it hangs. What cannot be begun is an `UnavailableError`, as if the call had failed:
there is time left to say so. Where nobody has set a limit, as at a command line, there is none.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.errors import UnavailableError

ANSWER_SECONDS = 2.0
"""What is kept back for what follows the last call: to say how it ended, and to log it."""
PAUSE_SECONDS = 2.0
"""The longest pause before an attempt: botocore doubles it from one second, and there are two."""

_RETRY_AFTER = "x-amz-retry-after"

SecondsLeft = Callable[[], float]
"""How many seconds there still are for the work at hand."""

_seconds_left: ContextVar[SecondsLeft | None] = ContextVar("seconds_left", default=None)
_log = logging.getLogger(__name__)


def seconds_left_of(context: Any) -> SecondsLeft:
    """How long Lambda, or `chalice local` in its place, lets an invocation go on."""
    return lambda: context.get_remaining_time_in_millis() / 1_000


@contextmanager
def ending_in(seconds_left: SecondsLeft) -> Iterator[None]:
    """Let the work inside end in time."""
    token = _seconds_left.set(seconds_left)
    try:
        yield
    finally:
        _seconds_left.reset(token)


def require_time(seconds: float) -> None:
    """See that something that may take so long can still be begun.

    Raises:
        UnavailableError: it could not end in time.
    """
    seconds_left = _seconds_left.get()
    if seconds_left is not None and seconds_left() < seconds + ANSWER_SECONDS:
        _log.error("no time is left for what may take %.1f s", seconds)
        raise UnavailableError


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How long calls of a service of AWS may take."""

    connect_seconds: float
    read_seconds: float
    attempts: int

    @property
    def attempt_seconds(self) -> float:
        """The longest that an attempt takes, and the pause that may follow it."""
        return self.connect_seconds + self.read_seconds + PAUSE_SECONDS

    @property
    def call_seconds(self) -> float:
        """The longest that a call takes, all attempts and pauses included."""
        return self.attempts * self.attempt_seconds - PAUSE_SECONDS

    def watch(self, client: Any) -> None:
        """Have each attempt that a botocore client makes begin in time, or not at all.

        botocore hands on what is raised there as it is, and does not try again.
        """
        events = client.meta.events
        events.register_first("before-send", self._require_attempt)
        events.register_first("before-parse", _forget_retry_after)

    def _require_attempt(self, **_: Any) -> None:
        require_time(self.attempt_seconds)


def _forget_retry_after(response_dict: dict[str, Any], **_: Any) -> None:
    """A service may ask for a pause of five seconds more, which nobody here has to spare."""
    response_dict["headers"].pop(_RETRY_AFTER, None)
