"""Logins, refreshes, lost answers, replays, time, logouts and admins, against a small model.

Whatever happens in whatever order: a token works if and only if the model says so. The whole API is
asked, its stores once in memory, for many examples, and once on moto, for a few.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chalicelib import container as composition
from chalicelib.container import Container, use
from chalicelib.keys.parameters import Parameter
from chalicelib.services.attempts import AttemptLimits, AttemptService
from chalicelib.services.authentication import Authenticator
from chalicelib.services.keyring import KeyRing
from chalicelib.services.tokens import TokenVerifier
from chalicelib.settings import Settings
from tests.api.client import Client, a_registration
from tests.aws import Cloud
from tests.fakes import (
    FakeAttemptStore,
    FakeClock,
    FakeIds,
    FakeKeySource,
    FakeRandom,
    FakeSessionStore,
    FakeStandingStore,
    FakeTables,
    FakeTrailStore,
    FakeUserStore,
)
from tests.samples import claims_of

ACCESS = timedelta(minutes=15)
IDLE = timedelta(hours=1)
ABSOLUTE = timedelta(minutes=130)
GRACE = timedelta(seconds=10)
LEEWAY = timedelta(seconds=5)
MOST_SESSIONS = 3
PASSWORDS = ("a first password", "a second password", "a third password")
USERS = (1, 2)
ADMIN = 0


@dataclass(eq=False)
class ModelUser:
    """A user as the contract has one."""

    public_id: str
    password: str
    admin: bool = False
    disabled: bool = False
    closed: bool = False
    must_change: bool = False


@dataclass(eq=False)
class ModelSession:
    """A session as the contract has it."""

    owner: ModelUser
    session_id: str
    created_at: datetime
    expires_at: datetime
    current: str
    ended: bool = False
    spent_at: dict[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Given:
    """A token set that somebody was given."""

    session: ModelSession
    access: str = field(repr=False)
    expires_at: datetime
    refresh: str = field(repr=False)


class SessionMachine(RuleBasedStateMachine):
    """What clients and admins do, in any order, and what is to come of it."""

    token_sets = Bundle("token_sets")
    start: Callable[[], tuple[Client, FakeClock]]
    """Makes a service without users. Each run calls it."""

    def __init__(self) -> None:
        super().__init__()
        self.client, self.clock = type(self).start()
        self.users: dict[int, ModelUser] = {}
        self.sessions: list[ModelSession] = []
        self.given: list[Given] = []

    # What the model says

    def is_alive(self, session: ModelSession) -> bool:
        user = session.owner
        usable = not (session.ended or user.closed or user.disabled)
        return usable and self.clock() < session.expires_at

    def is_good(self, given: Given) -> bool:
        user = given.session.owner
        usable = not (given.session.ended or user.closed or user.disabled)
        return usable and self.clock() < given.expires_at + LEEWAY

    def alive_of(self, user: ModelUser) -> list[ModelSession]:
        return [each for each in self.sessions if each.owner is user and self.is_alive(each)]

    def end_all_of(self, user: ModelUser) -> None:
        for session in self.sessions:
            session.ended |= session.owner is user

    # What is done

    def opened(self, user: ModelUser, token_set: dict[str, str]) -> Given:
        """Note a token set of a new session, for which the oldest one may have had to go."""
        alive = sorted(self.alive_of(user), key=lambda each: (each.created_at, each.session_id))
        for oldest in alive[: max(0, len(alive) - MOST_SESSIONS + 1)]:
            oldest.ended = True
        session = ModelSession(
            owner=user,
            session_id=token_set["session_id"],
            created_at=self.clock(),
            expires_at=_whole(self.clock() + IDLE),
            current=token_set["refresh_token"],
        )
        self.sessions.append(session)
        return self.note(session, token_set)

    def note(self, session: ModelSession, token_set: dict[str, str]) -> Given:
        """Note that somebody has these tokens."""
        assert token_set["session_id"] == session.session_id
        text = token_set["Authorization"]
        claims = claims_of(text)
        assert claims["sid"] == session.session_id
        expires_at = min(_whole(self.clock()) + ACCESS, session.expires_at)
        assert claims["exp"] == int(expires_at.timestamp())
        given = Given(session, text, expires_at, token_set["refresh_token"])
        self.given.append(given)
        return given

    def try_refresh(self, given: Given) -> dict[str, str] | None:
        """Refresh; see that what comes of it is right."""
        session, now = given.session, self.clock()
        answer = self.client.post("/auth/refresh", {"refresh_token": given.refresh})
        if not self.is_alive(session):
            assert answer.status == 401
            return None
        if given.refresh == session.current:
            assert answer.status == 200
            token_set: dict[str, str] = answer.json()
            assert token_set["refresh_token"] not in (session.current, *session.spent_at)
            session.spent_at[session.current] = now
            session.current = token_set["refresh_token"]
            session.expires_at = _whole(min(now + IDLE, session.created_at + ABSOLUTE))
            return token_set
        if now - session.spent_at[given.refresh] < GRACE:
            assert answer.status == 200
            forgiven: dict[str, str] = answer.json()
            assert forgiven["refresh_token"] == session.current, "there is one line of tokens"
            return forgiven
        assert answer.status == 401
        session.ended = True
        return None

    @initialize(target=token_sets)
    def open_the_admins_account(self) -> Given:
        given = self.register(ADMIN)
        self.client.make_admin(given.access)
        self.users[ADMIN].admin = True
        return given

    def register(self, number: int) -> Given:
        registration = a_registration(number, password=PASSWORDS[0])
        answer = self.client.post("/user", registration)
        assert answer.status == 201
        public_id = claims_of(answer.json()["Authorization"])["sub"]
        self.users[number] = ModelUser(public_id, PASSWORDS[0])
        return self.opened(self.users[number], answer.json())

    @rule(target=token_sets, number=st.sampled_from(USERS))
    def somebody_registers(self, number: int) -> object:
        if number in self.users and not self.users[number].closed:
            registration = a_registration(number, password=PASSWORDS[0])
            assert self.client.post("/user", registration).status == 409
            return multiple()
        return self.register(number)

    @rule(
        target=token_sets,
        number=st.sampled_from((ADMIN, *USERS)),
        password=st.sampled_from(PASSWORDS),
        new=st.sampled_from((None, *PASSWORDS)),
    )
    def somebody_logs_in(self, number: int, password: str, new: str | None) -> object:
        login = {"email": f"user-{number}@example.com", "password": password}
        answer = self.client.post(
            "/auth/login", login if new is None else {**login, "new_password": new}
        )
        user = self.users.get(number)
        if user is None or user.closed or user.disabled or user.password != password:
            assert answer.status == 401
        elif new is None and user.must_change:
            assert answer.status == 403
        elif new == password:
            assert answer.status == 400
        else:
            assert answer.status == 200
            if new is not None:
                self.end_all_of(user)
                user.password, user.must_change = new, False
            return self.opened(user, answer.json())
        return multiple()

    @rule(target=token_sets, given=token_sets)
    def somebody_refreshes(self, given: Given) -> object:
        token_set = self.try_refresh(given)
        return self.note(given.session, token_set) if token_set else multiple()

    @rule(target=token_sets, given=token_sets)
    def somebody_stays_for_two_hours(self, given: Given) -> object:
        """Refresh in time, again and again, until the session is near its end."""
        for _ in range(5):
            self.clock.step(minutes=25)
            token_set = self.try_refresh(given)
            if token_set is None:
                return multiple()
            given = self.note(given.session, token_set)
        return given

    @rule(given=token_sets)
    def an_answer_is_lost(self, given: Given) -> None:
        """The service has refreshed, and nobody has the tokens."""
        self.try_refresh(given)

    @rule(
        seconds=st.sampled_from(
            [0.3, 1, 4.9, 5, 9.9, 10, 60, 600, 894, 901, 906, 1_800, 3_000, 3_600]
        )
    )
    def time_goes_by(self, seconds: float) -> None:
        self.clock.step(seconds=seconds)

    @rule(given=token_sets)
    def somebody_logs_out(self, given: Given) -> None:
        answer = self.client.post("/auth/logout", token=given.access)
        assert answer.status == (200 if self.is_good(given) else 401)
        if answer.status == 200:
            given.session.ended = True

    @rule(given=token_sets, other=token_sets)
    def somebody_ends_a_session(self, given: Given, other: Given) -> None:
        target = f"/auth/sessions/{other.session.session_id}"
        answer = self.client.delete(target, token=given.access)
        if not self.is_good(given):
            assert answer.status == 401
            return
        theirs = given.session.owner is other.session.owner and self.is_alive(other.session)
        assert answer.status == (200 if theirs else 404)
        if answer.status == 200:
            other.session.ended = True

    @rule(given=token_sets)
    def somebody_ends_all_sessions(self, given: Given) -> None:
        answer = self.client.delete("/auth/sessions", token=given.access)
        assert answer.status == (200 if self.is_good(given) else 401)
        if answer.status == 200:
            self.end_all_of(given.session.owner)

    @rule(given=token_sets)
    def somebody_looks_at_their_sessions(self, given: Given) -> None:
        answer = self.client.get("/auth/sessions", token=given.access)
        assert answer.status == (200 if self.is_good(given) else 401)
        if answer.status == 200:
            listed = {
                session["session_id"]: session["current"] for session in answer.json()["data"]
            }
            assert listed == {
                session.session_id: session is given.session
                for session in self.alive_of(given.session.owner)
            }

    @rule(
        target=token_sets,
        given=token_sets,
        current=st.sampled_from(PASSWORDS),
        new=st.sampled_from(PASSWORDS),
    )
    def somebody_changes_their_password(self, given: Given, current: str, new: str) -> object:
        passwords = {"current_password": current, "new_password": new}
        answer = self.client.post("/auth/password/change", passwords, token=given.access)
        if not self.is_good(given):
            assert answer.status == 401
            return multiple()
        user = given.session.owner
        assert answer.status == (200 if user.password == current else 403)
        if answer.status != 200:
            return multiple()
        self.end_all_of(user)
        user.password = new
        return self.opened(user, answer.json())

    @rule(given=token_sets, password=st.sampled_from(PASSWORDS))
    def somebody_closes_their_account(self, given: Given, password: str) -> None:
        answer = self.client.delete("/user/me", {"current_password": password}, token=given.access)
        user = given.session.owner
        if not self.is_good(given):
            assert answer.status == 401
        elif user.password != password:
            assert answer.status == 403
        elif self.is_last_admin(user):
            assert answer.status == 409
        else:
            assert answer.status == 200
            user.closed = True

    def is_last_admin(self, user: ModelUser) -> bool:
        others = (other for other in self.users.values() if other is not user)
        may = (other.admin and not other.disabled and not other.closed for other in others)
        return user.admin and not any(may)

    @rule(
        given=token_sets,
        number=st.sampled_from((ADMIN, *USERS)),
        rights=st.sampled_from(
            [
                {"admin": True},
                {"admin": False},
                {"disabled": True},
                {"disabled": False},
                {"password_change_required": True},
                {"password_change_required": False},
            ]
        ),
    )
    def an_admin_sets_rights(self, given: Given, number: int, rights: dict[str, bool]) -> None:
        user = self.users.get(number)
        public_id = user.public_id if user else "nobody"
        answer = self.client.patch(f"/user/{public_id}", rights, token=given.access)
        caller = given.session.owner
        if not self.is_good(given):
            assert answer.status == 401
        elif not caller.admin:
            assert answer.status == 403
        elif user is None or user.closed:
            assert answer.status == 404
        elif (
            user is caller
            and self.is_last_admin(user)
            and (rights.get("admin") is False or rights.get("disabled"))
        ):
            assert answer.status == 409
        else:
            assert answer.status == 200
            user.admin = rights.get("admin", user.admin)
            user.disabled = rights.get("disabled", user.disabled)
            user.must_change = rights.get("password_change_required", user.must_change)
            if rights.get("disabled") or rights.get("password_change_required"):
                self.end_all_of(user)

    @precondition(lambda self: len(self.users) > 1)
    @rule(given=token_sets, number=st.sampled_from(USERS), close=st.booleans())
    def an_admin_ends_sessions_or_the_account(
        self, given: Given, number: int, *, close: bool
    ) -> None:
        user = self.users.get(number)
        caller = given.session.owner
        if user is None or user is caller:
            return
        target = f"/user/{user.public_id}" + ("" if close else "/sessions")
        answer = self.client.delete(target, token=given.access)
        if not self.is_good(given):
            assert answer.status == 401
        elif not caller.admin:
            assert answer.status == 403
        elif user.closed:
            assert answer.status == 404
        else:
            assert answer.status == 200
            self.end_all_of(user)
            user.closed = close

    @invariant()
    def a_token_works_if_and_only_if_the_model_says_so(self) -> None:
        for given in self.given[-12:]:
            answer = self.client.get("/user/me", token=given.access)
            assert answer.status == (200 if self.is_good(given) else 401)
            if answer.status == 200:
                user = given.session.owner
                assert answer.json()["public_id"] == user.public_id
                assert answer.json()["admin"] is user.admin


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _foreseeable() -> tuple[Callable[[], str], Callable[[int], bytes], Callable[[int], int]]:
    """Identifiers, octets and choices: the same in each run, so that one can be repeated."""
    random = FakeRandom()
    return FakeIds(), random.octets, random.below


class _InMemory(Container):
    """The service with everything of AWS in memory."""

    def __init__(self, stage: Settings, clock: FakeClock, keys: FakeKeySource) -> None:
        super().__init__(stage, clock, *_foreseeable())
        self._fake_clock = clock
        self._source = keys
        self.tables = FakeTables()

    @cached_property
    def keys(self) -> KeyRing:
        return KeyRing(self._source, self._fake_clock)

    @cached_property
    def authenticator(self) -> Authenticator:
        verifier = TokenVerifier(
            self.keys,
            issuer=self.settings.issuer,
            audience=self.settings.audience,
            clock=self._fake_clock,
        )
        return Authenticator(verifier, FakeStandingStore(self.tables, self._fake_clock))

    @cached_property
    def _users(self) -> FakeUserStore:  # type: ignore[override] # it keeps the same contract
        return FakeUserStore(self.tables)

    @cached_property
    def _sessions(self) -> FakeSessionStore:  # type: ignore[override] # likewise
        return FakeSessionStore(self.tables)

    @cached_property
    def _trail_store(self) -> FakeTrailStore:  # type: ignore[override] # likewise
        return FakeTrailStore(self.tables)

    @cached_property
    def _attempts(self) -> AttemptService:
        limits = AttemptLimits(
            per_account=self.settings.attempts_per_account,
            window=timedelta(minutes=10),
            per_address=100_000,
        )
        return AttemptService(FakeAttemptStore(self.tables), limits, self._fake_clock)


class _MemoryClient(Client):
    """A client of that service."""

    def __init__(self, service: _InMemory) -> None:
        super().__init__(NotImplemented)
        self._service = service

    def make_admin(self, token: str) -> None:
        self._service._users.change(claims_of(token)["sub"], admin=True)  # noqa: SLF001 - behind the API's back


@pytest.fixture
def few(stage: Settings) -> Settings:
    """Few sessions a user, and soon at their end."""
    return replace(
        stage,
        sessions_per_user=MOST_SESSIONS,
        attempts_per_account=1_000,  # limits are what tests/api/test_limits.py is about
        session_idle_seconds=int(IDLE.total_seconds()),
        session_absolute_seconds=int(ABSOLUTE.total_seconds()),
    )


def _run(start: Callable[[], tuple[Client, FakeClock]], examples: int, steps: int) -> None:
    machine = type("Machine", (SessionMachine,), {"start": staticmethod(start)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, phases=[Phase.generate]
        ),
    )


def test_the_api_in_memory_does_what_the_model_says(
    few: Settings,
    key_parameters: tuple[Parameter, Parameter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = FakeKeySource()
    for parameter in key_parameters:
        keys.put(parameter)

    def start() -> tuple[Client, FakeClock]:
        clock = FakeClock()
        service = _InMemory(few, clock, keys)
        monkeypatch.setattr(composition, "_current", service)
        return _MemoryClient(service), clock

    _run(start, examples=300, steps=40)


def test_the_api_on_moto_does_what_the_model_says(
    client: Client, cloud: Cloud, few: Settings, clock: FakeClock
) -> None:

    def start() -> tuple[Client, FakeClock]:
        cloud.clear()
        clock.reset()
        use(Container(few, clock, *_foreseeable()))
        return client, clock

    _run(start, examples=8, steps=25)
