from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.activity import Act
from chalicelib.domain.attempts import Outcome
from chalicelib.domain.errors import (
    InvalidInputError,
    NotAllowedError,
    PasswordChangeRequiredError,
    RefreshTokenInvalidError,
    SessionNotFoundError,
    TokenInvalidError,
    TokenRevokedError,
    TooManyRequestsError,
    UnavailableError,
    UserNotFoundError,
    WrongCredentialsError,
)
from chalicelib.domain.outbox import Errand
from chalicelib.domain.passwords import NewPassword, Password
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import Client, RefreshToken, Session, TokenSet
from chalicelib.domain.times import epoch_seconds
from chalicelib.domain.trails import NO_TRAIL, Trail
from chalicelib.domain.users import User
from chalicelib.keys.parameters import new_signing_key
from chalicelib.services.attempts import AttemptService
from chalicelib.services.authentication import Authenticator
from chalicelib.services.keyring import KeyRing
from chalicelib.services.password_policy import PasswordPolicy
from chalicelib.services.passwords import PasswordHasher
from chalicelib.services.refresh_tokens import RefreshTokens
from chalicelib.services.sessions import SessionService
from chalicelib.services.token_sets import TokenSetService
from chalicelib.services.trails import TrailService
from tests.fakes import (
    START,
    FakeClock,
    FakeKeySource,
    FakeSessionStore,
    FakeTables,
    FakeUserStore,
    public_id,
)
from tests.samples import (
    CLIENT,
    COMMON,
    PASSWORD,
    a_caller,
    a_session,
    a_user,
    add,
    claims_of,
    header_of,
)
from tests.unit.services.conftest import ATTEMPT_LIMITS, LIMITS

RIGHT = Password(PASSWORD)
WRONG = Password("a tr0ubad0ur & four ponies")


class CountingHasher(PasswordHasher):
    """A hasher that tells what it was asked."""

    def __init__(self, cost: int) -> None:
        super().__init__(cost)
        self.asked: list[str] = []
        self.meanwhile: Callable[[], object] | None = None
        """What happens while a password is compared."""

    def matches(self, password: Password, password_hash: str) -> bool:
        self.asked.append(password_hash.split("$")[2])
        if self.meanwhile is not None:
            self.meanwhile()
        return super().matches(password, password_hash)


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher(4)


Service = Callable[..., SessionService]


@pytest.fixture
def service(
    users: FakeUserStore,
    session_store: FakeSessionStore,
    token_sets: TokenSetService,
    refresh_tokens: RefreshTokens,
    attempts: AttemptService,
    trails: TrailService,
    policy: PasswordPolicy,
    clock: FakeClock,
) -> Service:
    def service(
        hasher: PasswordHasher, *, requires_verified_emails: bool = False
    ) -> SessionService:
        return SessionService(
            users,
            session_store,
            hasher,
            token_sets,
            refresh_tokens,
            attempts,
            trails,
            requires_verified_emails=requires_verified_emails,
            rules=lambda: policy,
            clock=clock,
        )

    return service


@pytest.fixture
def sessions(service: Service, users: FakeUserStore, hasher: CountingHasher) -> SessionService:
    user = a_user(email="Zoe@Example.com", username="Zoë")
    add(users, user, hasher.hash(RIGHT))
    users.tables.sessions.clear()
    return service(hasher)


def _log_in(sessions: SessionService, client: Client = CLIENT) -> TokenSet:
    return sessions.log_in_by_email("zoe@example.com", RIGHT, client)


def _shown_by(token_set: TokenSet) -> Principal:
    return Principal(a_user(), token_set.session_id)


def _refuses_refresh(sessions: SessionService, *texts: str) -> bool:
    for text in texts:
        with pytest.raises(RefreshTokenInvalidError):
            sessions.refresh(text, CLIENT)
    return True


# Logging in


@pytest.mark.parametrize("email", ["Zoe@Example.com", "zoe@example.com", "ZOE@EXAMPLE.COM"])
def test_an_email_logs_in_in_any_case(sessions: SessionService, email: str) -> None:
    token = sessions.log_in_by_email(email, RIGHT, CLIENT)
    assert claims_of(token.access_token)["sub"] == a_user().public_id


@pytest.mark.parametrize("username", ["Zoë", "zoë", "ZOE\u0308", "ｚｏë"])
def test_a_username_logs_in_in_any_form(sessions: SessionService, username: str) -> None:
    token = sessions.log_in_by_username(username, RIGHT, CLIENT)
    assert claims_of(token.access_token)["sub"] == a_user().public_id


@pytest.mark.parametrize("way", ["log_in_by_email", "log_in_by_username"])
def test_guesses_at_one_name_are_not_held_against_another(
    sessions: SessionService, way: str
) -> None:
    log_in = getattr(sessions, way)
    for _ in range(ATTEMPT_LIMITS.per_account):
        with pytest.raises(WrongCredentialsError):
            log_in("nobody@example.com", RIGHT, CLIENT)
    with pytest.raises(TooManyRequestsError):
        log_in("nobody@example.com", RIGHT, CLIENT)
    with pytest.raises(WrongCredentialsError):
        log_in("nobody-else@example.com", RIGHT, CLIENT)


@pytest.mark.parametrize(
    "email",
    ["zoe@example.org", "Zoë", "", " ", "not an email", "zoe@example.com\u200b", "z" * 100_000],
)
def test_an_unknown_email_is_refused_after_the_same_work_as_a_wrong_password(
    sessions: SessionService, hasher: CountingHasher, email: str
) -> None:
    for name, password in ((email, RIGHT), ("zoe@example.com", WRONG)):
        with pytest.raises(WrongCredentialsError):
            sessions.log_in_by_email(name, password, CLIENT)
    unknown, wrong = hasher.asked
    assert unknown == wrong == "v=2,t=2b,r=4"


@pytest.mark.parametrize("username", ["zoe", "zoe@example.com", "", "z" * 100_000])
def test_an_unknown_username_is_refused_after_the_same_work_as_a_wrong_password(
    sessions: SessionService, hasher: CountingHasher, username: str
) -> None:
    for name, password in ((username, RIGHT), ("zoë", WRONG)):
        with pytest.raises(WrongCredentialsError):
            sessions.log_in_by_username(name, password, CLIENT)
    unknown, wrong = hasher.asked
    assert unknown == wrong == "v=2,t=2b,r=4"


def test_a_disabled_user_is_refused_like_a_wrong_password(
    sessions: SessionService, users: FakeUserStore, hasher: CountingHasher
) -> None:
    users.change(a_user().public_id, disabled=True)
    for password in (RIGHT, WRONG):
        with pytest.raises(WrongCredentialsError):
            sessions.log_in_by_email("zoe@example.com", password, CLIENT)
    assert len(hasher.asked) == 2


def test_a_login_leaves_an_up_to_date_hash_alone(
    sessions: SessionService, users: FakeUserStore
) -> None:
    before = users.rows[a_user().public_id].password_hash
    calls = users.calls
    sessions.log_in_by_email("zoe@example.com", RIGHT, CLIENT)
    assert users.rows[a_user().public_id].password_hash == before
    assert users.calls == calls + 1


@pytest.fixture
def dearer(sessions: SessionService, service: Service) -> SessionService:
    """The same service after the cost of hashing has risen."""
    del sessions
    return service(CountingHasher(5))


def test_a_login_after_the_cost_has_risen_hashes_the_password_again(
    dearer: SessionService, users: FakeUserStore
) -> None:
    dearer.log_in_by_email("zoe@example.com", RIGHT, CLIENT)
    renewed = users.rows[a_user().public_id].password_hash
    assert "r=5" in renewed
    assert PasswordHasher(5).matches(RIGHT, renewed)
    assert dearer.log_in_by_username("zoë", RIGHT, CLIENT).public_id == a_user().public_id


def test_a_wrong_password_is_never_hashed_into_the_store(
    dearer: SessionService, users: FakeUserStore
) -> None:
    before = users.rows[a_user().public_id].password_hash
    with pytest.raises(WrongCredentialsError):
        dearer.log_in_by_email("zoe@example.com", WRONG, CLIENT)
    assert users.rows[a_user().public_id].password_hash == before


def test_a_login_succeeds_although_the_new_hash_cannot_be_kept(
    dearer: SessionService, users: FakeUserStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: str) -> None:
        raise UnavailableError

    monkeypatch.setattr(users, "replace_password_hash", fail)
    assert _log_in(dearer).public_id == a_user().public_id


def test_a_login_without_a_store_is_an_outage_and_not_a_wrong_password(
    sessions: SessionService, users: FakeUserStore
) -> None:
    users.down = True
    with pytest.raises(UnavailableError):
        sessions.log_in_by_email("zoe@example.com", RIGHT, CLIENT)


def test_a_login_without_keys_is_an_outage(sessions: SessionService, keys: FakeKeySource) -> None:
    keys.down = True
    with pytest.raises(UnavailableError):
        sessions.log_in_by_email("zoe@example.com", RIGHT, CLIENT)


def test_a_login_opens_a_session_of_its_own(
    sessions: SessionService, session_store: FakeSessionStore
) -> None:
    first, second = _log_in(sessions), _log_in(sessions, Client("198.51.100.7", "curl/8"))
    assert first.session_id != second.session_id
    assert claims_of(first.access_token)["sid"] == first.session_id
    kept = {row.session_id: row for row in session_store.rows.values()}
    assert kept.keys() == {first.session_id, second.session_id}
    session = kept[second.session_id]
    assert (session.public_id, session.token_version) == (a_user().public_id, 1)
    assert session.created_at == session.last_used_at == START
    assert session.expires_at == START + LIMITS.idle
    assert session.client == Client("198.51.100.7", "curl/8")


def test_a_login_with_a_revoked_key_is_signed_with_another(
    sessions: SessionService, tables: FakeTables, keys: FakeKeySource, ring: KeyRing
) -> None:
    revoked = ring.signing_key().key_id
    other = new_signing_key(START)
    for parameter in other:
        keys.put(parameter)
    keys.withdraw(revoked)
    tables.revoke_key(revoked)
    assert header_of(_log_in(sessions).access_token)["kid"] == other[1].name.rpartition("/")[2]


def test_a_refresh_with_a_revoked_key_is_signed_with_another(
    sessions: SessionService, tables: FakeTables, keys: FakeKeySource, ring: KeyRing
) -> None:
    refresh_token = _log_in(sessions).refresh_token
    revoked = ring.signing_key().key_id
    other = new_signing_key(START)
    for parameter in other:
        keys.put(parameter)
    keys.withdraw(revoked)
    tables.revoke_key(revoked)
    token_set = sessions.refresh(refresh_token, CLIENT)
    assert header_of(token_set.access_token)["kid"] == other[1].name.rpartition("/")[2]


@pytest.mark.parametrize("withdrawn", [True, False])
def test_without_a_key_that_is_not_revoked_nobody_logs_in(
    sessions: SessionService,
    tables: FakeTables,
    keys: FakeKeySource,
    ring: KeyRing,
    *,
    withdrawn: bool,
) -> None:
    revoked = ring.signing_key().key_id
    tables.revoke_key(revoked)
    if withdrawn:
        keys.withdraw(revoked)
    with pytest.raises(UnavailableError):
        _log_in(sessions)
    assert not tables.sessions


# How many sessions there are


def test_one_login_too_many_ends_the_oldest_session(
    sessions: SessionService, authenticator: Authenticator, clock: FakeClock
) -> None:
    opened = []
    for _ in range(6):
        opened.append(_log_in(sessions))
        clock.step(seconds=1)
    for ended in opened[:3]:
        with pytest.raises(TokenRevokedError):
            authenticator.authenticate(ended.access_token)
    caller = authenticator.authenticate(opened[-1].access_token)
    listed = [session.session_id for session in sessions.list(caller)]
    assert listed == [token_set.session_id for token_set in reversed(opened[3:])]
    assert _refuses_refresh(sessions, *(ended.refresh_token for ended in opened[:3]))
    for alive in opened[3:]:
        assert sessions.refresh(alive.refresh_token, CLIENT).session_id == alive.session_id


def test_a_session_that_has_lapsed_does_not_count(
    sessions: SessionService, authenticator: Authenticator, clock: FakeClock
) -> None:
    for _ in range(3):
        _log_in(sessions)
    clock.step(minutes=30 * 24 * 60)
    alive = [_log_in(sessions) for _ in range(3)]
    for token_set in alive:
        caller = authenticator.authenticate(token_set.access_token)
    assert len(sessions.list(caller)) == 3


def test_a_session_of_an_older_version_does_not_count(
    sessions: SessionService, authenticator: Authenticator
) -> None:
    for _ in range(3):
        opened = _log_in(sessions)
    sessions.end_all(authenticator.authenticate(opened.access_token), CLIENT)
    alive = [_log_in(sessions) for _ in range(3)]
    for token_set in alive:
        caller = authenticator.authenticate(token_set.access_token)
    assert len(sessions.list(caller)) == 3


def test_when_fewer_are_allowed_than_there_are_the_oldest_end_at_the_next_login(
    sessions: SessionService,
    authenticator: Authenticator,
    session_store: FakeSessionStore,
    clock: FakeClock,
) -> None:
    for slot in range(3, 20):
        session = a_session(number=slot, created_at=START + timedelta(seconds=slot))
        session_store.rows[session.public_id, slot] = session
    opened = []
    for _ in range(4):
        clock.step(minutes=1)
        opened.append(_log_in(sessions))
    caller = authenticator.authenticate(opened[-1].access_token)
    assert len(session_store.rows) == 3
    assert {session.session_id for session in sessions.list(caller)} == {
        token_set.session_id for token_set in opened[1:]
    }


def test_a_login_that_finds_each_slot_taken_just_before_gives_up(
    sessions: SessionService, session_store: FakeSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_store, "open", lambda *_, trail: bool(not trail))
    with pytest.raises(UnavailableError):
        _log_in(sessions)


# Refreshing


def test_a_refresh_gives_new_tokens_of_the_same_session(
    sessions: SessionService,
    authenticator: Authenticator,
    session_store: FakeSessionStore,
    clock: FakeClock,
) -> None:
    first = _log_in(sessions)
    clock.step(minutes=10)
    second = sessions.refresh(first.refresh_token, Client("203.0.113.9", "another place"))
    assert second.session_id == first.session_id
    assert second.refresh_token != first.refresh_token
    assert claims_of(second.access_token)["sid"] == first.session_id
    for token_set in (first, second):
        assert authenticator.authenticate(token_set.access_token).user.email == "Zoe@Example.com"
    (session,) = session_store.rows.values()
    assert (session.created_at, session.last_used_at) == (START, clock())
    assert session.expires_at == clock() + LIMITS.idle
    assert session.client == Client("203.0.113.9", "another place")


def test_a_refresh_reads_once_and_writes_once(
    sessions: SessionService, session_store: FakeSessionStore, users: FakeUserStore
) -> None:
    token_set = _log_in(sessions)
    before = session_store.calls, users.calls
    sessions.refresh(token_set.refresh_token, CLIENT)
    assert (session_store.calls, users.calls) == (before[0] + 2, before[1])


def test_a_lost_answer_is_given_again(
    sessions: SessionService, session_store: FakeSessionStore, clock: FakeClock
) -> None:
    first = _log_in(sessions)
    lost = sessions.refresh(first.refresh_token, CLIENT)
    clock.step(seconds=9)
    before = session_store.calls
    again = sessions.refresh(first.refresh_token, CLIENT)
    assert session_store.calls == before + 1, "what is repeated is not written again"
    assert again.refresh_token == lost.refresh_token
    assert again.session_id == lost.session_id
    clock.step(minutes=1)
    sessions.refresh(again.refresh_token, CLIENT)


def test_a_token_that_is_used_after_the_grace_ends_the_session_for_all(
    sessions: SessionService,
    authenticator: Authenticator,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = _log_in(sessions)
    second = sessions.refresh(first.refresh_token, CLIENT)
    clock.step(seconds=10)
    assert _refuses_refresh(sessions, first.refresh_token, second.refresh_token)
    for token_set in (first, second):
        with pytest.raises(TokenRevokedError):
            authenticator.authenticate(token_set.access_token)
    (event,) = [record for record in caplog.records if record.levelname == "WARNING"]
    line = vars(event)["line"]
    assert line["event"] == "refresh_token_reused"
    assert (line["user"], line["session"]) == (a_user().public_id, first.session_id)
    assert not any(secret in str(line) for secret in (first.refresh_token, second.refresh_token))


@pytest.mark.parametrize("arrives", [False, True])
def test_a_reuse_is_told_although_the_answer_to_its_end_is_lost(
    sessions: SessionService,
    session_store: FakeSessionStore,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    arrives: bool,
) -> None:
    first = _log_in(sessions)
    second = sessions.refresh(first.refresh_token, CLIENT)
    clock.step(seconds=10)
    end = session_store.end

    def fail(public_id: str, session_id: str, revoked_until: int, *, trail: Trail) -> None:
        if arrives:
            end(public_id, session_id, revoked_until, trail=trail)
        raise UnavailableError

    with monkeypatch.context() as patch:
        patch.setattr(session_store, "end", fail)
        with pytest.raises(UnavailableError):
            sessions.refresh(first.refresh_token, CLIENT)
    assert "refresh_token_reused" in caplog.text
    assert _refuses_refresh(sessions, first.refresh_token, second.refresh_token)


class _Rival:
    """Somebody who is always a moment faster."""

    def __init__(self, store: FakeSessionStore, act: Callable[[], object]) -> None:
        self._rotate = store.rotate
        self._act = act
        store.rotate = self.rotate  # type: ignore[method-assign] # for this store alone

    def rotate(
        self, session: Session, used: RefreshToken, *, trail: Trail = NO_TRAIL
    ) -> Session | None:
        act, self._act = self._act, lambda: None
        act()
        return self._rotate(session, used, trail=trail)


def test_of_two_refreshes_at_once_both_get_the_same_token(
    sessions: SessionService, session_store: FakeSessionStore
) -> None:
    token_set = _log_in(sessions)
    got: list[TokenSet] = []
    _Rival(session_store, lambda: got.append(sessions.refresh(token_set.refresh_token, CLIENT)))
    got.append(sessions.refresh(token_set.refresh_token, CLIENT))
    assert got[0].refresh_token == got[1].refresh_token
    sessions.refresh(got[0].refresh_token, CLIENT)


def test_a_refresh_that_meets_a_logout_is_refused(
    sessions: SessionService, session_store: FakeSessionStore, tables: FakeTables
) -> None:
    token_set = _log_in(sessions)
    _Rival(session_store, lambda: sessions.log_out(_shown_by(token_set), CLIENT))
    assert _refuses_refresh(sessions, token_set.refresh_token)
    assert not tables.sessions


def _of_another_session(token: str) -> str:
    parsed = RefreshToken.parse(token)
    assert parsed
    return replace(parsed, session_id=a_session(number=200).session_id).text


def _of_another_user(token: str) -> str:
    parsed = RefreshToken.parse(token)
    assert parsed
    return replace(parsed, public_id=public_id(2)).text


def _of_another_family(token: str) -> str:
    parsed = RefreshToken.parse(token)
    assert parsed
    return replace(parsed, family=bytes(16)).text


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda _: "nonsense",
        lambda token: token[:-2],
        lambda token: token + "A",
        _of_another_session,
        _of_another_user,
        _of_another_family,
    ],
)
def test_a_bad_refresh_token_costs_one_read_and_ends_nothing(
    sessions: SessionService,
    session_store: FakeSessionStore,
    users: FakeUserStore,
    spoil: Callable[[str], str],
) -> None:
    token_set = _log_in(sessions)
    add(users, a_user(2))
    before = session_store.calls
    assert _refuses_refresh(sessions, spoil(token_set.refresh_token))
    assert session_store.calls == before + 1
    sessions.refresh(token_set.refresh_token, CLIENT)


def test_an_access_token_does_not_refresh(sessions: SessionService) -> None:
    assert _refuses_refresh(sessions, _log_in(sessions).access_token)


@pytest.mark.parametrize(
    "change", [{"disabled": True}, {"token_version": 2}, {"token_version": 0}], ids=str
)
def test_a_session_of_a_user_who_may_not_ends_there(
    sessions: SessionService, users: FakeUserStore, change: dict[str, object]
) -> None:
    token_set = _log_in(sessions)
    users.change(a_user().public_id, **change)
    assert _refuses_refresh(sessions, token_set.refresh_token)


def test_a_session_of_a_user_who_is_gone_ends_there(
    sessions: SessionService, users: FakeUserStore
) -> None:
    token_set = _log_in(sessions)
    users.rows.clear()
    assert _refuses_refresh(sessions, token_set.refresh_token)


def test_a_session_that_is_not_used_ends(sessions: SessionService, clock: FakeClock) -> None:
    used, idle = _log_in(sessions), _log_in(sessions)
    clock.step(minutes=30 * 24 * 60 - 1)
    used = sessions.refresh(used.refresh_token, CLIENT)
    clock.step(minutes=1)
    assert _refuses_refresh(sessions, idle.refresh_token)
    sessions.refresh(used.refresh_token, CLIENT)


def test_a_session_ends_after_a_year_however_much_it_is_used(
    sessions: SessionService, clock: FakeClock
) -> None:
    token_set = _log_in(sessions)
    for _ in range(14):
        clock.step(minutes=26 * 24 * 60)
        token_set = sessions.refresh(token_set.refresh_token, CLIENT)
        assert token_set.expires_in == 900
    clock.step(minutes=24 * 60 - 5)
    token_set = sessions.refresh(token_set.refresh_token, CLIENT)
    assert token_set.expires_in == 300, "an access token does not outlive its session"
    clock.step(minutes=5)
    assert _refuses_refresh(sessions, token_set.refresh_token)


@pytest.mark.parametrize("part", ["session_store", "keys"])
def test_a_refresh_that_cannot_be_done_is_an_outage(
    sessions: SessionService, part: str, request: pytest.FixtureRequest
) -> None:
    token_set = _log_in(sessions)
    down = request.getfixturevalue(part)
    if part == "keys":
        request.getfixturevalue("ring").__init__(down, request.getfixturevalue("clock"))
    down.down = True
    for text in (token_set.refresh_token, "nonsense"):
        with pytest.raises(UnavailableError):
            sessions.refresh(text, CLIENT)
    down.down = False
    sessions.refresh(token_set.refresh_token, CLIENT)


# Ending


def test_a_logged_out_token_is_refused_for_as_long_as_it_could_be_used(
    sessions: SessionService, authenticator: Authenticator, clock: FakeClock
) -> None:
    token_set = _log_in(sessions)
    sessions.log_out(_shown_by(token_set), CLIENT)
    for _ in range(905):
        with pytest.raises(TokenRevokedError):
            authenticator.authenticate(token_set.access_token)
        clock.step(seconds=1)
    assert _refuses_refresh(sessions, token_set.refresh_token)


def test_logging_out_ends_every_token_of_the_session_and_no_other(
    sessions: SessionService, authenticator: Authenticator
) -> None:
    phone, laptop = _log_in(sessions), _log_in(sessions)
    later = sessions.refresh(phone.refresh_token, CLIENT)
    sessions.log_out(_shown_by(phone), CLIENT)
    for token_set in (phone, later):
        with pytest.raises(TokenRevokedError):
            authenticator.authenticate(token_set.access_token)
        assert _refuses_refresh(sessions, token_set.refresh_token)
    assert authenticator.authenticate(laptop.access_token).user.public_id == a_user().public_id
    sessions.refresh(laptop.refresh_token, CLIENT)


def test_an_ended_session_is_remembered_for_longer_than_the_longest_token_of_any_setting(
    sessions: SessionService, tables: FakeTables
) -> None:
    token_set = _log_in(sessions)
    sessions.log_out(_shown_by(token_set), CLIENT)
    assert tables.revoked == {token_set.session_id: epoch_seconds(START) + 86_400 + 5 + 30}


def test_logging_out_twice_is_no_fault(sessions: SessionService) -> None:
    token_set = _log_in(sessions)
    for _ in range(2):
        sessions.log_out(_shown_by(token_set), CLIENT)


def test_a_logout_that_was_not_remembered_is_not_called_done(
    sessions: SessionService, session_store: FakeSessionStore
) -> None:
    token_set = _log_in(sessions)
    session_store.down = True
    with pytest.raises(UnavailableError):
        sessions.log_out(_shown_by(token_set), CLIENT)


def test_a_session_is_ended_from_another_one(
    sessions: SessionService, authenticator: Authenticator
) -> None:
    phone, laptop = _log_in(sessions), _log_in(sessions)
    caller = authenticator.authenticate(laptop.access_token)
    sessions.end(caller, phone.session_id, CLIENT)
    with pytest.raises(TokenRevokedError):
        authenticator.authenticate(phone.access_token)
    assert _refuses_refresh(sessions, phone.refresh_token)
    assert [session.session_id for session in sessions.list(caller)] == [laptop.session_id]


def test_a_session_that_is_not_the_callers_or_has_ended_is_not_found(
    sessions: SessionService,
    authenticator: Authenticator,
    session_store: FakeSessionStore,
    clock: FakeClock,
) -> None:
    ended, present = _log_in(sessions), _log_in(sessions)
    caller = authenticator.authenticate(present.access_token)
    sessions.end(caller, ended.session_id, CLIENT)
    foreign = a_session(a_user(2), number=7)
    session_store.rows[foreign.public_id, foreign.slot] = foreign
    lapsed = a_session(number=8, expires_at=clock())
    old = a_session(number=9, token_version=0)
    for session in (lapsed, old):
        session_store.rows[session.public_id, session.slot] = session
    for session_id in (
        ended.session_id,
        foreign.session_id,
        lapsed.session_id,
        old.session_id,
        "",
        "me",
        present.session_id + "0",
    ):
        with pytest.raises(SessionNotFoundError):
            sessions.end(caller, session_id, CLIENT)
    assert session_store.rows[foreign.public_id, 7] == foreign


def test_all_sessions_end_at_once_and_new_ones_can_be_opened(
    sessions: SessionService, authenticator: Authenticator
) -> None:
    opened = [_log_in(sessions) for _ in range(3)]
    caller = authenticator.authenticate(opened[0].access_token)
    sessions.end_all(caller, CLIENT)
    for token_set in opened:
        with pytest.raises(TokenRevokedError):
            authenticator.authenticate(token_set.access_token)
        assert _refuses_refresh(sessions, token_set.refresh_token)
    assert (
        authenticator.authenticate(_log_in(sessions).access_token).user.public_id
        == a_user().public_id
    )


def test_whoever_is_gone_meanwhile_has_no_sessions_to_end(
    sessions: SessionService, users: FakeUserStore
) -> None:
    users.rows.clear()
    with pytest.raises(TokenInvalidError):
        sessions.end_all(a_caller(), CLIENT)


def test_an_admin_ends_all_sessions_of_anybody(
    sessions: SessionService, authenticator: Authenticator, users: FakeUserStore
) -> None:
    token_set = _log_in(sessions)
    sessions.end_all_of(a_caller(a_user(2, admin=True)), a_user().public_id, CLIENT)
    with pytest.raises(TokenRevokedError):
        authenticator.authenticate(token_set.access_token)
    with pytest.raises(UserNotFoundError):
        sessions.end_all_of(a_caller(admin=True), public_id(9), CLIENT)
    calls = users.calls
    for impossible in ("nobody", ""):
        with pytest.raises(UserNotFoundError):
            sessions.end_all_of(a_caller(admin=True), impossible, CLIENT)
    assert users.calls == calls, "what cannot be a user is not looked for"
    before = users.rows[a_user().public_id].user.token_version
    sessions.end_all_of(a_caller(admin=True), "me", CLIENT)
    assert users.rows[a_user().public_id].user.token_version == before + 1


def test_only_an_admin_ends_the_sessions_of_others(
    sessions: SessionService, authenticator: Authenticator
) -> None:
    token_set = _log_in(sessions)
    for whose in (a_user().public_id, "me", public_id(9)):
        with pytest.raises(NotAllowedError):
            sessions.end_all_of(a_caller(), whose, CLIENT)
    assert authenticator.authenticate(token_set.access_token).user.public_id == a_user().public_id


# A password that has to be changed

CHOSEN = NewPassword("a better horse")


def _log_in_choosing(sessions: SessionService, new: NewPassword | None = CHOSEN) -> TokenSet:
    return sessions.log_in_by_email("zoe@example.com", RIGHT, CLIENT, new)


def _require_a_change(users: FakeUserStore) -> None:
    users.change(public_id(1), password_change_required=True)


def test_a_password_that_has_to_be_changed_opens_no_session(
    sessions: SessionService, users: FakeUserStore, tables: FakeTables
) -> None:
    _require_a_change(users)
    for log_in in (sessions.log_in_by_email, sessions.log_in_by_username):
        name = "Zoë" if log_in == sessions.log_in_by_username else "zoe@example.com"
        for _ in range(5):  # it is right: it is not held against anybody
            with pytest.raises(PasswordChangeRequiredError):
                log_in(name, RIGHT, CLIENT)
    assert not tables.sessions
    assert not any(tables.counts.values())


def test_a_wrong_password_is_not_told_that_it_has_to_be_changed(
    sessions: SessionService, users: FakeUserStore
) -> None:
    _require_a_change(users)
    for new in (None, CHOSEN, NewPassword(COMMON)):
        tables_before = dict(users.rows)
        with pytest.raises(WrongCredentialsError):
            sessions.log_in_by_email("zoe@example.com", Password("wrong"), CLIENT, new)
        assert users.rows == tables_before
    users.change(public_id(1), disabled=True)
    users.tables.counts.clear()
    with pytest.raises(WrongCredentialsError):
        _log_in_choosing(sessions)


@pytest.mark.parametrize("required", [True, False])
def test_another_password_is_chosen_in_the_step_that_logs_in(
    sessions: SessionService,
    users: FakeUserStore,
    tables: FakeTables,
    hasher: CountingHasher,
    *,
    required: bool,
) -> None:
    earlier = _log_in(sessions)
    users.change(public_id(1), password_change_required=required)
    tables.events.clear()
    client = Client.of("192.0.2.1", "tests", "de")
    token_set = sessions.log_in_by_email("zoe@example.com", RIGHT, client, CHOSEN)
    told = list(tables.events)
    kept = users.rows[public_id(1)]
    assert hasher.matches(CHOSEN, kept.password_hash)
    assert not kept.user.password_change_required
    assert kept.user.token_version == 2, "every other session ends"
    assert claims_of(token_set.access_token)["ver"] == 2
    refreshed = sessions.refresh(token_set.refresh_token, CLIENT)
    assert refreshed.session_id == token_set.session_id
    assert _refuses_refresh(sessions, earlier.refresh_token)
    assert [(event.act, event.session_id) for event in told] == [
        (Act.PASSWORD_CHANGED, token_set.session_id),
        (Act.LOGGED_IN, token_set.session_id),
    ]
    # Whatever the address is by the time that it is delivered.
    (message,) = tables.messages
    assert (message.errand, message.public_id) == (Errand.PASSWORD_CHANGED, public_id(1))
    assert (message.address, message.language) == (kept.user.email, "de")
    with pytest.raises(WrongCredentialsError):
        _log_in(sessions)


@pytest.mark.parametrize("new", [NewPassword(RIGHT.text), NewPassword(COMMON), NewPassword("Zoë")])
def test_a_password_that_may_not_be_chosen_changes_nothing(
    sessions: SessionService, users: FakeUserStore, tables: FakeTables, new: NewPassword
) -> None:
    _require_a_change(users)
    before = dict(users.rows)
    with pytest.raises(InvalidInputError) as refusal:
        _log_in_choosing(sessions, new)
    assert refusal.value.errors.keys() == {"new_password"}
    assert users.rows == before
    assert not tables.sessions
    assert not any(tables.counts.values())


def test_a_password_that_somebody_has_changed_meanwhile_is_left_alone(
    sessions: SessionService, users: FakeUserStore, tables: FakeTables
) -> None:
    _require_a_change(users)
    change = users.change_password

    def late(*given: Any, **how: Any) -> Outcome:
        users.raise_token_version(public_id(1))
        return change(*given, **how)

    users.change_password = late  # type: ignore[method-assign] # for this store alone
    with pytest.raises(UnavailableError):
        _log_in_choosing(sessions)
    assert users.rows[public_id(1)].user.password_change_required
    assert not any(tables.counts.values())
    assert tables.events == []


# What comes too late


def _fill(attempts: AttemptService, tables: FakeTables) -> None:
    """Others show wrong passwords, here and elsewhere, until the counts are full."""
    origin = attempts.origin(CLIENT)
    for count in (origin.of_account(public_id(1)), origin.at_known_address(public_id(1))):
        tables.counts[count.of, count.starts_at] = count.limit


LATE: dict[str, tuple[Password, NewPassword | None, bool]] = {
    "right": (RIGHT, None, False),
    "to be replaced": (RIGHT, None, True),
    "replaced": (RIGHT, CHOSEN, True),
    "replaced by one that may not be chosen": (RIGHT, NewPassword(COMMON), False),
    "wrong": (WRONG, None, False),
}


@pytest.mark.parametrize("required", [False, True], ids=["any address", "verified addresses"])
@pytest.mark.parametrize(("password", "new", "to_replace"), LATE.values(), ids=LATE.keys())
def test_whoever_comes_too_late_for_the_count_is_told_to_wait_and_nothing_else(
    service: Service,
    sessions: SessionService,
    users: FakeUserStore,
    tables: FakeTables,
    attempts: AttemptService,
    hasher: CountingHasher,
    password: Password,
    new: NewPassword | None,
    *,
    to_replace: bool,
    required: bool,
) -> None:
    del sessions
    users.change(public_id(1), password_change_required=to_replace)
    hasher.meanwhile = lambda: _fill(attempts, tables)
    before, counts = dict(users.rows), len(tables.counts)
    late = service(hasher, requires_verified_emails=required)
    with pytest.raises(TooManyRequestsError):
        late.log_in_by_email("zoe@example.com", password, CLIENT, new)
    assert len(hasher.asked) == 1, "it was compared, and nothing hashed"
    assert users.rows == before
    assert not tables.sessions
    assert tables.events == []
    assert len(tables.counts) == counts + 2, "nothing is held against the address either"
    with pytest.raises(TooManyRequestsError):
        late.log_in_by_email("zoe@example.com", password, CLIENT, new)
    assert len(hasher.asked) == 1, "from then on nothing is compared"


def test_a_right_password_that_counts_fill_after_is_let_in_no_more(
    sessions: SessionService,
    session_store: FakeSessionStore,
    attempts: AttemptService,
    tables: FakeTables,
) -> None:
    """Its slot is taken, and while it looks for another one the count is filled."""
    for _ in range(LIMITS.count):
        _log_in(sessions)
    alive = session_store.alive

    def late(user: User, now: int) -> tuple[str, ...]:
        _fill(attempts, tables)
        return alive(user, now)

    session_store.alive = late  # type: ignore[method-assign] # for this store alone
    before = dict(tables.sessions)
    with pytest.raises(TooManyRequestsError):
        _log_in(sessions)
    assert tables.sessions == before


@pytest.mark.parametrize("drawn", range(3))
def test_a_login_that_draws_a_taken_slot_ends_no_session_below_the_limit(
    sessions: SessionService, token_sets: TokenSetService, drawn: int
) -> None:
    token_sets._pick = lambda bound: drawn % bound  # noqa: SLF001 - always the same one
    opened = [_log_in(sessions) for _ in range(LIMITS.count)]
    for token_set in opened:
        refreshed = sessions.refresh(token_set.refresh_token, CLIENT)
        assert refreshed.session_id == token_set.session_id


# What is kept of it


def _acts(tables: FakeTables) -> list[tuple[Act, str, str | None]]:
    return [(event.act, event.public_id, event.session_id) for event in tables.events]


def test_what_is_done_with_a_session_is_kept(
    sessions: SessionService, tables: FakeTables, clock: FakeClock
) -> None:
    whose = a_user().public_id
    opened = _log_in(sessions)
    follower = sessions.refresh(opened.refresh_token, CLIENT)
    sessions.refresh(opened.refresh_token, CLIENT)  # forgiven, which changes nothing
    clock.step(seconds=20)
    with pytest.raises(RefreshTokenInvalidError):
        sessions.refresh(opened.refresh_token, CLIENT)
    second, third = _log_in(sessions), _log_in(sessions)
    sessions.end(_shown_by(third), second.session_id, CLIENT)
    sessions.log_out(_shown_by(third), CLIENT)
    sessions.end_all(_shown_by(third), CLIENT)
    assert follower.session_id == opened.session_id
    assert _acts(tables) == [
        (Act.LOGGED_IN, whose, opened.session_id),
        (Act.REFRESHED, whose, opened.session_id),
        (Act.REFRESH_TOKEN_REUSED, whose, opened.session_id),
        (Act.LOGGED_IN, whose, second.session_id),
        (Act.LOGGED_IN, whose, third.session_id),
        (Act.SESSION_ENDED, whose, second.session_id),
        (Act.LOGGED_OUT, whose, third.session_id),
        (Act.SESSIONS_ENDED, whose, None),
    ]
    assert all(event.client == CLIENT and event.actor is None for event in tables.events)


def test_a_login_that_fails_is_kept_whether_or_not_there_is_such_an_account(
    sessions: SessionService, tables: FakeTables, users: FakeUserStore
) -> None:
    for email in ("zoe@example.com", "nobody@example.com"):
        with pytest.raises(WrongCredentialsError):
            sessions.log_in_by_email(email, Password("wrong"), CLIENT)
    users.change(a_user().public_id, disabled=True)
    with pytest.raises(WrongCredentialsError):
        _log_in(sessions)
    known, unknown, disabled = tables.events
    assert known.act == unknown.act == disabled.act == Act.LOGIN_FAILED
    assert known.public_id == disabled.public_id == a_user().public_id
    assert unknown.public_id.startswith("nobody#")


def test_an_admin_who_ends_sessions_is_named(sessions: SessionService, tables: FakeTables) -> None:
    _log_in(sessions)
    sessions.end_all_of(a_caller(a_user(2, admin=True)), a_user().public_id, CLIENT)
    ended = tables.events[-1]
    assert (ended.act, ended.public_id, ended.actor) == (
        Act.SESSIONS_ENDED,
        a_user().public_id,
        public_id(2),
    )
