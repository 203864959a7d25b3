"""Attempts at a password: what is counted together, and where a right one was shown before."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, auto
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
class Tally:
    """A count, and how far it had come when it was read. It only rises."""

    count: Count
    number: int

    @property
    def is_full(self) -> bool:
        """Whether the limit was reached."""
        return self.number >= self.count.limit


@dataclass(frozen=True, slots=True)
class Origin:
    """Whence an attempt comes, and what it may be counted under."""

    network: str
    failures: Count
    """Of all wrong ones from there."""
    nobodys: Count
    """Of the name that was given, if nobody has it. All others are in the same window."""

    def of_account(self, public_id: str) -> Count:
        """The count of an account."""
        return replace(self.nobodys, of=("account", public_id))

    def at_known_address(self, public_id: str) -> Count:
        """The count of an account at this address, should it be known there."""
        return replace(self.nobodys, of=("known address", public_id, self.network))


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
    attempts: Tally
    """Of the account, or of the name if nobody has it."""
    attempts_at_address: Tally
    """Of the account at this address. It is what counts if the address is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A password that may be compared. What came of it is told only once the count allows it."""

    tally: Tally
    failures: Count
    """Of the address that it comes from."""
    public_id: str | None
    remembers: bool
    """Whether the address is to be remembered if the password is right."""

    @property
    def count(self) -> Count:
        """What it is counted under."""
        return self.tally.count

    @property
    def tries(self) -> tuple[Count, ...]:
        """What the count is to be below, one after the other: first the last place, then the limit.

        Since counts only rise, whoever gets in by the second has the last place, and knows it.
        """
        last = self.count.limit - 1
        below_last = replace(self.count, limit=last)
        return (self.count,) if self.tally.number >= last else (below_last, self.count)


@dataclass(frozen=True, slots=True)
class Admission:
    """On what condition a right password opens a session, and what it leaves behind."""

    below: Count
    """The count has to be below its limit, in the step that opens the session."""
    remembers: bool
    """The session's address is known from now on."""


class Outcome(Enum):
    """What came of a write that a right password leads to. All but the first have done nothing."""

    DONE = auto()
    CHANGED = auto()
    """What was read has changed meanwhile."""
    LIMITED = auto()
    """The count is not below its limit, whatever else there is to say."""
