"""API Gateway's part of a request, as REST APIs with a Lambda proxy integration have it.

The app and the authorizer are called as Lambda calls them: with events that have been through
JSON, and never with anything but strings in the authorizer's context.
See https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs, unquote
from uuid import uuid4

from chalice.app import Chalice, ChaliceAuthorizer

from chalicelib.api.errors import FAILURES, failure_body
from chalicelib.api.headers import common_headers
from chalicelib.container import container
from infra.gateway_responses import GATEWAY_RESPONSES

_API = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/api"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client gets. Headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    text: str
    request_id: str
    refused_by_gateway: bool

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """The part of a function's context that matters."""

    aws_request_id: str
    function_name: str
    function_version: str = "1"
    memory_limit_in_mb: int = 128
    seconds_left: Callable[[], float] = lambda: 20.0

    @classmethod
    def of(cls, function: str) -> "LambdaContext":
        """The context of an invocation that nothing slows down."""
        return cls(str(uuid4()), function)

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds_left() * 1_000)


class _RefusedError(Exception):
    """API Gateway answers by itself."""

    def __init__(self, gateway_response: str) -> None:
        super().__init__(gateway_response)
        self.gateway_response = gateway_response


class Gateway:
    """One API, its routes and authorizers taken from the app as a deployment takes them."""

    def __init__(self, app: Chalice) -> None:
        self._app = app
        self._paths = {path: _pattern(path) for path in app.routes}
        self.start = LambdaContext.of
        """Called with a function's name when it is invoked, for the context that it is given."""

    def send(
        self,
        method: str,
        target: str,
        *,
        headers: list[tuple[str, str]],
        body: bytes | None,
        base64_body: bool = False,
        source_ip: str = "192.0.2.1",
    ) -> Answer:
        """Send a request. `base64_body`: its media type is one that the API calls binary."""
        request_id = str(uuid4())
        last = {name.lower(): value for name, value in headers}
        try:
            event, entry = self._event(method, target, headers, request_id)
            event["requestContext"]["identity"]["sourceIp"] = source_ip
            if body is not None:
                # Text that is not UTF-8 has its bad octets replaced on the way.
                event["isBase64Encoded"] = base64_body
                event["body"] = (
                    base64.b64encode(body).decode("ascii")
                    if base64_body
                    else body.decode("utf-8", "replace")
                )
            if entry.authorizer is not None:
                caller = self._ask(entry.authorizer, method, event["path"], last)
                event["requestContext"]["authorizer"] = caller
            answer = _as_json(self._app(_as_json(event), self.start("api_handler")))
        except _RefusedError as refusal:
            return _refusal(refusal.gateway_response, last.get("origin"), request_id)
        return _read(answer, method, request_id)

    def _event(
        self, method: str, target: str, headers: list[tuple[str, str]], request_id: str
    ) -> tuple[dict[str, Any], Any]:
        path, _, query_string = target.partition("?")
        resource, parameters = self._match(path)
        if method not in self._app.routes[resource]:
            raise _RefusedError("MISSING_AUTHENTICATION_TOKEN")
        many: dict[str, list[str]] = {}
        for name, value in headers:
            many.setdefault(name, []).append(value)
        query = parse_qs(query_string, keep_blank_values=True)
        event = {
            "resource": resource,
            "path": path,
            "httpMethod": method,
            "headers": {name: values[-1] for name, values in many.items()} or None,
            "multiValueHeaders": many or None,
            "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
            "multiValueQueryStringParameters": query or None,
            "pathParameters": parameters or None,
            "stageVariables": None,
            "requestContext": {
                "resourceId": "a1b2c3",
                "resourcePath": resource,
                "httpMethod": method,
                "extendedRequestId": "c6af9ac6-7b61",
                "requestTime": "02/Jan/2026:03:04:05 +0000",
                "requestTimeEpoch": 1_767_323_045_000,
                "path": f"/api{path}",
                "accountId": "123456789012",
                "protocol": "HTTP/1.1",
                "stage": "api",
                "domainName": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
                "apiId": "a1b2c3d4e5",
                "requestId": request_id,
                "identity": {
                    "sourceIp": "192.0.2.1",
                    "userAgent": "tests",
                    "accessKey": None,
                    "user": None,
                },
            },
            "body": None,
            "isBase64Encoded": False,
        }
        # Chalice reads the headers of every event: API Gateway's always has some.
        event["headers"] = event["headers"] or {"Host": "example.com"}
        return event, self._app.routes[resource][method]

    def _match(self, path: str) -> tuple[str, dict[str, str]]:
        """The resource of a path, a literal one before one with parameters."""
        given = path.removesuffix("/") or "/"
        for resource in sorted(self._paths, key=lambda resource: resource.count("{")):
            if found := self._paths[resource].fullmatch(given):
                return resource, {name: unquote(part) for name, part in found.groupdict().items()}
        raise _RefusedError("MISSING_AUTHENTICATION_TOKEN")

    def _ask(
        self, authorizer: ChaliceAuthorizer, method: str, path: str, headers: Mapping[str, str]
    ) -> dict[str, str]:
        token = headers.get("authorization")
        if not token:
            raise _RefusedError("UNAUTHORIZED")
        arn = f"{_API}/{method}{path}"
        event = {"type": "TOKEN", "authorizationToken": token, "methodArn": arn}
        try:
            decision = _as_json(authorizer(_as_json(event), self.start("authorize")))
        except Exception as fault:
            name = "UNAUTHORIZED" if str(fault) == "Unauthorized" else "AUTHORIZER_FAILURE"
            raise _RefusedError(name) from fault
        caller = _caller_of(decision)
        if not _allows(decision["policyDocument"]["Statement"], arn):
            raise _RefusedError("ACCESS_DENIED")
        return caller


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _caller_of(decision: Any) -> dict[str, str]:
    """What reaches the function: text, whatever scalar it was."""
    if not isinstance(decision.get("policyDocument"), dict):
        raise _RefusedError("AUTHORIZER_CONFIGURATION_ERROR")
    caller = {"principalId": str(decision["principalId"]), "integrationLatency": "12"}
    for name, value in decision.get("context", {}).items():
        if isinstance(value, bool):
            caller[name] = "true" if value else "false"
        elif isinstance(value, str | int | float):
            caller[name] = str(value)
        else:
            raise _RefusedError("AUTHORIZER_CONFIGURATION_ERROR")
    return caller


def _allows(statements: list[dict[str, Any]], arn: str) -> bool:
    effects = {
        statement["Effect"]
        for statement in statements
        if "execute-api:Invoke" in (statement["Action"], *statement["Action"])
        and any(fnmatchcase(arn, resource) for resource in statement["Resource"])
    }
    return effects == {"Allow"}


def _refusal(gateway_response: str, origin: str | None, request_id: str) -> Answer:
    error = GATEWAY_RESPONSES[gateway_response]
    failure = FAILURES[error]
    headers = {
        "Content-Type": "application/json",
        **common_headers(container().settings.cors_origins, origin, request_id),
        **failure.headers,
    }
    return Answer(
        failure.status,
        {name.lower(): value for name, value in headers.items()},
        json.dumps(failure_body(error)),
        request_id,
        refused_by_gateway=True,
    )


def _read(answer: Any, method: str, request_id: str) -> Answer:
    headers = dict(answer.get("headers") or {})
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers[name] = ", ".join(values)
    body = answer.get("body") or ""
    if answer.get("isBase64Encoded"):
        body = base64.b64decode(body).decode()
    return Answer(
        answer["statusCode"],
        {name.lower(): value for name, value in headers.items()},
        "" if method == "HEAD" else body,
        request_id,
        refused_by_gateway=False,
    )
