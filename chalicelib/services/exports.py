"""Exports: everything that is stored about a user, for the user."""

from dataclasses import dataclass
from typing import Protocol

from chalicelib.domain.errors import NotAllowedError, TokenInvalidError
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import Session
from chalicelib.domain.times import Clock
from chalicelib.domain.users import User
from chalicelib.services.activity import Activity, ActivityService

MOST_EVENTS = 1_000
"""An event has some 300 octets, and 3,000 at the very most; Lambda answers at most 6 MB."""


class ExportUserStore(Protocol):
    """Where users are kept."""

    def get(self, public_id: str) -> User | None:
        """The user of an identifier, strongly consistent.

        Raises:
            UnavailableError: the store cannot answer now.
        """


class ExportSessionStore(Protocol):
    """Where sessions are kept."""

    def of_user(self, public_id: str) -> tuple[Session, ...]:
        """What sessions there are of a user, ended ones possibly among them; consistent.

        Raises:
            UnavailableError: the store cannot answer now.
        """


@dataclass(frozen=True, slots=True)
class Export:
    """What is stored about a user, but for what is of use to the service alone."""

    user: User
    sessions: tuple[tuple[Session, bool], ...]
    """Newest first, and whether each has ended."""
    activity: Activity
    """The newest events. Its cursor is one of the user's own list."""


class ExportService:
    """Gathers what is stored about a user."""

    def __init__(
        self,
        users: ExportUserStore,
        sessions: ExportSessionStore,
        activity: ActivityService,
        clock: Clock,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._activity = activity
        self._clock = clock

    def export(self, caller: Principal, public_id: str) -> Export:
        """Gather what is stored about the caller. Nobody else gets it, admins neither.

        Raises:
            NotAllowedError: it is somebody else's.
            TokenInvalidError: the caller's account was closed since the request began.
            UnavailableError: the store cannot answer now.
        """
        if caller.named(public_id) != caller.user.public_id:
            raise NotAllowedError
        user = self._users.get(caller.user.public_id)
        if user is None:
            raise TokenInvalidError
        now = self._clock()
        sessions = sorted(
            self._sessions.of_user(user.public_id),
            key=lambda session: (session.created_at, session.session_id),
            reverse=True,
        )
        return Export(
            user=user,
            sessions=tuple(
                (session, not session.is_alive(user.token_version, now)) for session in sessions
            ),
            activity=self._activity.list(caller, "me", MOST_EVENTS),
        )
