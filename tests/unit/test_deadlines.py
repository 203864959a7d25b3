"""What may still be begun, and what may not."""

import pytest

from chalicelib.deadlines import (
    ANSWER_SECONDS,
    PAUSE_SECONDS,
    CallLimits,
    ending_in,
    require_time,
    seconds_left_of,
)
from chalicelib.domain.errors import UnavailableError
from tests.samples import LambdaContext

LIMITS = CallLimits(connect_seconds=1, read_seconds=2, attempts=3)


def test_without_a_deadline_there_is_time_for_everything() -> None:
    require_time(1_000_000)


def test_what_can_end_in_time_may_be_begun() -> None:
    with ending_in(lambda: 5 + ANSWER_SECONDS):
        require_time(5)


def test_what_could_be_late_is_not_begun(caplog: pytest.LogCaptureFixture) -> None:
    with ending_in(lambda: 4.9 + ANSWER_SECONDS), pytest.raises(UnavailableError):
        require_time(5)
    assert "no time is left" in caplog.text


def test_a_deadline_is_that_of_the_work_inside() -> None:
    with ending_in(lambda: 0):
        with ending_in(lambda: 60):
            require_time(5)
        with pytest.raises(UnavailableError):
            require_time(5)
    require_time(5)


def test_it_is_asked_each_time_how_much_is_left() -> None:
    left = iter((60.0, 0.0))
    with ending_in(lambda: next(left)):
        require_time(5)
        with pytest.raises(UnavailableError):
            require_time(5)


def test_lambda_counts_in_milliseconds() -> None:
    assert seconds_left_of(LambdaContext(1.5))() == 1.5


def test_a_call_is_all_its_attempts_and_the_pauses_between() -> None:
    assert LIMITS.attempt_seconds == 3 + PAUSE_SECONDS
    assert LIMITS.call_seconds == 9 + 2 * PAUSE_SECONDS
