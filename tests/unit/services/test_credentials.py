from collections.abc import Callable

import pytest

from chalicelib.domain.activity import Act
from chalicelib.domain.attempts import Count, Outcome
from chalicelib.domain.errors import (
    InvalidInputError,
    RefreshTokenInvalidError,
    TokenInvalidError,
    TokenRevokedError,
    TooManyRequestsError,
    UnavailableError,
    WrongPasswordError,
)
from chalicelib.domain.outbox import Errand
from chalicelib.domain.passwords import NewPassword, Password
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import Client, Session, TokenSet
from chalicelib.domain.trails import NO_TRAIL, Trail
from chalicelib.domain.users import Credentials
from chalicelib.keys.parameters import new_signing_key
from chalicelib.services.attempts import AttemptService
from chalicelib.services.authentication import Authenticator
from chalicelib.services.credentials import CredentialService
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
)
from tests.samples import (
    ADMISSION,
    CLIENT,
    COMMON,
    PASSWORD,
    a_caller,
    a_user,
    add,
    header_of,
)

RIGHT = Password(PASSWORD)
NEW = NewPassword("another horse altogether")


@pytest.fixture
def hasher() -> PasswordHasher:
    return PasswordHasher(4)


@pytest.fixture
def credentials(
    users: FakeUserStore,
    policy: PasswordPolicy,
    hasher: PasswordHasher,
    token_sets: TokenSetService,
    attempts: AttemptService,
    trails: TrailService,
) -> CredentialService:
    add(users, a_user(), hasher.hash(RIGHT))
    users.tables.sessions.clear()
    return CredentialService(users, policy, hasher, token_sets, attempts, trails)


@pytest.fixture
def sessions(
    *,
    users: FakeUserStore,
    session_store: FakeSessionStore,
    hasher: PasswordHasher,
    token_sets: TokenSetService,
    refresh_tokens: RefreshTokens,
    attempts: AttemptService,
    trails: TrailService,
    policy: PasswordPolicy,
    clock: FakeClock,
) -> SessionService:
    return SessionService(
        users,
        session_store,
        hasher,
        token_sets,
        refresh_tokens,
        attempts,
        trails,
        requires_verified_emails=False,
        rules=lambda: policy,
        clock=clock,
    )


LogIn = Callable[[], tuple[TokenSet, Principal]]


@pytest.fixture
def log_in(
    credentials: CredentialService, sessions: SessionService, authenticator: Authenticator
) -> LogIn:
    del credentials

    def log_in() -> tuple[TokenSet, Principal]:
        token_set = sessions.log_in_by_email("user-1@example.com", RIGHT, CLIENT)
        return token_set, authenticator.authenticate(token_set.access_token)

    return log_in


def test_a_new_password_is_the_one_that_logs_in(
    credentials: CredentialService, log_in: LogIn, users: FakeUserStore, hasher: PasswordHasher
) -> None:
    _, caller = log_in()
    credentials.change(caller, RIGHT, NEW, CLIENT)
    kept = users.rows[a_user().public_id]
    assert hasher.matches(NEW, kept.password_hash)
    assert not hasher.matches(RIGHT, kept.password_hash)
    assert kept.user == a_user(token_version=2)


def test_a_new_password_ends_every_session_but_the_one_it_opens(
    credentials: CredentialService,
    log_in: LogIn,
    sessions: SessionService,
    authenticator: Authenticator,
) -> None:
    other, _ = log_in()
    own, caller = log_in()
    changed = credentials.change(caller, RIGHT, NEW, CLIENT)
    for token_set in (other, own):
        with pytest.raises(TokenRevokedError):
            authenticator.authenticate(token_set.access_token)
        with pytest.raises(RefreshTokenInvalidError):
            sessions.refresh(token_set.refresh_token, CLIENT)
    present = authenticator.authenticate(changed.access_token)
    assert [session.session_id for session in sessions.list(present)] == [changed.session_id]
    assert changed.session_id != own.session_id
    assert sessions.refresh(changed.refresh_token, CLIENT).session_id == changed.session_id


def test_the_session_that_a_new_password_opens_is_not_in_the_way_of_a_slower_login(
    credentials: CredentialService, log_in: LogIn, session_store: FakeSessionStore
) -> None:
    _, caller = log_in()
    changed = credentials.change(caller, RIGHT, NEW, CLIENT)
    (slower,) = session_store.rows.values()
    assert slower.session_id == changed.session_id
    # A login that read the user before the change may try the same slot only now.
    opened = session_store.open(_of_version(slower, 1), None, 0, ADMISSION)
    assert opened is Outcome.CHANGED
    assert session_store.rows[slower.public_id, slower.slot] == slower


def _of_version(session: Session, version: int) -> Session:
    return Session(
        public_id=session.public_id,
        session_id=session.session_id[:-1] + "f",
        token_version=version,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        expires_at=session.expires_at,
        client=session.client,
        lineage=session.lineage,
    )


def test_a_wrong_password_changes_nothing(
    credentials: CredentialService, log_in: LogIn, users: FakeUserStore
) -> None:
    _, caller = log_in()
    before = dict(users.rows)
    for act in (
        lambda: credentials.change(caller, Password("wrong"), NEW, CLIENT),
        lambda: credentials.confirm(caller, Password("wrong"), CLIENT),
    ):
        with pytest.raises(WrongPasswordError):
            act()
    assert users.rows == before
    credentials.confirm(caller, RIGHT, CLIENT)


@pytest.mark.parametrize("new", [COMMON, "USER-1@example.com", "SHORT"])
def test_a_new_password_that_may_not_be_chosen_changes_nothing(
    credentials: CredentialService, log_in: LogIn, users: FakeUserStore, new: str
) -> None:
    _, caller = log_in()
    before = dict(users.rows)
    with pytest.raises(InvalidInputError) as refusal:
        credentials.change(caller, RIGHT, NewPassword(new), CLIENT)
    assert refusal.value.errors.keys() == {"new_password"}
    assert users.rows == before


def test_a_password_that_could_no_longer_be_chosen_is_still_confirmed_and_changed(
    credentials: CredentialService, users: FakeUserStore, hasher: PasswordHasher
) -> None:
    caller, old = a_caller(), Password(COMMON)
    users.rows[caller.user.public_id] = Credentials(caller.user, hasher.hash(old))
    credentials.confirm(caller, old, CLIENT)
    credentials.change(caller, old, NEW, CLIENT)
    assert hasher.matches(NEW, users.rows[caller.user.public_id].password_hash)


def test_a_caller_whose_sessions_have_ended_meanwhile_is_refused(
    credentials: CredentialService, log_in: LogIn, users: FakeUserStore
) -> None:
    _, caller = log_in()
    users.raise_token_version(caller.user.public_id)
    with pytest.raises(TokenInvalidError):
        credentials.change(caller, RIGHT, NEW, CLIENT)
    users.rows.clear()
    with pytest.raises(TokenInvalidError):
        credentials.confirm(caller, RIGHT, CLIENT)


class _Rival:
    """Does something else just before a change, so many times."""

    def __init__(self, users: FakeUserStore, times: int, act: Callable[[], object]) -> None:
        self._change = users.change_password
        self._act = act
        self._times = times
        users.change_password = self.change  # type: ignore[method-assign] # for this store alone

    def change(
        self,
        before: Credentials,
        new_hash: str,
        session: Session,
        below: Count,
        *,
        trail: Trail = NO_TRAIL,
    ) -> Outcome:
        if self._times:
            self._times -= 1
            self._act()
        return self._change(before, new_hash, session, below, trail=trail)


def test_a_login_that_hashes_the_password_anew_does_not_hinder_a_change(
    credentials: CredentialService, log_in: LogIn, users: FakeUserStore, hasher: PasswordHasher
) -> None:
    _, caller = log_in()
    public_id = caller.user.public_id

    def rehash() -> None:
        old_hash = users.rows[public_id].password_hash
        users.replace_password_hash(public_id, old_hash, hasher.hash(RIGHT))

    _Rival(users, 2, rehash)
    credentials.change(caller, RIGHT, NEW, CLIENT)
    assert hasher.matches(NEW, users.rows[public_id].password_hash)


def test_a_change_that_never_gets_its_turn_is_an_outage(
    credentials: CredentialService, log_in: LogIn, users: FakeUserStore, hasher: PasswordHasher
) -> None:
    _, caller = log_in()
    public_id = caller.user.public_id
    _Rival(
        users,
        3,
        lambda: users.replace_password_hash(
            public_id, users.rows[public_id].password_hash, hasher.hash(RIGHT)
        ),
    )
    with pytest.raises(UnavailableError):
        credentials.change(caller, RIGHT, NEW, CLIENT)
    assert hasher.matches(RIGHT, users.rows[public_id].password_hash)


def test_of_two_changes_at_once_the_slower_finds_its_session_ended(
    credentials: CredentialService, log_in: LogIn, users: FakeUserStore
) -> None:
    _, caller = log_in()
    _Rival(users, 1, lambda: credentials.change(caller, RIGHT, NEW, CLIENT))
    with pytest.raises(TokenInvalidError):
        credentials.change(caller, RIGHT, NewPassword("a third horse"), CLIENT)


def test_a_change_with_a_revoked_key_is_signed_with_another(
    credentials: CredentialService,
    log_in: LogIn,
    tables: FakeTables,
    keys: FakeKeySource,
    ring: KeyRing,
) -> None:
    _, caller = log_in()
    revoked = ring.signing_key().key_id
    private, public = new_signing_key(START)
    keys.put(private)
    keys.put(public)
    keys.withdraw(revoked)
    tables.revoke_key(revoked)
    changed = credentials.change(caller, RIGHT, NEW, CLIENT)
    assert header_of(changed.access_token)["kid"] == public.name.rpartition("/")[2]


class _LateHasher(PasswordHasher):
    """Others use up the attempts while a password is compared. Keeps what it did, in order."""

    def __init__(self, fill: Callable[[], None]) -> None:
        super().__init__(4)
        self.done: list[str] = []
        self._fill = fill

    def hash(self, password: Password) -> str:
        self.done.append("hash")
        return super().hash(password)

    def matches(self, password: Password, password_hash: str) -> bool:
        self.done.append("compare")
        self._fill()
        return super().matches(password, password_hash)


@pytest.mark.parametrize("password", [RIGHT, Password("wrong")], ids=["right", "wrong"])
def test_whoever_comes_too_late_for_the_count_is_not_told_by_answer_or_work(
    credentials: CredentialService,
    log_in: LogIn,
    users: FakeUserStore,
    attempts: AttemptService,
    password: Password,
) -> None:
    _, caller = log_in()
    tables = users.tables

    def fill() -> None:
        origin = attempts.origin(CLIENT)
        count = origin.at_known_address(caller.user.public_id)
        tables.counts[count.of, count.starts_at] = count.limit

    hasher = _LateHasher(fill)
    vars(credentials)["_hasher"] = hasher
    before, events = dict(users.rows), list(tables.events)
    with pytest.raises(TooManyRequestsError):
        credentials.change(caller, password, NEW, CLIENT)
    assert hasher.done == ["hash", "compare"]
    tables.counts.clear()
    with pytest.raises(TooManyRequestsError):
        credentials.confirm(caller, password, CLIENT)
    assert users.rows == before
    assert tables.events == events


def test_without_a_store_or_keys_nothing_changes(
    credentials: CredentialService, users: FakeUserStore
) -> None:
    users.down = True
    with pytest.raises(UnavailableError):
        credentials.change(a_caller(), RIGHT, NEW, CLIENT)


def test_a_new_password_is_kept_in_mind_and_told_to_its_owner(
    credentials: CredentialService, log_in: LogIn, users: FakeUserStore
) -> None:
    _, caller = log_in()
    users.tables.events.clear()
    with pytest.raises(WrongPasswordError):
        credentials.change(caller, Password("wrong"), NEW, CLIENT)
    credentials.confirm(caller, RIGHT, CLIENT)
    credentials.change(caller, RIGHT, NEW, Client.of("192.0.2.1", "tests", "de"))
    assert [event.act for event in users.tables.events] == [
        Act.PASSWORD_REFUSED,
        Act.PASSWORD_CHANGED,
    ]
    (notice,) = users.tables.messages
    assert notice.public_id == a_user().public_id
    assert (notice.errand, notice.address, notice.language) == (
        Errand.PASSWORD_CHANGED,
        "user-1@example.com",
        "de",
    )
