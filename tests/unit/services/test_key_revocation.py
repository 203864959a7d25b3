from datetime import timedelta

import pytest

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.tokens import KeyState, PublicKey
from chalicelib.services.key_revocation import (
    KeyRevocation,
    Revoked,
    Succession,
    UnknownKeyError,
)
from chalicelib.services.keyring import KeyRing
from tests.fakes import START, FakeClock, FakeKeyStore, FakeRevocationStore

DAY = timedelta(days=1)
SIGNING = PublicKey("signing", START - 30 * DAY, "n", "AQAB", KeyState.SIGNING, START - 9 * DAY)
SUPERSEDED = PublicKey(
    "superseded", START - 60 * DAY, "n", "AQAB", KeyState.SIGNING, START - 50 * DAY
)
PUBLISHED = PublicKey("published", START - DAY, "n", "AQAB", KeyState.PUBLISHED)
LATER = PublicKey("later", START, "n", "AQAB", KeyState.PUBLISHED)
STATELESS = PublicKey("stateless", START - 30 * DAY, "n", "AQAB")


@pytest.fixture
def store() -> FakeKeyStore:
    return FakeKeyStore()


@pytest.fixture
def revocation(
    store: FakeKeyStore, revocations: FakeRevocationStore, clock: FakeClock
) -> KeyRevocation:
    return KeyRevocation(store, revocations, clock)


def _ids(store: FakeKeyStore) -> set[str]:
    return {key.key_id for key in store.public_keys()}


def test_a_published_key_signs_in_the_place_of_a_revoked_one(
    revocation: KeyRevocation, store: FakeKeyStore, clock: FakeClock
) -> None:
    store.hold(LATER, PUBLISHED, SIGNING, SUPERSEDED)
    revoked = revocation.revoke("signing")
    assert revoked.was_there
    assert revoked.succession is Succession.PROMOTED
    assert revoked.signing.key_id == "published"
    assert revoked.signing.signing_since == START
    assert KeyRing(store, clock).signing_key().key_id == "published"
    assert _ids(store) == store.private_ids == {"later", "published", "superseded"}


@pytest.mark.parametrize("only", [SIGNING, STATELESS])
def test_the_only_key_is_replaced_by_a_new_one(
    revocation: KeyRevocation, store: FakeKeyStore, clock: FakeClock, only: PublicKey
) -> None:
    store.hold(only)
    revoked = revocation.revoke(only.key_id)
    assert revoked.succession is Succession.MADE
    assert KeyRing(store, clock).signing_key().key_id == revoked.signing.key_id
    assert _ids(store) == store.private_ids == {revoked.signing.key_id}


def test_a_superseded_key_does_not_sign_again(
    revocation: KeyRevocation, store: FakeKeyStore, clock: FakeClock
) -> None:
    store.hold(SIGNING, SUPERSEDED)
    revoked = revocation.revoke("signing")
    assert revoked.succession is Succession.MADE
    assert KeyRing(store, clock).signing_key().key_id == revoked.signing.key_id


@pytest.mark.parametrize("key", [PUBLISHED, SUPERSEDED])
def test_a_key_that_does_not_sign_goes_and_the_other_one_signs_on(
    revocation: KeyRevocation, store: FakeKeyStore, key: PublicKey
) -> None:
    store.hold(key, SIGNING)
    assert revocation.revoke(key.key_id) == Revoked(
        was_there=True, signing=SIGNING, succession=Succession.UNCHANGED
    )
    assert _ids(store) == store.private_ids == {"signing"}


def test_the_tokens_end_before_anything_else_is_changed(
    revocation: KeyRevocation, store: FakeKeyStore, revocations: FakeRevocationStore
) -> None:
    store.hold(SIGNING)
    store.breaks_after = 0
    with pytest.raises(UnavailableError):
        revocation.revoke("signing")
    assert revocations.is_key_revoked("signing")
    assert _ids(store) == {"signing"}


@pytest.mark.parametrize("others", [(), (PUBLISHED,), (SUPERSEDED,)])
@pytest.mark.parametrize("writes", range(5))
def test_whatever_breaks_off_doing_it_again_finishes_it(
    revocation: KeyRevocation,
    store: FakeKeyStore,
    clock: FakeClock,
    writes: int,
    others: tuple[PublicKey, ...],
) -> None:
    store.hold(SIGNING, *others)
    store.breaks_after = writes
    try:
        revocation.revoke("signing")
    except UnavailableError:
        assert KeyRing(store, clock).signing_key().key_id in store.private_ids
    store.breaks_after = None
    clock.step(minutes=1)
    revocation.revoke("signing")
    signing = KeyRing(store, clock).signing_key().key_id
    assert signing in _ids(store) - {"signing", "superseded"}
    assert "signing" not in _ids(store) | store.private_ids
    # What was made is used, unless its making broke off before it was in the set.
    assert len(_ids(store)) == 1 + len(set(others) & {SUPERSEDED})


def test_a_key_that_is_gone_already_is_finished_off(
    revocation: KeyRevocation, store: FakeKeyStore
) -> None:
    store.hold(SIGNING, PUBLISHED)
    first = revocation.revoke("signing")
    again = revocation.revoke("signing")
    assert again == Revoked(was_there=False, signing=first.signing, succession=Succession.UNCHANGED)


def test_a_key_whose_own_revocation_broke_off_does_not_take_over(
    revocation: KeyRevocation,
    store: FakeKeyStore,
    revocations: FakeRevocationStore,
    clock: FakeClock,
) -> None:
    store.hold(PUBLISHED, SIGNING)
    revocations.revoke_key("published")
    revoked = revocation.revoke("signing")
    assert revoked.succession is Succession.MADE
    assert KeyRing(store, clock).signing_key().key_id == revoked.signing.key_id


def test_an_unknown_key_is_refused_with_those_that_there_are(
    revocation: KeyRevocation, store: FakeKeyStore, revocations: FakeRevocationStore
) -> None:
    store.hold(PUBLISHED, SIGNING)
    with pytest.raises(UnknownKeyError) as refusal:
        revocation.revoke("another")
    assert refusal.value.key_ids == ("published", "signing")
    assert store.writes == 0
    assert revocations.tables.revoked == {}


def test_a_set_that_lost_its_last_key_gets_one(
    revocation: KeyRevocation, store: FakeKeyStore, revocations: FakeRevocationStore
) -> None:
    revocations.revoke_key("signing")
    assert revocation.revoke("signing").succession is Succession.MADE
    assert len(_ids(store)) == 1


def test_without_the_store_nothing_is_changed(
    revocation: KeyRevocation, store: FakeKeyStore, revocations: FakeRevocationStore
) -> None:
    store.hold(SIGNING)
    revocations.down = True
    with pytest.raises(UnavailableError):
        revocation.revoke("signing")
    assert store.writes == 0
