"""The outbox's turns: what is new is delivered at once, what failed is tried again."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Protocol

from chalicelib.deadlines import SecondsLeft
from chalicelib.domain.errors import UnavailableError, UnexpectedError
from chalicelib.domain.outbox import Message
from chalicelib.domain.times import Clock
from chalicelib.services.courier import GIVEN_UP, UNFINISHED, Outcome
from chalicelib.telemetry import recording

ENOUGH_SECONDS = 20.0
"""For one delivery, at its slowest: then there is time for another one."""

_NEW = timedelta(minutes=2)
"""For so long a message is left to the turn that its writing has started."""
_MOST_MESSAGES = 1_000
"""What one turn may find. What it does not find, a later one does."""

_log = logging.getLogger(__name__)


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


class Deliverer(Protocol):
    """Whoever does the errands: the courier."""

    def deliver(self, message: Message) -> Outcome:
        """Do an errand, if there is still anything to do.

        Raises:
            UnavailableError: it was not done, or not for certain: to be tried again.
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

    def __init__(self, store: OutboxStore, courier: Deliverer, *, stage: str, clock: Clock) -> None:
        self._store = store
        self._courier = courier
        self._stage = stage
        self._clock = clock

    def deliver_new(self, message_ids: Iterable[str], seconds_left: SecondsLeft) -> Turn:
        """Deliver messages that were just written. What fails stays, for `deliver_pending`.

        Raises:
            UnavailableError: the messages could not be read: they stay likewise.
        """
        return self._deliver(self._store.read(message_ids), seconds_left)

    def deliver_pending(self, seconds_left: SecondsLeft) -> Turn:
        """Deliver what earlier turns have left, that which lapses first before the rest.

        Raises:
            UnavailableError: the messages could not be read.
        """
        pending = self._store.pending(self._clock() - _NEW, _MOST_MESSAGES)
        return self._deliver(sorted(pending, key=attrgetter("expires_at")), seconds_left)

    def _deliver(self, messages: Sequence[Message], seconds_left: SecondsLeft) -> Turn:
        turn = Turn()
        for tried, message in enumerate(messages):
            if seconds_left() < ENOUGH_SECONDS:
                return replace(turn, left=len(messages) - tried)
            outcome = self._try(message)
            if outcome is None:
                turn = replace(turn, failed=turn.failed + 1)
            elif outcome in GIVEN_UP:
                turn = replace(turn, given_up=turn.given_up + 1)
            else:
                turn = replace(turn, done=turn.done + 1)
        return turn

    def _try(self, message: Message) -> Outcome | None:
        """Deliver a message and remove it; None if it failed, and is to be tried again.

        One that is to be delivered once more, although it did not fail, stays as well. There is a
        line in the log for each, without an address.
        """
        facts = {"errand": message.errand.value, "message_id": message.message_id}
        with recording("delivery", stage=self._stage, **facts) as record:
            try:
                outcome = self._courier.deliver(message)
                if outcome is Outcome.SENT:
                    record.count("MailsSent")
                if outcome not in UNFINISHED:
                    self._store.remove(message.message_id)
            except Exception as fault:  # noqa: BLE001 - one bad message must not stop the others
                known = isinstance(fault, UnavailableError)
                record.note(outcome=UnavailableError.code if known else UnexpectedError.code)
                record.count("MailsFailed")
                record.failed = not known
                if not known:
                    _log.error("no delivery: %s", type(fault).__name__)
                return None
            if outcome in GIVEN_UP:
                record.note(outcome=outcome.value)
                record.count("MailsGivenUp")
            else:
                record.note(action=outcome.value)
            return outcome
