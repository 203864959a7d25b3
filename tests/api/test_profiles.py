"""`PATCH /user/{public_id}`: what users change of themselves, and admins of anybody."""

import json
from typing import Any

import pytest

from tests.api.client import Client
from tests.aws import ACTIVITY, Cloud
from tests.samples import PASSWORD, claims_of


@pytest.fixture
def token(client: Client) -> str:
    return client.register(1)


def _me(client: Client, token: str) -> Any:
    return client.get("/user/me", token=token).json()


def test_a_user_changes_their_username_and_goes_on(client: Client, token: str) -> None:
    answer = client.patch("/user/me", {"username": "Zoë"}, token=token)
    assert answer.status == 200
    assert answer.json() == _me(client, token) == {**answer.json(), "username": "Zoë"}
    login = {"username": "ZOË", "password": PASSWORD}
    assert client.post("/auth/login", login).status == 200
    login["username"] = "User 1"
    assert client.post("/auth/login", login).status == 401
    assert (
        client.post(
            "/user", {"email": "new@example.com", "username": "User 1", "password": PASSWORD}
        ).status
        == 201
    ), "the old one is free"


@pytest.mark.parametrize("spelling", ["User 2", "USER 2", "user \uff12"])
def test_a_username_that_another_has_is_taken(client: Client, token: str, spelling: str) -> None:
    client.register(2)
    answer = client.patch("/user/me", {"username": spelling, "metadata": {"a": 1}}, token=token)
    assert (answer.status, answer.json()["code"]) == (409, "username_taken")
    assert _me(client, token)["username"] == "User 1"
    assert _me(client, token)["metadata"] == {}


@pytest.mark.parametrize("spelling", ["USER 1", "User 1", "user \uff11"])
def test_ones_own_username_is_spelt_anew(client: Client, token: str, spelling: str) -> None:
    for _ in range(2):
        answer = client.patch("/user/me", {"username": spelling}, token=token)
        assert (answer.status, answer.json()["username"]) == (200, spelling)


@pytest.mark.parametrize(
    "metadata",
    [
        "{}",
        '{"a":null,"b":[],"":{"":""},"c":false}',
        '{"big":12345678901234567890123456789,"negative":-9223372036854775809}',
        '{"a":1,"b":1.0,"c":-0.0,"d":1e-300,"e":0.1}',
        '{"ключ":["🦊","\\u0000","\u2028"]}',
        '{"__proto__":1,"public_id":"x","admin":true}',
        '{"a":' + "[" * 29 + "]" * 29 + "}",
    ],
    ids=lambda text: text[:30],
)
def test_metadata_is_answered_as_it_was_sent(client: Client, token: str, metadata: str) -> None:
    body = '{"metadata":' + metadata + "}"
    headers = {"Content-Type": "application/json"}
    answer = client.send("PATCH", "/user/me", body=body, headers=headers, token=token)
    assert answer.status == 200
    # As text, since 1 and 1.0 are one number to Python.
    for text in (answer.text, client.get("/user/me", token=token).text):
        kept = json.loads(text)["metadata"]
        assert repr(kept) == repr(json.loads(metadata))


def test_metadata_is_replaced_whole(client: Client, token: str) -> None:
    client.patch("/user/me", {"metadata": {"a": 1, "b": 2}}, token=token)
    client.patch("/user/me", {"metadata": {"b": 3}}, token=token)
    assert _me(client, token)["metadata"] == {"b": 3}


@pytest.mark.parametrize("letter", ["a", "ö", "🦊", '"'])
def test_metadata_has_at_most_4096_octets(client: Client, token: str, letter: str) -> None:
    size = len(json.dumps(letter, ensure_ascii=False).encode()) - 2
    most = (4_096 - len('{"":""}')) // size
    whole = {"": letter * most}
    assert client.patch("/user/me", {"metadata": whole}, token=token).status == 200
    assert _me(client, token)["metadata"] == whole
    answer = client.patch("/user/me", {"metadata": {"": letter * (most + 1)}}, token=token)
    assert answer.status == 400
    assert answer.json()["errors"] == {"metadata": "Must have at most 4096 octets of JSON."}
    assert _me(client, token)["metadata"] == whole


def test_other_routes_work_whatever_the_metadata(client: Client, token: str) -> None:
    client.patch("/user/me", {"metadata": {"a": "ö" * 2_000}}, token=token)
    for target in ("/user/me/activity", "/user/me/export", "/auth/sessions"):
        assert client.get(target, token=token).status == 200
    changed = client.patch("/user/me", {"username": "Zoë"}, token=token).json()
    assert changed["metadata"] == {"a": "ö" * 2_000}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"metadata": None}, {"metadata"}),
        ({"metadata": []}, {"metadata"}),
        ({"metadata": "{}"}, {"metadata"}),
        ({"metadata": 5}, {"metadata"}),
        ({"username": None}, {"username"}),
        ({"username": ""}, {"username"}),
        ({"username": "a" * 65}, {"username"}),
        ({"username": "zero\u200bwidth"}, {"username"}),
        ({"username": "Zoë", "metadata": 1, "admin": "yes"}, {"metadata", "admin"}),
        ({"password_change_required": 1}, {"password_change_required"}),
        ({"public_id": "x"}, {"public_id"}),
        ({"email_verified": True}, {"email_verified"}),
        ({"token_version": 9}, {"token_version"}),
        ({}, {"body"}),
    ],
    ids=str,
)
def test_a_change_names_every_field_at_fault(
    client: Client, token: str, body: dict[str, object], fields: set[str]
) -> None:
    before = _me(client, token)
    answer = client.patch("/user/me", body, token=token)
    assert answer.status == 400
    assert answer.json()["errors"].keys() == fields
    assert _me(client, token) == before


@pytest.mark.parametrize("number", ["NaN", "1e400", "1" * 5_000])
def test_what_is_no_number_is_no_metadata(client: Client, token: str, number: str) -> None:
    body = '{"metadata": {"a": ' + number + "}}"
    headers = {"Content-Type": "application/json"}
    assert client.send("PATCH", "/user/me", body=body, headers=headers, token=token).status == 400


@pytest.mark.parametrize("right", ["admin", "disabled", "password_change_required"])
def test_a_right_among_the_fields_refuses_them_all(
    client: Client, token: str, cloud: Cloud, right: str
) -> None:
    before, kept = _me(client, token), cloud.rows(ACTIVITY)
    body = {"username": "Zoë", "metadata": {"a": 1}, right: True}
    answer = client.patch("/user/me", body, token=token)
    assert (answer.status, answer.json()["code"]) == (403, "not_allowed")
    assert _me(client, token) == before
    assert cloud.rows(ACTIVITY) == kept


def test_others_are_an_admins_to_change(client: Client, token: str) -> None:
    other = claims_of(client.register(2))["sub"]
    for whose in (other, "00000000-0000-4000-8000-000000000000"):
        for name, value in (("username", "Zoë"), ("metadata", {"a": 1})):
            answer = client.patch(f"/user/{whose}", {name: value}, token=token)
            assert answer.status == 403
    admin = client.register_admin()
    answer = client.patch(
        f"/user/{other}", {"username": "Zoë", "metadata": {"a": 1}, "admin": True}, token=admin
    ).json()
    assert (answer["username"], answer["metadata"], answer["admin"]) == ("Zoë", {"a": 1}, True)
    for nobody in ("00000000-0000-4000-8000-000000000000", "nobody"):
        answer = client.patch(f"/user/{nobody}", {"username": "Anna"}, token=admin)
        assert (answer.status, answer.json()["code"]) == (404, "user_not_found")


def test_an_account_with_another_username_is_closed_with_it(client: Client, token: str) -> None:
    client.patch("/user/me", {"username": "Zoë"}, token=token)
    assert client.delete("/user/me", {"current_password": PASSWORD}, token=token).status == 200
    client.register(1, username="Zoë")


# A change of the password that an admin requires


@pytest.fixture
def required(client: Client, token: str) -> str:
    """The identifier of a user who has to choose another password."""
    public_id = str(claims_of(token)["sub"])
    admin = client.register_admin()
    change = {"password_change_required": True}
    answer = client.patch(f"/user/{public_id}", change, token=admin)
    assert (answer.status, answer.json()["password_change_required"]) == (200, True)
    return public_id


LOGIN = {"email": "user-1@example.com", "password": PASSWORD}
NEW = "a better horse"


@pytest.mark.usefixtures("required")
def test_all_sessions_of_whoever_has_to_choose_another_password_have_ended(
    client: Client, token: str
) -> None:
    assert client.get("/user/me", token=token).status == 401


@pytest.mark.usefixtures("required")
def test_a_login_asks_for_another_password_and_takes_it_in_the_same_step(client: Client) -> None:
    answer = client.post("/auth/login", LOGIN)
    assert (answer.status, answer.json()["code"]) == (403, "password_change_required")
    assert answer.json()["message"].startswith("Choose a new password")
    for refused in (PASSWORD, "password123", "short"):
        answer = client.post("/auth/login", {**LOGIN, "new_password": refused})
        assert answer.status == 400
        assert answer.json()["errors"].keys() == {"new_password"}


@pytest.mark.usefixtures("required")
def test_whoever_chooses_another_password_is_logged_in(client: Client) -> None:
    answer = client.post("/auth/login", {**LOGIN, "new_password": NEW})
    assert answer.status == 200
    token = answer.json()["Authorization"]
    assert _me(client, token)["password_change_required"] is False
    refresh = {"refresh_token": answer.json()["refresh_token"]}
    assert client.post("/auth/refresh", refresh).status == 200
    assert client.post("/auth/login", LOGIN).status == 401
    assert client.post("/auth/login", {**LOGIN, "password": NEW}).status == 200
    events = client.get("/user/me/activity", token=token).json()["data"]
    told = [event["event"] for event in events]
    assert {"password_changed", "logged_in", "password_change_required"} <= set(told)


@pytest.mark.usefixtures("required")
@pytest.mark.parametrize("more", [{}, {"new_password": NEW}])
def test_a_wrong_password_learns_nothing_of_it(client: Client, more: dict[str, str]) -> None:
    answer = client.post("/auth/login", {**LOGIN, **more, "password": "wrong password"})
    unknown = client.post(
        "/auth/login", {"email": "nobody@example.com", "password": PASSWORD, **more}
    )
    assert answer.status == unknown.status == 401
    assert answer.json() == unknown.json()


def test_an_admin_takes_the_demand_back(client: Client, required: str) -> None:
    admin = client.log_in(99)["Authorization"]
    change = {"password_change_required": False}
    assert client.patch(f"/user/{required}", change, token=admin).status == 200
    assert client.post("/auth/login", LOGIN).status == 200


def test_a_list_does_not_tell_and_a_look_does(client: Client, required: str) -> None:
    admin = client.log_in(99)["Authorization"]
    assert client.get(f"/user/{required}", token=admin).json()["password_change_required"] is True
    for query in ("", "?email=user-1@example.com"):
        for user in client.get(f"/user{query}", token=admin).json()["data"]:
            assert "password_change_required" not in user
