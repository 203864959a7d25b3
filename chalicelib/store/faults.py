"""The one translation of what DynamoDB, and the way to it, can fail with."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib.domain.errors import UnavailableError

_CONDITION_FAILED = "ConditionalCheckFailedException"

_log = logging.getLogger(__name__)


class ConditionFailedError(Exception):
    """A conditional write found the row in another state. Each store says what that means."""

    def __init__(self, row: dict[str, Any] | None) -> None:
        super().__init__(_CONDITION_FAILED)
        self.row = row
        """The row as DynamoDB writes it, if the write asked for it and there is one."""


@contextmanager
def translating_faults() -> Iterator[None]:
    """Turn what a call can fail with into the store's own words.

    The client is told to try again; the log is told which fault it was, and never what was in a
    row.

    Raises:
        ConditionFailedError: the condition of a single write did not hold.
        UnavailableError: the call failed, or its outcome is not known.
    """
    try:
        yield
    except (PynamoDBException, BotoCoreError, ClientError) as fault:
        response = _response_of(fault)
        code = response.get("Error", {}).get("Code")
        if code == _CONDITION_FAILED:
            raise ConditionFailedError(response.get("Item")) from fault
        _log.error("the store failed: %s (%s)", type(fault).__name__, code)
        raise UnavailableError from fault


def error_code(fault: PynamoDBException) -> str | None:
    """What AWS calls the reason for which it refused a call; None if it did not answer."""
    code: str | None = _response_of(fault).get("Error", {}).get("Code")
    return code


def _response_of(fault: PynamoDBException | BotoCoreError | ClientError) -> dict[str, Any]:
    # PynamoDB's own `cause_response_code` breaks on a timeout, whose `response` is None; and its
    # error for a refused call leaves out the row, which botocore's below it has.
    cause = fault.cause if isinstance(fault, PynamoDBException) else fault
    if isinstance(cause, ClientError) and isinstance(cause.__cause__, ClientError):
        cause = cause.__cause__
    return dict(cause.response) if isinstance(cause, ClientError) else {}
