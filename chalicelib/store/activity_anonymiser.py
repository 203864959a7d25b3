"""What stays of the activity of an account that is gone."""

from pynamodb.expressions.condition import Condition

from chalicelib.store.faults import translating_faults
from chalicelib.store.items import EventItem


class DynamoActivityAnonymiser:
    """Takes from an account's events what could tell whose it was."""

    def anonymise(self, public_id: str) -> None:
        """Rewrite the events that still tell, some at a time.

        Of each stay its act, its moment, how long it is kept and, if it was not the owner, who did
        it. What was rewritten already is not found again, so a run that broke off is gone on with.

        Raises:
            UnavailableError: the store cannot answer now; some may be left.
        """
        with translating_faults():
            rows = EventItem.query(
                public_id, filter_condition=_tells(public_id), consistent_read=True
            )
            with EventItem.batch_write() as batch:
                for row in rows:
                    batch.save(
                        EventItem(
                            row.public_id,
                            row.place,
                            act=row.act,
                            expires_at=row.expires_at,
                            actor=None if row.actor == public_id else row.actor,
                        )
                    )


def _tells(public_id: str) -> Condition:
    telling: Condition = (
        EventItem.ip.exists()
        | EventItem.user_agent.exists()
        | EventItem.session_id.exists()
        | EventItem.changed.exists()
        | (EventItem.actor == public_id)
    )
    return telling
