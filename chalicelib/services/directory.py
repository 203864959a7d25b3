"""Looking at accounts: one, a page of them, or the one of a name.

A module of its own, so that whoever only looks loads nothing to hash or to sign with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chalicelib.domain.errors import AccountsError, TokenInvalidError, UserNotFoundError
from chalicelib.domain.names import lookup_key
from chalicelib.domain.principals import Principal
from chalicelib.domain.users import Page, User, is_public_id
from chalicelib.services.cursors import CursorSigner


class UserReader(Protocol):
    """Where users are found."""

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


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of users, and the cursor of the next one (None on the last)."""

    users: tuple[User, ...]
    next_cursor: str | None


class Directory:
    """What can be seen of accounts."""

    def __init__(self, users: Callable[[], UserReader], cursors: CursorSigner) -> None:
        """`users` is asked when somebody has to be read. Who looks at themselves is known."""
        self._users = users
        self._cursors = cursors

    def get(self, caller: Principal, public_id: str) -> User:
        """Look at an account; the caller's own needs no further read, unless it is not whole.

        Raises:
            UserNotFoundError: there is no such user.
            TokenInvalidError: the caller's account was closed since the request began.
            UnavailableError: the store cannot answer now.
        """
        public_id = caller.named(public_id)
        if public_id == caller.user.public_id and caller.whole:
            return caller.user
        return read_user(self._users(), caller, public_id)

    def list(self, caller: Principal, limit: int, cursor: str | None) -> Listing:
        """Look through all accounts, newest first.

        Raises:
            NotAllowedError: the caller is not an admin.
            InvalidInputError: the cursor is not from this list.
            UnavailableError: the store cannot answer now.
        """
        caller.require_admin()
        page = self._users().page(limit, None if cursor is None else self._cursors.read(cursor))
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
        caller.require_admin()
        found = []
        if email is not None:
            key = lookup_key(email)
            found.append(self._users().find_by_email(key) if key else None)
        if username is not None:
            key = lookup_key(username)
            found.append(self._users().find_by_username(key) if key else None)
        first, *others = found
        if first is None or any(other != first for other in others):
            return Listing((), None)
        return Listing((first,), None)


def read_user(users: UserReader, caller: Principal, public_id: str) -> User:
    """Read a user that somebody asks for.

    Raises:
        UserNotFoundError: there is no such user.
        TokenInvalidError: the caller's account was closed since the request began.
        UnavailableError: the store cannot answer now.
    """
    user = users.get(public_id) if is_public_id(public_id) else None
    if user is None:
        raise gone(caller, public_id)
    return user


def gone(caller: Principal, public_id: str) -> AccountsError:
    """What a missing user means: of the caller's own account, that it was closed meanwhile."""
    return TokenInvalidError() if public_id == caller.user.public_id else UserNotFoundError()
