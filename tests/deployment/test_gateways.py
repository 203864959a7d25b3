import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from chalicelib.api.errors import FAILURES, failure_body
from infra.deployment.aws import AwsAccount, open_account
from infra.deployment.gateways import (
    ACCESS_LOG,
    configure_gateway,
    ensure_logs_role,
    gateway_responses,
)
from infra.deployment.stages import read_stage
from infra.gateway_responses import GATEWAY_RESPONSES
from tests.deployment.test_stages import CHECKOUT


@pytest.fixture
def account() -> Iterator[AwsAccount]:
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        yield open_account()


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


def test_what_somebody_has_let_api_gateway_log_is_logged_no_more(account: AwsAccount) -> None:
    gateway = account.gateway
    stage = read_stage(CHECKOUT, "prod", {})
    api = gateway.create_rest_api(name="accounts")["id"]
    (root,) = gateway.get_resources(restApiId=api)["items"]
    gateway.put_method(
        restApiId=api, resourceId=root["id"], httpMethod="GET", authorizationType="NONE"
    )
    gateway.put_integration(
        restApiId=api,
        resourceId=root["id"],
        httpMethod="GET",
        type="MOCK",
        integrationHttpMethod="POST",
    )
    configure_gateway(account, stage, api)
    gateway.update_stage(
        restApiId=api,
        stageName="prod",
        patchOperations=[
            {"op": "replace", "path": "/*/*/logging/dataTrace", "value": "true"},
            {"op": "replace", "path": "/*/*/logging/loglevel", "value": "INFO"},
        ],
    )
    configure_gateway(account, stage, api)
    shown = gateway.get_stage(restApiId=api, stageName="prod")
    settings = shown["methodSettings"]["*/*"]
    assert (settings["dataTraceEnabled"], settings["loggingLevel"]) == (False, "OFF")
    assert (settings["throttlingRateLimit"], settings["throttlingBurstLimit"]) == stage.throttling
    assert json.loads(shown["accessLogSettings"]["format"]) == ACCESS_LOG


def test_api_gateway_alone_takes_on_the_role_for_its_logs(account: AwsAccount) -> None:
    ensure_logs_role(account)
    role = account.iam.get_role(RoleName="accounts-api-gateway-logs")["Role"]
    trust: Any = role["AssumeRolePolicyDocument"]  # botocore has read it
    (statement,) = trust["Statement"]
    assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
    held = account.iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in held] == ["AmazonAPIGatewayPushToCloudWatchLogs"]
    assert account.gateway.get_account()["cloudwatchRoleArn"] == role["Arn"]
