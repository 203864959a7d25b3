"""Activity, one event a row, read in the order of time."""

from itertools import islice

from chalicelib.domain.activity import Act, EventPage
from chalicelib.domain.times import Clock, epoch_seconds
from chalicelib.store.faults import translating_faults
from chalicelib.store.items import EventItem
from chalicelib.store.trails import event_of

_ACTS = frozenset(act.value for act in Act)


class DynamoActivityStore:
    """Reads what was written with the changes themselves.

    An act that this version does not know was written by a later one, which is being deployed or
    was rolled back. It is not shown, and keeps nobody from the rest.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def page(self, public_id: str, limit: int, position: str | None) -> EventPage:
        """Query the account's rows from a position on, strongly consistent.

        A position is the last event's place in the order, so pages neither repeat nor miss one,
        whatever happens meanwhile. DynamoDB deletes what has expired days later, so the expiry is
        checked here.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        older = None if position is None else EventItem.place < position
        with translating_faults():
            rows = EventItem.query(
                public_id,
                older,
                EventItem.expires_at > epoch_seconds(self._clock()),
                consistent_read=True,
                scan_index_forward=False,
                page_size=limit + 1,
            )
            found = list(islice(rows, limit + 1))
        shown = found[:limit]
        return EventPage(
            events=tuple(event_of(row) for row in shown if row.act in _ACTS),
            next_position=shown[-1].place if len(found) > limit else None,
        )
