"""Events and messages, as rows of the transactions that they belong to."""

import json

from pynamodb.transactions import TransactWrite

from chalicelib.domain.activity import Event
from chalicelib.domain.outbox import Message
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.trails import Trail
from chalicelib.store.items import EventItem, MessageItem
from chalicelib.store.transactions import Transactions


class DynamoTrailStore:
    """Keeps trails that belong to no other write."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def write(self, trail: Trail) -> None:
        """Put the rows in one transaction, whose token keeps a retry from putting them twice.

        Raises:
            UnavailableError: the write failed, or its answer was lost.
        """
        self._transactions.run(lambda transaction: write_trail(transaction, trail))


def write_trail(transaction: TransactWrite, trail: Trail) -> None:
    """Let a transaction write a change's trail.

    The rows are new ones, and without conditions: PynamoDB puts them after the puts that were
    given before, so they never come first among what may fail.
    """
    for event in trail.events:
        transaction.save(event_row(event))
    for message in trail.messages:
        transaction.save(message_row(message))


def event_row(event: Event) -> EventItem:
    """The row of an event, in its account's order of time."""
    return EventItem(
        event.public_id,
        f"{event.at:%Y-%m-%dT%H:%M:%S.%fZ}#{event.event_id}",
        act=event.act.value,
        expires_at=epoch_seconds(event.expires_at),
        ip=event.client.ip,
        user_agent=event.client.user_agent,
        actor=event.actor,
        session_id=event.session_id,
        changed=json.dumps(dict(event.changed)) if event.changed else None,
    )


def message_row(message: Message) -> MessageItem:
    """The row of a message."""
    return MessageItem(
        message.message_id,
        errand=message.errand.value,
        created_at=message.created_at,
        expires_at=epoch_seconds(message.expires_at),
        public_id=message.public_id,
        email_key=message.email_key,
        address=message.address,
        language=message.language,
    )
