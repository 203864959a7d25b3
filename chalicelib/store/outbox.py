"""The outbox's rows, as they are read and removed. Those who change something write them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice

from pynamodb.connection import Connection

from chalicelib.domain.outbox import Errand, Message
from chalicelib.store.faults import translating_faults
from chalicelib.store.items import MessageItem, read_together

_MOST_KEYS = 100
"""What DynamoDB reads in one `BatchGetItem`."""
_ERRANDS = frozenset(errand.value for errand in Errand)


class DynamoOutboxStore:
    """Messages in DynamoDB. The table is small: what is delivered is removed.

    An errand that this version does not know was written by a later one, before it was rolled back.
    It stays for that one, and keeps nobody from the rest.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, message_ids: Iterable[str]) -> tuple[Message, ...]:
        """Read the rows, strongly consistent, in as few round trips as DynamoDB allows.

        Raises:
            UnavailableError: the store did not answer in full.
        """
        keys = [{"message_id": {"S": message_id}} for message_id in dict.fromkeys(message_ids)]
        rows: list[MessageItem] = []
        for start in range(0, len(keys), _MOST_KEYS):
            some = keys[start : start + _MOST_KEYS]
            rows += read_together(self._connection, {MessageItem: some})[MessageItem]
        return _messages_of(rows)

    def pending(self, older_than: datetime, limit: int) -> tuple[Message, ...]:
        """Scan the table, strongly consistent: what was removed is not delivered once more.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        older = MessageItem.created_at < older_than
        with translating_faults():
            return _messages_of(islice(MessageItem.scan(older, consistent_read=True), limit))

    def remove(self, message_id: str) -> None:
        """Delete the row.

        Raises:
            UnavailableError: the write failed, or its answer was lost.
        """
        with translating_faults():
            MessageItem(message_id).delete()


def _messages_of(rows: Iterable[MessageItem]) -> tuple[Message, ...]:
    return tuple(
        Message(
            message_id=row.message_id,
            errand=Errand(row.errand),
            created_at=row.created_at,
            expires_at=datetime.fromtimestamp(int(row.expires_at), UTC),
            public_id=row.public_id,
            email_key=row.email_key,
            address=row.address,
            language=row.language,
        )
        for row in rows
        if row.errand in _ERRANDS
    )
