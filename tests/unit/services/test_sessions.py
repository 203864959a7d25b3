import pytest

from chalicelib.domain.errors import (
    TokenRevokedError,
    UnavailableError,
    WrongCredentialsError,
)
from chalicelib.domain.passwords import Password
from chalicelib.services.authentication import Authenticator
from chalicelib.services.passwords import PasswordHasher
from chalicelib.services.sessions import SessionService
from chalicelib.services.tokens import TokenIssuer, TokenVerifier
from tests.fakes import (
    FakeClock,
    FakeKeySource,
    FakeRevocationStore,
    FakeStandingStore,
    FakeUserStore,
)
from tests.samples import PASSWORD, a_user, claims_of

RIGHT = Password(PASSWORD)
WRONG = Password("a tr0ubad0ur & four ponies")


class CountingHasher(PasswordHasher):
    """A hasher that tells what it was asked."""

    def __init__(self, cost: int) -> None:
        super().__init__(cost)
        self.asked: list[str] = []

    def matches(self, password: Password, password_hash: str) -> bool:
        self.asked.append(password_hash.split("$")[2])
        return super().matches(password, password_hash)


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher(4)


@pytest.fixture
def sessions(
    users: FakeUserStore,
    revocations: FakeRevocationStore,
    hasher: CountingHasher,
    issuer: TokenIssuer,
) -> SessionService:
    users.add(a_user(email="Zoe@Example.com", username="Zoë"), hasher.hash(RIGHT))
    return SessionService(users, revocations, hasher, issuer)


@pytest.fixture
def authenticator(verifier: TokenVerifier, standings: FakeStandingStore) -> Authenticator:
    return Authenticator(verifier, standings)


@pytest.mark.parametrize("email", ["Zoe@Example.com", "zoe@example.com", "ZOE@EXAMPLE.COM"])
def test_an_email_logs_in_in_any_case(sessions: SessionService, email: str) -> None:
    token = sessions.log_in_by_email(email, RIGHT)
    assert claims_of(token.text)["sub"] == a_user().public_id


@pytest.mark.parametrize("username", ["Zoë", "zoë", "ZOE\u0308", "ｚｏë"])
def test_a_username_logs_in_in_any_form(sessions: SessionService, username: str) -> None:
    token = sessions.log_in_by_username(username, RIGHT)
    assert claims_of(token.text)["sub"] == a_user().public_id


@pytest.mark.parametrize(
    "email",
    ["zoe@example.org", "Zoë", "", " ", "not an email", "zoe@example.com\u200b", "z" * 100_000],
)
def test_an_unknown_email_is_refused_after_the_same_work_as_a_wrong_password(
    sessions: SessionService, hasher: CountingHasher, email: str
) -> None:
    for name, password in ((email, RIGHT), ("zoe@example.com", WRONG)):
        with pytest.raises(WrongCredentialsError):
            sessions.log_in_by_email(name, password)
    unknown, wrong = hasher.asked
    assert unknown == wrong == "v=2,t=2b,r=4"


@pytest.mark.parametrize("username", ["zoe", "zoe@example.com", "", "z" * 100_000])
def test_an_unknown_username_is_refused_after_the_same_work_as_a_wrong_password(
    sessions: SessionService, hasher: CountingHasher, username: str
) -> None:
    for name, password in ((username, RIGHT), ("zoë", WRONG)):
        with pytest.raises(WrongCredentialsError):
            sessions.log_in_by_username(name, password)
    unknown, wrong = hasher.asked
    assert unknown == wrong == "v=2,t=2b,r=4"


def test_a_disabled_user_is_refused_like_a_wrong_password(
    sessions: SessionService, users: FakeUserStore, hasher: CountingHasher
) -> None:
    users.change(a_user().public_id, disabled=True)
    for password in (RIGHT, WRONG):
        with pytest.raises(WrongCredentialsError):
            sessions.log_in_by_email("zoe@example.com", password)
    assert len(hasher.asked) == 2


def test_a_login_leaves_an_up_to_date_hash_alone(
    sessions: SessionService, users: FakeUserStore
) -> None:
    before = users.rows[a_user().public_id].password_hash
    calls = users.calls
    sessions.log_in_by_email("zoe@example.com", RIGHT)
    assert users.rows[a_user().public_id].password_hash == before
    assert users.calls == calls + 1


@pytest.fixture
def dearer(
    sessions: SessionService,
    users: FakeUserStore,
    revocations: FakeRevocationStore,
    issuer: TokenIssuer,
) -> SessionService:
    """The same service after the cost of hashing has risen."""
    del sessions
    return SessionService(users, revocations, CountingHasher(5), issuer)


def test_a_login_after_the_cost_has_risen_hashes_the_password_again(
    dearer: SessionService, users: FakeUserStore
) -> None:
    dearer.log_in_by_email("zoe@example.com", RIGHT)
    renewed = users.rows[a_user().public_id].password_hash
    assert "r=5" in renewed
    assert PasswordHasher(5).matches(RIGHT, renewed)
    assert dearer.log_in_by_username("zoë", RIGHT).public_id == a_user().public_id


def test_a_wrong_password_is_never_hashed_into_the_store(
    dearer: SessionService, users: FakeUserStore
) -> None:
    before = users.rows[a_user().public_id].password_hash
    with pytest.raises(WrongCredentialsError):
        dearer.log_in_by_email("zoe@example.com", WRONG)
    assert users.rows[a_user().public_id].password_hash == before


class _ReadOnlyUsers(FakeUserStore):
    def replace_password_hash(self, public_id: str, old_hash: str, new_hash: str) -> None:
        del public_id, old_hash, new_hash
        raise UnavailableError


def test_a_login_succeeds_although_the_new_hash_cannot_be_kept(
    users: FakeUserStore,
    sessions: SessionService,
    revocations: FakeRevocationStore,
    issuer: TokenIssuer,
) -> None:
    del sessions
    read_only = _ReadOnlyUsers()
    read_only.rows = users.rows
    service = SessionService(read_only, revocations, PasswordHasher(5), issuer)
    assert service.log_in_by_email("zoe@example.com", RIGHT).public_id == a_user().public_id


def test_a_login_without_a_store_is_an_outage_and_not_a_wrong_password(
    sessions: SessionService, users: FakeUserStore
) -> None:
    users.down = True
    with pytest.raises(UnavailableError):
        sessions.log_in_by_email("zoe@example.com", RIGHT)


def test_a_login_without_keys_is_an_outage(sessions: SessionService, keys: FakeKeySource) -> None:
    keys.down = True
    with pytest.raises(UnavailableError):
        sessions.log_in_by_email("zoe@example.com", RIGHT)


def test_a_logged_out_token_is_refused_for_as_long_as_it_could_be_used(
    sessions: SessionService, authenticator: Authenticator, clock: FakeClock
) -> None:
    token = sessions.log_in_by_email("zoe@example.com", RIGHT).text
    sessions.log_out(authenticator.authenticate(token))
    for _ in range(905):
        with pytest.raises(TokenRevokedError):
            authenticator.authenticate(token)
        clock.step(seconds=1)


def test_logging_out_remembers_the_identifier_and_not_the_token(
    sessions: SessionService, authenticator: Authenticator, revocations: FakeRevocationStore
) -> None:
    token = sessions.log_in_by_email("zoe@example.com", RIGHT).text
    sessions.log_out(authenticator.authenticate(token))
    claims = claims_of(token)
    assert revocations.until == {claims["jti"]: claims["exp"] + 5}


def test_a_logout_that_was_not_remembered_is_not_called_done(
    sessions: SessionService, authenticator: Authenticator, revocations: FakeRevocationStore
) -> None:
    caller = authenticator.authenticate(sessions.log_in_by_email("zoe@example.com", RIGHT).text)
    revocations.down = True
    with pytest.raises(UnavailableError):
        sessions.log_out(caller)
