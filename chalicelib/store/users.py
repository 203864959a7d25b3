"""Users and the markers that keep their names unique."""

import heapq
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from operator import attrgetter

from pynamodb.attributes import BooleanAttribute
from pynamodb.connection import Connection
from pynamodb.expressions.condition import Condition
from pynamodb.transactions import TransactWrite

from chalicelib.domain.attempts import Count, KnownAddress, LoginFacts, Origin, Outcome, Tally
from chalicelib.domain.changes import Changes, Renaming, Unchanged
from chalicelib.domain.errors import (
    AccountsError,
    EmailTakenError,
    UnavailableError,
    UsernameTakenError,
    UserNotFoundError,
)
from chalicelib.domain.imports import HELD, Arrival, Claim, Owners
from chalicelib.domain.names import fold
from chalicelib.domain.sessions import Opening, Session
from chalicelib.domain.times import Clock, epoch_seconds, system_clock
from chalicelib.domain.trails import NO_TRAIL, Trail
from chalicelib.domain.users import (
    FIRST_VERSION,
    Credentials,
    Page,
    Removal,
    User,
)
from chalicelib.store.attempt_rows import AttemptRows, attempt_keys
from chalicelib.store.attempts import check_below
from chalicelib.store.email_markers import (
    email_marker,
    has,
    has_lapsed,
    held_keys,
    is_gone_or_of,
)
from chalicelib.store.faults import ConditionFailedError, translating_faults
from chalicelib.store.items import (
    AttemptItem,
    MarkerItem,
    RevokedTokenItem,
    UserItem,
    read,
    read_together,
)
from chalicelib.store.revocations import revocation_keys, revoked_key_row
from chalicelib.store.session_rows import session_row
from chalicelib.store.trails import write_trail
from chalicelib.store.transactions import Transactions
from chalicelib.store.user_changes import (
    actions_of,
    move_username,
    raised_version,
    username_marker,
)
from chalicelib.store.user_rows import former_emails_text, user_key, user_of

_MOST_PAGES = 25
"""How far each partition of the index is walked to find an admin: some 80,000 users."""
LISTS = tuple(f"users-{number}" for number in range(4))
"""The partitions that the index is spread over. There may be more one day, never fewer."""


class DynamoUserStore:
    """Users in DynamoDB: a user and their markers change together or not at all."""

    def __init__(
        self,
        connection: Connection,
        transactions: Transactions,
        attempts: AttemptRows,
        clock: Clock = system_clock,
    ) -> None:
        self._connection = connection
        self._transactions = transactions
        self._attempts = attempts
        self._clock = clock

    def add(
        self,
        user: User,
        password_hash: str,
        opening: Opening | None,
        *,
        trail: Trail = NO_TRAIL,
    ) -> bool:
        """Write the user, both markers and the session, each only if it is not there.

        A secondary index cannot keep a name unique: two writers see it free. The transaction
        carries an idempotency token, so a retry after a lost answer does not find itself in the
        way. That the signing key was not revoked is checked in the same step.

        Raises:
            EmailTakenError, UsernameTakenError: another user has the name.
            UnavailableError: nothing was written, or the answer was lost.
        """
        rows = _rows_of(user, password_hash)

        def put(transaction: TransactWrite) -> None:
            if opening is not None:
                transaction.condition_check(
                    RevokedTokenItem,
                    revoked_key_row(opening.signing_key_id, user.public_id),
                    condition=RevokedTokenItem.token_id.does_not_exist(),
                )
            for row in rows:
                transaction.save(row, condition=self._is_free(row))
            if opening is not None:
                transaction.save(session_row(opening.session))
                transaction.save(self._attempts.address_row(opening.session))
            write_trail(transaction, trail)

        failed = self._transactions.run(put)
        if not failed:
            return True
        # The check comes before the rows, the session, its address and the trail after them.
        key_revoked = opening is not None and failed.pop(0)
        _, email_taken, username_taken, *_ = failed
        if email_taken or username_taken:
            raise EmailTakenError if email_taken else UsernameTakenError
        if key_revoked:
            return False
        raise UnavailableError  # a row of this very user: an identifier that was given out twice

    def remove(
        self, user: User, other_admin: str | None = None, *, trail: Trail = NO_TRAIL
    ) -> Removal:
        """Delete the user and all markers in one transaction, as long as they belong together.

        Whoever registers one of the names meanwhile finds it taken or free, and never half of it.

        Raises:
            UnavailableError: nothing was deleted, or the answer was lost.
        """
        row = UserItem(user_key(user.public_id))
        same = (
            (UserItem.email == user.email)
            & (UserItem.username == user.username)
            & has(UserItem.former_emails, former_emails_text(user.former_emails))
            & (_is_true(UserItem.admin) if user.admin else _is_false(UserItem.admin))
        )
        markers = (
            MarkerItem(email_marker(fold(user.email))),
            MarkerItem(username_marker(fold(user.username))),
        )

        def delete(transaction: TransactWrite) -> None:
            if other_admin is not None:
                _require_admin(transaction, other_admin)
            transaction.delete(row, condition=same)
            for marker in markers:
                transaction.delete(marker, condition=MarkerItem.public_id == user.public_id)
            for key in held_keys(user, self._clock()):
                transaction.delete(
                    MarkerItem(email_marker(key)), condition=is_gone_or_of(user.public_id)
                )
            write_trail(transaction, trail)

        failed = self._transactions.run(delete)
        if not failed:
            return Removal.DONE
        if other_admin is not None and failed[0]:
            return Removal.NO_OTHER_ADMIN
        return Removal.CHANGED

    def get(self, public_id: str) -> User | None:
        """Read a user, strongly consistent."""
        item = read(UserItem, user_key(public_id))
        return user_of(item) if item else None

    def find_by_email(self, key: str) -> User | None:
        """Read the marker, then the user, both strongly consistent."""
        item = _owner_of(email_marker(key))
        return user_of(item) if item else None

    def find_by_username(self, key: str) -> User | None:
        """Read the marker, then the user, both strongly consistent."""
        item = _owner_of(username_marker(key))
        return user_of(item) if item else None

    def credentials(self, public_id: str) -> Credentials | None:
        """Read a user and their hash, strongly consistent."""
        item = read(UserItem, user_key(public_id))
        return _credentials_of(item) if item else None

    def credentials_by_email(self, key: str) -> Credentials | None:
        """Read the marker, then its owner, likewise."""
        item = _owner_of(email_marker(key))
        return _credentials_of(item) if item else None

    def login_by_email(self, key: str, signing_key_id: str, origin: Origin) -> LoginFacts:
        """Read the marker, then the user and all the rest, strongly consistent."""
        return self._login(_name_of(email_marker(key)), signing_key_id, origin)

    def login_by_username(self, key: str, signing_key_id: str, origin: Origin) -> LoginFacts:
        """Read the marker, then the user and all the rest, strongly consistent."""
        return self._login(_name_of(username_marker(key)), signing_key_id, origin)

    def login_by_id(self, public_id: str, signing_key_id: str, origin: Origin) -> LoginFacts:
        """Read the user, the key's standing, what is known of the address, and the counts."""
        return self._facts(public_id, origin.of_account(public_id), signing_key_id, origin)

    def _facts(
        self, public_id: str, count: Count, signing_key_id: str, origin: Origin
    ) -> LoginFacts:
        """Read all of it in one round trip, strongly consistent."""
        address_id = self._attempts.address_key(public_id, origin.network)
        counts = (origin.failures, count, origin.at_known_address(public_id))
        count_ids = tuple(map(self._attempts.count_key, counts))
        found = read_together(
            self._connection,
            {
                UserItem: [{"pk": {"S": user_key(public_id)}}],
                RevokedTokenItem: revocation_keys(revoked_key_row(signing_key_id, public_id)),
                AttemptItem: attempt_keys(address_id, *count_ids),
            },
        )
        attempts = {row.attempt_id: row for row in found[AttemptItem]}
        address = attempts.get(address_id)
        failures, of_account, at_address = (
            int(attempts[count_id].attempts) if count_id in attempts else 0
            for count_id in count_ids
        )
        return LoginFacts(
            credentials=next(map(_credentials_of, found[UserItem]), None),
            key_revoked=bool(found[RevokedTokenItem]),
            address=_address_of(address, public_id, origin) if address else None,
            failures_from_address=failures,
            attempts=Tally(counts[1], of_account),
            attempts_at_address=Tally(counts[2], at_address),
        )

    def _is_free(self, row: UserItem | MarkerItem) -> Condition:
        """The row's key is nobody's; a former address whose time is over is nobody's as well."""
        free: Condition = type(row).pk.does_not_exist()
        return free | has_lapsed(self._clock()) if isinstance(row, MarkerItem) else free

    def _login(self, marker: MarkerItem | None, signing_key_id: str, origin: Origin) -> LoginFacts:
        # Reading on for nobody keeps the time of a login from telling whether a name is known.
        # A user may leave between the two reads; then the name is free, and there is nobody.
        if marker is None:
            return self._facts("nobody", origin.nobodys, signing_key_id, origin)
        return self.login_by_id(marker.public_id, signing_key_id, origin)

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

    def raise_token_version(self, public_id: str, *, trail: Trail = NO_TRAIL) -> None:
        """Raise it in one transaction."""

        def change(transaction: TransactWrite) -> None:
            write_trail(transaction, trail)
            transaction.update(
                UserItem(user_key(public_id)),
                actions=[raised_version()],
                condition=UserItem.pk.exists(),
            )

        if self._transactions.run(change):
            raise UserNotFoundError

    def change_password(
        self,
        before: Credentials,
        new_hash: str,
        session: Session,
        below: Count,
        *,
        trail: Trail = NO_TRAIL,
    ) -> Outcome:
        """Set the hash and the version and put the session, if the count allows it, in one."""
        version = before.user.token_version
        same = UserItem.token_version == version
        if version == FIRST_VERSION:
            same |= UserItem.token_version.does_not_exist()

        def change(transaction: TransactWrite) -> None:
            check_below(transaction, self._attempts, below)
            transaction.save(session_row(session))
            transaction.save(self._attempts.address_row(session))
            write_trail(transaction, trail)
            transaction.update(
                UserItem(user_key(before.user.public_id)),
                actions=[
                    UserItem.password_hash.set(new_hash),
                    UserItem.token_version.set(session.token_version),
                    # It may have been wanted by somebody who knew the old password.
                    UserItem.pending_email.remove(),
                    UserItem.password_change_required.remove(),
                ],
                condition=same & (UserItem.password_hash == before.password_hash),
            )

        failed = self._transactions.run(change)
        if not failed:
            return Outcome.DONE
        return Outcome.LIMITED if failed[0] else Outcome.CHANGED

    def update(
        self,
        public_id: str,
        changes: Changes,
        *,
        other_admin: str | None = None,
        by_themselves: bool = False,
        trail: Trail = NO_TRAIL,
    ) -> User | Unchanged:
        """Change the user in a transaction, and read them afterwards, since it answers nothing.

        In it are the user's row, the trail, the row of somebody who has to be an admin still, and
        the markers of a username that another one replaces. The username is named as it was read,
        in its spelling: whoever else has changed it, or removed the user, is noticed.
        """
        item = UserItem(user_key(public_id))
        renaming = changes.renaming
        same, otherwise = _as_called(renaming, by_themselves=by_themselves)
        # What each part that may fail stands for, in the order that they have in the transaction.
        told: list[Unchanged | type[AccountsError]] = []

        def change(transaction: TransactWrite) -> None:
            told.clear()
            if other_admin is not None:
                _require_admin(transaction, other_admin)
                told.append(Unchanged.NO_OTHER_ADMIN)
            if renaming is not None and renaming.moves_marker:
                move_username(transaction, public_id, renaming)
                told.extend((Unchanged.OTHER_USERNAME, UsernameTakenError))
            transaction.update(item, actions=actions_of(changes), condition=same)
            write_trail(transaction, trail)
            # A trail is put, and puts come before updates.
            told.extend([UnavailableError] * (len(trail.events) + len(trail.messages)))
            told.append(otherwise)

        failed = self._transactions.run(change)
        reasons = {reason for reason, has_failed in zip(told, failed, strict=False) if has_failed}
        for unchanged in Unchanged:
            if unchanged in reasons:
                return unchanged
        for error in (UserNotFoundError, UsernameTakenError):
            if error in reasons:
                raise error
        user = self.get(public_id)
        if user is None:
            raise UserNotFoundError
        return user

    def admins(self) -> Iterator[str]:
        """Walk the index, a megabyte at a time, and name those who are enabled admins in it."""
        for name in LISTS:
            with translating_faults():
                found = UserItem.newest_first.query(name, filter_condition=_is_enabled_admin())
                for page in islice(found.page_iter, _MOST_PAGES):
                    yield from (row["public_id"]["S"] for row in page["Items"])

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

    def owners(self, claims: Sequence[Claim]) -> list[Owners]:
        """Read the rows that would be in the way, in one consistent read: of 33 claims at most."""
        keys = [
            (
                email_marker(one.email_key),
                username_marker(one.username_key),
                user_key(one.public_id),
            )
            for one in claims
        ]
        # A user's row has who it belongs to under the same name as a marker.
        wanted = [{"pk": {"S": key}} for three in keys for key in three]
        rows = read_together(self._connection, {MarkerItem: wanted})[MarkerItem]
        now = epoch_seconds(self._clock())
        found = {
            row.pk: HELD if row.expires_at else row.public_id
            for row in rows
            if not row.expires_at or row.expires_at > now
        }
        return [Owners(*map(found.get, three)) for three in keys]

    def add_all(self, arrivals: Sequence[Arrival]) -> bool:
        """Write all users, their markers and events in one transaction: 25 arrivals at most."""

        def put(transaction: TransactWrite) -> None:
            for arrival in arrivals:
                for row in _rows_of(arrival.credentials.user, arrival.credentials.password_hash):
                    transaction.save(row, condition=self._is_free(row))
                write_trail(transaction, Trail((arrival.event,)))

        return not self._transactions.run(put)

    def hashes(self, public_ids: Sequence[str]) -> dict[str, str]:
        """Read the password hashes of users, of 100 at most, in one consistent read.

        Raises:
            UnavailableError: the store cannot answer in full now.
        """
        wanted = [{"pk": {"S": user_key(public_id)}} for public_id in public_ids]
        rows = read_together(self._connection, {UserItem: wanted})[UserItem]
        return {row.public_id: row.password_hash for row in rows}


def _rows_of(user: User, password_hash: str) -> tuple[UserItem, MarkerItem, MarkerItem]:
    return (
        item_of(user, password_hash),
        MarkerItem(email_marker(fold(user.email)), public_id=user.public_id),
        MarkerItem(username_marker(fold(user.username)), public_id=user.public_id),
    )


def list_of(public_id: str) -> str:
    """The partition of the index that a user is in, always the same one.

    Identifiers are random, so CRC-32 spreads them evenly.
    """
    return LISTS[zlib.crc32(public_id.encode()) % len(LISTS)]


def item_of(user: User, password_hash: str) -> UserItem:
    """The row of a user who is new."""
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
        pending_email=user.pending_email,
        metadata=dict(user.metadata),
        former_emails=former_emails_text(user.former_emails),
        password_change_required=user.password_change_required or None,
        listed_in=list_of(user.public_id),
        listed_at=f"{user.registered_on:%Y-%m-%dT%H:%M:%S.%fZ}#{user.public_id}",
    )


def _credentials_of(item: UserItem) -> Credentials:
    return Credentials(user_of(item), item.password_hash)


def _address_of(row: AttemptItem, public_id: str, origin: Origin) -> KnownAddress:
    return KnownAddress(
        public_id=public_id,
        network=origin.network,
        token_version=int(row.token_version),
        expires_at=int(row.expires_at),
    )


def _owner_of(marker_key: str) -> UserItem | None:
    marker = _name_of(marker_key)
    return read(UserItem, user_key(marker.public_id)) if marker else None


def _name_of(marker_key: str) -> MarkerItem | None:
    """The marker of a name in use. One that only holds a former address finds nobody."""
    marker = read(MarkerItem, marker_key)
    return None if marker is None or marker.expires_at else marker


def _as_called(
    renaming: Renaming | None, *, by_themselves: bool
) -> tuple[Condition, Unchanged | type[AccountsError]]:
    """What a user has to be for a change, and what it means if they are not."""
    same = UserItem.pk.exists() if renaming is None else UserItem.username == renaming.before
    if by_themselves:
        return same & _is_enabled_admin(), Unchanged.NOT_AS_CALLED
    return same, UserNotFoundError if renaming is None else Unchanged.OTHER_USERNAME


def _require_admin(transaction: TransactWrite, public_id: str) -> None:
    transaction.condition_check(UserItem, user_key(public_id), condition=_is_enabled_admin())


# What an older row lacks has the value that it stood for then: see `user_of`.


def _is_enabled_admin() -> Condition:
    condition: Condition = _is_true(UserItem.admin) & _is_false(UserItem.disabled)
    return condition


def _is_true(mark: BooleanAttribute) -> Condition:
    condition: Condition = mark == True  # noqa: E712 - PynamoDB's way to write a condition
    return condition


def _is_false(mark: BooleanAttribute) -> Condition:
    condition: Condition = (mark == False) | mark.does_not_exist()  # noqa: E712 - likewise
    return condition


def _newest_first(name: str, position: str | None, page_size: int) -> Iterator[UserItem]:
    older = None if position is None else UserItem.listed_at < position
    return UserItem.newest_first.query(name, older, scan_index_forward=False, page_size=page_size)
