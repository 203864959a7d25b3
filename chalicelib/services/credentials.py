"""Passwords of accounts: confirming the present one, changing it."""

from dataclasses import dataclass, replace
from typing import Protocol

from chalicelib.domain.activity import Act
from chalicelib.domain.attempts import Attempt, Count, LoginFacts, Origin, Outcome
from chalicelib.domain.errors import TokenInvalidError, UnavailableError, WrongPasswordError
from chalicelib.domain.outbox import Errand
from chalicelib.domain.passwords import NewPassword, Password
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import Client, Session, TokenSet, slot_of
from chalicelib.domain.tokens import SigningKey
from chalicelib.domain.trails import Trail
from chalicelib.domain.users import Credentials, User
from chalicelib.services.attempts import AttemptService
from chalicelib.services.password_changes import PasswordChangeStore
from chalicelib.services.password_policy import PasswordPolicy
from chalicelib.services.passwords import PasswordHasher
from chalicelib.services.token_sets import TokenSetService
from chalicelib.services.trails import TrailService

_ATTEMPTS = 3


class PasswordStore(PasswordChangeStore, Protocol):
    """Where an account's password is kept."""

    def login_by_id(self, public_id: str, signing_key_id: str, origin: Origin) -> LoginFacts:
        """The account of an identifier, and the standings of a signing key and an address.

        All of it is strongly consistent.

        Raises:
            UnavailableError: the store cannot answer now.
        """


@dataclass(frozen=True, slots=True)
class _Found:
    """A caller's account, and what it takes to go on with it."""

    credentials: Credentials
    facts: LoginFacts
    origin: Origin
    key: SigningKey


class CredentialService:
    """What is done with the password that an account has."""

    def __init__(
        self,
        passwords: PasswordStore,
        policy: PasswordPolicy,
        hasher: PasswordHasher,
        token_sets: TokenSetService,
        attempts: AttemptService,
        trails: TrailService,
    ) -> None:
        self._passwords = passwords
        self._policy = policy
        self._hasher = hasher
        self._token_sets = token_sets
        self._attempts = attempts
        self._trails = trails

    def confirm(self, caller: Principal, password: Password, client: Client) -> User:
        """See that a password is the caller's own, and answer the caller as they are now.

        Raises:
            WrongPasswordError: it is another one.
            TooManyRequestsError: there were too many wrong ones. Nobody is told what it was.
            TokenInvalidError: the caller's sessions have ended since the request began.
            UnavailableError: the store or the keys cannot answer now.
        """
        found = self._find(caller, client)
        attempt = self._begin(found)
        self._compare(attempt, found, password, client)
        self._attempts.confirm(attempt)
        return found.credentials.user

    def change(
        self, caller: Principal, current: Password, new: NewPassword, client: Client
    ) -> TokenSet:
        """Change the caller's password: every session ends, but for a new one of the caller's.

        Raises:
            InvalidInputError: the new one may not be chosen.
            WrongPasswordError: the current one is another.
            TooManyRequestsError: there were too many wrong ones. Nobody is told what it was.
            TokenInvalidError: the caller's sessions have ended since the request began.
            UnavailableError: the store or the keys cannot answer now; nothing has changed.
        """
        names = caller.user
        self._policy.check(new, "new_password", email=names.email, username=names.username)
        found = self._find(caller, client)
        attempt = self._begin(found)
        # Before the comparison: if only a right password were followed by a hash, whoever comes too
        # late for the count would be told by the time it took.
        new_hash = self._hasher.hash(new)
        self._compare(attempt, found, current, client)
        for _ in range(_ATTEMPTS):
            before, key = found.credentials, found.key
            user = replace(before.user, token_version=before.user.token_version + 1)
            # The caller's present session ends with the others, so its slot is free.
            session, token = self._token_sets.draft(user, client, [slot_of(caller.session_id)])
            if self._put(attempt, before, new_hash, session, self._changed(user, client)):
                return self._token_sets.issue(user, session, token, key)
            # Somebody was faster. If it was a login that hashed the same password anew, go on: a
            # new password raises the version, which ends this caller's session as well.
            found = self._find(caller, client)
        raise UnavailableError

    def _put(
        self, attempt: Attempt, before: Credentials, new_hash: str, session: Session, trail: Trail
    ) -> bool:
        def put(below: Count) -> Outcome:
            return self._passwords.change_password(before, new_hash, session, below, trail=trail)

        return self._attempts.settle(attempt, put)

    def _find(self, caller: Principal, client: Client) -> _Found:
        key, origin = self._token_sets.signing_key(), self._attempts.origin(client)
        facts = self._passwords.login_by_id(caller.user.public_id, key.key_id, origin)
        found = facts.credentials
        if found is None or found.user.token_version != caller.user.token_version:
            raise TokenInvalidError
        if facts.key_revoked:
            key = self._token_sets.key_in_place_of(key)
        return _Found(found, facts, origin, key)

    def _changed(self, user: User, client: Client) -> Trail:
        event = self._trails.event(Act.PASSWORD_CHANGED, user.public_id, client)
        notice = self._trails.message(
            Errand.PASSWORD_CHANGED,
            public_id=user.public_id,
            address=user.email,
            language=client.language,
        )
        return Trail((event,), (notice,))

    def _begin(self, found: _Found) -> Attempt:
        return self._attempts.begin(found.facts, found.origin)

    def _compare(self, attempt: Attempt, found: _Found, password: Password, client: Client) -> None:
        if not self._hasher.matches(password, found.credentials.password_hash):
            whose = found.credentials.user.public_id
            event = self._trails.event(Act.PASSWORD_REFUSED, whose, client)
            self._attempts.fail(attempt, Trail((event,)))
            raise WrongPasswordError
