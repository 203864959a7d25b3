"""The revocation of signing keys."""

from functools import partial

from chalicelib.store.items import RevokedTokenItem, read
from chalicelib.store.revocations import COPIES, FOR_GOOD, key_copy
from chalicelib.store.transactions import Transactions


class DynamoRevocationStore:
    """Revoked keys in DynamoDB, which forgets none."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def revoke_key(self, key_id: str) -> None:
        """End every token of a key: write every copy, one after the other.

        Not in one transaction: registrations that are under way hold some of the rows at any
        moment, and would keep it waiting. The writes have no condition, and whoever is told that
        one failed repeats them all.

        Raises:
            UnavailableError: a write failed, or its answer was lost. Some tokens may be refused.
        """
        for copy in range(COPIES):
            row = RevokedTokenItem(key_copy(key_id, copy), expires_at=FOR_GOOD)
            self._transactions.run_alone(partial(_save, row))

    def is_key_revoked(self, key_id: str) -> bool:
        """Whether a key was revoked, strongly consistent: the copy that is written last is there.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        return read(RevokedTokenItem, key_copy(key_id, COPIES - 1)) is not None


def _save(row: RevokedTokenItem) -> None:
    row.save()
