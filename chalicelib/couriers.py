"""What delivers the outbox: two Lambdas, one behind the table's stream, one called by schedule.

They are started as `chalicelib.couriers.deliver_mail` and `chalicelib.couriers.redeliver_mail`, so
like the authorizer they never import `app.py`. The stream says which messages there are, and the
table what they are: a message may be delivered, or gone, by the time that its record arrives.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict

from chalice.app import Blueprint, CloudWatchEvent, DynamoDBEvent, Rate

from chalicelib.container import container
from chalicelib.deadlines import SecondsLeft, ending_in, seconds_left_of
from chalicelib.domain.errors import UnavailableError, UnexpectedError
from chalicelib.services.outbox import Turn
from chalicelib.settings import outbox_stream
from chalicelib.telemetry import configure, recording

couriers = Blueprint(__name__)

BATCH_SIZE = 10
"""How many records of the stream a call has at most: few, since each may take some seconds."""
REDELIVERY_MINUTES = 5

_INSERTED = "INSERT"

configure()
_log = logging.getLogger(__name__)


class DeliveryError(Exception):
    """A turn failed as a whole. Lambda counts it, writes this down, and tries the turn again."""


# From the oldest record on: for some minutes after a mapping was made, what begins with the latest
# one misses records. A message that was delivered before is in the table no more.
@couriers.on_dynamodb_record(  # type: ignore[untyped-decorator] # Chalice's own
    outbox_stream(), batch_size=BATCH_SIZE, starting_position="TRIM_HORIZON"
)
def deliver_mail(event: DynamoDBEvent) -> None:
    """Deliver what was just put into the outbox. What cannot be delivered now stays there.

    Raises:
        DeliveryError: the messages could not even be read. It has no cause: that one's message
            could quote what was sent to AWS, and the log has been told its type.
    """
    message_ids = [
        record.keys["message_id"]["S"] for record in event if record.event_name == _INSERTED
    ]
    if message_ids:
        left = seconds_left_of(event.context)
        _take("new", left, lambda: container().outbox.deliver_new(message_ids, left))


@couriers.schedule(  # type: ignore[untyped-decorator] # Chalice's own
    Rate(REDELIVERY_MINUTES, unit=Rate.MINUTES),
    description="Delivers what is left in the outbox.",
)
def redeliver_mail(event: CloudWatchEvent) -> None:
    """Deliver what earlier turns have left in the outbox, and give up what is late.

    Raises:
        DeliveryError: as above.
    """
    left = seconds_left_of(event.context)
    _take("pending", left, lambda: container().outbox.deliver_pending(left))


def _take(messages: str, seconds_left: SecondsLeft, turn: Callable[[], Turn]) -> None:
    with recording("delivery_turn", messages=messages) as record, ending_in(seconds_left):
        try:
            record.note(stage=container().settings.stage)
            taken = turn()
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is told without its message
            known = isinstance(fault, UnavailableError)
            record.note(outcome=UnavailableError.code if known else UnexpectedError.code)
            record.failed = True
            _log.error("no turn: %s", type(fault).__name__)
            raise DeliveryError("the outbox could not be delivered: see the lines above") from None
        record.note(**asdict(taken))
