"""The verifier in Python, and the function around it."""

import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from chalicelib.keys.parameters import Parameter
from examples.verify import lambda_python
from examples.verify.lambda_python import Verifier, handler
from tests.examples.issuers import Issuer, another_key
from tests.fakes import public_id
from tests.samples import claims_of

JWKS = "/.well-known/jwks.json"


@pytest.fixture
def verifier(issuer: Issuer) -> Verifier:
    return Verifier(issuer.url)


def test_every_good_token_is_taken(issuer: Issuer, verifier: Verifier) -> None:
    for token in issuer.good_tokens().values():
        assert verifier.verify(token) == claims_of(token)
    assert issuer.fetched == [JWKS]


def test_every_bad_token_is_refused(issuer: Issuer, verifier: Verifier) -> None:
    for name, token in (issuer.bad_tokens() | issuer.mistakable_tokens()).items():
        with pytest.raises(jwt.PyJWTError):
            pytest.fail(f"took {name}: {verifier.verify(token)}")


def test_a_token_too_long_is_refused_before_it_is_read(issuer: Issuer, verifier: Verifier) -> None:
    with pytest.raises(jwt.DecodeError, match="longer than any token"):
        verifier.verify("[" * 5_000)
    assert issuer.fetched == []


def test_made_up_keys_do_not_make_it_fetch_without_bound(
    issuer: Issuer, verifier: Verifier
) -> None:
    unknown = issuer.bad_tokens()["one of an unknown key"]
    for _ in range(20):
        with pytest.raises(jwt.PyJWKClientError):
            verifier.verify(unknown)
    assert issuer.fetched == [JWKS]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How many seconds this process's clock is ahead: PyJWT takes no other one for its cache."""
    ahead, monotonic = [0.0], time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + ahead[0])
    return ahead


def test_a_new_key_is_found_after_half_a_minute(
    issuer: Issuer, verifier: Verifier, later: list[float]
) -> None:
    verifier.verify(issuer.issue())
    issuer.publish(another_key())
    token = issuer.issue()
    with pytest.raises(jwt.PyJWKClientError):
        verifier.verify(token)
    later[0] = 31
    assert verifier.verify(token) == claims_of(token)


def test_a_key_that_was_withdrawn_is_good_for_five_minutes_more(
    issuer: Issuer,
    verifier: Verifier,
    later: list[float],
    key_parameters: tuple[Parameter, Parameter],
) -> None:
    token = issuer.issue()
    verifier.verify(token)
    issuer.publish(another_key())
    issuer.withdraw(key_parameters)
    later[0] = 299
    assert verifier.verify(token)
    later[0] = 301
    with pytest.raises(jwt.PyJWKClientError):
        verifier.verify(token)


@pytest.fixture
def deployed(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The function's environment, and a process of its own."""
    monkeypatch.setenv("ACCOUNTS_ISSUER", issuer.url)
    lambda_python._verifier.cache_clear()  # noqa: SLF001 - what a new process starts with
    yield
    lambda_python._verifier.cache_clear()  # noqa: SLF001 - likewise


def _call(authorization: str | None) -> tuple[int, dict[str, str], Any]:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = handler({"version": "2.0", "headers": headers}, None)
    return answer["statusCode"], answer["headers"], json.loads(answer["body"])


@pytest.mark.usefixtures("deployed")
def test_the_function_tells_who_calls(issuer: Issuer) -> None:
    status, _, body = _call(f"Bearer {issuer.issue(admin=True)}")
    assert (status, body) == (200, {"user": public_id(1), "may": ["user", "admin"]})


@pytest.mark.usefixtures("deployed")
def test_the_function_refuses_who_has_no_token() -> None:
    for nothing in (None, "", "Basic eA=="):
        status, headers, _ = _call(nothing)
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.usefixtures("deployed")
def test_the_function_refuses_a_bad_token_whatever_is_in_it(issuer: Issuer) -> None:
    brackets = "W1tb" * 1_000  # JSON that is nested too deep to be read
    for bad in (*issuer.bad_tokens().values(), "", "a.b.c", f"{brackets}.e30."):
        status, headers, body = _call(f"Bearer {bad}")
        assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
        assert body == {"message": "Get a new token."}


def test_without_keys_a_token_is_not_called_bad(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.issue()
    monkeypatch.setenv("ACCOUNTS_ISSUER", "http://127.0.0.1:1")
    lambda_python._verifier.cache_clear()  # noqa: SLF001 - what a new process starts with
    status, headers, _ = _call(f"Bearer {token}")
    lambda_python._verifier.cache_clear()  # noqa: SLF001 - likewise
    assert (status, headers["Retry-After"]) == (503, "1")
