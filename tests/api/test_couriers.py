"""The functions that deliver the outbox, called as Lambda calls them."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from app import app
from chalicelib import container as composition
from chalicelib.container import Container, use
from chalicelib.couriers import (
    REDELIVERY_MINUTES,
    DeliveryError,
    deliver_mail,
    redeliver_mail,
)
from chalicelib.domain.trails import Trail
from chalicelib.services.outbox import ENOUGH_SECONDS
from chalicelib.settings import Settings, outbox_stream
from chalicelib.store.trails import DynamoTrailStore
from infra.deployment.mappings import STREAMED
from infra.deployment.rules import SCHEDULED
from tests.api.client import Client
from tests.api.lines import Lines
from tests.aws import OUTBOX, Cloud, Wire
from tests.fakes import FakeClock
from tests.samples import AN_HOUR_PASSED, LambdaContext, a_message, claims_of, inserted, removed


def keep(container: Container, trail: Trail) -> None:
    """Write a trail, as the services of a container do."""
    DynamoTrailStore(container._transactions).write(trail)  # noqa: SLF001 - it is nobody's change


class Stage:
    """The stage `test`, with a user whose address is to be verified."""

    def __init__(self, cloud: Cloud, container: Container, public_id: str) -> None:
        self._cloud = cloud
        self._container = container
        self._public_id = public_id
        self._number = 0

    def leave(self) -> str:
        """Leave a message in the outbox."""
        self._number += 1
        message = a_message(self._number, public_id=self._public_id)
        keep(self._container, Trail(messages=(message,)))
        return message.message_id

    @property
    def left(self) -> set[str]:
        return {row["message_id"]["S"] for row in self._cloud.rows(OUTBOX)}


@pytest.fixture
def outbox(
    client: Client, cloud: Cloud, stage: Settings, clock: FakeClock, wire: Wire
) -> Iterator[Stage]:
    assert stage.mail_sender is not None
    sender = stage.mail_sender.partition("<")[2].rstrip(">")
    mails: Any = boto3.client("sesv2")
    mails.create_email_identity(EmailIdentity=sender)
    public_id = claims_of(client.register(1))["sub"]
    for message in cloud.rows(OUTBOX):
        cloud.dynamodb.delete_item(TableName=OUTBOX, Key={"message_id": message["message_id"]})
    container = use(Container(stage, clock))
    yield Stage(cloud, container, public_id)
    wire.reset()
    mails.delete_email_identity(EmailIdentity=sender)


def _deliver(event: dict[str, Any], seconds: float = 60) -> None:
    deliver_mail(event, LambdaContext(seconds))


def _redeliver(seconds: float = 240) -> None:
    redeliver_mail(AN_HOUR_PASSED, LambdaContext(seconds))


def test_what_the_stream_tells_of_is_delivered_and_removed(
    outbox: Stage, wire: Wire, lines: Lines
) -> None:
    first, second, third = (outbox.leave() for _ in range(3))
    _deliver(inserted(first, second))
    assert wire.operations.count("sesv2.SendEmail") == 2
    assert outbox.left == {third}
    (line,) = lines.of("delivery_turn")
    assert (line["stage"], line["outcome"], line["messages"]) == ("test", "ok", "new")
    assert (line["done"], line["given_up"], line["failed"], line["left"]) == (2, 0, 0, 0)


def test_a_message_that_was_delivered_before_is_not_delivered_again(
    outbox: Stage, wire: Wire
) -> None:
    message_id = outbox.leave()
    _deliver(inserted(message_id))
    wire.reset()
    _deliver(inserted(message_id))
    assert "sesv2.SendEmail" not in wire.operations


def test_a_removal_is_nothing_to_deliver(outbox: Stage, wire: Wire, lines: Lines) -> None:
    message_id = outbox.leave()
    wire.reset()
    _deliver(removed(message_id))
    assert wire.calls == []
    assert lines.of("delivery_turn") == []


def test_one_that_cannot_be_sent_stays_and_the_call_succeeds(
    outbox: Stage, wire: Wire, lines: Lines
) -> None:
    message_ids = {outbox.leave() for _ in range(2)}
    wire.refuse("sesv2.SendEmail", "TooManyRequestsException", times=1)
    _deliver(inserted(*message_ids))
    (left,) = outbox.left
    (line,) = lines.of("delivery_turn")
    assert (line["outcome"], line["done"], line["failed"]) == ("ok", 1, 1)
    assert "quote" not in lines.text
    assert left in message_ids


def test_what_is_left_is_delivered_by_schedule(
    outbox: Stage, wire: Wire, lines: Lines, clock: FakeClock
) -> None:
    message_id = outbox.leave()
    wire.refuse("sesv2.SendEmail", "TooManyRequestsException")
    _deliver(inserted(message_id))
    wire.reset()
    clock.step(minutes=REDELIVERY_MINUTES)
    _redeliver()
    assert outbox.left == set()
    assert [(line["messages"], line["done"]) for line in lines.of("delivery_turn")] == [
        ("new", 0),
        ("pending", 1),
    ]


def test_a_call_that_has_no_time_leaves_messages_to_the_schedule(
    outbox: Stage, wire: Wire, lines: Lines
) -> None:
    message_ids = {outbox.leave() for _ in range(3)}
    wire.reset()
    _deliver(inserted(*message_ids), seconds=ENOUGH_SECONDS - 1)
    assert outbox.left == message_ids
    assert lines.of("delivery_turn")[0]["left"] == 3


def test_what_is_late_is_given_up(outbox: Stage, clock: FakeClock, lines: Lines) -> None:
    outbox.leave()
    clock.step(days=2)
    _redeliver()
    assert outbox.left == set()
    assert lines.of("delivery_turn")[0]["given_up"] == 1


@pytest.mark.parametrize("run", [lambda: _deliver(inserted("a-message")), _redeliver])
def test_a_turn_that_cannot_read_fails_and_says_nothing_that_was_sent(
    outbox: Stage, wire: Wire, lines: Lines, run: Any
) -> None:
    outbox.leave()
    wire.refuse("dynamodb.", "AccessDeniedException")
    with pytest.raises(DeliveryError) as failure:
        run()
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__
    (line,) = lines.of("delivery_turn")
    assert (line["stage"], line["outcome"], line["Failures"]) == ("test", "unavailable", 1)
    assert "quote" not in lines.text + str(failure.value)


def test_a_turn_without_settings_fails_by_its_kind_alone(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(composition, "_current", None)
    monkeypatch.setenv("ACCOUNTS_STAGE", "s3cret!")
    with pytest.raises(DeliveryError):
        _redeliver()
    (line,) = lines.of("delivery_turn")
    assert (line["stage"], line["outcome"]) == ("unknown", "internal_error")
    assert "no turn: SettingsError" in lines.text
    assert "s3cret" not in lines.text


def test_both_functions_are_known_to_the_deployment() -> None:
    found = {source.name: source for source in app.event_sources}
    behind = found[STREAMED]
    assert behind.handler_string == "chalicelib.couriers.deliver_mail"
    assert behind.stream_arn == outbox_stream({})
    assert (behind.batch_size, behind.starting_position) == (10, "TRIM_HORIZON")
    assert SCHEDULED == ("rotate_keys", "redeliver_mail")
    assert found["redeliver_mail"].handler_string == "chalicelib.couriers.redeliver_mail"
    assert found["redeliver_mail"].schedule_expression.to_string() == "rate(5 minutes)"
