"""What counts as an answer of AWS, and that anything else is a lost one.

botocore believes whatever comes with a success's status. A body that it cannot read is an empty one
to it: a row that is there is not found, a write that nobody did is done, because something on the
way said sorry with a 200, or an answer was cut off. And over some bodies it fails by itself.
"""

import json
import logging
from typing import Any
from zlib import crc32

from chalicelib.domain.errors import UnavailableError

_LOST = "RequestTimeout"
"""botocore's name for what is worth another attempt, in each of its services."""
_NO_SUCCESS = 300

_log = logging.getLogger(__name__)


def require_answers(client: Any) -> None:
    """Have a botocore client try again what is answered with nonsense, and never believe it.

    If it is nonsense each time, the call raises `UnavailableError`, which botocore hands on.
    """
    events = client.meta.events
    events.register_first("before-parse", _judge)
    events.register("after-call", _refuse)


def _judge(
    response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any
) -> None:
    """Look at an answer before botocore does. What is none is an error that it knows of."""
    if _is_whole(response_dict):
        return
    response_dict["body"] = b"{}"
    if response_dict["status_code"] < _NO_SUCCESS:
        customized_response_dict["Error"] = {"Code": _LOST, "Message": ""}


def _is_whole(response: dict[str, Any]) -> bool:
    """Whether all of it came, and from AWS. DynamoDB says what the body's checksum is."""
    headers, body = response["headers"], response["body"]
    checksum: str | None = headers.get("x-amz-crc32")
    if checksum is not None:
        return checksum == str(crc32(body))
    if response["status_code"] < _NO_SUCCESS and "x-amzn-requestid" not in headers:
        return False
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


def _refuse(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
    """Refuse what was no answer at the last attempt, either."""
    code = parsed.get("Error", {}).get("Code")
    if http_response.status_code < _NO_SUCCESS and code == _LOST:
        _log.error("AWS answered with something else than an answer")
        raise UnavailableError
