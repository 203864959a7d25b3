"""The outbox as the container wires it: from a row of the table to a mail, a token and an event."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from chalicelib.container import Container, container, use
from chalicelib.domain.activity import Act
from chalicelib.domain.mailed_tokens import MailedToken
from chalicelib.domain.outbox import Errand, Message
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.trails import Trail
from chalicelib.services.outbox import Turn
from chalicelib.settings import Settings
from tests.api.client import Client
from tests.api.lines import Lines
from tests.aws import ACTIVITY, OUTBOX, Cloud, Wire
from tests.fakes import START, FakeClock
from tests.mails import a_message

SENDER = "accounts@localhost.localdomain"


@pytest.fixture
def ses(cloud: Cloud) -> Iterator[Any]:
    """SES as moto plays it, with the sender of local stages."""
    backend = ses_backends[DEFAULT_ACCOUNT_ID][cloud.dynamodb.meta.region_name]
    backend.sent_messages.clear()
    backend.verify_email_identity(SENDER)
    yield backend
    backend.delete_identity(SENDER)


@pytest.fixture
def asked(client: Client) -> Message:
    """Somebody has asked for a new password, by their address."""
    client.register()
    message = a_message(
        errand=Errand.RESET_PASSWORD, public_id=None, email_key="user-1@example.com", language="de"
    )
    container()._trail_store.write(Trail(messages=(message,)))  # noqa: SLF001 - as a request does
    return message


def _long() -> float:
    return 60.0


def _waits(cloud: Cloud, message: Message) -> bool:
    return message.message_id in [row["message_id"]["S"] for row in cloud.rows(OUTBOX)]


def test_a_message_becomes_a_mail_whose_link_can_be_checked(
    asked: Message, ses: Any, cloud: Cloud, wire: Wire, stage: Settings
) -> None:
    wire.reset()
    assert container().outbox.deliver_new([asked.message_id], _long) == Turn(done=1)
    assert wire.operations.count("sesv2.SendEmail") == 1
    (sent,) = ses.sent_messages
    assert sent.destinations["ToAddresses"] == ["user-1@example.com"]
    (call,) = (call for call in wire.calls if call.operation == "sesv2.SendEmail")
    text = call.body["Content"]["Simple"]["Body"]["Text"]["Data"]
    (link,) = re.findall(r"https?://\S+", text)
    page, _, token_text = link.partition("?token=")
    assert page == f"{stage.link_base_url}/password/reset"
    token = MailedToken.parse(token_text)
    assert token is not None
    (row,) = [row for row in cloud.rows() if row["pk"]["S"].startswith("mailed#")]
    assert row["pk"] == {"S": f"mailed#{token.secret_hash}"}
    assert (row["owner"], row["purpose"]) == ({"S": token.public_id}, {"S": "reset"})
    assert row["expires_at"] == {"N": str(epoch_seconds(START + timedelta(hours=1)))}
    events = [row for row in cloud.rows(ACTIVITY) if row["act"]["S"] == Act.RECOVERY_MAILED.value]
    assert [event["public_id"]["S"] for event in events] == [token.public_id]
    assert not _waits(cloud, asked)


def test_a_link_begins_as_the_stage_says_and_the_line_names_the_stage(
    asked: Message, ses: Any, stage: Settings, clock: FakeClock, lines: Lines
) -> None:
    use(Container(replace(stage, link_base_url="https://shop.example/go"), clock))
    assert container().outbox.deliver_new([asked.message_id], _long) == Turn(done=1)
    (sent,) = ses.sent_messages
    assert "https://shop.example/go/password/reset?token=" in sent.body
    (line,) = lines.of("delivery")
    assert line["stage"] == stage.stage


def test_what_ses_does_not_take_waits_and_is_delivered_later(
    asked: Message, ses: Any, cloud: Cloud, wire: Wire, clock: FakeClock
) -> None:
    wire.refuse("sesv2.", "TooManyRequestsException")
    assert container().outbox.deliver_new([asked.message_id], _long) == Turn(failed=1)
    assert _waits(cloud, asked)
    wire.reset()
    clock.step(minutes=5)
    container().outbox.deliver_pending(_long)
    assert not _waits(cloud, asked)
    assert ["user-1@example.com"] in [
        mail.destinations["ToAddresses"] for mail in ses.sent_messages
    ]


def test_what_was_never_delivered_is_given_up(
    asked: Message, ses: Any, cloud: Cloud, clock: FakeClock
) -> None:
    clock.step(days=1)
    assert container().outbox.deliver_pending(_long).given_up >= 1
    assert not _waits(cloud, asked)
    assert ses.sent_messages == []
