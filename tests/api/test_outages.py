"""What a client is told when AWS does not answer: 503, and nothing half-done."""

import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from app import app
from chalicelib import container as composition
from chalicelib.container import Container, use
from chalicelib.settings import Settings
from tests.api.client import Client, a_registration
from tests.api.gateway import Answer
from tests.api.lines import Lines
from tests.aws import REVOKED_TOKENS, SESSIONS, USERS, Cloud, Wire
from tests.fakes import FakeClock
from tests.samples import PASSWORD, claims_of

LOGIN = {"email": "user-1@example.com", "password": PASSWORD}
OUTAGES = [
    ReadTimeoutError(endpoint_url="https://example.com"),
    ConnectTimeoutError(endpoint_url="https://example.com"),
    "ProvisionedThroughputExceededException",
    "InternalServerError",
    "AccessDeniedException",
    "ResourceNotFoundException",
]
every_outage = pytest.mark.parametrize("outage", OUTAGES, ids=str)


def _cut(wire: Wire, prefix: str, outage: Exception | str) -> None:
    if isinstance(outage, Exception):
        wire.raise_for(prefix, outage)
    else:
        wire.refuse(prefix, outage)


def _is_outage(answer: Answer) -> bool:
    assert answer.status == 503
    assert answer.json() == {
        "status": "fail",
        "code": "unavailable",
        "message": "The service cannot answer now. Please try again.",
    }
    return answer.headers["retry-after"] == "1"


@every_outage
def test_every_route_that_needs_the_store_says_that_it_is_down(
    client: Client, wire: Wire, outage: Exception | str
) -> None:
    token_set = client.log_in()
    token = token_set["Authorization"]
    refresh = {"refresh_token": token_set["refresh_token"]}
    passwords = {"current_password": PASSWORD, "new_password": "another horse"}
    _cut(wire, "dynamodb.", outage)
    assert _is_outage(client.post("/user", a_registration(2)))
    assert _is_outage(client.post("/auth/login", LOGIN))
    assert _is_outage(client.post("/auth/refresh", refresh))
    assert _is_outage(client.post("/auth/refresh", {"refresh_token": "nonsense"}))
    assert _is_outage(client.post("/auth/logout", token=token))
    assert _is_outage(client.post("/auth/password/change", passwords, token=token))
    for target in ("/user/me", "/user", "/auth/sessions"):
        assert _is_outage(client.get(target, token=token))
    for target in ("/user/me", "/user/me/sessions", "/auth/sessions", "/auth/sessions/x"):
        assert _is_outage(client.delete(target, token=token))
    assert _is_outage(client.patch("/user/me", {"admin": True}, token=token))
    assert client.get("/health").status == 200
    assert client.get("/.well-known/jwks.json").status == 200


@every_outage
@pytest.mark.parametrize(
    ("target", "operation"),
    [
        ("/user/00000000-0000-4000-8000-000000000000", "GetItem"),
        ("/user", "Query"),
        ("/user?email=user-1@example.com", "GetItem"),
        ("/user/me/activity", "Query"),
        ("/user/me/export", "GetItem"),
        ("/user/me/export", "Query"),
    ],
)
def test_a_store_that_fails_after_the_authorizer_is_an_outage(
    client: Client, wire: Wire, target: str, operation: str, outage: Exception | str
) -> None:
    admin = client.register_admin()
    _cut(wire, f"dynamodb.{operation}", outage)
    answer = client.get(target, token=admin)
    assert _is_outage(answer)
    assert not answer.refused_by_gateway


def test_an_outage_counts_as_a_failure_and_a_refusal_does_not(
    client: Client, wire: Wire, lines: Lines
) -> None:
    client.post("/auth/login", LOGIN)
    wire.refuse("dynamodb.", "InternalServerError")
    client.post("/auth/login", LOGIN)
    refused, failed = lines.of("request")
    assert (refused["status"], refused.get("Failures"), refused["Refusals"]) == (401, None, 1)
    assert (failed["status"], failed["Failures"], failed.get("Refusals")) == (503, 1, None)


def test_a_logout_that_was_not_kept_can_be_repeated(
    client: Client, wire: Wire, cloud: Cloud
) -> None:
    token = client.register()
    wire.refuse("dynamodb.TransactWriteItems", "InternalServerError")
    assert _is_outage(client.post("/auth/logout", token=token))
    wire.reset()
    assert cloud.rows(REVOKED_TOKENS) == []
    assert client.get("/user/me", token=token).status == 200
    assert client.post("/auth/logout", token=token).status == 200


@pytest.mark.parametrize("operation", ["BatchGetItem", "TransactWriteItems"])
def test_a_refresh_that_fails_can_be_repeated(client: Client, wire: Wire, operation: str) -> None:
    refresh = {"refresh_token": client.log_in()["refresh_token"]}
    wire.refuse(f"dynamodb.{operation}", "InternalServerError")
    assert _is_outage(client.post("/auth/refresh", refresh))
    wire.reset()
    answer = client.post("/auth/refresh", refresh)
    assert answer.status == 200
    assert client.get("/user/me", token=answer.json()["Authorization"]).status == 200


@pytest.mark.parametrize(
    ("method", "target", "operation"),
    [
        ("DELETE", "/auth/sessions", "TransactWriteItems"),
        ("DELETE", "/auth/sessions/{sid}", "TransactWriteItems"),
        ("DELETE", "/user/me", "TransactWriteItems"),
        ("POST", "/auth/password/change", "TransactWriteItems"),
        ("PATCH", "/user/{other}", "TransactWriteItems"),
    ],
)
def test_what_fails_after_the_authorizer_has_changed_nothing(
    client: Client, cloud: Cloud, wire: Wire, method: str, target: str, operation: str
) -> None:
    other = claims_of(client.register(2))["sub"]
    client.make_admin(client.register(1))
    token_set = client.log_in(1)
    bodies = {
        "/user/me": {"current_password": PASSWORD},
        "/auth/password/change": {"current_password": PASSWORD, "new_password": "another horse"},
        "/user/{other}": {"disabled": False},
    }
    path = target.format(sid=token_set["session_id"], other=other)
    client.make_admin(client.register(3))
    before = [cloud.rows(table) for table in (USERS, SESSIONS, REVOKED_TOKENS)]
    wire.refuse(f"dynamodb.{operation}", "InternalServerError")
    answer = client.send(method, path, data=bodies.get(target), token=token_set["Authorization"])
    assert _is_outage(answer)
    wire.reset()
    assert [cloud.rows(table) for table in (USERS, SESSIONS, REVOKED_TOKENS)] == before
    again = client.send(method, path, data=bodies.get(target), token=token_set["Authorization"])
    assert again.status == 200


def test_a_registration_that_fails_leaves_the_names_free(client: Client, wire: Wire) -> None:
    wire.refuse("dynamodb.TransactWriteItems", "InternalServerError")
    assert _is_outage(client.post("/user", a_registration()))
    wire.reset()
    assert client.post("/user", a_registration()).status == 201


@pytest.mark.parametrize("outage", OUTAGES[1:3], ids=str)
def test_without_keys_nothing_is_half_done(
    client: Client,
    cloud: Cloud,
    wire: Wire,
    stage: Settings,
    clock: FakeClock,
    outage: Exception | str,
) -> None:
    token = client.register()
    before = cloud.rows()
    use(Container(stage, clock))
    _cut(wire, "ssm.", outage)
    assert _is_outage(client.post("/user", a_registration(2)))
    assert cloud.rows() == before
    assert _is_outage(client.get("/user/me", token=token))
    assert _is_outage(client.post("/auth/logout", token=token))
    assert _is_outage(client.get("/.well-known/jwks.json"))
    assert client.get("/health").status == 200


def test_a_private_key_that_cannot_be_read_leaves_no_account(
    client: Client, cloud: Cloud, wire: Wire, stage: Settings, clock: FakeClock
) -> None:
    use(Container(stage, clock))
    wire.refuse("ssm.GetParameter", "AccessDeniedException")
    assert client.get("/.well-known/jwks.json").status == 200
    assert _is_outage(client.post("/user", a_registration()))
    assert cloud.rows() == []


def test_keys_that_are_known_stay_in_use_while_the_source_is_down(
    client: Client, wire: Wire, clock: FakeClock
) -> None:
    client.register()
    wire.refuse("ssm.", "InternalServerError")
    clock.step(minutes=60)
    token = client.post("/auth/login", LOGIN).json()["Authorization"]
    assert client.get("/user/me", token=token).status == 200
    assert client.get("/.well-known/jwks.json").status == 200


def test_a_stage_that_may_not_start_answers_all_the_same(
    client: Client, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    monkeypatch.setattr(composition, "_current", None)
    answer = client.get("/health", headers={"Origin": "https://a.example"}, faulty=True)
    assert answer.json()["code"] == "internal_error"
    assert "access-control-allow-origin" not in answer.headers
    assert '"exception": "SettingsError"' in lines.text


def test_chalice_has_no_handler_of_its_own_that_could_quote_what_failed() -> None:
    assert app.log.handlers == []
    assert app.log.propagate


def test_a_row_that_cannot_be_read_is_a_fault_and_tells_nothing(
    client: Client, cloud: Cloud
) -> None:
    admin = client.register_admin()
    public_id = client.get("/user/me", token=client.register(2)).json()["public_id"]
    cloud.change(public_id, registered_on={"S": "yesterday"})
    answer = client.get(f"/user/{public_id}", token=admin, faulty=True)
    assert answer.status == 500
    assert answer.json()["code"] == "internal_error"
