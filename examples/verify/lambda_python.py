"""A Lambda function, behind an HTTP API or a function URL, that verifies access tokens by itself.

It needs `pyjwt[crypto]`, and in its environment ACCOUNTS_ISSUER, the URL of the accounts API.
"""

import json
import os
from functools import cache
from typing import Any

import jwt

LONGEST_TOKEN = 4_096
CLAIMS = ("iss", "aud", "sub", "client_id", "iat", "exp", "jti")
"""No access token is without these (RFC 9068, section 2.2)."""


class Verifier:
    """Tells what an access token says, by the published keys alone. It sees no revocation.

    Make it once a process: it keeps the keys for five minutes. A key that it does not know makes
    it fetch them again, though not within 30 seconds of the last time.
    """

    def __init__(self, issuer: str, audience: str = "accounts") -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", lifespan=300, timeout=3)

    def verify(self, token: str) -> dict[str, Any]:
        """Verify a token; its claims.

        Raises:
            jwt.PyJWKClientConnectionError: no key is known, and none can be fetched now.
            jwt.PyJWTError: it is no access token of this issuer for this audience, now.
        """
        if len(token) > LONGEST_TOKEN:
            raise jwt.DecodeError("longer than any token")
        # An ID token of the same issuer is no access token (RFC 8725, section 3.11).
        if jwt.get_unverified_header(token).get("typ") != "at+jwt":
            raise jwt.InvalidTokenError("not an access token")
        return jwt.decode(
            token,
            self._keys.get_signing_key_from_jwt(token),
            algorithms=["RS256"],  # never what the token itself names
            issuer=self._issuer,
            audience=self._audience,
            leeway=5,  # two clocks are never quite the same
            options={"require": list(CLAIMS), "strict_aud": True},
        )


@cache
def _verifier() -> Verifier:
    return Verifier(os.environ["ACCOUNTS_ISSUER"])


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Tell callers who they are."""
    scheme, _, token = event["headers"].get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return _answer(401, {"message": "Provide a token."}, **{"WWW-Authenticate": "Bearer"})
    try:
        claims = _verifier().verify(token)
    except jwt.PyJWKClientConnectionError:  # the token may well be good
        return _answer(503, {"message": "Try again later."}, **{"Retry-After": "1"})
    except (jwt.PyJWTError, ValueError, RecursionError):  # the latter two by what is not JSON
        refusal = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        return _answer(401, {"message": "Get a new token."}, **refusal)
    return _answer(200, {"user": claims["sub"], "may": claims["scope"].split()})


def _answer(status: int, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    headers["Content-Type"] = "application/json"
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}
