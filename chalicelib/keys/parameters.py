"""The key set in SSM Parameter Store: what its parameters are called and what they hold.

A key has two parameters below the stage's path, so that whoever verifies may read the public
half and nothing else:

    public-keys/<key id>    String: a JSON Web Key, and when it was made
    private-keys/<key id>   SecureString: PKCS #8 in PEM

Each is well below the 4,096 characters that a standard parameter may have.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from jwt.algorithms import RSAAlgorithm

from chalicelib.domain.tokens import PublicKey

PUBLIC_KEYS = "public-keys"
PRIVATE_KEYS = "private-keys"

_KEY_BITS = 2_048
_PUBLIC_EXPONENT = 65_537


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter below a stage's path."""

    name: str
    value: str = field(repr=False)
    secret: bool


def new_signing_key(now: datetime) -> tuple[Parameter, Parameter]:
    """Make an RSA key: its private parameter, then its public one.

    In this order they are to be written: a key is published only when it can sign.
    """
    key = rsa.generate_private_key(public_exponent=_PUBLIC_EXPONENT, key_size=_KEY_BITS)
    jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    key_id = thumbprint(jwk)
    public = {"kty": "RSA", "n": jwk["n"], "e": jwk["e"], "created_at": now.isoformat()}
    private_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (
        Parameter(f"{PRIVATE_KEYS}/{key_id}", private_pem.decode("ascii"), secret=True),
        Parameter(f"{PUBLIC_KEYS}/{key_id}", json.dumps(public), secret=False),
    )


def read_public_key(name: str, value: str) -> PublicKey:
    """Read a public parameter; its name's last part is the key id.

    Raises:
        KeyError, TypeError, ValueError: it does not hold a key.
    """
    held = json.loads(value)
    return PublicKey(
        key_id=name.rpartition("/")[2],
        created_at=datetime.fromisoformat(held["created_at"]),
        modulus=held["n"],
        exponent=held["e"],
    )


def thumbprint(jwk: Mapping[str, object]) -> str:
    """A key's own name: its JWK SHA-256 thumbprint (RFC 7638), so no two keys share one."""
    members = {name: jwk[name] for name in ("e", "kty", "n")}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode("ascii")
