"""Sessions: what a client is logged in by, and the refresh tokens that keep it so."""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from uuid import UUID

from chalicelib.domain.users import User

LONGEST_USER_AGENT = 256
"""In characters. What is longer is cut: it is for a person to recognise."""

_PREFIX = "rt1_"
"""Tells people, and whoever scans for leaked secrets, what this is; and its format's version."""
_ID_OCTETS = 16
FAMILY_OCTETS = 16
SECRET_OCTETS = 32
_OCTETS = 2 * _ID_OCTETS + FAMILY_OCTETS + SECRET_OCTETS


@dataclass(frozen=True, slots=True)
class Client:
    """Whoever is asking, as API Gateway states it. Nothing here is taken from a proxy's headers."""

    ip: str
    user_agent: str
    language: str = "en"
    """In which mails are written to whoever it is. It is kept nowhere."""

    @classmethod
    def of(cls, ip: str, user_agent: str, language: str = "en") -> Self:
        """A client, its user agent cut to a size and to characters that can be shown."""
        shown = "".join(letter if letter.isprintable() else " " for letter in user_agent)
        return cls(ip, shown[:LONGEST_USER_AGENT], language)


@dataclass(frozen=True, slots=True)
class SpentToken:
    """A refresh token that was used, for as long as using it again is forgiven."""

    secret_hash: bytes
    salt: bytes = field(repr=False)
    """With the spent token itself, and only with it, this makes the token that followed."""
    spent_at: datetime


@dataclass(frozen=True, slots=True)
class Lineage:
    """What is kept of a session's refresh tokens: hashes, and nothing that a token is made of."""

    family_hash: bytes
    """Of the part that all tokens of the session share."""
    current_hash: bytes
    """Of the one token that works."""
    spent: tuple[SpentToken, ...] = ()
    """The last ones before it, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One login, on one device or in one program."""

    public_id: str
    """Whose it is."""
    session_id: str
    token_version: int
    """The user's, when it was opened. A session of an older version has ended."""
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    client: Client
    """Who used it last."""
    lineage: Lineage

    @property
    def slot(self) -> int:
        """Which of the user's places it takes."""
        return slot_of(self.session_id)

    def is_alive(self, token_version: int, now: datetime) -> bool:
        """Tell whether it can still be used; a row that is gone is another way to have ended."""
        return self.token_version == token_version and now < self.expires_at


def opening_order(session: Session) -> tuple[datetime, str]:
    """When it was opened; the identifier decides between two of the same moment."""
    return session.created_at, session.session_id


@dataclass(frozen=True, slots=True)
class Opening:
    """A session that is to be opened, and the key that its first access token is signed with."""

    session: Session
    signing_key_id: str


def session_id_in(slot: int, random_id: str) -> str:
    """A session's identifier: a random UUID, but for its first octet, which is the slot.

    So the identifier alone says where the session's row is, and the number of rows that a user
    can have is bounded by what slots there are.
    """
    return str(UUID(bytes=bytes([slot]) + UUID(random_id).bytes[1:]))


def slot_of(session_id: str) -> int:
    """The slot in a session's identifier."""
    return UUID(session_id).bytes[0]


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What a client holds to stay logged in: whose it is, a family and a secret of 256 bits.

    The secret is another one each time, the family stays through all of a session. Who shows the
    right family with a secret that is not the present one has had a token of this session before.
    """

    public_id: str
    session_id: str
    family: bytes = field(repr=False)
    secret: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The token as clients see it: opaque, of letters, digits, `-` and `_`."""
        octets = UUID(self.public_id).bytes + UUID(self.session_id).bytes
        encoded = base64.urlsafe_b64encode(octets + self.family + self.secret)
        return _PREFIX + encoded.rstrip(b"=").decode("ascii")

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a token; None if it is not one. There is one spelling for each."""
        try:
            octets = base64.b64decode(text.removeprefix(_PREFIX) + "=", b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(octets) != _OCTETS:
            return None
        public_id, session_id = octets[:_ID_OCTETS], octets[_ID_OCTETS : 2 * _ID_OCTETS]
        family, secret = octets[2 * _ID_OCTETS : -SECRET_OCTETS], octets[-SECRET_OCTETS:]
        token = cls(str(UUID(bytes=public_id)), str(UUID(bytes=session_id)), family, secret)
        return token if token.text == text else None

    @property
    def family_hash(self) -> bytes:
        """What is stored of the family. It is random, so one round of SHA-256 is enough."""
        return hashlib.sha256(self.family).digest()

    @property
    def secret_hash(self) -> bytes:
        """What is stored of the secret, likewise."""
        return hashlib.sha256(self.secret).digest()


@dataclass(frozen=True, slots=True)
class RefreshFacts:
    """What the store knows when somebody refreshes."""

    user: User | None
    session: Session | None
    key_revoked: bool
    """The key that the access token would be signed with was revoked."""


@dataclass(frozen=True, slots=True)
class TokenSet:
    """What a client is given when it logs in or refreshes."""

    access_token: str = field(repr=False)
    expires_in: int
    """Seconds that the access token lives."""
    refresh_token: str = field(repr=False)
    session_id: str
    public_id: str
    verification_pending: bool = False
    """The user's address is not verified yet, and it ought to be."""
