"""Counts of attempts, each in a row of its own for each window of time."""

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain.attempts import Count
from chalicelib.domain.trails import Trail
from chalicelib.store.attempt_rows import AttemptRows
from chalicelib.store.faults import ConditionFailedError
from chalicelib.store.items import AttemptItem
from chalicelib.store.trails import write_trail
from chalicelib.store.transactions import Transactions


class DynamoAttemptStore:
    """Counts attempts in DynamoDB."""

    def __init__(self, transactions: Transactions, rows: AttemptRows) -> None:
        self._transactions = transactions
        self._rows = rows

    def reserve(self, count: Count) -> int | None:
        """Add one in one conditional write, which DynamoDB does one after the other.

        A retry after a lost answer counts twice, which lets fewer through.

        Raises:
            UnavailableError: the write failed, or its answer was lost.
        """
        row = self._rows.counted(count)

        def add() -> None:
            row.update(actions=_one_more(row), condition=_is_below(count))

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

        def take(transaction: TransactWrite) -> None:
            transaction.update(self._rows.counted(count), actions=[AttemptItem.attempts.add(-1)])

        self._transactions.run(take)

    def count_wrong(self, count: Count, trail: Trail) -> bool:
        """Add one and put the trail in one transaction: its token keeps a retry from adding two.

        Raises:
            UnavailableError: the write failed, or its answer was lost.
        """
        row = self._rows.counted(count)

        def add(transaction: TransactWrite) -> None:
            write_trail(transaction, trail)
            transaction.update(row, actions=_one_more(row), condition=_is_below(count))

        return not self._transactions.run(add)

    def is_below(self, count: Count) -> bool:
        """Check the row in a transaction of its own.

        A read would tell as much. But it would pass by the wrong guesses that wait for one another,
        so of many guesses at once a right one would come before more of them than it should.

        Raises:
            UnavailableError: the check failed, or its answer was lost.
        """
        return not self._transactions.run(
            lambda transaction: check_below(transaction, self._rows, count)
        )


def check_below(transaction: TransactWrite, rows: AttemptRows, count: Count) -> None:
    """Let a transaction be done only if a count is below its limit. Checks come first in it."""
    transaction.condition_check(AttemptItem, rows.count_key(count), condition=_is_below(count))


def _is_below(count: Count) -> Condition:
    """The limit was not reached. Where nothing was counted yet, there is no row."""
    below: Condition = AttemptItem.attempts.does_not_exist() | (AttemptItem.attempts < count.limit)
    return below


def _one_more(row: AttemptItem) -> list[Action]:
    return [AttemptItem.attempts.add(1), AttemptItem.expires_at.set(row.expires_at)]
