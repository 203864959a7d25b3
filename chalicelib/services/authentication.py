"""Whether a token is good now: verified, then asked after in one consistent read."""

from typing import Protocol

from chalicelib.domain.errors import TokenInvalidError, TokenMissingError, TokenRevokedError
from chalicelib.domain.principals import Principal, Standing
from chalicelib.domain.tokens import AccessClaims
from chalicelib.services.tokens import TokenVerifier

_SCHEME = "bearer"
_BLANKS = " \t"
"""What HTTP allows around a header's value (RFC 9110, section 5.6.3). Python strips more."""


class StandingStore(Protocol):
    """Answers the one question that every authorized request asks."""

    def standing(self, claims: AccessClaims) -> Standing:
        """Read the user, and whether the session or the key was revoked, strongly consistent.

        Raises:
            UnavailableError: the store cannot answer in full now. Nobody is let in.
        """


class Authenticator:
    """Finds out who is asking."""

    def __init__(self, verifier: TokenVerifier, standings: StandingStore) -> None:
        self._verifier = verifier
        self._standings = standings

    def authenticate(self, authorization: str) -> Principal:
        """Tell whose token this is: `Bearer <token>`, or the bare token.

        Raises:
            TokenMissingError: the header holds no token.
            TokenInvalidError: the token is not ours, or its owner is gone or disabled.
            TokenExpiredError: the token is past its time.
            TokenRevokedError: its session has ended, alone or with all of its owner's, or its key
                was revoked.
            UnavailableError: the store or the keys cannot answer now.
        """
        claims = self._verifier.verify(_token_of(authorization))
        standing = self._standings.standing(claims)
        user = standing.user
        if standing.revoked or (user and claims.token_version < user.token_version):
            raise TokenRevokedError
        # A version that the user has not reached is from before their row was restored.
        if user is None or user.disabled or claims.token_version > user.token_version:
            raise TokenInvalidError
        return Principal(user, claims.session_id)


def _token_of(authorization: str) -> str:
    """The token in an Authorization header; the scheme's case does not matter (RFC 9110, 11.1)."""
    value = authorization.strip(_BLANKS)
    scheme, _, rest = value.partition(" ")
    token = rest.strip(_BLANKS) if scheme.lower() == _SCHEME else value
    if not token:
        raise TokenMissingError
    return token
