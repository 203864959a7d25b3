"""Asking Pwned Passwords whether a password is known, without telling it which.

Five digits of the password's SHA-1 are sent; the answer is every known hash that begins with them,
some 1,000 of them, and the comparison is made here (k-anonymity). See
https://haveibeenpwned.com/API/v3#SearchingPwnedPasswordsByRange
"""

import hashlib
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from chalicelib.deadlines import require_time
from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.passwords import Password

ORIGIN = "https://api.pwnedpasswords.com"
SECONDS = 2.0
"""For the whole of an answer: somebody waits, and so does what is to be written afterwards."""

_PREFIX_DIGITS = 5
_MOST_OCTETS = 512 * 1_024
_CHUNK_OCTETS = 16 * 1_024
_HEADERS = {"Add-Padding": "true", "User-Agent": "accounts"}


class RangeRegister:
    """The register of breached passwords at an origin, asked in ranges.

    The standard library's client is enough for one GET, and botocore has imported it already.
    """

    def __init__(self, origin: str, seconds: float = SECONDS) -> None:
        self._origin = urlsplit(origin)
        self._seconds = seconds

    def knows(self, password: Password) -> bool:
        """Tell whether a password is in the register, in exactly this spelling.

        Raises:
            UnavailableError: there is no answer, not in time, or none that can be read.
        """
        # SHA-1 is what the register is sorted by; nothing is protected with it.
        digest = hashlib.sha1(password.text.encode(), usedforsecurity=False).hexdigest().upper()
        prefix, suffix = digest[:_PREFIX_DIGITS], digest[_PREFIX_DIGITS:]
        try:
            return _counts(self._ask(prefix)).get(suffix, 0) > 0
        except (OSError, HTTPException, ValueError):
            # Without the cause: its text could have the prefix, which narrows a password down.
            raise UnavailableError from None

    def _ask(self, prefix: str) -> bytes:
        require_time(self._seconds)
        ends_at = time.monotonic() + self._seconds
        kind = HTTPConnection if self._origin.scheme == "http" else HTTPSConnection
        connection = kind(self._origin.netloc, timeout=self._seconds)
        try:
            connection.connect()
            # The response may take the connection's socket over, and it is what has the timeout.
            socket = connection.sock
            socket.settimeout(_left(ends_at))
            connection.request("GET", f"/range/{prefix}", headers=_HEADERS)
            with connection.getresponse() as response:
                if response.status != HTTPStatus.OK:
                    raise HTTPException
                body = bytearray()
                while not response.isclosed():
                    # The timeout is one operation's: a trickle would renew it for ever.
                    socket.settimeout(_left(ends_at))
                    chunk = response.read1(_CHUNK_OCTETS)
                    if not chunk:
                        break
                    body += chunk
                    if len(body) > _MOST_OCTETS:
                        raise HTTPException
                if response.length:
                    raise HTTPException
                return bytes(body)
        finally:
            connection.close()


def _left(ends_at: float) -> float:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _counts(answer: bytes) -> dict[str, int]:
    """How often each suffix was seen; padding has been seen 0 times.

    Raises:
        ValueError: these are not lines of `suffix:count`.
    """
    lines = (line.partition(":") for line in answer.decode("ascii").splitlines())
    return {suffix.upper(): int(count) for suffix, _, count in lines}
