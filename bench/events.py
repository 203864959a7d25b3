"""What API Gateway calls functions with: a REST API's proxy integration, and its authorizer."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

_API = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/test"
_HEADERS = {
    "Accept": "application/json",
    "Host": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
    "User-Agent": "bench",
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Proto": "https",
}

_TIMEOUT_MILLISECONDS = 28_000


class Context:
    """What Lambda tells of an invocation."""

    aws_request_id = "b1f8f5c4-0d2e-4a7e-9a51-6f2f0c6d3c11"
    function_name = "bench"
    function_version = "$LATEST"
    memory_limit_in_mb = "1769"

    def get_remaining_time_in_millis(self) -> int:
        """The function's own limit: it has just begun."""
        return _TIMEOUT_MILLISECONDS


def token_event(token: str) -> dict[str, Any]:
    """What an authorizer is asked about somebody who sends this token."""
    return {
        "type": "TOKEN",
        "methodArn": f"{_API}/GET/user/me",
        "authorizationToken": f"Bearer {token}",
    }


def proxy_event(
    method: str,
    path: str,
    *,
    resource: str = "",
    parameters: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: str | None = None,
    context: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A request, with what the authorizer said of the caller as its context."""
    every = {**_HEADERS, **(headers or {})}
    if body is not None:
        every["Content-Type"] = "application/json"
    return {
        "resource": resource or path,
        "path": path,
        "httpMethod": method,
        "headers": every,
        "multiValueHeaders": {name: [value] for name, value in every.items()},
        "queryStringParameters": dict(query) if query else None,
        "multiValueQueryStringParameters": (
            {name: [value] for name, value in query.items()} if query else None
        ),
        "pathParameters": dict(parameters) if parameters else None,
        "stageVariables": None,
        "requestContext": {
            "resourceId": "a1b2c3",
            "resourcePath": resource or path,
            "httpMethod": method,
            "extendedRequestId": "c6af9ac6-7b61",
            "requestTime": "02/Jan/2026:03:04:05 +0000",
            "requestTimeEpoch": 1_767_323_045_000,
            "path": f"/test{path}",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "test",
            "domainName": _HEADERS["Host"],
            "apiId": "a1b2c3d4e5",
            "requestId": str(uuid4()),
            "identity": {"sourceIp": "192.0.2.1", "userAgent": _HEADERS["User-Agent"]},
            **({"authorizer": dict(context)} if context else {}),
        },
        "body": body,
        "isBase64Encoded": False,
    }
