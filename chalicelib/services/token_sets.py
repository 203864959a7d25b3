"""Token sets: a new session, or the next tokens of one, and the access token that goes with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from chalicelib.domain.sessions import Client, RefreshToken, Session, TokenSet, session_id_in
from chalicelib.domain.times import Clock
from chalicelib.domain.tokens import SigningKey
from chalicelib.domain.users import User
from chalicelib.services.keyring import KeyRing
from chalicelib.services.refresh_tokens import RefreshTokens

if TYPE_CHECKING:
    from chalicelib.services.tokens import TokenIssuer


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """How long sessions last, and how many a user may have."""

    idle: timedelta
    """After how long without a refresh one ends."""
    absolute: timedelta
    """After how long it ends whatever happens."""
    count: int
    """How many a user may have. When there is one more, the oldest ends."""


class TokenSetService:
    """Makes sessions and their tokens. What it makes is nothing until it is stored."""

    def __init__(
        self,
        tokens: "TokenIssuer",
        refresh_tokens: RefreshTokens,
        keys: KeyRing,
        limits: SessionLimits,
        *,
        verifies_emails: bool,
        clock: Clock,
        new_id: Callable[[], str],
        pick: Callable[[int], int],
    ) -> None:
        """`pick` answers a random number below the one that it is given."""
        self._tokens = tokens
        self._refresh_tokens = refresh_tokens
        self._keys = keys
        self._limits = limits
        self._verifies_emails = verifies_emails
        self._clock = clock
        self._new_id = new_id
        self._pick = pick

    @property
    def slots(self) -> Sequence[int]:
        """The places of a user's sessions."""
        return range(self._limits.count)

    def signing_key(self) -> SigningKey:
        """The key that the next access token is to be signed with.

        Raises:
            UnavailableError: it is not known, and cannot be read now.
        """
        return self._keys.signing_key()

    def key_in_place_of(self, revoked: SigningKey) -> SigningKey:
        """Another key, since the store says that this one was revoked.

        Raises:
            UnavailableError: there is none, or it cannot be read now.
        """
        return self._keys.replace_revoked(revoked.key_id)

    def draft(
        self, user: User, client: Client, slots: Sequence[int] | None = None
    ) -> tuple[Session, RefreshToken]:
        """A new session of a user, in one of some slots or of all, and its first refresh token."""
        now = self._clock()
        choice = slots or self.slots
        session_id = session_id_in(choice[self._pick(len(choice))], self._new_id())
        token, lineage = self._refresh_tokens.first(user.public_id, session_id)
        session = Session(
            public_id=user.public_id,
            session_id=session_id,
            token_version=user.token_version,
            created_at=now,
            last_used_at=now,
            expires_at=_whole(now + min(self._limits.idle, self._limits.absolute)),
            client=client,
            lineage=lineage,
        )
        return session, token

    def renew(
        self, session: Session, token: RefreshToken, client: Client
    ) -> tuple[Session, RefreshToken]:
        """The session as its use leaves it, and the refresh token that follows this one."""
        now = self._clock()
        follower, lineage = self._refresh_tokens.advance(token, session.lineage, now)
        ends_at = min(now + self._limits.idle, session.created_at + self._limits.absolute)
        renewed = replace(
            session,
            last_used_at=now,
            expires_at=_whole(ends_at),
            client=client,
            lineage=lineage,
        )
        return renewed, follower

    def issue(self, user: User, session: Session, token: RefreshToken, key: SigningKey) -> TokenSet:
        """Sign an access token of a session, which does not outlive it."""
        access_token = self._tokens.issue(user, session.session_id, session.expires_at, key)
        return TokenSet(
            access_token=access_token.text,
            expires_in=access_token.expires_in,
            refresh_token=token.text,
            session_id=session.session_id,
            public_id=user.public_id,
            verification_pending=self._verifies_emails and not user.email_verified,
        )


def _whole(moment: datetime) -> datetime:
    """A moment in whole seconds, as DynamoDB's TTL and a token's `exp` count."""
    return moment.replace(microsecond=0)
