"""Sessions, and the revocation that each leaves when it ends."""

from pynamodb.connection import Connection
from pynamodb.expressions.condition import Condition
from pynamodb.transactions import TransactWrite

from chalicelib.domain.attempts import Admission, Outcome
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import RefreshFacts, RefreshToken, Session, slot_of
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.trails import NO_TRAIL, Trail
from chalicelib.domain.users import User
from chalicelib.store.attempt_rows import AttemptRows
from chalicelib.store.attempts import check_below
from chalicelib.store.faults import translating_faults
from chalicelib.store.items import RevokedTokenItem, SessionItem, UserItem, read, read_together
from chalicelib.store.revocations import revocation_keys, revoked_key_row
from chalicelib.store.session_rows import session_of, session_row
from chalicelib.store.trails import write_trail
from chalicelib.store.transactions import Transactions
from chalicelib.store.user_rows import user_key, user_of


class DynamoSessionStore:
    """Sessions in DynamoDB, one row each, in the slot that its identifier names.

    A session ends when its row is gone, or when it is older than the user's token version. Its
    access tokens are refused by a row of the revoked tokens, written in the same transaction.
    """

    def __init__(
        self, connection: Connection, transactions: Transactions, attempts: AttemptRows
    ) -> None:
        self._connection = connection
        self._transactions = transactions
        self._attempts = attempts

    def open(
        self,
        session: Session,
        ending: str | None,
        revoked_until: int,
        admission: Admission,
        *,
        trail: Trail = NO_TRAIL,
    ) -> Outcome:
        """Put the row if the slot is free and the count allows it, in one transaction.

        Raises:
            UnavailableError: the write failed, or its answer was lost.
        """
        free = _is_free_for(session)
        if ending is not None:
            free |= SessionItem.session_id == ending

        def put(transaction: TransactWrite) -> None:
            check_below(transaction, self._attempts, admission.below)
            if ending is not None and slot_of(ending) != session.slot:
                transaction.delete(_place(session.public_id, ending), _is_gone_or_is(ending))
            transaction.save(session_row(session), free)
            if ending is not None:
                transaction.save(RevokedTokenItem(ending, expires_at=revoked_until))
            if admission.remembers:
                transaction.save(self._attempts.address_row(session))
            write_trail(transaction, trail)

        failed = self._transactions.run(put)
        if not failed:
            return Outcome.DONE
        return Outcome.LIMITED if failed[0] else Outcome.CHANGED

    def of_user(self, public_id: str) -> tuple[Session, ...]:
        """Query the user's rows, strongly consistent: no more than there are slots.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        with translating_faults():
            return tuple(map(session_of, SessionItem.query(public_id, consistent_read=True)))

    def alive(self, user: User, now: int) -> tuple[str, ...]:
        """Query for what orders the user's rows: DynamoDB leaves out the rest, and ended ones.

        Whoever has as many sessions as there may be has this at each login, for all of them.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        can_be_used = (SessionItem.token_version == user.token_version) & (
            SessionItem.expires_at > now
        )
        with translating_faults():
            rows = SessionItem.query(
                user.public_id,
                filter_condition=can_be_used,
                consistent_read=True,
                attributes_to_get=["created_at", "session_id"],
            )
            openings = sorted((row.created_at, row.session_id) for row in rows)
        return tuple(session_id for _, session_id in openings)

    def find(self, token: RefreshToken, signing_key_id: str) -> RefreshFacts:
        """Read the user, the session and the key's revocation, strongly consistent.

        Raises:
            UnavailableError: the store did not answer in full.
        """
        slot = str(slot_of(token.session_id))
        found = read_together(
            self._connection,
            {
                UserItem: [{"pk": {"S": user_key(token.public_id)}}],
                SessionItem: [{"public_id": {"S": token.public_id}, "slot": {"N": slot}}],
                RevokedTokenItem: revocation_keys(revoked_key_row(signing_key_id, token.public_id)),
            },
        )
        return RefreshFacts(
            user=next(map(user_of, found[UserItem]), None),
            session=next(
                (
                    session_of(row)
                    for row in found[SessionItem]
                    if row.session_id == token.session_id
                ),
                None,
            ),
            key_revoked=bool(found[RevokedTokenItem]),
        )

    def rotate(
        self, session: Session, used: RefreshToken, *, trail: Trail = NO_TRAIL
    ) -> Session | None:
        """Write what a refresh changes, on condition that the token is the current one.

        If it is not, somebody was faster, and the row is read as it is by now.

        Raises:
            UnavailableError: the write failed, or its answer was lost.
        """
        changed = session_row(session)
        kept = (
            SessionItem.token_hash,
            SessionItem.spent,
            SessionItem.last_used_at,
            SessionItem.expires_at,
            SessionItem.ip,
            SessionItem.user_agent,
        )

        def change(transaction: TransactWrite) -> None:
            write_trail(transaction, trail)
            transaction.update(
                changed,
                actions=[
                    attribute.set(getattr(changed, attribute.attr_name)) for attribute in kept
                ],
                condition=(SessionItem.session_id == session.session_id)
                & (SessionItem.token_hash == used.secret_hash),
            )

        if not self._transactions.run(change):
            return session
        row = read(SessionItem, session.public_id, session.slot)
        return session_of(row) if row and row.session_id == session.session_id else None

    def end(
        self, public_id: str, session_id: str, revoked_until: int, *, trail: Trail = NO_TRAIL
    ) -> None:
        """Delete the row and put the revocation, in one transaction.

        If another session has the slot by now, there is only the revocation to put.

        Raises:
            UnavailableError: the writes failed, or the answer was lost.
        """

        def end(transaction: TransactWrite) -> None:
            transaction.delete(_place(public_id, session_id), _is_gone_or_is(session_id))
            revoke(transaction)

        def revoke(transaction: TransactWrite) -> None:
            transaction.save(RevokedTokenItem(session_id, expires_at=revoked_until))
            write_trail(transaction, trail)

        if self._transactions.run(end):
            self._transactions.run(revoke)

    def end_if_alive(
        self,
        principal: Principal,
        session_id: str,
        now: int,
        revoked_until: int,
        *,
        trail: Trail = NO_TRAIL,
    ) -> bool:
        """Do as `end` does, on condition that the row is there and can be used.

        Raises:
            UnavailableError: the writes failed, or the answer was lost.
        """
        user = principal.user
        alive = (
            (SessionItem.session_id == session_id)
            & (SessionItem.token_version == user.token_version)
            & (SessionItem.expires_at > now)
        )

        def end(transaction: TransactWrite) -> None:
            transaction.delete(_place(user.public_id, session_id), alive)
            transaction.save(RevokedTokenItem(session_id, expires_at=revoked_until))
            write_trail(transaction, trail)

        return not self._transactions.run(end)

    def forget(self, public_id: str) -> None:
        """Delete all rows of a user, some at a time.

        Raises:
            UnavailableError: the store cannot answer now; some may be left.
        """
        with translating_faults():
            rows = SessionItem.query(public_id, consistent_read=True)
            with SessionItem.batch_write() as batch:
                for row in rows:
                    batch.delete(row)


def _place(public_id: str, session_id: str) -> SessionItem:
    """A row by its key alone."""
    return SessionItem(public_id, slot_of(session_id))


def _is_gone_or_is(session_id: str) -> Condition:
    """The slot is empty, or still this session's."""
    condition: Condition = SessionItem.public_id.does_not_exist() | (
        SessionItem.session_id == session_id
    )
    return condition


def _is_free_for(session: Session) -> Condition:
    """The slot is empty, or has a session that can no longer be used, or this one already.

    Token versions only rise. A login that read the user just before they rose must not take a
    later session for an ended one, so an ended one is of a lower version, not of another.
    """
    lapsed = SessionItem.expires_at <= epoch_seconds(session.created_at)
    outdated = SessionItem.token_version < session.token_version
    free: Condition = _is_gone_or_is(session.session_id) | lapsed | outdated
    return free
