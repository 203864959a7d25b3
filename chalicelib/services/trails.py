"""Trails: what a change leaves behind, made with the ids, moments and expiries that it has."""

from collections.abc import Callable
from datetime import timedelta

from chalicelib.domain.activity import Act, Event
from chalicelib.domain.outbox import Errand, Message
from chalicelib.domain.sessions import Client
from chalicelib.domain.times import Clock

_NOTICE = timedelta(days=3)
_LIFETIMES = {
    Errand.RESET_PASSWORD: timedelta(hours=1),
    Errand.VERIFY_EMAIL: timedelta(days=1),
    Errand.CONFIRM_EMAIL: timedelta(days=1),
    Errand.EMAIL_CHANGED: _NOTICE,
    Errand.PASSWORD_CHANGED: _NOTICE,
    Errand.ANONYMISE: timedelta(days=30),
}
"""For how long each errand is worth doing."""


class TrailService:
    """Makes events and messages. What it makes is nothing until it is stored."""

    def __init__(self, clock: Clock, new_id: Callable[[], str], kept_for: timedelta) -> None:
        """`kept_for` is how long events are kept."""
        self._clock = clock
        self._new_id = new_id
        self._kept_for = kept_for

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
        """Something that happens to an account now."""
        now = self._clock()
        return Event(
            public_id=public_id,
            event_id=self._new_id(),
            act=act,
            at=now,
            expires_at=now + self._kept_for,
            client=client,
            actor=actor,
            session_id=session_id,
            changed=changed,
        )

    def message(
        self,
        errand: Errand,
        *,
        public_id: str | None = None,
        email_key: str | None = None,
        address: str | None = None,
        language: str = "en",
    ) -> Message:
        """Something that is to be done from now on."""
        now = self._clock()
        return Message(
            message_id=self._new_id(),
            errand=errand,
            created_at=now,
            expires_at=now + _LIFETIMES[errand],
            public_id=public_id,
            email_key=email_key,
            address=address,
            language=language,
        )
