"""API Gateway's part, played on one's own machine.

`chalice local` knows the routes and calls the app, but where API Gateway refuses a request it
answers otherwise, or hangs up. This module decides as API Gateway does and refuses with what
infra/gateway_responses.py has API Gateway say, so that a client sees the same here and deployed.

It knows nothing of sockets: see `infra.local.server`.
"""

import base64
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes
from uuid import uuid4

from chalice import Chalice
from chalice.local import ARNMatcher, LambdaContext, LocalARNBuilder

from chalicelib.api.errors import FAILURES, failure_body
from chalicelib.api.headers import common_headers
from chalicelib.domain.errors import AccountsError, MethodNotAllowedError
from infra.gateway_responses import GATEWAY_RESPONSES

_INVOKE = "execute-api:Invoke"
_LAMBDA_MILLISECONDS = 28_000  # as .chalice/config.json has it for the API function
"""API Gateway waits no longer for a function."""

_ABSOLUTE_TARGET = re.compile(r"https?://[^/?]*", re.IGNORECASE)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it came over the wire, its body complete and its framing undone."""

    method: str
    target: bytes
    headers: tuple[tuple[str, str], ...]
    body: bytes
    source_ip: str
    request_id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def path(self) -> str:
        """The target without its query, as it was sent: percent-encoded."""
        return self._path_and_query[0]

    @property
    def query(self) -> str:
        """What follows the first question mark."""
        return self._path_and_query[1]

    @property
    def _path_and_query(self) -> tuple[str, str]:
        # RFC 9112, section 3.2.2: servers take the absolute form as well.
        target = _ABSOLUTE_TARGET.sub("", self.target.decode("utf-8", "replace"), count=1)
        path, _, query = target.partition("?")
        return path or "/", query

    def header(self, name: str) -> str | None:
        """The last header of a name in lower case, as API Gateway has it, or None."""
        return self.last_headers.get(name)

    @property
    def last_headers(self) -> dict[str, str]:
        """One value for each name, in lower case."""
        return {name.lower(): value for name, value in self.headers}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer, but for its framing."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Route:
    path: str
    segments: tuple[str, ...]
    methods: Mapping[str, Any]

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """The path's parameters, decoded, or None if this is not the route."""
        if len(segments) != len(self.segments):
            return None
        parameters = {}
        for given, expected in zip(segments, self.segments, strict=True):
            if given and expected.startswith("{"):
                parameters[expected.strip("{}")] = given
            elif given != expected:
                return None
        return parameters


class _RefusedError(Exception):
    def __init__(
        self, error: type[AccountsError], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(error.code)
        self.error = error
        self.headers = headers or {}


def _refused(gateway_response: str) -> _RefusedError:
    return _RefusedError(GATEWAY_RESPONSES[gateway_response])


class Gateway:
    """One API: what is asked of it, and what API Gateway makes of the answers."""

    def __init__(self, app: Chalice, cors_origins: tuple[str, ...]) -> None:
        self._app = app
        self._cors_origins = cors_origins
        routes = [_Route(path, _segments(path), methods) for path, methods in app.routes.items()]
        # `/user/me` before `/user/{public_id}`: the more literal route wins.
        self._routes = sorted(
            routes, key=lambda route: [part.startswith("{") for part in route.segments]
        )

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer any request at all. Nothing is raised, whatever the app does."""
        try:
            route, parameters = self._match(request)
            context = LambdaContext(self._app.app_name, 128, max_runtime_ms=_LAMBDA_MILLISECONDS)
            context.aws_request_id = request.request_id
            event = _event(request, route, parameters)
            authorizer = route.methods[request.method].authorizer
            if authorizer is not None:
                event["requestContext"]["authorizer"] = _authorize(authorizer, request, context)
            return _read_answer(self._app(event, context))
        except _RefusedError as refusal:
            return self.refuse(refusal.error, request, refusal.headers)
        except Exception:  # noqa: BLE001 - it is logged, and answered
            # The function crashed, or what it returned is no answer: one thing to API Gateway.
            _log.exception("%s %s crashed.", request.method, request.path)
            return self.refuse(GATEWAY_RESPONSES["DEFAULT_5XX"], request)

    def refuse(
        self,
        error: type[AccountsError],
        request: HttpRequest,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """The contract's answer to a request that no function sees."""
        failure = FAILURES[error]
        return self.failure(
            failure.status, failure_body(error), request, {**failure.headers, **(headers or {})}
        )

    def failure(
        self, status: int, body: Mapping[str, Any], request: HttpRequest, headers: Mapping[str, str]
    ) -> HttpAnswer:
        """A failure with the headers that every response carries."""
        common = common_headers(self._cors_origins, request.header("origin"), request.request_id)
        every = {"Content-Type": "application/json", **common, **headers}
        return HttpAnswer(
            status, tuple(every.items()), json.dumps(body, separators=(",", ":")).encode()
        )

    def _match(self, request: HttpRequest) -> tuple[_Route, dict[str, str]]:
        segments = _segments(request.path)
        for route in self._routes:
            parameters = route.match(segments)
            if parameters is None:
                continue
            if request.method not in route.methods:
                allowed = {"Allow": ", ".join(sorted(route.methods))}
                raise _RefusedError(MethodNotAllowedError, allowed)
            return route, parameters
        raise _refused("MISSING_AUTHENTICATION_TOKEN")


def _segments(path: str) -> tuple[str, ...]:
    """A path's parts, decoded one by one, so that an encoded slash parts nothing.

    API Gateway takes one trailing slash for none.
    """
    if len(path) > 1:
        path = path.removesuffix("/")
    return tuple(unquote_to_bytes(part).decode("utf-8", "replace") for part in path.split("/"))


def _event(request: HttpRequest, route: _Route, parameters: dict[str, str]) -> dict[str, Any]:
    """The proxy integration's event."""
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(name.lower(), []).append(value)
    query = parse_qs(request.query, keep_blank_values=True)
    return {
        "resource": route.path,
        "path": request.path,
        "httpMethod": request.method,
        "headers": request.last_headers,
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "httpMethod": request.method,
            "resourcePath": route.path,
            "path": request.path,
            "requestId": request.request_id,
            "identity": {
                "sourceIp": request.source_ip,
                "userAgent": request.header("user-agent"),
            },
        },
        # API Gateway sends text, having replaced what is not UTF-8. Chalice takes bytes as well,
        # with which the app can say that it is not UTF-8.
        "body": request.body or None,
        "isBase64Encoded": False,
    }


def _authorize(
    authorizer: Callable[..., Any], request: HttpRequest, context: LambdaContext
) -> dict[str, str]:
    """Ask the authorizer; what it says about the caller."""
    token = request.header("authorization")
    if not token:
        raise _refused("UNAUTHORIZED")
    arn = LocalARNBuilder().build_arn(request.method, request.path)
    event = {"type": "TOKEN", "authorizationToken": token, "methodArn": arn}
    try:
        decision = authorizer(event, context)
    except Exception as error:
        # The one message by which an authorizer may refuse without a policy.
        if str(error) == "Unauthorized":
            raise _refused("UNAUTHORIZED") from error
        _log.exception("The authorizer crashed.")
        raise _refused("AUTHORIZER_FAILURE") from error
    try:
        allowed = _allows(decision["policyDocument"]["Statement"], arn)
        caller = {name: _text(value) for name, value in decision.get("context", {}).items()}
        caller["principalId"] = decision["principalId"]
    except (AttributeError, KeyError, TypeError) as error:
        _log.error("The authorizer answered with something other than a policy.")
        raise _refused("AUTHORIZER_CONFIGURATION_ERROR") from error
    if not allowed:
        raise _refused("ACCESS_DENIED")
    return caller


def _allows(statements: Iterable[Mapping[str, Any]], arn: str) -> bool:
    """Whether a policy lets its bearer through: something allows it, and nothing denies it."""
    matcher = ARNMatcher(arn)
    effects = {
        statement["Effect"]
        for statement in statements
        if {_INVOKE, "execute-api:*", "*"} & set(_listed(statement["Action"]))
        and matcher.does_any_resource_match(_listed(statement["Resource"]))
    }
    return effects == {"Allow"}


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _text(value: object) -> str:
    """A value of an authorizer's context, which reaches the function as text.

    Raises:
        TypeError: it is neither text, nor a number, nor a truth value.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError("an authorizer's context holds scalars only")


def _read_answer(response: Mapping[str, Any]) -> HttpAnswer:
    """What a function returned, checked to the point where it can be sent."""
    body = response.get("body") or ""
    content = base64.b64decode(body) if response.get("isBase64Encoded") else body.encode()
    headers = [(name, str(value)) for name, value in (response.get("headers") or {}).items()]
    for name, values in (response.get("multiValueHeaders") or {}).items():
        headers.extend((name, str(value)) for value in values)
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", "application/json"))
    for name, value in headers:
        _check_header(name, value)
    return HttpAnswer(int(response["statusCode"]), tuple(headers), content)


def _check_header(name: str, value: str) -> None:
    if not f"{name}: {value}".isprintable():
        raise ValueError(f"the header {name!r} cannot be sent")
    f"{name}: {value}".encode("latin-1")
