"""Writing several rows together or not at all."""

import random
import time
from collections.abc import Callable, Iterator

from pynamodb.connection import Connection
from pynamodb.exceptions import PynamoDBException, TransactWriteError
from pynamodb.transactions import TransactWrite

from chalicelib.deadlines import require_time
from chalicelib.domain.errors import UnavailableError
from chalicelib.store.faults import error_code, translating_faults
from chalicelib.store.items import LIMITS

_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.05
_CONDITION_FAILED = "ConditionalCheckFailed"
_CONFLICT = "TransactionConflict"
_HELD = "TransactionConflictException"
"""How DynamoDB refuses a single write for the same reason."""


class Transactions:
    """Runs transactions, waiting for others to end that hold one of their rows.

    PynamoDB sends an idempotency token with each, so that a retry after a lost answer does not
    find itself in the way. It also puts the parts of one in an order of its own: checks, deletes,
    puts, updates, each kind in the order that it was given.
    """

    def __init__(
        self,
        connection: Connection,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`sleep` takes seconds and `jitter` answers from 0 to 1: how conflicts are waited out."""
        self._connection = connection
        self._sleep = sleep
        self._jitter = jitter

    def run(self, fill: Callable[[TransactWrite], None]) -> list[bool]:
        """Run one; tell for each part whether its condition failed (empty if none did).

        Raises:
            UnavailableError: nothing was written, or the answer was lost.
        """
        for _ in self._attempts():
            with translating_faults():
                try:
                    with TransactWrite(connection=self._connection) as transaction:
                        fill(transaction)
                except TransactWriteError as refusal:
                    codes = [reason and reason.code for reason in refusal.cancellation_reasons]
                    if _CONDITION_FAILED in codes:
                        return [code == _CONDITION_FAILED for code in codes]
                    if _CONFLICT not in codes:
                        raise
                else:
                    return []
        raise UnavailableError

    def run_alone(self, write: Callable[[], None]) -> None:
        """Do a single write, waiting likewise for a transaction that holds its row.

        Raises:
            ConditionFailedError: its condition did not hold.
            UnavailableError: it failed, or its answer was lost.
        """
        for attempt in self._attempts():
            with translating_faults():
                try:
                    write()
                except PynamoDBException as refusal:
                    if error_code(refusal) != _HELD or attempt == _ATTEMPTS - 1:
                        raise
                else:
                    return

    def _attempts(self) -> Iterator[int]:
        for attempt in range(_ATTEMPTS):
            if attempt:
                pause = self._jitter() * _FIRST_PAUSE_SECONDS * 2 ** (attempt - 1)
                require_time(pause + LIMITS.attempt_seconds)
                self._sleep(pause)
            yield attempt
