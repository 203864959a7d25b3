"""Access tokens: RS256, RFC 9068 claims, validated as RFC 8725 asks.

One dialect: what is issued here is all that is accepted here. Any JWT library can verify it too.
"""

import base64
import binascii
import json
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import RSAAlgorithm

from chalicelib.domain.errors import TokenExpiredError, TokenInvalidError
from chalicelib.domain.times import Clock, epoch_seconds
from chalicelib.domain.tokens import (
    LEEWAY_SECONDS,
    LONGEST_ACCESS_TOKEN_SECONDS,
    AccessClaims,
    AccessToken,
    PublicKey,
    SigningKey,
    is_session_id,
)
from chalicelib.domain.users import User, is_public_id
from chalicelib.services.keyring import KeyRing

LONGEST_TOKEN = 4_096
"""In characters; nothing longer is decoded. Ours have about 1,000."""

_ALGORITHM = "RS256"
_TYPE = "at+jwt"
_CLAIMS = ("iss", "aud", "sub", "client_id", "iat", "exp", "jti", "sid", "scope", "ver")
"""RFC 9068, section 2.2, the session and the token version. No token is without one of these."""
_TEXTS = ("sub", "client_id", "jti", "sid", "scope")
"""Those that are text; that `iss` and `aud` are, their comparison shows."""
_RSA = RSAAlgorithm(RSAAlgorithm.SHA256)


class TokenIssuer:
    """Signs access tokens."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        client_id: str,
        lifetime_seconds: int,
        clock: Clock,
        new_id: Callable[[], str],
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._client_id = client_id
        self._lifetime_seconds = lifetime_seconds
        self._clock = clock
        self._new_id = new_id

    def issue(
        self, user: User, session_id: str, session_ends_at: datetime, key: SigningKey
    ) -> AccessToken:
        """Sign a token for a session of a user, which ends no later than the session does.

        The claims are those of RFC 9068, section 2.2, the session's identifier (`sid`, as OpenID
        Connect calls it) and the user's token version.
        """
        now = epoch_seconds(self._clock())
        expires_at = min(now + self._lifetime_seconds, epoch_seconds(session_ends_at))
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": user.public_id,
            "client_id": self._client_id,
            "iat": now,
            "exp": expires_at,
            "jti": self._new_id(),
            "sid": session_id,
            "scope": "user admin" if user.admin else "user",
            "ver": user.token_version,
        }
        text = jwt.encode(
            claims, _private(key), algorithm=_ALGORITHM, headers={"typ": _TYPE, "kid": key.key_id}
        )
        return AccessToken(text, expires_at - now)


class TokenVerifier:
    """Tells what a token says, if it is one of ours and this is its time."""

    def __init__(self, keys: KeyRing, *, issuer: str, audience: str, clock: Clock) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._clock = clock

    def verify(self, token: str) -> AccessClaims:
        """Verify the signature and every claim; ask nobody whether it was revoked.

        Raises:
            TokenInvalidError: it is not an access token of ours, or its time has not come.
            TokenExpiredError: it was one of ours.
            UnavailableError: no key is known, and the key set cannot be read now.
        """
        key = self._keys.find(_key_id(token))
        if key is None:
            raise TokenInvalidError
        try:
            claims = jwt.decode(
                token,
                _public(key),
                algorithms=[_ALGORITHM],
                audience=self._audience,
                issuer=self._issuer,
                options={
                    "require": list(_CLAIMS),
                    "strict_aud": True,
                    # Times are checked below, by the clock that was handed over.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.InvalidTokenError:
            raise TokenInvalidError from None
        _members(token.split(".")[1])  # PyJWT takes a member that is there twice for its last
        return self._in_time(claims, key)

    def _in_time(self, claims: dict[str, Any], key: PublicKey) -> AccessClaims:
        issued_at, expires_at, version = claims["iat"], claims["exp"], claims["ver"]
        not_before = claims.get("nbf", issued_at)
        if not all(type(value) is int for value in (issued_at, expires_at, version, not_before)):
            raise TokenInvalidError
        now = epoch_seconds(self._clock())
        if max(issued_at, not_before) > now + LEEWAY_SECONDS:
            raise TokenInvalidError
        if expires_at <= now - LEEWAY_SECONDS:
            raise TokenExpiredError
        # Whatever ends a token is kept for as long as ours may live, and no longer.
        if expires_at - issued_at > LONGEST_ACCESS_TOKEN_SECONDS:
            raise TokenInvalidError
        if not all(isinstance(claims[name], str) for name in _TEXTS):
            raise TokenInvalidError
        if not (is_public_id(claims["sub"]) and is_session_id(claims["sid"])):
            raise TokenInvalidError
        return AccessClaims(
            public_id=claims["sub"],
            session_id=claims["sid"],
            token_version=version,
            key_id=key.key_id,
        )


def _key_id(token: str) -> str:
    """The key id of a token that looks like ours; nothing in it is believed yet.

    Raises:
        TokenInvalidError: it is too long, not canonical, or its header is not one of ours. The
            header names no key of its own (`jwk`, `jku`, `x5u`): such members are not read.
    """
    parts = token.split(".")
    if len(token) > LONGEST_TOKEN or len(parts) != 3 or not all(map(_is_canonical, parts)):  # noqa: PLR2004 - RFC 7515, section 3.1
        raise TokenInvalidError
    header = _members(parts[0])
    key_id = header.get("kid")
    if (
        header.get("alg") != _ALGORITHM
        or header.get("typ") != _TYPE
        or "crit" in header
        or not isinstance(key_id, str)
    ):
        raise TokenInvalidError
    return key_id


def _members(part: str) -> dict[str, Any]:
    """The members of a token's header, or of its claims.

    Raises:
        TokenInvalidError: they are not a JSON object in UTF-8, or one is there twice: of such,
            parsers take the first or the last (RFC 7515, section 4; RFC 7519, section 4).
    """
    try:
        octets = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        value = json.loads(octets.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise TokenInvalidError from None
    if not isinstance(value, dict):
        raise TokenInvalidError
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _is_canonical(part: str) -> bool:
    """Tell whether this is base64url as RFC 7515 writes it: one spelling for one sequence.

    Decoders skip foreign characters and ignore the last bits; a token must not have two spellings.
    """
    try:
        octets = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return False
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii") == part


# Reading a key costs more than using it, so keys are read once for each function's process.
@lru_cache(maxsize=8)
def _private(key: SigningKey) -> RSAPrivateKey:
    # Ours, and checked when it was made: to check it again takes a hundred signatures' time.
    private_key = load_pem_private_key(
        key.private_pem.encode(), None, unsafe_skip_rsa_key_validation=True
    )
    if not isinstance(private_key, RSAPrivateKey):
        raise TypeError("the signing key is not a private RSA key")
    return private_key


@lru_cache(maxsize=8)
def _public(key: PublicKey) -> RSAPublicKey:
    public_key = _RSA.from_jwk(key.to_jwk())
    if not isinstance(public_key, RSAPublicKey):
        raise TypeError("the public key is not one")
    return public_key
