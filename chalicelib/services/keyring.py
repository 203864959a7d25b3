"""The keys that tokens are signed and verified with, kept between requests."""

from datetime import datetime, timedelta
from typing import Protocol

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.times import Clock
from chalicelib.domain.tokens import PublicKey, SigningKey

FRESH = timedelta(minutes=5)
"""How long a key set is used before it is read again, here and by whoever verifies elsewhere."""
SETTLED = 2 * FRESH
"""How old a key must be to sign. A verifier may have read, and may keep for as long as `FRESH`, a
document that was made from a key set as old as that."""
PATIENCE = timedelta(seconds=30)
"""The least time between two readings, whatever key ids are asked for."""


class KeySource(Protocol):
    """Where the key set is kept."""

    def public_keys(self) -> tuple[PublicKey, ...]:
        """All public keys, newest first.

        Raises:
            UnavailableError: the key set cannot be read now.
        """

    def signing_key(self, key_id: str) -> SigningKey:
        """The private half of a key.

        Raises:
            UnavailableError: it cannot be read now.
        """


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
        """The key that new tokens are signed with: the newest that every verifier knows.

        Where none has been published for long enough, it is the oldest: a first key signs at once.

        Raises:
            UnavailableError: it is not known, and cannot be read now.
        """
        keys = self.public_keys()
        now = self._clock()
        settled = (key for key in keys if now - key.created_at >= SETTLED)
        key_id = next(settled, keys[-1]).key_id
        if self._signing_key is None or self._signing_key.key_id != key_id:
            self._signing_key = self._source.signing_key(key_id)
        return self._signing_key

    def _is_older_than(self, age: timedelta) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= age

    def _read(self) -> None:
        self._tried_at = self._clock()
        try:
            self._public_keys = self._source.public_keys()
        except UnavailableError:
            if not self._public_keys:
                raise
        if not self._public_keys:
            raise UnavailableError


def _pick(keys: tuple[PublicKey, ...], key_id: str) -> PublicKey | None:
    return next((key for key in keys if key.key_id == key_id), None)
