"""Access tokens: what one says, and what a signed one is worth."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

LEEWAY_SECONDS = 5
"""How far two clocks may differ. A revocation outlives its token by this much."""
LONGEST_ACCESS_TOKEN_SECONDS = 86_400
"""What a setting may give an access token at the most. Whatever has to outlive every access token
counts with this, so that it stays right when the setting is changed."""

MOST_SESSIONS = 256
"""What a setting may allow a user at the most: a session's slot is one octet."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_session_id(text: str) -> bool:
    """Tell whether this could identify a session; anything else need not be looked for."""
    return _UUID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """The claims of a verified access token that the service acts on (RFC 9068, section 2.2)."""

    public_id: str
    session_id: str
    token_version: int
    key_id: str
    """Which key it was signed with."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A signed token, and how many seconds it lives."""

    text: str = field(repr=False)
    expires_in: int


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private half of a key, and the id under which its public half is published."""

    key_id: str
    private_pem: str = field(repr=False)


class KeyState(StrEnum):
    """What has been done with a key. What it does follows from the set that it is in."""

    PUBLISHED = "published"
    """It is in the key set, so that whoever verifies can read it. It has never signed."""
    SIGNING = "signing"
    """It was told to sign, and does until another one is told so later."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a key, as JSON Web Key parameters (RFC 7517, RFC 7518 section 6.3.1).

    One without a state was made before there were any, and signs once it is old enough.
    """

    key_id: str
    created_at: datetime
    modulus: str
    exponent: str
    state: KeyState | None = None
    signing_since: datetime | None = None
    """When it was told to sign; None if it never was."""

    def to_jwk(self) -> dict[str, str]:
        """The key as the JWKS document lists it."""
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.key_id,
            "n": self.modulus,
            "e": self.exponent,
        }
