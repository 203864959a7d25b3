"""Logging in and out."""

from contextlib import suppress
from typing import Protocol

from chalicelib.domain.errors import UnavailableError, WrongCredentialsError
from chalicelib.domain.names import lookup_key
from chalicelib.domain.passwords import Password
from chalicelib.domain.principals import Principal
from chalicelib.domain.tokens import LEEWAY_SECONDS, AccessToken
from chalicelib.domain.users import Credentials
from chalicelib.services.passwords import PasswordHasher
from chalicelib.services.tokens import TokenIssuer


class CredentialStore(Protocol):
    """Where the password of an account is found, and kept up to date."""

    def credentials_by_email(self, key: str) -> Credentials | None:
        """The account of an email's key, strongly consistent.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def credentials_by_username(self, key: str) -> Credentials | None:
        """The account of a username's key, strongly consistent.

        Raises:
            UnavailableError: the store cannot answer now.
        """

    def replace_password_hash(self, public_id: str, old_hash: str, new_hash: str) -> None:
        """Keep the same password under a new hash, unless the hash has changed meanwhile.

        Raises:
            UnavailableError: the store cannot answer now.
        """


class RevocationStore(Protocol):
    """Where revoked tokens are remembered for as long as they could be used."""

    def revoke(self, token_id: str, until: int) -> None:
        """Remember a token as revoked until a moment, in seconds since the epoch. Repeatable.

        Raises:
            UnavailableError: the store cannot answer now.
        """


class SessionService:
    """Opens and ends what a client calls being logged in."""

    def __init__(
        self,
        credentials: CredentialStore,
        revocations: RevocationStore,
        hasher: PasswordHasher,
        tokens: TokenIssuer,
    ) -> None:
        self._credentials = credentials
        self._revocations = revocations
        self._hasher = hasher
        self._tokens = tokens

    def log_in_by_email(self, email: str, password: Password) -> AccessToken:
        """Log in the account of an email.

        Raises:
            WrongCredentialsError: there is none, the password is wrong, or it is disabled: the
                same answer after the same work.
            UnavailableError: the store or the keys cannot answer now.
        """
        key = lookup_key(email)
        found = None if key is None else self._credentials.credentials_by_email(key)
        return self._log_in(found, password)

    def log_in_by_username(self, username: str, password: Password) -> AccessToken:
        """Log in the account of a username; in all else like `log_in_by_email`."""
        key = lookup_key(username)
        found = None if key is None else self._credentials.credentials_by_username(key)
        return self._log_in(found, password)

    def log_out(self, principal: Principal) -> None:
        """End the token that the caller showed, from the next request on.

        Raises:
            UnavailableError: the store cannot answer now; the token still works.
        """
        # A verifier whose clock is behind takes the token a little longer, so it stays known.
        until = principal.token_expires_at + LEEWAY_SECONDS
        self._revocations.revoke(principal.token_id, until)

    def _log_in(self, found: Credentials | None, password: Password) -> AccessToken:
        if found is None:
            self._hasher.match_nobody(password)
            raise WrongCredentialsError
        if not self._hasher.matches(password, found.password_hash) or found.user.disabled:
            raise WrongCredentialsError
        token = self._tokens.issue(found.user)
        if self._hasher.is_outdated(found.password_hash):
            # Bookkeeping: if the store fails here, the next login does it.
            with suppress(UnavailableError):
                self._credentials.replace_password_hash(
                    found.user.public_id, found.password_hash, self._hasher.hash(password)
                )
        return token
