from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

import pytest

from chalicelib.domain.tokens import AccessToken
from chalicelib.domain.users import User
from chalicelib.keys.parameters import Parameter
from chalicelib.services.attempts import AttemptLimits, AttemptService
from chalicelib.services.authentication import Authenticator
from chalicelib.services.keyring import KeyRing
from chalicelib.services.password_policy import PasswordPolicy
from chalicelib.services.refresh_tokens import RefreshTokens
from chalicelib.services.token_sets import SessionLimits, TokenSetService
from chalicelib.services.tokens import TokenIssuer, TokenVerifier
from chalicelib.services.trails import TrailService
from tests.fakes import (
    FakeAttemptStore,
    FakeClock,
    FakeIds,
    FakeKeySource,
    FakePasswordList,
    FakeRandom,
    FakeRevocationStore,
    FakeSessionStore,
    FakeStandingStore,
    FakeTables,
    FakeTrailStore,
    FakeUserStore,
)
from tests.samples import COMMON, a_session

Issue: TypeAlias = Callable[[User], AccessToken]

ISSUER = "https://accounts.example.com"
AUDIENCE = "accounts"


@pytest.fixture
def tables() -> FakeTables:
    return FakeTables()


@pytest.fixture
def policy() -> PasswordPolicy:
    """Knows one common password."""
    return PasswordPolicy(8, FakePasswordList(COMMON))


@pytest.fixture
def users(tables: FakeTables) -> FakeUserStore:
    return FakeUserStore(tables)


@pytest.fixture
def revocations(tables: FakeTables) -> FakeRevocationStore:
    return FakeRevocationStore(tables)


@pytest.fixture
def session_store(tables: FakeTables) -> FakeSessionStore:
    return FakeSessionStore(tables)


@pytest.fixture
def standings(tables: FakeTables, clock: FakeClock) -> FakeStandingStore:
    return FakeStandingStore(tables, clock)


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
def issuer(clock: FakeClock) -> TokenIssuer:
    return TokenIssuer(
        issuer=ISSUER,
        audience=AUDIENCE,
        client_id="web",
        lifetime_seconds=900,
        clock=clock,
        new_id=FakeIds(),
    )


@pytest.fixture
def issue(issuer: TokenIssuer, ring: KeyRing) -> Issue:
    """Signs a token of a user, for a session that the test is not about."""

    def issue(user: User) -> AccessToken:
        session = a_session(user)
        return issuer.issue(user, session.session_id, session.expires_at, ring.signing_key())

    return issue


LIMITS = SessionLimits(idle=timedelta(days=30), absolute=timedelta(days=365), count=3)
GRACE = timedelta(seconds=10)


@pytest.fixture
def refresh_tokens() -> RefreshTokens:
    return RefreshTokens(GRACE, FakeRandom().octets)


ATTEMPT_LIMITS = AttemptLimits(per_account=3, window=timedelta(minutes=10), per_address=200)


@pytest.fixture
def attempt_store(tables: FakeTables) -> FakeAttemptStore:
    return FakeAttemptStore(tables)


@pytest.fixture
def attempts(attempt_store: FakeAttemptStore, clock: FakeClock) -> AttemptService:
    return AttemptService(attempt_store, ATTEMPT_LIMITS, clock)


@pytest.fixture
def trail_store(tables: FakeTables) -> FakeTrailStore:
    return FakeTrailStore(tables)


@pytest.fixture
def trails(trail_store: FakeTrailStore, clock: FakeClock) -> TrailService:
    return TrailService(trail_store, clock, FakeIds(), timedelta(days=90))


@pytest.fixture
def token_sets(
    issuer: TokenIssuer, refresh_tokens: RefreshTokens, ring: KeyRing, clock: FakeClock
) -> TokenSetService:
    return TokenSetService(
        issuer,
        refresh_tokens,
        ring,
        LIMITS,
        clock=clock,
        new_id=FakeIds(),
        pick=FakeRandom().below,
    )


@pytest.fixture
def authenticator(verifier: TokenVerifier, standings: FakeStandingStore) -> Authenticator:
    return Authenticator(verifier, standings)


@pytest.fixture
def verifier(ring: KeyRing, clock: FakeClock) -> TokenVerifier:
    return TokenVerifier(ring, issuer=ISSUER, audience=AUDIENCE, clock=clock)
