"""What can be asked of each operation, how it mainly ends, and what AWS is asked on the way.

The one list that tests hold the service to and that the table of docs/performance.md is made of.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from chalicelib.container import Container, use
from chalicelib.domain.mailed_tokens import Purpose, password_mark
from chalicelib.settings import Settings
from chalicelib.store.mailed_tokens import DynamoMailedTokenStore
from tests.api.client import Client, a_registration
from tests.aws import Cloud
from tests.fakes import FakeClock, FakeIds
from tests.mailed import mailed
from tests.samples import COMMON, PASSWORD, claims_of

EMAIL, OTHERS, NOBODYS = "user-1@example.com", "user-2@example.com", "nobody@example.com"
CHOSEN = "another horse altogether"
NOBODY = "00000000-0000-4000-8000-000000000000"
A_LINK = "mt1_" + "A" * 64
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}

Request = tuple[str, dict[str, Any]]
"""A target, and how it is asked: see `Client.send`."""


class World:
    """A service with nobody in it, and what is done in it before a request is counted."""

    def __init__(self, cloud: Cloud, settings: Settings, clock: FakeClock) -> None:
        self.client = Client(cloud)
        self.cloud = cloud
        self.clock = clock
        self._settings = settings
        self._containers: dict[str, Container] = {}
        self._ids = FakeIds()
        self._picked = 0

    def start(self) -> None:
        """Begin with empty tables, with a service that has read its keys."""
        self.cloud.clear()
        self.clock.reset()
        # What is left to chance would now and then take a call more: a slot that is taken, and in
        # which parts of the index the admins are.
        self._ids.last = self._picked = 0
        self.set_up()

    def set_up(self, **settings: Any) -> None:
        """Let the service have other settings from now on."""
        name = repr(settings)
        if name not in self._containers:
            self._containers[name] = Container(
                replace(self._settings, **settings),
                self.clock,
                new_id=self._ids,
                random_below=self._pick,
            )
        use(self._containers[name]).keys.signing_key()

    def _pick(self, bound: int) -> int:
        self._picked += 1
        return self._picked % bound

    def mail(self, access: str, purpose: Purpose, address: str) -> str:
        """A token that was mailed to whoever has an access token."""
        public_id = claims_of(access)["sub"]
        (row,) = (row for row in self.cloud.rows() if row["pk"]["S"] == f"user#{public_id}")
        mark = password_mark(row["password_hash"]["S"]) if purpose is Purpose.RESET else None
        text, record = mailed(public_id, purpose, address, at=self.clock.now, password_mark=mark)
        DynamoMailedTokenStore().add(record)
        return text

    def mail_for(self, purpose: Purpose) -> str:
        """A token that was mailed to a new user, for whom it is right."""
        access = self.client.register()
        if purpose in (Purpose.CONFIRM, Purpose.UNDO):
            wish = {"email": "new@example.com", "current_password": PASSWORD}
            assert self.client.patch("/user/me", wish, token=access).status == 200
        if purpose is Purpose.UNDO:
            confirm = {"token": self.mail(access, Purpose.CONFIRM, "new@example.com")}
            assert self.client.post("/auth/email/verify", confirm).status == 200
        return self.mail(
            access, purpose, "new@example.com" if purpose is Purpose.CONFIRM else EMAIL
        )

    def other(self) -> str:
        """Somebody else's identifier."""
        return str(claims_of(self.client.register(2))["sub"])

    def with_row(self, access: str, **values: Any) -> str:
        """The token of a user whose row is changed behind the service's back."""
        self.cloud.change(claims_of(access)["sub"], **values)
        return access


@dataclass(frozen=True, slots=True)
class Scenario:
    """A request as a client sends it, and the operations of AWS that it has to take."""

    operation: str
    """The method and the path, as the OpenAPI document has them."""
    outcome: str
    status: int
    authorizer: tuple[str, ...] | None
    """None if API Gateway does not ask it."""
    api: tuple[str, ...] | None
    """None if the request does not get to the function."""
    prepare: Callable[[World], Request]

    @property
    def method(self) -> str:
        return self.operation.partition(" ")[0]

    def __str__(self) -> str:
        return f"{self.operation}: {self.outcome}"


def _public(
    operation: str, outcome: str, status: int, api: str, prepare: Callable[[World], Request]
) -> Scenario:
    return Scenario(operation, outcome, status, None, tuple(api.split()), prepare)


def _authorized(
    operation: str, outcome: str, status: int, api: str, prepare: Callable[[World], Request]
) -> Scenario:
    return Scenario(operation, outcome, status, ("BatchGetItem",), tuple(api.split()), prepare)


def _refused(outcome: str, authorizer: str | None, prepare: Callable[[World], Request]) -> Scenario:
    asked = None if authorizer is None else tuple(authorizer.split())
    return Scenario("GET /user/{public_id}", outcome, 401, asked, None, prepare)


def _ask(target: str, *, token: str | None = None, **data: Any) -> Request:
    return target, {"token": token, "data": data or None}


def _get(target: str) -> Callable[[World], Request]:
    return lambda _: _ask(target)


def _by_owner(target: str, **data: Any) -> Callable[[World], Request]:
    return lambda world: _ask(target, token=world.client.register(), **data)


def _by_admin(target: str, **data: Any) -> Callable[[World], Request]:
    """By an admin; `{other}` is somebody else."""

    def prepare(world: World) -> Request:
        path = target.format(other=world.other())
        return _ask(path, token=world.client.register_admin(), **data)

    return prepare


def _by_stranger(target: str, **data: Any) -> Callable[[World], Request]:
    def prepare(world: World) -> Request:
        return _ask(target.format(other=world.other()), token=world.client.register(), **data)

    return prepare


def _logging_in(**data: Any) -> Callable[[World], Request]:
    def prepare(world: World) -> Request:
        world.client.register()
        return _ask("/auth/login", **{"email": EMAIL, "password": PASSWORD, **data})

    return prepare


def _named(**data: Any) -> Callable[[World], Request]:
    def prepare(world: World) -> Request:
        world.client.register()
        return _ask("/auth/login", **{"password": PASSWORD, **data})

    return prepare


def _one_login_too_many(email: str) -> Callable[[World], Request]:
    def prepare(world: World) -> Request:
        world.set_up(attempts_per_account=1)
        world.client.register()
        wrong = {"email": email, "password": "wrong"}
        assert world.client.post("/auth/login", wrong).status == 401
        return _ask("/auth/login", **wrong)

    return prepare


def _one_session_too_many(world: World) -> Request:
    world.set_up(sessions_per_user=1)
    return _logging_in()(world)


def _unverified(world: World) -> Request:
    world.set_up(email_verification="require")
    assert world.client.post("/user", a_registration()).status == 201
    return _ask("/auth/login", email=EMAIL, password=PASSWORD)


def _outdated_hash(world: World) -> Request:
    request = _logging_in()(world)
    world.set_up(bcrypt_cost=5)
    return request


def _marked(**data: Any) -> Callable[[World], Request]:
    """A login by whoever has to choose another password."""

    def prepare(world: World) -> Request:
        world.with_row(world.client.register(), password_change_required={"BOOL": True})
        return _ask("/auth/login", email=EMAIL, password=PASSWORD, **data)

    return prepare


def _disabled(world: World) -> Request:
    world.with_row(world.client.register(), disabled={"BOOL": True})
    return _ask("/auth/login", email=EMAIL, password=PASSWORD)


def _refreshing(times: int, seconds: int = 0) -> Callable[[World], Request]:
    """A refresh with a token that was used so often, and that long ago."""

    def prepare(world: World) -> Request:
        refresh = {"refresh_token": world.client.log_in()["refresh_token"]}
        for _ in range(times):
            assert world.client.post("/auth/refresh", refresh).status == 200
        world.clock.step(seconds=seconds)
        return _ask("/auth/refresh", **refresh)

    return prepare


def _logged_out(target: str) -> Callable[[World], Request]:
    def prepare(world: World) -> Request:
        token = world.client.register()
        assert world.client.post("/auth/logout", token=token).status == 200
        return _ask(target, token=token)

    return prepare


def _one_of_ones_sessions(world: World) -> Request:
    token_set = world.client.log_in()
    return _ask(f"/auth/sessions/{token_set['session_id']}", token=token_set["Authorization"])


def _much_metadata(world: World) -> Request:
    metadata = {"S": json.dumps({"a": "x" * 1_200})}
    return _ask("/user/me", token=world.with_row(world.client.register(), metadata=metadata))


def _the_last_admin(**data: Any) -> Callable[[World], Request]:
    return lambda world: _ask("/user/me", token=world.client.register_admin(1), **data)


def _one_of_two_admins(**data: Any) -> Callable[[World], Request]:
    def prepare(world: World) -> Request:
        world.client.register_admin(3)
        return _ask("/user/me", token=world.client.register_admin(1), **data)

    return prepare


def _asking_for_a_mail(route: str, email: str, *, before: int = 0) -> Callable[[World], Request]:
    def prepare(world: World) -> Request:
        if before:
            world.set_up(mails_per_hour=before)
        world.client.register()
        for _ in range(before):
            assert world.client.post(route, {"email": email}).status == 202
        return _ask(route, email=email)

    return prepare


def _of_link_that_is_late(world: World) -> dict[str, str]:
    """Somebody else has the address by now."""
    token = world.mail_for(Purpose.CONFIRM)
    registration = a_registration(2, email="new@example.com")
    assert world.client.post("/user", registration).status == 201
    return {"token": token}


def _json(route: str, fields: Callable[[World], dict[str, str]]) -> Callable[[World], Request]:
    return lambda world: (route, {"data": fields(world)})


def _form(route: str, fields: Callable[[World], dict[str, str]]) -> Callable[[World], Request]:
    return lambda world: (route, {"body": urlencode(fields(world)), "headers": _FORM})


def _of_link(purpose: Purpose, **more: str) -> Callable[[World], dict[str, str]]:
    return lambda world: {"token": world.mail_for(purpose), **more}


def _of_no_link(**more: str) -> Callable[[World], dict[str, str]]:
    return lambda _: {"token": A_LINK, **more}


def _registering_again(world: World) -> Request:
    world.client.register()
    return ("/user", {"data": a_registration()})


def _taking_a_username(world: World) -> Request:
    world.other()
    return _ask("/user/me", token=world.client.register(), username="User 2")


_CONFIRMED = "BatchGetItem UpdateItem TransactWriteItems"
"""The password that whoever is logged in has to show: read, counted, and counted no more."""
_REMOVED = "TransactWriteItems Query BatchWriteItem"
"""The user and the markers, and then the sessions."""

SCENARIOS: tuple[Scenario, ...] = (
    _public(
        "POST /user",
        "done",
        201,
        "TransactWriteItems",
        lambda _: ("/user", {"data": a_registration()}),
    ),
    _public("POST /user", "the email is taken", 409, "TransactWriteItems", _registering_again),
    _public(
        "POST /user",
        "the password is common",
        400,
        "",
        lambda _: ("/user", {"data": a_registration(password=COMMON)}),
    ),
    _public(
        "POST /user",
        "not valid",
        400,
        "",
        lambda _: ("/user", {"data": a_registration(email="nonsense")}),
    ),
    _authorized("GET /user", "a page", 200, "Query Query Query Query", _by_admin("/user")),
    _authorized(
        "GET /user", "by email", 200, "GetItem GetItem", _by_admin(f"/user?email={OTHERS}")
    ),
    _authorized(
        "GET /user",
        "by email and username",
        200,
        "GetItem GetItem GetItem GetItem",
        _by_admin(f"/user?email={OTHERS}&username=User%202"),
    ),
    _authorized(
        "GET /user", "by email, nobody", 200, "GetItem", _by_admin(f"/user?email={NOBODYS}")
    ),
    _authorized("GET /user", "not valid", 400, "", _by_admin("/user?cursor=x")),
    _authorized("GET /user", "not an admin", 403, "", _by_owner("/user")),
    _authorized("GET /user/{public_id}", "oneself", 200, "", _by_owner("/user/me")),
    _authorized(
        "GET /user/{public_id}", "oneself, with much metadata", 200, "GetItem", _much_metadata
    ),
    _authorized(
        "GET /user/{public_id}", "somebody else", 200, "GetItem", _by_stranger("/user/{other}")
    ),
    _authorized("GET /user/{public_id}", "nobody", 404, "GetItem", _by_owner(f"/user/{NOBODY}")),
    _authorized("GET /user/{public_id}", "no identifier", 404, "", _by_owner("/user/nobody")),
    _refused("without a token", None, _get("/user/me")),
    _refused("with a token that is none", "", lambda _: _ask("/user/me", token="a.b.c")),
    _refused("with a token that was revoked", "BatchGetItem", _logged_out("/user/me")),
    _authorized(
        "PATCH /user/{public_id}",
        "username",
        200,
        "TransactWriteItems GetItem",
        _by_owner("/user/me", username="Zoë"),
    ),
    _authorized(
        "PATCH /user/{public_id}",
        "metadata",
        200,
        "TransactWriteItems GetItem",
        _by_owner("/user/me", metadata={"a": 1}),
    ),
    _authorized(
        "PATCH /user/{public_id}",
        "email",
        200,
        f"{_CONFIRMED} UpdateItem UpdateItem UpdateItem TransactWriteItems",
        _by_owner("/user/me", email="new@example.com", current_password=PASSWORD),
    ),
    _authorized(
        "PATCH /user/{public_id}",
        "email, with a wrong password",
        403,
        "BatchGetItem UpdateItem TransactWriteItems UpdateItem",
        _by_owner("/user/me", email="new@example.com", current_password="wrong"),
    ),
    _authorized(
        "PATCH /user/{public_id}",
        "somebody else's username",
        200,
        "GetItem TransactWriteItems GetItem",
        _by_admin("/user/{other}", username="Zoë"),
    ),
    _authorized(
        "PATCH /user/{public_id}",
        "making somebody an admin",
        200,
        "TransactWriteItems GetItem",
        _by_admin("/user/{other}", admin=True),
    ),
    _authorized(
        "PATCH /user/{public_id}",
        "disabling somebody",
        200,
        "TransactWriteItems GetItem",
        _by_admin("/user/{other}", disabled=True),
    ),
    _authorized(
        "PATCH /user/{public_id}",
        "asking somebody for a new password",
        200,
        "TransactWriteItems GetItem",
        _by_admin("/user/{other}", password_change_required=True),
    ),
    _authorized(
        "PATCH /user/{public_id}",
        "being an admin no longer",
        200,
        "Query Query TransactWriteItems GetItem",
        _one_of_two_admins(admin=False),
    ),
    _authorized(
        "PATCH /user/{public_id}",
        "the last admin",
        409,
        "Query Query Query Query",
        _the_last_admin(admin=False),
    ),
    _authorized(
        "PATCH /user/{public_id}",
        "the username is taken",
        409,
        "TransactWriteItems",
        _taking_a_username,
    ),
    _authorized(
        "PATCH /user/{public_id}", "not valid", 400, "", _by_owner("/user/me", username="")
    ),
    _authorized(
        "PATCH /user/{public_id}",
        "not allowed",
        403,
        "",
        _by_stranger("/user/{other}", username="Zoë"),
    ),
    _authorized(
        "PATCH /user/{public_id}",
        "nobody",
        404,
        "TransactWriteItems",
        _by_admin(f"/user/{NOBODY}", admin=True),
    ),
    _authorized(
        "DELETE /user/{public_id}",
        "oneself",
        200,
        f"{_CONFIRMED} GetItem {_REMOVED}",
        _by_owner("/user/me", current_password=PASSWORD),
    ),
    _authorized(
        "DELETE /user/{public_id}",
        "oneself, one of two admins",
        200,
        f"{_CONFIRMED} GetItem Query Query {_REMOVED}",
        _one_of_two_admins(current_password=PASSWORD),
    ),
    _authorized(
        "DELETE /user/{public_id}",
        "by an admin",
        200,
        "GetItem TransactWriteItems Query BatchWriteItem",
        _by_admin("/user/{other}"),
    ),
    _authorized(
        "DELETE /user/{public_id}",
        "the last admin",
        409,
        "BatchGetItem UpdateItem TransactWriteItems GetItem Query Query Query Query",
        _the_last_admin(current_password=PASSWORD),
    ),
    _authorized(
        "DELETE /user/{public_id}",
        "a wrong password",
        403,
        "BatchGetItem UpdateItem TransactWriteItems UpdateItem",
        _by_owner("/user/me", current_password="wrong"),
    ),
    _authorized("DELETE /user/{public_id}", "not allowed", 403, "", _by_stranger("/user/{other}")),
    _authorized("DELETE /user/{public_id}", "nobody", 404, "GetItem", _by_admin(f"/user/{NOBODY}")),
    _authorized(
        "GET /user/{public_id}/activity", "a page", 200, "Query", _by_owner("/user/me/activity")
    ),
    _authorized(
        "GET /user/{public_id}/activity",
        "somebody else's",
        200,
        "Query",
        _by_admin("/user/{other}/activity"),
    ),
    _authorized(
        "GET /user/{public_id}/activity",
        "not allowed",
        403,
        "",
        _by_stranger("/user/{other}/activity"),
    ),
    _authorized(
        "GET /user/{public_id}/activity",
        "nobody",
        404,
        "Query GetItem",
        _by_admin(f"/user/{NOBODY}/activity"),
    ),
    _authorized(
        "GET /user/{public_id}/export",
        "done",
        200,
        "GetItem Query Query",
        _by_owner("/user/me/export"),
    ),
    _authorized(
        "GET /user/{public_id}/export",
        "not allowed",
        403,
        "",
        _by_stranger("/user/{other}/export"),
    ),
    _public(
        "POST /auth/login",
        "by email",
        200,
        "GetItem BatchGetItem UpdateItem TransactWriteItems",
        _logging_in(),
    ),
    _public(
        "POST /auth/login",
        "by username",
        200,
        "GetItem BatchGetItem UpdateItem TransactWriteItems",
        _named(username="User 1"),
    ),
    _public(
        "POST /auth/login",
        "with another password from now on",
        200,
        "GetItem BatchGetItem UpdateItem TransactWriteItems",
        _logging_in(new_password=CHOSEN),
    ),
    _public(
        "POST /auth/login",
        "an outdated hash is replaced",
        200,
        "GetItem BatchGetItem UpdateItem TransactWriteItems UpdateItem",
        _outdated_hash,
    ),
    _public(
        "POST /auth/login",
        "one session too many, the oldest ends",
        200,
        "GetItem BatchGetItem UpdateItem TransactWriteItems Query TransactWriteItems",
        _one_session_too_many,
    ),
    _public(
        "POST /auth/login",
        "a wrong password",
        401,
        "GetItem BatchGetItem UpdateItem TransactWriteItems UpdateItem",
        _logging_in(password="wrong"),
    ),
    _public(
        "POST /auth/login",
        "nobody",
        401,
        "GetItem BatchGetItem UpdateItem TransactWriteItems UpdateItem",
        _named(email=NOBODYS),
    ),
    _public(
        "POST /auth/login",
        "disabled",
        401,
        "GetItem BatchGetItem UpdateItem TransactWriteItems UpdateItem",
        _disabled,
    ),
    _public(
        "POST /auth/login",
        "one attempt too many",
        429,
        "GetItem BatchGetItem UpdateItem",
        _one_login_too_many(EMAIL),
    ),
    _public(
        "POST /auth/login",
        "one attempt too many, nobody",
        429,
        "GetItem BatchGetItem UpdateItem",
        _one_login_too_many(NOBODYS),
    ),
    _public(
        "POST /auth/login",
        "the email is to be verified first",
        403,
        "GetItem BatchGetItem UpdateItem TransactWriteItems",
        _unverified,
    ),
    _public(
        "POST /auth/login",
        "another password is to be chosen",
        403,
        "GetItem BatchGetItem UpdateItem TransactWriteItems",
        _marked(),
    ),
    _public(
        "POST /auth/login",
        "another password is to be chosen, and is",
        200,
        "GetItem BatchGetItem UpdateItem TransactWriteItems",
        _marked(new_password=CHOSEN),
    ),
    _public("POST /auth/login", "not valid", 400, "", lambda _: _ask("/auth/login", email=EMAIL)),
    _public("POST /auth/refresh", "done", 200, "BatchGetItem TransactWriteItems", _refreshing(0)),
    _public("POST /auth/refresh", "repeated", 200, "BatchGetItem", _refreshing(1)),
    _public(
        "POST /auth/refresh",
        "repeated too late, the session ends",
        401,
        "BatchGetItem TransactWriteItems UpdateItem",
        _refreshing(1, seconds=60),
    ),
    _public(
        "POST /auth/refresh",
        "not a token, or of no session",
        401,
        "BatchGetItem UpdateItem",
        lambda _: _ask("/auth/refresh", refresh_token="nonsense"),
    ),
    _public(
        "POST /auth/refresh",
        "not valid",
        400,
        "",
        lambda _: _ask("/auth/refresh", refresh_token=1),
    ),
    _public(
        "POST /auth/logout",
        "done",
        200,
        "BatchGetItem TransactWriteItems",
        _by_owner("/auth/logout"),
    ),
    _public(
        "POST /auth/logout", "logged out before", 401, "BatchGetItem", _logged_out("/auth/logout")
    ),
    _public("POST /auth/logout", "without a token", 401, "", _get("/auth/logout")),
    _authorized("GET /auth/sessions", "done", 200, "Query", _by_owner("/auth/sessions")),
    _authorized(
        "DELETE /auth/sessions", "done", 200, "TransactWriteItems", _by_owner("/auth/sessions")
    ),
    _authorized(
        "DELETE /auth/sessions/{session_id}",
        "done",
        200,
        "TransactWriteItems",
        _one_of_ones_sessions,
    ),
    _authorized(
        "DELETE /auth/sessions/{session_id}",
        "none of one's own",
        404,
        "TransactWriteItems",
        _by_owner(f"/auth/sessions/{NOBODY}"),
    ),
    _authorized(
        "DELETE /auth/sessions/{session_id}",
        "no identifier",
        404,
        "",
        _by_owner("/auth/sessions/nonsense"),
    ),
    _authorized(
        "DELETE /user/{public_id}/sessions",
        "done",
        200,
        "TransactWriteItems",
        _by_admin("/user/{other}/sessions"),
    ),
    _authorized(
        "DELETE /user/{public_id}/sessions",
        "not allowed",
        403,
        "",
        _by_stranger("/user/{other}/sessions"),
    ),
    _authorized(
        "DELETE /user/{public_id}/sessions",
        "nobody",
        404,
        "TransactWriteItems",
        _by_admin(f"/user/{NOBODY}/sessions"),
    ),
    _authorized(
        "POST /auth/password/change",
        "done",
        200,
        "BatchGetItem UpdateItem TransactWriteItems",
        _by_owner("/auth/password/change", current_password=PASSWORD, new_password=CHOSEN),
    ),
    _authorized(
        "POST /auth/password/change",
        "a wrong password",
        403,
        "BatchGetItem UpdateItem TransactWriteItems UpdateItem",
        _by_owner("/auth/password/change", current_password="wrong", new_password=CHOSEN),
    ),
    _authorized(
        "POST /auth/password/change",
        "the new password is common",
        400,
        "",
        _by_owner("/auth/password/change", current_password=PASSWORD, new_password=COMMON),
    ),
    _public(
        "POST /auth/password/forgot",
        "done",
        202,
        "UpdateItem UpdateItem TransactWriteItems",
        _asking_for_a_mail("/auth/password/forgot", EMAIL),
    ),
    _public(
        "POST /auth/password/forgot",
        "nobody",
        202,
        "UpdateItem UpdateItem TransactWriteItems",
        _asking_for_a_mail("/auth/password/forgot", NOBODYS),
    ),
    _public(
        "POST /auth/password/forgot",
        "one mail too many",
        429,
        "UpdateItem UpdateItem",
        _asking_for_a_mail("/auth/password/forgot", EMAIL, before=1),
    ),
    _public(
        "POST /auth/password/forgot",
        "not valid",
        400,
        "",
        lambda _: _ask("/auth/password/forgot", email="nonsense"),
    ),
    _public(
        "POST /auth/email/resend",
        "done",
        202,
        "UpdateItem UpdateItem TransactWriteItems",
        _asking_for_a_mail("/auth/email/resend", EMAIL),
    ),
    _public(
        "POST /auth/email/resend",
        "nobody",
        202,
        "UpdateItem UpdateItem TransactWriteItems",
        _asking_for_a_mail("/auth/email/resend", NOBODYS),
    ),
    _public(
        "POST /auth/email/resend",
        "one mail too many",
        429,
        "UpdateItem UpdateItem",
        _asking_for_a_mail("/auth/email/resend", EMAIL, before=1),
    ),
    _public(
        "POST /auth/email/resend",
        "not valid",
        400,
        "",
        lambda _: _ask("/auth/email/resend", email="nonsense"),
    ),
    _public(
        "POST /auth/password/reset",
        "done",
        200,
        "BatchGetItem TransactWriteItems",
        _json("/auth/password/reset", _of_link(Purpose.RESET, new_password=CHOSEN)),
    ),
    _public(
        "POST /auth/password/reset",
        "the new password is common",
        400,
        "BatchGetItem",
        _json("/auth/password/reset", _of_link(Purpose.RESET, new_password=COMMON)),
    ),
    _public(
        "POST /auth/password/reset",
        "not a token, or spent",
        400,
        "BatchGetItem UpdateItem",
        _json("/auth/password/reset", _of_no_link(new_password=CHOSEN)),
    ),
    _public(
        "POST /password/reset",
        "done",
        200,
        "BatchGetItem TransactWriteItems",
        _form("/password/reset", _of_link(Purpose.RESET, new_password=CHOSEN)),
    ),
    _public(
        "POST /password/reset",
        "the new password is common",
        400,
        "BatchGetItem",
        _form("/password/reset", _of_link(Purpose.RESET, new_password=COMMON)),
    ),
    _public(
        "POST /password/reset",
        "not a token, or spent",
        400,
        "BatchGetItem UpdateItem",
        _form("/password/reset", _of_no_link(new_password=CHOSEN)),
    ),
    _public(
        "POST /auth/email/verify",
        "one's address",
        200,
        "BatchGetItem TransactWriteItems",
        _json("/auth/email/verify", _of_link(Purpose.VERIFY)),
    ),
    _public(
        "POST /auth/email/verify",
        "a new address",
        200,
        "BatchGetItem TransactWriteItems",
        _json("/auth/email/verify", _of_link(Purpose.CONFIRM)),
    ),
    _public(
        "POST /auth/email/verify",
        "a new address, taken meanwhile",
        409,
        "BatchGetItem TransactWriteItems",
        _json("/auth/email/verify", _of_link_that_is_late),
    ),
    _public(
        "POST /auth/email/verify",
        "not a token, or spent",
        400,
        "BatchGetItem UpdateItem",
        _json("/auth/email/verify", _of_no_link()),
    ),
    _public(
        "POST /email/verify",
        "done",
        200,
        "BatchGetItem TransactWriteItems",
        _form("/email/verify", _of_link(Purpose.VERIFY)),
    ),
    _public(
        "POST /email/verify",
        "not a token, or spent",
        400,
        "BatchGetItem UpdateItem",
        _form("/email/verify", _of_no_link()),
    ),
    _public(
        "POST /email/verify",
        "a new address, taken meanwhile",
        409,
        "BatchGetItem TransactWriteItems",
        _form("/email/verify", _of_link_that_is_late),
    ),
    _public(
        "POST /email/confirm",
        "done",
        200,
        "BatchGetItem TransactWriteItems",
        _form("/email/confirm", _of_link(Purpose.CONFIRM)),
    ),
    _public(
        "POST /email/confirm",
        "taken meanwhile",
        409,
        "BatchGetItem TransactWriteItems",
        _form("/email/confirm", _of_link_that_is_late),
    ),
    _public(
        "POST /email/confirm",
        "not a token, or spent",
        400,
        "BatchGetItem UpdateItem",
        _form("/email/confirm", _of_no_link()),
    ),
    _public(
        "POST /auth/email/undo",
        "done",
        200,
        "BatchGetItem TransactWriteItems",
        _json("/auth/email/undo", _of_link(Purpose.UNDO)),
    ),
    _public(
        "POST /auth/email/undo",
        "not a token, or spent",
        400,
        "BatchGetItem UpdateItem",
        _json("/auth/email/undo", _of_no_link()),
    ),
    _public(
        "POST /email/undo",
        "done",
        200,
        "BatchGetItem TransactWriteItems",
        _form("/email/undo", _of_link(Purpose.UNDO)),
    ),
    _public(
        "POST /email/undo",
        "not a token, or spent",
        400,
        "BatchGetItem UpdateItem",
        _form("/email/undo", _of_no_link()),
    ),
    _public("GET /email/verify", "done", 200, "", _get(f"/email/verify?token={A_LINK}")),
    _public("GET /email/confirm", "done", 200, "", _get(f"/email/confirm?token={A_LINK}")),
    _public("GET /email/undo", "done", 200, "", _get(f"/email/undo?token={A_LINK}")),
    _public("GET /password/reset", "done", 200, "", _get(f"/password/reset?token={A_LINK}")),
    _public("GET /", "done", 200, "", _get("/")),
    _public("GET /openapi.json", "done", 200, "", _get("/openapi.json")),
    _public("GET /.well-known/jwks.json", "done", 200, "", _get("/.well-known/jwks.json")),
    _public(
        "GET /.well-known/openid-configuration",
        "done",
        200,
        "",
        _get("/.well-known/openid-configuration"),
    ),
    _public("GET /health", "done", 200, "", _get("/health")),
    _public("GET /docs/{name}", "done", 200, "", _get("/docs/page.js")),
    _public("GET /docs/{name}", "nothing of that name", 404, "", _get("/docs/nothing")),
)
