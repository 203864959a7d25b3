"""Tokens that were logged out before their time, and keys none of whose tokens is any good."""

from chalicelib.store.faults import translating_faults
from chalicelib.store.items import RevokedTokenItem, read

FOR_GOOD = 253_402_300_799
"""The last second of the year 9999, for a row that must not lapse. Whoever has a private key can
sign a token that expires whenever they like, and the public half may come back with a backup. Rows
whose time is so far away, DynamoDB does not delete."""


def revoked_key_row(key_id: str) -> str:
    """The `token_id` of the row that says that a key was revoked. No `jti` has a # in it."""
    return f"key#{key_id}"


class DynamoRevocationStore:
    """Revoked tokens and keys in DynamoDB.

    It forgets a token when nobody can use it any more, and a key never.
    """

    def revoke(self, token_id: str, until: int) -> None:
        """Put the identifier in one write.

        The write has no condition: it may be repeated after a lost answer, by the client or by
        botocore, and ends the same.

        Raises:
            UnavailableError: the write failed, or its answer was lost.
        """
        with translating_faults():
            RevokedTokenItem(token_id, expires_at=until).save()

    def revoke_key(self, key_id: str) -> None:
        """End every token of a key, in one write that may be repeated likewise.

        Raises:
            UnavailableError: the write failed, or its answer was lost.
        """
        self.revoke(revoked_key_row(key_id), FOR_GOOD)

    def is_key_revoked(self, key_id: str) -> bool:
        """Whether a key was revoked, strongly consistent.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        return read(RevokedTokenItem, revoked_key_row(key_id)) is not None
