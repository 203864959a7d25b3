"""Hashing passwords with bcrypt, at any length and at a cost that may rise."""

import base64
import hmac
import re
from collections.abc import Callable

import bcrypt

from chalicelib.domain.passwords import Password

_HASH = re.compile(
    r"\$bcrypt-sha256\$v=2,t=2b,r=(?P<cost>\d{1,2})"
    r"\$(?P<salt>[./A-Za-z0-9]{22})\$(?P<digest>[./A-Za-z0-9]{31})"
)


class PasswordHasher:
    """Hashes in the `bcrypt-sha256` format, version 2, that Passlib defined.

    bcrypt reads 72 bytes and stops at a NUL. So it is given HMAC-SHA-256 of the password instead,
    keyed with bcrypt's own salt, in base64: every byte counts, and hashes stolen elsewhere cannot
    be tried against these without the passwords themselves.
    See https://passlib.readthedocs.io/en/stable/lib/passlib.hash.bcrypt_sha256.html
    """

    def __init__(self, cost: int, new_salt: Callable[[int], bytes] = bcrypt.gensalt) -> None:
        """`cost` is the base-2 logarithm of bcrypt's rounds; `new_salt` makes a salt for it."""
        self._cost = cost
        self._new_salt = new_salt
        # Nobody's password: a digest of all dots is not one that anybody can find a match for.
        self._nobody = _format(cost, "." * 22, "." * 31)

    def hash(self, password: Password) -> str:
        """Hash a password with a fresh salt, at the present cost."""
        salt = self._new_salt(self._cost).decode("ascii")[-22:]
        return _format(self._cost, salt, _digest(password, self._cost, salt))

    def matches(self, password: Password, password_hash: str) -> bool:
        """Tell whether this is the password, comparing in constant time.

        Raises:
            ValueError: the stored hash is not one of ours.
        """
        cost, salt, digest = _parse(password_hash)
        return hmac.compare_digest(_digest(password, cost, salt), digest)

    def match_nobody(self, password: Password) -> None:
        """Do the work of `matches` for an account that is not there, so that time tells nothing."""
        self.matches(password, self._nobody)

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether the hash was made at a lower cost than the present one."""
        return _parse(password_hash)[0] < self._cost


def _format(cost: int, salt: str, digest: str) -> str:
    return f"$bcrypt-sha256$v=2,t=2b,r={cost}${salt}${digest}"


def _parse(password_hash: str) -> tuple[int, str, str]:
    parts = _HASH.fullmatch(password_hash)
    if not parts:
        raise ValueError("not a bcrypt-sha256 hash")
    return int(parts["cost"]), parts["salt"], parts["digest"]


def _digest(password: Password, cost: int, salt: str) -> str:
    keyed = hmac.digest(salt.encode("ascii"), password.text.encode(), "sha256")
    hashed = bcrypt.hashpw(base64.b64encode(keyed), f"$2b${cost:02}${salt}".encode("ascii"))
    return hashed.decode("ascii")[-31:]
