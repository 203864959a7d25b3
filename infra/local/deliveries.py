"""The outbox's function, played on one's own machine.

On AWS the outbox's stream calls a function, and a schedule another one. Here a thread beside the
API looks into the table and does what both do, with the same code. It may end at any time, with its
process: a message is in the table until it was delivered.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import NoReturn, Protocol

from chalicelib.deadlines import SecondsLeft
from chalicelib.services.outbox import Turn

_LOOK_SECONDS = 0.25
_FAULT_SECONDS = 2.0
_REDELIVERY_SECONDS = 60.0
_TURN_SECONDS = 60.0

_log = logging.getLogger(__name__)


class Outbox(Protocol):
    """What is needed of the outbox: see `chalicelib.services.outbox`."""

    def deliver_new(self, message_ids: Iterable[str], seconds_left: SecondsLeft) -> Turn:
        """Deliver messages that were just written."""

    def deliver_pending(self, seconds_left: SecondsLeft) -> Turn:
        """Deliver what an earlier turn has left."""


class Deliveries:
    """What was seen in the outbox, so that each message is new but once."""

    def __init__(
        self,
        outbox: Outbox,
        look: Callable[[], Iterable[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`look` finds the identifiers of all messages; `clock` counts seconds."""
        self._outbox = outbox
        self._look = look
        self._clock = clock
        self._seen: frozenset[str] = frozenset()
        self._redelivers_at = clock() + _REDELIVERY_SECONDS

    def go_round(self) -> None:
        """Deliver what is new and, from time to time, what is left.

        Raises:
            UnavailableError: the messages could not be read; the next round tries again.
        """
        there = frozenset(self._look())
        if new := there - self._seen:
            self._tell(self._outbox.deliver_new(new, self._seconds_left()))
        self._seen = there
        if self._clock() >= self._redelivers_at:
            self._redelivers_at = self._clock() + _REDELIVERY_SECONDS
            self._tell(self._outbox.deliver_pending(self._seconds_left()))

    def _seconds_left(self) -> SecondsLeft:
        end = self._clock() + _TURN_SECONDS
        return lambda: end - self._clock()

    def _tell(self, turn: Turn) -> None:
        if turn.done or turn.given_up:
            _log.info("outbox: %d done, %d given up (make mail)", turn.done, turn.given_up)
        if turn.failed:
            _log.info("outbox: %d failed, tried again in a minute or so", turn.failed)


def start_delivering() -> None:
    """Deliver the outbox of this process's stage from now on, in a thread of its own."""
    threading.Thread(target=_deliver_for_ever, name="outbox", daemon=True).start()


def _deliver_for_ever() -> NoReturn:
    deliveries, told = None, ""
    while True:
        try:
            deliveries = deliveries or _deliveries()
            deliveries.go_round()
        except Exception as fault:  # noqa: BLE001 - the thread must not end
            if told != (told := type(fault).__name__):
                _log.info("outbox: nothing is delivered (%s)", told)
            time.sleep(_FAULT_SECONDS)
        else:
            told = ""
            time.sleep(_LOOK_SECONDS)


def _deliveries() -> Deliveries:
    # With the first round: a mistake in what is being changed shows in the API as well.
    from chalicelib.container import container

    outbox = container().outbox
    from chalicelib.store.items import MessageItem

    def look() -> Iterable[str]:
        rows = MessageItem.scan(attributes_to_get=["message_id"], consistent_read=True)
        return [row.message_id for row in rows]

    return Deliveries(outbox, look)
