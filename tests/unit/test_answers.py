"""What comes with a success's status and is no answer of AWS, as clients of botocore meet it."""

import json
from io import BytesIO
from typing import Any
from zlib import crc32

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import Config
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from chalicelib.answers import require_answers
from chalicelib.domain.errors import UnavailableError

ATTEMPTS = 2
ROW = json.dumps({"Item": {"pk": {"S": "a row"}}}).encode()
FROM_AWS = {"x-amzn-requestid": "a-request"}
CHECKED = {**FROM_AWS, "x-amz-crc32": str(crc32(ROW))}


class _Raw(BytesIO):
    def stream(self, **_: Any) -> Any:
        yield self.read()


class Service:
    """Answers a client's attempts, the last one again and again."""

    def __init__(self, *answers: tuple[int, dict[str, str], bytes]) -> None:
        self._answers = list(answers)
        self.attempts = 0
        config = Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS})
        self.client: Any = botocore.session.get_session().create_client("dynamodb", config=config)
        events: Any = self.client.meta.events
        events.register_first("before-send", self._send)
        require_answers(self.client)

    def _send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        self.attempts += 1
        status, headers, body = self._answers.pop(0) if self._answers[1:] else self._answers[0]
        received = HTTPHeaders()
        for name, value in headers.items():
            received[name] = value
        return AWSResponse(request.url, status, received, _Raw(body))

    def read(self) -> Any:
        return self.client.get_item(TableName="a-table", Key={"pk": {"S": "a row"}}).get("Item")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.mark.parametrize("headers", [FROM_AWS, CHECKED], ids=["", "with its checksum"])
def test_an_answer_is_believed_at_once(headers: dict[str, str]) -> None:
    service = Service((200, headers, ROW))
    assert service.read() == {"pk": {"S": "a row"}}
    assert service.attempts == 1


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"<html>Sorry</html>"),
        ({}, b"{}"),
        (FROM_AWS, b""),
        (FROM_AWS, b"<html>Sorry</html>"),
        (FROM_AWS, b"null"),
        (FROM_AWS, b"[1]"),
        (FROM_AWS, b'"text"'),
        (FROM_AWS, ROW[:-1]),
        (FROM_AWS, b"\xff"),
        (CHECKED, ROW[:-1]),
        (CHECKED, b"{}"),
        (CHECKED, ROW.replace(b"a row", b"a cow")),
    ],
    ids=str,
)
def test_nonsense_is_tried_again_and_never_believed(headers: dict[str, str], body: bytes) -> None:
    service = Service((200, headers, body))
    with pytest.raises(UnavailableError):
        service.read()
    assert service.attempts == ATTEMPTS
    service = Service((200, headers, body), (200, CHECKED, ROW))
    assert service.read() == {"pk": {"S": "a row"}}


@pytest.mark.parametrize("body", [b"null", b"[1]", b"<html>Sorry</html>", b"\xff", b""], ids=str)
def test_a_refusal_that_cannot_be_read_is_one_by_its_status(body: bytes) -> None:
    service = Service((403, {}, body))
    with pytest.raises(ClientError) as refusal:
        service.read()
    assert refusal.value.response["Error"]["Code"] == "403"
    assert "Sorry" not in str(refusal.value)


def test_a_refusal_is_handed_on_as_it_is() -> None:
    refusal = json.dumps({"__type": "com.amazonaws#AccessDeniedException"}).encode()
    service = Service((400, FROM_AWS, refusal))
    with pytest.raises(ClientError) as fault:
        service.read()
    assert fault.value.response["Error"]["Code"] == "AccessDeniedException"
