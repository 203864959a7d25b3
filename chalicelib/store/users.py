"""Users and the markers that keep their names unique."""

import heapq
import random
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from operator import attrgetter

from pynamodb.connection import Connection
from pynamodb.exceptions import TransactWriteError
from pynamodb.transactions import TransactWrite

from chalicelib.domain.errors import (
    EmailTakenError,
    UnavailableError,
    UsernameTakenError,
    UserNotFoundError,
)
from chalicelib.domain.names import fold
from chalicelib.domain.users import Credentials, Page, User
from chalicelib.store.faults import ConditionFailedError, translating_faults
from chalicelib.store.items import MarkerItem, UserItem, read

LISTS = tuple(f"users-{number}" for number in range(4))
"""The partitions that the index is spread over. There may be more one day, never fewer."""

_ATTEMPTS = 4
_FIRST_PAUSE_SECONDS = 0.05
_CONDITION_FAILED = "ConditionalCheckFailed"
_CONFLICT = "TransactionConflict"


class DynamoUserStore:
    """Users in DynamoDB: a user and their markers change together or not at all."""

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

    def add(self, user: User, password_hash: str) -> None:
        """Write the user and both markers in one transaction, each only if it is not there.

        A secondary index cannot keep a name unique: two writers see it free. The transaction
        carries an idempotency token, so a retry after a lost answer does not find itself in the
        way.

        Raises:
            EmailTakenError, UsernameTakenError: another user has the name.
            UnavailableError: nothing was written, or the answer was lost.
        """
        rows = (
            _item_of(user, password_hash),
            MarkerItem(_email_marker(fold(user.email)), public_id=user.public_id),
            MarkerItem(_username_marker(fold(user.username)), public_id=user.public_id),
        )

        def put(transaction: TransactWrite) -> None:
            for row in rows:
                transaction.save(row, condition=type(row).pk.does_not_exist())

        # PynamoDB keeps the order of puts, so the failures come in the order of the rows.
        if failed := self._transact(put):
            _, email_taken, _ = failed
            raise EmailTakenError if email_taken else UsernameTakenError

    def remove(self, user: User) -> None:
        """Delete the user and both markers in one transaction, as long as they belong together.

        Whoever registers one of the names meanwhile finds it taken or free, and never half of it.

        Raises:
            UserNotFoundError: the user is gone, or has other names by now.
            UnavailableError: nothing was deleted, or the answer was lost.
        """
        row = UserItem(user_key(user.public_id))
        same = (UserItem.email == user.email) & (UserItem.username == user.username)
        markers = (
            MarkerItem(_email_marker(fold(user.email))),
            MarkerItem(_username_marker(fold(user.username))),
        )

        def delete(transaction: TransactWrite) -> None:
            transaction.delete(row, condition=same)
            for marker in markers:
                transaction.delete(marker, condition=MarkerItem.public_id == user.public_id)

        if self._transact(delete):
            raise UserNotFoundError

    def _transact(self, fill: Callable[[TransactWrite], None]) -> list[bool]:
        """Run a transaction; tell for each row whether its condition failed (empty if none did).

        If another transaction holds one of the rows just then, it is soon decided, so this waits.

        Raises:
            UnavailableError: nothing was written, or the answer was lost.
        """
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._sleep(self._jitter() * _FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
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

    def get(self, public_id: str) -> User | None:
        """Read a user, strongly consistent."""
        item = read(UserItem, user_key(public_id))
        return user_of(item) if item else None

    def find_by_email(self, key: str) -> User | None:
        """Read the marker, then the user, both strongly consistent."""
        item = _owner_of(_email_marker(key))
        return user_of(item) if item else None

    def find_by_username(self, key: str) -> User | None:
        """Read the marker, then the user, both strongly consistent."""
        item = _owner_of(_username_marker(key))
        return user_of(item) if item else None

    def credentials_by_email(self, key: str) -> Credentials | None:
        """Read the marker, then the user, both strongly consistent."""
        return _credentials_of(_owner_of(_email_marker(key)))

    def credentials_by_username(self, key: str) -> Credentials | None:
        """Read the marker, then the user, both strongly consistent."""
        return _credentials_of(_owner_of(_username_marker(key)))

    def replace_password_hash(self, public_id: str, old_hash: str, new_hash: str) -> None:
        """Replace the hash in one conditional write.

        If the condition fails, the password was changed meanwhile or the user is gone: either
        way there is nothing left to do.
        """
        with suppress(ConditionFailedError), translating_faults():
            UserItem(user_key(public_id)).update(
                actions=[UserItem.password_hash.set(new_hash)],
                condition=UserItem.password_hash == old_hash,
            )

    def grant_admin(self, public_id: str) -> User:
        """Set the right in one conditional write that answers the user as they now are."""
        item = UserItem(user_key(public_id))
        try:
            with translating_faults():
                item.update(actions=[UserItem.admin.set(True)], condition=UserItem.pk.exists())
        except ConditionFailedError as fault:
            raise UserNotFoundError from fault
        return user_of(item)

    def page(self, limit: int, position: str | None) -> Page:
        """Merge the index's partitions, newest first, reading of each no more than is needed.

        A position is the last user's place in the order, the same in every partition. So pages
        neither repeat nor miss anybody, whoever registers or leaves meanwhile.
        """
        # The partitions are even, so a little over an equal share of each is nearly always enough.
        share = limit // len(LISTS) * 2 + 2
        with translating_faults():
            merged = heapq.merge(
                *(_newest_first(name, position, share) for name in LISTS),
                key=attrgetter("listed_at"),
                reverse=True,
            )
            items = list(islice(merged, limit + 1))
        shown = items[:limit]
        return Page(
            users=tuple(map(user_of, shown)),
            next_position=shown[-1].listed_at if len(items) > limit else None,
        )


def user_key(public_id: str) -> str:
    """The key of a user's row."""
    return f"user#{public_id}"


def _email_marker(key: str) -> str:
    return f"email#{key}"


def _username_marker(key: str) -> str:
    return f"username#{key}"


def user_of(item: UserItem) -> User:
    """The user in a row. What an older row lacks has the value that it stood for then."""
    return User(
        public_id=item.public_id,
        email=item.email,
        username=item.username,
        registered_on=item.registered_on,
        token_version=int(item.token_version or 1),
        admin=bool(item.admin),
        disabled=bool(item.disabled),
        email_verified=bool(item.email_verified),
        metadata=item.metadata or {},
    )


def _item_of(user: User, password_hash: str) -> UserItem:
    # Random identifiers spread evenly; CRC-32 takes them to a partition, the same one always.
    partition = zlib.crc32(user.public_id.encode()) % len(LISTS)
    return UserItem(
        user_key(user.public_id),
        public_id=user.public_id,
        email=user.email,
        username=user.username,
        password_hash=password_hash,
        registered_on=user.registered_on,
        token_version=user.token_version,
        admin=user.admin,
        disabled=user.disabled,
        email_verified=user.email_verified,
        metadata=dict(user.metadata),
        listed_in=LISTS[partition],
        listed_at=f"{user.registered_on:%Y-%m-%dT%H:%M:%S.%fZ}#{user.public_id}",
    )


def _credentials_of(item: UserItem | None) -> Credentials | None:
    return Credentials(user_of(item), item.password_hash) if item else None


def _owner_of(marker_key: str) -> UserItem | None:
    marker = read(MarkerItem, marker_key)
    # Reading on for nobody keeps the time of a login from telling whether a name is known.
    owner = read(UserItem, user_key(marker.public_id if marker else "nobody"))
    # A user may leave between the two reads; then the name is free, and there is nobody either.
    return owner if marker else None


def _newest_first(name: str, position: str | None, page_size: int) -> Iterator[UserItem]:
    older = None if position is None else UserItem.listed_at < position
    return UserItem.newest_first.query(name, older, scan_index_forward=False, page_size=page_size)
