"""The one translation of what DynamoDB, and the way to it, can fail with."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError
from pynamodb.exceptions import PynamoDBException

from chalicelib.domain.errors import UnavailableError

_CONDITION_FAILED = "ConditionalCheckFailedException"

_log = logging.getLogger(__name__)


class ConditionFailedError(Exception):
    """A conditional write found the row in another state. Each store says what that means."""


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
        code = error_code(fault)
        if code == _CONDITION_FAILED:
            raise ConditionFailedError from fault
        _log.error("the store failed: %s (%s)", type(fault).__name__, code)
        raise UnavailableError from fault


def error_code(fault: PynamoDBException | BotoCoreError | ClientError) -> str | None:
    """What AWS calls the reason for which it refused a call; None if it did not answer."""
    # PynamoDB's own `cause_response_code` breaks on a timeout, whose `response` is None.
    cause = fault.cause if isinstance(fault, PynamoDBException) else fault
    if not isinstance(cause, ClientError):
        return None
    code: str | None = cause.response.get("Error", {}).get("Code")
    return code
