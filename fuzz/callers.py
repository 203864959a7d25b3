"""Who is asking while schemathesis sends its requests, and what they may be refused: its hooks.

Whatever is sent may log the caller out, close their account or take a right from them. So everybody
logs in anew after each request that is not a GET, and whoever cannot any more is somebody new.
"""

import os
import secrets
from http import HTTPMethod, HTTPStatus
from typing import Any

import requests
import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

from chalicelib.container import container
from chalicelib.domain.errors import MailedTokenInvalidError
from chalicelib.domain.names import EmailAddress

CALLER = "ACCOUNTS_FUZZ_CALLER"
API = "ACCOUNTS_FUZZ_API"
ADMIN, USER, NOBODY = "admin", "user", "nobody"
CALLERS = (ADMIN, USER, NOBODY)
_SECONDS = 30


class _Caller:
    """Somebody with an account, as long as it lasts."""

    def __init__(self) -> None:
        self._admin = os.environ[CALLER] == ADMIN
        self._api = os.environ[API]
        self._account: dict[str, str] | None = None
        self._token: str | None = None

    def get(self, case: schemathesis.Case[Any], context: schemathesis.AuthContext) -> str | None:
        """A token that is good now, if the route asks for one."""
        if not context.operation.definition.raw.get("security"):
            return None
        token = self._token or self._log_in() or self._register()
        self._token = token if case.method == HTTPMethod.GET else None
        return token

    def set(
        self, case: schemathesis.Case[Any], data: str, _context: schemathesis.AuthContext
    ) -> None:
        """Put it where the contract says."""
        case.headers["Authorization"] = f"Bearer {data}"

    def _log_in(self) -> str | None:
        if self._account is None:
            return None
        names = ("email", "password")
        return self._post("/auth/login", {name: self._account[name] for name in names})

    def _register(self) -> str:
        name = f"fuzzer-{secrets.token_hex(8)}"
        self._account = {
            "email": f"{name}@example.com",
            "username": name,
            "password": secrets.token_hex(16),
        }
        token = self._post("/user", self._account)
        if token is None:
            raise RuntimeError("the fuzzer cannot register")
        if self._admin:
            container().accounts.promote(EmailAddress.parse(self._account["email"]))
        return token

    def _post(self, path: str, body: dict[str, str]) -> str | None:
        answer = requests.post(self._api + path, json=body, timeout=_SECONDS)
        answered: dict[str, Any] = answer.json()
        token: str | None = answered.get("Authorization")
        return token


_UNSAID = (
    "Must not have control or invisible characters.",
    "Must not begin or end with a space.",
    "Must have 1 to 64 characters.",  # in NFKC
    "Must have 8 to 128 characters.",  # in NFC
    "Must have at most 4096 octets of JSON.",
    "Not a valid email address.",
    "This email address is too long.",  # in octets
    "This is one of the most common passwords.",
    "Must not be your ",
    "Not a cursor of this list.",  # it is signed
    "Not a valid JSON document.",  # too deep, or too large a number
)
"""Why what the document allows may be refused all the same: JSON Schema has no words for it."""


@schemathesis.check
def what_the_document_allows_is_accepted(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Schemathesis's own check, but for refusals whose reason no schema could have said."""
    if response.status_code == HTTPStatus.BAD_REQUEST and _is_unsaid(response):
        return
    positive_data_acceptance(ctx, response, case)


def _is_unsaid(response: schemathesis.Response) -> bool:
    if response.headers.get("content-type", [""])[0].startswith("text/html"):
        return True  # a page, for a made-up link: tests/api/test_mailed_links.py reads its words
    failure = response.json()
    if failure["code"] == MailedTokenInvalidError.code:
        return True
    # Whether it is required depends on whose account it is.
    own = {"current_password": "This field is required."}
    return all(
        reason.startswith(_UNSAID) or own.get(field) == reason
        for field, reason in failure["errors"].items()
    )


if os.environ.get(CALLER, NOBODY) != NOBODY:
    schemathesis.auth(refresh_interval=None)(_Caller)
