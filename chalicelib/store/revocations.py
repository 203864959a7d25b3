"""What is refused before its time: the tokens of an ended session, those of a revoked key.

A session's end is written together with the rest of it, in `chalicelib.store.sessions`.
"""

from typing import Any

from chalicelib.store.faults import translating_faults
from chalicelib.store.items import RevokedTokenItem, read

FOR_GOOD = 253_402_300_799
"""The last second of the year 9999, for a row that must not lapse. Whoever has a private key can
sign a token that expires whenever they like, and the public half may come back with a backup. Rows
whose time is so far away, DynamoDB does not delete."""


def revoked_key_row(key_id: str) -> str:
    """The `token_id` of the row that says that a key was revoked. No session's has a # in it."""
    return f"key#{key_id}"


def revocation_keys(*token_ids: str) -> list[dict[str, Any]]:
    """The keys of revocations, for a read of several tables."""
    return [{"token_id": {"S": token_id}} for token_id in token_ids]


class DynamoRevocationStore:
    """Revoked keys in DynamoDB, which forgets none."""

    def revoke_key(self, key_id: str) -> None:
        """End every token of a key, in one write.

        The write has no condition: it may be repeated after a lost answer, by whoever asks or by
        botocore, and ends the same.

        Raises:
            UnavailableError: the write failed, or its answer was lost.
        """
        with translating_faults():
            RevokedTokenItem(revoked_key_row(key_id), expires_at=FOR_GOOD).save()

    def is_key_revoked(self, key_id: str) -> bool:
        """Whether a key was revoked, strongly consistent.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        return read(RevokedTokenItem, revoked_key_row(key_id)) is not None
