"""Accounts: registering one, looking at them, making an admin."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chalicelib.domain.errors import NotAllowedError, UserNotFoundError
from chalicelib.domain.names import EmailAddress, Username, lookup_key
from chalicelib.domain.passwords import NewPassword
from chalicelib.domain.principals import Principal
from chalicelib.domain.times import Clock
from chalicelib.domain.users import Page, User, is_public_id
from chalicelib.services.cursors import CursorSigner
from chalicelib.services.passwords import PasswordHasher


class UserStore(Protocol):
    """Where users are kept, their email and username unique at every moment."""

    def add(self, user: User, password_hash: str) -> None:
        """Add a user, all or nothing.

        Raises:
            EmailTakenError, UsernameTakenError: another user has the name's key; the email is
                named first if both are taken.
            UnavailableError: the store cannot answer now.
        """

    def get(self, public_id: str) -> User | None:
        """The user of an identifier, strongly consistent.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def find_by_email(self, key: str) -> User | None:
        """The user of an email's key, strongly consistent; raises like `get`."""

    def find_by_username(self, key: str) -> User | None:
        """The user of a username's key, strongly consistent; raises like `get`."""

    def page(self, limit: int, position: str | None) -> Page:
        """Users, newest first, from a position on; soon consistent; raises like `get`."""

    def grant_admin(self, public_id: str) -> User:
        """Make a user an admin, and answer the user as they now are.

        Raises:
            UserNotFoundError: there is no such user.
            UnavailableError: the store cannot answer now.
        """


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of users, and the cursor of the next one (None on the last)."""

    users: tuple[User, ...]
    next_cursor: str | None


class AccountService:
    """What can be done with accounts."""

    def __init__(
        self,
        users: UserStore,
        hasher: PasswordHasher,
        cursors: CursorSigner,
        *,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._users = users
        self._hasher = hasher
        self._cursors = cursors
        self._clock = clock
        self._new_id = new_id

    def register(self, email: EmailAddress, username: Username, password: NewPassword) -> User:
        """Open an account.

        Of any number of registrations that race for a name, one wins: the store decides, in one
        transaction, not a check made beforehand.

        Raises:
            EmailTakenError, UsernameTakenError: the name belongs to another account.
            UnavailableError: the store cannot answer now; there is no account.
        """
        user = User(
            public_id=self._new_id(),
            email=str(email),
            username=str(username),
            registered_on=self._clock(),
        )
        self._users.add(user, self._hasher.hash(password))
        return user

    def get(self, caller: Principal, public_id: str) -> User:
        """Look at an account; `me`, or the caller's own identifier, needs no further read.

        Raises:
            UserNotFoundError: there is no such user.
            UnavailableError: the store cannot answer now.
        """
        if public_id in ("me", caller.user.public_id):
            return caller.user
        user = self._users.get(public_id) if is_public_id(public_id) else None
        if user is None:
            raise UserNotFoundError
        return user

    def list(self, caller: Principal, limit: int, cursor: str | None) -> Listing:
        """Look through all accounts, newest first.

        Raises:
            NotAllowedError: the caller is not an admin.
            InvalidInputError: the cursor is not from this list.
            UnavailableError: the store cannot answer now.
        """
        _require_admin(caller)
        page = self._users.page(limit, None if cursor is None else self._cursors.read(cursor))
        position = page.next_position
        return Listing(page.users, None if position is None else self._cursors.sign(position))

    def find(
        self, caller: Principal, *, email: str | None = None, username: str | None = None
    ) -> Listing:
        """Find the one account that has all the names given, in any spelling, or none.

        Raises:
            NotAllowedError: the caller is not an admin.
            UnavailableError: the store cannot answer now.
        """
        _require_admin(caller)
        found = []
        if email is not None:
            key = lookup_key(email)
            found.append(self._users.find_by_email(key) if key else None)
        if username is not None:
            key = lookup_key(username)
            found.append(self._users.find_by_username(key) if key else None)
        first, *others = found
        if first is None or any(other != first for other in others):
            return Listing((), None)
        return Listing((first,), None)

    def promote(self, email: EmailAddress) -> bool:
        """Make the account of an email an admin's, for the operator of the service.

        Answers whether that changed anything.

        Raises:
            UserNotFoundError: there is no such account.
            UnavailableError: the store cannot answer now.
        """
        user = self._users.find_by_email(email.key)
        if user is None:
            raise UserNotFoundError
        if not user.admin:
            self._users.grant_admin(user.public_id)
        return not user.admin


def _require_admin(caller: Principal) -> None:
    if not caller.user.admin:
        raise NotAllowedError
