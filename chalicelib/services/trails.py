"""Trails: what is kept of a change, and what is still to be done for it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from chalicelib.domain.activity import Act, Event
from chalicelib.domain.changes import Changes
from chalicelib.domain.outbox import Errand, Message
from chalicelib.domain.sessions import Client
from chalicelib.domain.times import Clock
from chalicelib.domain.trails import Trail

_NOBODYS = timedelta(days=1)
"""For how long failed logins are kept that were for nobody's account."""
_NOTICE = timedelta(days=3)
_LASTING: Mapping[Errand, timedelta] = {
    Errand.VERIFY_EMAIL: timedelta(days=1),
    Errand.RESET_PASSWORD: timedelta(hours=1),
    Errand.CONFIRM_EMAIL: timedelta(days=1),
    Errand.EMAIL_CHANGED: _NOTICE,
    Errand.PASSWORD_CHANGED: _NOTICE,
    Errand.USERNAME_CHANGED: _NOTICE,
    Errand.ANONYMISE: timedelta(days=30),
}
"""For how long an errand is worth doing. Somebody waits for some of them, and has asked again."""


class TrailStore(Protocol):
    """Where a trail is kept that belongs to no change."""

    def write(self, trail: Trail) -> None:
        """Write a trail, all or nothing.

        Raises:
            UnavailableError: the store cannot answer now.
        """


class TrailService:
    """Makes events and messages, which are nothing until a store has written them.

    Most are written by the store that makes the change, in its transaction. Where nothing changes,
    there is `write`.
    """

    def __init__(
        self, store: TrailStore, clock: Clock, new_id: Callable[[], str], kept_for: timedelta
    ) -> None:
        """`kept_for` is how long events are kept."""
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._kept_for = kept_for

    def write(self, trail: Trail) -> None:
        """Write a trail that belongs to no change.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        self._store.write(trail)

    def event(
        self,
        act: Act,
        public_id: str,
        client: Client,
        *,
        actor: str | None = None,
        session_id: str | None = None,
        **changed: str,
    ) -> Event:
        """Something that happens now to an account. `actor` is who did it, if not its owner."""
        now = self._clock()
        return Event(
            public_id=public_id,
            event_id=self._new_id(),
            act=act,
            at=now,
            expires_at=now + self._kept_for,
            client=client,
            actor=None if actor == public_id else actor,
            session_id=session_id,
            changed=changed,
        )

    def failed_login(self, public_id: str | None, client: Client) -> Event:
        """A login that failed. Nobody's is kept likewise, so that time tells nothing.

        Those are spread by their identifiers, so that an attack does not write to one place.
        """
        if public_id is not None:
            return self.event(Act.LOGIN_FAILED, public_id, client)
        event = self.event(Act.LOGIN_FAILED, "", client)
        return replace(
            event,
            public_id=f"nobody#{event.event_id[-2:]}",
            expires_at=event.at + _NOBODYS,
        )

    def notices(self, changes: Changes, public_id: str, client: Client) -> tuple[Message, ...]:
        """What a user is told of changes by mail: that they have another name to log in with."""
        renaming = changes.renaming
        if renaming is None or not renaming.moves_marker:
            return ()
        errand, language = Errand.USERNAME_CHANGED, client.language
        return (self.message(errand, public_id=public_id, language=language),)

    def message(
        self,
        errand: Errand,
        *,
        public_id: str | None = None,
        email_key: str | None = None,
        address: str | None = None,
        language: str = "en",
    ) -> Message:
        """An errand that is to be done from now on."""
        now = self._clock()
        return Message(
            message_id=self._new_id(),
            errand=errand,
            created_at=now,
            expires_at=now + _LASTING[errand],
            public_id=public_id,
            email_key=email_key,
            address=address,
            language=language,
        )
