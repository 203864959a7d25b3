"""Cursors: where the next page begins, signed so that nobody makes one up."""

import base64
import binascii
import hmac

from chalicelib.domain.errors import InvalidInputError

_MAC_BYTES = 32


class CursorSigner:
    """Turns a position in the store into an opaque cursor, and back."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, position: str, listing: str = "") -> str:
        """The cursor of a position in a list: one of several has a name, without a colon."""
        return self._written(position.encode(), listing).decode("ascii")

    def read(self, cursor: str, listing: str = "") -> str:
        """The position of a cursor, which has one spelling.

        Raises:
            InvalidInputError: it was not signed with this secret, or for another list.
        """
        try:
            octets = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (binascii.Error, ValueError):
            octets = b""
        position = octets[_MAC_BYTES:]
        # All of it is compared: decoders pass over whatever is not of their alphabet.
        given = cursor.encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, self._written(position, listing)):
            raise InvalidInputError({"cursor": "Not a cursor of this list."})
        return position.decode()

    def _written(self, position: bytes, listing: str) -> bytes:
        name = b"accounts/cursor" + listing.encode() + b":"
        mac = hmac.digest(self._secret, name + position, "sha256")
        return base64.urlsafe_b64encode(mac + position).rstrip(b"=")
