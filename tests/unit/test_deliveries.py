"""What `make run` delivers, and when."""

import logging
from collections.abc import Iterable

import pytest

from chalicelib.deadlines import SecondsLeft
from chalicelib.domain.errors import UnavailableError
from chalicelib.services.outbox import Turn
from infra.local.deliveries import Deliveries


class FakeOutbox:
    """Delivers each message, unless it is told that it cannot."""

    def __init__(self) -> None:
        self.messages: set[str] = set()
        self.told: list[tuple[str, ...]] = []
        self.pending_turns = 0
        self.seconds: list[float] = []
        self.fails = self.unreadable = False

    def look(self) -> Iterable[str]:
        if self.unreadable:
            raise UnavailableError
        return sorted(self.messages)

    def deliver_new(self, message_ids: Iterable[str], seconds_left: SecondsLeft) -> Turn:
        self.seconds.append(seconds_left())
        new = tuple(sorted(message_ids))
        self.told.append(new)
        if self.fails:
            return Turn(failed=len(new))
        self.messages -= set(new)
        return Turn(done=len(new))

    def deliver_pending(self, seconds_left: SecondsLeft) -> Turn:
        self.seconds.append(seconds_left())
        self.pending_turns += 1
        done, self.messages = len(self.messages), set()
        return Turn(done=done)


class Seconds:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def outbox() -> FakeOutbox:
    return FakeOutbox()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def deliveries(outbox: FakeOutbox, seconds: Seconds) -> Deliveries:
    return Deliveries(outbox, outbox.look, seconds)


def test_what_is_new_is_delivered_and_what_is_not_there_asks_nobody(
    outbox: FakeOutbox, deliveries: Deliveries, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "infra.local")
    deliveries.go_round()
    assert outbox.told == []
    outbox.messages |= {"one", "two"}
    deliveries.go_round()
    deliveries.go_round()
    assert outbox.told == [("one", "two")]
    assert caplog.messages == ["outbox: 2 done, 0 given up (make mail)"]


def test_what_failed_is_new_no_more_and_is_delivered_after_a_while(
    outbox: FakeOutbox,
    deliveries: Deliveries,
    seconds: Seconds,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "infra.local")
    outbox.messages, outbox.fails = {"one"}, True
    for _ in range(3):
        deliveries.go_round()
    outbox.messages.add("two")
    deliveries.go_round()
    assert outbox.told == [("one",), ("two",)]
    assert outbox.pending_turns == 0
    assert caplog.messages[0] == "outbox: 1 failed, tried again in a minute or so"
    seconds.now += 61
    deliveries.go_round()
    deliveries.go_round()
    assert outbox.pending_turns == 1
    assert outbox.messages == set()


def test_a_round_that_cannot_look_forgets_nothing(
    outbox: FakeOutbox, deliveries: Deliveries
) -> None:
    outbox.messages, outbox.fails = {"one"}, True
    deliveries.go_round()
    outbox.unreadable = True
    with pytest.raises(UnavailableError):
        deliveries.go_round()
    outbox.unreadable = False
    deliveries.go_round()
    assert outbox.told == [("one",)]


def test_a_turn_has_a_minute(outbox: FakeOutbox, deliveries: Deliveries, seconds: Seconds) -> None:
    outbox.messages = {"one"}
    deliveries.go_round()
    seconds.now += 120
    deliveries.go_round()
    assert outbox.seconds == [60.0, 60.0]
