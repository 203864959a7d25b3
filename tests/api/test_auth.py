from dataclasses import replace

import pytest

from chalicelib.container import Container, container, use
from chalicelib.settings import Settings
from tests.api.client import Client
from tests.aws import REVOKED_TOKENS, SESSIONS, Cloud
from tests.fakes import FakeClock
from tests.samples import PASSWORD, claims_of

LOGIN = {"email": "user-1@example.com", "password": PASSWORD}


@pytest.mark.parametrize(
    "body",
    [
        {**LOGIN, "password": "wrong"},
        {**LOGIN, "password": ""},
        {**LOGIN, "password": PASSWORD + " "},
        {**LOGIN, "password": PASSWORD.upper()},
        {**LOGIN, "password": "s3cret" * 10_000},
        {**LOGIN, "email": "nobody@example.com"},
        {**LOGIN, "email": "nonsense"},
        {**LOGIN, "email": ""},
        {**LOGIN, "email": "\u0000"},
        {**LOGIN, "email": "x" * 60_000},
        {"username": "nobody", "password": PASSWORD},
        {"username": "user-1@example.com", "password": PASSWORD},
        {"username": "", "password": PASSWORD},
        {"email": "User 1", "password": PASSWORD},
    ],
    ids=lambda body: str(body)[:60],
)
def test_whatever_is_wrong_with_a_login_the_answer_is_the_same(
    client: Client, body: dict[str, str]
) -> None:
    client.register()
    answer = client.post("/auth/login", body)
    assert answer.status == 401
    assert answer.json() == {
        "status": "fail",
        "code": "wrong_credentials",
        "message": "email or password does not match.",
    }


def test_a_disabled_user_does_not_log_in(client: Client, cloud: Cloud) -> None:
    token = client.register()
    cloud.change(claims_of(token)["sub"], disabled={"BOOL": True})
    answer = client.post("/auth/login", LOGIN)
    assert answer.status == 401
    assert answer.json()["code"] == "wrong_credentials"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"password"}),
        ({"password": PASSWORD}, {"email", "username"}),
        ({"email": "x"}, {"password"}),
        ({**LOGIN, "username": "User 1"}, {"email", "username"}),
        ({**LOGIN, "username": None}, {"username"}),
        ({**LOGIN, "email": None}, {"email"}),
        ({**LOGIN, "password": None}, {"password"}),
        ({**LOGIN, "password": {"$gt": ""}}, {"password"}),
        ({**LOGIN, "email": 5}, {"email"}),
        ({**LOGIN, "email": True}, {"email"}),
        ({**LOGIN, "remember": True}, {"remember"}),
    ],
    ids=str,
)
def test_a_login_gives_a_password_and_exactly_one_name(
    client: Client, body: dict[str, object], fields: set[str]
) -> None:
    answer = client.post("/auth/login", body)
    assert answer.status == 400
    assert answer.json()["errors"].keys() == fields


def test_each_login_is_another_token(client: Client) -> None:
    client.register()
    tokens = [client.post("/auth/login", LOGIN).json()["Authorization"] for _ in range(2)]
    assert claims_of(tokens[0])["jti"] != claims_of(tokens[1])["jti"]
    assert client.post("/auth/logout", token=tokens[0]).status == 200
    assert client.get("/user/me", token=tokens[0]).status == 401
    assert client.get("/user/me", token=tokens[1]).status == 200


def test_a_logout_keeps_the_sessions_identifier_for_a_day_and_nothing_else(
    client: Client, cloud: Cloud
) -> None:
    token = client.register()
    client.post("/auth/logout", token=token)
    claims = claims_of(token)
    assert cloud.rows(REVOKED_TOKENS) == [
        {"token_id": {"S": claims["sid"]}, "expires_at": {"N": str(claims["iat"] + 86_435)}}
    ]
    assert cloud.rows(SESSIONS) == []


def test_a_logged_out_token_that_expires_is_called_expired(
    client: Client, clock: FakeClock
) -> None:
    token = client.register()
    client.post("/auth/logout", token=token)
    for seconds, code in ((0, "token_revoked"), (904, "token_revoked"), (1, "token_expired")):
        clock.step(seconds=seconds)
        assert client.post("/auth/logout", token=token).json()["code"] == code


def test_who_is_refused_is_told_how_to_ask(client: Client, clock: FakeClock) -> None:
    """RFC 6750, section 3: an error is told of a token, and not of none."""
    token = client.register()
    bad = 'Bearer error="invalid_token"'
    assert client.post("/auth/logout").headers["www-authenticate"] == "Bearer"
    assert client.get("/user/me").headers["www-authenticate"] == "Bearer"
    wrong = client.post("/auth/login", {**LOGIN, "password": "wrong"})
    assert wrong.headers["www-authenticate"] == "Bearer"
    assert client.post("/auth/logout", token="nonsense").headers["www-authenticate"] == bad
    client.post("/auth/logout", token=token)
    assert client.post("/auth/logout", token=token).headers["www-authenticate"] == bad
    assert client.get("/user/me", token=token).headers["www-authenticate"] == bad
    clock.step(minutes=30)
    assert client.post("/auth/logout", token=token).headers["www-authenticate"] == bad


def test_a_token_for_somebody_else_is_none_for_us(
    client: Client, stage: Settings, clock: FakeClock
) -> None:
    for theirs in ({"audience": "shop"}, {"issuer": "https://shop.example"}):
        ours = container()
        use(Container(replace(stage, **theirs), clock))  # type: ignore[arg-type] # by name
        token = client.log_in()["Authorization"]
        assert client.get("/user/me", token=token).status == 200
        use(ours)
        assert client.get("/user/me", token=token).status == 401
        assert client.post("/auth/logout", token=token).json()["code"] == "token_invalid"


def test_a_logout_needs_no_body_and_bounds_one(client: Client) -> None:
    token = client.register()
    too_large = b"x" * (64 * 1_024 + 1)
    assert client.post("/auth/logout", token=token, body=too_large).status == 413
    assert client.post("/auth/logout", token=token, body=b"anything").status == 200


def test_a_user_who_is_gone_cannot_use_their_token(client: Client, cloud: Cloud) -> None:
    token = client.register()
    cloud.clear()
    assert client.post("/auth/logout", token=token).json()["code"] == "token_invalid"
    assert client.get("/user/me", token=token).status == 401
