"""How calls fail: all the ways that are tried, each at every call that it can happen to."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from tests.faults.line import Attempt, Line, again, answer, refusal, sent_in

_WRITES = ("UpdateItem", "PutItem", "DeleteItem")
_TRANSACTION = "dynamodb.TransactWriteItems"


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to fail."""

    name: str
    kind: str
    attempt: Attempt
    carried_out: bool = False
    """AWS has done what was asked for, all the same."""
    happens_to: Callable[[str], bool] = lambda _operation: True


def _connect_timeout(line: Line, request: AWSPreparedRequest) -> AWSResponse:
    line.elapsed += line.connect_seconds
    raise ConnectTimeoutError(endpoint_url=request.url)


def _read_timeout(line: Line, request: AWSPreparedRequest) -> AWSResponse:
    line.elapsed += line.connect_seconds + line.read_seconds
    raise ReadTimeoutError(endpoint_url=request.url)


def _reset(_: Line, request: AWSPreparedRequest) -> AWSResponse:
    raise ConnectionClosedError(endpoint_url=request.url)


def _unreachable(_: Line, request: AWSPreparedRequest) -> AWSResponse:
    raise EndpointConnectionError(endpoint_url=request.url, error=OSError("no route"))


def _lost(what: Attempt) -> Attempt:
    """Have it carried out, and lose the answer."""

    def attempt(line: Line, request: AWSPreparedRequest) -> AWSResponse:
        line.deliver(request)
        return what(line, request)

    return attempt


def _refuse(code: str, status: int = 400) -> Attempt:
    return lambda _, request: refusal(request, code, status)


def _say(body: str | bytes, status: int = 200) -> Attempt:
    # What is not DynamoDB's has no checksum of DynamoDB's.
    def attempt(_: Line, request: AWSPreparedRequest) -> AWSResponse:
        said = _without_checksum(answer(request, status, body))
        del said.headers["x-amzn-requestid"]
        return said

    return attempt


def _without_checksum(said: AWSResponse) -> AWSResponse:
    del said.headers["x-amz-crc32"]
    return said


def _page(status: int) -> Attempt:
    """What a proxy says, quoting what it was sent."""
    return lambda line, request: _say(
        f"<html><body>Sorry: {json.dumps(sent_in(request))}</body></html>", status
    )(line, request)


def _truncated(line: Line, request: AWSPreparedRequest) -> AWSResponse:
    """Its end is missing, and the checksum, if there is one, is of the whole."""
    given = line.deliver(request)
    cut = answer(request, given.status_code, given.content[:-1])
    del cut.headers["x-amz-crc32"]
    if (checksum := again(given).headers.get("x-amz-crc32")) is not None:
        cut.headers["x-amz-crc32"] = checksum
    return cut


def _mangled(line: Line, request: AWSPreparedRequest) -> AWSResponse:
    """One octet is another one, and the checksum tells."""
    given = line.deliver(request)
    mangled = b"[" + given.content[1:]
    checksum = int(again(given).headers["x-amz-crc32"])
    return answer(request, given.status_code, mangled, checksum=checksum)


def _cancelled(reason: str) -> Attempt:
    def attempt(_: Line, request: AWSPreparedRequest) -> AWSResponse:
        parts = sent_in(request)["TransactItems"]
        reasons = [{"Code": reason, "Message": "another one"}, *[{"Code": "None"}] * len(parts)]
        more: dict[str, Any] = {"CancellationReasons": reasons[: len(parts)]}
        return refusal(request, "TransactionCanceledException", **more)

    return attempt


def _unprocessed(line: Line, request: AWSPreparedRequest) -> AWSResponse:
    """None of it was done, and the answer says so."""
    wanted = sent_in(request)["RequestItems"]
    if line.calls[-1].operation == "dynamodb.BatchWriteItem":
        return answer(request, 200, json.dumps({"UnprocessedItems": wanted}))
    return answer(request, 200, json.dumps({"Responses": {}, "UnprocessedKeys": wanted}))


def _partly_unprocessed(line: Line, request: AWSPreparedRequest) -> AWSResponse:
    """All but what is of the last table."""
    wanted = sent_in(request)["RequestItems"]
    given = json.loads(line.deliver(request).content)
    last = list(wanted)[-1]
    given["Responses"].pop(last, None)
    return answer(request, 200, json.dumps({**given, "UnprocessedKeys": {last: wanted[last]}}))


def _of(*services: str) -> Callable[[str], bool]:
    return lambda operation: operation.startswith(tuple(f"{service}." for service in services))


def _is(*operations: str) -> Callable[[str], bool]:
    return lambda operation: operation in operations


_store = _of("dynamodb")
_batch = _is("dynamodb.BatchGetItem", "dynamodb.BatchWriteItem")
_single = _is(*(f"dynamodb.{write}" for write in _WRITES))
_transaction = _is(_TRANSACTION)

_TOLD_BY_WHAT_IS_IN_IT = {
    "dynamodb.BatchGetItem",
    "ssm.GetParametersByPath",
    "ssm.GetParameter",
    "sesv2.SendEmail",
}
"""Where an object that AWS would not answer can be told without a checksum."""

FAULTS = (
    Fault("no connection in time", "silence", _connect_timeout),
    Fault("no answer in time", "silence", _read_timeout),
    Fault("connection reset", "silence", _reset),
    Fault("unreachable", "silence", _unreachable),
    Fault(
        "ProvisionedThroughputExceededException",
        "throttled",
        _refuse("ProvisionedThroughputExceededException"),
        happens_to=_store,
    ),
    Fault("ThrottlingException", "throttled", _refuse("ThrottlingException")),
    Fault("RequestLimitExceeded", "throttled", _refuse("RequestLimitExceeded")),
    Fault(
        "TooManyRequestsException",
        "throttled",
        _refuse("TooManyRequestsException", 429),
        happens_to=_of("sesv2"),
    ),
    Fault(
        "cancelled: ThrottlingError",
        "throttled",
        _cancelled("ThrottlingError"),
        happens_to=_transaction,
    ),
    Fault("500 InternalServerError", "error", _refuse("InternalServerError", 500)),
    Fault("503 ServiceUnavailable", "error", _refuse("ServiceUnavailable", 503)),
    Fault("502 with a page", "error", _page(502)),
    Fault("403 with a page", "error", _page(403)),
    Fault("200 with a page", "garbage", _page(200)),
    Fault("200 with nothing", "garbage", _say("")),
    Fault("200 with null", "garbage", _say("null")),
    Fault("200 with a list", "garbage", _say("[1]")),
    Fault("500 with null", "garbage", _say("null", 500)),
    Fault(
        "200 with another object",
        "garbage",
        lambda _, request: _without_checksum(answer(request, 200, json.dumps({"message": "x"}))),
        happens_to=lambda operation: operation in _TOLD_BY_WHAT_IS_IN_IT,
    ),
    Fault("cut off", "garbage", _truncated, carried_out=True),
    Fault("wrong checksum", "garbage", _mangled, carried_out=True, happens_to=_store),
    Fault(
        "cancelled: TransactionConflict",
        "conflict",
        _cancelled("TransactionConflict"),
        happens_to=_transaction,
    ),
    Fault(
        "TransactionInProgressException",
        "conflict",
        _refuse("TransactionInProgressException"),
        happens_to=_transaction,
    ),
    Fault(
        "TransactionConflictException",
        "conflict",
        _refuse("TransactionConflictException"),
        happens_to=_single,
    ),
    Fault("unprocessed", "unprocessed", _unprocessed, happens_to=_batch),
    Fault(
        "partly unprocessed",
        "unprocessed",
        _partly_unprocessed,
        happens_to=_is("dynamodb.BatchGetItem"),
    ),
    Fault("AccessDeniedException", "refused", _refuse("AccessDeniedException")),
    Fault("ExpiredTokenException", "refused", _refuse("ExpiredTokenException")),
    Fault("UnrecognizedClientException", "refused", _refuse("UnrecognizedClientException")),
    Fault(
        "ResourceNotFoundException",
        "refused",
        _refuse("ResourceNotFoundException"),
        happens_to=_store,
    ),
    Fault("done, and no answer in time", "lost", _lost(_read_timeout), carried_out=True),
    Fault("done, and connection reset", "lost", _lost(_reset), carried_out=True),
)
