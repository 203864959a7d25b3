"""Declaring routes: what each takes, gives and refuses, said once beside its view.

A `Routes` is a Chalice blueprint whose routes parse their input, answer in the contract's shape
whatever happens, and keep what was declared, so that the OpenAPI document is made from it.
"""

import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
from chalice.app import Blueprint, ChaliceAuthorizer, Request, Response

from chalicelib.api.errors import FAILURES, failure_body, failure_headers
from chalicelib.api.headers import common_headers, preflight_headers
from chalicelib.api.inputs import check_size, read_body, read_form, read_query
from chalicelib.container import container
from chalicelib.deadlines import ending_in, seconds_left_of
from chalicelib.domain.errors import AccountsError, UnavailableError, UnexpectedError
from chalicelib.domain.languages import negotiate
from chalicelib.domain.principals import Principal
from chalicelib.domain.sessions import Client
from chalicelib.settings import SettingsError
from chalicelib.telemetry import note, recording

View = Callable[..., Any]
Explain = Callable[[AccountsError, Mapping[str, Any]], "Document"]
"""Says for a person why something was refused. What could be read of the request is at hand."""

_JSON = "application/json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Document:
    """An answer that is not JSON of ours, and may be kept by caches for some seconds, if at all."""

    text: str
    content_type: str
    max_age: int | None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A route as it was declared: what its view is called with, and what it answers."""

    method: str
    path: str
    view: View
    answer: type[msgspec.Struct] | type[Document]
    status: int = 200
    media_types: tuple[str, ...] = (_JSON,)
    max_age: int | None = None
    """How many seconds caches may keep the answer; not at all unless told."""
    filename: str | None = None
    """What a browser that is told to keep the answer calls it. Not shown, but downloaded."""
    body: type[msgspec.Struct] | None = None
    """What the view is called with as `body`."""
    body_required: bool = True
    """There has to be one. If not, none at all stands for an empty object."""
    form: type[msgspec.Struct] | None = None
    """What the view is called with as `form`: what an HTML form sends, in the place of JSON."""
    query: type[msgspec.Struct] | None = None
    """What the view is called with as `query`."""
    authorizer: ChaliceAuthorizer | None = None
    """Who lets the caller in. The view is called with the `Principal` as `caller`."""
    reads_token: bool = False
    """The view reads the token itself: it is called with the header as `authorization`."""
    reads_client: bool = False
    """The view is called with the `Client` as `client`."""
    errors: tuple[type[AccountsError], ...] = ()
    """What it refuses, besides what follows from the rest."""
    explain: Explain | None = None
    """What it refuses is a page, made by this, in the place of the JSON of a failure."""
    counts: str | None = None
    """The metric that a success adds to."""


class Routes(Blueprint):  # type: ignore[misc] # Chalice is not typed strictly
    """The routes of one resource."""

    def __init__(self, import_name: str, tag: str) -> None:
        """`tag` is the resource's heading in the documentation."""
        super().__init__(import_name)
        self.tag = tag
        self.operations: list[Operation] = []

    def get(self, path: str, **declared: Any) -> Callable[[View], View]:
        """Declare a GET, and the HEAD that answers like it, by the fields of `Operation`."""
        return self._declare("GET", path, declared)

    def post(self, path: str, **declared: Any) -> Callable[[View], View]:
        """Declare a POST, by the fields of `Operation`."""
        return self._declare("POST", path, declared)

    def patch(self, path: str, **declared: Any) -> Callable[[View], View]:
        """Declare a PATCH, by the fields of `Operation`."""
        return self._declare("PATCH", path, declared)

    def delete(self, path: str, **declared: Any) -> Callable[[View], View]:
        """Declare a DELETE, by the fields of `Operation`."""
        return self._declare("DELETE", path, declared)

    def _declare(
        self, method: str, path: str, declared: Mapping[str, Any]
    ) -> Callable[[View], View]:
        def declare(view: View) -> View:
            operation = Operation(method=method, path=path, view=view, **declared)
            self._register_preflight(path)
            self.operations.append(operation)

            @functools.wraps(view)
            def respond(**path_parameters: str) -> Response:
                return self._respond(operation, path_parameters)

            self.route(
                path,
                methods=["GET", "HEAD"] if method == "GET" else [method],
                authorizer=operation.authorizer,
                content_types=[],  # checked in api/inputs.py, which answers as the contract says
            )(respond)
            return view

        return declare

    def _register_preflight(self, path: str) -> None:
        # Answered here rather than by API Gateway, whose mock can name one origin only.
        if any(operation.path == path for operation in self.operations):
            return

        def preflight(**_path_parameters: str) -> Response:
            methods = [known.method for known in self.operations if known.path == path]
            return Response("", self._headers() | preflight_headers(methods), 204)

        self.route(path, methods=["OPTIONS"], content_types=[])(preflight)

    def _respond(self, operation: Operation, path_parameters: Mapping[str, str]) -> Response:
        seconds_left = seconds_left_of(self.current_request.lambda_context)
        route = f"{operation.method} {operation.path}"
        with (
            recording("request", request_id=self._request_id(), route=route) as record,
            ending_in(seconds_left),
        ):
            record.counts = operation.counts
            inputs: dict[str, Any] = {}
            try:
                record.note(stage=container().settings.stage)
                self._read_inputs(operation, inputs)
                answer = operation.view(**path_parameters, **inputs)
                response = self._succeed(operation, answer)
            except AccountsError as error:
                response = self._refuse(error, operation.explain, inputs)
                record.note(outcome=error.code)
            except Exception:  # noqa: BLE001 - the last resort, and it logs
                # The client learns that it was us; the log learns what it was.
                _log.exception("%s %s failed", operation.method, operation.path)
                response = self._refuse(UnexpectedError())
                record.note(outcome=UnexpectedError.code)
            record.failed = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
            record.note(status=response.status_code)
            return response

    def _succeed(self, operation: Operation, answer: Any) -> Response:
        if isinstance(answer, Document):
            return self._answer_document(answer, operation.status)
        text = msgspec.json.encode(answer).decode()
        headers = {"Content-Type": _JSON}
        if operation.filename is not None:
            headers["Content-Disposition"] = f'attachment; filename="{operation.filename}"'
        return self._answer(text, operation.status, headers, operation.max_age)

    def _read_inputs(self, operation: Operation, inputs: dict[str, Any]) -> None:
        """Read what the view is called with, one after the other, until something is refused."""
        request: Request = self.current_request
        if operation.reads_client:
            inputs["client"] = _client_of(request)
        if operation.form is not None:
            content_type = request.headers.get("content-type")
            inputs["form"] = read_form(request.raw_body, content_type, operation.form)
        elif operation.body is not None:
            content_type = request.headers.get("content-type")
            given = request.raw_body
            if not given and not operation.body_required:
                given, content_type = b"{}", _JSON
            shortest = container().settings.password_min_length
            inputs["body"] = read_body(given, content_type, operation.body, shortest)
        else:
            check_size(request.raw_body)
        if operation.query is not None:
            inputs["query"] = read_query(_query_of(request), operation.query)
        if operation.authorizer is not None:
            inputs["caller"] = caller = _caller_of(request)
            note(user=caller.user.public_id)
        if operation.reads_token:
            inputs["authorization"] = request.headers.get("authorization", "")

    def _answer(
        self, text: str, status: int, headers: Mapping[str, str], max_age: int | None = None
    ) -> Response:
        caching = {} if max_age is None else {"Cache-Control": f"public, max-age={max_age}"}
        return Response(text, {**self._headers(), **caching, **headers}, status)

    def _answer_document(
        self, document: Document, status: int, more: Mapping[str, str] | None = None
    ) -> Response:
        headers = {"Content-Type": document.content_type, **document.headers, **(more or {})}
        return self._answer(document.text, status, headers, document.max_age)

    def _refuse(
        self,
        error: AccountsError,
        explain: Explain | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Response:
        status = FAILURES[type(error)].status
        if explain is not None:
            page = explain(error, inputs or {})
            return self._answer_document(page, status, failure_headers(error))
        text = msgspec.json.encode(failure_body(error)).decode()
        return self._answer(text, status, {"Content-Type": _JSON, **failure_headers(error)})

    def _headers(self) -> dict[str, str]:
        request: Request = self.current_request
        return common_headers(
            _cors_origins(),
            request.headers.get("origin"),
            self._request_id(),
        )

    def _request_id(self) -> str:
        # The id in API Gateway's own logs; Chalice's test client has the function's alone.
        request: Request = self.current_request
        found = request.context.get("requestId") or request.lambda_context.aws_request_id
        return str(found)


def _cors_origins() -> tuple[str, ...]:
    try:
        return container().settings.cors_origins
    except SettingsError:  # the request failed over it already, and that is in the log
        return ()


def _query_of(request: Request) -> dict[str, list[str]]:
    parameters = request.query_params
    return {name: parameters.getlist(name) for name in parameters} if parameters else {}


def _client_of(request: Request) -> Client:
    """Whoever API Gateway has the connection with: no header says otherwise."""
    identity = request.context["identity"]
    language = negotiate(request.headers.get("accept-language", ""))
    return Client.of(identity["sourceIp"], identity.get("userAgent") or "", language)


def _caller_of(request: Request) -> Principal:
    try:
        return Principal.from_context(request.context["authorizer"])
    except (KeyError, ValueError, TypeError):
        # Only the authorizer can let a request through to here, and it always says who it is.
        _log.exception("the authorizer's context cannot be read")
        raise UnavailableError from None
