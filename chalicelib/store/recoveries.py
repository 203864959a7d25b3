"""What mailed tokens do: each spends its token's row in the transaction that changes the user."""

from pynamodb.connection import Connection
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from chalicelib.domain.changes import NO_CHANGES, Changes
from chalicelib.domain.email_changes import EmailChange
from chalicelib.domain.errors import UsernameTakenError
from chalicelib.domain.mailed_tokens import (
    MailedToken,
    MailedTokenFacts,
    MailedTokenRecord,
    Purpose,
)
from chalicelib.domain.names import fold
from chalicelib.domain.times import Clock, epoch_seconds
from chalicelib.domain.trails import NO_TRAIL, Trail
from chalicelib.domain.users import FIRST_VERSION, Credentials, User
from chalicelib.store.email_markers import (
    email_marker,
    has,
    has_lapsed,
    held_keys,
    is_gone_or_of,
)
from chalicelib.store.items import MailedTokenItem, MarkerItem, UserItem, read_together
from chalicelib.store.mailed_tokens import mailed_token_key, mailed_token_of
from chalicelib.store.trails import write_trail
from chalicelib.store.transactions import Transactions
from chalicelib.store.user_changes import actions_of, move_username
from chalicelib.store.user_rows import former_emails_text, user_key, user_of

_PURPOSES = frozenset(purpose.value for purpose in Purpose)
"""A token for anything else was mailed by a later version. To this one it is none."""


class DynamoRecoveryStore:
    """Changes that come by mail. All rows of one are in the users table."""

    def __init__(self, connection: Connection, transactions: Transactions, clock: Clock) -> None:
        self._connection = connection
        self._transactions = transactions
        self._clock = clock

    def find(self, token: MailedToken) -> MailedTokenFacts:
        """Read the token's row and the user, strongly consistent.

        Raises:
            UnavailableError: the store did not answer in full.
        """
        found = read_together(
            self._connection,
            {
                MailedTokenItem: [{"pk": {"S": mailed_token_key(token.secret_hash)}}],
                UserItem: [{"pk": {"S": user_key(token.public_id)}}],
            },
        )
        return MailedTokenFacts(
            record=next(
                (
                    mailed_token_of(row)
                    for row in found[MailedTokenItem]
                    if row.purpose in _PURPOSES
                ),
                None,
            ),
            credentials=next(
                (Credentials(user_of(row), row.password_hash) for row in found[UserItem]), None
            ),
        )

    def reset_password(
        self,
        token: MailedTokenRecord,
        before: Credentials,
        new_hash: str,
        *,
        trail: Trail = NO_TRAIL,
    ) -> bool:
        """Set the hash and raise the version, if the password is still the one that was read.

        Raises:
            UnavailableError: nothing was written, or the answer was lost.
        """
        return self._spend(
            token,
            before.user,
            [
                UserItem.password_hash.set(new_hash),
                UserItem.email_verified.set(True),
                UserItem.token_version.set(before.user.token_version + 1),
                # It may have been wanted by whoever knew the old password.
                UserItem.pending_email.remove(),
                UserItem.password_change_required.remove(),
            ],
            _is_of_version(before.user) & (UserItem.password_hash == before.password_hash),
            trail,
        )

    def verify_email(
        self, token: MailedTokenRecord, user: User, *, trail: Trail = NO_TRAIL
    ) -> bool:
        """Mark the address that the user had when they were read, if they have it still.

        Raises:
            UnavailableError: nothing was written, or the answer was lost.
        """
        verified: Action = UserItem.email_verified.set(True)
        return self._spend(token, user, [verified], None, trail)

    def request_email(
        self,
        user: User,
        email: str | None,
        changes: Changes = NO_CHANGES,
        *,
        trail: Trail = NO_TRAIL,
    ) -> EmailChange:
        """Set the address that a user wants, if nobody else has it; None takes it back.

        Their sessions must not have ended since they were read: with another password, what whoever
        knew the old one wanted is forgotten, and must not be wanted just after that.

        Raises:
            UsernameTakenError: another user has the username.
            UnavailableError: nothing was written, or the answer was lost.
        """
        pending, renaming = UserItem.pending_email, changes.renaming
        wish: Action = pending.remove() if email is None else pending.set(email)
        same = _is_same(user) & _is_of_version(user)
        if renaming is not None:
            same &= UserItem.username == renaming.before
        moves = renaming is not None and renaming.moves_marker

        def request(transaction: TransactWrite) -> None:
            if email is not None:
                transaction.condition_check(
                    MarkerItem, email_marker(fold(email)), condition=self._is_free_for(user)
                )
            if renaming is not None and moves:
                move_username(transaction, user.public_id, renaming)
            write_trail(transaction, trail)
            transaction.update(
                UserItem(user_key(user.public_id)),
                actions=[wish, *actions_of(changes)],
                condition=same,
            )

        failed = self._transactions.run(request)
        if not failed:
            return EmailChange.DONE
        # The check comes first, then the old username's marker and the new one's, the user last.
        taken = failed.pop(0) if email is not None else False
        if failed[-1] or (moves and failed[0]):
            return EmailChange.STALE
        if taken:
            return EmailChange.TAKEN
        raise UsernameTakenError

    def change_email(
        self, token: MailedTokenRecord, before: User, after: User, *, trail: Trail = NO_TRAIL
    ) -> EmailChange:
        """Give a user another address, and move the markers to where they then belong.

        The markers are those of the address that the user has and of those that are held for
        them. Whoever registers one of these meanwhile finds it taken or free, and never half of
        it.

        Raises:
            UnavailableError: nothing was written, or the answer was lost.
        """
        now = self._clock()
        had, has_then = held_keys(before, now), held_keys(after, now)
        old_key, new_key = fold(before.email), fold(after.email)
        dropped = [key for key in (old_key, *had) if key != new_key and key not in has_then]
        held = {key: until for key, until in has_then.items() if had.get(key) != until}

        def change(transaction: TransactWrite) -> None:
            transaction.delete(_row_of(token), condition=MailedTokenItem.pk.exists())
            for key in dropped:
                transaction.delete(
                    MarkerItem(email_marker(key)), condition=is_gone_or_of(before.public_id)
                )
            transaction.save(
                MarkerItem(email_marker(new_key), public_id=after.public_id),
                condition=self._is_free_for(after),
            )
            for key, until in held.items():
                transaction.save(
                    MarkerItem(
                        email_marker(key),
                        public_id=after.public_id,
                        expires_at=epoch_seconds(until),
                    ),
                    condition=self._is_free_for(after),
                )
            write_trail(transaction, trail)
            former = former_emails_text(after.former_emails)
            transaction.update(
                UserItem(user_key(after.public_id)),
                actions=[
                    UserItem.email.set(after.email),
                    UserItem.email_verified.set(after.email_verified),
                    UserItem.token_version.set(after.token_version),
                    UserItem.pending_email.remove(),
                    UserItem.former_emails.remove()
                    if former is None
                    else UserItem.former_emails.set(former),
                ],
                condition=_is_same(before)
                & _is_of_version(before)
                & has(UserItem.pending_email, before.pending_email)
                & has(UserItem.former_emails, former_emails_text(before.former_emails)),
            )

        failed = self._transactions.run(change)
        if not failed:
            return EmailChange.DONE
        # The deletes come first, the new address's marker after them, and the user last.
        others = failed[: 1 + len(dropped)] + failed[2 + len(dropped) :]
        return EmailChange.STALE if any(others) else EmailChange.TAKEN

    def _is_free_for(self, user: User) -> Condition:
        """A marker is not there, or the user's, or has lapsed."""
        free: Condition = is_gone_or_of(user.public_id) | has_lapsed(self._clock())
        return free

    def _spend(
        self,
        token: MailedTokenRecord,
        user: User,
        actions: list[Action],
        condition: Condition | None,
        trail: Trail,
    ) -> bool:
        same = _is_same(user)

        def spend(transaction: TransactWrite) -> None:
            transaction.delete(_row_of(token), condition=MailedTokenItem.pk.exists())
            write_trail(transaction, trail)
            transaction.update(
                UserItem(user_key(user.public_id)),
                actions=actions,
                condition=same if condition is None else same & condition,
            )

        return not self._transactions.run(spend)


def _row_of(token: MailedTokenRecord) -> MailedTokenItem:
    """A row by its key alone."""
    return MailedTokenItem(mailed_token_key(token.secret_hash))


def _is_same(user: User) -> Condition:
    """The user has the address that they had when they were read, and is not disabled."""
    condition: Condition = (UserItem.email == user.email) & (
        (UserItem.disabled == False)  # noqa: E712 - PynamoDB's way to write a condition
        | UserItem.disabled.does_not_exist()
    )
    return condition


def _is_of_version(user: User) -> Condition:
    """The user's sessions have not ended since they were read."""
    same: Condition = UserItem.token_version == user.token_version
    if user.token_version == FIRST_VERSION:
        same |= UserItem.token_version.does_not_exist()
    return same
