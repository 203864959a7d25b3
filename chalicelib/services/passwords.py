"""Hashing passwords with bcrypt, at any length and at a cost that may rise."""

import base64
import hmac
import logging
import re
from collections.abc import Callable

import bcrypt

from chalicelib.domain.passwords import NO_PASSWORD, Password

_HASH = re.compile(
    r"\$bcrypt-sha256\$v=2,t=2b,r=(?P<cost>[4-9]|1[0-6])"
    r"\$(?P<salt>[./A-Za-z0-9]{21}[.Oeu])\$(?P<digest>[./A-Za-z0-9]{31})"
)

_log = logging.getLogger(__name__)


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

        A hash that another system made is compared as that system did. One that cannot be read is
        nobody's: whoever has it needs a new password, and the log says so.
        """
        own = _parse(password_hash)
        if own is not None:
            cost, salt, digest = own
            return hmac.compare_digest(_digest(password, cost, salt), digest)
        if password_hash != NO_PASSWORD:
            try:
                return _read_foreign(password_hash)(password.given)
            except ValueError:
                _log.error("a stored password hash cannot be read")
        self.match_nobody(password)
        return False

    def check(self, password_hash: str) -> None:
        """See that passwords can be compared with a hash, within what a login can afford.

        Raises:
            ValueError: they cannot; the reason is for a person and does not quote the hash.
        """
        if _parse(password_hash) is None:
            _read_foreign(password_hash)

    def match_nobody(self, password: Password) -> None:
        """Do the work of `matches` for an account that is not there, so that time tells nothing."""
        self.matches(password, self._nobody)

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether the hash was made elsewhere, or at a lower cost than the present one."""
        own = _parse(password_hash)
        return own is None or own[0] < self._cost


def _format(cost: int, salt: str, digest: str) -> str:
    return f"$bcrypt-sha256$v=2,t=2b,r={cost}${salt}${digest}"


def _parse(password_hash: str) -> tuple[int, str, str] | None:
    """The cost, the salt and the digest, or None if it is not one of ours."""
    parts = _HASH.fullmatch(password_hash)
    return (int(parts["cost"]), parts["salt"], parts["digest"]) if parts else None


def _read_foreign(password_hash: str) -> Callable[[str], bool]:
    # Most stages never meet such a hash, and none does for long.
    from chalicelib.services.foreign_hashes import verifier_of

    return verifier_of(password_hash)


def _digest(password: Password, cost: int, salt: str) -> str:
    keyed = hmac.digest(salt.encode("ascii"), password.text.encode(), "sha256")
    hashed = bcrypt.hashpw(base64.b64encode(keyed), f"$2b${cost:02}${salt}".encode("ascii"))
    return hashed.decode("ascii")[-31:]
