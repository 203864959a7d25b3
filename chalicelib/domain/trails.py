"""What a change leaves behind besides itself."""

from dataclasses import dataclass

from chalicelib.domain.activity import Event
from chalicelib.domain.outbox import Message


@dataclass(frozen=True, slots=True)
class Trail:
    """Events to be kept and messages to be delivered: written with the change, or not at all."""

    events: tuple[Event, ...] = ()
    messages: tuple[Message, ...] = ()


NO_TRAIL = Trail()
