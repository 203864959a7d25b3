"""Password hashes that other systems made, until the first login replaces them.

Only this module needs the libraries for them, and only who meets such a hash needs this module.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable

import bcrypt
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

Verifier = Callable[[str], bool]
"""Tells whether a text is the password, comparing in constant time."""

_HIGHEST_BCRYPT_COST = 15
"""Two seconds of a function's one processor, and twice that for a password with a NUL."""
_LONGEST_BCRYPT_INPUT = 72
_MOST_KIBIBYTES = 512 * 1_024
_MOST_WORK = 2 * 1_024 * 1_024
"""Of Argon2: kibibytes, times how often they are gone over."""
_MOST_LANES = 64
_MOST_SCRYPT_MEMORY = 257 * 1_024 * 1_024
"""256 MiB for the rounds, and a little for what runs side by side."""
_MOST_SCRYPT_WORK = 1_024 * 1_024 * 1_024
"""Octets, times how often they are filled."""
_MOST_ITERATIONS = 10_000_000
"""Of PBKDF2."""

_TOO_DEAR = "Takes more memory or time than a login has."
_UNKNOWN = "Not a password hash of a kind that can be verified."
_MALFORMED = "Not a complete password hash."

_BCRYPT_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_NUMBER = r"[1-9]\d{0,8}"
_BASE64 = r"[A-Za-z0-9+/]{8,200}={0,2}"
_BCRYPT = r"\$2[aby]\$(?P<cost>\d\d)\$(?P<salt>[./A-Za-z0-9]{22})(?P<digest>[./A-Za-z0-9]{31})"


def verifier_of(password_hash: str) -> Verifier:
    """What compares a password with a hash, which is within what a login can afford.

    Raises:
        ValueError: it is of no known kind, malformed, or too dear. The reason is for a person and
            does not quote it.
    """
    for pattern, read in _KINDS:
        if parts := pattern.fullmatch(password_hash):
            return read(parts)
    raise ValueError(_UNKNOWN)


def _bcrypt(parts: re.Match[str]) -> Verifier:
    """Plain bcrypt: `$2a$`, `$2b$` and `$2y$` are one algorithm, named by three histories.

    It reads 72 octets, and those who made such hashes let the rest go, so that is what is compared.
    Some stopped at a NUL and some did not: whoever logged in there with either does so here.
    """
    compare = _bcrypt_comparison(parts)

    def matches(text: str) -> bool:
        octets = text.encode()
        candidates = dict.fromkeys((octets, octets.partition(b"\0")[0]))
        return any(compare(octets[:_LONGEST_BCRYPT_INPUT]) for octets in candidates)

    return matches


def _django_bcrypt_sha256(parts: re.Match[str]) -> Verifier:
    """Django's way around the 72 octets: bcrypt of SHA-256, in hexadecimal digits."""
    compare = _bcrypt_comparison(parts)
    return lambda text: compare(hashlib.sha256(text.encode()).hexdigest().encode("ascii"))


def _bcrypt_comparison(parts: re.Match[str]) -> Callable[[bytes], bool]:
    cost, salt, digest = int(parts["cost"]), parts["salt"], parts["digest"]
    if cost > _HIGHEST_BCRYPT_COST:
        raise ValueError(_TOO_DEAR)
    if cost < 4:  # noqa: PLR2004 - bcrypt's own least
        raise ValueError(_MALFORMED)
    # Of the last character only two bits are salt. Some libraries left what they liked in the
    # others, which ours refuses.
    last = _BCRYPT_ALPHABET[_BCRYPT_ALPHABET.index(salt[-1]) & 0b110000]
    setting = f"$2b${cost:02}${salt[:-1]}{last}".encode("ascii")
    return lambda octets: hmac.compare_digest(
        bcrypt.hashpw(octets, setting)[-31:], digest.encode("ascii")
    )


def _argon2id(parts: re.Match[str]) -> Verifier:
    memory, passes, lanes = int(parts["memory"]), int(parts["passes"]), int(parts["lanes"])
    if memory > _MOST_KIBIBYTES or memory * passes > _MOST_WORK or lanes > _MOST_LANES:
        raise ValueError(_TOO_DEAR)
    salt, digest = _octets(parts["salt"]), _octets(parts["digest"])
    if memory < 8 * lanes:
        raise ValueError(_MALFORMED)

    def derive(octets: bytes) -> bytes:
        kdf = Argon2id(
            salt=salt, length=len(digest), iterations=passes, lanes=lanes, memory_cost=memory
        )
        return kdf.derive(octets)

    return _comparison(derive, digest)


def _passlib_scrypt(parts: re.Match[str]) -> Verifier:
    rounds = int(parts["log_rounds"])
    return _scrypt(parts, _octets(parts["salt"]), 1 << min(rounds, 64))


def _django_scrypt(parts: re.Match[str]) -> Verifier:
    return _scrypt(parts, parts["salt"].encode("ascii"), int(parts["rounds"]))


def _scrypt(parts: re.Match[str], salt: bytes, rounds: int) -> Verifier:
    block, parallel = int(parts["block"]), int(parts["parallel"])
    # RFC 7914, section 6: a large block for each of those that run side by side, which they do one
    # after the other here, and one for each round.
    memory = 128 * block * (rounds + parallel)
    if memory > _MOST_SCRYPT_MEMORY or 128 * block * rounds * parallel > _MOST_SCRYPT_WORK:
        raise ValueError(_TOO_DEAR)
    digest = _octets(parts["digest"])
    if rounds < 2 or rounds & (rounds - 1):  # noqa: PLR2004 - RFC 7914, section 2
        raise ValueError(_MALFORMED)

    def derive(octets: bytes) -> bytes:
        return Scrypt(salt=salt, length=len(digest), n=rounds, r=block, p=parallel).derive(octets)

    return _comparison(derive, digest)


def _django_pbkdf2(parts: re.Match[str]) -> Verifier:
    iterations, salt = int(parts["iterations"]), parts["salt"].encode("ascii")
    if iterations > _MOST_ITERATIONS:
        raise ValueError(_TOO_DEAR)
    digest = _octets(parts["digest"])
    return _comparison(
        lambda octets: hashlib.pbkdf2_hmac("sha256", octets, salt, iterations, len(digest)), digest
    )


def _comparison(derive: Callable[[bytes], bytes], digest: bytes) -> Verifier:
    return lambda text: hmac.compare_digest(derive(text.encode()), digest)


def _octets(text: str) -> bytes:
    """Read base64, padded or not, of 8 to 64 octets: less of a digest would match too much."""
    bare = text.rstrip("=")
    try:
        octets = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(_MALFORMED) from error
    if not 8 <= len(octets) <= 64:  # noqa: PLR2004 - said above
        raise ValueError(_MALFORMED)
    return octets


_DJANGO_SALT = r"(?P<salt>[!-#%-~]{1,64})"
_DIGEST = rf"(?P<digest>{_BASE64})"
_ARGON2 = rf"m=(?P<memory>{_NUMBER}),t=(?P<passes>{_NUMBER}),p=(?P<lanes>{_NUMBER})"
_SCRYPT = rf"ln=(?P<log_rounds>{_NUMBER}),r=(?P<block>{_NUMBER}),p=(?P<parallel>{_NUMBER})"
_DJANGO_SCRYPT = (
    rf"(?P<rounds>{_NUMBER})\${_DJANGO_SALT}\$(?P<block>{_NUMBER})\$(?P<parallel>{_NUMBER})"
)
_KINDS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Verifier]], ...] = tuple(
    (re.compile(pattern, re.ASCII), read)
    for pattern, read in (
        (rf"(?:bcrypt\$)?{_BCRYPT}", _bcrypt),
        (rf"bcrypt_sha256\${_BCRYPT}", _django_bcrypt_sha256),
        (rf"(?:argon2)?\$argon2id\$v=19\${_ARGON2}\$(?P<salt>{_BASE64})\${_DIGEST}", _argon2id),
        (rf"\$scrypt\${_SCRYPT}\$(?P<salt>{_BASE64})\${_DIGEST}", _passlib_scrypt),
        (rf"scrypt\${_DJANGO_SCRYPT}\${_DIGEST}", _django_scrypt),
        (rf"pbkdf2_sha256\$(?P<iterations>{_NUMBER})\${_DJANGO_SALT}\${_DIGEST}", _django_pbkdf2),
    )
)
