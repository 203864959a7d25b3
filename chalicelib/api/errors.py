"""The one place where errors become HTTP.

`FAILURES` says what each error means in HTTP; a test holds it complete. API Gateway's own
refusals are put into the same shape from the same table (infra/gateway_responses.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain import errors
from chalicelib.domain.errors import AccountsError, InvalidInputError, TooManyRequestsError

_RETRY = {"Retry-After": "1"}
# RFC 6750, section 3: a request without a token is told the scheme; a bad token is told so.
_ASK = {"WWW-Authenticate": "Bearer"}
_BAD_TOKEN = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


@dataclass(frozen=True, slots=True)
class Failure:
    """What an error is in HTTP: a status, and the headers that the status calls for."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)


FAILURES: Mapping[type[AccountsError], Failure] = {
    errors.InvalidInputError: Failure(400),
    errors.MailedTokenInvalidError: Failure(400),
    errors.TokenMissingError: Failure(401, _ASK),
    errors.TokenInvalidError: Failure(401, _BAD_TOKEN),
    errors.TokenExpiredError: Failure(401, _BAD_TOKEN),
    errors.TokenRevokedError: Failure(401, _BAD_TOKEN),
    errors.WrongCredentialsError: Failure(401, _ASK),
    errors.RefreshTokenInvalidError: Failure(401, _ASK),
    errors.NotAllowedError: Failure(403),
    errors.EmailNotVerifiedError: Failure(403),
    errors.PasswordChangeRequiredError: Failure(403),
    errors.WrongPasswordError: Failure(403),
    errors.NotFoundError: Failure(404),
    errors.UserNotFoundError: Failure(404),
    errors.SessionNotFoundError: Failure(404),
    errors.MethodNotAllowedError: Failure(405),
    errors.EmailTakenError: Failure(409),
    errors.UsernameTakenError: Failure(409),
    errors.LastAdminError: Failure(409),
    errors.BodyTooLargeError: Failure(413),
    errors.UnsupportedMediaTypeError: Failure(415),
    errors.FormExpectedError: Failure(415),
    errors.TooManyRequestsError: Failure(429, _RETRY),
    errors.UnexpectedError: Failure(500),
    errors.UnavailableError: Failure(503, _RETRY),
}


def failure_headers(error: AccountsError) -> dict[str, str]:
    """The headers that an error calls for: those of its kind, and how long to wait if it knows."""
    headers = dict(FAILURES[type(error)].headers)
    if isinstance(error, TooManyRequestsError):
        headers["Retry-After"] = str(error.retry_after)
    return headers


def failure_body(error: AccountsError | type[AccountsError]) -> dict[str, Any]:
    """The contract's failure: the same shape from every layer."""
    body: dict[str, Any] = {"status": "fail", "code": error.code, "message": error.message}
    if isinstance(error, InvalidInputError):
        body["errors"] = error.errors
    return body
