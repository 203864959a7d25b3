"""The line to AWS, between botocore and moto, where calls fail as they do on the way.

botocore's own retries, its timeouts and its parsing are all in play: what is put in the place of
AWS is an answer in HTTP, or what its connection raises. Nobody waits: time is added up instead.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from botocore import handlers
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from moto.core.botocore_stubber import MockRawResponse
from moto.core.models import botocore_stubber

Attempt = Callable[["Line", AWSPreparedRequest], AWSResponse]
"""What becomes of an attempt: an answer, or an exception as the connection raises it."""


@dataclass(slots=True)
class Call:
    """A call, as whoever makes it sees it: one, however many attempts it takes."""

    operation: str
    tables: tuple[str, ...] = ()
    attempts: int = 0


@dataclass(slots=True)
class Line:
    """Carries what botocore sends, unless `fate` has something else in mind for it."""

    fate: Callable[[int, int, Call], Attempt | None] | None = None
    """Asked for each attempt: the numbers of the call and of the attempt, and the call."""
    watch: Callable[[], None] | None = None
    """Called after each attempt."""
    calls: list[Call] = field(default_factory=list)
    carried: list[str] = field(default_factory=list)
    """The operations that AWS has carried out, in their order, repeated ones included."""
    elapsed: float = 0.0
    """Seconds, of waiting for answers and of pauses."""
    connect_seconds: float = 0.0
    read_seconds: float = 0.0
    """Of the client that makes the call at hand."""
    _transactions: dict[str, tuple[str, AWSResponse]] = field(default_factory=dict)

    def reset(self) -> None:
        self.fate = self.watch = None
        self.calls.clear()
        self.carried.clear()
        self.elapsed = 0.0
        self._transactions.clear()

    def sleep(self, seconds: float) -> None:
        self.elapsed += seconds

    def begin(self, event_name: str, context: dict[str, Any], **_: Any) -> None:
        """botocore's hook before a call."""
        service, operation = event_name.split(".")[1:]
        self.calls.append(Call(f"{service}.{operation}"))
        config = context["client_config"]
        self.connect_seconds, self.read_seconds = config.connect_timeout, config.read_timeout

    def carry(self, request: AWSPreparedRequest, **how: Any) -> AWSResponse | None:
        """botocore's hook at each attempt, in the place of moto's."""
        if not botocore_stubber.enabled or (self.fate is None and self.watch is None):
            return botocore_stubber(request=request, **how)
        call = self.calls[-1]
        call.attempts += 1
        call.tables = tuple(sorted(_tables(_body(request))))
        attempt = self.fate and self.fate(len(self.calls), call.attempts, call)
        try:
            return (attempt or deliver)(self, request)
        finally:
            if self.watch is not None:
                self.watch()

    def deliver(self, request: AWSPreparedRequest) -> AWSResponse:
        """Have AWS carry it out. A transaction that is repeated is not done again.

        moto has no idempotency tokens, so they are kept here, as DynamoDB does for ten minutes.
        """
        self.carried.append(self.calls[-1].operation)
        token = _body(request).get("ClientRequestToken")
        if self.calls[-1].operation != "dynamodb.TransactWriteItems" or token is None:
            return _sent(request)
        digest = hashlib.sha256(_octets(request)).hexdigest()
        if token in self._transactions:
            known, answer = self._transactions[token]
            code = "IdempotentParameterMismatchException"
            return again(answer) if known == digest else refusal(request, code)
        answer = _sent(request)
        if answer.status_code == 200:
            self._transactions[token] = digest, answer
        return again(answer)


def deliver(line: Line, request: AWSPreparedRequest) -> AWSResponse:
    """What becomes of an attempt that nothing happens to."""
    return line.deliver(request)


def answer(
    request: AWSPreparedRequest, status: int, body: str | bytes, *, checksum: int | None = None
) -> AWSResponse:
    """An answer; like DynamoDB's, it says what its body's checksum is, unless told otherwise."""
    octets = body.encode() if isinstance(body, str) else body
    headers = HTTPHeaders()
    headers["x-amzn-requestid"] = "a-request"
    headers["x-amz-crc32"] = str(crc32(octets) if checksum is None else checksum)
    return AWSResponse(request.url, status, headers, MockRawResponse(octets))


def refusal(request: AWSPreparedRequest, code: str, status: int = 400, **more: Any) -> AWSResponse:
    """A refusal, whose message quotes what was sent, as some do."""
    quoted = f"{code} for {_octets(request).decode()} {request.headers}"
    body = {"__type": f"com.amazonaws#{code}", "message": quoted, "Message": quoted, **more}
    return answer(request, status, json.dumps(body))


def again(given: AWSResponse) -> AWSResponse:
    """An answer that can be read once more."""
    headers = HTTPHeaders()
    for name, value in given.headers.items():
        headers[name] = str(value)
    return AWSResponse(given.url, given.status_code, headers, MockRawResponse(given.content))


def _sent(request: AWSPreparedRequest) -> AWSResponse:
    sent = botocore_stubber(event_name="", request=request)
    assert sent is not None
    return sent


def _octets(request: AWSPreparedRequest) -> bytes:
    body = request.body or b""
    assert isinstance(body, str | bytes | bytearray)
    return body.encode() if isinstance(body, str) else bytes(body)


def _body(request: AWSPreparedRequest) -> dict[str, Any]:
    body = json.loads(_octets(request) or b"{}")
    assert isinstance(body, dict)
    return body


def sent_in(request: AWSPreparedRequest) -> dict[str, Any]:
    """What was sent."""
    return _body(request)


def _tables(body: dict[str, Any]) -> Iterable[str]:
    names = {body["TableName"]} if "TableName" in body else set(body.get("RequestItems", ()))
    for part in body.get("TransactItems", ()):
        names |= {what["TableName"] for what in part.values()}
    return {name.split("-", 2)[-1] for name in names}


line = Line()

# Clients take these when they are made: this is to be imported before any.
handlers.BUILTIN_HANDLERS[:] = [
    spec for spec in handlers.BUILTIN_HANDLERS if spec[1] is not botocore_stubber
] + [("before-call", line.begin), ("before-send", line.carry)]
