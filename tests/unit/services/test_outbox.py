"""The outbox's turns."""

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.outbox import Errand, Message
from chalicelib.services.courier import Outcome
from chalicelib.services.outbox import ENOUGH_SECONDS, Outbox, Turn
from chalicelib.telemetry import JsonFormatter
from tests.fakes import START, FakeClock
from tests.mails import FakeOutboxStore, a_message

ADDRESS = "somebody@example.com"


class FakeCourier:
    """Ends each errand as it was told to, and all others by sending a mail."""

    def __init__(self) -> None:
        self.ends: dict[str, Outcome | Exception] = {}
        self.delivered: list[str] = []

    def deliver(self, message: Message) -> Outcome:
        self.delivered.append(message.message_id)
        end = self.ends.get(message.message_id, Outcome.SENT)
        if isinstance(end, Exception):
            raise end
        return end


@pytest.fixture
def store() -> FakeOutboxStore:
    return FakeOutboxStore()


@pytest.fixture
def courier() -> FakeCourier:
    return FakeCourier()


@pytest.fixture
def outbox(store: FakeOutboxStore, courier: FakeCourier, clock: FakeClock) -> Outbox:
    return Outbox(store, courier, stage="test", clock=clock)


def _long() -> float:
    return 60.0


def _ids(*messages: Message) -> list[str]:
    return [message.message_id for message in messages]


def _lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    records = (record for record in caplog.records if hasattr(record, "line"))
    return [json.loads(JsonFormatter().format(record)) for record in records]


# New messages


def test_what_is_delivered_is_removed(
    outbox: Outbox, store: FakeOutboxStore, courier: FakeCourier
) -> None:
    first, second, other = a_message(1), a_message(2), a_message(3)
    store.put(first, second, other)
    assert outbox.deliver_new(_ids(first, second), _long) == Turn(done=2)
    assert courier.delivered == _ids(first, second)
    assert list(store.rows) == _ids(other)


def test_a_message_that_is_gone_is_not_delivered_again(outbox: Outbox) -> None:
    assert outbox.deliver_new(_ids(a_message()), _long) == Turn()


@pytest.mark.parametrize(
    "fault", [UnavailableError(), ValueError(ADDRESS)], ids=["expected", "unforeseen"]
)
def test_one_that_fails_stays_and_stops_no_other(
    fault: Exception, outbox: Outbox, store: FakeOutboxStore, courier: FakeCourier
) -> None:
    messages = [a_message(number) for number in range(3)]
    store.put(*messages)
    courier.ends[messages[1].message_id] = fault
    assert outbox.deliver_new(_ids(*messages), _long) == Turn(done=2, failed=1)
    assert list(store.rows) == [messages[1].message_id]


def test_one_that_cannot_be_removed_stays_and_stops_no_other(
    outbox: Outbox, store: FakeOutboxStore
) -> None:
    messages = [a_message(number) for number in range(3)]
    store.put(*messages)
    store.stuck.add(messages[0].message_id)
    assert outbox.deliver_new(_ids(*messages), _long) == Turn(done=2, failed=1)
    assert list(store.rows) == [messages[0].message_id]


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.ANONYMISED_SO_FAR}))
def test_whatever_is_dealt_with_is_removed_and_what_was_not_done_is_counted(
    outcome: Outcome, outbox: Outbox, store: FakeOutboxStore, courier: FakeCourier
) -> None:
    message = a_message()
    store.put(message)
    courier.ends[message.message_id] = outcome
    turn = outbox.deliver_new(_ids(message), _long)
    given_up = outcome in {Outcome.EXPIRED, Outcome.REFUSED}
    assert turn == (Turn(given_up=1) if given_up else Turn(done=1))
    assert store.rows == {}


def test_what_is_to_be_done_once_more_stays_until_it_is(
    outbox: Outbox, store: FakeOutboxStore, courier: FakeCourier, clock: FakeClock
) -> None:
    message = a_message()
    store.put(message)
    courier.ends[message.message_id] = Outcome.ANONYMISED_SO_FAR
    assert outbox.deliver_new(_ids(message), _long) == Turn(done=1)
    assert list(store.rows) == _ids(message)
    courier.ends[message.message_id] = Outcome.ANONYMISED
    clock.step(minutes=5)
    assert outbox.deliver_pending(_long) == Turn(done=1)
    assert store.rows == {}


def test_a_store_that_cannot_be_read_is_said_to_be_so(
    outbox: Outbox, store: FakeOutboxStore
) -> None:
    store.down = True
    with pytest.raises(UnavailableError):
        outbox.deliver_new(_ids(a_message()), _long)
    with pytest.raises(UnavailableError):
        outbox.deliver_pending(_long)


# Time


def _times(*seconds: float) -> Callable[[], float]:
    left = list(seconds)
    return lambda: left.pop(0)


def test_nothing_is_begun_that_might_not_be_ended(
    outbox: Outbox, store: FakeOutboxStore, courier: FakeCourier
) -> None:
    messages = [a_message(number) for number in range(4)]
    store.put(*messages)
    seconds_left = _times(60, ENOUGH_SECONDS, ENOUGH_SECONDS - 0.1)
    assert outbox.deliver_new(_ids(*messages), seconds_left) == Turn(done=2, left=2)
    assert list(store.rows) == _ids(*messages[2:])
    assert courier.delivered == _ids(*messages[:2])


# What an earlier turn left


def test_what_failed_is_delivered_later(
    outbox: Outbox, store: FakeOutboxStore, clock: FakeClock, courier: FakeCourier
) -> None:
    message = a_message()
    store.put(message)
    courier.ends[message.message_id] = UnavailableError()
    clock.step(minutes=5)
    assert outbox.deliver_pending(_long) == Turn(failed=1)
    del courier.ends[message.message_id]
    assert outbox.deliver_pending(_long) == Turn(done=1)
    assert outbox.deliver_pending(_long) == Turn()


def test_what_was_just_written_is_left_to_the_turn_that_its_writing_started(
    outbox: Outbox, store: FakeOutboxStore, clock: FakeClock
) -> None:
    store.put(a_message())
    clock.step(minutes=2)
    assert outbox.deliver_pending(_long) == Turn()
    clock.step(seconds=1)
    assert outbox.deliver_pending(_long) == Turn(done=1)


def test_what_lapses_first_is_delivered_first(
    outbox: Outbox, store: FakeOutboxStore, clock: FakeClock, courier: FakeCourier
) -> None:
    notice = a_message(1, expires_at=START + timedelta(days=3))
    reset = a_message(2, Errand.RESET_PASSWORD, expires_at=START + timedelta(hours=1))
    link = a_message(3, expires_at=START + timedelta(days=1))
    store.put(notice, reset, link)
    clock.step(minutes=5)
    outbox.deliver_pending(_long)
    assert courier.delivered == _ids(reset, link, notice)


# What is told


@pytest.mark.parametrize(
    ("end", "outcome", "metrics"),
    [
        (Outcome.SENT, "ok", {"MailsSent": 1}),
        (Outcome.NOBODY, "ok", {}),
        (Outcome.ANONYMISED, "ok", {}),
        (Outcome.EXPIRED, "expired", {"MailsGivenUp": 1, "Refusals": 1}),
        (Outcome.MAIL_OFF, "ok", {}),
        (Outcome.REFUSED, "refused", {"MailsGivenUp": 1, "Refusals": 1}),
        (UnavailableError(), "unavailable", {"MailsFailed": 1, "Refusals": 1}),
        (ValueError(ADDRESS), "internal_error", {"MailsFailed": 1, "Failures": 1}),
    ],
)
def test_each_delivery_is_a_line_with_its_metrics_and_without_an_address(
    end: Outcome | Exception,
    outcome: str,
    metrics: dict[str, int],
    outbox: Outbox,
    store: FakeOutboxStore,
    courier: FakeCourier,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    message = a_message(address=ADDRESS, email_key=ADDRESS)
    store.put(message)
    courier.ends[message.message_id] = end
    outbox.deliver_new(_ids(message), _long)
    (line,) = _lines(caplog)
    assert (line["event"], line["stage"], line["outcome"]) == ("delivery", "test", outcome)
    assert (line["errand"], line["message_id"]) == ("verify_email", message.message_id)
    if isinstance(end, Outcome) and outcome == "ok":
        assert line["action"] == end.value
    named = {
        metric["Name"]
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", [])
        for metric in directive["Metrics"]
    }
    assert {name: line[name] for name in named} == metrics
    faults = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert faults == (["no delivery: ValueError"] if "Failures" in metrics else [])
    assert ADDRESS not in caplog.text


def test_a_mail_that_was_sent_counts_although_its_message_is_still_there(
    outbox: Outbox, store: FakeOutboxStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    message = a_message()
    store.put(message)
    store.stuck.add(message.message_id)
    outbox.deliver_new(_ids(message), _long)
    (line,) = _lines(caplog)
    assert (line["MailsSent"], line["MailsFailed"]) == (1, 1)
