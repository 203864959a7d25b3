"""The outbox's turns: what is new is delivered at once, what failed is tried again."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.domain.outbox import Message
from chalicelib.domain.times import Clock
from chalicelib.services.courier import Courier

SecondsLeft = Callable[[], float]
"""How many seconds there still are for the work at hand."""


class OutboxStore(Protocol):
    """Where messages lie until they are delivered."""

    def read(self, message_ids: Iterable[str]) -> tuple[Message, ...]:
        """Read messages, consistently; those that are gone are not among them.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def pending(self, older_than: datetime, limit: int) -> tuple[Message, ...]:
        """Find messages from before a moment, in no order, and no more than `limit` of them.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def remove(self, message_id: str) -> None:
        """Remove a message that is dealt with; one that is gone already is no fault.

        Raises:
            UnavailableError: the store cannot answer now.
        """


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of the messages of one turn."""

    done: int = 0
    given_up: int = 0
    failed: int = 0
    """They are tried again in a later turn."""
    left: int = 0
    """There was no time for them: likewise."""


class Outbox:
    """Delivers messages. One that cannot be delivered does not keep the others from it."""

    def __init__(self, store: OutboxStore, courier: Courier, *, stage: str, clock: Clock) -> None:
        self._store = store
        self._courier = courier
        self._stage = stage
        self._clock = clock

    def deliver_new(self, message_ids: Iterable[str], seconds_left: SecondsLeft) -> Turn:
        """Deliver messages that were just written. What fails stays, for `deliver_pending`.

        Raises:
            UnavailableError: the messages could not be read: they stay likewise.
        """
        raise NotImplementedError

    def deliver_pending(self, seconds_left: SecondsLeft) -> Turn:
        """Deliver what an earlier turn has left, that which lapses first before the rest.

        Raises:
            UnavailableError: the messages could not be read.
        """
        raise NotImplementedError
