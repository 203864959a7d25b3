import json

import pytest

from chalicelib.api.errors import FAILURES, failure_body
from infra.deployment.gateways import ACCESS_LOG, gateway_responses
from infra.gateway_responses import GATEWAY_RESPONSES


def headers_of(kind: str, *origins: str) -> dict[str, str]:
    response = dict(gateway_responses(origins))[kind]
    return {
        name.removeprefix("gatewayresponse.header."): value
        for name, value in response["responseParameters"].items()
    }


@pytest.mark.parametrize("kind", GATEWAY_RESPONSES)
def test_every_refusal_is_in_the_contracts_shape(kind: str) -> None:
    response = dict(gateway_responses(("*",)))[kind]
    error = GATEWAY_RESPONSES[kind]
    assert response["statusCode"] == str(FAILURES[error].status)
    assert json.loads(response["responseTemplates"]["application/json"]) == failure_body(error)
    headers = headers_of(kind, "*")
    assert headers["X-Request-Id"] == "context.requestId"
    assert headers["Access-Control-Allow-Origin"] == "'*'"
    assert headers["Cache-Control"] == "'no-store'"
    for name, value in FAILURES[error].headers.items():
        assert headers[name] == f"'{value}'"


def test_no_origin_is_allowed_unless_one_is_set() -> None:
    assert "Access-Control-Allow-Origin" not in headers_of("UNAUTHORIZED")


def test_one_origin_is_named() -> None:
    headers = headers_of("UNAUTHORIZED", "https://app.example.com")
    assert headers["Access-Control-Allow-Origin"] == "'https://app.example.com'"
    assert headers["Vary"] == "'Origin'"


def test_of_several_origins_the_one_that_asks_may_read() -> None:
    headers = headers_of("UNAUTHORIZED", "https://a.example.com", "https://b.example.com")
    assert headers["Access-Control-Allow-Origin"] == "method.request.header.Origin"
    assert headers["Vary"] == "'Origin'"


def test_the_access_log_has_nothing_that_a_client_sent_but_its_name() -> None:
    for variable in ACCESS_LOG.values():
        assert variable.startswith("$context.")
        assert variable not in {"$context.path", "$context.identity.apiKey"}
