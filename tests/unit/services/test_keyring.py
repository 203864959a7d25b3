import json
from datetime import datetime, timedelta

import pytest

from chalicelib.domain.errors import UnavailableError
from chalicelib.domain.tokens import KeyState, PublicKey
from chalicelib.keys.parameters import Parameter
from chalicelib.services.keyring import FRESH, PATIENCE, SETTLED, KeyRing, signing_order
from tests.fakes import START, FakeClock, FakeKeySource


def _key(key_id: str, created_at: datetime) -> tuple[Parameter, Parameter]:
    public = {"kty": "RSA", "n": "n", "e": "AQAB", "created_at": created_at.isoformat()}
    return (
        Parameter(f"private-keys/{key_id}", f"pem of {key_id}", secret=True),
        Parameter(f"public-keys/{key_id}", json.dumps(public), secret=False),
    )


def _add(source: FakeKeySource, key_id: str, created_at: datetime = START) -> None:
    for parameter in _key(key_id, created_at):
        source.put(parameter)


@pytest.fixture
def source() -> FakeKeySource:
    source = FakeKeySource()
    _add(source, "old", START - timedelta(days=30))
    _add(source, "new", START - timedelta(days=1))
    return source


@pytest.fixture
def keyring(source: FakeKeySource, clock: FakeClock) -> KeyRing:
    return KeyRing(source, clock)


def _ids(ring: KeyRing) -> list[str]:
    return [key.key_id for key in ring.public_keys()]


def test_nothing_is_read_before_it_is_needed(source: FakeKeySource, clock: FakeClock) -> None:
    KeyRing(source, clock)
    assert source.calls == 0


def test_the_newest_key_signs_and_all_verify(keyring: KeyRing) -> None:
    assert _ids(keyring) == ["new", "old"]
    assert keyring.signing_key().private_pem == "pem of new"
    for key_id in ("new", "old"):
        found = keyring.find(key_id)
        assert found is not None
        assert found.key_id == key_id


def test_keys_are_read_once_while_they_are_fresh(
    keyring: KeyRing, source: FakeKeySource, clock: FakeClock
) -> None:
    for _ in range(5):
        keyring.public_keys()
        keyring.find("old")
        keyring.signing_key()
    assert source.calls == 2  # the public keys, and one private key
    clock.step(seconds=FRESH.total_seconds() - 1)
    keyring.signing_key()
    assert source.calls == 2


def test_keys_are_read_again_when_they_are_no_longer_fresh(
    keyring: KeyRing, source: FakeKeySource, clock: FakeClock
) -> None:
    keyring.signing_key()
    _add(source, "newest", START + timedelta(minutes=1))
    source.withdraw("old")
    assert _ids(keyring) == ["new", "old"]
    clock.step(seconds=FRESH.total_seconds())
    assert _ids(keyring) == ["newest", "new"]
    assert keyring.find("old") is None


def test_a_key_signs_once_every_verifier_has_had_time_to_read_it(
    keyring: KeyRing, source: FakeKeySource, clock: FakeClock
) -> None:
    _add(source, "newest", START)
    clock.step(seconds=SETTLED.total_seconds() - 1)
    assert _ids(keyring) == ["newest", "new", "old"]
    assert keyring.signing_key().private_pem == "pem of new"
    clock.step(seconds=1)
    assert keyring.signing_key().private_pem == "pem of newest"


def test_a_first_key_signs_at_once(clock: FakeClock) -> None:
    source = FakeKeySource()
    _add(source, "first", START)
    _add(source, "second", START + timedelta(seconds=1))
    assert KeyRing(source, clock).signing_key().key_id == "first"


def test_an_unknown_key_id_makes_it_read_again_after_a_while(
    keyring: KeyRing, source: FakeKeySource, clock: FakeClock
) -> None:
    assert keyring.find("newest") is None
    _add(source, "newest")
    clock.step(seconds=PATIENCE.total_seconds() - 1)
    assert keyring.find("newest") is None
    clock.step(seconds=1)
    assert keyring.find("newest") is not None


def test_unknown_key_ids_do_not_make_it_read_without_bound(
    keyring: KeyRing, source: FakeKeySource, clock: FakeClock
) -> None:
    for second in range(2 * int(PATIENCE.total_seconds())):
        for number in range(10):
            assert keyring.find(f"forged-{second}-{number}") is None
        clock.step(seconds=1)
    assert source.calls == 2


def test_known_keys_stay_in_use_while_the_source_is_down(
    keyring: KeyRing, source: FakeKeySource, clock: FakeClock
) -> None:
    keyring.signing_key()
    source.down = True
    clock.step(minutes=60)
    assert _ids(keyring) == ["new", "old"]
    assert keyring.signing_key().key_id == "new"
    assert keyring.find("old") is not None
    assert keyring.find("unknown") is None


def test_a_source_that_is_down_is_not_asked_at_every_request(
    keyring: KeyRing, source: FakeKeySource, clock: FakeClock
) -> None:
    keyring.public_keys()
    source.down = True
    clock.step(minutes=60)
    calls = source.calls
    for _ in range(20):
        keyring.find("old")
        keyring.find("unknown")
        clock.step(seconds=1)
    assert source.calls == calls + 1


def test_without_known_keys_a_source_that_is_down_is_an_outage(
    keyring: KeyRing, source: FakeKeySource
) -> None:
    source.down = True
    for ask in (keyring.public_keys, keyring.signing_key, lambda: keyring.find("old")):
        with pytest.raises(UnavailableError):
            ask()


def test_an_outage_ends_as_soon_as_the_source_is_back(
    keyring: KeyRing, source: FakeKeySource
) -> None:
    source.down = True
    with pytest.raises(UnavailableError):
        keyring.find("old")
    source.down = False
    assert keyring.find("old") is not None


def test_an_empty_key_set_is_an_outage(clock: FakeClock) -> None:
    keyring = KeyRing(FakeKeySource(), clock)
    for ask in (keyring.public_keys, keyring.signing_key, lambda: keyring.find("old")):
        with pytest.raises(UnavailableError):
            ask()


def test_a_private_key_that_cannot_be_read_is_asked_for_again(
    source: FakeKeySource, keyring: KeyRing
) -> None:
    keyring.public_keys()
    source.down = True
    with pytest.raises(UnavailableError):
        keyring.signing_key()
    source.down = False
    assert keyring.signing_key().key_id == "new"


# Keys with states


def _told(key_id: str, since: datetime) -> PublicKey:
    return PublicKey(key_id, START - timedelta(days=60), "n", "AQAB", KeyState.SIGNING, since)


def _published(key_id: str, created_at: datetime) -> PublicKey:
    return PublicKey(key_id, created_at, "n", "AQAB", KeyState.PUBLISHED)


def _stateless(key_id: str, created_at: datetime) -> PublicKey:
    return PublicKey(key_id, created_at, "n", "AQAB")


def _order(*keys: PublicKey) -> list[str]:
    return [key.key_id for key in signing_order(keys, START)]


def test_the_key_that_was_told_to_sign_last_signs() -> None:
    before, now = _told("before", START - timedelta(days=9)), _told("now", START)
    assert _order(before, now) == _order(now, before) == ["now", "before"]


def test_of_two_that_were_told_at_once_it_is_the_same_one_everywhere() -> None:
    assert _order(_told("a", START), _told("b", START))[0] == "b"
    assert _order(_told("b", START), _told("a", START))[0] == "b"


def test_a_key_settles_once_a_copy_of_a_copy_has_it() -> None:
    assert SETTLED >= FRESH + FRESH


def test_a_key_that_settles_at_this_moment_is_in_the_order_once() -> None:
    now, later = START - SETTLED, START - SETTLED + timedelta(seconds=1)
    assert _order(_stateless("later", later), _stateless("now", now)) == ["now", "later"]


def test_a_published_key_signs_only_if_there_is_no_other() -> None:
    old = START - timedelta(days=30)
    assert _order(_published("published", old), _told("told", START))[0] == "told"
    assert _order(_published("published", old), _stateless("stateless", START))[0] == "stateless"
    assert _order(_published("later", START), _published("earlier", old))[0] == "earlier"


def test_a_key_without_a_state_signs_only_if_none_was_told_to() -> None:
    told = _told("told", START - timedelta(days=9))
    assert _order(_stateless("newer", START - timedelta(days=1)), told)[0] == "told"


def test_keys_without_states_keep_their_rule() -> None:
    day, minute = timedelta(days=1), timedelta(minutes=1)
    old, new = _stateless("old", START - 2 * day), _stateless("new", START - day)
    unsettled = _stateless("unsettled", START - minute)
    assert _order(unsettled, new, old) == ["new", "old", "unsettled"]
    assert _order(unsettled, _stateless("first", START - 2 * minute))[0] == "first"


def _gone(source: FakeKeySource, key_id: str) -> None:
    """Both halves, as a retirement or a revocation leaves it."""
    source.withdraw(key_id)
    source.withdraw_private(key_id)


def test_a_key_that_went_since_the_set_was_read_makes_it_read_again(
    keyring: KeyRing, source: FakeKeySource, clock: FakeClock
) -> None:
    keyring.public_keys()
    _add(source, "newest", START - timedelta(hours=1))
    _gone(source, "new")
    clock.step(seconds=PATIENCE.total_seconds())
    assert keyring.signing_key().key_id == "newest"


def test_a_key_that_went_does_not_make_it_read_without_bound(
    keyring: KeyRing, source: FakeKeySource, clock: FakeClock
) -> None:
    keyring.public_keys()
    for key_id in ("new", "old"):
        source.withdraw_private(key_id)
    reads = source.set_reads
    for _ in range(2 * int(PATIENCE.total_seconds())):
        with pytest.raises(UnavailableError):
            keyring.signing_key()
        clock.step(seconds=1)
    assert source.set_reads == reads + 1


def test_half_a_key_that_was_deleted_by_hand_does_not_keep_the_others_from_signing(
    keyring: KeyRing, source: FakeKeySource, clock: FakeClock
) -> None:
    source.withdraw_private("new")
    for _ in range(3):
        assert keyring.signing_key().key_id == "old"
        clock.step(minutes=1)


# A key that turned out to be revoked


def test_another_key_signs_in_the_place_of_a_revoked_one_at_once(
    keyring: KeyRing, source: FakeKeySource
) -> None:
    assert keyring.signing_key().key_id == "new"
    _add(source, "newest", START - timedelta(hours=1))
    assert keyring.replace_revoked("new").key_id == "newest"
    assert keyring.signing_key().key_id == "newest"


def test_a_revoked_key_is_not_used_again_however_long_it_is_listed(
    keyring: KeyRing, clock: FakeClock
) -> None:
    assert keyring.replace_revoked("new").key_id == "old"
    for _ in range(3):
        assert _ids(keyring) == ["old"]
        assert keyring.find("new") is None
        assert keyring.signing_key().key_id == "old"
        clock.step(seconds=FRESH.total_seconds())


def test_to_replace_a_key_is_an_attempt_to_read_like_any_other(
    keyring: KeyRing, source: FakeKeySource, clock: FakeClock
) -> None:
    keyring.replace_revoked("new")
    read = source.calls
    assert keyring.find("forged") is None
    clock.step(seconds=PATIENCE.total_seconds() - 1)
    assert keyring.find("new") is None
    assert source.calls == read


def test_every_revoked_key_is_remembered(keyring: KeyRing, source: FakeKeySource) -> None:
    _add(source, "oldest", START - timedelta(days=90))
    assert keyring.replace_revoked("new").key_id == "old"
    assert keyring.replace_revoked("old").key_id == "oldest"
    assert keyring.signing_key().key_id == "oldest"


def test_without_another_key_a_revocation_is_an_outage(
    keyring: KeyRing, source: FakeKeySource, clock: FakeClock
) -> None:
    source.withdraw("old")
    with pytest.raises(UnavailableError):
        keyring.replace_revoked("new")
    with pytest.raises(UnavailableError):
        keyring.signing_key()
    _add(source, "newest")
    clock.step(seconds=1)
    assert keyring.signing_key().key_id == "newest"


def test_a_revoked_key_stays_out_of_use_while_the_source_is_down(
    keyring: KeyRing, source: FakeKeySource
) -> None:
    keyring.signing_key()
    source.down = True
    with pytest.raises(UnavailableError):
        keyring.replace_revoked("new")
    assert keyring.find("new") is None
    with pytest.raises(UnavailableError):
        keyring.signing_key()
    source.down = False
    assert keyring.signing_key().key_id == "old"
