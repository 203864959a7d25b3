"""Tokens that are mailed: each does one thing for one user, once, for a time."""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from chalicelib.domain.users import Credentials

SECRET_OCTETS = 32

_PREFIX = "mt1_"
"""Tells people, and whoever scans for leaked secrets, what this is; and its format's version."""
_ID_OCTETS = 16


class Purpose(StrEnum):
    """What a mailed token is good for, and nothing else."""

    VERIFY = "verify"
    """Showing that the user's address is theirs."""
    RESET = "reset"
    """Choosing another password."""
    CONFIRM = "confirm"
    """Putting a new address in the old one's place."""
    UNDO = "undo"
    """Putting a former address back."""


LIFETIMES = {
    Purpose.VERIFY: timedelta(days=1),
    Purpose.RESET: timedelta(hours=1),
    Purpose.CONFIRM: timedelta(days=1),
    Purpose.UNDO: timedelta(hours=72),
}
"""For how long each works."""


@dataclass(frozen=True, slots=True)
class MailedToken:
    """What a link carries: whose it is, and a secret of 256 bits."""

    public_id: str
    secret: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The token as it stands in a link: opaque, of letters, digits, `-` and `_`."""
        encoded = base64.urlsafe_b64encode(UUID(self.public_id).bytes + self.secret)
        return _PREFIX + encoded.rstrip(b"=").decode("ascii")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a token; None if it is not one. There is one spelling for each."""
        try:
            octets = base64.b64decode(text.removeprefix(_PREFIX), b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(octets) != _ID_OCTETS + SECRET_OCTETS:
            return None
        token = cls(str(UUID(bytes=octets[:_ID_OCTETS])), octets[_ID_OCTETS:])
        return token if token.text == text else None

    @property
    def secret_hash(self) -> str:
        """What is stored of it. It is random, so one round of SHA-256 is enough."""
        return hashlib.sha256(self.secret).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class MailedTokenRecord:
    """What is kept of a mailed token until it is spent or lapses."""

    public_id: str
    secret_hash: str
    purpose: Purpose
    expires_at: datetime
    address: str = field(repr=False)
    """What it is about: the user's address at that time, the wanted one, or the former one."""
    password_mark: str | None = field(default=None, repr=False)
    """Of the password that it replaces: see `password_mark`."""


@dataclass(frozen=True, slots=True)
class MailedTokenFacts:
    """What the store knows when somebody shows a mailed token."""

    record: MailedTokenRecord | None
    credentials: Credentials | None
    """Of the user whose it says that it is."""


def password_mark(password_hash: str) -> str:
    """Tell one stored password hash from the next, without being it. Salts make it unguessable."""
    return hashlib.sha256(password_hash.encode()).hexdigest()
