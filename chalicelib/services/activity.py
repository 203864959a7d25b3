"""Activity: what has happened to an account, for its owner and for admins."""

from dataclasses import dataclass
from typing import Protocol

from chalicelib.domain.activity import Event, EventPage
from chalicelib.domain.errors import UserNotFoundError
from chalicelib.domain.principals import Principal
from chalicelib.domain.users import User, is_public_id
from chalicelib.services.cursors import CursorSigner


class ActivityStore(Protocol):
    """Where it is kept what happened to accounts."""

    def page(self, public_id: str, limit: int, position: str | None) -> EventPage:
        """Events of an account, newest first, from a position on; consistent.

        What is past its time is not among them.

        Raises:
            UnavailableError: the store cannot answer now.
        """


class ActivityUserStore(Protocol):
    """Where it is known who has an account."""

    def get(self, public_id: str) -> User | None:
        """The user of an identifier, strongly consistent.

        Raises:
            UnavailableError: the store cannot answer now.
        """


@dataclass(frozen=True, slots=True)
class Activity:
    """A page of events, and the cursor of the next one (None on the last)."""

    events: tuple[Event, ...]
    next_cursor: str | None


class ActivityService:
    """Tells what has happened to accounts. It is written with each change: see `TrailService`."""

    def __init__(
        self, events: ActivityStore, users: ActivityUserStore, cursors: CursorSigner
    ) -> None:
        self._events = events
        self._users = users
        self._cursors = cursors

    def list(
        self, caller: Principal, public_id: str, limit: int, cursor: str | None = None
    ) -> Activity:
        """Look through what has happened to the caller's account, or to anybody's as an admin.

        An account that is gone still has what is kept of it.

        Raises:
            NotAllowedError: it is somebody else's, and the caller is not an admin.
            InvalidInputError: the cursor is not from this list, or of another account's.
            UserNotFoundError: there is no such user, and nothing is kept of one.
            UnavailableError: the store cannot answer now.
        """
        public_id = caller.named(public_id)
        own = public_id == caller.user.public_id
        if not own:
            caller.require_admin()
        if not is_public_id(public_id):
            raise UserNotFoundError
        listing = f"/activity/{public_id}"
        position = None if cursor is None else self._cursors.read(cursor, listing)
        page = self._events.page(public_id, limit, position)
        if not (own or page.events or position) and self._users.get(public_id) is None:
            raise UserNotFoundError
        following = page.next_position
        return Activity(
            page.events, None if following is None else self._cursors.sign(following, listing)
        )
