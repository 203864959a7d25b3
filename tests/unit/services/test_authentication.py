import pytest

from chalicelib.domain.changes import Changes
from chalicelib.domain.errors import (
    TokenExpiredError,
    TokenInvalidError,
    TokenMissingError,
    TokenRevokedError,
    UnavailableError,
)
from chalicelib.services.authentication import Authenticator
from chalicelib.services.keyring import KeyRing
from chalicelib.services.tokens import TokenIssuer
from tests.fakes import FakeClock, FakeStandingStore, FakeTables, FakeUserStore
from tests.samples import a_session, a_user, add, claims_of, header_of
from tests.unit.services.conftest import Issue


@pytest.fixture
def token(users: FakeUserStore, issue: Issue) -> str:
    add(users, a_user())
    return issue(a_user()).text


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
    assert caller.session_id == claims_of(token)["sid"]


@pytest.mark.parametrize("header", ["", " ", "\t", "Bearer", "bearer ", "  BEARER  "])
def test_no_token_is_told_from_a_bad_one(authenticator: Authenticator, header: str) -> None:
    with pytest.raises(TokenMissingError):
        authenticator.authenticate(header)


@pytest.mark.parametrize(
    "form",
    [
        *(
            "Basic {}",
            "Bearer Bearer {}",
            "Bearer{}",
            "Bearer:{}",
            "Token {}",
            "Bearer {},{}",
            "x {}",
        ),
        *("Bearer {}\n", "{}\x1f", "\xa0{}", "Bearer \u3000{}", "\x85Bearer {}"),
    ],
)
def test_another_scheme_is_refused(authenticator: Authenticator, token: str, form: str) -> None:
    with pytest.raises(TokenInvalidError):
        authenticator.authenticate(form.format(token, token))


def test_a_token_of_an_ended_session_is_told_from_an_invalid_one(
    authenticator: Authenticator, token: str, tables: FakeTables
) -> None:
    tables.revoked[claims_of(token)["sid"]] = claims_of(token)["exp"] + 5
    with pytest.raises(TokenRevokedError):
        authenticator.authenticate(token)


def test_a_token_of_a_revoked_key_is_refused(
    authenticator: Authenticator, token: str, tables: FakeTables
) -> None:
    tables.revoke_key("another-key")
    assert authenticator.authenticate(token).user == a_user()
    tables.revoke_key(header_of(token)["kid"])
    with pytest.raises(TokenRevokedError):
        authenticator.authenticate(token)


def test_a_token_of_another_session_of_the_same_user_does_not_end_with_it(
    authenticator: Authenticator,
    token: str,
    tables: FakeTables,
    issuer: TokenIssuer,
    ring: KeyRing,
) -> None:
    other = issuer.issue(
        a_user(), a_session(number=7).session_id, a_session().expires_at, ring.signing_key()
    ).text
    tables.revoked[claims_of(token)["sid"]] = claims_of(token)["exp"] + 5
    assert authenticator.authenticate(other).user == a_user()


def test_an_expired_token_is_called_expired_and_not_revoked(
    authenticator: Authenticator,
    token: str,
    tables: FakeTables,
    standings: FakeStandingStore,
    clock: FakeClock,
) -> None:
    tables.revoked[claims_of(token)["sid"]] = claims_of(token)["exp"] + 500
    clock.step(seconds=905)
    with pytest.raises(TokenExpiredError):
        authenticator.authenticate(token)
    assert standings.calls == 0


def test_a_revoked_token_of_nobody_is_called_revoked(
    authenticator: Authenticator, token: str, tables: FakeTables, users: FakeUserStore
) -> None:
    tables.revoked[claims_of(token)["sid"]] = claims_of(token)["exp"] + 5
    users.remove(a_user())
    with pytest.raises(TokenRevokedError):
        authenticator.authenticate(token)


@pytest.mark.parametrize("change", [{"disabled": True}, {"token_version": 0}], ids=str)
def test_a_token_is_invalid_when_its_owner_is_disabled_or_restored(
    authenticator: Authenticator, token: str, users: FakeUserStore, change: dict[str, object]
) -> None:
    users.change(a_user().public_id, **change)
    with pytest.raises(TokenInvalidError):
        authenticator.authenticate(token)


@pytest.mark.parametrize("disabled", [False, True])
def test_a_token_is_called_revoked_when_its_owner_ended_all_sessions(
    authenticator: Authenticator, token: str, users: FakeUserStore, *, disabled: bool
) -> None:
    users.change(a_user().public_id, token_version=2, disabled=disabled)
    with pytest.raises(TokenRevokedError):
        authenticator.authenticate(token)


def test_a_token_ends_when_its_owner_leaves(
    authenticator: Authenticator, token: str, users: FakeUserStore
) -> None:
    users.remove(a_user())
    with pytest.raises(TokenInvalidError):
        authenticator.authenticate(token)


def test_a_token_of_a_newer_version_than_the_users_is_refused(
    authenticator: Authenticator, token: str, issue: Issue
) -> None:
    del token
    with pytest.raises(TokenInvalidError):
        authenticator.authenticate(issue(a_user(token_version=2)).text)


def test_the_caller_is_the_user_as_the_store_knows_them_now(
    authenticator: Authenticator, token: str, users: FakeUserStore
) -> None:
    promoted = users.update(a_user().public_id, Changes(admin=True))
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
