"""Trailing slashes, methods, CORS, and the headers that every response carries."""

from dataclasses import replace

import pytest

from app import app
from chalicelib.api.headers import common_headers
from chalicelib.container import Container, use
from chalicelib.settings import Settings
from tests.api.client import Client, a_registration
from tests.api.lines import Lines
from tests.fakes import FakeClock

OPEN = [
    "/health",
    "/.well-known/jwks.json",
    "/.well-known/openid-configuration",
    "/openapi.json",
    "/",
]
ROUTES = [(method, path) for path, methods in app.routes.items() for method in methods]


def test_there_are_the_routes_of_the_contract() -> None:
    assert {
        ("POST", "/user"),
        ("GET", "/user"),
        ("GET", "/user/{public_id}"),
        ("POST", "/auth/login"),
        ("POST", "/auth/logout"),
        *(("GET", path) for path in OPEN),
    } <= set(ROUTES)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("POST", "/user/", 400),
        ("POST", "/auth/login/", 400),
        ("POST", "/auth/logout/", 401),
        ("GET", "/user/me/", 401),
        ("GET", "/health/", 200),
        ("GET", "/.well-known/jwks.json/", 200),
    ],
)
def test_a_trailing_slash_is_none(client: Client, method: str, target: str, status: int) -> None:
    assert client.send(method, target).status == status


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/nothing"),
        ("GET", "/user/a/b"),
        ("GET", "//user"),
        ("POST", "/"),
        ("GET", "/auth/login"),
        ("PUT", "/user"),
        ("TRACE", "/health"),
        ("DELETE", "/auth/logout"),
    ],
)
def test_there_is_nothing_elsewhere(client: Client, method: str, target: str) -> None:
    answer = client.send(method, target)
    assert answer.status == 404
    assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize("target", [*OPEN, "/docs/page.js"])
def test_head_answers_as_get_without_a_body(client: Client, target: str) -> None:
    get, head = client.get(target), client.send("HEAD", target)
    assert head.text == ""
    assert head.status == get.status == 200
    skipped = {"x-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in skipped} == {
        k: v for k, v in get.headers.items() if k not in skipped
    }


def test_head_needs_a_token_where_get_does(client: Client) -> None:
    assert client.send("HEAD", "/user/me").status == 401
    assert client.send("HEAD", "/user/me", token=client.register()).status == 200


@pytest.mark.parametrize("path", sorted({path for _, path in ROUTES}))
def test_a_browser_may_ask_before_it_sends(client: Client, path: str) -> None:
    answer = client.send("OPTIONS", path.replace("{", "").replace("}", ""))
    assert answer.status == 204
    assert answer.text == ""
    methods = {method for method, known in ROUTES if known == path} - {"OPTIONS", "HEAD"}
    assert set(answer.headers["access-control-allow-methods"].split(", ")) == methods
    assert answer.headers["access-control-allow-headers"] == "Authorization, Content-Type"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert int(answer.headers["access-control-max-age"]) > 0


def test_every_response_has_the_id_of_its_own_request(client: Client) -> None:
    answers = [client.get("/health") for _ in range(3)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    assert all(answer.headers["x-request-id"] == answer.request_id for answer in answers)


def test_no_header_says_what_a_request_is_called(client: Client, lines: Lines) -> None:
    headers = {"X-Request-Id": "mine", "X-Amzn-RequestId": "mine"}
    answer = client.get("/health", headers=headers)
    assert answer.headers["x-request-id"] == answer.request_id
    assert "mine" not in lines.text


def test_nothing_about_an_account_is_kept_by_a_cache(client: Client) -> None:
    token = client.register()
    for answer in (
        client.get("/user/me", token=token),
        client.post("/auth/login", {"username": "User 1", "password": "wrong"}),
        client.post("/user", a_registration(2)),
        client.post("/auth/logout", token=token),
        client.get("/health"),
    ):
        assert answer.headers["cache-control"] == "no-store"


def test_every_response_tells_browsers_what_not_to_do(client: Client) -> None:
    """Ours, a refusal of ours, API Gateway's own, a preflight's, a page, and a public document."""
    for answer in (
        client.get("/health"),
        client.post("/auth/login", body=b"x"),
        client.get("/user/me"),
        client.get("/nothing"),
        client.send("OPTIONS", "/user"),
        client.get("/"),
        client.get("/email/verify?token=x"),
        client.get("/.well-known/jwks.json"),
    ):
        headers = answer.headers
        assert headers["strict-transport-security"] == "max-age=63072000; includeSubDomains"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        policy = set(headers["content-security-policy"].split("; "))
        assert {
            "default-src 'none'",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        } <= policy


def test_what_is_no_page_loads_nothing_and_sends_nothing(client: Client) -> None:
    policy = client.get("/health").headers["content-security-policy"]
    assert set(policy.split("; ")) == {
        "default-src 'none'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    }


# CORS

A, B = "https://a.example", "https://b.example:8443"


def _served_to(
    monkeypatch: pytest.MonkeyPatch, stage: Settings, clock: FakeClock, *origins: str
) -> None:
    container = Container(replace(stage, cors_origins=origins), clock)
    monkeypatch.setattr("chalicelib.container._current", None)
    use(container)


def _answers(client: Client, origin: str | None) -> list[dict[str, str]]:
    """An answer, a refusal of ours, one of API Gateway's, and a preflight's."""
    headers = {} if origin is None else {"Origin": origin}
    return [
        dict(answer.headers)
        for answer in (
            client.get("/health", headers=headers),
            client.post("/auth/login", body=b"x", headers=headers),
            client.get("/user/me", headers=headers),
            client.get("/nothing", headers=headers),
            client.send("OPTIONS", "/user", headers=headers),
        )
    ]


@pytest.mark.parametrize("origin", [None, A, "null"])
def test_any_origin_may_read_where_all_are_allowed(client: Client, origin: str | None) -> None:
    for headers in _answers(client, origin):
        assert headers["access-control-allow-origin"] == "*"
        assert "vary" not in headers
        assert "X-Request-Id" in headers["access-control-expose-headers"]
        assert "Retry-After" in headers["access-control-expose-headers"]


@pytest.mark.parametrize("origin", [A, B])
def test_an_origin_on_the_list_may_read(
    client: Client,
    stage: Settings,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    origin: str,
) -> None:
    _served_to(monkeypatch, stage, clock, A, B)
    for headers in _answers(client, origin):
        assert headers["access-control-allow-origin"] == origin
        assert headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "*",
        "https://evil.example",
        A + ".evil.example",
        A + "/",
        "http://a.example",
    ],
)
def test_an_origin_that_is_not_on_the_list_may_not_read(
    client: Client,
    stage: Settings,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    origin: str | None,
) -> None:
    _served_to(monkeypatch, stage, clock, A, B)
    for headers in _answers(client, origin):
        assert "access-control-allow-origin" not in headers
        assert "access-control-expose-headers" not in headers
        assert headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", [None, A])
def test_no_origin_may_read_where_none_is_allowed(
    client: Client,
    stage: Settings,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    origin: str | None,
) -> None:
    _served_to(monkeypatch, stage, clock)
    for headers in _answers(client, origin):
        assert "access-control-allow-origin" not in headers


def test_no_origin_is_ever_given_credentials() -> None:
    for origins in (("*",), (A,), ()):
        assert "Access-Control-Allow-Credentials" not in common_headers(origins, A, "id")
