"""`/auth`: logging in, staying so, and out; sessions; the password; closing an account."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract.client import PASSWORD, Client, Person

CLIENTS = 4
"""As many function processes, where the API is deployed: few enough to start within the grace."""


@pytest.mark.parametrize("name", ["email", "username"])
def test_either_name_logs_in(api: Client, person: Person, name: str) -> None:
    credentials = {name: getattr(person, name).upper(), "password": person.password}
    answer = api.post("/auth/login", json=credentials)
    assert answer.status_code == 200
    assert answer.json()["message"] == "Successfully logged in."
    assert api.get("/user/me", token=answer.json()["Authorization"]).status_code == 200


def test_a_wrong_password_and_an_unknown_name_are_answered_alike(
    api: Client, person: Person
) -> None:
    wrong = api.post("/auth/login", json={"email": person.email, "password": "wrong password"})
    unknown = api.post("/auth/login", json={"email": "x@example.com", "password": PASSWORD})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.json()["message"] == "email or password does not match."


def test_exactly_one_name_is_given(api: Client, person: Person) -> None:
    both = {"email": person.email, "username": person.username, "password": person.password}
    for credentials in (both, {"password": person.password}):
        answer = api.post("/auth/login", json=credentials)
        assert answer.status_code == 400
        assert {"email", "username"} <= answer.json()["errors"].keys()


def test_a_logout_ends_the_token_from_the_next_request_on(api: Client, person: Person) -> None:
    token = api.log_in(person)
    answer = api.post("/auth/logout", token=token)
    assert answer.status_code == 200
    assert answer.json() == {"status": "success", "message": "Successfully logged out."}
    assert api.get("/user/me", token=token).status_code == 401
    again = api.post("/auth/logout", token=token)
    assert again.status_code == 401
    assert again.json()["message"] == "Token blacklisted. Please log in again."
    assert api.get("/user/me", token=person.token).status_code == 200


def test_tokens_that_ended_with_all_sessions_are_called_revoked(api: Client) -> None:
    person = api.register()
    other = api.log_in(person)
    assert api.delete("/auth/sessions", token=person.token).status_code == 200
    for token in (person.token, other):
        again = api.post("/auth/logout", token=token)
        assert again.status_code == 401
        assert again.json()["message"] == "Token blacklisted. Please log in again."


@pytest.mark.parametrize(
    ("authorization", "message"),
    [
        (None, "Provide a valid auth token."),
        ("Bearer nonsense", "Invalid token. Please log in again."),
        ("Bearer a.b.c", "Invalid token. Please log in again."),
    ],
)
def test_a_logout_says_why_a_token_is_refused(
    api: Client, authorization: str | None, message: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = api.post("/auth/logout", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["message"] == message


def test_a_forged_token_is_refused(api: Client, person: Person) -> None:
    head, claims, signature = person.token.split(".")
    forged = _part({**_read(claims), "scope": "user admin"})
    for token in (f"{head}.{forged}.{signature}", f"{_part({'alg': 'none'})}.{claims}."):
        answer = api.get("/user/me", token=token)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


def test_a_token_is_what_rfc_9068_says(api: Client, person: Person) -> None:
    head, claims = map(_read, person.token.split(".")[:2])
    assert (head["typ"], head["alg"]) == ("at+jwt", "RS256")
    keys = api.get("/.well-known/jwks.json").json()["keys"]
    assert head["kid"] in {key["kid"] for key in keys}
    public_id = api.get("/user/me", token=person.token).json()["public_id"]
    assert (claims["sub"], claims["scope"]) == (public_id, "user")
    assert claims["iss"] == api.get("/.well-known/openid-configuration").json()["issuer"]
    assert claims["exp"] - claims["iat"] == 900


@pytest.fixture
def somebody(api: Client) -> Person:
    """Somebody whose sessions end with the test."""
    return api.register()


def _works(api: Client, token: str) -> bool:
    answer = api.get("/user/me", token=token)
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def _has_ended(api: Client, token_set: dict[str, Any]) -> bool:
    answer = api.refresh(token_set["refresh_token"])
    refused = answer.status_code == 401 and answer.json()["code"] == "refresh_token_invalid"
    return refused and not _works(api, token_set["Authorization"])


def test_a_token_set_belongs_to_a_session(api: Client, somebody: Person) -> None:
    token_set = api.open_session(somebody)
    # Whether the address is verified is said as long as it is not.
    assert token_set.keys() - {"email_verified"} == {
        "status",
        "message",
        "Authorization",
        "token_type",
        "expires_in",
        "refresh_token",
        "session_id",
    }
    claims = _read(token_set["Authorization"].split(".")[1])
    assert claims["sid"] == token_set["session_id"]


def test_a_refresh_spends_its_token_and_forgives_one_that_was_just_spent(
    api: Client, somebody: Person
) -> None:
    first = api.open_session(somebody)
    second = api.refresh(first["refresh_token"])
    assert second.status_code == 200
    assert second.json()["message"] == "Successfully refreshed."
    assert second.json()["session_id"] == first["session_id"]
    assert second.json()["refresh_token"] != first["refresh_token"]
    again = api.refresh(first["refresh_token"])
    assert again.status_code == 200
    assert again.json()["refresh_token"] == second.json()["refresh_token"]
    for token_set in (first, second.json(), again.json()):
        assert _works(api, token_set["Authorization"])


def test_refreshes_at_once_get_the_same_next_token(api: Client, somebody: Person) -> None:
    first = api.open_session(somebody)
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(api.refresh, [first["refresh_token"]] * CLIENTS))
    assert [answer.status_code for answer in answers] == [200] * CLIENTS
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert all(_works(api, answer.json()["Authorization"]) for answer in answers)
    assert len(api.get("/auth/sessions", token=first["Authorization"]).json()["data"]) == 2


def test_what_is_no_refresh_token_is_refused_alike(api: Client, somebody: Person) -> None:
    good = api.open_session(somebody)
    for bad in ("", "nonsense", good["refresh_token"][:-1], good["Authorization"]):
        answer = api.refresh(bad)
        assert answer.status_code == 401
        assert answer.json() == {
            "status": "fail",
            "code": "refresh_token_invalid",
            "message": "This session has ended. Please log in again.",
        }
    assert api.refresh(good["refresh_token"]).status_code == 200


def test_sessions_are_listed_and_ended_one_by_one(api: Client, somebody: Person) -> None:
    phone, laptop = api.open_session(somebody), api.open_session(somebody)
    listed = api.get("/auth/sessions", token=laptop["Authorization"]).json()["data"]
    shown = {session["session_id"]: session for session in listed}
    assert len(shown) == len(listed) == 3  # the registration opened one
    assert shown[laptop["session_id"]]["current"] is True
    assert shown[phone["session_id"]]["current"] is False
    for session in listed:
        assert session["ip"]
        assert session["user_agent"].startswith("python-requests/")
        assert session["created_at"] <= session["last_used_at"] < session["expires_at"]
    target = f"/auth/sessions/{phone['session_id']}"
    assert api.delete(target, token=laptop["Authorization"]).status_code == 200
    assert _has_ended(api, phone)
    again = api.delete(target, token=laptop["Authorization"])
    assert (again.status_code, again.json()["code"]) == (404, "session_not_found")
    assert _works(api, laptop["Authorization"])


def test_all_sessions_end_at_once(api: Client, somebody: Person) -> None:
    opened = [api.open_session(somebody) for _ in range(2)]
    assert api.delete("/auth/sessions", token=opened[0]["Authorization"]).status_code == 200
    assert all(_has_ended(api, token_set) for token_set in opened)
    assert not _works(api, somebody.token)
    assert _works(api, api.log_in(somebody))


def test_a_logout_ends_the_session_with_every_token_of_it(api: Client, somebody: Person) -> None:
    first = api.open_session(somebody)
    second = api.refresh(first["refresh_token"]).json()
    assert api.post("/auth/logout", token=second["Authorization"]).status_code == 200
    assert _has_ended(api, first)
    assert _has_ended(api, second)


def test_a_new_password_ends_every_other_token(api: Client, somebody: Person) -> None:
    other, own = api.open_session(somebody), api.open_session(somebody)
    passwords = {"current_password": "wrong password", "new_password": "another horse"}
    wrong = api.post("/auth/password/change", json=passwords, token=own["Authorization"])
    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    passwords["current_password"] = somebody.password
    changed = api.post("/auth/password/change", json=passwords, token=own["Authorization"])
    assert changed.status_code == 200
    assert _has_ended(api, other)
    assert _has_ended(api, own)
    assert _works(api, changed.json()["Authorization"])
    assert api.open_session(somebody, "another horse")


def test_an_account_is_closed_with_its_password(api: Client, somebody: Person) -> None:
    missing = api.delete("/user/me", token=somebody.token)
    assert (missing.status_code, missing.json()["errors"].keys()) == (400, {"current_password"})
    closing = {"current_password": somebody.password}
    answer = api.delete("/user/me", json=closing, token=somebody.token)
    assert answer.status_code == 200
    assert not _works(api, somebody.token)
    names = {"email": somebody.email, "username": somebody.username}
    assert api.post("/user", json={**names, "password": PASSWORD}).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "json"),
    [
        ("PATCH", "/user/me", {"admin": True}),
        ("DELETE", "/user/me/sessions", None),
        ("DELETE", "/user/00000000-0000-4000-8000-000000000000", None),
    ],
)
def test_what_is_for_admins_is_refused_to_others(
    api: Client, somebody: Person, method: str, path: str, json: object
) -> None:
    answer = api.send(method, path, json=json, token=somebody.token)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


def _read(part: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return read


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode("ascii")
