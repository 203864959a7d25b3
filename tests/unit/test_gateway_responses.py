import pytest

from chalicelib.api.errors import FAILURES
from infra.gateway_responses import GATEWAY_RESPONSES


def test_every_refusal_of_api_gateway_has_a_meaning_of_ours() -> None:
    assert all(error in FAILURES for error in GATEWAY_RESPONSES.values())


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("UNAUTHORIZED", 401),
        ("ACCESS_DENIED", 401),
        ("AUTHORIZER_CONFIGURATION_ERROR", 503),
        ("AUTHORIZER_FAILURE", 503),
        ("MISSING_AUTHENTICATION_TOKEN", 404),
        ("RESOURCE_NOT_FOUND", 404),
        ("REQUEST_TOO_LARGE", 413),
        ("UNSUPPORTED_MEDIA_TYPE", 415),
        ("THROTTLED", 429),
        ("QUOTA_EXCEEDED", 429),
        ("INTEGRATION_FAILURE", 503),
        ("INTEGRATION_TIMEOUT", 503),
        ("API_CONFIGURATION_ERROR", 503),
        ("INVALID_SIGNATURE", 404),
        ("WAF_FILTERED", 403),
        ("DEFAULT_4XX", 404),
        ("DEFAULT_5XX", 503),
    ],
)
def test_a_refusal_of_api_gateway_has_the_contracts_status(name: str, status: int) -> None:
    assert FAILURES[GATEWAY_RESPONSES[name]].status == status
