"""Passwords, wrapped so that none is printed or logged, and all are in one form."""

import unicodedata
from typing import Self

SHORTEST_PASSWORD = 8
"""Whatever a stage says: the least that NIST SP 800-63B-4, section 3.1.1.2, lets any have."""
LONGEST_PASSWORD = 128
NO_PASSWORD = "!"  # noqa: S105 - it is none
"""In the place of a password's hash: nothing matches it, so nobody logs in until it is replaced."""
_LONGEST_DECOMPOSED = 4 * LONGEST_PASSWORD
"""No character in NFC has more than four canonical parts, so nothing longer can be a password."""


class Password:
    """A password as somebody presents it: any text, in NFC (RFC 8265, section 4.1)."""

    __slots__ = ("given", "text")

    def __init__(self, text: str) -> None:
        self.given = text
        """As it was typed: what systems hashed that knew of no normal form."""
        # Putting many marks in order takes the square of their number, so what is too long to be
        # anybody's stays as it is.
        normal = len(text) <= _LONGEST_DECOMPOSED
        self.text = unicodedata.normalize("NFC", text) if normal else text

    def __repr__(self) -> str:
        return f"{type(self).__name__}(hidden)"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take any text: whether it is right is the hash's to say."""
        return cls(text)


class NewPassword(Password):
    """A password as somebody chooses it: of any kind, and of a length."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str, shortest: int = SHORTEST_PASSWORD) -> Self:
        """Read a chosen password.

        Raises:
            ValueError: it is too short or too long. It is never cut.
        """
        password = cls(text)
        password.require_length(shortest)
        return password

    def require_length(self, shortest: int) -> None:
        """See that it has so many characters, and not too many: code points of the NFC form.

        Raises:
            ValueError: it has not; the reason is for a person.
        """
        if not shortest <= len(self.text) <= LONGEST_PASSWORD:
            raise ValueError(f"Must have {shortest} to {LONGEST_PASSWORD} characters.")
