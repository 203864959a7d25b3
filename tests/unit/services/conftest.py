import pytest

from chalicelib.keys.parameters import Parameter
from chalicelib.services.keyring import KeyRing
from chalicelib.services.tokens import TokenIssuer, TokenVerifier
from tests.fakes import (
    FakeClock,
    FakeIds,
    FakeKeySource,
    FakeRevocationStore,
    FakeStandingStore,
    FakeUserStore,
)

ISSUER = "https://accounts.example.com"
AUDIENCE = "accounts"


@pytest.fixture
def users() -> FakeUserStore:
    return FakeUserStore()


@pytest.fixture
def revocations() -> FakeRevocationStore:
    return FakeRevocationStore()


@pytest.fixture
def standings(
    users: FakeUserStore, revocations: FakeRevocationStore, clock: FakeClock
) -> FakeStandingStore:
    return FakeStandingStore(users, revocations, clock)


@pytest.fixture
def keys(key_parameters: tuple[Parameter, Parameter]) -> FakeKeySource:
    source = FakeKeySource()
    for parameter in key_parameters:
        source.put(parameter)
    return source


@pytest.fixture
def ring(keys: FakeKeySource, clock: FakeClock) -> KeyRing:
    return KeyRing(keys, clock)


@pytest.fixture
def issuer(ring: KeyRing, clock: FakeClock) -> TokenIssuer:
    return TokenIssuer(
        ring,
        issuer=ISSUER,
        audience=AUDIENCE,
        client_id="web",
        lifetime_seconds=900,
        clock=clock,
        new_id=FakeIds(),
    )


@pytest.fixture
def verifier(ring: KeyRing, clock: FakeClock) -> TokenVerifier:
    return TokenVerifier(ring, issuer=ISSUER, audience=AUDIENCE, clock=clock)
