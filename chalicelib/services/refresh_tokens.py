"""Refresh tokens: made, told apart, and followed by the next one.

A token is random, and only hashes of it are kept. When it is used, the one that follows is derived
from it and a salt, and the salt is kept for the grace: so whoever shows the same token again within
that time, because two tabs refreshed together or an answer was lost, is given the same follower,
although it was never stored. There is one line of tokens, and one of them works.
"""

import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum

from chalicelib.domain.sessions import (
    FAMILY_OCTETS,
    SECRET_OCTETS,
    Lineage,
    RefreshToken,
    SpentToken,
)

_MOST_SPENT = 64
"""What is kept of one grace at the most. More refreshes than this in so short a time are a client
in a loop: the first of its tokens are then as spent as if the grace were over."""


class Use(Enum):
    """What a refresh token is to its session."""

    CURRENT = "the one that works"
    FORGIVEN = "spent a moment ago"
    REUSED = "spent, and its time is over"
    FOREIGN = "never a token of this session"


class RefreshTokens:
    """The line of one session's tokens."""

    def __init__(self, grace: timedelta, random_octets: Callable[[int], bytes]) -> None:
        """`grace` is how long a spent token still gets its follower."""
        self._grace = grace
        self._random = random_octets

    def first(self, public_id: str, session_id: str) -> tuple[RefreshToken, Lineage]:
        """Begin the line of a new session."""
        family, secret = self._random(FAMILY_OCTETS), self._random(SECRET_OCTETS)
        token = RefreshToken(public_id, session_id, family, secret)
        return token, Lineage(token.family_hash, token.secret_hash)

    def tell(self, token: RefreshToken, lineage: Lineage, now: datetime) -> Use:
        """Tell what a token is to a session, comparing in constant time."""
        if not hmac.compare_digest(token.family_hash, lineage.family_hash):
            return Use.FOREIGN
        if hmac.compare_digest(token.secret_hash, lineage.current_hash):
            return Use.CURRENT
        if any(
            hmac.compare_digest(token.secret_hash, spent.secret_hash)
            for spent in self._forgiven(lineage, now)
        ):
            return Use.FORGIVEN
        return Use.REUSED

    def advance(
        self, token: RefreshToken, lineage: Lineage, now: datetime
    ) -> tuple[RefreshToken, Lineage]:
        """Spend the current token: the one that follows it, and the lineage from then on."""
        salt = self._random(SECRET_OCTETS)
        follower = _follower(token, salt)
        spent = (*self._forgiven(lineage, now), SpentToken(token.secret_hash, salt, now))
        return follower, Lineage(lineage.family_hash, follower.secret_hash, spent[-_MOST_SPENT:])

    def catch_up(self, token: RefreshToken, lineage: Lineage) -> RefreshToken:
        """The current token, for whoever shows one that was spent within the grace."""
        for spent in lineage.spent:
            if spent.secret_hash == token.secret_hash:
                token = _follower(token, spent.salt)
        return token

    def _forgiven(self, lineage: Lineage, now: datetime) -> tuple[SpentToken, ...]:
        return tuple(spent for spent in lineage.spent if now - spent.spent_at < self._grace)


def _follower(token: RefreshToken, salt: bytes) -> RefreshToken:
    """The token that follows: HKDF's extraction step (RFC 5869, section 2.2).

    Without the salt, whoever once had a token cannot tell the next; without the token, the salt
    says nothing.
    """
    return replace(token, secret=hmac.digest(salt, token.secret, "sha256"))
