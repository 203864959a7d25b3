"""What is done unattended: a Lambda of its own, which EventBridge calls once an hour.

It is started as `chalicelib.schedules.rotate_keys`, so like the authorizer it never imports
`app.py`, and it loads nothing but what moves the keys on.
"""

import logging
from datetime import timedelta

from chalice.app import Blueprint, CloudWatchEvent, Rate

from chalicelib.container import container
from chalicelib.deadlines import ending_in, seconds_left_of
from chalicelib.domain.errors import UnavailableError, UnexpectedError
from chalicelib.telemetry import Record, configure, recording

schedules = Blueprint(__name__)

configure()
_log = logging.getLogger(__name__)


class ScheduleError(Exception):
    """A run failed. Lambda counts it, writes this down, and runs it again twice."""


@schedules.schedule(  # type: ignore[untyped-decorator] # Chalice's own
    Rate(1, unit=Rate.HOURS),
    description="Moves the signing keys on, if ACCOUNTS_KEY_ROTATION_DAYS says so.",
)
def rotate_keys(event: CloudWatchEvent) -> None:
    """Take the step that is due with the keys, if the setting has them rotated at all.

    Raises:
        ScheduleError: the step could not be taken, or not for certain. It has no cause: that one's
            message could quote what was sent to AWS, and the log has been told its type.
    """
    with recording("key_rotation") as record, ending_in(seconds_left_of(event.context)):
        try:
            _rotate(record)
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is told without its message
            known = isinstance(fault, UnavailableError)
            record.note(outcome=UnavailableError.code if known else UnexpectedError.code)
            record.failed = True
            _log.error("no rotation: %s", type(fault).__name__)
            raise ScheduleError("the keys could not be moved on: see the lines above") from None


def _rotate(record: Record) -> None:
    settings = container().settings
    record.note(stage=settings.stage, action="off")
    if settings.key_rotation_days == 0:
        return
    turn = container().key_rotation.advance(every=timedelta(days=settings.key_rotation_days))
    if turn.done is None:
        record.note(action="wait")
    else:
        record.note(action=turn.done.action.value, key=turn.done.key_id)
    record.note(next=turn.next.action.value, not_before=turn.next.not_before.isoformat())
