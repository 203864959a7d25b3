"""What is tried: every operation of the API, every other function, and their main outcomes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from chalicelib.container import Container
from chalicelib.couriers import deliver_mail, redeliver_mail
from chalicelib.domain.mailed_tokens import Purpose
from chalicelib.domain.outbox import Errand
from chalicelib.domain.passwords import NewPassword
from chalicelib.domain.trails import Trail
from chalicelib.schedules import rotate_keys
from chalicelib.services.key_rotation import KEPT, NOTICE
from chalicelib.services.passwords import PasswordHasher
from chalicelib.store.mailed_tokens import DynamoMailedTokenStore
from chalicelib.store.trails import DynamoTrailStore
from tests.api.client import Client, a_registration
from tests.api.gateway import Answer
from tests.aws import OUTBOX, SESSIONS, Cloud
from tests.faults.world import World
from tests.mailed import mailed
from tests.samples import AN_HOUR_PASSED, PASSWORD, a_message, claims_of, inserted

NEW_PASSWORD = "another horse & its cart"
WRONG_PASSWORD = "not the troubadour's"
PASSWORDS = (PASSWORD, NEW_PASSWORD, WRONG_PASSWORD)
EMAIL = "user-1@example.com"
WANTED = "wanted@example.com"
NOBODY = "00000000-0000-4000-8000-00000000ffff"
DAYS = 90
SESSIONS_PER_USER = 3

Act = Callable[[], Answer]


@dataclass(slots=True)
class Stage:
    """What a scenario is prepared with."""

    client: Client
    container: Container
    cloud: Cloud
    world: World
    lambda_context: Callable[[str], Any]
    """For a function beside the API, by its name."""
    secrets: set[str] = field(default_factory=lambda: set(PASSWORDS))
    """What no line of the log may have in it, and no refusal."""

    def register(self, number: int = 1, **changes: object) -> str:
        """The access token of a new user."""
        answer = self.client.post("/user", a_registration(number, **changes)).json()
        self.secrets |= {answer["Authorization"], answer["refresh_token"]}
        return str(answer["Authorization"])

    def admin(self, number: int = 99) -> str:
        token = self.register(number)
        self.client.make_admin(token)
        return token

    def log_in(self, number: int = 1) -> dict[str, Any]:
        login = {"email": f"user-{number}@example.com", "password": PASSWORD}
        token_set: dict[str, Any] = self.client.post("/auth/login", login).json()
        self.secrets |= {token_set["Authorization"], token_set["refresh_token"]}
        return token_set

    def mailed(self, access: str, purpose: Purpose, address: str = EMAIL) -> str:
        """A token that was mailed to a user."""
        text, record = mailed(claims_of(access)["sub"], purpose, address, at=self.world.clock())
        DynamoMailedTokenStore().add(record)
        self.secrets.add(text)
        return text

    def wanting(self, number: int = 1) -> tuple[str, str]:
        """Somebody who wants another address, and the token that was mailed to it."""
        access = self.register(number)
        wish = {"email": WANTED, "current_password": PASSWORD}
        assert self.client.patch("/user/me", wish, token=access).status == 200
        return access, self.mailed(access, Purpose.CONFIRM, WANTED)

    def undoing(self) -> str:
        """The token that takes an address back."""
        access, token = self.wanting()
        assert self.client.post("/auth/email/verify", {"token": token}).status == 200
        return self.mailed(access, Purpose.UNDO)

    def leave(self, errand: Errand, number: int = 1, **facts: Any) -> str:
        """Leave a message in the outbox."""
        now = self.world.clock()
        times = {"created_at": now, "expires_at": now + timedelta(days=1)}
        message = a_message(number, errand, **times | facts)
        trails = DynamoTrailStore(self.container._transactions)  # noqa: SLF001 - nobody's change
        trails.write(Trail(messages=(message,)))
        return message.message_id

    def empty_the_outbox(self) -> None:
        for row in self.cloud.rows(OUTBOX):
            key = {"message_id": row["message_id"]}
            self.cloud.dynamodb.delete_item(TableName=OUTBOX, Key=key)

    def deliver(self, *message_ids: str) -> Answer:
        return self._call(
            lambda: deliver_mail(inserted(*message_ids), self.lambda_context("deliver_mail"))
        )

    def redeliver(self) -> Answer:
        self.world.clock.step(minutes=5)
        return self._call(
            lambda: redeliver_mail(AN_HOUR_PASSED, self.lambda_context("redeliver_mail"))
        )

    def rotate(self) -> Answer:
        return self._call(lambda: rotate_keys(AN_HOUR_PASSED, self.lambda_context("rotate_keys")))

    def _call(self, function: Callable[[], object]) -> Answer:
        """Call a function as Lambda does; what it raises, Lambda counts as its failure."""
        try:
            function()
        except Exception as fault:  # noqa: BLE001 - whatever it is, its text goes to a log
            return Answer(503, {"retry-after": "1"}, repr(fault), "", refused_by_gateway=False)
        return Answer(200, {}, "", "", refused_by_gateway=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """An operation, in a state in which it has one outcome."""

    operation: str
    outcome: str
    prepare: Callable[[Stage], Act]
    status: int = 200
    cold: bool = False
    """The function has not read the keys yet."""
    twice: int | None = None
    """How it is answered when it is repeated after it was done; as it was at first, unless told."""
    leaves: frozenset[str] = frozenset()
    """What there may be besides if it was done, or in part, and is repeated: see `difference`."""
    lacks: frozenset[str] = frozenset()
    """What there may be otherwise although it succeeded: something that it can do without."""
    way_in: dict[str, str] | None = None
    """A login that works afterwards, if it was done and is answered otherwise the second time."""
    later: Callable[[Stage], Answer] | None = None
    """What happens in the place of a repetition, where nobody repeats."""
    whole: bool = False
    """All of its cases are tried every time, and not a sample of them."""
    in_steps: bool = True
    """What it leaves when it breaks off is what it has left after one of its calls."""

    @property
    def name(self) -> str:
        return f"{self.operation}: {self.outcome}"


SCENARIOS: list[Scenario] = []


def _scenario(
    operation: str, outcome: str, status: int = 200, **facts: Any
) -> Callable[[Callable[[Stage], Act]], Callable[[Stage], Act]]:
    def add(prepare: Callable[[Stage], Act]) -> Callable[[Stage], Act]:
        for name in ("leaves", "lacks"):
            facts[name] = frozenset(facts.get(name, ()))
        SCENARIOS.append(
            Scenario(operation=operation, outcome=outcome, status=status, prepare=prepare, **facts)
        )
        return prepare

    return add


LOGIN = {"email": EMAIL, "password": PASSWORD}
NEW_LOGIN = {"email": EMAIL, "password": NEW_PASSWORD}


# Registering


@_scenario("POST /user", "registered", 201, whole=True, twice=409, way_in=LOGIN)
@_scenario("POST /user", "registered, keys not read yet", 201, cold=True, twice=409, way_in=LOGIN)
def _register(stage: Stage) -> Act:
    return lambda: stage.client.post("/user", a_registration())


@_scenario("POST /user", "email taken", 409)
def _register_taken(stage: Stage) -> Act:
    stage.register()
    return lambda: stage.client.post("/user", a_registration(1, username="Another"))


@_scenario("POST /user", "username taken", 409)
def _register_username(stage: Stage) -> Act:
    stage.register()
    return lambda: stage.client.post("/user", a_registration(2, username="User 1"))


# Looking


def _get(target: str, operation: str, outcome: str, status: int = 200, **facts: Any) -> None:
    """An admin's GET; `{other}` is a user's identifier."""

    @_scenario(operation, outcome, status, **facts)
    def prepare(stage: Stage) -> Act:
        other = claims_of(stage.register())["sub"]
        token = stage.admin()
        return lambda: stage.client.get(target.format(other=other), token=token)


_get("/user?limit=1", "GET /user", "a page")
_get(f"/user?email={EMAIL}", "GET /user", "found by email")
_get("/user?username=user%201", "GET /user", "found by username")
_get(f"/user?email={EMAIL}&username=user%201", "GET /user", "found by both")
_get("/user?email=nobody@example.com", "GET /user", "found nobody")
_get("/user/me", "GET /user/{public_id}", "oneself")
_get("/user/me", "GET /user/{public_id}", "oneself, keys not read yet", cold=True)
_get("/user/{other}", "GET /user/{public_id}", "somebody else")
_get(f"/user/{NOBODY}", "GET /user/{public_id}", "nobody", 404)
_get("/user/me/activity", "GET /user/{public_id}/activity", "one's own")
_get("/user/{other}/activity", "GET /user/{public_id}/activity", "somebody's, as an admin")
_get(f"/user/{NOBODY}/activity", "GET /user/{public_id}/activity", "nobody's", 404)
_get("/user/me/export", "GET /user/{public_id}/export", "one's own")
_get("/auth/sessions", "GET /auth/sessions", "listed")


@_scenario("GET /user", "not an admin", 403)
def _list_as_nobody(stage: Stage) -> Act:
    token = stage.register()
    return lambda: stage.client.get("/user", token=token)


@_scenario("GET /user/{public_id}", "oneself, with much metadata")
def _look_at_much(stage: Stage) -> Act:
    token = stage.register()
    stage.client.patch("/user/me", {"metadata": {"a": "x" * 1_200}}, token=token)
    return lambda: stage.client.get("/user/me", token=token)


# Changing


def _change(
    body: dict[str, Any],
    outcome: str,
    status: int = 200,
    *,
    of: str = "me",
    by_admin: bool = False,
    other_admin: bool = False,
    **facts: Any,
) -> None:
    @_scenario("PATCH /user/{public_id}", outcome, status, **facts)
    def prepare(stage: Stage) -> Act:
        owner = stage.register()
        stage.register(2)
        if other_admin:
            stage.admin(98)
        token = stage.admin() if by_admin else owner
        target = f"/user/{of.format(other=claims_of(owner)['sub'])}"
        return lambda: stage.client.patch(target, body, token=token)


_change({"username": "Zoë"}, "another username")
_change({"username": "USER 1"}, "the username, spelt otherwise")
_change({"username": "User 2"}, "username taken", 409)
_change({"metadata": {"a": 1}}, "metadata", leaves={"+event metadata_changed"})
_change(
    {"username": "Zoë", "metadata": {"a": 1}},
    "username and metadata",
    leaves={"+event metadata_changed"},
)
_change({"admin": True}, "not an admin", 403)
_change(
    {"admin": True},
    "admin, given",
    of="{other}",
    by_admin=True,
    leaves={"+event admin_granted"},
)
_change(
    {"admin": False},
    "admin, taken from oneself",
    by_admin=True,
    other_admin=True,
    twice=403,
)
_change({"admin": False}, "the last admin's", 409, by_admin=True)
_change(
    {"disabled": True},
    "disabled",
    of="{other}",
    by_admin=True,
    leaves={"+event disabled", "~user token_version"},
)
_change({"disabled": False}, "enabled", of="{other}", by_admin=True, leaves={"+event enabled"})
_change(
    {"password_change_required": True},
    "a new password required",
    of="{other}",
    by_admin=True,
    leaves={"+event password_change_required", "~user token_version"},
)
_change({"username": "Zoë"}, "somebody's username, as an admin", of="{other}", by_admin=True)
_change({"username": "Zoë"}, "nobody", 404, of=NOBODY, by_admin=True)

_WISH = {"email": WANTED, "current_password": PASSWORD}
_ASKED_TWICE = {"+event email_change_requested", "+message confirm_email"}
_change(_WISH, "another email", leaves=_ASKED_TWICE)
_change({**_WISH, "username": "Zoë"}, "another email and username", leaves=_ASKED_TWICE)
_change({**_WISH, "email": EMAIL}, "the present email")
_change({**_WISH, "email": "user-2@example.com"}, "email taken", 409)
_change(
    {**_WISH, "current_password": WRONG_PASSWORD},
    "wrong password",
    403,
    leaves={"+event password_refused"},
)


# Closing


@_scenario(
    "DELETE /user/{public_id}", "one's own", twice=401, leaves={"+session"}, lacks={"+session"}
)
def _close(stage: Stage) -> Act:
    token = stage.register()
    stage.log_in()
    body = {"current_password": PASSWORD}
    return lambda: stage.client.delete("/user/me", body, token=token)


@_scenario("DELETE /user/{public_id}", "wrong password", 403, leaves={"+event password_refused"})
def _close_wrongly(stage: Stage) -> Act:
    token = stage.register()
    body = {"current_password": WRONG_PASSWORD}
    return lambda: stage.client.delete("/user/me", body, token=token)


@_scenario(
    "DELETE /user/{public_id}",
    "one's own, as an admin",
    twice=401,
    leaves={"+session"},
    lacks={"+session"},
)
def _close_as_admin(stage: Stage) -> Act:
    stage.admin(98)
    token = stage.admin()
    body = {"current_password": PASSWORD}
    return lambda: stage.client.delete("/user/me", body, token=token)


@_scenario("DELETE /user/{public_id}", "the last admin's", 409)
def _close_the_last(stage: Stage) -> Act:
    token = stage.admin()
    body = {"current_password": PASSWORD}
    return lambda: stage.client.delete("/user/me", body, token=token)


@_scenario(
    "DELETE /user/{public_id}",
    "somebody's, as an admin",
    twice=404,
    leaves={"+session"},
    lacks={"+session"},
)
def _close_another(stage: Stage) -> Act:
    other = claims_of(stage.register())["sub"]
    token = stage.admin()
    return lambda: stage.client.delete(f"/user/{other}", token=token)


@_scenario("DELETE /user/{public_id}", "nobody's", 404)
def _close_nobody(stage: Stage) -> Act:
    token = stage.admin()
    return lambda: stage.client.delete(f"/user/{NOBODY}", token=token)


# Logging in

_SECOND_SESSION = {"+session", "+event logged_in"}


def _log_in(
    body: dict[str, Any],
    outcome: str,
    status: int = 200,
    *,
    change: dict[str, Any] | None = None,
    before: Callable[[Stage, str], object] = lambda _stage, _token: None,
    source_ip: str = "192.0.2.1",
    **facts: Any,
) -> None:
    @_scenario("POST /auth/login", outcome, status, **facts)
    def prepare(stage: Stage) -> Act:
        token = stage.register()
        if change is not None:
            target = f"/user/{claims_of(token)['sub']}"
            assert stage.client.patch(target, change, token=stage.admin()).status == 200
        before(stage, token)
        return lambda: stage.client.post("/auth/login", body, source_ip=source_ip)


def _fill_slots(stage: Stage, _token: str) -> None:
    for _ in range(SESSIONS_PER_USER - 1):
        stage.log_in()


def _use_up(stage: Stage, _token: str) -> None:
    for _ in range(stage.container.settings.attempts_per_account):
        stage.client.post("/auth/login", {**LOGIN, "password": WRONG_PASSWORD})


def _weaken(stage: Stage, token: str) -> None:
    """A hash of another cost than the present one."""
    other = PasswordHasher(stage.container.settings.bcrypt_cost + 1).hash(NewPassword(PASSWORD))
    stage.cloud.change(claims_of(token)["sub"], password_hash={"S": other})


_log_in(LOGIN, "by email", whole=True, leaves=_SECOND_SESSION)
_log_in(LOGIN, "by email, keys not read yet", cold=True, leaves=_SECOND_SESSION)
_log_in({"username": "User 1", "password": PASSWORD}, "by username", leaves=_SECOND_SESSION)
_log_in(LOGIN, "at a new address", source_ip="192.0.2.2", leaves=_SECOND_SESSION)
_log_in(
    LOGIN,
    "with a hash to renew",
    before=_weaken,
    leaves=_SECOND_SESSION,
    lacks={"~user password"},
)
_log_in(
    LOGIN,
    "one session too many",
    before=_fill_slots,
    leaves={"+event logged_in", "+revocation", "-session"},
)
_log_in(
    {**LOGIN, "password": WRONG_PASSWORD}, "wrong password", 401, leaves={"+event login_failed"}
)
_log_in({**LOGIN, "email": "nobody@example.com"}, "nobody's", 401, leaves={"+event login_failed"})
_log_in(LOGIN, "disabled", 401, change={"disabled": True}, leaves={"+event login_failed"})
_log_in(LOGIN, "too many attempts", 429, before=_use_up)
_log_in(LOGIN, "a new password required", 403, change={"password_change_required": True})
_log_in(
    {**LOGIN, "new_password": NEW_PASSWORD},
    "with a new password",
    change={"password_change_required": True},
    twice=401,
    leaves={"+event login_failed"},
    way_in=NEW_LOGIN,
)


# Sessions


@_scenario("POST /auth/refresh", "the present token", whole=True)
@_scenario("POST /auth/refresh", "the present token, keys not read yet", cold=True)
def _refresh(stage: Stage) -> Act:
    stage.register()
    body = {"refresh_token": stage.log_in()["refresh_token"]}
    return lambda: stage.client.post("/auth/refresh", body)


@_scenario("POST /auth/refresh", "a spent token, within the grace")
def _refresh_again(stage: Stage) -> Act:
    act = _refresh(stage)
    assert act().status == 200
    return act


@_scenario("POST /auth/refresh", "a spent token, after the grace", 401)
def _refresh_too_late(stage: Stage) -> Act:
    act = _refresh_again(stage)
    stage.world.clock.step(minutes=1)
    return act


@_scenario("POST /auth/refresh", "no token of ours", 401)
def _refresh_nonsense(stage: Stage) -> Act:
    return lambda: stage.client.post("/auth/refresh", {"refresh_token": "rt1_" + "A" * 107})


@_scenario("POST /auth/logout", "logged out", whole=True, twice=401)
@_scenario("POST /auth/logout", "logged out, keys not read yet", cold=True, twice=401)
def _log_out(stage: Stage) -> Act:
    token = stage.register()
    return lambda: stage.client.post("/auth/logout", token=token)


@_scenario("POST /auth/logout", "logged out before", 401)
def _log_out_again(stage: Stage) -> Act:
    act = _log_out(stage)
    assert act().status == 200
    return act


@_scenario("DELETE /auth/sessions", "ended", twice=401)
def _end_sessions(stage: Stage) -> Act:
    token = stage.register()
    return lambda: stage.client.delete("/auth/sessions", token=token)


@_scenario("DELETE /auth/sessions/{session_id}", "the present one", twice=401)
def _end_session(stage: Stage) -> Act:
    token = stage.register()
    session_id = claims_of(token)["sid"]
    return lambda: stage.client.delete(f"/auth/sessions/{session_id}", token=token)


@_scenario("DELETE /auth/sessions/{session_id}", "another one", twice=404)
def _end_another_session(stage: Stage) -> Act:
    token = stage.register()
    session_id = stage.log_in()["session_id"]
    return lambda: stage.client.delete(f"/auth/sessions/{session_id}", token=token)


@_scenario("DELETE /auth/sessions/{session_id}", "none of one's own", 404)
def _end_no_session(stage: Stage) -> Act:
    token = stage.register()
    return lambda: stage.client.delete(f"/auth/sessions/{NOBODY}", token=token)


@_scenario(
    "DELETE /user/{public_id}/sessions",
    "ended",
    leaves={"+event sessions_ended", "~user token_version"},
)
def _end_sessions_of(stage: Stage) -> Act:
    other = claims_of(stage.register())["sub"]
    token = stage.admin()
    return lambda: stage.client.delete(f"/user/{other}/sessions", token=token)


@_scenario("DELETE /user/{public_id}/sessions", "nobody's", 404)
def _end_sessions_of_nobody(stage: Stage) -> Act:
    token = stage.admin()
    return lambda: stage.client.delete(f"/user/{NOBODY}/sessions", token=token)


# Passwords and emails


@_scenario("POST /auth/password/change", "changed", twice=401, way_in=NEW_LOGIN)
@_scenario(
    "POST /auth/password/change",
    "changed, keys not read yet",
    cold=True,
    twice=401,
    way_in=NEW_LOGIN,
)
def _change_password(stage: Stage) -> Act:
    token = stage.register()
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    return lambda: stage.client.post("/auth/password/change", body, token=token)


@_scenario("POST /auth/password/change", "wrong password", 403, leaves={"+event password_refused"})
def _change_password_wrongly(stage: Stage) -> Act:
    token = stage.register()
    body = {"current_password": WRONG_PASSWORD, "new_password": NEW_PASSWORD}
    return lambda: stage.client.post("/auth/password/change", body, token=token)


def _ask(route: str, outcome: str, email: str, errand: str) -> None:
    @_scenario(f"POST {route}", outcome, 202, leaves={f"+message {errand}"})
    def prepare(stage: Stage) -> Act:
        stage.register()
        return lambda: stage.client.post(route, {"email": email})


_ask("/auth/password/forgot", "somebody's address", EMAIL, "reset_password")
_ask("/auth/password/forgot", "nobody's address", "nobody@example.com", "reset_password")
_ask("/auth/email/resend", "somebody's address", EMAIL, "verify_email")


def _post(stage: Stage, path: str, **fields: str) -> Answer:
    """Post to a route as a program does, and to a page as its form does."""
    if path.startswith("/auth/"):
        return stage.client.post(path, fields)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return stage.client.post(path, body=urlencode(fields), headers=kind)


def _spend(
    paths: tuple[str, ...],
    outcome: str,
    token: Callable[[Stage], str],
    status: int = 200,
    **facts: Any,
) -> None:
    """Spend a mailed token, at a route and at a page."""

    def scenario(path: str) -> None:
        more = {"new_password": NEW_PASSWORD} if "password" in path else {}

        @_scenario(f"POST {path}", outcome, status, **facts)
        def prepare(stage: Stage) -> Act:
            fields = {"token": token(stage), **more}
            return lambda: _post(stage, path, **fields)

    for path in paths:
        scenario(path)


def _confirm_taken(stage: Stage) -> str:
    _, token = stage.wanting()
    stage.register(2, email=WANTED)
    return token


def _nonsense(stage: Stage) -> str:
    del stage
    return "mt1_" + "A" * 64


_RESET = ("/auth/password/reset", "/password/reset")
_VERIFY = ("/auth/email/verify", "/email/verify")
_CONFIRM = ("/auth/email/verify", "/email/confirm")
_UNDO = ("/auth/email/undo", "/email/undo")
_spend(
    _RESET,
    "set",
    lambda stage: stage.mailed(stage.register(), Purpose.RESET),
    twice=400,
    way_in=NEW_LOGIN,
)
_spend(_RESET, "not a good token", _nonsense, 400)
_spend(_VERIFY, "verified", lambda stage: stage.mailed(stage.register(), Purpose.VERIFY), twice=400)
_spend(_VERIFY, "not a good token", _nonsense, 400)
_spend(
    _CONFIRM,
    "another address confirmed",
    lambda stage: stage.wanting()[1],
    twice=400,
    way_in={"email": WANTED, "password": PASSWORD},
)
_spend(_CONFIRM, "the address is taken by now", _confirm_taken, 409)
_spend(_UNDO, "undone", lambda stage: stage.undoing(), twice=400, way_in=LOGIN)
_spend(_UNDO, "not a good token", _nonsense, 400)


# What asks nobody, or for the keys alone


def _show(
    target: str, operation: str, outcome: str = "shown", status: int = 200, **facts: Any
) -> None:
    @_scenario(f"GET {operation}", outcome, status, **facts)
    def prepare(stage: Stage) -> Act:
        token = "mt1_" + "A" * 64
        return lambda: stage.client.get(target.format(token=token))


for _page in ("/email/verify", "/email/confirm", "/email/undo", "/password/reset"):
    _show(_page + "?token={token}", _page)
for _path in ("/", "/openapi.json", "/.well-known/openid-configuration", "/health"):
    _show(_path, _path)
_show("/docs/page.js", "/docs/{name}")
_show("/.well-known/jwks.json", "/.well-known/jwks.json")
_show("/.well-known/jwks.json", "/.well-known/jwks.json", "shown, keys not read yet", cold=True)


# The functions beside the API


def _turn(outcome: str, step: timedelta, *, before: int, **facts: Any) -> None:
    """A step of a rotation, after so many others."""

    @_scenario("rotate_keys", outcome, **facts)
    def prepare(stage: Stage) -> Act:
        for wait in (timedelta(days=DAYS), NOTICE, KEPT)[:before]:
            stage.world.clock.now += wait
            assert stage.rotate().status == 200
        stage.world.clock.now += step
        return stage.rotate


_HALF = {"+key private-keys"}
_turn("too early", timedelta(0), before=0)
_turn("a key published", timedelta(days=DAYS), before=0, leaves=_HALF)
_turn("a key told to sign", NOTICE, before=1)
_turn("a key retired", KEPT, before=2)


def _errand(
    errand: Errand,
    outcome: str,
    facts: Callable[[Stage, str], dict[str, Any]],
    **more: Any,
) -> None:
    @_scenario("deliver_mail", outcome, later=lambda stage: stage.redeliver(), **more)
    def prepare(stage: Stage) -> Act:
        token = stage.register()
        told = facts(stage, token)
        stage.empty_the_outbox()
        message_id = stage.leave(errand, **told)
        return lambda: stage.deliver(message_id)


def _of(_: Stage, token: str) -> dict[str, Any]:
    return {"public_id": claims_of(token)["sub"]}


def _wished(stage: Stage, token: str) -> dict[str, Any]:
    stage.client.patch("/user/me", _WISH, token=token)
    return {**_of(stage, token), "address": WANTED}


_SENT_TWICE = {"+mailed token"}
_errand(Errand.VERIFY_EMAIL, "an address to verify", _of, leaves=_SENT_TWICE)
_errand(
    Errand.RESET_PASSWORD,
    "a password forgotten",
    lambda _stage, _token: {"email_key": EMAIL},
    leaves={*_SENT_TWICE, "+event recovery_mailed"},
)
_errand(Errand.CONFIRM_EMAIL, "another address wanted", _wished, leaves=_SENT_TWICE)
_errand(
    Errand.EMAIL_CHANGED,
    "an address changed",
    lambda stage, token: {**_of(stage, token), "address": "former@example.com"},
    leaves=_SENT_TWICE,
)
_errand(Errand.PASSWORD_CHANGED, "a password changed", _of)
_errand(
    Errand.RESET_PASSWORD,
    "nobody's address",
    lambda _stage, _token: {"email_key": "nobody@example.com"},
)


@_scenario(
    "deliver_mail",
    "two messages",
    later=lambda stage: stage.redeliver(),
    leaves=_SENT_TWICE,
    in_steps=False,
)
def _deliver_two(stage: Stage) -> Act:
    subs = [claims_of(stage.register(number))["sub"] for number in (1, 2)]
    stage.empty_the_outbox()
    message_ids = [
        stage.leave(errand, number, public_id=sub)
        for number, (errand, sub) in enumerate(
            zip((Errand.VERIFY_EMAIL, Errand.PASSWORD_CHANGED), subs, strict=True), start=1
        )
    ]
    return lambda: stage.deliver(*message_ids)


def _gone(stage: Stage) -> None:
    """Somebody who has closed their account, and left a session and some activity."""
    token = stage.register()
    row = stage.cloud.rows(SESSIONS)[0]
    stage.client.delete("/user/me", {"current_password": PASSWORD}, token=token)
    stage.cloud.dynamodb.put_item(TableName=SESSIONS, Item=row)


@_scenario("redeliver_mail", "an account to forget", later=lambda stage: stage.redeliver())
def _forget(stage: Stage) -> Act:
    _gone(stage)
    return stage.redeliver


@_scenario(
    "redeliver_mail",
    "what was left",
    later=lambda stage: stage.redeliver(),
    leaves=_SENT_TWICE,
    in_steps=False,
)
def _left(stage: Stage) -> Act:
    stage.register(1)
    stage.register(2)
    return stage.redeliver
