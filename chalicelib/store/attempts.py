"""Counts of attempts, each in a row of its own for each window of time."""

from pynamodb.transactions import TransactWrite

from chalicelib.domain.attempts import Count
from chalicelib.store.attempt_rows import AttemptRows
from chalicelib.store.faults import ConditionFailedError
from chalicelib.store.items import AttemptItem
from chalicelib.store.transactions import Transactions


class DynamoAttemptStore:
    """Counts attempts in DynamoDB."""

    def __init__(self, transactions: Transactions, rows: AttemptRows) -> None:
        self._transactions = transactions
        self._rows = rows

    def reserve(self, count: Count) -> int | None:
        """Add one in one conditional write, which DynamoDB does one after the other.

        A retry after a lost answer counts twice, which lets fewer guesses through.

        Raises:
            UnavailableError: the write failed, or its answer was lost.
        """
        row = self._rows.counted(count)

        def add() -> None:
            row.update(
                actions=[AttemptItem.attempts.add(1), AttemptItem.expires_at.set(row.expires_at)],
                condition=AttemptItem.attempts.does_not_exist()
                | (AttemptItem.attempts < count.limit),
            )

        try:
            self._transactions.run_alone(add)
        except ConditionFailedError:
            return None
        return int(row.attempts)

    def give_back(self, count: Count) -> None:
        """Take one away in a transaction: its token keeps a retry from doing so twice.

        Raises:
            UnavailableError: the write failed, or its answer was lost.
        """
        self._transactions.run(lambda transaction: give_back(transaction, self._rows, count))


def give_back(transaction: TransactWrite, rows: AttemptRows, count: Count) -> None:
    """Let a transaction take an attempt away from its count."""
    transaction.update(rows.counted(count), actions=[AttemptItem.attempts.add(-1)])
