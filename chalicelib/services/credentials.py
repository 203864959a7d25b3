"""Passwords of accounts: confirming the present one, changing it."""

from dataclasses import replace
from typing import Protocol

from chalicelib.domain.errors import TokenInvalidError, UnavailableError, WrongPasswordError
from chalicelib.domain.passwords import NewPassword, Password
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import Client, Session, TokenSet, slot_of
from chalicelib.domain.tokens import SigningKey
from chalicelib.domain.users import Credentials, LoginFacts
from chalicelib.services.password_policy import PasswordPolicy
from chalicelib.services.passwords import PasswordHasher
from chalicelib.services.token_sets import TokenSetService

_ATTEMPTS = 3


class PasswordStore(Protocol):
    """Where an account's password is kept."""

    def login_by_id(self, public_id: str, signing_key_id: str) -> LoginFacts:
        """The account of an identifier, and the standing of a key; strongly consistent.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def change_password(self, before: Credentials, new_hash: str, session: Session) -> bool:
        """Set a new hash and the session's token version, and put the session, all or nothing.

        Answers False, having done nothing, if the user has another hash or version than before.

        Raises:
            UnavailableError: the store cannot answer now.
        """


class CredentialService:
    """What is done with the password that an account has."""

    def __init__(
        self,
        passwords: PasswordStore,
        policy: PasswordPolicy,
        hasher: PasswordHasher,
        token_sets: TokenSetService,
    ) -> None:
        self._passwords = passwords
        self._policy = policy
        self._hasher = hasher
        self._token_sets = token_sets

    def confirm(self, caller: Principal, password: Password) -> None:
        """See that a password is the caller's own.

        Raises:
            WrongPasswordError: it is another one.
            TokenInvalidError: the caller's sessions have ended since the request began.
            UnavailableError: the store or the keys cannot answer now.
        """
        self._confirmed(caller, password)

    def change(
        self, caller: Principal, current: Password, new: NewPassword, client: Client
    ) -> TokenSet:
        """Change the caller's password: every session ends, but for a new one of the caller's.

        Raises:
            InvalidInputError: the new one may not be chosen.
            WrongPasswordError: the current one is another.
            TokenInvalidError: the caller's sessions have ended since the request began.
            UnavailableError: the store or the keys cannot answer now; nothing has changed.
        """
        names = caller.user
        self._policy.check(new, "new_password", email=names.email, username=names.username)
        for _ in range(_ATTEMPTS):
            before, key = self._confirmed(caller, current)
            user = replace(before.user, token_version=before.user.token_version + 1)
            # The caller's present session ends with the others, so its slot is free.
            session, token = self._token_sets.draft(user, client, [slot_of(caller.session_id)])
            if self._passwords.change_password(before, self._hasher.hash(new), session):
                return self._token_sets.issue(user, session, token, key)
            # Somebody was faster. If it was a login that hashed the same password anew, go on.
        raise UnavailableError

    def _confirmed(self, caller: Principal, password: Password) -> tuple[Credentials, SigningKey]:
        key = self._token_sets.signing_key()
        facts = self._passwords.login_by_id(caller.user.public_id, key.key_id)
        found = facts.credentials
        if found is None or found.user.token_version != caller.user.token_version:
            raise TokenInvalidError
        if not self._hasher.matches(password, found.password_hash):
            raise WrongPasswordError
        return found, self._token_sets.key_in_place_of(key) if facts.key_revoked else key
