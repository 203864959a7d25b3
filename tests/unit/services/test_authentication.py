import pytest

from chalicelib.domain.errors import (
    TokenExpiredError,
    TokenInvalidError,
    TokenMissingError,
    TokenRevokedError,
    UnavailableError,
)
from chalicelib.services.authentication import Authenticator
from chalicelib.services.tokens import TokenIssuer, TokenVerifier
from tests.fakes import FakeClock, FakeRevocationStore, FakeStandingStore, FakeUserStore
from tests.samples import a_user, claims_of


@pytest.fixture
def authenticator(verifier: TokenVerifier, standings: FakeStandingStore) -> Authenticator:
    return Authenticator(verifier, standings)


@pytest.fixture
def token(users: FakeUserStore, issuer: TokenIssuer) -> str:
    users.add(a_user(), "a hash")
    return issuer.issue(a_user()).text


@pytest.mark.parametrize(
    "form",
    [
        "Bearer {}",
        "bearer {}",
        "BEARER {}",
        "bEaReR {}",
        "{}",
        "Bearer  {}",
        "Bearer {} ",
        "  Bearer {}",
        "\tBearer {}\t",
        " {} ",
    ],
)
def test_a_token_is_taken_after_the_scheme_or_bare(
    authenticator: Authenticator, token: str, form: str
) -> None:
    caller = authenticator.authenticate(form.format(token))
    assert caller.user == a_user()
    assert caller.token_id == claims_of(token)["jti"]
    assert caller.token_expires_at == claims_of(token)["exp"]


@pytest.mark.parametrize("header", ["", " ", "\t", "Bearer", "bearer ", "  BEARER  "])
def test_no_token_is_told_from_a_bad_one(authenticator: Authenticator, header: str) -> None:
    with pytest.raises(TokenMissingError):
        authenticator.authenticate(header)


@pytest.mark.parametrize(
    "form",
    ["Basic {}", "Bearer Bearer {}", "Bearer{}", "Bearer:{}", "Token {}", "Bearer {},{}", "x {}"],
)
def test_another_scheme_is_refused(authenticator: Authenticator, token: str, form: str) -> None:
    with pytest.raises(TokenInvalidError):
        authenticator.authenticate(form.format(token, token))


def test_a_logged_out_token_is_told_from_an_invalid_one(
    authenticator: Authenticator, token: str, revocations: FakeRevocationStore
) -> None:
    revocations.revoke(claims_of(token)["jti"], claims_of(token)["exp"] + 5)
    with pytest.raises(TokenRevokedError):
        authenticator.authenticate(token)


def test_another_token_of_the_same_user_is_not_logged_out_with_it(
    authenticator: Authenticator,
    token: str,
    revocations: FakeRevocationStore,
    issuer: TokenIssuer,
) -> None:
    other = issuer.issue(a_user()).text
    revocations.revoke(claims_of(token)["jti"], claims_of(token)["exp"] + 5)
    assert authenticator.authenticate(other).user == a_user()


def test_an_expired_token_is_called_expired_and_not_revoked(
    authenticator: Authenticator,
    token: str,
    revocations: FakeRevocationStore,
    standings: FakeStandingStore,
    clock: FakeClock,
) -> None:
    revocations.revoke(claims_of(token)["jti"], claims_of(token)["exp"] + 5)
    clock.step(seconds=905)
    with pytest.raises(TokenExpiredError):
        authenticator.authenticate(token)
    assert standings.calls == 0


def test_a_revoked_token_of_nobody_is_called_revoked(
    authenticator: Authenticator,
    token: str,
    revocations: FakeRevocationStore,
    users: FakeUserStore,
) -> None:
    revocations.revoke(claims_of(token)["jti"], claims_of(token)["exp"] + 5)
    users.remove(a_user())
    with pytest.raises(TokenRevokedError):
        authenticator.authenticate(token)


@pytest.mark.parametrize(
    "change", [{"disabled": True}, {"token_version": 2}, {"token_version": 0}], ids=str
)
def test_a_token_ends_when_its_owner_is_disabled_or_ends_all_sessions(
    authenticator: Authenticator, token: str, users: FakeUserStore, change: dict[str, object]
) -> None:
    users.change(a_user().public_id, **change)
    with pytest.raises(TokenInvalidError):
        authenticator.authenticate(token)


def test_a_token_ends_when_its_owner_leaves(
    authenticator: Authenticator, token: str, users: FakeUserStore
) -> None:
    users.remove(a_user())
    with pytest.raises(TokenInvalidError):
        authenticator.authenticate(token)


def test_a_token_of_a_newer_version_than_the_users_is_refused(
    authenticator: Authenticator, token: str, issuer: TokenIssuer
) -> None:
    del token
    with pytest.raises(TokenInvalidError):
        authenticator.authenticate(issuer.issue(a_user(token_version=2)).text)


def test_the_caller_is_the_user_as_the_store_knows_them_now(
    authenticator: Authenticator, token: str, users: FakeUserStore
) -> None:
    promoted = users.grant_admin(a_user().public_id)
    assert authenticator.authenticate(token).user == promoted


def test_a_store_that_is_down_lets_nobody_in(
    authenticator: Authenticator, token: str, standings: FakeStandingStore
) -> None:
    standings.down = True
    with pytest.raises(UnavailableError):
        authenticator.authenticate(token)


def test_the_store_is_asked_once_for_a_good_token_and_never_for_a_bad_one(
    authenticator: Authenticator, token: str, standings: FakeStandingStore
) -> None:
    for bad in ("", "Bearer x", token[:-4]):
        with pytest.raises((TokenMissingError, TokenInvalidError)):
            authenticator.authenticate(bad)
    assert standings.calls == 0
    authenticator.authenticate(token)
    assert standings.calls == 1
