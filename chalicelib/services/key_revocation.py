"""Ending a key in an emergency: every token of it at once, and then the key itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from chalicelib.domain.times import Clock
from chalicelib.domain.tokens import KeyState, PublicKey
from chalicelib.services.key_rotation import KeyStore, told_to_sign
from chalicelib.services.keyring import signing_order


class KeyRevocationStore(Protocol):
    """Where it is kept which keys were revoked, read by the authorizer at each request."""

    def revoke_key(self, key_id: str) -> None:
        """End every token that was or will be signed with a key, for good. Repeatable.

        Raises:
            UnavailableError: it could not be written, or not for certain.
        """

    def is_key_revoked(self, key_id: str) -> bool:
        """Whether a key was revoked.

        Raises:
            UnavailableError: the store cannot answer now.
        """


class UnknownKeyError(Exception):
    """There is no such key, and there was none that was revoked."""

    def __init__(self, key_ids: Sequence[str]) -> None:
        super().__init__("There is no such key.")
        self.key_ids = tuple(key_ids)
        """Those that there are, newest first."""


class Succession(StrEnum):
    """How it came that the key that signs now does."""

    UNCHANGED = "unchanged"
    """It did before."""
    PROMOTED = "promoted"
    """It was published, and signs in the place of the revoked one."""
    MADE = "made"
    """There was no other: it was made just now, so no verifier elsewhere has read it yet."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """What a revocation came to."""

    was_there: bool
    """Whether the key was still in the set."""
    signing: PublicKey
    """The key that signs now."""
    succession: Succession


class KeyRevocation:
    """Revokes signing keys.

    In this order: first the tokens end, then another key signs, then the key goes. So from the
    first write on nothing that was forged is let in, and the set is never without a key that
    signs. Whatever breaks off in between, doing it again finishes it.
    """

    def __init__(self, keys: KeyStore, revocations: KeyRevocationStore, clock: Clock) -> None:
        self._keys = keys
        self._revocations = revocations
        self._clock = clock

    def revoke(self, key_id: str) -> Revoked:
        """Revoke a key; one that was revoked already is finished off.

        Raises:
            UnknownKeyError: there is none of this id. Nothing is changed.
            UnavailableError: the key set or the store cannot answer now. Do it again: the tokens
                may have ended already, and the key may still be there.
        """
        keys = self._keys.public_keys()
        was_there = any(key.key_id == key_id for key in keys)
        if not was_there and not self._revocations.is_key_revoked(key_id):
            raise UnknownKeyError([key.key_id for key in keys])
        self._revocations.revoke_key(key_id)
        good = [
            key
            for key in keys
            if key.key_id != key_id and not self._revocations.is_key_revoked(key.key_id)
        ]
        signing, succession = self._successor(keys, good)
        self._keys.delete(key_id)
        return Revoked(was_there, signing, succession)

    def _successor(
        self, keys: Sequence[PublicKey], good: Sequence[PublicKey]
    ) -> tuple[PublicKey, Succession]:
        """Find or make the key that signs once only the good ones are left."""
        now = self._clock()
        for key in signing_order(keys, now)[:1]:
            if key in good:
                return key, Succession.UNCHANGED
        published = [key for key in good if key.state is KeyState.PUBLISHED]
        if published:
            # Of several, the one that the most verifiers have read.
            key = told_to_sign(min(published, key=lambda key: key.created_at), now)
            self._keys.update(key)
            return key, Succession.PROMOTED
        return self._keys.add(KeyState.SIGNING, now), Succession.MADE
