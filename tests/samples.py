"""Things that tests are about, with a default for all that a test is not about."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chalicelib.domain.principals import Principal
from chalicelib.domain.users import User
from tests.fakes import START, public_id

PASSWORD = "a tr0ubad0ur & three ponies"
AN_HOUR_PASSED = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-01-02T03:04:05Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:123456789012:rule/accounts-test-rotate_keys-event"],
    "detail": {},
}
"""What EventBridge hands a scheduled function."""


def a_user(number: int = 1, **facts: Any) -> User:
    """A user; two of different numbers share nothing."""
    defaults: dict[str, Any] = {
        "public_id": public_id(number),
        "email": f"user-{number}@example.com",
        "username": f"User {number}",
        "registered_on": START,
    }
    return User(**defaults | facts)


def a_caller(user: User | None = None, *, admin: bool = False) -> Principal:
    """Somebody whom the authorizer let in."""
    return Principal(user or a_user(admin=admin), "a-token-id", 1_800_000_000)


def encode(octets: bytes) -> str:
    """Base64url as RFC 7515 has it."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")


def decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def header_of(token: str) -> Any:
    return json.loads(decode(token.partition(".")[0]))


def claims_of(token: str) -> Any:
    return json.loads(decode(token.split(".")[1]))


def signed(header: bytes | Mapping[str, Any], claims: bytes | Mapping[str, Any], pem: str) -> str:
    """A token with any header and any claims, and an RS256 signature that is right for them."""
    parts = [
        encode(part if isinstance(part, bytes) else json.dumps(part).encode())
        for part in (header, claims)
    ]
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    signature = key.sign(".".join(parts).encode(), PKCS1v15(), SHA256())
    return ".".join((*parts, encode(signature)))
