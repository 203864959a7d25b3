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
        octets = position.encode()
        mac = self._mac(octets, listing)
        return base64.urlsafe_b64encode(mac + octets).decode("ascii").rstrip("=")

    def read(self, cursor: str, listing: str = "") -> str:
        """The position of a cursor.

        Raises:
            InvalidInputError: it was not signed with this secret, or for another list.
        """
        try:
            octets = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (binascii.Error, ValueError):
            octets = b""
        mac, position = octets[:_MAC_BYTES], octets[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(position, listing)):
            raise InvalidInputError({"cursor": "Not a cursor of this list."})
        return position.decode()

    def _mac(self, position: bytes, listing: str) -> bytes:
        return hmac.digest(
            self._secret, b"accounts/cursor" + listing.encode() + b":" + position, "sha256"
        )
