"""What the operator of the service does with accounts, at a command line.

The operator is nobody's account: whoever may run a command on a stage's tables may do all of it.
Only the last admin stays, as for everybody.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from chalicelib.domain.activity import COMMAND, OPERATOR, Act
from chalicelib.domain.changes import Changes
from chalicelib.domain.errors import LastAdminError, UnavailableError, UserNotFoundError
from chalicelib.domain.names import lookup_key
from chalicelib.domain.outbox import Errand
from chalicelib.domain.trails import NO_TRAIL, Trail
from chalicelib.domain.users import Credentials, Page, Removal, User, is_public_id
from chalicelib.services.accounts import UserSessionStore, UserStore
from chalicelib.services.trails import TrailService

_ATTEMPTS = 3
_PAGE = 1_000
_HASHES = 100
"""As many as one read may be of."""


class OperatorStore(UserStore, Protocol):
    """Where users are kept, as far as only the operator reads and writes them."""

    def raise_token_version(self, public_id: str, *, trail: Trail = NO_TRAIL) -> None:
        """End every session and access token of a user.

        Raises:
            UserNotFoundError: there is no such user.
            UnavailableError: the store cannot answer now.
        """

    def hashes(self, public_ids: Sequence[str]) -> dict[str, str]:
        """The password hashes of users, of 100 at most, strongly consistent.

        Raises:
            UnavailableError: the store cannot answer in full now.
        """


class OperatorService:
    """Looks at accounts and administers them, without a caller to ask for rights."""

    def __init__(
        self, users: OperatorStore, sessions: UserSessionStore, trails: TrailService
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._trails = trails

    def page(self, limit: int, position: str | None) -> Page:
        """Some users, newest first, from a position on; soon consistent.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        return self._users.page(limit, position)

    def find(self, name: str) -> User:
        """The user of an identifier, an email or a username: its form says which of them it is.

        Usernames are chosen freely. Whoever takes an address for theirs that has no account yet
        must not be given the rights that are meant for its owner.

        Raises:
            UserNotFoundError: nobody has it.
            UnavailableError: the store cannot answer now.
        """
        key = lookup_key(name)
        if key is None:
            found = None
        elif is_public_id(key):
            found = self._users.get(key)
        elif "@" in key:
            found = self._users.find_by_email(key)
        else:
            found = self._users.find_by_username(key)
        if found is None:
            raise UserNotFoundError
        return found

    def find_by(
        self, public_id: str | None, email: str | None, username: str | None
    ) -> User | None:
        """The one user who has all the names given, in any spelling, or None.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        found = []
        if public_id is not None:
            found.append(self._users.get(public_id) if is_public_id(public_id) else None)
        if email is not None:
            key = lookup_key(email)
            found.append(self._users.find_by_email(key) if key else None)
        if username is not None:
            key = lookup_key(username)
            found.append(self._users.find_by_username(key) if key else None)
        first, *others = found or [None]
        return first if all(other == first for other in others) else None

    def change(self, user: User, changes: Changes) -> User:
        """Change an account: rights, whether it is disabled, whether its password has to change.

        Whoever loses a right is not the last admin: somebody else is one in the same step.

        Raises:
            LastAdminError: nobody else is an admin.
            UserNotFoundError: there is no such user any more.
            UnavailableError: the store cannot answer now; nothing has changed.
        """
        trail = Trail(
            tuple(
                self._trails.event(act, user.public_id, COMMAND, actor=OPERATOR, **changed)
                for act, changed in changes.acts()
            )
        )
        others: Iterable[str | None] = (None,)
        if changes.weaken:
            # Whoever runs this was asked meanwhile, and the user may have become the last admin.
            present = self._users.get(user.public_id)
            if present is None:
                raise UserNotFoundError
            others = self._staying(present)
        for other in others:
            changed = self._users.update(user.public_id, changes, other_admin=other, trail=trail)
            if isinstance(changed, User):
                return changed
        raise LastAdminError

    def end_sessions(self, user: User) -> None:
        """End every session of a user, from the next request on.

        Raises:
            UserNotFoundError: there is no such user any more.
            UnavailableError: the store cannot answer now; the sessions still work.
        """
        trail = self._trail(user, Act.SESSIONS_ENDED)
        self._users.raise_token_version(user.public_id, trail=trail)

    def remove(self, user: User) -> None:
        """Remove an account: every token of it stops working, and its names are free again.

        Raises:
            LastAdminError: it is the last admin's.
            UserNotFoundError: there is no such user any more.
            UnavailableError: the store cannot answer now; the account is as it was.
        """
        for _ in range(_ATTEMPTS):
            if self._remove_as_read(user):
                # Nobody can use them any more. What is left if this fails lapses in time.
                with suppress(UnavailableError):
                    self._sessions.forget(user.public_id)
                return
            changed = self._users.get(user.public_id)
            if changed is None:
                raise UserNotFoundError
            user = changed
        raise UnavailableError

    def export(self, *, with_hashes: bool) -> Iterator[Credentials]:
        """All users, newest first, a page at a time, without their hashes unless told otherwise.

        Pages neither repeat nor miss anybody who is there all the while. Of those who come or go
        meanwhile, some are among them.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        position: str | None = None
        while True:
            page = self._users.page(_PAGE, position)
            if with_hashes:
                yield from self._with_hashes(page.users)
            else:
                yield from (Credentials(user, "") for user in page.users)
            position = page.next_position
            if position is None:
                return

    def _with_hashes(self, users: Sequence[User]) -> Iterator[Credentials]:
        for first in range(0, len(users), _HASHES):
            some = users[first : first + _HASHES]
            hashes = self._users.hashes([user.public_id for user in some])
            for user in some:
                if user.public_id in hashes:  # otherwise they have just left
                    yield Credentials(user, hashes[user.public_id])

    def _remove_as_read(self, user: User) -> bool:
        """Remove a user, if they are as they were read."""
        errand = self._trails.message(Errand.ANONYMISE, public_id=user.public_id)
        trail = Trail(self._trail(user, Act.DELETED).events, (errand,))
        for other in self._staying(user):
            ended = self._users.remove(user, other, trail=trail)
            if ended is not Removal.NO_OTHER_ADMIN:
                return ended is Removal.DONE
        raise LastAdminError

    def _trail(self, user: User, act: Act) -> Trail:
        return Trail((self._trails.event(act, user.public_id, COMMAND, actor=OPERATOR),))

    def _staying(self, user: User) -> Iterable[str | None]:
        """Who is to be an admin still: anybody else, or if there is nobody, nobody need be.

        Who is no admin can lose nothing that somebody else would have to keep.
        """
        yield from (other for other in self._users.admins() if other != user.public_id)
        if not user.admin:
            yield None
