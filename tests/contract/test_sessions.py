"""`/auth`: logging in and out."""

import base64
import json
from typing import Any

import pytest

from tests.contract.client import PASSWORD, Client, Person


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


def _read(part: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return read


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode("ascii")
