"""Tokens that were logged out before their time."""

from chalicelib.store.faults import translating_faults
from chalicelib.store.items import RevokedTokenItem


class DynamoRevocationStore:
    """Revoked tokens in DynamoDB, which forgets them when nobody can use them any more."""

    def revoke(self, token_id: str, until: int) -> None:
        """Put the identifier in one write.

        The write has no condition: it may be repeated after a lost answer, by the client or by
        botocore, and ends the same.

        Raises:
            UnavailableError: the write failed, or its answer was lost.
        """
        with translating_faults():
            RevokedTokenItem(token_id, expires_at=until).save()
