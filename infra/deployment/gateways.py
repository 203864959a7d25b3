"""What `chalice deploy` leaves undone of an API: refusals, throttling, access logs, tracing.

Chalice imports the API over the old one, which takes its gateway responses away. They are put
again after each `chalice deploy`, and take effect with a deployment of the API of their own.
"""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from chalicelib import settings
from chalicelib.api.errors import FAILURES, failure_body
from chalicelib.api.headers import common_headers
from infra.deployment.aws import AwsAccount
from infra.deployment.errors import DeploymentError
from infra.deployment.logs import access_group
from infra.deployment.stages import Stage
from infra.gateway_responses import GATEWAY_RESPONSES

if TYPE_CHECKING:
    from types_boto3_apigateway.literals import GatewayResponseTypeType
    from types_boto3_apigateway.type_defs import PatchOperationTypeDef

ACCESS_LOG: Mapping[str, str] = {
    "request_id": "$context.requestId",
    "time": "$context.requestTime",
    "ip": "$context.identity.sourceIp",
    "method": "$context.httpMethod",
    "route": "$context.resourcePath",
    "status": "$context.status",
    "refusal": "$context.error.responseType",
    "user_id": "$context.authorizer.principalId",
    "authorizer_status": "$context.authorizer.status",
    "authorizer_request_id": "$context.authorizer.requestId",
    "integration_status": "$context.integration.status",
    "lambda_request_id": "$context.integration.requestId",
    "integration_ms": "$context.integration.latency",
    "response_ms": "$context.responseLatency",
    "response_length": "$context.responseLength",
    "user_agent": "$context.identity.userAgent",
}
"""A line of the access log. The route, not the path: that and the query hold what clients sent.
No header but the user agent: one holds the token."""

_LOGS_ROLE = "accounts-api-gateway-logs"
_LOGS_POLICY = "arn:{partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
_ROLE_ATTEMPTS = 12
_ROLE_SECONDS = 5.0


def ensure_logs_role(account: AwsAccount) -> None:
    """Let API Gateway write logs in this account and region, if nothing lets it yet.

    It is one setting for all APIs of a region, so one that is there is left alone.
    See https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html

    Raises:
        DeploymentError: API Gateway does not accept the role.
    """
    if account.gateway.get_account().get("cloudwatchRoleArn"):
        return
    arn = _make_logs_role(account)
    change: PatchOperationTypeDef = {"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}
    for _ in range(_ROLE_ATTEMPTS):
        try:
            account.gateway.update_account(patchOperations=[change])
        except account.gateway.exceptions.BadRequestException:
            time.sleep(_ROLE_SECONDS)  # a new role is known everywhere only after some seconds
        else:
            return
    raise DeploymentError(f"API Gateway does not accept the role {arn} yet: run this again")


def _make_logs_role(account: AwsAccount) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "apigateway.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    with contextlib.suppress(account.iam.exceptions.EntityAlreadyExistsException):
        account.iam.create_role(
            RoleName=_LOGS_ROLE,
            AssumeRolePolicyDocument=json.dumps(trust),
            Description="Lets API Gateway write the access logs of this account's APIs.",
        )
    account.iam.attach_role_policy(
        RoleName=_LOGS_ROLE, PolicyArn=_LOGS_POLICY.format(partition=account.partition)
    )
    return account.iam.get_role(RoleName=_LOGS_ROLE)["Role"]["Arn"]


def configure_gateway(account: AwsAccount, stage: Stage, api_id: str) -> None:
    """Put the gateway responses, deploy the API with them, and set up its stage."""
    origins = settings.load({**_NEEDED, **stage.environment}).cors_origins
    for kind, response in gateway_responses(origins):
        account.gateway.put_gateway_response(restApiId=api_id, responseType=kind, **response)
    account.gateway.create_deployment(
        restApiId=api_id, stageName=stage.gateway_stage, description="with gateway responses"
    )
    account.gateway.update_stage(
        restApiId=api_id,
        stageName=stage.gateway_stage,
        patchOperations=_stage_settings(account, stage),
    )
    arn = f"arn:{account.partition}:apigateway:{account.region}::/restapis/{api_id}"
    account.gateway.tag_resource(resourceArn=f"{arn}/stages/{stage.gateway_stage}", tags=stage.tags)


# Of a stage's settings, only the origins matter here.
_NEEDED = {"ACCOUNTS_ISSUER": "https://issuer.example", "ACCOUNTS_CURSOR_SECRET": "-" * 32}


def gateway_responses(
    cors_origins: tuple[str, ...],
) -> "Iterator[tuple[GatewayResponseTypeType, dict[str, Any]]]":
    """Each refusal of API Gateway's own, as the contract has it."""
    for kind, error in GATEWAY_RESPONSES.items():
        failure = FAILURES[error]
        headers = {**_headers(cors_origins), **_static(failure.headers)}
        yield (
            kind,  # type: ignore[misc] # the table's keys are API Gateway's names
            {
                "statusCode": str(failure.status),
                "responseParameters": {
                    f"gatewayresponse.header.{name}": value for name, value in headers.items()
                },
                "responseTemplates": {"application/json": json.dumps(failure_body(error))},
            },
        )


def _headers(cors_origins: tuple[str, ...]) -> dict[str, str]:
    """The headers of every response, as a gateway response's mapping writes them.

    A mapping cannot look an origin up in a list. With several, it repeats the request's: all that
    a foreign page could read is that it was refused.
    """
    some_origin = cors_origins[0] if cors_origins else None
    headers = _static(common_headers(cors_origins, some_origin, "-"))
    headers["X-Request-Id"] = "context.requestId"
    if len(cors_origins) > 1:
        headers["Access-Control-Allow-Origin"] = "method.request.header.Origin"
    return headers


def _static(headers: Mapping[str, str]) -> dict[str, str]:
    """Values as they are: API Gateway takes what stands between the outermost quotes."""
    return {name: f"'{value}'" for name, value in headers.items()}


def _stage_settings(account: AwsAccount, stage: Stage) -> "list[PatchOperationTypeDef]":
    rate, burst = stage.throttling
    own = stage.configuration["stages"][stage.name]
    tracing = bool(own.get("xray", stage.configuration.get("xray", False)))
    values = {
        "/*/*/throttling/rateLimit": str(rate),
        "/*/*/throttling/burstLimit": str(burst),
        # Execution logs would hold headers and bodies, tokens and passwords among them.
        "/*/*/logging/dataTrace": "false",
        "/*/*/logging/loglevel": "OFF",
        "/tracingEnabled": str(tracing).lower(),
        "/accessLogSettings/destinationArn": account.arn(
            "logs", f"log-group:{access_group(stage)}"
        ),
        "/accessLogSettings/format": json.dumps(ACCESS_LOG),
    }
    return [{"op": "replace", "path": path, "value": value} for path, value in values.items()]
