"""Mails as SES is sent them."""

from email.header import decode_header, make_header
from email.utils import parseaddr
from io import BytesIO
from typing import Any

import botocore.exceptions
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from chalicelib.deadlines import ANSWER_SECONDS, ending_in
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.mails import Mail, MailRefusedError
from chalicelib.domain.names import EmailAddress
from chalicelib.mail.ses import LIMITS, SesMailer, ascii_address
from tests.aws import Cloud, Wire

SENDER = "no-reply@shop.example"
MAIL = Mail(
    address="somebody@example.com",
    subject="Wählen Sie ein neues Passwort",
    text="Grüße\n",
    html="<p>Grüße</p>",
)


@pytest.fixture(scope="module")
def mailer() -> SesMailer:
    """One for all tests: its client takes longer to make than a test to run."""
    return SesMailer(f"The Shop <{SENDER}>")


@pytest.fixture
def ses(cloud: Cloud) -> Any:
    """SES as moto plays it, with a sender that it knows."""
    backend = ses_backends[DEFAULT_ACCOUNT_ID][cloud.dynamodb.meta.region_name]
    backend.sent_messages.clear()
    backend.verify_email_identity(SENDER)
    yield backend
    backend.delete_identity(SENDER)


def _to(address: str) -> Mail:
    return Mail(address=address, subject="Hello", text="Hello", html="<p>Hello</p>")


def test_a_mail_is_sent(mailer: SesMailer, ses: Any, wire: Wire) -> None:
    mailer.send(MAIL)
    (sent,) = ses.sent_messages
    assert sent.destinations["ToAddresses"] == ["somebody@example.com"]
    assert wire.operations == ["sesv2.SendEmail"]
    (call,) = wire.calls
    assert call.body == {
        "FromEmailAddress": f"The Shop <{SENDER}>",
        "Destination": {"ToAddresses": ["somebody@example.com"]},
        "Content": {
            "Simple": {
                "Subject": {"Data": "Wählen Sie ein neues Passwort", "Charset": "UTF-8"},
                "Body": {
                    "Text": {"Data": "Grüße\n", "Charset": "UTF-8"},
                    "Html": {"Data": "<p>Grüße</p>", "Charset": "UTF-8"},
                },
                "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
            }
        },
    }


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        (SENDER, ""),
        (f"The Shop <{SENDER}>", "The Shop"),
        (f"Köln, GmbH & Co. <{SENDER}>", "Köln, GmbH & Co."),
        (f"Shop, Inc. <{SENDER}>", "Shop, Inc."),
        (f"{'店' * 64} <{SENDER}>", "店" * 64),
    ],
)
def test_a_sender_is_written_as_a_header_needs_it(
    sender: str, name: str, ses: Any, wire: Wire
) -> None:
    SesMailer(sender).send(MAIL)
    (call,) = wire.calls
    written = call.body["FromEmailAddress"]
    assert written.isascii()
    assert written.isprintable()
    assert all(len(word) <= 75 for word in written.split())
    shown, address = parseaddr(written)
    assert address == SENDER
    assert str(make_header(decode_header(shown))) == name
    del ses


# Whom


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("a@example.com", "a@example.com"),
        ("A.b+c@Example.COM", "A.b+c@example.com"),
        ("a@münchen.example", "a@xn--mnchen-3ya.example"),
        ("a@MÜNCHEN.example", "a@xn--mnchen-3ya.example"),
        ("a@mu\u0308nchen.example", "a@xn--mnchen-3ya.example"),
        ("a@straße.example", "a@xn--strae-oqa.example"),
        ("a@ΛΌΓΟΣ.example", "a@xn--oxapnq6b.example"),
        ("a@λόγος.example", "a@xn--oxapnm1c.example"),
        ("a@почта.рф", "a@xn--80a1acny.xn--p1ai"),
        ("a@भारत.example", "a@xn--h2brj9c.example"),
        ("a@\uff45xample.com", "a@example.com"),
        ("a@xn--mnchen-3ya.example", "a@xn--mnchen-3ya.example"),
    ],
)
def test_a_domain_is_written_in_the_letters_of_idna(address: str, written: str) -> None:
    assert ascii_address(address) == written


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("\uff5a\uff4f\uff45@example.com", "zoe@example.com"),
        ("Zo\u2024E@example.com", "Zo.E@example.com"),
        ("\u212aim@mail.ex\u2488com", "Kim@mail.ex1.com"),
    ],
)
def test_whoever_has_an_address_is_written_to_however_its_letters_are_formed(
    address: str, written: str
) -> None:
    assert ascii_address(EmailAddress.parse(address)) == written


def test_one_domain_is_not_taken_for_another_that_may_be_somebody_elses() -> None:
    assert ascii_address("a@straße.example") != ascii_address("a@strasse.example")
    assert ascii_address("a@λόγος.example") != ascii_address("a@λόγοσ.example")


@pytest.mark.parametrize(
    "address",
    ["zoë@example.com", "用户@example.com", "a@" + "ü" * 60 + ".example", "a", "a@", "@a.example"],
)
def test_an_address_that_ses_cannot_write_to_is_refused_unasked(
    address: str, mailer: SesMailer, wire: Wire
) -> None:
    with pytest.raises(MailRefusedError):
        mailer.send(_to(address))
    assert wire.operations == []


# Faults


@pytest.mark.parametrize(
    "code",
    [
        "MessageRejected",
        "MailFromDomainNotVerifiedException",
        "AccountSuspendedException",
        "SendingPausedException",
        "LimitExceededException",
        "TooManyRequestsException",
        "NotFoundException",
        "AccessDeniedException",
        "ThrottlingException",
        "InternalFailure",
    ],
)
def test_what_time_or_an_operator_can_mend_is_to_be_tried_again(
    code: str, mailer: SesMailer, wire: Wire, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    del cloud
    wire.refuse("sesv2.SendEmail", code)
    with pytest.raises(UnavailableError) as fault:
        mailer.send(MAIL)
    assert fault.value.__cause__ is None
    assert code in caplog.text
    assert "somebody" not in caplog.text
    assert "a message that may quote" not in caplog.text


def test_a_mail_that_is_wrong_in_itself_is_refused(
    mailer: SesMailer, wire: Wire, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    del cloud
    wire.refuse("sesv2.SendEmail", "BadRequestException")
    with pytest.raises(MailRefusedError):
        mailer.send(MAIL)
    assert "a message that may quote" not in caplog.text


@pytest.mark.parametrize(
    "fault",
    [
        botocore.exceptions.ReadTimeoutError(endpoint_url="https://email.example"),
        botocore.exceptions.EndpointConnectionError(endpoint_url="https://email.example"),
        botocore.exceptions.NoCredentialsError(),
    ],
)
def test_no_answer_is_to_be_tried_again(
    fault: Exception, mailer: SesMailer, wire: Wire, cloud: Cloud
) -> None:
    del cloud
    wire.raise_for("sesv2.", fault)
    with pytest.raises(UnavailableError):
        mailer.send(MAIL)


class _Raw(BytesIO):
    def stream(self, **_: Any) -> Any:
        yield self.read()


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"<html>Sorry</html>"], ids=str)
def test_a_success_that_is_no_answer_is_tried_again_and_no_mail(
    body: bytes, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    asked: list[str] = []

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        asked.append(request.url)
        return AWSResponse(request.url, 200, HTTPHeaders(), _Raw(body))

    mailer = SesMailer(SENDER)
    mailer._client.meta.events.register_first("before-send", answer)  # noqa: SLF001 - the wire
    with pytest.raises(UnavailableError):
        mailer.send(MAIL)
    assert len(asked) == LIMITS.attempts
    del cloud


def test_a_mail_that_has_no_identifier_was_not_sent(
    mailer: SesMailer, wire: Wire, cloud: Cloud
) -> None:
    wire.answer_for("sesv2.SendEmail", {})
    with pytest.raises(UnavailableError):
        mailer.send(MAIL)
    del cloud


def test_no_mail_is_begun_that_could_not_end_in_time(
    mailer: SesMailer, ses: Any, wire: Wire
) -> None:
    with (
        ending_in(lambda: LIMITS.attempt_seconds + ANSWER_SECONDS - 0.1),
        pytest.raises(UnavailableError),
    ):
        mailer.send(MAIL)
    assert wire.operations == []
    assert ses.sent_messages == []


def test_a_mail_is_waited_for_twice_and_not_for_long(mailer: SesMailer) -> None:
    config = mailer._client.meta.config  # noqa: SLF001 - there is no other way to see it
    assert (config.connect_timeout, config.read_timeout) == (1, 5)
    assert config.retries == {"total_max_attempts": 2, "mode": "standard"}


def test_a_sender_that_is_not_verified_yet_is_to_be_tried_again(cloud: Cloud) -> None:
    del cloud
    with pytest.raises(UnavailableError):
        SesMailer("nobody@unverified.example").send(MAIL)


def test_a_request_that_could_not_be_made_is_refused(
    mailer: SesMailer, wire: Wire, cloud: Cloud
) -> None:
    del cloud
    wire.raise_for("sesv2.", botocore.exceptions.ParamValidationError(report="somebody"))
    with pytest.raises(MailRefusedError):
        mailer.send(MAIL)
