"""Mailed tokens: a row each, beside the users, until it is spent or lapses."""

from datetime import UTC, datetime

from chalicelib.domain.mailed_tokens import MailedTokenRecord, Purpose
from chalicelib.domain.times import epoch_seconds
from chalicelib.store.faults import translating_faults
from chalicelib.store.items import MailedTokenItem


class DynamoMailedTokenStore:
    """Keeps what a mailed token will be checked against."""

    def add(self, record: MailedTokenRecord) -> None:
        """Put the row. A retry puts the same one again.

        Raises:
            UnavailableError: the write failed, or its answer was lost.
        """
        with translating_faults():
            mailed_token_row(record).save()


def mailed_token_key(secret_hash: str) -> str:
    """The key of a mailed token's row."""
    return f"mailed#{secret_hash}"


def mailed_token_row(record: MailedTokenRecord) -> MailedTokenItem:
    """The row of a mailed token."""
    return MailedTokenItem(
        mailed_token_key(record.secret_hash),
        owner=record.public_id,
        purpose=record.purpose.value,
        expires_at=epoch_seconds(record.expires_at),
        address=record.address,
        password_mark=record.password_mark,
    )


def mailed_token_of(row: MailedTokenItem) -> MailedTokenRecord:
    """The record in a row."""
    return MailedTokenRecord(
        public_id=row.owner,
        secret_hash=row.pk.partition("#")[2],
        purpose=Purpose(row.purpose),
        expires_at=datetime.fromtimestamp(row.expires_at, UTC),
        address=row.address,
        password_mark=row.password_mark,
    )
