"""Replacing the signing key without anybody noticing: publish, sign, retire, a step at a time.

A key is published first, so that whoever verifies has it by the time it signs. The key before it
is kept until the last token that it signed has expired. What is to be done next follows from the
key set and the time alone, so it does not matter who takes a step (a person, the schedule) or how
the last one ended: every step is one write that decides, and taking it twice changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from chalicelib.domain.times import Clock
from chalicelib.domain.tokens import (
    LEEWAY_SECONDS,
    LONGEST_ACCESS_TOKEN_SECONDS,
    KeyState,
    PublicKey,
)
from chalicelib.services.keyring import FRESH, SETTLED, signing_order

VERIFIERS_KEEP = timedelta(hours=2)
"""How long a verifier that does not ask us may keep the public keys: API Gateway's own JWT
authorizer keeps them for up to two hours. See
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html"""
NOTICE = VERIFIERS_KEEP + 2 * FRESH
"""How long a key is published before it signs. A verifier's document may have been made, and then
have lain in a cache on its way, for as long as `FRESH` each."""
KEPT = FRESH + timedelta(seconds=LONGEST_ACCESS_TOKEN_SECONDS + LEEWAY_SECONDS)
"""How long a key verifies after another one began to sign. A function that has not read of it yet
goes on signing for as long as `FRESH`, and the last token lives as long as any may."""


class KeyStore(Protocol):
    """Where the key set is kept, for whoever may change it."""

    def public_keys(self) -> tuple[PublicKey, ...]:
        """All public keys, newest first.

        Raises:
            UnavailableError: the key set cannot be read now.
        """

    def add(self, state: KeyState, now: datetime) -> PublicKey:
        """Make a key; it is in the set once it can sign, and not before.

        Raises:
            UnavailableError: it could not be made, or not for certain.
        """

    def update(self, key: PublicKey) -> None:
        """Write what has been done with a key, in one write.

        Raises:
            UnavailableError: it could not be written, or not for certain.
        """

    def delete(self, key_id: str) -> None:
        """Delete both halves of a key; it is in the set until both are gone. Repeatable.

        Raises:
            UnavailableError: they could not be deleted, or not for certain.
        """


class KeyRole(StrEnum):
    """What a key does in its set."""

    PUBLISHED = "published"
    """It verifies, and has not signed yet."""
    SIGNING = "signing"
    """It signs new tokens, alone in its set, and verifies."""
    SUPERSEDED = "superseded"
    """It verifies what it signed before another one did."""


class Action(StrEnum):
    """What can be done with a key."""

    PUBLISH = "publish"
    SIGN = "sign"
    RETIRE = "retire"


@dataclass(frozen=True, slots=True)
class KeyStanding:
    """A key, what it does, and since when."""

    key: PublicKey
    role: KeyRole
    since: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done next, and when it may be done at the earliest."""

    action: Action
    key_id: str | None
    """Which key it is about; None for one that is yet to be made."""
    not_before: datetime


@dataclass(frozen=True, slots=True)
class Turn:
    """What a call came to."""

    done: Step | None
    """None if it was too early for anything."""
    keys: tuple[KeyStanding, ...]
    """The set as it is now, newest key first."""
    next: Step


class NoKeysError(Exception):
    """A stage without keys: it has not been deployed, or somebody deleted them by hand."""


class KeyRotation:
    """Moves a key set on, one step at a call."""

    def __init__(self, keys: KeyStore, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def advance(self, every: timedelta = timedelta(0)) -> Turn:
        """Take the next step, if it is time for it.

        A rotation that is under way goes on. A new one begins once the present key has signed for
        as long as `every`. Two that call this at once take the same step, or publish a key each:
        then the older one signs, and the other one is the next rotation's.

        Raises:
            NoKeysError: there is no key to begin with.
            UnavailableError: the set cannot be read or changed now. What was done of a step by
                then leaves a set that signs and verifies.
        """
        now = self._clock()
        keys = self._keys.public_keys()
        if not keys:
            raise NoKeysError
        step = next_step(keys, now, every)
        done = None
        if step.not_before <= now:
            keys, key_id = self._take(step, keys, now)
            done = replace(step, key_id=key_id)
        return Turn(done, standings(keys, now), next_step(keys, now, every))

    def _take(
        self, step: Step, keys: tuple[PublicKey, ...], now: datetime
    ) -> tuple[tuple[PublicKey, ...], str]:
        """Change the set; what it is afterwards, and which key it was about."""
        if step.key_id is None:
            made = self._keys.add(KeyState.PUBLISHED, now)
            return (made, *keys), made.key_id
        (key,) = (key for key in keys if key.key_id == step.key_id)
        if step.action is Action.RETIRE:
            self._keys.delete(key.key_id)
            return tuple(other for other in keys if other is not key), key.key_id
        signing = told_to_sign(key, now)
        self._keys.update(signing)
        return tuple(signing if other is key else other for other in keys), key.key_id


def told_to_sign(key: PublicKey, now: datetime) -> PublicKey:
    """The key as it is once it signs; whichever did before is superseded: see `standings`."""
    return replace(key, state=KeyState.SIGNING, signing_since=now)


def standings(keys: Sequence[PublicKey], now: datetime) -> tuple[KeyStanding, ...]:
    """What each key of a set does, in the set's order; the set has one at least.

    That a key is superseded is written nowhere: it follows from another one that signs since a
    later time. So one write moves a set on, and there is nothing between before and after.
    """
    signer = signing_order(keys, now)[0]
    return tuple(_standing(key, signer, keys) for key in keys)


def _standing(key: PublicKey, signer: PublicKey, keys: Sequence[PublicKey]) -> KeyStanding:
    if key is signer:
        return KeyStanding(key, KeyRole.SIGNING, key.signing_since or key.created_at)
    # One without a state that is newer than the signer signs by itself, once it is old enough.
    ripens = key.state is signer.state is None and key.created_at > signer.created_at
    if key.state is KeyState.PUBLISHED or ripens:
        return KeyStanding(key, KeyRole.PUBLISHED, key.created_at)
    told_later = [
        other.signing_since
        for other in keys
        if other is not key
        and other.signing_since is not None
        and (key.signing_since is None or other.signing_since >= key.signing_since)
    ]
    since = min(told_later, default=signer.created_at + SETTLED)
    return KeyStanding(key, KeyRole.SUPERSEDED, since)


def next_step(keys: Sequence[PublicKey], now: datetime, every: timedelta) -> Step:
    """What is to be done next with a set that has one key at least.

    One rotation at a time: a superseded key is retired before another one begins to sign.
    """
    by_role: dict[KeyRole, list[KeyStanding]] = {role: [] for role in KeyRole}
    for standing in standings(keys, now):
        by_role[standing.role].append(standing)
    for standing in sorted(by_role[KeyRole.SUPERSEDED], key=_since):
        return Step(Action.RETIRE, standing.key.key_id, standing.since + KEPT)
    for standing in sorted(by_role[KeyRole.PUBLISHED], key=_since):
        notice = SETTLED if standing.key.state is None else NOTICE
        return Step(Action.SIGN, standing.key.key_id, standing.since + notice)
    (signing,) = by_role[KeyRole.SIGNING]
    return Step(Action.PUBLISH, None, signing.since + every)


def _since(standing: KeyStanding) -> tuple[datetime, str]:
    return standing.since, standing.key.key_id
