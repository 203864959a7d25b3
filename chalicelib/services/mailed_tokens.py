"""Mailed tokens as they come back: which of them are good, and for what."""

from typing import Protocol

from chalicelib.domain.email_changes import held_emails
from chalicelib.domain.errors import MailedTokenInvalidError
from chalicelib.domain.mailed_tokens import (
    MailedToken,
    MailedTokenFacts,
    MailedTokenRecord,
    Purpose,
    password_mark,
)
from chalicelib.domain.sessions import Client
from chalicelib.domain.times import Clock
from chalicelib.domain.users import Credentials
from chalicelib.services.attempts import AttemptService

_NOBODYS = MailedToken("00000000-0000-0000-0000-000000000000", b"")
"""Nobody's token: looked for in the place of one that cannot be read, so that both take as long."""


class MailedTokenStore(Protocol):
    """Where it is kept what mailed tokens are checked against."""

    def find(self, token: MailedToken) -> MailedTokenFacts:
        """What is kept of a token, and the user whose it says that it is, in one consistent read.

        Raises:
            UnavailableError: the store cannot answer in full now.
        """


class MailedTokenReader:
    """Tells good tokens from all others, and does not tell why the others are not."""

    def __init__(self, tokens: MailedTokenStore, attempts: AttemptService, clock: Clock) -> None:
        self._tokens = tokens
        self._attempts = attempts
        self._clock = clock

    def read(
        self, text: str, client: Client, *purposes: Purpose
    ) -> tuple[MailedTokenRecord, Credentials]:
        """Find what a token is for, and whose it is. It is not spent by that.

        Raises:
            MailedTokenInvalidError: it is not one, or for something else, spent or expired; or
                the user, their password or the address is not what it was: the same answer after
                the same work.
            TooManyRequestsError: it is not good, and too many from this address were not.
            UnavailableError: the store cannot answer now.
        """
        facts = self._tokens.find(MailedToken.parse(text) or _NOBODYS)
        record, owner = facts.record, facts.credentials
        if record and owner and record.purpose in purposes and self._is_good(record, owner):
            return record, owner
        self._attempts.fail_from(client)
        raise MailedTokenInvalidError

    def _is_good(self, record: MailedTokenRecord, owner: Credentials) -> bool:
        """Tell whether it is this user's, as the user is now. DynamoDB deletes late."""
        user, now = owner.user, self._clock()
        if user.disabled or record.public_id != user.public_id or now >= record.expires_at:
            return False
        if record.password_mark not in (None, password_mark(owner.password_hash)):
            return False
        if record.purpose is Purpose.UNDO:
            return any(record.address == former.email for former in held_emails(user, now))
        if record.purpose is Purpose.CONFIRM:
            return record.address == user.pending_email
        return record.address == user.email
