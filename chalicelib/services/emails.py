"""Emails of accounts: verifying one, changing it, and undoing that."""

from dataclasses import replace
from typing import Protocol

from chalicelib.domain.activity import Act
from chalicelib.domain.changes import NO_CHANGES, Changes, Renaming
from chalicelib.domain.email_changes import (
    MOST_FORMER_EMAILS,
    EmailChange,
    confirmed,
    held_emails,
    undone,
)
from chalicelib.domain.errors import (
    EmailTakenError,
    InvalidInputError,
    NotAllowedError,
    TokenInvalidError,
    TooManyRequestsError,
    UnavailableError,
)
from chalicelib.domain.mailed_tokens import MailedTokenRecord, Purpose
from chalicelib.domain.names import EmailAddress, Username
from chalicelib.domain.outbox import Errand
from chalicelib.domain.passwords import Password
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import Client
from chalicelib.domain.times import Clock
from chalicelib.domain.trails import NO_TRAIL, Trail
from chalicelib.domain.users import User
from chalicelib.services.attempts import AttemptService
from chalicelib.services.credentials import CredentialService
from chalicelib.services.mailed_tokens import MailedTokenReader
from chalicelib.services.trails import TrailService

_ATTEMPTS = 3


class EmailStore(Protocol):
    """Where an account's email is kept, unique at every moment, and held for a while when it goes.

    Each of these is done if the user is not disabled and as they were read, or not at all.
    """

    def verify_email(
        self, token: MailedTokenRecord, user: User, *, trail: Trail = NO_TRAIL
    ) -> bool:
        """Spend a token and count the user's address as verified; False if nothing was done.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def request_email(
        self,
        user: User,
        email: str | None,
        changes: Changes = NO_CHANGES,
        *,
        trail: Trail = NO_TRAIL,
    ) -> EmailChange:
        """Keep the address that a user wants, if it is not somebody else's; None takes it back.

        With it goes what else is to change of the user, all of it or nothing.

        Raises:
            UsernameTakenError: another user has the username.
            UnavailableError: the store cannot answer now.
        """

    def change_email(
        self, token: MailedTokenRecord, before: User, after: User, *, trail: Trail = NO_TRAIL
    ) -> EmailChange:
        """Spend a token, and make a user's email and former emails what they are afterwards.

        Raises:
            UnavailableError: the store cannot answer now.
        """


class EmailService:
    """Sees to it that an account's email is its owner's, and stays so."""

    def __init__(
        self,
        emails: EmailStore,
        tokens: MailedTokenReader,
        credentials: CredentialService,
        attempts: AttemptService,
        trails: TrailService,
        *,
        clock: Clock,
    ) -> None:
        self._emails = emails
        self._tokens = tokens
        self._credentials = credentials
        self._attempts = attempts
        self._trails = trails
        self._clock = clock

    def resend(self, email: EmailAddress, client: Client) -> None:
        """Have the link that verifies an address mailed again, if it is anybody's.

        Whether it is, nobody looks up here: see `RecoveryService.forgot`.

        Raises:
            TooManyRequestsError: there were too many for this address, or from the client's.
            UnavailableError: the store cannot answer now; no mail will come.
        """
        self._attempts.count_mail((Errand.VERIFY_EMAIL, email.key), client)
        message = self._trails.message(
            Errand.VERIFY_EMAIL, email_key=email.key, language=client.language
        )
        self._trails.write(Trail(messages=(message,)))

    def request_change(
        self,
        caller: Principal,
        public_id: str,
        email: EmailAddress,
        password: Password | None,
        client: Client,
        changes: Changes = NO_CHANGES,
        *,
        username: Username | None = None,
    ) -> User:
        """Take note of the address that the caller wants; a link is mailed to it.

        What else of theirs users may change, they can change in the same step.

        Until it is followed, the old one stays. Wanting another one takes the first wish's place,
        and wanting the address that one has takes it back. Another spelling of that is confirmed
        like any other address, since mail servers may tell them apart.

        Raises:
            NotAllowedError: it is not the caller's own account.
            InvalidInputError: the password is missing.
            WrongPasswordError: it is another one.
            EmailTakenError, UsernameTakenError: the name is somebody else's.
            TooManyRequestsError: there were too many wrong passwords, mails, or changes.
            TokenInvalidError: the caller's sessions have ended since the request began.
            UnavailableError: the store or the keys cannot answer now; nothing has changed.
        """
        if caller.named(public_id) != caller.user.public_id:
            raise NotAllowedError
        if password is None:
            raise InvalidInputError({"current_password": "This field is required."})
        user = self._credentials.confirm(caller, password, client)
        if username is not None:
            changes = replace(changes, renaming=Renaming(user.username, str(username)))
        wanted = None if email == user.email else str(email)
        trail = self._changed(caller, changes, client)
        if wanted is not None:
            trail = self._request(user, email, client, trail)
        ended = self._emails.request_email(user, wanted, changes, trail=trail)
        if ended is EmailChange.TAKEN:
            raise EmailTakenError
        if ended is EmailChange.STALE and username is None:
            raise TokenInvalidError  # every change that can have come between ends sessions
        if ended is EmailChange.STALE:
            raise UnavailableError  # or it was another username, which does not
        return replace(
            user,
            pending_email=wanted,
            username=user.username if username is None else str(username),
            metadata=user.metadata if changes.metadata is None else changes.metadata,
        )

    def verify(self, text: str, client: Client) -> None:
        """Verify an address, or put a new one in the old one's place, by the token mailed to it.

        With a new address, all sessions end, and the old one is told.

        Raises:
            MailedTokenInvalidError: the token is not good, or not any more.
            EmailTakenError: the new address is somebody else's by now.
            TooManyRequestsError: the token is not good, and too many from this address were not.
            UnavailableError: the store cannot answer now; nothing has changed.
        """
        for _ in range(_ATTEMPTS):
            token, owner = self._tokens.read(text, client, Purpose.VERIFY, Purpose.CONFIRM)
            user = owner.user
            if token.purpose is Purpose.CONFIRM:
                ended = self._confirm(token, user, client)
            else:
                event = self._trails.event(Act.EMAIL_VERIFIED, user.public_id, client)
                done = self._emails.verify_email(token, user, trail=Trail((event,)))
                ended = EmailChange.DONE if done else EmailChange.STALE
            if ended is EmailChange.DONE:
                return
            if ended is EmailChange.TAKEN:
                raise EmailTakenError
            # Somebody was faster. If it was not with this token, it may be good still.
        raise UnavailableError

    def undo(self, text: str, client: Client) -> None:
        """Put a former address back, by the token mailed to it, whatever the present one is.

        All sessions end, later addresses are not held any more, and a link to choose another
        password is mailed to the address: whoever changed it may know the present one.

        Raises:
            MailedTokenInvalidError: the token is not good, or not any more.
            TooManyRequestsError: the token is not good, and too many from this address were not.
            UnavailableError: the store cannot answer now; nothing has changed.
        """
        for _ in range(_ATTEMPTS):
            token, owner = self._tokens.read(text, client, Purpose.UNDO)
            user = owner.user
            after = undone(user, token.address, self._clock())
            if after is None:
                continue  # its time ran out a moment ago
            trail = Trail(
                events=(
                    self._trails.event(
                        Act.EMAIL_CHANGE_UNDONE, user.public_id, client, email=after.email
                    ),
                ),
                messages=(
                    self._trails.message(
                        Errand.RESET_PASSWORD,
                        public_id=user.public_id,
                        language=client.language,
                    ),
                ),
            )
            if self._emails.change_email(token, user, after, trail=trail) is EmailChange.DONE:
                return
        raise UnavailableError

    def _changed(self, caller: Principal, changes: Changes, client: Client) -> Trail:
        public_id, session_id = caller.user.public_id, caller.session_id
        events = (
            self._trails.event(act, public_id, client, session_id=session_id, **changed)
            for act, changed in changes.acts()
        )
        return Trail(tuple(events), self._trails.notices(changes, public_id, client))

    def _request(self, user: User, email: EmailAddress, client: Client, others: Trail) -> Trail:
        now = self._clock()
        held = held_emails(user, now)
        if len(held) >= MOST_FORMER_EMAILS:
            raise TooManyRequestsError(int((held[0].until - now).total_seconds()) + 1)
        kind = Errand.CONFIRM_EMAIL
        # Of an account, and to an address: anybody may have many accounts.
        self._attempts.count_mail((kind, user.public_id), client, (kind, email.key))
        return Trail(
            events=(
                *others.events,
                self._trails.event(
                    Act.EMAIL_CHANGE_REQUESTED, user.public_id, client, email=str(email)
                ),
            ),
            messages=(
                *others.messages,
                self._trails.message(
                    Errand.CONFIRM_EMAIL,
                    public_id=user.public_id,
                    address=str(email),
                    language=client.language,
                ),
            ),
        )

    def _confirm(self, token: MailedTokenRecord, user: User, client: Client) -> EmailChange:
        after = confirmed(user, token.address, self._clock())
        trail = Trail(
            events=(
                self._trails.event(Act.EMAIL_CHANGED, user.public_id, client, email=after.email),
            ),
            messages=(
                self._trails.message(
                    Errand.EMAIL_CHANGED,
                    public_id=user.public_id,
                    address=user.email,
                    language=client.language,
                ),
            ),
        )
        return self._emails.change_email(token, user, after, trail=trail)
