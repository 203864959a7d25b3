from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.tokens import LONGEST_ACCESS_TOKEN_SECONDS, KeyState, PublicKey
from chalicelib.services.key_rotation import (
    KEPT,
    NOTICE,
    Action,
    KeyRole,
    KeyRotation,
    NoKeysError,
    Step,
    Turn,
)
from chalicelib.services.keyring import FRESH, SETTLED, KeyRing
from tests.fakes import START, FakeClock, FakeKeyStore

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@pytest.fixture
def store(clock: FakeClock) -> FakeKeyStore:
    """A set with one key, `key-1`, that signs since `START`."""
    store = FakeKeyStore()
    store.add(KeyState.SIGNING, clock())
    return store


@pytest.fixture
def rotation(store: FakeKeyStore, clock: FakeClock) -> KeyRotation:
    return KeyRotation(store, clock)


def _roles(turn: Turn) -> dict[str, KeyRole]:
    return {standing.key.key_id: standing.role for standing in turn.keys}


def _old(key_id: str, created_at: datetime) -> PublicKey:
    """A key from before there were states."""
    return PublicKey(key_id, created_at, "n", "AQAB")


def _ids(keys: Sequence[PublicKey]) -> set[str]:
    return {key.key_id for key in keys}


def _signer(store: FakeKeyStore, clock: FakeClock) -> str:
    """Which key a function signs with that starts now."""
    return KeyRing(store, clock).signing_key().key_id


# The whole cycle


def test_a_key_is_published_then_signs_then_the_one_before_it_is_retired(
    rotation: KeyRotation, store: FakeKeyStore, clock: FakeClock
) -> None:
    published = rotation.advance()
    assert published.done == Step(Action.PUBLISH, "key-2", START)
    assert published.next == Step(Action.SIGN, "key-2", START + NOTICE)
    assert _roles(published) == {"key-2": KeyRole.PUBLISHED, "key-1": KeyRole.SIGNING}
    assert _signer(store, clock) == "key-1"

    clock.now = START + NOTICE
    signs = rotation.advance()
    assert signs.done == Step(Action.SIGN, "key-2", START + NOTICE)
    assert signs.next == Step(Action.RETIRE, "key-1", START + NOTICE + KEPT)
    assert _roles(signs) == {"key-2": KeyRole.SIGNING, "key-1": KeyRole.SUPERSEDED}
    assert _signer(store, clock) == "key-2"
    assert _ids(store.public_keys()) == {"key-1", "key-2"}

    clock.now += KEPT
    retired = rotation.advance()
    assert retired.done == Step(Action.RETIRE, "key-1", START + NOTICE + KEPT)
    assert retired.next == Step(Action.PUBLISH, None, START + NOTICE)
    assert _roles(retired) == {"key-2": KeyRole.SIGNING}
    assert _ids(store.public_keys()) == store.private_ids == {"key-2"}
    assert _signer(store, clock) == "key-2"


def test_the_turn_tells_the_set_as_it_is_and_since_when(
    rotation: KeyRotation, store: FakeKeyStore, clock: FakeClock
) -> None:
    rotation.advance()
    clock.now = START + NOTICE
    turn = rotation.advance()
    assert tuple(standing.key for standing in turn.keys) == store.public_keys()
    assert {standing.key.key_id: standing.since for standing in turn.keys} == {
        "key-2": START + NOTICE,
        "key-1": START + NOTICE,
    }


def test_a_key_signs_only_when_every_verifier_has_had_time_to_read_it() -> None:
    # Two hours in API Gateway's own authorizer, and what our own documents may be late.
    assert timedelta(hours=2) + 2 * FRESH <= NOTICE


def test_a_key_is_retired_only_when_its_last_token_has_expired() -> None:
    assert FRESH + timedelta(seconds=LONGEST_ACCESS_TOKEN_SECONDS) < KEPT


# Not too fast


@pytest.mark.parametrize(("steps", "wait"), [(1, NOTICE), (2, KEPT)])
def test_it_refuses_to_go_too_fast(
    rotation: KeyRotation, store: FakeKeyStore, clock: FakeClock, steps: int, wait: timedelta
) -> None:
    due = START
    for _ in range(steps):
        clock.now = due
        due = rotation.advance().next.not_before
    assert due - clock.now == wait
    clock.now = due - SECOND
    before, writes = store.public_keys(), store.writes
    for _ in range(3):
        early = rotation.advance()
        assert early.done is None
        assert early.next.not_before == due
    assert (store.public_keys(), store.writes) == (before, writes)
    clock.step(seconds=1)
    assert rotation.advance().done is not None


def test_a_new_rotation_begins_only_after_the_last_one(
    rotation: KeyRotation, clock: FakeClock
) -> None:
    rotation.advance()
    clock.now += NOTICE
    rotation.advance()
    clock.step(minutes=60)
    assert rotation.advance().next.action is Action.RETIRE


def test_no_valid_token_is_ever_without_its_key(
    rotation: KeyRotation, store: FakeKeyStore, clock: FakeClock
) -> None:
    """A function that reads as late as it may signs tokens that live as long as they may."""
    late = KeyRing(store, clock)
    lives = timedelta(seconds=LONGEST_ACCESS_TOKEN_SECONDS)
    alive: dict[str, datetime] = {}
    for _ in range(3 * 24 * 30):
        rotation.advance()
        alive[late.signing_key().key_id] = clock.now + lives
        listed = _ids(store.public_keys())
        assert {key_id for key_id, until in alive.items() if until >= clock.now} <= listed
        clock.step(minutes=2)
    assert len(alive) == 4


# Broken off, repeated, twice at once


@pytest.mark.parametrize("writes", range(6))
def test_whatever_breaks_off_the_set_signs_and_verifies_and_is_moved_on_next_time(
    rotation: KeyRotation, store: FakeKeyStore, clock: FakeClock, writes: int
) -> None:
    """Two halves are made, one key is told to sign, two halves are deleted: five writes in all."""
    store.writes = 0
    store.breaks_after = writes
    broken = 0
    while True:
        signer = _signer(store, clock)
        try:
            turn = rotation.advance()
        except UnavailableError:
            broken += 1
            store.breaks_after = None
            # What signed, signs on; and each key that is listed can be verified with.
            assert _signer(store, clock) == signer
            assert signer in _ids(store.public_keys())
            continue
        if turn.done is not None and turn.done.action is Action.RETIRE:
            break
        clock.now = turn.next.not_before
    assert broken == (1 if writes < 5 else 0)
    (key,) = store.public_keys()
    assert _signer(store, clock) == key.key_id != "key-1"
    assert "key-1" not in store.private_ids


def test_a_step_that_was_taken_is_not_taken_again(rotation: KeyRotation, clock: FakeClock) -> None:
    rotation.advance()
    clock.now += NOTICE
    rotation.advance()
    assert rotation.advance().done is None


def test_two_that_publish_at_once_leave_one_key_for_the_next_rotation(
    store: FakeKeyStore, clock: FakeClock
) -> None:
    rotation = KeyRotation(store, clock)
    rotation.advance()
    clock.step(seconds=1)
    store.add(KeyState.PUBLISHED, clock())  # by another one, that had not seen the first one's
    clock.now = START + NOTICE
    assert rotation.advance().done == Step(Action.SIGN, "key-2", START + NOTICE)
    clock.now += KEPT
    assert rotation.advance().done == Step(Action.RETIRE, "key-1", clock.now)
    assert rotation.advance().done == Step(Action.SIGN, "key-3", START + SECOND + NOTICE)


def test_several_superseded_keys_are_retired_one_after_the_other(
    rotation: KeyRotation, store: FakeKeyStore, clock: FakeClock
) -> None:
    store.hold(
        *(
            PublicKey(name, START, "n", "AQAB", KeyState.SIGNING, START + days * DAY)
            for name, days in (("a", 0), ("b", 5), ("c", 5), ("d", 6))
        )
    )
    clock.now = START + 30 * DAY
    retired = [rotation.advance().done for _ in range(3)]
    assert retired == [
        Step(Action.RETIRE, "a", START + 5 * DAY + KEPT),
        Step(Action.RETIRE, "b", START + 5 * DAY + KEPT),
        Step(Action.RETIRE, "c", START + 6 * DAY + KEPT),
    ]


# From before there were states


def test_an_old_key_set_is_rotated_like_any_other(
    rotation: KeyRotation, store: FakeKeyStore, clock: FakeClock
) -> None:
    store.hold(_old("old", START - 400 * DAY))
    assert rotation.advance().done == Step(Action.PUBLISH, "key-2", START - 400 * DAY)
    assert _signer(store, clock) == "old"
    clock.now = START + NOTICE
    signs = rotation.advance()
    assert _roles(signs) == {"key-2": KeyRole.SIGNING, "old": KeyRole.SUPERSEDED}
    assert signs.next == Step(Action.RETIRE, "old", START + NOTICE + KEPT)
    assert _signer(store, clock) == "key-2"
    clock.now += KEPT
    rotation.advance()
    assert _ids(store.public_keys()) == {"key-2"}


def test_an_old_key_that_another_old_one_has_replaced_is_retired_first(
    rotation: KeyRotation, store: FakeKeyStore, clock: FakeClock
) -> None:
    store.hold(_old("new", START), _old("old", START - 90 * DAY))
    clock.now = START + SETTLED
    turn = rotation.advance()
    assert _roles(turn) == {"new": KeyRole.SIGNING, "old": KeyRole.SUPERSEDED}
    assert turn.next == Step(Action.RETIRE, "old", START + SETTLED + KEPT)
    clock.now = turn.next.not_before
    assert rotation.advance().done == turn.next
    assert rotation.advance().done == Step(Action.PUBLISH, "key-2", START)


def test_an_old_key_that_is_too_new_to_sign_is_waited_for(
    rotation: KeyRotation, store: FakeKeyStore, clock: FakeClock
) -> None:
    store.hold(_old("new", START), _old("old", START - 90 * DAY))
    turn = rotation.advance()
    assert turn.done is None
    assert _roles(turn) == {"new": KeyRole.PUBLISHED, "old": KeyRole.SIGNING}
    assert turn.next == Step(Action.SIGN, "new", START + SETTLED)
    del clock


def test_old_keys_are_superseded_by_the_first_that_was_told_to_sign(
    rotation: KeyRotation, store: FakeKeyStore, clock: FakeClock
) -> None:
    first = PublicKey("first", START - 9 * DAY, "n", "AQAB", KeyState.SIGNING, START - 3 * DAY)
    second = PublicKey("second", START - 9 * DAY, "n", "AQAB", KeyState.SIGNING, START)
    store.hold(second, first, _old("old", START - DAY))
    assert rotation.advance().done == Step(Action.RETIRE, "old", START - 3 * DAY + KEPT)
    del clock


# Faults


def test_a_set_without_keys_is_not_for_a_rotation_to_fill(clock: FakeClock) -> None:
    with pytest.raises(NoKeysError):
        KeyRotation(FakeKeyStore(), clock).advance()


def test_a_set_that_cannot_be_read_is_an_outage(rotation: KeyRotation, store: FakeKeyStore) -> None:
    store.down = True
    with pytest.raises(UnavailableError):
        rotation.advance()


# Unattended


def test_a_rotation_begins_once_the_key_has_signed_for_so_long(
    rotation: KeyRotation, clock: FakeClock
) -> None:
    clock.now = START + 90 * DAY - SECOND
    early = rotation.advance(every=90 * DAY)
    assert early.done is None
    assert early.next == Step(Action.PUBLISH, None, START + 90 * DAY)
    clock.step(seconds=1)
    assert rotation.advance(every=90 * DAY).done == Step(Action.PUBLISH, "key-2", START + 90 * DAY)


def test_a_rotation_that_is_under_way_goes_on_whatever_the_age(
    rotation: KeyRotation, clock: FakeClock
) -> None:
    rotation.advance()  # by hand
    clock.now = START + NOTICE
    assert rotation.advance(every=90 * DAY).done == Step(Action.SIGN, "key-2", clock.now)
    clock.now += KEPT
    assert rotation.advance(every=90 * DAY).done == Step(Action.RETIRE, "key-1", clock.now)
    done = rotation.advance(every=90 * DAY)
    assert done.done is None
    assert done.next == Step(Action.PUBLISH, None, START + NOTICE + 90 * DAY)


def test_a_key_from_before_there_were_states_has_signed_since_it_was_made(
    rotation: KeyRotation, store: FakeKeyStore
) -> None:
    store.hold(_old("old", START - 90 * DAY + SECOND))
    assert rotation.advance(every=90 * DAY).next == Step(Action.PUBLISH, None, START + SECOND)
