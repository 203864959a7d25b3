"""The keys that tokens are signed and verified with, kept between requests."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.times import Clock
from chalicelib.domain.tokens import KeyState, PublicKey, SigningKey

FRESH = timedelta(minutes=5)
"""How long a key set is used before it is read again, here and by whoever verifies elsewhere."""
SETTLED = 2 * FRESH
"""How old a key without a state must be to sign. A verifier may have read, and may keep for as long
as `FRESH`, a document that was made from a key set as old as that."""
PATIENCE = timedelta(seconds=30)
"""The least time between two readings, whatever key ids are asked for."""


class KeySource(Protocol):
    """Where the key set is kept."""

    def public_keys(self) -> tuple[PublicKey, ...]:
        """All public keys, newest first.

        Raises:
            UnavailableError: the key set cannot be read now.
        """

    def signing_key(self, key_id: str) -> SigningKey | None:
        """The private half of a key, or None if there is none (any more).

        Raises:
            UnavailableError: it cannot be read now.
        """


def signing_order(keys: Iterable[PublicKey], now: datetime) -> list[PublicKey]:
    """The keys of a set, the one that signs first, and then those that would in its place.

    The key that was told to sign last signs. In a set where none was told, which is one from before
    keys had states, the newest does that every verifier has had time to read; where none is as old
    as that, the oldest: a first key signs at once. A key that is merely published comes last.
    """
    told = [key for key in keys if key.state is KeyState.SIGNING]
    stateless = [key for key in keys if key.state is None]
    published = [key for key in keys if key.state is KeyState.PUBLISHED]
    settled = [key for key in stateless if now - key.created_at >= SETTLED]
    unsettled = [key for key in stateless if now - key.created_at < SETTLED]
    return [
        *sorted(told, key=_told_at, reverse=True),
        *sorted(settled, key=_made_at, reverse=True),
        *sorted(unsettled, key=_made_at),
        *sorted(published, key=_made_at),
    ]


def _told_at(key: PublicKey) -> tuple[datetime, str]:
    return key.signing_since or key.created_at, key.key_id


def _made_at(key: PublicKey) -> tuple[datetime, str]:
    return key.created_at, key.key_id


class KeyRing:
    """The key set, read when it is first needed and again when it is no longer fresh.

    A token with an unknown key id makes it read again, so that a new key works at once, but no
    sooner than `PATIENCE` after the last attempt: forged key ids cannot be used to make it read
    without bound. While the key set cannot be read, the keys that are known stay in use.
    """

    def __init__(self, source: KeySource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._public_keys: tuple[PublicKey, ...] = ()
        self._signing_key: SigningKey | None = None
        self._revoked: frozenset[str] = frozenset()
        self._tried_at: datetime | None = None

    def public_keys(self) -> tuple[PublicKey, ...]:
        """All public keys, newest first.

        Raises:
            UnavailableError: none is known, and the key set cannot be read now.
        """
        if not self._public_keys or self._is_older_than(FRESH):
            self._read()
        return self._public_keys

    def find(self, key_id: str) -> PublicKey | None:
        """The public key of this id, or None if there is none.

        Raises:
            UnavailableError: none is known, and the key set cannot be read now.
        """
        found = _pick(self.public_keys(), key_id)
        if found is None and self._is_older_than(PATIENCE):
            self._read()
            found = _pick(self._public_keys, key_id)
        return found

    def signing_key(self) -> SigningKey:
        """The private half of the key that new tokens are signed with: see `signing_order`.

        If it is gone, the set has changed since it was read. So the set is read again, as for an
        unknown key id; and if it is still said to sign, somebody deleted half a key by hand, and
        the next one signs in its place.

        Raises:
            UnavailableError: no key can sign, or none can be read now.
        """
        found = self._private_half(signing_order(self.public_keys(), self._clock())[:1])
        if found is None and self._is_older_than(PATIENCE):
            self._read()
        found = found or self._private_half(signing_order(self._public_keys, self._clock()))
        if found is None:
            raise UnavailableError
        return found

    def replace_revoked(self, key_id: str) -> SigningKey:
        """Answer another key that signs, since this one turned out to be revoked.

        The set is read now, whatever its age. The key is not used again, for nothing, however long
        the set still lists it: a revocation is for good.

        Raises:
            UnavailableError: there is no other key, or the set cannot be read now.
        """
        self._revoked |= {key_id}
        self._public_keys = self._usable(self._public_keys)
        self._tried_at = self._clock()
        self._public_keys = self._usable(self._source.public_keys())
        found = self._private_half(signing_order(self._public_keys, self._clock()))
        if found is None:
            raise UnavailableError
        return found

    def _private_half(self, keys: list[PublicKey]) -> SigningKey | None:
        """The first private half that there is; the last one is kept."""
        for key in keys:
            if self._signing_key is not None and self._signing_key.key_id == key.key_id:
                return self._signing_key
            found = self._source.signing_key(key.key_id)
            if found is not None:
                self._signing_key = found
                return found
        return None

    def _is_older_than(self, age: timedelta) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= age

    def _read(self) -> None:
        self._tried_at = self._clock()
        try:
            self._public_keys = self._usable(self._source.public_keys())
        except UnavailableError:
            if not self._public_keys:
                raise
        if not self._public_keys:
            raise UnavailableError

    def _usable(self, keys: tuple[PublicKey, ...]) -> tuple[PublicKey, ...]:
        return tuple(key for key in keys if key.key_id not in self._revoked)


def _pick(keys: tuple[PublicKey, ...], key_id: str) -> PublicKey | None:
    return next((key for key in keys if key.key_id == key_id), None)
