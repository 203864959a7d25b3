import json
from datetime import datetime, timedelta

import pytest

from chalicelib.domain.errors import UnavailableError
from chalicelib.keys.parameters import Parameter
from chalicelib.services.keyring import FRESH, PATIENCE, SETTLED, KeyRing
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
