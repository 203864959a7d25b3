"""How often each route asks AWS. Every round trip more is a slower answer for everybody."""

from dataclasses import replace

import pytest

from chalicelib.container import Container, use
from chalicelib.domain.mailed_tokens import Purpose
from chalicelib.settings import Settings
from chalicelib.store.mailed_tokens import DynamoMailedTokenStore
from tests.api.client import Client, a_registration
from tests.aws import Wire
from tests.fakes import FakeClock
from tests.mailed import mailed
from tests.samples import PASSWORD, claims_of


@pytest.fixture
def token(client: Client, wire: Wire) -> str:
    token = client.register()
    wire.reset()
    return token


def _store(wire: Wire) -> list[str]:
    assert all(operation.startswith("dynamodb.") for operation in wire.operations)
    return [operation.removeprefix("dynamodb.") for operation in wire.operations]


def test_registering_is_one_transaction(client: Client, wire: Wire) -> None:
    client.post("/user", a_registration())
    assert _store(wire) == ["TransactWriteItems"]


def test_a_refused_registration_is_one_transaction_too(
    client: Client, token: str, wire: Wire
) -> None:
    assert client.post("/user", a_registration()).status == 409
    assert _store(wire) == ["TransactWriteItems"]
    del token


def test_a_registration_that_is_not_valid_asks_nobody(client: Client, wire: Wire) -> None:
    client.post("/user", a_registration(email="nonsense"))
    assert wire.calls == []


def test_looking_at_oneself_is_the_authorizers_one_read(
    client: Client, token: str, wire: Wire
) -> None:
    for name in ("me", claims_of(token)["sub"]):
        wire.reset()
        assert client.get(f"/user/{name}", token=token).status == 200
        (call,) = wire.calls
        assert call.operation == "dynamodb.BatchGetItem"
        tables = call.body["RequestItems"]
        assert tables.keys() == {"accounts-test-users", "accounts-test-revoked-tokens"}
        assert all(table["ConsistentRead"] is True for table in tables.values())


def test_looking_at_somebody_else_is_one_read_more(client: Client, token: str, wire: Wire) -> None:
    other = claims_of(client.register(2))["sub"]
    wire.reset()
    assert client.get(f"/user/{other}", token=token).status == 200
    assert _store(wire) == ["BatchGetItem", "GetItem"]


def test_looking_at_what_cannot_be_a_user_is_none_more(
    client: Client, token: str, wire: Wire
) -> None:
    assert client.get("/user/nobody", token=token).status == 404
    assert _store(wire) == ["BatchGetItem"]


@pytest.mark.parametrize(
    "login",
    [
        {"email": "user-1@example.com", "password": PASSWORD},
        {"username": "User 1", "password": PASSWORD},
        {"email": "user-1@example.com", "password": "wrong"},
        {"email": "nobody@example.com", "password": PASSWORD},
        {"username": "nobody", "password": PASSWORD},
    ],
    ids=str,
)
def test_a_login_is_two_reads_and_a_write_and_a_refused_one_a_count_more(
    client: Client, token: str, wire: Wire, login: dict[str, str]
) -> None:
    succeeds = login["password"] == PASSWORD and "nobody" not in str(login)
    assert (client.post("/auth/login", login).status == 200) == succeeds
    # One login in a hundred finds its session's slot taken, as this user has a session already.
    # What is written is the session; or the event, and that one more was wrong.
    assert _store(wire)[:3] == ["GetItem", "BatchGetItem", "TransactWriteItems"]
    # And that one more was wrong from here.
    assert succeeds or _store(wire)[3:] == ["UpdateItem"]
    assert wire.calls[0].body["ConsistentRead"]
    assert all(table["ConsistentRead"] for table in wire.calls[1].body["RequestItems"].values())
    del token


def test_a_refresh_is_a_read_and_a_transaction_and_a_repeated_one_a_read(
    client: Client, wire: Wire
) -> None:
    refresh = {"refresh_token": client.log_in()["refresh_token"]}
    wire.reset()
    assert client.post("/auth/refresh", refresh).status == 200
    assert _store(wire) == ["BatchGetItem", "TransactWriteItems"]
    wire.reset()
    assert client.post("/auth/refresh", refresh).status == 200
    assert _store(wire) == ["BatchGetItem"]


@pytest.mark.parametrize("text", ["", "nonsense", "rt1_" + "A" * 107], ids=len)
def test_a_bad_refresh_token_is_a_read_and_a_count_whatever_is_wrong_with_it(
    client: Client, wire: Wire, text: str
) -> None:
    assert client.post("/auth/refresh", {"refresh_token": text}).status == 401
    assert _store(wire) == ["BatchGetItem", "UpdateItem"]
    assert len(wire.calls[0].body["RequestItems"]) == 3


@pytest.mark.parametrize("name", ["user-1@example.com", "nobody@example.com"])
def test_a_login_that_is_one_too_many_is_two_reads_whoever_it_is_for(
    client: Client, token: str, wire: Wire, stage: Settings, clock: FakeClock, name: str
) -> None:
    container = Container(replace(stage, attempts_per_account=1), clock)
    container.keys.signing_key()
    use(container)
    for status in (401, 429):
        wire.reset()
        answer = client.post("/auth/login", {"email": name, "password": "wrong"})
        assert answer.status == status
    assert _store(wire) == ["GetItem", "BatchGetItem"]
    del token


def _parts(wire: Wire) -> list[tuple[str, str]]:
    """What the first transaction does, and in which table."""
    (first, *_) = (call for call in wire.calls if call.operation.endswith("TransactWriteItems"))
    return [
        (part, fields["TableName"].removeprefix("accounts-test-"))
        for item in first.body["TransactItems"]
        for part, fields in item.items()
    ]


def test_a_login_and_a_wrong_one_hold_to_the_count_in_what_they_write(
    client: Client, token: str, wire: Wire
) -> None:
    event = ("Put", "activity")
    for name in ("user-1@example.com", "nobody@example.com"):
        wire.reset()
        client.post("/auth/login", {"email": name, "password": "wrong"})
        assert _parts(wire) == [event, ("Update", "attempts")]
    wire.reset()
    client.post("/auth/login", {"email": "user-1@example.com", "password": PASSWORD})
    assert _parts(wire) == [("ConditionCheck", "attempts"), ("Put", "sessions"), event]
    del token


def test_a_known_name_is_read_with_as_many_keys_as_an_unknown_one(
    client: Client, token: str, wire: Wire
) -> None:
    asked = []
    for name in ("user-1@example.com", "nobody@example.com"):
        wire.reset()
        client.post("/auth/login", {"email": name, "password": "wrong"})
        tables = wire.calls[1].body["RequestItems"]
        asked.append({table: len(wanted["Keys"]) for table, wanted in tables.items()})
    assert asked[0] == asked[1]
    assert asked[0]["accounts-test-attempts"] == 4
    del token


def test_a_password_that_is_confirmed_is_a_read_and_a_check(
    client: Client, token: str, wire: Wire
) -> None:
    begin = ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]
    for password, rest in (
        ("wrong", ["UpdateItem"]),
        (PASSWORD, ["TransactWriteItems", "Query", "BatchWriteItem"]),
    ):
        wire.reset()
        client.delete("/user/me", {"current_password": password}, token=token)
        assert _store(wire) == [*begin, *rest]


def test_a_logout_is_a_read_and_a_transaction(client: Client, token: str, wire: Wire) -> None:
    assert client.post("/auth/logout", token=token).status == 200
    assert _store(wire) == ["BatchGetItem", "TransactWriteItems"]


@pytest.mark.parametrize(
    ("method", "target", "calls"),
    [
        ("GET", "/auth/sessions", ["Query"]),
        ("DELETE", "/auth/sessions", ["TransactWriteItems"]),
        ("DELETE", "/auth/sessions/{sid}", ["TransactWriteItems"]),
        ("DELETE", "/auth/sessions/nonsense", []),
        ("DELETE", "/user/{other}/sessions", ["TransactWriteItems"]),
        ("PATCH", "/user/{other}", ["TransactWriteItems", "GetItem"]),
        ("PATCH", "/user/{other}?", ["TransactWriteItems", "GetItem"]),
        ("DELETE", "/user/{other}", ["GetItem", "TransactWriteItems", "Query", "BatchWriteItem"]),
    ],
)
def test_what_sessions_and_rights_take_besides_the_authorizers_read(
    client: Client, wire: Wire, method: str, target: str, calls: list[str]
) -> None:
    other = claims_of(client.register(2))["sub"]
    admin = client.register_admin(1)
    wire.reset()
    path = target.format(other=other, sid=claims_of(admin)["sid"])
    # To give a right, or to take one away.
    data = {"admin": not path.endswith("?")} if method == "PATCH" else None
    client.send(method, path, data=data, token=admin)
    assert _store(wire) == ["BatchGetItem", *calls]


@pytest.mark.parametrize(
    ("body", "calls"),
    [
        ({"username": "Zoë"}, ["TransactWriteItems", "GetItem"]),
        ({"username": "USER 1"}, ["TransactWriteItems", "GetItem"]),
        ({"metadata": {"a": 1}}, ["TransactWriteItems", "GetItem"]),
        ({"username": "Zoë", "metadata": {"a": 1}}, ["TransactWriteItems", "GetItem"]),
        ({"username": "User 2"}, ["TransactWriteItems"]),
        ({"username": "Zoë", "admin": True}, []),
        ({"username": ""}, []),
    ],
    ids=str,
)
def test_a_change_of_oneself_is_a_transaction_and_a_read(
    client: Client, token: str, wire: Wire, body: dict[str, object], calls: list[str]
) -> None:
    client.register(2)
    wire.reset()
    client.patch("/user/me", body, token=token)
    assert _store(wire) == ["BatchGetItem", *calls]


def test_an_admin_who_renames_somebody_reads_them_first(client: Client, wire: Wire) -> None:
    other = claims_of(client.register(2))["sub"]
    admin = client.register_admin(1)
    wire.reset()
    assert client.patch(f"/user/{other}", {"username": "Zoë"}, token=admin).status == 200
    assert _store(wire) == ["BatchGetItem", "GetItem", "TransactWriteItems", "GetItem"]


@pytest.mark.parametrize(("letters", "calls"), [(1_000, []), (1_200, ["GetItem"])])
def test_large_metadata_is_one_read_more_for_its_owner_alone(
    client: Client, token: str, wire: Wire, letters: int, calls: list[str]
) -> None:
    metadata = {"a": "x" * letters}
    assert client.patch("/user/me", {"metadata": metadata}, token=token).status == 200
    for name in ("me", claims_of(token)["sub"]):
        wire.reset()
        assert client.get(f"/user/{name}", token=token).json()["metadata"] == metadata
        assert _store(wire) == ["BatchGetItem", *calls]
    wire.reset()
    client.get("/auth/sessions", token=token)
    assert _store(wire) == ["BatchGetItem", "Query"]


def test_activity_is_one_query_and_an_export_two_and_a_read(
    client: Client, token: str, wire: Wire
) -> None:
    for target, calls in (
        ("/user/me/activity", ["Query"]),
        ("/user/me/export", ["GetItem", "Query", "Query"]),
    ):
        wire.reset()
        assert client.get(target, token=token).status == 200
        assert _store(wire) == ["BatchGetItem", *calls]


def test_activity_of_nobody_is_a_read_more(client: Client, wire: Wire) -> None:
    admin = client.register_admin(1)
    for whose, calls in (
        ("00000000-0000-4000-8000-000000000000", ["Query", "GetItem"]),
        ("nobody", []),
    ):
        wire.reset()
        assert client.get(f"/user/{whose}/activity", token=admin).status == 404
        assert _store(wire) == ["BatchGetItem", *calls]


def test_what_is_not_for_the_caller_is_not_read(client: Client, token: str, wire: Wire) -> None:
    other = claims_of(client.register(2))["sub"]
    for target in (f"/user/{other}/activity", f"/user/{other}/export"):
        wire.reset()
        assert client.get(target, token=token).status == 403
        assert _store(wire) == ["BatchGetItem"]


def test_a_login_that_has_to_choose_another_password_is_checked_before_it_is_told(
    client: Client, token: str, wire: Wire
) -> None:
    other = claims_of(token)["sub"]
    admin = client.register_admin(2)
    client.patch(f"/user/{other}", {"password_change_required": True}, token=admin)
    login = {"email": "user-1@example.com", "password": PASSWORD}
    told = ["GetItem", "BatchGetItem", "TransactWriteItems"]
    for more, status, calls in (
        ({}, 403, told),
        ({"new_password": PASSWORD}, 400, told),
        ({"new_password": "another horse"}, 200, [*told, "TransactWriteItems"]),
    ):
        wire.reset()
        assert client.post("/auth/login", {**login, **more}).status == status
        assert _store(wire) == calls


def test_a_new_password_is_a_read_and_a_transaction_besides_the_authorizers(
    client: Client, token: str, wire: Wire
) -> None:
    passwords = {"current_password": PASSWORD, "new_password": "another horse"}
    assert client.post("/auth/password/change", passwords, token=token).status == 200
    assert _store(wire) == ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]


@pytest.mark.parametrize("email", ["user-1@example.com", "nobody@example.com"])
@pytest.mark.parametrize("route", ["/auth/password/forgot", "/auth/email/resend"])
def test_asking_for_a_mail_is_two_counts_and_a_message_whoever_it_is_for(
    client: Client, token: str, wire: Wire, route: str, email: str
) -> None:
    assert client.post(route, {"email": email}).status == 202
    assert _store(wire) == ["UpdateItem", "UpdateItem", "TransactWriteItems"]
    (put,) = wire.calls[-1].body["TransactItems"]
    assert put["Put"]["TableName"] == "accounts-test-outbox"
    del token


def test_a_mailed_token_is_a_read_and_a_transaction_and_a_bad_one_a_read_and_a_count(
    client: Client, token: str, wire: Wire
) -> None:
    owner = claims_of(token)["sub"]
    for purpose, route in ((Purpose.VERIFY, "email/verify"), (Purpose.RESET, "password/reset")):
        text, record = mailed(owner, purpose, "user-1@example.com")
        DynamoMailedTokenStore().add(record)
        more = {"new_password": "another horse"} if purpose is Purpose.RESET else {}
        for status, last in ((200, "TransactWriteItems"), (400, "UpdateItem")):
            wire.reset()
            answer = client.post(f"/auth/{route}", {"token": text, **more})
            assert answer.status == status
            assert _store(wire) == ["BatchGetItem", last]


@pytest.mark.parametrize("text", ["", "nonsense", "mt1_" + "A" * 64], ids=len)
def test_a_bad_mailed_token_is_a_read_and_a_count_whatever_is_wrong_with_it(
    client: Client, wire: Wire, text: str
) -> None:
    for route, more in (
        ("email/verify", {}),
        ("email/undo", {}),
        ("password/reset", {"new_password": "another horse"}),
    ):
        wire.reset()
        assert client.post(f"/auth/{route}", {"token": text, **more}).status == 400
        assert _store(wire) == ["BatchGetItem", "UpdateItem"]
        assert len(wire.calls[0].body["RequestItems"]) == 1


def test_wanting_another_address_is_a_confirmed_password_three_counts_and_a_transaction(
    client: Client, token: str, wire: Wire
) -> None:
    wish = {"email": "new@example.com", "current_password": PASSWORD}
    assert client.patch("/user/me", wish, token=token).status == 200
    confirmed = ["BatchGetItem", "BatchGetItem", "TransactWriteItems"]
    counted = ["UpdateItem"] * 3
    assert _store(wire) == [*confirmed, *counted, "TransactWriteItems"]


@pytest.mark.parametrize("header", ["", "nonsense", "Bearer a.b.c"])
def test_a_token_that_is_none_is_refused_without_asking_anybody(
    client: Client, wire: Wire, header: str
) -> None:
    client.get("/user/me", headers={"Authorization": header})
    client.post("/auth/logout", headers={"Authorization": header})
    assert wire.calls == []


def test_a_list_reads_each_part_of_the_index_once(client: Client, wire: Wire) -> None:
    admin = client.register_admin()
    wire.reset()
    assert client.get("/user", token=admin).status == 200
    assert _store(wire) == ["BatchGetItem"] + ["Query"] * 4


def test_a_list_for_somebody_else_than_an_admin_reads_nothing(
    client: Client, token: str, wire: Wire
) -> None:
    for target in ("/user", "/user?email=user-1@example.com", "/user?cursor=x"):
        wire.reset()
        assert client.get(target, token=token).status == 403
        assert _store(wire) == ["BatchGetItem"]


def test_finding_a_user_is_two_reads_a_name(client: Client, wire: Wire) -> None:
    admin = client.register_admin(1)
    wire.reset()
    client.get("/user?email=user-1@example.com&username=User%201", token=admin)
    assert _store(wire) == ["BatchGetItem"] + ["GetItem"] * 4


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/health",
        "/openapi.json",
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
    ],
)
def test_a_public_document_asks_nobody(client: Client, wire: Wire, target: str) -> None:
    assert client.get(target).status == 200
    assert wire.calls == []
