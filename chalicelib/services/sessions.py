"""Sessions: opened by a login, kept by refreshing, ended by their owner or by an admin."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from chalicelib.domain.activity import Act
from chalicelib.domain.attempts import Admission, Attempt, Count, LoginFacts, Origin, Outcome
from chalicelib.domain.errors import (
    EmailNotVerifiedError,
    InvalidInputError,
    PasswordChangeRequiredError,
    RefreshTokenInvalidError,
    SessionNotFoundError,
    TokenInvalidError,
    UnavailableError,
    UserNotFoundError,
    WrongCredentialsError,
)
from chalicelib.domain.names import lookup_key
from chalicelib.domain.outbox import Errand
from chalicelib.domain.passwords import NewPassword, Password
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import (
    Client,
    RefreshFacts,
    RefreshToken,
    Session,
    TokenSet,
    opening_order,
    slot_of,
)
from chalicelib.domain.times import Clock
from chalicelib.domain.tokens import (
    LEEWAY_SECONDS,
    LONGEST_ACCESS_TOKEN_SECONDS,
    SigningKey,
    is_session_id,
)
from chalicelib.domain.trails import NO_TRAIL, Trail
from chalicelib.domain.users import Credentials, User, is_public_id
from chalicelib.services.attempts import AttemptService
from chalicelib.services.password_changes import PasswordChangeStore
from chalicelib.services.passwords import PasswordHasher
from chalicelib.services.refresh_tokens import RefreshTokens, Use
from chalicelib.services.token_sets import TokenSetService
from chalicelib.services.trails import TrailService
from chalicelib.telemetry import security_event

_LONGEST_REQUEST_SECONDS = 30
REVOKED_FOR = timedelta(
    seconds=LONGEST_ACCESS_TOKEN_SECONDS + LEEWAY_SECONDS + _LONGEST_REQUEST_SECONDS
)
"""How long an ended session is remembered: as long as any access token of it can be valid, whatever
the setting was when it was signed, and if a refresh that came first is still being answered."""

_ATTEMPTS = 24
"""How often a login tries for a slot. Of those who race for one, one wins each time."""
_NOBODY = RefreshToken(
    "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000", b"", b""
)
"""Nobody's token: looked for in the place of one that cannot be read, so that both take as long."""
_NOBODYS_KEY = ""
"""A name's key that nobody has, looked for in the place of one that nobody can have."""


class CredentialStore(PasswordChangeStore, Protocol):
    """Where the password of an account is found, and kept up to date."""

    def login_by_email(self, key: str, signing_key_id: str, origin: Origin) -> LoginFacts:
        """The account of an email's key, and the standings of a signing key and an address.

        All of it is strongly consistent.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def login_by_username(self, key: str, signing_key_id: str, origin: Origin) -> LoginFacts:
        """The account of a username's key; in all else like `login_by_email`."""

    def replace_password_hash(self, public_id: str, old_hash: str, new_hash: str) -> None:
        """Keep the same password under a new hash, unless the hash has changed meanwhile.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def raise_token_version(self, public_id: str, *, trail: Trail = NO_TRAIL) -> None:
        """End every session of a user, and every access token, in one write with its trail.

        Raises:
            UserNotFoundError: there is no such user.
            UnavailableError: the store cannot answer now.
        """


class PasswordRules(Protocol):
    """Which passwords may be chosen. Few logins choose one, so the rules are made when one does."""

    def check(self, password: NewPassword, field: str, *, email: str, username: str) -> None:
        """See that a password may be chosen.

        Raises:
            InvalidInputError: it may not. The error names the field, and why.
        """


class SessionStore(Protocol):
    """Where sessions are kept, each in a slot of its user's."""

    def open(
        self,
        session: Session,
        ending: str | None,
        revoked_until: int,
        admission: Admission,
        *,
        trail: Trail = NO_TRAIL,
    ) -> Outcome:
        """Put a session into its slot and, if need be, end another of its user's in the same step.

        In this step, too, its address is remembered and the trail written.

        Nothing is done if the count that is named is not below its limit, or if yet another session
        has the slot and can still be used. Repeatable: the session itself does not stand in its own
        way.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def of_user(self, public_id: str) -> tuple[Session, ...]:
        """What sessions there are of a user, ended ones possibly among them; consistent.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def alive(self, user: User, now: int) -> tuple[str, ...]:
        """The identifiers of a user's sessions that can be used, oldest first; consistent.

        `now` is in seconds since the epoch.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def find(self, token: RefreshToken, signing_key_id: str) -> RefreshFacts:
        """The user and the session that a token names, in one consistent read.

        The session is None if it is not there or another one has its slot.

        Raises:
            UnavailableError: the store cannot answer in full now.
        """

    def rotate(
        self, session: Session, used: RefreshToken, *, trail: Trail = NO_TRAIL
    ) -> Session | None:
        """Write a session as its refresh left it, in one step, if `used` is its current token.

        Answers the session as it is in the store afterwards, which is another one if somebody
        else was first, and None if it is gone.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def end(
        self, public_id: str, session_id: str, revoked_until: int, *, trail: Trail = NO_TRAIL
    ) -> None:
        """End a session, from the next request on, whether or not it is still there. Repeatable.

        `revoked_until` is in seconds since the epoch: how long its access tokens are refused.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def end_if_alive(
        self,
        principal: Principal,
        session_id: str,
        now: int,
        revoked_until: int,
        *,
        trail: Trail = NO_TRAIL,
    ) -> bool:
        """End a session of the caller's like `end`; False if there is none that can be used.

        Raises:
            UnavailableError: the store cannot answer now.
        """


class SessionService:
    """Opens, keeps and ends what a client calls being logged in."""

    def __init__(
        self,
        credentials: CredentialStore,
        sessions: SessionStore,
        hasher: PasswordHasher,
        token_sets: TokenSetService,
        refresh_tokens: RefreshTokens,
        attempts: AttemptService,
        trails: TrailService,
        *,
        requires_verified_emails: bool,
        rules: Callable[[], PasswordRules],
        clock: Clock,
    ) -> None:
        self._credentials = credentials
        self._sessions = sessions
        self._hasher = hasher
        self._token_sets = token_sets
        self._refresh_tokens = refresh_tokens
        self._attempts = attempts
        self._trails = trails
        self._requires_verified_emails = requires_verified_emails
        self._rules = rules
        self._clock = clock

    def log_in_by_email(
        self, email: str, password: Password, client: Client, new: NewPassword | None = None
    ) -> TokenSet:
        """Log in the account of an email: a new session.

        With a new password, that one replaces the present one in the same step, and every other
        session ends.

        Raises:
            WrongCredentialsError: there is none, the password is wrong, or it is disabled: the
                same answer after the same work.
            EmailNotVerifiedError: the password is right, and the address has to be verified first.
            PasswordChangeRequiredError: the password is right, and has to be replaced first.
            InvalidInputError: it is right, and the new one may not be chosen.
            TooManyRequestsError: there were too many wrong ones, whether or not there is such an
                account: likewise. Nobody is told whether this one was right.
            UnavailableError: the store or the keys cannot answer now.
        """
        signing_key, key = self._token_sets.signing_key(), lookup_key(email)
        origin = self._attempts.origin(client, "email", key or email)
        found = self._credentials.login_by_email(key or _NOBODYS_KEY, signing_key.key_id, origin)
        return self._log_in(found, (password, new), client, origin, signing_key)

    def log_in_by_username(
        self, username: str, password: Password, client: Client, new: NewPassword | None = None
    ) -> TokenSet:
        """Log in the account of a username; in all else like `log_in_by_email`."""
        signing_key, key = self._token_sets.signing_key(), lookup_key(username)
        origin = self._attempts.origin(client, "username", key or username)
        found = self._credentials.login_by_username(key or _NOBODYS_KEY, signing_key.key_id, origin)
        return self._log_in(found, (password, new), client, origin, signing_key)

    def refresh(self, text: str, client: Client) -> TokenSet:
        """Spend a refresh token on a new token set of its session.

        However many use one token at once, and whosever answer is lost, within the grace each is
        given the same next token, so a session never has two lines of tokens. A token that is
        used after that has been copied: the session ends, for whoever has the other copy too.

        Raises:
            RefreshTokenInvalidError: it is not one, or its session has ended, or the user is gone
                or disabled: the same answer after the same work.
            TooManyRequestsError: it is not good, and too many from this address were not.
            UnavailableError: the store or the keys cannot answer now. The token is as good as
                before, within the grace.
        """
        token = RefreshToken.parse(text) or _NOBODY
        key = self._token_sets.signing_key()
        found = self._sessions.find(token, key.key_id)
        user = found.user
        session, current = self._use(token, user, found.session, client)
        if user is None or session is None or current is None:
            self._attempts.fail_from(client)
            raise RefreshTokenInvalidError
        if found.key_revoked:
            key = self._token_sets.key_in_place_of(key)
        return self._token_sets.issue(user, session, current, key)

    def log_out(self, caller: Principal, client: Client) -> None:
        """End the session that the caller showed, from the next request on.

        Raises:
            UnavailableError: the store cannot answer now; the session still works.
        """
        public_id, session_id = caller.user.public_id, caller.session_id
        trail = self._trail(Act.LOGGED_OUT, public_id, client, session_id=session_id)
        self._sessions.end(public_id, session_id, self._revoked_until(), trail=trail)

    def list(self, caller: Principal) -> tuple[Session, ...]:
        """The caller's sessions that can be used, newest first.

        Raises:
            UnavailableError: the store cannot answer now.
        """
        user, now = caller.user, self._clock()
        sessions = self._sessions.of_user(user.public_id)
        alive = (session for session in sessions if session.is_alive(user.token_version, now))
        return tuple(sorted(alive, key=opening_order, reverse=True))

    def end(self, caller: Principal, session_id: str, client: Client) -> None:
        """End a session of the caller's.

        Raises:
            SessionNotFoundError: the caller has no such session, or it has ended.
            UnavailableError: the store cannot answer now; the session still works.
        """
        now = int(self._clock().timestamp())
        public_id = caller.user.public_id
        trail = self._trail(Act.SESSION_ENDED, public_id, client, session_id=session_id)
        if not is_session_id(session_id) or not self._sessions.end_if_alive(
            caller, session_id, now, self._revoked_until(), trail=trail
        ):
            raise SessionNotFoundError

    def end_all(self, caller: Principal, client: Client) -> None:
        """End every session of the caller's, the present one too.

        Raises:
            TokenInvalidError: the caller's account was closed since the request began.
            UnavailableError: the store cannot answer now; the sessions still work.
        """
        try:
            self._end_all(caller, caller.user.public_id, client)
        except UserNotFoundError as fault:
            raise TokenInvalidError from fault

    def end_all_of(self, caller: Principal, public_id: str, client: Client) -> None:
        """End every session of a user, as an admin.

        Raises:
            NotAllowedError: the caller is not an admin.
            UserNotFoundError: there is no such user.
            UnavailableError: the store cannot answer now; the sessions still work.
        """
        caller.require_admin()
        public_id = caller.named(public_id)
        if not is_public_id(public_id):
            raise UserNotFoundError
        self._end_all(caller, public_id, client)

    def _end_all(self, caller: Principal, public_id: str, client: Client) -> None:
        actor = caller.user.public_id
        trail = self._trail(Act.SESSIONS_ENDED, public_id, client, actor=actor)
        self._credentials.raise_token_version(public_id, trail=trail)

    def _log_in(
        self,
        found: LoginFacts,
        passwords: tuple[Password, NewPassword | None],
        client: Client,
        origin: Origin,
        key: SigningKey,
    ) -> TokenSet:
        password, new = passwords
        attempt = self._attempts.begin(found, origin)
        if found.key_revoked:
            key = self._token_sets.key_in_place_of(key)
        credentials = self._admitted(found.credentials, password)
        # From here on, nothing that takes time, and no answer, may tell which way it went before
        # the count has allowed that.
        if credentials is None:
            event = self._trails.failed_login(attempt.public_id, client)
            self._attempts.fail(attempt, Trail((event,)))
            raise WrongCredentialsError
        user = credentials.user
        if self._requires_verified_emails and not user.email_verified:
            self._attempts.confirm(attempt)
            raise EmailNotVerifiedError
        if new is not None or user.password_change_required:
            self._attempts.confirm(attempt)
            return self._replace(credentials, passwords, client, attempt, key)
        session, token = self._open(user, client, attempt)
        answer = self._token_sets.issue(user, session, token, key)
        if self._hasher.is_outdated(credentials.password_hash):
            # Bookkeeping: if the store fails here, the next login does it.
            with suppress(UnavailableError):
                self._credentials.replace_password_hash(
                    user.public_id, credentials.password_hash, self._hasher.hash(password)
                )
        return answer

    def _replace(
        self,
        before: Credentials,
        passwords: tuple[Password, NewPassword | None],
        client: Client,
        attempt: Attempt,
        key: SigningKey,
    ) -> TokenSet:
        """Open a session with another password in the place of the one that was shown.

        By then it must be confirmed: the new one is looked up and hashed, which takes its time.
        """
        new = self._chosen(before.user, *passwords)
        user = replace(before.user, token_version=before.user.token_version + 1)
        session, token = self._token_sets.draft(user, client)
        trail = Trail(
            tuple(
                self._trails.event(act, user.public_id, client, session_id=session.session_id)
                for act in (Act.PASSWORD_CHANGED, Act.LOGGED_IN)
            ),
            (
                self._trails.message(
                    Errand.PASSWORD_CHANGED,
                    public_id=user.public_id,
                    address=user.email,
                    language=client.language,
                ),
            ),
        )
        new_hash = self._hasher.hash(new)

        def change(below: Count) -> Outcome:
            return self._credentials.change_password(before, new_hash, session, below, trail=trail)

        if not self._attempts.settle(attempt, change):
            raise UnavailableError  # somebody changed the password meanwhile, or ended all sessions
        return self._token_sets.issue(user, session, token, key)

    def _chosen(self, user: User, present: Password, new: NewPassword | None) -> NewPassword:
        """The password that is to replace the present one, if it may."""
        if new is None:
            raise PasswordChangeRequiredError
        if new.text == present.text:
            raise InvalidInputError({"new_password": "Must not be the present one."})
        self._rules().check(new, "new_password", email=user.email, username=user.username)
        return new

    def _admitted(self, found: Credentials | None, password: Password) -> Credentials | None:
        """The account, if there is one, this is its password, and it is not disabled."""
        if found is None:
            self._hasher.match_nobody(password)
            return None
        right = self._hasher.matches(password, found.password_hash)
        return found if right and not found.user.disabled else None

    def _open(self, user: User, client: Client, attempt: Attempt) -> tuple[Session, RefreshToken]:
        """Open a session in a slot that is free, most often the first that is tried.

        Only if that one is taken are the user's sessions read: then the free slots are known, or
        that there is none and the oldest session has to go.

        Raises:
            TooManyRequestsError: there were too many wrong passwords meanwhile.
            UnavailableError: the store cannot answer now, or others took each slot in between.
        """
        session, token = self._token_sets.draft(user, client)
        ending: str | None = None
        for _ in range(_ATTEMPTS):
            if self._put(session, ending, attempt):
                return session, token
            alive = self._sessions.alive(user, int(self._clock().timestamp()))
            slots = self._token_sets.slots
            surplus = max(0, len(alive) - len(slots) + 1)
            # One, unless the setting was lowered: then those above it end by themselves.
            for oldest in alive[: surplus - 1] if surplus else ():
                self._sessions.end(user.public_id, oldest, self._revoked_until())
            ending = alive[surplus - 1] if surplus else None
            taken = {slot_of(other) for other in alive[surplus:]}
            free = [slot for slot in slots if slot not in taken]
            session, token = self._token_sets.draft(user, client, free)
        raise UnavailableError

    def _put(self, session: Session, ending: str | None, attempt: Attempt) -> bool:
        public_id, session_id = session.public_id, session.session_id
        trail = self._trail(Act.LOGGED_IN, public_id, session.client, session_id=session_id)

        def put(below: Count) -> Outcome:
            admission = Admission(below, attempt.remembers)
            return self._sessions.open(
                session, ending, self._revoked_until(), admission, trail=trail
            )

        return self._attempts.settle(attempt, put)

    def _use(
        self, token: RefreshToken, user: User | None, session: Session | None, client: Client
    ) -> tuple[Session | None, RefreshToken | None]:
        """Use a token: the session as it is then and the token that works, or None for either."""
        now = self._clock()
        if user is None or user.disabled or session is None:
            return None, None
        if not session.is_alive(user.token_version, now):
            return None, None
        match self._refresh_tokens.tell(token, session.lineage, now):
            case Use.CURRENT:
                renewed, follower = self._token_sets.renew(session, token, client)
                trail = self._trail(
                    Act.REFRESHED, session.public_id, client, session_id=session.session_id
                )
                stored = self._sessions.rotate(renewed, token, trail=trail)
                if stored == renewed:
                    return renewed, follower
                # Somebody else was first: this token is spent by now, and most likely forgiven.
                return self._use(token, user, stored, client)
            case Use.FORGIVEN:
                return session, self._refresh_tokens.catch_up(token, session.lineage)
            case Use.REUSED:
                # Told first: if the store ends the session and its answer is lost, nobody finds
                # the reuse a second time.
                security_event(
                    "refresh_token_reused",
                    user=session.public_id,
                    session=session.session_id,
                )
                public_id, session_id = session.public_id, session.session_id
                trail = self._trail(
                    Act.REFRESH_TOKEN_REUSED, public_id, client, session_id=session_id
                )
                self._sessions.end(public_id, session_id, self._revoked_until(), trail=trail)
        return None, None

    def _trail(
        self,
        act: Act,
        public_id: str,
        client: Client,
        *,
        actor: str | None = None,
        session_id: str | None = None,
    ) -> Trail:
        event = self._trails.event(act, public_id, client, actor=actor, session_id=session_id)
        return Trail((event,))

    def _revoked_until(self) -> int:
        return int((self._clock() + REVOKED_FOR).timestamp())
