"""Attempts at a password: what is counted together, and where a right one was shown before."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network
from typing import Self

from chalicelib.domain.sessions import Session
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.users import Credentials

KNOWN_FOR = timedelta(days=30)
"""How long an address is known for an account, after a right password was last shown there."""


def network_of(ip: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that an IPv6 address is in.

    That is what one subscriber has at least (RFC 6177): whoever has 2^64 addresses must not have as
    many counts, and an owner whose device takes another address every day is still at home.
    """
    if ":" not in ip:
        return ip
    return str(IPv6Network((IPv6Address(ip), 64), strict=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What is counted together, in one window of time, and how far it may go."""

    of: tuple[str, ...]
    """The kind and what is meant. Stores keep it only in a form that does not tell."""
    limit: int
    starts_at: int
    ends_at: int
    """In seconds since the epoch, as `starts_at` is. From then on, the next window is counted."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whence an attempt comes: an address, and the count of wrong ones from there."""

    network: str
    failures: Count


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAddress:
    """An address at which an account's password was shown to be known."""

    public_id: str
    network: str
    token_version: int
    """The user's at that time. Whoever ends all sessions takes back what their thief has shown."""
    expires_at: int

    @classmethod
    def of(cls, session: Session) -> Self:
        """Where a session is opened with a password."""
        return cls(
            public_id=session.public_id,
            network=network_of(session.client.ip),
            token_version=session.token_version,
            expires_at=epoch_seconds(session.created_at + KNOWN_FOR),
        )

    def is_known(self, token_version: int, now: datetime) -> bool:
        """Tell whether it still is, at the user's present version."""
        return self.token_version == token_version and epoch_seconds(now) < self.expires_at

    def is_fading(self, now: datetime) -> bool:
        """Tell whether more than half of its time is over."""
        return epoch_seconds(now + KNOWN_FOR / 2) > self.expires_at


@dataclass(frozen=True, slots=True)
class LoginFacts:
    """What the store knows when somebody shows a password."""

    credentials: Credentials | None
    key_revoked: bool
    """The key that the access token would be signed with was revoked."""
    address: KnownAddress | None
    """What is kept of the address with this account. It may have lapsed."""
    failures_from_address: int
    """In the present window, whosever passwords were tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A password that may be compared: it has been counted, and has its place in the count."""

    count: Count
    number: int
    """Which of the window's attempts it is."""
    origin: Origin
    public_id: str | None
    remembers: bool
    """Whether the address is to be remembered if the password is right."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What a right password leaves behind, written in the step that it leads to."""

    given_back: Count
    """One attempt fewer is counted here."""
    remembers: bool
    """The session's address is known from now on."""
