"""Moments in time: always in UTC, always from a clock that was handed over."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Answers the present moment, with its time zone."""


def system_clock() -> datetime:
    """The clock of this machine."""
    return datetime.now(UTC)


def epoch_seconds(moment: datetime) -> int:
    """The whole seconds since 1970 that a JWT's NumericDate and a DynamoDB TTL count."""
    return int(moment.timestamp())
