"""`/user`: registering and looking."""

import json
import secrets

import pytest

from tests.contract.client import PASSWORD, Client, Person


def test_registering_logs_in(api: Client) -> None:
    answer = api.register().registration
    assert answer.status_code == 201
    body = answer.json()
    assert body["status"] == "success"
    assert body["message"] == "Successfully registered."
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 900
    assert api.get("/user/me", token=body["Authorization"]).status_code == 200


def test_what_was_registered_is_shown_as_it_was_given(api: Client) -> None:
    person = api.register(username="Zoë " + str(id(object())))
    shown = api.get("/user/me", token=person.token).json()
    assert shown["username"] == person.username
    assert shown["email"] == person.email
    assert shown["registered_on"].endswith("Z")
    assert shown["admin"] is False
    assert not {"password", "password_hash"} & shown.keys()


@pytest.mark.parametrize("taken", ["email", "username"])
@pytest.mark.parametrize("spelling", [str.upper, str.title, str])
def test_a_name_is_taken_in_every_spelling(
    api: Client, person: Person, taken: str, spelling: type[str]
) -> None:
    given = {"email": "new@example.com", "username": "somebody new", "password": PASSWORD}
    given[taken] = spelling(getattr(person, taken))
    answer = api.post("/user", json=given)
    assert answer.status_code == 409
    assert answer.json()["code"] == f"{taken}_taken"
    assert answer.json()["message"] == "User already exists. Please Log in."


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({}, {"email", "username", "password"}),
        ({"email": "a@example.com", "username": "a", "password": "short"}, {"password"}),
        ({"email": "a@example.com", "username": "a", "password": "password123"}, {"password"}),
        ({"email": "somebody@example.com", "username": "a", "password": "Somebody"}, {"password"}),
        ({"email": "nobody", "username": "a", "password": PASSWORD}, {"email"}),
        (
            {"email": "a@example.com", "username": "a", "password": PASSWORD, "admin": True},
            {"admin"},
        ),
        ({"email": 1, "username": None, "password": []}, {"email", "username", "password"}),
    ],
)
def test_a_registration_names_every_field_at_fault(
    api: Client, given: dict[str, object], fields: set[str]
) -> None:
    answer = api.post("/user", json=given)
    assert answer.status_code == 400
    assert answer.json()["message"] == "Input payload validation failed"
    assert answer.json()["errors"].keys() == fields
    assert PASSWORD not in answer.text


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"text"', b'{"a": NaN}', b"\xff", b"[" * 5_000]
)
def test_a_body_that_is_no_json_object_is_refused(api: Client, body: bytes) -> None:
    answer = api.post("/user", body=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["status"] == "fail"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "message/rfc822",
        "multipart/form-data",
        "multipart/form-data; boundary=part",
    ],
)
def test_a_body_that_is_not_called_json_is_refused(api: Client, content_type: str) -> None:
    answer = api.post("/user", body=b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"


def test_json_is_json_in_any_spelling_of_its_type(api: Client, person: Person) -> None:
    credentials = {"email": person.email, "password": person.password}
    answer = api.post(
        "/auth/login",
        body=json.dumps(credentials).encode(),
        headers={"Content-Type": "Application/JSON; charset=utf-8"},
    )
    assert answer.status_code == 200


def test_a_body_over_64_kib_is_refused(api: Client) -> None:
    answer = api.post("/user", json={"email": "a" * 65_536})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_another_user_sees_less(api: Client, person: Person) -> None:
    other = api.register()
    public_id = api.get("/user/me", token=person.token).json()["public_id"]
    shown = api.get(f"/user/{public_id}", token=other.token).json()
    assert shown["username"] == person.username
    assert not {"email", "admin", "disabled", "email_verified", "metadata"} & shown.keys()


@pytest.mark.parametrize("public_id", ["00000000-0000-4000-8000-000000000000", "x", "a%20b"])
def test_nobody_has_an_unknown_identifier(api: Client, person: Person, public_id: str) -> None:
    answer = api.get(f"/user/{public_id}", token=person.token)
    assert (answer.status_code, answer.json()["code"]) == (404, "user_not_found")


def test_the_list_is_for_admins(api: Client, person: Person) -> None:
    answer = api.get("/user?limit=10", token=person.token)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=1&limit=2"])
def test_a_list_without_sense_is_refused(api: Client, person: Person, query: str) -> None:
    answer = api.get(f"/user?{query}", token=person.token)
    assert answer.status_code == 400
    assert answer.json()["errors"].keys() == {"limit"}


def test_a_username_and_metadata_are_changed_together(api: Client) -> None:
    person = api.register()
    username = f"Zoë {secrets.token_hex(8)}"
    metadata = {"a": None, "": [1, 1.5, "🦊"], "large": "x" * 3_000}
    given = {"username": username, "metadata": metadata}
    answer = api.patch("/user/me", json=given, token=person.token)
    assert answer.status_code == 200, answer.text
    shown = api.get("/user/me", token=person.token).json()
    assert (shown["username"], shown["metadata"]) == (username, metadata)
    assert answer.json() == shown
    login = {"username": username.upper(), "password": PASSWORD}
    assert api.post("/auth/login", json=login).status_code == 200
    api.register(username=person.username)


def test_a_username_is_taken_for_those_who_change_theirs(api: Client, person: Person) -> None:
    other = api.register()
    answer = api.patch(
        "/user/me", json={"username": other.username.upper(), "metadata": {}}, token=person.token
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "username_taken")


@pytest.mark.parametrize("right", ["admin", "disabled", "password_change_required"])
def test_nobody_gives_themselves_a_right(api: Client, person: Person, right: str) -> None:
    given = {"username": "somebody new", right: True}
    answer = api.patch("/user/me", json=given, token=person.token)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert api.get("/user/me", token=person.token).json()["username"] == person.username


def test_metadata_of_more_than_4096_octets_is_refused(api: Client, person: Person) -> None:
    given = {"metadata": {"a": "x" * 4_096}}
    answer = api.patch("/user/me", json=given, token=person.token)
    assert answer.status_code == 400
    assert answer.json()["errors"].keys() == {"metadata"}


def test_what_was_changed_is_in_ones_activity_and_export(api: Client) -> None:
    person = api.register()
    username = f"Zoë {secrets.token_hex(8)}"
    for name in (username, person.username):
        api.patch("/user/me", json={"username": name}, token=person.token)
    page = api.get("/user/me/activity?limit=1", token=person.token).json()
    (last,) = page["data"]
    assert last["event"] == "username_changed"
    assert last["changed"] == {"from": username, "to": person.username}
    assert last["ip"]
    following = api.get(
        f"/user/me/activity?limit=1&cursor={page['next_cursor']}", token=person.token
    ).json()
    assert following["data"][0]["changed"]["to"] == username
    answer = api.get("/user/me/export", token=person.token)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="account.json"'
    export = answer.json()
    assert export["user"]["email"] == person.email
    assert last in export["activity"]["data"]
    assert [session["current"] for session in export["sessions"]] == [True]


def test_activity_and_export_are_nobody_elses(api: Client, person: Person) -> None:
    other = api.get("/user/me", token=api.register().token).json()["public_id"]
    for what in ("activity", "export"):
        answer = api.get(f"/user/{other}/{what}", token=person.token)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
