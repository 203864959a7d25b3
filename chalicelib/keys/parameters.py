"""The key set in SSM Parameter Store: what its parameters are called and what they hold.

A key has two parameters below the stage's path, so that whoever verifies may read the public
half and nothing else:

    public-keys/<key id>    String: a JSON Web Key, and what has been done with the key, and when
    private-keys/<key id>   SecureString: PKCS #8 in PEM

A public half from before keys had states has no `state`. Each is well below the 4,096 characters
that a standard parameter may have.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from jwt.algorithms import RSAAlgorithm

from chalicelib.domain.tokens import KeyState, PublicKey

PUBLIC_KEYS = "public-keys"
PRIVATE_KEYS = "private-keys"

_KEY_BITS = 3_072
_PUBLIC_EXPONENT = 65_537


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter below a stage's path."""

    name: str
    value: str = field(repr=False)
    secret: bool


def new_signing_key(
    now: datetime, state: KeyState = KeyState.SIGNING
) -> tuple[Parameter, Parameter]:
    """Make an RSA key: its private parameter, then its public one.

    In this order they are to be written: a key is published only when it can sign. As a first key
    has to, it signs at once, unless it is said to be published only.
    """
    key = rsa.generate_private_key(public_exponent=_PUBLIC_EXPONENT, key_size=_KEY_BITS)
    jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    public_key = PublicKey(
        key_id=thumbprint(jwk),
        created_at=now,
        modulus=jwk["n"],
        exponent=jwk["e"],
        state=state,
        signing_since=now if state is KeyState.SIGNING else None,
    )
    private_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (
        Parameter(private_name(public_key.key_id), private_pem.decode("ascii"), secret=True),
        write_public_key(public_key),
    )


def private_name(key_id: str) -> str:
    """What the parameter of a key's private half is called."""
    return f"{PRIVATE_KEYS}/{key_id}"


def public_name(key_id: str) -> str:
    """What the parameter of a key's public half is called."""
    return f"{PUBLIC_KEYS}/{key_id}"


def write_public_key(key: PublicKey) -> Parameter:
    """Write a public half as its parameter holds it; `read_public_key` is the way back."""
    held = {
        "kty": "RSA",
        "n": key.modulus,
        "e": key.exponent,
        "created_at": key.created_at.isoformat(),
    }
    if key.state is not None:
        held["state"] = key.state.value
    if key.signing_since is not None:
        held["signing_since"] = key.signing_since.isoformat()
    return Parameter(public_name(key.key_id), json.dumps(held), secret=False)


def read_public_key(name: str, value: str) -> PublicKey:
    """Read a public parameter; its name's last part is the key id.

    Raises:
        KeyError, TypeError, ValueError: it does not hold a key.
    """
    held: dict[str, Any] = json.loads(value)
    state = KeyState(held["state"]) if "state" in held else None
    return PublicKey(
        key_id=name.rpartition("/")[2],
        created_at=datetime.fromisoformat(held["created_at"]),
        modulus=held["n"],
        exponent=held["e"],
        state=state,
        signing_since=(
            datetime.fromisoformat(held["signing_since"]) if state is KeyState.SIGNING else None
        ),
    )


def thumbprint(jwk: Mapping[str, object]) -> str:
    """A key's own name: its JWK SHA-256 thumbprint (RFC 7638), so no two keys share one."""
    members = {name: jwk[name] for name in ("e", "kty", "n")}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode("ascii")
