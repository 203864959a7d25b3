"""A visit to the deployed API, through its public URL, as its first client.

It says nothing of load or of corners: it finds out whether all the parts have met. The gateway
routes, the package starts, the functions may do what they need, the keys sign and verify, the
tables are there, the authorizer lets in and refuses.
"""

import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests

from chalicelib.domain.errors import AccountsError
from chalicelib.domain.names import EmailAddress
from chalicelib.store.attempt_rows import AttemptRows
from chalicelib.store.faults import translating_faults
from chalicelib.store.items import EventItem, MarkerItem, MessageItem, UserItem, bind
from chalicelib.store.transactions import Transactions
from chalicelib.store.users import DynamoUserStore
from infra.deployment.errors import DeploymentError
from infra.deployment.stages import Stage, settings_of

_SETTLING_SECONDS = 60.0
_PAUSE_SECONDS = 1.0
_ANSWER_SECONDS = 35
_SNIPPET = 200
_MAILBOX_SIMULATOR = "simulator.amazonses.com"
"""Takes every mail, and it counts for nothing.
See https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html"""


class PublicApi:
    """The API at its URL or, on an endpoint of one's own, at that endpoint under its name."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._base, self._headers = url, {}
        if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
            parts = urlsplit(url)
            self._base = endpoint.rstrip("/") + parts.path
            api_id, _, _ = parts.netloc.partition(".")
            host = f"{api_id}.execute-api.localhost:{urlsplit(endpoint).port}"
            self._headers = {"Host": host}

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        token: str | None = None,
    ) -> requests.Response:
        """Send a request.

        Raises:
            DeploymentError: nobody answers.
        """
        headers = {**self._headers, **({"Authorization": f"Bearer {token}"} if token else {})}
        try:
            return requests.request(
                method, self._base + path, json=json, headers=headers, timeout=_ANSWER_SECONDS
            )
        except requests.RequestException as error:
            raise DeploymentError(
                f"{method} {self.url}{path}: nobody answers ({type(error).__name__})"
            ) from error


def smoke_test(stage: Stage, url: str, version: str, say: Callable[[str], None]) -> None:
    """Visit the API, and leave nothing behind.

    Raises:
        DeploymentError: it does not do what it should; the message says what it did.
    """
    api = PublicApi(url)
    _wait_for_health(api, stage, version)
    say("GET /health: this version")
    name = f"smoke-{secrets.token_hex(8)}"
    visitor = _Visitor(f"success+{name}@{_MAILBOX_SIMULATOR}", name, secrets.token_urlsafe(24))
    try:
        _visit(api, visitor, settings_of(stage).authorizer_cache_seconds, say)
    finally:
        # Had the visit broken off, the account would still be there.
        _clean_up(stage, visitor)


@dataclass
class _Visitor:
    """Somebody who comes and goes."""

    email: str
    username: str
    password: str
    public_id: str | None = None
    """As far as it is known."""


def _wait_for_health(api: PublicApi, stage: Stage, version: str) -> None:
    """Wait until the new version answers: a change needs some seconds to be everywhere."""
    deadline = time.monotonic() + _SETTLING_SECONDS
    expected = {"status": "ok", "stage": stage.name, "version": version}
    while True:
        answer = api.call("GET", "/health")
        if answer.status_code == HTTPStatus.OK and _json(answer) == expected:
            return
        if time.monotonic() > deadline:
            raise DeploymentError(_told("GET /health", answer, f"200 {expected}"))
        time.sleep(_PAUSE_SECONDS)


def _visit(
    api: PublicApi, visitor: _Visitor, cache_seconds: int, say: Callable[[str], None]
) -> None:
    email, password = visitor.email, visitor.password
    registration = {"email": email, "username": visitor.username, "password": password}
    answer = api.call("POST", "/user", json=registration)
    first_token = _expect(answer, HTTPStatus.CREATED, "POST /user")["Authorization"]
    say("POST /user: registered")
    answer = api.call("POST", "/auth/login", json={"email": email, "password": password})
    refresh_token = _expect(answer, HTTPStatus.OK, "POST /auth/login")["refresh_token"]
    say("POST /auth/login: logged in")
    answer = api.call("POST", "/auth/refresh", json={"refresh_token": refresh_token})
    token = _expect(answer, HTTPStatus.OK, "POST /auth/refresh")["Authorization"]
    say("POST /auth/refresh: refreshed")
    answer = api.call("GET", "/user/me", token=token)
    user = _expect(answer, HTTPStatus.OK, "GET /user/me")
    visitor.public_id = user["public_id"]
    if user.get("email") != email:
        raise DeploymentError("GET /user/me: it is somebody else's account")
    say("GET /user/me: let in")
    _expect(api.call("GET", "/user/me"), HTTPStatus.UNAUTHORIZED, "GET /user/me without a token")
    _expect(api.call("POST", "/auth/logout", token=token), HTTPStatus.OK, "POST /auth/logout")
    say("POST /auth/logout: logged out")
    answer = ask_revoked(api, token, cache_seconds)
    refusal = _expect(answer, HTTPStatus.UNAUTHORIZED, "GET /user/me after the logout")
    if refusal.get("status") != "fail" or "X-Request-Id" not in answer.headers:
        raise DeploymentError(
            _told("GET /user/me after the logout", answer, "a refusal in the contract's shape")
        )
    say("GET /user/me: refused after the logout")
    closing = {"current_password": password}
    answer = api.call("DELETE", "/user/me", json=closing, token=first_token)
    _expect(answer, HTTPStatus.OK, "DELETE /user/me")
    answer = ask_revoked(api, first_token, cache_seconds)
    _expect(answer, HTTPStatus.UNAUTHORIZED, "GET /user/me after closing the account")
    say("DELETE /user/me: closed")


def ask_revoked(api: PublicApi, token: str, cache_seconds: int) -> requests.Response:
    """Ask with a token that was revoked: once, or until no decision of before may be in use."""
    deadline = time.monotonic() + cache_seconds
    while True:
        last = time.monotonic() >= deadline
        answer = api.call("GET", "/user/me", token=token)
        if last or answer.status_code != HTTPStatus.OK:
            return answer
        time.sleep(_PAUSE_SECONDS)


def _expect(answer: requests.Response, status: HTTPStatus, request: str) -> dict[str, Any]:
    if answer.status_code != status:
        raise DeploymentError(_told(request, answer, str(status.value)))
    body = _json(answer)
    if not isinstance(body, dict):
        raise DeploymentError(_told(request, answer, "a JSON object"))
    return body


def _json(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except requests.JSONDecodeError:
        return None


def _told(request: str, answer: requests.Response, expected: str) -> str:
    # Only refusals are quoted: a success may hold a token.
    body = " ".join(answer.text.split())[:_SNIPPET] if not answer.ok else "a success"
    return f"{request}: {answer.status_code} ({body}), where {expected} was expected"


def _clean_up(stage: Stage, visitor: _Visitor) -> None:
    """Remove the account, if it came to be, and what it left, with this command's own rights.

    Raises:
        DeploymentError: it could not be removed.
    """
    name = stage.resource_prefix
    users = f"{name}-users"
    connection = bind(
        {
            UserItem: users,
            MarkerItem: users,
            EventItem: f"{name}-activity",
            MessageItem: f"{name}-outbox",
        }
    )
    # Nothing here counts an attempt, so that no row is made with this secret.
    store = DynamoUserStore(connection, Transactions(connection), AttemptRows(""))
    try:
        user = store.find_by_email(EmailAddress.parse(visitor.email).key)
        if user is not None:
            visitor.public_id = user.public_id
            store.remove(user)
        if visitor.public_id is not None:
            _remove_traces(visitor.public_id)
    except AccountsError as error:
        raise DeploymentError(
            f"the account {visitor.email} could not be removed again: {error}"
        ) from error


def _remove_traces(public_id: str) -> None:
    """Remove what was to be done for the account, and then what is known of it."""
    with translating_faults():
        for message in MessageItem.scan(MessageItem.public_id == public_id, consistent_read=True):
            message.delete()
        for event in EventItem.query(public_id, consistent_read=True):
            event.delete()
