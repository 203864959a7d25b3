"""What holds for every answer, from whatever layer it comes."""

import pytest

from tests.contract.client import Client, Person

SECURITY_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

# One request for each layer that may answer: the app, its refusals, the gateway, the authorizer.
EVERY_LAYER = [
    pytest.param("GET", "/health", None, 200, id="the app"),
    pytest.param("POST", "/auth/login", None, 400, id="the app's refusal"),
    pytest.param("GET", "/user/me", None, 401, id="the gateway, without a token"),
    pytest.param("GET", "/user/me", "not.a.token", 401, id="the authorizer"),
    pytest.param("GET", "/no/such/path", None, 404, id="the gateway, without a route"),
]


@pytest.mark.parametrize(("method", "path", "token", "status"), EVERY_LAYER)
def test_every_layer_answers_in_one_shape(
    api: Client, method: str, path: str, token: str | None, status: int
) -> None:
    body = b"{}" if method == "POST" else None
    headers = {"Content-Type": "application/json"} if body else {}
    answer = api.send(method, path, body=body, token=token, headers=headers)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-Id"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers.items() >= SECURITY_HEADERS.items()
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    if status >= 400:
        failure = answer.json()
        assert failure["status"] == "fail"
        assert failure["code"]
        assert failure["message"]


@pytest.mark.parametrize("path", ["/health", "/user/me", "/no/such/path"])
def test_no_two_requests_have_one_id(api: Client, path: str) -> None:
    assert api.get(path).headers["X-Request-Id"] != api.get(path).headers["X-Request-Id"]


@pytest.mark.parametrize("path", ["/health/", "/openapi.json/", "/.well-known/jwks.json/"])
def test_a_trailing_slash_changes_nothing(api: Client, path: str) -> None:
    assert api.get(path).status_code == 200
    assert api.get(path).json() == api.get(path.rstrip("/")).json()


def test_a_trailing_slash_changes_nothing_behind_the_authorizer(
    api: Client, person: Person
) -> None:
    assert api.get("/user/me/", token=person.token).json()["username"] == person.username


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", ""])
def test_the_token_is_taken_with_and_without_its_scheme(
    api: Client, person: Person, scheme: str
) -> None:
    answer = api.get("/user/me", headers={"Authorization": scheme + person.token})
    assert answer.status_code == 200


def test_an_unknown_path_is_unknown_with_a_token_too(api: Client, person: Person) -> None:
    answer = api.get("/no/such/path", token=person.token)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_a_wrong_method_is_refused(api: Client, method: str) -> None:
    answer = api.send(method, "/health")
    assert answer.status_code in {404, 405}
    assert answer.json()["status"] == "fail"
    if answer.status_code == 405:
        assert answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/health", "/.well-known/jwks.json"])
def test_head_is_get_without_a_body(api: Client, path: str) -> None:
    answer = api.send("HEAD", path)
    assert answer.status_code == 200
    assert answer.content == b""


@pytest.mark.parametrize("path", ["/user", "/auth/login", "/user/me"])
def test_a_browser_of_another_origin_may_ask(api: Client, path: str) -> None:
    answer = api.send(
        "OPTIONS",
        path,
        headers={
            "Origin": "https://app.example.com",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert answer.status_code in {200, 204}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type"} <= {name.strip() for name in allowed.split(",")}


def test_a_missing_token_is_told_the_scheme_and_a_bad_one_that_it_is_bad(api: Client) -> None:
    missing, bad = api.get("/user/me"), api.get("/user/me", token="not.a.token")
    assert missing.json()["code"] == "token_missing"
    assert missing.headers["WWW-Authenticate"] == "Bearer"
    assert bad.json()["code"] == "token_invalid"
    assert bad.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
